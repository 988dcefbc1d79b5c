"""npm's list of staged versions, which only a maintainer's token may see: the one thing the bot asks npm with a token.

`GET /-/stage?page=&perPage=` (npm API documentation, stage.yaml). The token needs no right to write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot.errors import GiveUp, TryAgain
from bot.github.run import moment_of

TIMEOUT_S = 8
PER_PAGE = 100
MOST_PAGES = 20
LARGEST_PAGE = 4 * 1024 * 1024
_ID = re.compile(r"[0-9A-Za-z\-]{8,64}")
_PACKAGE = re.compile(r"(@[a-z0-9~_\-][a-z0-9~._\-]{0,100}/)?[A-Za-z0-9~_\-][A-Za-z0-9~._\-]{0,213}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+\-]{0,255}")
_ACTOR = re.compile(r"[A-Za-z0-9 ._@\-]{1,100}")


@dataclass(frozen=True, slots=True)
class Staged:
    """One version that waits. `actor`: the account or automation that staged it, as npm names it."""

    stage_id: str
    package: str
    version: str
    created_at: datetime | None = None
    actor: str | None = None
    tag: str | None = None


class StageList:
    """Raises TryAgain when the registry does not answer well, GiveUp when it does not take the token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: SecretStr) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._token = token

    async def listed(self) -> tuple[Staged, ...]:
        """All that the token's account may approve, as npm lists them."""
        found: list[Staged] = []
        for page in range(1, MOST_PAGES + 1):
            items = await self._page(page)
            found += [staged for item in items if isinstance(item, dict) and (staged := read_staged(item))]
            if len(items) < PER_PAGE:
                break
        return tuple({staged.stage_id: staged for staged in found}.values())

    async def _page(self, page: int) -> list[Any]:
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}", "Accept": "application/json"}
        query = {"page": str(page), "perPage": str(PER_PAGE)}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            # A redirect would carry the token to wherever it points.
            async with self._session.get(
                f"{self._url}/-/stage", params=query, headers=headers, timeout=timeout, allow_redirects=False
            ) as reply:
                if reply.status in (401, 403, 404):
                    raise GiveUp("stage-list-refused", f"npm answered {reply.status} to NPM_READ_TOKEN")
                if reply.status != 200:
                    raise TryAgain("registry-refused", f"the registry answered {reply.status} for the stage list")
                body = await reply.content.read(LARGEST_PAGE)
                while len(body) < LARGEST_PAGE and (more := await reply.content.read(LARGEST_PAGE)):
                    body += more
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain("registry-unreachable", f"the registry did not answer: {type(error).__name__}") from error
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise TryAgain("registry-malformed", "the stage list makes no sense") from None
        items = answer.get("items") if isinstance(answer, dict) else answer
        return items if isinstance(items, list) else []


def read_staged(item: Mapping[str, Any]) -> Staged | None:
    """None for what is no staged version, or no longer one."""
    ident, package, version = item.get("id"), item.get("packageName"), item.get("version")
    if not (isinstance(ident, str) and isinstance(package, str) and isinstance(version, str)):
        return None
    if not (_ID.fullmatch(ident) and _PACKAGE.fullmatch(package) and _VERSION.fullmatch(version)):
        return None
    if item.get("status") not in (None, "staged", "pending", "validating"):
        return None
    actor, tag = item.get("actor"), item.get("tag")
    name = actor.get("name") if isinstance(actor, dict) else actor
    return Staged(
        ident,
        package,
        version,
        moment_of(item.get("createdAt")),
        name if isinstance(name, str) and _ACTOR.fullmatch(name) else None,
        tag if isinstance(tag, str) and _ACTOR.fullmatch(tag) else None,
    )
