"""Tells the operators, once and in one message, when something needs them; what is needed is asked of the database,
GitHub and the sweep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from bot import needs
from bot.announce import blocks_json
from bot.deps import Deps
from bot.doctor.machine import bots_findings, requests_findings
from bot.errors import TokenwatchError
from bot.health import TROUBLE_STAYS_S
from bot.messages.needs import need_message
from bot.metrics import METRICS
from bot.needs import Need
from bot.outbox import EDITS_APART
from bot.presence import ALIVE_WITHIN
from bot.settings import Settings
from storage import deliveries, outbox, presence
from storage import needs as store
from storage.database import Connection, StorageError

log = structlog.get_logger("operators")

LOOK_EVERY_S = 30.0
REFUSALS = frozenset({"github-unauthorized", "github-key"})  # only a person can mend these
REFUSED_FOR_S = 120.0  # GitHub answers 401 for moments now and then


class Operators:
    """Run it as one task: `await operators.run()`; cancel it to stop.

    `blocked`: what the sweep may not look through -> why. `needed`: kind -> how many, as last seen.
    """

    def __init__(self, deps: Deps, blocked: Callable[[], Mapping[str, str]]) -> None:
        self._deps = deps
        self._blocked = blocked
        self._refused_since: float | None = None
        self.needed: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except StorageError as error:
                log.error("cannot look what needs an operator", error=str(error))

    async def look(self) -> None:
        """Ask everything once, and say what is new or over."""
        now = self._deps.now()
        found = await self._deps.db.read(_of_the_database, self._deps.settings, now)
        if missing := self._deps.settings.missing():
            found.append(needs.not_set_up(missing))
        if refused := await self._refused_by_github():
            found.append(needs.refused_by_github(refused))
        if blocked := self._blocked():
            found.append(needs.not_looked_through(blocked))
        if trouble := await asyncio.to_thread(self._deps.db.trouble, TROUBLE_STAYS_S):
            found.append(needs.storage_trouble(trouble))
        self.needed = {need.kind: need.count for need in found}
        METRICS.needs.clear()
        for kind, count in self.needed.items():
            METRICS.needs.labels(kind).set(count)
        channel = self._deps.settings.operators_channel
        if channel is None or not needs.words(await self._deps.db.read(store.told), found, now):
            return
        await self._deps.db.write(_say, found, channel, now)
        self._deps.queued()

    async def _refused_by_github(self) -> str | None:
        try:
            if self._deps.github.configured:
                await self._deps.github.check()
        except TokenwatchError as error:
            if error.reason in REFUSALS:
                at = asyncio.get_running_loop().time()
                self._refused_since = at if self._refused_since is None else self._refused_since
                return error.message if at - self._refused_since >= REFUSED_FOR_S else None
            return None
        self._refused_since = None
        return None


def _of_the_database(connection: Connection, settings: Settings, now: datetime) -> list[Need]:
    found = [
        needs.wrong(finding.what, finding.said, finding.mend)
        for finding in (
            *bots_findings(settings, presence.processes(connection, since=now - ALIVE_WITHIN)),
            *requests_findings(settings, presence.requests(connection)),
        )
        if finding.state == "wrong"
    ]
    if dead := deliveries.dead(connection):
        found.append(needs.given_up(dead, deliveries.last_reason(connection, "dead")))
    if unsaid := outbox.dead(connection):
        found.append(needs.unsaid(unsaid, outbox.last_death(connection)))
    waiting, oldest = deliveries.unfinished(connection)
    if oldest is not None:
        found += filter(None, [needs.behind(waiting, oldest, now, deliveries.last_reason(connection, "waiting"))])
    return found


def _say(connection: Connection, found: list[Need], channel: str, now: datetime) -> None:
    """In one transaction, because another process may have said it meanwhile."""
    for word in needs.words(store.told(connection), found, now):
        message = need_message(word.told)
        text, blocks, key = message.text, blocks_json(message), word.told.message_key
        if word.post:
            outbox.put(connection, key=key, kind="post", channel=channel, text=text, blocks=blocks, now=now)
            log.warning("operators are needed", kind=word.told.kind, what=word.told.text)
        else:
            outbox.put_edit(connection, about=key, text=text, blocks=blocks, now=now, apart=EDITS_APART)
        store.tell(connection, word.told)
