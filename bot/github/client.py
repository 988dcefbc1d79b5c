"""The calls we make to GitHub, answered in our own types and our own errors.

gidgethub does the REST protocol; limits, time-outs and the streamed job log are ours. Endpoints and permissions: GitHub
REST docs, API version below.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import gidgethub
import gidgethub.aiohttp

from bot.errors import GiveUp, TryAgain
from bot.evidence import Repository
from bot.github.auth import Auth
from bot.github.run import Job, Run, job_of, moment_of, repository_of, run_of
from bot.manifests import GITHUB_EVENTS, GITHUB_PERMISSIONS

API_VERSION = "2022-11-28"
TIMEOUT_S = 15
LOG_SILENCE_S = 30
CHUNK = 256 * 1024
MOST_SECRET_PAGES = 10  # 1,000 secrets, GitHub's own limit of an organisation; a repository may have 100
GOOD_RUNS = 30
MOST_JOB_PAGES = 10  # 1,000 jobs: more than GitHub's own limit of 256 a matrix
MOST_RUN_PAGES = 10  # GitHub lists no more than 1,000 runs of a search
SECONDARY_LIMIT_WAIT_S = 60  # GitHub docs: without Retry-After wait at least a minute


class _Api(gidgethub.aiohttp.GitHubAPI):
    """gidgethub with the API version sent and the headers of the last reply kept for error texts."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        super().__init__(session, "tokenwatch", base_url=base_url)
        self.reply: Mapping[str, str] = {}

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, reply, content = await super()._request(
            method, url, {**headers, "x-github-api-version": API_VERSION}, body
        )
        self.reply = reply
        return status, reply, content


_LIMIT_HEADERS = ("limit", "remaining", "reset")
SPARED = 0.1  # of an hour's rate limit: kept for what cannot wait


