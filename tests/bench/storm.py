"""One organisation token dies: every release of forty repositories fails within a minute, and that is one card."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bot.demo.github import job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, MARA, OPS, Channel, Message
from storage import tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests import npm_logs
from tests.bench.latency import GITHUB_TOKEN, WORKFLOW, WORKFLOW_TEXT, send
from tests.bench.processes import bot
from tests.bench.report import Figure
from tests.bench.seeding import as_bytes, filled_out

REPOSITORIES = 40
CHANNEL = "CSTORM001"
WITHIN_S = 60.0
SETTLES_WITHIN_S = 300.0


async def measure(folder: Path, failures: int) -> list[Figure]:
    """`failures`: how many within a minute."""
    repos = [f"storm/package-{number}" for number in range(REPOSITORIES)]
    _add_token(folder / "storm.db", repos)
    async with Outside.start() as outside:
        outside.github.api.token = GITHUB_TOKEN
        outside.slack.workspace.channels[CHANNEL] = Channel(CHANNEL, "storm", members={BOT_USER})
        bodies = [_failed(outside, repos[number % REPOSITORIES]) for number in range(failures)]
        settings = {
            "SLACK_BOT_TOKEN": outside.slack.bot_token,
            "SLACK_API_URL": outside.slack_api_url,
            "ALERT_CHANNEL": CHANNEL,
            "DIGEST_CHANNEL": OPS,  # the token that ended is told there
            "GITHUB_TOKEN": GITHUB_TOKEN,
            "GITHUB_API_URL": outside.github_api_url,
            "NPM_REGISTRY_URL": outside.registry_url,
        }
        async with bot(folder / "storm.db", settings) as served, aiohttp.ClientSession() as session:
            begun = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number, body in enumerate(bodies):
                    await asyncio.sleep(begun + number * WITHIN_S / failures - time.monotonic())
                    group.create_task(send(session, served, body))
            sent = time.monotonic()
            (card,) = await _settled(outside, failures)
            took_s = time.monotonic() - begun
            lines = outside.slack.messages(CHANNEL, thread=card.ts)
    part = f"one token, {failures} failures in {sent - begun:.0f} s, {REPOSITORIES} repositories"
    return [
        Figure(part, "cards", 1, "", at_most=1),
        Figure(
            part, "edits", len(card.edits), "", f"{took_s:.0f} s until the card told all of them", at_most=took_s / 2
        ),
        Figure(part, "lines in its thread", len(lines), "", at_most=2),
        Figure(part, "the card tells all after the last", max(0.0, took_s - (sent - begun)), "s"),
    ]


def _add_token(database: Path, repos: list[str]) -> None:
    now = datetime.now(UTC)
    uses = tuple(Use(repo, WORKFLOW, "NPM_TOKEN", "organization") for repo in repos)
    token = Token(
        name="storm-org", permission="read-write", scopes=("@storm",), owner=MARA.id, used_by=uses,
        created_at=now - timedelta(days=90), expires_at=now - timedelta(days=1),
    )  # fmt: skip
    db = Database.open(f"sqlite:///{database}")
    db.write_now(tokens.add, token, now)
    db.close()


def _failed(outside: Outside, repo: str) -> bytes:
    outside.github.add_file(repo, WORKFLOW, WORKFLOW_TEXT)
    outside.registry.publish(f"@{repo}", "2.3.0")
    run = outside.github.add_run(repo, jobs=[job_from_log("release", npm_logs.not_found(f"@{repo}"))])
    return as_bytes(filled_out(payloads.workflow_run(run)))


async def _settled(outside: Outside, failures: int) -> list[Message]:
    """The cards, once one of them tells of every failure."""
    ends = time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < ends:
        cards = [message for message in outside.slack.messages(CHANNEL) if message.by_bot]
        if any(f"Failed {failures:,} times" in json.dumps(card.blocks) for card in cards):
            return cards
        await asyncio.sleep(0.5)
    raise RuntimeError(f"no card tells of {failures} failures")
