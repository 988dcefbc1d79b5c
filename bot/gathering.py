"""Gathers what is known about a failure besides its log: in parallel, within one time budget.

Each source is optional. One that fails leaves a sentence in `missing`, which the card shows, and never holds up the
alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TryAgain
from bot.evidence import (
    Elsewhere,
    Evidence,
    GoodRun,
    Published,
    Repository,
    SecretAge,
    looked_up,
    packages_of,
    secrets_read,
)
from bot.github.run import Job, Run
from bot.history import good_runs, last_good
from bot.metrics import METRICS
from bot.registries.npm.workflow import (
    Unreadable,
    Workflow,
    WorkflowFacts,
    called_address,
    parse_workflow,
    read_workflow,
)
from storage import runs, tokens
from storage.database import Connection
from storage.runs import RunRecord
from storage.tokens import Token

BUDGET_S = 8.0
NEAR = timedelta(minutes=15)  # failures elsewhere within this time may have the same reason
MOST_SECRETS = 3  # names looked up, the likeliest ones
MOST_ENVIRONMENTS = 3
MOST_POSSIBLE = 10  # environments looked into when an expression names the job's
MOST_PACKAGES = 4  # looked up on the registry
MOST_EARLIER = 3  # versions before the newest
# Causes behind which a trusted publisher can stand, which names the repository.
_MAY_BE_TRUST = frozenset({"oidc-publisher-mismatch", "oidc-failed", "token-missing", "no-access"})
DEPENDABOT = "dependabot[bot]"
T = TypeVar("T")


async def gather(run: Run, diagnosis: Diagnosis, deps: Deps, job: Job | None = None) -> Evidence:
    """Ask every source at once; those that have not answered when the budget ends are missing. `job`: that failed."""
    packages = packages_of(diagnosis)
    registry = diagnosis.registry or "npm"
    names = looked_up(diagnosis, MOST_PACKAGES) if registry == "npm" else ()
    ask = _Asking(BUDGET_S)
    on_github = deps.github.configured
    has_file = on_github and run.workflow.startswith(".github/")
    by_trust = on_github and diagnosis.cause in _MAY_BE_TRUST
    stored, (workflow, secrets), found, repository, green = await asyncio.gather(
        deps.db.read(_stored, run, registry, packages, deps.now()),
        _workflow_and_secrets(run, diagnosis, job, deps, ask) if has_file and run.sha else _no_workflow(),
        _on_registry(names, deps, ask),
        ask("repository", "the repository", partial(deps.github.repository, run)) if by_trust else _nothing(),
        ask("history", "the last good run", partial(deps.github.good_runs, run)) if has_file else _nothing(),
    )
    published = next((one for one in found if one.name == packages[0]), None)
    good = good_runs(run, green or (), stored.went_well, published.releases if published else ())
    return Evidence(
        packages=packages,
        workflow=workflow,
        secrets=secrets.ages,
        absent_secrets=secrets.absent,
        unshared_secrets=secrets.unshared,
        held_by=secrets.held_by,
        published=published,
        others=tuple(one for one in found if one is not published),
        tokens=tuple(stored.tokens),
        last_good=last_good(good),
        last_with_token=await _last_with_token(good, published, deps, ask),
        repository=repository,
        former_name=await _former_name(run, repository, published, deps, ask) if repository else None,
        elsewhere=tuple(_elsewhere(record) for record in stored.failed),
        missing=ask.missing,
    )


async def _on_registry(names: Sequence[str], deps: Deps, ask: _Asking) -> list[Published]:
    """The first one by itself: it matters most, and records of several megabytes would slow each other down."""

    def one(name: str) -> Coroutine[Any, Any, Published | None]:
        return ask("registry", f"{name} on the registry", partial(deps.npm.published, name))

    found = [await one(name) for name in names[:1]]
    found += await asyncio.gather(*(one(name) for name in names[1:]))
    return [published for published in found if published is not None]


async def _last_with_token(
    good: Sequence[GoodRun], published: Published | None, deps: Deps, ask: _Asking
) -> GoodRun | None:
    """Where the newest version came by trust: the last one of this workflow that did not, which shows how long the
    token worked."""
    if published is None or published.newest is None or published.newest.by != "oidc":
        return None
    name, known = published.name, {release.version: release for release in published.releases}
    ours = [one for one in good if one.published and one.version in known and one.package in (None, name)]
    for one in ours[:MOST_EARLIER]:
        release = known[one.version or ""]
        if release.by is None:
            told = await ask("registry", f"how {name} {release.version} came", partial(deps.npm.told, name, release))
            release = told or release
        if release.by == "token":
            return replace(one, by="token")
    return None


async def _former_name(
    run: Run, repository: Repository, published: Published | None, deps: Deps, ask: _Asking
) -> str | None:
    """What the repository was called when the newest version was published; None when it was called the same."""
    then = published.newest.repository if published and published.newest else None
    if not then or then.lower() == repository.full_name.lower():
        return None
    found = await ask(
        "repository", f"whether {then} is this repository's former name", partial(_named, run, then, deps)
    )
    return then if found is not None and found.repo_id is not None and found.repo_id == repository.repo_id else None


async def _named(run: Run, name: str, deps: Deps) -> Repository | None:
    try:
        return await deps.github.repository(run, name)
    except GiveUp as gone:
        if gone.reason in ("github-not-found", "github-forbidden"):
            return None  # another one, which is none of ours
        raise


class _Asking:
    """Asks sources until one common deadline and keeps why the others did not answer."""

    def __init__(self, budget_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + budget_s
        self._budget_s = budget_s
        self._unread: dict[str, list[str]] = {}  # why -> what
        self._untold: list[str] = []

    @property
    def missing(self) -> tuple[str, ...]:
        """One sentence for all that failed for the same reason."""
        unread = (f"could not read {_and(whats)}: {why}" for why, whats in self._unread.items())
        return (*unread, *self._untold)

    def untold(self, sentence: str) -> None:
        """What was read and does not tell."""
        self._untold.append(sentence)

    async def __call__(
        self, source: str, what: str, asked: Callable[[], Awaitable[T]], *, share: float = 1.0
    ) -> T | None:
        """`source`: a word for the metrics; `what`: how a person would call it; `asked`: begins the asking, so that
        nothing is left behind when the bot stops before its turn; `share`: of the time that is left, for what others
        wait for."""
        begun = self._loop.time()
        deadline = begun + (self._deadline - begun) * share
        try:
            async with asyncio.timeout_at(deadline):
                return await asked()
        except TimeoutError:
            waited_s = self._budget_s if share == 1 else deadline - begun
            why = f"no answer within {waited_s:.0f} seconds" if waited_s >= 1.5 else "no answer within a second"
        except (TryAgain, GiveUp) as error:
            why = error.message.removeprefix("GitHub: ")
        except Unreadable as error:
            why = str(error)
        finally:
            METRICS.evidence_seconds.labels(source).observe(self._loop.time() - begun)
        METRICS.evidence_missing.labels(source).inc()
        self._unread.setdefault(why, []).append(what)
        return None


# --- our own records -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stored:
    tokens: Sequence[Token]
    went_well: Sequence[RunRecord]
    failed: Sequence[RunRecord]


def _stored(connection: Connection, run: Run, registry: str, packages: Sequence[str], now: datetime) -> _Stored:
    at = run.completed_at or now
    return _Stored(
        tokens=tokens.candidates(connection, run.repo, registry, packages),
        went_well=runs.went_well(connection, run.repo, run.workflow, at),
        failed=runs.failed_around(connection, registry, at, NEAR, but=run.repo),
    )


def _elsewhere(record: RunRecord) -> Elsewhere:
    return Elsewhere(record.repo, record.cause or "unknown", record.token_id, record.completed_at or record.seen_at)


# --- the workflow file and the secrets it names ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Secrets:
    ages: tuple[SecretAge, ...] = ()
    absent: tuple[str, ...] = ()
    unshared: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()


async def _workflow_and_secrets(
    run: Run, diagnosis: Diagnosis, job: Job | None, deps: Deps, ask: _Asking
) -> tuple[WorkflowFacts | None, _Secrets]:
    parsed = await ask("workflow", "the workflow file", partial(_workflow, run, deps, run.workflow, run.sha or ""))
    if parsed is None:
        return None, _Secrets()
    name = job.name if job else None
    calls = parsed.calls(name)
    called = await asyncio.gather(
        *(
            ask("workflow", f"the reusable workflow {uses}", partial(_called_workflow, run, deps, uses), share=0.5)
            for uses in calls
        )
    )
    known = {uses: inner for uses, inner in zip(calls, called, strict=True) if inner is not None}
    workflow = await asyncio.to_thread(read_workflow, parsed, known, name)
    return workflow, await _secrets(run, workflow, secrets_read(diagnosis, workflow), deps, ask)


async def _workflow(run: Run, deps: Deps, path: str, ref: str, repo: str | None = None) -> Workflow:
    data = await deps.github.file(run, path, ref, repo)
    if data is None:
        gone = "it is not in the repository at this commit" if repo is None else f"not there, or {repo} is out of reach"
        raise GiveUp("workflow-missing", gone)
    return await asyncio.to_thread(parse_workflow, data)


async def _called_workflow(run: Run, deps: Deps, uses: str) -> Workflow:
    address = called_address(uses)
    if address is None:
        raise GiveUp("workflow-address", "it names no workflow file")
    return await _workflow(run, deps, address.path, address.ref or run.sha or "", address.repo)


async def _secrets(run: Run, workflow: WorkflowFacts, read: Sequence[str], deps: Deps, ask: _Asking) -> _Secrets:
    """Where the secrets that the failed steps read are kept, in the order in which GitHub looks for them.

    A run that Dependabot started sees Dependabot's secrets and no others.
    """
    names = tuple(read[:MOST_SECRETS])
    if not names:
        return _Secrets()
    if run.actor == DEPENDABOT:
        return _Secrets(_ages(names, await _read_levels(run, _OF_DEPENDABOT, deps, ask)))
    environments = workflow.environments
    levels = (*map(_environment, environments[:MOST_ENVIRONMENTS]), _REPOSITORY, _ORGANIZATION)
    written, untold = await asyncio.gather(
        _read_levels(run, levels, deps, ask), _of_possible_environments(run, workflow, names, deps, ask)
    )
    ages = tuple(age for age in _ages(names, written) if age.name not in untold)
    all_read = len(written) == len(levels) and len(environments) <= MOST_ENVIRONMENTS
    found = {age.name for age in ages}
    absent = tuple(name for name in names if name not in found | untold) if all_read else ()
    if absent != names:
        return _Secrets(ages, absent)
    in_none = not any(job.environment or job.environment_computed for job in workflow.jobs)
    unshared, held_by = await asyncio.gather(
        _unshared(run, absent, deps, ask), _holders(run, absent[0], deps, ask) if in_none else _no_holders()
    )
    return _Secrets(ages, absent, unshared, held_by)


async def _of_possible_environments(
    run: Run, workflow: WorkflowFacts, names: Sequence[str], deps: Deps, ask: _Asking
) -> set[str]:
    """Names of secrets that an environment may have for this job, when an expression says which one it ran in: the
    repository's own may not be what was read then."""
    if not any(job.environment_computed for job in workflow.jobs):
        return set()
    found = await ask("secrets", "which environments the repository has", partial(deps.github.environments, run))
    if found is None or len(found) > MOST_POSSIBLE:
        held = {name: [f"any of its {len(found)} environments" if found else "it"] for name in names}
    else:
        levels = tuple(map(_environment, found))
        read = await _read_levels(run, levels, deps, ask)
        unread = [level for level in levels if level not in [known for known, _ in read]]
        held = {
            name: [
                level.environment or ""
                for level in levels
                if level in unread or name.upper() in next(listed for known, listed in read if known == level)
            ]
            for name in names
        }
    untold = {name for name, holders in held.items() if holders}
    for name in sorted(untold):
        ask.untold(
            f"could not tell which {name} the job read: an expression names its environment, and {_and(held[name])} may"
            " have another"
        )
    return untold