@dataclass(frozen=True, slots=True)
class FinishedRuns:
    """GitHub's `workflow_run` objects, newest first; `etag` when they fitted on one page."""

    runs: tuple[Mapping[str, Any], ...]
    etag: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: JSON, None when `unchanged` since the ETag that was asked with; `headers`: lower-case names."""

    body: Any
    headers: Mapping[str, str]
    unchanged: bool = False


class GitHub:
    """Every call raises TryAgain when it may work later and GiveUp when it will not."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, auth: Auth, now: Callable[[], datetime]) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._auth = auth
        self._now = now
        self._may_not_rerun: set[str] = set()  # owners whose installation lacks the permission, or who refused
        self.token_ends_at: datetime | None = None  # of a personal token, as GitHub says it with its answers
        self._quota: dict[str, tuple[float, datetime]] = {}  # owner -> what is left of the limit (0..1), until when

    @property
    def configured(self) -> bool:
        return self._auth.configured

    @property
    def is_app(self) -> bool:
        return self._auth.is_app

    def app_jwt(self) -> str:
        """For calls as the App itself. Raises GiveUp when the key is no key."""
        return self._auth.app_jwt()

    def installed_at(self, owner: str, installation_id: int) -> None:
        """Calls about this owner go by that installation."""
        self._auth.remember(owner, installation_id)

    async def check(self) -> None:
        """Do our credentials work at all?"""
        if self._auth.is_app:
            await self._call("GET", "/app", jwt=self._auth.app_jwt())
            return
        try:
            await self._call("GET", "/rate_limit", repo="")
        except GiveUp as error:
            if error.reason != "github-not-found":  # an Enterprise Server without rate limits has no such page
                raise

    async def lacking_permissions(self) -> list[str]:
        """What our App was not granted, as `actions: read` and `event workflow_run`. A token cannot be asked: empty."""
        if not self._auth.is_app:
            await self.check()
            return []
        app = await self._call("GET", "/app", jwt=self._auth.app_jwt())
        granted = app.get("permissions") if isinstance(app.get("permissions"), dict) else {}
        events = app.get("events") if isinstance(app.get("events"), list) else []
        lacking = [f"{name}: {level}" for name, level in GITHUB_PERMISSIONS.items() if name not in (granted or {})]
        return lacking + [f"the event {event}" for event in GITHUB_EVENTS if event not in (events or [])]

    async def run(self, repo: str, run_id: int, attempt: int | None = None) -> Run:
        path = f"/repos/{repo}/actions/runs/{run_id}" + (f"/attempts/{attempt}" if attempt else "")
        run = run_of(await self._call("GET", path, repo=repo), repo=repo)
        if run is None:
            raise GiveUp("run-malformed", "GitHub's answer is not a workflow run")
        return run

    async def finished_runs(self, repo: str, since: date, etag: str | None = None) -> FinishedRuns | None:
        """The latest attempts of runs that were created since a day and are over; None when unchanged since `etag`."""
        path = f"/repos/{repo}/actions/runs?status=completed&created=%3E%3D{since.isoformat()}&per_page=100"
        found: list[Mapping[str, Any]] = []
        first: str | None = None
        for page in range(1, MOST_RUN_PAGES + 1):
            answer = await self.ask_sparingly("GET", f"{path}&page={page}", repo=repo, etag=etag if page == 1 else None)
            if answer.unchanged:
                return None
            body = answer.body if isinstance(answer.body, dict) else {}
            runs = _objects(body, "workflow_runs")
            found += runs
            first = answer.headers.get("etag") if page == 1 else None
            total = body.get("total_count")
            if not runs or not isinstance(total, int) or len(found) >= total:
                break
        return FinishedRuns(tuple(found), first)

    async def jobs(self, run: Run) -> tuple[Job, ...]:
        """The jobs of this attempt."""
        jobs: list[Job] = []
        for page in range(1, MOST_JOB_PAGES + 1):
            path = f"/repos/{run.repo}/actions/runs/{run.run_id}/attempts/{run.attempt}/jobs?per_page=100&page={page}"
            reply = await self._call("GET", path, repo=run.repo, installation_id=run.installation_id)
            found = [job for data in _objects(reply, "jobs") if (job := job_of(data))]
            jobs += found
            total = reply.get("total_count")
            if not found or not isinstance(total, int) or len(jobs) >= total:
                break
        return tuple(jobs)

    @contextlib.asynccontextmanager
    async def job_log(self, run: Run, job: Job) -> AsyncIterator[AsyncIterator[bytes]]:
        """The raw log of a job as chunks. TryAgain("log-not-there") right after the event, GiveUp("log-gone") later."""
        url = f"{self._api_url}/repos/{run.repo}/actions/jobs/{job.job_id}/logs"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=LOG_SILENCE_S)
        token = await self._token(run.repo, run.installation_id)
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": API_VERSION,
            "user-agent": "tokenwatch",
        }
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout) as first:
                if first.status not in (301, 302, 303, 307, 308):
                    _raise_for_log(first)
                    yield first.content.iter_chunked(CHUNK)
                    return
                location = first.headers.get("Location", "")
            if not _may_follow(location):
                raise GiveUp("log-redirect", "GitHub redirected the log to a place that is not https")
            # The blob host gets no credential: the link itself carries one, good for a minute.
            async with self._session.get(location, allow_redirects=False, timeout=timeout) as blob:
                _raise_for_log(blob)
                yield blob.content.iter_chunked(CHUNK)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain("log-cut", f"the log could not be read to its end: {type(error).__name__}") from error

    async def file(self, run: Run, path: str, ref: str, repo: str | None = None) -> bytes | None:
        """A file at a ref; None when it is not there or too large to be handed out inline (1 MB).

        `repo`: another repository than the run's, seen with the credential for the run's.
        """
        target = f"/repos/{repo or run.repo}/contents/{quote(path)}?ref={quote(ref, safe='')}"
        try:
            reply = await self._call("GET", target, repo=run.repo, installation_id=run.installation_id)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return None
            raise
        content = reply.get("content")
        if reply.get("encoding") != "base64" or not isinstance(content, str):
            return None
        try:
            return base64.b64decode(content)
        except ValueError:
            raise GiveUp("file-malformed", "GitHub's answer is not the file") from None

    async def secrets(
        self,
        repo: str,
        environment: str | None = None,
        *,
        organization: bool = False,
        dependabot: bool = False,
        installation_id: int | None = None,
    ) -> dict[str, datetime]:
        """Name -> when it was last written: of a repository, one of its environments, or its organisation's as the
        repository sees them. `repo` may be an organisation (`acme`, `acme/*`): then all that it has. `dependabot`:
        those for runs that Dependabot starts; of an organisation only what every repository sees.

        Empty when there is no such environment or organisation. GiveUp("github-not-found") for a repository that is
        gone or out of our reach.
        """
        path, owner = f"/repos/{repo}/actions/secrets", repo.removesuffix("/*")
        if dependabot:
            path = f"/orgs/{repo.partition('/')[0]}" if organization else f"/repos/{repo}"
            path += "/dependabot/secrets"
        elif "/" not in owner:
            repo, path = owner, f"/orgs/{owner}/actions/secrets"
        elif environment:
            path = f"/repos/{repo}/environments/{quote(environment, safe='')}/secrets"
        elif organization:
            path = f"/repos/{repo}/actions/organization-secrets"
        written: dict[str, datetime] = {}
        for page in range(1, MOST_SECRET_PAGES + 1):
            try:
                reply = await self._call(
                    "GET", f"{path}?per_page=100&page={page}", repo=repo, installation_id=installation_id
                )
            except GiveUp as gone:
                if gone.reason == "github-not-found" and (environment or organization):
                    return {}
                raise
            found = _objects(reply, "secrets")
            for secret in found:
                if dependabot and secret.get("visibility") not in (None, "all"):
                    continue
                if isinstance(name := secret.get("name"), str) and (at := moment_of(secret.get("updated_at"))):
                    written[name] = at
            if len(found) < 100:
                break
        return written

    async def environments(self, run: Run) -> tuple[str, ...]:
        """Names of the repository's environments, the first hundred of them."""
        path = f"/repos/{run.repo}/environments?per_page=100"
        try:
            reply = await self._call("GET", path, repo=run.repo, installation_id=run.installation_id)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return ()  # not every plan has environments
            raise
        names = (found.get("name") for found in _objects(reply, "environments"))
        return tuple(name for name in names if isinstance(name, str) and name)

    async def repository(self, run: Run, name: str | None = None) -> Repository:
        """The run's repository, or the one of this name, as it is now: after a rename under its new name."""
        path = f"/repos/{name or run.repo}"
        found = repository_of(await self._call("GET", path, repo=run.repo, installation_id=run.installation_id))
        if found is None:
            raise GiveUp("repository-malformed", "GitHub's answer is not a repository")
        return found

    async def good_runs(self, run: Run) -> tuple[Run, ...]:
        """Runs of the same workflow file that succeeded before this one was over, newest first, this one left out."""
        file = quote(run.workflow.rpartition("/")[2], safe="")
        path = f"/repos/{run.repo}/actions/workflows/{file}/runs?status=success&per_page={GOOD_RUNS}"
        if run.completed_at is not None:
            path += f"&created=%3C%3D{run.completed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        try:
            reply = await self._call("GET", path, repo=run.repo, installation_id=run.installation_id)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return ()  # a workflow that is not on the default branch has no page of its own
            raise
        found = [run_of(data, run.repo, run.installation_id) for data in _objects(reply, "workflow_runs")]
        return tuple(other for other in found if other is not None and other.run_id != run.run_id)

    async def has_tag(self, repo: str, name: str) -> bool:
        """Whether the repository has this git tag. Waits for better times when little is left of the rate limit."""
        path = f"/repos/{repo}/git/matching-refs/tags/{quote(name, safe='/@')}"
        found = (await self.ask_sparingly("GET", path, repo=repo)).body
        refs = found if isinstance(found, list) else []
        return any(isinstance(ref, dict) and ref.get("ref") == f"refs/tags/{name}" for ref in refs)

    def may_rerun(self, repo: str) -> bool:
        """Whether re-running is worth offering: what GitHub refused once for want of a permission is not."""
        return self.configured and _owner(repo) not in self._may_not_rerun

    async def rerun_failed_jobs(self, repo: str, run_id: int) -> None:
        """GiveUp("github-forbidden") when we may not, GiveUp("run-not-again") when nobody may: it still runs, or it is
        older than 30 days."""
        try:
            await self._call("POST", f"/repos/{repo}/actions/runs/{run_id}/rerun-failed-jobs", repo=repo)
        except GiveUp as error:
            if "cannot be retried" in str(error.__cause__) or "already running" in str(error.__cause__):
                raise GiveUp("run-not-again", "GitHub cannot run this one again: it is running, or too old") from error
            if error.reason == "github-forbidden":
                self._may_not_rerun.add(_owner(repo))
            raise
        self._may_not_rerun.discard(_owner(repo))

    async def start_workflow(self, repo: str, file: str) -> None:
        """Run a workflow of the default branch once (`workflow_dispatch`; takes `actions: write`).

        GiveUp("github-not-found") when there is no such file, GiveUp("github-refused") when it takes no dispatch.
        """
        found = await self._call("GET", f"/repos/{repo}", repo=repo)
        branch = found.get("default_branch")
        path = f"/repos/{repo}/actions/workflows/{quote(file, safe='')}/dispatches"
        await self.ask("POST", path, repo=repo, data={"ref": branch if isinstance(branch, str) else "main"})

    async def _token(self, repo: str, installation_id: int | None) -> str:
        async def exchange(installation: int, app_jwt: str) -> dict[str, object]:
            reply = await self._exchange(installation, app_jwt)
            granted = reply.get("permissions")
            if isinstance(granted, dict) and granted.get("actions") != "write":
                self._may_not_rerun.add(_owner(repo))
            else:
                self._may_not_rerun.discard(_owner(repo))
            return reply

        return await self._auth.token(repo, installation_id, self._now(), exchange, self._find_installation)

    async def _exchange(self, installation_id: int, app_jwt: str) -> dict[str, object]:
        return await self._call("POST", f"/app/installations/{installation_id}/access_tokens", jwt=app_jwt)

    async def _find_installation(self, repo: str, app_jwt: str) -> int:
        """`repo`: owner/name, or an organisation's login."""
        scope = "repos" if "/" in repo else "orgs"
        reply = await self._call("GET", f"/{scope}/{repo}/installation", jwt=app_jwt)
        if not isinstance(found := reply.get("id"), int):
            raise GiveUp("github-malformed", "GitHub's answer is not an installation")
        return found

    async def _call(
        self,
        method: str,
        path: str,
        *,
        repo: str = "",
        installation_id: int | None = None,
        jwt: str | None = None,
    ) -> dict[str, Any]:
        answer = await self.ask(method, path, repo=repo, installation_id=installation_id, jwt=jwt)
        return answer.body if isinstance(answer.body, dict) else {}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        repo: str = "",
        installation_id: int | None = None,
        jwt: str | None = None,
        etag: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One call about `repo` (or an organisation's login), or as the App itself with its `jwt`."""
        api = _Api(self._session, self._api_url)
        url = self._api_url + path  # whole, because an Enterprise Server has a path in its base
        token = jwt or await self._token(repo, installation_id)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if method == "POST":
                    reply = await api.post(url, data=dict(data or {}), jwt=token)
                else:
                    reply = await api.getitem(url, jwt=token, extra_headers={"If-None-Match": etag} if etag else None)
        except (gidgethub.GitHubException, aiohttp.ClientError, TimeoutError, ValueError) as error:
            if etag and isinstance(error, gidgethub.HTTPException) and error.status_code == 304:
                return Answer(None, api.reply, unchanged=True)
            if isinstance(error, gidgethub.HTTPException) and error.status_code == 401 and jwt is None:
                self._auth.forget(repo)
            raise self._translated(error, api.reply, path) from error
        if jwt is None and (ends := _token_end(api.reply.get("github-authentication-token-expiration", ""))):
            self.token_ends_at = ends
        return Answer(reply, api.reply)

    async def ask_sparingly(
        self, method: str, path: str, *, repo: str = "", jwt: str | None = None, etag: str | None = None
    ) -> Answer:
        """`ask` for what can wait: raises TryAgain while little is left of the owner's rate limit."""
        owner = repo.partition("/")[0].lower()
        left, until = self._quota.get(owner, (1.0, self._now()))
        if left < SPARED and until > self._now():
            wait_s = (until - self._now()).total_seconds()
            raise TryAgain("github-rate-spared", "what is left of GitHub's rate limit is kept", after_s=wait_s)
        answer = await self.ask(method, path, repo=repo, jwt=jwt, etag=etag)
        limit, remaining, reset = (answer.headers.get(f"x-ratelimit-{name}", "") for name in _LIMIT_HEADERS)
        if limit.isdecimal() and int(limit) and remaining.isdecimal() and reset.isdecimal():
            self._quota[owner] = (int(remaining) / int(limit), datetime.fromtimestamp(int(reset), UTC))
        return answer

    def _translated(self, error: Exception, reply: Mapping[str, str], path: str) -> TryAgain | GiveUp:
        endpoint = path.partition("?")[0]
        if not isinstance(error, gidgethub.HTTPException):
            return TryAgain("github-unreachable", f"GitHub did not answer {endpoint}: {type(error).__name__}")
        status = int(error.status_code)
        if status in (403, 429):
            wait = _rate_limit_wait_s(status, reply, str(error), self._now())
            if wait is not None:
                return TryAgain("github-rate-limited", "GitHub asks us to wait", after_s=wait)
            needs = reply.get("x-accepted-github-permissions", "")
            where = f", needs {_permissions(needs)}" if needs else f" for {endpoint}"
            return GiveUp("github-forbidden", f"GitHub: {status}{where}")
        if status == 401:
            return TryAgain("github-unauthorized", "GitHub refuses our credential", after_s=60)
        if status in (404, 410):
            return GiveUp("github-not-found", f"GitHub: {status} for {endpoint}")
        if status >= 500:
            return TryAgain("github-broken", f"GitHub: {status} for {endpoint}")
        return GiveUp("github-refused", f"GitHub: {status} for {endpoint}")


def _owner(repo: str) -> str:
    return repo.partition("/")[0].lower()


def _objects(reply: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list that an answer is about. Raises GiveUp when there is none: that is not the same as an empty one."""
    found = reply.get(name)
    if not isinstance(found, list):
        raise GiveUp("github-malformed", f"GitHub's answer is not a list of {name.replace('_', ' ')}")
    return [entry for entry in found if isinstance(entry, dict)]


def _permissions(header: str) -> str:
    """`secrets=read; organization_secrets=read` in words; the alternatives stand between semicolons."""
    return header.replace(",", " and ").replace(";", " or").replace("=", ": ")[:200]


def _raise_for_log(reply: aiohttp.ClientResponse) -> None:
    if reply.status == 200:
        return
    if reply.status == 410:
        raise GiveUp("log-gone", "the log was deleted or has expired")
    if reply.status == 404:
        raise TryAgain("log-not-there", "the log is not there (yet)")
    if reply.status in (403, 429):
        wait = _rate_limit_wait_s(reply.status, reply.headers, "", datetime.now(UTC))
        if wait is not None:
            raise TryAgain("github-rate-limited", "GitHub asks us to wait", after_s=wait)
        raise GiveUp("github-forbidden", f"GitHub: {reply.status} for the job log, needs actions: read")
    raise TryAgain("log-refused", f"the log was answered with {reply.status}")


def _token_end(header: str) -> datetime | None:
    """`2026-12-01 19:07:53 UTC`, or with an offset such as `+0200`; None for anything else."""
    try:
        return datetime.strptime(header.strip().replace(" UTC", " +0000"), "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def _may_follow(location: str) -> bool:
    parts = urlsplit(location)
    if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc:
        return True
    # Plain http only to this machine: the stand-ins of the demo and the tests.
    with contextlib.suppress(ValueError):
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    return False


def _rate_limit_wait_s(status: int, reply: Mapping[str, str], message: str, now: datetime) -> float | None:
    """Seconds to wait if this is a rate limit (403 is one only when it says so), else None."""
    retry_after = reply.get("retry-after", "")
    if retry_after.isdecimal():
        return float(retry_after)
    if reply.get("x-ratelimit-remaining") == "0" and reply.get("x-ratelimit-reset", "").isdecimal():
        return max(1.0, int(reply["x-ratelimit-reset"]) - now.timestamp())
    if status == 429 or "rate limit" in message.lower():
        return float(SECONDARY_LIMIT_WAIT_S)
    return None
