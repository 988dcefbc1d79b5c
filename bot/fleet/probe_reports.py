"""A probe says that a token no longer lives where its secret is: a card now, instead of a release that fails.

Only what npm or the empty secret says for certain counts: a probe that could not ask says nothing. While a rotation of
the token is under way, the rotation tells of it (`bot.rotation.probed`).
"""

from __future__ import annotations

from datetime import timedelta

from bot.deps import Deps
from bot.fleet.cards import close_card, facts, open_card
from bot.inbox import Worked
from bot.rotation.probes import Checked, uses_it
from storage import tokens
from storage.database import Connection
from storage.incidents import NewIncident
from storage.tokens import Token

CERTAIN = frozenset({"E401", "ENEEDAUTH", "secret-empty"})
STALE = timedelta(days=2)  # probes run daily; what was delivered late is no news
AHEAD = timedelta(hours=1)  # that a runner's clock may be fast


async def checked(found: Checked, repo: str, deps: Deps) -> Worked:
    """A token outside any rotation was tried."""
    token = await deps.db.read(tokens.get, found.token)
    if token is None or token.revoked_at is not None or not uses_it(token, repo):
        return Worked("token-unknown", "no token of this name is used in this repository")
    now = deps.now()
    if not now - STALE <= found.at <= now + AHEAD:
        return Worked("probe-stale", "the probe is of another day")
    if not found.ok and found.status not in CERTAIN:
        return Worked("probe-unsure", f"npm did not refuse the token: {found.status}")
    fingerprint = f"npm|probe|{token.id}|{repo}".lower()

    def apply(connection: Connection) -> None:
        if found.ok:
            close_card(connection, fingerprint, f"The probe in {repo} says that {token.name} is alive there.", now)
        else:
            open_card(connection, _incident(token, found, repo, fingerprint, deps), now)

    return Worked("probe-alive" if found.ok else "probe-refused", found.status, apply)


def _incident(token: Token, found: Checked, repo: str, fingerprint: str, deps: Deps) -> NewIncident:
    if found.status == "secret-empty":
        sentence = f"The secret that should hold {token.name} is empty in {repo}: its next release will fail."
        advice: tuple[str, ...] = ("Store the token there, or correct the secret's name in the workflow file.",)
    else:
        sentence = f"npm refuses {token.name} in {repo}: its next release will fail."
        advice = (
            "Replace it: start a rotation.",
            "If it was replaced already, the secret still holds the old one: store the new one there.",
        )
    use = next((use for use in token.used_by if use.repo.lower() == repo.lower() and use.workflow), None)
    shown = facts(
        sentence,
        advice,
        repo=repo,
        reasons=(f"the probe workflow asked npm ({found.status})",),
        token_reasons=(f"named by the probe in {repo}",),
    )
    return NewIncident(
        fingerprint=fingerprint,
        registry="npm",
        cause="probe",
        verdict="probe-secret-empty" if found.status == "secret-empty" else "probe-refused",
        token_id=token.id,
        repo=repo,
        workflow=use.workflow if use and use.workflow else "probe",
        package=None,
        version=None,
        channel=deps.settings.channel_for(repo),
        facts=shown.to_json(),
    )
