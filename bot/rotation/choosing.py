"""Which tokens can be rotated, and of which a person may."""

from __future__ import annotations

from bot.messages.modal import MOST_OPTIONS
from storage import rotations, tokens
from storage.database import Connection
from storage.tokens import Token

# A trusted publisher has no value to replace; a session lives two hours.
NEVER = frozenset({"trusted-publisher", "session"})


def rotatable(connection: Connection, person: str | None) -> list[Token]:
    """Those without a rotation under way, soonest end first; `person`: only what they own or stand in for."""
    busy = {rotation.token_id for rotation in rotations.open_rotations(connection)}
    mine = [
        token
        for token in tokens.all_tokens(connection)
        if token.id not in busy
        and token.kind not in NEVER
        and token.revoked_at is None
        and (person is None or person in (token.owner, token.backup_owner))
    ]
    mine.sort(key=lambda token: (token.expires_at is None, token.expires_at or 0, token.name))
    return mine[:MOST_OPTIONS]
