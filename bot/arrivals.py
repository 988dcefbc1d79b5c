"""Deliveries on their way in. Those that arrive together are stored together: one statement and one durable commit.

A commit costs the same for one row as for thirty. While one lot is being committed the next one gathers. Each call
that lets go of the interpreter may cost the writer's thread its turn until the loop has read another request, so it
makes few of them: what is small is packed before it gets there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial

from bot.github import webhook
from storage import arrivals, deliveries
from storage.arrivals import Arrival
from storage.database import Conflict, Connection, Database
from storage.deliveries import Received

MOST_AT_ONCE = 256
ENOUGH = 20  # to begin with while others are still being read: each lot costs some changes of threads
CROWD = 8
SMALL = 64 * 1024  # bytes: packed in the loop, in less time than a change of threads takes

_Waiting = tuple[Arrival, bytes | None, asyncio.Future[Received]]  # the body packed already, or None


class Arrivals:
    """`stored` is called when something new was stored."""

    def __init__(self, db: Database, *, now: Callable[[], datetime], stored: Callable[[], None]) -> None:
        self._db = db
        self._now = now
        self._stored = stored
        self._waiting: deque[_Waiting] = deque()
        self._on_their_way = 0
        self._asked = False  # a write is queued that will take all who wait when its turn comes
        self._asking_soon = False

    @property
    def crowded(self) -> bool:
        """So many wait for their commit that everything else should step aside."""
        return self._on_their_way >= CROWD

    async def store(self, arrival: Arrival) -> Received:
        """Returns once it is durable; raises StorageError. A caller that is cancelled does not stop it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Received] = loop.create_future()
        packed = arrivals.packed(arrival.body) if len(arrival.body) <= SMALL else None
        self._waiting.append((arrival, packed, future))
        self._on_their_way += 1
        if not self._asked:
            if len(self._waiting) >= ENOUGH:
                self._ask()
            elif not self._asking_soon:
                self._asking_soon = True
                loop.call_soon(self._ask_now)  # together with those whose requests are read in this turn of the loop
        return await future

    def _ask_now(self) -> None:
        self._asking_soon = False
        if self._waiting and not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        taken: list[_Waiting] = []
        self._submit(partial(self._receive_waiting, taken), taken, one_statement=True)

    def _submit(
        self, work: Callable[[Connection], list[Received]], taken: list[_Waiting], *, one_statement: bool
    ) -> None:
        try:
            self._db.submit(work, partial(self._settle, taken), one_statement=one_statement)
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to those who wait for it
            self._settle(taken, [], error)

    def _receive_waiting(self, taken: list[_Waiting], connection: Connection) -> list[Received]:
        """In the writer's thread, as late as can be: whoever came meanwhile comes along."""
        self._asked = False
        while self._waiting and len(taken) < MOST_AT_ONCE:
            taken.append(self._waiting.popleft())
        if taken:
            cleaned = webhook.cleaned([arrival for arrival, _, _ in taken])
            bodies = [
                packed if packed is not None and clean is arrival else arrivals.packed(clean.body)
                for clean, (arrival, packed, _) in zip(cleaned, taken, strict=True)
            ]
            arrivals.keep(connection, cleaned, bodies, self._now())
        return [Received.NEW] * len(taken)

    def _receive_known(self, taken: list[_Waiting], connection: Connection) -> list[Received]:
        return deliveries.receive_all(connection, webhook.cleaned([arrival for arrival, _, _ in taken]), self._now())

    def _settle(self, taken: list[_Waiting], received: list[Received], error: BaseException | None) -> None:
        if isinstance(error, Conflict):
            self._submit(partial(self._receive_known, taken), taken, one_statement=False)
            return
        if error is not None and not taken:  # it did not come so far as to take them
            self._asked = False
            taken = [*self._waiting]
            self._waiting.clear()
        self._on_their_way -= len(taken)
        self._ask_now()  # when more wait than one statement takes
        for place, (_, _, future) in enumerate(taken):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(received[place])
        if error is None and Received.NEW in received:
            self._stored()
