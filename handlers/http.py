"""Routes: webhooks in, health and metrics out. One port for everything."""

from __future__ import annotations

import asyncio
import functools
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from bot.deps import Deps
from bot.github import webhook
from bot.health import Check
from bot.messages.page import front_page
from bot.metrics import METRICS
from bot.presence import Presence
from bot.settings import Settings
from handlers.bodies import Bodies, NotRead
from handlers.calendar import calendar
from handlers.install import Install
from handlers.setup import SetUp
from storage.arrivals import Arrival
from storage.database import StorageError
from storage.deliveries import Received

log = structlog.get_logger("http")

LARGE = 256 * 1024  # above this, hashing and parsing would hold up the event loop for milliseconds
RETRY_AFTER_S = 30
NOBODYS = "ignored"  # of an owner that no workspace hears of
JSON_ANSWER = {"Content-Type": "application/json; charset=utf-8"}
SlackRequest = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Inboxes(Protocol):
    async def store(self, arrival: Arrival) -> Received | None:
        """Returns once it is durable, None when nobody here hears of its owner. Raises StorageError."""


class AnyHealth(Protocol):
    async def alive(self) -> str | None: ...
    async def ready(self) -> tuple[Check, ...]: ...
    async def measure(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Routes:
    """`workspaces`: those there are at the moment, mostly one. `slack`: None in Socket Mode; `setup`: None when GitHub
    is set up; `install`: None when the one workspace is in the settings."""

    settings: Settings
    workspaces: Callable[[], Sequence[Deps]]
    health: AnyHealth
    inboxes: Inboxes
    slack: SlackRequest | None
    bodies: Bodies
    presence: Presence
    setup: SetUp | None = None
    install: Install | None = None

    def application(self) -> web.Application:
        # One byte more: aiohttp refuses what reaches the limit, GitHub promises no more than it.
        app = web.Application(client_max_size=webhook.BODY_LIMIT + 1)
        app.router.add_post("/github/webhooks", self.github_webhook)
        if self.slack is not None:
            app.router.add_post("/slack/events", self.slack)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/calendar.ics", self.calendar)
        app.router.add_get("/", self.front)
        if self.setup is not None:
            self.setup.add_to(app)
        if self.install is not None:
            self.install.add_to(app)
        return app

    async def github_webhook(self, request: web.Request) -> web.Response:
        try:
            arrival = await self._read(request)
        except webhook.Refused as refused:
            if refused.status == 401 and "X-Hub-Signature-256" in request.headers:
                self.presence.refused("github")
            _count(refused.status)
            guid = request.headers.get("X-GitHub-Delivery", "")
            log.warning("refused", status=refused.status, reason=refused.reason, delivery=guid[:64])
            return _with_patience(_answer(refused.status, guid[:64], refused.reason))
        self.presence.accepted("github")
        try:
            received = await self.inboxes.store(arrival)
        except StorageError as error:
            _count(503)
            log.error("cannot store", error=str(error), delivery=arrival.guid)
            return _with_patience(_answer(503, arrival.guid, "cannot store"))
        status = 200 if received is Received.DONE else 202
        _count(status)
        return _answer(status, arrival.guid, received.value if received is not None else NOBODYS)

    async def _read(self, request: web.Request) -> Arrival:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise webhook.Refused(415, "content-encoding")  # GitHub never compresses; a bomb would
        try:
            body = await self.bodies.read(request, webhook.BODY_LIMIT)
        except NotRead as error:
            raise webhook.Refused(error.status, error.reason) from None
        if len(body) > LARGE:
            return await asyncio.to_thread(self._verified, request, body)
        return self._verified(request, body)

    def _verified(self, request: web.Request, body: bytes) -> Arrival:
        return webhook.read(request.headers, body, self.settings.webhook_secrets)

    async def healthz(self, request: web.Request) -> web.Response:
        problem = await self.health.alive()
        return web.json_response({"status": problem or "ok"}, status=503 if problem else 200)

    async def readyz(self, request: web.Request) -> web.Response:
        checks = await self.health.ready()
        ready = all(check.ok for check in checks)
        body = {"ready": ready, "checks": {check.name: check.said for check in checks}}
        return web.json_response(body, status=200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        token = self.settings.metrics_token
        if token is not None:
            wanted = f"Bearer {token.get_secret_value()}".encode()
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, wanted):
                return web.json_response({"error": "unauthorized"}, status=401)
        await self.health.measure()
        return web.Response(body=generate_latest(METRICS.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def calendar(self, request: web.Request) -> web.Response:
        return await calendar(request, self.workspaces())

    async def front(self, request: web.Request) -> web.Response:
        page = front_page(await self.health.alive(), self.settings.missing())
        return web.Response(
            text=page,
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )


@functools.cache
def _counter(status: int) -> Counter:
    return METRICS.received.labels(str(status))


def _count(status: int) -> None:
    _counter(status).inc()


def _with_patience(answer: web.Response) -> web.Response:
    if answer.status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _answer(status: int, guid: str, said: str) -> web.Response:
    # Without a serializer where the id needs none: this is said ten thousand times a second.
    shown = f'"{guid}"' if guid and webhook.GUID.fullmatch(guid) else json.dumps(guid or None)
    return web.Response(
        body=f'{{"delivery": {shown}, "status": "{said}"}}'.encode(), status=status, headers=JSON_ANSWER
    )
