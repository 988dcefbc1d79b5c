"""What GitHub sent: an inbox with one row per delivery GUID, worked under leases.

States: new -> working -> done | waiting (tried, due again later) | dead (tried in vain, kept for a person).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from storage import arrivals
from storage.arrivals import Arrival, packed
from storage.database import Connection, Row, from_ms, moment, to_ms

# Word for word the condition of the index `deliveries_unfinished`: without it the engine reads the whole table.
UNFINISHED = "state IN ('new', 'waiting', 'working')"
PER_REPOSITORY_IN_ORDER = """
    NOT EXISTS (SELECT 1 FROM deliveries w WHERE w.repository = d.repository AND w.state = 'working')
"""

TAKEN_OVER = 32  # arrivals at once, when there is nothing else to claim
INTERRUPTED = "interrupted"  # the process that worked it died
KEPT_AT_LEAST = timedelta(days=4)  # GitHub shows deliveries for three: one that we forgot would look lost


class Received(StrEnum):
    """What `receive` found. NEW: stored now, or died before and is due again; PENDING: stored, not worked yet."""

    NEW = "stored"
    PENDING = "waiting"
    DONE = "done"


class LeaseLost(Exception):
    """Somebody else holds this row now: whatever was about to be written must not be."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One delivery as kept. `body`: the JSON bytes as received; `tries` counts the claims so far; `source`: how it
    came: `webhook`, or `sweep` when it was lost on its way and fetched later."""

    seq: int
    guid: str
    event: str
    action: str | None
    repository: str
    body: bytes
    received_at: datetime
    state: str
    due_at: datetime
    tries: int
    finished_at: datetime | None
    reason: str | None
    note: str | None
    source: str

    @property
    def late(self) -> bool:
        return self.source != "webhook"


def receive_all(connection: Connection, came: Sequence[Arrival], now: datetime) -> list[Received]:
    """Keep deliveries of which some may be known. GitHub redelivers under the same GUID: a dead one comes to life
    again, a done one stays."""
    received = []
    for arrival in came:
        known = _known(connection, arrival.guid, now)
        if known is None:
            arrivals.keep(connection, [arrival], [packed(arrival.body)], now)
        received.append(known or Received.NEW)
    return received


def receive(
    connection: Connection,
    *,
    guid: str,
    event: str,
    action: str | None,
    repository: str,
    body: bytes,
    now: datetime,
    source: str = "webhook",
) -> Received:
    """Keep one delivery that did not come over the wire."""
    known = _known(connection, guid, now)
    if known is not None:
        return known
    connection.execute(
        """
        INSERT INTO deliveries (guid, event, action, repository, body, received_at, due_at, state, source)
        VALUES (:guid, :event, :action, :repository, :body, :at, :at, 'new', :source)
        """,
        {
            "guid": guid,
            "event": event,
            "action": action,
            "repository": repository,
            "body": packed(body),
            "at": to_ms(now),
            "source": source,
        },
    )
    return Received.NEW


def receive_late(connection: Connection, arrival: Arrival, now: datetime) -> Received:
    """Keep a delivery that was lost on its way. If it has come meanwhile, nothing changes."""
    return receive(
        connection,
        guid=arrival.guid,
        event=arrival.event,
        action=arrival.action,
        repository=arrival.repository,
        body=arrival.body,
        now=now,
        source="sweep",
    )


def not_stored(connection: Connection, guids: Iterable[str]) -> set[str]:
    """Those GUIDs that nothing is known of."""
    return {
        guid
        for guid in guids
        if connection.value("SELECT 1 FROM deliveries WHERE guid = :guid", {"guid": guid}) is None
        and not arrivals.holds(connection, guid)
    }


def first_received(connection: Connection) -> datetime | None:
    """When the oldest delivery that is still kept came."""
    at = connection.value("SELECT received_at FROM deliveries ORDER BY seq LIMIT 1")
    return from_ms(arrivals.oldest(connection) if at is None else at)


def _known(connection: Connection, guid: str, now: datetime) -> Received | None:
    if arrivals.holds(connection, guid):
        return Received.PENDING
    state = connection.value("SELECT state FROM deliveries WHERE guid = :guid", {"guid": guid})
    if state is None:
        return None
    if state == "dead":
        _again(connection, guid, now, "dead")
        return Received.NEW
    return Received.DONE if state == "done" else Received.PENDING


def claim(
    connection: Connection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    wait: Callable[[int], timedelta] = lambda tries: timedelta(0),
) -> Stored | None:
    """Take the oldest due delivery whose repository nobody is working on; None when there is none.

    A row whose lease ran out (the process that held it died) is due again after `wait(tries)`: it may be the very row
    that kills whoever works it.
    """
    _recover(connection, now, wait)
    claimed = _claim(connection, owner, now, now + lease)
    while claimed is None and arrivals.take_over(connection, now, most=TAKEN_OVER):
        claimed = _claim(connection, owner, now, now + lease)
    return claimed


def _claim(connection: Connection, owner: str, now: datetime, until: datetime) -> Stored | None:
    row = connection.one(
        f"""
        UPDATE deliveries SET state = 'working', tries = tries + 1, lease_owner = :owner, lease_until = :until
        WHERE seq = (
            SELECT d.seq FROM deliveries d
            WHERE d.{UNFINISHED} AND d.state <> 'working' AND d.due_at <= :now AND {PER_REPOSITORY_IN_ORDER}
            ORDER BY d.due_at, d.seq LIMIT 1
        )
        RETURNING *
        """,  # noqa: S608 - the inserted texts are the constants above
        {"now": to_ms(now), "until": to_ms(until), "owner": owner},
    )
    return _stored(row) if row else None


def _recover(connection: Connection, now: datetime, wait: Callable[[int], timedelta]) -> None:
    for row in connection.all(
        "SELECT seq, tries, lease_until FROM deliveries WHERE state = 'working' AND lease_until < :now",
        {"now": to_ms(now)},
    ):
        connection.execute(
            "UPDATE deliveries SET state = 'waiting', lease_owner = NULL, reason = :reason, due_at = :due"
            " WHERE seq = :seq",
            {
                "seq": row["seq"],
                "reason": INTERRUPTED,
                "due": to_ms(moment(row["lease_until"]) + wait(row["tries"])),
            },
        )


def hurry(connection: Connection, now: datetime) -> int:
    """What waits for something to be mended is due now, except what may have killed its process; and what a clock that
    was ahead received."""
    return connection.execute(
        f"UPDATE deliveries SET due_at = :now WHERE {UNFINISHED} AND state <> 'working' AND due_at > :now"  # noqa: S608
        " AND COALESCE(reason, '') <> :interrupted",
        {"now": to_ms(now), "interrupted": INTERRUPTED},
    )


def extend(connection: Connection, delivery: Stored, *, owner: str, until: datetime) -> None:
    """Keep the lease of a long work. Raises LeaseLost."""
    changed = connection.execute(
        "UPDATE deliveries SET lease_until = :until"
        " WHERE seq = :seq AND state = 'working' AND lease_owner = :owner AND tries = :tries",
        {"until": to_ms(until), "seq": delivery.seq, "owner": owner, "tries": delivery.tries},
    )
    if not changed:
        raise LeaseLost


def finish(
    connection: Connection,
    delivery: Stored,
    *,
    owner: str,
    state: str,
    now: datetime,
    reason: str,
    note: str | None = None,
    due_at: datetime | None = None,
) -> None:
    """Write how a claimed delivery ended, in the transaction of what came of it. Raises LeaseLost: undoes both."""
    changed = connection.execute(
        """
        UPDATE deliveries SET state = :state, reason = :reason, note = :note, due_at = :due, lease_owner = NULL,
            lease_until = NULL, finished_at = CASE WHEN :state IN ('done', 'dead') THEN :now END
        WHERE seq = :seq AND state = 'working' AND lease_owner = :owner AND tries = :tries
        """,
        {
            "state": state,
            "reason": reason,
            "note": note,
            "due": to_ms(due_at or now),
            "now": to_ms(now),
            "seq": delivery.seq,
            "owner": owner,
            "tries": delivery.tries,
        },
    )
    if not changed:
        raise LeaseLost


def hand_back(connection: Connection, *, owner: str, now: datetime) -> int:
    """Give up every lease of a process that stops; the interrupted tries do not count."""
    return connection.execute(
        """
        UPDATE deliveries SET state = 'waiting', due_at = :now, tries = tries - 1, lease_owner = NULL,
            lease_until = NULL
        WHERE state = 'working' AND lease_owner = :owner
        """,
        {"owner": owner, "now": to_ms(now)},
    )


def replay(connection: Connection, ident: str, now: datetime) -> Stored | None:
    """Make a finished delivery due again, by GUID or number; None when there is no such delivery."""
    stored = get(connection, ident)
    if stored and stored.state in ("done", "dead"):
        _again(connection, stored.guid, now, stored.state)
        return get(connection, ident)
    return stored


def get(connection: Connection, ident: str) -> Stored | None:
    """By GUID or by number."""
    row = connection.one("SELECT * FROM deliveries WHERE guid = :guid", {"guid": ident})
    if row is None and ident.isascii() and ident.isdecimal() and len(ident) < 18:
        row = connection.one("SELECT * FROM deliveries WHERE seq = :seq", {"seq": int(ident)})
    return _stored(row) if row else None


def latest(connection: Connection, *, state: str | None = None, limit: int = 50) -> list[Stored]:
    """Newest first, optionally of one state."""
    where = "WHERE state = :state" if state else ""
    rows = connection.all(
        f"SELECT * FROM deliveries {where} ORDER BY seq DESC LIMIT :limit",  # noqa: S608 - a constant clause
        {"state": state, "limit": limit},
    )
    return [_stored(row) for row in rows]


def next_due(connection: Connection) -> datetime | None:
    """When the next unfinished delivery is due or its lease ends."""
    if (came := arrivals.oldest(connection)) is not None:
        return moment(came)
    at = connection.value(
        f"SELECT MIN(CASE state WHEN 'working' THEN lease_until ELSE due_at END) FROM deliveries WHERE {UNFINISHED}"  # noqa: S608
    )
    return from_ms(at)


def heard_anything(connection: Connection) -> bool:
    """Whether GitHub ever sent something that is still kept."""
    return bool(connection.value("SELECT 1 FROM deliveries LIMIT 1")) or arrivals.oldest(connection) is not None


def unfinished(connection: Connection) -> tuple[int, datetime | None]:
    """How many deliveries wait or are being worked, and when the oldest of them came."""
    row = connection.one(
        f"SELECT COUNT(*) AS n, MIN(received_at) AS oldest FROM deliveries WHERE {UNFINISHED}"  # noqa: S608 - constant
    ) or {"n": 0, "oldest": None}
    since = [at for at in (row["oldest"], arrivals.oldest(connection)) if at is not None]
    return row["n"] + arrivals.count(connection), from_ms(min(since, default=None))


def dead(connection: Connection) -> int:
    """How many deliveries were given up."""
    return int(connection.value("SELECT COUNT(*) FROM deliveries WHERE state = 'dead'"))


def last_reason(connection: Connection, state: Literal["dead", "waiting"]) -> str | None:
    """Why the newest dead delivery was given up, or why the one that is due next was put off."""
    newest = (
        "SELECT reason FROM deliveries WHERE state = 'dead' ORDER BY seq DESC LIMIT 1"
        if state == "dead"
        else f"SELECT reason FROM deliveries WHERE {UNFINISHED} AND state = 'waiting' ORDER BY due_at, seq LIMIT 1"  # noqa: S608
    )
    reason: str | None = connection.value(newest)
    return reason


def forget_before(connection: Connection, before: datetime, *, most: int = 1_000_000) -> int:
    """Drop finished deliveries older than the retention, at most so many; what is unfinished or dead stays.

    They are numbered as they come, so the first one young enough ends the search: a million others are not looked at.
    """
    first_kept = connection.value(
        "SELECT seq FROM deliveries WHERE received_at >= :before ORDER BY seq LIMIT 1", {"before": to_ms(before)}
    )
    return connection.execute(
        "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries WHERE seq < :first_kept AND state = 'done'"
        " AND received_at < :before ORDER BY seq LIMIT :most)",
        {"before": to_ms(before), "first_kept": 2**62 if first_kept is None else first_kept, "most": most},
    )


def _again(connection: Connection, guid: str, now: datetime, state: str) -> int:
    return connection.execute(
        "UPDATE deliveries SET state = 'new', due_at = :now, tries = 0, finished_at = NULL"
        " WHERE guid = :guid AND state = :state",
        {"guid": guid, "now": to_ms(now), "state": state},
    )


def _stored(row: Row) -> Stored:
    return Stored(
        seq=row["seq"],
        guid=row["guid"],
        event=row["event"],
        action=row["action"],
        repository=row["repository"],
        body=zlib.decompress(row["body"]),
        received_at=moment(row["received_at"]),
        state=row["state"],
        due_at=moment(row["due_at"]),
        tries=row["tries"],
        finished_at=from_ms(row["finished_at"]),
        reason=row["reason"],
        note=row["note"],
        source=row["source"],
    )
