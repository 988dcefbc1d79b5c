"""A bot on a laptop: Slack over Socket Mode, GitHub asked by the sweep, and no address at which it is reached."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bot.demo.github import job_from_log, payloads
from bot.demo.github.world import restamped
from bot.demo.outside import Outside
from bot.doctor import examine
from tests import npm_logs
from tests.running import running_bot, settings_for


async def test_socket_mode_and_the_sweep_alone_make_a_card_and_answer_commands(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    settings = settings_for(
        outside,
        tmp_path,
        slack_signing_secret=None,
        slack_app_token=outside.slack.app_token,
        github_token=None,
        github_app_id="12345",
        github_private_key=app_key,
        sweep_every="1m",
    )
    assert settings.missing() == []
    assert [one for one in await examine(settings) if one.state == "wrong"] == []
    async with running_bot(outside, settings) as running:
        outside.github.deliver_to("http://127.0.0.1:9/nobody/there", "x")
        await outside.slack.until(lambda: outside.slack.server.socket_mode.connected, what="a connection")
        await running.bot.sweep.tick(at_once=True)
        ended = datetime.now(UTC)
        job = job_from_log("release", restamped(npm_logs.rejected(), ended))
        run = outside.github.add_run(jobs=[job], completed_at=ended)
        outside.github.lose("workflow_run", payloads.workflow_run(run), at=ended, status=0)
        running.hands.ahead += timedelta(minutes=1)
        await running.bot.sweep.tick()
        await running.worked(1)
        (card,) = running.cards()
        assert "@acme/" in json.dumps(card.blocks)
        answer = await outside.slack.command("/tokens", "incidents")
        assert "@acme/" in str(answer.replies)


async def test_socket_mode_beside_a_webhook_forwarder(outside: Outside, tmp_path: Path) -> None:
    """As `gh webhook forward` does: GitHub's requests as they are, headers and body, to this machine."""
    settings = settings_for(
        outside,
        tmp_path,
        slack_signing_secret=None,
        slack_app_token=outside.slack.app_token,
        github_hooks="acme/ui#123",
    )
    async with running_bot(outside, settings) as running:
        await outside.slack.until(lambda: outside.slack.server.socket_mode.connected, what="a connection")
        delivery = await running.deliver_run(npm_logs.rejected())
        assert delivery.status == 202
        await running.worked(1)
        (card,) = running.cards()
        await outside.slack.click(card, "incident.claim")
        await outside.slack.until(lambda: card.edits, what="the claim on the card")
        async with aiohttp.ClientSession() as session, session.post(f"{running.bot.url}/slack/events") as reply:
            assert reply.status == 404, "Slack has no way in but its connection"
