"""A push or a new name, compared with what is trusted and stored: a card says what the next release will fail with.

Reads the workflow files as they were before and as they are after, so that it needs no scan; the secrets are those of a
fresh look at this one repository.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet.cards import close_card, facts, open_card
from bot.fleet.forecast import Forecast, State, forecast, foretold, renamed, trusts_of
from bot.fleet.inventory import SecretPlace, seen_by
from bot.fleet.reading import Unreadable, jobs_of, read_file
from bot.fleet.scan import MOST_FILES, WORKFLOWS, Scan
from bot.github.inventory import InventoryCalls
from bot.inbox import Worked
from bot.registries.npm.workflow import Workflow, WorkflowAddress, called_address
from bot.token_changes import keep
from storage import fleet, incidents, tokens
from storage.database import Connection
from storage.fleet import FleetJob, FleetRepository
from storage.incidents import NewIncident
from storage.tokens import Token

log = structlog.get_logger("forecast")


@dataclass(frozen=True, slots=True)
class Push:
    """Commits on the default branch. `before` and `after`: their ids; `workflows`: whether they may have touched a
    workflow file."""

    repo: str
    before: str
    after: str
    workflows: bool
    compare_url: str | None = None


def is_workflow(path: str) -> bool:
    return path.startswith(f"{WORKFLOWS}/") and path.endswith((".yml", ".yaml"))


async def pushed(push: Push, deps: Deps) -> Worked:
    """What a push to the default branch means for the next release."""
    if not push.workflows:
        return Worked("no-workflow-changed")
    calls = InventoryCalls(deps.github)
    texts: dict[str, bytes | None] = {}
    before = await _state(push.repo, push.before, calls, texts)
    after = await _state(push.repo, push.after, calls, texts)
    if before is None or after is None:
        return Worked("no-earlier-state", "GitHub does not show one of the two commits")
    if not before.jobs and not after.jobs:
        return Worked("publishes-nothing")
    stored = await deps.db.read(tokens.candidates, push.repo, "npm")
    stored += await deps.db.read(_publishers_elsewhere, push.repo)
    open_ones = await deps.db.read(incidents.open_of_cause, push.repo, "forecast")
    remembered = tuple(trust for one in open_ones if (trust := foretold(one.fingerprint)))
    trusts, secrets = (*trusts_of(stored, push.repo), *remembered), await _secrets(push.repo, deps)
    packages = tuple(await deps.db.read(fleet.packages_of, push.repo))
    before = replace(before, trusts=trusts, secrets=secrets)
    broken, mended = forecast(before, replace(after, trusts=trusts, secrets=secrets, packages=packages))
    return _worked(broken, mended, push.compare_url, stored, deps, "nothing-foreseen")


async def moved(repo: str, old: str, deps: Deps, *, transferred: bool) -> Worked:
    """A repository has another name or owner now."""
    calls = InventoryCalls(deps.github)
    one = await calls.repository(repo)
    state = await _state(one.name, one.branch, calls, {}) or State(one.name)
    stored = await deps.db.read(tokens.candidates, old, "npm")
    stored += await deps.db.read(_publishers_elsewhere, old)
    secrets = {**await _secrets(old, deps, ask=False), **await _secrets(one.name, deps)}
    packages = tuple(await deps.db.read(fleet.packages_of, one.name))
    state = replace(state, trusts=trusts_of(stored, old), secrets=secrets, packages=packages)
    found = renamed(state, old, transferred=transferred)
    worked = _worked(found, (), f"https://github.com/{one.name}/settings", stored, deps, "nobody-trusts-it")
    using = [token for token in stored if token.kind != "trusted-publisher" and _uses(token, old)]

    def apply(connection: Connection) -> None:
        for token in using:
            _follow(connection, token, old, one.name, deps.now())
        fleet.forget(connection, old)
        if worked.apply:
            worked.apply(connection)

    return Worked(worked.reason, worked.note, apply)


def _worked(
    broken: Sequence[Forecast],
    mended: Sequence[Forecast],
    url: str | None,
    stored: Sequence[Token],
    deps: Deps,
    silence: str,
) -> Worked:
    by_name = {token.name: token.id for token in stored}

    def apply(connection: Connection) -> None:
        now = deps.now()
        for one in mended:
            close_card(connection, one.key, "The workflow file was changed: this is mended.", now)
        for one in broken:
            token_id = by_name.get(one.publisher) if one.publisher else None
            open_card(connection, _incident(one, token_id, url, deps), now)

    if not broken and not mended:
        return Worked(silence)
    reason = "foreseen" if broken else "mended"
    return Worked(reason, broken[0].sentence if broken else None, apply)


def _incident(one: Forecast, token_id: int | None, url: str | None, deps: Deps) -> NewIncident:
    shown = facts(one.sentence, one.advice, repo=one.repo, url=url, reasons=("seen in the change, before any release",))
    return NewIncident(
        fingerprint=one.key,
        registry=one.registry,
        cause="forecast",
        verdict=one.code,
        token_id=token_id,
        repo=one.repo,
        workflow=one.workflow,
        package=None,
        version=None,
        channel=deps.settings.channel_for(one.repo),
        facts=shown.to_json(),
    )


async def _state(repo: str, ref: str, calls: InventoryCalls, texts: dict[str, bytes | None]) -> State | None:
    """The publishing jobs of all workflow files at a commit; None when there is no such commit, or nothing in it.
    `texts`: content by git's id, shared between commits."""
    here = FleetRepository(repo, branch=ref)
    owner = repo.partition("/")[0]
    root = {entry.path for entry in await calls.directory(here)}
    if not root:
        return None
    listed = await calls.directory(here, WORKFLOWS) if ".github" in root else ()
    parsed: dict[str, Workflow] = {}
    for entry in [e for e in listed if e.path.endswith((".yml", ".yaml")) and not e.directory][:MOST_FILES]:
        if entry.sha not in texts:
            texts[entry.sha] = await calls.file(owner, repo, entry.path, ref)
        content = texts[entry.sha]
        try:
            if content is not None:
                parsed[entry.path] = await asyncio.to_thread(read_file, content)
        except Unreadable:
            continue
    jobs: list[FleetJob] = []
    missing: list[tuple[str, str]] = []
    for path, workflow in parsed.items():
        called: dict[str, Workflow] = {}
        for uses in workflow.calls():
            address = called_address(uses)
            if address is None:
                continue
            if address.repo is None and address.path not in parsed:
                if not any(entry.path == address.path for entry in listed):
                    missing.append((path, uses))
                continue
            inner = parsed[address.path] if address.repo is None else await _called(owner, address, calls)
            if inner is not None:
                called[uses] = inner
        if set(workflow.triggers) != {"workflow_call"}:
            jobs += await asyncio.to_thread(jobs_of, repo, path, workflow, called)
    has_npmrc = ".npmrc" in root and b"authtoken" in (await calls.file(owner, repo, ".npmrc", ref) or b"").lower()
    return State(repo, tuple(jobs), missing_calls=tuple(missing), has_npmrc=has_npmrc)


