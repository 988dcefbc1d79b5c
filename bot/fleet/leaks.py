"""A token was found in a repository: an urgent card with what to revoke, whose it is and how to replace it.

GitHub never says the value, so the stored token is told by registry and repository; when several fit, all are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot import announce
from bot.deps import Deps
from bot.fleet.cards import close_card, facts, open_card
from bot.fleet.leak_kinds import LeakKind, leak_kind
from bot.inbox import Worked
from bot.incidents import Facts
from storage import incident_states, incidents, tokens
from storage.database import Connection
from storage.incidents import NewIncident
from storage.tokens import Token

MOST_TIES = 6


@dataclass(frozen=True, slots=True)
class Alert:
    """GitHub's secret-scanning alert. `validity`: active, inactive or unknown; `resolution`: such as `revoked`."""

    repo: str
    number: int
    secret_type: str
    url: str
    validity: str = "unknown"
    public: bool = False
    elsewhere: bool = False
    resolution: str | None = None


async def found(alert: Alert, deps: Deps) -> Worked:
    """A new alert, or more about a known one."""
    kind = leak_kind(alert.secret_type)
    if kind is None:
        return Worked("not-a-registry-token", alert.secret_type[:60])
    near = await deps.db.read(_fitting, alert.repo, kind.registry, deps.now())

    def apply(connection: Connection) -> None:
        now = deps.now()
        new = _incident(alert, kind, near, deps)
        known = incidents.open_by_fingerprint(connection, new.fingerprint)
        if known is None:
            open_card(connection, new, now)
        else:
            announce.edit_card(connection, incident_states.with_facts(connection, known, new.facts), now)

    return Worked("leaked", _sentence(alert, kind), apply)


async def resolved(alert: Alert, deps: Deps) -> Worked:
    """Somebody closed the alert on GitHub."""
    how = (alert.resolution or "closed").replace("_", " ")
    sentence = f"The alert was resolved on GitHub: {how}."

    def apply(connection: Connection) -> None:
        close_card(connection, _fingerprint(alert), sentence, deps.now())

    return Worked("leak-resolved", sentence, apply)


def _incident(alert: Alert, kind: LeakKind, near: list[Token], deps: Deps) -> NewIncident:
    sole = near[0] if len(near) == 1 else None
    shown: Facts = facts(
        _sentence(alert, kind),
        _advice(kind, sole),
        repo=alert.repo,
        url=alert.url,
        token_reasons=(f"the only {kind.registry} token on record that is used there",) if sole else (),
        token_ties=tuple(token.name for token in near[:MOST_TIES]) if len(near) > 1 else (),
        reasons=(f"secret-scanning alert {alert.number} of GitHub, which does not show the value",),
    )
    return NewIncident(
        fingerprint=_fingerprint(alert),
        registry=kind.registry,
        cause="leak",
        verdict="secret-leaked",
        token_id=sole.id if sole else None,
        repo=alert.repo,
        workflow=f"alert {alert.number}",
        package=None,
        version=None,
        channel=deps.settings.channel_for(alert.repo),
        facts=shown.to_json(),
    )


def _sentence(alert: Alert, kind: LeakKind) -> str:
    article = "An" if kind.name.startswith("npm") else "A"
    where = f"was found in {alert.repo}"
    if alert.public:
        where += ", where everybody can read it"
    alive = {"active": ". It still works", "inactive": ". It no longer works"}.get(alert.validity, "")
    also = " and stands in other repositories too" if alert.elsewhere and alive else ""
    return f"{article} {kind.name} {where}{alive}{also}."


def _advice(kind: LeakKind, sole: Token | None) -> tuple[str, ...]:
    steps = [kind.revoke]
    if sole is not None and sole.registry_id:
        steps[0] = f"Revoke it now: `npm token revoke {sole.registry_id}`, if {sole.name} is the one."
    steps.append("Replace it: start a rotation, so that the next release has a credential.")
    steps.append("Look what was done with it: versions that nobody here published.")
    steps.append("Then close the alert on GitHub; taking the file out of the history does not make the token safe.")
    return tuple(steps)


def _fitting(connection: Connection, repo: str, registry: str, now: datetime) -> list[Token]:
    """Live tokens of the registry that are used in the repository; without one, those of its organisation."""
    near = [
        token
        for token in tokens.candidates(connection, repo, registry)
        if token.kind != "trusted-publisher" and token.revoked_at is None
        if token.expires_at is None or token.expires_at > now
    ]
    own = [token for token in near if any(use.repo.lower() == repo.lower() for use in token.used_by)]
    owner = repo.lower().partition("/")[0]
    wide = [token for token in near if any(use.repo.lower().partition("/")[0] == owner for use in token.used_by)]
    return sorted(own or wide, key=lambda token: token.name)


def _fingerprint(alert: Alert) -> str:
    return f"leak|{alert.repo}|{alert.number}".lower()
