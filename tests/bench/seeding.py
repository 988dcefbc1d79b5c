"""Databases as they look after a year: stored deliveries and tokens, the same ones for the same numbers."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.demo.github import payloads
from bot.demo.github.world import Run, sha_for
from storage import arrivals, tokens
from storage.database import Connection, Database
from storage.tokens import Token, Use

# What GitHub's own repository objects carry and the stand-in leaves out: a delivery is mostly addresses.
_ADDRESSES = (
    "archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contributors",
    "deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags", "issue_comment",
    "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones", "notifications", "pulls",
    "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams", "trees",
)  # fmt: skip
_BODIES = 64
_KEPT = timedelta(days=80)  # within the retention, so that nothing of it is forgotten while it is measured
_LIFE = timedelta(days=90)


def body_of(repo: str, number: int, conclusion: str = "success") -> bytes:
    """A `workflow_run` delivery of about 15 kB, as GitHub sends them."""
    now = datetime.now(UTC)
    run = Run(
        repo, 19_400_000_000 + number, 1, conclusion, ".github/workflows/release.yml", "Release",
        sha_for(f"{repo}/{number}"), "main", "push", "jonas-r", "chore: release", number % 1000, (),
        now - timedelta(minutes=3), now,
    )  # fmt: skip
    return as_bytes(filled_out(payloads.workflow_run(run)))


def filled_out(payload: dict[str, Any]) -> dict[str, Any]:
    run = payload["workflow_run"]
    for holder, name in ((payload, "repository"), (run, "repository"), (run, "head_repository")):
        holder[name] |= {f"{word}_url": f"{holder[name]['url']}/{word}{{/number}}" for word in _ADDRESSES}
    return payload


def as_bytes(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def add_deliveries(path: Path, count: int) -> None:
    """Worked deliveries of the last eighty days. Without a journal: a file that breaks is made again."""
    Database.open(f"sqlite:///{path}").close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode=OFF")
        raw.execute("PRAGMA synchronous=OFF")
        raw.execute("PRAGMA cache_size=-200000")
        raw.execute("BEGIN")
        raw.executemany(
            "INSERT INTO deliveries (guid, event, action, repository, body, received_at, state, due_at, tries,"
            " finished_at, reason) VALUES (?, 'workflow_run', 'completed', ?, ?, ?, 'done', ?, 1, ?, 'green')",
            _delivery_rows(count),
        )
        raw.execute("COMMIT")
        raw.execute("PRAGMA journal_mode=WAL")


def _delivery_rows(count: int) -> Iterator[tuple[object, ...]]:
    chance = random.Random(1)
    bodies = [arrivals.packed(body_of(f"acme/service-{number}", number)) for number in range(_BODIES)]
    end = datetime.now(UTC).timestamp() * 1000
    step = _KEPT.total_seconds() * 1000 / count
    for number in range(count):
        at = int(end - (count - number) * step)
        guid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        yield guid, f"acme/service-{number % 500}", bodies[number % _BODIES], at, at, at + 900


def add_tokens(db: Database, first: int, beyond: int, now: datetime) -> None:
    """Tokens number `first` to `beyond` - 1: ends spread over their ninety days, some over, revoked or without end."""

    def write(connection: Connection) -> None:
        chance = random.Random(first)
        for number in range(first, beyond):
            tokens.add(connection, _token(number, chance, now), now)

    db.write_now(write)


def _token(number: int, chance: random.Random, now: datetime) -> Token:
    ends = now + timedelta(days=chance.uniform(-1, 89))
    repo = f"acme/package-{number % 20_000}"
    publisher = chance.random() < 0.05
    return Token(
        name=f"npm-acme-{number:06}",
        kind="trusted-publisher" if publisher else "granular",
        permission="read-write",
        packages=(f"@acme/package-{number}",),
        scopes=("@acme",) if number % 10 == 0 else (),
        hint=None if publisher else f"npm_{number:04x}...{number % 9999:04}",
        created_at=ends - _LIFE,
        expires_at=None if publisher else ends,
        revoked_at=now - timedelta(days=3) if chance.random() < 0.03 else None,
        owner=None if chance.random() < 0.02 else f"U0{number % 400:06}",
        used_by=(Use(repo, ".github/workflows/release.yml", "NPM_TOKEN"),),
    )
