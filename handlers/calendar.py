"""`GET /calendar.ics?key=`: when tokens end and rules change, for whoever holds a key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from aiohttp import web

from bot.calendar_feed import feed
from bot.deps import Deps
from storage import calendar_keys, tokens

FRESH_S = 3600
LONGEST_KEY = 200


async def calendar(request: web.Request, workspaces: Sequence[Deps]) -> web.Response:
    """`workspaces`: whose keys are good; a key shows what is in its own."""
    given = request.query.get("key", "")[:LONGEST_KEY]
    for deps in workspaces if given else ():
        if (key := await deps.db.read(calendar_keys.find, given)) is not None:
            break
    else:
        # Not 401: calendar programs would ask for a password for ever.
        return web.json_response({"error": "not found"}, status=404)
    stored = await deps.db.read(tokens.all_tokens)
    mine = [token for token in stored if key.owner is None or key.owner in (token.owner, token.backup_owner)]
    title = "Tokens" if key.owner is None else "My tokens"
    body = await asyncio.to_thread(feed, mine, deps.now(), deps.settings.zone, title=title)
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={FRESH_S}"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(text=body, content_type="text/calendar", charset="utf-8", headers=headers)
