"""A workflow run and its jobs in our own types. Every field of GitHub's may be missing or null. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.evidence import Repository

REPO = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_RUN_URL = re.compile(
    r"https?://[^\s/]+/(?P<repo>[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100})/actions/runs/(?P<run>[0-9]{1,18})"
    r"(?:/attempts/(?P<attempt>[0-9]{1,6}))?(?:/jobs?/[0-9]+)?/?(?:[?#].*)?"
)
_FAILED = frozenset({"failure", "timed_out", "startup_failure"})


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a workflow run. `workflow`: path of its file without `@ref`, or its name if there is no path;
    `seen_late`: GitHub could not tell us of it, it was found afterwards."""

    repo: str
    run_id: int
    attempt: int
    workflow: str
    workflow_name: str | None = None
    conclusion: str | None = None
    number: int | None = None
    event: str | None = None
    branch: str | None = None
    sha: str | None = None
    actor: str | None = None
    url: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    installation_id: int | None = None
    from_fork: bool = False
    seen_late: bool = False

    @property
    def on_github(self) -> bool:
        """Whether it is one of GitHub's; another CI's has an id of ours, which is below zero."""
        return self.run_id > 0

    @property
    def which(self) -> str:
        """`run 812`, or where it ran when it has no number."""
        if self.number is None and not self.on_github:
            return f"a run of {self.workflow}"
        return f"run {self.number or self.run_id}"

    @property
    def failed(self) -> bool:
        return self.conclusion in _FAILED

    @property
    def succeeded(self) -> bool:
        return self.conclusion == "success"


@dataclass(frozen=True, slots=True)
class JobStep:
    """One step of a job, as GitHub lists it."""

    name: str
    conclusion: str | None = None

    @property
    def failed(self) -> bool:
        return self.conclusion in _FAILED


@dataclass(frozen=True, slots=True)
class Job:
    """One job of an attempt. `labels`: what the runner was asked to be; `completed_at`: None while it runs."""

    job_id: int
    name: str
    conclusion: str | None = None
    labels: tuple[str, ...] = ()
    url: str | None = None
    steps: tuple[JobStep, ...] = ()
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def failed(self) -> bool:
        return self.conclusion in _FAILED


def run_of(data: Mapping[str, Any], repo: str | None = None, installation_id: int | None = None) -> Run | None:
    """The run behind GitHub's `workflow_run` object; None when it lacks what makes it one (an id, a repository)."""
    repository = _mapping(data.get("repository"))
    name = repo or _text(repository.get("full_name"))
    run_id = _number(data.get("id"))
    if run_id is None or name is None or not REPO.fullmatch(name):
        return None
    actor = _mapping(data.get("triggering_actor")) or _mapping(data.get("actor"))
    head = _mapping(data.get("head_repository"))
    path = (_text(data.get("path")) or "").partition("@")[0]
    title = _text(data.get("name"))
    return Run(
        repo=name,
        run_id=run_id,
        attempt=_number(data.get("run_attempt")) or 1,
        workflow=path or title or "unknown workflow",
        workflow_name=title,
        conclusion=_text(data.get("conclusion")),
        number=_number(data.get("run_number")),
        event=_text(data.get("event")),
        branch=_text(data.get("head_branch")),
        sha=_text(data.get("head_sha")),
        actor=_text(actor.get("login")),
        url=_text(data.get("html_url")),
        started_at=moment_of(data.get("run_started_at")),
        completed_at=moment_of(data.get("updated_at")),
        installation_id=installation_id,
        from_fork=bool(head.get("full_name")) and head.get("full_name") != name,
    )


@dataclass(frozen=True, slots=True)
class RunAddress:
    """A run as people point at it; without `attempt` the latest is meant."""

    repo: str
    run_id: int
    attempt: int | None = None


def run_address(text: str) -> RunAddress | None:
    """The run behind a pasted link such as https://github.com/acme/ui/actions/runs/812/attempts/2, also as Slack marks
    links up (`<link>`, `<link|words>`); None when it is no link to a run."""
    link = text.strip().removeprefix("<").removesuffix(">").partition("|")[0]
    found = _RUN_URL.fullmatch(link)
    if found is None or int(found["run"]) == 0:
        return None
    return RunAddress(found["repo"], int(found["run"]), int(found["attempt"] or 0) or None)


def job_of(data: Mapping[str, Any]) -> Job | None:
    job_id = _number(data.get("id"))
    if job_id is None:
        return None
    labels = data.get("labels")
    steps = data.get("steps")
    return Job(
        job_id=job_id,
        name=_text(data.get("name")) or "job",
        conclusion=_text(data.get("conclusion")),
        labels=tuple(str(label) for label in labels) if isinstance(labels, list) else (),
        url=_text(data.get("html_url")),
        steps=tuple(
            JobStep(_text(step.get("name")) or "step", _text(step.get("conclusion")))
            for step in (steps if isinstance(steps, list) else ())
            if isinstance(step, dict)
        ),
        started_at=moment_of(data.get("started_at")),
        completed_at=moment_of(data.get("completed_at")),
    )


def repository_of(data: Mapping[str, Any]) -> Repository | None:
    """What GitHub's `repository` object says; None when it names none."""
    name = _text(data.get("full_name"))
    if name is None:
        return None
    private = data.get("private")
    return Repository(
        full_name=name,
        repo_id=_number(data.get("id")),
        owner_id=_number(_mapping(data.get("owner")).get("id")),
        created_at=moment_of(data.get("created_at")),
        private=private if isinstance(private, bool) else None,
    )


def moment_of(value: object) -> datetime | None:
    """GitHub's ISO time, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    # NUL and lone surrogates are valid JSON but neither SQLite nor Slack takes them.
    if not isinstance(value, str) or not value:
        return None
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:1000] or None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
