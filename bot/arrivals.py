"""Deliveries on their way in. Those that arrive together are stored together: one statement and one durable commit.

A commit costs the same for one row as for thirty, and each statement more is a change between threads that a busy
process pays dearly for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from storage import deliveries
from storage.database import Database
from storage.deliveries import Arrival, Received

MOST_AT_ONCE = 256
CROWD = 8


class Arrivals:
    """`stored` is called when something new was stored."""

    def __init__(self, db: Database, *, now: Callable[[], datetime], stored: Callable[[], None]) -> None:
        self._db = db
        self._now = now
        self._stored = stored
        self._waiting: list[tuple[Arrival, asyncio.Future[Received]]] = []
        self._on_their_way = 0
        self._storing: asyncio.Task[None] | None = None

    @property
    def crowded(self) -> bool:
        """So many wait for their commit that everything else should step aside."""
        return self._on_their_way >= CROWD

    async def store(self, arrival: Arrival) -> Received:
        """Returns once it is durable; raises StorageError. A caller that is cancelled does not stop it."""
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        self._on_their_way += 1
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_waiting(), name="arrivals")
        return await future

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._store(batch)
        finally:
            self._storing = None

    async def _store(self, batch: list[tuple[Arrival, asyncio.Future[Received]]]) -> None:
        arrivals = [arrival for arrival, _ in batch]
        # Whatever went wrong belongs to those who wait for it: none of them may wait for ever.
        (received,) = await asyncio.gather(
            self._db.write(deliveries.receive_all, arrivals, self._now()), return_exceptions=True
        )
        self._on_their_way -= len(batch)
        if isinstance(received, BaseException):
            for _, future in batch:
                if not future.done():
                    future.set_exception(received)
            return
        for (_, future), found in zip(batch, received, strict=True):
            if not future.done():
                future.set_result(found)
        if Received.NEW in received:
            self._stored()
