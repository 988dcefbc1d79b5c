"""Fetches what GitHub could not deliver: it tries once, and a webhook that failed is gone unless somebody looks.

At start and every SWEEP_EVERY the delivery lists of the App and of GITHUB_HOOKS are looked through, and the finished
runs of every repository the bot knows. What is not in our inbox is put there: a delivery with the payload that GitHub
kept, a run as the delivery it should have been. Oldest first, so that a failure comes before its fix. Both ways in are
keyed by the same GUIDs, so nothing is worked twice. It needs no address under which GitHub could reach us.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog

from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.github import webhook
from bot.github.deliveries import Attempt, Hook, HookDeliveries, sources
from bot.github.inventory import InventoryCalls
from bot.github.run import REPO, Run, run_of
from bot.metrics import METRICS
from storage import deliveries, due_jobs, runs, sweeps, tokens
from storage.arrivals import Arrival
from storage.database import Connection, StorageError
from storage.deliveries import Received
from storage.sweeps import Swept

log = structlog.get_logger("sweep")

REMEMBERED = timedelta(days=3)  # so long GitHub keeps deliveries
OVERLAP = timedelta(hours=1)  # deliveries are not listed strictly in the order of their times
CLOCKS_APART = timedelta(minutes=2)  # ours and GitHub's
LONGEST_RUN = timedelta(days=1)  # runs are searched by when they were created
SETTLED = timedelta(minutes=10)  # a younger run's delivery may still be on its way
TICK_S = 30.0
LEASE = timedelta(minutes=5)
SOON = timedelta(minutes=5)  # after a sweep that found something or could not finish
WAITS_S = (1.0, 3.0, 10.0)  # between tries of one call
LONGEST_WAIT_S = 120.0  # that GitHub may ask for before the sweep is put off instead
MOST_REDELIVERIES = 2

T = TypeVar("T")
Look = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Lost:
    """A GUID that is not in our inbox. `ok`: GitHub was told that it arrived; `tries`: attempts listed."""

    attempt: Attempt
    since: datetime
    ok: bool
    tries: int = 1


class Sweep:
    """Run it as one task: `await sweep.run()`; cancel it to stop.

    `works`: whether an (event, action) is worked at all; `stored` is called when something was put into the inbox.
    """

    def __init__(
        self,
        deps: Deps,
        *,
        works: Callable[[str, str | None], bool],
        stored: Callable[[], None],
        tick_s: float = TICK_S,
    ) -> None:
        self._deps = deps
        self._works = works
        self._stored = stored
        self._tick_s = tick_s
        self._owner = uuid.uuid4().hex
        self._hooks = HookDeliveries(deps.github)
        self._due = ""
        self._one_at_a_time = asyncio.Lock()
        self._asked_to_wait_until: datetime | None = None
        self.blocked: dict[str, str] = {}  # what may not be looked through -> why

    async def run(self) -> None:
        at_start = True
        while True:
            try:
                await self.tick(at_once=at_start)
            except StorageError as error:
                log.error("the sweep cannot use the database", error=str(error))
            at_start = False
            await asyncio.sleep(self._tick_s)

    async def tick(self, *, at_once: bool = False) -> None:
        """Sweep if this period's is due and nobody else does it; `at_once`: also if it was done already."""
        async with self._one_at_a_time:
            await self._tick(at_once)

    async def _tick(self, at_once: bool) -> None:
        if not self._deps.github.configured:
            return
        now = self._deps.now()
        if self._asked_to_wait_until is not None and now < self._asked_to_wait_until and not at_once:
            return  # also when another period has begun meanwhile
        self._due = _begun(now, self._deps.settings.sweep_every)
        claimed = await self._deps.db.write(
            due_jobs.claim, name="sweep", due=self._due, owner=self._owner, now=now, lease=LEASE
        )
        if not claimed and not at_once:
            return
        again_in = await self.sweep()
        if again_in is not None:
            await self._hold(again_in)
        else:
            await self._deps.db.write(due_jobs.finish, name="sweep", due=self._due, now=self._deps.now())

    async def sweep(self) -> timedelta | None:
        """Look through every source once. Returns None, or how soon to look again."""
        found = 0
        for name, look in await self._sources():
            try:
                found += await look()
                self.blocked.pop(name, None)
            except TryAgain as error:
                # It is the same GitHub for every source.
                log.warning("GitHub cannot be asked, going on later", where=name, reason=error.reason)
                wait = max(SOON, timedelta(seconds=error.after_s or 0))
                self._asked_to_wait_until = self._deps.now() + wait
                return wait
            except GiveUp as error:
                log.warning("cannot be looked through", where=name, reason=error.reason, why=error.message)
                self.blocked[name] = error.reason
        log.info("swept", found=found)
        return SOON if found else None

    async def _sources(self) -> list[tuple[str, Look]]:
        hooks = sources(self._deps.github.is_app, self._deps.settings.github_hooks)
        names = await self._deps.db.read(_repositories)
        names += [hook.owner for hook in hooks if hook.kind == "repository"]
        repositories = {name.lower(): name for name in reversed(names) if REPO.fullmatch(name)}
        return [
            *((hook.name, partial(self._look_through_hook, hook)) for hook in hooks),
            *((repo, partial(self._look_through_runs, repo)) for repo in sorted(repositories.values())),
        ]

    # --- deliveries ---------------------------------------------------------------------------------------------------

    async def _look_through_hook(self, hook: Hook) -> int:
        """Put into the inbox what this hook lost; returns how many."""
        now = self._deps.now()
        begun_at = await self._deps.db.read(deliveries.first_received) or now
        swept = await self._deps.db.write(
            sweeps.begin, hook.name, begun_at=min(begun_at, now), seen_up_to=now - REMEMBERED
        )
        listed = await self._list(hook, swept, now)
        if listed is None:
            await self._complete(swept, swept.seen_up_to, swept.etag)
            return 0
        lost, newest, etag = listed
        found = 0
        for one in sorted(lost, key=lambda one: (one.since, one.attempt.id)):
            found += await self._fetch(hook, one)
            await self._deps.db.write(sweeps.advance, hook.name, one.since)
        await self._complete(swept, newest, etag)
        return found

    async def _list(self, hook: Hook, swept: Swept, now: datetime) -> tuple[list[Lost], datetime, str | None] | None:
        """What is not in our inbox, the time of the newest attempt, and the list's ETag; None when it is unchanged."""
        back_to = _since(swept, OVERLAP, now)
        unknown: dict[str, Lost] = {}
        newest, etag = swept.seen_up_to, None
        installations = await self._installations(hook)
        query: str | None = None
        asked: set[str | None] = set()
        while query not in asked:
            asked.add(query)
            known = swept.etag if query is None else None
            page = await self._patiently(partial(self._hooks.page, hook, query, known))
            if page is None:
                return None
            if query is None:
                etag = page.etag
            newest = max([newest, *(attempt.delivered_at for attempt in page.attempts)])
            ours = [
                a
                for a in page.attempts
                if self._works(a.event, a.action)
                and a.delivered_at >= now - REMEMBERED
                and (installations is None or a.installation in installations)
            ]
            missing = await self._deps.db.read(deliveries.not_stored, {attempt.guid for attempt in ours})
            for attempt in ours:
                if attempt.guid in missing:
                    _join(unknown, attempt)
            if page.next is None or (page.attempts and page.attempts[-1].delivered_at < back_to):
                break
            query = page.next
        # What GitHub says arrived before our memory begins went to somebody else, or to a database that is no more.
        lost = [one for one in unknown.values() if not one.ok or one.since >= swept.begun_at - CLOCKS_APART]
        return lost, newest, etag

    async def _installations(self, hook: Hook) -> frozenset[int] | None:
        """Whose deliveries in the App's list are ours; None: all, as everywhere but with several workspaces."""
        if hook.kind != "app" or not self._deps.github.is_limited:
            return None
        accounts = await self._patiently(InventoryCalls(self._deps.github).accounts)
        return frozenset(account.installation_id for account in accounts)

    async def _fetch(self, hook: Hook, lost: Lost) -> int:
        """Work a delivery from the payload GitHub kept; if it kept none, let it be delivered again."""
        attempt = lost.attempt
        request = await self._patiently(lambda: self._hooks.request(hook, attempt))
        if request.body is None:
            return await self._redeliver(hook, lost, request.url)
        try:
            read = await asyncio.to_thread(webhook.parse, attempt.guid, attempt.event, request.body)
        except webhook.Refused as refused:
            log.warning("lost delivery cannot be read", delivery=attempt.guid, reason=refused.reason)
            return 0
        if not self._deps.github.is_ours(read.repository):
            return 0
        arrival = Arrival(read.guid, read.event, read.action, read.repository, read.body)
        return await self._put(arrival, hook.kind)

    async def _redeliver(self, hook: Hook, lost: Lost, url: str) -> int:
        ours = urlsplit(self._deps.settings.public_url or "").hostname
        reachable = ours is not None and urlsplit(url).hostname in (ours, None)
        if not reachable or lost.tries > MOST_REDELIVERIES:
            log.error("lost delivery has no payload and cannot be redelivered", delivery=lost.attempt.guid)
            return 0
        try:
            await self._patiently(lambda: self._hooks.redeliver(hook, lost.attempt))
        except GiveUp as error:
            log.error("lost delivery cannot be redelivered", delivery=lost.attempt.guid, reason=error.reason)
            return 0
        log.info("redelivered", delivery=lost.attempt.guid)
        return 1

    # --- runs ---------------------------------------------------------------------------------------------------------

    async def _look_through_runs(self, repo: str) -> int:
        """Put finished runs that no delivery told of into the inbox, as the delivery each should have been."""
        now = self._deps.now()
        heard = await self._deps.db.read(runs.first_seen, repo) or now
        swept = await self._deps.db.write(sweeps.begin, f"runs {repo}", begun_at=heard, seen_up_to=heard)
        since = _since(swept, LONGEST_RUN, now).date()
        finished = await self._patiently(lambda: self._deps.github.finished_runs(repo, since, swept.etag))
        if finished is None:
            await self._complete(swept, now - SETTLED, swept.etag)
            return 0
        made = [(run, raw) for raw in finished.runs if (run := run_of(raw)) or (run := run_of(raw, repo))]
        over = [(run, raw) for run, raw in made if _ended_within(run, max(swept.begun_at, now - REMEMBERED), now)]
        settled = [(run, raw) for run, raw in over if _ended_within(run, swept.begun_at, now - SETTLED)]
        found = 0
        for run, raw in sorted(settled, key=lambda one: one[0].completed_at or now):
            if not await self._deps.db.read(runs.known, run.repo, [(run.run_id, run.attempt)]):
                found += await self._put(await asyncio.to_thread(_as_delivered, run, raw), "runs")
        # A page that was looked at too early has to be looked at again, changed or not.
        await self._complete(swept, now - SETTLED, finished.etag if len(settled) == len(over) else None)
        return found

    # --- both ---------------------------------------------------------------------------------------------------------

    async def _put(self, arrival: Arrival, where: str) -> int:
        received = await self._deps.db.write(deliveries.receive_late, arrival, self._deps.now())
        if received is not Received.NEW:
            return 0
        METRICS.sweep_found.labels(where).inc()
        log.info("found", where=where, delivery=arrival.guid, delivery_event=arrival.event)
        self._stored()
        return 1

    async def _complete(self, swept: Swept, seen_up_to: datetime, etag: str | None) -> None:
        await self._deps.db.write(sweeps.complete, swept.source, seen_up_to=seen_up_to, etag=etag, now=self._deps.now())

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """A call through short outages. Raises TryAgain when it takes longer; nothing that was done is undone."""
        for wait_s in WAITS_S:
            await self._hold(LEASE)
            try:
                return await call()
            except TryAgain as error:
                asked_s = error.after_s or 0.0
                if asked_s > LONGEST_WAIT_S or error.reason == "github-unauthorized":
                    raise
                await asyncio.sleep(max(asked_s, wait_s * (1 + random.random() / 2)))  # noqa: S311 - spread
        return await call()

    async def _hold(self, longer: timedelta) -> None:
        until = self._deps.now() + longer
        await self._deps.db.write(due_jobs.hold, name="sweep", due=self._due, owner=self._owner, until=until)


