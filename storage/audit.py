"""Who changed what, when. Rows are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, moment, to_ms


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `who`: a Slack user id, `cli:<user>` or `bot`; `subject`: `token:npm-acme-ci`, `incident:12`."""

    at: datetime
    who: str
    action: str
    subject: str
    details: str


def record(connection: Connection, *, at: datetime, who: str, action: str, subject: str, details: str = "") -> None:
    connection.execute(
        "INSERT INTO audit (at, who, action, subject, details) VALUES (:at, :who, :action, :subject, :details)",
        {"at": to_ms(at), "who": who, "action": action, "subject": subject, "details": details},
    )


def everything(connection: Connection, limit: int = 100_000) -> list[Entry]:
    """Every change of everything, oldest first."""
    rows = connection.all(
        "SELECT at, who, action, subject, details FROM audit ORDER BY id LIMIT :limit", {"limit": limit}
    )
    return [Entry(moment(row["at"]), row["who"], row["action"], row["subject"], row["details"]) for row in rows]


def since(connection: Connection, moment_: datetime, limit: int = 5000) -> list[Entry]:
    """The changes since then, oldest first; of too many the latest."""
    rows = connection.all(
        "SELECT at, who, action, subject, details FROM audit WHERE at > :since ORDER BY at DESC, id DESC LIMIT :limit",
        {"since": to_ms(moment_), "limit": limit},
    )
    return [Entry(moment(row["at"]), row["who"], row["action"], row["subject"], row["details"]) for row in rows[::-1]]


def of_subject(connection: Connection, subject: str, limit: int = 50) -> list[Entry]:
    """The latest changes of one thing, newest first."""
    rows = connection.all(
        "SELECT at, who, action, subject, details FROM audit"
        " WHERE subject = :subject ORDER BY at DESC, id DESC LIMIT :limit",
        {"subject": subject, "limit": limit},
    )
    return [Entry(moment(row["at"]), row["who"], row["action"], row["subject"], row["details"]) for row in rows]
