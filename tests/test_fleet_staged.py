"""Staged versions by npm's own list: told with age and who may approve, never twice, ended by approval or rejection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.outside import Outside
from bot.doctor import examine
from bot.registries.npm.stage_list import read_staged
from storage import staged_versions
from tests.running import Running, running_bot, settings_for
from tests.test_version_watch import staged_log

READ_TOKEN = "npm_" + "r3" * 18


@pytest.fixture
async def reading(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    """A bot that may read the list."""
    outside.registry.tokens[READ_TOKEN] = "mara-k"
    async with running_bot(outside, settings_for(outside, tmp_path, npm_read_token=READ_TOKEN)) as running:
        yield running


def shown(running: Running) -> list[str]:
    return [card.text + json.dumps(card.blocks, ensure_ascii=False) for card in running.cards()]


async def hour(running: Running, **more: float) -> None:
    running.hands.ahead += timedelta(**(more or {"hours": 1}))
    await running.bot.clock.tick()
    await running.worked()


async def test_a_version_that_nobody_heard_of_is_a_card_with_age_and_approver(reading: Running) -> None:
    registry = reading.outside.registry
    registry.package("@acme/ui", repository="acme/ui")
    registry.publish("@acme/ui", "1.0.0")
    ident = registry.stage("@acme/ui", "1.1.0")
    await hour(reading)
    await hour(reading)
    (card,) = shown(reading)
    assert card.startswith("@acme/ui 1.1.0 is staged on npm and waits for approval.")
    assert f"npm stage approve {ident}" in card and "acme/ui" in card
    (line,) = [said for said in reading.thread(reading.cards()[0]) if "was staged by GitHub Actions" in said]
    assert "may approve it with 2FA: `mara-k`" in line
    await hour(reading, hours=25)
    assert any("still waiting for approval" in said for said in reading.thread(reading.cards()[0]))
    registry.publish("@acme/ui", "1.1.0")
    registry.unstage(ident)
    await hour(reading)
    assert shown(reading)[0].startswith("Resolved: @acme/ui 1.1.0 is on the registry.")
    assert reading.db.read_now(staged_versions.waiting) == []


async def test_a_version_whose_run_was_heard_of_keeps_its_card(reading: Running) -> None:
    reading.outside.registry.publish("@acme/ui", "1.0.0")
    await reading.deliver_run(staged_log("@acme/ui", "1.1.0"), repo="acme/ui", conclusion="success")
    await reading.worked()
    before = len(shown(reading))
    ident = reading.outside.registry.stage("@acme/ui", "1.1.0")
    await hour(reading)
    assert len(shown(reading)) == max(before, 1)
    assert any(ident in said for said in reading.thread(reading.cards()[0]))


async def test_a_version_that_leaves_the_list_without_coming_was_rejected(reading: Running) -> None:
    registry = reading.outside.registry
    registry.publish("@acme/ui", "1.0.0")
    ident = registry.stage("@acme/ui", "1.1.0")
    await hour(reading)
    registry.unstage(ident)
    await hour(reading)
    assert not shown(reading)[0].startswith("Resolved"), "npm looks an approved version over first"
    await hour(reading)
    (card,) = shown(reading)
    assert card.startswith("Resolved: @acme/ui 1.1.0 is no longer staged and is not on the registry")
    await hour(reading)
    assert len(shown(reading)) == 1


async def test_what_was_staged_a_moment_ago_is_left_to_the_log(reading: Running) -> None:
    reading.outside.registry.publish("@acme/ui", "1.0.0")
    reading.outside.registry.stage("@acme/ui", "1.1.0")
    await hour(reading, minutes=1)
    assert shown(reading) == []


async def test_without_a_list_nothing_ends(reading: Running) -> None:
    registry = reading.outside.registry
    registry.publish("@acme/ui", "1.0.0")
    registry.stage("@acme/ui", "1.1.0")
    await hour(reading)
    registry.staged.clear()
    for status in (503, 401, 302):
        registry.fail("/-/stage", status=status, headers={"Location": "http://127.0.0.1:9/"} if status == 302 else None)
        await hour(reading)
    registry.fail("/-/stage", status=200, body="<html>")
    await hour(reading)
    assert not shown(reading)[0].startswith("Resolved")


async def test_the_token_goes_to_the_list_alone(reading: Running, tmp_path: Path) -> None:
    reading.outside.registry.publish("@acme/ui", "1.0.0")
    reading.outside.registry.stage("@acme/ui", "1.1.0")
    await hour(reading)
    for asked in reading.outside.registry.requests:
        assert ("Authorization" in asked.headers) == asked.path.startswith("/-/stage")
    assert READ_TOKEN not in json.dumps(shown(reading))
    assert READ_TOKEN.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("tokenwatch.db*"))


async def test_without_the_setting_nothing_is_asked(running: Running) -> None:
    await hour(running)
    assert not [asked for asked in running.outside.registry.requests if "stage" in asked.path]


async def test_a_long_list_is_read_to_its_end(reading: Running) -> None:
    for place in range(130):
        reading.outside.registry.stage(f"@acme/p{place}", "1.0.0")
    assert reading.bot.deps.stages is not None
    assert len(await reading.bot.deps.stages.listed()) == 130


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"id": 1, "packageName": "a", "version": "1.0.0"},
        {"id": "12345678", "packageName": "<!channel>", "version": "1.0.0"},
        {"id": "12345678", "packageName": "a", "version": "x"},
        {"id": "12345678", "packageName": "a", "version": "1.0.0", "status": "published"},
        {"id": "`; rm -rf", "packageName": "a", "version": "1.0.0"},
    ],
)
def test_what_is_no_staged_version_is_left_out(item: dict[str, Any]) -> None:
    assert read_staged(item) is None


def test_an_actor_may_be_an_object_or_odd() -> None:
    made = {"id": "12345678", "packageName": "@a/b", "version": "1.0.0"}
    assert [getattr(read_staged(made | {"actor": actor}), "actor", 0) for actor in ({"name": "mara"}, "x<y", None)] == [
        "mara", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("user", "says", "level"), [("mara-k", "can be read (1 on it)", "ok"), (None, "npm answered 401", "warning")]
)
async def test_the_doctor_tries_the_token(
    outside: Outside, tmp_path: Path, user: str | None, says: str, level: str
) -> None:
    if user is not None:
        outside.registry.tokens[READ_TOKEN] = user
    outside.registry.stage("@acme/ui", "1.1.0")
    findings = await examine(settings_for(outside, tmp_path, npm_read_token=READ_TOKEN))
    (found,) = [finding for finding in findings if finding.what == "stage list"]
    assert (found.state, says in found.said, READ_TOKEN in repr(found)) == (level, True, False)
