"""Incidents and the runs that occurred in them."""

from __future__ import annotations

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
    failure; `over_at`: when what lay behind an outage was over.
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


def open_incident(connection: Connection, new: NewIncident, now: datetime) -> Incident:
    """Begin an incident. Raises Conflict when one with this fingerprint is open already."""
    row = connection.one(
        """
        INSERT INTO incidents (fingerprint, state, registry, cause, verdict, token_id, repo, workflow, package,
            version, occurrences, opened_at, last_seen_at, channel, card_key, facts)
        VALUES (:fingerprint, 'open', :registry, :cause, :verdict, :token_id, :repo, :workflow, :package,
            :version, 0, :now, :now, :channel, '', :facts)
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
            "now": to_ms(now),
        },
    )
    assert row is not None
    connection.execute(
        "UPDATE incidents SET card_key = :key WHERE id = :id", {"key": f"incident:{row['id']}", "id": row["id"]}
    )
    return _found(connection, row["id"])


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
            verdict = :verdict, token_id = :token_id, package = :package, version = :version, facts = :facts
        WHERE id = :id
        """,
        {
            "added": added,
            "now": to_ms(now),
            "cause": new.cause,
            "verdict": new.verdict,
            "token_id": new.token_id,
            "package": new.package,
            "version": new.version,
            "facts": new.facts,
            "id": incident.id,
        },
    )
    return _found(connection, incident.id), bool(added)


def get(connection: Connection, ident: int) -> Incident | None:
    row = connection.one("SELECT * FROM incidents WHERE id = :id", {"id": ident})
    return _incident(row) if row else None


def open_by_fingerprint(connection: Connection, fingerprint: str) -> Incident | None:
    row = connection.one(
        "SELECT * FROM incidents WHERE fingerprint = :fingerprint AND state <> 'resolved'",
        {"fingerprint": fingerprint},
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


def has_attempt(connection: Connection, incident: Incident, repo: str, run_id: int, attempt: int) -> bool:
    """Whether exactly this attempt is one of the incident's failures already."""
    return bool(
        connection.value(
            "SELECT 1 FROM occurrences"
            " WHERE incident_id = :id AND repo = :repo AND run_id = :run_id AND attempt = :attempt",
            {"id": incident.id, "repo": repo, "run_id": run_id, "attempt": attempt},
        )
    )


def latest(connection: Connection, *, unresolved: bool = False, limit: int = 50) -> list[Incident]:
    """Newest first."""
    where = "WHERE state <> 'resolved'" if unresolved else ""
    rows = connection.all(
        f"SELECT * FROM incidents {where} ORDER BY last_seen_at DESC, id DESC LIMIT :limit",  # noqa: S608 - constant
        {"limit": limit},
    )
    return [_incident(row) for row in rows]


def oldest_open(connection: Connection, *, limit: int) -> list[Incident]:
    rows = connection.all(
        "SELECT * FROM incidents WHERE state <> 'resolved' ORDER BY opened_at, id LIMIT :limit", {"limit": limit}
    )
    return [_incident(row) for row in rows]


def count_open(connection: Connection) -> int:
    return int(connection.value("SELECT COUNT(*) FROM incidents WHERE state <> 'resolved'"))


def claim(connection: Connection, incident: Incident, *, who: str, now: datetime) -> Incident:
    return _change(
        connection,
        incident,
        "state = 'claimed', claimed_by = :who, claimed_at = :now, snoozed_by = NULL, snoozed_until = NULL,"
        " snooze_reason = NULL",
        {"who": who, "now": to_ms(now)},
    )


def snooze(connection: Connection, incident: Incident, *, who: str, until: datetime, reason: str) -> Incident:
    return _change(
        connection,
        incident,
        "state = 'snoozed', snoozed_by = :who, snoozed_until = :until, snooze_reason = :reason",
        {"who": who, "until": to_ms(until), "reason": reason},
    )


def wake(connection: Connection, incident: Incident) -> Incident:
    """End a snooze: back to whoever had claimed it, or to open."""
    return _change(
        connection,
        incident,
        "state = CASE WHEN claimed_by IS NULL THEN 'open' ELSE 'claimed' END, snoozed_by = NULL,"
        " snoozed_until = NULL, snooze_reason = NULL",
        {},
    )


def resolve(connection: Connection, incident: Incident, *, by: str, how: str, now: datetime) -> Incident:
    """`by`: a Slack user id or `bot`; `how`: one plain sentence."""
    return _change(
        connection,
        incident,
        "state = 'resolved', resolved_at = :now, resolved_by = :by, resolution = :how, snoozed_until = NULL,"
        " look_at = NULL, muted_by = NULL, note = NULL",
        {"now": to_ms(now), "by": by, "how": how},
    )


def with_facts(connection: Connection, incident: Incident, facts: str) -> Incident:
    """More became known of it."""
    return _change(connection, incident, "facts = :facts", {"facts": facts})


def reopen(connection: Connection, incident: Incident) -> Incident:
    """Raises Conflict when the same thing has an open incident again."""
    return _change(
        connection,
        incident,
        "state = CASE WHEN claimed_by IS NULL THEN 'open' ELSE 'claimed' END, resolved_at = NULL,"
        " resolved_by = NULL, resolution = NULL",
        {},
    )


def watch(connection: Connection, incident: Incident, *, look_at: datetime | None, looks: int) -> Incident:
    """When the registry is looked at next; None ends it."""
    return _change(connection, incident, "look_at = :at, looks = :looks", {"at": to_ms(look_at), "looks": looks})


def take_look(connection: Connection, ident: int, seen: datetime, next_at: datetime | None, looks: int) -> bool:
    """True for the one caller that shall look now; the next look is due at `next_at` even if this one comes to
    nothing."""
    return bool(
        connection.execute(
            "UPDATE incidents SET look_at = :next, looks = :looks"
            " WHERE id = :id AND look_at = :seen AND state <> 'resolved'",
            {"next": to_ms(next_at), "looks": looks, "id": ident, "seen": to_ms(seen)},
        )
    )


def to_look_at(connection: Connection, now: datetime, limit: int) -> list[Incident]:
    """Those whose versions are to be looked for now, the longest due first."""
    rows = connection.all(
        "SELECT * FROM incidents WHERE look_at IS NOT NULL AND look_at <= :now ORDER BY look_at, id LIMIT :limit",
        {"now": to_ms(now), "limit": limit},
    )
    return [_incident(row) for row in rows]


def note(connection: Connection, incident: Incident, said: str | None) -> Incident:
    """What was seen since the failure, in one sentence."""
    return _change(connection, incident, "note = :said", {"said": said})


def with_staged(connection: Connection) -> list[Incident]:
    """Those that wait for somebody to approve a version."""
    rows = connection.all(
        """
        SELECT * FROM incidents WHERE state IN ('open', 'claimed') AND id IN (
            SELECT incident_id FROM awaited WHERE settled_at IS NULL AND state = 'staged'
        ) ORDER BY id
        """
    )
    return [_incident(row) for row in rows]


def reminded(connection: Connection, incident: Incident, now: datetime) -> Incident:
    return _change(connection, incident, "reminded_at = :now", {"now": to_ms(now)})


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


def _change(connection: Connection, incident: Incident, assignments: str, params: dict[str, object]) -> Incident:
    connection.execute(
        f"UPDATE incidents SET {assignments} WHERE id = :id",  # noqa: S608 - assignments are constants of this file
        {**params, "id": incident.id},
    )
    return _found(connection, incident.id)


def _found(connection: Connection, ident: int) -> Incident:
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
    )
