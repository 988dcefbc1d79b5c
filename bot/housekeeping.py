"""Once a day: forget what is older than the retention, and give the room back to the disk.

In small pieces, because everything that is written waits for the one who writes.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from bot.deps import Deps
from storage import (
    awaited_releases,
    deliveries,
    due_jobs,
    incidents,
    outbox,
    package_looks,
    runs,
    staged_versions,
    sweeps,
)
from storage.database import StorageError

log = structlog.get_logger("housekeeping")

AT_ONCE = 500
KEPT_JOBS = timedelta(days=30)
BREATH_S = 0.01  # for others to write


async def clean_up(deps: Deps, now: datetime) -> None:
    """Audit rows, tokens, open incidents and dead deliveries stay for ever."""
    retention = timedelta(days=deps.settings.retention_days)
    before = now - retention
    forgotten = 0
    kept_since = now - max(retention, deliveries.KEPT_AT_LEAST)
    while gone := await deps.db.write(deliveries.forget_before, kept_since, most=AT_ONCE):
        forgotten += gone
        await asyncio.sleep(BREATH_S)
    closed = await deps.db.write(incidents.forget_before, before)
    said = AT_ONCE
    while said == AT_ONCE:
        said = await deps.db.write(outbox.forget_before, before, most=AT_ONCE)
        await asyncio.sleep(BREATH_S)
    heard = await deps.db.read(runs.older_than, kept_since)
    for start in range(0, len(heard), AT_ONCE):
        await deps.db.write(runs.forget, heard[start : start + AT_ONCE])
        await asyncio.sleep(BREATH_S)
    await deps.db.write(due_jobs.forget_before, now - KEPT_JOBS)
    await deps.db.write(sweeps.forget_before, kept_since)
    await deps.db.write(awaited_releases.forget_before, before)
    await deps.db.write(staged_versions.forget_before, before)
    await deps.db.write(package_looks.forget_before, now - KEPT_JOBS)
    try:
        await asyncio.to_thread(deps.db.tidy)
    except StorageError as error:
        log.warning("the database could not be tidied", error=str(error))  # tomorrow again
    log.info("clean-up", deliveries=forgotten, incidents=closed)
