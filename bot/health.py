"""Is the bot alive, and does everything it needs work? Answers for /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime

from bot.deps import Deps
from bot.doctor.finding import first_wrong
from bot.doctor.github import github_findings
from bot.doctor.machine import bots_findings, requests_findings
from bot.doctor.secrets import settings_findings
from bot.doctor.slack import slack_findings
from bot.doctor.workspaces import owners_finding
from bot.metrics import METRICS
from bot.presence import ALIVE_WITHIN
from storage import deliveries, incidents, outbox, presence
from storage.database import Connection, StorageError

DATABASE_WITHIN_S = 5.0
TROUBLE_STAYS_S = 60.0  # one write that fits into a full disk does not make it well
ASK_AGAIN_AFTER_S = 60.0  # probes come every few seconds; Slack and GitHub need not hear of each
FAILED_AGAIN_AFTER_S = 5.0
TOO_OLD_S = 300.0


@dataclass(frozen=True, slots=True)
class Check:
    """`said`: "ok", or what is wrong and how to mend it."""

    name: str
    ok: bool
    said: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What the gauges show. Seconds are the age of the oldest, 0 for none."""

    unfinished: int = 0
    oldest_s: float = 0.0
    dead: int = 0
    unsent: int = 0
    unsent_s: float = 0.0
    dead_messages: int = 0
    open_incidents: int = 0

    def __add__(self, other: Measured) -> Measured:
        """Of two workspaces together."""
        return Measured(
            self.unfinished + other.unfinished,
            max(self.oldest_s, other.oldest_s),
            self.dead + other.dead,
            self.unsent + other.unsent,
            max(self.unsent_s, other.unsent_s),
            self.dead_messages + other.dead_messages,
            self.open_incidents + other.open_incidents,
        )


class Health:
    """Remembers the last answers of Slack and GitHub for some seconds.

    `shared`: of what several workspaces have in common, which is no Slack token.
    """

    def __init__(self, deps: Deps, *, shared: bool = False) -> None:
        self._deps = deps
        self._asked = [self._github] if shared else [self._slack, self._github]
        self._remembered: tuple[float, tuple[Check, ...]] | None = None
        self._asking: asyncio.Task[None] | None = None

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
        problem = problem or await self._bots()
        database = Check("database", problem is None, problem or "ok")
        age = time.monotonic() - self._remembered[0] if self._remembered else None
        fine = self._remembered is not None and all(check.ok for check in self._remembered[1])
        if age is None or age > (ASK_AGAIN_AFTER_S if fine else FAILED_AGAIN_AFTER_S):
            # A probe waits a second or so, asking everybody takes longer: all but the first hear what is known already.
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(), name="readiness")
            if age is None or age > TOO_OLD_S:
                await asyncio.shield(self._asking)
        assert self._remembered is not None
        return (database, *self._remembered[1])

    async def _ask(self) -> None:
        checks = (self._settings(), *await asyncio.gather(*(ask() for ask in self._asked)))
        self._remembered = (time.monotonic(), checks)

    async def measure(self) -> None:
        """Bring the gauges up to date before they are read."""
        if (found := await self.measured()) is not None:
            show(found)

    async def measured(self) -> Measured | None:
        """None while the database cannot tell."""
        try:
            return await self._deps.db.read(_measured, self._deps.now())
        except StorageError:
            return None

    def _settings(self) -> Check:
        missing = self._deps.settings.missing()
        wrong = "; ".join(missing) or first_wrong(tuple(settings_findings(self._deps.settings)))
        return Check("settings", wrong is None, wrong or "ok")

    async def _slack(self) -> Check:
        if self._deps.slack is None:
            return Check("slack", False, "SLACK_BOT_TOKEN is not set")
        found = [one async for one in slack_findings(self._deps.settings, self._deps.slack, connect=False)]
        wrong = first_wrong(found)
        return Check("slack", wrong is None, wrong or "ok")

    async def _github(self) -> Check:
        if not self._deps.github.configured:
            return Check("github", False, "neither GITHUB_TOKEN nor GITHUB_APP_ID with GITHUB_PRIVATE_KEY is set")
        if self._deps.github.is_limited:
            found = [await owners_finding(self._deps.settings, self._deps.github)]
        else:
            found = [one async for one in github_findings(self._deps.settings, self._deps.github)]
        wrong = first_wrong(found)
        return Check("github", wrong is None, wrong or "ok")

    async def _bots(self) -> str | None:
        since = self._deps.now() - ALIVE_WITHIN
        try:
            processes = await self._deps.db.read(presence.processes, since=since)
            requests = await self._deps.db.read(presence.requests)
        except StorageError as error:
            return str(error)
        settings = self._deps.settings
        return first_wrong((*bots_findings(settings, processes), *requests_findings(settings, requests)))


def _touch(connection: Connection) -> None:
    connection.value("SELECT 1")


def _measured(connection: Connection, now: datetime) -> Measured:
    waiting, oldest = deliveries.unfinished(connection)
    unsent, oldest_unsent = outbox.unsent(connection)
    return Measured(
        unfinished=waiting,
        oldest_s=(now - oldest).total_seconds() if oldest else 0.0,
        dead=deliveries.dead(connection),
        unsent=unsent,
        unsent_s=(now - oldest_unsent).total_seconds() if oldest_unsent else 0.0,
        dead_messages=outbox.dead(connection),
        open_incidents=incidents.count_open(connection),
    )


def show(measured: Measured) -> None:
    METRICS.unfinished.set(measured.unfinished)
    METRICS.oldest_seconds.set(measured.oldest_s)
    METRICS.dead.set(measured.dead)
    METRICS.unsent.set(measured.unsent)
    METRICS.unsent_seconds.set(measured.unsent_s)
    METRICS.dead_messages.set(measured.dead_messages)
    METRICS.open_incidents.set(measured.open_incidents)
