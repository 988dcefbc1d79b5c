"""Log cause + evidence + token metadata -> one verdict with its reasons, best first. Pure.

It never claims more than it knows: "expired 2 days ago" needs a recorded end, "probably" goes with what only points
that way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import humanize

from bot.diagnosis.diagnosis import Diagnosis
from bot.evidence import Evidence
from bot.matching import Match
from storage.tokens import Token

# Causes behind which a dead, wrong or powerless token can stand.
SUSPECT = frozenset({"token-rejected", "no-access", "insufficient-scope", "install-auth", "two-factor-required"})
_DEAD = frozenset({"token-rejected", "no-access", "install-auth"})
_SHORT_LIFE = timedelta(days=7)  # npm: what a write token gets when nobody chooses
_LONGEST_LIFE = timedelta(days=90)  # npm: no write token lives longer
_CLASSIC = frozenset({"classic", "automation"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code`: kebab-case word ("token-expired"); `sentence`: the fact a person reads first, plain text."""

    code: str
    sentence: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    match: Match = field(default_factory=Match)

    @property
    def token(self) -> Token | None:
        """The stored token at fault, when the verdict blames one."""
        blamed = self.code.startswith("token-") and self.match.best is not None
        return self.match.best.token if blamed and self.match.best else None


def judge(diagnosis: Diagnosis, evidence: Evidence, match: Match, now: datetime) -> Verdict:
    """The first explanation that the facts bear out, else what the log says by itself."""
    if diagnosis.cause in SUSPECT:
        for verdict in _explanations(diagnosis, evidence, match, now):
            return verdict
    return Verdict(
        code=diagnosis.cause,
        sentence=diagnosis.sentence,
        advice=diagnosis.fix,
        match=match if diagnosis.auth else Match(),
    )


def _explanations(diagnosis: Diagnosis, evidence: Evidence, match: Match, now: datetime) -> Iterator[Verdict]:
    yield from _already_there(diagnosis, evidence)
    if match.best and not match.ties:
        yield from _token_facts(diagnosis, evidence, match, match.best.token, now)
    yield from _new_name(diagnosis, evidence, match)
    yield from _old_secret(diagnosis, evidence, match, now)


def _already_there(diagnosis: Diagnosis, evidence: Evidence) -> Iterator[Verdict]:
    published = evidence.published
    if published and diagnosis.version in published.versions and len(evidence.packages) == 1:
        yield Verdict(
            code="version-exists",
            sentence=f"{published.name} {diagnosis.version} is on the registry: nothing is missing.",
            reasons=("the registry lists this version",),
            advice=("If the run is red, re-run it only for the steps after the publish.",),
        )


def _token_facts(
    diagnosis: Diagnosis, evidence: Evidence, match: Match, token: Token, now: datetime
) -> Iterator[Verdict]:
    assert match.best is not None
    maybe = "probably " if match.guess else ""
    reasons = match.best.reasons
    renew = _renew(token, evidence)
    if diagnosis.cause in _DEAD:
        if token.revoked_at and token.revoked_at <= now:
            yield Verdict(
                "token-revoked",
                f"Token {token.name} was revoked {_ago(now - token.revoked_at)}, and this run {maybe}used it.",
                (f"its record says revoked on {token.revoked_at:%Y-%m-%d}", *reasons),
                renew,
                match,
            )
        if token.expires_at and token.expires_at <= now:
            known = "computed from its kind and creation date" if token.expires_computed else "as recorded"
            yield Verdict(
                "token-expired",
                f"Token {token.name} {maybe}expired {_ago(now - token.expires_at)}.",
                (f"its end was {token.expires_at:%Y-%m-%d %H:%M} UTC, {known}", *reasons),
                renew,
                match,
            )
        if token.registry == "npm" and token.kind in _CLASSIC:
            yield Verdict(
                "token-classic",
                f"Token {token.name} is a classic token, and npm ended those on 2025-12-09.",
                ("npm revoked every classic token on 2025-12-09", *reasons),
                renew,
                match,
            )
    if diagnosis.phase != "publish":
        return
    if token.permission == "read-only":
        yield Verdict(
            "token-read-only",
            f"Token {token.name} {maybe}cannot publish: it is read-only.",
            ("its record says read-only", *reasons),
            ("Store a token with write access in the secret that this workflow reads.", *renew[1:]),
            match,
        )
    not_granted = [name for name in evidence.packages if not _granted(token, name)]
    if not_granted and (token.packages or token.scopes):
        yield Verdict(
            "token-not-granted",
            f"Token {token.name} {maybe}may not publish {not_granted[0]}.",
            (f"it may publish {', '.join((*token.packages, *token.scopes)[:5])} only", *reasons),
            (f"Create a token whose packages or scopes include {not_granted[0]} and store it in the secret.",),
            match,
        )


def _new_name(diagnosis: Diagnosis, evidence: Evidence, match: Match) -> Iterator[Verdict]:
    published = evidence.published
    if diagnosis.cause == "no-access" and published and not published.exists:
        yield Verdict(
            code="new-name",
            sentence=f"{published.name} has never been published in public, and this credential may not create it.",
            reasons=("the registry knows no public package of this name",),
            advice=(
                "Check the spelling of the name and that the scope is yours.",
                "Publish the first version by hand (`npm publish --access public`): trusted publishing and tokens"
                " limited to existing packages cannot create a name.",
            ),
            match=match,
        )


def _old_secret(diagnosis: Diagnosis, evidence: Evidence, match: Match, now: datetime) -> Iterator[Verdict]:
    secret = evidence.secret
    if secret is None or diagnosis.cause not in _DEAD or (diagnosis.registry or "npm") != "npm":
        return
    age = now - secret.updated_at
    if age > _LONGEST_LIFE:
        yield Verdict(
            code="secret-old",
            sentence=(
                f"The token in {secret.name} has probably expired: the secret was last written {_ago(age)},"
                " and npm tokens that may publish live 90 days at most."
            ),
            reasons=(f"{secret.name} ({secret.level}) was last written on {secret.updated_at:%Y-%m-%d}",),
            advice=diagnosis.fix,
            match=match,
        )
    elif age > _SHORT_LIFE and diagnosis.cause != "no-access":
        yield Verdict(
            code=diagnosis.cause,
            sentence=diagnosis.sentence,
            reasons=(
                f"{secret.name} ({secret.level}) was last written {_ago(age)};"
                " a token made without --expires lives 7 days",
            ),
            advice=diagnosis.fix,
            match=match,
        )


def _renew(token: Token, evidence: Evidence) -> tuple[str, ...]:
    secret = evidence.secret.name if evidence.secret else next((u.secret for u in token.used_by if u.secret), None)
    where = f"secret {secret}" if secret else "the secret that the workflow reads"
    return (
        f"Create a new token to replace {token.name} (say how long it shall live: 7 days is the default).",
        f"Store it in {where}, then re-run the failed jobs.",
        "Better for good: move this workflow to trusted publishing, which needs no token.",
    )


def _granted(token: Token, package: str) -> bool:
    scope = package.partition("/")[0] if package.startswith("@") else None
    return "*" in token.packages or package in token.packages or (scope is not None and scope in token.scopes)


def _ago(age: timedelta) -> str:
    return f"{humanize.naturaldelta(age)} ago"
