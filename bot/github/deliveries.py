"""What GitHub remembers of what it tried to deliver: the delivery lists of the App and of hooks, in our own types.

GET /app/hook/deliveries (as the App), /repos/{o}/{r}/hooks/{hook}/deliveries, /orgs/{org}/hooks/{hook}/deliveries; one
delivery with its payload; a new attempt. Kept for three days at github.com; docs: "Handling failed webhook deliveries".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bot.errors import GiveUp
from bot.github.asking import Answer
from bot.github.client import GitHub
from bot.github.run import moment_of
from bot.github.webhook import EVENT, GUID

PER_PAGE = 100
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next\b')


@dataclass(frozen=True, slots=True)
class Hook:
    """Whose deliveries. `name`: `app`, or as in GITHUB_HOOKS; `owner`: owner/name, an organisation, empty = the App."""

    name: str
    owner: str = ""
    number: int = 0

    @property
    def kind(self) -> str:
        return "repository" if "/" in self.owner else "organization" if self.owner else "app"

    @property
    def path(self) -> str:
        if self.kind == "app":
            return "/app/hook/deliveries"
        scope = "repos" if self.kind == "repository" else "orgs"
        return f"/{scope}/{self.owner}/hooks/{self.number}/deliveries"


APP = Hook("app")


def hook_of(setting: str) -> Hook:
    """`acme/ui#123` or `acme#456`, checked before by the settings."""
    owner, _, number = setting.partition("#")
    return Hook(setting, owner, int(number))


def sources(is_app: bool, hooks: Sequence[str]) -> list[Hook]:
    """Every delivery list there is to read: the App's own, and those of GITHUB_HOOKS."""
    return [*([APP] if is_app else []), *map(hook_of, hooks)]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of GitHub's to deliver. `ok`: it was answered with 2xx; `status`: with what, 0 for nothing;
    `installation`: of the App, whose delivery it is."""

    id: int
    guid: str
    event: str
    action: str | None
    delivered_at: datetime
    ok: bool
    status: int = 0
    installation: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Attempts, newest first; `next`: query of the following (older) page; `etag` of this one."""

    attempts: tuple[Attempt, ...]
    next: str | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent in an attempt. `body`: JSON bytes, None when GitHub does not have it any more."""

    url: str
    body: bytes | None


class HookDeliveries:
    """Calls of the delivery APIs. Raise TryAgain and GiveUp as all of `GitHub` does."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    async def page(self, hook: Hook, query: str | None = None, etag: str | None = None) -> Page | None:
        """A page of the list, the newest without `query`; None when it is unchanged since `etag`."""
        answer = await self._ask("GET", hook, f"?{query or f'per_page={PER_PAGE}'}", etag)
        if answer.unchanged:
            return None
        found = [attempt for data in answer.body or () if isinstance(data, dict) and (attempt := _attempt(data))]
        return Page(tuple(found), next_query(answer.headers), answer.headers.get("etag"))

    async def request(self, hook: Hook, attempt: Attempt) -> Request:
        """What was sent, with its payload. An attempt that GitHub does not show has none."""
        try:
            answer = await self._ask("GET", hook, f"/{attempt.id}")
        except GiveUp as error:
            if error.reason == "github-forbidden":
                raise
            return Request("", None)
        detail = answer.body if isinstance(answer.body, dict) else {}
        request = detail.get("request")
        payload = request.get("payload") if isinstance(request, dict) else None
        return Request(str(detail.get("url") or ""), _body(payload))

    async def redeliver(self, hook: Hook, attempt: Attempt) -> None:
        """Ask GitHub to try again, under the same GUID."""
        await self._ask("POST", hook, f"/{attempt.id}/attempts")

    async def _ask(self, method: str, hook: Hook, rest: str, etag: str | None = None) -> Answer:
        as_app = self._github.app_jwt() if hook.kind == "app" else None
        return await self._github.ask_sparingly(method, hook.path + rest, repo=hook.owner, jwt=as_app, etag=etag)


def next_query(headers: Mapping[str, str]) -> str | None:
    """The query of the `next` page in a Link header. Its host and path are never followed, they are ours to know."""
    link = _NEXT.search(headers.get("link", ""))
    return urlsplit(link[1]).query or None if link else None


def _attempt(data: Mapping[str, Any]) -> Attempt | None:
    number, guid, event, action = (data.get(name) for name in ("id", "guid", "event", "action"))
    delivered_at = moment_of(data.get("delivered_at"))
    if not isinstance(number, int) or not isinstance(guid, str) or not isinstance(event, str) or delivered_at is None:
        return None
    if not GUID.fullmatch(guid) or not EVENT.fullmatch(event):
        return None
    code, installation = data.get("status_code"), data.get("installation_id")
    status = code if isinstance(code, int) else 0
    ok = 200 <= status < 300
    return Attempt(
        id=number,
        guid=guid,
        event=event,
        action=action if isinstance(action, str) else None,
        delivered_at=delivered_at,
        ok=ok,
        status=status,
        installation=installation if isinstance(installation, int) else None,
    )


def _body(payload: object) -> bytes | None:
    if isinstance(payload, dict) and payload:
        return json.dumps(payload).encode()
    if isinstance(payload, str) and payload.lstrip().startswith("{"):
        return payload.encode("utf-8", "replace")
    return None
