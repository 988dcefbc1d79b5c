"""Writes down that this process works on the database, and how requests from outside were signed, for the doctor.

The doctor is another process, and whether a secret of ours is that of Slack or GitHub, only their requests tell.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot import __version__
from bot.settings import Settings
from storage import presence
from storage.database import Connection, Database, StorageError
from storage.presence import Process

log = structlog.get_logger("presence")

EVERY_S = 30.0
WORD_EVERY_S = 2.0  # strangers can send requests as fast as they like; each is counted, not each is written
ALIVE_WITHIN = timedelta(seconds=3 * EVERY_S)


@dataclass(slots=True)
class _Since:
    accepted_at: datetime | None = None
    refused_at: datetime | None = None
    refused: int = 0


class Presence:
    """Run it as one task: `await presence.run()`; `accepted` and `refused` may be called at any time."""

    def __init__(self, db: Database, settings: Settings, now: Callable[[], datetime]) -> None:
        at = now()
        self._db = db
        self._now = now
        self._process = Process(
            uuid.uuid4().hex, socket.gethostname(), os.getpid(), __version__, identity_of(settings), at, at
        )
        self._since: dict[str, _Since] = {}
        self._news = asyncio.Event()

    def accepted(self, source: str) -> None:
        """A request whose signature was right. `source`: slack or github."""
        self._since[source] = _Since(accepted_at=self._now())
        self._news.set()

    def refused(self, source: str) -> None:
        """A request whose signature was wrong."""
        since = self._since.setdefault(source, _Since())
        since.refused_at = self._now()
        since.refused += 1
        self._news.set()

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._db.write(self._write, self._now(), self._taken())
                except StorageError as error:
                    log.warning("presence cannot be written", error=str(error))
                await asyncio.sleep(WORD_EVERY_S)
                try:
                    async with asyncio.timeout(EVERY_S - WORD_EVERY_S):
                        await self._news.wait()
                except TimeoutError:
                    continue
        finally:
            # Not awaited: whoever stops us does not wait, and the writer finishes what it was given.
            task = asyncio.ensure_future(self._db.write(presence.gone, self._process.id, before=self._forgotten()))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _forgotten(self) -> datetime:
        return self._now() - 10 * ALIVE_WITHIN

    def _taken(self) -> dict[str, _Since]:
        since, self._since = self._since, {}
        self._news.clear()
        return since

    def _write(self, connection: Connection, now: datetime, since: dict[str, _Since]) -> None:
        presence.seen(connection, replace(self._process, seen_at=now))
        for source, one in since.items():
            presence.requested(
                connection, source, accepted_at=one.accepted_at, refused_at=one.refused_at, refused=one.refused
            )


def identity_of(settings: Settings) -> str:
    """What two processes of one bot have in common and two bots have not. No secret."""
    return " ".join((settings.alert_channel or "-", settings.github_app_id or "-", settings.github_api_url))
