"""A client that costs little: keep-alive connections, requests made beforehand, answers read as far as their status."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from random import Random

from bot.demo.github.deliveries import Hook, signed_headers
from tests.bench.processes import WEBHOOK_SECRET

ANSWER_WITHIN_S = 30.0


def requests(bodies: Sequence[bytes], count: int, seed: int) -> list[bytes]:
    """Signed `workflow_run` deliveries on the wire, each with a GUID of its own."""
    chance = Random(seed)
    signed = [
        {**signed_headers("workflow_run", body, WEBHOOK_SECRET, "", Hook()), "Content-Length": str(len(body))}
        for body in bodies
    ]
    made = []
    for number in range(count):
        guid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        headers = signed[number % len(bodies)] | {"Host": "127.0.0.1", "X-GitHub-Delivery": guid}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        made.append(f"POST /github/webhooks HTTP/1.1\r\n{head}\r\n".encode() + bodies[number % len(bodies)])
    return made


async def send_all(port: int, wanted: Sequence[bytes], connections: int) -> float:
    """Requests a second, each connection sending its next one when it has the answer. Raises unless all are 202."""
    left = iter(wanted)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Connection(left), "127.0.0.1", port)
        clients.append(client)
    started = time.perf_counter()
    for client in clients:
        client.send_next()
    async with asyncio.timeout(ANSWER_WITHIN_S + len(wanted) / 50):
        await asyncio.gather(*(client.done for client in clients))
    return len(wanted) / (time.perf_counter() - started)


class _Connection(asyncio.Protocol):
    def __init__(self, left: Iterator[bytes]) -> None:
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send_next(self) -> None:
        assert self._transport is not None
        request = next(self._left, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if len(body) < int(length):
            return
        self._got = b""
        if not head.startswith(b"HTTP/1.1 202"):
            self._fail(f"answered {head[:40]!r}")
            return
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection ended: {exc}")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))
