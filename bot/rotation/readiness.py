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
from storage.tokens import Token, Use

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
) -> tuple[Check, ...]:
    """`facts`: of each use, None where the workflow could not be read; `published`: as far as the registry answered."""
    checks: list[Check] = []
    if not token.used_by:
        checks.append(Check(token.name, "blocks", "No workflow is on record that uses it."))
    for use in token.used_by:
        checks += _of_use(use, facts.get(use))
    for package in packages:
        checks += _of_package(package, published.get(package))
    if not packages:
        checks.append(Check(token.name, "unknown", "No package is on record. Trust is set up package by package."))
    return tuple(dict.fromkeys(checks))


def blocking(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.verdict == "blocks")


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether to propose it: nothing stands in the way, and at least one workflow was read."""
    return not blocking(checks) and any(check.verdict in ("ok", "change") for check in checks)


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
        sentence = f"{named} runs in environment `{job.environment}`: the trust has to name it."
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


def _of_package(package: str, published: Published | None) -> list[Check]:
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
    sentence = f"`{package}` is on the registry. Its `repository.url` must name the repository that publishes it."
    return [Check(package, "ok", sentence)]
