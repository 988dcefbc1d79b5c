"""The store: durable, one writer, group commit, clear words when it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from storage import audit
from storage.database import Conflict, Connection, Database, StorageError, from_ms, to_ms

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def note(connection: Connection, what: str) -> None:
    audit.record(connection, at=NOW, who="test", action=what, subject="thing")


def count(connection: Connection) -> int:
    return int(connection.value("SELECT COUNT(*) FROM audit"))


async def test_writes_that_wait_together_are_all_there_afterwards(db: Database) -> None:
    await asyncio.gather(*(db.write(note, str(number)) for number in range(500)))
    assert await db.read(count) == 500


async def test_an_error_in_one_write_undoes_that_one_alone(db: Database) -> None:
    def half(connection: Connection) -> None:
        note(connection, "half")
        raise ValueError("on purpose")

    results = await asyncio.gather(db.write(note, "a"), db.write(half), db.write(note, "b"), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert await db.read(count) == 2


async def test_a_cancelled_caller_does_not_stop_the_write(db: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        go_on.wait(5)
        note(connection, "slow")

    task = asyncio.create_task(db.write(slow))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await db.write(note, "after")
    assert await db.read(count) == 2


async def test_readers_cannot_write(db: Database) -> None:
    with pytest.raises(StorageError):
        await db.read(note, "no")


async def test_a_taken_key_is_a_conflict(db: Database) -> None:
    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute("INSERT INTO due_jobs VALUES ('a', 'b', 'c', 1, NULL)")

    with pytest.raises(Conflict):
        await db.write(twice)


def test_commits_are_durable_and_the_log_is_a_write_ahead_log(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    try:
        assert db.write_now(lambda c: c.value("PRAGMA synchronous")) == 2  # FULL
        assert db.read_now(lambda c: c.value("PRAGMA journal_mode")) == "wal"
    finally:
        db.close()
    assert (tmp_path / "a.db").stat().st_mode & 0o077 == 0, "only its owner may read what is known about tokens"


def test_opening_again_migrates_nothing_and_keeps_everything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    for number in range(3):
        db = Database.open(url)
        db.write_now(note, "again")
        assert db.read_now(count) == number + 1
        db.close()


async def test_a_disk_that_fills_up_undoes_all_that_was_to_be_committed_together(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    db.write_now(lambda c: c.execute("CREATE TABLE big (what BLOB)"))
    db.write_now(lambda c: c.value(f"PRAGMA max_page_count={c.value('PRAGMA page_count') + 3}"))
    begun, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        begun.set()
        go_on.wait(10)

    def fill(connection: Connection) -> None:
        connection.execute("INSERT INTO big VALUES (zeroblob(1000000))")

    holding = asyncio.ensure_future(db.write(hold))
    await asyncio.to_thread(begun.wait, 10)
    together = [
        asyncio.ensure_future(db.write(work)) for work in (partial(note, what="a"), fill, partial(note, what="b"))
    ]
    await asyncio.sleep(0)
    go_on.set()
    await holding
    said = await asyncio.gather(*together, return_exceptions=True)
    assert [type(error) for error in said] == [StorageError] * 3
    assert all("full" in str(error) for error in said)
    assert await db.read(count) == 0
    await db.write(note, "c")
    assert await db.read(count) == 1
    db.close()


async def test_one_statement_is_durable_when_it_is_told_and_undone_when_it_fails(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    told: asyncio.Queue[BaseException | None] = asyncio.Queue()

    def two(connection: Connection) -> None:
        key = (
            "INSERT INTO due_jobs (name, due, lease_owner, lease_until) VALUES ('a', :one, '', 0), ('a', :other, '', 0)"
        )
        connection.execute(key, {"one": "1", "other": other})

    for other in ("1", "2"):
        db.submit(two, lambda _, error: told.put_nowait(error), one_statement=True)
        error = await asyncio.wait_for(told.get(), 10)
        assert isinstance(error, Conflict) if other == "1" else error is None
        beside = sqlite3.connect(tmp_path / "a.db")
        assert beside.execute("SELECT COUNT(*) FROM due_jobs").fetchone() == (0 if other == "1" else 2,)
        beside.close()
    db.close()


def test_two_processes_may_start_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database.open(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for db in opened:
        db.write_now(note, "x")
    assert opened[0].read_now(count) == 4
    for db in opened:
        db.close()


def test_a_database_of_a_newer_version_is_refused_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    Database.open(url).close()
    raw = sqlite3.connect(tmp_path / "a.db")
    raw.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('tokenwatch', 'm999_later', 'x')"
    )
    raw.commit()
    raw.close()
    with pytest.raises(StorageError, match="newer version"):
        Database.open(url)


@pytest.mark.parametrize("url", ["postgres://x", "sqlite://", "sqlite:///", "data/tokenwatch.db", ""])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="DATABASE_URL"):
        Database.open(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 200)
    with pytest.raises(StorageError):
        Database.open(f"sqlite:///{path}")
    assert path.read_text() == "my notes\n" * 200


def test_a_backup_taken_while_writing_is_whole(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    for number in range(50):
        db.write_now(note, str(number))
    db.backup(tmp_path / "copy.db")
    db.write_now(note, "after")
    with pytest.raises(StorageError, match="exists"):
        db.backup(tmp_path / "copy.db")
    db.close()
    copy = Database.open(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.read_now(count) == 50
    copy.close()


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    db.close()
    db.close()
    with pytest.raises(StorageError, match="closed"):
        db.write_now(note, "late")


def test_times_are_kept_to_the_millisecond() -> None:
    assert from_ms(to_ms(NOW)) == NOW
    assert from_ms(None) is None
    assert to_ms(None) is None


def test_no_column_is_meant_for_a_token_value(db: Database) -> None:
    """There is nowhere to put one: no table has a column named after a value, secret or password."""

    def columns(connection: Connection) -> set[str]:
        tables = [row["name"] for row in connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {f"{table}.{row['name']}" for table in tables for row in connection.all(f"PRAGMA table_info({table})")}

    # Both are the *name* of a GitHub secret.
    found = {
        name for name in db.read_now(columns) if name.rpartition(".")[2] in ("value", "secret", "password", "token")
    }
    assert found == {"token_uses.secret", "rotation_steps.secret"}
