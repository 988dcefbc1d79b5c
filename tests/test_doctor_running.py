"""What the doctor sees of bots that run, and that /readyz says the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.github import events
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, OPS, RELEASES
from bot.doctor import examine
from bot.doctor.finding import Finding
from bot.doctor.machine import bots_findings
from bot.presence import identity_of
from storage import presence
from storage.presence import Process
from tests.running import SIGNING_SECRET, WEBHOOK_SECRET, Running, running_bot, settings_for


async def wrong(outside: Outside, tmp_path: Path, **changes: Any) -> list[Finding]:
    return [one for one in await examine(settings_for(outside, tmp_path, **changes)) if one.state == "wrong"]


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await true():
            await asyncio.sleep(0.1)


async def test_a_wrong_secret_is_known_from_what_slack_and_github_send(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)

    async def signed(state: str) -> list[str]:
        return [one.said for one in await examine(settings) if "signature" in one.said and one.state == state]

    async def ask() -> None:
        await outside.slack.command("/tokens", "help")
        await outside.github.send("ping", events.ping())

    async def two_wrong() -> bool:
        return len(await signed("wrong")) == 2

    async def none() -> bool:
        return not await signed("wrong") and not await signed("warning")

    async def two_warnings() -> bool:
        return len(await signed("warning")) == 2

    async with running_bot(outside, settings) as running:
        outside.bot_at(running.bot.url, signing_secret="another", webhook_secret="another")
        await ask()
        await until(two_wrong)
        assert all("none was ever right" in line for line in await signed("wrong"))
        outside.bot_at(running.bot.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        await ask()
        await until(none)
        # From now on they may be anybody's.
        outside.bot_at(running.bot.url, signing_secret="another", webhook_secret="another")
        await ask()
        await until(two_warnings)
        assert await signed("wrong") == []


async def test_strangers_without_a_signature_say_nothing_of_our_secrets(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running, aiohttp.ClientSession() as session:
        for path in ("/slack/events", "/github/webhooks"):
            async with session.post(running.bot.url + path, data=b"{}") as reply:
                assert reply.status == 401
        await outside.github.send("ping", events.ping())

        async def written() -> bool:
            return bool(running.db.read_now(presence.requests))

        await until(written)
        assert await wrong(outside, tmp_path) == []


async def test_two_bots_on_one_database_are_named_and_two_processes_of_one_are_not(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path)

    def seen(running: Running) -> int:
        return len(running.db.read_now(presence.processes, since=datetime.now(UTC) - timedelta(minutes=1)))

    async with running_bot(outside, settings) as one, running_bot(outside, settings):

        async def both() -> bool:
            return seen(one) == 2

        await until(both)
        assert await wrong(outside, tmp_path) == []
    async with running_bot(outside, settings_for(outside, tmp_path, alert_channel=OPS)) as other:

        async def it() -> bool:
            return seen(other) == 1

        await until(it)
        (finding,) = await wrong(outside, tmp_path)
        assert "another bot" in finding.said and "DATABASE_URL" in finding.mend
    assert await wrong(outside, tmp_path) == [], "it said goodbye"


def test_one_database_for_two_machines_is_named(outside: Outside, tmp_path: Path) -> None:
    settings, now = settings_for(outside, tmp_path), datetime.now(UTC)
    here, there = (Process(host, host, 7, "1", identity_of(settings), now, now) for host in ("here", "there"))
    (finding,) = bots_findings(settings, (here, there))
    assert finding.state == "wrong" and "here, there" in finding.said
    assert bots_findings(settings, (here,)) == []


def scope_gone(outside: Outside) -> None:
    outside.slack.server.scopes = outside.slack.server.scopes - {"chat:write"}


def not_invited(outside: Outside) -> None:
    outside.slack.workspace.channels[RELEASES].members.discard(BOT_USER)


def not_installed(outside: Outside) -> None:
    outside.github.api.installations = []


def hook_elsewhere(outside: Outside) -> None:
    outside.github.api.hook_url = "https://old.example.com/"


def nothing(outside: Outside) -> None:
    pass


@pytest.mark.parametrize(
    ("mistake", "check", "changes"),
    [
        (scope_gone, "slack", {}),
        (not_invited, "slack", {}),
        (not_installed, "github", {}),
        (hook_elsewhere, "github", {}),
        (nothing, "slack", {"slack_bot_token": "xoxb-" + "stale"}),
        (nothing, "settings", {"alert_channel": None}),
        (nothing, "settings", {"github_webhook_secret": "xapp-" + "1-swapped"}),
    ],
)
async def test_readyz_agrees_with_the_doctor(
    outside: Outside,
    tmp_path: Path,
    app_key: str,
    mistake: Callable[[Outside], None],
    check: str,
    changes: dict[str, Any],
) -> None:
    as_app = {"github_token": None, "github_app_id": "12345", "github_private_key": app_key}
    async with running_bot(outside, settings_for(outside, tmp_path, **as_app)) as well:
        assert (await ready(well))[0] == 200
    mistake(outside)
    settings = settings_for(outside, tmp_path, **(as_app | changes))
    found = [one for one in await examine(settings) if one.state == "wrong"]
    assert found
    async with running_bot(outside, settings) as running:
        status, checks = await ready(running)
        assert status == 503
        assert found[0].said in checks[check], "it says the same"
        assert {name for name, said in checks.items() if said != "ok"} == {check}


async def ready(running: Running) -> tuple[int, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{running.bot.url}/readyz") as reply:
        return reply.status, (await reply.json())["checks"]
