"""How GitHub's REST API answers: refusals, ETags, pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from bot.demo.serving import Handler

Json = dict[str, Any]
T = TypeVar("T")


def repo_of(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['repo']}"


def bearer_of(request: web.Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() in ("bearer", "token") and value.strip() else None


def refuse(status: int, message: str, headers: dict[str, str]) -> web.HTTPException:
    body = json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)})
    kinds: dict[int, type[web.HTTPException]] = {
        401: web.HTTPUnauthorized,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
        410: web.HTTPGone,
    }
    return kinds[status](text=body, content_type="application/json", headers=headers)


def answer(request: web.Request, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """200 with an ETag, or 304 when the caller already has it."""
    text = json.dumps(body)
    etag = f'W/"{hashlib.sha256(text.encode()).hexdigest()}"'
    dress = {**(headers or {}), "ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=dress)
    return web.Response(text=text, content_type="application/json", headers=dress)


def fixed(body: Json) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return answer(request, body)

    return handler


def paged(request: web.Request, own_url: str, items: Sequence[T]) -> tuple[list[T], dict[str, str]]:
    found = list(items)
    per_page = max(1, min(100, int(request.query.get("per_page", "30"))))
    page = max(1, int(request.query.get("page", "1")))
    last = max(1, -(-len(found) // per_page))
    links = []
    for rel, number in (("prev", page - 1), ("next", page + 1), ("last", last), ("first", 1)):
        wanted = (rel in ("next", "last") and page < last) or (rel in ("prev", "first") and page > 1)
        if wanted:
            url = request.rel_url.with_query({**request.query, "page": str(number)})
            links.append(f'<{own_url}{url}>; rel="{rel}"')
    headers = {"Link": ", ".join(links)} if links else {}
    return found[(page - 1) * per_page : page * per_page], headers
