"""`/tokens map [NAME]`: what hangs on a token, secret, repository or package."""

from __future__ import annotations

import asyncio

from bot.deps import Deps
from bot.fleet.dependence import about, answer, names, troubles
from bot.fleet.watch import read_inventory
from bot.messages.map import map_message, nothing_known, nothing_scanned
from handlers.slack.requests import Command, Reply


async def show_map(command: Command, deps: Deps) -> Reply:
    inventory = await read_inventory(deps)
    found = await asyncio.to_thread(answer, inventory, command.argument)
    if found is None:
        near = await asyncio.to_thread(names, inventory)
        return Reply(nothing_known(command.argument, near, inventory.scanned_at))
    if found.kind == "everything" and not found.links:
        return Reply(nothing_scanned())
    wrong = about(await asyncio.to_thread(troubles, inventory), found)
    return Reply(map_message(found, wrong, inventory.scanned_at, deps.now()))
