"""The repositories of the stand-in GitHub: lists of them, each by itself, and what lies in them."""

from __future__ import annotations

import base64
from collections.abc import Callable

from aiohttp import web

from bot.demo.github import payloads
from bot.demo.github.answers import answer, paged, refuse, repo_of
from bot.demo.github.payloads import Json
from bot.demo.github.world import Hosted, World, stamp


class Repositories:
    """Handlers of the REST routes. `own_url` gives the API's own address, for the links between pages."""

    def __init__(self, world: World, own_url: Callable[[], str]) -> None:
        self._world = world
        self._own_url = own_url

    async def repository(self, request: web.Request) -> web.Response:
        name = repo_of(request)
        if renamed := self._world.renamed.get(name.lower()):
            raise web.HTTPMovedPermanently(f"{self._own_url()}/repos/{renamed}")
        shown = self._shown(self._world.hosted.get(name.lower(), Hosted(name, name.lower() in self._world.private)))
        if created := self._world.created.get(shown["full_name"].lower()):
            shown["created_at"] = stamp(created)
        return answer(request, shown)

    def _shown(self, one: Hosted) -> Json:
        shown = payloads.repository(one.name, private=one.private, default_branch=one.branch)
        shown["archived"] = one.archived
        if one.pushed_at is not None:
            shown["pushed_at"] = stamp(one.pushed_at)
        return shown

    async def repositories(self, request: web.Request) -> web.Response:
        """Of an organisation, a person, or the installation, which is that of one organisation here."""
        owner = request.match_info.get("org") or request.match_info.get("user")
        everything = sorted(self._world.hosted.items())
        found = [one for name, one in everything if owner is None or name.startswith(f"{owner.lower()}/")]
        if "org" in request.match_info and not found:
            raise refuse(404, "Not Found", {})
        page, headers = paged(request, self._own_url(), found)
        shown = [self._shown(one) for one in page]
        if owner is None:
            return answer(request, {"total_count": len(found), "repositories": shown}, headers)
        return answer(request, shown, headers)

    async def contents(self, request: web.Request) -> web.Response:
        repo, path, ref = repo_of(request), request.match_info["path"].strip("/"), request.query.get("ref")
        text = self._world.file(repo, path, ref)
        if text is None:
            return self._directory(request, repo, path, ref)
        if "raw" in request.headers.get("Accept", ""):
            return web.Response(text=text, content_type="application/vnd.github.raw+json")
        encoded = base64.encodebytes(text.encode()).decode()
        return answer(request, payloads.file_object(repo, path, text, encoded))

    def _directory(self, request: web.Request, repo: str, path: str, ref: str | None) -> web.Response:
        inside = self._world.inside(repo, path, ref)
        if not inside:
            raise refuse(404, "Not Found", {})
        entries = [
            {
                "name": name.strip("/").rpartition("/")[2],
                "path": name.strip("/"),
                "sha": sha,
                "type": "dir" if name.endswith("/") else "file",
                "size": 0,
            }
            for name, sha in inside.items()
        ]
        return answer(request, entries)

    async def personal_tokens(self, request: web.Request) -> web.Response:
        """Fine-grained tokens of an organisation's members."""
        page, headers = paged(request, self._own_url(), self._world.personal_tokens)
        return answer(request, page, headers)
