"""From a failed run's webhook to the card in Slack: stand-ins over real HTTP, the bot in a process of its own."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from bot.demo.github import job_from_log, payloads
from bot.demo.github.deliveries import Hook, signed_headers
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, Channel
from tests import npm_logs
from tests.bench.processes import WEBHOOK_SECRET, Served, bot
from tests.bench.report import Figure, percentile
from tests.bench.seeding import as_bytes, filled_out

WORKFLOW = ".github/workflows/release.yml"
WORKFLOW_TEXT = """
on: push
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
NOISE = npm_logs.stamped(
    *(f"npm warn deprecated inflight@{number}: this module is not supported" for number in range(600))
)
CHANNELS = 100  # Slack takes about one message a second in each: enough of them that none has to wait
WAIT_S = 30.0
OF_RUN = re.compile(r"/(org\d+/package-\d+)/actions/runs/")
GITHUB_TOKEN = "ghp_" + "b" * 36
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TimedOutside(Outside):
    """Notes how long GitHub's side takes over each request: by repository, and for logs, which name none."""

    def __init__(self) -> None:
        super().__init__()
        self.github_s: dict[str, float] = defaultdict(float)
        self.log_s: list[float] = []
        self.slack_s: list[float] = []

        @web.middleware
        async def timed(request: web.Request, handler: Handler) -> web.StreamResponse:
            started = time.perf_counter()
            try:
                return await handler(request)
            finally:
                self._note(request.path, time.perf_counter() - started)

        for app in (self.github.app, self.github.blobs.app, self.slack.app):
            app.middlewares.insert(0, timed)

    def _note(self, path: str, took_s: float) -> None:
        place = path.split("/")
        if place[1] == "repos":
            self.github_s["/".join(place[2:4])] += took_s
        elif place[1] == "logs":
            self.log_s.append(took_s)
        else:
            self.slack_s.append(took_s)


async def measure(folder: Path, rates: dict[int, int]) -> list[Figure]:
    """`rates`: webhooks a second -> how many."""
    figures = []
    async with TimedOutside.start() as outside:
        outside.github.api.token = GITHUB_TOKEN
        # Three thousand cards ask for more than an hour's requests; on GitHub the rest would wait for the next hour.
        outside.github.api.limit_an_hour = 100_000
        routes = []
        for number in range(CHANNELS):
            channel = f"CBENCH{number:03}"
            outside.slack.workspace.channels[channel] = Channel(channel, f"bench-{number}", members={BOT_USER})
            routes.append(f"org{number}/*={channel}")
        settings = {
            "SLACK_BOT_TOKEN": outside.slack.bot_token,
            "SLACK_API_URL": outside.slack_api_url,
            "CHANNEL_ROUTES": ",".join(routes),
            "GITHUB_TOKEN": GITHUB_TOKEN,
            "GITHUB_API_URL": outside.github_api_url,
            "NPM_REGISTRY_URL": outside.registry_url,
        }
        async with bot(folder / "latency.db", settings) as served, aiohttp.ClientSession() as session:
            await _cards(outside, served, session, rate=2, count=4, first=0)  # warms up connections and imports
            first = 4
            for rate, count in rates.items():
                figures += await _cards(outside, served, session, rate=rate, count=count, first=first)
                first += count
    return figures


async def _cards(
    outside: TimedOutside, served: Served, session: aiohttp.ClientSession, *, rate: int, count: int, first: int
) -> list[Figure]:
    repos = [f"org{number % CHANNELS}/package-{number}" for number in range(first, first + count)]
    bodies = [_prepared(outside, repo) for repo in repos]
    posted_before = len(outside.slack.calls("chat.postMessage"))
    del outside.log_s[:], outside.slack_s[:]
    sent_at: dict[str, float] = {}
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, (repo, body) in enumerate(zip(repos, bodies, strict=True)):
            await asyncio.sleep(begun + number / rate - time.monotonic())
            sent_at[repo] = time.monotonic()
            group.create_task(send(session, served, body))
    ends = time.monotonic() + WAIT_S
    while len(calls := outside.slack.calls("chat.postMessage")[posted_before:]) < count and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    card_at = {str(call.args["metadata"]["event_payload"]["id"]): call for call in calls}
    waits = []
    for call in card_at.values():
        repo = OF_RUN.findall(str(call.args["blocks"]))[0]
        waits.append((call.at_s - sent_at[repo], outside.github_s[repo] + statistics.mean(outside.log_s)))
    if len(waits) != count:
        raise RuntimeError(f"{count} webhooks became {len(waits)} cards")
    return _figures(rate, count, waits, outside.slack_s)


def _figures(rate: int, count: int, waits: list[tuple[float, float]], slack_s: list[float]) -> list[Figure]:
    part = f"webhook to Slack call, {rate}/s, {count} cards"
    whole = [total * 1000 for total, _ in waits]
    beyond = [(total - theirs) * 1000 for total, theirs in waits]
    github = [theirs * 1000 for _, theirs in waits]
    beside = f"{percentile(github, 50):.1f} ms p50, {percentile(github, 99):.1f} ms p99 in GitHub's stand-in"
    reach = 150.0 if rate == 50 else None
    return [
        Figure(part, "p50", percentile(whole, 50), "ms", beside),
        Figure(part, "p99", percentile(whole, 99), "ms", f"{statistics.mean(slack_s) * 1000:.1f} ms in Slack's, after"),
        Figure(part, "p50 beyond GitHub's stand-in", percentile(beyond, 50), "ms"),
        Figure(part, "p99 beyond GitHub's stand-in", percentile(beyond, 99), "ms", at_most=reach),
    ]


def _prepared(outside: Outside, repo: str) -> bytes:
    """A failed release of this repository, on the stand-ins, and the body of its webhook."""
    package = f"@{repo}"
    outside.github.add_file(repo, WORKFLOW, WORKFLOW_TEXT)
    outside.github.add_secret("NPM_TOKEN", repo=repo, updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    outside.registry.publish(package, "2.3.0")
    run = outside.github.add_run(repo, jobs=[job_from_log("release", NOISE + npm_logs.not_found(package))])
    return as_bytes(filled_out(payloads.workflow_run(run)))


async def send(session: aiohttp.ClientSession, served: Served, body: bytes) -> None:
    """A webhook as GitHub sends it."""
    headers = signed_headers("workflow_run", body, WEBHOOK_SECRET, str(uuid.uuid4()), Hook())
    async with session.post(f"{served.url}/github/webhooks", data=body, headers=headers) as answer:
        if answer.status != 202:
            raise RuntimeError(f"a webhook was answered with {answer.status}")
