"""When this workflow last worked, put together from GitHub's list, our own records and the registry's times. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.evidence import GoodRun, Release
from bot.github.run import Run
from storage.runs import RunRecord

# A version stands in the registry's list a moment before its run is over, and clocks differ.
BEFORE_IT_BEGAN = timedelta(minutes=2)
AFTER_IT_ENDED = timedelta(minutes=10)


def good_runs(
    run: Run, green: Iterable[Run], records: Iterable[RunRecord], releases: Sequence[Release]
) -> list[GoodRun]:
    """The runs before `run` that went well, the latest first.

    `green`: what GitHub lists of the same workflow; `records`: what we saw of it; `releases`: the package's latest
    versions. A green run also published when one of them appeared while it ran.
    """
    known: dict[int, RunRecord] = {}
    for record in records:
        if record.run_id not in known or record.outcome == "published":
            known[record.run_id] = record
    found = [_of_run(other, known.get(other.run_id), releases) for other in green if _before(other, run)]
    listed = {other.run_id for other in green}
    found += [_of_record(record, releases) for record in known.values() if record.run_id not in listed | {run.run_id}]
    return sorted((good for good in found if good is not None), key=lambda good: good.completed_at, reverse=True)


def last_good(latest: Sequence[GoodRun]) -> GoodRun | None:
    """The last one that is known to have published, else the last one that was green."""
    return next((good for good in latest if good.published), latest[0] if latest else None)


def _before(other: Run, run: Run) -> bool:
    if other.number is not None and run.number is not None:
        return other.number < run.number
    return other.completed_at is not None and run.completed_at is not None and other.completed_at < run.completed_at


def _of_run(run: Run, record: RunRecord | None, releases: Sequence[Release]) -> GoodRun | None:
    if run.completed_at is None:
        return None
    if record is not None and record.outcome == "published":
        return _published(run.completed_at, run.url, record, releases)
    begun = run.started_at or run.completed_at
    for release in releases:
        at = release.published_at
        if at is not None and begun - BEFORE_IT_BEGAN <= at <= run.completed_at + AFTER_IT_ENDED:
            return GoodRun(run.completed_at, run.url, published=True, version=release.version, by=release.by)
    return GoodRun(run.completed_at, run.url)


def _of_record(record: RunRecord, releases: Sequence[Release]) -> GoodRun | None:
    if record.completed_at is None:
        return None
    if record.outcome != "published":
        return GoodRun(record.completed_at)
    return _published(record.completed_at, None, record, releases)


def _published(at: datetime, url: str | None, record: RunRecord, releases: Sequence[Release]) -> GoodRun:
    by = next((release.by for release in releases if release.version == record.version), None)
    return GoodRun(at, url, published=True, version=record.version, package=record.package, by=by)
