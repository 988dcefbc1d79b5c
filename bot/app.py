"""THE WIRING: builds each part once, top to bottom, and closes it beside where it was opened."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.arrivals import Arrivals
from bot.clock import Clock, system_now
from bot.deps import Deps
from bot.doctor.machine import disk_of
from bot.fleet.watch import FleetWatch
from bot.github.app_file import beside
from bot.github.app_registration import AppRegistration
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.health import Health
from bot.inbox import Inbox
from bot.metrics import METRICS
from bot.operators import Operators
from bot.outbox import Outbox
from bot.permissions import Permissions
from bot.presence import Presence
from bot.registries.npm.packument import NpmRegistry
from bot.registries.npm.stage_list import StageList
from bot.settings import Settings, with_app_file
from bot.sweep import Sweep
from handlers import github
from handlers.bodies import Bodies
from handlers.http import Routes
from handlers.setup import SetUp
from handlers.slack import slack_app, slack_route
from storage.database import Database, path_of

log = structlog.get_logger("app")

FINISH_WITHIN_S = 2.0  # for requests in flight; the whole stop must fit in the 10 s that hosts allow
IDLE_WITHIN_S = 75.0  # also for a connection that never sends its headers; longer than proxies keep theirs
LAG_EVERY_S = 1.0


class Bot:
    """A running bot. `url`: where it listens; `deps`: its parts, for the demo and the tests.

    `registration`: the way to a GitHub App, None when there are credentials; `registered` is set when it was gone and
    the credentials are in their file.
    """

    def __init__(
        self,
        deps: Deps,
        clock: Clock,
        sweep: Sweep,
        operators: Operators,
        fleet: FleetWatch,
        port: int,
        tasks: list[asyncio.Task[None]],
        registration: AppRegistration | None,
        registered: asyncio.Event,
    ) -> None:
        self.deps = deps
        self.clock = clock
        self.sweep = sweep
        self.operators = operators
        self.fleet = fleet
        self.port = port
        self._tasks = tasks
        self.registration = registration
        self.registered = registered

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def failed(self) -> None:
        """Returns never, or raises what stopped one of the bot's tasks: that is a defect and must stop the process."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        settings: Settings,
        *,
        host: str | None = None,
        port: int | None = None,
        now: Callable[[], datetime] = system_now,
    ) -> AsyncIterator[Bot]:
        """Everything up, until the block ends. Raises StorageError or OSError when it cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            db = Database.open(settings.database_url)
            stack.callback(db.close)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            slack = _slack_client(settings, session)
            outbox = Outbox(db, slack, now=now, fallbacks=settings.fallback_channels)
            deps = Deps(
                settings=settings,
                db=db,
                github=GitHub(session, settings.github_api_url, Auth(settings), now),
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
            tasks: list[asyncio.Task[None]] = []
            stack.push_async_callback(_cancelled, tasks)
            for name, work in (
                ("inbox", inbox.run()),
                ("outbox", outbox.run()),
                ("clock", clock.run()),
                ("sweep", sweep.run()),
                ("presence", presence.run()),
                ("operators", operators.run()),
                ("fleet", fleet.run()),
                ("loop lag", _measure_lag()),
            ):
                tasks.append(asyncio.create_task(work, name=name))

            bodies = Bodies()
            slack_requests = None
            if slack is not None:
                app = slack_app(deps, slack)
                if settings.slack_app_token is not None:
                    socket = AsyncSocketModeHandler(app, settings.slack_app_token.get_secret_value())
                    stack.push_async_callback(socket.close_async)
                    tasks.append(asyncio.create_task(_connect(socket), name="socket mode"))
                else:
                    slack_requests = slack_route(app, settings, bodies, presence)
            registration, setup, registered = None, None, asyncio.Event()
            if not deps.github.configured:
                file = beside(path_of(settings.database_url))
                registration = AppRegistration(session, settings.github_api_url, file, now)
                setup = SetUp(registration, settings, bodies, registered.set)
            routes = Routes(deps, Health(deps), arrivals, slack_requests, bodies, presence, setup)
            runner = web.AppRunner(
                routes.application(),
                access_log=None,
                handle_signals=False,
                shutdown_timeout=FINISH_WITHIN_S,
                keepalive_timeout=IDLE_WITHIN_S,
                auto_decompress=False,  # neither GitHub nor Slack compresses; a bomb would
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, settings.host if host is None else host, settings.port if port is None else port)
            await site.start()
            yield cls(deps, clock, sweep, operators, fleet, runner.addresses[0][1], tasks, registration, registered)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; begin anew when the set-up page has made the GitHub App."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while True:
        async with Bot.start(settings) as bot:
            _say_how_it_stands(bot)
            waits = [asyncio.create_task(one) for one in (stop.wait(), bot.failed(), bot.registered.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if waits[1].done():
                    waits[1].result()
            finally:
                for wait in waits:
                    wait.cancel()
            log.info("stopping" if stop.is_set() else "starting again with the GitHub App")
        if stop.is_set():
            break
        settings = await asyncio.to_thread(with_app_file, settings)
    log.info("stopped")


def _say_how_it_stands(bot: Bot) -> None:
    settings = bot.deps.settings
    for line in settings.missing():
        # What the set-up page brings needs no complaint besides.
        if bot.registration is None or "GITHUB" not in line:
            log.warning("not set up", what=line)
    if (disk := disk_of(path_of(settings.database_url))) is not None:
        log.warning("where the database is", what=disk.said, mend=disk.mend)
    log.info("listening", port=bot.port, socket_mode=settings.socket_mode)
    if bot.registration is not None:
        page = f"{(settings.public_url or f'http://localhost:{bot.port}').rstrip('/')}/setup"
        # Whatever else is logged: without this line nobody can open the page.
        say = log.error if settings.log_level == "error" else log.warning
        say("no GitHub App yet: make one here", page=f"{page}?key={bot.registration.key}")


def _slack_client(settings: Settings, session: aiohttp.ClientSession) -> AsyncWebClient | None:
    if settings.slack_bot_token is None:
        return None
    return AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],  # slack-sdk repeats a post whose connection broke, which says it twice
    )


async def _connect(socket: AsyncSocketModeHandler) -> None:
    """Open Socket Mode, however long Slack takes to let us in; the client reconnects by itself afterwards."""
    wait_s = 1.0
    while True:
        try:
            await socket.connect_async()  # type: ignore[no-untyped-call]
        except (SlackApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("socket mode is not connected", error=type(error).__name__, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 60.0)
        else:
            log.info("socket mode connected")
            await asyncio.Event().wait()


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _measure_lag() -> None:
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(LAG_EVERY_S)
        METRICS.loop_lag_seconds.set(max(0.0, loop.time() - before - LAG_EVERY_S))
