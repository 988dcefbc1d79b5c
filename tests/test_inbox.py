"""Each delivery is worked once, in its repository's order, through failures, restarts and poison."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot import inbox as worker
from bot.errors import GiveUp, TryAgain
from bot.inbox import Inbox, Worked, grown_wait_s
from storage import audit, deliveries
from storage.database import Connection, Database
from storage.deliveries import Received, Stored

Work = Callable[[Stored], Awaitable[Worked]]


def now() -> datetime:
    return datetime.now(UTC)


def receive(db: Database, guid: str, repository: str = "acme/ui") -> Received:
    return db.write_now(
        deliveries.receive,
        guid=guid,
        event="workflow_run",
        action="completed",
        repository=repository,
        body=b"{}",
        now=now(),
    )


def state(db: Database, guid: str) -> str:
    stored = db.read_now(deliveries.get, guid)
    assert stored is not None
    return stored.state


def received_earlier(db: Database, ago: timedelta) -> None:
    at = int((now() - ago).timestamp() * 1000)
    db.write_now(lambda c: c.execute("UPDATE deliveries SET received_at = :at", {"at": at}))


@contextlib.asynccontextmanager
async def working(db: Database, work: Work) -> AsyncIterator[Inbox]:
    box = Inbox(db, work, now=now, sent_something=lambda: None)
    task = asyncio.create_task(box.run())
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.01)


def remember(what: str) -> Callable[[Connection], None]:
    return lambda c: audit.record(c, at=now(), who="test", action=what, subject="x")


def remembered(db: Database) -> list[str]:
    return [row["action"] for row in db.read_now(lambda c: c.all("SELECT action FROM audit ORDER BY id"))]


async def test_what_came_of_a_delivery_is_written_with_its_end(db: Database) -> None:
    async def work(delivery: Stored) -> Worked:
        return Worked("fine", "a note", remember(delivery.guid))

    receive(db, "a")
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None
    assert (stored.reason, stored.note, stored.tries) == ("fine", "a note", 1)
    assert remembered(db) == ["a"]


async def test_when_writing_fails_nothing_is_written_and_it_is_tried_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FIRST_WAIT_S", 0.05)
    times = 0

    async def work(delivery: Stored) -> Worked:
        def apply(connection: Connection) -> None:
            nonlocal times
            times += 1
            remember(f"try {times}")(connection)
            if times == 1:
                raise ValueError("a defect")

        return Worked("fine", None, apply)

    receive(db, "a")
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")
    assert remembered(db) == ["try 2"]


async def test_deliveries_of_one_repository_are_worked_in_order_and_others_beside_them(db: Database) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def work(delivery: Stored) -> Worked:
        begun.append(delivery.guid)
        if delivery.guid == "ui-1":
            await go_on.wait()
        return Worked("fine")

    for guid, repository in (("ui-1", "acme/ui"), ("ui-2", "acme/ui"), ("api-1", "acme/api")):
        receive(db, guid, repository)
    async with working(db, work):
        await until(lambda: state(db, "api-1") == "done")
        assert begun == ["ui-1", "api-1"]
        go_on.set()
        await until(lambda: state(db, "ui-2") == "done")
    assert begun == ["ui-1", "api-1", "ui-2"]


async def test_no_more_are_worked_at_once_than_there_is_room_for_and_slow_ones_leave_room(db: Database) -> None:
    at_once = most = 0
    go_on = asyncio.Event()

    async def work(delivery: Stored) -> Worked:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if delivery.guid.startswith("slow"):
            await go_on.wait()
        await asyncio.sleep(0.01)
        at_once -= 1
        return Worked("fine")

    for number in range(5):
        receive(db, f"slow-{number}", "acme/slow")  # one repository: however many there are, they take one place
    for number in range(40):
        receive(db, f"good-{number}", f"acme/r{number}")
    async with working(db, work):
        await until(lambda: db.read_now(deliveries.unfinished)[0] == 5)
        go_on.set()
        await until(lambda: db.read_now(deliveries.unfinished)[0] == 0)
    assert 2 <= most <= worker.AT_ONCE


async def test_a_poisonous_delivery_does_not_hold_up_its_repository(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FIRST_WAIT_S", 60.0)

    async def work(delivery: Stored) -> Worked:
        if delivery.guid == "poison":
            raise ZeroDivisionError
        return Worked("fine")

    receive(db, "poison")
    receive(db, "good")
    async with working(db, work):
        await until(lambda: state(db, "good") == "done")
    assert state(db, "poison") == "waiting"


async def test_after_the_last_try_a_delivery_is_dead_and_counted(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(worker, "MOST_TRIES", 3)

    async def work(delivery: Stored) -> Worked:
        raise TryAgain("github-broken", "GitHub: 502")

    receive(db, "a")
    received_earlier(db, timedelta(days=2))
    async with working(db, work):
        await until(lambda: state(db, "a") == "dead")
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None and stored.tries == 3
    assert db.read_now(deliveries.dead) == 1
    assert db.read_now(deliveries.last_reason, "dead") == "github-broken"


async def test_what_is_asked_to_wait_waits_as_long_as_asked(db: Database) -> None:
    async def work(delivery: Stored) -> Worked:
        raise TryAgain("github-rate-limited", "wait", after_s=3600)

    receive(db, "a")
    async with working(db, work):
        await until(lambda: state(db, "a") == "waiting")
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None and timedelta(minutes=59) < stored.due_at - now() < timedelta(minutes=61)


async def test_what_cannot_work_is_given_up_with_its_reason(db: Database) -> None:
    async def work(delivery: Stored) -> Worked:
        raise GiveUp("run-malformed", "no run")

    receive(db, "a")
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None and stored.reason == "run-malformed"


async def test_a_bot_that_stops_hands_back_what_it_held(db: Database) -> None:
    begun = asyncio.Event()

    async def hang(delivery: Stored) -> Worked:
        begun.set()
        await asyncio.sleep(60)
        return Worked("never")

    async def work(delivery: Stored) -> Worked:
        return Worked("fine")

    receive(db, "a")
    async with working(db, hang):
        await begun.wait()
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None and (stored.state, stored.tries) == ("waiting", 0)
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")


async def test_a_bot_that_was_killed_leaves_a_lease_that_runs_out(db: Database) -> None:
    receive(db, "a")
    long_ago = now() - timedelta(minutes=5)
    held = db.write_now(deliveries.claim, owner="dead process", now=now(), lease=now() - now())
    assert held is not None
    db.write_now(lambda c: c.execute("UPDATE deliveries SET lease_until = :t", {"t": int(long_ago.timestamp() * 1000)}))

    async def work(delivery: Stored) -> Worked:
        return Worked("fine", None, remember("worked"))

    async with working(db, work):
        await until(lambda: state(db, "a") == "done")
    assert remembered(db) == ["worked"]


async def test_a_process_whose_lease_ran_out_can_no_longer_write(db: Database) -> None:
    receive(db, "a")
    first = db.write_now(deliveries.claim, owner="first", now=now(), lease=timedelta(seconds=-1))
    second = db.write_now(deliveries.claim, owner="second", now=now(), lease=timedelta(minutes=1))
    assert first is not None and second is not None and second.tries == 2
    with pytest.raises(deliveries.LeaseLost):
        db.write_now(deliveries.finish, first, owner="first", state="done", now=now(), reason="late")
    assert state(db, "a") == "working"


async def test_two_workers_never_hold_the_same_delivery(db: Database) -> None:
    worked: list[str] = []

    async def work(delivery: Stored) -> Worked:
        worked.append(delivery.guid)
        await asyncio.sleep(0)
        return Worked("fine")

    for number in range(60):
        receive(db, f"g{number}", f"acme/r{number % 7}")
    async with working(db, work), working(db, work):
        await until(lambda: db.read_now(deliveries.unfinished)[0] == 0)
    assert sorted(worked) == sorted(f"g{number}" for number in range(60))


def test_a_guid_is_stored_once_and_lives_again_only_when_dead(db: Database) -> None:
    assert receive(db, "a") is Received.NEW
    assert receive(db, "a") is Received.PENDING
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead', tries = 12"))
    assert receive(db, "a") is Received.NEW
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'done'"))
    assert receive(db, "a") is Received.DONE


def test_waits_grow_to_an_hour() -> None:
    waits = [grown_wait_s(tries, 0.5) for tries in range(1, 100)]
    assert waits == sorted(waits)
    assert waits[0] == 2
    assert waits[-1] == 3600
    assert grown_wait_s(1, 0.0) < grown_wait_s(1, 1.0)


async def test_an_outage_with_short_waits_does_not_use_up_the_tries(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential that ended on Friday evening is renewed on Monday; each refusal asked for a minute."""
    monkeypatch.setattr(worker, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(worker, "MOST_TRIES", 3)
    refusals = 0

    async def work(delivery: Stored) -> Worked:
        nonlocal refusals
        refusals += 1
        if refusals < 20:
            raise TryAgain("github-unauthorized", "GitHub refuses our credential", after_s=0.01)
        return Worked("fine")

    receive(db, "a")
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")


async def test_being_asked_for_a_minute_again_and_again_still_grows(db: Database) -> None:
    async def work(delivery: Stored) -> Worked:
        raise TryAgain("github-unauthorized", "GitHub refuses our credential", after_s=60)

    receive(db, "a")
    db.write_now(lambda c: c.execute("UPDATE deliveries SET tries = 8"))
    async with working(db, work):
        await until(lambda: state(db, "a") == "waiting")
    stored = db.read_now(deliveries.get, "a")
    assert stored is not None and stored.due_at - now() > timedelta(minutes=30)


async def test_a_bot_that_starts_tries_at_once_what_waited_for_something_to_be_mended(db: Database) -> None:
    async def refuse(delivery: Stored) -> Worked:
        raise TryAgain("no-channel", "ALERT_CHANNEL is not set", after_s=1800)

    async def work(delivery: Stored) -> Worked:
        return Worked("fine")

    receive(db, "a")
    async with working(db, refuse):
        await until(lambda: state(db, "a") == "waiting")
    async with working(db, work):
        await until(lambda: state(db, "a") == "done")


async def test_what_kills_its_process_is_tried_less_and_less_and_given_up(db: Database) -> None:
    """The others in flight die with it each time, and are worked in between."""
    receive(db, "poison", "acme/poison")
    at = now()
    tried = []
    for _ in range(30):
        receive(db, f"good-{at.timestamp()}", "acme/good")
        claimed = []
        while held := db.write_now(
            deliveries.claim, owner="x", now=at, lease=worker.LEASE, wait=worker._wait_after_death
        ):
            claimed.append(held.guid)
            if held.guid != "poison":
                db.write_now(deliveries.finish, held, owner="x", state="done", now=at, reason="fine")
        if "poison" in claimed:
            tried.append(at)
        assert len(claimed) >= 1 + ("poison" in claimed)
        at += timedelta(minutes=1)
    apart = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert len(tried) < 10
    assert apart == sorted(apart)

    async def never(delivery: Stored) -> Worked:
        raise AssertionError("not worked again")

    received_earlier(db, timedelta(days=2))
    db.write_now(
        lambda c: c.execute("UPDATE deliveries SET tries = 12, lease_until = 1, due_at = 1 WHERE guid = 'poison'")
    )
    async with working(db, never):
        await until(lambda: state(db, "poison") == "dead")
    stored = db.read_now(deliveries.get, "poison")
    assert stored is not None and stored.reason == "interrupted"


async def test_work_that_never_ends_is_cut_and_tried_again(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "WORK_WITHIN_S", 0.1)

    async def work(delivery: Stored) -> Worked:
        if delivery.guid == "trickle":
            await asyncio.sleep(3600)
        return Worked("fine")

    receive(db, "trickle")
    receive(db, "good")
    async with working(db, work):
        await until(lambda: state(db, "good") == "done")
    stored = db.read_now(deliveries.get, "trickle")
    assert stored is not None and (stored.state, stored.reason) == ("waiting", "too-slow")


def test_finished_deliveries_are_forgotten_after_the_retention_and_others_are_not(db: Database) -> None:
    for guid in ("old-done", "old-dead", "new-done"):
        receive(db, guid)
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'done'"))
    db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead' WHERE guid = 'old-dead'"))
    db.write_now(lambda c: c.execute("UPDATE deliveries SET received_at = 1 WHERE guid LIKE 'old%'"))
    assert db.write_now(deliveries.forget_before, now() - timedelta(days=90)) == 1
    assert {stored.guid for stored in db.read_now(deliveries.latest)} == {"old-dead", "new-done"}
