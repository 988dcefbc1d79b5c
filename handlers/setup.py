"""`/setup`, while the bot has no GitHub credentials: out to GitHub to make the App, back with the code."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.errors import TellUser, TokenwatchError
from bot.github.app import Wish
from bot.github.app_registration import AppRegistration
from bot.messages import setup_page
from bot.settings import Settings
from handlers.bodies import Bodies, NotRead

log = structlog.get_logger("setup")

LARGEST_FORM = 16 * 1024


@dataclass(frozen=True, slots=True)
class SetUp:
    """`stored` is called when the App's credentials are in the file, so that the bot begins anew with them."""

    registration: AppRegistration
    settings: Settings
    bodies: Bodies
    stored: Callable[[], None]

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/setup", self.page)
        app.router.add_post("/setup", self.begin)
        app.router.add_get("/setup/github", self.back)

    async def page(self, request: web.Request) -> web.Response:
        self._must_be_open()
        key = request.query.get("key", "")
        if not self.registration.opens(key):
            return self._html(setup_page.ask_for_key(wrong=bool(key)), 403 if key else 200)
        return self._html(setup_page.choose(key, self._address(request), self._missing()))

    async def begin(self, request: web.Request) -> web.Response:
        self._must_be_open()
        try:
            form = await self.bodies.read_form(request, LARGEST_FORM)
        except NotRead as error:
            return self._html(setup_page.failed("This form cannot be read.", again=False), error.status)
        key = form.get("key", "")
        if not self.registration.opens(key):
            return self._html(setup_page.ask_for_key(wrong=True), 403)
        organization, address = form.get("organization", "").strip(), form.get("address", "").strip()
        wish = Wish(organization, address, form.get("rerun") == "yes", form.get("keep") == "show")
        try:
            outward = self.registration.begin(wish, _here(request))
        except TellUser as error:
            return self._html(setup_page.choose(key, address, self._missing(), error.message, organization), 400)
        nonce = secrets.token_urlsafe(16)
        return self._html(setup_page.go_on(outward, nonce), nonce=nonce)

    async def back(self, request: web.Request) -> web.Response:
        self._must_be_open()
        try:
            done = await self.registration.finish(request.query.get("code", ""), request.query.get("state", ""))
        except TellUser as error:
            return self._html(setup_page.failed(error.message, again=False), 400)
        except TokenwatchError as error:
            log.warning("GitHub did not hand out the App", reason=error.reason)
            return self._html(setup_page.failed(error.message, again=True), 502)
        log.info("the GitHub App is there", app_id=done.made.app_id, kept=done.kept)
        if not done.kept:
            return self._html(setup_page.shown(done.made, wanted=done.wanted))
        self.stored()
        return self._html(setup_page.kept(done.made))

    def _must_be_open(self) -> None:
        if self.registration.finished:
            raise web.HTTPNotFound

    def _missing(self) -> list[str]:
        return [line for line in self.settings.missing() if "GITHUB" not in line]

    def _address(self, request: web.Request) -> str:
        """PUBLIC_URL, or where the browser is when that looks like more than this machine."""
        if self.settings.public_url:
            return self.settings.public_url
        here = _here(request)
        return here if here.startswith("https://") else ""

    def _html(self, page: str, status: int = 200, nonce: str | None = None) -> web.Response:
        script = f"script-src 'nonce-{nonce}'; " if nonce else ""
        policy = (
            f"default-src 'none'; style-src 'unsafe-inline'; {script}base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {self.registration.web_url}"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address holds the key
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=page, status=status, content_type="text/html", headers=headers)


def _here(request: web.Request) -> str:
    """The bot's address as the browser sees it, also behind a proxy that ends TLS."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme).split(",")[0].strip()
    return f"{'https' if scheme == 'https' else 'http'}://{request.host}"
