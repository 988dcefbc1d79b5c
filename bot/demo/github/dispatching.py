"""`POST /repos/{owner}/{repo}/dispatches`: what scripts tell GitHub comes out as a `repository_dispatch` delivery."""

from __future__ import annotations

import json

from aiohttp import web

from bot.demo.github import events
from bot.demo.github.answers import refuse, repo_of
from bot.demo.github.deliveries import Deliveries
from bot.demo.serving import Handler

MOST_PROPERTIES = 10
LARGEST_PAYLOAD = 65_535  # characters of JSON


def dispatches(deliveries: Deliveries) -> Handler:
    """Refuses what GitHub refuses: no event type, more than ten properties, a payload of 64 kB."""

    async def dispatch(request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
        except ValueError:
            raise refuse(400, "Problems parsing JSON", {}) from None
        kind = asked.get("event_type") if isinstance(asked, dict) else None
        payload = asked.get("client_payload", {}) if isinstance(asked, dict) else {}
        if not isinstance(kind, str) or not 0 < len(kind) <= 100:
            raise refuse(422, 'Invalid request.\n\n"event_type" wasn\'t supplied.', {})
        if not isinstance(payload, dict) or len(payload) > MOST_PROPERTIES:
            raise refuse(422, "No more than 10 properties are allowed; got more.", {})
        if len(json.dumps(payload, ensure_ascii=False)) > LARGEST_PAYLOAD:
            raise refuse(422, "client_payload is too large.", {})
        await deliveries.send("repository_dispatch", events.repository_dispatch(repo_of(request), kind, payload))
        return web.Response(status=204)

    return dispatch
