"""The middle of the append-only list of migrations; `first_migrations.py` comes before, as it is imported.

New ones are added at the end of `latest_migrations.py`.
"""

import time

import sqlite_utils

from storage.first_migrations import MIGRATIONS, SCHEMA, run

__all__ = ["MIGRATIONS", "SCHEMA"]


@MIGRATIONS()
def m005_failures_by_time(db: sqlite_utils.Database) -> None:
    """Which registry and which token a run failed with, and the failures of the last minutes."""
    run(
        db,
        """
        ALTER TABLE runs ADD COLUMN registry TEXT;
        ALTER TABLE runs ADD COLUMN token_id INTEGER;
        CREATE INDEX runs_failed ON runs (completed_at) WHERE outcome = 'failed';
        CREATE INDEX occurrences_by_run ON occurrences (repo, run_id, attempt);
        """,
    )


@MIGRATIONS()
def m006_what_incidents_wait_for(db: sqlite_utils.Database) -> None:
    """The versions an incident waits for, when they are looked for next, and what became of its people."""
    run(
        db,
        """
        ALTER TABLE incidents ADD COLUMN note TEXT;
        ALTER TABLE incidents ADD COLUMN look_at INTEGER;
        ALTER TABLE incidents ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE incidents ADD COLUMN muted_by INTEGER;
        ALTER TABLE incidents ADD COLUMN previous_id INTEGER;
        ALTER TABLE incidents ADD COLUMN merged_into INTEGER;
        ALTER TABLE incidents ADD COLUMN told_at INTEGER;
        ALTER TABLE incidents ADD COLUMN nudged_at INTEGER;
        ALTER TABLE incidents ADD COLUMN escalated_at INTEGER;
        ALTER TABLE incidents ADD COLUMN reminded_at INTEGER;
        ALTER TABLE incidents ADD COLUMN over_at INTEGER;
        CREATE INDEX incidents_to_look_at ON incidents (look_at) WHERE look_at IS NOT NULL;
        CREATE INDEX incidents_muted ON incidents (muted_by) WHERE muted_by IS NOT NULL;
        CREATE INDEX incidents_resolved ON incidents (fingerprint, resolved_at) WHERE state = 'resolved';
        CREATE TABLE awaited (
            incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
            repo TEXT NOT NULL,
            workflow TEXT NOT NULL,
            package TEXT NOT NULL,
            version TEXT,
            state TEXT NOT NULL,
            times INTEGER NOT NULL,
            run_id INTEGER,
            run_url TEXT,
            since INTEGER NOT NULL,
            failed_at INTEGER NOT NULL,
            settled_at INTEGER,
            how TEXT,
            tag TEXT,
            PRIMARY KEY (incident_id, repo, workflow, package)
        ) STRICT;
        CREATE INDEX awaited_open ON awaited (repo, workflow) WHERE settled_at IS NULL;
        INSERT INTO awaited (incident_id, repo, workflow, package, version, state, times, since, failed_at)
            SELECT id, repo, workflow, COALESCE(package, ''), version, 'failed', occurrences, opened_at, last_seen_at
            FROM incidents WHERE state <> 'resolved';
        ALTER TABLE messages ADD COLUMN broadcast INTEGER NOT NULL DEFAULT 0
        """,
    )


@MIGRATIONS()
def m007_rotation_approvals(db: sqlite_utils.Database) -> None:
    """Who agreed to a bypass of two-factor, which repository a package names, places that turned out to be none."""
    run(
        db,
        """
        ALTER TABLE rotations ADD COLUMN bypass_approved_by TEXT;
        ALTER TABLE rotations ADD COLUMN bypass_approved_at INTEGER;
        ALTER TABLE rotations ADD COLUMN repositories TEXT NOT NULL DEFAULT '{}';
        ALTER TABLE rotation_steps ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE campaigns ADD COLUMN bypass INTEGER NOT NULL DEFAULT 0;
        """,
    )


@MIGRATIONS()
def m008_presence(db: sqlite_utils.Database) -> None:
    """Which processes work on this database, and how requests from outside were signed."""
    run(
        db,
        """
        CREATE TABLE processes (
            id TEXT PRIMARY KEY,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            version TEXT NOT NULL,
            serves TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            seen_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE requests_seen (
            source TEXT PRIMARY KEY,
            accepted_at INTEGER,
            refused_at INTEGER,
            refused INTEGER NOT NULL
        ) STRICT;
        """,
    )


@MIGRATIONS()
def m009_slack_troubles(db: sqlite_utils.Database) -> None:
    """Where Slack takes no messages, which messages went elsewhere, and which stand for one that is gone."""
    run(
        db,
        """
        CREATE TABLE slack_troubles (
            place TEXT PRIMARY KEY,
            code TEXT NOT NULL,
            since INTEGER NOT NULL,
            age_s INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        ALTER TABLE messages ADD COLUMN meant_for TEXT;
        ALTER TABLE messages ADD COLUMN anew TEXT;
        """,
    )


@MIGRATIONS()
def m010_people(db: sqlite_utils.Database) -> None:
    """How people take the digest; what changed since the last one, by time."""
    run(
        db,
        """
        CREATE TABLE people (
            slack_user TEXT PRIMARY KEY,
            digest TEXT NOT NULL,
            changed_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX audit_by_time ON audit (at);
        """,
    )


@MIGRATIONS()
def m011_seeing_inside(db: sqlite_utils.Database) -> None:
    """What operators were told, and which delivery a message came of."""
    run(
        db,
        """
        CREATE TABLE needs (
            kind TEXT PRIMARY KEY,
            text TEXT NOT NULL,
            count INTEGER NOT NULL,
            message_key TEXT NOT NULL,
            told_at INTEGER NOT NULL,
            over_at INTEGER
        ) STRICT;
        ALTER TABLE messages ADD COLUMN delivery TEXT;
        CREATE INDEX messages_dead ON messages (seq) WHERE state = 'dead' AND kind <> 'edit';
        """,
    )


@MIGRATIONS()
def m012_github_accounts(db: sqlite_utils.Database) -> None:
    """Who people on GitHub are in Slack."""
    run(
        db,
        """
        CREATE TABLE github_accounts (
            login TEXT PRIMARY KEY,
            slack_user TEXT,
            looked_at INTEGER NOT NULL
        ) STRICT;
        """,
    )


@MIGRATIONS()
def m013_free_incidents(db: sqlite_utils.Database) -> None:
    """Since when nobody is on an incident that somebody was on; what those that are over waited for.

    What is open already counts as free from now on: an update is no reason to escalate all of it at once.
    """
    now = int(time.time() * 1000)
    db.execute("ALTER TABLE incidents ADD COLUMN free_since INTEGER")
    db.execute("UPDATE incidents SET free_since = :now WHERE state <> 'resolved'", {"now": now})
    run(
        db,
        """
        INSERT INTO awaited (incident_id, repo, workflow, package, version, state, times, since, failed_at, settled_at,
                how)
            SELECT id, repo, workflow, COALESCE(package, ''), version, 'failed', occurrences, opened_at, last_seen_at,
                resolved_at, 'It was closed by hand.'
            FROM incidents WHERE state = 'resolved' AND NOT EXISTS (
                SELECT 1 FROM awaited WHERE awaited.incident_id = incidents.id
            )
        """,
    )
