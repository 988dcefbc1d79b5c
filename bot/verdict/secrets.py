"""Explanations that the secret gives: renewed since, too old, never updated, rotated at another level. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import policy
from bot.evidence import SecretAge
from bot.matching import Candidate, Match, holds
from bot.verdict import commands
from bot.verdict.case import TRUSTED, Case
from bot.verdict.phrases import LEVELS, ago, day, named, place, span
from bot.verdict.replacing import renewal
from bot.verdict.verdict import Verdict
from storage.tokens import Token

# So new that its first use failed: what was stored is more likely wrong than dead.
JUST_WRITTEN = timedelta(days=1)


def renewed_since(case: Case) -> Verdict | None:
    """What failed is not what the secret holds now. Both times are GitHub's."""
    secret, failed = case.secret, case.attempt.failed_at
    if secret is None or failed is None:
        return None
    if secret.updated_at - failed <= timedelta(minutes=1):
        return _written_meanwhile(case, secret)
    name = named(secret.name)
    return Verdict(
        code="secret-renewed-since",
        sentence=f"{name} was written {ago(secret.updated_at, case.now)}, after this run failed: run it again.",
        reasons=(case.secret_fact, f"the run was over {ago(failed, case.now)}"),
        advice=("Re-run the failed jobs: they read what the secret holds now.",),
        sure=True,
    )


def _written_meanwhile(case: Case, secret: SecretAge) -> Verdict | None:
    """GitHub hands a secret out as it is when the run is queued: this one had the value of before."""
    started = case.attempt.started_at
    if started is None or secret.updated_at <= started:
        return None
    return Verdict(
        code="secret-renewed-since",
        sentence=f"{named(secret.name)} was written {ago(secret.updated_at, case.now)}, while this run was under way,"
        " which had the value of before: run it again.",
        reasons=(case.secret_fact, f"the run had begun at {started:%H:%M} UTC, and GitHub hands out secrets then"),
        advice=("Re-run the failed jobs: they read what the secret holds now.",),
        sure=True,
    )


def wrong_level(case: Case) -> Verdict | None:
    """Somebody renewed a secret that this job does not read."""
    read = case.secret
    newer = [other for other in case.hidden_secrets if read and other.updated_at - read.updated_at > timedelta(hours=1)]
    if read is None or not newer or _worked_with_what_is_read(case, newer[0].updated_at):
        return None
    other, repo, name = newer[0], case.attempt.repo, named(read.name)
    return Verdict(
        code="wrong-level-rotated",
        sentence=f"The {LEVELS.get(other.level, other.level)} secret {name} was renewed"
        f" {ago(other.updated_at, case.now)}, but the job reads the {LEVELS.get(read.level, read.level)} secret of that"
        f" name, last written {ago(read.updated_at, case.now)}.",
        reasons=(
            f"GitHub reads an environment's secret before the repository's, and that before the organisation's:"
            f" {case.secret_fact}",
            f"{name} ({place(repo, other.level, other.environment)}) was written on {day(other.updated_at)}",
        ),
        advice=(
            f"Delete the older one, so that the renewed one is read: `{commands.delete_secret(read, repo)}`.",
            "Or store the new token there as well:"
            f" `{commands.store_secret(read.name, repo, read.level, read.environment)}`.",
            "Then re-run the failed jobs.",
        ),
        match=case.match if case.certain_token else Match(),
    )


def should_hold(case: Case) -> Token | None:
    """The token on record for the secret that is too new to be in it."""
    secret = case.secret
    if secret is None:
        return None
    newer = [token for token in _kept_there(case) if holds(secret, token) is False and _alive(token, case.at)]
    return max(newer, key=lambda token: (token.created_at or case.now, token.name), default=None)


def never_updated(case: Case) -> Verdict | None:
    """The secret is older than the token it should hold, so it holds another one."""
    secret, should = case.secret, should_hold(case)
    if secret is None or should is None:
        return None
    made = should.created_at or case.now
    name = named(secret.name)
    store = commands.store_secret(secret.name, case.attempt.repo, secret.level, secret.environment)
    older = case.certain_token
    held = older is not None and older.id != should.id and holds(secret, older) is not False
    reasons = [case.secret_fact, f"{named(should.name)} was created on {day(made)}"]
    if older is not None and held:
        reasons.append(_fate(older, case.now))
    return Verdict(
        code="secret-never-updated",
        sentence=f"Secret {name} does not hold token {named(should.name)}: it was last written"
        f" {span(made - secret.updated_at)} before that token was created.",
        reasons=tuple(reason for reason in reasons if reason),
        advice=(
            f"Store {named(should.name)} in the secret: `{store}`, then re-run the failed jobs.",
            "If its value was not kept, nobody can read it again: create another one and store that.",
        ),
        match=case.match if held else _it_should_be(should, name),
        sure=True,
    )


