"""What is said about an incident because time went by: always a line in its thread, never an edit that pings."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import announce
from bot.deps import Deps
from bot.messages import thread
from storage import awaited, incidents
from storage.database import Connection

STAGED_EVERY = timedelta(days=1)


async def nudge(deps: Deps) -> None:
    """Everything that is due now."""
    now = deps.now()
    if await deps.db.write(_staged, now):
        deps.queued()


def _staged(connection: Connection, now: datetime) -> bool:
    """Versions that wait for approval are remembered once a day."""
    said = False
    for incident in incidents.with_staged(connection):
        waiting = [item for item in awaited.open_of(connection, incident.id) if item.state == "staged"]
        since = max(filter(None, (incident.reminded_at, min(item.since for item in waiting))))
        if now - since < STAGED_EVERY:
            continue
        reminded = incidents.reminded(connection, incident, now)
        line = thread.still_staged(reminded, waiting, now)
        announce.say_in_thread(connection, reminded, line, key=f"staged:{now.timestamp()}", now=now)
        announce.edit_card(connection, reminded, now)
        said = True
    return said
