"""The card closes when the version is on the registry, whoever put it there, through restarts, and not before."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from bot.demo.outside import Outside
from storage import awaited, incidents, tokens
from storage.incidents import Incident
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Hands, Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


def only(running: Running) -> Incident:
    (incident,) = running.db.read_now(incidents.latest)
    return incident


def shown(running: Running) -> str:
    (card,) = running.cards()
    return card.text + json.dumps(card.blocks, ensure_ascii=False)


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


def staged_log(package: str = "@acme/ui", version: str = "2.3.1") -> str:
    identifier = "0f0e1c2a-1111-4222-8333-944445555666"
    return npm_logs.publish_log(
        f"+ {package}@{version} (staged with id {identifier})",
        f"npm notice package {package}@{version} has been staged with tag latest",
        package=package,
        version=version,
    )


async def test_a_version_that_appears_closes_the_card_and_says_that_the_registry_has_it(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    await later(running, minutes=2)
    assert only(running).state == "open"
    running.outside.registry.publish("@acme/ui", "2.3.1")  # from somebody's laptop: no run, no webhook
    await until_over(running)
    assert only(running).resolution == "@acme/ui 2.3.1 is on the registry."
    assert "Resolved: @acme/ui 2.3.1 is on the registry." in shown(running)
    (card,) = running.cards()
    assert running.thread(card) == ["Resolved: @acme/ui 2.3.1 is on the registry."]


async def test_the_registry_is_asked_ever_more_seldom_for_a_day_and_never_with_a_credential(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    running.outside.registry.requests.clear()
    for _ in range(30 * 60 // 5):
        running.hands.ahead += timedelta(minutes=5)
        await running.bot.clock.tick()
    asked = [request for request in running.outside.registry.requests if "2.3" not in request.path]
    assert 20 < len(asked) < 40
    assert only(running).look_at is None
    assert only(running).state == "open"
    assert not [request for request in running.outside.registry.requests if "authorization" in str(request).lower()]


async def test_the_watch_survives_a_restart(outside: Outside, tmp_path: Path) -> None:
    hands = Hands()
    outside.registry.publish("@acme/ui", "2.3.0")
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands) as running:
        await running.deliver_run(npm_logs.not_found())
        await running.worked(1)
    outside.registry.publish("@acme/ui", "2.3.1")
    hands.ahead += timedelta(hours=5)
    async with running_bot(outside, settings, hands) as running:
        await later(running, minutes=1)
        # The clock of a bot that has just started ticks by itself as well, and may have taken the look already.
        await outside.slack.until(lambda: only(running).state == "resolved", what="the card to close")


async def test_two_bots_on_one_database_close_it_once(outside: Outside, tmp_path: Path) -> None:
    settings, hands = settings_for(outside, tmp_path), Hands()
    async with running_bot(outside, settings, hands) as one, running_bot(outside, settings, hands) as two:
        await two.deliver_run(npm_logs.not_found())
        await two.worked(1)
        outside.registry.publish("@acme/ui", "2.3.1")
        hands.ahead += timedelta(minutes=2)
        for running in (one, two, one):
            await running.bot.clock.tick()
        await one.worked()
        (card,) = one.cards()
        assert len(one.thread(card)) == 1


async def test_a_registry_that_is_down_ends_nothing_and_is_asked_again(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    running.outside.registry.fail(".", status=503, times=None)
    running.outside.registry.publish("@acme/ui", "2.3.1")
    await later(running, minutes=2)
    assert only(running).state == "open"
    running.outside.registry.recover()
    await until_over(running)


async def test_a_green_run_without_the_version_leaves_the_card_open_with_that_sentence(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(npm_logs.not_found(), number=88)
    await running.worked(1)
    await running.deliver_run(npm_logs.stamped("##[group]Run echo", "done"), number=89, conclusion="success")
    await running.worked(2)
    assert only(running).state == "open"
    assert "Run 89 was green, but @acme/ui 2.3.1 is not on the registry." in shown(running)
    (card,) = running.cards()
    assert running.thread(card) == []


async def test_a_log_that_claims_more_than_the_registry_shows_waits_for_the_registry(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    run_id = 19_000_000_009
    await running.deliver_run(npm_logs.not_found(), run_id=run_id, number=88)
    await running.worked(1)
    await later(running, days=2)  # the first watch is over
    await running.deliver_run(npm_logs.published(), run_id=run_id, number=88, attempt=2, conclusion="success")
    await running.worked(2)
    assert only(running).state == "open"
    assert "the registry does not list it yet" in shown(running)
    running.outside.registry.publish("@acme/ui", "2.3.1")
    await until_over(running)


async def test_where_the_registry_shows_nothing_the_next_publish_closes_it_and_says_so(running: Running) -> None:
    await running.deliver_run(npm_logs.not_found("@acme/private"), number=88)
    await running.worked(1)
    await running.deliver_run(npm_logs.published("@acme/private", "2.3.1"), number=89, conclusion="success")
    await running.worked(2)
    assert only(running).resolution == (
        "The workflow published again (run 89), as its log says; the registry could not be read."
    )


async def test_a_version_that_is_out_already_is_not_waited_for_on_the_registry(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.1")
    says = "You cannot publish over the previously published versions: 2.3.1."
    await running.deliver_run(npm_logs.forbidden(says))
    await running.worked(1)
    assert only(running).verdict == "version-exists"
    await later(running, hours=2)
    assert only(running).state == "open"


def stage_only_token(running: Running) -> None:
    token = Token(
        name="stager", permission="read-write-stage-only", packages=("@acme/ui",),
        used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"),),
    )  # fmt: skip
    running.db.write_now(tokens.add, token, running.hands.now())


async def test_a_staged_version_is_a_card_that_says_how_to_approve_and_reminds_and_closes_when_live(
    running: Running,
) -> None:
    stage_only_token(running)
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(staged_log(), conclusion="success")
    await running.worked(1)
    assert only(running).verdict == "staged"
    said = shown(running)
    assert "npm stage approve" in said and "Waits for approval: `@acme/ui 2.3.1`" in said
    assert "Nothing failed" in said
    assert "({ago})" in said.split("Waits for approval")[1], "its age, whenever the card is read"
    (card,) = running.cards()
    await later(running, hours=20)
    assert running.thread(card) == []
    await later(running, hours=5)
    (reminder,) = running.thread(card)
    assert "still waiting for approval" in reminder and "npm stage approve ID" in reminder
    await later(running, hours=1)
    assert len(running.thread(card)) == 1
    await later(running, days=4)
    assert len(running.thread(card)) == 2
    running.outside.registry.publish("@acme/ui", "2.3.1")
    await later(running, hours=1)
    await until_over(running)
    assert only(running).resolution == "@acme/ui 2.3.1 is on the registry."
    assert len(running.cards()) == 1


async def test_a_re_run_that_only_stages_keeps_the_failed_card_open_and_says_so(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    run_id = 19_000_000_011
    await running.deliver_run(npm_logs.not_found(), run_id=run_id)
    await running.worked(1)
    await running.deliver_run(staged_log(), run_id=run_id, attempt=2, conclusion="success")
    await running.worked(2)
    (card,) = running.cards()
    assert only(running).state == "open"
    assert "waits for approval" in shown(running)
    assert len(running.thread(card)) == 1 and "staged and not out yet" in running.thread(card)[0]
    (item,) = running.db.read_now(awaited.of, only(running).id)
    assert item.state == "staged"


@pytest.mark.parametrize("times", [1, 3])
async def test_the_same_staged_run_again_is_the_same_card(running: Running, times: int) -> None:
    stage_only_token(running)
    run = {"run_id": 19_000_000_012, "conclusion": "success"}
    for number in range(times):
        await running.deliver_run(staged_log(), **run)
        await running.worked(number + 1)
    (card,) = running.cards()
    assert running.thread(card) == []
