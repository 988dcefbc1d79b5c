"""Explanations that the record of the matched token gives: when it ended and what it may not do. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot import policy
from bot.matching import Match, covers
from bot.verdict import commands
from bot.verdict.case import Case
from bot.verdict.phrases import ago, day, listed, named, span
from bot.verdict.replacing import create, renewal, store, trust_instead
from bot.verdict.verdict import Verdict
from storage.tokens import Token

MOST_GRANTED = 5


def revoked(case: Case) -> Verdict | None:
    token = case.token
    if token is None or token.revoked_at is None:
        return None
    if token.revoked_at > case.at:
        return _gone(case, token)
    return _dead(
        case,
        "token-revoked",
        f"Token {_who(case, token)} was revoked {ago(token.revoked_at, case.now)}.",
        f"its record says revoked on {day(token.revoked_at)}",
    )


def _gone(case: Case, token: Token) -> Verdict | None:
    """Marked as revoked when it was found missing from npm's list: it went some time since the list before."""
    if token.revoked_at is None or token.listed_at is None or not token.listed_at <= case.at:
        return None
    sentence = f"Token {_who(case, token)} is gone from npm's list: probably revoked before this run."
    said = f"the list of {day(token.listed_at)} still had it, and that of {day(token.revoked_at)} does not"
    return _dead(case, "token-revoked", sentence, said, sure=False)


def expired(case: Case) -> Verdict | None:
    """By its recorded or computed end, or by the longest life that the registry's rules leave room for."""
    token = case.token
    if token is None:
        return None
    who = _who(case, token)
    ended = token.expires_at
    worked = case.good_with_secret if case.worked_since_written is not None else None
    outlived = worked is not None and ended is not None and worked.completed_at - ended > timedelta(hours=1)
    if outlived and token.expires_computed:
        return None  # somebody chose another end
    if ended is not None and ended <= case.at:
        after = ago(ended, case.now)
        said = f"its end was {ended:%Y-%m-%d %H:%M} UTC"
        if token.expires_computed:
            said += ", computed from its kind and creation date"
            return _dead(case, "token-expired", f"Token {who} probably expired {after}.", said, sure=False)
        if outlived and worked is not None:
            sentence = f"Token {who} has probably expired: its recorded end was {after}."
            reason = f"{said}, as recorded, though this workflow published with it {ago(worked.completed_at, case.now)}"
            return _dead(case, "token-expired", sentence, reason, sure=False)
        if token.last_used_at is not None and token.last_used_at > ended:
            # It lived on: then the recorded end is not the true one, and nobody knows the true one.
            sentence = f"Token {who} has probably expired: its recorded end was {after}."
            return _dead(case, "token-expired", sentence, f"{said}, as recorded", sure=False)
        return _dead(case, "token-expired", f"Token {who} expired {after}.", f"{said}, as recorded")
    latest = policy.latest_end(token)
    if latest is not None and latest <= case.at:
        sentence = f"Token {who} has probably expired: the registry lets no such token live past {day(latest)}."
        said = f"its record says it ends on {day(ended)}" if ended else "its record has no end"
        return _dead(case, "token-expired", sentence, said, sure=False)
    return None


def all_ended(case: Case) -> Verdict | None:
    """Several tokens fit alike, and whichever it was has ended."""
    if not case.match.ties or case.match.best is None:
        return None
    likely = [candidate.token for candidate in (case.match.best, *case.match.ties)]
    ends = [end for token in likely if (end := policy.ends_at(token)) is not None and end <= case.at]
    if len(ends) < len(likely):
        return None
    return Verdict(
        code="token-expired",
        sentence=f"Every token on record for this workflow has ended: {listed(token.name for token in likely)}.",
        reasons=tuple(f"{named(token.name)} ended on {day(end)}" for token, end in zip(likely, ends, strict=True)),
        advice=renewal(case, None),
        match=case.match,
    )


