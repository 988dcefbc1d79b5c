"""An outage is over when nothing failed of it for a while and the registry answers: then what it muted may speak."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import announce, muting
from bot.deps import Deps
from bot.errors import TryAgain
from bot.incidents import OUTAGES
from bot.messages import thread
from storage import audit, awaited, incident_states, incidents
from storage.database import Connection
from storage.incidents import Incident

QUIET_FOR = timedelta(minutes=15)


async def watch(deps: Deps) -> None:
    now = deps.now()
    quiet = [
        incident
        for incident in await deps.db.read(incidents.unresolved, None, OUTAGES)
        if incident.over_at is None and now - incident.last_seen_at >= QUIET_FOR
    ]
    for incident in quiet:
        if (incident.registry or "npm") == "npm" and not await _answers(deps):
            continue
        await deps.db.write(over, incident.id, now)
        deps.queued()


async def _answers(deps: Deps) -> bool:
    try:
        await deps.npm.ping()
    except TryAgain:
        return False
    return True


def over(connection: Connection, ident: int, now: datetime) -> None:
    """It is over, unless something failed of it meanwhile."""
    incident: Incident | None = incidents.get(connection, ident)
    if incident is None or incident.state == "resolved" or now - incident.last_seen_at < QUIET_FOR:
        return
    if incident.over_at is not None:
        return
    ended = incident_states.outage_over(connection, incident, now)
    audit.record(
        connection, at=now, who="bot", action="incident.outage-over", subject=f"incident:{ident}",
        details="nothing failed of it for a while and the registry answers",
    )  # fmt: skip
    announce.edit_card(connection, ended, now)
    line = thread.outage_over(ended, awaited.open_of(connection, ident))
    announce.say_in_thread(connection, ended, line, key=f"over:{now.timestamp()}", now=now)
    muting.release(connection, ended, now)
