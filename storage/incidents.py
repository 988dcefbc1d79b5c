"""Incidents and the runs that occurred in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.database import Connection, Row, from_ms, moment, to_ms

State = Literal["open", "claimed", "snoozed", "resolved"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong until it is right. `facts`: JSON of what the card shows (bot.incidents.Facts).

    `note`: a sentence about what was seen since the failure; `look_at`, `looks`: when the registry is looked at next
    and how often it was; `muted_by`: the open incident that explains this one; `previous_id`: the one before, when the
    same came back after a day; `merged_into`: where it goes on; `told_at`: the last line in its thread about another
    failure; `nudged_at`: the question whether the claim still holds; `over_at`: when what lay behind an outage was
    over; `free_since`: since when it waits for somebody again: it was given back, opened again or explained by
    nothing any more, or a snooze ended.
    """

    id: int
    fingerprint: str
    state: State
    registry: str | None
    cause: str
    verdict: str
    token_id: int | None
    repo: str
    workflow: str
    package: str | None
    version: str | None
    occurrences: int
    opened_at: datetime
    last_seen_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    snoozed_by: str | None
    snoozed_until: datetime | None
    snooze_reason: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    channel: str | None
    card_key: str
    facts: str
    note: str | None = None
    look_at: datetime | None = None
    looks: int = 0
    muted_by: int | None = None
    previous_id: int | None = None
    merged_into: int | None = None
    told_at: datetime | None = None
    nudged_at: datetime | None = None
    escalated_at: datetime | None = None
    reminded_at: datetime | None = None
    over_at: datetime | None = None
    free_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What `open_incident` needs; the card's message key is made here, from the incident's number."""

    fingerprint: str
    registry: str | None
    cause: str
    verdict: str
    token_id: int | None
    repo: str
    workflow: str
    package: str | None
    version: str | None
    channel: str | None
    facts: str


def open_incident(
    connection: Connection, new: NewIncident, now: datetime, *, previous: Incident | None = None
) -> Incident:
    """Begin an incident. Raises Conflict when one with this fingerprint is open already. `previous`: the last one of
    the same fingerprint."""
    row = connection.one(
        """
        INSERT INTO incidents (fingerprint, state, registry, cause, verdict, token_id, repo, workflow, package,
            version, occurrences, opened_at, last_seen_at, channel, card_key, facts, previous_id)
        VALUES (:fingerprint, 'open', :registry, :cause, :verdict, :token_id, :repo, :workflow, :package,
            :version, 0, :now, :now, :channel, '', :facts, :previous)
        RETURNING id
        """,
        {
            "fingerprint": new.fingerprint,
            "registry": new.registry,
            "cause": new.cause,
            "verdict": new.verdict,
            "token_id": new.token_id,
            "repo": new.repo,
            "workflow": new.workflow,
            "package": new.package,
            "version": new.version,
            "channel": new.channel,
            "facts": new.facts,
            "previous": previous.id if previous else None,
            "now": to_ms(now),
        },
    )
    assert row is not None
    connection.execute(
        "UPDATE incidents SET card_key = :key WHERE id = :id", {"key": f"incident:{row['id']}", "id": row["id"]}
    )
    return found(connection, row["id"])


def occurred(
    connection: Connection,
    incident: Incident,
    *,
    repo: str,
    run_id: int,
    attempt: int,
    run_url: str,
    now: datetime,
    new: NewIncident,
) -> tuple[Incident, bool]:
    """Note a run attempt that failed in this incident, and whether it is a new one. The facts become the newest."""
    added = connection.execute(
        """
        INSERT INTO occurrences (incident_id, repo, run_id, attempt, seen_at, run_url)
        VALUES (:id, :repo, :run_id, :attempt, :now, :run_url)
        ON CONFLICT (incident_id, repo, run_id, attempt) DO NOTHING
        """,
        {
            "id": incident.id,
            "repo": repo,
            "run_id": run_id,
            "attempt": attempt,
            "now": to_ms(now),
            "run_url": run_url,
        },
    )
    connection.execute(
        """
        UPDATE incidents SET occurrences = occurrences + :added, last_seen_at = :now, cause = :cause,
            verdict = :verdict, token_id = :token_id, repo = :repo, workflow = :workflow, package = :package,
            version = :version, facts = :facts
        WHERE id = :id
        """,
        {
            "added": added,
            "now": to_ms(now),
            "cause": new.cause,
            "verdict": new.verdict,
            "token_id": new.token_id,
            "repo": new.repo,
            "workflow": new.workflow,
            "package": new.package,
            "version": new.version,
            "facts": new.facts,
            "id": incident.id,
        },
    )
    return found(connection, incident.id), bool(added)


def get(connection: Connection, ident: int) -> Incident | None:
    row = connection.one("SELECT * FROM incidents WHERE id = :id", {"id": ident})
    return _incident(row) if row else None


def open_by_fingerprint(connection: Connection, fingerprint: str) -> Incident | None:
    row = connection.one(
        "SELECT * FROM incidents WHERE fingerprint = :fingerprint AND state <> 'resolved'",
        {"fingerprint": fingerprint},
    )
    return _incident(row) if row else None


def ended(connection: Connection, fingerprint: str) -> Incident | None:
    """The last one of this fingerprint that is over and did not go on in another."""
    row = connection.one(
        "SELECT * FROM incidents WHERE fingerprint = :fingerprint AND state = 'resolved' AND merged_into IS NULL"
        " ORDER BY resolved_at DESC, id DESC LIMIT 1",
        {"fingerprint": fingerprint},
    )
    return _incident(row) if row else None


def with_attempt(connection: Connection, repo: str, run_id: int, attempt: int) -> Incident | None:
    """The incident in which exactly this attempt failed; of several one that is not over, then the newest."""
    row = connection.one(
        """
        SELECT i.* FROM incidents i WHERE i.id IN (
            SELECT o.incident_id FROM occurrences o
            WHERE o.repo = :repo AND o.run_id = :run_id AND o.attempt = :attempt
        ) ORDER BY i.state = 'resolved', i.id DESC LIMIT 1
        """,
        {"repo": repo, "run_id": run_id, "attempt": attempt},
    )
    return _incident(row) if row else None


def open_of_workflow(connection: Connection, repo: str, workflow: str) -> list[Incident]:
    """Unresolved incidents that wait for something of this workflow, also those that other repositories share."""
    rows = connection.all(
        """
        SELECT i.* FROM incidents i WHERE i.state <> 'resolved' AND i.id IN (
            SELECT a.incident_id FROM awaited a
            WHERE a.repo = :repo AND a.workflow = :workflow AND a.settled_at IS NULL
        ) ORDER BY i.id
        """,
        {"repo": repo, "workflow": workflow},
    )
    return [_incident(row) for row in rows]


def open_of_package(connection: Connection, repo: str, package: str) -> list[Incident]:
    """Unresolved incidents that wait for this package, or for one without a name, from any workflow of a repository."""
    rows = connection.all(
        """
        SELECT i.* FROM incidents i WHERE i.state <> 'resolved' AND i.id IN (
            SELECT a.incident_id FROM awaited a
            WHERE a.repo = :repo AND a.package IN (:package, '') AND a.settled_at IS NULL
        ) ORDER BY i.id
        """,
        {"repo": repo, "package": package},
    )
    return [_incident(row) for row in rows]


def open_of_cause(connection: Connection, repo: str, cause: str) -> list[Incident]:
    """Unresolved incidents of one cause in a repository."""
    rows = connection.all(
        "SELECT * FROM incidents WHERE state <> 'resolved' AND lower(repo) = :repo AND cause = :cause ORDER BY id",
        {"repo": repo.lower(), "cause": cause},
    )
    return [_incident(row) for row in rows]


def open_of_version(connection: Connection, package: str, version: str) -> Incident | None:
    """An unresolved incident about exactly this version."""
    row = connection.one(
        "SELECT * FROM incidents WHERE state <> 'resolved' AND package = :package AND version = :version LIMIT 1",
        {"package": package, "version": version},
    )
    return _incident(row) if row else None


def was_in_run(connection: Connection, incident: Incident, repo: str, run_id: int) -> bool:
    """Whether an attempt of this run is one of the incident's failures."""
    return bool(
        connection.value(
            "SELECT 1 FROM occurrences WHERE incident_id = :id AND repo = :repo AND run_id = :run_id LIMIT 1",
            {"id": incident.id, "repo": repo, "run_id": run_id},
        )
    )