async def _called(owner: str, address: WorkflowAddress, calls: InventoryCalls) -> Workflow | None:
    try:
        content = await calls.file(owner, address.repo or owner, address.path, address.ref)
        return await asyncio.to_thread(read_file, content) if content else None
    except (Unreadable, GiveUp):
        return None


async def _secrets(repo: str, deps: Deps, *, ask: bool = True) -> dict[SecretPlace, datetime]:
    """What the repository's workflows can read, after a fresh look; empty when that is not to be known."""
    if ask:
        scan = Scan(deps.github, deps.db, now=deps.now)
        try:
            await scan.repository(repo)
        except GiveUp as error:
            log.info("secrets are not known", repo=repo, reason=error.reason)
            return {}
        if scan.unseen_secrets:
            return {}
    return seen_by(await deps.db.read(fleet.records), repo)


def _publishers_elsewhere(connection: Connection, repo: str) -> list[Token]:
    """Trusted publishers of other registries that name the repository."""
    found = [tokens.of_kind(connection, registry, "trusted-publisher") for registry in ("pypi", "crates", "rubygems")]
    return [token for some in found for token in some if _uses(token, repo)]


def _uses(token: Token, repo: str) -> bool:
    return any(use.repo.lower() == repo.lower() for use in token.used_by)


def _follow(connection: Connection, token: Token, old: str, new: str, now: datetime) -> None:
    """A token's uses go with the repository. What a registry trusts does not: a person has to tell it."""
    current = tokens.by_id(connection, token.id or 0)
    if current is None:
        return
    uses = tuple(replace(use, repo=new) if use.repo.lower() == old.lower() else use for use in current.used_by)
    if uses != current.used_by:
        keep(connection, replace(current, used_by=uses), current, who="bot", now=now)
