"""Tries the explanations in order; the first that the facts bear out is the verdict. Pure.

The order is the one maintainers go by when npm answers 404 to a publish (proof of death, age of the secret, trusted
publishing, new name, package list), and within a family the order in which things have to be mended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot import policy
from bot.diagnosis.diagnosis import Alternative, Diagnosis
from bot.evidence import Evidence
from bot.matching import Candidate, Match, PublishAttempt, covers
from bot.verdict import absent_secrets, commands, registry, secrets, tokens, trust, trust_refused
from bot.verdict.case import OIDC, TRUSTED, Case
from bot.verdict.contradictions import contradictions
from bot.verdict.phrases import ago, day, file_name, named, span
from bot.verdict.replacing import renewal
from bot.verdict.verdict import LONGEST_SENTENCE, OF_A_SECRET, Verdict
from storage.tokens import Token

MOST_OBSTACLES = 3

_DEAD = frozenset({"token-rejected", "no-access", "install-auth"})
_RIGHTS = frozenset({"no-access", "insufficient-scope"})
_FACTOR = frozenset({"two-factor-required", "otp-required"})
_MISSING = frozenset({"token-missing"})
_SILENT_OIDC = frozenset({"oidc-failed", "token-missing", "no-access"})
_NO_SECRETS = frozenset({"token-missing", "github-auth", "oidc-permission-missing"})
_TRANSIENT = frozenset({"registry-outage", "network-error", "rate-limited", "version-exists", "already-staged"})
ABOUT_A_TOKEN = (
    _DEAD | _RIGHTS | _FACTOR | {"tokens-disallowed", "bypass-restricted", "stage-required", "ip-not-allowed"}
)
_PUBLISHED_ANYWAY = ABOUT_A_TOKEN - {"install-auth", "bypass-restricted"} | OIDC | _MISSING | _TRANSIENT | {"unknown"}


_OF_NPM_ALONE = re.compile(r"\bnpm (?:token|trust|stage|access|owner)\b|[Tt]rusted publish|2FA|one-time|7 days")


@dataclass(frozen=True, slots=True)
class _Explanation:
    """`causes`: what the log says where this can be behind it."""

    causes: frozenset[str]
    find: Callable[[Case], Verdict | None]


_ORDER = (
    _Explanation(_PUBLISHED_ANYWAY, registry.version_is_there),
    _Explanation(frozenset({"github-auth"}), registry.only_the_push_failed),
    _Explanation(_DEAD | _RIGHTS | _FACTOR | _MISSING | {"stage-required"}, secrets.renewed_since),
    # GitHub hands nothing over.
    _Explanation(_NO_SECRETS, absent_secrets.from_fork),
    _Explanation(_NO_SECRETS, absent_secrets.from_dependabot),
    _Explanation(_MISSING, absent_secrets.not_passed_on),
    # Trusted publishing, in the order in which it has to be mended.
    _Explanation(OIDC | _SILENT_OIDC, trust.new_name),
    _Explanation(_SILENT_OIDC | {"oidc-permission-missing"}, trust.id_token_missing),
    _Explanation(_SILENT_OIDC | {"oidc-cli-too-old", "token-rejected"}, trust.npm_too_old),
    _Explanation(_SILENT_OIDC | {"oidc-runner-unsupported"}, trust.self_hosted),
    _Explanation(frozenset({"direct-publish-denied"}), trust.direct_publish_denied),
    _Explanation(
        _SILENT_OIDC | {"oidc-publisher-mismatch", "direct-publish-denied"},
        trust.publisher_mismatch,
    ),
    _Explanation(_SILENT_OIDC | {"oidc-publisher-mismatch"}, trust_refused.publisher_missing),
    _Explanation(_SILENT_OIDC | {"oidc-publisher-mismatch"}, trust_refused.immutable_subject),
    _Explanation(_SILENT_OIDC | {"oidc-publisher-mismatch"}, trust_refused.refused),
    _Explanation(_DEAD - {"install-auth"}, trust.token_shadows_trust),
    # No credential came along.
    # Not for a refusal: an environment that an expression names has secrets nobody can look up.
    _Explanation(_MISSING, absent_secrets.absent),
    _Explanation(_MISSING, absent_secrets.unnamed),
    _Explanation(_MISSING, absent_secrets.not_received),
    # The credential was another one, or is recorded as dead.
    _Explanation(_DEAD, secrets.wrong_level),
    _Explanation(_DEAD | _RIGHTS | _FACTOR | {"stage-required"}, secrets.never_updated),
    _Explanation(_DEAD, tokens.classic),
    _Explanation(_DEAD, tokens.revoked),
    _Explanation(_DEAD, tokens.expired),
    _Explanation(_DEAD, tokens.all_ended),
    _Explanation(_RIGHTS | _FACTOR | {"stage-required"}, tokens.policy_date_passed),
    # What only points that way.
    _Explanation(_DEAD | _RIGHTS | _SILENT_OIDC, registry.registry_side),
    _Explanation(frozenset({"token-rejected"}), secrets.just_written),
    _Explanation(frozenset({"token-rejected"}), tokens.revoked_early),
    _Explanation(_RIGHTS | _FACTOR, tokens.read_only),
    _Explanation(_RIGHTS | {"stage-required"}, tokens.stage_only),
    _Explanation(_FACTOR, tokens.needs_bypass),
    _Explanation(frozenset({"tokens-disallowed", "otp-required"}), tokens.tokens_disallowed),
    _Explanation(frozenset({"two-factor-required"}), tokens.bypass_ignored),
    _Explanation(frozenset({"ip-not-allowed"}), tokens.wrong_address),
    _Explanation(_DEAD, secrets.old),
    _Explanation(frozenset({"no-access"}), registry.new_name),
    _Explanation(_RIGHTS, tokens.not_granted),
    _Explanation(frozenset({"insufficient-scope"}), tokens.lost_its_right),
    _Explanation(frozenset({"no-access"}), tokens.refused_for_this_one),
    _Explanation(_DEAD, secrets.stopped_working),
)

# Not where the same run published another package with the token that was refused.
_OF_A_DEAD_ONE = frozenset(
    {
        secrets.wrong_level,
        secrets.never_updated,
        secrets.just_written,
        secrets.old,
        secrets.stopped_working,
        tokens.classic,
        tokens.revoked,
        tokens.expired,
        tokens.all_ended,
        tokens.revoked_early,
    }
)

# What else would stop the publish once the verdict is mended, in the order in which it would.
_OF_A_TOKEN = (tokens.read_only, tokens.not_granted, tokens.stage_only, tokens.needs_bypass)
_OF_TRUST = (trust.id_token_missing, trust.npm_too_old, trust.self_hosted, trust.publisher_mismatch)
_OF_THE_NEXT_VERSION = (tokens.classic, tokens.revoked, tokens.expired)
_STOPPED_BY = {
    "version-exists": _OF_THE_NEXT_VERSION,
    "id-token-missing": _OF_TRUST,
    "npm-too-old": _OF_TRUST,
    "self-hosted-runner": _OF_TRUST,
    **dict.fromkeys(
        (
            "token-classic",
            "token-revoked",
            "token-expired",
            "token-revoked-early",
            "token-read-only",
            "token-not-granted",
            "token-needs-bypass",
            "secret-old",
            "new-name",
        ),
        _OF_A_TOKEN,
    ),
}


def judge(diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt, match: Match, now: datetime) -> Verdict:
    """The first explanation that the facts bear out, else what the log says by itself."""
    case = Case(diagnosis, evidence, attempt, match, now)
    ruled_out = _OF_A_DEAD_ONE if case.token_lives else frozenset()
    for explanation in _ORDER:
        if diagnosis.cause not in explanation.causes or explanation.find in ruled_out:
            continue
        if (found := explanation.find(case)) is not None:
            return _finished(case, _with_what_follows(case, found, explanation.causes))
    return _finished(case, _by_the_log_alone(case))


def _with_what_follows(case: Case, verdict: Verdict, explains: frozenset[str]) -> Verdict:
    new_one = secrets.should_hold(case) if verdict.code == "secret-never-updated" else None
    if new_one is not None:
        # Once it is stored, what it may not do is in the way.
        with_it = replace(case, match=Match(Candidate(new_one, 0, ())))
        next_ones = _obstacles(with_it, verdict, _OF_A_TOKEN)
    else:
        next_ones = _obstacles(case, verdict, _STOPPED_BY.get(verdict.code, ()))
    others = (other for other in case.diagnosis.also if other.cause not in explains and not _ruled_out(case, other))
    also = () if verdict.sure else tuple(others)
    return replace(verdict, then=next_ones, also=also)


def _obstacles(case: Case, verdict: Verdict, finders: Iterable[Callable[[Case], Verdict | None]]) -> tuple[str, ...]:
    if case.diagnosis.phase != "publish":
        return ()
    if verdict.code == "version-exists" and case.diagnosis.cause not in _DEAD:
        return ()  # what was not refused does not stop the next version either
    found = [other for find in finders if (other := find(case)) is not None and other.code != verdict.code]
    return tuple(dict.fromkeys(_fit(other.sentence) for other in found if other.sure))[:MOST_OBSTACLES]


def _by_the_log_alone(case: Case) -> Verdict:
    diagnosis = case.diagnosis
    return Verdict(
        code=diagnosis.cause,
        sentence=diagnosis.sentence,
        reasons=tuple(_looked_at(case)),
        advice=_advice(case),
        match=case.match if _concerns(diagnosis.cause, case.match) else Match(),
        also=tuple(other for other in diagnosis.also if not _ruled_out(case, other)),
    )


def _advice(case: Case) -> tuple[str, ...]:
    diagnosis = case.diagnosis
    if diagnosis.cause == "no-access" and case.npm:
        return tuple(_what_to_look_at(case))
    if case.npm and diagnosis.cause == "token-rejected" and diagnosis.phase == "publish" and not case.token_lives:
        return renewal(case, case.certain_token)
    filled = commands.filled(diagnosis.fix, case.package, case.attempt.repo, case.attempt.workflow)
    if diagnosis.registry != "other":
        return filled
    # npm publishes to any registry, but its commands for tokens and trust are for its own.
    fitting = tuple(step for step in filled if not _OF_NPM_ALONE.search(step))
    dead = diagnosis.cause in _DEAD - _RIGHTS
    return renewal(case, case.certain_token) if dead or not fitting else fitting


def _finished(case: Case, verdict: Verdict) -> Verdict:
    """With what contradicts itself in the record that the verdict goes by, and no longer than a card takes."""
    of_the_token = verdict.match.best is not None and verdict.match.best.token is case.certain_token
    contradicting = contradictions(case) if of_the_token else ()
    secret, shared = case.secret, None
    if secret is not None and secret.level == "organization" and verdict.code in OF_A_SECRET:
        shared = f"organization:{case.attempt.repo.partition('/')[0]}:{secret.name}".lower()
    also = verdict.also
    if case.diagnosis.registry == "other":
        also = tuple(
            replace(one, would_confirm="") if _OF_NPM_ALONE.search(one.would_confirm or "") else one for one in also
        )
    reasons = (*verdict.reasons, *contradicting)
    return replace(verdict, sentence=_fit(verdict.sentence), reasons=reasons, also=also, shared=shared)


def _fit(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[: LONGEST_SENTENCE - 1].rstrip() + "…"


def _concerns(cause: str, match: Match) -> bool:
    """Whether the matched record belongs on the card: a token nobody used must not stand beside an OIDC failure."""
    if match.best is None:
        return False
    trusted = match.best.token.kind == TRUSTED
    if cause in OIDC:
        return trusted and not match.guess
    if cause == "token-missing":
        return not trusted and not match.guess
    return cause in ABOUT_A_TOKEN and not trusted


def _ruled_out(case: Case, other: Alternative) -> bool:
    """What the log alone could not rule out and the rest of the evidence does."""
    token, job, secret = case.certain_token, case.job, case.secret
    if other.cause == "published" or (other.cause in ("token-rejected", "token-missing") and case.token_lives):
        return True  # what went out stands on the card, package by package
    if other.cause == "insufficient-scope" and token is not None:
        return all(covers(token, package) for package in case.evidence.packages) and bool(case.evidence.packages)
    if other.cause == "oidc-permission-missing" and job is not None and job.id_token:
        return True
    if other.cause == "token-missing" and case.worked_since_written is not None:
        return True
    if other.cause == "oidc-publisher-mismatch" and job is not None and job.called is None and not job.id_token:
        return True  # without an identity there was nothing to compare
    if other.cause.startswith("oidc-") and job is not None and case.diagnosis.cause not in OIDC:
        return not job.id_token and not case.trust_known
    if other.cause == "token-rejected" and case.diagnosis.cause == "no-access" and secret is not None:
        lives = policy.lives("npm", "granular")
        return bool(lives) and case.at - secret.updated_at < lives[0]
    return False


def _looked_at(case: Case) -> Iterable[str]:
    """What was looked at and decided nothing, where a person would look next."""
    cause = case.diagnosis.cause
    if cause == "bypass-restricted":
        rules = (rule for rule in policy.rules() if rule.effect == "no-management" and rule.at <= case.now)
        yield from (f"since {day(rule.at)}: {rule.says}" for rule in rules)
        return
    if cause not in ABOUT_A_TOKEN | OIDC | _MISSING | {"unknown"}:
        return
    if case.secret is not None and cause not in OIDC:
        yield f"{case.secret_fact}{_young(case)}"
    token = case.certain_token
    if token is not None and cause not in OIDC:
        yield f"by its record {named(token.name)} {_end_of(token, case)}"
    published = case.evidence.published
    if published is not None and published.exists and published.newest is not None:
        newest = published.newest
        how = {"oidc": " by a trusted publisher", "token": " with a token", None: ""}[newest.by]
        when = f" {ago(newest.published_at, case.now)}" if newest.published_at else ""
        yield f"{named(published.name)} exists: {named(newest.version)} was published{how}{when}"
    elif published is not None and published.exists:
        yield f"{named(published.name)} exists on the registry"
    good = case.evidence.last_good
    if good is not None and good.published:
        yield f"this workflow last published {ago(good.completed_at, case.now)}"
    if case.job is not None and cause == "unknown":
        yield f"{file_name(case.attempt.workflow)} was read and shows nothing wrong"


def _what_to_look_at(case: Case) -> Iterable[str]:
    """Where npm says 404 and nothing explains it: only what is not known yet, the likeliest first."""
    if case.secret is None and not case.tokenless:
        yield "Check when the secret was last written: a write token lives 7 days by default and 90 at most."
    if not case.tokenless:
        yield (
            "See whether the token is still in `npm token list` of its owner, and whether the owner may write:"
            f" `{commands.collaborators(case.package)}`."
        )
    token = case.certain_token
    if not case.tokenless and (token is None or covers(token, case.package or "") is not True):
        yield f"See whether the token's package list names {case.package_name}, or its whole scope."
    if case.job is None or case.job.id_token or case.trust_known:
        yield (
            "With trusted publishing, compare owner, repository, workflow file name and environment with"
            f" `npm trust list {commands.package_word(case.package)}`; `npm_config_loglevel: verbose` on the publish"
            " step shows the reason."
        )
    if case.evidence.published is None:
        yield "If the package is new, publish its first version with a token: trusted publishing cannot create a name."


def _end_of(token: Token, case: Case) -> str:
    end = policy.ends_at(token)
    if end is None:
        return "has no end"
    if end > case.now:
        return f"lives until {day(end)}"
    return f"ended on {day(end)}" + (", after this run had failed" if end > case.at else "")


def _young(case: Case) -> str:
    secret, lives = case.secret, policy.lives("npm", "granular")
    if secret is None or not lives or not case.npm:
        return ""
    age = case.at - secret.updated_at
    if age < lives[0]:
        return ": too young to have ended by itself, unless it was made for less than a week"
    return f": tokens live {span(lives[0])} when nobody chooses" if age < lives[-1] else ""
