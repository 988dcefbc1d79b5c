"""Raw bytes of a job log -> clean, numbered lines. Only lines that an anchor word hits are taken apart. Pure.

Noise is most of a log: whole blocks are searched with one RE2 automaton, and newlines are counted only to number the
lines that hit. Memory holds one block and one unfinished line, whatever the size of the log or of its lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import re2

from bot.diagnosis.line_frames import MOST_LINES, frame_of

BLOCK = 1 << 20  # log is searched in blocks of this size, so that the caller's chunks never change the result
LONGEST = 32 * 1024  # a longer line is read in pieces of this size
HEAD_BYTES = 64
TAIL_BYTES, TAIL_LINES = 16 * 1024, 60  # kept for a log that nothing else explains
MOST_SEGMENTS = 64  # of one line that a progress bar rewrote with carriage returns

_ESCAPES = re2.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]_P^X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]|[\x00\x07\x08]")
# GitHub: 2026-11-22T10:11:12.1234567Z; GitLab adds a stream mark (01O, 00E+); Jenkins' timestamper puts it in brackets.
_STAMP = re2.compile(
    r"^(?:\x{FEFF}?\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+\-]\d\d:?\d\d)?\]? ?"
    r"(?:[0-9a-f]{2}[OE]\+? ?)?)+|^\x{FEFF}"
    r"|^\[\d\d:\d\d:\d\d [AP]M\] "  # semantic-release's own
    r"|^\d{1,2}:\d\d:\d\d [AP]M: "  # Netlify
    r"|^\[?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\](?:[a-zA-Z]:| :)?|Z)?\s+(?:\[Step \d+/\d+\] )?"  # Jenkins, Drone, TeamCity
    r"|^\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? "  # CodeBuild
    r"|^(?:simple|build|error|command)\t\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\t"  # Bamboo
    r"|^travis_(?:time|fold):(?:start|end):[^\x1b]*\x1b\[0K"
    r"|^section_(?:start|end):\d+:[a-z_]+(?:\[[^\]]*\])?"
)
# `gh run view --log` names the job and the step before the time.
_GH_VIEW = re2.compile(r"^[^\t]+\t[^\t]+\t\x{FEFF}?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?")
# What tools put before the words of the client they run; taken off again and again, because they nest.
_PREFIX = re2.compile(
    r"^\s*(?:"
    r"#\d+ (?:\d+\.\d+ )?"  # docker build: step number, seconds
    r"|🦋 +(?:info |warn |error |success |note )?"  # changesets
    r"|(?:\[\d{1,2}:\d\d:\d\d(?: [AP]M)?\] )?\[semantic-release\] (?:\[[@\w/.\-]+\] )*(?:› )?(?:[ℹ✔✘⚠] +)?"
    r"|\[\d{1,2}:\d\d:\d\d(?: [AP]M)?\] (?:\[[@\w/.\-]+\] )+(?:› )?(?:[ℹ✔✘⚠] +)?"
    r"|(?:@[\w.\-]+/)?[\w.\-]+:[\w:.\-]+: "  # turborepo: package:task:
    r"|\[(?:@[\w.\-]+/)?[a-z][\w.\-]*\]: "  # yarn workspaces foreach
    r"|[\w./@\-]+ (?:pre|post)?(?:publish|publishOnly|prepublishOnly|release)(?:[\w:\-]*)\$?[:|] "  # pnpm -r
    r"|(?:stderr|stdout): ['\"`]|['\"`](?:npm |lerna )"  # an error object printed by Node
    r"|Step #\d+(?: - \"[^\"]*\")?: "  # Google Cloud Build
    r"|\[[\w.\-]+ : [\w.\-]+\] "  # Tekton
    r"|\[[\w /.\-]+\] +\| "  # act
    r"|##\[(?:error|warning|notice)\]|::(?:error|warning|notice)(?: [^:]*)?::"
    r"|\d+ +: ┆ (?:\[\d+\.\d+s\] \| )?"  # dagger
    r"|[│├╰└─▶×|]+ +"
    r")"
)


_PROMPTS = (b"\x1b[32;1m$ ", b"\x1b[90m$\x1b[0m ", b"\x1b[90m$ \x1b[0m")  # GitLab, Buildkite
_WRAPPERS = frozenset("#🦋[:'\"`│├╰└─▶×|")
_MAY_BE_STAMPED = frozenset("0123456789[stbec\ufeff")


# Docker compose puts the container before each line, in one step of a job among others.
_COMPOSE = re2.compile(r"^[a-z0-9][\w.\-]*-\d+ +\| ")
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line worth reading. `shown`: without stamps and colours; `text`: also without the tools' prefixes.

    `parts`: the lines of the log that this one was joined from, when its tool had broken it.
    """

    number: int
    shown: str
    text: str
    parts: tuple[Line, ...] = ()
    prompted: bool = False  # coloured as only CI systems colour a command that they run


