"""What GitHub could not deliver comes to a card all the same: once, marked, and without being asked twice."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import sweep
from bot.demo.github import Run, job_from_log, payloads
from bot.demo.github.deliveries import Delivery, Hook
from bot.demo.github.world import restamped
from bot.demo.outside import Outside
from bot.settings import Settings
from storage import deliveries
from tests import npm_logs
from tests.running import Hands, Running, running_bot, settings_for

REPOSITORY_HOOK = Hook("repository", "acme/ui", 123)
ORGANISATION_HOOK = Hook("organization", "acme", 456)
RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "WAITS_S", (0.01, 0.01, 0.01))  # real waits, shorter


def as_app(outside: Outside, tmp_path: Path, app_key: str, **changes: Any) -> Settings:
    app = {"github_token": None, "github_app_id": "12345", "github_private_key": app_key}
    return settings_for(outside, tmp_path, **(app | changes))


def hooked(outside: Outside, tmp_path: Path, **changes: Any) -> Settings:
    return settings_for(outside, tmp_path, github_hooks="acme/ui#123", **changes)


def ran(
    outside: Outside, log: str = "", *, repo: str = "acme/ui", ago: timedelta = timedelta(hours=3), **more: Any
) -> Run:
    """A run that ended some time ago."""
    ended = datetime.now(UTC) - ago
    conclusion = more.get("conclusion", "failure")
    job = job_from_log("release", restamped(log or npm_logs.rejected(), ended), conclusion=conclusion)
    return outside.github.add_run(repo, jobs=[job], completed_at=ended, **more)


def lost(outside: Outside, run: Run, *, hook: Hook | None = REPOSITORY_HOOK, **more: Any) -> Delivery:
    return outside.github.lose(
        "workflow_run", payloads.workflow_run(run), hook=hook, **({"at": run.completed_at} | more)
    )


def shown(running: Running) -> list[str]:
    return [json.dumps(card.blocks, ensure_ascii=False) for card in running.cards()]


def stored(running: Running) -> dict[str, str]:
    """GUID -> how it came."""
    return {one.guid: one.source for one in running.db.read_now(deliveries.latest, limit=1000)}


async def swept(running: Running) -> None:
    """A whole sweep, and everything that comes of it."""
    await running.bot.sweep.tick(at_once=True)
    await running.worked()


def listings(outside: Outside) -> int:
    return len(outside.github.asked("GET .*/deliveries$"))


async def test_a_day_of_downtime_ends_with_every_failed_publish_on_a_card(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    settings, hands = as_app(outside, tmp_path, app_key), Hands()
    async with running_bot(outside, settings, hands) as running:
        await running.deliver_run(npm_logs.rejected("@acme/tools"), repo="acme/tools")
        await running.worked(1)
        assert len(running.cards()) == 1
    # Down. GitHub tries each delivery once, and nobody answers.
    packages = ["ui", "api", "web", "cli", "core"]
    for name in packages:
        run = outside.github.add_run(f"acme/{name}", jobs=[job_from_log("release", npm_logs.rejected(f"@acme/{name}"))])
        assert (await outside.github.send_run(run)).status == 0
    red = outside.github.add_run("acme/web", workflow=".github/workflows/ci.yml", name="CI",
                                 jobs=[job_from_log("test", npm_logs.red_tests())])  # fmt: skip
    await outside.github.send_run(red)
    failed = outside.github.add_run("acme/docs", jobs=[job_from_log("release", npm_logs.rejected("@acme/docs"))])
    await outside.github.send_run(failed)
    again = outside.github.add_run(
        "acme/docs", run_id=failed.id, attempt=2, conclusion="success",
        jobs=[job_from_log("release", npm_logs.published("@acme/docs"), conclusion="success")],
    )  # fmt: skip
    await outside.github.send_run(again)

    hands.ahead += timedelta(days=1)
    async with running_bot(outside, settings, hands) as running:
        await outside.slack.until(lambda: len(running.cards()) == 7, what="all cards", timeout_s=30)
        await running.worked(9)
        cards = {name: next(text for text in shown(running) if f"@acme/{name}" in text) for name in packages}
        for text in cards.values():
            assert "Seen late: it failed <!date^" in text
        (mended,) = [text for text in shown(running) if "@acme/docs" in text]
        assert "Resolved" in mended
        (live,) = [text for text in shown(running) if "@acme/tools" in text]
        assert "Seen late" not in live
    # And nothing of it comes again.
    async with running_bot(outside, settings, hands) as running:
        await swept(running)
        assert len(running.cards()) == 7
        assert len(stored(running)) == 9
    assert not outside.github.asked("POST .*/attempts")


@pytest.mark.parametrize(
    ("setting", "hook"), [("acme/ui#123", REPOSITORY_HOOK), ("acme#456", ORGANISATION_HOOK)], ids=["repo", "org"]
)
@pytest.mark.parametrize("app", [False, True], ids=["token", "app"])
async def test_hooks_of_repositories_and_organisations_are_looked_through(
    outside: Outside, tmp_path: Path, app_key: str, setting: str, hook: Hook, app: bool
) -> None:
    delivery = lost(outside, ran(outside), hook=hook)
    make = (lambda **more: as_app(outside, tmp_path, app_key, **more)) if app else (
        lambda **more: settings_for(outside, tmp_path, **more))  # fmt: skip
    async with running_bot(outside, make(github_hooks=setting)) as running:
        await outside.slack.until(lambda: running.cards(), what="the card")
        assert stored(running) == {delivery.guid: "sweep"}


async def test_it_works_without_any_address_under_which_github_could_reach_us(outside: Outside, tmp_path: Path) -> None:
    """Socket Mode and the sweep alone: no webhook ever arrives."""
    settings = hooked(outside, tmp_path, slack_app_token="xapp-1-" + "a" * 20, github_webhook_secret=None)
    assert settings.public_url is None
    lost(outside, ran(outside))
    async with running_bot(outside, settings) as running:
        await outside.slack.until(lambda: running.cards(), what="the card")
        lost(outside, ran(outside, npm_logs.rejected("@acme/two"), workflow=".github/workflows/two.yml"))
        await swept(running)
        assert len(running.cards()) == 2
    assert not outside.github.asked("POST .*/attempts")


async def test_events_nobody_works_are_not_fetched(outside: Outside, tmp_path: Path) -> None:
    run = ran(outside)
    outside.github.lose("workflow_run", payloads.workflow_run(run) | {"action": "requested"}, hook=REPOSITORY_HOOK)
    outside.github.lose("star", {"action": "created"}, hook=REPOSITORY_HOOK)
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        assert stored(running) == {}
    assert not outside.github.asked(r"GET .*/deliveries/\d+")


async def test_many_are_found_page_by_page_oldest_first(outside: Outside, tmp_path: Path) -> None:
    order = []
    for number in range(230):
        run = ran(outside, conclusion="success", ago=timedelta(hours=60) - timedelta(minutes=number))
        order.append(lost(outside, run).guid)
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await outside.slack.until(lambda: len(stored(running)) == 230, timeout_s=40, what="all of them")
        newest_first = running.db.read_now(deliveries.latest, limit=1000)
    assert [one.guid for one in reversed(newest_first)] == order
    assert [asked.query.get("cursor") for asked in outside.github.asked("GET .*/deliveries$")][:3] == [
        None, "v1_100", "v1_200",
    ]  # fmt: skip


async def test_what_was_looked_at_is_not_listed_again(outside: Outside, tmp_path: Path) -> None:
    for number in range(230):
        lost(outside, ran(outside, conclusion="success", ago=timedelta(hours=60) - timedelta(minutes=number)))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await outside.slack.until(lambda: len(stored(running)) == 230, timeout_s=40, what="all of them")
    before = listings(outside)
    late = lost(outside, ran(outside, ago=timedelta(minutes=1)))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await outside.slack.until(lambda: late.guid in stored(running), what="the new one")
    assert listings(outside) - before == 1


async def test_an_unchanged_list_costs_nothing(outside: Outside, tmp_path: Path) -> None:
    lost(outside, ran(outside, ago=timedelta(days=2)))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        await swept(running)
        (*_, last) = outside.github.asked("GET .*/deliveries$")
        assert last.status == 304


async def test_an_outage_of_github_in_the_middle_is_gone_on_with_later(outside: Outside, tmp_path: Path) -> None:
    runs = [
        ran(outside, conclusion="success", ago=timedelta(hours=40) - timedelta(minutes=number)) for number in range(8)
    ]
    guids = [lost(outside, run).guid for run in runs]
    detail = f"/deliveries/{outside.github.deliveries.sent[4].id}$"
    outside.github.fail(detail, status=502, times=None)
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await outside.slack.until(lambda: len(stored(running)) == 4, what="half of them")
        await outside.slack.until(lambda: len(outside.github.asked(detail)) >= 4, what="some patience")
        assert set(stored(running)) == set(guids[:4])
        outside.github.recover()
        await running.bot.sweep.tick()
        assert len(stored(running)) == 4, "nobody asks again at once"
        running.hands.ahead += timedelta(minutes=6)
        await running.bot.sweep.tick()
        assert set(stored(running)) == set(guids)


async def test_a_short_outage_is_waited_out(outside: Outside, tmp_path: Path) -> None:
    lost(outside, ran(outside))
    outside.github.fail("/deliveries", status=503, times=2)
    outside.github.fail("/deliveries", drop=True, times=1)
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await outside.slack.until(lambda: running.cards(), what="the card")


@pytest.mark.parametrize("minute", [5, 55])
async def test_a_rate_limit_is_kept_to(outside: Outside, tmp_path: Path, minute: int) -> None:
    """Also when the next hourly sweep falls due meanwhile."""
    lost(outside, ran(outside))
    outside.github.rate_limit("/deliveries", retry_after_s=600, times=None)
    hands = Hands()
    hands.ahead = timedelta(minutes=(60 + minute - hands.now().minute) % 60)
    async with running_bot(outside, hooked(outside, tmp_path), hands) as running:
        await outside.slack.until(lambda: listings(outside) == 1, what="the refusal")
        await running.bot.sweep.tick()  # when it comes to its turn, the refusal was understood
        running.hands.ahead += timedelta(minutes=9)
        await running.bot.sweep.tick()
        assert listings(outside) == 1
        outside.github.recover()
        running.hands.ahead += timedelta(minutes=2)
        await running.bot.sweep.tick()
        await outside.slack.until(lambda: running.cards(), what="the card")


async def test_the_last_tenth_of_the_rate_limit_is_left_to_live_work(outside: Outside, tmp_path: Path) -> None:
    reset = int((datetime.now(UTC) + timedelta(minutes=30)).timestamp())
    low = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "499", "x-ratelimit-reset": str(reset)}
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        outside.github.fail("/deliveries", status=200, headers=low, body="[]")
        await running.bot.sweep.tick(at_once=True)
        before = len(outside.github.requests)
        lost(outside, ran(outside))
        await running.bot.sweep.tick(at_once=True)
        assert len(outside.github.requests) == before
        running.hands.ahead += timedelta(minutes=31)
        await swept(running)
        assert len(running.cards()) == 1


async def test_a_delivery_that_cannot_be_read_does_not_hold_up_the_others(outside: Outside, tmp_path: Path) -> None:
    first = lost(outside, ran(outside, ago=timedelta(hours=9)))
    outside.github.fail(f"/deliveries/{first.id}$", status=422, times=None)
    second = lost(outside, ran(outside, ago=timedelta(hours=8)))
    outside.github.fail(
        f"/deliveries/{second.id}$", status=200, body=json.dumps({"request": {"payload": "[1, 2]"}}), times=None
    )
    third = lost(outside, ran(outside, ago=timedelta(hours=7)))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        assert set(stored(running)) == {third.guid}


async def test_a_hook_we_may_not_read_does_not_hold_up_the_others(outside: Outside, tmp_path: Path) -> None:
    delivery = lost(outside, ran(outside), hook=ORGANISATION_HOOK)
    outside.github.fail("/repos/acme/ui/hooks", status=403, times=None)
    settings = settings_for(outside, tmp_path, github_hooks="acme/ui#123,acme#456")
    async with running_bot(outside, settings) as running:
        await swept(running)
        assert set(stored(running)) == {delivery.guid}


@pytest.mark.parametrize("public_url", [None, "https://elsewhere.example.com"])
async def test_without_payload_nothing_is_redelivered_to_an_address_that_is_not_ours(
    outside: Outside, tmp_path: Path, public_url: str | None
) -> None:
    outside.bot_at("http://127.0.0.1:9")
    lost(outside, ran(outside), forgotten=True)
    async with running_bot(outside, hooked(outside, tmp_path, public_url=public_url)) as running:
        await swept(running)
        assert stored(running) == {}
    assert not outside.github.asked("POST .*/attempts")


async def test_without_payload_it_is_redelivered_to_us(outside: Outside, tmp_path: Path) -> None:
    outside.bot_at("http://127.0.0.1:9")
    async with running_bot(outside, hooked(outside, tmp_path, public_url="http://127.0.0.1:3000")) as running:
        await swept(running)
        delivery = lost(outside, ran(outside), forgotten=True)
        await swept(running)
        assert stored(running) == {delivery.guid: "webhook"}
        assert len(running.cards()) == 1
        await swept(running)
    assert len(outside.github.asked("POST .*/attempts")) == 1


async def test_what_github_delivered_before_our_memory_begins_is_not_ours(outside: Outside, tmp_path: Path) -> None:
    """A new database: what somebody answered 202 was somebody's. What nobody ever took is still lost."""
    lost(outside, ran(outside), status=202)
    redelivered = lost(outside, ran(outside))
    lost(outside, ran(outside), guid=redelivered.guid, status=200)
    never = lost(outside, ran(outside))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        assert set(stored(running)) == {never.guid}


