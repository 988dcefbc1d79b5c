"""The only file that knows the engine: SQLite in WAL mode, one writer thread with group commit, readers beside it.

Everything else in `storage` is plain synchronous functions over a `Connection`. `Database` decides thread and
transaction: `await db.write(deliveries.receive, ...)` runs in the writer's transaction and returns once the commit is
durable (`synchronous=FULL`: with NORMAL the last commits may vanish on power loss, and answered webhooks with them).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlite_utils

from storage.latest_migrations import MIGRATIONS, SCHEMA

P = ParamSpec("P")
T = TypeVar("T")
Row = dict[str, Any]

BUSY_TIMEOUT_MS = 5_000
MOST_WRITES_PER_COMMIT = 256  # bounds how long one fsync makes the first of a burst wait
READERS = 2
TIDY_PAGES = 1_000  # 4 MB
LOW_DISK = 16 * 1024 * 1024  # bytes free, below which the next burst of deliveries may not fit
CHECKPOINT_PAGES = 16_000  # 64 MB: a burst of deliveries writes the same index pages again and again


class StorageError(Exception):
    """The database could not do it; the message says why in one line and names no stored value.

    `ours`: it was the statement's fault, not that of the file or its disk.
    """

    ours = False


class Conflict(StorageError):
    """A UNIQUE key already holds such a row."""

    ours = True


# By name; by place where there are many, because Python's sqlite3 lets go of the interpreter to look up each name.
Params = Mapping[str, object] | Sequence[object]


class Connection:
    """What repository functions see: SQL with parameters in, dict rows out. Portable SQL only."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self.delivery: str | None = None

    @contextlib.contextmanager
    def because_of(self, delivery: str) -> Iterator[None]:
        """What is queued meanwhile comes of this delivery (its GUID): logs of sending it say so."""
        self.delivery = delivery
        try:
            yield
        finally:
            self.delivery = None

    def execute(self, sql: str, params: Params | None = None) -> int:
        """Run one statement; returns the number of rows it changed."""
        return self._raw.execute(sql, params or {}).rowcount

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, object]]) -> None:
        self._raw.executemany(sql, rows)

    def all(self, sql: str, params: Params | None = None) -> list[Row]:
        return self._raw.execute(sql, params or {}).fetchall()

    def one(self, sql: str, params: Mapping[str, object] | None = None) -> Row | None:
        """The first row or None. Also for `... RETURNING`: the cursor is read to its end."""
        rows = self.all(sql, params)
        return rows[0] if rows else None

    def value(self, sql: str, params: Mapping[str, object] | None = None) -> Any:
        """The first column of the first row, or None."""
        row = self.one(sql, params)
        return next(iter(row.values())) if row else None

    @contextlib.contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing for a part of the transaction that is already open."""
        self._raw.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._raw.in_transaction:  # a full disk has undone all of it already
                self._raw.execute("ROLLBACK TO part")
                self._raw.execute("RELEASE part")
            raise
        self._raw.execute("RELEASE part")


def to_ms(when: datetime | None) -> int | None:
    """An aware datetime as milliseconds since the epoch, the way every time is stored."""
    return None if when is None else round(when.timestamp() * 1000)


def from_ms(ms: int | None) -> datetime | None:
    """The stored milliseconds as an aware UTC datetime."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def moment(ms: int) -> datetime:
    """`from_ms` for columns that are never empty."""
    return datetime.fromtimestamp(ms / 1000, UTC)


@dataclass
class _Write:
    work: Callable[[Connection], Any]
    done: Callable[[Any, BaseException | None], None]
    loop: asyncio.AbstractEventLoop | None
    one_statement: bool = False
    result: Any = None
    error: BaseException | None = field(default=None)


