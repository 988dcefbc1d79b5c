"""Versions on npm's list of staged ones, as far as the bot may see it: since when, by whom, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class StagedVersion:
    """`stage_id`: npm's, with which a maintainer approves it; `missed_at`: since when the list lacks it; `incident_id`:
    of its card."""

    stage_id: str
    package: str
    version: str
    staged_at: datetime
    actor: str | None = None
    missed_at: datetime | None = None
    incident_id: int | None = None


def keep(connection: Connection, one: StagedVersion) -> None:
    """New, or on the list again."""
    connection.execute(
        """
        INSERT INTO staged_versions (stage_id, package, version, staged_at, actor, incident_id)
        VALUES (:stage_id, :package, :version, :staged_at, :actor, :incident_id)
        ON CONFLICT (stage_id) DO UPDATE SET missed_at = NULL, ended_at = NULL,
            incident_id = COALESCE(excluded.incident_id, staged_versions.incident_id)
        """,
        {
            "stage_id": one.stage_id,
            "package": one.package,
            "version": one.version,
            "staged_at": to_ms(one.staged_at),
            "actor": one.actor,
            "incident_id": one.incident_id,
        },
    )


def waiting(connection: Connection) -> list[StagedVersion]:
    """What was on the list and has not been seen to end."""
    rows = connection.all("SELECT * FROM staged_versions WHERE ended_at IS NULL ORDER BY staged_at, stage_id")
    return [_staged(row) for row in rows]


def is_staged(connection: Connection, package: str, version: str) -> bool:
    return bool(
        connection.value(
            "SELECT 1 FROM staged_versions WHERE package = :package AND version = :version AND ended_at IS NULL"
            " LIMIT 1",
            {"package": package, "version": version},
        )
    )


def missed(connection: Connection, one: StagedVersion, now: datetime) -> None:
    """The list lacks it for the first time."""
    connection.execute(
        "UPDATE staged_versions SET missed_at = :now WHERE stage_id = :id AND missed_at IS NULL",
        {"id": one.stage_id, "now": to_ms(now)},
    )


def end(connection: Connection, one: StagedVersion, now: datetime) -> None:
    connection.execute(
        "UPDATE staged_versions SET ended_at = :now WHERE stage_id = :id", {"id": one.stage_id, "now": to_ms(now)}
    )


def forget_before(connection: Connection, before: datetime) -> int:
    return connection.execute("DELETE FROM staged_versions WHERE ended_at < :before", {"before": to_ms(before)})


def _staged(row: Row) -> StagedVersion:
    return StagedVersion(
        row["stage_id"],
        row["package"],
        row["version"],
        moment(row["staged_at"]),
        row["actor"],
        from_ms(row["missed_at"]),
        row["incident_id"],
    )