def just_written(case: Case) -> Verdict | None:
    """The first publish since the secret was written, and what it holds is refused as no token at all."""
    secret = case.secret
    if secret is None or not timedelta(0) <= case.at - secret.updated_at < JUST_WRITTEN:
        return None
    if case.worked_since_written is not None:
        return None
    name = named(secret.name)
    return Verdict(
        code="secret-wrong-value",
        sentence=f"{name} was written {ago(secret.updated_at, case.now)}, and what it holds was refused: probably a"
        " wrong or cut-off value.",
        reasons=(case.secret_fact, "the registry refused it as no valid token"),
        advice=(
            "Store the token again, without blanks or a line break:"
            f" `{commands.store_secret(secret.name, case.attempt.repo, secret.level, secret.environment)}`, then re-run"
            " the failed jobs.",
            "If it is refused again, create another one: a token that was pasted somewhere public is revoked within"
            " minutes.",
        ),
        match=case.match,
    )


def old(case: Case) -> Verdict | None:
    """As old as npm's tokens get. The last good run says which of the usual lives it can have been."""
    secret = case.secret
    published = case.evidence.published
    if secret is None or not case.npm:
        return None
    lives = policy.lives("npm", "granular")
    age, worked = case.at - secret.updated_at, case.worked_since_written
    over = [life for life in lives if life <= age and (worked is None or worked < life)]
    if not lives or not over:
        return None
    longest = over[-1] == lives[-1]
    if not longest and worked is None:
        return None  # it may have any end that somebody chose
    new = published is not None and not published.exists and not case.private and not case.known_ones_failed_too
    if not longest and new and case.diagnosis.cause == "no-access":
        return None  # that the name is new explains it as well
    name, reading = named(secret.name), case.diagnosis.phase == "install"
    if longest and reading:
        why = f"{lives[-1].days} days is the longest that npm tokens which may also write live"
    elif longest:
        why = f"npm tokens that may publish live {lives[-1].days} days at most"
    else:
        said = "tokens live {} days when nobody chooses" if over[-1] == lives[0] else "{} days is a life often chosen"
        why = said.format(over[-1].days)
    reasons = [case.secret_fact]
    if worked is not None:
        reasons.append(
            f"it still worked when it was {span(worked)} old, and the secret is unchanged since: it ended in between"
        )
    if new and published is not None:
        reasons.append(
            f"besides, {named(published.name)} has never been published in public: only a token for its whole scope, or"
            " for all packages, can create it"
        )
    return Verdict(
        code="secret-old",
        sentence=f"The token in {name} has probably expired: the secret was last written"
        f" {ago(secret.updated_at, case.now)}, and {why}.",
        reasons=tuple(reasons),
        advice=renewal(case, case.certain_token),
        match=case.match,
    )


def stopped_working(case: Case) -> Verdict | None:
    """Nothing else explains it, but it worked with the same value not long ago."""
    secret, good = case.secret, case.good_with_secret
    if secret is None or good is None or case.worked_since_written is None:
        return None
    name, when = named(secret.name), ago(good.completed_at, case.now)
    if case.diagnosis.cause == "token-rejected":
        sentence = f"The token in {name} published {when} and is dead now, though the secret is unchanged since."
    else:
        sentence = f"What {name} holds published {when} and is refused now, though the secret is unchanged since."
    return Verdict(
        code="token-stopped-working",
        sentence=sentence,
        reasons=(
            case.secret_fact,
            f"the last good publish was on {day(good.completed_at)}"
            + (f" ({named(good.version)})" if good.version else ""),
        ),
        advice=(
            "Look whether the token is still in `npm token list`, and whether its owner may still write:"
            f" `{commands.collaborators(case.package)}`."
            if case.npm
            else "Look on the registry whether the token still exists, and whether its owner may still write.",
            *renewal(case, case.certain_token),
        ),
        match=case.match,
    )


def _it_should_be(token: Token, secret: str) -> Match:
    return Match(Candidate(token, 0, (f"on record for secret {secret}, which cannot hold it yet",)))


def _worked_with_what_is_read(case: Case, since: datetime) -> bool:
    """Whether the older secret still worked after the other one was renewed: then it is not why."""
    good = case.good_with_secret
    return good is not None and good.completed_at > since


def _kept_there(case: Case) -> list[Token]:
    """Tokens on record for just this secret of this repository, or of its organisation."""
    secret, repo = case.secret, case.attempt.repo.lower()
    owner = repo.partition("/")[0]
    if secret is None:
        return []
    return [
        token
        for token in case.evidence.tokens
        if token.registry == (case.diagnosis.registry or "npm") and token.kind != TRUSTED
        for use in token.used_by
        if (use.secret or "").upper() == secret.name.upper()
        and use.level == secret.level
        and (use.repo.lower() == repo or (use.level == "organization" and use.repo.lower().partition("/")[0] == owner))
        and (use.environment is None or use.environment == secret.environment)
    ]


def _alive(token: Token, at: datetime) -> bool:
    end = policy.ends_at(token)
    return (end is None or end > at) and (token.created_at is None or token.created_at <= at)


def _fate(token: Token, now: datetime) -> str:
    end = policy.ends_at(token)
    if end is None or end > now:
        return f"it most likely still holds {named(token.name)}"
    verb = "was revoked" if token.revoked_at == end else "ended"
    return f"it most likely still holds {named(token.name)}, which {verb} {ago(end, now)}"
