"""Deliveries that arrive together: one commit, an answer of its own for each, and nobody left waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from bot.arrivals import CROWD, Arrivals
from bot.github import webhook
from storage import arrivals as kept
from storage import deliveries
from storage.arrivals import Arrival
from storage.database import Conflict, Database, StorageError
from storage.deliveries import Received, Stored

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def arrival(guid: str, body: bytes = b"{}") -> Arrival:
    return Arrival(guid, "ping", None, "acme/ui", body)


def looked_at(db: Database) -> list[Stored]:
    """All that came, newest first, as a worker finds it."""
    db.write_now(kept.take_over, NOW, most=1000)
    return db.read_now(deliveries.latest, limit=1000)


async def test_each_of_those_that_arrive_together_is_told_what_became_of_it(db: Database) -> None:
    woken: list[str] = []
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: woken.append("inbox"))
    guids = [f"g{number}" for number in range(300)]
    said = await asyncio.gather(*(arrivals.store(arrival(guid)) for guid in [*guids, "g7", "g8"]))
    assert said == [Received.NEW] * 300 + [Received.PENDING] * 2
    assert woken
    assert not arrivals.crowded
    assert db.read_now(deliveries.unfinished) == (300, NOW)
    assert [stored.guid for stored in looked_at(db)] == guids[::-1]


async def test_known_ones_among_new_ones_are_told_apart(db: Database) -> None:
    woken: list[str] = []
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: woken.append("inbox"))
    await asyncio.gather(*(arrivals.store(arrival(f"g{number}")) for number in range(3)))
    looked_at(db)
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'done' WHERE guid = 'g0'"))
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead' WHERE guid = 'g1'"))
    woken.clear()
    said = await asyncio.gather(*(arrivals.store(arrival(f"g{number}")) for number in range(5)))
    assert said == [Received.DONE, Received.NEW, Received.PENDING, Received.NEW, Received.NEW]
    assert woken == ["inbox"]


async def test_nobody_waits_for_more_than_the_turn_of_the_loop(db: Database) -> None:
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    for number in range(3):
        assert await arrivals.store(arrival(f"g{number}")) is Received.NEW


async def test_a_locked_database_is_told_to_everybody_who_waits_and_forgotten(db: Database) -> None:
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    db.write_now(lambda c: c.execute("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said = await asyncio.gather(*(arrivals.store(arrival(f"g{n}")) for n in range(40)), return_exceptions=True)
    assert [type(error) for error in said] == [StorageError] * 40
    assert not arrivals.crowded
    other.execute("ROLLBACK")
    other.close()
    assert await arrivals.store(arrival("g1")) is Received.NEW


async def test_it_is_crowded_while_many_wait(db: Database) -> None:
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    waiting = [asyncio.create_task(arrivals.store(arrival(f"g{number}"))) for number in range(CROWD)]
    await asyncio.sleep(0)
    assert arrivals.crowded
    await asyncio.gather(*waiting)
    assert not arrivals.crowded


async def test_a_sender_that_hangs_up_does_not_stop_it(db: Database) -> None:
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    gone = asyncio.create_task(arrivals.store(arrival("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await arrivals.store(arrival("here")) is Received.NEW
    assert {stored.guid for stored in looked_at(db)} == {"gone", "here"}


async def test_a_closed_database_is_told_to_everybody_who_waits(db: Database) -> None:
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    db.close()
    said = await asyncio.gather(*(arrivals.store(arrival(f"g{n}")) for n in range(3)), return_exceptions=True)
    assert [type(error) for error in said] == [StorageError] * 3


@pytest.mark.parametrize("body", [rb'{"action": "\ud800"}', rb'{"repository": {"full_name": "acme/\udfff"}}'])
async def test_half_a_character_in_a_payload_can_be_stored(db: Database, body: bytes) -> None:
    read = webhook.parse("g1", "ping", body)
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: None)
    assert await arrivals.store(Arrival(read.guid, read.event, read.action, read.repository, body)) is Received.NEW


def keep(db: Database, *guids: str, repository: str = "acme/ui") -> None:
    came = [Arrival(guid, "ping", None, repository, b"{}") for guid in guids]
    db.write_now(kept.keep, came, [kept.packed(one.body) for one in came], NOW)


def claim(db: Database, now: datetime = NOW) -> Stored | None:
    return db.write_now(deliveries.claim, owner="me", now=now, lease=timedelta(minutes=1))


def test_what_came_is_worked_in_its_order_and_after_what_waits_since_before(db: Database) -> None:
    keep(db, "a", repository="acme/one")
    first = claim(db)
    assert first is not None
    db.write_now(deliveries.finish, first, owner="me", state="waiting", now=NOW, reason="again")
    keep(db, "b", repository="acme/two")
    keep(db, "c", "d", repository="acme/three")
    assert db.read_now(deliveries.next_due) == NOW
    taken = [claim(db) for _ in range(4)]
    assert [one.guid if one else None for one in taken] == ["a", "b", "c", None], "d waits for its repository"
    assert db.read_now(kept.oldest) is None


def test_one_busy_repository_does_not_hide_what_came_after_it(db: Database) -> None:
    keep(db, *(f"busy{number}" for number in range(deliveries.TAKEN_OVER * 3)))
    keep(db, "other", repository="acme/other")
    assert [one.guid if one else None for one in (claim(db), claim(db), claim(db))] == ["busy0", "other", None]


def test_a_delivery_is_in_one_of_both_tables_at_most(db: Database) -> None:
    keep(db, "a", "b")
    with pytest.raises(Conflict):
        keep(db, "c", "a")
    assert db.read_now(kept.count) == 2, "none of a lot is kept when one is known"
    looked_at(db)
    with pytest.raises(Conflict):
        keep(db, "d", "b")
    assert db.read_now(kept.count) == 0
    assert db.read_now(deliveries.not_stored, ["a", "b", "c", "d"]) == {"c", "d"}


def test_what_nobody_looked_at_is_no_loss_to_the_sweep(db: Database) -> None:
    keep(db, "a")
    assert db.read_now(deliveries.not_stored, ["a"]) == set()
    assert db.read_now(deliveries.first_received) == NOW
    assert db.write_now(deliveries.receive_late, arrival("a"), NOW) is Received.PENDING
    assert db.write_now(deliveries.receive_late, arrival("b"), NOW) is Received.NEW
    assert {one.guid: one.source for one in looked_at(db)} == {"a": "webhook", "b": "sweep"}


def test_a_version_that_looks_into_one_table_only_makes_no_second_one(db: Database) -> None:
    """While one process takes over from another, the older one may store what GitHub sends again."""
    keep(db, "a", "b")
    db.write_now(
        lambda c: c.execute(
            "INSERT INTO deliveries (guid, event, repository, body, received_at, state, due_at)"
            " VALUES ('a', 'ping', 'acme/ui', x'', 0, 'done', 0)"
        )
    )
    db.write_now(kept.take_over, NOW, most=10)
    found = db.read_now(lambda c: c.all("SELECT guid, state FROM deliveries ORDER BY guid"))
    assert [(row["guid"], row["state"]) for row in found] == [("a", "done"), ("b", "new")]
    assert db.read_now(kept.count) == 0


def test_what_a_clock_far_ahead_stamped_is_due_when_it_is_right_again(db: Database) -> None:
    keep(db, "a")
    claimed = claim(db, NOW - timedelta(days=3))
    assert claimed is not None
    assert claimed.due_at == NOW - timedelta(days=3)