async def _unshared(run: Run, names: Sequence[str], deps: Deps, ask: _Asking) -> tuple[str, ...]:
    """Those of the names that the organisation has, for other repositories than this one."""
    owner = run.repo.partition("/")[0]
    listed = await ask(
        "secrets",
        "the secrets that the organisation keeps for other repositories",
        partial(deps.github.secrets, owner, organization=True, installation_id=run.installation_id),
    )
    known = {name.upper() for name in listed or ()}
    return tuple(name for name in names if name.upper() in known)


async def _holders(run: Run, name: str, deps: Deps, ask: _Asking) -> tuple[str, ...]:
    """Environments that have a secret of this name, which a job without an environment does not get."""
    found = await ask("secrets", "which environments the repository has", partial(deps.github.environments, run)) or ()
    read = await _read_levels(run, tuple(map(_environment, found[:MOST_POSSIBLE])), deps, ask)
    return tuple(level.environment or "" for level, listed in read if name.upper() in listed)


async def _no_holders() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    what: str
    environment: str | None = None


_REPOSITORY = _Level("repository", "the secrets of the repository")
_ORGANIZATION = _Level("organization", "the secrets of the organisation")
_OF_DEPENDABOT = (
    _Level("dependabot", "Dependabot's secrets of the repository"),
    _Level("dependabot-organization", "Dependabot's secrets of the organisation"),
)
_Written = list[tuple[_Level, dict[str, datetime]]]


