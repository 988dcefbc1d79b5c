"""Releases on GitHub whose version has not been seen on the registry yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, moment, to_ms


@dataclass(frozen=True, slots=True)
class AwaitedRelease:
    """`workflow`: path of the file that publishes, empty when it is not known; `looks`: how often the registry was
    asked; `incident_id`: the card that says it is missing."""

    id: int
    repo: str
    tag: str
    package: str
    version: str
    workflow: str
    url: str
    released_at: datetime
    look_at: datetime
    looks: int
    incident_id: int | None


def wait_for(
    connection: Connection,
    *,
    repo: str,
    tag: str,
    package: str,
    version: str,
    workflow: str,
    url: str,
    released_at: datetime,
    look_at: datetime,
) -> bool:
    """Once for each release and package; False when it is waited for already."""
    return bool(
        connection.execute(
            """
            INSERT INTO awaited_releases (repo, tag, package, version, workflow, url, released_at, look_at)
            VALUES (:repo, :tag, :package, :version, :workflow, :url, :released_at, :look_at)
            ON CONFLICT (repo, tag, package) DO NOTHING
            """,
            {
                "repo": repo,
                "tag": tag,
                "package": package,
                "version": version,
                "workflow": workflow,
                "url": url,
                "released_at": to_ms(released_at),
                "look_at": to_ms(look_at),
            },
        )
    )


def claim(connection: Connection, now: datetime, *, again_at: datetime, limit: int) -> list[AwaitedRelease]:
    """Those that are due. They are due again at `again_at`, whatever becomes of whoever looks."""
    rows = connection.all(
        """
        UPDATE awaited_releases SET look_at = :again WHERE id IN (
            SELECT id FROM awaited_releases WHERE ended_as IS NULL AND look_at <= :now ORDER BY look_at LIMIT :limit
        ) RETURNING *
        """,
        {"now": to_ms(now), "again": to_ms(again_at), "limit": limit},
    )
    return [_awaited(row) for row in rows]


def looked(connection: Connection, one: AwaitedRelease, *, look_at: datetime, incident_id: int | None) -> None:
    """It was not there; look again then."""
    connection.execute(
        "UPDATE awaited_releases SET looks = looks + 1, look_at = :at, incident_id = :incident WHERE id = :id",
        {"id": one.id, "at": to_ms(look_at), "incident": incident_id},
    )


def end(connection: Connection, one: AwaitedRelease, how: str) -> None:
    """`how`: live, known (another card tells of it), given-up or closed."""
    connection.execute("UPDATE awaited_releases SET ended_as = :how WHERE id = :id", {"id": one.id, "how": how})


def forget_before(connection: Connection, before: datetime) -> int:
    return connection.execute(
        "DELETE FROM awaited_releases WHERE ended_as IS NOT NULL AND released_at < :before", {"before": to_ms(before)}
    )


def _awaited(row: Row) -> AwaitedRelease:
    return AwaitedRelease(
        id=row["id"],
        repo=row["repo"],
        tag=row["tag"],
        package=row["package"],
        version=row["version"],
        workflow=row["workflow"],
        url=row["url"],
        released_at=moment(row["released_at"]),
        look_at=moment(row["look_at"]),
        looks=row["looks"],
        incident_id=row["incident_id"],
    )
