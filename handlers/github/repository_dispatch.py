"""`repository_dispatch`: what a repository reports of the token it uses."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.errors import GiveUp
from bot.github.webhook import Delivery
from bot.inbox import Worked
from bot.rotation.probed import checked, expiring
from bot.rotation.probes import read_checked, read_expiring


async def token_checked(delivery: Delivery, deps: Deps) -> Worked:
    found = read_checked(_payload(delivery))
    if found is None:
        raise GiveUp("payload", "token-checked needs token, ok, status and checked_at")
    return await checked(found, delivery.repository, delivery.guid, deps)


async def token_expiring(delivery: Delivery, deps: Deps) -> Worked:
    found = read_expiring(_payload(delivery))
    if found is None:
        raise GiveUp("payload", "token-expiring needs token and expires_at")
    return await expiring(found, delivery.repository, deps)


def _payload(delivery: Delivery) -> dict[str, Any]:
    payload = delivery.payload.get("client_payload")
    return payload if isinstance(payload, dict) else {}