def classic(case: Case) -> Verdict | None:
    """A kind of token that the registry has ended altogether."""
    token = case.token
    rules = policy.rules_for(token) if token else ()
    dead = next((rule for rule in rules if rule.effect == "dies" and rule.at <= case.at), None)
    if token is None or dead is None:
        return None
    kind = "a classic token" if token.kind in ("classic", "automation") else f"of kind {named(token.kind)}"
    found = _dead(
        case,
        "token-classic",
        f"Token {_who(case, token)} is {kind}, and those ended on {day(dead.at)}.",
        dead.says,
    )
    return replace(found, docs=dead.link)


def policy_date_passed(case: Case) -> Verdict | None:
    """A dated rule took the token's right to publish while it lives on."""
    token = case.certain_token
    stop = policy.loses_publishing(token) if token else None
    if token is None or stop is None or stop.rule is None or stop.at > case.at or not _publishes_directly(case):
        return None
    proven = case.diagnosis.cause == "stage-required" or not stop.rule.target
    return Verdict(
        code="policy-date-passed",
        sentence=f"Token {named(token.name)} may {'' if proven else 'probably '}no longer publish directly. "
        f"{stop.rule.says}",
        reasons=("its record says that it bypasses 2FA",) if token.bypass_2fa else (),
        advice=(
            "Move this workflow to trusted publishing, which needs no token:"
            f" `{commands.trust(case.package, case.attempt.repo, case.attempt.workflow, case.attempt.environment)}`.",
            "Or publish with `npm stage publish` and let a maintainer approve the version.",
            "A new token of the same kind would be refused as well.",
        ),
        match=case.match,
        sure=proven,
        docs=stop.rule.link,
    )


def revoked_early(case: Case) -> Verdict | None:
    """The log proves that the credential is dead, and the record of the one that was used says it should live."""
    token = case.certain_token
    if token is None or token.expires_at is None or token.expires_computed or token.expires_at <= case.at:
        return None
    if policy.beyond_rules(token):
        return None  # its recorded end is not to be trusted
    reasons = [f"its record says it ends on {day(token.expires_at)}"]
    worked = case.good_with_secret if case.worked_since_written is not None else None
    if worked is not None:
        reasons.append(f"it worked {ago(worked.completed_at, case.now)}, and the secret is unchanged since")
    else:
        reasons.append("unless the secret holds another token, or a cut-off value")
    leaked = "npm revokes tokens that it finds in public, and mails their owner. " if case.npm else ""
    return Verdict(
        code="token-revoked-early",
        sentence=f"Token {named(token.name)} was refused {span(token.expires_at - case.at)} before its recorded end:"
        " probably revoked early.",
        reasons=tuple(reasons),
        advice=(
            f"Find out why before you replace it: {leaked}Is it still in `npm token list`?"
            if case.npm
            else "Find out why before you replace it: is it still on the registry's own list?",
            *renewal(case, token),
        ),
        match=case.match,
    )


def read_only(case: Case) -> Verdict | None:
    token = case.certain_token
    if token is None or token.permission not in ("read-only", "no-access") or case.diagnosis.phase != "publish":
        return None
    what = "it is read-only" if token.permission == "read-only" else "it has no access to packages"
    return Verdict(
        code="token-read-only",
        sentence=f"Token {named(token.name)} cannot publish: {what}.",
        reasons=(f"its record says {token.permission}",),
        advice=(
            create(case, token, "Create a token that may write"),
            store(case, token),
            _correct_record(token),
        ),
        match=case.match,
        sure=True,
    )


def not_granted(case: Case) -> Verdict | None:
    token = case.certain_token
    if token is None or case.diagnosis.phase != "publish":
        return None
    missing = [package for package in case.evidence.packages if covers(token, package) is False]
    if not missing:
        return _organisations_alone(case, token)
    granted = listed((*token.packages, *token.scopes)[:MOST_GRANTED])
    more = "" if len(missing) == 1 else f" and {len(missing) - 1} more"
    return Verdict(
        code="token-not-granted",
        sentence=f"Token {named(token.name)} may not publish {named(missing[0])}{more}.",
        reasons=(f"its record lists {granted} and no more",),
        advice=(
            create(case, token, f"Create a token whose list includes {named(missing[0])}"),
            store(case, token),
            _correct_record(token),
        ),
        match=case.match,
        sure=True,
    )


