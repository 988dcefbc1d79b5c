"""How Slack's requests reach the bot: signed over HTTP, or as envelopes when the bot is connected by Socket Mode."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

from bot.demo.slack.args import Json
from bot.demo.slack.socket_mode import SocketMode
from bot.demo.slack.workspace import TEAM_ID

# After this Slack tells the person `operation_timeout`, whatever the bot does later.
ANSWER_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Sent:
    """How the bot answered. `status` 0 = no answer in time or no connection."""

    status: int
    body: str
    elapsed_s: float
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status == 200

    def json(self) -> Json:
        """The body as an object; empty when it is none."""
        try:
            body = json.loads(self.body) if self.body.strip() else {}
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def sign(secret: str, timestamp: str, body: bytes) -> str:
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class Sending:
    """`url` is the bot's `/slack/events`. Socket Mode is used whenever a connection is open."""

    def __init__(self, socket_mode: SocketMode) -> None:
        self.url = ""
        self.signing_secret = ""
        self.answer_within_s = ANSWER_WITHIN_S
        self.team_id = TEAM_ID
        self._socket_mode = socket_mode

    async def form(self, kind: str, fields: Mapping[str, str], payload: Json | None = None) -> Sent:
        """A command (`payload` None) or an interaction (`fields` = {"payload": JSON})."""
        if self._socket_mode.connected:
            return await self._envelope(kind, payload if payload is not None else dict(fields))
        return await self.post(urlencode(fields).encode(), "application/x-www-form-urlencoded")

    async def interaction(self, payload: Json) -> Sent:
        return await self.form("interactive", {"payload": json.dumps(payload)}, payload)

    async def event(self, body: Json, *, retry_num: int = 0, retry_reason: str = "") -> Sent:
        if self._socket_mode.connected:
            return await self._envelope("events_api", body, retry_num, retry_reason)
        headers = {"X-Slack-Retry-Num": str(retry_num), "X-Slack-Retry-Reason": retry_reason} if retry_num else {}
        return await self.post(json.dumps(body).encode(), "application/json", headers)

    async def post(
        self,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        signing_secret: str | None = None,
        timestamp: str | None = None,
    ) -> Sent:
        """A signed request; `headers` are added last and win."""
        body = body.replace(TEAM_ID.encode(), self.team_id.encode())
        stamp = timestamp if timestamp is not None else str(int(time.time()))
        secret = self.signing_secret if signing_secret is None else signing_secret
        dress = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(secret, stamp, body),
            **(headers or {}),
        }
        started = time.monotonic()
        limit = aiohttp.ClientTimeout(total=self.answer_within_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(self.url, data=body, headers=dress) as answer,
            ):
                text = await answer.text()
                return Sent(answer.status, text, time.monotonic() - started, dict(answer.headers))
        except TimeoutError:
            return Sent(0, "operation_timeout", time.monotonic() - started)
        except aiohttp.ClientError as failed:
            return Sent(0, f"{type(failed).__name__}: {failed}", time.monotonic() - started)

    async def _envelope(self, kind: str, payload: Json, retry_num: int = 0, retry_reason: str = "") -> Sent:
        started = time.monotonic()
        ack = await self._socket_mode.send(
            kind, payload, within_s=self.answer_within_s, retry_num=retry_num, retry_reason=retry_reason
        )
        elapsed_s = time.monotonic() - started
        if ack is None:
            return Sent(0, "operation_timeout", elapsed_s)
        said = ack.get("payload")
        return Sent(200, json.dumps(said) if said else "", elapsed_s)
