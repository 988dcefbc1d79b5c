"""Explanations of a refused exchange where nothing on record differs from the run. Pure."""

from __future__ import annotations

from bot import policy
from bot.registries.npm.workflow import surely_hosted
from bot.verdict import commands
from bot.verdict.case import Case
from bot.verdict.phrases import day, file_name, named
from bot.verdict.trust import FIRST_NPM, VERBOSE, differences_of, trust_command, trust_reasons
from bot.verdict.verdict import Verdict

IMMUTABLE = "github-immutable-subject"


def publisher_missing(case: Case) -> Verdict | None:
    """Trusted publishers are set up package by package: what works for one of a repository says nothing of the next."""
    job, sibling, published = case.job, case.sibling, case.evidence.published
    if not case.npm or sibling is None or case.publishers or published is None or not published.exists:
        return None
    by_trust = sibling[1] == "oidc" or (sibling[1] is None and case.tokenless and job is not None and job.id_token)
    if not by_trust:
        return None
    return Verdict(
        code="publisher-missing",
        sentence=f"{case.package_name} probably does not trust {file_name(case.attempt.workflow)}: the same run"
        f" published {named(sibling[0])} by trusted publishing.",
        reasons=(
            "a trusted publisher is set up for each package by itself",
            *((f"the registry says that {named(sibling[0])} came from one",) if sibling[1] == "oidc" else ()),
        ),
        advice=(
            f"Trust this workflow for it as well: `{trust_command(case)}`, then re-run the failed jobs.",
            f"See what it trusts now: `npm trust list {commands.package_word(case.package)}`.",
        ),
    )


def immutable_subject(case: Case) -> Verdict | None:
    """The record fits and yet the exchange was refused: the identity has ids in it that the registry may not know."""
    rule, repository = policy.rule(IMMUTABLE), case.evidence.repository
    fitting = [token for token, use in case.publishers if not differences_of(use, case)]
    if not case.npm or rule is None or repository is None or not fitting or not case.trust_meant:
        return None
    made, former = repository.created_at, case.evidence.former_name
    if made is not None and made >= rule.at:
        since = f"was made after {day(rule.at)}: GitHub puts ids into its identity"
        fact = f"the repository was made on {day(made)}"
    elif former is not None and case.newest is not None and case.newest.by == "oidc":
        # A release by OIDC has the repository's name of that day; with a token it may have any.
        since = (
            f"was called {named(former)} when {named(case.newest.version)} was published: GitHub puts ids into the"
            f" identity of repositories renamed since {day(rule.at)}"
        )
        fact = f"{named(former)} leads to this repository on GitHub"
    else:
        return None
    owner, _, name = repository.full_name.partition("/")
    ids = repository.owner_id is not None and repository.repo_id is not None
    subject = f"`repo:{named(owner)}@{repository.owner_id}/{named(name)}@{repository.repo_id}`"
    computed = case.job is not None and case.job.environment_computed
    names = "repository and workflow file" if computed else "repository, workflow file and environment"
    return Verdict(
        code="immutable-subject",
        sentence=f"The trusted publisher fits, but {named(repository.full_name)} {since}, which the registry may"
        " not recognise.",
        reasons=(
            f"{named(fitting[0].name)} names this {names}",
            fact,
            *((f"its identity begins {subject}",) if ids else ()),
            rule.says,
        ),
        advice=(
            f"Compare the identity with what npm has: `npm trust list {commands.package_word(case.package)}`; then"
            f" remove the publisher and trust this workflow anew: `{trust_command(case)}`.",
            VERBOSE,
            "Until it works, publish this version by hand or with a token.",
        ),
        match=case.with_publisher(fitting[0]),
        docs=rule.link,
    )


def refused(case: Case) -> Verdict | None:
    """Nothing on record differs. At its usual level npm does not even say that the exchange was refused, only that it
    has no token (npm/cli#9923)."""
    job, newest, client = case.job, case.newest, case.client
    said = case.diagnosis.cause == "oidc-publisher-mismatch"
    if not case.npm or job is None or not job.id_token or not case.trust_meant or not (said or case.tokenless):
        return None
    if client is not None and client < FIRST_NPM:
        return None
    file, package = file_name(case.attempt.workflow), case.package_name
    if any(not differences_of(use, case) for _, use in case.publishers):
        why = "though the publisher on record fits this run"
    elif newest is not None and newest.by == "oidc":
        why = "though its newest version came that way: something of the run differs since"
    elif newest is not None and newest.by == "token":
        why = f"and its newest version came with a token: it may not trust {file} at all"
    else:
        why = f"so it may not trust {file}"
    probably = "" if client is not None else "probably "
    environment = case.attempt.environment
    where = f"environment {named(environment)}" if environment else "no environment"
    if job.environment_computed:
        where = "the environment that an expression names"
    labels = "" if surely_hosted(case.attempt.runners) else ", ".join(case.attempt.runners)
    wanted = next((use.environment for _, use in case.publishers if use.environment), None)
    return Verdict(
        code=case.diagnosis.cause if said else "trust-refused",
        sentence=f"The registry knows no trusted publisher of {package} for this run, {why}."
        if said
        else f"Trusted publishing of {package} was {probably}refused without a word, {why}.",
        reasons=(
            *(() if said else (f"{file} has `id-token: write` and passes no token: npm had nothing else to go by",)),
            *(
                (f"the publisher on record asks for environment {named(wanted)}, and an expression names the job's",)
                if wanted and job.environment_computed
                else ()
            ),
            *((f"its runner is labelled {named(labels, 80)}",) if labels else ()),
            *trust_reasons(case),
        ),
        advice=(
            *(
                (
                    f"See whether GitHub hosts the runner {named(labels, 80)}: npm takes no identity from others, so"
                    " publish from `runs-on: ubuntu-latest`.",
                )
                if labels
                else ()
            ),
            *(
                ("See that `@semantic-release/npm` is 13 or newer (semantic-release 25): older ones want a token.",)
                if case.diagnosis.tool == "semantic-release"
                else ()
            ),
            f"Compare `npm trust list {commands.package_word(case.package)}` with this run: {named(case.attempt.repo)},"
            f" {file}, {where}; upper and lower case count.",
            f"If none fits, trust this workflow: `{trust_command(case)}`, then re-run the failed jobs.",
            *(() if said else (VERBOSE,)),
        ),
        match=case.trust_match,
    )
