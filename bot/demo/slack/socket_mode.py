"""Socket Mode: tickets, the websocket, envelopes out and acknowledgements in."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from bot.demo.slack.workspace import APP_ID

Json = dict[str, Any]


class SocketMode:
    """`acks` holds what came back, in order. Up to ten connections; each envelope goes to one of them."""

    def __init__(self) -> None:
        self.acks: list[Json] = []
        self.connections: list[web.WebSocketResponse] = []
        self._tickets: set[str] = set()
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._turn = 0

    @property
    def connected(self) -> bool:
        return bool(self.connections)

    def new_ticket(self) -> str:
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    async def accept(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections.append(socket)
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "applink-stand-in", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": APP_ID},
        }
        await socket.send_str(json.dumps(hello))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acked(message.data)
        finally:
            self.connections.remove(socket)
        return socket

    def _acked(self, text: str) -> None:
        try:
            ack: Any = json.loads(text)
        except ValueError:
            return
        if not isinstance(ack, dict) or "envelope_id" not in ack:
            return
        self.acks.append(ack)
        waiting = self._waiting.pop(ack["envelope_id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)

    async def send(
        self, kind: str, payload: Json, *, within_s: float, retry_num: int = 0, retry_reason: str = ""
    ) -> Json | None:
        """The acknowledgement of an envelope, or None when none came in time."""
        envelope_id = str(uuid.uuid4())
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry_num, "retry_reason": retry_reason}
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = waiting
        self._turn += 1
        await self.connections[self._turn % len(self.connections)].send_str(json.dumps(envelope))
        try:
            return await asyncio.wait_for(waiting, within_s)
        except TimeoutError:
            self._waiting.pop(envelope_id, None)
            return None

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Asks every connection to come again, as Slack does after some hours, and closes it."""
        for socket in list(self.connections):
            await socket.send_str(
                json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}})
            )
            await socket.close()

    async def close(self) -> None:
        for socket in list(self.connections):
            await socket.close()