def unresolved_with_run(connection: Connection, repo: str, run_id: int) -> Incident | None:
    """The incident that is not over yet and that an attempt of this run is part of; the newest of several."""
    row = connection.one(
        """
        SELECT i.* FROM incidents i WHERE i.state <> 'resolved' AND EXISTS (
            SELECT 1 FROM occurrences o WHERE o.incident_id = i.id AND o.repo = :repo AND o.run_id = :run_id
        ) ORDER BY i.id DESC LIMIT 1
        """,
        {"repo": repo, "run_id": run_id},
    )
    return _incident(row) if row else None


def latest(connection: Connection, *, unresolved: bool = False, limit: int = 50) -> list[Incident]:
    """The last seen first; of unresolved ones those that others explain last."""
    where = "WHERE state <> 'resolved' ORDER BY muted_by IS NOT NULL," if unresolved else "ORDER BY"
    rows = connection.all(
        f"SELECT * FROM incidents {where} last_seen_at DESC, id DESC LIMIT :limit",  # noqa: S608 - constant
        {"limit": limit},
    )
    return [_incident(row) for row in rows]


def opened_since(connection: Connection, since: datetime, *, job: str, limit: int) -> list[Incident]:
    """Open incidents that speak since then and for which the job of that name is not done: what another one explains
    does not speak."""
    rows = connection.all(
        """
        SELECT i.* FROM incidents i WHERE i.state = 'open' AND i.muted_by IS NULL
            AND COALESCE(i.free_since, i.opened_at) >= :since AND NOT EXISTS (
            SELECT 1 FROM due_jobs d WHERE d.name = :job AND d.due = 'incident:' || i.id AND d.done_at IS NOT NULL
        ) ORDER BY i.id LIMIT :limit
        """,
        {"since": to_ms(since), "job": job, "limit": limit},
    )
    return [_incident(row) for row in rows]


