"""Staged versions by npm's own list, once an hour, where a read token of a maintainer is configured.

The log of the run that staged a version is usually heard of first, and its card goes on: here it learns the id with
which it is approved, and by whom. A version that nobody heard of gets a card of its own. What leaves the list is either
on the registry, or was rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot import announce, settling
from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.evidence import Published
from bot.fleet.cards import facts
from bot.messages import thread
from bot.registries.npm.stage_list import Staged
from storage import audit, awaited, fleet, incidents, staged_versions
from storage.awaited import Failed
from storage.database import Connection
from storage.incidents import Incident, NewIncident
from storage.staged_versions import StagedVersion

log = structlog.get_logger("staged")

HEAD_START = timedelta(minutes=15)  # for the log of the run that staged it
MOST_NEW = 50  # in an hour


async def look(deps: Deps) -> None:
    """Compare npm's list with what is known."""
    if deps.stages is None:
        return
    now = deps.now()
    try:
        listed = {one.stage_id: one for one in await deps.stages.listed()}
    except (TryAgain, GiveUp) as error:
        log.warning("the stage list cannot be read", reason=error.reason, why=error.message)
        return
    known = {one.stage_id: one for one in await deps.db.read(staged_versions.waiting)}
    old_enough = [one for one in listed.values() if one.created_at is None or now - one.created_at >= HEAD_START]
    new = [one for one in old_enough if one.stage_id not in known][:MOST_NEW]
    gone = [one for ident, one in known.items() if ident not in listed]
    names = dict.fromkeys([*(one.package for one in new), *(one.package for one in gone)])
    seen = {name: await _published(name, deps) for name in names}
    await deps.db.write(_compared, new, gone, [known[ident] for ident in known if ident in listed], seen, deps)
    deps.queued()


async def _published(package: str, deps: Deps) -> Published | None:
    try:
        return await deps.npm.published(package)
    except (TryAgain, GiveUp) as error:
        log.info("registry not read", package=package, reason=error.reason)
        return None


def _compared(
    connection: Connection,
    new: Sequence[Staged],
    gone: Sequence[StagedVersion],
    still: Sequence[StagedVersion],
    seen: dict[str, Published | None],
    deps: Deps,
) -> None:
    now = deps.now()
    for one in new:
        incident = _appeared(connection, one, seen[one.package], deps, now)
        record = StagedVersion(one.stage_id, one.package, one.version, one.created_at or now, one.actor)
        staged_versions.keep(connection, record)
        if incident is not None:
            said = thread.stage_listed(record, _who(seen[one.package]))
            announce.say_in_thread(connection, incident, said, key=f"stage:{one.stage_id}", now=now)
    for known in still:
        staged_versions.keep(connection, known)
    for known in gone:
        _left(connection, known, seen[known.package], now)


def _appeared(
    connection: Connection, one: Staged, published: Published | None, deps: Deps, now: datetime
) -> Incident | None:
    """The incident that waits for it, which may begin now."""
    for item in awaited.of_version(connection, one.package, one.version):
        awaited.becomes(connection, item, "staged", now)
        incident = incidents.get(connection, item.incident_id)
        if incident is not None:
            announce.edit_card(connection, incident, now)
            return incident
    repo = fleet.repository_of_package(connection, one.package) or (
        published.newest.repository if published and published.newest and published.newest.repository else None
    )
    channel = deps.settings.channel_for(repo or one.package)
    if channel is None or (published is not None and one.version in published.versions):
        return None
    shown = facts(
        f"{one.package} {one.version} is staged on npm and waits for approval.",
        (f"Approve it: `npm stage view {one.stage_id}`, then `npm stage approve {one.stage_id}`.",),
        repo=repo or one.package,
        reasons=("npm's list of staged versions",),
        auth=False,
    )
    new = NewIncident(
        fingerprint=f"npm|staged|{one.package}@{one.version}".lower(),
        registry="npm",
        cause="staged",
        verdict="staged",
        token_id=None,
        repo=repo or one.package,
        workflow="npm stage",
        package=one.package,
        version=one.version,
        channel=channel,
        facts=shown.to_json(),
    )
    if incidents.open_by_fingerprint(connection, new.fingerprint) is not None:
        return None
    opened = incidents.open_incident(connection, new, now)
    audit.record(
        connection, at=now, who="bot", action="incident.open", subject=f"incident:{opened.id}",
        details=f"staged in {new.repo}",
    )  # fmt: skip
    waits = Failed(one.package, one.version, "staged")
    awaited.failed(
        connection, opened.id, [waits], repo=new.repo, workflow=new.workflow, run_id=0, run_url=None,
        at=one.created_at or now,
    )  # fmt: skip
    opened = settling.begin_watch(connection, opened, now)
    announce.post_card(connection, opened, now)
    return opened


def _left(connection: Connection, one: StagedVersion, published: Published | None, now: datetime) -> None:
    """It is not on the list any more."""
    items = awaited.of_version(connection, one.package, one.version)
    if published is None:
        return  # another time
    if one.version in published.versions:
        for ident in dict.fromkeys(item.incident_id for item in items):
            settling.looked(connection, ident, {one.package: published}, now)
        staged_versions.end(connection, one, now)
        return
    if one.missed_at is None:
        staged_versions.missed(connection, one, now)  # npm looks an approved version over before it shows it
        return
    how = f"{one.package} {one.version} is no longer staged and is not on the registry: it was rejected or withdrawn."
    for item in items:
        if item.state != "staged":
            continue
        awaited.settle(connection, item, state="rejected", how=how, now=now)
        incident = incidents.get(connection, item.incident_id)
        if incident is not None and not awaited.open_of(connection, incident.id):
            settling.close(connection, incident, how, now)
        elif incident is not None:
            announce.edit_card(connection, incident, now)
    staged_versions.end(connection, one, now)


def _who(published: Published | None) -> tuple[str, ...]:
    """npm accounts that may approve: the package's maintainers."""
    return published.newest.maintainers if published and published.newest else ()
