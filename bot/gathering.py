"""Gathers what is known about a failure besides its log: in parallel, within one time budget.

Each source is optional. One that fails leaves a sentence in `missing`, which the card shows, and never holds up the
alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TryAgain
from bot.evidence import Elsewhere, Evidence, SecretAge, packages_of
from bot.github.run import Job, Run
from bot.history import last_good
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
# Causes behind which a trusted publisher can stand, which names the repository.
_MAY_BE_TRUST = frozenset({"oidc-publisher-mismatch", "oidc-failed", "token-missing", "no-access"})
DEPENDABOT = "dependabot[bot]"
T = TypeVar("T")


async def gather(run: Run, diagnosis: Diagnosis, deps: Deps, job: Job | None = None) -> Evidence:
    """Ask every source at once; those that have not answered when the budget ends are missing. `job`: that failed."""
    packages = packages_of(diagnosis)
    registry = diagnosis.registry or "npm"
    name = packages[0] if packages and registry == "npm" else None
    ask = _Asking(BUDGET_S)
    on_github = deps.github.configured
    has_file = on_github and run.workflow.startswith(".github/")
    by_trust = on_github and diagnosis.cause in _MAY_BE_TRUST
    stored, (workflow, secrets), published, repository, green = await asyncio.gather(
        deps.db.read(_stored, run, registry, packages, deps.now()),
        _workflow_and_secrets(run, job, deps, ask) if has_file and run.sha else _no_workflow(),
        ask("registry", f"{name} on the registry", deps.npm.published(name)) if name else _nothing(),
        ask("repository", "the repository", deps.github.repository(run)) if by_trust else _nothing(),
        ask("history", "the last good run", deps.github.good_runs(run)) if has_file else _nothing(),
    )
    return Evidence(
        packages=packages,
        workflow=workflow,
        secrets=secrets.ages,
        absent_secrets=secrets.absent,
        published=published,
        tokens=tuple(stored.tokens),
        last_good=last_good(run, green or (), stored.went_well, published.newest if published else None),
        repository=repository,
        elsewhere=tuple(_elsewhere(record) for record in stored.failed),
        missing=ask.missing,
    )


class _Asking:
    """Asks sources until one common deadline and keeps why the others did not answer."""

    def __init__(self, budget_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + budget_s
        self._budget_s = budget_s
        self._unread: dict[str, list[str]] = {}  # why -> what

    @property
    def missing(self) -> tuple[str, ...]:
        """One sentence for all that failed for the same reason."""
        return tuple(f"could not read {_and(whats)}: {why}" for why, whats in self._unread.items())

    async def __call__(self, source: str, what: str, asked: Coroutine[Any, Any, T]) -> T | None:
        """`source`: a word for the metrics; `what`: how a person would call it."""
        begun = self._loop.time()
        try:
            async with asyncio.timeout_at(self._deadline):
                return await asked
        except TimeoutError:
            why = f"no answer within {self._budget_s:.0f} seconds"
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


async def _workflow_and_secrets(
    run: Run, job: Job | None, deps: Deps, ask: _Asking
) -> tuple[WorkflowFacts | None, _Secrets]:
    parsed = await ask("workflow", "the workflow file", _workflow(run, deps, run.workflow, run.sha or ""))
    if parsed is None:
        return None, _Secrets()
    name = job.name if job else None
    calls = parsed.calls(name)
    called = await asyncio.gather(
        *(ask("workflow", f"the reusable workflow {uses}", _called_workflow(run, deps, uses)) for uses in calls)
    )
    known = {uses: inner for uses, inner in zip(calls, called, strict=True) if inner is not None}
    workflow = await asyncio.to_thread(read_workflow, parsed, known, name)
    return workflow, await _secrets(run, workflow, deps, ask)


async def _workflow(run: Run, deps: Deps, path: str, ref: str, repo: str | None = None) -> Workflow:
    data = await deps.github.file(run, path, ref, repo)
    if data is None:
        raise GiveUp("workflow-missing", "it is not in the repository at this commit" if repo is None else "not found")
    return await asyncio.to_thread(parse_workflow, data)


async def _called_workflow(run: Run, deps: Deps, uses: str) -> Workflow:
    address = called_address(uses)
    if address is None:
        raise GiveUp("workflow-address", "it names no workflow file")
    return await _workflow(run, deps, address.path, address.ref or run.sha or "", address.repo)


async def _secrets(run: Run, workflow: WorkflowFacts, deps: Deps, ask: _Asking) -> _Secrets:
    """Where the secrets that the publishing job names are kept, in the order in which GitHub looks for them.

    A run that Dependabot started sees Dependabot's secrets and no others.
    """
    names = workflow.secrets[:MOST_SECRETS]
    if not names:
        return _Secrets()
    environments = workflow.environments
    levels = [
        *(_Level("environment", f"secrets of environment {name}", name) for name in environments[:MOST_ENVIRONMENTS]),
        _Level("repository", "secrets of the repository"),
        _Level("organization", "secrets of the organisation"),
    ]
    if run.actor == DEPENDABOT:
        levels = [_Level("dependabot", "Dependabot's secrets of the repository")]
    lists = await asyncio.gather(
        *(ask("secrets", f"when the {level.what} were last written", _listed(run, level, deps)) for level in levels)
    )
    written = [(level, listed) for level, listed in zip(levels, lists, strict=True) if listed is not None]
    ages = [
        SecretAge(name, level.name, listed[name.upper()], level.environment)
        for name in names
        for level, listed in written
        if name.upper() in listed
    ]
    # What Dependabot may see of the organisation, and an environment that cannot be told, are levels not read.
    all_read = (
        len(written) == len(levels)
        and len(environments) <= MOST_ENVIRONMENTS
        and run.actor != DEPENDABOT
        and not any(job.environment_computed for job in workflow.jobs)
    )
    found = {age.name for age in ages}
    return _Secrets(tuple(ages), tuple(name for name in names if name not in found) if all_read else ())


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    what: str
    environment: str | None = None


async def _listed(run: Run, level: _Level, deps: Deps) -> dict[str, datetime]:
    """Name in capitals, as GitHub compares them -> when it was last written."""
    written = await deps.github.secrets(
        run.repo,
        level.environment,
        organization=level.name == "organization",
        dependabot=level.name == "dependabot",
        installation_id=run.installation_id,
    )
    return {name.upper(): at for name, at in written.items()}


async def _nothing() -> None:
    return None


async def _no_workflow() -> tuple[None, _Secrets]:
    return None, _Secrets()


def _and(whats: Sequence[str]) -> str:
    return " and ".join([", ".join(whats[:-1]), whats[-1]] if len(whats) > 1 else whats)
