"""Looks at everything that could prove a step of a rotation: our records, GitHub's secrets and workflows, the registry.

Within one time budget, in parallel, each source optional. What could not be read is said and proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.evidence import Published, Release, SecretAge
from bot.github.run import Run
from bot.registries.npm.workflow import (
    Unreadable,
    Workflow,
    WorkflowFacts,
    called_address,
    parse_workflow,
    read_workflow,
)
from bot.rotation import steps
from bot.rotation.began import of_runs, places_of
from bot.rotation.proofs import Seen, UseSeen
from storage import runs, tokens
from storage.database import Connection
from storage.rotations import Rotation
from storage.runs import RunRecord
from storage.tokens import Token, Use

BUDGET_S = 20.0
AT_ONCE = 6  # requests to one host: GitHub asks not to be hurried
MOST_PACKAGES = 20  # packuments read at one look
MOST_EARLIER = 5  # versions of one package, before its newest
MOST_ENVIRONMENTS = 10  # looked into when an expression names the job's
MOST_WORKFLOWS = 10  # whose runs are asked for
NEAR = timedelta(minutes=30)  # npm's last use and the end of the run that used it
DEFAULT_BRANCH = "HEAD"
T = TypeVar("T")


async def look_at(rotation: Rotation, deps: Deps) -> Seen:
    """Everything that is known now about what the rotation waits for."""
    now = deps.now()
    asking = Asking(BUDGET_S)
    known, uses, published = await asyncio.gather(
        deps.db.read(_records, rotation),
        _uses(rotation, deps, asking),
        _published(rotation, deps, asking),
    )
    runs = await _runs(rotation, published, known["released"], deps, asking)
    return Seen(
        at=now,
        uses=uses,
        published=published,
        runs=runs.known,
        runs_unread=runs.unread,
        runs_complete=runs.complete,
        blind=tuple(dict.fromkeys(asking.blind)),
        **known,
    )


def _records(connection: Connection, rotation: Rotation) -> dict[str, Any]:
    """What our own tables know: the two tokens, publishers, runs."""
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    repos = [step.use.repo for step in steps.steps_of(rotation, "store") if step.use is not None]
    return {
        "old": old,
        "old_absent_at": tokens.absent_since(connection, old) if old else None,
        "new": _new_token(connection, rotation),
        "publishers": tuple(_publishers(connection, rotation)),
        "released": tuple(runs.published_since(connection, repos, rotation.started_at)),
        "old_used_by": _used_by(connection, repos, old),
    }


def _new_token(connection: Connection, rotation: Rotation) -> Token | None:
    """The linked record, or one that npm's list brought under the name that the command gave it."""
    if rotation.new_token_id is not None:
        return tokens.by_id(connection, rotation.new_token_id)
    if rotation.new_name is None:
        return None
    named = tokens.named(connection, [rotation.new_name]).get(rotation.new_name)
    return named if named is not None and named.id != rotation.token_id else None


def _publishers(connection: Connection, rotation: Rotation) -> list[Token]:
    if rotation.path != "trusted-publishing":
        return []
    wanted = set(rotation.packages)
    return [token for token in tokens.of_kind(connection, "npm", "trusted-publisher") if wanted & set(token.packages)]


def _used_by(connection: Connection, repos: Iterable[str], old: Token | None) -> str | None:
    """The run of one of these repositories that ended about when the old token was last used."""
    if old is None or old.last_used_at is None:
        return None
    near = runs.around(connection, repos, old.last_used_at, NEAR)
    if not near:
        return None
    at: datetime = old.last_used_at
    nearest = min(near, key=lambda run: abs((run.completed_at or at) - at))
    return f"probably by {nearest.workflow.rpartition('/')[2]} in {nearest.repo}"


