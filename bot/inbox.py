"""Works through received deliveries. The only place where retries of work happen.

A delivery is claimed under a lease, handed to `work`, and finished in the same transaction as what came of it. Several
are worked at once, those of one repository in order. A process that dies leaves leases that run out; one that stops
hands its own back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.errors import GiveUp, TryAgain
from bot.metrics import METRICS
from storage import deliveries
from storage.database import Connection, Database, StorageError
from storage.deliveries import LeaseLost, Stored

log = structlog.get_logger("inbox")

AT_ONCE = 8
LEASE = timedelta(seconds=20)  # what a killed process held is taken up again after this
RENEW_EVERY_S = 6
MOST_TRIES = 12
WORTH_TRYING = timedelta(days=1)  # a short outage with many tries, or many killed processes, must not end it sooner
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 3600.0  # what an outage held up is worked within the hour after it
GROWTH = 3.0
WORK_WITHIN_S = 300.0  # a log that trickles for ever must not keep its repository's deliveries waiting
GIVES_WAY_S = 0.1  # to arriving deliveries, before each claim
CLOCK_WAS_AHEAD = timedelta(days=1)  # more than any delivery waits
LONGEST_NAP_S = 2.0  # another process (a replay typed by a person) may store work without waking us


@dataclass(frozen=True, slots=True)
class Worked:
    """How a delivery ended well. `apply` writes what came of it, in the transaction that finishes the delivery.

    `reason`: kebab-case word for lists and metrics; `note`: one line more, without anything secret.
    """

    reason: str
    note: str | None = None
    apply: Callable[[Connection], None] | None = None


Work = Callable[[Stored], Awaitable[Worked]]


class Inbox:
    """Run it as one task: `await inbox.run()`; cancel it to stop."""

    def __init__(
        self,
        db: Database,
        work: Work,
        *,
        now: Callable[[], datetime],
        sent_something: Callable[[], None],
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._db = db
        self._work = work
        self._now = now
        self._sent_something = sent_something
        self._crowded = crowded
        self._owner = uuid.uuid4().hex
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something new was stored."""
        self._wake.set()

    async def run(self) -> None:
        with contextlib.suppress(StorageError):
            # Somebody may have mended a setting, a credential or the network before starting us.
            await self._db.write(deliveries.hurry, self._now())
        try:
            while True:
                await self._room.acquire()
                await self._give_way()
                self._wake.clear()
                delivery = await self._claim()
                if delivery is None:
                    self._room.release()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(await self._nap_s()):
                            await self._wake.wait()
                    continue
                task = asyncio.create_task(self._handle(delivery), name=f"delivery {delivery.seq}")
                self._tasks.add(task)
                task.add_done_callback(self._ended)
        finally:
            await self._stop()

    async def _give_way(self) -> None:
        """Storing goes first: GitHub does not send a webhook twice, and a card can wait a moment."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + GIVES_WAY_S
        while self._crowded() and loop.time() < ends:  # noqa: ASYNC110 - a count to look at, not an event to wait for
            await asyncio.sleep(0.01)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        self._wake.set()  # the next delivery of the same repository may be due now

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(StorageError):
            await self._db.write(deliveries.hand_back, owner=self._owner, now=self._now())

    async def _claim(self) -> Stored | None:
        try:
            return await self._db.write(
                deliveries.claim, owner=self._owner, now=self._now(), lease=LEASE, wait=_wait_after_death
            )
        except StorageError as error:
            log.error("claim failed", error=str(error))
            return None

    async def _nap_s(self) -> float:
        try:
            due = await self._db.read(deliveries.next_due)
        except StorageError:
            return LONGEST_NAP_S
        if due is None:
            return LONGEST_NAP_S
        if due - self._now() > CLOCK_WAS_AHEAD:
            log.warning("the clock was far ahead when this came: worked now", due=due.isoformat())
            with contextlib.suppress(StorageError):
                await self._db.write(deliveries.hurry, self._now())
            return 0.05
        # A due row that was not claimed belongs to a repository that is being worked on: its end wakes us.
        return min(max((due - self._now()).total_seconds(), 0.5), LONGEST_NAP_S)

    async def _handle(self, delivery: Stored) -> None:
        renewal = asyncio.create_task(self._keep_lease(delivery))
        started = asyncio.get_running_loop().time()
        try:
            with structlog.contextvars.bound_contextvars(delivery=delivery.guid, delivery_event=delivery.event):
                await self._try(delivery)
        finally:
            renewal.cancel()
            METRICS.work_seconds.observe(asyncio.get_running_loop().time() - started)

    async def _try(self, delivery: Stored) -> None:
        try:
            if delivery.reason == deliveries.INTERRUPTED and self._hopeless(delivery):
                raise TryAgain(deliveries.INTERRUPTED, "the process died each time this was worked")
            await self._finish(delivery, await self._within_time(delivery))
        except TryAgain as error:
            await self._later(delivery, error)
        except GiveUp as error:
            log.warning("gave up", reason=error.reason, why=error.message)
            await self._finish(delivery, Worked(error.reason, error.message))
        except LeaseLost:
            log.warning("lease lost", tries=delivery.tries)
        except Exception as error:
            log.exception("delivery failed unexpectedly")
            await self._later(delivery, TryAgain("defect", f"unexpected {type(error).__name__}"))

    async def _within_time(self, delivery: Stored) -> Worked:
        try:
            async with asyncio.timeout(WORK_WITHIN_S) as limit:
                return await self._work(delivery)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TryAgain("too-slow", f"not done within {WORK_WITHIN_S:.0f} s") from error

    async def _finish(self, delivery: Stored, worked: Worked) -> None:
        now = self._now()

        def write(connection: Connection) -> None:
            deliveries.finish(
                connection,
                delivery,
                owner=self._owner,
                state="done",
                now=now,
                reason=worked.reason,
                note=worked.note,
            )
            if worked.apply:
                with connection.because_of(delivery.guid):
                    worked.apply(connection)

        await self._db.write(write)
        METRICS.worked.labels(delivery.event, worked.reason).inc()
        log.info("worked", reason=worked.reason, tries=delivery.tries)
        self._sent_something()

    async def _later(self, delivery: Stored, error: TryAgain) -> None:
        last = self._hopeless(delivery)
        now = self._now()
        # Whoever asks for a minute each time would otherwise use up all tries in a quarter of an hour.
        wait_s = max(error.after_s or 0.0, grown_wait_s(delivery.tries, random.random()))  # noqa: S311 - spread

        def write(connection: Connection) -> None:
            deliveries.finish(
                connection,
                delivery,
                owner=self._owner,
                state="dead" if last else "waiting",
                now=now,
                reason=error.reason,
                note=error.message,
                due_at=now + timedelta(seconds=wait_s),
            )

        try:
            await self._db.write(write)
        except (LeaseLost, StorageError) as failed:
            log.warning("could not put the delivery back", error=type(failed).__name__)
            return
        METRICS.worked.labels(delivery.event, "dead" if last else "try-again").inc()
        log.log(40 if last else 20, "dead" if last else "later", reason=error.reason, wait_s=round(wait_s, 1))

    def _hopeless(self, delivery: Stored) -> bool:
        return delivery.tries >= MOST_TRIES and self._now() - delivery.received_at >= WORTH_TRYING

    async def _keep_lease(self, delivery: Stored) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            with contextlib.suppress(StorageError, LeaseLost):
                await self._db.write(deliveries.extend, delivery, owner=self._owner, until=self._now() + LEASE)


def grown_wait_s(tries: int, chance: float) -> float:
    """Seconds before the next try: grows threefold a try up to an hour, spread by half. `chance` is 0..1."""
    return min(FIRST_WAIT_S * GROWTH ** (min(max(tries, 1), 20) - 1), LONGEST_WAIT_S) * (0.75 + 0.5 * chance)


def _wait_after_death(tries: int) -> timedelta:
    """The lease that ran out was most of the wait already."""
    return max(timedelta(0), timedelta(seconds=grown_wait_s(tries, 0.5)) - LEASE)
