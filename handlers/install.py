"""`/slack/install` and the way back, when several workspaces may install the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web
from slack_sdk.oauth.installation_store import Installation

from bot.errors import TellUser
from bot.messages import install_page
from bot.slack_install import Installing
from storage.database import StorageError

log = structlog.get_logger("install")


@dataclass(frozen=True, slots=True)
class Install:
    """`done` keeps an installation and starts its workspace; it returns the id of the channel for cards, if one is
    set. Raises TellUser when it cannot start."""

    installing: Installing
    done: Callable[[Installation], Awaitable[str | None]]

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/slack/install", self.begin)
        app.router.add_get("/slack/oauth_redirect", self.back)

    async def begin(self, request: web.Request) -> web.Response:
        try:
            outward, cookie = await self.installing.begin()
        except (TellUser, StorageError) as error:
            return self._refused(error)
        return web.Response(
            status=302, headers={"Location": outward, "Set-Cookie": cookie, "Cache-Control": "no-store"}
        )

    async def back(self, request: web.Request) -> web.Response:
        try:
            made = await self.installing.finish(dict(request.query), request.headers.get("Cookie", ""))
            channel = await self.done(made)
        except (TellUser, StorageError) as error:
            return self._refused(error)
        log.info("installed", team=made.team_id, by=made.user_id)
        return self._html(install_page.installed(made.team_name or "the workspace", channel))

    def _refused(self, error: TellUser | StorageError) -> web.Response:
        if isinstance(error, StorageError):
            log.error("cannot install", error=str(error))
            return self._html(install_page.not_installed("The bot cannot use its database now. Try again later."), 503)
        log.info("not installed", reason=error.reason)
        return self._html(install_page.not_installed(error.message), 400)

    def _html(self, page: str, status: int = 200) -> web.Response:
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            "frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address holds the code
            "X-Content-Type-Options": "nosniff",
            "Set-Cookie": self.installing.forget,
        }
        return web.Response(text=page, status=status, content_type="text/html", headers=headers)
