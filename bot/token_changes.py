"""Changing stored tokens, for forms, commands and imports alike: each change commits together with its audit row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.token_fields import Problem, iso
from bot.token_metadata import MetadataProblems, read_record, to_json, write_use
from storage import audit, tokens
from storage.database import Connection, Database
from storage.tokens import Token

_QUIET = ("listed_at",)  # what the registry's list confirms each time is no news


async def save_token(
    db: Database, record: Mapping[str, object], before: Token | None, *, who: str, now: datetime
) -> Token:
    """Check a record and keep it: a new token, or `before` with the record's fields changed.

    Raises MetadataProblems, also when another token has the name or `before` was removed meanwhile.
    """
    return await db.write(save, record, before, who=who, now=now)


def save(
    connection: Connection, record: Mapping[str, object], before: Token | None, *, who: str, now: datetime
) -> Token:
    """`save_token` inside a transaction."""
    fresh = tokens.by_id(connection, before.id) if before is not None and before.id is not None else None
    if before is not None and fresh is None:
        raise MetadataProblems([Problem("", "name", "belongs to a token that was removed meanwhile")])
    # Read again: somebody may have changed other fields since `before` was shown.
    token = read_record(record, fresh)
    taken = tokens.get(connection, token.name)
    if taken is not None and taken.name == token.name and (fresh is None or taken.id != fresh.id):
        raise MetadataProblems([Problem("", "name", "is the name of another token")])
    return keep(connection, token, fresh, who=who, now=now)


def keep(connection: Connection, token: Token, before: Token | None, *, who: str, now: datetime) -> Token:
    """Store a token as it is, new or changed. Raises Conflict when another has its name."""
    if before is None:
        stored = tokens.add(connection, token, now)
        _note(connection, "token.add", stored.name, summary_of(stored), who=who, now=now)
        return stored
    changed = differences(before, token)
    if not changed:
        return before
    stored = tokens.change(connection, token, now)
    revoked = before.revoked_at is None and token.revoked_at is not None
    details = "; ".join(f"{field}: {old or 'nothing'} -> {new or 'nothing'}" for field, old, new in changed)
    _note(connection, "token.revoke" if revoked else "token.change", before.name, details, who=who, now=now)
    return stored


def remove(connection: Connection, token: Token, *, who: str, now: datetime) -> bool:
    """Forget a token; its audit rows stay."""
    assert token.id is not None
    removed = tokens.remove(connection, token.id)
    if removed:
        _note(connection, "token.remove", token.name, summary_of(token), who=who, now=now)
    return removed


def differences(before: Token, after: Token) -> list[tuple[str, str, str]]:
    """(field, old, new) as short text, for everything that differs; an empty string stands for nothing."""
    old, new = _shown(before), _shown(after)
    return [(field, old[field], new[field]) for field in old if old[field] != new[field]]


def summary_of(token: Token) -> str:
    """`npm granular, ends 2026-12-01, owner U1`: enough to know later what a removed record said."""
    parts = [f"{token.registry} {token.kind}"]
    if token.expires_at:
        parts.append(f"ends {iso(token.expires_at)}")
    if token.hint:
        parts.append(f"hint {token.hint}")
    if token.owner:
        parts.append(f"owner {token.owner}")
    return ", ".join(parts)


def _shown(token: Token) -> dict[str, str]:
    shown = {field: _text(value) for field, value in to_json(token).items() if field not in _QUIET}
    shown["used_by"] = " ".join(write_use(use) for use in token.used_by)
    return shown


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else str(value)


def _note(connection: Connection, action: str, name: str, details: str, *, who: str, now: datetime) -> None:
    audit.record(connection, at=now, who=who, action=action, subject=f"token:{name}", details=details[:2000])
