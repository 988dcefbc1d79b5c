"""`meta`: the webhook itself was deleted."""

from __future__ import annotations

from bot.deps import Deps
from bot.fleet import installations
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def deleted(delivery: Delivery, deps: Deps) -> Worked:
    hook = delivery.payload.get("hook_id")
    return await installations.hook_deleted(hook if isinstance(hook, int) else None, delivery.repository, deps)
