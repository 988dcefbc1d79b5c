"""Is the bot alive, and does everything it needs work? Answers for /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime

from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.errors import TokenwatchError
from bot.metrics import METRICS
from storage import deliveries, incidents, outbox
from storage.database import Connection, StorageError

DATABASE_WITHIN_S = 5.0
TROUBLE_STAYS_S = 60.0  # one write that fits into a full disk does not make it well
ASK_AGAIN_AFTER_S = 30.0  # probes come every few seconds; Slack and GitHub need not hear of each
FAILED_AGAIN_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """`said`: "ok", or what is wrong and how to mend it."""

    name: str
    ok: bool
    said: str


class Health:
    """Remembers the last answers of Slack and GitHub for some seconds."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._remembered: tuple[float, tuple[Check, ...]] | None = None

    async def alive(self) -> str | None:
        """None, or what is wrong: does the loop turn (it answers) and the database commit?"""
        try:
            async with asyncio.timeout(DATABASE_WITHIN_S):
                await self._deps.db.write(_touch)
        except TimeoutError:
            return "the database does not answer"
        except StorageError as error:
            return str(error)
        return None

    async def ready(self) -> tuple[Check, ...]:
        """The database, Slack and GitHub, each asked with our own credentials."""
        problem = await self.alive() or await asyncio.to_thread(self._deps.db.trouble, TROUBLE_STAYS_S)
        database = Check("database", problem is None, problem or "ok")
        at = time.monotonic()
        if self._remembered is not None:
            since, checks = self._remembered
            fresh = ASK_AGAIN_AFTER_S if all(check.ok for check in checks) else FAILED_AGAIN_AFTER_S
            if at - since < fresh:
                return (database, *checks)
        checks = (self._settings(), *await asyncio.gather(self._slack(), self._github()))
        self._remembered = (at, checks)
        return (database, *checks)

    async def measure(self) -> None:
        """Bring the gauges up to date before they are read."""
        try:
            waiting, oldest, dead, unsent, open_ = await self._deps.db.read(_counts)
        except StorageError:
            return
        now = self._deps.now()
        METRICS.unfinished.set(waiting)
        METRICS.oldest_seconds.set((now - oldest).total_seconds() if oldest else 0)
        METRICS.dead.set(dead)
        METRICS.unsent.set(unsent)
        METRICS.open_incidents.set(open_)

    def _settings(self) -> Check:
        missing = self._deps.settings.missing()
        return Check("settings", not missing, "; ".join(missing) or "ok")

    async def _slack(self) -> Check:
        if self._deps.slack is None:
            return Check("slack", False, "SLACK_BOT_TOKEN is not set")
        try:
            async with asyncio.timeout(10):
                await self._deps.slack.auth_test()
        except SlackApiError as error:
            return Check("slack", False, f"Slack refuses the bot token: {error.response.get('error')}")
        except (OSError, TimeoutError, ValueError) as error:
            return Check("slack", False, f"Slack does not answer: {type(error).__name__}")
        return Check("slack", True, "ok")

    async def _github(self) -> Check:
        if not self._deps.github.configured:
            return Check("github", False, "neither GITHUB_TOKEN nor GITHUB_APP_ID with GITHUB_PRIVATE_KEY is set")
        try:
            await self._deps.github.check()
        except TokenwatchError as error:
            return Check("github", False, error.message)
        return Check("github", True, "ok")


def _touch(connection: Connection) -> None:
    connection.value("SELECT 1")


def _counts(connection: Connection) -> tuple[int, datetime | None, int, int, int]:
    waiting, oldest = deliveries.unfinished(connection)
    unsent, _ = outbox.unsent(connection)
    return waiting, oldest, deliveries.dead(connection), unsent, incidents.count_open(connection)
