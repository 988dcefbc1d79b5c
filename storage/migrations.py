"""The schema as an append-only list of migrations: add at the end, never edit one that was released.

Times are milliseconds since the epoch (UTC). Lists and frozen values are JSON text that only Python reads.
"""

import time

import sqlite_utils
from sqlite_utils import Migrations

SCHEMA = "tokenwatch"
MIGRATIONS = Migrations(SCHEMA)


def _run(db: sqlite_utils.Database, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


@MIGRATIONS()
def m001_first_schema(db: sqlite_utils.Database) -> None:
    _run(
        db,
        """
        CREATE TABLE deliveries (
            seq INTEGER PRIMARY KEY,
            guid TEXT NOT NULL UNIQUE,
            event TEXT NOT NULL,
            action TEXT,
            repository TEXT NOT NULL,
            body BLOB NOT NULL,
            received_at INTEGER NOT NULL,
            state TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_until INTEGER,
            finished_at INTEGER,
            reason TEXT,
            note TEXT
        ) STRICT;
        CREATE INDEX deliveries_unfinished ON deliveries (due_at, seq)
            WHERE state IN ('new', 'waiting', 'working');
        CREATE INDEX deliveries_working ON deliveries (repository) WHERE state = 'working';
        CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 'dead';

        CREATE TABLE tokens (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            registry TEXT NOT NULL,
            kind TEXT NOT NULL,
            permission TEXT,
            cidr TEXT NOT NULL DEFAULT '[]',
            bypass_2fa INTEGER,
            bypass_reason TEXT,
            hint TEXT,
            registry_id TEXT,
            account TEXT,
            created_at INTEGER,
            expires_at INTEGER,
            expires_computed INTEGER NOT NULL DEFAULT 0,
            last_used_at INTEGER,
            revoked_at INTEGER,
            listed_at INTEGER,
            owner TEXT,
            backup_owner TEXT,
            note TEXT NOT NULL DEFAULT '',
            search TEXT NOT NULL,
            added_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX tokens_by_end ON tokens (expires_at) WHERE revoked_at IS NULL;
        CREATE INDEX tokens_in_order ON tokens ((revoked_at IS NOT NULL), (expires_at IS NULL), expires_at, name);
        CREATE INDEX tokens_by_lower_name ON tokens (lower(name));
        CREATE INDEX tokens_by_registry ON tokens (registry, kind);
        CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;
        CREATE INDEX tokens_without_owner ON tokens (id) WHERE owner IS NULL AND revoked_at IS NULL;
        CREATE INDEX tokens_with_bypass ON tokens (id) WHERE bypass_2fa = 1 AND revoked_at IS NULL;
        CREATE INDEX tokens_by_owner ON tokens (owner) WHERE owner IS NOT NULL;
        CREATE INDEX tokens_by_backup_owner ON tokens (backup_owner) WHERE backup_owner IS NOT NULL;
        CREATE TABLE token_grants (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (token_id, kind, name)
        ) STRICT;
        CREATE INDEX token_grants_by_name ON token_grants (lower(name), token_id);
        CREATE TABLE token_uses (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            repo TEXT NOT NULL,
            workflow TEXT,
            secret TEXT,
            level TEXT NOT NULL,
            environment TEXT,
            PRIMARY KEY (token_id, position)
        ) STRICT;
        CREATE INDEX token_uses_by_repo ON token_uses (lower(repo), token_id);

        CREATE TABLE runs (
            repo TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            workflow TEXT NOT NULL,
            conclusion TEXT,
            outcome TEXT NOT NULL,
            cause TEXT,
            package TEXT,
            version TEXT,
            completed_at INTEGER,
            seen_at INTEGER NOT NULL,
            PRIMARY KEY (repo, run_id, attempt)
        ) STRICT;
        CREATE INDEX runs_by_workflow ON runs (repo, workflow, completed_at);

        CREATE TABLE incidents (
            id INTEGER PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            state TEXT NOT NULL,
            registry TEXT,
            cause TEXT NOT NULL,
            verdict TEXT NOT NULL,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            repo TEXT NOT NULL,
            workflow TEXT NOT NULL,
            package TEXT,
            version TEXT,
            occurrences INTEGER NOT NULL,
            opened_at INTEGER NOT NULL,
            last_seen_at INTEGER NOT NULL,
            claimed_by TEXT,
            claimed_at INTEGER,
            snoozed_by TEXT,
            snoozed_until INTEGER,
            snooze_reason TEXT,
            resolved_at INTEGER,
            resolved_by TEXT,
            resolution TEXT,
            channel TEXT,
            card_key TEXT NOT NULL,
            facts TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX incidents_one_open ON incidents (fingerprint) WHERE state <> 'resolved';
        CREATE INDEX incidents_by_workflow ON incidents (repo, workflow) WHERE state <> 'resolved';
        CREATE TABLE occurrences (
            incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
            repo TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            seen_at INTEGER NOT NULL,
            run_url TEXT NOT NULL,
            PRIMARY KEY (incident_id, repo, run_id, attempt)
        ) STRICT;

        CREATE TABLE messages (
            seq INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            channel TEXT NOT NULL,
            about TEXT,
            text TEXT NOT NULL,
            blocks TEXT NOT NULL,
            state TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_until INTEGER,
            version INTEGER NOT NULL DEFAULT 1,
            ts TEXT,
            reason TEXT,
            made_at INTEGER NOT NULL,
            sent_at INTEGER
        ) STRICT;
        CREATE INDEX messages_unsent ON messages (due_at, seq) WHERE state IN ('new', 'sending', 'unknown');
        CREATE INDEX messages_about ON messages (about) WHERE about IS NOT NULL;

        CREATE TABLE due_jobs (
            name TEXT NOT NULL,
            due TEXT NOT NULL,
            lease_owner TEXT NOT NULL,
            lease_until INTEGER NOT NULL,
            done_at INTEGER,
            PRIMARY KEY (name, due)
        ) STRICT;

        CREATE TABLE reminders (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            ends_at INTEGER NOT NULL,
            rung INTEGER NOT NULL,
            message_key TEXT NOT NULL,
            said_at INTEGER,
            PRIMARY KEY (token_id, ends_at, rung)
        ) STRICT;

        CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            details TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX audit_by_subject ON audit (subject, at);
        """,
    )


@MIGRATIONS()
def m002_reminders_not_said_yet(db: sqlite_utils.Database) -> None:
    """Each message that Slack takes asks whether it was a reminder."""
    _run(db, "CREATE INDEX reminders_not_said ON reminders (message_key) WHERE said_at IS NULL")


@MIGRATIONS()
def m003_sweep(db: sqlite_utils.Database) -> None:
    """How far lost deliveries were looked for, and which deliveries the sweep brought."""
    _run(
        db,
        """
        CREATE TABLE sweeps (
            source TEXT PRIMARY KEY,
            begun_at INTEGER NOT NULL,
            seen_up_to INTEGER NOT NULL,
            etag TEXT,
            swept_at INTEGER
        ) STRICT;
        ALTER TABLE deliveries ADD COLUMN source TEXT NOT NULL DEFAULT 'webhook'
        """,
    )


@MIGRATIONS()
def m004_rotations(db: sqlite_utils.Database) -> None:
    """Rotations, their steps, what was seen about them, and the campaigns they belong to."""
    _run(
        db,
        """
        CREATE TABLE campaigns (
            id INTEGER PRIMARY KEY,
            title TEXT NOT NULL,
            what TEXT NOT NULL,
            path TEXT NOT NULL,
            channel TEXT,
            started_by TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            ended_at INTEGER,
            ended_by TEXT,
            next_batch_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX campaigns_open ON campaigns (next_batch_at) WHERE ended_at IS NULL;
        CREATE TABLE campaign_tokens (
            campaign_id INTEGER NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            token_name TEXT NOT NULL,
            state TEXT NOT NULL,
            why TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (campaign_id, position)
        ) STRICT;
        CREATE INDEX campaign_tokens_by_token ON campaign_tokens (token_id) WHERE token_id IS NOT NULL;

        CREATE TABLE rotations (
            id INTEGER PRIMARY KEY,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            token_name TEXT NOT NULL,
            path TEXT NOT NULL,
            registry TEXT NOT NULL,
            owner TEXT NOT NULL,
            second TEXT,
            new_name TEXT,
            new_token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            lifetime_days INTEGER NOT NULL,
            bypass INTEGER NOT NULL,
            bypass_reason TEXT NOT NULL,
            packages TEXT NOT NULL,
            overlap_ms INTEGER NOT NULL,
            old_ends_at INTEGER,
            old_used_at INTEGER,
            stuck_since INTEGER,
            stuck_why TEXT,
            stuck_told INTEGER NOT NULL DEFAULT 0,
            ended_as TEXT,
            ended_at INTEGER,
            ended_by TEXT,
            ended_why TEXT,
            channel TEXT,
            campaign_id INTEGER REFERENCES campaigns (id) ON DELETE SET NULL,
            started_by TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            look_at INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX rotations_one_open ON rotations (token_id) WHERE ended_at IS NULL AND token_id IS NOT NULL;
        CREATE INDEX rotations_to_look_at ON rotations (look_at, id) WHERE ended_at IS NULL;
        CREATE INDEX rotations_open ON rotations (started_at, id) WHERE ended_at IS NULL;
        CREATE INDEX rotations_by_token ON rotations (token_id) WHERE token_id IS NOT NULL;
        CREATE INDEX rotations_by_new_token ON rotations (new_token_id) WHERE new_token_id IS NOT NULL;
        CREATE INDEX rotations_by_campaign ON rotations (campaign_id) WHERE campaign_id IS NOT NULL;
        CREATE TABLE rotation_steps (
            rotation_id INTEGER NOT NULL REFERENCES rotations (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            owner TEXT,
            since INTEGER NOT NULL,
            deadline INTEGER,
            repo TEXT,
            workflow TEXT,
            secret TEXT,
            level TEXT,
            environment TEXT,
            done_at INTEGER,
            proof TEXT,
            who TEXT,
            what TEXT,
            override INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (rotation_id, position)
        ) STRICT;
        CREATE INDEX rotation_steps_by_repo ON rotation_steps (lower(repo), rotation_id) WHERE repo IS NOT NULL;
        CREATE TABLE rotation_notes (
            rotation_id INTEGER NOT NULL REFERENCES rotations (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL,
            at INTEGER NOT NULL,
            settled_at INTEGER,
            PRIMARY KEY (rotation_id, key)
        ) STRICT;
        """,
    )


@MIGRATIONS()
def m005_failures_by_time(db: sqlite_utils.Database) -> None:
    """Which registry and which token a run failed with, and the failures of the last minutes."""
    _run(
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
    _run(
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
    _run(
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
    _run(
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
    _run(
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
def m007_people(db: sqlite_utils.Database) -> None:
    """How people take the digest; what changed since the last one, by time."""
    _run(
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
    _run(
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
def m012_free_incidents(db: sqlite_utils.Database) -> None:
    """Since when nobody is on an incident that somebody was on; what those that are over waited for.

    What is open already counts as free from now on: an update is no reason to escalate all of it at once.
    """
    now = int(time.time() * 1000)
    db.execute("ALTER TABLE incidents ADD COLUMN free_since INTEGER")
    db.execute("UPDATE incidents SET free_since = :now WHERE state <> 'resolved'", {"now": now})
    _run(
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
