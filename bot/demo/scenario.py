"""The story the demo plays: what happens, what to see, and how to know that the bot has worked it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from bot.demo.github import Job, Run, job_from_log
from bot.demo.github.world import restamped
from bot.demo.outside import Outside
from bot.demo.samples import API, API_RELEASE, CHARTS, CI, RELEASE, UI, WEB, furnish, job
from bot.demo.slack import RELEASES, Message

# A card that has not come after this will not come.
WORKED_WITHIN_S = 20.0
# The bot has looked at the log and says nothing for so long: it has nothing to say.
QUIET_S = 1.0
RERUN_TAKES_S = 1.5


class Stage:
    """What the steps share: the stand-ins, which runs failed, and how far the versions have come."""

    def __init__(self, outside: Outside, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.outside = outside
        self.now = now
        self.failed_release: Run | None = None
        self._numbers = count(412)
        self._running: set[asyncio.Task[None]] = set()
        furnish(outside, now())
        outside.github.on_rerun(self._start_rerun)

    def next_version(self, package: str) -> str:
        """One minor above the newest on the registry: what the failing release tried to publish."""
        major, minor, _ = self.outside.registry.packages[package].tags["latest"].split(".")
        return f"{major}.{int(minor) + 1}.0"

    def number(self) -> int:
        return next(self._numbers)

    async def release_fails(self) -> None:
        """The design system's release, with the dead token."""
        version = self.next_version("@acme/ui")
        failed = job("publish", "ui-expired-token", self.now(), ui_version=version)
        title = f"chore: release @acme/ui {version}"
        run = self.outside.github.add_run(UI, workflow=RELEASE, number=self.number(), title=title, jobs=[failed])
        self.failed_release = run
        await self.outside.github.send_run(run)

    async def renew_secret(self) -> None:
        """Mara makes a token and puts it into the repository's secret; GitHub shows only that it was written."""
        self.outside.github.add_secret("NPM_TOKEN", repo=UI, updated_at=self.now())

    async def release_succeeds(self) -> None:
        """The failed run again, attempt + 1, now green; the version appears on the registry."""
        if self.failed_release is None:
            await self.release_fails()
        assert self.failed_release is not None
        await self._green(self.failed_release)

    async def _start_rerun(self, run: Run) -> None:
        """GitHub answers at once and works later."""
        task = asyncio.create_task(self._rerun(run))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _rerun(self, run: Run) -> None:
        """Somebody pressed "Re-run failed jobs": green if the release's secret was written since, red again if not."""
        await asyncio.sleep(RERUN_TAKES_S)
        secret = self.outside.github.world.secrets[f"repos/{UI}"]["NPM_TOKEN"]
        if run.repo == UI and secret.updated_at > run.completed_at:
            await self._green(run)
            return
        logs = [(failed, restamped(failed.log.decode(), self.now())) for failed in run.jobs]
        await self._again(run, "failure", [job_from_log(failed.name, log) for failed, log in logs])

    async def _green(self, run: Run) -> None:
        version = self.next_version("@acme/ui")
        self.outside.registry.publish("@acme/ui", version, by="token", at=self.now())
        published = job("publish", "ui-published", self.now(), conclusion="success", ui_version=version)
        await self._again(run, "success", [published])
        self.failed_release = None

    async def _again(self, run: Run, conclusion: str, jobs: list[Job]) -> None:
        attempt = self.outside.github.world.attempts(run.repo, run.id)[-1].attempt + 1
        tried = self.outside.github.add_run(
            run.repo,
            run_id=run.id,
            attempt=attempt,
            conclusion=conclusion,
            workflow=run.workflow,
            name=run.name,
            event=run.event,
            branch=run.branch,
            number=run.number,
            title=run.title,
            sha=run.sha,
            actor="mara-k",
            jobs=jobs,
        )
        if conclusion == "failure" and run.repo == UI:
            self.failed_release = tried
        await self.outside.github.send_run(tried)

    async def publisher_mismatch(self) -> None:
        version = self.next_version("@acme/api")
        failed = job("publish", "api-publisher-mismatch", self.now(), api_version=version)
        run = self.outside.github.add_run(
            API,
            workflow=API_RELEASE,
            name="Release API",
            event="release",
            branch=f"v{version}",
            number=self.number(),
            title=f"v{version}",
            jobs=[failed],
        )
        await self.outside.github.send_run(run)

    async def unit_tests_fail(self) -> None:
        failed = job("test", "web-unit-tests", self.now())
        run = self.outside.github.add_run(
            WEB,
            workflow=CI,
            name="CI",
            number=self.number(),
            title="fix: session cookie",
            actor="mara-k",
            jobs=[failed],
        )
        await self.outside.github.send_run(run)

    async def half_published(self) -> None:
        version = self.next_version("@acme/charts-core")
        for name in ("@acme/charts-core", "@acme/charts-svg"):
            self.outside.registry.publish(name, version, by="token", at=self.now() - timedelta(seconds=30))
        failed = job("publish", "charts-half-published", self.now(), charts_version=version)
        run = self.outside.github.add_run(
            CHARTS,
            workflow=RELEASE,
            name="Release charts",
            number=self.number(),
            title="chore: version packages",
            jobs=[failed],
        )
        await self.outside.github.send_run(run)


