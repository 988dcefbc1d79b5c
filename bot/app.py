"""THE WIRING: builds each part once, top to bottom, and closes it beside where it was opened."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.clock import Clock, system_now
from bot.deps import Deps
from bot.doctor.machine import disk_of
from bot.fleet.watch import FleetWatch
from bot.github.app_file import beside
from bot.github.app_registration import AppRegistration
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.installations import OAuthStates
from bot.metrics import METRICS
from bot.one_workspace import Tasks, Workspace
from bot.operators import Operators
from bot.permissions import Permissions
from bot.presence import Presence
from bot.registries.npm.packument import NpmRegistry
from bot.settings import Settings, with_app_file
from bot.several_health import SeveralHealth
from bot.several_workspaces import SeveralWorkspaces
from bot.slack_install import Installing
from bot.sweep import Sweep
from handlers.bodies import Bodies
from handlers.http import Routes, SlackRequest
from handlers.install import Install
from handlers.setup import SetUp
from handlers.slack import slack_route
from storage.database import Database, path_of

log = structlog.get_logger("app")

FINISH_WITHIN_S = 2.0  # for requests in flight; the whole stop must fit in the 10 s that hosts allow
IDLE_WITHIN_S = 75.0  # also for a connection that never sends its headers; longer than proxies keep theirs
LAG_EVERY_S = 1.0


class Bot:
    """A running bot. `url`: where it listens; `workspace`: its parts, for the demo and the tests, `several` instead of
    it when workspaces install the app.

    `registration`: the way to a GitHub App, None when there are credentials; `registered` is set when it was gone and
    the credentials are in their file.
    """

    def __init__(
        self,
        settings: Settings,
        port: int,
        crashed: asyncio.Future[None],
        one: Workspace | None,
        several: SeveralWorkspaces | None,
        registration: AppRegistration | None,
        registered: asyncio.Event,
    ) -> None:
        self.settings = settings
        self.port = port
        self._crashed = crashed
        self._one = one
        self.several = several
        self.registration = registration
        self.registered = registered

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Workspace:
        assert self._one is not None, "several workspaces: see `several`"
        return self._one

    @property
    def deps(self) -> Deps:
        return self.workspace.deps

    @property
    def clock(self) -> Clock:
        return self.workspace.clock

    @property
    def sweep(self) -> Sweep:
        return self.workspace.sweep

    @property
    def operators(self) -> Operators:
        return self.workspace.operators

    @property
    def fleet(self) -> FleetWatch:
        return self.workspace.fleet

    async def failed(self) -> None:
        """Returns never, or raises what stopped one of the bot's tasks: that is a defect and must stop the process."""
        await asyncio.shield(self._crashed)

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
            session = await stack.enter_async_context(aiohttp.ClientSession())
            crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            tasks = Tasks(crashed)
            stack.push_async_callback(tasks.cancel)
            tasks.start("loop lag", _measure_lag())
            bodies = Bodies()
            registration, setup, registered = None, None, asyncio.Event()
            if not Auth(settings).configured:
                file = beside(path_of(settings.database_url))
                registration = AppRegistration(session, settings.github_api_url, file, now, public=settings.several)
                setup = SetUp(registration, settings, bodies, registered.set)
            one, several = None, None
            if settings.several:
                several, routes = await _several(settings, session, stack, tasks, crashed, bodies, setup, now)
            else:
                one = await stack.enter_async_context(Workspace.start(settings, session, now=now, crashed=crashed))
                slack = await _reached_by_slack(settings, one, stack, tasks, bodies)
                deps = (one.deps,)
                routes = Routes(settings, lambda: deps, one.health, one.arrivals, slack, bodies, one.presence, setup)
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
            yield cls(settings, runner.addresses[0][1], crashed, one, several, registration, registered)


async def _reached_by_slack(
    settings: Settings, workspace: Workspace, stack: contextlib.AsyncExitStack, tasks: Tasks, bodies: Bodies
) -> SlackRequest | None:
    """The route for Slack's requests, or None without Slack and in Socket Mode, which is begun here."""
    app = workspace.app
    if app is None:
        return None
    if settings.slack_app_token is not None:
        socket = AsyncSocketModeHandler(app, settings.slack_app_token.get_secret_value())
        stack.push_async_callback(socket.close_async)
        tasks.start("socket mode", _connect(socket))
        return None

    async def this_one(body: object) -> AsyncApp:
        return app

    return slack_route(this_one, settings, bodies, workspace.presence)


async def _several(
    settings: Settings,
    session: aiohttp.ClientSession,
    stack: contextlib.AsyncExitStack,
    tasks: Tasks,
    crashed: asyncio.Future[None],
    bodies: Bodies,
    setup: SetUp | None,
    now: Callable[[], datetime],
) -> tuple[SeveralWorkspaces, Routes]:
    db = Database.open(settings.database_url)
    stack.callback(db.close)
    presence = Presence(db, settings, now)
    tasks.start("presence", presence.run())
    several = SeveralWorkspaces(settings, db, session, now, crashed)
    stack.push_async_callback(several.close)
    await several.start_all()
    shared = Deps(
        settings=settings,
        db=db,
        github=GitHub(session, settings.github_api_url, Auth(settings), now),
        npm=NpmRegistry(session, settings.npm_registry_url),
        slack=None,
        permissions=Permissions(None, settings),
        now=now,
        queued=lambda: None,
    )
    health = SeveralHealth(shared, lambda: several.running, lambda: several.at_rest)
    slack = slack_route(several.find, settings, bodies, presence)
    install = Install(Installing(settings, session, OAuthStates(db, now), now), several.install)
    return several, Routes(settings, several.deps, health, several, slack, bodies, presence, setup, install)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; begin anew when the set-up page has made the GitHub App."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while True:
        async with Bot.start(settings) as bot:
            # What stands now stands as long as the process: a full collection that looks through all of it holds every
            # card up by 60 ms, every few seconds in a storm.
            gc.freeze()
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
    settings = bot.settings
    for line in settings.missing():
        # What the set-up page brings needs no complaint besides.
        if bot.registration is None or "GITHUB" not in line:
            log.warning("not set up", what=line)
    if (disk := disk_of(path_of(settings.database_url))) is not None:
        log.warning("where the database is", what=disk.said, mend=disk.mend)
    log.info("listening", port=bot.port, socket_mode=settings.socket_mode)
    if bot.several is not None:
        page = f"{(settings.public_url or f'http://localhost:{bot.port}').rstrip('/')}/slack/install"
        log.info("workspaces install the app here", page=page, running=len(bot.several.running))
    if bot.registration is not None:
        page = f"{(settings.public_url or f'http://localhost:{bot.port}').rstrip('/')}/setup"
        # Whatever else is logged: without this line nobody can open the page.
        say = log.error if settings.log_level == "error" else log.warning
        say("no GitHub App yet: make one here", page=f"{page}?key={bot.registration.key}")


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


async def _measure_lag() -> None:
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(LAG_EVERY_S)
        METRICS.loop_lag_seconds.set(max(0.0, loop.time() - before - LAG_EVERY_S))
