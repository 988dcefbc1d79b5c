"""Released on GitHub, not on the registry: looks for each release's version, and says so when it does not come.

A publish takes some minutes, and npm looks a new version over before it shows it. After that, either a run failed and
its card tells of it, or nothing ran at all: that is the case nobody hears of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.fleet.cards import close_card, facts, open_card
from bot.fleet.reading import version_of
from bot.fleet.release_tags import announced
from bot.fleet.scan import Scan
from bot.github.inventory import InventoryCalls
from bot.inbox import Worked
from storage import awaited_releases, fleet, incidents, runs, staged_versions, tokens
from storage.awaited_releases import AwaitedRelease
from storage.database import Connection
from storage.incidents import NewIncident

log = structlog.get_logger("releases")

LOOKS = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1))  # after the release; then it is missing
AFTERWARDS = timedelta(hours=1)
LONGEST = timedelta(days=7)
AT_ONCE = 20
UNREAD_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Release:
    """`url`: its page."""

    repo: str
    tag: str
    url: str
    released_at: datetime


async def released(release: Release, deps: Deps) -> Worked:
    """Wait for the version that a release announces, where it is known to go to npm."""
    if deps.github.configured and await deps.db.read(fleet.repository, release.repo) is None:
        try:
            await Scan(deps.github, deps.db, now=deps.now).repository(release.repo)
        except GiveUp as error:
            log.info("repository cannot be read", repo=release.repo, reason=error.reason)
    packages, workflow, publishes = await deps.db.read(_publishing, release.repo)
    if not publishes:
        return Worked("publishes-nothing-known")
    about = announced(release.tag, packages)
    if about is None:
        return Worked("which-package-unknown")
    return Worked("awaited", " ".join(about), partial(_wait, release, about, workflow, deps))


async def tagged(release: Release, deps: Deps) -> Worked:
    """A version's tag was pushed, and a workflow publishes when something is pushed. That the tag is about a package is
    believed when package.json says the same version there, or when it names a package of the repository."""
    known = await deps.db.read(fleet.repository, release.repo)
    if known is None or not known.publishes:
        return Worked("publishes-nothing-known")
    jobs = [job for job in await deps.db.read(fleet.jobs_of, release.repo) if job.registry == "npm"]
    if not any("push" in job.triggers for job in jobs):
        return Worked("tags-publish-nothing")
    packages, workflow, _ = await deps.db.read(_publishing, release.repo)
    about = announced(release.tag, packages)
    if about is None or about[0] not in packages:
        return Worked("which-package-unknown")
    if not release.tag.startswith(("@", f"{about[0].rpartition('/')[2]}@", f"{about[0].rpartition('/')[2]}-")):
        owner = release.repo.partition("/")[0]
        content = await InventoryCalls(deps.github).file(owner, release.repo, "package.json", release.tag)
        if content is None or version_of(content) != about[1]:
            return Worked("tag-of-something-else")
    started_by = next((job.path for job in jobs if "push" in job.triggers), workflow)
    return Worked("awaited", " ".join(about), partial(_wait, release, about, started_by, deps))


def _wait(release: Release, about: tuple[str, str], workflow: str, deps: Deps, connection: Connection) -> None:
    awaited_releases.wait_for(
        connection,
        repo=release.repo,
        tag=release.tag,
        package=about[0],
        version=about[1],
        workflow=workflow,
        url=release.url,
        released_at=release.released_at,
        look_at=max(release.released_at + LOOKS[0], deps.now()),
    )


async def watch(deps: Deps) -> None:
    """Every look that is due now."""
    now = deps.now()
    again_at = now + UNREAD_AGAIN
    for one in await deps.db.write(awaited_releases.claim, now, again_at=again_at, limit=AT_ONCE):
        try:
            published = await deps.npm.published(one.package)
        except (TryAgain, GiveUp) as error:
            log.info("registry not read", package=one.package, reason=error.reason)
            continue
        if not published.exists and one.package.startswith("@"):
            # A private package looks the same as one that is not there: nothing can be said of it.
            await deps.db.write(awaited_releases.end, one, "not-visible")
            continue
        await deps.db.write(_looked, one, one.version in published.versions, deps)
        deps.queued()


def _looked(connection: Connection, one: AwaitedRelease, there: bool, deps: Deps) -> None:
    now = deps.now()
    if there:
        close_card(connection, _fingerprint(one), f"{one.package} {one.version} is on the registry.", now)
        awaited_releases.end(connection, one, "live")
        return
    known = incidents.get(connection, one.incident_id) if one.incident_id else None
    if known is not None and known.state == "resolved":
        awaited_releases.end(connection, one, "closed")
        return
    if now - one.released_at > LONGEST:
        awaited_releases.end(connection, one, "given-up")
        return
    incident_id, looks = one.incident_id, one.looks + 1
    if known is None and looks >= len(LOOKS):
        if incidents.open_of_version(connection, one.package, one.version):
            awaited_releases.end(connection, one, "known")
            return
        staged = runs.was_staged(connection, one.repo, one.package, one.version) or staged_versions.is_staged(
            connection, one.package, one.version
        )
        opened = open_card(connection, _incident(one, staged, deps), now)
        incident_id = opened.id if opened else None
    following = one.released_at + LOOKS[looks] if looks < len(LOOKS) else now + AFTERWARDS
    awaited_releases.looked(connection, one, look_at=max(following, now), incident_id=incident_id)


def _incident(one: AwaitedRelease, staged: bool, deps: Deps) -> NewIncident:
    name = f"{one.package} {one.version}"
    was = "released" if "/releases/" in one.url else "tagged"
    if staged:
        sentence = f"{name} was {was} on GitHub and is only staged on npm: it waits for approval."
        advice: tuple[str, ...] = (f"Approve it: `npm stage list {one.package}`, then `npm stage approve ID`.",)
    else:
        sentence = f"{name} was {was} on GitHub and is not on npm."
        file = one.workflow.rpartition("/")[2]
        runs_of = f"gh run list --repo {one.repo}" + (f" --workflow {file}" if file else "")
        advice = (
            f"Look whether the publish workflow ran: `{runs_of}`.",
            f"If it never started: what was {was} with GITHUB_TOKEN starts no workflow. Run it by hand.",
        )
    shown = facts(
        sentence,
        advice,
        repo=one.repo,
        url=one.url,
        reasons=(f"{'release' if was == 'released' else 'tag'} {one.tag}",),
        auth=False,
    )
    return NewIncident(
        fingerprint=_fingerprint(one),
        registry="npm",
        cause="release-missing",
        verdict="release-staged" if staged else "release-missing",
        token_id=None,
        repo=one.repo,
        workflow=one.workflow,
        package=one.package,
        version=one.version,
        channel=deps.settings.channel_for(one.repo),
        facts=shown.to_json(),
    )


def _fingerprint(one: AwaitedRelease) -> str:
    return f"npm|release-missing|{one.repo}|{one.package}@{one.version}".lower()


def _publishing(connection: Connection, repo: str) -> tuple[list[str], str, bool]:
    """(packages, workflow file, whether anything is known to publish to npm there)."""
    jobs = [job for job in fleet.jobs_of(connection, repo) if job.registry == "npm"]
    packages = fleet.packages_of(connection, repo) if jobs else []
    used = [
        token
        for token in tokens.candidates(connection, repo, "npm")
        if any(use.repo.lower() == repo.lower() for use in token.used_by)
    ]
    if not packages:
        packages = [package for token in used for package in token.packages if "*" not in package]
    return list(dict.fromkeys(packages)), jobs[0].path if jobs else "", bool(jobs or used)
