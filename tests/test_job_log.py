"""Raw bytes to clean lines: stamps, colours, wrappers, carriage returns."""

from __future__ import annotations

from typing import Any

import pytest
import re2

from bot.diagnosis.job_log import BLOCK, Line, LineReader, clean, unwrap

SECRET_FREE = "npm error code E401"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"2026-11-22T10:11:12.1234567Z npm error code E401", SECRET_FREE),
        (b"\xef\xbb\xbf2026-11-22T10:11:12.1234567Z npm error code E401", SECRET_FREE),
        (b"2026-11-22T10:11:12.123456Z 01O npm error code E401", SECRET_FREE),
        (b"[2026-11-22T10:11:12.123Z] npm error code E401", SECRET_FREE),
        (b"npm \x1b[31merror\x1b[39m \x1b[94mcode\x1b[39m E401", SECRET_FREE),
        (b"npm error code E401\r", SECRET_FREE),
        (b"npm err\x00or code E401", SECRET_FREE),
        (b"\x1b]0;title\x07npm error code E401", SECRET_FREE),
        (b"npm error \xff", "npm error \ufffd"),
    ],
)
def test_what_a_runner_adds_is_taken_off(raw: bytes, shown: str) -> None:
    assert [line for line, _ in clean(raw)] == [shown]


@pytest.mark.parametrize(
    "wrapped",
    [
        "#18 40.893 npm error code E401",
        "🦋  error npm error code E401",
        "@acme/ui:release: npm error code E401",
        "ui:release: npm error code E401",
        "packages/ui publish: npm error code E401",
        "##[error]npm error code E401",
        "[8:00:59 AM] [semantic-release] [@semantic-release/npm] › ✘  npm error code E401",
        "🦋  error #7 1.2 npm error code E401",
    ],
)
def test_what_a_tool_adds_is_taken_off(wrapped: str) -> None:
    assert unwrap(wrapped) == SECRET_FREE


@pytest.mark.parametrize(
    "text", ["npm error code E401", "https://registry.npmjs.com/x", "error: failed to publish", "a: b", ""]
)
def test_what_is_no_prefix_stays(text: str) -> None:
    assert unwrap(text) == text


def test_a_progress_bar_gives_each_of_its_states() -> None:
    assert [text for _, text in clean(b" 10%\r 50%\rdone\r\n")] == ["10%", "50%", "done"]


def read(data: bytes, anchor: bytes | None, chunk: int = 1 << 30) -> tuple[list[Line], LineReader]:
    lines: list[Line] = []
    pattern: Any = re2.compile(anchor) if anchor else None
    reader = LineReader(lambda: pattern, lines.append)
    for start in range(0, len(data), chunk):
        reader.feed(data[start : start + chunk])
    reader.finish()
    return lines, reader


def test_lines_are_numbered_from_one_in_the_raw_log() -> None:
    lines, reader = read(b"a\nhit\n\nhit", b"hit")
    assert [line.number for line in lines] == [2, 4]
    assert reader.lines == 4


def test_without_anchors_every_line_is_read() -> None:
    lines, _ = read(b"a\nb\n\nc\n", None)
    assert [(line.number, line.text) for line in lines] == [(1, "a"), (2, "b"), (4, "c")]


@pytest.mark.parametrize("chunk", [1, 7, 4096, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_line_across_blocks_is_one_line(chunk: int) -> None:
    if chunk < 4096:
        data = b"noise\n" * 50 + b"a hit\n"
    else:
        data = b"x" * 79 + b"\n"
        data = data * (BLOCK // 80) + b"y" * 100 + b" hit " + b"z" * 100 + b"\n" + data
    lines, _ = read(data, b"hit", chunk)
    whole, _ = read(data, b"hit")
    assert lines == whole and len(lines) == 1


def test_the_end_of_a_log_is_kept() -> None:
    _, reader = read(b"first\n" + b"noise\n" * 1000 + b"last\n", b"nothing")
    assert reader.tail[-1] == (1002, b"last")
    assert len(reader.tail) <= 60
