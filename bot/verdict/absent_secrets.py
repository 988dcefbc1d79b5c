"""Explanations for a run that no credential reached: withheld, not handed over, absent, unnamed, lost. Pure."""

from __future__ import annotations

from bot.verdict import commands
from bot.verdict.case import TRUSTED, Case
from bot.verdict.phrases import file_name, listed, named
from bot.verdict.verdict import Verdict

_DEPENDABOT = "dependabot[bot]"
# GitHub gives secrets to these even when a fork is what started them.
_TRUSTED_EVENTS = frozenset({"pull_request_target", "workflow_run", "issue_comment", "issues", "push", "schedule"})


def from_fork(case: Case) -> Verdict | None:
    attempt = case.attempt
    if not attempt.from_fork or attempt.event in _TRUSTED_EVENTS:
        return None
    return Verdict(
        code="secret-fork",
        sentence="The run came from a fork: GitHub gives such runs no secrets and a GITHUB_TOKEN that only reads.",
        reasons=(f"it was started by {named(attempt.event or 'an event')} of another repository",),
        advice=(
            f"Do not publish from forks: let the publishing job run only where `github.repository` is"
            f" `{named(attempt.repo)}`, on `push` or `release`.",
            "No token needs to be replaced.",
        ),
        sure=attempt.event is not None,
    )


def from_dependabot(case: Case) -> Verdict | None:
    if case.attempt.actor != _DEPENDABOT:
        return None
    return Verdict(
        code="secret-dependabot",
        sentence="Dependabot started this run: such runs see only Dependabot's own secrets, and their GITHUB_TOKEN only"
        " reads.",
        reasons=(f"the run was started by {_DEPENDABOT}",),
        advice=(
            "Do not publish from runs that Dependabot starts: merge its change, and let the push to the default branch"
            " by a person release it.",
            f"If it has to be: `{commands.store_secret(_wanted(case), case.attempt.repo, 'repository')}"
            " --app dependabot`.",
        ),
        sure=True,
    )


def not_passed_on(case: Case) -> Verdict | None:
    """A reusable workflow sees only what its caller hands over."""
    job = case.job
    if job is None or not job.called or not job.secrets_not_passed:
        return None
    name = named(job.secrets_not_passed[0])
    return Verdict(
        code="secret-not-inherited",
        sentence=f"{file_name(case.attempt.workflow)} does not hand {name} over to the reusable workflow that"
        " publishes.",
        reasons=(f"{named(job.called)} reads {name}, and the calling job passes no such secret",),
        advice=(
            f"Give the calling job `secrets: inherit`, or `secrets: {{ {name}: ${{{{ secrets.{name} }}}} }}`.",
            "No token needs to be replaced.",
        ),
        sure=True,
    )


def absent(case: Case) -> Verdict | None:
    """The workflow names a secret that GitHub has at no level."""
    evidence, repo = case.evidence, case.attempt.repo
    named_first = next(iter(case.attempt.secrets), None)
    if named_first is None or named_first not in evidence.absent_secrets or case.secret is not None:
        return None
    if named_first in evidence.unshared_secrets:
        return _not_shared(case, named_first)
    if evidence.held_by:
        return _without_environment(case, named_first)
    unread = any("secret" in sentence for sentence in evidence.missing)
    elsewhere = _kept_under_another_name(case, named_first)
    owner = repo.partition("/")[0]
    sentence = f"There is no secret {named(named_first)}: not for {named(repo)}, not for organisation {named(owner)}."
    if unread:
        sentence = f"No secret {named(named_first)} was found for {named(repo)}, as far as the bot may look."
    return Verdict(
        code="secret-absent",
        sentence=sentence,
        reasons=(
            f"{file_name(case.attempt.workflow)} reads {named(named_first)}, and GitHub lists no secret of that name",
            *((elsewhere,) if elsewhere else ()),
        ),
        advice=(
            "Correct the name in the workflow, or store the token under it:"
            f" `{commands.store_secret(named_first, repo, 'repository')}`.",
            "A secret of an environment is only read by a job with that `environment:`, and one of the organisation"
            " only by the repositories it is shared with.",
        ),
        match=case.match,
        sure=not unread,
    )


def _without_environment(case: Case, name: str) -> Verdict:
    """Only an environment has it: somebody took the `environment:` out, or never put it in."""
    held, file, name = case.evidence.held_by, file_name(case.attempt.workflow), named(name)
    which = f"environment {listed(held)} has" if len(held) == 1 else f"environments {listed(held)} have"
    return Verdict(
        code="secret-absent",
        sentence=f"The job of {file} runs in no environment, and only {which} a secret {name}.",
        reasons=(f"{file} reads {name}; GitHub lists it for no level that a job without `environment:` gets",),
        advice=(
            f"Let the publishing job run in it: `environment: {named(held[0])}`. A trusted publisher or a rule of the"
            " environment may count on it too.",
            "Release again: a re-run uses the workflow file as it was. No token needs to be replaced.",
        ),
        match=case.match,
        sure=True,
    )


