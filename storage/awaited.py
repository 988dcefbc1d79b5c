"""The versions an incident waits for: one row for each package that a workflow was to publish."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, from_ms, moment, to_ms

BY_HAND = "It was closed by hand."


@dataclass(frozen=True, slots=True)
class Awaited:
    """One package of one workflow. `package`: None where the log named none: then the next publish of the workflow is
    awaited.

    `state`: failed, unclear, staged or published as far as is known; `settled_at`, `how`: since when it is not waited
    for any more, and why; `times`: how often it failed; `tag`: the git tag that exists although the version does not.
    """

    incident_id: int
    repo: str
    workflow: str
    package: str | None
    version: str | None
    state: str
    times: int
    run_id: int | None
    run_url: str | None
    since: datetime
    failed_at: datetime
    settled_at: datetime | None = None
    how: str | None = None
    tag: str | None = None

    @property
    def settled(self) -> bool:
        return self.settled_at is not None

    @property
    def name(self) -> str:
        """`@acme/ui 2.3.1`, or the workflow's repository where no package is known."""
        return " ".join(filter(None, (self.package, self.version))) or self.repo


@dataclass(frozen=True, slots=True)
class Failed:
    """What a run says of one package: `state` as above."""

    package: str | None
    version: str | None
    state: str


def failed(
    connection: Connection,
    incident_id: int,
    items: Iterable[Failed],
    *,
    repo: str,
    workflow: str,
    run_id: int,
    run_url: str | None,
    at: datetime,
) -> None:
    """A run failed: what it was to publish is waited for, in the version it now has. What it did publish is not."""
    for item in items:
        out = item.state == "published"
        connection.execute(
            """
            INSERT INTO awaited (incident_id, repo, workflow, package, version, state, times, run_id, run_url, since,
                failed_at, settled_at, how)
            VALUES (:id, :repo, :workflow, :package, :version, :state, :times, :run_id, :run_url, :at, :at, :settled,
                :how)
            ON CONFLICT (incident_id, repo, workflow, package) DO UPDATE SET
                state = excluded.state, run_id = excluded.run_id, run_url = excluded.run_url,
                times = awaited.times + excluded.times, failed_at = excluded.failed_at,
                since = CASE WHEN awaited.settled_at IS NULL THEN awaited.since ELSE excluded.since END,
                tag = CASE WHEN awaited.version = excluded.version THEN awaited.tag END,
                version = COALESCE(excluded.version, awaited.version),
                settled_at = excluded.settled_at, how = excluded.how
            """,
            {
                "id": incident_id,
                "repo": repo,
                "workflow": workflow,
                "package": item.package or "",
                "version": item.version,
                "state": item.state,
                "times": 0 if out else 1,
                "run_id": run_id,
                "run_url": run_url,
                "at": to_ms(at),
                "settled": to_ms(at) if out else None,
                "how": "It was published by the run." if out else None,
            },
        )


def of(connection: Connection, incident_id: int) -> list[Awaited]:
    """What is still waited for first, then by repository and package."""
    rows = connection.all(
        "SELECT * FROM awaited WHERE incident_id = :id ORDER BY settled_at IS NOT NULL, repo, workflow, package",
        {"id": incident_id},
    )
    return [_awaited(row) for row in rows]


def open_of(connection: Connection, incident_id: int) -> list[Awaited]:
    return [awaited for awaited in of(connection, incident_id) if not awaited.settled]


def repositories(connection: Connection) -> dict[int, int]:
    """Unresolved incident -> in how many repositories something is waited for, of those that have more than one."""
    rows = connection.all(
        """
        SELECT a.incident_id, COUNT(DISTINCT lower(a.repo)) AS repos FROM awaited a
        JOIN incidents i ON i.id = a.incident_id
        WHERE a.settled_at IS NULL AND i.state <> 'resolved'
        GROUP BY a.incident_id HAVING COUNT(DISTINCT lower(a.repo)) > 1
        """
    )
    return {row["incident_id"]: row["repos"] for row in rows}


def staged(connection: Connection, *, limit: int) -> list[Awaited]:
    """Versions that wait for a person's approval, the longest first."""
    rows = connection.all(
        """
        SELECT a.* FROM awaited a JOIN incidents i ON i.id = a.incident_id
        WHERE a.settled_at IS NULL AND a.state = 'staged' AND i.state <> 'resolved'
        ORDER BY a.since, a.package LIMIT :limit
        """,
        {"limit": limit},
    )
    return [_awaited(row) for row in rows]