def oldest_open(connection: Connection, *, limit: int) -> list[Incident]:
    rows = connection.all(
        "SELECT * FROM incidents WHERE state <> 'resolved' ORDER BY opened_at, id LIMIT :limit", {"limit": limit}
    )
    return [_incident(row) for row in rows]


def open_of_person(connection: Connection, user: str, *, limit: int) -> list[Incident]:
    """Incidents that wait for this person (Slack user id): they took them on, or the token is theirs and nobody did.
    What is put off, and what another one explains, waits for nobody."""
    rows = connection.all(
        """
        SELECT i.* FROM incidents i WHERE i.state IN ('open', 'claimed') AND (
            i.claimed_by = :user OR (i.claimed_by IS NULL AND i.muted_by IS NULL AND EXISTS (
                SELECT 1 FROM tokens t WHERE t.id = i.token_id AND (t.owner = :user OR t.backup_owner = :user)
            ))
        ) ORDER BY i.opened_at, i.id LIMIT :limit
        """,
        {"user": user, "limit": limit},
    )
    return [_incident(row) for row in rows]


def count_open(connection: Connection) -> int:
    return int(connection.value("SELECT COUNT(*) FROM incidents WHERE state <> 'resolved'"))


def muted_by(connection: Connection, incident: Incident) -> list[Incident]:
    rows = connection.all(
        "SELECT * FROM incidents WHERE muted_by = :id AND state <> 'resolved' ORDER BY id", {"id": incident.id}
    )
    return [_incident(row) for row in rows]


def unresolved(
    connection: Connection, registry: str | None = None, verdicts: Iterable[str] = (), *, with_token: bool = False
) -> list[Incident]:
    """What is not over, the oldest first: in this registry, with one of the verdicts, with a token, where asked."""
    names = {f"verdict{place}": verdict for place, verdict in enumerate(sorted(verdicts))}
    narrower = f" AND verdict IN ({', '.join(f':{name}' for name in names)})" if names else ""
    narrower += " AND token_id IS NOT NULL" if with_token else ""
    rows = connection.all(
        "SELECT * FROM incidents WHERE state <> 'resolved'"  # noqa: S608 - the names are ours
        f"{narrower} AND (:registry IS NULL OR COALESCE(registry, 'npm') = :registry) ORDER BY id",
        {**names, "registry": registry},
    )
    return [_incident(row) for row in rows]


