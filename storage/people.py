"""What people chose for themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from storage.database import Connection, to_ms

DigestBy = Literal["channel", "direct"]


def set_digest(connection: Connection, user: str, by: DigestBy, now: datetime) -> None:
    """How a person (Slack user id) hears of tokens that end: with everybody, or alone."""
    connection.execute(
        "INSERT INTO people (slack_user, digest, changed_at) VALUES (:user, :by, :now)"
        " ON CONFLICT (slack_user) DO UPDATE SET digest = excluded.digest, changed_at = excluded.changed_at",
        {"user": user, "by": by, "now": to_ms(now)},
    )


def digest_of(connection: Connection, user: str) -> DigestBy:
    found: DigestBy | None = connection.value("SELECT digest FROM people WHERE slack_user = :user", {"user": user})
    return found or "channel"


def told_directly(connection: Connection) -> frozenset[str]:
    """Everybody who takes the digest by direct message, but for those to whom Slack takes none at present."""
    rows = connection.all(
        "SELECT slack_user FROM people WHERE digest = 'direct'"
        " AND NOT EXISTS (SELECT 1 FROM slack_troubles t WHERE t.place = people.slack_user)"
    )
    return frozenset(row["slack_user"] for row in rows)
