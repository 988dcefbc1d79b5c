"""The real process: it starts, stops in time when told to, and survives being killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.github import events, job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.slack.workspace import RELEASES
from storage.database import Database
from tests import npm_logs
from tests.running import SIGNING_SECRET, WEBHOOK_SECRET

ROOT = Path(__file__).parent.parent


class Process:
    """`python -m bot serve` against the stand-ins, on a port of its own."""

    def __init__(self, outside: Outside, tmp_path: Path, port: int) -> None:
        self.outside, self.tmp_path, self.port = outside, tmp_path, port
        self.url = f"http://127.0.0.1:{port}"
        self.child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.outside.github.api.token = "ghp_" + "t" * 36
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SLACK_BOT_TOKEN": self.outside.slack.bot_token,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": self.outside.slack_api_url,
            "ALERT_CHANNEL": RELEASES,
            "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GITHUB_TOKEN": self.outside.github.api.token,
            "GITHUB_API_URL": self.outside.github_api_url,
            "NPM_REGISTRY_URL": self.outside.registry_url,
            "DATABASE_URL": f"sqlite:///{self.tmp_path / 'bot.db'}",
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
        }
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", env=env, cwd=self.tmp_path,
            stderr=(self.tmp_path / "log").open("ab"),
        )  # fmt: skip
        self.outside.bot_at(self.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        async with aiohttp.ClientSession() as session:
            for _ in range(300):
                try:
                    async with session.get(f"{self.url}/healthz") as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                assert self.child.returncode is None, self.log()
                await asyncio.sleep(0.05)
        raise TimeoutError(self.log())

    async def stop(self, number: int) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        return await asyncio.wait_for(self.child.wait(), 15)

    def log(self) -> str:
        return (self.tmp_path / "log").read_text()


@pytest.fixture
def process(outside: Outside, tmp_path: Path, unused_tcp_port: int) -> Any:
    made = Process(outside, tmp_path, unused_tcp_port)
    yield made
    if made.child is not None and made.child.returncode is None:
        made.child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_stops_within_ten_seconds_and_without_a_traceback(process: Process, number: int) -> None:
    await process.start()
    started = time.monotonic()
    assert await process.stop(number) == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in process.log()
    assert '"event": "stopped"' in process.log()


async def test_stopping_in_the_middle_of_slow_work_hands_it_back(process: Process) -> None:
    process.outside.github.fail("/jobs", delay_s=30.0, times=1)
    await process.start()
    run = process.outside.github.add_run(jobs=[job_from_log("release", npm_logs.rejected())])
    assert (await process.outside.github.send_run(run)).status == 202
    await asyncio.sleep(1.0)  # the worker now waits for GitHub's answer
    started = time.monotonic()
    assert await process.stop(signal.SIGTERM) == 0
    assert time.monotonic() - started < 10
    await process.start()
    await process.outside.slack.until(lambda: process.outside.slack.messages(RELEASES), what="the card")
    await process.stop(signal.SIGTERM)


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.08, 0.2, 0.5])
async def test_killed_at_any_moment_after_202_the_card_appears_exactly_once(process: Process, after_s: float) -> None:
    process.outside.slack.fail("chat.postMessage", delay_s=0.15, times=2)
    await process.start()
    run = process.outside.github.add_run(jobs=[job_from_log("release", npm_logs.rejected())])
    assert (await process.outside.github.send_run(run)).status == 202
    await asyncio.sleep(after_s)
    await process.stop(signal.SIGKILL)
    # A killed process leaves its leases behind; waiting them out is the only thing this test does not do.
    db = Database.open(f"sqlite:///{process.tmp_path / 'bot.db'}")
    db.write_now(lambda c: c.execute("UPDATE deliveries SET lease_until = 1 WHERE state = 'working'"))
    db.write_now(lambda c: c.execute("UPDATE messages SET lease_until = 1 WHERE state = 'sending'"))
    await process.start()
    sent = "SELECT COUNT(*) FROM messages WHERE state = 'sent' AND kind = 'post' AND key LIKE 'incident:%'"
    await process.outside.slack.until(lambda: db.read_now(lambda c: c.value(sent)), what="the card", timeout_s=30)
    db.close()
    await process.outside.slack.settle()
    assert len(process.outside.slack.messages(RELEASES)) == 1
    assert await process.stop(signal.SIGTERM) == 0


async def test_a_rolling_restart_loses_no_webhook_and_doubles_none(
    outside: Outside, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """The next process starts beside the old one on the same database, takes over, and the old one is told to stop."""
    answered: list[int] = []
    failed = 0
    serving = Process(outside, tmp_path, unused_tcp_port_factory())
    await serving.start()

    async def deliver(number: int) -> None:
        nonlocal failed
        to = f"{serving.url}/github/webhooks"
        event, payload = "ping", events.ping()
        if number % 20 == 0:
            failed += 1
            jobs = [job_from_log("release", npm_logs.rejected(f"@acme/r{number}"))]
            run = outside.github.add_run(f"acme/r{number}", jobs=jobs)
            event, payload = "workflow_run", payloads.workflow_run(run)
        sent = await outside.github.send(event, payload, url=to)
        if not sent.status:  # it left before the connection was its own: what stands before both asks the other one
            sent = await outside.github.send(event, payload, url=f"{serving.url}/github/webhooks", guid=sent.guid)
        answered.append(sent.status)

    async def keep_delivering() -> None:
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                group.create_task(deliver(number))
                await asyncio.sleep(0.02)

    delivering = asyncio.create_task(keep_delivering())
    for _ in range(2):
        following = Process(outside, tmp_path, unused_tcp_port_factory())
        await following.start()
        leaving, serving = serving, following
        assert await leaving.stop(signal.SIGTERM) == 0
        await asyncio.sleep(0.3)
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert len(answered) > 50 and set(answered) == {202}
    await outside.slack.until(lambda: len(outside.slack.messages(RELEASES)) >= failed, what="the cards", timeout_s=30)
    await outside.slack.settle()
    texts = [message.text for message in outside.slack.messages(RELEASES)]
    assert len(texts) == len(set(texts)) == failed
    assert await serving.stop(signal.SIGTERM) == 0
    assert "Traceback" not in serving.log()


async def test_two_processes_that_start_at_once_on_no_database_share_the_one_they_make(
    outside: Outside, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    both = [Process(outside, tmp_path, unused_tcp_port_factory()) for _ in range(2)]
    await asyncio.gather(*(one.start() for one in both))
    for number, one in enumerate(both):
        run = outside.github.add_run(
            f"acme/r{number}", jobs=[job_from_log("release", npm_logs.rejected(f"@acme/r{number}"))]
        )
        to = f"{one.url}/github/webhooks"
        assert (await outside.github.send("workflow_run", payloads.workflow_run(run), url=to)).status == 202
    await outside.slack.until(lambda: len(outside.slack.messages(RELEASES)) == 2, what="both cards")
    await outside.slack.settle()
    assert len(outside.slack.messages(RELEASES)) == 2
    assert [await one.stop(signal.SIGTERM) for one in both] == [0, 0]
    assert "Traceback" not in both[0].log()


async def test_a_sender_in_the_middle_of_its_body_does_not_hold_up_the_stop(process: Process) -> None:
    await process.start()
    _, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"POST /github/webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.2)
    started = time.monotonic()
    assert await process.stop(signal.SIGTERM) == 0
    assert time.monotonic() - started < 10
    writer.close()


async def test_a_taken_port_is_one_line(process: Process) -> None:
    await process.start()
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve",
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PORT": str(process.port), "HOST": "127.0.0.1", "LOG_LEVEL": "error"},
        cwd=process.tmp_path, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 2
    assert b"Traceback" not in said
    assert said.decode().splitlines()[-1].startswith("Error: ")
