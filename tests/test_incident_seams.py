"""Where what is quiet, put off or handed on meets who is called: for quiet ones nobody, else everybody once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.clock import Clock
from bot.demo.outside import Outside
from bot.demo.slack.workspace import JONAS, MARA, Person
from bot.messages import card as card_page
from storage import audit, incidents, tokens
from storage.incidents import Incident
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"
ANNA = Person("U07ANNA0001", "anna", "Anna Backup", email="anna@acme.example")


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    outside.slack.workspace.add_person(ANNA)
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        yield made


async def fails(running: Running, log: str, **run: Any) -> None:
    done = running.db.read_now(lambda c: c.value("SELECT COUNT(*) FROM deliveries"))
    await running.deliver_run(log, completed_at=running.hands.now(), actor="jonas-r", **run)
    await running.worked(done + 1)


async def later(running: Running, **span: Any) -> None:
    running.hands.ahead += timedelta(**span)
    await running.bot.clock.tick()
    await running.worked()


async def click(running: Running, action: str, who: Person = JONAS, values: dict[str, str] | None = None) -> None:
    answer = await running.outside.slack.click(running.cards()[-1], action, who)
    if values is not None:
        assert (await running.outside.slack.submit(answer.view, values, who)).errors == {}
    await running.worked()


def add_token(running: Running, name: str, repo: str, **more: Any) -> Token:
    now = running.hands.now()
    token = Token(
        name=name, permission="read-write", packages=("@acme/ui",), owner=MARA.id, created_at=now - timedelta(days=60),
        expires_at=now - timedelta(days=1), used_by=(Use(repo, RELEASE, "NPM_TOKEN"),),
    )  # fmt: skip
    return running.db.write_now(tokens.add, replace(token, **more), now)


def only(running: Running) -> Incident:
    (incident,) = running.db.read_now(incidents.latest)
    return incident


def history(running: Running, incident: Incident) -> list[str]:
    entries = running.db.read_now(audit.of_subject, f"incident:{incident.id}")
    return [entry.action for entry in reversed(entries)]


def broken_network(package: str) -> str:
    return npm_logs.publish_log(
        "npm error code ECONNRESET", "npm error network aborted",
        "npm error network This is a problem related to network connectivity.", npm_logs.EXIT, package=package,
    )  # fmt: skip


async def during_an_outage(running: Running) -> Incident:
    """An incident that an outage explains before it says anything."""
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    await fails(running, npm_logs.outage("@acme/a"), repo="acme/a")
    await fails(running, npm_logs.outage("@beta/b"), repo="beta/b")
    await fails(running, broken_network("@gamma/c"), repo="gamma/c")
    child = next(one for one in running.db.read_now(incidents.latest) if one.repo == "gamma/c")
    assert child.muted_by is not None
    return child


async def test_what_is_quiet_calls_nobody_until_it_speaks_however_late_that_is(running: Running) -> None:
    child = await during_an_outage(running)
    running.outside.registry.fail("/-/ping", status=503, times=None)
    for _ in range(3):
        await later(running, minutes=50)
    (outage,) = running.cards()
    said = running.thread(outage)
    assert sum(f"<@{JONAS.id}>" in line for line in said) == 1, "of the outage itself people hear"
    running.outside.registry.recover()
    await later(running, minutes=1)
    await later(running, minutes=1)
    _, spoken = running.cards()
    assert running.thread(spoken) == [f"Also for <@{JONAS.id}> (who started the run)."]
    assert running.db.read_now(incidents.get, child.id).muted_by is None


async def test_what_spoke_after_a_day_of_quiet_is_not_escalated_at_once(running: Running) -> None:
    await during_an_outage(running)
    running.outside.registry.fail("/-/ping", status=503, times=None)
    await later(running, hours=25)
    running.outside.registry.recover()
    for _ in range(2):
        await later(running, minutes=1)
    spoken = running.cards()[-1]
    assert not [line for line in running.thread(spoken) if line.startswith("Still open")]
    await later(running, hours=24)
    assert [line for line in running.thread(spoken) if line.startswith("Still open")]


async def test_a_snooze_that_ends_calls_whoever_put_it_off_and_asks_nothing_else(running: Running) -> None:
    await fails(running, npm_logs.rejected())
    await click(running, card_page.CLAIM)
    await click(running, card_page.SNOOZE, values={"until": "3d", "reason": "npm mends it on Friday"})
    await later(running, days=3, minutes=1)
    lines = running.thread(running.cards()[0])
    assert lines[-1] == f"<@{JONAS.id}>, the snooze is over and this is still open."
    await later(running, hours=3, minutes=50)
    assert running.thread(running.cards()[0]) == lines, "a claim of four days ago is not stale at once"
    await later(running, minutes=20)
    assert "you took this" in running.thread(running.cards()[0])[-1]


async def test_ended_early_it_says_by_whom(running: Running) -> None:
    await fails(running, npm_logs.rejected())
    await click(running, card_page.SNOOZE, values={"until": "3d", "reason": "later"})
    await click(running, card_page.WAKE, MARA)
    assert running.thread(running.cards()[0])[-1] == f"<@{MARA.id}> ended the snooze."


async def test_the_snooze_of_what_is_quiet_ends_without_a_word(running: Running) -> None:
    await fails(running, broken_network("@gamma/c"), repo="gamma/c")
    await click(running, card_page.SNOOZE, values={"until": "1h", "reason": "npm is down, says its status page"})
    await fails(running, npm_logs.outage("@acme/a"), repo="acme/a")
    await fails(running, npm_logs.outage("@beta/b"), repo="beta/b")
    running.outside.registry.fail("/-/ping", status=503, times=None)
    before = running.thread(running.cards()[0])
    await later(running, hours=1, minutes=1)
    assert running.thread(running.cards()[0]) == before
    child = next(one for one in running.db.read_now(incidents.latest) if one.repo == "gamma/c")
    assert (child.state, history(running, child)[-1]) == ("open", "incident.wake")


async def test_whose_token_it_turns_out_to_be_is_called_in_the_thread_once(running: Running) -> None:
    await fails(running, npm_logs.rejected())
    assert f"<@{MARA.id}>" not in json.dumps(running.cards()[0].blocks)
    add_token(running, "npm-acme-ci", "acme/ui", owner=ANNA.id, backup_owner=MARA.id)
    for _ in range(3):
        await later(running, minutes=11)
        await fails(running, npm_logs.rejected())
    called = [line for line in running.thread(running.cards()[0]) if line.startswith("Also for")]
    assert called == [
        f"Also for <@{ANNA.id}> (the owner of `npm-acme-ci`) and <@{MARA.id}> (the backup owner of `npm-acme-ci`)."
    ]


async def test_what_comes_back_to_whoever_had_it_calls_them(running: Running) -> None:
    await fails(running, npm_logs.rejected())
    await click(running, card_page.CLAIM)
    await click(running, card_page.RESOLVE, MARA, {"reason": "looks mended"})
    await later(running, hours=2)
    await fails(running, npm_logs.rejected())
    assert running.thread(running.cards()[0])[-1] == (
        f"Open again: it failed once more. <@{JONAS.id}>, it is with you again."
    )
    assert only(running).claimed_by == JONAS.id


async def test_a_card_that_lives_for_days_says_its_dates_as_of_then(running: Running) -> None:
    add_token(running, "npm-acme-ci", "acme/ui")
    await fails(running, npm_logs.not_found())
    assert "*Token npm-acme-ci expired a day ago.*" in json.dumps(running.cards()[0].blocks)
    await later(running, days=4)
    await click(running, card_page.CLAIM)
    said = json.dumps(running.cards()[0].blocks)
    assert "*Token npm-acme-ci expired about 5 days ago.*" in said and "expired 5 days ago (" in said


async def test_given_back_it_is_escalated_anew_after_the_same_time(running: Running) -> None:
    add_token(running, "npm-acme-ci", "acme/ui", backup_owner=ANNA.id)
    await fails(running, npm_logs.not_found())
    await later(running, hours=24, minutes=1)
    await click(running, card_page.CLAIM)
    for _ in range(2):
        await later(running, hours=4, minutes=1)
    assert running.thread(running.cards()[0])[-1].startswith("Nobody is on it")
    await later(running, hours=23, minutes=50)
    assert running.thread(running.cards()[0])[-1].startswith("Nobody is on it")
    await later(running, minutes=20)
    assert f"<@{ANNA.id}>, you are the backup owner" in running.thread(running.cards()[0])[-1]


async def test_nobody_is_called_for_a_token_that_is_only_a_guess_or_not_at_fault(running: Running) -> None:
    add_token(running, "npm-acme-ci", "acme/ui", backup_owner=ANNA.id, expires_at=None)
    await fails(running, npm_logs.outage("@acme/ui"))
    await later(running, minutes=1)
    await later(running, hours=25)
    assert ANNA.id not in str(running.thread(running.cards()[0]))


async def test_a_change_of_cause_that_ends_a_snooze_is_in_its_history(running: Running) -> None:
    await fails(running, npm_logs.rejected())
    await click(running, card_page.SNOOZE, values={"until": "1w", "reason": "new token on Monday"})
    await fails(running, npm_logs.publish_log("npm error code E402", "npm error 402 Payment Required", npm_logs.EXIT))
    assert history(running, only(running))[-2:] == ["incident.change", "incident.wake"]


async def test_what_somebody_put_off_stays_put_off_when_nothing_explains_it_any_more(running: Running) -> None:
    await fails(running, broken_network("@gamma/c"), repo="gamma/c")
    await click(running, card_page.SNOOZE, values={"until": "1w", "reason": "moving to another network"})
    await fails(running, npm_logs.outage("@acme/a"), repo="acme/a")
    await fails(running, npm_logs.outage("@beta/b"), repo="beta/b")
    before = running.thread(running.cards()[0])
    for _ in range(3):
        await later(running, minutes=16)
    child = next(one for one in running.db.read_now(incidents.latest) if one.repo == "gamma/c")
    assert (child.state, child.muted_by) == ("snoozed", None)
    assert running.thread(running.cards()[0]) == before
    assert "Quiet for now" not in json.dumps(running.cards()[0].blocks)


async def test_whoever_was_on_what_goes_on_elsewhere_hears_where(running: Running) -> None:
    add_token(
        running, "org", "acme/api", used_by=tuple(Use(f"acme/{name}", RELEASE, "NPM_TOKEN") for name in ("api", "ui"))
    )
    await fails(running, npm_logs.one_time_password(), repo="acme/ui")
    await click(running, card_page.CLAIM)
    await fails(running, npm_logs.not_found("@acme/api"), repo="acme/api")
    await fails(running, npm_logs.not_found(), repo="acme/ui")
    own, shared = running.cards()
    assert running.thread(own)[-1] == (
        "Resolved: The release fails for another reason now: it goes on in incident 2."
        f" <@{JONAS.id}>, you were on this one: can you take that one too?"
    )
    assert "2 of 2 workflows still to publish" in json.dumps(shared.blocks)
