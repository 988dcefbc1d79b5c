"""Installs the Slack app in a workspace: out to Slack with a state, back with a code, the code for a bot token.

docs.slack.dev, "Installing with OAuth" (v2). Only a workspace that the operator let in keeps its token: from any other
the app is taken away again at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator, OAuthStateUtils
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import TellUser
from bot.installations import STATE_LIVES, OAuthStates
from bot.manifests import SLACK_SCOPES, oauth_redirect
from bot.settings import Settings, SettingsError
from bot.workspace_settings import TEAM, workspace_settings

log = structlog.get_logger("install")

COOKIE = "tokenwatch-install"
CODE = re.compile(r"[A-Za-z0-9._-]{1,400}")
STALE = "This way back from Slack was begun in another browser, was used before, or is older than ten minutes."
_UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


class Installing:
    """One way to install: `begin`, then `finish` in the same browser."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession, states: OAuthStates, now: Callable[[], datetime]
    ) -> None:
        assert settings.slack_client_id is not None and settings.slack_client_secret is not None
        self._settings = settings
        self._states = states
        self._now = now
        self._client_id = settings.slack_client_id
        self._client_secret = settings.slack_client_secret.get_secret_value()
        self._slack = AsyncWebClient(base_url=settings.slack_api_url, session=session, retry_handlers=[])
        self._browser = OAuthStateUtils(cookie_name=COOKIE, expiration_seconds=int(STATE_LIVES.total_seconds()))

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and the cookie that lets it come back. Raises TellUser without PUBLIC_URL."""
        state = await self._states.async_issue()
        outward = AuthorizeUrlGenerator(
            client_id=quote(self._client_id, safe="."),
            redirect_uri=quote(self._redirect, safe=""),
            scopes=list(SLACK_SCOPES),
            authorization_url=f"{self._settings.slack_api_url.rstrip('/').removesuffix('/api')}/oauth/v2/authorize",
        )
        return outward.generate(state), f"{self._browser.build_set_cookie_for_new_state(state)}; SameSite=Lax"

    @property
    def forget(self) -> str:
        """The cookie that ends the other one."""
        return self._browser.build_set_cookie_for_deletion()

    async def finish(self, query: dict[str, str], cookies: str) -> Installation:
        """`query`: as Slack sends it along; `cookies`: the header. Raises TellUser with why nothing was installed."""
        state = query.get("state", "")
        if not state or not self._browser.is_valid_browser(state, {"cookie": cookies}):
            raise TellUser(STALE, reason="oauth-state")
        if not await self._states.async_consume(state):
            raise TellUser(STALE, reason="oauth-state")
        if "error" in query:
            why = "Somebody said no." if query["error"] == "access_denied" else "Slack did not allow it."
            raise TellUser(why, reason="oauth-denied")
        if not CODE.fullmatch(query.get("code", "")):
            raise TellUser("Slack sent no code along.", reason="oauth-code")
        made = self._installation(await self._exchanged(query["code"]))
        try:
            workspace_settings(self._settings, made.team_id or "")
        except SettingsError as error:
            log.warning("a workspace that is not let in wanted to install", team=made.team_id, why=error.lines)
            await self._take_back(made)
            said = f"The operator of this bot has not let {made.team_name} in. Tell them its id: {made.team_id}."
            raise TellUser(said, reason="oauth-not-let-in") from None
        return made

    @property
    def _redirect(self) -> str:
        if self._settings.public_url is None:
            raise TellUser(
                "This bot has no public address yet: its operator has to set PUBLIC_URL.", reason="oauth-url"
            )
        return oauth_redirect(self._settings.public_url)

    async def _exchanged(self, code: str) -> dict[str, Any]:
        try:
            reply = await self._slack.oauth_v2_access(
                client_id=self._client_id, client_secret=self._client_secret, code=code, redirect_uri=self._redirect
            )
        except SlackApiError as error:
            reason = str(error.response.get("error"))
            log.warning("Slack did not exchange the code", reason=reason)
            known = {
                "invalid_code": "Slack does not know this code: it was used before, or is too old.",
                "bad_client_secret": "SLACK_CLIENT_SECRET of this bot is not the app's. Tell its operator.",
                "invalid_client_id": "SLACK_CLIENT_ID of this bot is not the app's. Tell its operator.",
                "bad_redirect_uri": "PUBLIC_URL of this bot is not among the app's redirect URLs. Tell its operator.",
            }
            raise TellUser(known.get(reason, "Slack did not hand out a token."), reason="oauth-refused") from None
        except _UNREACHABLE as error:
            log.warning("Slack does not answer", error=type(error).__name__)
            raise TellUser("Slack does not answer.", reason="oauth-unreachable") from None
        return reply.data if isinstance(reply.data, dict) else {}

    def _installation(self, reply: dict[str, Any]) -> Installation:
        team, person = _mapping(reply.get("team")), _mapping(reply.get("authed_user"))
        token, team_id = reply.get("access_token"), team.get("id")
        if reply.get("is_enterprise_install") or not isinstance(team_id, str) or not TEAM.fullmatch(team_id):
            raise TellUser("Install it in one workspace, not in a whole organisation.", reason="oauth-enterprise")
        if reply.get("token_type") != "bot" or not isinstance(token, str) or not token:
            raise TellUser("Slack handed out no bot token.", reason="oauth-token")
        if reply.get("refresh_token"):
            said = "The Slack app has token rotation turned on, which cannot be turned off again: make the app anew."
            raise TellUser(said, reason="oauth-token-rotation")
        return Installation(
            app_id=str(reply.get("app_id") or ""),
            team_id=team_id,
            team_name=str(team.get("name") or team_id)[:200],
            bot_token=token,
            bot_id=str(reply.get("bot_id") or ""),
            bot_user_id=str(reply.get("bot_user_id") or ""),
            bot_scopes=str(reply.get("scope") or ""),
            user_id=str(person.get("id") or ""),
            installed_at=self._now().timestamp(),
        )

    async def _take_back(self, made: Installation) -> None:
        try:
            await self._slack.apps_uninstall(
                client_id=self._client_id, client_secret=self._client_secret, token=made.bot_token
            )
        except (SlackApiError, *_UNREACHABLE) as error:
            log.warning("the app could not be taken away again", team=made.team_id, error=type(error).__name__)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
