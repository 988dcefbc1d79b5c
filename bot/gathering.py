"""Gathers what is known about a failure besides its log: in parallel, within one time budget.

Each source is optional. One that fails leaves a sentence in `missing`, which the card shows, and never holds up the
alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TryAgain
from bot.evidence import Evidence, SecretAge, packages_of
from bot.github.run import Job, Run
from bot.registries.npm.workflow import (
    Unreadable,
    Workflow,
    WorkflowFacts,
    called_address,
    parse_workflow,
    read_workflow,
)
from storage import tokens

BUDGET_S = 8.0
T = TypeVar("T")


async def gather(run: Run, diagnosis: Diagnosis, deps: Deps, job: Job | None = None) -> Evidence:
    """Ask every source at once; those that have not answered when the budget ends are missing. `job`: that failed."""
    packages = packages_of(diagnosis)
    registry = diagnosis.registry or "npm"
    name = packages[0] if packages and registry == "npm" else None
    ask = _Asking(BUDGET_S)
    (workflow, secret), published, stored = await asyncio.gather(
        _workflow_and_secret(run, job, deps, ask),
        ask(f"{name} on the registry", deps.npm.published(name)) if name else _nothing(),
        deps.db.read(tokens.candidates, run.repo, registry, packages),
    )
    return Evidence(
        packages=packages,
        workflow=workflow,
        secrets=(secret,) if secret else (),
        published=published,
        tokens=tuple(stored),
        missing=tuple(ask.missing),
    )


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


async def _workflow_and_secret(
    run: Run, job: Job | None, deps: Deps, ask: _Asking
) -> tuple[WorkflowFacts | None, SecretAge | None]:
    if not run.sha or not run.workflow.startswith(".github/") or not deps.github.configured:
        return None, None
    parsed = await ask("the workflow file", _workflow(run, deps, run.workflow, run.sha))
    if parsed is None:
        return None, None
    name = job.name if job else None
    calls = parsed.calls(name)
    called = await asyncio.gather(
        *(ask(f"the reusable workflow {uses}", _called_workflow(run, deps, uses)) for uses in calls)
    )
    known = {uses: inner for uses, inner in zip(calls, called, strict=True) if inner is not None}
    workflow = await asyncio.to_thread(read_workflow, parsed, known, name)
    if not workflow.secrets:
        return workflow, None
    return workflow, await ask("when the secret was last written", _secret_age(run, workflow, deps))


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


async def _secret_age(run: Run, workflow: WorkflowFacts, deps: Deps) -> SecretAge | None:
    """GitHub's precedence in a job: environment, then repository, then organisation."""
    name = workflow.secrets[0]
    for environment in workflow.environments:
        if updated := await deps.github.secret_updated_at(run, name, environment):
            return SecretAge(name, "environment", updated, environment)
    if updated := await deps.github.secret_updated_at(run, name):
        return SecretAge(name, "repository", updated)
    if updated := await deps.github.organization_secret_updated_at(run, name):
        return SecretAge(name, "organization", updated)
    return None


async def _nothing() -> None:
    return None
