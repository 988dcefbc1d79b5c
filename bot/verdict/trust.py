"""Explanations of trusted publishing (OIDC): who is trusted for what, and why this run was not. Pure.

What npm compares: repository, file name of the calling workflow with its case and extension, environment when the
publisher names one (npm docs, trusted publishers). npm tries OIDC before a configured token and falls back on the token
without a word; other clients and older npm use the token.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot import policy
from bot.verdict import commands
from bot.verdict.case import Case
from bot.verdict.phrases import ago, file_name, named
from bot.verdict.verdict import Verdict
from storage.tokens import Token, Use

FIRST_NPM = (11, 5, 1)
# Node's lines and the npm that comes with them, where that is too old for OIDC (npm changelogs).
_NPM_OF_NODE = {"16": "8", "18": "10", "20": "10", "22": "10"}
VERBOSE = (
    "Re-run the publish step with `npm_config_loglevel: verbose`: at its usual level npm hides why the exchange was"
    " refused."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A part that npm compares. `recorded` and `actual` as they stand in a sentence."""

    what: str
    recorded: str
    actual: str
    proven: bool = True


def new_name(case: Case) -> Verdict | None:
    """Trusted publishing cannot create a name (npm/cli#8544)."""
    published = case.evidence.published
    if published is None or published.exists or not case.trust_meant or case.known_ones_failed_too:
        return None
    name = named(published.name)
    by_hand = commands.first_publish(public=not case.private)
    return Verdict(
        code="new-name",
        sentence=f"{name} has never been published in public, and trusted publishing cannot create a name.",
        reasons=("the registry knows no public package of this name",),
        advice=(
            f"Publish the first version by hand, as a person with a second factor: `{by_hand}`.",
            f"Then trust this workflow: `{trust_command(case)}`, and release again from here.",
            "If the name should exist, check its spelling.",
        ),
        match=case.trust_match,
    )


def id_token_missing(case: Case) -> Verdict | None:
    """Read off the workflow file, or said by the log."""
    job, said = case.job, case.diagnosis.cause == "oidc-permission-missing"
    unread = any("reusable workflow" in sentence for sentence in case.evidence.missing)
    nowhere = job is not None and job.id_token is None and not (job.called and unread)
    lacks = nowhere or (job is not None and job.id_token is False)
    if not case.trust_meant and not (case.trust_known and case.tokenless):
        return None
    if not said and not (lacks and (case.trust_known or case.diagnosis.cause == "oidc-failed")):
        return None
    if said and job is not None and job.id_token:
        return None  # the file grants it: then it is the caller, or the organisation, that takes it away
    file = file_name(case.attempt.workflow)
    if job is None:
        reason = "the log says so"
    elif job.id_token is False and job.id_token_from:
        reason = f"the `permissions` of the {job.id_token_from} in {file} leave it out"
    else:
        reason = f"{file} writes no `permissions`, and `id-token` is not among the usual ones"
    called = job is not None and job.called is not None
    return Verdict(
        code="id-token-missing",
        sentence=f"The publishing job of {file} may not ask for an identity token: it lacks `id-token: write`.",
        reasons=(reason, *trust_reasons(case)),
        advice=(
            "Give the publishing job `permissions: { id-token: write, contents: read }`."
            + (" The calling job needs them too: a reusable workflow may not more than its caller." if called else ""),
            "Release again: a re-run uses the workflow file as it was.",
        ),
        match=case.trust_match,
        sure=said or (job is not None and job.id_token is False),
    )


def npm_too_old(case: Case) -> Verdict | None:
    """By the log's own words, the version it names, or what the workflow file asks for."""
    said = case.diagnosis.cause == "oidc-cli-too-old"
    if not case.npm:
        return None
    if not said and not case.trust_meant and not (case.job and case.job.id_token and _trusts_this_run(case)):
        return None
    client = case.client
    if client is not None:
        if client >= FIRST_NPM:
            return None
        version, reason, sure = ".".join(map(str, client)), "the log names its version", True
    elif written := _written_version(case):
        version, reason, sure = written[0], written[1], False
    elif said:
        version, reason, sure = "", "the log says so", True
    else:
        return None
    oldest = ".".join(map(str, FIRST_NPM))
    probably = "" if sure else "probably "
    return Verdict(
        code="npm-too-old",
        sentence=f"npm {version} is {probably}too old for trusted publishing, which needs {oldest}."
        if version
        else f"This npm is too old for trusted publishing, which needs {oldest}.",
        reasons=(reason, *trust_reasons(case)),
        advice=(
            "Use `node-version: 24` in the publishing job, or run `npm install -g npm@11` before the publish (Node"
            " 22.14 or newer).",
            "Release again: a re-run uses the workflow file as it was.",
        ),
        match=case.trust_match,
        sure=sure,
    )


