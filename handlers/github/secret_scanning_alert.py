"""`secret_scanning_alert`: GitHub found a credential, learnt more about it, or somebody closed the alert."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet import leaks
from bot.fleet.leaks import Alert
from bot.github.webhook import Delivery
from bot.inbox import Worked

FOUND = ("created", "reopened", "publicly_leaked", "validated")


async def found(delivery: Delivery, deps: Deps) -> Worked:
    return await leaks.found(_alert(delivery), deps)


async def resolved(delivery: Delivery, deps: Deps) -> Worked:
    return await leaks.resolved(_alert(delivery), deps)


def _alert(delivery: Delivery) -> Alert:
    data = delivery.payload.get("alert")
    alert = data if isinstance(data, dict) else {}
    number, kind = alert.get("number"), alert.get("secret_type")
    if not isinstance(number, int) or not isinstance(kind, str) or "/" not in delivery.repository:
        raise GiveUp("payload", "the payload names no alert or no repository")
    resolution = alert.get("resolution")
    return Alert(
        repo=delivery.repository,
        number=number,
        secret_type=kind,
        url=str(alert.get("html_url") or ""),
        validity=str(alert.get("validity") or "unknown"),
        public=alert.get("publicly_leaked") is True,
        elsewhere=alert.get("multi_repo") is True,
        resolution=resolution if isinstance(resolution, str) else None,
    )
