"""What lists of incidents say of each, looked up."""

from __future__ import annotations

from collections.abc import Iterable

from bot.messages.incident_line import Glance
from storage import awaited, incidents, outbox
from storage.database import Connection
from storage.incidents import Incident


def glances(connection: Connection, found: Iterable[Incident]) -> list[Glance]:
    """Of a few incidents: several small look-ups each."""
    return [_glance(connection, incident) for incident in found]


def _glance(connection: Connection, incident: Incident) -> Glance:
    card = outbox.get(connection, incident.card_key)
    return Glance(
        incident,
        tuple(awaited.of(connection, incident.id)),
        (card.channel, card.ts) if card is not None and card.ts else None,
        len(incidents.muted_by(connection, incident)),
    )
