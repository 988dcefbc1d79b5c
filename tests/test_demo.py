"""`python -m bot demo`: the story plays, says what it promises, and ends cleanly; cards read well as plain text."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bot.demo.outside import Outside
from bot.demo.run import started_bot
from bot.demo.scenario import SCENARIO, Stage, play
from bot.demo.slack import OPS, RELEASES
from bot.demo.slack.workspace import Workspace
from bot.demo.terminal import blocks_text, message_text, mrkdwn_text
from bot.demo.times import Times

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def demo(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "demo", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_scenario_does_what_each_step_promises(outside: Outside, tmp_path: Path) -> None:
    stage = Stage(outside)
    async with started_bot(outside, tmp_path):
        cards: dict[str, list[str]] = {}
        for step in SCENARIO:
            played = await play(stage, step)
            assert not played.missing, step.title
            cards[step.id] = [message_text(card, outside.slack.workspace) for card in played.cards]
        assert "npm-acme-ci" in cards["expired"][0]
        assert "expired" in cards["expired"][0].splitlines()[0]
        assert "Mara Kowalski" in cards["expired"][0]
        assert cards["tests"] == cards["renewed"] == []
        assert "@acme/charts-react" in cards["half"][0]
        assert "@acme/charts-core" in cards["half"][0]
        assert cards["fixed"][0].startswith("Resolved")
        # Three causes, three cards: the second failure of the release and its fix edited the first.
        assert len(outside.slack.messages(RELEASES)) == 3
        assert outside.github.blobs.leaked == 0
        refused = [call for call in outside.slack.calls() if call.error != "ok"]
        assert refused == []


async def test_travelling_brings_reminders_and_dated_rules_to_pass(outside: Outside, tmp_path: Path) -> None:
    times = Times()
    outside.github.now, outside.slack.workspace.time_ns = times.now, times.time_ns
    stage = Stage(outside, times.now)
    async with started_bot(outside, tmp_path, times.now) as bot:
        await bot.clock.tick()
        for ident in ("morning", "week", "new-year"):
            (place,) = [one for one in times.destinations() if one.id == ident]
            before = len(outside.slack.messages(OPS))
            times.travel(place.at)
            await bot.clock.tick()
            await outside.slack.until(lambda before=before: len(outside.slack.messages(OPS)) > before, what=ident)
        assert "have expired" in outside.slack.messages(OPS)[-1].text
        await stage.release_fails()
        await outside.slack.until(lambda: outside.slack.messages(RELEASES), what="the card")
        (card,) = outside.slack.messages(RELEASES)
        assert "npm-acme-ci expired" in message_text(card, outside.slack.workspace)
        assert "Seen late" not in message_text(card, outside.slack.workspace)
        with pytest.raises(ValueError, match="only forward"):
            times.travel(times.now() - timedelta(days=1))


async def test_once_plays_prints_and_exits_0() -> None:
    process = await demo("--once", "--port", str(free_port()))
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert "A publish dies of an expired token" in out.decode()
    assert "npm-acme-ci" in out.decode()


async def test_a_port_in_use_is_one_clear_line_and_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await demo("--once", "--port", port)
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().count("\n") == 1
    assert f"Port {port} is in use" in err.decode()


async def test_ctrl_c_ends_it_cleanly() -> None:
    process = await demo("--port", str(free_port()))
    assert process.stdout is not None
    while b"Sandbox page" not in await process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err.decode()) == (0, "")


@pytest.mark.parametrize(
    ("mrkdwn", "text"),
    [
        ("*bold* and `code` _it_", "bold and code it"),
        ("<https://a.example|the run> &amp; &lt;x&gt;", "the run (https://a.example) & <x>"),
        ("<@U07MARA0001> in <#C07RELEASE1>", "@Mara Kowalski in #releases"),
        ("<!date^1790000000^{date}|then>", "21 Sep 2026 14:13 UTC"),
        ("NPM_TOKEN of a_b_c", "NPM_TOKEN of a_b_c"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_mrkdwn_reads_well_without_its_marks(mrkdwn: str, text: str) -> None:
    assert mrkdwn_text(mrkdwn, Workspace()) == text


def test_every_block_has_a_plain_form() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Head"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*a*"}, "fields": [{"type": "plain_text", "text": "f"}]},
        {"type": "rich_text", "elements": [
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "line 1\nline 2"}]},
            {"type": "rich_text_list", "elements": [
                {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U07MARA0001"}]}]}]},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}, {"type": "raw_number", "value": 3}]]},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Claim"}}]},
        {"type": "divider"},
    ]  # fmt: skip
    assert blocks_text(blocks, Workspace()).splitlines() == [
        "HEAD", "a", "f", "    line 1", "    line 2", "- @Mara Kowalski", "x  3", "[Claim]", "-" * 20,
    ]  # fmt: skip