def _environment(name: str) -> _Level:
    return _Level("environment", f"the secrets of environment {name}", name)


async def _read_levels(run: Run, levels: Sequence[_Level], deps: Deps, ask: _Asking) -> _Written:
    """The levels that could be read, with each name in capitals, as GitHub compares them, and when it was written."""
    lists = await asyncio.gather(
        *(
            ask("secrets", f"when {level.what} were last written", partial(_listed, run, level, deps))
            for level in levels
        )
    )
    return [(level, listed) for level, listed in zip(levels, lists, strict=True) if listed is not None]


async def _listed(run: Run, level: _Level, deps: Deps) -> dict[str, datetime]:
    written = await deps.github.secrets(
        run.repo,
        level.environment,
        organization=level.name.endswith("organization"),
        dependabot=level.name.startswith("dependabot"),
        installation_id=run.installation_id,
    )
    return {name.upper(): at for name, at in written.items()}


def _ages(names: Sequence[str], written: _Written) -> tuple[SecretAge, ...]:
    return tuple(
        SecretAge(name, level.name, listed[name.upper()], level.environment)
        for name in names
        for level, listed in written
        if name.upper() in listed
    )


async def _nothing() -> None:
    return None


async def _no_workflow() -> tuple[None, _Secrets]:
    return None, _Secrets()


def _and(whats: Sequence[str]) -> str:
    return " and ".join([", ".join(whats[:-1]), whats[-1]] if len(whats) > 1 else whats)
