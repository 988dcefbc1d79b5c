"""Looks whether versions that failed have come to the registry: soon, then ever more seldom, for a day.

When to look next is in the database, so a restart forgets nothing and a second process does not ask twice. The public
registry is asked, never with a credential.
"""

from __future__ import annotations

import asyncio

import structlog

from bot import awaiting, settling
from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.evidence import Published
from storage import awaited, incidents
from storage.awaited import Awaited
from storage.incidents import Incident

log = structlog.get_logger("version watch")

INCIDENTS_AT_ONCE = 10  # of one tick; the others are due at the next
PACKAGES_AT_ONCE = 6
MOST_PACKAGES = 100  # of one incident and look


async def watch(deps: Deps) -> None:
    """Every look that is due now."""
    now = deps.now()
    for incident in await deps.db.read(incidents.to_look_at, now, INCIDENTS_AT_ONCE):
        items = await deps.db.read(awaited.open_of, incident.id)
        wanted = [item for item in items if awaiting.watchable(incident, item)]
        staged = any(item.state == "staged" for item in wanted)
        following = awaiting.next_look(incident.looks + 1, now, staged=staged) if wanted else None
        assert incident.look_at is not None
        if await deps.db.write(incidents.take_look, incident.id, incident.look_at, following, incident.looks + 1):
            await _look(incident, wanted, deps)


async def _look(incident: Incident, wanted: list[Awaited], deps: Deps) -> None:
    names = list(dict.fromkeys(item.package for item in wanted if item.package))[:MOST_PACKAGES]
    room = asyncio.Semaphore(PACKAGES_AT_ONCE)

    async def read(name: str) -> Published | None:
        async with room:
            return await published(name, deps)

    found = await asyncio.gather(*(read(name) for name in names))
    readings = {name: seen for name, seen in zip(names, found, strict=True) if seen is not None}
    if await deps.db.write(settling.looked, incident.id, readings, deps.now()):
        log.info("resolved", incident=incident.id, looks=incident.looks + 1)
    deps.queued()


async def published(name: str, deps: Deps) -> Published | None:
    """The package on the registry; None when it could not be read."""
    try:
        return await deps.npm.published(name)
    except (TryAgain, GiveUp) as error:
        log.info("registry not read", package=name, reason=error.reason)
        return None