async def test_after_a_restored_backup_what_github_thinks_delivered_is_found(outside: Outside, tmp_path: Path) -> None:
    settings = hooked(outside, tmp_path)
    hook = {"hook": REPOSITORY_HOOK}
    async with running_bot(outside, settings) as running:
        run = ran(outside, npm_logs.rejected("@acme/one"), workflow=".github/workflows/one.yml")
        await outside.github.send("workflow_run", payloads.workflow_run(run), **hook)
        await running.worked(1)
        await swept(running)
        await asyncio.to_thread(running.db.backup, tmp_path / "copy.db")
        run = ran(outside, npm_logs.rejected("@acme/two"), workflow=".github/workflows/two.yml")
        delivery = await outside.github.send("workflow_run", payloads.workflow_run(run), **hook)
        assert delivery.status == 202
        await running.worked(2)
    for name in ("tokenwatch.db", "tokenwatch.db-wal", "tokenwatch.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "copy.db").rename(tmp_path / "tokenwatch.db")
    async with running_bot(outside, settings) as running:
        await outside.slack.until(lambda: delivery.guid in stored(running), what="the delivery")
        assert stored(running)[delivery.guid] == "sweep"
        await running.worked(2)


async def test_failed_runs_that_no_delivery_ever_told_of_are_found(outside: Outside, tmp_path: Path) -> None:
    """GitHub's own delivery list has nothing either: only the runs are left to look at."""
    settings, hands = settings_for(outside, tmp_path), Hands()
    before = ran(outside, npm_logs.rejected("@acme/before"), workflow="old.yml", ago=timedelta(hours=2))
    async with running_bot(outside, settings, hands) as running:
        await running.deliver_run(npm_logs.red_tests(), workflow=".github/workflows/ci.yml")
        await running.worked(1)
        known = stored(running)
    hands.ahead += timedelta(hours=20)
    ahead = -timedelta(hours=10)  # in the night after
    silent = ran(outside, npm_logs.rejected("@acme/silent"), ago=ahead)
    ran(outside, npm_logs.red_tests(), ago=ahead, workflow=".github/workflows/ci.yml")
    going_on = outside.github.add_run("acme/ui", conclusion=None, completed_at=datetime.now(UTC) - ahead)
    just_now = ran(outside, npm_logs.rejected("@acme/now"), workflow="now.yml", ago=-timedelta(hours=19, minutes=59))
    async with running_bot(outside, settings, hands) as running:
        await swept(running)
        (card,) = shown(running)
        assert "@acme/silent" in card
        assert "Seen late: it failed <!date^" in card
        found = set(stored(running)) - set(known)
        assert f"run-{silent.id}-1" in found
        assert len(found) == 2
        assert not found & {f"run-{run.id}-1" for run in (before, going_on, just_now)}
        hands.ahead += timedelta(minutes=15)
        await swept(running)
        assert f"run-{just_now.id}-1" in stored(running)
        assert len(running.cards()) == 2
        hands.ahead += timedelta(hours=1)
        await swept(running)
        assert len(stored(running)) == 4


async def test_the_delivery_that_comes_after_its_run_was_found_says_nothing_twice(
    outside: Outside, tmp_path: Path
) -> None:
    settings, hands = settings_for(outside, tmp_path), Hands()
    async with running_bot(outside, settings, hands) as running:
        await running.deliver_run(npm_logs.red_tests(), workflow=".github/workflows/ci.yml")
        await running.worked(1)
        hands.ahead += timedelta(hours=20)
        run = ran(outside, npm_logs.rejected(), ago=-timedelta(hours=10))
        await swept(running)
        assert len(running.cards()) == 1
        await outside.github.send_run(run)
        await running.worked(3)
        (card,) = running.cards()
        assert running.thread(card) == []


async def test_two_bots_that_sweep_at_once_work_nothing_twice(outside: Outside, tmp_path: Path) -> None:
    settings = hooked(outside, tmp_path)
    async with running_bot(outside, settings) as one, running_bot(outside, settings) as two:
        guids = {
            lost(outside, ran(outside, npm_logs.rejected(f"@acme/p{n}"), workflow=f"w{n}.yml")).guid for n in range(6)
        }
        await asyncio.gather(*(running.bot.sweep.tick(at_once=True) for running in (one, two)))
        await one.worked(6)
        assert set(stored(one)) == guids
        await outside.slack.settle(quiet_s=0.3)
        assert len(one.cards()) == 6
        assert all(not one.thread(card) for card in one.cards())


async def test_an_hour_is_swept_once_and_the_next_one_again(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        before = listings(outside)
        for _ in range(3):
            await running.bot.sweep.tick()
        assert listings(outside) == before
        running.hands.ahead += timedelta(hours=1)
        for _ in range(3):
            await running.bot.sweep.tick()
        assert listings(outside) == before + 1


async def test_a_clock_that_was_ahead_does_not_make_the_sweep_blind(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await running.deliver_run(npm_logs.red_tests(), workflow=".github/workflows/ci.yml")
        await running.worked(1)
        running.hands.ahead = timedelta(days=400)
        await swept(running)
        running.hands.ahead = timedelta(hours=20)
        delivery = lost(outside, ran(outside, npm_logs.rejected("@acme/a"), workflow="a.yml"))
        run = ran(outside, npm_logs.rejected("@acme/b"), workflow="b.yml", ago=-timedelta(hours=10))
        await swept(running)
        assert {delivery.guid, f"run-{run.id}-1"} <= set(stored(running))


async def test_a_payload_with_a_credential_in_it_is_kept_without(outside: Outside, tmp_path: Path) -> None:
    value = "npm_" + "aB3dE6gH9j" * 3 + "kLmN12"
    lost(outside, ran(outside, branch=f"fix/{value}"))
    async with running_bot(outside, hooked(outside, tmp_path)) as running:
        await swept(running)
        (found,) = running.db.read_now(deliveries.latest)
    assert value.encode() not in found.body
    assert b"release.yml" in found.body


async def test_a_short_retention_makes_nothing_look_lost(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, hooked(outside, tmp_path, retention_days=1)) as running:
        lost(outside, ran(outside, ago=timedelta(minutes=1)))
        await swept(running)
        running.hands.ahead += timedelta(days=2, hours=12)
        await running.bot.clock.tick()
        running.db.write_now(lambda c: c.execute("DELETE FROM sweeps"))
        await swept(running)
        assert len(running.cards()) == 1
        assert len(stored(running)) == 1
