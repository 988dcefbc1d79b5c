"""THE WIRING of several workspaces in one process: each with its own database, tasks and Slack token, side by side.

What is shared: the address, the Slack app and the GitHub App. Slack's requests go to the workspace they name, and
deliveries to the workspaces whose file names their GitHub owner. A workspace that cannot start leaves the others alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient

from bot.deps import Deps
from bot.doctor.workspaces import SEALED_OTHERWISE
from bot.errors import TellUser
from bot.github.asking import owner_of
from bot.installations import NotOurs, SlackInstallations, opened
from bot.one_workspace import Workspace
from bot.sealing import Seal
from bot.settings import Settings, SettingsError
from bot.workspace_settings import workspace_settings
from handlers.slack.teams import gone, team_of
from storage.arrivals import Arrival
from storage.database import Database, StorageError
from storage.deliveries import Received

log = structlog.get_logger("workspaces")

ENDS_WITHIN_S = 2.0  # what is being taken away when the process ends
GONE = frozenset({"invalid_auth", "account_inactive", "token_revoked"})  # what Slack says of a token that is no more


@dataclass(frozen=True, slots=True)
class _Running:
    workspace: Workspace
    stack: contextlib.AsyncExitStack


class SeveralWorkspaces:
    """`start_all` once, `close` at the end. `at_rest`: team -> why an installed workspace does not run."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        session: aiohttp.ClientSession,
        now: Callable[[], datetime],
        crashed: asyncio.Future[None],
    ) -> None:
        assert settings.slack_client_secret is not None
        self.at_rest: dict[str, str] = {}
        self._settings = settings
        self._seal = Seal(settings.slack_client_secret.get_secret_value())
        self._store = SlackInstallations(db, self._seal)
        self._session = session
        self._now = now
        self._crashed = crashed
        self._running: dict[str, _Running] = {}
        self._changing = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> dict[str, Workspace]:
        return {team: one.workspace for team, one in self._running.items()}

    def deps(self) -> Sequence[Deps]:
        return [one.workspace.deps for one in self._running.values()]

    async def start_all(self) -> None:
        for one in await self._store.everything():
            try:
                made = opened(one, self._seal)
            except NotOurs:
                self._rests(one.team, f"{SEALED_OTHERWISE}: install the app there again")
                continue
            with contextlib.suppress(TellUser):
                async with self._changing:
                    await self._start(made)

    async def close(self) -> None:
        if self._stopping:
            _, unfinished = await asyncio.wait(self._stopping, timeout=ENDS_WITHIN_S)
            for task in unfinished:
                task.cancel()
        async with self._changing:
            for team in list(self._running):
                await self._stop(team)

    # --- installing and uninstalling ----------------------------------------------------------------------------------

    async def install(self, made: Installation) -> str | None:
        """Keep it and begin to work for it; returns the channel for cards. Raises TellUser and StorageError."""
        async with self._changing:
            await self._store.async_save(made)
            await self._stop(made.team_id or "")
            started = await self._start(made)
        return started.deps.settings.alert_channel

    async def find(self, body: dict[str, Any]) -> AsyncApp | None:
        """Which workspace a verified request of Slack's is for; word that one is gone is taken here."""
        word = gone(body)
        if word is not None:
            # Slack sends again for some minutes what it thinks was not heard: it may have been installed anew since.
            if await self._store.delete_if_older(word.team, word.at):
                log.warning("uninstalled", team=word.team)
                self._later(self._gone(word.team))
            else:
                self._later(self._ask_slack(word.team))
            return None
        one = self._running.get(team_of(body))
        return one.workspace.app if one else None

    async def _ask_slack(self, team: str) -> None:
        """Its clock and ours may differ: whether the token still opens anything decides."""
        made = await self._store.async_find_installation(team_id=team)
        if made is None:
            return
        asked = AsyncWebClient(made.bot_token, self._settings.slack_api_url, session=self._session, retry_handlers=[])
        try:
            await asked.auth_test()
        except SlackApiError as error:
            # Whoever installed it again meanwhile has another token.
            no_later = datetime.fromtimestamp(made.installed_at, UTC) + timedelta(milliseconds=1)
            if error.response.get("error") in GONE and await self._store.delete_if_older(team, no_later):
                log.warning("uninstalled", team=team)
                await self._gone(team)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("Slack cannot be asked whether the app is still there", team=team, error=type(error).__name__)

    async def _gone(self, team: str) -> None:
        async with self._changing:
            if await self._store.async_find_installation(team_id=team) is None:  # nobody installed it again meanwhile
                self.at_rest.pop(team, None)
                await self._stop(team)

    async def _start(self, made: Installation) -> Workspace:
        team = made.team_id or ""
        stack = contextlib.AsyncExitStack()
        try:
            settings = workspace_settings(self._settings, team, made.bot_token)
            # What its tasks log says whose it is.
            with structlog.contextvars.bound_contextvars(workspace=team):
                workspace = await stack.enter_async_context(
                    Workspace.start(
                        settings,
                        self._session,
                        now=self._now,
                        crashed=self._crashed,
                        bot_user=(made.bot_id or "", made.bot_user_id or ""),
                    )
                )
        except (SettingsError, StorageError) as error:
            await stack.aclose()
            self._rests(team, error.lines[0] if isinstance(error, SettingsError) else str(error))
            said = "It is installed, but cannot start here: the bot's log says why. Tell its operator."
            raise TellUser(said, reason="workspace-cannot-start") from error
        self.at_rest.pop(team, None)
        self._running[team] = _Running(workspace, stack)
        log.info("serves", team=team, name=made.team_name, owners=settings.github_owners)
        return workspace

    async def _stop(self, team: str) -> None:
        one = self._running.pop(team, None)
        if one is not None:
            await one.stack.aclose()

    def _rests(self, team: str, why: str) -> None:
        self.at_rest[team] = why
        log.error("a workspace does not run", team=team, why=why)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        async def done() -> None:
            try:
                await work
            except (NotOurs, StorageError) as error:
                log.error("what Slack said of a workspace could not be carried out", error=str(error))

        task = asyncio.create_task(done())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    # --- GitHub's deliveries ------------------------------------------------------------------------------------------

    async def store(self, arrival: Arrival) -> Received | None:
        """Into the inbox of each workspace that hears of the owner; None: of none. Raises StorageError when one of
        them could not store it: GitHub then counts it as failed, and that workspace fetches it by itself."""
        owner = owner_of(arrival.repository)
        theirs = [one.arrivals for one in self.running.values() if owner in (one.deps.settings.owners or ())]
        if not theirs:
            return None
        received = await asyncio.gather(*(arrivals.store(arrival) for arrivals in theirs), return_exceptions=True)
        for one in received:
            if isinstance(one, BaseException):
                raise one
        known = [one for one in received if isinstance(one, Received)]
        return next((one for one in known if one is not Received.DONE), Received.DONE)
