"""Keys of calendars, as digests: whoever reads the database cannot subscribe with what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class CalendarKey:
    """`owner`: the Slack member whose tokens the calendar shows, None for all; `label`: what it was made for."""

    id: int
    label: str
    owner: str | None
    made_by: str
    made_at: datetime
    revoked_at: datetime | None


def add(connection: Connection, key: str, *, label: str, owner: str | None, made_by: str, now: datetime) -> CalendarKey:
    row = connection.one(
        """
        INSERT INTO calendar_keys (digest, label, owner, made_by, made_at)
        VALUES (:digest, :label, :owner, :made_by, :now) RETURNING *
        """,
        {"digest": digest(key), "label": label, "owner": owner, "made_by": made_by, "now": to_ms(now)},
    )
    assert row is not None
    return _key(row)


def find(connection: Connection, key: str) -> CalendarKey | None:
    """The key, unless it was revoked."""
    row = connection.one(
        "SELECT * FROM calendar_keys WHERE digest = :digest AND revoked_at IS NULL", {"digest": digest(key)}
    )
    return _key(row) if row else None


def everything(connection: Connection) -> list[CalendarKey]:
    return [_key(row) for row in connection.all("SELECT * FROM calendar_keys ORDER BY id")]


def revoke(connection: Connection, ident: int, now: datetime) -> bool:
    """False when there is no such key, or it was revoked before."""
    return bool(
        connection.execute(
            "UPDATE calendar_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            {"id": ident, "now": to_ms(now)},
        )
    )


def digest(key: str) -> str:
    """Keys are 256 random bits, so that no salt and no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _key(row: Row) -> CalendarKey:
    return CalendarKey(
        id=row["id"],
        label=row["label"],
        owner=row["owner"],
        made_by=row["made_by"],
        made_at=moment(row["made_at"]),
        revoked_at=from_ms(row["revoked_at"]),
    )