class Database:
    """Owns the writer thread and the readers. Open it once per process with `Database.open`, close it at the end."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self.path = path
        self._writer = writer
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read", initializer=self._open_reader)
        self._trouble: tuple[float, str] | None = None
        self._thread = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
        self._thread.start()
        self._closed = False

    @classmethod
    def open(cls, url: str) -> Database:
        """Open (and create or migrate) the database behind `sqlite:///relative` or `sqlite:////absolute`.

        Raises StorageError in one line for a wrong URL, an unwritable place, a file that is no database, a disk that
        refuses WAL (network mounts do) or a schema newer than this program.
        """
        path = path_of(url)
        ends = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                return cls(path, _ready(path))
            except sqlite3.OperationalError as error:
                # Turning WAL on does not wait for others, whatever the busy timeout says.
                if "locked" not in str(error) or time.monotonic() > ends:
                    raise StorageError(f"cannot open the database {path}: {error}") from error
                time.sleep(0.05)
            except (sqlite3.Error, OSError) as error:
                raise StorageError(f"cannot open the database {path}: {error}") from error

    async def write(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` in the writer's transaction; returns after the commit is durable.

        Writes that wait together share one commit. An error in one rolls back that one alone. Cancelling the caller
        does not stop the write.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: T, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.submit(lambda c: work(c, *args, **kwargs), done)
        return await future

    def submit(
        self,
        work: Callable[[Connection], T],
        done: Callable[[T, BaseException | None], None],
        *,
        one_statement: bool = False,
    ) -> None:
        """`write` for who does not wait: `done(result, error)` is called on the running loop after the commit.

        `one_statement`: it is all that `work` runs, so that it can be a transaction by itself. Beginning, doing and
        committing are then one step of the engine, in which the event loop is not asked to make room.
        """
        self._enqueue(_Write(work, done, asyncio.get_running_loop(), one_statement))

    def write_now(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`write` for callers without an event loop (the command line)."""
        future: Future[T] = Future()

        def done(result: T, error: BaseException | None) -> None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._enqueue(_Write(lambda c: work(c, *args, **kwargs), done, None))
        return future.result()

    async def read(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` on a read-only connection, off the event loop, in one snapshot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self._read(lambda c: work(c, *args, **kwargs)))

    def read_now(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` for callers without an event loop."""
        return self._readers.submit(self._read, lambda c: work(c, *args, **kwargs)).result()

    def trouble(self, within_s: float) -> str | None:
        """What the file or its disk refused lately, or that the disk is about to; None when all is well."""
        if self._trouble is not None and time.monotonic() - self._trouble[0] < within_s:
            return self._trouble[1]
        try:
            free = shutil.disk_usage(self.path.absolute().parent).free
        except OSError as error:
            return f"the disk of the database does not answer: {error.strerror}"
        return f"only {free // 2**20} MiB are free on the disk of the database" if free < LOW_DISK else None

    def tidy(self) -> None:
        """Give the pages of what was deleted back to the disk and fold the log into the file, a little at a time, so
        that whoever writes waits a moment at most. Blocking: call it in a thread of its own."""
        raw = _connect(self.path)
        try:
            for _ in range(raw.execute("PRAGMA freelist_count").fetchone()["freelist_count"] // TIDY_PAGES + 1):
                # As a script: it gives a page back at each step, and `execute` takes one step of what has no columns.
                raw.executescript(f"PRAGMA incremental_vacuum({TIDY_PAGES})")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error
        finally:
            raw.close()

    def backup(self, to: Path) -> None:
        """A consistent copy while others read and write. Refuses to overwrite, and leaves nothing half-written."""
        if to.exists():
            raise StorageError(f"{to} exists already: choose another name")
        part = to.with_name(f"{to.name}.part")
        source = _connect(self.path)
        try:
            part.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(part)) as target:
                source.backup(target)
            part.rename(to)
        except (sqlite3.Error, OSError) as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"cannot write the backup {to}: {error}") from error
        finally:
            source.close()

    def close(self) -> None:
        """Finish the writes that wait, then close every connection. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        self._thread.join()
        self._readers.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()
        self._writer.close()

    def _enqueue(self, write: _Write) -> None:
        if self._closed:
            raise StorageError("the database is closed")
        self._writes.put(write)

    def _write_loop(self) -> None:
        stop = False
        while not stop:
            batch: list[_Write] = []
            item = self._writes.get()
            while True:
                if item is None:
                    stop = True
                    break
                batch.append(item)
                if len(batch) >= MOST_WRITES_PER_COMMIT:
                    break
                try:
                    item = self._writes.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Write]) -> None:
        connection = Connection(self._writer)
        if len(batch) == 1 and batch[0].one_statement:
            try:
                batch[0].result = batch[0].work(connection)
            except Exception as error:  # noqa: BLE001 - as below
                batch[0].error = _translated(error)
        else:
            self._transact(connection, batch)
        self._note_trouble(batch)
        by_loop: dict[asyncio.AbstractEventLoop | None, list[_Write]] = {}
        for write in batch:
            by_loop.setdefault(write.loop, []).append(write)
        for loop, writes in by_loop.items():
            if loop is None:
                _settle(writes)
            else:
                # One wake-up of the loop per commit, not one per write. A closed loop has nobody left to tell.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_settle, writes)

    def _transact(self, connection: Connection, batch: list[_Write]) -> None:
        try:
            # Immediate: a deferred transaction that reads first fails at once if another process committed in between.
            self._writer.execute("BEGIN IMMEDIATE")
            for write in batch:
                try:
                    # A write that is alone has the transaction for itself.
                    with connection.atomic() if len(batch) > 1 else contextlib.nullcontext():
                        write.result = write.work(connection)
                except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller that waits for it
                    write.error = _translated(error)
                    if not self._writer.in_transaction:
                        # The engine undid what came before it as well, and what comes after would be by itself.
                        for other in batch:
                            other.error = other.error or write.error
                        return
            self._writer.execute("ROLLBACK" if len(batch) == 1 and batch[0].error else "COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            for write in batch:
                write.error = write.error or _translated(error)

    def _note_trouble(self, batch: list[_Write]) -> None:
        refused = next((w.error for w in batch if isinstance(w.error, StorageError) and not w.error.ours), None)
        if refused is not None:
            self._trouble = (time.monotonic(), str(refused))

    def _open_reader(self) -> None:
        raw = _connect(self.path)
        raw.execute("PRAGMA query_only=ON")
        self._local.connection = Connection(raw)
        self._local.raw = raw
        self._reader_connections.append(raw)

    def _read(self, work: Callable[[Connection], T]) -> T:
        raw: sqlite3.Connection = self._local.raw
        try:
            raw.execute("BEGIN")
            try:
                return work(self._local.connection)
            finally:
                raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _translated(error) from error


def path_of(url: str) -> Path:
    """The file behind a `sqlite:///` URL. Raises StorageError for anything else."""
    if not url.startswith("sqlite:///") or len(url) == len("sqlite:///"):
        raise StorageError("DATABASE_URL must look like sqlite:///data/tokenwatch.db")
    return Path(url.removeprefix("sqlite:///"))


def _ready(path: Path) -> sqlite3.Connection:
    """The writer's connection to a file that is there, in WAL mode and migrated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    writer = _connect(path)
    try:
        if new:
            path.chmod(0o600)
        # Only a file without tables takes it; an older one keeps its size and fills the room that was freed.
        writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
        mode = writer.execute("PRAGMA journal_mode=WAL").fetchone()["journal_mode"]
        if mode != "wal":
            raise StorageError(f"{path} cannot use WAL (got {mode}): is it on a network disk? Use a local one.")
        _migrate(writer)
    except BaseException:
        writer.close()
        raise
    return writer


def _settle(writes: list[_Write]) -> None:
    for write in writes:
        write.done(write.result, write.error)


def _dict_row(cursor: sqlite3.Cursor, row: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _connect(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    raw.row_factory = _dict_row
    # These are per connection and not kept in the file.
    raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    raw.execute("PRAGMA foreign_keys=ON")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    return raw


def _migrate(raw: sqlite3.Connection) -> None:
    # The lock first: sqlite-utils looks for pending migrations before it begins, so two starting processes could
    # otherwise both run the same one.
    raw.execute("BEGIN EXCLUSIVE")
    factory, raw.row_factory = raw.row_factory, None
    try:
        db = sqlite_utils.Database(raw)
        known = {migration.name for migration in MIGRATIONS.pending(sqlite_utils.Database(memory=True))}
        if "_sqlite_migrations" in db.table_names():
            applied = {
                row[0] for row in raw.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", [SCHEMA])
            }
            if applied - known:
                raise StorageError(
                    "the database was written by a newer version of Tokenwatch: upgrade, or restore a backup"
                )
        MIGRATIONS.apply(db)
        raw.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            raw.execute("ROLLBACK")
        raise
    finally:
        raw.row_factory = factory


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(str(error))
    if isinstance(error, sqlite3.Error):
        return StorageError(f"the database refused: {error}")
    return error