def of_version(connection: Connection, package: str, version: str) -> list[Awaited]:
    """Wherever exactly this version is waited for."""
    rows = connection.all(
        """
        SELECT a.* FROM awaited a JOIN incidents i ON i.id = a.incident_id
        WHERE a.package = :package AND a.version = :version AND a.settled_at IS NULL AND i.state <> 'resolved'
        ORDER BY a.incident_id
        """,
        {"package": package, "version": version},
    )
    return [_awaited(row) for row in rows]


def settle(connection: Connection, awaited: Awaited, *, state: str, how: str, now: datetime) -> bool:
    """It is not waited for any more. False when that is so already, or when it failed again in another version."""
    return bool(
        connection.execute(
            f"UPDATE awaited SET state = :state, how = :how, settled_at = :now WHERE {_SAME}",  # noqa: S608 - constant
            {"state": state, "how": how, "now": to_ms(now), **_key(awaited)},
        )
    )


def leave(connection: Connection, incident_id: int, repo: str, workflow: str, *, how: str, now: datetime) -> int:
    """What this workflow was awaited for goes on in another incident."""
    return connection.execute(
        "UPDATE awaited SET state = 'moved', how = :how, settled_at = :now WHERE incident_id = :id AND repo = :repo"
        " AND workflow = :workflow AND settled_at IS NULL",
        {"how": how, "now": to_ms(now), "id": incident_id, "repo": repo, "workflow": workflow},
    )


def give_up(connection: Connection, incident_id: int, now: datetime) -> int:
    """A person closed the incident: nothing is waited for, whatever became of it."""
    return connection.execute(
        "UPDATE awaited SET how = :how, settled_at = :now WHERE incident_id = :id AND settled_at IS NULL",
        {"how": BY_HAND, "now": to_ms(now), "id": incident_id},
    )


def take_up(connection: Connection, incident_id: int) -> int:
    """The person was wrong: what was given up is waited for again, unless an open incident waits for its workflow by
    now. Returns how much there is to wait for."""
    return connection.execute(
        """
        UPDATE awaited SET how = NULL, settled_at = NULL WHERE incident_id = :id AND how = :how AND NOT EXISTS (
            SELECT 1 FROM awaited o JOIN incidents i ON i.id = o.incident_id
            WHERE o.repo = awaited.repo AND o.workflow = awaited.workflow AND o.settled_at IS NULL
                AND i.state <> 'resolved' AND i.id <> :id
        )
        """,
        {"id": incident_id, "how": BY_HAND},
    )


def tagged(connection: Connection, awaited: Awaited, tag: str) -> bool:
    """The git tag was made, the version was not."""
    return bool(
        connection.execute(
            f"UPDATE awaited SET tag = :tag WHERE {_SAME}",  # noqa: S608 - constant
            {"tag": tag, **_key(awaited)},
        )
    )


def becomes(connection: Connection, awaited: Awaited, state: str, now: datetime) -> bool:
    """Another state that is still waited in: staged, for one. `since` then counts from now."""
    return bool(
        connection.execute(
            f"UPDATE awaited SET state = :state, since = :now WHERE {_SAME} AND state <> :state",  # noqa: S608
            {"state": state, "now": to_ms(now), **_key(awaited)},
        )
    )


_SAME = (
    "incident_id = :id AND repo = :repo AND workflow = :workflow AND package = :package AND settled_at IS NULL"
    " AND COALESCE(version, '') = :version"
)


def _key(awaited: Awaited) -> dict[str, object]:
    return {
        "id": awaited.incident_id,
        "repo": awaited.repo,
        "workflow": awaited.workflow,
        "package": awaited.package or "",
        "version": awaited.version or "",
    }


def _awaited(row: Row) -> Awaited:
    return Awaited(
        incident_id=row["incident_id"],
        repo=row["repo"],
        workflow=row["workflow"],
        package=row["package"] or None,
        version=row["version"],
        state=row["state"],
        times=row["times"],
        run_id=row["run_id"],
        run_url=row["run_url"],
        since=moment(row["since"]),
        failed_at=moment(row["failed_at"]),
        settled_at=from_ms(row["settled_at"]),
        how=row["how"],
        tag=row["tag"],
    )
