"""The secrets and environments of the stand-in GitHub: names and dates at every level, never values."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bot.demo.github import payloads
from bot.demo.github.answers import answer, paged, refuse, repo_of
from bot.demo.github.world import Secret, World


class Secrets:
    """Handlers of the REST routes. `own_url` gives the API's own address, for the links between pages."""

    def __init__(self, world: World, own_url: Callable[[], str]) -> None:
        self._world = world
        self._own_url = own_url

    def _scope(self, request: web.Request) -> dict[str, Secret]:
        org = request.match_info.get("org")
        scope = f"orgs/{org}" if org else f"repos/{repo_of(request)}"
        if environment := request.match_info.get("environment"):
            if environment not in self._world.environments.get(repo_of(request).lower(), []):
                raise refuse(404, "Not Found", {})
            scope += f"/environments/{environment}"
        return self._world.secrets.get(scope.lower(), {})

    async def secrets(self, request: web.Request) -> web.Response:
        org = request.match_info.get("org")
        found = list(self._scope(request).values())
        page, headers = paged(request, self._own_url(), found)
        shown = [payloads.secret_object(secret, of_organization=org) for secret in page]
        return answer(request, {"total_count": len(found), "secrets": shown}, headers)

    async def selected(self, request: web.Request) -> web.Response:
        secret = self._scope(request).get(request.match_info["name"])
        if secret is None or secret.visibility != "selected":
            raise refuse(404, "Not Found", {})
        page, headers = paged(request, self._own_url(), secret.selected)
        shown = [payloads.repository(name) for name in page]
        return answer(request, {"total_count": len(secret.selected), "repositories": shown}, headers)

    async def dependabot_secrets(self, request: web.Request) -> web.Response:
        org = request.match_info.get("org")
        scope = f"orgs/{org}/dependabot" if org else f"repos/{repo_of(request)}/dependabot"
        found = list(self._world.secrets.get(scope.lower(), {}).values())
        page, headers = paged(request, self._own_url(), found)
        shown = [payloads.secret_object(secret, of_organization=org) for secret in page]
        body = {"total_count": len(found), "secrets": shown}
        return answer(request, body, headers)

    async def secret(self, request: web.Request) -> web.Response:
        secret = self._scope(request).get(request.match_info["name"])
        if secret is None:
            raise refuse(404, "Not Found", {})
        return answer(request, payloads.secret_object(secret, of_organization=request.match_info.get("org")))

    async def organization_secrets(self, request: web.Request) -> web.Response:
        repo = repo_of(request)
        held = self._world.secrets.get(f"orgs/{repo.split('/')[0]}".lower(), {}).values()
        seen = [secret for secret in held if secret.visibility != "selected" or repo in secret.selected]
        page, headers = paged(request, self._own_url(), seen)
        shown = [payloads.secret_object(secret) for secret in page]
        return answer(request, {"total_count": len(seen), "secrets": shown}, headers)

    async def environments(self, request: web.Request) -> web.Response:
        names = self._world.environments.get(repo_of(request).lower(), [])
        body = {"total_count": len(names), "environments": [{"name": name} for name in names]}
        return answer(request, body)
