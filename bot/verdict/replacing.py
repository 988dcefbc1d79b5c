"""The steps that replace a credential, with the commands for this very one. Pure."""

from __future__ import annotations

from bot import policy
from bot.verdict import commands
from bot.verdict.case import TRUSTED, Case
from bot.verdict.phrases import named
from storage.tokens import Token


def renewal(case: Case, token: Token | None) -> tuple[str, ...]:
    """Steps that replace a dead token, in the order that never leaves a release without one."""
    if not case.npm:
        what = f"to replace {named(token.name)}" if token else "on the registry's own page"
        return (f"Create a new token {what}.", store(case, token))
    return (
        create(case, token, f"Create a new token to replace {named(token.name)}" if token else "Create a new token"),
        store(case, token),
        *((trust_instead(case),) if case.diagnosis.phase == "publish" else ()),
    )


def create(case: Case, token: Token | None, what: str) -> str:
    if not case.npm:
        return f"{what}."
    # A token that installs may be the one that publishes as well: only its record tells.
    reads = case.diagnosis.phase == "install" and (token is None or token.permission == "read-only")
    job, secret = case.job, case.secret
    if reads and token is None and job is not None and secret is not None and secret.name in job.secrets:
        # The publishing step reads the same secret, and may have nothing else to publish with.
        reads = bool(job.id_token) and any(one.kind == TRUSTED for one in case.evidence.tokens)
    command = commands.create_token(token, case.evidence.packages, case.now, reads=reads)
    default = policy.default_life("npm", "granular", "read-only" if reads else "read-write")
    lives = f" (without `--expires` it lives {default.days} days)" if default else ""
    return f"{what}: `{command}`{lives}.{_bypass(case, token)}"


def _bypass(case: Case, token: Token | None) -> str:
    """What a token needs to publish directly where nobody can type a password, and who has to agree to it."""
    if case.diagnosis.phase != "publish" or (token is not None and token.permission == commands.STAGE_ONLY):
        return ""
    ended = policy.rule("npm-bypass-direct-publish")
    if ended is not None and ended.at <= case.now:
        return f" {ended.says}"
    how = "`Start rotation`" if token is not None else "record it with `/tokens add`, then `/tokens rotate NAME`"
    return f" To publish unattended it has to bypass 2FA, which takes a second person's approval: {how}."


def store(case: Case, token: Token | None) -> str:
    """Where the job reads it, if that is known, else where the token is on record, else in words."""
    repo, secret = case.attempt.repo, case.secret
    if secret is not None:
        command = commands.store_secret(secret.name, repo, secret.level, secret.environment)
        return f"Store it where the job reads it: `{command}`, then re-run the failed jobs."
    uses = [use for use in (token.used_by if token else ()) if use.secret and use.level != "elsewhere"]
    use = next((use for use in uses if use.repo.lower() == repo.lower()), next(iter(uses), None))
    if use is not None and use.secret:
        command = commands.store_secret(use.secret, use.repo, use.level, use.environment)
        # A secret of the organisation is written once for all repositories that read it.
        places = {commands.store_secret(one.secret or "", one.repo, one.level, one.environment) for one in uses}
        more = f" and in the other {len(places) - 1} places on its record" if len(places) > 2 else ""
        return f"Store it: `{command}`{more}, then re-run the failed jobs."
    job = case.job
    if job is not None and job.token_variables and not job.secrets:
        # Another step fetches it, from a vault for example.
        variable = named(job.token_variables[0])
        return f"Store it where `{variable}` of the publishing step comes from, then re-run the failed jobs."
    named_secret = next(iter(case.attempt.secrets), None)
    where = f"secret {named(named_secret)}" if named_secret else "the secret that the workflow reads"
    return f"Store it in {where}, then re-run the failed jobs."


def trust_instead(case: Case) -> str:
    attempt = case.attempt
    command = commands.trust(case.package, attempt.repo, attempt.workflow, attempt.environment)
    return f"Better for good: trusted publishing, which needs no token: `{command}`."
