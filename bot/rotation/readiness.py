"""Whether a token can be replaced by trusted publishing: what stands in the way and what has to change. Pure.

Requirements (npm docs, trusted publishers): a GitHub-hosted runner, `id-token: write`, npm 11.5.1 or newer, the exact
name of the workflow file, a matching environment, `repository.url` in package.json, and a package that exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.evidence import Published
from bot.registries.npm.workflow import PublishingJob, WorkflowFacts
from bot.rotation.publishers import trusted
from storage.tokens import Token, Use

MOST_LINES = 6
Verdict = Literal["ok", "change", "blocks", "unknown"]
OLDEST_NPM = (11, 5, 1)
FIRST_NODE_WITH_IT = 24  # Node 20 and 22 bring npm 10
_HOSTED = re.compile(r"(?:ubuntu|windows|macos)-[\w.\-]+")
_NUMBER = re.compile(r"\d+")
_MARKS: dict[Verdict, str] = {"ok": "ready", "change": "to change", "blocks": "in the way", "unknown": "to look at"}


@dataclass(frozen=True, slots=True)
class Check:
    """`about`: the package or workflow; `sentence`: one line of ours in which `backticks` mark names."""

    about: str
    verdict: Verdict
    sentence: str

    @property
    def line(self) -> str:
        return f"{_MARKS[self.verdict].capitalize()}: {self.sentence}"


def readiness(
    token: Token,
    packages: Sequence[str],
    facts: Mapping[Use, WorkflowFacts | None],
    published: Mapping[str, Published],
    publishers: Sequence[Token] = (),
) -> tuple[Check, ...]:
    """`facts`: of each use, None where the workflow could not be read; `published`: as far as the registry answered;
    `publishers`: records of trusted publishers that somebody's list brought."""
    checks: list[Check] = []
    if not token.used_by:
        checks.append(Check(token.name, "blocks", "No workflow is on record that uses it."))
    for use in token.used_by:
        checks += _of_use(use, facts.get(use))
    repos = tuple(dict.fromkeys(use.repo for use in token.used_by if use.workflow))
    for package in packages:
        checks += _of_package(package, published.get(package), repos)
        checks += _allowed(token, package, publishers)
    if not packages:
        checks.append(Check(token.name, "unknown", "No package is on record. Trust is set up package by package."))
    return tuple(dict.fromkeys(checks))


