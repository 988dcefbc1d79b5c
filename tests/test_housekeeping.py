"""What is kept, what is forgotten, and that a database of every earlier version is taken over whole."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database as SqliteUtils

from bot.demo.github import job_from_log
from bot.demo.outside import Outside
from bot.demo.slack.workspace import RELEASES
from storage import audit, deliveries, incident_states, incidents, outbox, runs, tokens
from storage.database import Connection, Database, StorageError
from storage.latest_migrations import MIGRATIONS
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

# One file for each schema that was released, as sqlite3's `.dump` writes it. They never change; a new one is added.
SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("m*.sql"))
LONG_AGO = timedelta(days=200)


def built(schema: Path, at: Path) -> str:
    """A database file as that version left it; returns its URL."""
    raw = sqlite3.connect(at)
    raw.executescript(schema.read_text())
    raw.close()
    return f"sqlite:///{at}"


def shape(db: Database) -> dict[str, str]:
    """Name -> SQL of everything in the schema; how a column was added does not matter."""

    def look(connection: Connection) -> dict[str, str]:
        tables = [row["name"] for row in connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            f"{table}.{row['name']}": f"{row['type']} {row['notnull']} {row['dflt_value']} {row['pk']}"
            for table in tables
            for row in connection.all(f"PRAGMA table_info({table})")
        }
        indexes = connection.all("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return found | {row["name"]: " ".join(row["sql"].split()) for row in indexes}

    return db.read_now(look)


def test_each_released_schema_is_kept_frozen() -> None:
    names = [migration.name for migration in MIGRATIONS.pending(SqliteUtils(memory=True))]
    kept = [schema.stem for schema in SCHEMAS]
    assert kept == [name[:4] for name in names][: len(kept)]
    assert len(kept) >= 4


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_a_database_of_every_earlier_version_becomes_a_new_one_with_everything_in_it(
    schema: Path, tmp_path: Path, db: Database
) -> None:
    old = Database.open(built(schema, tmp_path / "old.db"))
    assert shape(old) == shape(db)
    waiting = old.read_now(deliveries.get, "waits-since-then")
    assert waiting is not None and (waiting.state, waiting.source) == ("new", "webhook")
    assert b"workflow_run" in waiting.body
    token = old.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.used_by[0].repo == "acme/old"
    card = old.read_now(outbox.get, "incident:1")
    assert card is not None and (card.state, card.ts) == ("sent", "1763640000.000100")
    assert old.read_now(lambda c: c.value("SELECT COUNT(*) FROM audit")) == 1
    assert old.read_now(lambda c: c.value("PRAGMA integrity_check")) == "ok"
    old.close()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
async def test_a_bot_goes_on_with_what_an_earlier_version_left(outside: Outside, tmp_path: Path, schema: Path) -> None:
    built(schema, tmp_path / "tokenwatch.db")
    outside.github.add_run(
        "acme/old", run_id=7001, number=7, jobs=[job_from_log("release", npm_logs.rejected("@acme/old"))]
    )
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        await outside.slack.until(lambda: running.cards(), what="the card")
        await running.worked(2)
        assert len([card for card in running.cards() if "release.yml" in str(card.blocks)]) == 1


def everything_is(running: Running, ago: timedelta) -> None:
    at = int((datetime.now(UTC) - ago).timestamp() * 1000)

    def write(connection: Connection) -> None:
        for table, column in (("deliveries", "received_at"), ("messages", "made_at"), ("runs", "seen_at"),
                              ("incidents", "resolved_at")):  # fmt: skip
            where = "WHERE state = 'resolved'" if table == "incidents" else ""
            connection.execute(f"UPDATE {table} SET {column} = :at {where}", {"at": at})

    running.db.write_now(write)


def counts(running: Running) -> dict[str, int]:
    tables = ("deliveries", "messages", "runs", "incidents", "audit")
    return {
        table: running.db.read_now(lambda c, table=table: c.value(f"SELECT COUNT(*) FROM {table}")) for table in tables
    }


async def cleaned(running: Running) -> None:
    running.hands.ahead += timedelta(days=1)
    await running.bot.clock.tick()


async def test_what_is_over_is_forgotten_and_what_is_open_is_not(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected("@acme/over"), repo="acme/over")
    await running.deliver_run(npm_logs.rejected("@acme/open"), repo="acme/open")
    await running.worked(2)

    def resolve(connection: Connection) -> None:
        row = connection.one("SELECT id FROM incidents WHERE repo = 'acme/over'")
        assert row is not None
        over = incidents.get(connection, row["id"])
        assert over is not None
        incident_states.resolve(connection, over, by="bot", how="it is mended", now=running.hands.now())

    running.db.write_now(resolve)
    before = counts(running)
    everything_is(running, LONG_AGO)
    await cleaned(running)
    after = counts(running)
    assert (after["deliveries"], after["incidents"], after["runs"]) == (0, 1, 0)
    assert after["messages"] >= 1
    open_ = running.db.read_now(lambda c: c.one("SELECT card_key FROM incidents"))
    assert open_ is not None and running.db.read_now(outbox.get, open_["card_key"]) is not None
    assert after["audit"] >= before["audit"] > 0


async def test_the_last_good_run_of_a_workflow_is_remembered_for_ever(running: Running) -> None:
    at = datetime.now(UTC) - LONG_AGO

    def run(number: int, outcome: str, days: int) -> runs.RunRecord:
        when = at + timedelta(days=days)
        return runs.RunRecord("acme/ui", number, 1, "release.yml", "success", outcome, None, None, None, when, when)

    for record in (run(1, "published", 0), run(2, "published", 1), run(3, "green", 2)):
        running.db.write_now(runs.keep, record)
    await cleaned(running)
    left = running.db.read_now(lambda c: [row["run_id"] for row in c.all("SELECT run_id FROM runs")])
    assert left == [2]


async def test_the_room_of_what_was_forgotten_is_given_back_while_webhooks_come_in(
    outside: Outside, tmp_path: Path
) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:

        def fill(connection: Connection) -> None:
            for number in range(4_000):
                deliveries.receive(
                    connection, guid=f"g{number}", event="star", action=None, repository="acme/ui",
                    body=b"{}", now=running.hands.now(),
                )  # fmt: skip
            connection.execute("UPDATE deliveries SET state = 'done', received_at = 1")
            # Incompressible, so that there is room to give back.
            connection.execute("UPDATE deliveries SET note = HEX(RANDOMBLOB(1000))")

        await running.db.write(fill)
        running.db.tidy()
        path = running.db.path
        large = path.stat().st_size
        running.hands.ahead += timedelta(days=1)
        cleaning = asyncio.create_task(running.bot.clock.tick())
        sent = [(await outside.github.send("ping", {"zen": "x"})).status for _ in range(20)]
        await cleaning
        assert sent == [202] * 20
        assert path.stat().st_size < large / 4
        assert Path(f"{path}-wal").stat().st_size < 2_000_000
        assert running.db.read_now(lambda c: c.value("PRAGMA integrity_check")) == "ok"


async def test_a_backup_taken_while_webhooks_come_in_is_whole_and_can_be_started_from(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.rejected())
        await running.worked(1)
        stop = False

        async def keep_sending() -> int:
            number = 0
            while not stop:
                number += (await outside.github.send("ping", {"zen": "x"})).status == 202
            return number

        sending = asyncio.create_task(keep_sending())
        await asyncio.sleep(0.2)
        await asyncio.to_thread(running.db.backup, tmp_path / "copy.db")
        stop = True
        assert await sending > 0
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.part"))
    restored = settings_for(outside, tmp_path, database_url=f"sqlite:///{tmp_path / 'copy.db'}")
    async with running_bot(outside, restored) as running:
        assert running.db.read_now(lambda c: c.value("PRAGMA integrity_check")) == "ok"
        (incident,) = running.db.read_now(lambda c: c.all("SELECT state FROM incidents"))
        assert incident["state"] == "open"
        await running.deliver_run(npm_logs.rejected("@acme/next"), repo="acme/next")
        # Not until all is worked: what was at work when the copy was made keeps its lease for a while.
        await outside.slack.until(lambda: len(outside.slack.messages(RELEASES)) == 2, what="the second card")


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, db: Database) -> None:
    with pytest.raises(StorageError, match="cannot write the backup"):
        db.backup(tmp_path / "no such place" / "copy.db")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "copy.db.part").mkdir()
    with pytest.raises((StorageError, OSError)):
        db.backup(tmp_path / "full" / "copy.db")
    assert not (tmp_path / "full" / "copy.db").exists()


def test_audit_rows_have_no_end(db: Database) -> None:
    """Nothing of ours deletes from the audit."""
    sources: list[Any] = [*(Path(__file__).parent.parent / "storage").glob("*.py")]
    assert not [path.name for path in sources if "DELETE FROM audit" in path.read_text()]
    db.write_now(audit.record, at=datetime(2020, 1, 1, tzinfo=UTC), who="x", action="y", subject="z")
    assert db.read_now(lambda c: c.value("SELECT COUNT(*) FROM audit")) == 1
