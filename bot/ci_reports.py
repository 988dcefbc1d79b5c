"""What a CI system other than GitHub Actions reports of a publish: `publish-failed` and `publish-succeeded`. Pure.

They come by `repository_dispatch`, so whoever may write to the repository may send them. Nothing in them is believed to
be more than text: names are checked, the log is read like any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from bot.credentials import kind_of, mask_shapes
from bot.diagnosis.diagnosis import Diagnosis, PackageOutcome
from bot.github.run import Run

LARGEST_LOG = 64 * 1024  # characters; GitHub takes no larger payload
REGISTRIES = ("npm", "github-packages", "pypi", "crates", "rubygems", "nuget", "docker", "maven", "other")
_PACKAGE = re.compile(r"[@A-Za-z0-9_][A-Za-z0-9._~@/:\-]{0,213}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~!\-]{0,99}")
_URL = re.compile(r"https?://[^\s<>|\"'`\\^{}]{4,1500}")
_NUMBER = re.compile(r"[/=](\d{1,12})(?=/?(?:$|[&#?]|/(?:console|display|steps|jobs)))", re.IGNORECASE)
_CI = {
    "jenkins": "Jenkins",
    "gitlab": "GitLab CI",
    "gitlabci": "GitLab CI",
    "circleci": "CircleCI",
    "circle": "CircleCI",
    "azure": "Azure DevOps",
    "azuredevops": "Azure DevOps",
    "azurepipelines": "Azure DevOps",
    "buildkite": "Buildkite",
    "teamcity": "TeamCity",
    "bitbucket": "Bitbucket Pipelines",
    "travis": "Travis CI",
    "drone": "Drone",
}
_TRUSTED = {"GitLab CI": "gitlab", "CircleCI": "circleci"}  # on GitLab.com and on their own runners
_RERUN = re.compile(r"re-run (?:the )?(?:failed jobs?|run|workflow|release)", re.IGNORECASE)
UNNAMED = "another CI system"


class Unreadable(ValueError):
    """The payload is not what is documented; the text says which field, and never a value."""


@dataclass(frozen=True, slots=True)
class Report:
    """`ci`: its name for people; `log`: the end of the job's log, for a failure; `staged`: it waits for approval."""

    registry: str | None
    package: str | None
    version: str | None
    run_url: str | None
    ci: str
    log: str = ""
    staged: bool = False


def read_report(payload: Mapping[str, Any], *, failed: bool) -> Report:
    """Raises Unreadable. A success has to name its package, or nothing could come of it."""
    registry = _field(payload, "registry", re.compile(r"[a-z\-]{1,30}"))
    package = _field(payload, "package", _PACKAGE)
    log = payload.get("log") if failed else None
    if registry is not None and registry not in REGISTRIES:
        raise Unreadable(f"registry has to be one of {', '.join(REGISTRIES)}")
    if log is not None and not isinstance(log, str):
        raise Unreadable("log has to be text")
    if package is None and (not failed or not log):
        raise Unreadable("package is missing" + (" and there is no log" if failed else ""))
    return Report(
        registry,
        package,
        _field(payload, "version", _VERSION),
        _field(payload, "run_url", _URL),
        _ci_name(payload.get("ci")),
        (log or "")[-LARGEST_LOG:],
        payload.get("staged") is True,
    )


def run_of_report(
    report: Report, repo: str, guid: str, at: datetime, installation_id: int | None, *, failed: bool
) -> Run:
    """The report as a run. Its id is below zero, since it is none of GitHub's, and the same for the same address."""
    digest = hashlib.sha256((report.run_url or guid).encode()).digest()
    return Run(
        repo=repo,
        run_id=-1 - int.from_bytes(digest[:6], "big"),
        attempt=1,
        workflow=report.ci,
        workflow_name=report.ci,
        conclusion="failure" if failed else "success",
        number=run_number(report.run_url),
        url=report.run_url,
        completed_at=at,
        installation_id=installation_id,
    )


def run_number(url: str | None) -> int | None:
    """A build's number in its address: `/job/release/512/` (Jenkins), `/-/jobs/77` (GitLab), `buildId=9` (Azure)."""
    found = _NUMBER.findall(url or "")
    return int(found[-1]) if found else None


def failed_diagnosis(read: Diagnosis, report: Report) -> Diagnosis:
    """What the log says, with what the report knows besides. That the publish failed is the report's word."""
    cause = read.cause
    if cause in ("unknown", "not-a-publish"):
        what = " ".join(filter(None, (report.package, report.version))) or "a package"
        read = replace(
            read,
            cause="unknown",
            auth=False,
            outcome="failed",
            phase="publish",
            sentence=f"{report.ci} says that publishing {what} failed, and its log does not say why.",
            fix=("Open the run and look at its last lines.",),
            registry=report.registry or read.registry,
        )
    package = read.package or report.package
    return replace(
        read,
        registry=read.registry or report.registry,
        package=package,
        version=read.version or (report.version if package == report.package else None),
    )


def succeeded_diagnosis(report: Report) -> Diagnosis:
    """A success as its log would have been read."""
    outcome: Literal["staged", "succeeded"] = "staged" if report.staged else "succeeded"
    cause = "staged" if report.staged else "published"
    name = report.package or ""
    what = " ".join(filter(None, (name, report.version)))
    waits = f"{what} is staged and waits for approval, as {report.ci} says."
    return Diagnosis(
        cause=cause,
        auth=False,
        outcome=outcome,
        phase="publish",
        sentence=waits if report.staged else f"{report.ci} says that {what} was published.",
        registry=report.registry or "npm",
        package=report.package,
        version=report.version,
        packages=(PackageOutcome(name, report.version, cause),),
        confidence=0.9,
    )


def fitting(advice: Sequence[str], run: Run, package: str | None) -> tuple[str, ...]:
    """Advice without what works on GitHub alone: re-runs by button, and trust in a workflow file."""
    where = f"Store it where {run.workflow} keeps it, then run the job again."
    advice = [where if "gh secret set" in line or line.startswith("Store it") else line for line in advice]
    kept = [
        _RERUN.sub("run the job again", line) for line in advice if "npm trust" not in line and "id-token" not in line
    ]
    provider = _TRUSTED.get(run.workflow)
    if provider is not None and len(kept) < len(advice):
        name = package or "PACKAGE"
        kept.append(f"Better for good: trusted publishing, which needs no token: `npm trust {provider} {name}`.")
    return tuple(kept)


def _field(payload: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str | None:
    value = payload.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not shape.fullmatch(value) or kind_of(value):
        raise Unreadable(f"{name} is not well formed")
    return value


def _ci_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        return UNNAMED
    known = _CI.get(re.sub(r"[^a-z]", "", value.lower()))
    plain = re.sub(r"[^A-Za-z0-9 ._\-]", "", mask_shapes(value)).strip()[:40]
    return known or plain or UNNAMED
