"""`/tokens status`, `/tokens list` and the daily digest, with many tokens beside many stored deliveries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.demo.outside import Outside
from bot.demo.slack.workspace import OPS
from storage import outbox
from storage.database import Database
from tests.bench import seeding
from tests.bench.processes import SIGNING_SECRET, Served, bot
from tests.bench.report import Figure, percentile
from tests.running import Hands, Running, running_bot, settings_for

COMMANDS = ("status", "list", "list package-77")
WAIT_S = 20.0


async def measure(database: Path, stored: int, sizes: Sequence[int], repeats: int) -> list[Figure]:
    """The database grows from one size to the next."""
    figures: list[Figure] = []
    have = 0
    async with Outside.start() as outside:
        for size in sizes:
            now = datetime.now(UTC)
            db = Database.open(f"sqlite:///{database}")
            seeding.add_tokens(db, have, size, now)
            db.close()
            have = size
            part = f"{size:,} tokens, {stored:,} deliveries"
            settings = {"SLACK_BOT_TOKEN": outside.slack.bot_token, "SLACK_API_URL": outside.slack_api_url}
            async with bot(database, settings) as served:
                outside.slack.bot_at(f"{served.url}/slack/events", SIGNING_SECRET)
                for text in COMMANDS:
                    figures += await _command(outside, text, repeats, part)
                figures += _resident(served, part)
            figures += await _digest(outside, database, part)
    return figures


async def _command(outside: Outside, text: str, repeats: int, part: str) -> list[Figure]:
    """From the signed request to the answer at its response URL, all over HTTP."""
    took_ms = []
    for _ in range(repeats):
        before = len(outside.slack.calls("response_url"))
        started = time.monotonic()
        answer = await outside.slack.command(text=text, wait_s=WAIT_S)
        call = outside.slack.calls("response_url")[before]
        if answer.error or call.error != "ok":
            raise RuntimeError(f"/tokens {text}: {answer.error or call.error}")
        took_ms.append((call.at_s - started) * 1000)
    reach = 50.0 if text == "status" else None
    return [
        Figure(part, f"/tokens {text}, p50", percentile(took_ms, 50), "ms"),
        Figure(part, f"/tokens {text}, p99", percentile(took_ms, 99), "ms", at_most=reach),
    ]


def _resident(served: Served, part: str) -> list[Figure]:
    resident = served.resident_mb()
    return [] if resident is None else [Figure(part, "resident after these commands", resident, "MB", at_most=110)]


async def _digest(outside: Outside, database: Path, part: str) -> list[Figure]:
    """From the tick of the clock to the call of Slack: the first ever, which has everything to say, and the next day's.

    On another day than today, so that the bot has said nothing yet; in this process, because the clock is moved.
    """
    hands = Hands()
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).replace(hour=4, minute=0, second=0, microsecond=0)
    hands.ahead = tomorrow - datetime.now(UTC)
    settings = settings_for(outside, database.parent, database_url=f"sqlite:///{database}", reminder_time="09:00")
    figures = []
    async with running_bot(outside, settings, hands) as running:
        await running.bot.clock.tick()
        for which in ("the first", "of the next day"):
            hands.ahead += timedelta(hours=6 if which == "the first" else 24)
            figures.append(Figure(part, f"digest, {which}", await _said_s(running), "s", at_most=2))
        running.db.write_now(lambda c: c.execute("DELETE FROM reminders"))
        running.db.write_now(lambda c: c.execute("DELETE FROM due_jobs"))
        running.db.write_now(lambda c: c.execute("DELETE FROM messages"))
    return figures


async def _said_s(running: Running) -> float:
    slack = running.outside.slack
    before = len(slack.calls("chat.postMessage"))
    started = time.monotonic()
    await running.bot.clock.tick()
    call = await slack.until(lambda: slack.calls("chat.postMessage")[before:], timeout_s=60.0, what="the digest")
    assert call[0].args["channel"] == OPS
    while (await running.db.read(outbox.unsent))[0]:
        await asyncio.sleep(0.05)
    return call[0].at_s - started
