"""Killed at a hundred seeded instants while GitHub and Slack misbehave: every delivery becomes exactly one card.

Each lane is a bot, its database and its stand-ins. A life of the bot ends with SIGKILL at an instant drawn for one of
five phases: while a webhook is received, while its log is read, around the commit, while Slack is called, and while
Slack's answer is recorded. At the end the bot may finish, and every card is counted.

Another seed: CRASH_SEED=123 python -m pytest tests/test_crashes.py
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.github import job_from_log
from bot.demo.github.deliveries import Hook
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, Channel
from tests import npm_logs
from tests.crashing import Child
from tests.running import SIGNING_SECRET, WEBHOOK_SECRET

SEED = int(os.environ.get("CRASH_SEED", "20261125"))
LANES = 4
LIVES = 26  # a lane: 104 kills
HOOK = Hook("organization", "acme", 456)
CHANNELS = [f"C07CRASH{number:03}" for number in range(6)]
PHASES = ("receive", "work", "commit", "send", "record")
NOTHING_COMES_S = 1.0  # a phase that is not reached in this time is not waited for

GITHUB_FAULTS: list[dict[str, Any]] = [
    {"path_regex": "/jobs", "status": 502},
    {"path_regex": "/jobs", "drop": True},
    {"path_regex": "/logs", "status": 404},
    {"path_regex": "/contents", "status": 500},
    {"path_regex": "/jobs", "delay_s": 0.2},
    {"path_regex": "/deliveries", "status": 503},
    {"path_regex": "/jobs", "status": 403, "headers": {"retry-after": "1"}},
]
SLACK_FAULTS: list[dict[str, Any]] = [
    {"retry_after": 1},
    {"status": 500},
    {"status": 503, "after_accepting": True},
    {"drop": True},
    {"drop": True, "after_accepting": True},
    {"delay_s": 0.3, "after_accepting": True, "drop": True},
    {"error": "fatal_error"},
    {"error": "internal_error", "after_accepting": True},
]


@dataclass
class Lane:
    """One bot that dies again and again."""

    number: int
    folder: Path
    outside: Outside
    child: Child
    session: aiohttp.ClientSession
    chance: random.Random
    sent: dict[str, int] = field(default_factory=dict)  # repository -> what GitHub was answered, 0 = nothing
    killed: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)  # what was half done when it died

    @property
    def database(self) -> Path:
        return self.folder / "bot.db"

    async def live_and_die(self) -> None:
        phase = self.chance.choice(PHASES)
        for _ in range(self.chance.randint(0, 2)):
            fault = dict(self.chance.choice(GITHUB_FAULTS))
            self.outside.github.fail(fault.pop("path_regex"), **fault)
        if self.chance.random() < 0.6:
            self.outside.slack.fail("chat.postMessage", **self.chance.choice(SLACK_FAULTS))
        await self.child.start(self.session)
        sending = [asyncio.create_task(self._webhook()) for _ in range(self.chance.randint(1, 3))]
        if phase == "receive":
            await asyncio.sleep(self.chance.uniform(0.0, 0.03))
        else:
            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            seen = self._marks()
            await self._until(lambda: self._reached(phase, seen))
            await asyncio.sleep(self.chance.choice((0.0, self.chance.uniform(0.0, 0.02), self.chance.uniform(0, 0.1))))
        await self.child.kill()
        self.killed[phase] += 1
        await asyncio.gather(*sending)
        self.outside.github.recover()
        self.outside.slack.recover()
        # What Slack was still busy with when the caller died has arrived before the next life looks for it.
        await asyncio.sleep(0.05)
        self._look_at_the_dead()
        self.time_passes()

    async def _webhook(self) -> None:
        repo = f"acme/r{self.number}-{len(self.sent):03}"
        self.sent[repo] = 0
        await asyncio.sleep(self.chance.uniform(0.0, 0.02))
        job = job_from_log("release", npm_logs.rejected(f"@{repo}"))
        run = self.outside.github.add_run(repo, jobs=[job], completed_at=datetime.now(UTC))
        self.sent[repo] = (await self.outside.github.send_run(run)).status

    def _marks(self) -> dict[str, int]:
        slack = self.outside.slack.calls("chat.postMessage")
        return {
            "jobs": len(self.outside.github.asked("/jobs$")),
            "logs": len(self.outside.github.asked("/logs$")),
            "posts": len(slack),
            "rows": self._count("SELECT COUNT(*) FROM messages"),
            "sending": self._count("SELECT COUNT(*) FROM messages WHERE state = 'sending'"),
        }

    def _reached(self, phase: str, seen: dict[str, int]) -> bool:
        now = self._marks()
        match phase:
            case "work":
                return now["jobs"] > seen["jobs"]
            case "commit":
                return now["logs"] > seen["logs"]
            case "send":
                return now["rows"] > seen["rows"] or now["sending"] > 0
            case _:
                return now["posts"] > seen["posts"]

    async def _until(self, true: Callable[[], bool]) -> None:
        ends = asyncio.get_running_loop().time() + NOTHING_COMES_S
        while not true() and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.002)

    def _look_at_the_dead(self) -> None:
        taken = {
            (message.metadata or {}).get("event_payload", {}).get("id")
            for channel in CHANNELS
            for message in self._posted(channel)
        }
        with sqlite3.connect(self.database) as raw:
            working = raw.execute("SELECT COUNT(*) FROM deliveries WHERE state = 'working'").fetchone()[0]
            unsent = raw.execute("SELECT key, state FROM messages WHERE state <> 'sent'").fetchall()
        self.struck["working"] += working > 0
        self.struck["queued"] += any(state == "new" for _, state in unsent)
        self.struck["sending, Slack has it"] += any(state != "new" and key in taken for key, state in unsent)
        self.struck["sending, Slack has it not"] += any(state != "new" and key not in taken for key, state in unsent)

    def _count(self, sql: str) -> int:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as raw:
            return int(raw.execute(sql).fetchone()[0])

    def time_passes(self) -> None:
        """As if the next life began some minutes later: leases have run out, waits are over."""
        raw = sqlite3.connect(self.database, isolation_level=None, timeout=5)
        raw.execute("UPDATE deliveries SET lease_until = 1 WHERE state = 'working'")
        raw.execute("UPDATE messages SET lease_until = 1 WHERE state = 'sending'")
        raw.execute("UPDATE deliveries SET due_at = 1 WHERE state = 'waiting'")
        raw.execute("UPDATE messages SET due_at = 1 WHERE state IN ('new', 'unknown')")
        raw.execute("UPDATE due_jobs SET lease_until = 1 WHERE done_at IS NULL")
        raw.close()

    async def finish(self) -> None:
        """The last life: nothing goes wrong any more, and everything is worked to its end."""
        self.time_passes()
        await self.child.start(self.session)
        unfinished = (
            "SELECT (SELECT COUNT(*) FROM arrivals)"
            " + (SELECT COUNT(*) FROM deliveries WHERE state NOT IN ('done', 'dead'))"
            " + (SELECT COUNT(*) FROM messages WHERE state NOT IN ('sent', 'dead'))"
        )
        stored = "SELECT COUNT(*) FROM deliveries"
        wanted = len(self.sent)
        await self.outside.slack.until(
            lambda: self._count(unfinished) == 0 and self._count(stored) >= wanted,
            timeout_s=60,
            what=f"lane {self.number} to finish {self._open_rows()}",
        )
        await self.outside.slack.settle(quiet_s=0.3)
        await self.child.kill()

    def _open_rows(self) -> str:
        with sqlite3.connect(self.database) as raw:
            rows = raw.execute("SELECT guid, state, tries, reason FROM deliveries WHERE state <> 'done'").fetchall()
            return repr(rows)

    def cards(self) -> Counter[str]:
        """Repository -> how many cards tell of it."""
        texts = [json.dumps(card.blocks) + card.text for channel in CHANNELS for card in self._posted(channel)]
        return Counter({repo: sum(f"{repo}`" in text for text in texts) for repo in self.sent})

    def _posted(self, channel: str) -> list[Any]:
        return [message for message in self.outside.slack.messages(channel) if message.by_bot]

    def replies(self) -> int:
        workspace = self.outside.slack.workspace
        return sum(message.thread_ts is not None for name in CHANNELS for message in workspace.in_channel(name))


def settings(outside: Outside, database: Path) -> dict[str, Any]:
    outside.github.api.token = "ghp_" + "t" * 36
    # One message a second and channel is all that Slack takes: several channels finish sooner.
    routes = ",".join(f"acme/*{digit}={CHANNELS[digit % len(CHANNELS)]}" for digit in range(10))
    return {
        "slack_bot_token": outside.slack.bot_token,
        "slack_signing_secret": SIGNING_SECRET,
        "slack_api_url": outside.slack_api_url,
        "alert_channel": CHANNELS[0],
        "channel_routes": routes,
        "github_webhook_secret": WEBHOOK_SECRET,
        "github_token": outside.github.api.token,
        "github_hooks": "acme#456",
        "github_api_url": outside.github_api_url,
        "npm_registry_url": outside.registry_url,
        "database_url": f"sqlite:///{database}",
    }


async def one_lane(number: int, folder: Path, port: int) -> Lane:
    folder.mkdir()
    async with Outside.start() as outside, aiohttp.ClientSession() as session:
        for name in CHANNELS:
            outside.slack.workspace.channels[name] = Channel(name, name.lower(), {BOT_USER})
        outside.github.deliveries.hook = HOOK
        child = Child(settings(outside, folder / "bot.db"), port, folder / "log")
        outside.bot_at(child.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        lane = Lane(number, folder, outside, child, session, random.Random(SEED * 1000 + number))
        try:
            await child.start(session)  # makes the database
            await child.kill()
            for _ in range(LIVES):
                await lane.live_and_die()
            await lane.finish()
        finally:
            await child.kill()
        return lane


@pytest.mark.timeout(900)
async def test_killed_a_hundred_times_every_delivery_becomes_exactly_one_card(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    started = [one_lane(number, tmp_path / f"lane{number}", unused_tcp_port_factory()) for number in range(LANES)]
    lanes = await asyncio.gather(*started)
    killed = sum((lane.killed for lane in lanes), Counter[str]())
    assert killed.total() >= 100
    assert set(killed) == set(PHASES)
    struck = sum((lane.struck for lane in lanes), Counter[str]())
    assert len(struck) == 4, f"CRASH_SEED={SEED}: the kills strike nothing but {struck}"
    for lane in lanes:
        said = f"CRASH_SEED={SEED}, lane {lane.number}"
        wrong = {repo: count for repo, count in lane.cards().items() if count != 1}
        assert not wrong, f"{said}: cards {wrong}, answered { ({repo: lane.sent[repo] for repo in wrong}) }"
        assert lane.replies() == 0, f"{said}: a card that was posted once has no thread"
        assert "Traceback" not in lane.child.log(), f"{said}: {lane.child.log()[-3000:]}"
    answered = Counter(status for lane in lanes for status in lane.sent.values())
    assert answered[202] >= 100, answered
