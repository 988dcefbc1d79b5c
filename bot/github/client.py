"""The calls we make to GitHub, answered in our own types and our own errors. Endpoints: GitHub REST docs."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from bot.errors import GiveUp, TryAgain
from bot.evidence import Repository
from bot.github.asking import API_VERSION, TIMEOUT_S, Asking, owner_of, rate_limit_wait_s
from bot.github.run import Job, Run, job_of, moment_of, repository_of, run_of
from bot.manifests import GITHUB_EVENTS, GITHUB_PERMISSIONS

LOG_SILENCE_S = 30
CHUNK = 256 * 1024
MOST_SECRET_PAGES = 10  # 1,000 secrets, GitHub's own limit of an organisation; a repository may have 100
GOOD_RUNS = 30
LATEST_RUNS = 20
MOST_JOB_PAGES = 10  # 1,000 jobs: more than GitHub's own limit of 256 a matrix
MOST_RUN_PAGES = 10  # GitHub lists no more than 1,000 runs of a search


@dataclass(frozen=True, slots=True)
class FinishedRuns:
    """GitHub's `workflow_run` objects, newest first; `etag` when they fitted on one page."""

    runs: tuple[Mapping[str, Any], ...]
    etag: str | None


class GitHub(Asking):
    """Every call raises TryAgain when it may work later and GiveUp when it will not."""

    async def check(self) -> None:
        """Do our credentials work at all?"""
        if self._auth.is_app:
            await self.call("GET", "/app", jwt=self._auth.app_jwt())
            return
        try:
            await self.call("GET", "/rate_limit", repo="")
        except GiveUp as error:
            if error.reason != "github-not-found":  # an Enterprise Server without rate limits has no such page
                raise

    async def lacking_permissions(self) -> list[str]:
        """What our App was not granted, as `actions: read` and `event workflow_run`. A token cannot be asked: empty."""
        if not self._auth.is_app:
            await self.check()
            return []
        app = await self.call("GET", "/app", jwt=self._auth.app_jwt())
        granted = app.get("permissions") if isinstance(app.get("permissions"), dict) else {}
        events = app.get("events") if isinstance(app.get("events"), list) else []
        lacking = [f"{name}: {level}" for name, level in GITHUB_PERMISSIONS.items() if name not in (granted or {})]
        return lacking + [f"the event {event}" for event in GITHUB_EVENTS if event not in (events or [])]

    async def run(self, repo: str, run_id: int, attempt: int | None = None) -> Run:
        path = f"/repos/{repo}/actions/runs/{run_id}" + (f"/attempts/{attempt}" if attempt else "")
        run = run_of(await self.call("GET", path, repo=repo), repo=repo)
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
            reply = await self.call("GET", path, repo=run.repo, installation_id=run.installation_id)
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
            reply = await self.call("GET", target, repo=run.repo, installation_id=run.installation_id)
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
                reply = await self.call(
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
            reply = await self.call("GET", path, repo=run.repo, installation_id=run.installation_id)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return ()  # not every plan has environments
            raise
        names = (found.get("name") for found in _objects(reply, "environments"))
        return tuple(name for name in names if isinstance(name, str) and name)

    async def repository(self, run: Run, name: str | None = None) -> Repository:
        """The run's repository, or the one of this name, as it is now: after a rename under its new name."""
        path = f"/repos/{name or run.repo}"
        found = repository_of(await self.call("GET", path, repo=run.repo, installation_id=run.installation_id))
        if found is None:
            raise GiveUp("repository-malformed", "GitHub's answer is not a repository")
        return found

    async def good_runs(self, run: Run) -> tuple[Run, ...]:
        """Runs of the same workflow file that succeeded before this one was over, newest first, this one left out."""
        found = await self._runs(run, run.completed_at, f"status=success&per_page={GOOD_RUNS}")
        return tuple(other for other in found if other.run_id != run.run_id)

    async def runs_until(self, run: Run, at: datetime) -> tuple[Run, ...]:
        """Runs of the same workflow file that were begun by then, newest first, whatever became of them; each as its
        latest attempt."""
        return await self._runs(run, at, f"per_page={LATEST_RUNS}")

    async def _runs(self, run: Run, created_by: datetime | None, query: str) -> tuple[Run, ...]:
        file = quote(run.workflow.rpartition("/")[2], safe="")
        path = f"/repos/{run.repo}/actions/workflows/{file}/runs?{query}"
        if created_by is not None:
            path += f"&created=%3C%3D{created_by.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        try:
            reply = await self.call("GET", path, repo=run.repo, installation_id=run.installation_id)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return ()  # a workflow that is not on the default branch has no page of its own
            raise
        found = [run_of(data, run.repo, run.installation_id) for data in _objects(reply, "workflow_runs")]
        return tuple(other for other in found if other is not None)

    async def has_tag(self, repo: str, name: str) -> bool:
        """Whether the repository has this git tag. Waits for better times when little is left of the rate limit."""
        path = f"/repos/{repo}/git/matching-refs/tags/{quote(name, safe='/@')}"
        found = (await self.ask_sparingly("GET", path, repo=repo)).body
        refs = found if isinstance(found, list) else []
        return any(isinstance(ref, dict) and ref.get("ref") == f"refs/tags/{name}" for ref in refs)

    def may_rerun(self, repo: str) -> bool:
        """Whether re-running is worth offering: what GitHub refused once for want of a permission is not."""
        return self.configured and owner_of(repo) not in self.may_not_rerun

    async def rerun_failed_jobs(self, repo: str, run_id: int) -> None:
        """GiveUp("github-forbidden") when we may not, GiveUp("run-not-again") when nobody may: it still runs, or it is
        older than 30 days."""
        try:
            await self.call("POST", f"/repos/{repo}/actions/runs/{run_id}/rerun-failed-jobs", repo=repo)
        except GiveUp as error:
            if "cannot be retried" in str(error.__cause__) or "already running" in str(error.__cause__):
                raise GiveUp("run-not-again", "GitHub cannot run this one again: it is running, or too old") from error
            if error.reason == "github-forbidden":
                self.may_not_rerun.add(owner_of(repo))
            raise
        self.may_not_rerun.discard(owner_of(repo))

    async def start_workflow(self, repo: str, file: str) -> None:
        """Run a workflow of the default branch once (`workflow_dispatch`; takes `actions: write`).

        GiveUp("github-not-found") when there is no such file, GiveUp("github-refused") when it takes no dispatch.
        """
        found = await self.call("GET", f"/repos/{repo}", repo=repo)
        branch = found.get("default_branch")
        path = f"/repos/{repo}/actions/workflows/{quote(file, safe='')}/dispatches"
        await self.ask("POST", path, repo=repo, data={"ref": branch if isinstance(branch, str) else "main"})


def _objects(reply: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list that an answer is about. Raises GiveUp when there is none: that is not the same as an empty one."""
    found = reply.get(name)
    if not isinstance(found, list):
        raise GiveUp("github-malformed", f"GitHub's answer is not a list of {name.replace('_', ' ')}")
    return [entry for entry in found if isinstance(entry, dict)]


def _raise_for_log(reply: aiohttp.ClientResponse) -> None:
    if reply.status == 200:
        return
    if reply.status == 410:
        raise GiveUp("log-gone", "the log was deleted or has expired")
    if reply.status == 404:
        raise TryAgain("log-not-there", "the log is not there (yet)")
    if reply.status in (403, 429):
        wait = rate_limit_wait_s(reply.status, reply.headers, "", datetime.now(UTC))
        if wait is not None:
            raise TryAgain("github-rate-limited", "GitHub asks us to wait", after_s=wait)
        raise GiveUp("github-forbidden", f"GitHub: {reply.status} for the job log, needs actions: read")
    raise TryAgain("log-refused", f"the log was answered with {reply.status}")


def _may_follow(location: str) -> bool:
    parts = urlsplit(location)
    if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc:
        return True
    # Plain http only to this machine: the stand-ins of the demo and the tests.
    with contextlib.suppress(ValueError):
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    return False
