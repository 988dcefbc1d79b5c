"""Deliveries as they came, before anybody looked at them: a small table, so that a burst is kept as fast beside a
million old deliveries as beside none.

Each becomes one of `deliveries` when a worker has nothing else to claim (`take_over`). Kept there at once, each webhook
would change another page of the index of a million GUIDs, and each of those is folded into the file by itself.
A GUID is in one of both tables at most: the key sees to it here, and a trigger that looks into the other one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, to_ms

try:
    # The same format in a third of the time; it is not built for every machine.
    from isal.isal_zlib import compress

    FASTEST = 0
except ImportError:
    from zlib import compress

    FASTEST = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery to be stored. `body`: the JSON bytes as received."""

    guid: str
    event: str
    action: str | None
    repository: str
    body: bytes


def packed(body: bytes) -> bytes:
    """A body as the `body` columns hold it: zlib's format, whoever made it. A real payload shrinks to a seventh."""
    return compress(body, FASTEST)


def keep(connection: Connection, arrivals: Sequence[Arrival], bodies: Sequence[bytes], now: datetime) -> None:
    """Keep deliveries of which none is known, nearly always the case, in one statement. `bodies`: `packed` theirs.

    Raises Conflict, and keeps none of them, if one is known.
    """
    at = to_ms(now)
    values: list[object] = []
    for arrival, body in zip(arrivals, bodies, strict=True):
        values += (arrival.guid, arrival.event, arrival.action, arrival.repository, body, at)
    connection.execute(_insertion(len(arrivals)), values)


def holds(connection: Connection, guid: str) -> bool:
    return connection.value("SELECT 1 FROM arrivals WHERE guid = :guid", {"guid": guid}) is not None


def take_over(connection: Connection, now: datetime, *, most: int) -> int:
    """Make the oldest of them deliveries that are due, in the order they came. Returns how many."""
    last = connection.value(
        "SELECT MAX(seq) FROM (SELECT seq FROM arrivals WHERE seq > 0 ORDER BY seq LIMIT :most)", {"most": most}
    )
    if last is None:
        return 0
    # A delivery that a clock far ahead stamped is due all the same. What is known already: an older version of the
    # program, still running beside this one, looks into one table only.
    connection.execute(
        """
        INSERT INTO deliveries (guid, event, action, repository, body, received_at, due_at, state)
            SELECT guid, event, action, repository, body, received_at, MIN(received_at, :now), 'new'
            FROM arrivals WHERE seq <= :last ORDER BY seq
        ON CONFLICT (guid) DO NOTHING
        """,
        {"now": to_ms(now), "last": last},
    )
    return connection.execute("DELETE FROM arrivals WHERE seq <= :last", {"last": last})


def oldest(connection: Connection) -> int | None:
    """When the first of them came, in milliseconds since the epoch; None when there are none."""
    at: int | None = connection.value("SELECT received_at FROM arrivals WHERE seq > 0 ORDER BY seq LIMIT 1")
    return at


def count(connection: Connection) -> int:
    return int(connection.value("SELECT COUNT(*) FROM arrivals"))


@functools.cache
def _insertion(number: int) -> str:
    """One statement for all: each one more is a change between threads while others wait."""
    insertion = "INSERT INTO arrivals (guid, event, action, repository, body, received_at) VALUES "
    return insertion + ", ".join(["(?, ?, ?, ?, ?, ?)"] * number)