def _organisations_alone(case: Case, token: Token) -> Verdict | None:
    """npm: the organisation permission of a token gives no right to publish (about access tokens)."""
    if not token.orgs or token.packages or token.scopes or not case.npm:
        return None
    return Verdict(
        code="token-not-granted",
        sentence=f"Token {named(token.name)} probably may not publish {case.package_name}: its record names"
        " organisations alone, and on npm that gives no right to publish packages.",
        reasons=(f"its record lists {listed(token.orgs)}, no package and no scope",),
        advice=(create(case, token, "Create a token that lists it"), store(case, token), _correct_record(token)),
        match=case.match,
    )


def stage_only(case: Case) -> Verdict | None:
    token = case.certain_token
    if token is None or token.permission != "read-write-stage-only" or not _publishes_directly(case):
        return None
    return Verdict(
        code="token-stage-only",
        sentence=f"Token {named(token.name)} may only stage versions, and this run published directly.",
        reasons=("its record says read-write-stage-only",),
        advice=(
            "Publish with `npm stage publish`; a maintainer then approves the version with a second factor"
            f" (`{commands.stage(case.package)}`, `npm stage approve ID`).",
            "Or move this workflow to trusted publishing that may publish directly:"
            f" `{commands.trust(case.package, case.attempt.repo, case.attempt.workflow, case.attempt.environment)}`.",
        ),
        match=case.match,
        sure=True,
    )


def needs_bypass(case: Case) -> Verdict | None:
    token = case.certain_token
    if token is None or token.bypass_2fa is not False or not case.npm or token.kind != "granular":
        return None
    if case.diagnosis.phase != "publish" or not _publishes_directly(case):
        return None
    return Verdict(
        code="token-needs-bypass",
        sentence=f"Token {named(token.name)} cannot publish unattended: it was made without 2FA bypass.",
        reasons=("its record says that it does not bypass 2FA, and a pipeline cannot type a one-time password",),
        advice=(
            create(case, token, "Create another token"),
            store(case, token),
            trust_instead(case),
        ),
        match=case.match,
        sure=True,
    )


def tokens_disallowed(case: Case) -> Verdict | None:
    """The package's setting forbids tokens: said by the registry, or the only way to read its answer."""
    said = case.diagnosis.cause == "tokens-disallowed"
    token = case.certain_token
    if not case.npm or (not said and (token is None or token.bypass_2fa is not True)):
        return None
    attempt = case.attempt
    probably = "forbids" if said else "probably forbids"
    reasons = ("the registry said so",)
    if not said and token is not None:
        reasons = (f"{named(token.name)} bypasses 2FA by its record, and the registry asked for a second factor still",)
    return Verdict(
        code="tokens-disallowed",
        sentence=f"{case.package_name} {probably} publishing with tokens: a new token will not help.",
        reasons=reasons,
        advice=(
            "Publish it by trusted publishing:"
            f" `{commands.trust(case.package, attempt.repo, attempt.workflow, attempt.environment)}`,"
            " and give the job `id-token: write`.",
            f"Or let an owner allow tokens that bypass 2FA again: `{commands.allow_automation(case.package)}`.",
            *(() if said else ("If the package allows tokens, the secret holds another one than its record says.",)),
        ),
        match=Match() if case.match.guess else case.match,  # what the registry says of the package is no guess
        sure=said,
    )


def bypass_ignored(case: Case) -> Verdict | None:
    """By its record the token bypasses 2FA, and the registry wants it still (npm/cli#9268, #8869)."""
    token = case.certain_token
    if token is None or token.bypass_2fa is not True or not case.npm:
        return None
    return Verdict(
        code="two-factor-required",
        sentence=f"The registry asks for 2FA, though token {named(token.name)} bypasses it by its record.",
        reasons=("its record says that it bypasses 2FA", *((case.secret_fact,) if case.secret else ())),
        advice=(
            "See on the token's page whether `Bypass 2FA` is really ticked, and whether its owner's account has 2FA"
            " on.",
            create(
                case, token, "If both are so, the secret holds another token: store this one again, or create another"
            ),
            trust_instead(case),
        ),
        match=case.match,
    )


