"""The repositories of the stand-in GitHub: each by itself, and what lies in them."""

from __future__ import annotations

import base64
from collections.abc import Callable

from aiohttp import web

from bot.demo.github import payloads
from bot.demo.github.answers import answer, refuse, repo_of
from bot.demo.github.world import World, stamp


class Repositories:
    """Handlers of the REST routes. `own_url` gives the API's own address, for the redirects of renamed ones."""

    def __init__(self, world: World, own_url: Callable[[], str]) -> None:
        self._world = world
        self._own_url = own_url

    async def repository(self, request: web.Request) -> web.Response:
        if renamed := self._world.renamed.get(repo_of(request).lower()):
            raise web.HTTPMovedPermanently(f"{self._own_url()}/repos/{renamed}")
        shown = payloads.repository(repo_of(request), private=repo_of(request).lower() in self._world.private)
        if created := self._world.created.get(shown["full_name"].lower()):
            shown["created_at"] = stamp(created)
        return answer(request, shown)

    async def contents(self, request: web.Request) -> web.Response:
        repo, path, ref = repo_of(request), request.match_info["path"].strip("/"), request.query.get("ref")
        text = self._world.file(repo, path, ref)
        if text is None:
            return self._directory(request, repo, path)
        if "raw" in request.headers.get("Accept", ""):
            return web.Response(text=text, content_type="application/vnd.github.raw+json")
        encoded = base64.encodebytes(text.encode()).decode()
        return answer(request, payloads.file_object(repo, path, text, encoded))

    def _directory(self, request: web.Request, repo: str, path: str) -> web.Response:
        inside = [name for (of, name) in self._world.files if of == repo.lower() and name.rpartition("/")[0] == path]
        if not inside:
            raise refuse(404, "Not Found", {})
        entries = [{"name": n.rpartition("/")[2], "path": n, "type": "file", "size": 0} for n in sorted(inside)]
        return answer(request, entries)
