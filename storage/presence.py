"""Which processes work on this database, and whether requests from outside were signed as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class Process:
    """`serves`: what tells one bot's settings from another's; no secret."""

    id: str
    host: str
    pid: int
    version: str
    serves: str
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Requests:
    """`source`: slack or github. `refused`: how many signatures were wrong since the last that was right."""

    source: str
    accepted_at: datetime | None
    refused_at: datetime | None
    refused: int


def seen(connection: Connection, process: Process) -> None:
    """This process lives."""
    connection.execute(
        """
        INSERT INTO processes (id, host, pid, version, serves, started_at, seen_at)
        VALUES (:id, :host, :pid, :version, :serves, :started, :seen)
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
        """,
        {
            "id": process.id,
            "host": process.host,
            "pid": process.pid,
            "version": process.version,
            "serves": process.serves,
            "started": to_ms(process.started_at),
            "seen": to_ms(process.seen_at),
        },
    )


def gone(connection: Connection, process_id: str, *, before: datetime) -> None:
    """This process stops, and those that were not seen since `before` did."""
    connection.execute(
        "DELETE FROM processes WHERE id = :id OR seen_at < :before", {"id": process_id, "before": to_ms(before)}
    )


def processes(connection: Connection, *, since: datetime) -> tuple[Process, ...]:
    rows = connection.all(
        "SELECT * FROM processes WHERE seen_at >= :since ORDER BY started_at, id", {"since": to_ms(since)}
    )
    return tuple(
        Process(
            row["id"],
            row["host"],
            row["pid"],
            row["version"],
            row["serves"],
            moment(row["started_at"]),
            moment(row["seen_at"]),
        )
        for row in rows
    )


def requested(
    connection: Connection, source: str, *, accepted_at: datetime | None, refused_at: datetime | None, refused: int
) -> None:
    """What came since the last call; `refused`: how many after `accepted_at`."""
    connection.execute(
        """
        INSERT INTO requests_seen (source, accepted_at, refused_at, refused)
        VALUES (:source, :accepted, :refused_at, :refused)
        ON CONFLICT (source) DO UPDATE SET
            accepted_at = COALESCE(excluded.accepted_at, requests_seen.accepted_at),
            refused_at = COALESCE(excluded.refused_at, requests_seen.refused_at),
            refused = excluded.refused + CASE WHEN excluded.accepted_at IS NULL THEN requests_seen.refused ELSE 0 END
        """,
        {"source": source, "accepted": to_ms(accepted_at), "refused_at": to_ms(refused_at), "refused": refused},
    )


def requests(connection: Connection) -> tuple[Requests, ...]:
    rows = connection.all("SELECT * FROM requests_seen ORDER BY source")
    return tuple(
        Requests(row["source"], from_ms(row["accepted_at"]), from_ms(row["refused_at"]), row["refused"]) for row in rows
    )
