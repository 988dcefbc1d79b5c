"""What is on record and cannot be true together: shown beside a verdict that goes by it, not hidden. Pure."""

from __future__ import annotations

from bot import policy
from bot.verdict.case import Case
from bot.verdict.phrases import day, named
from storage.tokens import Token


def contradictions(case: Case) -> tuple[str, ...]:
    """What the records say that cannot be true together."""
    token = case.certain_token
    if token is None:
        return ()
    found = []
    latest = policy.beyond_rules(token)
    if token.expires_at and latest:
        found.append(
            f"its record contradicts the registry's rules: it says {day(token.expires_at)},"
            f" and no such token lives past {day(latest)}"
        )
    if token.last_used_at and token.expires_at and not token.expires_computed and token.last_used_at > token.expires_at:
        found.append(
            f"its record contradicts itself: last used on {day(token.last_used_at)},"
            f" after its end on {day(token.expires_at)}"
        )
    if token.last_used_at and token.revoked_at and token.last_used_at > token.revoked_at:
        found.append(
            f"its record contradicts itself: last used on {day(token.last_used_at)},"
            f" after it was revoked on {day(token.revoked_at)}"
        )
    return (*found, *_used_after_replaced(case, token))


def _used_after_replaced(case: Case, token: Token) -> tuple[str, ...]:
    """Older tokens of the same secret that somebody still used after the secret was written anew."""
    secret = case.secret
    if secret is None or token.created_at is None:
        return ()
    return tuple(
        f"{named(other.name)}, which it replaced, was still used on {day(other.last_used_at)}:"
        f" something else holds it than {named(secret.name)}"
        for other in case.evidence.tokens
        if other.id != token.id
        and other.last_used_at is not None
        and other.created_at is not None
        and other.created_at < token.created_at <= secret.updated_at < other.last_used_at
        and {(use.repo.lower(), use.secret) for use in other.used_by if use.secret}
        & {(use.repo.lower(), use.secret) for use in token.used_by if use.secret}
    )[:1]