def self_hosted(case: Case) -> Verdict | None:
    """GitHub's own runners alone can prove who they are."""
    said = case.diagnosis.cause == "oidc-runner-unsupported"
    seen = any("self-hosted" in label.lower() for label in case.attempt.runners)
    if not case.npm or not seen or not (said or case.trust_meant):
        return None
    return Verdict(
        code="self-hosted-runner",
        sentence="The job ran on a self-hosted runner, where npm's trusted publishing does not work.",
        reasons=(f"its labels: {named(', '.join(case.attempt.runners), 120)}", *trust_reasons(case)),
        advice=(
            "Let the publishing job run on a hosted runner (`runs-on: ubuntu-latest`); build on your own one and hand"
            " the tarball over as an artifact.",
            "Or publish from this runner with a token: `npm publish --provenance=false`.",
        ),
        match=case.trust_match,
        sure=said,
    )


def publisher_mismatch(case: Case) -> Verdict | None:
    """A trusted publisher on record that names another repository, workflow file or environment."""
    if not case.trust_meant:
        return None
    differences = [(token, differences_of(use, case)) for token, use in case.publishers]
    if not differences or any(not found for _, found in differences):
        return None  # none is known, or one fits: then this is not the reason
    token, found = min(differences, key=lambda pair: (len(pair[1]), not all(one.proven for one in pair[1])))
    first = found[0]
    compared = tuple(f"{one.what}: {one.recorded} on record, {one.actual} in this run" for one in found)
    former = case.evidence.former_name
    if former is not None and any(one.what == "repository" and one.recorded == named(former) for one in found):
        compared += (f"{named(former)} is what this repository was called before",)
    return Verdict(
        code="publisher-mismatch",
        sentence=_mismatch(case, first),
        reasons=(*compared, *_refs(case)),
        advice=(
            f"Trust this workflow: `{trust_command(case)}`. Publishers cannot be edited: remove the old one with"
            f" `npm trust revoke {commands.package_word(case.package)} --id=ID`."
            if case.npm
            else f"Add a trusted publisher for {first.actual} on the registry.",
            *_undo(first, case.attempt.called_workflow),
            "If the record is out of date, correct it: what npm has is in `npm trust list"
            f" {commands.package_word(case.package)}`."
            if case.npm
            else f"If the record is out of date, correct it: `/tokens edit {named(token.name)}`.",
        ),
        match=case.with_publisher(token),
        sure=all(one.proven for one in found) and case.diagnosis.cause == "oidc-publisher-mismatch",
    )


def direct_publish_denied(case: Case) -> Verdict | None:
    """The identity was accepted, and the publisher on record may only stage."""
    staging = [(token, use) for token, use in case.publishers if token.permission == "read-write-stage-only"]
    fitting = [token for token, use in staging if not differences_of(use, case)]
    if not fitting:
        return None
    return Verdict(
        code="direct-publish-denied",
        sentence=f"The trusted publisher of {case.package_name} may only stage versions, and this run published"
        " directly.",
        reasons=(f"{named(fitting[0].name)} is on record as read-write-stage-only", "the registry denied the action"),
        advice=(
            "Publish with `npm stage publish`, and let a maintainer approve:"
            f" `{commands.stage(case.package)}`, then `npm stage approve ID`.",
            f"Or allow direct publishing: publishers cannot be edited, so remove it and run `{trust_command(case)}`.",
        ),
        match=case.with_publisher(fitting[0]),
        sure=True,
    )


def token_shadows_trust(case: Case) -> Verdict | None:
    """A dead token beside `id-token: write`, for a package that is published by OIDC."""
    job = case.job
    if job is None or not job.id_token or case.tokenless or not case.npm or not _trusts_this_run(case):
        return None
    secret = next(iter(case.attempt.secrets), None)
    variable = next(iter(job.token_variables), "NODE_AUTH_TOKEN")
    kept = f"in {named(secret)}" if secret else "of the publishing step"
    client = case.client
    tried = client is not None and client >= FIRST_NPM and "npm" in (case.diagnosis.client or "")[:4]
    if tried and client is not None:
        version = ".".join(map(str, client))
        sentence = (
            f"The token {kept} was refused and hides why trusted publishing was too: npm {version} tries that first and"
            " falls back on the token."
        )
    else:
        sentence = (
            f"A token {kept} was used and refused, though {case.package_name} has a trusted publisher that needs none."
        )
    token = case.token
    facts = (_end(token, case),) if token and not case.match.guess else ()
    return Verdict(
        code="token-shadows-trust",
        sentence=sentence,
        reasons=(
            f"{file_name(case.attempt.workflow)} passes {named(variable)} beside `id-token: write`",
            *trust_reasons(case),
            *(fact for fact in facts if fact),
        ),
        advice=(
            f"Take `{named(variable)}` out of the publishing step: trusted publishing needs no token, and without one"
            " the registry's own answer shows.",
            VERBOSE if tried else "See that the client can do OIDC: npm 11.5.1 or newer, pnpm 11 or newer.",
            "When a version went out without it, revoke the token and delete the secret.",
        ),
        match=case.match,
    )


