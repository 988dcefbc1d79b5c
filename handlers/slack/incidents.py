"""`/tokens incidents`: what is open, the last seen first."""

from __future__ import annotations

from bot.deps import Deps
from bot.glances import glances
from bot.messages.incident_list import MOST, incident_list
from handlers.slack.requests import Command, Reply
from storage import incidents


async def list_open(command: Command, deps: Deps) -> Reply:
    found = await deps.db.read(incidents.latest, unresolved=True, limit=MOST)
    glanced = await deps.db.read(glances, found)
    return Reply(incident_list(glanced, await deps.db.read(incidents.count_open), deps.now()))
