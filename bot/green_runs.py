"""A run went well: what that means for whatever was waiting for its workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bot import awaiting
from bot.awaiting import AfterGreen
from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TryAgain
from bot.github.run import Job, Run
from bot.version_watch import published
from storage import awaited, incidents, runs, tokens
from storage.awaited import Awaited
from storage.database import Connection
from storage.incidents import Incident

log = structlog.get_logger("green runs")

MOST_PACKAGES = 20  # looked up for one run


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an incident waits for in one workflow. `same_run`: an attempt of the run in question failed in it."""

    incident: Incident
    items: tuple[Awaited, ...]
    same_run: bool


def waiting_for(connection: Connection, run: Run) -> list[Waiting]:
    """Everything that waits for this run's workflow."""
    return [
        Waiting(
            incident,
            tuple(
                item
                for item in awaited.open_of(connection, incident.id)
                if (item.repo, item.workflow) == (run.repo, run.workflow)
            ),
            incidents.was_in_run(connection, incident, run.repo, run.run_id),
        )
        for incident in incidents.open_of_workflow(connection, run.repo, run.workflow)
    ]


def may_stage(connection: Connection, run: Run) -> bool:
    """Whether a green run of this workflow may have left a version to approve: it did before, or its token or trusted
    publisher may do no more."""
    return runs.staged_before(connection, run.repo, run.workflow) or tokens.stage_only(
        connection, run.repo, run.workflow
    )


async def jobs(run: Run, deps: Deps) -> tuple[Job, ...]:
    """The jobs of a green run; none when GitHub does not say."""
    try:
        return await deps.github.jobs(run)
    except (TryAgain, GiveUp) as error:
        log.info("jobs of a green run not read", reason=error.reason)
        return ()


async def read(
    run: Run, said: Diagnosis | None, waiting: Sequence[Waiting], deps: Deps
) -> dict[int, list[tuple[Awaited, AfterGreen]]]:
    """By incident, what the run means for each thing awaited. `said`: what the run's own log says."""
    names = {item.package for one in waiting if _on_npm(one.incident) for item in one.items if item.package}
    asked = sorted(names)[:MOST_PACKAGES]
    seen = dict(zip(asked, await asyncio.gather(*(published(name, deps) for name in asked)), strict=True))

    def after(one: Waiting, item: Awaited) -> AfterGreen:
        package = seen.get(item.package or "") if _on_npm(one.incident) else None
        return awaiting.after_green(one.incident, item, run, same_run=one.same_run, log=said, published=package)

    return {one.incident.id: [(item, after(one, item)) for item in one.items] for one in waiting}


def _on_npm(incident: Incident) -> bool:
    return (incident.registry or "npm") == "npm"