def differences_of(use: Use, case: Case) -> list[Difference]:
    """What npm compares and finds different; empty when the publisher fits this run."""
    attempt = case.attempt
    found = []
    if use.repo.lower() != attempt.repo.lower():
        found.append(Difference("repository", named(use.repo), named(attempt.repo)))
    recorded, actual = ((name or "").rpartition("/")[2] for name in (use.workflow, attempt.workflow))
    if recorded and actual.endswith((".yml", ".yaml")) and recorded != actual:
        found.append(Difference("workflow file", named(recorded), named(actual)))
    if use.environment and attempt.environment and use.environment != attempt.environment:
        found.append(
            Difference(
                "environment", f"environment {named(use.environment)}", f"environment {named(attempt.environment)}"
            )
        )
    elif use.environment and attempt.environment is None and case.job is not None and not case.job.environment_computed:
        found.append(Difference("environment", f"environment {named(use.environment)}", "a job without one", False))
    return found


def _mismatch(case: Case, first: Difference) -> str:
    package = case.package_name
    called = case.attempt.called_workflow
    if first.what == "repository" and called and called.lower().startswith(f"{first.recorded.lower()}/"):
        return (
            f"The trusted publisher of {package} names {first.recorded}, where the reusable workflow is; the registry"
            f" compares the repository that calls it, {first.actual}."
        )
    if first.what == "workflow file" and called and file_name(called.partition("@")[0]) == first.recorded:
        return (
            f"The trusted publisher of {package} names {first.recorded}, the reusable workflow; the registry compares"
            f" the one that calls it, {first.actual}."
        )
    if first.what == "workflow file" and first.recorded.lower() == first.actual.lower():
        return (
            f"The trusted publisher of {package} names {first.recorded}, but the file is {first.actual}: upper and"
            " lower case count."
        )
    if not first.proven:
        return f"The trusted publisher of {package} asks for {first.recorded}, and the job seems to have none."
    return f"The trusted publisher of {package} names {first.recorded}, but the run came from {first.actual}."


def _undo(first: Difference, called: str | None) -> tuple[str, ...]:
    if called and first.recorded.lower() in called.lower():
        return ()  # what is on record was never what called it
    if first.what == "environment":
        return (f"Or let the job run in {first.recorded}, which is trusted.",)
    if first.what == "repository" and not _renamed(first):
        return ()
    exactly = ": upper and lower case and the extension count" if first.what == "workflow file" else ""
    return (f"Or give the {first.what} its old name back{exactly}.",)


def _renamed(first: Difference) -> bool:
    """Whether the one may be what the other was called: owner or name is the same."""
    was, now = first.recorded.lower().split("/"), first.actual.lower().split("/")
    return len(was) == len(now) == 2 and (was[0] == now[0] or was[1] == now[1])


def _refs(case: Case) -> tuple[str, ...]:
    """Both claims that can name a workflow: reports differ on which one is compared (npm docs: the caller)."""
    called = case.attempt.called_workflow
    if not called:
        return ()
    return (f"`workflow_ref` names {named(case.attempt.workflow, 80)}, `job_workflow_ref` names {named(called, 80)}",)


def _trusts_this_run(case: Case) -> bool:
    """A publisher on record fits, or none is on record and the last release came by OIDC."""
    if case.publishers:
        return any(not differences_of(use, case) for _, use in case.publishers)
    return case.newest is not None and case.newest.by == "oidc"


def trust_reasons(case: Case) -> tuple[str, ...]:
    newest = case.newest
    if case.publishers:
        return (f"{named(case.publishers[0][0].name)} is on record as trusted publisher of {case.package_name}",)
    if newest is not None and newest.by == "oidc":
        return (f"{named(newest.version)}, its newest version, was published by a trusted publisher",)
    return ()


def _end(token: Token, case: Case) -> str:
    end = policy.ends_at(token)
    return f"the token, {named(token.name)}, ended {ago(end, case.now)}" if end and end <= case.at else ""


def _written_version(case: Case) -> tuple[str, str] | None:
    """(npm's version, how it is known) when the workflow file asks for one that is too old."""
    job, file = case.job, file_name(case.attempt.workflow)
    if job is None:
        return None
    if job.npm is not None:
        parts = job.npm.lstrip("^~v=").split(".")
        if not parts[0].isdigit():
            return None
        asked = tuple(int(part) for part in parts if part.isdigit())
        too_old = asked < FIRST_NPM[: len(asked)]
        return (named(job.npm), f"{file} asks for npm {named(job.npm)}") if too_old else None
    major = (job.node or "").lstrip("v").partition(".")[0]
    npm = _NPM_OF_NODE.get(major)
    return (npm, f"{file} asks for Node {named(job.node or '')}, which comes with npm {npm}") if npm else None


def trust_command(case: Case) -> str:
    attempt = case.attempt
    return commands.trust(case.package, attempt.repo, attempt.workflow, attempt.environment)
