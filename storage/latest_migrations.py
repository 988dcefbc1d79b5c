"""The end of the list of migrations, which goes on from `later_migrations.py`: add at the end, never edit one that was
released."""

from __future__ import annotations

import sqlite_utils

from storage.first_migrations import run
from storage.later_migrations import MIGRATIONS, SCHEMA

__all__ = ["MIGRATIONS", "SCHEMA"]


@MIGRATIONS()
def m017_workspaces(db: sqlite_utils.Database) -> None:
    """Workspaces that installed the app, each with its bot token under seal, and ways to install that are under way."""
    run(
        db,
        """
        CREATE TABLE installations (
            team TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            app_id TEXT NOT NULL,
            bot_id TEXT NOT NULL,
            bot_user TEXT NOT NULL,
            scopes TEXT NOT NULL,
            sealed_token TEXT NOT NULL,
            installed_by TEXT NOT NULL,
            installed_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE oauth_states (
            digest TEXT PRIMARY KEY,
            ends_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX oauth_states_by_end ON oauth_states (ends_at)
        """,
    )


@MIGRATIONS()
def m018_incidents_that_explain(db: sqlite_utils.Database) -> None:
    """Those that may explain others are looked for at each failure, however many are open."""
    run(db, "CREATE INDEX incidents_that_explain ON incidents (verdict, token_id) WHERE state <> 'resolved'")


@MIGRATIONS()
def m019_unexplained_incidents(db: sqlite_utils.Database) -> None:
    """Failures elsewhere that nothing on record explains are looked for at each failure, however many are open."""
    run(
        db,
        "CREATE INDEX incidents_unexplained ON incidents (last_seen_at) WHERE state <> 'resolved'"
        " AND (verdict = cause OR verdict = 'registry-side')",
    )


@MIGRATIONS()
def m020_arrivals(db: sqlite_utils.Database) -> None:
    """Deliveries that nobody has looked at yet; a GUID is in one of both tables at most."""
    run(
        db,
        """
        CREATE TABLE arrivals (
            seq INTEGER PRIMARY KEY,
            guid TEXT NOT NULL UNIQUE,
            event TEXT NOT NULL,
            action TEXT,
            repository TEXT NOT NULL,
            body BLOB NOT NULL,
            received_at INTEGER NOT NULL
        ) STRICT
        """,
    )
    db.execute(
        """
        CREATE TRIGGER arrivals_known BEFORE INSERT ON arrivals
            WHEN EXISTS (SELECT 1 FROM deliveries WHERE guid = NEW.guid)
            BEGIN SELECT RAISE(ABORT, 'this delivery is known'); END
        """
    )
