"""Rotations: which token is being replaced, by whom, how, and how far each step has come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from storage.database import Connection, Row, from_ms, moment, to_ms
from storage.tokens import Use

Path = Literal["token", "stage-token", "trusted-publishing"]
Kind = Literal["mint", "store", "prove", "overlap", "revoke", "retire"]
Proof = Literal["seen", "said"]
Ending = Literal["closed", "cancelled", "rolled-back"]
FARTHEST_LOOK = timedelta(days=1)  # no rotation waits longer than this to be looked at again


@dataclass(frozen=True, slots=True)
class Done:
    """How a step was settled. `at`: when it happened (the moment the secret was written, not when we looked).

    `proof`: `seen` by the bot itself or `said` by the person `who`; `what`: the fact seen, or the reason given.
    `override`: a person went on although the proof before it was missing.
    """

    at: datetime
    proof: Proof
    who: str
    what: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist. `subject`: the use or package it is about, as text, or empty; unique with `kind`.

    `since`: only what happened after this moment counts as its proof. `deadline`: None until it is its turn.
    `dropped`: its use turned out to be none, so it waits for nothing; it keeps its place in the list.
    """

    kind: Kind
    subject: str
    owner: str | None
    since: datetime
    use: Use | None = None
    deadline: datetime | None = None
    done: Done | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """A second person agreed to a bypass of two-factor."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stuck:
    """A step is overdue. `told`: how many times somebody was reminded of it."""

    since: datetime
    why: str
    told: int = 0


@dataclass(frozen=True, slots=True)
class End:
    state: Ending
    at: datetime
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One token on its way out. `token_id`: the old one, None once it was removed from the records.

    `owner` makes the new one, `second` approves a bypass of two-factor and takes over. `packages`: whose new versions
    prove it; `repositories`: of each package, the GitHub repository that its newest version names, where that is known.
    `bypass`: the new token shall bypass two-factor, which takes effect when `bypass_approved` says who agreed.
    `overlap`: how long both tokens live after the proof. `old_used_at`: the last use of the old token that is
    known to lie after the switch. `old_ends_at`: its recorded end at the start. `id` is 0 before it is stored.
    """

    token_id: int | None
    token_name: str
    path: Path
    owner: str
    started_by: str
    started_at: datetime
    steps: tuple[Step, ...]
    overlap: timedelta
    registry: str = "npm"
    second: str | None = None
    new_name: str | None = None
    new_token_id: int | None = None
    lifetime_days: int = 90
    bypass: bool = False
    bypass_reason: str = ""
    bypass_approved: Approval | None = None
    packages: tuple[str, ...] = ()
    repositories: Mapping[str, str] = field(default_factory=dict)
    old_ends_at: datetime | None = None
    old_used_at: datetime | None = None
    stuck: Stuck | None = None
    end: End | None = None
    channel: str | None = None
    campaign_id: int | None = None
    id: int = 0

    @property
    def card_key(self) -> str:
        """Key of its living message in the outbox."""
        return f"rotation:{self.id}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something seen about a rotation that is no step: a wrong move, a probe, a failed publish.

    `key` names what it is about, so that the same thing is said once; `kind`: `wrong` asks for action, `fact` does not,
    `ready` tells how ready something is for trusted publishing.
    """

    key: str
    kind: Literal["wrong", "fact", "ready"]
    text: str
    at: datetime


def add(connection: Connection, rotation: Rotation, *, look_at: datetime) -> Rotation:
    """Store a new rotation. Raises Conflict when one of this token is open already."""
    row = connection.one(
        """
        INSERT INTO rotations (token_id, token_name, path, registry, owner, second, new_name, new_token_id,
            lifetime_days, bypass, bypass_reason, bypass_approved_by, bypass_approved_at, packages, repositories,
            overlap_ms, old_ends_at, old_used_at, stuck_since, stuck_why, stuck_told, ended_as, ended_at, ended_by,
            ended_why, channel, campaign_id, started_by, started_at, look_at)
        VALUES (:token_id, :token_name, :path, :registry, :owner, :second, :new_name, :new_token_id,
            :lifetime_days, :bypass, :bypass_reason, :bypass_approved_by, :bypass_approved_at, :packages, :repositories,
            :overlap_ms, :old_ends_at, :old_used_at, :stuck_since, :stuck_why, :stuck_told, :ended_as, :ended_at,
            :ended_by, :ended_why, :channel, :campaign_id, :started_by, :started_at, :look_at)
        RETURNING id
        """,
        {**_columns(rotation), "look_at": to_ms(look_at)},
    )
    assert row is not None
    stored = replace(rotation, id=row["id"])
    _write_steps(connection, stored)
    return stored


def change(connection: Connection, rotation: Rotation) -> None:
    """Make the stored rotation equal to this one. Raises Conflict when it was ended and another is open meanwhile."""
    connection.execute(
        """
        UPDATE rotations SET token_id = :token_id, token_name = :token_name, path = :path, registry = :registry,
            owner = :owner, second = :second, new_name = :new_name, new_token_id = :new_token_id,
            lifetime_days = :lifetime_days, bypass = :bypass, bypass_reason = :bypass_reason,
            bypass_approved_by = :bypass_approved_by, bypass_approved_at = :bypass_approved_at,
            packages = :packages, repositories = :repositories,
            overlap_ms = :overlap_ms, old_ends_at = :old_ends_at, old_used_at = :old_used_at,
            stuck_since = :stuck_since, stuck_why = :stuck_why, stuck_told = :stuck_told, ended_as = :ended_as,
            ended_at = :ended_at, ended_by = :ended_by, ended_why = :ended_why, channel = :channel,
            campaign_id = :campaign_id
        WHERE id = :id
        """,
        {**_columns(rotation), "id": rotation.id},
    )
    connection.execute("DELETE FROM rotation_steps WHERE rotation_id = :id", {"id": rotation.id})
    _write_steps(connection, rotation)


def get(connection: Connection, ident: int) -> Rotation | None:
    return next(iter(_load(connection, "WHERE id = :id", {"id": ident})), None)


def open_of_token(connection: Connection, token_id: int) -> Rotation | None:
    """The one open rotation whose old token this is."""
    found = _load(connection, "WHERE token_id = :id AND ended_at IS NULL", {"id": token_id})
    return found[0] if found else None


def open_for_token(connection: Connection, token_id: int) -> Rotation | None:
    """The open rotation whose new token this is."""
    found = _load(connection, "WHERE new_token_id = :id AND ended_at IS NULL", {"id": token_id})
    return found[0] if found else None


def open_rotations(connection: Connection, *, limit: int = 1000) -> list[Rotation]:
    """Those under way, the oldest first."""
    return _load(connection, "WHERE ended_at IS NULL ORDER BY started_at, id LIMIT :limit", {"limit": limit})


def count_open(connection: Connection) -> int:
    return int(connection.value("SELECT COUNT(*) FROM rotations WHERE ended_at IS NULL"))


def latest(connection: Connection, *, limit: int = 50) -> list[Rotation]:
    """Open and ended ones, the newest first."""
    return _load(connection, "ORDER BY id DESC LIMIT :limit", {"limit": limit})


def open_in_workflow(connection: Connection, repo: str, workflow: str | None = None) -> list[Rotation]:
    """Open rotations of tokens that this repository (or its organisation) uses, in this workflow if that is known."""
    owner = repo.partition("/")[0]
    rows = connection.all(
        """
        SELECT DISTINCT s.rotation_id FROM rotation_steps s JOIN rotations r ON r.id = s.rotation_id
        WHERE r.ended_at IS NULL AND lower(s.repo) IN (:repo, :owner, :everywhere)
            AND (s.workflow IS NULL OR :workflow IS NULL OR lower(s.workflow) = :workflow
                OR :workflow LIKE '%/' || lower(s.workflow))
        """,
        {
            "repo": repo.lower(),
            "owner": owner.lower(),
            "everywhere": f"{owner.lower()}/*",
            "workflow": workflow.lower() if workflow else None,
        },
    )
    found = (get(connection, row["rotation_id"]) for row in rows)
    return [rotation for rotation in found if rotation is not None]


def of_campaign(connection: Connection, campaign_id: int) -> list[Rotation]:
    return _load(connection, "WHERE campaign_id = :id ORDER BY id", {"id": campaign_id})


def claim_looks(connection: Connection, now: datetime, *, again_at: datetime, limit: int) -> list[Rotation]:
    """Open rotations that are due to be looked at; each goes to one caller, and is due again at `again_at`.

    One that is due only days ahead was put there by a clock that was wrong: it is due now.
    """
    due = connection.all(
        "SELECT id FROM rotations WHERE ended_at IS NULL AND (look_at <= :now OR look_at > :never)"
        " ORDER BY look_at, id LIMIT :limit",
        {"now": to_ms(now), "never": to_ms(now + FARTHEST_LOOK), "limit": limit},
    )
    claimed = []
    for row in due:
        look_again(connection, row["id"], again_at)
        rotation = get(connection, row["id"])
        if rotation is not None:
            claimed.append(rotation)
    return claimed


def look_again(connection: Connection, ident: int, at: datetime) -> None:
    """When to look for proofs next."""
    connection.execute("UPDATE rotations SET look_at = :at WHERE id = :id", {"at": to_ms(at), "id": ident})


def look_at_all(connection: Connection, now: datetime) -> None:
    """Something came that may prove a step of any of them."""
    connection.execute("UPDATE rotations SET look_at = :now WHERE ended_at IS NULL", {"now": to_ms(now)})


def note(connection: Connection, rotation_id: int, seen: Note) -> bool:
    """Keep what was seen; False when it is known and still holds. What was settled and is seen again holds again."""
    return bool(
        connection.execute(
            """
            INSERT INTO rotation_notes (rotation_id, key, kind, text, at) VALUES (:id, :key, :kind, :text, :at)
            ON CONFLICT (rotation_id, key) DO UPDATE SET settled_at = NULL, kind = excluded.kind,
                text = excluded.text, at = excluded.at
            WHERE rotation_notes.settled_at IS NOT NULL
            """,
            {"id": rotation_id, "key": seen.key, "kind": seen.kind, "text": seen.text, "at": to_ms(seen.at)},
        )
    )


def settle_notes(connection: Connection, rotation_id: int, keys: Iterable[str], now: datetime) -> int:
    """These are true no longer; they stay in the history."""
    return sum(
        connection.execute(
            "UPDATE rotation_notes SET settled_at = :now WHERE rotation_id = :id AND key = :key AND settled_at IS NULL",
            {"now": to_ms(now), "id": rotation_id, "key": key},
        )
        for key in keys
    )


def notes(connection: Connection, rotation_id: int, *, settled: bool = False) -> list[Note]:
    """What was seen and still holds (`settled`: everything ever seen), oldest first."""
    rows = connection.all(
        "SELECT key, kind, text, at FROM rotation_notes WHERE rotation_id = :id"
        " AND (:settled = 1 OR settled_at IS NULL) ORDER BY at, key",
        {"id": rotation_id, "settled": int(settled)},
    )
    return [Note(row["key"], row["kind"], row["text"], moment(row["at"])) for row in rows]


def _load(connection: Connection, where: str, params: dict[str, object]) -> list[Rotation]:
    """`where`: a constant of this file."""
    rows = connection.all(f"SELECT * FROM rotations {where}", params)  # noqa: S608
    loaded = []
    for row in rows:
        steps = connection.all(
            "SELECT * FROM rotation_steps WHERE rotation_id = :id ORDER BY position", {"id": row["id"]}
        )
        loaded.append(_rotation(row, tuple(_step(step) for step in steps)))
    return loaded


def _rotation(row: Row, steps: tuple[Step, ...]) -> Rotation:
    return Rotation(
        token_id=row["token_id"],
        token_name=row["token_name"],
        path=row["path"],
        owner=row["owner"],
        started_by=row["started_by"],
        started_at=moment(row["started_at"]),
        steps=steps,
        overlap=timedelta(milliseconds=row["overlap_ms"]),
        registry=row["registry"],
        second=row["second"],
        new_name=row["new_name"],
        new_token_id=row["new_token_id"],
        lifetime_days=row["lifetime_days"],
        bypass=bool(row["bypass"]),
        bypass_reason=row["bypass_reason"],
        bypass_approved=None
        if row["bypass_approved_at"] is None
        else Approval(row["bypass_approved_by"], moment(row["bypass_approved_at"])),
        packages=tuple(json.loads(row["packages"])),
        repositories=json.loads(row["repositories"]),
        old_ends_at=from_ms(row["old_ends_at"]),
        old_used_at=from_ms(row["old_used_at"]),
        stuck=None
        if row["stuck_since"] is None
        else Stuck(moment(row["stuck_since"]), row["stuck_why"], row["stuck_told"]),
        end=None
        if row["ended_at"] is None
        else End(row["ended_as"], moment(row["ended_at"]), row["ended_by"], row["ended_why"]),
        channel=row["channel"],
        campaign_id=row["campaign_id"],
        id=row["id"],
    )


def _step(row: Row) -> Step:
    done = None
    if row["done_at"] is not None:
        done = Done(moment(row["done_at"]), row["proof"], row["who"], row["what"], bool(row["override"]))
    use = None
    if row["repo"] is not None:
        use = Use(row["repo"], row["workflow"], row["secret"], row["level"], row["environment"])
    return Step(
        kind=row["kind"],
        subject=row["subject"],
        owner=row["owner"],
        since=moment(row["since"]),
        use=use,
        deadline=from_ms(row["deadline"]),
        done=done,
        dropped=bool(row["dropped"]),
    )


def _write_steps(connection: Connection, rotation: Rotation) -> None:
    connection.execute_many(
        """
        INSERT INTO rotation_steps (rotation_id, position, kind, subject, owner, since, deadline, repo, workflow,
            secret, level, environment, done_at, proof, who, what, override, dropped)
        VALUES (:rotation_id, :position, :kind, :subject, :owner, :since, :deadline, :repo, :workflow,
            :secret, :level, :environment, :done_at, :proof, :who, :what, :override, :dropped)
        """,
        (
            {
                "rotation_id": rotation.id,
                "position": position,
                "kind": step.kind,
                "subject": step.subject,
                "owner": step.owner,
                "since": to_ms(step.since),
                "deadline": to_ms(step.deadline),
                "repo": step.use.repo if step.use else None,
                "workflow": step.use.workflow if step.use else None,
                "secret": step.use.secret if step.use else None,
                "level": step.use.level if step.use else None,
                "environment": step.use.environment if step.use else None,
                "done_at": to_ms(step.done.at) if step.done else None,
                "proof": step.done.proof if step.done else None,
                "who": step.done.who if step.done else None,
                "what": step.done.what if step.done else None,
                "override": int(step.done.override) if step.done else 0,
                "dropped": int(step.dropped),
            }
            for position, step in enumerate(rotation.steps)
        ),
    )


def _columns(rotation: Rotation) -> dict[str, object]:
    stuck, end = rotation.stuck, rotation.end
    return {
        "token_id": rotation.token_id,
        "token_name": rotation.token_name,
        "path": rotation.path,
        "registry": rotation.registry,
        "owner": rotation.owner,
        "second": rotation.second,
        "new_name": rotation.new_name,
        "new_token_id": rotation.new_token_id,
        "lifetime_days": rotation.lifetime_days,
        "bypass": int(rotation.bypass),
        "bypass_reason": rotation.bypass_reason,
        "bypass_approved_by": rotation.bypass_approved.by if rotation.bypass_approved else None,
        "bypass_approved_at": to_ms(rotation.bypass_approved.at) if rotation.bypass_approved else None,
        "packages": json.dumps(rotation.packages),
        "repositories": json.dumps(dict(rotation.repositories)),
        "overlap_ms": int(rotation.overlap.total_seconds() * 1000),
        "old_ends_at": to_ms(rotation.old_ends_at),
        "old_used_at": to_ms(rotation.old_used_at),
        "stuck_since": to_ms(stuck.since) if stuck else None,
        "stuck_why": stuck.why if stuck else None,
        "stuck_told": stuck.told if stuck else 0,
        "ended_as": end.state if end else None,
        "ended_at": to_ms(end.at) if end else None,
        "ended_by": end.by if end else None,
        "ended_why": end.why if end else None,
        "channel": rotation.channel,
        "campaign_id": rotation.campaign_id,
        "started_by": rotation.started_by,
        "started_at": to_ms(rotation.started_at),
    }
