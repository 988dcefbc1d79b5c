"""Jobs of the clock, each claimed once by (name, due) over restarts, late starts and second processes."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.database import Connection, from_ms, to_ms


def claim(connection: Connection, *, name: str, due: str, owner: str, now: datetime, lease: timedelta) -> bool:
    """True for the one caller that shall do it now. A claim whose holder died before `finish` can be taken again."""
    return bool(
        connection.execute(
            """
            INSERT INTO due_jobs (name, due, lease_owner, lease_until) VALUES (:name, :due, :owner, :until)
            ON CONFLICT (name, due) DO UPDATE SET lease_owner = excluded.lease_owner,
                lease_until = excluded.lease_until
            WHERE due_jobs.done_at IS NULL AND due_jobs.lease_until < :now
            """,
            {"name": name, "due": due, "owner": owner, "now": to_ms(now), "until": to_ms(now + lease)},
        )
    )


def hold(connection: Connection, *, name: str, due: str, owner: str, until: datetime) -> bool:
    """Move the end of one's own claim: a long job keeps it, one that could not finish lets it end soon."""
    return bool(
        connection.execute(
            "UPDATE due_jobs SET lease_until = :until"
            " WHERE name = :name AND due = :due AND lease_owner = :owner AND done_at IS NULL",
            {"name": name, "due": due, "owner": owner, "until": to_ms(until)},
        )
    )


def finish(connection: Connection, *, name: str, due: str, now: datetime) -> None:
    """Done; write it in the transaction of what the job left behind."""
    connection.execute(
        "UPDATE due_jobs SET done_at = :now WHERE name = :name AND due = :due",
        {"now": to_ms(now), "name": name, "due": due},
    )


def last_done(connection: Connection, name: str) -> str | None:
    """The latest due date of this job that was finished."""
    due = connection.value("SELECT MAX(due) FROM due_jobs WHERE name = :name AND done_at IS NOT NULL", {"name": name})
    return None if due is None else str(due)


def last_done_at(connection: Connection, name: str) -> datetime | None:
    """When this job was last finished."""
    return from_ms(
        connection.value("SELECT MAX(done_at) FROM due_jobs WHERE name = :name AND done_at IS NOT NULL", {"name": name})
    )


def forget_before(connection: Connection, before: datetime) -> int:
    return connection.execute("DELETE FROM due_jobs WHERE done_at < :before", {"before": to_ms(before)})
