"""Request bodies on their way in. Nothing is known of a sender before its whole body is read, so what all of them
together and each address may keep in memory is bounded, and so is the time they take.

Behind a proxy all come from its address; proxies hand over whole bodies, which are never counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import parse_qsl

from aiohttp import web

SMALL = 64 * 1024  # a webhook as GitHub usually sends it: never refused for want of room
MOST_AT_ONCE = 64 * 1024 * 1024  # of all larger bodies together: two of the largest that GitHub sends
MOST_OF_ONE = MOST_AT_ONCE // 2  # of one address: a stranger leaves room for one of GitHub's
UNDER_WAY_AT_ONCE = 256  # bodies of one address of which a part is still to come
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
        self._held: Counter[str] = Counter()  # bytes of larger bodies, by address
        self._under_way: Counter[str] = Counter()

    async def read(self, request: web.Request, limit: int) -> bytes:
        """The body as it came, never decompressed. Raises NotRead: 413 too large, 408 too slow, 503 no room now."""
        length = request.content_length
        if length is not None and length > limit:
            raise NotRead(413, "too large")
        if length is not None and length <= SMALL and request.content.is_eof():
            return await request.read()  # it came together with its headers: nothing to wait for
        address = request.remote or ""
        if self._under_way[address] >= UNDER_WAY_AT_ONCE:
            raise NotRead(503, "busy")
        _add(self._under_way, address, 1)
        try:
            async with asyncio.timeout(WITHIN_S):
                if length is not None and length <= SMALL:
                    return await request.read()
                return await self._read_large(request, limit, address)
        except TimeoutError:
            raise NotRead(408, "too slow") from None
        finally:
            _add(self._under_way, address, -1)

    async def read_form(self, request: web.Request, limit: int) -> dict[str, str]:
        """The fields of a urlencoded form. Raises NotRead as `read` does, and 400 for what is no such form."""
        raw = await self.read(request, limit)
        try:
            return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=50))
        except ValueError:
            raise NotRead(400, "malformed") from None

    async def _read_large(self, request: web.Request, limit: int, address: str) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                _add(self._held, address, len(chunk))
                if len(body) > limit:
                    raise NotRead(413, "too large")
                if len(body) > SMALL and not self._room(address):
                    raise NotRead(503, "busy")
            return bytes(body)
        finally:
            _add(self._held, address, -len(body))

    def _room(self, address: str) -> bool:
        return self._held[address] <= MOST_OF_ONE and self._held.total() <= MOST_AT_ONCE


def _add(counted: Counter[str], address: str, number: int) -> None:
    """Addresses that hold nothing are not remembered: there is no end of them."""
    counted[address] += number
    if not counted[address]:
        del counted[address]
