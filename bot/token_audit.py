"""What is wrong with a token record, by rule: what a person should look at before a release shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.policy import ends_at, may_be_endless, rules_for
from bot.token_metadata import named_contradictions
from storage.tokens import Token

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule`: a stable word such as `no-owner`; `sentence`: plain text about the token."""

    token: str
    rule: str
    sentence: str


def audit(tokens: Iterable[Token], now: datetime) -> list[Finding]:
    """Findings in the order of the tokens. Revoked tokens are history and are passed over."""
    return [
        Finding(token.name, rule, sentence)
        for token in tokens
        if token.revoked_at is None
        for rule, sentence in _findings(token, now)
    ]


def _findings(token: Token, now: datetime) -> Iterator[tuple[str, str]]:
    dead = next((rule for rule in rules_for(token) if rule.effect == "dies" and rule.at <= now), None)
    end = ends_at(token)
    if dead is not None:
        yield "classic", f"{dead.says} Replace it, then remove the record."
    elif end is not None and end <= now:
        yield "ended", f"It ended on {end:%Y-%m-%d}."
    elif end is not None and end <= now + SOON:
        yield "ends-soon", f"It ends on {end:%Y-%m-%d}."
    if end is None and not may_be_endless(token):
        yield "no-end", "Its end is not known, so nobody can be reminded: record expires_at or created_at."
    if token.owner is None:
        yield "no-owner", "Nobody owns it, so nobody is reminded."
    if token.backup_owner is None:
        yield "no-backup-owner", "Nobody can replace it when its owner is away."
    elif token.backup_owner == token.owner:
        yield "no-backup-owner", "Its backup owner is its owner."
    if token.bypass_2fa and not token.bypass_reason:
        yield "bypass-without-reason", "It bypasses 2FA and no reason is recorded."
    for rule, sentence in named_contradictions(token, now):
        if rule != "classic" or dead is None:  # said above
            yield rule, sentence
