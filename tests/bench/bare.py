"""What acceptance is measured against: the least a handler can do. `PORT` and `SECRET` come from the environment."""

from __future__ import annotations

import os

from aiohttp import web

from bot.github import webhook


async def check(request: web.Request) -> web.Response:
    body = await request.read()
    try:
        webhook.check_signature(request.headers.get("X-Hub-Signature-256"), body, [os.environ["SECRET"].encode()])
    except webhook.Refused as refused:
        return web.Response(status=refused.status)
    return web.json_response({"delivery": request.headers.get("X-GitHub-Delivery"), "status": "checked"}, status=202)


async def alive(request: web.Request) -> web.Response:
    return web.Response()


def main() -> None:
    app = web.Application(client_max_size=webhook.BODY_LIMIT)
    app.router.add_post("/github/webhooks", check)
    app.router.add_get("/", alive)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)


if __name__ == "__main__":
    main()
