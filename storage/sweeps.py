"""How far each source of lost deliveries was looked through: the App, a hook, or a repository's runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class Swept:
    """One source. `begun_at`: since when the bot listens to it; `seen_up_to`: everything before was looked at;
    `etag`: of the newest page when the last sweep was complete; `swept_at`: when that was, None = never."""

    source: str
    begun_at: datetime
    seen_up_to: datetime
    etag: str | None
    swept_at: datetime | None


def begin(connection: Connection, source: str, *, begun_at: datetime, seen_up_to: datetime) -> Swept:
    """What is known of a source; one that is new begins here."""
    connection.execute(
        "INSERT INTO sweeps (source, begun_at, seen_up_to) VALUES (:source, :begun, :seen) ON CONFLICT DO NOTHING",
        {"source": source, "begun": to_ms(begun_at), "seen": to_ms(seen_up_to)},
    )
    row = connection.one("SELECT * FROM sweeps WHERE source = :source", {"source": source})
    assert row is not None
    return Swept(source, moment(row["begun_at"]), moment(row["seen_up_to"]), row["etag"], from_ms(row["swept_at"]))


def advance(connection: Connection, source: str, seen_up_to: datetime) -> None:
    """Everything up to here was looked at; it never goes back."""
    connection.execute(
        "UPDATE sweeps SET seen_up_to = MAX(seen_up_to, :seen) WHERE source = :source",
        {"source": source, "seen": to_ms(seen_up_to)},
    )


def complete(connection: Connection, source: str, *, seen_up_to: datetime, etag: str | None, now: datetime) -> None:
    """The source was looked through to its end."""
    advance(connection, source, seen_up_to)
    connection.execute(
        "UPDATE sweeps SET etag = :etag, swept_at = :now WHERE source = :source",
        {"source": source, "etag": etag, "now": to_ms(now)},
    )


def forget_before(connection: Connection, before: datetime) -> int:
    """Drop sources that nobody asks for any more."""
    return connection.execute("DELETE FROM sweeps WHERE swept_at < :before", {"before": to_ms(before)})