class Asking:
    """Asks sources until one common deadline and keeps a sentence for each that did not answer."""

    def __init__(self, budget_s: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + budget_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self.blind: list[str] = []

    async def __call__(self, what: str, asked: Callable[[], Awaitable[T]]) -> T | None:
        """`asked` is begun when its turn comes, so that a stop before leaves nothing behind."""
        try:
            async with asyncio.timeout_at(self._deadline), self._room:
                return await asked()
        except TimeoutError:
            self.blind.append(f"Could not look at {what}: no answer in time.")
        except (TryAgain, GiveUp) as error:
            self.blind.append(f"Could not look at {what}: {_why(error)}.")
        except Unreadable as error:
            self.blind.append(f"Could not read {what}: {error}.")
        return None


def _why(error: TryAgain | GiveUp) -> str:
    if error.reason == "github-not-found":
        return "it is gone, renamed, or out of the bot's reach"
    return error.message.rstrip(".")


# --- GitHub ----------------------------------------------------------------------------------------------------------


async def _uses(rotation: Rotation, deps: Deps, asking: Asking) -> dict[str, UseSeen]:
    """What GitHub shows of each use that is still of interest."""
    if not deps.github.configured:
        return {}
    asked = steps.steps_of(rotation, "store")
    if steps.reached(rotation) == "revoked" and rotation.path != "trusted-publishing":
        return {}  # nothing that is stored now changes anything
    listed = _Secrets(deps, asking)
    found = await asyncio.gather(*(_use(step.use, deps, asking, listed) for step in asked if step.use is not None))
    seen = {step.subject: one for step, one in zip(asked, found, strict=True)}
    return await _with_names(rotation, seen, deps, asking) if rotation.path == "trusted-publishing" else seen


async def _with_names(rotation: Rotation, seen: dict[str, UseSeen], deps: Deps, asking: Asking) -> dict[str, UseSeen]:
    """GitHub answers for a former name as for the present one; npm compares names."""
    uses = [step.use for step in steps.steps_of(rotation, "store") if step.use is not None and workflow_path(step.use)]
    repos = list(dict.fromkeys(use.repo for use in uses))
    answers = await asyncio.gather(
        *(asking(repo, partial(deps.github.repository, Run(repo, 0, 1, ""))) for repo in repos)
    )
    names = {repo: found.full_name for repo, found in zip(repos, answers, strict=True) if found is not None}
    renamed = {repo: name for repo, name in names.items() if name.lower() != repo.lower()}
    of_use = {step.subject: step.use for step in steps.steps_of(rotation, "store")}
    return {
        subject: replace(one, renamed=renamed.get(use.repo)) if (use := of_use.get(subject)) else one
        for subject, one in seen.items()
    }


async def _use(use: Use, deps: Deps, asking: Asking, listed: _Secrets) -> UseSeen:
    if use.level == "elsewhere":
        return UseSeen()
    facts = await workflow_facts(use, deps, asking)
    if not use.secret:
        return UseSeen(workflow=facts)
    environments = [use.environment] if use.environment else list(facts.environments) if facts else []
    levels: list[tuple[str | None, str]] = [(environment, "environment") for environment in environments]
    levels += [(None, "repository"), (None, "organization")]
    answers = await asyncio.gather(*(listed.at(use.repo, level, environment) for environment, level in levels))
    ages: list[SecretAge] = []
    others: list[SecretAge] = []
    for (environment, level), written in zip(levels, answers, strict=True):
        for name, at in (written or {}).items():
            mine = name.upper() == use.secret.upper()
            (ages if mine else others).append(SecretAge(name, level, at, environment))
    unread = [level for (_, level), written in zip(levels, answers, strict=True) if written is None]
    computed = not use.environment and facts is not None and any(job.environment_computed for job in facts.jobs)
    if computed and await _may_be_hidden(use, deps, asking, listed):
        hidden = (
            f"An expression names the environment in which {use.repo} reads `{use.secret}`, and one of them may have a "
            "secret of that name, so nothing is concluded. Say under *Tick by hand* when it is stored where it is read."
        )
        return UseSeen((), tuple(others), facts, hidden)
    # A level that could not be read may overshadow those that could: then nothing below it is what the job reads.
    blind = f"Could not see every level of `{use.secret}` in {use.repo}, so nothing is concluded." if unread else None
    if unread and (not ages or _rank(unread[0]) < _rank(ages[0].level)):
        ages = []
    return UseSeen(tuple(ages), tuple(others), facts, blind, levels_read=not unread)


async def _may_be_hidden(use: Use, deps: Deps, asking: Asking, listed: _Secrets) -> bool:
    """Whether an environment may have a secret of this name: when an expression names the job's environment, nobody can
    tell from outside which of them the job reads."""
    found = await asking(f"the environments of {use.repo}", partial(deps.github.environments, Run(use.repo, 0, 1, "")))
    if found is None or len(found) > MOST_ENVIRONMENTS:
        return True
    answers = await asyncio.gather(*(listed.at(use.repo, "environment", name) for name in found))
    name = (use.secret or "").upper()
    return any(written is None or name in map(str.upper, written) for written in answers)


def _rank(level: str) -> int:
    return ("environment", "repository", "organization").index(level)


class _Secrets:
    """Lists the secrets of each place once per look: seven uses of one organisation secret ask once."""

    def __init__(self, deps: Deps, asking: Asking) -> None:
        self._deps = deps
        self._asking = asking
        self._lists: dict[tuple[str, str, str | None], asyncio.Task[dict[str, datetime] | None]] = {}

    async def at(self, repo: str, level: str, environment: str | None) -> dict[str, datetime] | None:
        """Name -> last written; None when it could not be read."""
        of_organization = "/" not in repo or repo.endswith("/*")
        if of_organization and level != "organization":
            return {}
        key = (repo, level, environment)
        if key not in self._lists:
            asked = partial(self._deps.github.secrets, repo, environment, organization=level == "organization")
            self._lists[key] = asyncio.ensure_future(self._asking(f"the secrets of {repo}", asked))
        return await self._lists[key]


async def workflow_facts(use: Use, deps: Deps, asking: Asking) -> WorkflowFacts | None:
    """What the workflow of this use says on the default branch; None when there is none to read."""
    path = workflow_path(use)
    if path is None:
        return None
    run = Run(use.repo, 0, 1, path)
    parsed = await asking(f"`{path}` in {use.repo}", partial(_workflow, run, deps, path, DEFAULT_BRANCH))
    if parsed is None:
        return None
    calls = [(uses, address) for uses in parsed.calls() if (address := called_address(uses)) is not None]
    called = await asyncio.gather(
        *(
            asking(uses, partial(_workflow, run, deps, address.path, address.ref or DEFAULT_BRANCH, address.repo))
            for uses, address in calls
        )
    )
    known = {uses: inner for (uses, _), inner in zip(calls, called, strict=True) if inner is not None}
    return await asyncio.to_thread(read_workflow, parsed, known)


def workflow_path(use: Use) -> str | None:
    """Where its file is, or None for what is no file of one repository."""
    path = use.workflow or ""
    if not path.endswith((".yml", ".yaml")) or "/" not in use.repo or use.repo.endswith("*"):
        return None
    return path if "/" in path else f".github/workflows/{path}"


async def workflow_text(use: Use, deps: Deps, asking: Asking) -> str | None:
    """The workflow file itself, as it is on the default branch."""
    path = workflow_path(use)
    if path is None:
        return None
    data = await asking(
        f"`{path}` in {use.repo}", partial(deps.github.file, Run(use.repo, 0, 1, path), path, DEFAULT_BRANCH)
    )
    return data.decode("utf-8", "replace") if data else None


async def _workflow(run: Run, deps: Deps, path: str, ref: str, repo: str | None = None) -> Workflow:
    data = await deps.github.file(run, path, ref, repo)
    if data is None:
        raise GiveUp("workflow-missing", "there is no such file")
    return await asyncio.to_thread(parse_workflow, data)


# --- the registry ----------------------------------------------------------------------------------------------------


async def _published(rotation: Rotation, deps: Deps, asking: Asking) -> dict[str, Published]:
    """The packages that have not proven anything yet. What a new token can do shows only after it is made; what a
    trusted publisher needs shows before."""
    made = any(step.done for step in steps.steps_of(rotation, "mint"))
    if rotation.registry != "npm" or not (made or rotation.path == "trusted-publishing"):
        return {}
    names = [name for name in steps.unproven(rotation) if "*" not in name][:MOST_PACKAGES]
    found = await asyncio.gather(
        *(asking(f"{name} on the registry", partial(_with_the_expected, rotation, name, deps)) for name in names)
    )
    return {name: published for name, published in zip(names, found, strict=True) if published is not None}


async def _with_the_expected(rotation: Rotation, name: str, deps: Deps) -> Published:
    """With the latest version after the switch that came the expected way, also where a newer one came another way."""
    published = await deps.npm.published(name)
    switch, newest = steps.switched_at(rotation), published.newest
    expected = "oidc" if rotation.path == "trusted-publishing" else "token"
    if switch is None or newest is None or newest.by in (expected, None):
        return published
    told: list[Release] = []
    for release in published.earlier[:MOST_EARLIER]:
        if release.published_at is None or release.published_at <= switch:
            break
        told.append(await deps.npm.told(name, release))
        if told[-1].by == expected:
            break
    return replace(published, earlier=(*told, *published.earlier[len(told) :]))


# --- the runs that published -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Runs:
    """`unread`: some could not be asked for now; `complete`: of every workflow that has the token some are known."""

    known: tuple[Run, ...] = ()
    unread: bool = False
    complete: bool = False


async def _runs(
    rotation: Rotation,
    published: Mapping[str, Published],
    released: Sequence[RunRecord],
    deps: Deps,
    asking: Asking,
) -> _Runs:
    """Runs of our workflows that may have published what is there since the switch. A trusted publisher shows itself on
    the version: when its run began does not matter."""
    switch = steps.switched_at(rotation)
    if switch is None or rotation.path == "trusted-publishing" or not deps.github.configured:
        return _Runs()
    moments = [release.published_at for found in published.values() for release in found.releases]
    if not steps.settled(rotation, "prove"):
        moments += [record.completed_at for record in released]
    since = [at for at in moments if at is not None and at > switch]
    if not since:
        return _Runs()
    uses = [step.use for step in steps.steps_of(rotation, "store") if step.use is not None]
    places = list(dict.fromkeys((use.repo, path) for use in uses if (path := workflow_path(use))))
    found = await asyncio.gather(
        *(
            asking(f"the runs of `{path}` in {repo}", partial(_runs_of, repo, path, max(since), deps))
            for repo, path in places[:MOST_WORKFLOWS]
        )
    )
    runs = [run for of in found for run in of or ()]
    by_job = await asyncio.gather(*(_by_its_jobs(rotation, run, since, deps, asking) for run in runs))
    unread = None in found or None in by_job
    complete = not unread and all(found) and len(places) <= MOST_WORKFLOWS and all(map(workflow_path, uses))
    return _Runs(tuple(run for run in by_job if run is not None), unread, complete and bool(uses))


async def _runs_of(repo: str, path: str, until: datetime, deps: Deps) -> tuple[Run, ...]:
    try:
        return await deps.github.runs_until(Run(repo, 0, 1, path), until)
    except GiveUp:
        return ()  # no right to see them: then it is not known when they began


async def _by_its_jobs(
    rotation: Rotation, run: Run, moments: Sequence[datetime], deps: Deps, asking: Asking
) -> Run | None:
    """The run as begun when its publishing job was, where GitHub hands out the secret no sooner: those of an
    environment wait for whoever approves. None when that could not be asked."""
    levels = {step.use.level for step in places_of(rotation, run) if step.use is not None}
    if levels != {"environment"} or of_runs(rotation, [run]).when != "early":
        return run
    jobs = await asking(f"the jobs of a run of {run.repo}", partial(deps.github.jobs, run))
    if jobs is None:
        return None
    begun = [
        job.started_at
        for job in jobs
        if job.started_at is not None
        and any(job.started_at <= at and (job.completed_at is None or at <= job.completed_at) for at in moments)
    ]
    return replace(run, started_at=min(begun)) if begun else run
