"""What changes an incident: its people, its snooze, its end, what explains it. Each returns it as it then is."""

from __future__ import annotations

from datetime import datetime

from storage import incidents
from storage.database import Connection, to_ms
from storage.incidents import Incident


def claim(connection: Connection, incident: Incident, *, who: str, now: datetime) -> Incident:
    return _change(
        connection,
        incident,
        "state = 'claimed', claimed_by = :who, claimed_at = :now, nudged_at = NULL, snoozed_by = NULL,"
        " snoozed_until = NULL, snooze_reason = NULL",
        {"who": who, "now": to_ms(now)},
    )


def nudged(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """Whoever claimed it was asked whether they are still on it."""
    return _change(connection, incident, "nudged_at = :now", {"now": to_ms(now)})


def give_back(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """Nobody is on it any more; from now on it counts as unclaimed."""
    return _change(
        connection,
        incident,
        "state = 'open', claimed_by = NULL, claimed_at = NULL, nudged_at = NULL, escalated_at = NULL,"
        " free_since = :now",
        {"now": to_ms(now)},
    )


def escalated(connection: Connection, incident: Incident, now: datetime) -> Incident:
    return _change(connection, incident, "escalated_at = :now", {"now": to_ms(now)})


def snooze(connection: Connection, incident: Incident, *, who: str, until: datetime, reason: str) -> Incident:
    return _change(
        connection,
        incident,
        "state = 'snoozed', snoozed_by = :who, snoozed_until = :until, snooze_reason = :reason, nudged_at = NULL",
        {"who": who, "until": to_ms(until), "reason": reason},
    )


def wake(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """End a snooze: back to whoever had claimed it, or to open. Nobody is asked about it at once."""
    return _change(
        connection,
        incident,
        "state = CASE WHEN claimed_by IS NULL THEN 'open' ELSE 'claimed' END, snoozed_by = NULL,"
        " snoozed_until = NULL, snooze_reason = NULL, free_since = :now",
        {"now": to_ms(now)},
    )


def resolve(connection: Connection, incident: Incident, *, by: str, how: str, now: datetime) -> Incident:
    """`by`: a Slack user id or `bot`; `how`: one plain sentence."""
    return _change(
        connection,
        incident,
        "state = 'resolved', resolved_at = :now, resolved_by = :by, resolution = :how, snoozed_until = NULL,"
        " look_at = NULL, muted_by = NULL, note = NULL",
        {"now": to_ms(now), "by": by, "how": how},
    )


def reopen(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """Raises Conflict when the same thing has an open incident again. Whoever had claimed it has it again."""
    return _change(
        connection,
        incident,
        "state = CASE WHEN claimed_by IS NULL THEN 'open' ELSE 'claimed' END, resolved_at = NULL,"
        " resolved_by = NULL, resolution = NULL, snoozed_by = NULL, snoozed_until = NULL, snooze_reason = NULL,"
        " claimed_at = CASE WHEN claimed_by IS NULL THEN NULL ELSE :now END, nudged_at = NULL, escalated_at = NULL,"
        " over_at = NULL, free_since = :now",
        {"now": to_ms(now)},
    )


def adopt(connection: Connection, incident: Incident, fingerprint: str) -> Incident:
    """The same release fails for another reason. Raises Conflict when that one is open already."""
    return _change(connection, incident, "fingerprint = :fingerprint", {"fingerprint": fingerprint})


def merge(connection: Connection, incident: Incident, into: Incident, *, how: str, now: datetime) -> Incident:
    """It goes on in another one. What it muted is muted by that one."""
    connection.execute(
        "UPDATE incidents SET muted_by = :into WHERE muted_by = :id", {"into": into.id, "id": incident.id}
    )
    resolved = resolve(connection, incident, by="bot", how=how, now=now)
    return _change(connection, resolved, "merged_into = :into", {"into": into.id})


def with_facts(connection: Connection, incident: Incident, facts: str) -> Incident:
    return _change(connection, incident, "facts = :facts", {"facts": facts})


def told(connection: Connection, incident: Incident, now: datetime | None) -> Incident:
    """A line in its thread told of another failure. None: the next one shall be told, however soon it comes."""
    return _change(connection, incident, "told_at = :now", {"now": to_ms(now)})


def mute(connection: Connection, incident: Incident, by: Incident) -> Incident:
    """`by` explains it."""
    return _change(connection, incident, "muted_by = :by", {"by": by.id})


def unmute(connection: Connection, incident: Incident, now: datetime) -> Incident:
    """Nothing explains it any more: from now on it waits for somebody."""
    return _change(connection, incident, "muted_by = NULL, free_since = :now", {"now": to_ms(now)})


def outage_over(connection: Connection, incident: Incident, at: datetime | None) -> Incident:
    return _change(connection, incident, "over_at = :at", {"at": to_ms(at)})


def watch(connection: Connection, incident: Incident, *, look_at: datetime | None, looks: int) -> Incident:
    """When the registry is looked at next; None ends it."""
    return _change(connection, incident, "look_at = :at, looks = :looks", {"at": to_ms(look_at), "looks": looks})


def take_look(connection: Connection, ident: int, seen: datetime, next_at: datetime | None, looks: int) -> bool:
    """True for the one caller that shall look now; the next look is due at `next_at` even if this one comes to
    nothing."""
    return bool(
        connection.execute(
            "UPDATE incidents SET look_at = :next, looks = :looks"
            " WHERE id = :id AND look_at = :seen AND state <> 'resolved'",
            {"next": to_ms(next_at), "looks": looks, "id": ident, "seen": to_ms(seen)},
        )
    )


def note(connection: Connection, incident: Incident, said: str | None) -> Incident:
    """What was seen since the failure, in one sentence."""
    return _change(connection, incident, "note = :said", {"said": said})


def reminded(connection: Connection, incident: Incident, now: datetime) -> Incident:
    return _change(connection, incident, "reminded_at = :now", {"now": to_ms(now)})


def _change(connection: Connection, incident: Incident, assignments: str, params: dict[str, object]) -> Incident:
    connection.execute(
        f"UPDATE incidents SET {assignments} WHERE id = :id",  # noqa: S608 - assignments are constants of this file
        {**params, "id": incident.id},
    )
    return incidents.found(connection, incident.id)
