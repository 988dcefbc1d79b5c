"""What is said about a rotation, queued in the transaction of the change it tells of."""

from __future__ import annotations

from datetime import datetime

from bot.announce import blocks_json
from bot.messages.message import Message
from bot.messages.rotation_card import rotation_card
from bot.outbox import EDITS_APART
from storage import outbox, rotations, tokens
from storage.database import Connection
from storage.rotations import Rotation


def post_card(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """The one living message of a rotation."""
    card = _card(connection, rotation, now)
    outbox.put(
        connection,
        key=rotation.card_key,
        kind="post",
        channel=rotation.channel or "",
        text=card.text,
        blocks=blocks_json(card),
        now=now,
    )


def edit_card(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """Bring it up to date, silently, and only if it would look any different."""
    card = _card(connection, rotation, now)
    blocks = blocks_json(card)
    shown = outbox.get(connection, f"edit:{rotation.card_key}") or outbox.get(connection, rotation.card_key)
    if shown is not None and shown.blocks == blocks:
        return
    outbox.put_edit(connection, about=rotation.card_key, text=card.text, blocks=blocks, now=now, apart=EDITS_APART)


def say(connection: Connection, rotation: Rotation, said: Message, *, key: str, now: datetime) -> bool:
    """One line in the thread; `key` makes it unique within the rotation."""
    return outbox.put(
        connection,
        key=f"{rotation.card_key}:{key}",
        kind="reply",
        channel=rotation.channel or "",
        about=rotation.card_key,
        text=said.text,
        blocks=blocks_json(said),
        now=now,
    )


def _card(connection: Connection, rotation: Rotation, now: datetime) -> Message:
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    return rotation_card(rotation, rotations.notes(connection, rotation.id), old, now)
