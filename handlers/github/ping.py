"""`ping`: GitHub made the hook and tries whether we are there."""

from __future__ import annotations

from bot.deps import Deps
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def pinged(delivery: Delivery, deps: Deps) -> Worked:
    hook = delivery.payload.get("hook_id")
    return Worked("pong", f"hook {hook}" if isinstance(hook, int) else None)
