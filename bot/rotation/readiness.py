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
from bot.registries.npm.workflow import PublishingJob, WorkflowFacts, surely_hosted
from bot.rotation.publishers import may_publish_for, trusted
from storage.tokens import Token, Use

MOST_LINES = 6
Verdict = Literal["ok", "change", "blocks", "unknown"]
OLDEST_NPM = (11, 5, 1)
FIRST_NODE_WITH_IT = 24  # Node 20 and 22 bring npm 10
_NUMBER = re.compile(r"\d+")
_MARKS: dict[Verdict, str] = {"blocks": "In the way", "change": "To change", "unknown": "To look at"}


@dataclass(frozen=True, slots=True)
class Check:
    """`about`: the package, workflow or token; `says`: the rest of the sentence. `Backticks` mark names."""

    about: str
    verdict: Verdict
    says: str

    @property
    def sentence(self) -> str:
        return f"{self.about} {self.says}."


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
        checks.append(Check(f"`{token.name}`", "blocks", "is used by no workflow on record"))
    for use in token.used_by:
        checks += _of_use(use, facts.get(use))
    repos = tuple(dict.fromkeys(use.repo for use in token.used_by if use.workflow))
    for package in packages:
        checks += _of_package(package, published.get(package), repos)
        checks += _allowed(token, package, publishers)
    if not packages:
        checks.append(Check(f"`{token.name}`", "unknown", "has no package on record: trust is set up for each"))
    return tuple(dict.fromkeys(checks))


def blocking(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.verdict == "blocks")


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether to propose it: nothing stands in the way, and at least one workflow was read."""
    return not blocking(checks) and any(check.verdict in ("ok", "change") for check in checks)


def lines(checks: Sequence[Check], most: int = MOST_LINES) -> tuple[str, ...]:
    """One line for each workflow and package: what stands in the way first, then what has to change; what is ready is
    counted."""
    grouped = {
        (verdict, check.about): [
            other.says for other in checks if (other.verdict, other.about) == (verdict, check.about)
        ]
        for verdict in _MARKS
        for check in checks
        if check.verdict == verdict
    }
    said = [f"{_MARKS[verdict]}: {about} {'; '.join(says)}" for (verdict, about), says in grouped.items()]
    shown = said if len(said) <= most else [*said[:most], f"And {len(said) - most} more to look at"]
    ready = sum(check.verdict == "ok" for check in checks)
    return (*shown, *([f"Ready: {ready} of {len(checks)} points"] if checks else []))


def _of_use(use: Use, facts: WorkflowFacts | None) -> list[Check]:
    where = f"`{(use.workflow or '').rpartition('/')[2]}` of {use.repo}" if use.workflow else use.repo
    if not use.workflow or not use.workflow.endswith((".yml", ".yaml")):
        return [Check(use.repo, "blocks", "has no workflow file on record")]
    if facts is None:
        return [Check(where, "unknown", "could not be read")]
    if not facts.jobs:
        return [Check(where, "blocks", "has no job that publishes")]
    several = len(facts.jobs) > 1
    checks: list[Check] = []
    for job in facts.jobs:
        checks += _of_job(where, job, f" in job `{job.name}`" if several else "")
    return checks


def _of_job(where: str, job: PublishingJob, inside: str) -> list[Check]:
    found = [_runner(job), _identity(job), _npm(job)]
    if job.environment:
        found.append(("ok", f"runs in environment `{job.environment}`, which a trust that names one has to name"))
    if job.called:
        found.append(("unknown", f"publishes through `{job.called}`: npm wants the file that was started"))
    return [Check(where, verdict, f"{says}{inside}") for verdict, says in found]


def _runner(job: PublishingJob) -> tuple[Verdict, str]:
    if any(label.lower() == "self-hosted" for label in job.runners):
        return "blocks", "runs on a self-hosted runner, whose identity npm does not take"
    if surely_hosted(job.runners):
        return "ok", "runs on a runner of GitHub"
    return "unknown", "may run on a runner that GitHub does not host, which npm does not take"


def _identity(job: PublishingJob) -> tuple[Verdict, str]:
    return ("ok", "has `id-token: write`") if job.id_token else ("change", "lacks `id-token: write`")


def _npm(job: PublishingJob) -> tuple[Verdict, str]:
    if needs_newer_npm(job):
        return "change", "runs an npm older than 11.5.1"
    if job.npm is None and job.node is None:
        return "unknown", "does not say which npm it runs (11.5.1 or newer is needed)"
    return "ok", "runs an npm that is new enough"


def needs_newer_npm(job: PublishingJob) -> bool:
    """Whether the workflow surely runs an npm that knows nothing of trusted publishing."""
    if job.npm is not None:
        version = tuple(int(number) for number in _NUMBER.findall(job.npm))[:3]
        return bool(version) and version < OLDEST_NPM[: len(version)]
    node = _NUMBER.match(job.node) if job.node else None
    return node is not None and int(node[0]) < FIRST_NODE_WITH_IT


def _of_package(package: str, published: Published | None, repos: Sequence[str]) -> list[Check]:
    about = f"`{package}`"
    if "*" in package:
        return [Check(about, "blocks", "is no single package: trust is set up package by package")]
    if published is None:
        return [Check(about, "unknown", "could not be looked up on the registry")]
    if not published.exists:
        says = "is private or not there yet: the first version of a package cannot come from a trusted publisher"
        return [Check(about, "unknown", says)]
    newest = published.newest
    if newest is not None and newest.by == "oidc":
        return [Check(about, "ok", f"{newest.version} came from a trusted publisher already")]
    verdict, says = _home(newest.repository if newest else None, repos)
    return [Check(about, verdict, says)]


def _home(repository: str | None, repos: Sequence[str]) -> tuple[Verdict, str]:
    """A trusted publisher signs where it runs, and npm refuses a package that names another repository (E422)."""
    where = " or ".join(repos[:3]) or "the repository that publishes it"
    if repository is None:
        return "unknown", f"has a `repository.url` that could not be read, and has to name {where} there"
    if not repository:
        return "change", f"names no repository of GitHub in `repository.url`, and has to name {where}"
    if repository in repos:
        return "ok", f"names {repository} in `repository.url`"
    if repository.lower() in (repo.lower() for repo in repos):
        return "unknown", f"names {repository} in `repository.url`, which is not {where} letter by letter"
    return "change", f"names {repository} in `repository.url`, and has to name {where}"


def _allowed(token: Token, package: str, publishers: Sequence[Token]) -> list[Check]:
    """A trusted publisher that is set up already may be allowed to stage only."""
    found = [trusted(package, use, publishers) for use in token.used_by if use.workflow]
    ours = [publisher for publisher in found if publisher is not None]
    if not ours:
        return []
    if not any(may_publish_for(token, publisher) for publisher in ours):
        says = "has a trusted publisher that may only stage (set it up again with `--allow-publish`)"
        return [Check(f"`{package}`", "change", says)]
    return [Check(f"`{package}`", "ok", "has a workflow of ours as trusted publisher")]