def clean(raw: bytes, frame: Any | None = None) -> Iterator[tuple[str, str]]:
    """The logical lines of one raw line as (shown, text): a progress bar's carriage returns make several.

    `frame`: what this log puts before its lines, beside stamps.
    """
    for shown in _shown(raw, frame):
        yield shown, unwrap(shown)


def _shown(raw: bytes, frame: Any | None) -> Iterator[str]:
    decoded = raw.decode("utf-8", "replace")
    segments = [s for s in decoded.split("\r") if s.strip()] if "\r" in decoded else [decoded]
    stamped = True
    for segment in segments[-MOST_SEGMENTS:]:
        shown = segment
        if stamped:
            shown = without_stamp(shown)
            stamped = shown == ""
        if "\x1b" in shown or "\x08" in shown or "\x00" in shown or "\x07" in shown:
            shown = without_stamp(_ESCAPES.sub("", shown))
        framed = frame.match(shown) if frame is not None else None
        if framed is None and "| " in shown[:LONGEST_NAME]:
            framed = _COMPOSE.match(shown)
        if framed is not None:
            shown = shown[framed.end() :]
        yield shown.rstrip()


def without_stamp(text: str) -> str:
    """The text after the time that the CI system put before it."""
    if (
        text[10:11] == "T"
        and text[4:5] == "-"
        and (end := text.find("Z ", 19, 36)) > 0
        and text[end + 4 : end + 5] not in "OE"
    ):
        return text[end + 2 :]  # GitHub's, by far the most frequent
    if text[:1] in _MAY_BE_STAMPED and (plain := str(_STAMP.sub("", text))) != text:
        return plain
    return str(_GH_VIEW.sub("", text)) if "\t" in text else text


def unwrap(shown: str) -> str:
    """The text without the prefixes of wrapping tools: `#18 40.9 npm error code E404` -> `npm error code E404`."""
    text = shown
    if not _may_be_wrapped(text):
        return text.strip()
    for _ in range(4):
        match = _PREFIX.match(text)
        if not match or match.end() == 0:
            break
        start = match.end()
        # The quote belongs to the wrapper, the client's name after it does not.
        if text[:start].rstrip().endswith(("npm", "lerna")):
            start = max(text.rfind("'", 0, start), text.rfind('"', 0, start), text.rfind("`", 0, start)) + 1
        text = text[start:]
    return text.strip()


def _may_be_wrapped(text: str) -> bool:
    """Cheaper than the pattern, which most lines need not see."""
    if text.lstrip()[:1] in _WRAPPERS:
        return True
    head = text[:100]
    if (end := head.find(": ")) > 0 and " " not in head[:end].strip():
        return True  # one word before the colon: a task of a package, or a stream
    if head.startswith("Step #") or " | " in head[:60]:
        return True
    return end > 0 and ("publish" in head or "release" in head)


def _frame_of(block: bytes) -> Any | None:
    """The frame of a log that begins with this block; most logs have none."""
    raws = block[:LONGEST].split(b"\n")[:MOST_LINES]
    return frame_of((shown for raw in raws for shown in _shown(raw, None)), len(raws))


# An install prints them by the hundred, in words that refusals have too ("is not supported"). Not RE2: its `sub` goes
# back to Python for each; nothing can be tried twice here.
_DEPRECATED = re.compile(rb"npm (?:warn|WARN) deprecated [^\r\n\\]{0,1000}")


