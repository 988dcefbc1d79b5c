"""One incident explains others: while it is open they are quiet, and when it is over those that still fail are told.

An outage of the registry explains what nothing on record explains; a dead token explains refusals that may be its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import announce
from bot.incidents import OUTAGES, Facts, is_outage
from bot.matching import covers
from bot.messages import thread
from bot.verdict.verdict import DEAD_TOKEN
from storage import audit, awaited, incident_states, incidents, tokens
from storage.database import Connection
from storage.incidents import Incident

BEFORE = timedelta(minutes=15)  # what failed shortly before an outage was recognised belongs to it
LEAST_REPOSITORIES = 2  # one release that met an error is no outage that explains others
# Verdicts that go by the log alone: a registry in trouble says such things.
_BY_OUTAGE = frozenset(
    {
        "unknown",
        "network-error",
        "rate-limited",
        "token-rejected",
        "no-access",
        "insufficient-scope",
        "token-missing",
        "install-auth",
        "oidc-failed",
        "oidc-publisher-mismatch",
    }
)
# Refusals behind which a token that is known to be dead may stand.
_BY_DEAD_TOKEN = frozenset({"no-access", "insufficient-scope", "token-rejected", "install-auth", "secret-old"})


def sort_out(connection: Connection, incident: Incident, sure: bool, now: datetime) -> Incident:
    """After a failure: is this incident explained by another one, and which does it explain? `sure`: recorded facts
    say why it failed."""
    if is_outage(incident) and incident.over_at is not None:
        incident = incident_states.outage_over(connection, incident, None)
    explained_by = None if sure else _explaining(connection, incident)
    if explained_by is not None and incident.muted_by is None and not explains_others(connection, incident):
        incident = incident_states.mute(connection, incident, explained_by)
        _noted(connection, incident, f"explained by incident {explained_by.id}", now)
        announce.edit_card(connection, explained_by, now)
        return incident
    if explained_by is None and incident.muted_by is not None:
        explaining = incidents.get(connection, incident.muted_by)
        incident = incident_states.unmute(connection, incident, now)
        _noted(connection, incident, "it fails for a reason of its own", now)
        if explaining is not None:
            announce.edit_card(connection, explaining, now)
    if explains(connection, incident):
        _mute_others(connection, incident, now)
    else:
        release(connection, incident, now)
    return incident


def release(connection: Connection, over: Incident, now: datetime) -> None:
    """What explained them is over: those that still fail speak for themselves."""
    quiet = incidents.muted_by(connection, over)
    for incident in quiet:
        spoken = incident_states.unmute(connection, incident, now)
        _noted(connection, spoken, f"incident {over.id} is over", now)
        if announce.is_posted(connection, spoken):
            announce.edit_card(connection, spoken, now)
            if spoken.state == "snoozed":
                continue  # somebody wants to hear of it later
            line = thread.no_longer_explained(over)
            announce.say_in_thread(connection, spoken, line, key=f"unmuted:{now.timestamp()}", now=now)
            announce.call_owners(connection, spoken, now)
        else:
            announce.post_card(connection, spoken, now)
    if quiet:
        announce.edit_card(connection, incidents.found(connection, over.id), now)


def explains_others(connection: Connection, incident: Incident) -> bool:
    return bool(incidents.muted_by(connection, incident))


def explains(connection: Connection, incident: Incident) -> bool:
    """Whether it is of a kind that can explain others, and established enough for it."""
    if incident.state == "resolved" or incident.muted_by is not None:
        return False
    if is_outage(incident):
        if incident.over_at is not None:
            return False
        repos = {item.repo.lower() for item in awaited.of(connection, incident.id)}
        return incident.verdict == "registry-side" or len(repos) >= LEAST_REPOSITORIES
    return incident.token_id is not None and _of_a_dead_token(incident)


def _explaining(connection: Connection, incident: Incident) -> Incident | None:
    if is_outage(incident) or _of_a_dead_token(incident):
        return None
    registry = incident.registry or "npm"
    candidates = [
        *incidents.unresolved(connection, registry, OUTAGES),
        *incidents.unresolved(connection, registry, DEAD_TOKEN, with_token=True),
    ]
    return next(
        (
            other
            for other in candidates
            if other.id != incident.id and _fits(connection, other, incident) and explains(connection, other)
        ),
        None,
    )


def _mute_others(connection: Connection, parent: Incident, now: datetime) -> None:
    may_be_explained = _BY_OUTAGE if is_outage(parent) else _BY_DEAD_TOKEN
    for other in incidents.unresolved(connection, parent.registry or "npm", may_be_explained):
        if other.id == parent.id or other.muted_by is not None or not _fits(connection, parent, other):
            continue
        if is_outage(other) or _of_a_dead_token(other) or explains_others(connection, other):
            continue
        muted = incident_states.mute(connection, other, parent)
        _noted(connection, muted, f"explained by incident {parent.id}", now)
        announce.edit_card(connection, muted, now)


def _fits(connection: Connection, parent: Incident, other: Incident) -> bool:
    """Whether the one can be the reason of the other, by what both are."""
    if is_outage(parent):
        begun = parent.opened_at - BEFORE
        by_the_log = other.verdict in _BY_OUTAGE and other.verdict == other.cause
        return by_the_log and other.last_seen_at >= begun
    if not _of_a_dead_token(parent) or other.verdict not in _BY_DEAD_TOKEN:
        return False
    if other.token_id is not None:
        return other.token_id == parent.token_id
    token = tokens.by_id(connection, parent.token_id) if parent.token_id is not None else None
    if token is None:
        return False
    ties = Facts.from_json(other.facts).token_ties
    if ties:
        return token.name in ties
    # On record for another repository: one of the same owner may well use it too, for what it may publish.
    same_owner = _owner(parent.repo) == _owner(other.repo)
    return same_owner and other.package is not None and covers(token, other.package) is True


def _owner(repo: str) -> str:
    return repo.partition("/")[0].lower()


def _of_a_dead_token(incident: Incident) -> bool:
    return incident.verdict in DEAD_TOKEN and "|token:" in incident.fingerprint


def _noted(connection: Connection, incident: Incident, details: str, now: datetime) -> None:
    action = "incident.mute" if incident.muted_by is not None else "incident.unmute"
    audit.record(connection, at=now, who="bot", action=action, subject=f"incident:{incident.id}", details=details)
