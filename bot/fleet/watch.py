"""The hourly job of the fleet: goes on with the scan of each owner and says once what it found without a record."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import structlog

from bot import announce
from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.fleet import personal_tokens, registry_looks
from bot.fleet.inventory import Inventory, inventory
from bot.fleet.scan import Scan
from bot.fleet.suggestions import suggestions
from bot.github.inventory import InventoryCalls
from bot.messages.fleet_suggestions import suggestions_message
from storage import due_jobs, fleet, fleet_rounds, outbox, tokens
from storage.database import Connection, StorageError

log = structlog.get_logger("fleet")

TICK_S = 60.0
LEASE = timedelta(minutes=10)
LATER = timedelta(minutes=5)  # after GitHub asked for patience


class FleetWatch:
    """Run it as one task: `await watch.run()`; cancel it to stop. A scan that is cut off goes on at the next start.

    As an App it scans wherever that is installed; with a token, the owners that somebody scanned by hand.
    """

    def __init__(self, deps: Deps, tick_s: float = TICK_S) -> None:
        self._deps = deps
        self._tick_s = tick_s
        self._owner = uuid.uuid4().hex
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        while True:
            # Sleeps first: what makes the bot alive goes before what makes it wise.
            await asyncio.sleep(self._tick_s)
            try:
                await self.tick()
            except StorageError as error:
                log.error("the fleet cannot use the database", error=str(error))

    async def tick(self) -> None:
        """Scan each owner whose hour it is."""
        async with self._one_at_a_time:
            await registry_looks.look(self._deps)
            await self._tick()

    async def _tick(self) -> None:
        if not self._deps.github.configured:
            return
        await personal_tokens.note_own(self._deps)
        try:
            names = await self._owners()
        except (TryAgain, GiveUp) as error:
            log.warning("the fleet cannot be listed", reason=error.reason)
            return
        for name in names:
            await self._scan(name)

    async def _owners(self) -> list[str]:
        if self._deps.github.is_app:
            if not await self._is_due("fleet"):
                return [one.name for one in await self._deps.db.read(fleet_rounds.owners) if one.finished_at is None]
            accounts = await InventoryCalls(self._deps.github).accounts()
            await self._finish("fleet")
            # One App may serve several workspaces, and each of them its own owners.
            return [account.name for account in accounts if self._deps.github.is_ours(account.name)]
        return [one.name for one in await self._deps.db.read(fleet_rounds.owners)]

    async def _scan(self, name: str) -> None:
        job = f"fleet {name.lower()}"
        if not await self._is_due(job):
            return
        due = self._due()

        async def alive() -> None:
            until = self._deps.now() + LEASE
            await self._deps.db.write(due_jobs.hold, name=job, due=due, owner=self._owner, until=until)

        scan = Scan(self._deps.github, self._deps.db, now=self._deps.now, alive=alive)
        try:
            await scan.owner(name)
        except TryAgain as error:
            wait = max(LATER, timedelta(seconds=error.after_s or 0))
            log.info("the scan goes on later", owner=name, reason=error.reason)
            until = self._deps.now() + wait
            await self._deps.db.write(due_jobs.hold, name=job, due=due, owner=self._owner, until=until)
            return
        except GiveUp as error:
            log.warning("cannot be scanned", owner=name, reason=error.reason, why=error.message)
        await self._finish(job, due)
        await self._personal_tokens(name)
        await self._suggest()

    async def _personal_tokens(self, name: str) -> None:
        if not self._deps.github.is_app:
            return
        try:
            await personal_tokens.look(name, self._deps)
        except (TryAgain, GiveUp) as error:
            log.info("personal tokens cannot be listed", owner=name, reason=error.reason)

    async def _suggest(self) -> None:
        """Secrets without a record: said to the operators, each once."""
        channel = self._deps.settings.operators_channel
        if not channel:
            return
        found = suggestions(await read_inventory(self._deps))
        now = self._deps.now()

        def write(connection: Connection) -> None:
            new = [one for one in found if fleet.say_once(connection, one.key, now)]
            if not new:
                return
            message = suggestions_message(new)
            outbox.put(
                connection,
                key=f"fleet-suggestions:{now.timestamp()}",
                kind="post",
                channel=channel,
                text=message.text,
                blocks=announce.blocks_json(message),
                now=now,
            )

        await self._deps.db.write(write)
        self._deps.queued()

    async def _is_due(self, job: str) -> bool:
        return await self._deps.db.write(
            due_jobs.claim, name=job, due=self._due(), owner=self._owner, now=self._deps.now(), lease=LEASE
        )

    async def _finish(self, job: str, due: str | None = None) -> None:
        await self._deps.db.write(due_jobs.finish, name=job, due=due or self._due(), now=self._deps.now())

    def _due(self) -> str:
        return f"{self._deps.now():%Y-%m-%dT%H}"


async def read_inventory(deps: Deps) -> Inventory:
    """Everything on record, put together off the event loop."""
    records = await deps.db.read(fleet.records)
    stored = await deps.db.read(tokens.all_tokens)
    return await asyncio.to_thread(inventory, records, stored)
