"""The App was installed, taken away, or given other repositories: what is on record of the fleet follows."""

from __future__ import annotations

from collections.abc import Sequence

from bot import announce, settling
from bot.deps import Deps
from bot.inbox import Worked
from bot.messages.hook_gone import hook_gone
from storage import awaited, fleet, fleet_rounds, outbox
from storage.database import Connection
from storage.incidents import get as incident_by_id


async def reached(owner: str, deps: Deps) -> Worked:
    """More of an owner can be read: its next scan begins with the next tick instead of the next hour."""
    return Worked("scan-due", owner, lambda connection: _begin(connection, owner, deps))


async def lost(owner: str, deps: Deps) -> Worked:
    """Nothing of an owner can be read any more. Tokens, incidents and rotations are people's and stay."""
    return Worked("forgotten", owner, lambda connection: fleet_rounds.forget_owner(connection, owner))


async def taken_away(repos: Sequence[str], deps: Deps) -> Worked:
    def apply(connection: Connection) -> None:
        for repo in repos:
            fleet.forget(connection, repo)

    return Worked("forgotten", f"{len(repos)} repositories", apply)


async def package_out(repo: str, package: str, version: str, deps: Deps) -> Worked:
    """GitHub Packages has a version: whatever waited for it is over."""
    now = deps.now()

    def apply(connection: Connection) -> None:
        for item in awaited.of_version(connection, package, version):
            incident = incident_by_id(connection, item.incident_id)
            if incident is None or incident.registry != "github-packages" or item.repo.lower() != repo.lower():
                continue
            how = f"{package} {version} is on GitHub Packages."
            awaited.settle(connection, item, state="live", how=how, now=now)
            if awaited.open_of(connection, incident.id):
                announce.edit_card(connection, incident, now)
            else:
                settling.close(connection, incident, how, now)

    return Worked("package-out", f"{package} {version}", apply)


async def hook_deleted(hook: int | None, where: str, deps: Deps) -> Worked:
    """GitHub's last word on a webhook: somebody deleted it."""
    channel = deps.settings.operators_channel
    said = hook_gone(where)

    def apply(connection: Connection) -> None:
        if channel is not None:
            outbox.put(
                connection,
                key=f"hook-gone:{hook}:{where}",
                kind="post",
                channel=channel,
                text=said.text,
                blocks=announce.blocks_json(said),
                now=deps.now(),
            )

    return Worked("hook-deleted", where, apply)


def _begin(connection: Connection, owner: str, deps: Deps) -> None:
    fleet_rounds.begin(connection, owner, deps.now())