def blocking(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.verdict == "blocks")


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether to propose it: nothing stands in the way, and at least one workflow was read."""
    return not blocking(checks) and any(check.verdict in ("ok", "change") for check in checks)


def lines(checks: Sequence[Check], most: int = MOST_LINES) -> tuple[str, ...]:
    """What stands in the way first, then what has to change; what is ready is counted."""
    order = {"blocks": 0, "change": 1, "unknown": 2}
    telling = sorted((check for check in checks if check.verdict in order), key=lambda check: order[check.verdict])
    ready = sum(check.verdict == "ok" for check in checks)
    said = [check.line for check in telling[:most]]
    if len(telling) > most:
        said.append(f"And {len(telling) - most} more to look at")
    return (*said, *([f"Ready: {ready} of {len(checks)} points"] if checks else []))


def _of_use(use: Use, facts: WorkflowFacts | None) -> list[Check]:
    where = f"`{(use.workflow or '').rpartition('/')[2]}` of {use.repo}" if use.workflow else use.repo
    if not use.workflow or not use.workflow.endswith((".yml", ".yaml")):
        return [Check(where, "blocks", f"No workflow file is on record for {use.repo}.")]
    if facts is None:
        return [Check(where, "unknown", f"{where} could not be read.")]
    if not facts.jobs:
        return [Check(where, "blocks", f"{where} has no job that publishes.")]
    checks: list[Check] = []
    for job in facts.jobs:
        checks += _of_job(where, job)
    return checks


def _of_job(where: str, job: PublishingJob) -> list[Check]:
    named = f"job `{job.name}` in {where}"
    checks = [_runner(named, job), _identity(named, job), _npm(named, job)]
    if job.environment:
        sentence = f"{named} runs in environment `{job.environment}`: a trust that names one has to name this."
        checks.append(Check(where, "ok", sentence))
    if job.called:
        sentence = f"{named} stands in `{job.called}`: npm wants the file that was started, {where}."
        checks.append(Check(where, "unknown", sentence))
    return checks


def _runner(named: str, job: PublishingJob) -> Check:
    if any(label.lower() == "self-hosted" for label in job.runners):
        return Check(named, "blocks", f"{named} runs on a self-hosted runner, whose identity npm does not take.")
    if job.runners and all(_HOSTED.fullmatch(label) for label in job.runners):
        return Check(named, "ok", f"{named} runs on a runner of GitHub.")
    return Check(named, "unknown", f"{named}: npm takes only runners that GitHub hosts.")


def _identity(named: str, job: PublishingJob) -> Check:
    if job.id_token:
        return Check(named, "ok", f"{named} has `id-token: write`.")
    return Check(named, "change", f"{named} lacks `id-token: write`.")


def _npm(named: str, job: PublishingJob) -> Check:
    if needs_newer_npm(job):
        return Check(named, "change", f"{named} runs an npm older than 11.5.1.")
    if job.npm is None and job.node is None:
        return Check(named, "unknown", f"{named} does not say which npm it runs; 11.5.1 or newer is needed.")
    return Check(named, "ok", f"{named} runs an npm that is new enough.")


def needs_newer_npm(job: PublishingJob) -> bool:
    """Whether the workflow surely runs an npm that knows nothing of trusted publishing."""
    if job.npm is not None:
        version = tuple(int(number) for number in _NUMBER.findall(job.npm))[:3]
        return bool(version) and version < OLDEST_NPM[: len(version)]
    node = _NUMBER.match(job.node) if job.node else None
    return node is not None and int(node[0]) < FIRST_NODE_WITH_IT


def _of_package(package: str, published: Published | None, repos: Sequence[str]) -> list[Check]:
    if "*" in package:
        return [Check(package, "blocks", f"`{package}` is no single package. Trust is set up package by package.")]
    if published is None:
        return [Check(package, "unknown", f"`{package}` could not be looked up on the registry.")]
    if not published.exists:
        sentence = (
            f"`{package}` is not on the public registry. The first version of a package cannot come from a trusted "
            "publisher; a private one cannot be seen."
        )
        return [Check(package, "unknown", sentence)]
    if published.newest is not None and published.newest.by == "oidc":
        return [Check(package, "ok", f"`{package}` {published.newest.version} came from a trusted publisher already.")]
    return [_home(package, published.newest.repository if published.newest else None, repos)]


def _home(package: str, repository: str | None, repos: Sequence[str]) -> Check:
    """A trusted publisher signs where it runs, and npm refuses a package that names another repository (E422)."""
    where = " or ".join(repos[:3]) or "the repository that publishes it"
    if repository is None:
        return Check(package, "unknown", f"`repository.url` of `{package}` could not be read. It has to name {where}.")
    if not repository:
        return Check(package, "change", f"`{package}` has no `repository.url` on GitHub. It has to name {where}.")
    if repository in repos:
        return Check(package, "ok", f"`repository.url` of `{package}` names {repository}.")
    if repository.lower() in (repo.lower() for repo in repos):
        sentence = f"`repository.url` of `{package}` names {repository}. Write it like {where}, letter by letter."
        return Check(package, "unknown", sentence)
    return Check(package, "change", f"`repository.url` of `{package}` names {repository}. It has to name {where}.")


def _allowed(token: Token, package: str, publishers: Sequence[Token]) -> list[Check]:
    """A trusted publisher that is set up already may be allowed to stage only."""
    ours = [
        publisher
        for use in token.used_by
        if use.workflow and (publisher := trusted(package, use, publishers)) is not None
    ]
    if not ours:
        return []
    if token.permission != "read-write-stage-only" and all(p.permission == "read-write-stage-only" for p in ours):
        sentence = f"The trusted publisher of `{package}` may only stage. Set it up again with `--allow-publish`."
        return [Check(package, "change", sentence)]
    return [Check(package, "ok", f"npm trusts a workflow of ours with `{package}`.")]
