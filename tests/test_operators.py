"""Operators hear once, in one message, of what needs them; the message follows it and says when it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import needs, operators
from bot.demo.outside import Outside
from bot.demo.slack.workspace import OPS
from bot.logs import set_up_logging
from bot.needs import Need, words
from storage.database import Connection
from storage.needs import Told
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def said(told: Mapping[str, Told], found: list[Need], now: datetime) -> tuple[dict[str, Told], int]:
    """What is known afterwards, and how many messages of their own were posted."""
    new = words(told, found, now)
    return {**told, **{word.told.kind: word.told for word in new}}, sum(word.post for word in new)


def test_a_need_is_told_once_however_long_it_lasts() -> None:
    told: dict[str, Told] = {}
    posts = 0
    for minute in range(0, 60 * 24 * 7, 30):
        told, more = said(told, [Need("database", "It is full.")], NOW + timedelta(minutes=minute))
        posts += more
    assert posts == 1


def test_more_of_it_changes_the_message_and_is_told_again_only_a_day_later() -> None:
    told, posts = said({}, [needs.given_up(1, "github-broken")], NOW)
    told, more = said(told, [needs.given_up(40, "github-broken")], NOW + HOUR)
    assert (posts, more) == (1, 0)
    assert "40 GitHub deliveries were" in told["dead-deliveries"].text
    told, more = said(told, [needs.given_up(40, "github-broken")], NOW + timedelta(hours=25))
    assert more == 1
    told, more = said(told, [needs.given_up(12, "github-broken")], NOW + timedelta(hours=60))
    assert more == 0, "some of them were replayed"


def test_what_comes_back_within_the_hour_is_the_same_and_later_a_new_one() -> None:
    told, _ = said({}, [Need("github-credentials", "No.")], NOW)
    told, _ = said(told, [], NOW + HOUR)
    assert told["github-credentials"].over_at == NOW + HOUR
    again, posts = said(told, [Need("github-credentials", "No.")], NOW + HOUR * 1.5)
    assert posts == 0 and again["github-credentials"].over_at is None
    _, posts = said(told, [Need("github-credentials", "No.")], NOW + HOUR * 3)
    assert posts == 1


@given(st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.integers(1, 300)), max_size=30))
def test_nothing_is_said_twice_and_nothing_that_is_over_stays(steps: list[tuple[set[str], int]]) -> None:
    told: dict[str, Told] = {}
    now = NOW
    for kinds, minutes in steps:
        found = [Need(kind, f"{kind} is needed.") for kind in sorted(kinds)]
        told, _ = said(told, found, now)
        assert {kind for kind, one in told.items() if one.over_at is None} == kinds
        assert words(told, found, now) == [], "saying it settles it"
        now += timedelta(minutes=minutes)


def test_a_short_wait_needs_nobody() -> None:
    assert needs.behind(3, NOW - timedelta(minutes=50), NOW, "github-broken") is None
    late = needs.behind(3, NOW - timedelta(hours=2), NOW, "github-broken")
    assert late is not None and late.text.startswith("3 GitHub deliveries wait, the oldest since 2026-11-24 10:00 UTC")


async def look(running: Running) -> None:
    await running.bot.operators.look()
    await running.worked()


async def test_dead_deliveries_are_told_once_and_over_when_they_were_replayed(running: Running) -> None:
    for number in range(3):
        await running.deliver_run(npm_logs.rejected(), repo=f"acme/r{number}")
    await running.worked(3)
    running.db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead', reason = 'github-broken'"))
    for _ in range(3):
        await look(running)
    (told,) = running.cards(OPS)
    assert told.text.startswith("3 GitHub deliveries were given up (last reason: github-broken)")
    assert "`python -m bot deliveries list --state dead`" in told.text
    running.db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'done'"))
    running.hands.ahead += timedelta(minutes=5)
    await look(running)
    (told,) = running.cards(OPS)
    assert told.text.startswith("Over since")


async def test_two_processes_tell_it_once(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings) as one, running_bot(outside, settings) as other:
        await one.deliver_run(npm_logs.rejected())
        await one.worked(1)
        one.db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead', reason = 'defect'"))
        for running in (one, other, one):
            await look(running)
        assert len(one.cards(OPS)) == 1
    async with running_bot(outside, settings) as restarted:
        await look(restarted)
        assert len(restarted.cards(OPS)) == 1


async def test_credentials_that_github_refuses_need_an_operator_but_not_at_the_first_refusal(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.outside.github.fail("/rate_limit", status=401, times=None)
    await look(running)
    assert running.cards(OPS) == []
    monkeypatch.setattr(operators, "REFUSED_FOR_S", 0.0)
    await look(running)
    (told,) = running.cards(OPS)
    assert told.text.startswith("GitHub does not take the bot's credentials")
    assert running.settings.github_token is not None
    assert running.settings.github_token.get_secret_value() not in told.text + str(told.blocks)


async def test_an_outage_of_github_needs_nobody(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "REFUSED_FOR_S", 0.0)
    running.outside.github.fail("/rate_limit", status=502, times=None)
    await look(running)
    await look(running)
    assert running.cards(OPS) == []


async def test_a_hook_that_may_not_be_looked_through_is_told(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path, github_hooks="acme/ui#99")
    outside.github.fail("/repos/acme/ui/hooks/99", status=403, times=None)
    async with running_bot(outside, settings) as running:
        await running.bot.sweep.sweep()
        await look(running)
        (told,) = running.cards(OPS)
        assert "Lost deliveries cannot be looked for everywhere" in told.text
        assert "acme/ui" in told.text and "GITHUB_HOOKS" in told.text


async def test_messages_that_could_not_be_said_are_told(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)

    def dead(connection: Connection) -> None:
        connection.execute("UPDATE messages SET state = 'dead', reason = 'invalid_arguments' WHERE kind = 'post'")

    running.db.write_now(dead)
    await look(running)
    (told,) = running.cards(OPS)
    assert told.text.startswith(
        "1 message could not be said in Slack and was given up (last reason: invalid_arguments)"
    )


async def test_each_line_of_the_log_names_the_delivery_from_its_work_to_its_message(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:

    set_up_logging("info", "json")
    sent = await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    rooms: dict[str, str] = {}

    def read() -> bool:
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
        rooms.update({line["logger"]: line["event"] for line in lines if line.get("delivery") == sent.guid})
        return "outbox" in rooms  # it is sent in the database a moment before the log says so

    await running.outside.slack.until(read, what="the line of the outbox")
    assert rooms == {"triage": "verdict", "inbox": "worked", "outbox": "sent"}
