"""Webhooks as GitHub sends them: signed on the raw bytes, tried once, kept in a list, sent again on demand."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.demo.github.payloads import APP_ID, Json

# GitHub waits this long for an answer and counts everything later as a failure.
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Hook:
    """Who a webhook belongs to: `target` is an app id, `owner/name` or an organisation's login."""

    kind: str = "integration"
    target: str = str(APP_ID)
    id: int = 471_100_212


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try. `status` 0 = could not connect or no answer in time; `forgotten`: its payload is not kept any more."""

    id: int
    guid: str
    event: str
    payload: Json
    raw: bytes
    hook: Hook
    url: str
    status: int
    answer: str
    delivered_at: datetime
    duration_s: float
    redelivery: bool = False
    forgotten: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def summary(self) -> Json:
        return {
            "id": self.id,
            "guid": self.guid,
            "delivered_at": self.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "redelivery": self.redelivery,
            "duration": round(self.duration_s, 2),
            "status": "OK" if self.ok else _status_word(self.status),
            "status_code": self.status,
            "event": self.event,
            "action": self.payload.get("action"),
            "installation_id": (self.payload.get("installation") or {}).get("id"),
            "repository_id": (self.payload.get("repository") or {}).get("id"),
            "throttled_at": None,
        }

    def detail(self) -> Json:
        return {
            **self.summary(),
            "url": self.url,
            "request": {
                "headers": {"X-GitHub-Event": self.event, "X-GitHub-Delivery": self.guid},
                "payload": None if self.forgotten else self.payload,
            },
            "response": {"headers": {}, "payload": self.answer},
        }


def _status_word(status: int) -> str:
    return "failed to connect to host" if status == 0 else f"Invalid HTTP Response: {status}"


def signed_headers(event: str, body: bytes, secret: str, guid: str, hook: Hook) -> dict[str, str]:
    """The headers of a delivery; an empty secret leaves the signatures out, as GitHub does."""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/f2a9c41",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-Type": hook.kind,
        "X-GitHub-Hook-Installation-Target-ID": hook.target,
    }
    if secret:
        headers["X-Hub-Signature"] = "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return headers


class Deliveries:
    """Sends, remembers and sends again."""

    def __init__(self) -> None:
        self.sent: list[Delivery] = []
        self.url = ""
        self.secret = ""
        self.hook = Hook()  # whose deliveries these are, unless one names another
        self._ids = count(12_000_000_001)

    def to(self, url: str, secret: str) -> None:
        """Where deliveries go from now on: the bot's `/github/webhooks` and its secret."""
        self.url, self.secret = url, secret

    def of(self, hook: Hook) -> list[Delivery]:
        """Newest first, as GitHub lists them."""
        mine = [d for d in self.sent if d.hook.kind == hook.kind and (hook.kind == "integration" or d.hook == hook)]
        return sorted(mine, key=lambda d: (d.delivered_at, d.id), reverse=True)

    async def send(
        self,
        event: str,
        payload: Json,
        *,
        secret: str | None = None,
        url: str | None = None,
        guid: str | None = None,
        headers: Mapping[str, str] | None = None,
        hook: Hook | None = None,
        form: bool = False,
        redelivery: bool = False,
    ) -> Delivery:
        """One try, signed; `headers` are added last and win, so that a test can break any of them."""
        raw = _body(payload)
        body = urlencode({"payload": raw.decode()}).encode() if form else raw
        guid = guid or str(uuid.uuid4())
        hook = hook or self.hook
        to = url if url is not None else self.url
        signed = signed_headers(event, body, self.secret if secret is None else secret, guid, hook)
        if form:
            signed["Content-Type"] = "application/x-www-form-urlencoded"
        at, started = datetime.now(UTC), time.monotonic()
        status, answer = await _post(to, body, {**signed, **(headers or {})})
        took_s, number = time.monotonic() - started, next(self._ids)
        return self._remember(
            Delivery(number, guid, event, payload, body, hook, to, status, answer, at, took_s, redelivery)
        )

    def lose(
        self,
        event: str,
        payload: Json,
        *,
        guid: str | None = None,
        hook: Hook | None = None,
        at: datetime | None = None,
        status: int = 502,
        forgotten: bool = False,
    ) -> Delivery:
        """A delivery that never reached the bot: in GitHub's list, with a failure unless `status` says otherwise."""
        return self._remember(
            Delivery(
                id=next(self._ids),
                guid=guid or str(uuid.uuid4()),
                event=event,
                payload=payload,
                raw=_body(payload),
                hook=hook or self.hook,
                url=self.url,
                status=status,
                answer="Bad Gateway",
                delivered_at=at or datetime.now(UTC),
                duration_s=0.2,
                forgotten=forgotten,
            )
        )

    async def again(self, delivery: Delivery) -> Delivery:
        return await self.send(
            delivery.event, delivery.payload, guid=delivery.guid, hook=delivery.hook, redelivery=True, url=self.url
        )

    def _remember(self, delivery: Delivery) -> Delivery:
        self.sent.append(delivery)
        return delivery


def _body(payload: Json) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


async def _post(url: str, body: bytes, headers: Mapping[str, Any]) -> tuple[int, str]:
    limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as failed:
        return 0, f"{type(failed).__name__}: {failed}"
