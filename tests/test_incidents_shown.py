"""How incidents stand, said alike by `/tokens incidents`, the Home and the command line: quiet, staged, half out.

One world with all of it; each place is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.clock import Clock
from bot.demo.outside import Outside
from bot.demo.slack.workspace import JONAS, MARA
from storage import incidents, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for
from tests.test_half_published import half_published
from tests.test_incident_seams import broken_network
from tests.test_version_watch import stage_only_token, staged_log

ROOT = Path(__file__).parent.parent
RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    """1: staged and claimed; 2: half a monorepo; 3: an outage; 4: quiet because of it."""
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        now = made.hands.now()
        uses = (Use("gamma/c", RELEASE, "NPM_TOKEN"),)
        token = Token(name="gamma", packages=("@gamma/c",), owner=MARA.id, used_by=uses, permission="read-write")
        made.db.write_now(tokens.add, token, now)
        stage_only_token(made)
        outside.registry.publish("@acme/ui", "2.3.0")
        for package in ("core", "dom"):
            outside.registry.publish(f"@acme/{package}", "1.3.0")
        runs: list[tuple[str, dict[str, Any]]] = [
            (staged_log(), {"repo": "acme/ui", "conclusion": "success"}),
            (half_published(), {"repo": "acme/mono"}),
            (npm_logs.outage("@beta/a"), {"repo": "beta/a"}),
            (npm_logs.outage("@beta/b"), {"repo": "beta/b"}),
            (broken_network("@gamma/c"), {"repo": "gamma/c"}),
        ]
        for number, (log, run) in enumerate(runs, 1):
            if "beta/a" in run.values():
                made.hands.ahead += timedelta(minutes=20)  # what failed just before would be put down to it
            await made.deliver_run(log, completed_at=made.hands.now(), **run)
            await made.worked(number)
        await outside.slack.click(made.cards()[0], "incident.claim", JONAS)
        await made.worked()
        yield made


def cli(running: Running, *arguments: str) -> str:
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "COLUMNS": "250"}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "incidents", *arguments],
        cwd=running.settings.database_url.removeprefix("sqlite:///").rpartition("/")[0],
        env=env | {"DATABASE_URL": running.settings.database_url}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


STANDING = {
    "@acme/ui": (f"<@{JONAS.id}> is on it", "waits for approval, staged"),
    "acme/mono": ("nobody is on it", "1 of 2 packages out"),
    "2 repositories": ("nobody is on it", "explains 1 other"),
    "gamma/c": ("quiet, probably explained by no. 3",),
}


def check(lines: list[str]) -> None:
    for name, wanted in STANDING.items():
        (line,) = [line for line in lines if name in line]
        for words in wanted:
            assert words in line, line
        assert "nobody" not in line or "quiet" not in line


async def test_the_list_in_slack(running: Running) -> None:
    answer = await running.answered(running.outside.slack.command(text="incidents"), MARA.id)
    assert "4 incidents are open" in answer.text
    lines = "\n".join(block["text"]["text"] for block in answer.blocks if block["type"] == "section").split("\n")
    check(lines[1:])
    assert "open the card" in lines[1] or "open the run" in lines[1]


async def test_the_home_and_what_waits_for_me_there(running: Running) -> None:
    async def home(who: Any) -> tuple[str, list[str]]:
        slack = running.outside.slack
        before = slack.home(who)
        await slack.open_home(who)
        await slack.until(lambda: slack.home(who) is not None and slack.home(who) is not before, what="the Home")
        view = slack.home(who)
        assert view is not None
        said = "\n".join(block.get("text", {}).get("text", "") for block in view.blocks)
        waiting, rest = said.split("My tokens")
        return waiting, rest.split("Open incidents")[1].split("\n")

    waiting, lines = await home(MARA)
    check(lines)
    assert "gamma/c" not in waiting, "it is quiet, though the token is hers"
    waiting, _ = await home(JONAS)
    assert "waits for approval" in waiting


async def test_the_command_line(running: Running) -> None:
    listed = cli(running, "list")
    assert "claimed, staged" in listed and "open, quiet: see 3" in listed and "2 repositories" in listed
    read = {record["id"]: record for record in map(json.loads, cli(running, "list", "--json").splitlines())}
    assert read[4]["muted_by"] == 3
    assert [item["state"] for item in read[2]["awaited"]] == ["failed", "published"]
    assert read[1]["awaited"][0] | {"since": "", "run_url": ""} == {
        "package": "@acme/ui", "version": "2.3.1", "repo": "acme/ui", "workflow": RELEASE, "state": "staged",
        "since": "", "times": 1, "tag": None, "settled_at": None, "how": None, "run_url": "",
    }  # fmt: skip
    shown = json.loads(cli(running, "show", "3", "--json"))
    assert shown["explains"] == [4]
    assert {item["repo"] for item in shown["awaited"]} == {"beta/a", "beta/b"}
    text = cli(running, "show", "1")
    assert "awaited          @acme/ui 2.3.1, acme/ui .github/workflows/release.yml: staged since" in text
    assert f"{JONAS.id} incident.claim" in text
    half = cli(running, "show", "2")
    assert "awaited          @acme/dom 1.4.0" in half and "done             @acme/core 1.4.0" in half
    quiet = cli(running, "show", "4")
    assert "muted_by         3" in quiet and "bot incident.mute explained by incident 3" in quiet


async def test_what_is_put_off_waits_for_nobody(running: Running) -> None:
    def snoozed() -> list[int]:
        return [one.id for one in running.db.read_now(incidents.open_of_person, JONAS.id, limit=9)]

    assert snoozed() == [1]
    answer = await running.outside.slack.click(running.cards()[0], "incident.snooze", JONAS)
    await running.outside.slack.submit(answer.view, {"until": "3d", "reason": "the maintainer is back on Friday"})
    assert snoozed() == []
    said = (await running.answered(running.outside.slack.command(text="incidents"), MARA.id)).blocks
    assert "snoozed until" in json.dumps(said) and "the maintainer is back on Friday" in json.dumps(said)
    running.hands.ahead += timedelta(days=3, minutes=1)
    await running.bot.clock.tick()
    assert snoozed() == [1]
