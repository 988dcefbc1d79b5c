"""More of the append-only list of migrations, from `migrations.py` on to `latest_migrations.py`; new ones go there."""

from __future__ import annotations

import sqlite_utils

from storage.first_migrations import run
from storage.migrations import MIGRATIONS, SCHEMA

__all__ = ["MIGRATIONS", "SCHEMA"]


@MIGRATIONS()
def m014_fleet(db: sqlite_utils.Database) -> None:
    """The inventory: repositories, what in them publishes, which secrets they have; how far each scan came."""
    run(
        db,
        """
        CREATE TABLE fleet_owners (
            owner TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            round INTEGER NOT NULL,
            begun_at INTEGER NOT NULL,
            next_page INTEGER,
            finished_at INTEGER,
            requests INTEGER NOT NULL DEFAULT 0,
            unchanged INTEGER NOT NULL DEFAULT 0,
            lacking TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE TABLE fleet_repositories (
            repo TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            name TEXT NOT NULL,
            branch TEXT NOT NULL,
            private INTEGER NOT NULL,
            archived INTEGER NOT NULL,
            pushed_at INTEGER,
            page INTEGER NOT NULL DEFAULT 0,
            listed_round INTEGER NOT NULL,
            done_round INTEGER NOT NULL DEFAULT 0,
            read_pushed_at INTEGER,
            reader INTEGER NOT NULL DEFAULT 0,
            publishes INTEGER NOT NULL DEFAULT 0,
            read_at INTEGER,
            trouble TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX fleet_repositories_due ON fleet_repositories (owner, done_round, repo);
        CREATE INDEX fleet_repositories_publishing ON fleet_repositories (owner, repo) WHERE publishes = 1;
        CREATE TABLE fleet_files (
            repo TEXT NOT NULL REFERENCES fleet_repositories (repo) ON DELETE CASCADE,
            path TEXT NOT NULL,
            sha TEXT NOT NULL,
            calls INTEGER NOT NULL DEFAULT 0,
            unreadable TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (repo, path)
        ) STRICT;
        CREATE TABLE fleet_jobs (
            repo TEXT NOT NULL REFERENCES fleet_repositories (repo) ON DELETE CASCADE,
            path TEXT NOT NULL,
            position INTEGER NOT NULL,
            registry TEXT NOT NULL,
            facts TEXT NOT NULL,
            PRIMARY KEY (repo, path, position)
        ) STRICT;
        CREATE TABLE fleet_exposed (
            repo TEXT NOT NULL REFERENCES fleet_repositories (repo) ON DELETE CASCADE,
            path TEXT NOT NULL,
            line INTEGER NOT NULL,
            what TEXT NOT NULL,
            PRIMARY KEY (repo, path, line)
        ) STRICT;
        CREATE TABLE fleet_packages (
            repo TEXT NOT NULL REFERENCES fleet_repositories (repo) ON DELETE CASCADE,
            package TEXT NOT NULL,
            PRIMARY KEY (repo, package)
        ) STRICT;
        CREATE TABLE fleet_secrets (
            owner TEXT NOT NULL,
            repo TEXT NOT NULL,
            level TEXT NOT NULL,
            environment TEXT NOT NULL,
            name TEXT NOT NULL,
            updated_at INTEGER NOT NULL,
            visibility TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (owner, repo, level, environment, name)
        ) STRICT;
        CREATE TABLE fleet_secret_repositories (
            owner TEXT NOT NULL,
            name TEXT NOT NULL,
            repo TEXT NOT NULL,
            PRIMARY KEY (owner, name, repo)
        ) STRICT;
        CREATE TABLE fleet_etags (
            path TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            repo TEXT NOT NULL,
            etag TEXT NOT NULL
        ) STRICT;
        CREATE TABLE fleet_said (
            subject TEXT PRIMARY KEY,
            at INTEGER NOT NULL
        ) STRICT
        """,
    )


@MIGRATIONS()
def m015_fleet_watches(db: sqlite_utils.Database) -> None:
    """Secrets that files name at all, releases that are waited for, and the keys of calendars."""
    run(
        db,
        """
        CREATE TABLE fleet_mentions (
            repo TEXT NOT NULL REFERENCES fleet_repositories (repo) ON DELETE CASCADE,
            path TEXT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (repo, path, name)
        ) STRICT;
        CREATE TABLE awaited_releases (
            id INTEGER PRIMARY KEY,
            repo TEXT NOT NULL,
            tag TEXT NOT NULL,
            package TEXT NOT NULL,
            version TEXT NOT NULL,
            workflow TEXT NOT NULL,
            url TEXT NOT NULL,
            released_at INTEGER NOT NULL,
            look_at INTEGER NOT NULL,
            looks INTEGER NOT NULL DEFAULT 0,
            ended_as TEXT,
            incident_id INTEGER,
            UNIQUE (repo, tag, package)
        ) STRICT;
        CREATE INDEX awaited_releases_due ON awaited_releases (look_at) WHERE ended_as IS NULL;
        CREATE TABLE calendar_keys (
            id INTEGER PRIMARY KEY,
            digest TEXT NOT NULL UNIQUE,
            label TEXT NOT NULL,
            owner TEXT,
            made_by TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            revoked_at INTEGER
        ) STRICT
        """,
    )


@MIGRATIONS()
def m016_ways_out(db: sqlite_utils.Database) -> None:
    """What the registry shows of our packages, and its list of staged versions; how each token of a campaign is
    replaced."""
    run(
        db,
        """
        CREATE TABLE package_looks (
            package TEXT PRIMARY KEY,
            is_there INTEGER NOT NULL,
            version TEXT,
            published_by TEXT,
            repository TEXT,
            looked_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE staged_versions (
            stage_id TEXT PRIMARY KEY,
            package TEXT NOT NULL,
            version TEXT NOT NULL,
            staged_at INTEGER NOT NULL,
            actor TEXT,
            incident_id INTEGER,
            missed_at INTEGER,
            ended_at INTEGER
        ) STRICT;
        ALTER TABLE campaign_tokens ADD COLUMN path TEXT
        """,
    )
