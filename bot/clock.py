"""When things are due; claims each due job once in the database.

A tick every few seconds asks what is due. A job is named by (name, due date), so a restart, a late start, a second
process or a changed clock neither skips nor repeats it: what was missed while the bot was down is done at the first
tick afterwards.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot import daily, nudges, outages, outlook, version_watch
from bot.deps import Deps
from bot.fleet import releases, staged
from bot.housekeeping import clean_up
from bot.incident_people import IncidentPeople
from bot.rotation import campaign
from bot.rotation import run as rotation
from bot.workdays import Workdays
from storage import due_jobs, outbox
from storage.database import StorageError

log = structlog.get_logger("clock")

TICK_S = 15.0
LEASE = timedelta(minutes=10)
EVERY_DAY = Workdays()


class Clock:
    """Run it as one task: `await clock.run()`; cancel it to stop."""

    def __init__(self, deps: Deps, tick_s: float = TICK_S) -> None:
        self._deps = deps
        self._tick_s = tick_s
        self._owner = uuid.uuid4().hex
        self._one_at_a_time = asyncio.Lock()
        self._people = IncidentPeople(deps)

    async def run(self) -> None:
        while True:
            try:
                await self.tick()
            except StorageError as error:
                log.error("the clock cannot use the database", error=str(error))
            await asyncio.sleep(self._tick_s)

    async def tick(self) -> None:
        """Do everything that is due now; when it returns, nothing that was due at its beginning is still under way."""
        async with self._one_at_a_time:
            await self._tick()

    async def _tick(self) -> None:
        now = self._deps.now()
        settings = self._deps.settings
        due = digest_due(now, settings.zone, settings.reminder_time)
        is_workday = due is not None and date.fromisoformat(due) in settings.calendar
        if due is not None and is_workday and settings.operators_channel and await self._claim("digest", due, now):
            await daily.say(self._deps, due, now)
        if due is not None and is_workday:
            await self._picture(due, now)
        today = now.astimezone(UTC).date().isoformat()
        if await self._claim("clean-up", today, now):
            await self._clean_up(today, now)
        await version_watch.watch(self._deps)
        await outages.watch(self._deps)
        await nudges.nudge(self._deps)
        await self._people.watch()
        await rotation.watch(self._deps)
        await campaign.watch(self._deps)
        await releases.watch(self._deps)
        hour = f"{now:%Y-%m-%dT%H}"
        if self._deps.stages is not None and await self._claim("stage-list", hour, now):
            await staged.look(self._deps)
            await self._deps.db.write(due_jobs.finish, name="stage-list", due=hour, now=now)

    async def _claim(self, name: str, due: str, now: datetime) -> bool:
        return await self._deps.db.write(due_jobs.claim, name=name, due=due, owner=self._owner, now=now, lease=LEASE)

    async def _picture(self, due: str, now: datetime) -> None:
        """Once a week, under the first digest that has anything to say."""
        digest = await self._deps.db.read(outbox.get, outlook.digest_key(self._deps, due))
        if digest is None or digest.ts is None:
            return
        year, week, _ = date.fromisoformat(due).isocalendar()
        name = f"{year}-W{week:02}"
        if await self._claim("picture", name, now) and await outlook.under_digest(self._deps, due, now):
            await self._deps.db.write(due_jobs.finish, name="picture", due=name, now=now)

    async def _clean_up(self, due: str, now: datetime) -> None:
        await clean_up(self._deps, now)
        await self._deps.db.write(due_jobs.finish, name="clean-up", due=due, now=now)


def digest_due(now: datetime, zone: ZoneInfo, at: time) -> str | None:
    """The local date whose digest is due now, or None before its time of day.

    A time that a change of clocks leaves out counts from the moment the clocks jump; one that comes twice counts once.
    """
    today = now.astimezone(zone).date()
    moment = datetime.combine(today, at, tzinfo=zone).astimezone(UTC)
    return today.isoformat() if now >= moment else None


def next_digest(now: datetime, zone: ZoneInfo, at: time, workdays: Workdays = EVERY_DAY) -> datetime:
    """When the next digest will be due."""
    today = now.astimezone(zone).date()
    is_today = digest_due(now, zone, at) is None and today in workdays
    return datetime.combine(today if is_today else workdays.after(today), at, tzinfo=zone)


def system_now() -> datetime:
    return datetime.now(UTC)
