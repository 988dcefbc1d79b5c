"""`/tokens audit`: what a person should look at."""

from __future__ import annotations

import asyncio

from bot.deps import Deps
from bot.fleet.audit import audit
from bot.fleet.watch import read_inventory
from bot.messages.audit import audit_message
from handlers.slack.requests import Command, Reply
from storage import rotations, tokens

MOST_ROTATIONS = 1000


async def show_audit(command: Command, deps: Deps) -> Reply:
    inventory = await read_inventory(deps)
    stored = await deps.db.read(tokens.all_tokens)
    latest = await deps.db.read(rotations.latest, limit=MOST_ROTATIONS)
    found = await asyncio.to_thread(audit, inventory, stored, latest, deps.now())
    return Reply(audit_message(found, inventory.scanned_at is not None))
