"""Request bodies on their way in. Nothing is known of a sender before its whole body is read, so what all of them
together may keep in memory is bounded, and so is the time they take."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

SMALL = 64 * 1024  # a webhook as GitHub usually sends it: never refused for want of room
MOST_AT_ONCE = 64 * 1024 * 1024  # of all larger bodies together: two of the largest that GitHub sends
WITHIN_S = 10.0  # GitHub and Slack have given up by then


class NotRead(Exception):
    """`status`: what to answer; `reason`: in words that give nothing away."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Bodies:
    """Reads bodies; make one for all routes."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: web.Request, limit: int) -> bytes:
        """The body as it came, never decompressed. Raises NotRead: 413 too large, 408 too slow, 503 no room now."""
        length = request.content_length
        if length is not None and length > limit:
            raise NotRead(413, "too large")
        if length is not None and length <= SMALL and request.content.is_eof():
            return await request.read()  # it came together with its headers: nothing to wait for
        try:
            async with asyncio.timeout(WITHIN_S):
                if length is not None and length <= SMALL:
                    return await request.read()
                return await self._read_large(request, limit)
        except TimeoutError:
            raise NotRead(408, "too slow") from None

    async def read_form(self, request: web.Request, limit: int) -> dict[str, str]:
        """The fields of a urlencoded form. Raises NotRead as `read` does, and 400 for what is no such form."""
        raw = await self.read(request, limit)
        try:
            return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=50))
        except ValueError:
            raise NotRead(400, "malformed") from None

    async def _read_large(self, request: web.Request, limit: int) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                self._held += len(chunk)
                if len(body) > limit:
                    raise NotRead(413, "too large")
                if len(body) > SMALL and self._held > MOST_AT_ONCE:
                    raise NotRead(503, "busy")
            return bytes(body)
        finally:
            self._held -= len(body)