def _begun(now: datetime, every: timedelta) -> str:
    """When the period began that `now` is in: the same in every process, after every restart."""
    begun_s = int(now.timestamp() // every.total_seconds() * every.total_seconds())
    return f"{datetime.fromtimestamp(begun_s, UTC):%Y-%m-%dT%H:%M:%S}"


def _since(swept: Swept, overlap: timedelta, now: datetime) -> datetime:
    """From when on to look. What was looked at in the future was looked at by a clock that was wrong."""
    earliest = now - REMEMBERED
    return max(swept.seen_up_to - overlap, earliest) if swept.seen_up_to <= now else earliest


def _join(unknown: dict[str, Lost], attempt: Attempt) -> None:
    """GitHub redelivers under the same GUID: one success among the attempts is a success."""
    known = unknown.get(attempt.guid)
    if known is None:
        unknown[attempt.guid] = Lost(attempt, attempt.delivered_at, attempt.ok)
        return
    unknown[attempt.guid] = replace(
        known, since=min(known.since, attempt.delivered_at), ok=known.ok or attempt.ok, tries=known.tries + 1
    )


def _repositories(connection: Connection) -> list[str]:
    return [*runs.repositories(connection), *tokens.repositories(connection)]


def _ended_within(run: Run, first: datetime, last: datetime) -> bool:
    return (run.failed or run.succeeded) and run.completed_at is not None and first <= run.completed_at <= last


def _as_delivered(run: Run, raw: Any) -> Arrival:
    """The `workflow_run` `completed` delivery of a run. Its GUID is made of the run, so it is made once."""
    payload = {"action": "completed", "workflow_run": raw, "repository": {"full_name": run.repo}}
    read = webhook.parse(f"run-{run.run_id}-{run.attempt}", "workflow_run", json.dumps(payload).encode())
    return Arrival(read.guid, read.event, read.action, read.repository, read.body)