class LineReader:
    """Cuts a stream of bytes into lines and gives those to `take` that `anchors()` hit; for None, every line.

    `anchors` is asked again after each line, because what is worth reading depends on the step.
    """

    def __init__(self, anchors: Callable[[], Any | None], take: Callable[[Line], None]) -> None:
        self._anchors = anchors
        self._take = take
        self._buffer = bytearray()
        self._number = 1  # of the line the buffer starts in
        self._inside = 0  # bytes of that line already read
        self._last_byte = 0x0A
        self._frame: Any | None = None
        self._framed = False  # the frame has been looked for
        self.head = b""  # how the log begins
        self.tail: list[tuple[int, bytes]] = []  # the last lines of the last blocks, for a log nothing else explains

    @property
    def lines(self) -> int:
        """How many lines the log had; a last one without a newline counts."""
        return self._number if self._last_byte != 0x0A else self._number - 1

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, in pieces of any size."""
        if not chunk:
            return
        self._last_byte = chunk[-1]
        self.head += chunk[: HEAD_BYTES - len(self.head)]
        self._buffer += chunk
        while len(self._buffer) >= BLOCK:
            block = bytes(self._buffer[:BLOCK])
            used = block.rfind(b"\n") + 1
            if not used:  # one line longer than a block: read it in whole pieces, keep the rest
                used = self._whole_pieces(len(block))
            self._read(block[:used])
            del self._buffer[:used]

    def finish(self) -> None:
        """Read what is left."""
        if self._buffer:
            self._read(bytes(self._buffer))
            self._buffer.clear()

    def _whole_pieces(self, size: int) -> int:
        end = (self._inside + size) // LONGEST * LONGEST
        return end - self._inside

    def _read(self, block: bytes) -> None:
        if not self._framed:
            self._framed, self._frame = True, _frame_of(block)
        if b" deprecated " in block and b"\n" in block:  # not in pieces of one endless line
            block = _DEPRECATED.sub(b"", block)
        number, counted, position = self._number, 0, 0
        searched: Any = None
        hits: Iterator[Any] = iter(())
        while position < len(block):
            start = position
            anchors = self._anchors()
            if anchors is not None:
                if anchors is not searched:
                    searched, hits = anchors, anchors.finditer(block, position)
                start = -1
                for hit in hits:
                    start = hit.start()
                    if start >= position:
                        break
                if start < position:
                    break
            number += block.count(b"\n", counted, start)
            counted = start
            low, high = self._piece(block, start)
            self._give(number, block[low:high])
            position = high + 1 if block[high : high + 1] == b"\n" else high
        self._number = number + block.count(b"\n", counted)
        newline = block.rfind(b"\n")
        self._inside = len(block) - newline - 1 if newline >= 0 else self._inside + len(block)
        self._keep_tail(block)

    def _piece(self, block: bytes, position: int) -> tuple[int, int]:
        """Where the line around `position` starts and ends; of a very long line, the piece it falls into."""
        start = block.rfind(b"\n", 0, position) + 1
        end = block.find(b"\n", position)
        end = len(block) if end < 0 else end
        before = self._inside if start == 0 else 0
        if before + end - start > LONGEST:
            piece = (before + position - start) // LONGEST
            low = max(start, start + piece * LONGEST - before)
            return low, min(end, start + (piece + 1) * LONGEST - before)
        return start, end

    def _give(self, number: int, raw: bytes) -> None:
        for shown, text in clean(raw, self._frame):
            if text or shown:
                prompted = shown.startswith("$ ") and any(prompt in raw for prompt in _PROMPTS)
                self._take(Line(number, shown, text, prompted=prompted))

    def _keep_tail(self, block: bytes) -> None:
        pieces = block[-TAIL_BYTES:].split(b"\n")
        first = self._number - len(pieces) + 1
        kept = [(first + i, piece[:LONGEST]) for i, piece in enumerate(pieces) if piece.strip()]
        self.tail = (self.tail + kept)[-TAIL_LINES:]
