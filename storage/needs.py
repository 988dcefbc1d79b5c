"""What needs an operator, and the message in which that was said: each thing once until it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class Told:
    """`kind`: a kebab-case word; `text`: as it was said last; `count`: how many of it, then; `message_key`: where;
    `over_at`: when it was over, None while it is not."""

    kind: str
    text: str
    count: int
    message_key: str
    told_at: datetime
    over_at: datetime | None


def told(connection: Connection) -> dict[str, Told]:
    """By kind."""
    return {
        row["kind"]: Told(
            row["kind"],
            row["text"],
            row["count"],
            row["message_key"],
            moment(row["told_at"]),
            from_ms(row["over_at"]),
        )
        for row in connection.all("SELECT * FROM needs")
    }


def tell(connection: Connection, told: Told) -> None:
    """It was said in a message of its own, or is said in it otherwise now."""
    connection.execute(
        """
        INSERT INTO needs (kind, text, count, message_key, told_at, over_at)
        VALUES (:kind, :text, :count, :key, :told_at, :over_at)
        ON CONFLICT (kind) DO UPDATE SET text = excluded.text, count = excluded.count,
            message_key = excluded.message_key, told_at = excluded.told_at, over_at = excluded.over_at
        """,
        {
            "kind": told.kind,
            "text": told.text,
            "count": told.count,
            "key": told.message_key,
            "told_at": to_ms(told.told_at),
            "over_at": to_ms(told.over_at),
        },
    )
