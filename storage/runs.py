"""What became of each workflow run attempt the bot heard of, also of those it said nothing about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Connection, Row, from_ms, moment, to_ms

# Of incidents: open, and nothing but the log or the registry itself explains them. As their index has it.
UNEXPLAINED = "state <> 'resolved' AND (verdict = cause OR verdict = 'registry-side')"
MOST_INCIDENTS = 200


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One attempt. `outcome`: published, staged, failed, quiet (none of our business) or green (nothing read).

    `registry`, `token_id`: what it failed at, and the stored token that was at fault, where that is known.
    """

    repo: str
    run_id: int
    attempt: int
    workflow: str
    conclusion: str | None
    outcome: str
    cause: str | None
    package: str | None
    version: str | None
    completed_at: datetime | None
    seen_at: datetime
    registry: str | None = None
    token_id: int | None = None


def keep(connection: Connection, run: RunRecord) -> None:
    """Write or rewrite the record of one attempt."""
    connection.execute(
        """
        INSERT INTO runs (repo, run_id, attempt, workflow, conclusion, outcome, cause, package, version,
            completed_at, seen_at, registry, token_id)
        VALUES (:repo, :run_id, :attempt, :workflow, :conclusion, :outcome, :cause, :package, :version,
            :completed_at, :seen_at, :registry, :token_id)
        ON CONFLICT (repo, run_id, attempt) DO UPDATE SET conclusion = excluded.conclusion,
            outcome = excluded.outcome, cause = excluded.cause, package = excluded.package,
            version = excluded.version, completed_at = excluded.completed_at, registry = excluded.registry,
            token_id = excluded.token_id
        """,
        {
            "repo": run.repo,
            "run_id": run.run_id,
            "attempt": run.attempt,
            "workflow": run.workflow,
            "conclusion": run.conclusion,
            "outcome": run.outcome,
            "cause": run.cause,
            "package": run.package,
            "version": run.version,
            "completed_at": to_ms(run.completed_at),
            "seen_at": to_ms(run.seen_at),
            "registry": run.registry,
            "token_id": run.token_id,
        },
    )


def later_attempt(connection: Connection, repo: str, run_id: int, attempt: int) -> RunRecord | None:
    """The latest attempt of the same run after this one, if the bot heard of one first: events come out of order."""
    row = connection.one(
        "SELECT * FROM runs WHERE repo = :repo AND run_id = :run_id AND attempt > :attempt"
        " ORDER BY attempt DESC LIMIT 1",
        {"repo": repo, "run_id": run_id, "attempt": attempt},
    )
    return _record(row) if row else None


def was_staged(connection: Connection, repo: str, package: str, version: str) -> bool:
    """Whether a run said that it staged this version."""
    return bool(
        connection.value(
            """
            SELECT 1 FROM runs WHERE repo = :repo AND package = :package AND version = :version
                AND cause IN ('staged', 'already-staged') LIMIT 1
            """,
            {"repo": repo, "package": package, "version": version},
        )
    )


def repositories(connection: Connection) -> list[str]:
    """Every repository a run was heard of. Each step of the search goes to the next name in the index."""
    rows = connection.all(
        """
        WITH RECURSIVE names (repo) AS (
            SELECT MIN(repo) FROM runs
            UNION ALL
            SELECT (SELECT MIN(r.repo) FROM runs r WHERE r.repo > names.repo) FROM names WHERE names.repo IS NOT NULL
        )
        SELECT repo FROM names WHERE repo IS NOT NULL
        """
    )
    return [row["repo"] for row in rows]


def first_seen(connection: Connection, repo: str) -> datetime | None:
    """When the first run of a repository was heard of."""
    return from_ms(connection.value("SELECT MIN(seen_at) FROM runs WHERE repo = :repo", {"repo": repo}))


def older_than(connection: Connection, before: datetime) -> list[tuple[str, int, int]]:
    """(repository, run id, attempt) of what was heard of before; the last good run of each workflow is not among it."""
    rows = connection.all(
        """
        SELECT r.repo, r.run_id, r.attempt FROM runs r WHERE r.seen_at < :before AND NOT (
            r.outcome = 'published' AND r.completed_at = (
                SELECT MAX(p.completed_at) FROM runs p
                WHERE p.repo = r.repo AND p.workflow = r.workflow AND p.outcome = 'published'
            )
        )
        """,
        {"before": to_ms(before)},
    )
    return [(row["repo"], row["run_id"], row["attempt"]) for row in rows]


def forget(connection: Connection, attempts: Iterable[tuple[str, int, int]]) -> None:
    connection.execute_many(
        "DELETE FROM runs WHERE repo = :repo AND run_id = :run_id AND attempt = :attempt",
        ({"repo": repo, "run_id": run_id, "attempt": attempt} for repo, run_id, attempt in attempts),
    )


