"""What exists on the stand-in GitHub: runs, jobs, logs, files, secrets. Values only, no HTTP."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

_STAMP = re.compile(r"^\ufeff?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ?", re.MULTILINE)
_RUN_GROUP = re.compile(r"##\[group\](Run .*)$")


def number_for(name: str) -> int:
    """A GitHub-like id that is the same in every run, so that payloads and REST answers agree."""
    return 100_000_000 + zlib.crc32(name.encode()) % 800_000_000


def sha_for(name: str) -> str:
    return "".join(f"{zlib.crc32(f'{name}/{part}'.encode()):08x}" for part in range(5))


def blob_sha(text: str) -> str:
    """Git's own id of a blob, which is a SHA-1 by definition."""
    blob = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob, usedforsecurity=False).hexdigest()


def stamp(at: datetime) -> str:
    """`2026-11-22T10:11:12Z`, as GitHub's API writes times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    conclusion: str = "success"
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """`conclusion` None = still going. `log` is what the blob host serves, bytes as they are."""

    name: str
    conclusion: str | None = "success"
    log: bytes = b""
    steps: tuple[Step, ...] = ()
    labels: tuple[str, ...] = ("ubuntu-latest",)
    id: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a workflow run."""

    repo: str
    id: int
    attempt: int
    conclusion: str | None
    workflow: str
    name: str
    sha: str
    branch: str
    event: str
    actor: str
    title: str
    number: int
    jobs: tuple[Job, ...]
    started_at: datetime
    completed_at: datetime

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repo}/actions/runs/{self.id}"


@dataclass(frozen=True, slots=True)
class Secret:
    name: str
    created_at: datetime
    updated_at: datetime
    visibility: str = "all"
    selected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hosted:
    """A repository that the lists show. Others exist as soon as somebody asks for them."""

    name: str
    private: bool = False
    archived: bool = False
    pushed_at: datetime | None = None
    branch: str = "main"


@dataclass(frozen=True, slots=True)
class LogManners:
    """How one job's log behaves. `not_yet`: the API says 404 this many times more. `gone`: 410 for ever.

    `cut_after`: the blob host ends the connection after so many bytes. `chunk_delay_s`: it waits between chunks.
    `blob_status`: it answers this instead of the log.
    """

    not_yet: int = 0
    gone: bool = False
    cut_after: int | None = None
    chunk_delay_s: float = 0.0
    blob_status: int | None = None


@dataclass(slots=True)
class World:
    """Everything the stand-in GitHub knows; tests and the scenario fill it."""

    runs: dict[tuple[str, int, int], Run] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str | None, str | None]] = field(default_factory=dict)
    secrets: dict[str, dict[str, Secret]] = field(default_factory=dict)
    environments: dict[str, list[str]] = field(default_factory=dict)
    manners: dict[int, LogManners] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    created: dict[str, datetime] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)  # former name in small letters -> present one
    emails: dict[str, str] = field(default_factory=dict)  # login -> on the profile
    commits: dict[str, tuple[str, str]] = field(default_factory=dict)  # sha -> login and address of its author
    tags: dict[str, set[str]] = field(default_factory=dict)
    personal_tokens: list[dict[str, object]] = field(default_factory=list)
    hosted: dict[str, Hosted] = field(default_factory=dict)
    paths: dict[str, set[str]] = field(default_factory=dict)
    _jobs: dict[tuple[str, int], Job] = field(default_factory=dict)

    def attempts(self, repo: str, run_id: int) -> list[Run]:
        found = [run for (of, number, _), run in self.runs.items() if (of, number) == (repo.lower(), run_id)]
        return sorted(found, key=lambda run: run.attempt)

    def job(self, repo: str, job_id: int) -> Job | None:
        return self._jobs.get((repo.lower(), job_id))

    def file(self, repo: str, path: str, ref: str | None) -> str | None:
        versions = self.files.get((repo.lower(), path))
        if versions is None:
            return None
        return versions.get(ref, versions.get(None))

    def inside(self, repo: str, path: str, ref: str | None = None) -> dict[str, str]:
        """What lies in a directory: path -> git-like id of its content, a directory's ending in `/`."""
        under = f"{path}/" if path else ""
        found: dict[str, list[str]] = {}
        for name in sorted(self.paths.get(repo.lower(), ())):
            text = self.file(repo, name, ref)
            if name.startswith(under) and text is not None:
                child, slash, _ = name[len(under) :].partition("/")
                found.setdefault(f"{under}{child}{slash}", []).append(f"{name} {blob_sha(text)}")
        return {
            name: blob_sha("\n".join(held)) if name.endswith("/") else held[0].rpartition(" ")[2]
            for name, held in found.items()
        }

    def add_run(self, run: Run) -> Run:
        jobs = tuple(_completed(run, place, job) for place, job in enumerate(run.jobs))
        run = replace(run, jobs=jobs)
        self.runs[run.repo.lower(), run.id, run.attempt] = run
        self._jobs.update({(run.repo.lower(), job.id): job for job in jobs})
        return run


def _completed(run: Run, place: int, job: Job) -> Job:
    started = job.started_at or run.started_at
    completed = job.completed_at or run.completed_at
    steps = job.steps or (Step("Set up job"), Step("Run", job.conclusion or "success"))
    share = (completed - started) / max(1, len(steps))
    timed = tuple(
        replace(
            step,
            started_at=step.started_at or started + share * place_of,
            completed_at=step.completed_at or started + share * (place_of + 1),
        )
        for place_of, step in enumerate(steps)
    )
    job_id = job.id or number_for(f"{run.repo}/{run.id}/{run.attempt}/{place}/{job.name}") * 100
    return replace(job, id=job_id, steps=timed, started_at=started, completed_at=completed)


def job_from_log(
    name: str, log: str, *, conclusion: str = "failure", labels: tuple[str, ...] = ("ubuntu-latest",)
) -> Job:
    """A job with times and steps read off its log: one step per `##[group]Run ...`, failed where `##[error]` is."""
    steps: list[Step] = [Step("Set up job")]
    starts: list[datetime | None] = [None]
    last: datetime | None = None
    for line in log.splitlines():
        match = _STAMP.match(line)
        if match:
            last = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
            if starts[0] is None:
                starts[0] = last
        if opened := _RUN_GROUP.search(line):
            steps.append(Step(opened[1][:120]))
            starts.append(last)
        elif "##[error]" in line and conclusion != "success":
            steps[-1] = replace(steps[-1], conclusion="failure")
    ends = [*starts[1:], last]
    timed = tuple(
        replace(step, started_at=start, completed_at=end) for step, start, end in zip(steps, starts, ends, strict=True)
    )
    return Job(name, conclusion, log.encode(), timed, labels, started_at=starts[0], completed_at=last)


def restamped(log: str, ends_at: datetime) -> str:
    """The log moved in time so that its last stamped line is at `ends_at`; lines without a stamp stay as they are."""
    stamps = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in _STAMP.findall(log)]
    if not stamps:
        return log
    shift = timedelta(seconds=int((ends_at - stamps[-1]).total_seconds()))

    def moved(match: re.Match[str]) -> str:
        at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC) + shift
        return match[0].replace(match[1], at.strftime("%Y-%m-%dT%H:%M:%S"))

    return _STAMP.sub(moved, log)
