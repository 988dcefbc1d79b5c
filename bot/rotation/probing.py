"""Starts the probe workflow where the new token is stored, for who asks. What it finds comes back as `token-checked`.

A probe is optional and ticks nothing: it shows that the token lives where it is stored, not that it may publish.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.deps import Deps
from bot.errors import GiveUp, TellUser, TryAgain
from bot.messages import rotation_thread as thread
from bot.probe_workflow import PROBE_FILE
from bot.rotation import commands, steps, telling
from storage import audit, rotations
from storage.database import Connection
from storage.rotations import Rotation

MOST_REPOSITORIES = 10


@dataclass(frozen=True, slots=True)
class Started:
    """Repositories by what became of it. `missing`: without a probe workflow; `refused`: GitHub did not let us;
    `failed`: repository -> what went wrong."""

    started: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


async def start_probes(deps: Deps, ident: int, who: str) -> tuple[Rotation, Started]:
    """Raises TellUser where no probe could say anything about the new token."""
    rotation = await deps.db.read(rotations.get, ident)
    if rotation is None:
        raise TellUser("This rotation is no longer kept.")
    repos = probed_repositories(rotation)
    if not repos:
        raise TellUser("The new token is not stored in any repository yet, so a probe would only see the old one.")
    if not deps.github.configured:
        raise TellUser("The bot has no GitHub credential, so it cannot start a probe.")
    answers = await asyncio.gather(*(_start(deps, repo) for repo in repos))
    outcome = Started(
        started=tuple(repo for repo, answer in zip(repos, answers, strict=True) if answer is None),
        missing=tuple(repo for repo, answer in zip(repos, answers, strict=True) if answer == "missing"),
        refused=tuple(repo for repo, answer in zip(repos, answers, strict=True) if answer == "refused"),
        failed=tuple(
            (repo, answer)
            for repo, answer in zip(repos, answers, strict=True)
            if answer is not None and answer not in ("missing", "refused")
        ),
    )
    if outcome.started:
        now = deps.now()

        def write(connection: Connection) -> None:
            current = rotations.get(connection, ident)
            if current is None:
                return
            audit.record(
                connection, at=now, who=who, action="rotation.probe", subject=f"rotation:{ident}",
                details=", ".join(outcome.started),
            )  # fmt: skip
            said = thread.probing(outcome.started, who)
            telling.say(connection, current, said, key=f"probe:{who}:{now.timestamp()}", now=now)

        await deps.db.write(write)
        deps.queued()
    return rotation, outcome


def probed_repositories(rotation: Rotation) -> tuple[str, ...]:
    """Where the new token is stored by now and a workflow of GitHub can read it."""
    if rotation.path == "trusted-publishing" or rotation.end is not None or rotation.registry != "npm":
        return ()
    stored = [step.use for step in steps.steps_of(rotation, "store") if step.done is not None and step.use is not None]
    repos = dict.fromkeys(use.repo for use in stored if use.level != "elsewhere" and commands.probe(use))
    return tuple(repos)[:MOST_REPOSITORIES]


async def _start(deps: Deps, repo: str) -> str | None:
    """None when it runs; else `missing`, `refused` or what went wrong."""
    try:
        await deps.github.start_workflow(repo, PROBE_FILE)
    except GiveUp as error:
        known = {"github-not-found": "missing", "github-refused": "missing", "github-forbidden": "refused"}
        return known.get(error.reason, error.message)
    except TryAgain as error:
        return error.message
    return None
