"""A first scan of thousands of repositories, stopped half-way; the next round; the map and audit of it all."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot.demo.outside import Outside
from bot.fleet.audit import audit
from bot.fleet.dependence import answer, troubles
from bot.fleet.inventory import inventory
from bot.fleet.scan import Progress, Scan
from bot.fleet.ways_out import ways_of_records
from bot.github.auth import Auth
from bot.github.client import GitHub
from storage import fleet, fleet_rounds, tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests import organisation
from tests.bench.report import Figure
from tests.running import Hands, settings_for

REPOSITORIES = 5_000


class _Stopped(Exception):
    """A scan that is killed half-way."""


async def measure(folder: Path, repositories: int = REPOSITORIES) -> list[Figure]:
    """Requests are counted by the stand-in, whatever the scan says of itself."""
    part = f"{repositories:,} repositories"
    async with Outside.start() as outside:
        truth = organisation.populate(outside, repositories)
        # The stand-in's hour is as long as the scan takes; on GitHub it would wait for the next one and go on.
        outside.github.api.limit_an_hour = 100_000
        db = Database.open(f"sqlite:///{folder / 'fleet.db'}")
        try:
            shared = Token(name="npm-acme", used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),))
            db.write_now(tokens.add, shared, Hands().now())
            figures = await _scans(outside, db, folder, part, repositories, len(truth.publishing))
            started = time.perf_counter()
            records, stored = db.read_now(fleet.records), db.read_now(tokens.all_tokens)
            known = inventory(records, stored)
            found = answer(known, "npm-acme")
            assert found is not None and set(found.repositories) == truth.readers["NPM_TOKEN", "organization"]
            troubles(known)
            figures.append(Figure(part, "map of one token", (time.perf_counter() - started) * 1000, "ms", at_most=1500))
            started = time.perf_counter()
            audit(known, stored, (), Hands().now())
            figures.append(Figure(part, "audit of it all", (time.perf_counter() - started) * 1000, "ms", at_most=1500))
            started = time.perf_counter()
            ways = ways_of_records(db.read_now(fleet.records), {}, (), stored)["npm-acme"]
            assert {repo for way in ways for repo in way.repos} == truth.readers["NPM_TOKEN", "organization"]
            took_ms = (time.perf_counter() - started) * 1000
            figures.append(Figure(part, f"the way out of {len(ways):,} packages", took_ms, "ms", at_most=1500))
        finally:
            db.close()
    return figures


async def _scans(
    outside: Outside, db: Database, folder: Path, part: str, repositories: int, publishing: int
) -> list[Figure]:
    def stop(progress: Progress) -> None:
        if not progress.listing and progress.done * 2 >= progress.known:
            raise _Stopped

    before = len(outside.github.requests)
    started = time.perf_counter()
    try:
        await _scan(outside, db, folder, stop)
    except _Stopped:
        half = len(outside.github.requests) - before
    await _scan(outside, db, folder)
    took_s = time.perf_counter() - started
    first = len(outside.github.requests) - before
    round_ = db.read_now(fleet_rounds.of_owner, "acme")
    assert round_ is not None and round_.number == 1 and round_.finished_at is not None
    before += first
    await _scan(outside, db, folder)
    again = outside.github.requests[before:]
    paid = sum(asked.status != 304 for asked in again)
    pushed = organisation.PUSHED + timedelta(days=1)
    for number in range(0, repositories, 100):
        outside.github.host(f"acme/repo-{number:04d}", pushed_at=pushed, archived=number % 5 == 4)
    before = len(outside.github.requests)
    await _scan(outside, db, folder)
    hourly = [asked for asked in outside.github.requests[before:] if asked.status != 304]
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure(part, f"first scan, stopped at {half:,} requests and resumed", first, "requests", at_most=12_500),
        Figure(part, "first scan", took_s, "s"),
        Figure(part, f"next round, {publishing:,} repositories publish", len(again), "requests"),
        Figure(part, "of these not answered by 304, which costs nothing", paid, "requests", at_most=60),
        Figure(part, "a round after pushes to one in a hundred, paid", len(hourly), "requests", at_most=300),
        Figure(part, "resident with the stand-ins in the same process", resident_mb, "MB"),
    ]


async def _scan(outside: Outside, db: Database, folder: Path, said: Callable[[Progress], None] | None = None) -> None:
    settings = settings_for(outside, folder)
    async with aiohttp.ClientSession() as session:
        github = GitHub(session, outside.github_api_url, Auth(settings), Hands().now)
        await Scan(github, db, now=Hands().now, said=said).owner("acme")
