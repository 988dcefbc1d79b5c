"""Publishes outside GitHub Actions, as their own CI reports them: the same story as for a workflow run, without GitHub.

A failure goes through diagnosis, evidence, verdict and card like any other. A success ends what waited for its package,
in whichever workflow of the repository: the registry is asked whether the version is really there.
"""

from __future__ import annotations

import asyncio

from bot import green_runs, settling, triage
from bot.ci_reports import Report, failed_diagnosis, run_of_report, succeeded_diagnosis
from bot.deps import Deps
from bot.diagnosis.engine import diagnose
from bot.github.run import Run
from bot.green_runs import Waiting
from bot.inbox import Worked
from bot.incidents import worth_a_card
from storage import awaited, incidents, rotations, runs
from storage.database import Connection


async def failed(report: Report, repo: str, guid: str, installation_id: int | None, deps: Deps) -> Worked:
    """A publish failed elsewhere. A broken build or a red test is no more our business than on GitHub."""
    now = deps.now()
    run = run_of_report(report, repo, guid, now, installation_id, failed=True)
    read = await asyncio.to_thread(diagnose, report.log.encode("utf-8", "replace"), now)
    diagnosis = failed_diagnosis(read, report)
    if not worth_a_card(diagnosis):
        record = triage.as_record(run, "quiet", now, diagnosis)
        return Worked(diagnosis.cause, None, lambda connection: runs.keep(connection, record))
    return await triage.tell(run, triage.Failure(diagnosis), deps)


async def succeeded(report: Report, repo: str, guid: str, installation_id: int | None, deps: Deps) -> Worked:
    """A publish went well elsewhere, or staged its version."""
    now = deps.now()
    run = run_of_report(report, repo, guid, now, installation_id, failed=False)
    said = succeeded_diagnosis(report)
    waiting = await deps.db.read(_waiting, run, report)
    found = await green_runs.read(run, said, waiting, deps)
    record = triage.as_record(run, said.cause, now, said)

    def apply(connection: Connection) -> None:
        runs.keep(connection, record)
        for rotation in rotations.open_in_workflow(connection, repo):
            rotations.look_again(connection, rotation.id, now)
        for incident_id, afterwards in found.items():
            settling.green(connection, incident_id, afterwards, now)

    taken = any(after.state == "staged" for pairs in found.values() for _, after in pairs)
    if report.staged and not taken and deps.settings.channel_for(repo) is not None:
        card = await triage.tell(run, triage.Failure(said), deps)

        def apply_staged(connection: Connection) -> None:
            apply(connection)
            if card.apply is not None:
                card.apply(connection)
            runs.keep(connection, record)

        return Worked("staged", None, apply_staged)
    settled = any(after.settled for pairs in found.values() for _, after in pairs)
    return Worked("resolved" if settled else said.cause, None, apply)


def _waiting(connection: Connection, run: Run, report: Report) -> list[Waiting]:
    """What waits for this package in the repository, and whatever the same CI left without a name."""
    found: list[Waiting] = []
    for incident in incidents.open_of_package(connection, run.repo, report.package or ""):
        items = tuple(
            item
            for item in awaited.open_of(connection, incident.id)
            if item.repo == run.repo
            and (item.package == report.package or (item.package is None and item.workflow == run.workflow))
        )
        if items:
            same = incidents.was_in_run(connection, incident, run.repo, run.run_id)
            found.append(Waiting(incident, items, same))
    return found
