"""The facts of one token as safe mrkdwn phrases, said the same way on cards, lists, pages and in the digest."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.messages import text as t
from bot.messages.words import KIND_WORDS, PERMISSION_WORDS, registry_words
from bot.policy import beyond_rules, latest_end, loses_publishing
from storage.tokens import Token

SOON = timedelta(days=30)
TRUSTED = "trusted-publisher"


def is_over(token: Token, now: datetime) -> bool:
    """Revoked, or past its recorded or computed end."""
    return token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now)


def ending(token: Token, now: datetime, exact: bool = True) -> str:
    """`expired 2 days ago (<date>)`, `probably ends in 3 days`, `revoked ...`, `no known end`.

    "Probably" when the end was computed from kind and age: npm's default is seven days and nobody wrote it down.
    A dated rule that ends the right to publish first is said first: `stops publishing in a month, ends in 2 months`.
    """
    stop = loses_publishing(token) if not is_over(token, now) else None
    if stop is None:
        return _own_end(token, now, exact)
    rule = f"{'stopped' if stop.at <= now else 'stops'} publishing {t.relative(stop.at, now)}"
    return f"{rule}{f' ({t.day(stop.at)})' if exact else ''}, {_own_end(token, now, exact)}"


def _own_end(token: Token, now: datetime, exact: bool) -> str:
    if token.revoked_at is not None:
        return f"revoked {t.relative(token.revoked_at, now)}" + (f" ({t.date(token.revoked_at)})" if exact else "")
    if token.kind == TRUSTED:
        return "does not expire"
    if token.expires_at is None:
        latest = latest_end(token)
        if latest is None:
            return "no known end"
        return f"{'ended' if latest <= now else 'ends'} {t.relative(latest, now)} at the latest"
    latest = beyond_rules(token)
    if latest is not None:
        # The registry's rule beats the record: a card must not say "ends in 200 days" of a token that is dead.
        verb = "expired" if latest <= now else "ends"
        return f"probably {verb} {t.relative(latest, now)}, recorded: {t.day(token.expires_at)}"
    verb = "expired" if token.expires_at <= now else "ends"
    lived_on = token.last_used_at is not None and token.last_used_at > token.expires_at
    probably = "probably " if token.expires_computed or lived_on else ""
    said = f"{probably}{verb} {t.relative(token.expires_at, now)}"
    return f"{said} ({t.date(token.expires_at)})" if exact else said


def owner(token: Token) -> str:
    return t.mention(token.owner) if token.owner else "no owner"


def kind(token: Token) -> str:
    """`npm granular access token`."""
    words = KIND_WORDS.get(token.kind, token.kind)
    said = words if words.startswith("GitHub") else f"{registry_words(token.registry)} {words}"
    return t.mrkdwn(said, 120)


def rights(token: Token, most: int = 10) -> str:
    """`may publish @acme/ui and 2 more`."""
    if token.permission is None:
        return f"permission not recorded, {grants(token, most)}"
    words = t.mrkdwn(PERMISSION_WORDS.get(token.permission, token.permission), 120)
    return f"{words}: {grants(token, most)}"


def grants(token: Token, most: int = 10) -> str:
    """`@acme/ui, @acme (scope) and 3 more`, or that nothing is recorded."""
    names = [
        *(t.code(name) for name in token.packages[:most]),
        *(f"{t.code(name)} (scope)" for name in token.scopes[:most]),
        *(f"{t.code(name)} (organisation)" for name in token.orgs[:most]),
    ]
    total = len(token.packages) + len(token.scopes) + len(token.orgs)
    return t.listed([name for name in names if name], most, total) or "no packages recorded"
