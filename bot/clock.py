"""When things are due; claims each due job once in the database.

A tick every few seconds asks what is due. A job is named by (name, due date), so a restart, a late start, a second
process or a changed clock neither skips nor repeats it: what was missed while the bot was down is done at the first
tick afterwards.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot import announce, nudges, version_watch
from bot.deps import Deps
from bot.housekeeping import clean_up
from bot.messages import thread
from bot.messages.digest import digest_message, shown
from bot.policy import loses_publishing
from bot.reminders import Digest, Rung, digest, with_tokens
from bot.rotation import campaign
from bot.rotation import run as rotation
from storage import due_jobs, incidents, outbox, reminders, tokens
from storage.database import Connection, StorageError
from storage.tokens import Token

log = structlog.get_logger("clock")

TICK_S = 15.0
LEASE = timedelta(minutes=10)
HORIZON_SLACK = timedelta(days=3)  # the ladder counts local days, the query moments


class Clock:
    """Run it as one task: `await clock.run()`; cancel it to stop."""

    def __init__(self, deps: Deps, tick_s: float = TICK_S) -> None:
        self._deps = deps
        self._tick_s = tick_s
        self._owner = uuid.uuid4().hex

    async def run(self) -> None:
        while True:
            try:
                await self.tick()
            except StorageError as error:
                log.error("the clock cannot use the database", error=str(error))
            await asyncio.sleep(self._tick_s)

    async def tick(self) -> None:
        """Do everything that is due now."""
        now = self._deps.now()
        await self._end_snoozes(now)
        settings = self._deps.settings
        due = digest_due(now, settings.zone, settings.reminder_time)
        if due is not None and settings.operators_channel and await self._claim("digest", due, now):
            await self._digest(due, now)
        today = now.astimezone(UTC).date().isoformat()
        if await self._claim("clean-up", today, now):
            await self._clean_up(today, now)
        await version_watch.watch(self._deps)
        await nudges.nudge(self._deps)
        await rotation.watch(self._deps)
        await campaign.watch(self._deps)

    async def _claim(self, name: str, due: str, now: datetime) -> bool:
        return await self._deps.db.write(due_jobs.claim, name=name, due=due, owner=self._owner, now=now, lease=LEASE)

    async def _digest(self, due: str, now: datetime) -> None:
        settings = self._deps.settings
        horizon = now + timedelta(days=max(settings.reminder_days)) + HORIZON_SLACK
        ending = await self._deps.db.read(tokens.ends_before, horizon)
        said = await self._deps.db.read(reminders.said)
        stopping = await self._deps.db.read(tokens.bypassing)
        found = await asyncio.to_thread(
            _digest_of, ending, stopping, said, now=now, zone=settings.zone, ladder=settings.reminder_days
        )
        if found:
            named = [entry.token.id for entry in shown(found) if entry.token.id is not None]
            found = with_tokens(found, await self._deps.db.read(tokens.by_ids, named))
        messages = await asyncio.to_thread(digest_message, found) if found else ()

        def write(connection: Connection) -> None:
            for number, message in enumerate(messages):
                key = f"digest:{due}:{settings.operators_channel}:{number}"
                outbox.put(
                    connection,
                    key=key,
                    kind="post",
                    channel=settings.operators_channel or "",
                    text=message.text,
                    blocks=announce.blocks_json(message),
                    now=now,
                )
                if found and number == 0:
                    reminders.say(connection, found.rungs_said, key)
            due_jobs.finish(connection, name="digest", due=due, now=now)

        await self._deps.db.write(write)
        log.info("digest", due=due, tokens=len(found.entries) if found else 0)
        self._deps.queued()

    async def _end_snoozes(self, now: datetime) -> None:
        ended = await self._deps.db.read(incidents.snoozes_ended, now)
        if not ended:
            return

        def write(connection: Connection) -> None:
            for incident in incidents.snoozes_ended(connection, now):
                awake = incidents.wake(connection, incident)
                announce.edit_card(connection, awake, now)
                announce.say_in_thread(
                    connection,
                    awake,
                    thread.snooze_over(awake),
                    key=f"snooze-over:{incident.snoozed_until}",
                    now=now,
                )

        await self._deps.db.write(write)
        self._deps.queued()

    async def _clean_up(self, due: str, now: datetime) -> None:
        await clean_up(self._deps, now)
        await self._deps.db.write(due_jobs.finish, name="clean-up", due=due, now=now)


def _digest_of(
    ending: Sequence[Token],
    stopping: Sequence[Token],
    said: Collection[Rung],
    *,
    now: datetime,
    zone: ZoneInfo,
    ladder: Sequence[int],
) -> Digest | None:
    """`ending`: tokens whose own end is near; `stopping`: those that a dated rule may stop before it."""
    stops = {token.id: stop.at for token in stopping if token.id and (stop := loses_publishing(token))}
    everybody = {token.id: token for token in (*stopping, *ending)}
    return digest(everybody.values(), said, now, zone, ladder, stops)


def digest_due(now: datetime, zone: ZoneInfo, at: time) -> str | None:
    """The local date whose digest is due now, or None before its time of day.

    A time that a change of clocks leaves out counts from the moment the clocks jump; one that comes twice counts once.
    """
    today = now.astimezone(zone).date()
    moment = datetime.combine(today, at, tzinfo=zone).astimezone(UTC)
    return today.isoformat() if now >= moment else None


def next_digest(now: datetime, zone: ZoneInfo, at: time) -> datetime:
    """When the next digest will be due."""
    today = now.astimezone(zone).date()
    day = today if digest_due(now, zone, at) is None else today + timedelta(days=1)
    return datetime.combine(day, at, tzinfo=zone)


def system_now() -> datetime:
    return datetime.now(UTC)
