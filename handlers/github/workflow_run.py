"""`workflow_run`: a run ended; triage finds out whether it is any of our business."""

from __future__ import annotations

from dataclasses import replace

from bot.deps import Deps
from bot.errors import GiveUp
from bot.github.run import run_of
from bot.github.webhook import Delivery
from bot.inbox import Worked
from bot.triage import triage


async def completed(delivery: Delivery, deps: Deps) -> Worked:
    payload = delivery.payload
    data = payload.get("workflow_run")
    installation = payload.get("installation")
    installation_id = installation.get("id") if isinstance(installation, dict) else None
    run = run_of(
        data if isinstance(data, dict) else {},
        repo=delivery.repository or None,
        installation_id=installation_id if isinstance(installation_id, int) else None,
    )
    if run is None:
        raise GiveUp("run-malformed", "the payload names no run or no repository")
    return await triage(replace(run, seen_late=delivery.late), deps, tries=delivery.tries)
