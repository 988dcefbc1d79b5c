"""Profiles and commits of the stand-in GitHub: whose address is public, and whose a commit is."""

from __future__ import annotations

from aiohttp import web

from bot.demo.github import payloads
from bot.demo.github.answers import answer, refuse
from bot.demo.github.world import World
from bot.demo.serving import Handler


def profile(world: World) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        login = request.match_info["login"]
        return answer(request, payloads.user(login) | {"email": world.emails.get(login)})

    return handler


def commit(world: World) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        sha = request.match_info["sha"]
        if sha not in world.commits:
            raise refuse(404, "Not Found", {})
        login, email = world.commits[sha]
        written = {"name": login, "email": email, "date": "2026-11-20T08:00:00Z"}
        body = {"sha": sha, "author": payloads.user(login), "commit": {"author": written, "committer": written}}
        return answer(request, body)

    return handler
