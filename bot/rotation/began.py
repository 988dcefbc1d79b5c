"""When the run that published a version began: before or after the new value was in its place. Pure.

GitHub reads the secrets of a repository or organisation when a run is queued, and those of an environment when the job
starts (GitHub docs, secrets in Actions): a run that was under way at the switch publishes with the old value after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.github.run import Run
from bot.matching import same_workflow
from bot.rotation import steps
from storage.rotations import Rotation, Step
from storage.runs import RunRecord

CLOCKS_APART = timedelta(minutes=2)  # GitHub's and the registry's
SHOWN_AFTER = timedelta(minutes=10)  # the registry looks at a version before it shows it


@dataclass(frozen=True, slots=True)
class Began:
    """`early`: before the place that the run reads held the new value; `nobody`: no run was under way; `at`: when that
    run began."""

    when: Literal["early", "after", "nobody", "unknown"] = "unknown"
    at: datetime | None = None


def began(
    rotation: Rotation,
    runs: Iterable[Run],
    records: Iterable[RunRecord],
    package: str,
    version: str | None,
    published_at: datetime,
    *,
    complete: bool = False,
) -> Began:
    """Of the run that published this version. The run whose log names the version, where that is known, else all that
    were under way then: one of them that began early may have been the one. `complete`: all that publish are known."""
    known = list(runs)
    named = {
        (record.repo.lower(), record.run_id, record.attempt)
        for record in records
        if version is not None and (record.package, record.version) == (package, version)
    }
    likely = [run for run in known if (run.repo.lower(), run.run_id, run.attempt) in named]
    for after in (CLOCKS_APART, SHOWN_AFTER):
        likely = likely or [run for run in known if _under_way(run, published_at, after)]
    return Began("nobody") if complete and not likely and not named else of_runs(rotation, likely)


def of_runs(rotation: Rotation, runs: Iterable[Run]) -> Began:
    """The earliest of these, as far as it is known when they began and where they read their secret."""
    told = [(run.started_at, at) for run in runs if run.started_at is not None and (at := _stored_for(rotation, run))]
    early = [begun for begun, stored in told if begun < stored.replace(microsecond=0)]
    if early:
        return Began("early", min(early))
    return Began("after", min(begun for begun, _ in told)) if told else Began()


def places_of(rotation: Rotation, run: Run) -> list[Step]:
    """Those that this run's workflow reads: its own, else any of its repository or organisation."""
    owner = run.repo.lower().partition("/")[0]
    reached = [
        step
        for step in steps.steps_of(rotation, "store")
        if step.use is not None and step.use.repo.lower() in (run.repo.lower(), owner, f"{owner}/*")
    ]
    own = [
        step for step in reached if step.use and step.use.workflow and same_workflow(step.use.workflow, run.workflow)
    ]
    return own or reached


def _stored_for(rotation: Rotation, run: Run) -> datetime | None:
    return max((step.done.at for step in places_of(rotation, run) if step.done), default=None)


def _under_way(run: Run, at: datetime, after: timedelta) -> bool:
    """Or over for no longer than `after`."""
    if run.started_at is None or run.started_at > at + CLOCKS_APART:
        return False
    over = run.completed_at if run.conclusion is not None else None
    return over is None or at <= over + after
