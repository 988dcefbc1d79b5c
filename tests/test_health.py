"""What probes and operators see: alive, ready, and numbers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import health
from bot.demo.outside import Outside
from bot.settings import Settings
from tests import npm_logs
from tests.running import Running, running_bot, settings_for


async def get(running: Running, path: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(running.bot.url + path, headers=headers) as reply:
        return reply.status, await reply.text()


async def ready(running: Running) -> tuple[int, dict[str, Any]]:
    status, body = await get(running, "/readyz")
    answered: dict[str, Any] = json.loads(body)
    return status, answered


async def test_a_bot_that_is_set_up_is_alive_and_ready(running: Running) -> None:
    assert await get(running, "/healthz") == (200, '{"status": "ok"}')
    status, body = await ready(running)
    assert status == 200, body
    assert body["ready"] is True
    assert set(body["checks"]) == {"database", "settings", "slack", "github"}


@pytest.mark.parametrize("who", ["slack", "github"])
async def test_ready_says_who_does_not_work(running: Running, who: str) -> None:
    if who == "slack":
        running.outside.slack.fail("auth.test", error="token_revoked", times=None)
    else:
        running.outside.github.fail("/rate_limit", status=401, times=None)
    status, body = await ready(running)
    assert status == 503
    assert body["checks"][who] != "ok"
    assert (await get(running, "/healthz"))[0] == 200


async def test_probes_hear_what_is_known_while_everybody_is_asked_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ASK_AGAIN_AFTER_S", 0.0)
    assert (await ready(running))[0] == 200
    running.outside.slack.fail("auth.test", delay_s=2.0, error="token_revoked", times=None)
    assert (await ready(running))[0] == 200
    while (await ready(running))[0] == 200:
        await asyncio.sleep(0.1)
    assert "token_revoked" in (await ready(running))[1]["checks"]["slack"]


async def test_a_bot_without_any_settings_lives_and_says_what_it_needs(outside: Outside, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path / 'a.db'}")
    async with running_bot(outside, settings) as running:
        assert (await get(running, "/healthz"))[0] == 200
        status, body = await ready(running)
        assert status == 503
        assert "SLACK_BOT_TOKEN" in body["checks"]["settings"]
        assert "Not set up yet" in (await get(running, "/"))[1]


async def test_a_database_that_cannot_be_used_fails_both_probes(running: Running) -> None:
    running.db.close()
    assert (await get(running, "/healthz"))[0] == 503
    assert (await ready(running))[0] == 503


async def test_metrics_count_what_came_and_what_became_of_it(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    status, text = await get(running, "/metrics")
    assert status == 200
    for line in (
        'tokenwatch_deliveries_received_total{status="202"}',
        'tokenwatch_diagnoses_total{cause="token-rejected"}',
        'tokenwatch_slack_calls_total{method="chat.postMessage",outcome="ok"}',
        "tokenwatch_incidents_open 1.0",
        "tokenwatch_deliveries_unfinished 0.0",
    ):
        assert line in text, line
    assert "acme" not in text, "no repository, package or token is a label"


async def test_metrics_can_want_a_token(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, metrics_token="m-secret")) as running:
        assert (await get(running, "/metrics"))[0] == 401
        assert (await get(running, "/metrics", Authorization="Bearer other"))[0] == 401
        assert (await get(running, "/metrics", Authorization="Bearer m-secret"))[0] == 200


async def test_the_front_page_is_plain_and_says_it_is_well(running: Running) -> None:
    status, page = await get(running, "/")
    assert status == 200
    assert "Up and well" in page and "<script" not in page
