"""`installation` and `installation_repositories`: where the App may look has changed."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet import installations
from bot.github.webhook import Delivery
from bot.inbox import Worked

MOST = 1000
REACHED = ("created", "unsuspend", "new_permissions_accepted")
LOST = ("deleted", "suspend")


async def reached(delivery: Delivery, deps: Deps) -> Worked:
    return await installations.reached(_owner(delivery), deps)


async def lost(delivery: Delivery, deps: Deps) -> Worked:
    return await installations.lost(_owner(delivery), deps)


async def repositories_added(delivery: Delivery, deps: Deps) -> Worked:
    return await installations.reached(_owner(delivery), deps)


async def repositories_removed(delivery: Delivery, deps: Deps) -> Worked:
    listed = delivery.payload.get("repositories_removed")
    names = [one.get("full_name") for one in listed[:MOST] if isinstance(one, dict)] if isinstance(listed, list) else []
    return await installations.taken_away([name for name in names if isinstance(name, str)], deps)


def _owner(delivery: Delivery) -> str:
    installation = delivery.payload.get("installation")
    account = installation.get("account") if isinstance(installation, dict) else None
    login = account.get("login") if isinstance(account, dict) else None
    if not isinstance(login, str) or not login:
        raise GiveUp("payload", "the payload does not say where the App is installed")
    return login[:100]
