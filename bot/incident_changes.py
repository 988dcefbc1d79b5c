"""What people do to incidents: each change is one transaction of state, audit row, thread line and card edit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot import announce
from bot.deps import Deps
from bot.errors import TellUser, TokenwatchError
from bot.incidents import Facts
from bot.messages import thread
from bot.messages.message import Message
from storage import audit, incidents
from storage.database import Connection
from storage.incidents import Incident


async def claim(deps: Deps, ident: int, who: str) -> Incident:
    """`who` looks after it from now on, whoever did before. Raises TellUser."""

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incident.claimed_by == who and incident.state == "claimed":
            raise TellUser("You have claimed this incident already.")
        return incidents.claim(connection, incident, who=who, now=now)

    return await _change(deps, ident, who, "incident.claim", change, thread.claimed)


async def snooze(deps: Deps, ident: int, who: str, until: datetime, reason: str) -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        return incidents.snooze(connection, incident, who=who, until=until, reason=reason)

    return await _change(deps, ident, who, "incident.snooze", change, thread.snoozed, reason)


async def wake(deps: Deps, ident: int, who: str) -> Incident:
    """End a snooze early."""

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incident.state != "snoozed":
            raise TellUser("This incident is not snoozed.")
        return incidents.wake(connection, incident)

    return await _change(deps, ident, who, "incident.wake", change, thread.snooze_over)


async def resolve(deps: Deps, ident: int, who: str, how: str = "") -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        return incidents.resolve(connection, incident, by=who, how=how, now=now)

    return await _change(deps, ident, who, "incident.resolve", change, thread.resolved, how)


async def reopen(deps: Deps, ident: int, who: str) -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incidents.open_by_fingerprint(connection, incident.fingerprint) is not None:
            raise TellUser("The same failure has an open incident already: look for its card.")
        return incidents.reopen(connection, incident)

    def line(incident: Incident) -> Message:
        return thread.reopened(incident, who)

    return await _change(deps, ident, who, "incident.reopen", change, line, resolved=True)


async def rerun(deps: Deps, ident: int, who: str) -> Incident:
    """Ask GitHub to run the failed jobs again; the new attempt reports into the same incident."""
    incident = await deps.db.read(incidents.get, ident)
    if incident is None or incident.state == "resolved":
        raise TellUser("This incident is closed: there is nothing to re-run.")
    facts = Facts.from_json(incident.facts)
    if facts.repo is None or facts.run_id is None:
        raise TellUser("This incident names no run that could be re-run.")
    try:
        await deps.github.rerun_failed_jobs(facts.repo, facts.run_id)
    except TokenwatchError as error:
        raise TellUser(
            f"GitHub did not start the re-run ({error.message}). It needs the permission actions: write."
        ) from error

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        return incident

    def line(incident: Incident) -> Message:
        return thread.rerun_started(incident, who, facts)

    return await _change(deps, ident, who, "incident.rerun", change, line)


async def _change(
    deps: Deps,
    ident: int,
    who: str,
    action: str,
    change: Callable[[Connection, Incident, datetime], Incident],
    line: Callable[[Incident], Message],
    details: str = "",
    resolved: bool = False,
) -> Incident:
    now = deps.now()

    def write(connection: Connection) -> Incident:
        incident = incidents.get(connection, ident)
        if incident is None:
            raise TellUser("This incident is no longer kept.")
        if (incident.state == "resolved") != resolved:
            raise TellUser("This incident is open." if resolved else "This incident is resolved already.")
        changed = change(connection, incident, now)
        audit.record(connection, at=now, who=who, action=action, subject=f"incident:{ident}", details=details)
        announce.edit_card(connection, changed, now)
        announce.say_in_thread(connection, changed, line(changed), key=f"{action}:{now.timestamp()}", now=now)
        return changed

    changed = await deps.db.write(write)
    deps.queued()
    return changed