@dataclass(frozen=True, slots=True)
class Step:
    """`effect`: "posts" a card, "edits" one, or stays "quiet"."""

    id: str
    title: str
    see: str
    effect: str
    happens: Callable[[Stage], Awaitable[None]]


SCENARIO: tuple[Step, ...] = (
    Step(
        "expired",
        "A publish dies of an expired token",
        "npm says 404; the card says which token ended, when, whose it is and what to do.",
        "posts",
        Stage.release_fails,
    ),
    Step(
        "again",
        "The same workflow fails again",
        "The card is edited. Nobody is pinged twice.",
        "edits",
        Stage.release_fails,
    ),
    Step(
        "publisher",
        "A trusted publisher does not match",
        "Its workflow file was renamed. No token is blamed; the card names the file on record and the one that ran.",
        "posts",
        Stage.publisher_mismatch,
    ),
    Step(
        "tests",
        "A unit test fails with 401 in its log",
        "Nothing. A failed test is not the bot's business.",
        "quiet",
        Stage.unit_tests_fail,
    ),
    Step(
        "half",
        "A monorepo is half published",
        "Two packages are out, one is not: the state of each on one card.",
        "posts",
        Stage.half_published,
    ),
    Step(
        "renewed",
        "Mara writes a new token into the secret",
        "Nothing yet. GitHub sends no webhook for it; the bot will see the date when it looks.",
        "quiet",
        Stage.renew_secret,
    ),
    Step(
        "fixed",
        "The release runs again and is green",
        "The version is on the registry, so the first card closes itself.",
        "edits",
        Stage.release_succeeds,
    ),
)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one step: the cards it posted or edited, as they then stood. `missing`: nothing came in time."""

    step: Step
    cards: tuple[Message, ...]
    took_s: float
    missing: bool = False


async def play(stage: Stage, step: Step, *, timeout_s: float = WORKED_WITHIN_S) -> Played:
    """One step, and then waits until the bot has worked it."""
    slack = stage.outside.slack
    before = _versions(slack.messages(RELEASES))
    started = time.monotonic()
    await step.happens(stage)

    def changed() -> list[Message]:
        return [card for card in slack.messages(RELEASES) if card.by_bot and before.get(card.ts) != len(card.edits)]

    if step.effect == "quiet":
        await slack.settle(quiet_s=QUIET_S, timeout_s=timeout_s)
        return Played(step, tuple(changed()), time.monotonic() - started)
    try:
        await slack.until(changed, timeout_s=timeout_s, what=step.title)
    except TimeoutError:
        return Played(step, (), time.monotonic() - started, missing=True)
    took_s = time.monotonic() - started
    # A card may be followed by an edit or by words in its thread.
    await slack.settle(quiet_s=QUIET_S / 2, timeout_s=3.0)
    return Played(step, tuple(changed()), took_s)


def _versions(messages: list[Message]) -> dict[str, int]:
    return {message.ts: len(message.edits) for message in messages}