def wrong_address(case: Case) -> Verdict | None:
    token = case.certain_token
    if token is None or not token.cidr:
        return None
    hosted = case.job is not None and not any("self-hosted" in label.lower() for label in case.attempt.runners)
    return Verdict(
        code="ip-not-allowed",
        sentence=f"Token {named(token.name)} only works from {listed(token.cidr)}, and the runner has another address.",
        reasons=("its record lists these addresses",),
        advice=(
            "Run the publishing job on a runner with one of these addresses."
            + (" GitHub's hosted runners have no fixed ones." if hosted else ""),
            create(case, token, "Or replace the token by one without an address list"),
            store(case, token),
        ),
        match=case.match,
        sure=True,
    )


def lost_its_right(case: Case) -> Verdict | None:
    """Alive, and by its record it may: then the record is out of date or its owner lost the right."""
    token = case.certain_token
    if token is None or token.permission not in (None, "read-write") or not case.npm:
        return None
    if not case.evidence.packages or not all(covers(token, package) for package in case.evidence.packages):
        return None
    account = f" {named(token.account)}" if token.account else ""
    return Verdict(
        code="insufficient-scope",
        sentence=f"Token {named(token.name)} was not allowed to publish {case.package_name}, though its record grants"
        " it.",
        reasons=(
            "a token never may more than its owner: one who left the organisation or a team loses the right without"
            " a word",
        ),
        advice=(
            f"See whether the token's owner{account} may write: `{commands.collaborators(case.package)}`.",
            create(case, token, "If not, give the right back, or let somebody who has it make the token"),
            store(case, token),
        ),
        match=case.match,
    )


def refused_for_this_one(case: Case) -> Verdict | None:
    """Another package went out with it in the same run: so it is alive, whatever its record says."""
    lives, token = case.token_lives, case.certain_token
    if lives is None or not case.npm:
        return None
    end = policy.ends_at(token) if token else None
    wrong = end is not None and end <= case.at
    granted = token is not None and covers(token, case.package or "") is True
    return Verdict(
        code="insufficient-scope",
        sentence=f"The token is alive, for it published {named(lives)} in the same run, but may not publish"
        f" {case.package_name}.",
        reasons=(
            f"the log shows {named(lives)} going out",
            *(
                (
                    f"the record of {named(token.name)} says it ended on {day(end)}: it is wrong, or the secret holds"
                    " another one",
                )
                if token and end and wrong
                else ()
            ),
        ),
        advice=(
            f"See whether the token's owner may write to it: `{commands.collaborators(case.package)}`.",
            *(
                ()
                if granted
                else (f"See whether the token's package list names {case.package_name}, or its whole scope.",)
            ),
            trust_instead(case),
        ),
        match=case.match,
    )


def _dead(case: Case, code: str, sentence: str, reason: str, *, sure: bool = True) -> Verdict:
    token = case.token
    certain = sure and not case.match.guess
    reasons = (reason, *((case.secret_fact,) if case.secret and not certain else ()))
    return Verdict(code, sentence, reasons, renewal(case, token), case.match, sure=certain)


def _who(case: Case, token: Token) -> str:
    return f"{named(token.name)}, which this run may have used," if case.match.guess else named(token.name)


def _publishes_directly(case: Case) -> bool:
    """Without a workflow file to read, a log that shows no staging is a direct publish."""
    job = case.job
    if case.diagnosis.cause == "stage-required":
        return True
    return case.diagnosis.outcome != "staged" and not (job is not None and job.stages and not job.publishes)


def _correct_record(token: Token) -> str:
    return f"If that is not so, correct its record: `/tokens edit {named(token.name)}`."
