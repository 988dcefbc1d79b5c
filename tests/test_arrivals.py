"""Deliveries that arrive together: one commit, an answer of its own for each, and nobody left waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime

import pytest

from bot.arrivals import CROWD, Arrivals
from bot.github import webhook
from storage import deliveries
from storage.database import Database, StorageError
from storage.deliveries import Arrival, Received

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def arrival(guid: str, body: bytes = b"{}") -> Arrival:
    return Arrival(guid, "ping", None, "acme/ui", body)


async def test_each_of_those_that_arrive_together_is_told_what_became_of_it(db: Database) -> None:
    woken: list[str] = []
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: woken.append("inbox"))
    guids = [f"g{number}" for number in range(300)]
    said = await asyncio.gather(*(arrivals.store(arrival(guid)) for guid in [*guids, "g7", "g8"]))
    assert said == [Received.NEW] * 300 + [Received.PENDING] * 2
    assert woken
    assert not arrivals.crowded
    assert {stored.guid for stored in db.read_now(deliveries.latest, limit=1000)} == set(guids)


async def test_known_ones_among_new_ones_are_told_apart(db: Database) -> None:
    woken: list[str] = []
    arrivals = Arrivals(db, now=lambda: NOW, stored=lambda: woken.append("inbox"))
    await asyncio.gather(*(arrivals.store(arrival(f"g{number}")) for number in range(3)))
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
    assert db.read_now(deliveries.get, "gone") is not None


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
