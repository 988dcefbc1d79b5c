"""`repository`: it was renamed, or transferred to another owner."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet.foretelling import moved
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def renamed(delivery: Delivery, deps: Deps) -> Worked:
    old = _at(delivery.payload, "changes", "repository", "name", "from")
    return await _moved(delivery, f"{delivery.repository.partition('/')[0]}/{old}" if old else "", deps)


async def transferred(delivery: Delivery, deps: Deps) -> Worked:
    owner = _at(delivery.payload, "changes", "owner", "from", "organization", "login") or _at(
        delivery.payload, "changes", "owner", "from", "user", "login"
    )
    name = delivery.repository.partition("/")[2]
    return await _moved(delivery, f"{owner}/{name}" if owner else "", deps, transferred=True)


async def _moved(delivery: Delivery, old: str, deps: Deps, *, transferred: bool = False) -> Worked:
    if not old or "/" not in delivery.repository:
        raise GiveUp("payload", "the payload does not say what the repository was called")
    if not deps.github.configured:
        return Worked("github-not-configured")
    return await moved(delivery.repository, old, deps, transferred=transferred)


def _at(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