def _not_shared(case: Case, name: str) -> Verdict:
    owner, repo = named(case.attempt.repo.partition("/")[0]), named(case.attempt.repo)
    name = named(name)
    return Verdict(
        code="secret-absent",
        sentence=f"Organisation {owner} has a secret {name}, but does not share it with {repo}.",
        reasons=(
            f"{file_name(case.attempt.workflow)} reads {name}; GitHub lists it for the organisation and not for this"
            " repository",
        ),
        advice=(
            f"Add {repo} to the repositories that may read it, in the organisation's settings under Secrets and"
            " variables, Actions; a private repository needs a plan that shares secrets with such.",
            "Then re-run the failed jobs. No token needs to be replaced.",
        ),
        match=case.match,
        sure=True,
    )


def unnamed(case: Case) -> Verdict | None:
    """The publishing step gets no secret at all, and nothing shows that it was to do without."""
    if case.job is not None and case.job.plain_variables and not case.job.secrets:
        return _a_variable(case, case.job.plain_variables[0])
    if not case.tokenless or case.trust_meant or case.trust_known:
        return None
    variable = case.npmrc_variable or "NODE_AUTH_TOKEN"
    set_up = "" if case.npmrc_variable else ", with `registry-url` in setup-node"
    return Verdict(
        code="secret-not-named",
        sentence=f"{file_name(case.attempt.workflow)} passes no token to the step that publishes.",
        reasons=(
            "no secret and no token variable reaches that step",
            *((f"`.npmrc` reads `{variable}`",) if case.npmrc_variable else ()),
        ),
        advice=(
            f"Pass it: `{variable}: ${{{{ secrets.NPM_TOKEN }}}}` in the `env` of that step{set_up}.",
            "Or publish without one: a trusted publisher and `id-token: write`.",
        ),
        match=case.match,
    )


def _a_variable(case: Case, variable: str) -> Verdict:
    name, file = named(variable), file_name(case.attempt.workflow)
    return Verdict(
        code="secret-not-named",
        sentence=f"{file} passes `vars.{name}` to the step that publishes: a variable of GitHub, not a secret.",
        reasons=("no secret reaches that step",),
        advice=(
            f"Read a secret there, `secrets.{name}`, and store the token in it:"
            f" `{commands.store_secret(variable, case.attempt.repo, 'repository')}`.",
            f"If variable {name} holds a token, delete it and revoke that token: variables are shown in the settings"
            " and in logs.",
        ),
        match=case.match,
    )


def not_received(case: Case) -> Verdict | None:
    """The secret is there; so its value was lost on the way, or is empty."""
    secret = case.secret
    if secret is None:
        return None
    name, variable, job = named(secret.name), case.npmrc_variable, case.job
    if variable is not None and job is not None and variable not in job.token_variables:
        given = f"gives it as {named(job.token_variables[0])}" if job.token_variables else "gives it under another name"
        return Verdict(
            code="secret-not-received",
            sentence=f"`.npmrc` reads {variable}, which the step that publishes does not have:"
            f" {file_name(case.attempt.workflow)} {given}.",
            reasons=(f"npm could not replace `${{{variable}}}` in its configuration", case.secret_fact),
            advice=(
                f"Pass it under that name: `{variable}: ${{{{ secrets.{name} }}}}` in the `env` of the step.",
                "Release again: a re-run uses the workflow file as it was. No token needs to be replaced.",
            ),
            match=case.match,
            sure=True,
        )
    return Verdict(
        code="secret-not-received",
        sentence=f"Secret {name} exists, but no token reached the registry.",
        reasons=(case.secret_fact,),
        advice=(
            "Check that the step's variable is the one `.npmrc` reads (setup-node: `NODE_AUTH_TOKEN`), and that nothing"
            " overwrites `.npmrc` before the publish.",
            "If that is right, the stored value is empty: store it again with"
            f" `{commands.store_secret(secret.name, case.attempt.repo, secret.level, secret.environment)}`.",
        ),
        match=case.match,
    )


def _kept_under_another_name(case: Case, wanted: str) -> str | None:
    for token in case.evidence.tokens:
        for use in token.used_by:
            same = use.repo.lower() == case.attempt.repo.lower()
            if same and use.secret and use.secret.upper() != wanted.upper() and token.kind != TRUSTED:
                return f"{named(token.name)} is on record in secret {named(use.secret)} of this repository"
    return None


def _wanted(case: Case) -> str:
    return next(iter(case.attempt.secrets), "NPM_TOKEN")