def known(connection: Connection, repo: str, attempts: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the (run id, attempt) pairs that were heard of."""
    return {
        (run_id, attempt)
        for run_id, attempt in attempts
        if connection.value(
            "SELECT 1 FROM runs WHERE repo = :repo AND run_id = :run_id AND attempt = :attempt",
            {"repo": repo, "run_id": run_id, "attempt": attempt},
        )
    }


def went_well(
    connection: Connection, repo: str, workflow: str, before: datetime, *, limit: int = 50
) -> list[RunRecord]:
    """Attempts of this workflow that succeeded before then, newest first; and, however old, the last that is known to
    have published."""
    at = {"repo": repo, "workflow": workflow, "before": to_ms(before), "limit": limit}
    of_workflow = "SELECT * FROM runs WHERE repo = :repo AND workflow = :workflow AND completed_at < :before"
    latest = connection.all(f"{of_workflow} AND conclusion = 'success' ORDER BY completed_at DESC LIMIT :limit", at)
    published = connection.all(f"{of_workflow} AND outcome = 'published' ORDER BY completed_at DESC LIMIT 1", at)
    return [_record(row) for row in latest + [row for row in published if row not in latest]]


def published_after(connection: Connection, repo: str, workflow: str, package: str, after: datetime) -> bool:
    """Whether a run of this workflow that ended later published the package: what failed before is old news."""
    return bool(
        connection.value(
            "SELECT 1 FROM runs WHERE repo = :repo AND workflow = :workflow AND completed_at > :after"
            " AND outcome = 'published' AND package = :package LIMIT 1",
            {"repo": repo, "workflow": workflow, "package": package, "after": to_ms(after)},
        )
    )


def staged_before(connection: Connection, repo: str, workflow: str) -> bool:
    """Whether an attempt of this workflow is known to have staged a version."""
    return bool(
        connection.value(
            "SELECT 1 FROM runs WHERE repo = :repo AND workflow = :workflow AND outcome = 'staged' LIMIT 1",
            {"repo": repo, "workflow": workflow},
        )
    )


def failed_around(
    connection: Connection, registry: str, at: datetime, within: timedelta, *, but: str, limit: int = 50
) -> list[RunRecord]:
    """Attempts that failed at the registry about then in other repositories than `but`, newest first; only those that
    are still open and that nothing but their log or the registry itself explains: a token that is known to have ended
    says nothing about the registry."""
    # From the few incidents that count, not from all that failed: in a storm of explained ones nothing would be found
    # among thousands of runs, at each of them. CROSS JOIN is how SQLite is told to go in this order.
    rows = connection.all(
        f"""
        SELECT runs.* FROM (
            SELECT id FROM incidents WHERE {UNEXPLAINED} AND last_seen_at > :since
            ORDER BY last_seen_at DESC LIMIT :most
        ) AS recent
        CROSS JOIN occurrences ON occurrences.incident_id = recent.id
        CROSS JOIN runs ON runs.repo = occurrences.repo AND runs.run_id = occurrences.run_id
            AND runs.attempt = occurrences.attempt
        WHERE runs.outcome = 'failed' AND runs.completed_at > :since AND runs.completed_at < :until
            AND runs.registry = :registry AND runs.repo <> :but
        ORDER BY runs.completed_at DESC LIMIT :limit
        """,  # noqa: S608 - the constant above
        {
            "since": to_ms(at - within),
            "until": to_ms(at + within),
            "registry": registry,
            "but": but,
            "limit": limit,
            "most": MOST_INCIDENTS,
        },
    )
    return [_record(row) for row in rows]


def published_since(connection: Connection, repos: Iterable[str], since: datetime) -> list[RunRecord]:
    """Attempts in these repositories whose log said that something was published, the earliest first."""
    return _within(connection, repos, since, None, "AND outcome = 'published'")


def around(connection: Connection, repos: Iterable[str], at: datetime, within: timedelta) -> list[RunRecord]:
    """Attempts in these repositories that ended about then."""
    return _within(connection, repos, at - within, at + within, "")


def packages_of(connection: Connection, repos: Iterable[str], *, limit: int = 20) -> list[str]:
    """Packages that attempts in these repositories were about, in order of name."""
    found: set[str] = set()
    for repo in dict.fromkeys(repos):
        rows = connection.all(
            "SELECT DISTINCT package FROM runs WHERE repo = :repo AND package IS NOT NULL LIMIT :limit",
            {"repo": repo, "limit": limit},
        )
        found |= {row["package"] for row in rows}
    return sorted(found)[:limit]


def _within(
    connection: Connection, repos: Iterable[str], since: datetime, until: datetime | None, more: str
) -> list[RunRecord]:
    """`more`: a constant of this file."""
    found: list[RunRecord] = []
    for repo in dict.fromkeys(repos):
        rows = connection.all(
            f"SELECT * FROM runs WHERE repo = :repo AND completed_at > :since"  # noqa: S608
            f" AND (:until IS NULL OR completed_at < :until) {more} ORDER BY completed_at LIMIT 50",
            {"repo": repo, "since": to_ms(since), "until": to_ms(until)},
        )
        found += [_record(row) for row in rows]
    return sorted(found, key=lambda run: run.completed_at or since)


def _record(row: Row) -> RunRecord:
    return RunRecord(
        repo=row["repo"],
        run_id=row["run_id"],
        attempt=row["attempt"],
        workflow=row["workflow"],
        conclusion=row["conclusion"],
        outcome=row["outcome"],
        cause=row["cause"],
        package=row["package"],
        version=row["version"],
        completed_at=from_ms(row["completed_at"]),
        seen_at=moment(row["seen_at"]),
        registry=row["registry"],
        token_id=row["token_id"],
    )
