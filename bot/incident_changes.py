"""What people do to incidents: each change is one transaction of state, audit row, thread line and card edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot import announce, settling
from bot.deps import Deps
from bot.errors import TellUser, TokenwatchError
from bot.incidents import Facts
from bot.messages import thread
from bot.messages.message import Message
from storage import audit, awaited, incident_states, incidents
from storage.database import Connection
from storage.incidents import Incident

MOST_RERUNS = 20  # of one click: GitHub asks not to be hurried


async def claim(deps: Deps, ident: int, who: str) -> Incident:
    """`who` looks after it from now on, whoever did before. Raises TellUser."""

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incident.claimed_by == who and incident.state == "claimed":
            if incident.nudged_at is None:
                raise TellUser("You have claimed this incident already.")
            renewed.append(incident)
        return incident_states.claim(connection, incident, who=who, now=now)

    def line(incident: Incident) -> Message:
        return thread.still_on_it(incident) if renewed else thread.claimed(incident)

    renewed: list[Incident] = []
    return await _change(deps, ident, who, "incident.claim", change, line)


async def hand_over(deps: Deps, ident: int, who: str, to: str, note: str) -> Incident:
    """`to` looks after it from now on and is told so, with a note."""

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incident.claimed_by == to and incident.state == "claimed":
            raise TellUser("This person is on it already.")
        return incident_states.claim(connection, incident, who=to, now=now)

    def line(incident: Incident) -> Message:
        return thread.handed_over(incident, who, note)

    details = f"to {to}" + (f": {note}" if note else "")
    return await _change(deps, ident, who, "incident.hand-over", change, line, details)


async def snooze(deps: Deps, ident: int, who: str, until: datetime, reason: str) -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        return incident_states.snooze(connection, incident, who=who, until=until, reason=reason)

    return await _change(deps, ident, who, "incident.snooze", change, thread.snoozed, reason)


async def wake(deps: Deps, ident: int, who: str) -> Incident:
    """End a snooze early."""

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incident.state != "snoozed":
            raise TellUser("This incident is not snoozed.")
        return incident_states.wake(connection, incident, now)

    def line(incident: Incident) -> Message:
        return thread.woken(who)

    return await _change(deps, ident, who, "incident.wake", change, line)


async def resolve(deps: Deps, ident: int, who: str, how: str = "") -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        awaited.give_up(connection, ident, now)
        return incident_states.resolve(connection, incident, by=who, how=how, now=now)

    return await _change(deps, ident, who, "incident.resolve", change, thread.resolved, how)


async def reopen(deps: Deps, ident: int, who: str) -> Incident:
    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        if incidents.open_by_fingerprint(connection, incident.fingerprint) is not None:
            raise TellUser("The same failure has an open incident already: look for its card.")
        if not awaited.take_up(connection, ident):
            raise TellUser("The same release has an open incident already: look for its card.")
        return incident_states.reopen(connection, incident, now)

    def line(incident: Incident) -> Message:
        return thread.reopened(incident, who)

    return await _change(deps, ident, who, "incident.reopen", change, line, resolved=True)


async def rerun(deps: Deps, ident: int, who: str) -> Incident:
    """Ask GitHub to run again what failed and is still awaited; the new attempts report into the same incident."""
    incident = await deps.db.read(incidents.get, ident)
    if incident is None or incident.state == "resolved":
        raise TellUser("This incident is closed: there is nothing to re-run.")
    facts = Facts.from_json(incident.facts)
    items = await deps.db.read(awaited.open_of, ident)
    wanted = list(
        dict.fromkeys((item.repo, item.run_id) for item in items if item.run_id is not None and item.run_id > 0)
    )
    if not wanted and facts.repo is not None and facts.run_id is not None and facts.run_id > 0:
        wanted = [(facts.repo, facts.run_id)]
    if not wanted:
        raise TellUser("This incident names no run that could be re-run.")
    started, refused = await _rerun_each(wanted[:MOST_RERUNS], deps)
    if not started:
        await deps.db.write(_without_rerun, ident, deps)
        deps.queued()
        raise TellUser(refused[0])

    def change(connection: Connection, incident: Incident, now: datetime) -> Incident:
        return incident_states.told(connection, incident, None)  # what comes of it is told, however soon

    def line(incident: Incident) -> Message:
        left = len(wanted) - len(started)
        return thread.rerun_started(incident, who, facts, len(started), left, refused[0] if refused else None)

    details = ", ".join(f"{repo} run {run_id}" for repo, run_id in started)
    return await _change(deps, ident, who, "incident.rerun", change, line, details)


async def _rerun_each(wanted: list[tuple[str, int]], deps: Deps) -> tuple[list[tuple[str, int]], list[str]]:
    """The runs that GitHub started again, and a sentence for each that it did not."""
    started: list[tuple[str, int]] = []
    refused: list[str] = []
    for repo, run_id in wanted:
        try:
            await deps.github.rerun_failed_jobs(repo, run_id)
        except TokenwatchError as error:
            lacking = " The bot needs the permission actions: write." if error.reason == "github-forbidden" else ""
            refused.append(f"GitHub did not start the re-run in {repo} ({error.message.rstrip('.')}).{lacking}")
        else:
            started.append((repo, run_id))
    return started, refused


def _without_rerun(connection: Connection, ident: int, deps: Deps) -> None:
    """A button that GitHub refuses is taken off the card."""
    incident = incidents.get(connection, ident)
    if incident is None or deps.github.may_rerun(incident.repo):
        return
    facts = replace(Facts.from_json(incident.facts), can_rerun=False)
    announce.edit_card(connection, incident_states.with_facts(connection, incident, facts.to_json()), deps.now())


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
        if resolved and not announce.is_posted(connection, changed):
            announce.post_card(connection, changed, now)  # it was quiet until somebody closed it
        announce.edit_card(connection, changed, now)
        announce.say_in_thread(connection, changed, line(changed), key=f"{action}:{now.timestamp()}", now=now)
        announce.call_owners(connection, changed, now)
        if changed.state == "resolved":
            settling.freed(connection, incident, now)
        elif resolved:
            changed = settling.begin_watch(connection, changed, now)
        return changed

    changed = await deps.db.write(write)
    deps.queued()
    return changed
