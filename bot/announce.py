"""What is said about an incident, queued in the transaction of the change it tells of."""

from __future__ import annotations

import json
from datetime import datetime

from bot.incidents import Facts
from bot.messages.card import incident_card
from bot.messages.message import Message
from bot.outbox import EDITS_APART
from storage import awaited, outbox, tokens
from storage.database import Connection
from storage.incidents import Incident


def post_card(connection: Connection, incident: Incident, now: datetime) -> None:
    """The one card of an incident. Without a channel it stays unsaid until one is set."""
    message = _card(connection, incident, now)
    outbox.put(
        connection,
        key=incident.card_key,
        kind="post",
        channel=incident.channel or "",
        text=message.text,
        blocks=blocks_json(message),
        now=now,
    )


def edit_card(connection: Connection, incident: Incident, now: datetime) -> None:
    """Bring the card up to date, silently."""
    message = _card(connection, incident, now)
    outbox.put_edit(
        connection,
        about=incident.card_key,
        text=message.text,
        blocks=blocks_json(message),
        now=now,
        apart=EDITS_APART,
    )


def say_in_thread(connection: Connection, incident: Incident, message: Message, *, key: str, now: datetime) -> None:
    """One short line under the card; `key` makes it unique within the incident."""
    outbox.put(
        connection,
        key=f"{incident.card_key}:{key}",
        kind="reply",
        channel=incident.channel or "",
        about=incident.card_key,
        text=message.text,
        blocks=blocks_json(message),
        now=now,
    )


def blocks_json(message: Message) -> str:
    return json.dumps(list(message.blocks), ensure_ascii=False)


def _card(connection: Connection, incident: Incident, now: datetime) -> Message:
    token = tokens.by_id(connection, incident.token_id) if incident.token_id is not None else None
    items = awaited.of(connection, incident.id)
    return incident_card(incident, Facts.from_json(incident.facts), token, now, items)
