"""A run failed: which incident is it, what becomes of others, and what is said. One transaction over a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot import announce, muting, settling
from bot.github.run import Run
from bot.incidents import Action, Decision, Facts, Known, Leaving, decide, what_changed
from bot.messages import thread
from storage import audit, awaited, incident_states, incidents, runs
from storage.awaited import Failed
from storage.database import Connection
from storage.incidents import Incident, NewIncident

LINES_APART = timedelta(minutes=10)  # about failures of one incident: a token of forty repositories fails all day
CHANGES_APART = timedelta(minutes=1)
MOST_BEFORE = 3  # causes that a card remembers


@dataclass(frozen=True, slots=True)
class FailedRun:
    """`new`: the failure as the incident it is or would begin; `waits`: what it leaves to be published; `sure`:
    recorded facts say why it failed."""

    run: Run
    new: NewIncident
    facts: Facts
    waits: Sequence[Failed]
    sure: bool = False


def failed(connection: Connection, failure: FailedRun, now: datetime) -> Decision:
    """Write the failure into the incident that it belongs to, and queue what is to be said of it."""
    known = _known(connection, failure, now)
    decision = decide(known, failure.new.verdict, now)
    if decision.action is Action.QUIET:
        return decision
    target = _target(connection, failure, decision, now)
    for other, leaving in decision.leaving:
        _leave(connection, failure, other, target, leaving, now)
    changed = what_changed(target, failure.new.verdict, failure.facts.sentence) if decision.incident else None
    changed = None if decision.action is Action.POST else changed
    again = decision.reason == "same-attempt-again"
    closed = decision.incident.resolution if decision.action is Action.REOPEN and decision.incident else None
    incident = _written(connection, failure, target, changed, closed, again, now)
    if changed is not None and decision.action is not Action.ADOPT:
        _note(connection, incident, "incident.change", f"{target.verdict} became {incident.verdict}", now)
    if target.state == "snoozed" and changed is not None:
        incident = incident_states.wake(connection, incident, now)
        _note(connection, incident, "incident.wake", "something else went wrong", now)
    incident = muting.sort_out(connection, incident, failure.sure, now)
    _say(connection, failure, incident, decision, changed, target.repo != incident.repo, now)
    speaks_again = target.muted_by is not None and incident.muted_by is None
    if decision.action is not Action.POST and (speaks_again or incident.token_id != target.token_id):
        announce.call_owners(connection, incident, now)
    return decision


def _known(connection: Connection, failure: FailedRun, now: datetime) -> Known:
    run, new = failure.run, failure.new
    same = incidents.open_by_fingerprint(connection, new.fingerprint)
    where = (run.repo, run.workflow)
    others = [
        incident
        for incident in incidents.open_of_workflow(connection, run.repo, run.workflow)
        if incident.fingerprint != new.fingerprint and (incident.registry or "npm") == (new.registry or "npm")
    ]
    at = run.completed_at or now
    return Known(
        same=same,
        others=tuple(
            (other, all((item.repo, item.workflow) == where for item in awaited.open_of(connection, other.id)))
            for other in others
        ),
        ended=incidents.ended(connection, new.fingerprint),
        attempt=incidents.with_attempt(connection, run.repo, run.run_id, run.attempt),
        later=runs.later_attempt(connection, run.repo, run.run_id, run.attempt),
        published=new.package is not None and runs.published_after(connection, run.repo, run.workflow, new.package, at),
    )


def _target(connection: Connection, failure: FailedRun, decision: Decision, now: datetime) -> Incident:
    """The incident that the failure goes into, opened or opened again if need be."""
    new, incident = failure.new, decision.incident
    if decision.action is Action.POST or incident is None:
        opened = incidents.open_incident(connection, new, now, previous=incident)
        _note(connection, opened, "incident.open", f"{new.verdict} in {new.repo}", now)
        return opened
    if decision.action is Action.REOPEN:
        reopened = incident_states.reopen(connection, incident, now)
        _note(connection, reopened, "incident.reopen", f"{new.verdict} in {new.repo}", now)
        return reopened
    if decision.action is Action.ADOPT:
        _note(connection, incident, "incident.change", f"{incident.verdict} became {new.verdict}", now)
        return incident_states.adopt(connection, incident, new.fingerprint)
    return incident


def _leave(
    connection: Connection, failure: FailedRun, own: Incident, target: Incident, leaving: Leaving, now: datetime
) -> None:
    """The workflow fails for another reason now: the incident that waited for it goes on without it, or ends."""
    run = failure.run
    awaited.leave(connection, own.id, run.repo, run.workflow, how=f"It goes on in incident {target.id}.", now=now)
    if leaving is Leaving.MOVE and awaited.open_of(connection, own.id):
        announce.edit_card(connection, own, now)
        return
    how = f"The release fails for another reason now: it goes on in incident {target.id}."
    merged = incident_states.merge(connection, own, target, how=how, now=now)
    _note(connection, merged, "incident.resolve", how, now)
    announce.edit_card(connection, merged, now)
    announce.say_in_thread(
        connection, merged, thread.goes_on_elsewhere(merged), key=f"resolved:{now.timestamp()}", now=now
    )


def _written(
    connection: Connection,
    failure: FailedRun,
    target: Incident,
    changed: str | None,
    closed: str | None,
    again: bool,
    now: datetime,
) -> Incident:
    """`closed`: how it had been resolved, when this opens it again."""
    run = failure.run
    before = Facts.from_json(target.facts).before
    if changed is not None:
        before = (*before, changed)[-MOST_BEFORE:]
    facts = replace(failure.facts, before=tuple(said for said in before if said != failure.facts.sentence))
    incident, _ = incidents.occurred(
        connection,
        target,
        repo=run.repo,
        run_id=run.run_id,
        attempt=run.attempt,
        run_url=run.url or "",
        now=now,
        new=replace(failure.new, facts=facts.to_json()),
    )
    if again:
        return incident
    awaited.failed(
        connection,
        incident.id,
        failure.waits,
        repo=run.repo,
        workflow=run.workflow,
        run_id=run.run_id,
        run_url=run.url,
        at=now,
    )
    incident = incident_states.note(
        connection, incident, f"It is back. It had been closed: {closed}" if closed else None
    )
    return settling.begin_watch(connection, incident, now)


def _say(
    connection: Connection,
    failure: FailedRun,
    incident: Incident,
    decision: Decision,
    changed: str | None,
    elsewhere: bool,
    now: datetime,
) -> None:
    if incident.muted_by is not None:
        announce.edit_card(connection, incident, now)  # of a card that was posted before it was explained
        return
    if not announce.is_posted(connection, incident):
        announce.post_card(connection, incident, now)
        return
    announce.edit_card(connection, incident, now)
    run = failure.run
    announce.point_to_card(connection, incident, failure.new.channel, run.repo, run.workflow, now)
    key = f"failed:{run.repo}:{run.run_id}:{run.attempt}"
    told = incident.told_at
    if decision.reason in ("same-attempt-again", "failed-again-while-snoozed") and changed is None:
        return
    if decision.action is Action.REOPEN:
        line = thread.reopened(incident)
    elif changed is not None and (told is None or now - told >= CHANGES_APART):
        line = thread.another_cause(incident, failure.facts, changed)
    elif told is None or now - told >= LINES_APART:
        line = thread.failed_again(incident, failure.facts, elsewhere=elsewhere)
    else:
        return
    announce.say_in_thread(connection, incident, line, key=key, now=now)
    incident_states.told(connection, incident, now)


def _note(connection: Connection, incident: Incident, action: str, details: str, now: datetime) -> None:
    audit.record(connection, at=now, who="bot", action=action, subject=f"incident:{incident.id}", details=details)
