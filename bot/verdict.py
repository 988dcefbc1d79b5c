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
from bot.matching import Candidate, Match, PublishAttempt, covers
from storage.tokens import Token, Use

# Causes behind which a dead, wrong or powerless token can stand.
SUSPECT = frozenset({"token-rejected", "no-access", "insufficient-scope", "install-auth", "two-factor-required"})
ABOUT_A_TOKEN = SUSPECT | {"otp-required", "tokens-disallowed", "bypass-restricted", "stage-required", "ip-not-allowed"}
OIDC = frozenset(
    {
        "oidc-permission-missing",
        "oidc-publisher-mismatch",
        "oidc-cli-too-old",
        "oidc-runner-unsupported",
        "oidc-failed",
        "direct-publish-denied",
    }
)
DEAD_TOKEN = frozenset({"token-expired", "token-revoked", "token-classic", "token-rejected"})
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
        """The stored token that is dead, when the verdict says that of one: it fails alike wherever it is used."""
        certain = self.match.best is not None and not self.match.guess and not self.match.ties
        return self.match.best.token if self.match.best and certain and self.code in DEAD_TOKEN else None


def judge(diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt, match: Match, now: datetime) -> Verdict:
    """The first explanation that the facts bear out, else what the log says by itself."""
    if diagnosis.cause in ("oidc-publisher-mismatch", "no-access"):
        for verdict in _publisher_mismatch(diagnosis, evidence, attempt):
            return verdict
    if diagnosis.cause in SUSPECT:
        for verdict in _explanations(diagnosis, evidence, match, now):
            return verdict
    return Verdict(
        code=diagnosis.cause,
        sentence=diagnosis.sentence,
        advice=diagnosis.fix,
        match=match if _concerns(diagnosis.cause, match) else Match(),
    )


def _concerns(cause: str, match: Match) -> bool:
    """Whether the matched record belongs on the card: a token nobody used must not stand beside an OIDC failure."""
    if match.best is None:
        return False
    trusted = match.best.token.kind == "trusted-publisher"
    if cause in OIDC:
        return trusted and not match.guess
    if cause == "token-missing":
        return not trusted and not match.guess
    return cause in ABOUT_A_TOKEN and not trusted


def _publisher_mismatch(diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt) -> Iterator[Verdict]:
    """A stored trusted publisher of this package that names another repository, workflow file or environment."""
    trusted = [
        (token, use)
        for token in evidence.tokens
        if token.kind == "trusted-publisher" and not token.revoked_at and set(token.packages) & set(evidence.packages)
        for use in token.used_by
    ]
    differences = [(token, _differences(use, attempt)) for token, use in trusted]
    if not differences or any(not found for _, found in differences):
        return  # none is known, or one fits: then this is not the reason
    token, found = min(differences, key=lambda pair: len(pair[1]))
    if diagnosis.cause == "no-access" and attempt.secrets:
        return  # a token was used, so trust had no part in it
    what, recorded, actual = found[0]
    yield Verdict(
        code="publisher-mismatch",
        sentence=f"The trusted publisher of {evidence.packages[0]} names {recorded}, but the run came from {actual}.",
        reasons=tuple(f"{what}: {recorded} on record, {actual} in this run" for what, recorded, actual in found),
        advice=(
            f"Add a trusted publisher for {actual} on the registry, or give the {what} its old name back:"
            " upper and lower case and the extension matter.",
            *diagnosis.fix[1:2],
        ),
        match=Match(Candidate(token, 0, (f"{token.name} is its trusted publisher on record",))),
    )


def _differences(use: Use, attempt: PublishAttempt) -> list[tuple[str, str, str]]:
    """(what, as recorded, in this run) for each part that npm compares and that differs."""
    found = []
    if use.repo.lower() != attempt.repo.lower():
        found.append(("repository", use.repo, attempt.repo))
    recorded, actual = ((name or "").rpartition("/")[2] for name in (use.workflow, attempt.workflow))
    if recorded and actual.endswith((".yml", ".yaml")) and recorded != actual:
        found.append(("workflow file", recorded, actual))
    if use.environment and attempt.environment and use.environment != attempt.environment:
        found.append(("environment", f"environment {use.environment}", f"environment {attempt.environment}"))
    return found


def _explanations(diagnosis: Diagnosis, evidence: Evidence, match: Match, now: datetime) -> Iterator[Verdict]:
    yield from _already_there(diagnosis, evidence)
    if match.best and not match.ties and match.best.token.kind != "trusted-publisher":
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
    name = f"{token.name}, which this run may have used," if match.guess else token.name
    renew = _renew(token, evidence)
    if diagnosis.cause in _DEAD:
        if token.revoked_at and token.revoked_at <= now:
            yield Verdict(
                "token-revoked",
                f"Token {name} was revoked {_ago(now - token.revoked_at)}.",
                (f"its record says revoked on {token.revoked_at:%Y-%m-%d}",),
                renew,
                match,
            )
        if token.expires_at and token.expires_at <= now:
            known = "computed from its kind and creation date" if token.expires_computed else "as recorded"
            probably = "probably " if token.expires_computed else ""
            yield Verdict(
                "token-expired",
                f"Token {name} {probably}expired {_ago(now - token.expires_at)}.",
                (f"its end was {token.expires_at:%Y-%m-%d %H:%M} UTC, {known}",),
                renew,
                match,
            )
        if token.registry == "npm" and token.kind in _CLASSIC:
            yield Verdict(
                "token-classic",
                f"Token {name} is a classic token, and npm ended those on 2025-12-09.",
                ("npm revoked every classic token on 2025-12-09",),
                renew,
                match,
            )
    if diagnosis.phase != "publish" or match.guess:
        return  # what a token may not do explains nothing until it is sure that it was used
    if token.permission == "read-only":
        yield Verdict(
            "token-read-only",
            f"Token {token.name} cannot publish: it is read-only.",
            ("its record says read-only",),
            ("Store a token with write access in the secret that this workflow reads.", *renew[1:]),
            match,
        )
    not_granted = [package for package in evidence.packages if covers(token, package) is False]
    if not_granted:
        granted = ", ".join((*token.packages, *token.scopes)[:5])
        yield Verdict(
            "token-not-granted",
            f"Token {token.name} may not publish {not_granted[0]}.",
            (f"its record lists {granted} and no more",),
            (
                f"Create a token whose packages or scopes include {not_granted[0]}.",
                *renew[1:2],
                "If it may by now, correct its record with `/tokens edit`.",
            ),
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
    create = f"Create a new token to replace {token.name}"
    if token.registry != "npm":
        return (f"{create}.", f"Store it in {where}, then re-run the failed jobs.")
    return (
        f"{create}: `npm token create` with `--expires=90`; left out, it lives 7 days."
        " Start rotation has the whole command.",
        f"Store it in {where}, then re-run the failed jobs.",
        "Better for good: move this workflow to trusted publishing, which needs no token.",
    )


def _ago(age: timedelta) -> str:
    return f"{humanize.naturaldelta(age)} ago"
