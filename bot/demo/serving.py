"""What the stand-ins share: an aiohttp application on a loopback port, what it was asked, and faults on purpose."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

HOST = "127.0.0.1"
MAX_BODY = 32 * 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived, and the status it was answered with. `at_s` is on the monotonic clock."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at_s: float
    status: int


@dataclass(slots=True)
class Fault:
    """How the next matching requests go wrong. `times` None = until taken back with `Faults.clear()`.

    `after_accepting`: the request is carried out and only its answer is lost. `drop`: the connection ends without an
    answer. `status` None and not `drop`: only slow.
    """

    pattern: re.Pattern[str]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    times: int | None = 1
    delay_s: float = 0.0
    after_accepting: bool = False
    drop: bool = False


class Faults:
    """The faults still to come, first match first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, subject: str) -> Fault | None:
        for fault in self._waiting:
            if not fault.pattern.search(subject):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
            return fault
        return None


def drop(request: web.Request) -> web.Response:
    """Ends the connection as a dying server does; the answer returned is never written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def faulty(faults: Faults, log: list[Asked]) -> Middleware:
    """A middleware that applies `faults` to `METHOD /path?query` and appends each request to `log`."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        at_s = time.monotonic()
        fault = faults.take(f"{request.method} {request.path_qs}")
        answer = await _answer(request, handler, fault)
        headers = dict(request.headers.items())
        log.append(Asked(request.method, request.path, dict(request.query), headers, body, at_s, answer.status))
        return answer

    return middleware


async def _answer(request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
    if fault is None:
        return await _handled(request, handler)
    if fault.after_accepting:
        await _handled(request, handler)
    if fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    if fault.drop:
        return drop(request)
    if fault.status is None:
        return await _handled(request, handler)
    body = fault.body if fault.body is not None else '{"message": "made to fail"}'
    return web.Response(status=fault.status, text=body, content_type="application/json", headers=fault.headers)


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refused:
        return refused


class Serving:
    """An application listening on 127.0.0.1; `port` 0 takes a free one."""

    def __init__(self, app: web.Application, port: int = 0) -> None:
        # The short limit lets a demo with an open event stream end at once.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        self._wanted_port = port
        self.port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._wanted_port).start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"
