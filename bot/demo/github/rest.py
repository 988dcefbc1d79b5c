"""The REST routes of the stand-in GitHub, with the headers the real one sends."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import jwt
from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.demo.github import accounts, payloads
from bot.demo.github.answers import answer, bearer_of, fixed, paged, refuse, repo_of
from bot.demo.github.blobs import Blobs
from bot.demo.github.deliveries import Deliveries, Delivery, Hook
from bot.demo.github.dispatching import dispatches
from bot.demo.github.payloads import Json
from bot.demo.github.registering import Registering
from bot.demo.github.repositories import Repositories
from bot.demo.github.secrets import Secrets
from bot.demo.github.world import LogManners, Run, World, stamp
from bot.demo.serving import MAX_BODY, Asked, Faults, Handler, faulty
from bot.manifests import GITHUB_EVENTS, GITHUB_PERMISSIONS

T = TypeVar("T")
LIMIT_AN_HOUR = 5000
# What the App was granted: what its manifest asks for, and re-running; the answers to /app and access_tokens show it.
PERMISSIONS = {**GITHUB_PERMISSIONS, "actions": "write"}


class Rest:
    """Knobs: `token` (None = any), `permissions`, `token_expires_at` (of a personal token), `app_public_key` (PEM),
    `hook_url`, `hook_active`, `hook_events` of every hook, `installations` (None = one, with all that was granted)."""

    def __init__(self, world: World, blobs: Blobs, deliveries: Deliveries) -> None:
        self.requests: list[Asked] = []
        self.faults = Faults()
        self.reruns: list[tuple[str, int]] = []
        self.dispatches: list[tuple[str, str]] = []
        self.on_rerun: Callable[[Run], Awaitable[None]] | None = None
        self.token: str | None = None
        self.limit_an_hour = LIMIT_AN_HOUR
        self.permissions = dict(PERMISSIONS)
        self.events: tuple[str, ...] = GITHUB_EVENTS
        self.hook_url = "https://bot.example.com/github/webhooks"
        self.hook_active = True
        self.hook_events = ("workflow_run",)
        self.installations: list[Json] | None = None
        self.registering = Registering()
        self.token_expires_at: datetime | None = None
        self.app_public_key: str | None = None
        self.blob_url = ""
        self.own_url = ""
        self._world = world
        self._blobs = blobs
        self._deliveries = deliveries
        self._hosting = Repositories(world, lambda: self.own_url)
        self._kept = Secrets(world, lambda: self.own_url)
        self._installation_tokens: set[str] = set()
        self._used = 0
        # The recorder sees faults too; the headers go around whatever was answered.
        self.app = web.Application(
            middlewares=[self._dressed(), faulty(self.faults, self.requests)], client_max_size=MAX_BODY
        )
        self._route()

    def _route(self) -> None:
        get, post = self.app.router.add_get, self.app.router.add_post
        repo = "/repos/{owner}/{repo}"
        get("/", fixed({"current_user_url": "https://api.github.com/user"}))
        get(
            "/meta",
            fixed({"hooks": ["127.0.0.0/8"], "actions": [], "verifiable_password_authentication": False}),
        )
        get("/rate_limit", self._rate_limit)
        get("/user", self._guard("metadata", self._user))
        get("/users/{login}", self._guard("metadata", accounts.profile(self._world)))
        get(repo + "/commits/{sha}", self._guard("contents", accounts.commit(self._world)))
        get(repo, self._guard("metadata", self._hosting.repository))
        get(repo + "/actions/runs", self._guard("actions", self._runs))
        get(repo + "/actions/workflows/{file}/runs", self._guard("actions", self._runs))
        get(repo + r"/actions/runs/{run:\d+}", self._guard("actions", self._run))
        get(repo + r"/actions/runs/{run:\d+}/attempts/{attempt:\d+}", self._guard("actions", self._run))
        get(repo + r"/actions/runs/{run:\d+}/jobs", self._guard("actions", self._jobs))
        get(repo + r"/actions/runs/{run:\d+}/attempts/{attempt:\d+}/jobs", self._guard("actions", self._jobs))
        get(repo + r"/actions/runs/{run:\d+}/attempts/{attempt:\d+}/logs", self._guard("actions", self._zip))
        get(repo + r"/actions/jobs/{job:\d+}/logs", self._guard("actions", self._log))
        post(repo + r"/actions/runs/{run:\d+}/rerun-failed-jobs", self._guard("actions:write", self._rerun))
        post(repo + "/actions/workflows/{file}/dispatches", self._guard("actions:write", self._dispatch))
        post(repo + "/dispatches", self._guard("contents:write", dispatches(self._deliveries)))
        get(repo + "/contents/{path:.*}", self._guard("contents", self._hosting.contents))
        get(repo + "/git/matching-refs/tags/{prefix:.*}", self._guard("contents", self._tags))
        get(repo + "/environments", self._guard("actions", self._kept.environments))
        get(repo + "/actions/secrets", self._guard("secrets", self._kept.secrets))
        get(repo + "/actions/secrets/{name}", self._guard("secrets", self._kept.secret))
        get(repo + "/dependabot/secrets", self._guard("dependabot_secrets", self._kept.dependabot_secrets))
        get(
            "/orgs/{org}/dependabot/secrets",
            self._guard("organization_dependabot_secrets", self._kept.dependabot_secrets),
        )
        get(repo + "/actions/organization-secrets", self._guard("secrets", self._kept.organization_secrets))
        get(repo + "/environments/{environment}/secrets", self._guard("environments", self._kept.secrets))
        get(repo + "/environments/{environment}/secrets/{name}", self._guard("environments", self._kept.secret))
        get("/orgs/{org}/actions/secrets", self._guard("organization_secrets", self._kept.secrets))
        get("/orgs/{org}/actions/secrets/{name}", self._guard("organization_secrets", self._kept.secret))
        get("/orgs/{org}/actions/secrets/{name}/repositories", self._guard("organization_secrets", self._kept.selected))
        get(
            "/orgs/{org}/personal-access-tokens",
            self._guard("organization_personal_access_tokens", self._hosting.personal_tokens),
        )
        get("/orgs/{org}/repos", self._guard("metadata", self._hosting.repositories))
        get("/users/{user}/repos", self._guard("metadata", self._hosting.repositories))
        get("/installation/repositories", self._guard("metadata", self._hosting.repositories))
        get(repo + "/installation", self._app_only(self._installation))
        get("/orgs/{org}/installation", self._app_only(self._installation))
        get("/app", self._app_only(self._the_app))
        for base in ("", "/organizations/{org}"):
            post(base + "/settings/apps/new", self.registering.new)
        post("/app-manifests/{code}/conversions", self._convert)
        get("/app/hook/config", self._app_only(self._hook_config))
        get(repo + r"/hooks/{hook:\d+}", self._guard("repository_hooks", self._show_hook))
        get(r"/orgs/{org}/hooks/{hook:\d+}", self._guard("organization_hooks", self._show_hook))
        get("/app/installations", self._app_only(self._installations))
        post(r"/app/installations/{id:\d+}/access_tokens", self._app_only(self._access_token))
        for base, guard in (
            ("/app/hook", self._app_only),
            (repo + r"/hooks/{hook:\d+}", lambda handler: self._guard("repository_hooks", handler)),
            (r"/orgs/{org}/hooks/{hook:\d+}", lambda handler: self._guard("organization_hooks", handler)),
        ):
            get(base + "/deliveries", guard(self._list_deliveries))
            get(base + r"/deliveries/{id:\d+}", guard(self._show_delivery))
            post(base + r"/deliveries/{id:\d+}/attempts", guard(self._redeliver))

    # --- who is asking -----------------------------------------------------------------------------------------------

    def _dressed(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                reply = await handler(request)
            except web.HTTPException as refused:
                reply = refused
            if reply.prepared:
                return reply
            # An authorised 304 costs nothing; everything else one point.
            self._used += 0 if reply.status == 304 else 1
            dress = {
                "x-github-request-id": f"{self._used:04X}:3F2A:11",
                "x-github-media-type": "github.v3; format=json",
                "x-ratelimit-limit": str(self.limit_an_hour),
                "x-ratelimit-remaining": str(max(0, self.limit_an_hour - self._used)),
                "x-ratelimit-used": str(self._used),
                "x-ratelimit-reset": str(int(time.time()) + 3600),
                "x-ratelimit-resource": "core",
            }
            if self.token_expires_at is not None:
                dress["github-authentication-token-expiration"] = f"{self.token_expires_at:%Y-%m-%d %H:%M:%S} UTC"
            for name, value in dress.items():
                reply.headers.setdefault(name, value)
            return reply

        return middleware

    def _guard(self, permission: str, handler: Handler) -> Handler:
        """Checks bearer and permission (`name` = read, `name:write`); a header says what would have sufficed."""
        name, _, wanted = permission.partition(":")
        said = {"X-Accepted-GitHub-Permissions": f"{name}={wanted or 'read'}"}

        async def guarded(request: web.Request) -> web.StreamResponse:
            bearer = bearer_of(request)
            if bearer is None and name not in ("metadata", "contents", "actions"):
                raise refuse(401, "Requires authentication", said)
            if bearer is not None and not self._knows(bearer):
                raise refuse(401, "Bad credentials", said)
            repo = f"{request.match_info.get('owner')}/{request.match_info.get('repo')}".lower()
            if repo in self._world.private and bearer is None:
                raise refuse(404, "Not Found", said)
            granted = self.permissions.get(name)
            if name != "metadata" and "hooks" not in name and (granted is None or (wanted and granted != wanted)):
                raise refuse(403, "Resource not accessible by integration", said)
            try:
                reply = await handler(request)
            except web.HTTPException as refused:
                refused.headers.update(said)
                raise
            if not reply.prepared:
                reply.headers.update(said)
            return reply

        return guarded

    def _knows(self, bearer: str) -> bool:
        return self.token is None or bearer == self.token or bearer in self._installation_tokens

    def _app_only(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            bearer = bearer_of(request) or ""
            try:
                if self.app_public_key:
                    jwt.decode(bearer, self.app_public_key, algorithms=["RS256"])
                else:
                    jwt.decode(bearer, options={"verify_signature": False, "verify_exp": True})
            except jwt.PyJWTError as wrong:
                raise refuse(401, f"A JSON web token could not be decoded: {wrong}", {}) from wrong
            return await handler(request)

        return guarded

    async def _rate_limit(self, request: web.Request) -> web.Response:
        bearer = bearer_of(request)  # needs none, but a wrong one is refused here as everywhere
        if bearer is not None and not self._knows(bearer):
            raise refuse(401, "Bad credentials", {})
        core = {
            "limit": self.limit_an_hour,
            "used": self._used,
            "remaining": max(0, self.limit_an_hour - self._used),
            "reset": int(time.time()) + 3600,
        }
        return answer(request, {"resources": {"core": core}})

    async def _user(self, request: web.Request) -> web.Response:
        return answer(request, payloads.user("tokenwatch-bot"))

    async def _the_app(self, request: web.Request) -> web.Response:
        return answer(request, payloads.app(self.permissions, self.events))

    def _installation_object(self) -> Json:
        return payloads.installation(self.permissions, self.events)

    async def _convert(self, request: web.Request) -> web.Response:
        made = self.registering.convert(request.match_info["code"])
        self.app_public_key, self.permissions, self.events = made.public_key, made.permissions, made.events
        return web.json_response(made.shown, status=201)

    async def _installation(self, request: web.Request) -> web.Response:
        return answer(request, self._installation_object())

    async def _installations(self, request: web.Request) -> web.Response:
        found = [self._installation_object()] if self.installations is None else self.installations
        return answer(request, found)

    async def _access_token(self, request: web.Request) -> web.Response:
        # Since 2026-04-27 installation tokens are `ghs_<app id>_<JWT>`: long and of no fixed length.
        filler = (
            base64.urlsafe_b64encode(hashlib.sha512(str(time.monotonic_ns()).encode()).digest()).decode().rstrip("=")
        )
        token = f"ghs_{payloads.APP_ID}_{filler}.{filler}.{filler}"
        self._installation_tokens.add(token)
        body = {
            "token": token,
            "expires_at": stamp(datetime.now(UTC) + timedelta(hours=1)),
            "permissions": self.permissions,
            "repository_selection": "all",
        }
        return web.json_response(body, status=201)

    # --- runs, jobs, logs --------------------------------------------------------------------------------------------

    async def _runs(self, request: web.Request) -> web.Response:
        repo = repo_of(request).lower()
        latest: dict[int, Run] = {}
        for (of, number, attempt), run in self._world.runs.items():
            if of == repo and (number not in latest or latest[number].attempt < attempt):
                latest[number] = run
        found = sorted(latest.values(), key=lambda run: run.id, reverse=True)
        if file := request.match_info.get("file"):
            found = [run for run in found if run.workflow.rpartition("/")[2] == file]
            if not found:
                raise refuse(404, "Not Found", {})
        if status := request.query.get("status"):
            found = [
                run for run in found if status in (run.conclusion, "completed" if run.conclusion else "in_progress")
            ]
        created = request.query.get("created", "")
        if created.startswith("<="):
            found = [run for run in found if stamp(run.started_at) <= created[2:]]
        else:
            found = [run for run in found if stamp(run.started_at) >= created.removeprefix(">=")]
        page, headers = paged(request, self.own_url, found)
        body = {"total_count": len(found), "workflow_runs": [payloads.run_object(run) for run in page]}
        return answer(request, body, headers)

    def _find_run(self, request: web.Request) -> Run:
        attempts = self._world.attempts(repo_of(request), int(request.match_info["run"]))
        wanted = request.match_info.get("attempt")
        for run in reversed(attempts):
            if wanted is None or run.attempt == int(wanted):
                return run
        raise refuse(404, "Not Found", {})

    async def _run(self, request: web.Request) -> web.Response:
        return answer(request, payloads.run_object(self._find_run(request)))

    async def _jobs(self, request: web.Request) -> web.Response:
        run = self._find_run(request)
        page, headers = paged(request, self.own_url, run.jobs)
        body = {"total_count": len(run.jobs), "jobs": [payloads.job_object(run, job) for job in page]}
        return answer(request, body, headers)

    async def _log(self, request: web.Request) -> web.Response:
        job = self._world.job(repo_of(request), int(request.match_info["job"]))
        if job is None:
            raise refuse(404, "Not Found", {})
        manners = self._world.manners.get(job.id, LogManners())
        if manners.gone:
            raise refuse(410, "Server Error: The logs for this run have expired and are no longer available.", {})
        if manners.not_yet > 0:
            # Right after `completed` the log is not there yet.
            self._world.manners[job.id] = replace(manners, not_yet=manners.not_yet - 1)
            raise refuse(404, "Not Found", {})
        path = self._blobs.link(job.log, "text/plain; charset=utf-8", manners)
        return web.Response(status=302, headers={"Location": self.blob_url + path})

    async def _zip(self, request: web.Request) -> web.Response:
        run = self._find_run(request)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for place, job in enumerate(run.jobs):
                archive.writestr(f"{place}_{job.name}.txt", job.log)
        path = self._blobs.link(packed.getvalue(), "application/zip", LogManners())
        return web.Response(status=302, headers={"Location": self.blob_url + path})

    async def _rerun(self, request: web.Request) -> web.Response:
        run = self._find_run(request)
        if run.conclusion in (None, "success"):
            raise refuse(403, "The workflow run containing this job cannot be retried", {})
        self.reruns.append((run.repo, run.id))
        if self.on_rerun is not None:
            await self.on_rerun(run)
        return web.json_response({}, status=201)

    async def _dispatch(self, request: web.Request) -> web.Response:
        repo, file = repo_of(request), request.match_info["file"]
        text = self._world.file(repo, f".github/workflows/{file}", None)
        if text is None:
            raise refuse(404, "Not Found", {})
        if not (await request.json()).get("ref"):
            raise refuse(422, 'Invalid request.\n\n"ref" wasn\'t supplied.', {})
        if "workflow_dispatch" not in text:
            raise refuse(422, "Workflow does not have 'workflow_dispatch' trigger", {})
        self.dispatches.append((repo, file))
        return web.Response(status=204)

    async def _tags(self, request: web.Request) -> web.Response:
        repo, prefix = repo_of(request).lower(), request.match_info["prefix"]
        names = sorted(name for name in self._world.tags.get(repo, ()) if name.startswith(prefix))
        return answer(request, [{"ref": f"refs/tags/{name}"} for name in names])

    # --- deliveries --------------------------------------------------------------------------------------------------

    def _hook(self, request: web.Request) -> Hook:
        if org := request.match_info.get("org"):
            return Hook("organization", org, int(request.match_info["hook"]))
        if "repo" in request.match_info:
            return Hook("repository", repo_of(request), int(request.match_info["hook"]))
        return Hook()

    def _config(self) -> Json:
        return {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": self.hook_url}

    async def _hook_config(self, request: web.Request) -> web.Response:
        return answer(request, self._config())

    async def _show_hook(self, request: web.Request) -> web.Response:
        hook = self._hook(request)
        body = {
            "type": hook.kind.title(),
            "id": hook.id,
            "name": "web",
            "active": self.hook_active,
            "events": list(self.hook_events),
            "config": self._config(),
        }
        return answer(request, body)

    async def _list_deliveries(self, request: web.Request) -> web.Response:
        found = self._deliveries.of(self._hook(request))
        if status := request.query.get("status"):
            found = [delivery for delivery in found if delivery.ok == (status == "success")]
        per_page = min(100, int(request.query.get("per_page", "30")))
        after = int(request.query.get("cursor", "0").removeprefix("v1_") or 0)
        page = found[after : after + per_page]
        headers = {}
        if after + per_page < len(found):
            query = {**request.query, "cursor": f"v1_{after + per_page}"}
            headers["Link"] = f'<{self.own_url}{request.rel_url.with_query(query)}>; rel="next"'
        return answer(request, [delivery.summary() for delivery in page], headers)

    def _find_delivery(self, request: web.Request) -> Delivery:
        for delivery in self._deliveries.of(self._hook(request)):
            if delivery.id == int(request.match_info["id"]):
                return delivery
        raise refuse(404, "Not Found", {})

    async def _show_delivery(self, request: web.Request) -> web.Response:
        return answer(request, self._find_delivery(request).detail())

    async def _redeliver(self, request: web.Request) -> web.Response:
        await self._deliveries.again(self._find_delivery(request))
        return web.json_response({}, status=202)
