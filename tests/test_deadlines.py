"""What stops when: by own end and by the registries' dates, in words, as JSON and as a picture."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from bot.cli.tokens import tokens as command
from bot.deadlines import deadlines, way_out
from bot.demo.outside import Outside
from bot.demo.slack.workspace import MARA, OPS, Message
from bot.messages.deadlines import alt_text, deadlines_message
from bot.timeline import AXIS, HEIGHT, MARGIN, WIDTH, picture
from storage import due_jobs, tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests.running import Running, running_bot, settings_for
from tests.slack_limits import mrkdwn_texts, problems, unsafe
from tests.test_clock import hands_at, quiet

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
IN_A_WORKFLOW = (Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN", "repository"),)


def token(name: str, days: float | None, **more: Any) -> Token:
    ends = None if days is None else NOW + timedelta(days=days)
    made = Token(
        name=name,
        permission="read-write",
        created_at=NOW - timedelta(days=5),
        expires_at=ends,
        owner=MARA.id,
        packages=("@acme/ui",),
        used_by=IN_A_WORKFLOW,
    )
    return replace(made, **more)


def some() -> Iterator[Token]:
    yield token("over", -2)
    yield token("soon", 3, owner=None)
    yield token("bypasses", 80, bypass_2fa=True)
    yield token("bypasses-briefly", 10, bypass_2fa=True)
    yield token("far", 200, registry="pypi", kind="api-token")
    yield token("gone", 1, revoked_at=NOW)
    yield token("trusted", None, kind="trusted-publisher")


def test_each_end_and_each_date_is_a_deadline() -> None:
    found = deadlines(some(), NOW)
    assert [one.name for one in found.over] == ["over"]
    assert [(one.token.name, one.why) for one in found.coming] == [
        ("soon", "expires"),
        ("bypasses-briefly", "expires"),
        ("bypasses", "stops-publishing"),
        ("bypasses", "expires"),
    ]
    (date,) = found.dates
    assert date.rule.id == "npm-bypass-direct-publish"
    assert [one.name for one in date.stops] == ["bypasses"]
    assert [one.name for one in date.ends_before] == ["bypasses-briefly"]


def test_the_message_says_who_and_what_stops_and_the_way_out() -> None:
    made = deadlines_message(deadlines(some(), NOW), picture=True)
    assert problems(made.blocks) == []
    said = "\n".join(mrkdwn_texts(list(made.blocks)))
    assert made.text.startswith(
        "1 token has expired, 3 tokens end within 90 days and 1 token stops publishing around 2027-01-01."
    )
    for words in (
        "`over` expired 2 days ago",
        "`soon` ends  ·  no owner  ·  `@acme/ui`  ·  give it an owner, then replace it: `/tokens rotate soon`",
        "*Around 2027-01-01, in 37 days*  From January 2027 tokens that bypass 2FA may stage a version",
        f"`bypasses` stops publishing  ·  <@{MARA.id}>",
        "let its workflows publish by their own identity, without a token: `/tokens rotate bypasses`",
        "1 token of this kind ends before that day. Whatever replaces them should not be of this kind again.",
        "A picture of it is in your direct messages",
    ):
        assert words in said


def test_nothing_ahead_still_tells_the_dates_that_are_known() -> None:
    made = deadlines_message(deadlines([], NOW))
    assert made.text == "Nothing known ends within 90 days."
    assert "None of the known tokens is concerned." in str(made.blocks)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "by their own identity"),
        ({"used_by": ()}, "say where it is used"),
        ({"used_by": (Use("acme/ui", None, "T", "elsewhere"),)}, "stage versions and approve them"),
    ],
)
def test_the_way_out_of_a_rule_depends_on_where_the_token_is_used(more: dict[str, Any], says: str) -> None:
    assert says in way_out(token("t", 80, bypass_2fa=True, **more), "stops-publishing")


def five_thousand() -> list[Token]:
    return [token(f"t-{number}", number % 95 + 0.5, bypass_2fa=number % 2 == 0) for number in range(5000)]


def test_five_thousand_tokens_are_one_message() -> None:
    found = deadlines(five_thousand(), NOW)
    made = deadlines_message(found)
    assert problems(made.blocks) == []
    assert "more that day: `/tokens list`" in str(made.blocks)
    assert len(alt_text(found)) <= 1000


@pytest.mark.parametrize(
    "name",
    ["<!channel>", "`x` *y* _z_", "\u202egnp.exe\u202c", "\u200b\u200d", ":x: & <b>", "漢字" * 40, "\ud800", "a\nb"],
)
def test_hostile_names_neither_break_the_message_nor_the_picture(name: str) -> None:
    found = deadlines([token(name, days, bypass_2fa=True) for days in (-1, 3, 80)], NOW)
    made = deadlines_message(found)
    assert problems(made.blocks) == []
    links = frozenset(date.rule.link for date in found.dates)
    for text in mrkdwn_texts(list(made.blocks)):
        assert unsafe(text, mentions=frozenset({MARA.id}), urls=links) == []
    assert "\n" not in alt_text(found) and "<!channel>" not in alt_text(found)
    assert size(picture(found, BERLIN)) == (WIDTH, HEIGHT)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("made", [[], list(some()), five_thousand()], ids=["none", "some", "5000"])
def test_the_picture_is_a_small_png_whatever_there_is(made: list[Token]) -> None:
    png = picture(deadlines(made, NOW), BERLIN)
    assert size(png) == (WIDTH, HEIGHT)
    assert len(png) < 60_000


def test_a_dot_stands_where_its_day_is() -> None:
    from PIL import Image

    def red_columns(days: float) -> list[int]:
        image = Image.open(io.BytesIO(picture(deadlines([token("t", days)], NOW), BERLIN))).convert("RGB")
        return [x for x in range(image.width) if image.getpixel((x, AXIS - 3)) == (176, 42, 48)]

    first, later = red_columns(1), red_columns(6)
    assert first and later
    assert abs((min(later) - min(first)) - 5 * (WIDTH - 2 * MARGIN) / 90) < 3


def test_the_drawing_library_is_loaded_only_to_draw() -> None:
    code = "import bot.app, sys; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


async def ask(running: Running) -> str:
    answer = await running.answered(running.outside.slack.command(text="deadlines", user=MARA), MARA.id)
    return answer.text + str(answer.blocks)


def shared(running: Running, channel: str, thread: str | None = None) -> list[Message]:
    return [message for message in running.outside.slack.messages(channel, thread=thread) if message.files]


async def test_the_command_answers_and_sends_the_picture_to_the_person(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path), hands_at(NOW)) as running:
        for one in some():
            running.db.write_now(tokens.add, one, NOW)
        said = await ask(running)
        assert "`/tokens rotate bypasses`" in said and "A picture of it is in your direct messages" in said
        (message,) = shared(running, outside.slack.workspace.dm(MARA.id).id)
        assert message.files[0]["mimetype"] == "image/png"
        assert message.files[0]["alt_txt"].startswith("The next 90 days on one line. 1 token has expired")


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("conversations.open", {"error": "missing_scope"}),
        ("files.getUploadURLExternal", {"error": "missing_scope"}),
        ("files.completeUploadExternal", {"status": 500}),
        ("files.getUploadURLExternal", {"drop": True}),
    ],
    ids=str,
)
async def test_without_the_picture_the_words_are_said_all_the_same(
    outside: Outside, tmp_path: Path, method: str, fault: dict[str, Any]
) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path), hands_at(NOW)) as running:
        running.db.write_now(tokens.add, token("soon", 3), NOW)
        outside.slack.fail(method, **fault, times=None)
        said = await ask(running)
        assert "`/tokens rotate soon`" in said and "direct messages" not in said


async def week(running: Running, mornings: int) -> None:
    for number in range(mornings):
        running.hands.ahead = NOW + timedelta(days=number) - datetime.now(UTC)
        await quiet(running)
        await running.worked()
        await quiet(running)


async def test_once_a_week_the_picture_is_under_the_digest(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    db = Database.open(settings.database_url)
    db.write_now(tokens.add, token("soon", 1), NOW)
    db.close()
    async with running_bot(outside, settings, hands_at(NOW)) as running:
        await week(running, 8)
        digests = running.cards(OPS)
        assert len(digests) == 8
        with_picture = [number for number, one in enumerate(digests) if shared(running, OPS, one.ts)]
        assert with_picture == [0, 6], "on Tuesday, and on Monday of the next week"


async def test_a_picture_that_could_not_be_sent_is_tried_again_and_one_that_may_have_arrived_is_not(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path)
    db = Database.open(settings.database_url)
    db.write_now(tokens.add, token("soon", 1), NOW)
    db.close()
    outside.slack.fail("files.getUploadURLExternal", error="internal_error")
    async with running_bot(outside, settings, hands_at(NOW)) as running:
        await week(running, 1)
        assert running.db.read_now(due_jobs.last_done, "picture") is None
        outside.slack.fail("files.completeUploadExternal", after_accepting=True, drop=True)
        running.hands.ahead += timedelta(minutes=11)
        await quiet(running)
        running.hands.ahead += timedelta(minutes=11)
        await quiet(running)
        (digest,) = running.cards(OPS)
        assert len(shared(running, OPS, digest.ts)) == 1
        assert running.db.read_now(due_jobs.last_done, "picture") == "2026-W48"


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'tokenwatch.db'}")
    result = CliRunner().invoke(command, ["deadlines", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_line_prints_both_for_people_and_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    db = Database.open(f"sqlite:///{tmp_path / 'tokenwatch.db'}")
    for name, days in (("over", -2), ("soon", 3.2)):
        db.write_now(tokens.add, token(name, 0, expires_at=now + timedelta(days=days), created_at=now), now)
    far = token("far", 0, expires_at=now + timedelta(days=100), registry="pypi", kind="api-token")
    db.write_now(tokens.add, far, now)
    db.close()
    rows = [json.loads(line) for line in run(tmp_path, monkeypatch, "--json").splitlines()]
    assert [(row["token"], row["why"], row["rule"]) for row in rows] == [
        ("over", "expired", None),
        ("soon", "expires", None),
    ]
    assert rows[1]["owner"] == MARA.id and rows[1]["packages"] == ["@acme/ui"] and rows[1]["used_by"] == ["acme/ui"]
    assert rows[1]["way_out"] == "replace it before: /tokens rotate soon"
    said = run(tmp_path, monkeypatch)
    assert "soon" in said and "(in 3 days)" in said and "far" not in said
    assert run(tmp_path, monkeypatch, "--days", "1", "--json").count("\n") == 1
