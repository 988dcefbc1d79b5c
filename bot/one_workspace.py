"""THE WIRING of one workspace: what works for it, over its own database. With several, each has all of this."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.arrivals import Arrivals
from bot.clock import Clock
from bot.deps import Deps
from bot.fleet.watch import FleetWatch
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.health import Health
from bot.inbox import Inbox
from bot.operators import Operators
from bot.outbox import Outbox
from bot.permissions import Permissions
from bot.presence import Presence
from bot.registries.npm.packument import NpmRegistry
from bot.registries.npm.stage_list import StageList
from bot.settings import Settings
from bot.sweep import Sweep
from handlers import github
from handlers.slack import slack_app
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Workspace:
    """The parts, running. `app`: Bolt with our listeners, None without Slack."""

    deps: Deps
    arrivals: Arrivals
    clock: Clock
    sweep: Sweep
    operators: Operators
    fleet: FleetWatch
    presence: Presence
    health: Health
    app: AsyncApp | None

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        settings: Settings,
        session: aiohttp.ClientSession,
        *,
        now: Callable[[], datetime],
        crashed: asyncio.Future[None],
        bot_user: tuple[str, str] | None = None,
    ) -> AsyncIterator[Workspace]:
        """Until the block ends. Raises StorageError. `crashed` is told what stops one of the tasks: that is a defect.

        `bot_user`: bot id and user id, where they are known without asking Slack.
        """
        async with contextlib.AsyncExitStack() as stack:
            db = Database.open(settings.database_url)
            stack.callback(db.close)
            slack = slack_client(settings, session)
            outbox = Outbox(db, slack, now=now, fallbacks=settings.fallback_channels)
            deps = Deps(
                settings=settings,
                db=db,
                github=GitHub(session, settings.github_api_url, Auth(settings), now, settings.owners),
                npm=NpmRegistry(session, settings.npm_registry_url),
                slack=slack,
                permissions=Permissions(slack, settings),
                now=now,
                queued=outbox.wake,
                stages=StageList(session, settings.npm_registry_url, settings.npm_read_token)
                if settings.npm_read_token
                else None,
            )
            inbox = Inbox(
                db,
                lambda delivery: github.work(delivery, deps),
                now=now,
                sent_something=outbox.wake,
                crowded=lambda: arrivals.crowded,
            )
            arrivals = Arrivals(db, now=now, stored=inbox.wake)
            clock = Clock(deps)
            presence = Presence(db, settings, now)
            sweep = Sweep(deps, works=github.works, stored=inbox.wake)
            operators = Operators(deps, lambda: sweep.blocked)
            fleet = FleetWatch(deps)
            tasks = Tasks(crashed)
            stack.push_async_callback(tasks.cancel)
            for name, work in (
                ("inbox", inbox.run()),
                ("outbox", outbox.run()),
                ("clock", clock.run()),
                ("sweep", sweep.run()),
                ("presence", presence.run()),
                ("operators", operators.run()),
                ("fleet", fleet.run()),
            ):
                tasks.start(name, work)
            app = slack_app(deps, slack, bot_user) if slack is not None else None
            health = Health(deps)
            yield cls(deps, arrivals, clock, sweep, operators, fleet, presence, health, app)


class Tasks:
    """What runs until it is cancelled. One that ends otherwise is a defect, which `crashed` is told of."""

    def __init__(self, crashed: asyncio.Future[None]) -> None:
        self._crashed = crashed
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._crashed.done():
            return
        if (error := task.exception()) is not None:
            self._crashed.set_exception(error)

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def slack_client(settings: Settings, session: aiohttp.ClientSession) -> AsyncWebClient | None:
    if settings.slack_bot_token is None:
        return None
    return AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],  # slack-sdk repeats a post whose connection broke, which says it twice
    )
