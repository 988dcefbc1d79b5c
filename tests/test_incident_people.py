"""Claims are handed over, asked after and given back; what nobody claims is escalated once; nights are quiet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Clock
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, JONAS, MARA, Message
from bot.messages import card as card_page
from bot.quiet_hours import QuietHours, read_hours, resting
from bot.workdays import Workdays
from storage import audit, incidents, tokens
from storage.incidents import Incident
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Hands, Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


async def with_card(running: Running, *, owned: bool = False) -> Message:
    if owned:
        now = running.hands.now()
        token = Token(
            name="npm-acme-ci", permission="read-write", packages=("@acme/ui",), owner=MARA.id, backup_owner=JONAS.id,
            created_at=now - timedelta(days=60), expires_at=now - timedelta(days=2),
            used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"),),
        )  # fmt: skip
        running.db.write_now(tokens.add, token, now)
    await running.deliver_run(npm_logs.not_found() if owned else npm_logs.rejected())
    await running.worked(1)
    return running.cards()[0]


def only(running: Running) -> Incident:
    (incident,) = running.db.read_now(incidents.latest)
    return incident


def shown(running: Running) -> str:
    return json.dumps(running.cards()[0].blocks, ensure_ascii=False)


def said(running: Running) -> list[str]:
    return running.thread(running.cards()[0])


def actions(running: Running) -> list[tuple[str, str]]:
    entries = running.db.read_now(audit.of_subject, f"incident:{only(running).id}")
    return [(entry.action, entry.who) for entry in reversed(entries)][1:]


async def later(running: Running, **span: Any) -> None:
    running.hands.ahead += timedelta(**span)
    await running.bot.clock.tick()
    await running.worked()


async def click(running: Running, action: str, who: Any = JONAS) -> Any:
    answer = await running.outside.slack.click(running.cards()[0], action, who)
    await running.worked()
    return answer


async def test_a_claim_is_handed_over_with_a_note_to_a_person_who_hears_of_it_once(running: Running) -> None:
    await with_card(running)
    await click(running, card_page.CLAIM)
    answer = await click(running, card_page.HAND_OVER)
    values = {"to": MARA.id, "reason": "the token is made, the secret is not yet written"}
    assert (await running.outside.slack.submit(answer.view, values)).errors == {}
    await running.worked()
    assert only(running).claimed_by == MARA.id
    assert f"<@{MARA.id}> is on it" in shown(running)
    assert said(running)[-1] == (
        f"<@{MARA.id}>, <@{JONAS.id}> handed this over to you: the token is made, the secret is not yet written."
    )
    assert actions(running) == [("incident.claim", JONAS.id), ("incident.hand-over", JONAS.id)]


async def test_nothing_is_handed_to_a_guest_or_to_whoever_has_it(running: Running) -> None:
    await with_card(running)
    await click(running, card_page.CLAIM)
    answer = await click(running, card_page.HAND_OVER)
    refused = await running.outside.slack.submit(answer.view, {"to": GUEST.id, "reason": "yours"})
    assert "full member" in str(refused.errors)
    answer = await click(running, card_page.HAND_OVER)
    again = await running.outside.slack.submit(answer.view, {"to": JONAS.id, "reason": "mine"})
    assert "on it already" in json.dumps(again.view.body if again.view else {})


async def test_a_stale_claim_is_asked_after_once_and_then_given_back(running: Running) -> None:
    await with_card(running)
    await click(running, card_page.CLAIM)
    await later(running, hours=3, minutes=59)
    assert len(said(running)) == 1
    await later(running, minutes=2)
    assert said(running)[-1].startswith(f"<@{JONAS.id}>, you took this 4 hours ago and it is still open.")
    assert "Asked" in shown(running) and "I am on it" in shown(running)
    await later(running, hours=2)
    assert len(said(running)) == 2
    await later(running, hours=2, minutes=1)
    assert said(running)[-1].startswith("Nobody is on it:")
    assert (only(running).state, only(running).claimed_by) == ("open", None)
    assert actions(running) == [("incident.claim", JONAS.id), ("incident.nudge", "bot"), ("incident.give-back", "bot")]


async def test_who_says_that_they_are_still_on_it_keeps_it(running: Running) -> None:
    await with_card(running)
    await click(running, card_page.CLAIM)
    assert "claimed this incident already" in (await click(running, card_page.CLAIM)).text
    await later(running, hours=4, minutes=1)
    await click(running, card_page.CLAIM)
    assert said(running)[-1] == f"<@{JONAS.id}> is still on it."
    await later(running, hours=3, minutes=50)
    assert only(running).claimed_by == JONAS.id
    assert "Asked" not in shown(running)


async def test_what_nobody_claims_is_escalated_once_to_the_backup_owner_and_the_channel(running: Running) -> None:
    await with_card(running, owned=True)
    await later(running, minutes=1)
    assert said(running) == [f"Also for <@{JONAS.id}> (the backup owner of `npm-acme-ci`)."]
    await later(running, hours=23, minutes=57)
    assert len(said(running)) == 1
    await later(running, minutes=3)
    assert f"<@{JONAS.id}>, you are the backup owner of `npm-acme-ci`" in said(running)[1]
    replies = running.outside.slack.messages(running.cards()[0].channel, thread=running.cards()[0].ts)
    assert [reply.broadcast for reply in replies] == [False, True], "the channel sees it too"
    assert "Nobody is on it: escalated" in shown(running)
    for _ in range(3):
        await later(running, hours=30)
    assert len(said(running)) == 2
    assert actions(running)[0] == ("incident.escalate", "bot")


@pytest.mark.parametrize("what", ["claimed", "snoozed", "resolved"])
async def test_what_somebody_looks_after_is_not_escalated(running: Running, what: str) -> None:
    await with_card(running, owned=True)
    if what == "claimed":
        await click(running, card_page.CLAIM)
    else:
        answer = await click(running, card_page.SNOOZE if what == "snoozed" else card_page.RESOLVE)
        await running.outside.slack.submit(
            answer.view, {"reason": "known"} | ({"until": "1w"} if what == "snoozed" else {})
        )
        await running.worked()
    before = len(said(running))
    await later(running, hours=25)
    assert not [line for line in said(running)[before:] if "backup owner" in line]


async def test_nights_are_quiet_for_what_can_wait_and_not_for_a_failure(outside: Outside, tmp_path: Path) -> None:
    hands = Hands()
    hands.ahead = datetime(2026, 11, 25, 17, 30, tzinfo=UTC) - datetime.now(UTC)
    settings = settings_for(outside, tmp_path, quiet_hours="20:00-08:00", timezone="Europe/Berlin")
    async with running_bot(outside, settings, hands) as running:
        await with_card(running)
        await click(running, card_page.CLAIM)
        await later(running, hours=5)  # half past eleven in Berlin
        assert len(said(running)) == 1
        await running.deliver_run(npm_logs.rejected("@acme/night"), repo="acme/night")
        await running.worked(2)
        assert len(running.cards()) == 2, "a failure is told at any hour"
        await later(running, hours=8)
        assert len(said(running)) == 1
        await later(running, minutes=31)
        assert "still open" in said(running)[-1]


async def test_weekends_are_quiet_too_and_the_end_of_a_snooze_is_kept(outside: Outside, tmp_path: Path) -> None:
    hands = Hands()
    hands.ahead = datetime(2026, 11, 27, 21, 0, tzinfo=UTC) - datetime.now(UTC)  # a Friday
    async with running_bot(outside, settings_for(outside, tmp_path, workdays="mon-fri"), hands) as running:
        await with_card(running)
        await click(running, card_page.CLAIM)
        await later(running, hours=40)
        assert len(said(running)) == 1, "nobody is asked on a Sunday"
        answer = await click(running, card_page.SNOOZE)
        await running.outside.slack.submit(answer.view, {"until": "1h", "reason": "on the train"})
        await later(running, hours=1, minutes=1)
        assert "the snooze is over" in said(running)[-1], "somebody chose that hour"
        await later(running, hours=9)
        assert "the snooze is over" in said(running)[-1]
        await later(running, hours=1)
        assert "you took this" in said(running)[-1], "Monday"


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("20:00-08:00", time(23), True),
        ("20:00-08:00", time(20), True),
        ("20:00-08:00", time(8), False),
        ("12:00-13:00", time(12, 30), True),
        ("12:00-13:00", time(13), False),
        ("", time(3), False),
    ],
)
def test_quiet_hours(hours: str, at: time, quiet: bool) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime.combine(datetime(2026, 11, 25).date(), at, berlin).astimezone(UTC)
    assert resting(now, berlin, read_hours(hours), Workdays()) is quiet
    assert resting(now, berlin, read_hours(hours), Workdays(weekdays=(5, 6))), (
        "a Wednesday, where only weekends are worked"
    )


@pytest.mark.parametrize("text", ["20-8", "25:00-08:00", "08:00-08:00", "always", "20:00"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be hours such as"):
        read_hours(text)


@given(st.times(), st.times(), st.times())
def test_a_moment_is_in_the_hours_or_in_the_others(start: time, end: time, at: time) -> None:
    if start != end:
        assert (at in QuietHours(start, end)) != (at in QuietHours(end, start))
