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
from bot.release_tags import to_look_up
from storage import awaited, incident_states, incidents
from storage.awaited import Awaited
from storage.incidents import Incident

log = structlog.get_logger("version watch")

INCIDENTS_AT_ONCE = 10  # of one tick; the others are due at the next
PACKAGES_AT_ONCE = 6
LOOKS_FOR_TAGS = 2  # a release tool makes its tags within minutes of the publish
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
        if await deps.db.write(incident_states.take_look, incident.id, incident.look_at, following, incident.looks + 1):
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
    elif incident.looks < LOOKS_FOR_TAGS and deps.github.configured:
        await _look_for_tags(incident, wanted, deps)
    deps.queued()


async def _look_for_tags(incident: Incident, wanted: list[Awaited], deps: Deps) -> None:
    room = asyncio.Semaphore(PACKAGES_AT_ONCE)

    async def there(repo: str, tag: str) -> bool:
        async with room:
            try:
                return await deps.github.has_tag(repo, tag)
            except (TryAgain, GiveUp) as error:
                log.info("tag not read", repo=repo, reason=error.reason)
                return False

    names = to_look_up(wanted)
    found = await asyncio.gather(*(there(repo, tag) for repo, tag in names))
    tags = {pair for pair, is_there in zip(names, found, strict=True) if is_there}
    if tags:
        await deps.db.write(settling.tags_found, incident.id, tags, deps.now())


async def published(name: str, deps: Deps) -> Published | None:
    """The package on the registry; None when it could not be read."""
    try:
        return await deps.npm.published(name)
    except (TryAgain, GiveUp) as error:
        log.info("registry not read", package=name, reason=error.reason)
        return None
