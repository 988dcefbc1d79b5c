"""THE WIRING of health over several workspaces: each asked for itself, what they share asked once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.deps import Deps
from bot.doctor.finding import first_wrong
from bot.doctor.workspaces import admitted_findings
from bot.health import Check, Health, Measured, show
from bot.metrics import METRICS
from bot.one_workspace import Workspace


class SeveralHealth:
    """`shared`: the process's own parts, without a workspace; `running`: team -> workspace; `at_rest`: team -> why."""

    def __init__(
        self, shared: Deps, running: Callable[[], Mapping[str, Workspace]], at_rest: Callable[[], Mapping[str, str]]
    ) -> None:
        self._shared = Health(shared, shared=True)
        self._shared_settings = shared.settings
        self._running = running
        self._at_rest = at_rest

    async def alive(self) -> str | None:
        """None, or what is wrong with the database that all share or that of a workspace."""
        if (problem := await self._shared.alive()) is not None:
            return problem
        running = self._running()
        for team, problem in zip(
            running, await asyncio.gather(*(one.health.alive() for one in running.values())), strict=True
        ):
            if problem is not None:
                return f"{team}: {problem}"
        return None

    async def ready(self) -> tuple[Check, ...]:
        running = self._running()
        shared, *each = await asyncio.gather(self._shared.ready(), *(one.health.ready() for one in running.values()))
        found = [
            replace(check, name=f"{team} {check.name}")
            for team, checks in zip(running, each, strict=True)
            for check in checks
        ]
        installed = {*running, *self._at_rest()}
        nobody = first_wrong(tuple(admitted_findings(self._shared_settings, installed)))
        resting = [Check("workspaces", nobody is None, nobody or "ok")]
        resting += [Check(f"{team} workspace", False, why) for team, why in self._at_rest().items()]
        return (*shared, *found, *resting)

    async def measure(self) -> None:
        measured = await asyncio.gather(*(one.health.measured() for one in self._running().values()))
        total = Measured()
        for one in measured:
            total = total if one is None else total + one
        show(total)
        needed: Counter[str] = Counter()
        for workspace in self._running().values():
            needed.update(workspace.operators.needed)
        METRICS.needs.clear()
        for kind, count in needed.items():
            METRICS.needs.labels(kind).set(count)
