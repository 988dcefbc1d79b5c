"""A Slack app that several workspaces install: the page that asks, the code for a bot token, and each workspace's API.

docs.slack.dev, "Installing with OAuth" and `oauth.v2.access`. The real page lets a person choose a workspace or say no;
here `chooses` is the workspace, and None says no.
"""

from __future__ import annotations

import base64
import secrets
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from bot.demo.serving import MAX_BODY
from bot.demo.slack.args import Json
from bot.demo.slack.slack import Slack
from bot.demo.slack.workspace import APP_ID, BOT_ID, BOT_USER, MARA

CLIENT_ID = "7011.7022"
CLIENT_SECRET = "client-secret-of-the-stand-in"  # noqa: S105 - opens nothing but this stand-in


class AppOfSeveral:
    """`workspaces`: team id -> its Slack; `installed`: team ids whose token is good; `refuses`: what the exchange of a
    code is refused with; `extra`: what is said besides with a token."""

    def __init__(self, *workspaces: Slack) -> None:
        self.workspaces = {one.server.team_id: one for one in workspaces}
        self.installed: set[str] = set()
        self.chooses: Slack | None = workspaces[0]
        self.refuses: str | None = None
        self.extra: Json = {}
        self._codes: dict[str, tuple[Slack, str, str]] = {}
        self.app = web.Application(client_max_size=MAX_BODY)
        self.app.router.add_get("/oauth/v2/authorize", self._ask)
        self.app.router.add_route("*", "/api/{method}", self._api)

    async def _ask(self, request: web.Request) -> web.Response:
        back, state = request.query["redirect_uri"], request.query["state"]
        if request.query["client_id"] != CLIENT_ID:
            return web.Response(status=400, text="Something went wrong when authorizing this app.")
        if self.chooses is None:
            said = {"error": "access_denied", "state": state}
        else:
            code = f"7011.{secrets.token_hex(16)}"
            self._codes[code] = (self.chooses, back, request.query["scope"])
            said = {"code": code, "state": state}
        return web.Response(status=302, headers={"Location": f"{back}?{urlencode(said)}"})

    async def _api(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["method"]:
            case "oauth.v2.access":
                return web.json_response(self._exchange(request, await _fields(request)))
            case "apps.uninstall":
                return web.json_response(self._uninstall(request, await _fields(request)))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        for team, slack in self.workspaces.items():
            if token == slack.bot_token and team in self.installed:
                return await slack.server.api(request)
        return web.json_response({"ok": False, "error": "invalid_auth" if token else "not_authed"})

    def _exchange(self, request: web.Request, given: dict[str, str]) -> Json:
        if self.refuses is not None:
            return {"ok": False, "error": self.refuses}
        if _basic(request) != (CLIENT_ID, CLIENT_SECRET):
            return {"ok": False, "error": "bad_client_secret"}
        slack, back, scope = self._codes.pop(given.get("code", ""), (None, "", ""))
        if slack is None:
            return {"ok": False, "error": "invalid_code"}
        if given.get("redirect_uri") != back:
            return {"ok": False, "error": "bad_redirect_uri"}
        team = slack.server.team_id
        self.installed.add(team)
        return {
            "ok": True,
            "app_id": APP_ID,
            "authed_user": {"id": MARA.id},
            "scope": scope,
            "token_type": "bot",
            "access_token": slack.bot_token,
            "bot_user_id": BOT_USER,
            "bot_id": BOT_ID,
            "team": {"id": team, "name": team.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
        } | self.extra

    def _uninstall(self, request: web.Request, given: dict[str, str]) -> Json:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or given.get("token", "")
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return {"ok": False, "error": "bad_client_secret"}
        for team, slack in self.workspaces.items():
            if token == slack.bot_token and team in self.installed:
                self.installed.discard(team)
                return {"ok": True}
        return {"ok": False, "error": "invalid_auth"}


async def _fields(request: web.Request) -> dict[str, str]:
    body = parse_qs((await request.read()).decode())
    return {name: values[0] for name, values in body.items()} | dict(request.query)


def _basic(request: web.Request) -> tuple[str, str]:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    name, _, password = base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
    return name, password