def to_look_at(connection: Connection, now: datetime, limit: int) -> list[Incident]:
    """Those whose versions are to be looked for now, the longest due first."""
    rows = connection.all(
        "SELECT * FROM incidents WHERE look_at IS NOT NULL AND look_at <= :now ORDER BY look_at, id LIMIT :limit",
        {"now": to_ms(now), "limit": limit},
    )
    return [_incident(row) for row in rows]


def to_nudge(connection: Connection, *, claimed_before: datetime, free_before: datetime) -> list[Incident]:
    """Claims and unclaimed incidents that are older than that; nothing that another incident explains, and no staged
    version, which is remembered anyway."""
    rows = connection.all(
        """
        SELECT * FROM incidents WHERE muted_by IS NULL AND (
            (state = 'claimed' AND claimed_at <= :claimed AND COALESCE(nudged_at, 0) <= :claimed
                AND COALESCE(free_since, 0) <= :claimed)
            OR (state = 'open' AND verdict <> 'staged' AND escalated_at IS NULL
                AND COALESCE(free_since, opened_at) <= :free)
        ) ORDER BY id
        """,
        {"claimed": to_ms(claimed_before), "free": to_ms(free_before)},
    )
    return [_incident(row) for row in rows]


def with_staged(connection: Connection) -> list[Incident]:
    """Those that wait for somebody to approve a version."""
    rows = connection.all(
        """
        SELECT * FROM incidents WHERE state IN ('open', 'claimed') AND muted_by IS NULL AND id IN (
            SELECT incident_id FROM awaited WHERE settled_at IS NULL AND state = 'staged'
        ) ORDER BY id
        """
    )
    return [_incident(row) for row in rows]


def snoozes_ended(connection: Connection, now: datetime) -> list[Incident]:
    rows = connection.all(
        "SELECT * FROM incidents WHERE state = 'snoozed' AND snoozed_until <= :now ORDER BY id", {"now": to_ms(now)}
    )
    return [_incident(row) for row in rows]


def forget_before(connection: Connection, before: datetime) -> int:
    """Drop incidents resolved before the retention; their audit rows stay."""
    return connection.execute(
        "DELETE FROM incidents WHERE state = 'resolved' AND resolved_at < :before", {"before": to_ms(before)}
    )


def found(connection: Connection, ident: int) -> Incident:
    """One that is known to be there."""
    incident = get(connection, ident)
    assert incident is not None
    return incident


def _incident(row: Row) -> Incident:
    return Incident(
        id=row["id"],
        fingerprint=row["fingerprint"],
        state=row["state"],
        registry=row["registry"],
        cause=row["cause"],
        verdict=row["verdict"],
        token_id=row["token_id"],
        repo=row["repo"],
        workflow=row["workflow"],
        package=row["package"],
        version=row["version"],
        occurrences=row["occurrences"],
        opened_at=moment(row["opened_at"]),
        last_seen_at=moment(row["last_seen_at"]),
        claimed_by=row["claimed_by"],
        claimed_at=from_ms(row["claimed_at"]),
        snoozed_by=row["snoozed_by"],
        snoozed_until=from_ms(row["snoozed_until"]),
        snooze_reason=row["snooze_reason"],
        resolved_at=from_ms(row["resolved_at"]),
        resolved_by=row["resolved_by"],
        resolution=row["resolution"],
        channel=row["channel"],
        card_key=row["card_key"],
        facts=row["facts"],
        note=row["note"],
        look_at=from_ms(row["look_at"]),
        looks=row["looks"],
        muted_by=row["muted_by"],
        previous_id=row["previous_id"],
        merged_into=row["merged_into"],
        told_at=from_ms(row["told_at"]),
        nudged_at=from_ms(row["nudged_at"]),
        escalated_at=from_ms(row["escalated_at"]),
        reminded_at=from_ms(row["reminded_at"]),
        over_at=from_ms(row["over_at"]),
        free_since=from_ms(row["free_since"]),
    )
