"""Gathers what is known about a failure besides its log: in parallel, within one time budget.

Each source is optional. One that fails leaves a sentence in `missing`, which the card shows, and never holds up the
alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TryAgain
from bot.evidence import Elsewhere, Evidence, GoodRun, SecretAge, packages_of
from bot.github.run import Job, Run
from bot.registries.npm.workflow import (
    Unreadable,
    Workflow,
    WorkflowFacts,
    called_address,
    parse_workflow,
    read_workflow,
)
from storage import incidents, runs, tokens
from storage.runs import RunRecord

BUDGET_S = 8.0
ELSEWHERE_WITHIN = timedelta(minutes=15)
_ABOUT_TRUST = frozenset({"oidc-publisher-mismatch", "oidc-failed", "token-missing", "no-access"})
T = TypeVar("T")


async def gather(run: Run, diagnosis: Diagnosis, deps: Deps, job: Job | None = None) -> Evidence:
    """Ask every source at once; those that have not answered when the budget ends are missing. `job`: that failed."""
    packages = packages_of(diagnosis)
    registry = diagnosis.registry or "npm"
    name = packages[0] if packages and registry == "npm" else None
    ask = _Asking(BUDGET_S)
    trust = diagnosis.cause in _ABOUT_TRUST and deps.github.configured
    (workflow, secrets, absent), published, repository, stored, good, elsewhere = await asyncio.gather(
        _workflow_and_secrets(run, job, deps, ask),
        ask(f"{name} on the registry", deps.npm.published(name)) if name else _nothing(),
        ask("when the repository was made", deps.github.repository(run)) if trust else _nothing(),
        deps.db.read(tokens.candidates, run.repo, registry, packages),
        deps.db.read(runs.last_published, run.repo, run.workflow),
        deps.db.read(incidents.seen_elsewhere, run.repo, registry, deps.now() - ELSEWHERE_WITHIN),
    )
    return Evidence(
        packages=packages,
        workflow=workflow,
        secrets=secrets,
        absent_secrets=absent,
        published=published,
        tokens=tuple(stored),
        last_good=_good_run(good),
        repository=repository,
        elsewhere=tuple(Elsewhere(other.repo, other.cause, other.token_id, other.last_seen_at) for other in elsewhere),
        missing=tuple(dict.fromkeys(ask.missing)),
    )


def _good_run(record: RunRecord | None) -> GoodRun | None:
    if record is None or record.completed_at is None:
        return None
    return GoodRun(record.completed_at, published=True, version=record.version)


class _Asking:
    """Asks sources until one common deadline and keeps a sentence for each that failed."""

    def __init__(self, budget_s: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + budget_s
        self._budget_s = budget_s
        self.missing: list[str] = []

    async def __call__(self, what: str, asked: Coroutine[Any, Any, T]) -> T | None:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await asked
        except TimeoutError:
            self.missing.append(f"could not read {what}: no answer within {self._budget_s:.0f} seconds")
        except (TryAgain, GiveUp) as error:
            self.missing.append(f"could not read {what}: {error.message}")
        except Unreadable as error:
            self.missing.append(f"could not read {what}: {error}")
        return None


async def _workflow_and_secrets(
    run: Run, job: Job | None, deps: Deps, ask: _Asking
) -> tuple[WorkflowFacts | None, tuple[SecretAge, ...], tuple[str, ...]]:
    if not run.sha or not run.workflow.startswith(".github/") or not deps.github.configured:
        return None, (), ()
    parsed = await ask("the workflow file", _workflow(run, deps, run.workflow, run.sha))
    if parsed is None:
        return None, (), ()
    name = job.name if job else None
    calls = parsed.calls(name)
    called = await asyncio.gather(
        *(ask(f"the reusable workflow {uses}", _called_workflow(run, deps, uses)) for uses in calls)
    )
    known = {uses: inner for uses, inner in zip(calls, called, strict=True) if inner is not None}
    workflow = await asyncio.to_thread(read_workflow, parsed, known, name)
    if not workflow.secrets:
        return workflow, (), ()
    return workflow, *await _secret_ages(run, workflow, deps, ask)


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


async def _secret_ages(
    run: Run, workflow: WorkflowFacts, deps: Deps, ask: _Asking
) -> tuple[tuple[SecretAge, ...], tuple[str, ...]]:
    """The best-named secret at each level that has it, the one that is read first, and its name if no level has it."""
    name, github = workflow.secrets[0], deps.github
    # GitHub's precedence in a job.
    levels: list[tuple[str, str | None, Coroutine[Any, Any, datetime | None]]] = [
        *(("environment", named, github.secret_updated_at(run, name, named)) for named in workflow.environments),
        ("repository", None, github.secret_updated_at(run, name)),
        ("organization", None, github.organization_secret_updated_at(run, name)),
    ]
    before = len(ask.missing)
    what = "when the secret was last written"
    written = await asyncio.gather(*(ask(what, asked) for _, _, asked in levels))
    ages = tuple(
        SecretAge(name, level, updated, environment)
        for (level, environment, _), updated in zip(levels, written, strict=True)
        if updated is not None
    )
    all_read = len(ask.missing) == before
    return ages, (name,) if all_read and not ages else ()


async def _nothing() -> None:
    return None
