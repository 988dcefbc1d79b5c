"""When the machine fails: one clear line, /readyz says so, nothing half-written, and all is well again afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.github import events
from bot.demo.outside import Outside
from storage import deliveries
from storage.database import Connection, Database, StorageError
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

ROOT = Path(__file__).parent.parent


async def ready(running: Running) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{running.bot.url}/readyz") as reply:
        return reply.status, (await reply.json())["checks"]["database"]


def filled(connection: Connection, more_pages: int = 0) -> None:
    """The file may not grow any more, as on a full disk."""
    connection.value(f"PRAGMA max_page_count={connection.value('PRAGMA page_count') + more_pages}")


def large(repo: str = "acme/ui") -> dict[str, Any]:
    return events.ping(repo) | {"filler": os.urandom(200_000).hex()}


async def test_a_full_disk_is_503_and_not_ready_and_github_keeps_what_was_not_stored(
    outside: Outside, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        assert (await ready(running))[0] == 200
        running.db.write_now(filled)
        refused = await outside.github.send("ping", large())
        assert refused.status == 503
        status, said = await ready(running)
        assert status == 503 and "full" in said
        assert running.db.read_now(deliveries.get, refused.guid) is None
        # Room again: what GitHub could not deliver is taken when it comes again.
        running.db.write_now(lambda c: c.value("PRAGMA max_page_count=1000000"))
        assert (await outside.github.redeliver(refused)).status == 202
        await running.worked(1)
        assert running.db.read_now(lambda c: c.value("PRAGMA integrity_check")) == "ok"
    captured = capfd.readouterr()
    assert "Traceback" not in captured.out + captured.err


async def test_what_comes_of_a_delivery_is_written_whole_or_not_at_all_on_a_full_disk(
    outside: Outside, tmp_path: Path
) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        outside.github.fail("/jobs", delay_s=0.5)
        await running.deliver_run(npm_logs.rejected())
        running.db.write_now(filled)

        def half(connection: Connection) -> list[int]:
            tables = ("incidents", "occurrences", "messages")
            return [connection.value(f"SELECT COUNT(*) FROM {table}") for table in tables]

        for _ in range(20):
            await asyncio.sleep(0.1)
            assert running.db.read_now(half) in ([0, 0, 0], [1, 1, 1])
        running.db.write_now(lambda c: c.value("PRAGMA max_page_count=1000000"))
        running.db.write_now(lambda c: c.execute("UPDATE deliveries SET due_at = 1, lease_until = 1"))
        await running.worked(1)
        assert len(running.cards()) == 1


async def serve(tmp_path: Path, **more: Any) -> tuple[int, str]:
    """The real process as it starts, or fails to."""
    env = {"PATH": "", "PYTHONPATH": str(ROOT), "PORT": "0", "HOST": "127.0.0.1", "LOG_LEVEL": "error"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # a limit on file sizes would cut those of the interpreter short too
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", env=env | {"DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"},
        cwd=tmp_path, stderr=asyncio.subprocess.PIPE, **more,
    )  # fmt: skip
    try:
        _, said = await asyncio.wait_for(child.communicate(), 30)
    finally:
        if child.returncode is None:
            child.kill()
    return child.returncode or 0, said.decode()


def one_line(code: int, said: str, word: str) -> None:
    assert code == 2
    assert "Traceback" not in said
    (line,) = said.strip().splitlines()
    assert line.startswith("Error: ") and word in line


async def test_a_disk_too_small_to_begin_on_is_one_line(tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    one_line(*await serve(tmp_path, preexec_fn=small), "cannot open the database")


async def test_a_corrupt_database_is_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path / 'a.db'}").close()
    path = tmp_path / "a.db"
    broken = path.read_bytes()[:100] + b"\xff" * 8000 + path.read_bytes()[8100:]
    path.write_bytes(broken)
    one_line(*await serve(tmp_path), "cannot open the database")
    assert path.read_bytes() == broken


async def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("my notes\n" * 500)
    one_line(*await serve(tmp_path), "not a database")


async def test_a_database_of_a_newer_version_is_one_line(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path / 'a.db'}").close()
    raw = sqlite3.connect(tmp_path / "a.db")
    raw.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('tokenwatch', 'm999_later', 'x')"
    )
    raw.commit()
    raw.close()
    one_line(*await serve(tmp_path), "newer version")


async def test_a_database_that_somebody_keeps_locked_is_one_line(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path / 'a.db'}").close()
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        one_line(*await serve(tmp_path), "locked")
    finally:
        holder.close()


async def test_while_somebody_else_keeps_it_locked_nothing_is_answered_202_and_then_it_goes_on(
    outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.BUSY_TIMEOUT_MS", 300)  # a real wait, shorter
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        holder = sqlite3.connect(running.db.path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = await outside.github.send("ping", events.ping())
        assert refused.status == 503
        status, said = await ready(running)
        assert status == 503 and "locked" in said
        holder.execute("ROLLBACK")
        holder.close()
        assert (await outside.github.redeliver(refused)).status == 202
        await running.worked(1)


async def test_a_database_that_became_read_only_is_503_and_not_ready(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        running.db._writer.execute("PRAGMA query_only=ON")  # what a remounted disk does, for this connection
        assert (await outside.github.send("ping", events.ping())).status == 503
        status, said = await ready(running)
        assert status == 503 and "readonly" in said
        running.db._writer.execute("PRAGMA query_only=OFF")


async def test_a_directory_nobody_may_write_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot open the database"):
        Database.open(f"sqlite:///{tmp_path / 'file' / 'a.db'}")


async def test_nearly_full_is_said_before_it_is_full(
    outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.LOW_DISK", 2**60)
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        status, said = await ready(running)
        assert status == 503 and "MiB are free" in said


@pytest.mark.parametrize("jump_hours", [-30, 24 * 400])
async def test_a_clock_that_jumps_loses_and_doubles_nothing(outside: Outside, tmp_path: Path, jump_hours: int) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        await running.deliver_run(npm_logs.rejected("@acme/one"), repo="acme/one")
        await running.worked(1)
        running.hands.ahead += timedelta(hours=jump_hours)
        await running.deliver_run(npm_logs.rejected("@acme/two"), repo="acme/two")
        await running.worked(2)
        running.hands.ahead -= timedelta(hours=jump_hours)
        await running.deliver_run(npm_logs.rejected("@acme/three"), repo="acme/three")
        await running.worked(3)
        shown = [json.dumps(card.blocks) for card in running.cards()]
        assert [sum(f"acme/{name}`" in text for text in shown) for name in ("one", "two", "three")] == [1, 1, 1]
        assert len(shown) == 3


async def test_what_waits_by_a_clock_that_was_far_ahead_does_not_wait_for_its_days(
    outside: Outside, tmp_path: Path
) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        running.hands.ahead += timedelta(days=400)
        outside.slack.fail("chat.postMessage", status=503, times=None)
        await running.deliver_run(npm_logs.rejected("@acme/one"), repo="acme/one")
        await outside.slack.until(lambda: outside.slack.calls("chat.postMessage"), what="a post that is refused")
        outside.github.fail("/actions/", status=503, times=None)
        await running.deliver_run(npm_logs.rejected("@acme/two"), repo="acme/two")
        waiting = "SELECT COUNT(*) FROM deliveries WHERE state = 'waiting'"
        await outside.slack.until(lambda: running.db.read_now(lambda c: c.value(waiting)), what="a delivery that waits")
        running.hands.ahead -= timedelta(days=400)
        outside.slack.recover()
        outside.github.recover()
        await running.worked(2)
        assert len(running.cards()) == 2
