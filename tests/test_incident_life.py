"""From the first failure to the version being live: one card, opened again when it is back, one for one cause."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, JONAS, MARA, RELEASES, Channel
from bot.messages import card as card_page
from storage import audit, awaited, incidents, tokens
from storage.incidents import Incident
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


def shown(message: Any) -> str:
    return message.text + json.dumps(message.blocks, ensure_ascii=False)


def latest(running: Running) -> list[Incident]:
    return running.db.read_now(incidents.latest)


def actions(running: Running, incident: Incident) -> list[tuple[str, str]]:
    entries = running.db.read_now(audit.of_subject, f"incident:{incident.id}")
    return [(entry.action, entry.who) for entry in reversed(entries)]


async def fails(running: Running, log: str, **run: Any) -> None:
    done = running.db.read_now(lambda c: c.value("SELECT COUNT(*) FROM deliveries"))
    await running.deliver_run(log, completed_at=running.hands.now(), **run)
    await running.worked(done + 1)


async def later(running: Running, **span: Any) -> None:
    running.hands.ahead += timedelta(**span)
    await running.bot.clock.tick()
    await running.worked()


async def until_over(running: Running) -> None:
    """As many looks as it takes: on a busy machine the registry may not answer one of them in time."""
    for _ in range(4):
        await later(running, minutes=10)
        if not running.db.read_now(incidents.count_open):
            return
    raise AssertionError("it is still open")


async def resolve_by_hand(running: Running, reason: str = "looks mended") -> None:
    answer = await running.outside.slack.click(running.cards()[-1], card_page.RESOLVE, JONAS)
    assert answer.view is not None
    await running.outside.slack.submit(answer.view, {"reason": reason})
    await running.worked()


def add_token(running: Running, name: str = "org", *, repos: tuple[str, ...] = ("acme/ui",), days: int = -1) -> Token:
    now = running.hands.now()
    token = Token(
        name=name, permission="read-write", scopes=("@acme",), owner=MARA.id, created_at=now - timedelta(days=60),
        expires_at=now + timedelta(days=days), used_by=tuple(Use(repo, RELEASE, "NPM_TOKEN") for repo in repos),
    )  # fmt: skip
    return running.db.write_now(tokens.add, token, now)


# --- back again ------------------------------------------------------------------------------------------------------


async def test_what_comes_back_within_a_day_opens_the_same_card_again(running: Running) -> None:
    await fails(running, npm_logs.rejected(), number=88)
    await resolve_by_hand(running)
    await later(running, hours=3)
    await fails(running, npm_logs.rejected(), number=89)
    (card,) = running.cards()
    (incident,) = latest(running)
    assert (incident.state, incident.occurrences) == ("open", 2)
    assert "Failed 2 times" in shown(card)
    assert running.thread(card)[-1] == "Open again: it failed once more."
    assert "It is back. It had been closed: looks mended." in shown(card)
    assert actions(running, incident) == [
        ("incident.open", "bot"),
        ("incident.resolve", JONAS.id),
        ("incident.reopen", "bot"),
    ]


async def test_what_comes_back_after_a_day_is_a_new_card_that_links_the_old_one(running: Running) -> None:
    await fails(running, npm_logs.rejected(), number=88)
    await resolve_by_hand(running)
    await later(running, hours=25)
    await fails(running, npm_logs.rejected(), number=89)
    old, new = running.cards()
    assert len(latest(running)) == 2
    assert "It is back" in shown(new)
    assert f"channel={RELEASES}" in shown(new) and old.ts in shown(new)
    assert "Resolved" in shown(old)


async def test_a_notice_of_the_same_attempt_after_the_end_says_nothing(running: Running) -> None:
    run_id = 19_000_000_021
    await fails(running, npm_logs.rejected(), run_id=run_id)
    await resolve_by_hand(running)
    await fails(running, npm_logs.rejected(), run_id=run_id)
    (card,) = running.cards()
    (incident,) = latest(running)
    assert (incident.state, incident.occurrences) == ("resolved", 1)
    assert len(running.thread(card)) == 1


async def test_old_news_of_a_failure_that_a_later_run_made_good_says_nothing(running: Running) -> None:
    when = running.hands.now()
    await fails(running, npm_logs.rejected(), number=88)
    running.hands.ahead += timedelta(minutes=10)
    await running.deliver_run(npm_logs.published(), number=90, conclusion="success", completed_at=running.hands.now())
    await running.worked(2)
    assert latest(running)[0].state == "resolved"
    await running.deliver_run(npm_logs.rejected(), number=89, completed_at=when + timedelta(minutes=5))
    await running.worked(3)
    assert [incident.state for incident in latest(running)] == ["resolved"]
    assert len(running.cards()) == 1


async def test_a_card_that_the_registry_closed_is_opened_again_by_the_next_failure(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await fails(running, npm_logs.rejected(), number=88)
    running.outside.registry.publish("@acme/ui", "2.3.1")
    await until_over(running)
    await fails(running, npm_logs.rejected(version="2.4.0"), number=89)
    (incident,) = latest(running)
    assert (incident.state, incident.version) == ("open", "2.4.0")
    assert len(running.cards()) == 1
    await later(running, minutes=2)
    assert latest(running)[0].state == "open", "2.3.1 is there, but 2.4.0 is awaited now"


# --- another cause ---------------------------------------------------------------------------------------------------


async def test_another_cause_goes_on_the_same_card_and_says_what_changed(running: Running) -> None:
    await fails(running, npm_logs.rejected(), number=88)
    await fails(running, npm_logs.one_time_password(), number=89)
    (card,) = running.cards()
    (incident,) = latest(running)
    assert "Before, it was" in shown(card)
    (line,) = running.thread(card)
    assert line.startswith("Failed again in <https://github.com/acme/ui/actions/runs/") and "Before, it was" in line
    assert actions(running, incident)[-1] == ("incident.change", "bot")
    await fails(running, npm_logs.one_time_password(), number=90)
    assert shown(running.cards()[0]).count("Before, it was") == 1


async def test_a_snooze_ends_early_when_something_else_goes_wrong_and_only_then(running: Running) -> None:
    await fails(running, npm_logs.rejected(), number=88)
    answer = await running.outside.slack.click(running.cards()[0], card_page.SNOOZE, JONAS)
    assert answer.view is not None
    await running.outside.slack.submit(answer.view, {"until": "4h", "reason": "waiting for Mara"})
    await running.worked()
    assert "Snoozed until" in shown(running.cards()[0]) and "waiting for Mara" in shown(running.cards()[0])
    await fails(running, npm_logs.rejected(), number=89)
    assert latest(running)[0].state == "snoozed"
    assert len(running.thread(running.cards()[0])) == 1
    await fails(running, npm_logs.one_time_password(), number=90)
    assert latest(running)[0].state == "open"


async def test_one_repository_leaves_the_card_of_a_token_when_it_fails_for_another_reason(running: Running) -> None:
    add_token(running, repos=("acme/ui", "acme/api"))
    await fails(running, npm_logs.not_found(), repo="acme/ui")
    await fails(running, npm_logs.not_found("@acme/api"), repo="acme/api")
    await fails(running, npm_logs.address_refused("@acme/api"), repo="acme/api")
    group, own = running.cards()
    assert "fails for another reason now" in shown(group)
    assert "acme/api" in shown(own)
    assert [incident.state for incident in latest(running)] == ["open", "open"]


# --- one root cause --------------------------------------------------------------------------------------------------


async def test_one_token_in_many_repositories_is_one_card_with_a_list_that_shrinks(running: Running) -> None:
    repos = tuple(f"acme/r{number}" for number in range(12))
    add_token(running, repos=repos)
    for number, repo in enumerate(repos):
        running.outside.registry.publish(f"@acme/r{number}", "1.0.0")
        await fails(running, npm_logs.not_found(f"@acme/r{number}", "1.1.0"), repo=repo)
    (card,) = running.cards()
    assert "Failed 12 times in 12 repositories" in shown(card)
    assert "12 of 12 workflows still to publish" in shown(card)
    assert "And 2 more still to publish." in shown(card)
    assert len(running.thread(card)) == 1, "one line, not one for each repository"
    for number in range(11):
        running.outside.registry.publish(f"@acme/r{number}", "1.1.0")
    for _ in range(3):
        await later(running, minutes=10)
    assert "1 of 12 workflows still to publish" in shown(running.cards()[0])
    assert latest(running)[0].state == "open"
    running.outside.registry.publish("@acme/r11", "1.1.0")
    await until_over(running)
    assert latest(running)[0].resolution == "All 12 versions are on the registry."
    assert len(running.cards()) == 1


async def test_a_storm_of_one_token_is_one_card_and_few_edits(running: Running) -> None:
    repos = tuple(f"acme/r{number}" for number in range(40))
    add_token(running, repos=repos)
    for attempt in range(5):
        for number, repo in enumerate(repos):
            await running.deliver_run(
                npm_logs.not_found(f"@acme/r{number}", "1.1.0"), repo=repo, run_id=19_100_000_000 + number,
                attempt=attempt + 1, completed_at=running.hands.now(),
            )  # fmt: skip
    await running.worked(200)
    (card,) = running.cards()
    (incident,) = latest(running)
    assert incident.occurrences == 200
    assert "Failed 200 times in 40 repositories" in shown(card)
    assert len(running.thread(card)) == 1
    spans = [after.at_s - before.at_s for before, after in zip(card.edits, card.edits[1:], strict=False)]
    assert all(span > 2.5 for span in spans), "edited at most every few seconds"
    assert len(running.db.read_now(awaited.open_of, incident.id)) == 40


async def test_a_repository_with_its_own_channel_is_told_once_where_the_card_is(
    outside: Outside, tmp_path: Path
) -> None:
    outside.slack.workspace.add_channel(Channel("C07API00001", "api", {BOT_USER}))
    async with running_bot(outside, settings_for(outside, tmp_path, channel_routes="acme/api=C07API00001")) as running:
        add_token(running, repos=("acme/ui", "acme/api"))
        await fails(running, npm_logs.not_found(), repo="acme/ui")
        for number in range(3):
            await fails(running, npm_logs.not_found("@acme/api"), repo="acme/api", number=number + 1)
        (pointer,) = running.cards("C07API00001")
        assert f"<#{RELEASES}>" in pointer.text and "acme/api" in pointer.text
        assert len(running.cards()) == 1


# --- one explains others ---------------------------------------------------------------------------------------------


def broken_network(package: str) -> str:
    return npm_logs.publish_log(
        "npm error code ECONNRESET", "npm error network aborted",
        "npm error network This is a problem related to network connectivity.", npm_logs.EXIT, package=package,
    )  # fmt: skip


async def test_an_outage_is_one_card_that_quiets_what_it_explains_until_it_is_over(running: Running) -> None:
    await fails(running, npm_logs.outage("@acme/a"), repo="acme/a")
    await fails(running, npm_logs.outage("@beta/b"), repo="beta/b")
    await fails(running, broken_network("@gamma/c"), repo="gamma/c")
    (card,) = running.cards()
    assert "in 2 repositories" in shown(card)
    assert "Probably explained by this" in shown(card) and "gamma/c" in shown(card)
    child = next(incident for incident in latest(running) if incident.repo == "gamma/c")
    assert child.muted_by is not None
    running.outside.registry.fail("/-/ping", status=503, times=1)
    await later(running, minutes=16)
    assert len(running.cards()) == 1, "the registry does not answer: it is not over"
    await later(running, minutes=1)
    card, spoken = running.cards()
    assert "gamma/c" in shown(spoken)
    assert "Probably explained by this" not in shown(card)
    assert "It looks over since" in shown(card)
    assert "To be run again: `acme/a` and `beta/b`." in running.thread(card)[-1]
    assert actions(running, child)[-2:] == [("incident.mute", "bot"), ("incident.unmute", "bot")]


async def test_a_token_that_is_known_to_be_dead_is_not_quieted_by_an_outage(running: Running) -> None:
    add_token(running, repos=("gamma/c",))
    await fails(running, npm_logs.outage("@acme/a"), repo="acme/a")
    await fails(running, npm_logs.outage("@beta/b"), repo="beta/b")
    await fails(running, npm_logs.not_found("@gamma/c"), repo="gamma/c")
    assert len(running.cards()) == 2


async def test_a_dead_token_quiets_the_refusals_it_may_explain(running: Running) -> None:
    add_token(running)
    for name in ("docs", "site", "ui"):
        running.outside.registry.publish(f"@acme/{name}", "1.0.0")
    await fails(running, npm_logs.not_found("@acme/docs"), repo="acme/docs")  # only a guess that it is this token
    assert [incident.verdict for incident in latest(running)] == ["no-access"]
    await fails(running, npm_logs.not_found(), repo="acme/ui")
    guess, dead = running.cards()
    assert "Quiet for now, because this probably explains it" in shown(guess)
    assert "acme/docs" in shown(dead)
    await fails(running, npm_logs.not_found("@acme/site"), repo="acme/site")
    assert len(running.cards()) == 2, "explained before it said anything"
    assert "acme/site" in shown(running.cards()[1])
    answer = await running.outside.slack.click(running.cards()[1], card_page.RESOLVE, JONAS)
    assert answer.view is not None
    await running.outside.slack.submit(answer.view, {"reason": "new token"})
    await running.worked()
    guess, dead, site = running.cards()
    assert "acme/site" in shown(site)
    assert "Quiet for now" not in shown(guess)
    assert running.thread(guess)[-1].startswith("This is still open, though what seemed to explain it is over")
