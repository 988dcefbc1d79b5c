"""What was awaited has come, or has not: each finding is written with its card, thread line and audit row.

Functions over a connection, for the transaction of whatever was seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bot import announce, awaiting, muting
from bot.awaiting import AfterGreen
from bot.evidence import Published
from bot.messages import thread
from bot.release_tags import tag_names
from storage import audit, awaited, incident_states, incidents
from storage.awaited import Awaited
from storage.database import Connection
from storage.incidents import Incident


def green(connection: Connection, ident: int, found: Sequence[tuple[Awaited, AfterGreen]], now: datetime) -> bool:
    """A green run of the workflow: what it means for each thing awaited. True when that ended the incident."""
    changed = staged = False
    notes: list[str] = []
    look_again = False
    for item, after in found:
        if after.settled is not None:
            changed |= awaited.settle(connection, item, state=after.state, how=after.settled, now=now)
        elif after.state == "staged" and awaited.becomes(connection, item, "staged", now):
            changed = staged = look_again = True
        if after.note:
            notes.append(after.note)
            look_again |= after.look_again
    return _written(connection, ident, changed, next(iter(notes), None), staged, look_again, now)


def looked(connection: Connection, ident: int, readings: Mapping[str, Published], now: datetime) -> bool:
    """The registry was looked at. True when that ended the incident."""
    incident = incidents.get(connection, ident)
    if incident is None or incident.state == "resolved":
        return False
    changed = False
    for item in awaited.open_of(connection, ident):
        seen = readings.get(item.package or "")
        if seen is not None and awaiting.watchable(incident, item) and awaiting.is_live(item, seen):
            how = awaiting.live_sentence(item)
            changed |= awaited.settle(connection, item, state="live", how=how, now=now)
    return _written(connection, ident, changed, incident.note, False, False, now)


def tags_found(connection: Connection, ident: int, tags: Collection[tuple[str, str]], now: datetime) -> None:
    """(repository, tag) that exist on GitHub: those of versions that are not out are shown on the card."""
    incident = incidents.get(connection, ident)
    if incident is None or incident.state == "resolved":
        return
    found = False
    for item in awaited.open_of(connection, ident):
        tag = next((name for name in tag_names(item) if (item.repo, name) in tags), None)
        found |= tag is not None and tag != item.tag and awaited.tagged(connection, item, tag)
    if found:
        announce.edit_card(connection, incident, now)


def close(connection: Connection, incident: Incident, sentence: str, now: datetime) -> None:
    """The bot saw that it is mended."""
    current = incidents.get(connection, incident.id)
    if current is None or current.state == "resolved":
        return
    resolved = incident_states.resolve(connection, current, by="bot", how=sentence, now=now)
    audit.record(
        connection, at=now, who="bot", action="incident.resolve", subject=f"incident:{incident.id}", details=sentence
    )
    announce.edit_card(connection, resolved, now)
    announce.say_in_thread(connection, resolved, thread.resolved(resolved), key=f"resolved:{now.timestamp()}", now=now)
    freed(connection, current, now)


def freed(connection: Connection, before: Incident, now: datetime) -> None:
    """An incident is over: what it explained speaks for itself, and what explained it says so no more. `before`: as it
    was when it was open."""
    muting.release(connection, before, now)
    explaining = incidents.get(connection, before.muted_by) if before.muted_by is not None else None
    if explaining is not None:
        announce.edit_card(connection, explaining, now)


def begin_watch(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """Look for what is awaited from now on, soon and then ever more seldom."""
    items = awaited.open_of(connection, incident.id)
    if not any(awaiting.watchable(incident, item) for item in items):
        return incident_states.watch(connection, incident, look_at=None, looks=0)
    return incident_states.watch(connection, incident, look_at=awaiting.next_look(0, now), looks=0)


def _written(
    connection: Connection,
    ident: int,
    changed: bool,
    note: str | None,
    staged: bool,
    look_again: bool,
    now: datetime,
) -> bool:
    incident = incidents.get(connection, ident)
    if incident is None or incident.state == "resolved":
        return False
    everything = awaited.of(connection, ident)
    if changed and all(item.settled for item in everything):
        close(connection, incident, awaiting.closing(everything), now)
        return True
    if note != incident.note:
        incident = incident_states.note(connection, incident, note)
        changed = True
    if look_again:
        incident = begin_watch(connection, incident, now)
    if changed:
        announce.edit_card(connection, incident, now)
    if staged:
        line = thread.staged([item for item in everything if item.state == "staged" and not item.settled])
        announce.say_in_thread(connection, incident, line, key=f"staged:{now.timestamp()}", now=now)
    return False
