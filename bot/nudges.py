"""What is said about an incident because time went by: always a line in its thread, never an edit that pings.

A claim that shows no progress is asked after and then given back; what nobody claims is escalated once; a staged
version is remembered. All of that can wait for the morning and for Monday.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import announce
from bot.deps import Deps
from bot.incidents import Facts, answers_for
from bot.messages import thread
from bot.quiet_hours import resting
from bot.settings import Settings
from storage import audit, awaited, incident_states, incidents, tokens
from storage.database import Connection
from storage.incidents import Incident

STAGED_EVERY = timedelta(days=1)


async def nudge(deps: Deps) -> None:
    if await deps.db.write(due, deps.settings, deps.now()):
        deps.queued()


def due(connection: Connection, settings: Settings, now: datetime) -> bool:
    """Everything that is due now; whether anything was said."""
    said = _snoozes_ended(connection, now)
    if resting(now, settings.zone, settings.quiet_hours, settings.calendar):
        return said
    stale = now - settings.claim_stale_after
    for incident in incidents.to_nudge(connection, claimed_before=stale, free_before=now - settings.escalate_after):
        if incident.state == "open":
            _escalate(connection, incident, now)
        elif incident.nudged_at is None:
            _ask_after(connection, incident, settings.claim_stale_after, now)
        else:
            _give_back(connection, incident, now)
        said = True
    said |= _staged(connection, now)
    return said


def _ask_after(connection: Connection, incident: Incident, patience: timedelta, now: datetime) -> None:
    asked = incident_states.nudged(connection, incident, now)
    _noted(connection, asked, "incident.nudge", f"claimed by {incident.claimed_by}", now)
    announce.edit_card(connection, asked, now)
    key = f"stale:{now.timestamp()}"
    announce.say_in_thread(connection, asked, thread.claim_stale(asked, now, patience), key=key, now=now)


def _give_back(connection: Connection, incident: Incident, now: datetime) -> None:
    free = incident_states.give_back(connection, incident, now)
    _noted(connection, free, "incident.give-back", f"was claimed by {incident.claimed_by}", now)
    announce.edit_card(connection, free, now)
    key = f"given-back:{now.timestamp()}"
    announce.say_in_thread(connection, free, thread.given_back(incident), key=key, now=now)
    announce.call_owners(connection, free, now)


def _escalate(connection: Connection, incident: Incident, now: datetime) -> None:
    """Once, to the backup owner and, beside the thread, to the channel."""
    told = incident_states.escalated(connection, incident, now)
    _noted(connection, told, "incident.escalate", "nobody claimed it", now)
    announce.edit_card(connection, told, now)
    token = tokens.by_id(connection, incident.token_id) if incident.token_id is not None else None
    key = f"escalated:{now.timestamp()}"
    line = thread.escalated(told, answers_for(token, Facts.from_json(told.facts)), now)
    announce.say_in_thread(connection, told, line, key=key, now=now, broadcast=True)


def _snoozes_ended(connection: Connection, now: datetime) -> bool:
    """Their end was chosen by a person, so it waits for nothing. What another incident explains stays quiet."""
    ended = incidents.snoozes_ended(connection, now)
    for incident in ended:
        awake = incident_states.wake(connection, incident, now)
        _noted(connection, awake, "incident.wake", "the snooze ended", now)
        announce.edit_card(connection, awake, now)
        if awake.muted_by is None:
            key = f"snooze-over:{incident.snoozed_until}"
            announce.say_in_thread(connection, awake, thread.snooze_over(incident), key=key, now=now)
            announce.call_owners(connection, awake, now)
    return bool(ended)


def _staged(connection: Connection, now: datetime) -> bool:
    """Versions that wait for approval are remembered once a day."""
    said = False
    for incident in incidents.with_staged(connection):
        waiting = [item for item in awaited.open_of(connection, incident.id) if item.state == "staged"]
        since = max(filter(None, (incident.reminded_at, min(item.since for item in waiting))))
        if now - since < STAGED_EVERY:
            continue
        reminded = incident_states.reminded(connection, incident, now)
        line = thread.still_staged(reminded, waiting, now)
        announce.say_in_thread(connection, reminded, line, key=f"staged:{now.timestamp()}", now=now)
        announce.edit_card(connection, reminded, now)
        said = True
    return said


def _noted(connection: Connection, incident: Incident, action: str, details: str, now: datetime) -> None:
    audit.record(connection, at=now, who="bot", action=action, subject=f"incident:{incident.id}", details=details)
