"""What the npm registry showed of each package that something of ours publishes, and when it was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, moment, to_ms


@dataclass(frozen=True, slots=True)
class PackageLook:
    """`exists`: anybody can see it; `version`: the one published last; `by`: oidc or token, as far as npm tells;
    `repository`: owner/name its manifest names, empty for none on GitHub, None when it could not be read."""

    package: str
    exists: bool
    looked_at: datetime
    version: str | None = None
    by: str | None = None
    repository: str | None = None


def keep(connection: Connection, looks: Iterable[PackageLook]) -> None:
    connection.execute_many(
        """
        INSERT INTO package_looks (package, is_there, version, published_by, repository, looked_at)
        VALUES (:package, :is_there, :version, :published_by, :repository, :looked_at)
        ON CONFLICT (package) DO UPDATE SET is_there = excluded.is_there, version = excluded.version,
            published_by = excluded.published_by, repository = excluded.repository, looked_at = excluded.looked_at
        """,
        [
            {
                "package": one.package,
                "is_there": int(one.exists),
                "version": one.version,
                "published_by": one.by,
                "repository": one.repository,
                "looked_at": to_ms(one.looked_at),
            }
            for one in looks
        ],
    )


def everything(connection: Connection) -> dict[str, PackageLook]:
    """By package."""
    return {
        row["package"]: PackageLook(
            row["package"],
            bool(row["is_there"]),
            moment(row["looked_at"]),
            row["version"],
            row["published_by"],
            row["repository"],
        )
        for row in connection.all("SELECT * FROM package_looks")
    }


def due(connection: Connection, before: datetime, *, limit: int) -> list[str]:
    """Packages of live npm tokens and of scanned repositories that were not looked at since; never seen ones first."""
    rows = connection.all(
        """
        SELECT p.package FROM (
            SELECT g.name AS package FROM token_grants g JOIN tokens t ON t.id = g.token_id
            WHERE g.kind = 'package' AND t.registry = 'npm' AND t.revoked_at IS NULL AND g.name NOT LIKE '%*%'
            UNION
            SELECT f.package FROM fleet_packages f JOIN fleet_jobs j ON j.repo = f.repo AND j.registry = 'npm'
        ) p LEFT JOIN package_looks l ON l.package = p.package
        WHERE l.looked_at IS NULL OR l.looked_at < :before
        ORDER BY l.looked_at IS NOT NULL, l.looked_at, p.package LIMIT :limit
        """,
        {"before": to_ms(before), "limit": limit},
    )
    return [row["package"] for row in rows]


def forget_before(connection: Connection, before: datetime) -> int:
    """What nothing publishes any more is not looked at either, and grows old."""
    return connection.execute("DELETE FROM package_looks WHERE looked_at < :before", {"before": to_ms(before)})
