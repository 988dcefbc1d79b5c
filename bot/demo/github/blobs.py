"""The host that job logs are redirected to: another origin, links that die after a minute, no credential accepted."""

from __future__ import annotations

import asyncio
import secrets
import time

from aiohttp import web

from bot.demo.github.world import LogManners
from bot.demo.serving import Asked, drop

LINK_LIVES_S = 60.0
CHUNK = 16 * 1024


class Blobs:
    """`requests` shows what came in; an Authorization header there is a leak, `leaked` counts them."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.link_lives_s = LINK_LIVES_S
        self._links: dict[str, tuple[float, bytes, str, LogManners]] = {}
        self.app = web.Application()
        self.app.router.add_get("/logs/{key}", self._serve)

    @property
    def leaked(self) -> int:
        return sum("authorization" in (name.lower() for name in asked.headers) for asked in self.requests)

    def link(self, body: bytes, content_type: str, manners: LogManners) -> str:
        """The path of a fresh one-minute link."""
        key = secrets.token_urlsafe(18)
        self._links[key] = (time.monotonic() + self.link_lives_s, body, content_type, manners)
        return f"/logs/{key}?sv=2025-11-05&sr=b&sig={secrets.token_urlsafe(24)}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        answer = await self._answer(request)
        headers = dict(request.headers.items())
        self.requests.append(
            Asked("GET", request.path, dict(request.query), headers, b"", time.monotonic(), answer.status)
        )
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        # The real blob host answers 400 to a bearer token it does not know.
        if "authorization" in request.headers:
            return web.Response(status=400, text="<Error><Code>InvalidAuthenticationInfo</Code></Error>")
        dies_at, body, content_type, manners = self._links.get(request.match_info["key"], (0.0, b"", "", LogManners()))
        if time.monotonic() > dies_at:
            return web.Response(status=403, text="<Error><Code>AuthenticationFailed</Code></Error>")
        if manners.blob_status is not None:
            return web.Response(status=manners.blob_status, text="<Error><Code>BlobNotFound</Code></Error>")
        answer = web.StreamResponse(headers={"Content-Type": content_type})
        answer.content_length = len(body)
        await answer.prepare(request)
        sent = 0
        while sent < len(body):
            end = min(len(body), sent + CHUNK, manners.cut_after if manners.cut_after is not None else len(body))
            if end <= sent:
                drop(request)
                return answer
            await answer.write(body[sent:end])
            sent = end
            if manners.chunk_delay_s:
                await asyncio.sleep(manners.chunk_delay_s)
        await answer.write_eof()
        return answer
