"""Scans of the stand-in GitHub and what they leave, as the tests of the fleet need them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aiohttp

from bot.demo.outside import Outside
from bot.fleet.inventory import Inventory, inventory
from bot.fleet.scan import Progress, Scan
from bot.github.auth import Auth
from bot.github.client import GitHub
from storage import fleet, tokens
from storage.database import Database
from tests.running import Hands, settings_for


class Scanning:
    """Scans as the command does, each time with a fresh client, as a new process has."""

    def __init__(self, outside: Outside, db: Database, tmp_path: Path) -> None:
        self.outside, self.db = outside, db
        self._settings = settings_for(outside, tmp_path)

    async def scan(self, what: str = "acme", said: Callable[[Progress], None] | None = None) -> None:
        async with aiohttp.ClientSession() as session:
            github = GitHub(session, self.outside.github_api_url, Auth(self._settings), Hands().now)
            work = Scan(github, self.db, now=Hands().now, said=said)
            await (work.repository(what) if "/" in what else work.owner(what))

    def found(self) -> Inventory:
        return inventory(self.db.read_now(fleet.records), self.db.read_now(tokens.all_tokens))

    def asked(self, since: int = 0) -> list[str]:
        return [f"{asked.status} {asked.path}" for asked in self.outside.github.requests[since:]]
