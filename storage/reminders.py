"""Which rung of the reminder ladder was said for which token and end date, and in which message."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from storage.database import Connection, moment, to_ms

Rung = tuple[int, datetime, int]  # token id, its end, days of the rung


def said(connection: Connection) -> set[Rung]:
    """Rungs that Slack has accepted."""
    rows = connection.all("SELECT token_id, ends_at, rung FROM reminders WHERE said_at IS NOT NULL")
    return {(row["token_id"], moment(row["ends_at"]), row["rung"]) for row in rows}


def say(connection: Connection, rungs: Iterable[Rung], message_key: str) -> None:
    """These rungs are in this message; they count as said once Slack has accepted it (see outbox.sent)."""
    connection.execute_many(
        """
        INSERT INTO reminders (token_id, ends_at, rung, message_key) VALUES (:token_id, :ends_at, :rung, :key)
        ON CONFLICT (token_id, ends_at, rung) DO UPDATE SET message_key = excluded.message_key
        WHERE reminders.said_at IS NULL
        """,
        [
            {"token_id": token_id, "ends_at": to_ms(ends_at), "rung": rung, "key": message_key}
            for token_id, ends_at, rung in rungs
        ],
    )
