"""The stand-in GitHub as tests and the scenario use it: fill it, send webhooks, make calls fail."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from bot.demo.github import payloads
from bot.demo.github.blobs import Blobs
from bot.demo.github.deliveries import Deliveries, Delivery, Hook
from bot.demo.github.payloads import Json
from bot.demo.github.rest import Rest
from bot.demo.github.world import Hosted, Job, LogManners, Run, Secret, World, sha_for
from bot.demo.serving import Asked, Fault, Serving

Rerun = Callable[[Run], Awaitable[None]]


class GitHub:
    """`world` is what exists, `requests` what was asked, `deliveries` what was sent, `reruns` what was re-run."""

    def __init__(self) -> None:
        self.world = World()
        self.blobs = Blobs()
        self.deliveries = Deliveries()
        self._rest = Rest(self.world, self.blobs, self.deliveries)
        self.app = self._rest.app
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)  # the sandbox travels in time
        self._run_ids = count(19_400_000_101)

    def listens_at(self, api: Serving, blobs: Serving) -> None:
        self._rest.blob_url = blobs.url
        self._rest.own_url = api.url

    @property
    def requests(self) -> list[Asked]:
        return self._rest.requests

    @property
    def reruns(self) -> list[tuple[str, int]]:
        return self._rest.reruns

    @property
    def api(self) -> Rest:
        """The REST side, with its knobs: `token`, `permissions`, `token_expires_at`, `app_public_key`."""
        return self._rest

    def on_rerun(self, then: Rerun) -> None:
        """What happens when somebody re-runs a run's failed jobs (the demo lets it turn green)."""
        self._rest.on_rerun = then

    def asked(self, path_regex: str) -> list[Asked]:
        return [asked for asked in self.requests if re.search(path_regex, f"{asked.method} {asked.path}")]

    # --- what exists -------------------------------------------------------------------------------------------------

    def add_run(
        self,
        repo: str = "acme/ui",
        *,
        run_id: int | None = None,
        attempt: int = 1,
        conclusion: str | None = "failure",
        workflow: str = ".github/workflows/release.yml",
        name: str = "Release",
        sha: str | None = None,
        branch: str = "main",
        event: str = "push",
        actor: str = "jonas-r",
        title: str = "chore: release",
        number: int = 88,
        jobs: Sequence[Job] = (),
        started_at: datetime | None = None,
        completed_at: datetime | None = None,
    ) -> Run:
        """A finished attempt of a run; give the same `run_id` and a higher `attempt` for a re-run."""
        number_of = run_id or next(self._run_ids)
        ends = completed_at or self.now()
        starts = started_at or min([job.started_at for job in jobs if job.started_at] or [ends - timedelta(minutes=3)])
        if started_at is None and ends - starts > timedelta(hours=6):
            starts = ends - timedelta(minutes=3)  # a log of another day stands for one of today
        sha = sha or sha_for(f"{repo}/{number_of}")
        return self.world.add_run(
            Run(
                repo, number_of, attempt, conclusion, workflow, name, sha, branch, event, actor, title, number,
                tuple(jobs), starts, ends,
            )
        )  # fmt: skip

    def add_repository(self, repo: str, *, created_at: datetime) -> None:
        """Repositories need not be added; this one was made then."""
        self.world.created[repo.lower()] = created_at

    def host(
        self,
        repo: str,
        *,
        private: bool = False,
        archived: bool = False,
        pushed_at: datetime | None = None,
        branch: str = "main",
    ) -> None:
        """Show a repository in the lists of its owner; again, to change it."""
        when = pushed_at or datetime.now(UTC)
        self.world.hosted[repo.lower()] = Hosted(repo, private, archived, when, branch)

    def add_file(self, repo: str, path: str, text: str, *, ref: str | None = None) -> None:
        """`ref` None = at every commit that has no version of its own."""
        self.world.files.setdefault((repo.lower(), path), {})[ref] = text
        self.world.paths.setdefault(repo.lower(), set()).add(path)

    def remove_file(self, repo: str, path: str, *, ref: str | None = None) -> None:
        """`ref`: only there, so that a commit can be without a file that others have."""
        self.world.files.setdefault((repo.lower(), path), {})[ref] = None

    def add_tag(self, repo: str, name: str) -> None:
        self.world.tags.setdefault(repo.lower(), set()).add(name)

    def add_secret(
        self,
        name: str,
        *,
        repo: str | None = None,
        org: str | None = None,
        environment: str | None = None,
        dependabot: bool = False,
        updated_at: datetime,
        created_at: datetime | None = None,
        visibility: str = "all",
        selected: Sequence[str] = (),
    ) -> None:
        """Writes a secret's facts again and again: `updated_at` moves as on GitHub, `created_at` stays."""
        scope = (f"orgs/{org}" if org else f"repos/{repo}") + ("/dependabot" if dependabot else "")
        if environment:
            scope += f"/environments/{environment}"
            names = self.world.environments.setdefault(f"{repo}".lower(), [])
            if environment not in names:
                names.append(environment)
        held = self.world.secrets.setdefault(scope.lower(), {})
        created = created_at or (held[name].created_at if name in held else updated_at)
        held[name] = Secret(name, created, updated_at, visibility, tuple(selected))

    def log_manners(
        self,
        job: Job | int,
        *,
        not_yet: int = 0,
        gone: bool = False,
        cut_after: int | None = None,
        chunk_delay_s: float = 0.0,
        blob_status: int | None = None,
    ) -> None:
        """Makes one job's log late (`not_yet` 404s), gone (410), cut, slow, or missing at the blob host."""
        number = job if isinstance(job, int) else job.id
        self.world.manners[number] = LogManners(not_yet, gone, cut_after, chunk_delay_s, blob_status)

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def fail(
        self,
        path_regex: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        times: int | None = 1,
        delay_s: float = 0.0,
        drop: bool = False,
        after_accepting: bool = False,
    ) -> Fault:
        """The next `times` requests whose `METHOD /path?query` matches go wrong; None = all until `recover()`."""
        return self._rest.faults.add(
            Fault(re.compile(path_regex), status, headers or {}, body, times, delay_s, after_accepting, drop)
        )

    def rate_limit(self, path_regex: str = ".", *, retry_after_s: int | None = None, times: int | None = 1) -> Fault:
        """403 as GitHub says it: secondary with `retry-after`, or the primary limit used up for another minute."""
        if retry_after_s is not None:
            text = '{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
            return self.fail(
                path_regex, status=403, headers={"retry-after": str(retry_after_s)}, body=text, times=times
            )
        reset = int(datetime.now(UTC).timestamp()) + 60
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
        text = '{"message": "API rate limit exceeded for installation ID 51773302."}'
        return self.fail(path_regex, status=403, headers=headers, body=text, times=times)

    def recover(self) -> None:
        self._rest.faults.clear()

    # --- webhooks ----------------------------------------------------------------------------------------------------

    def deliver_to(self, url: str, secret: str) -> None:
        self.deliveries.to(url, secret)

    async def send(
        self,
        event: str,
        payload: Json,
        secret: str | None = None,
        url: str | None = None,
        *,
        guid: str | None = None,
        headers: Mapping[str, str] | None = None,
        hook: Hook | None = None,
        form: bool = False,
    ) -> Delivery:
        """Signs and posts a delivery as GitHub does; `secret` and `url` default to those of `deliver_to`."""
        return await self.deliveries.send(
            event, payload, secret=secret, url=url, guid=guid, headers=headers, hook=hook, form=form
        )

    async def send_run(self, run: Run, *, guid: str | None = None, installation: int | None = None) -> Delivery:
        """The `workflow_run` `completed` delivery of a run that was added."""
        number = installation if installation is not None else payloads.INSTALLATION_ID
        return await self.send("workflow_run", payloads.workflow_run(run, installation=number), guid=guid)

    async def redeliver(self, delivery: Delivery) -> Delivery:
        """As the Redeliver button does: same GUID, same bytes."""
        return await self.deliveries.again(delivery)

    def lose(
        self,
        event: str,
        payload: Json,
        *,
        guid: str | None = None,
        hook: Hook | None = None,
        at: datetime | None = None,
        status: int = 502,
        forgotten: bool = False,
    ) -> Delivery:
        """A delivery the bot never saw, for the sweep to find. `at`: when GitHub tried; `status`: what it was answered
        (by a machine that is no more: 202); `forgotten`: GitHub shows no payload."""
        return self.deliveries.lose(event, payload, guid=guid, hook=hook, at=at, status=status, forgotten=forgotten)
