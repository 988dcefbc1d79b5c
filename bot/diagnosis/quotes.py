"""Tells what a client printed from what quotes it: release notes, commit messages, diffs, code, logs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from bot.diagnosis.job_log import Line

if TYPE_CHECKING:
    from bot.diagnosis.rulebook import Match

MOST_LINES = 400  # of a quotation; one that never ends was none
FRAME_DISTANCE = 12  # lines between two lines of one client that have the same words before them
MOST_FRAMES = 200

# What begins a quotation, what ends it, and after how many lines it was none. Only lines that hold an anchor are seen,
# so what ends one must be anchored or be short.
_NOT_INDENTED = r"^\S.*[^:\s]\s*$"
_REGIONS = (
    (r"Release note for version \S+:$", r"\[semantic-release\]", MOST_LINES),
    (r"^#{1,3} \[?v?\d+\.\d+\.\d+[^\n]{0,300}\(\d{4}-\d\d-\d\d\)$", r"\[semantic-release\]", 60),
    (r"^⧗ +input: ", r"^[✖✔⚠] +found \d+ problem", MOST_LINES),
    (r"^\s*(?:```|~~~)[\w+\-]*$", r"^\s*(?:```|~~~)$", MOST_LINES),
    # What the code under test printed: jest, vitest, pytest.
    (r"^\s*● Console$", r"^(?:PASS|FAIL) |^Test Suites: ", 80),
    (r"^(?:stderr|stdout) \| ", r"^\s*[✓✔❯×✗] ", 12),
    (r"^-{5,} Captured (?:stdout|stderr|log)", r"^[=_]{5,}", 80),
    # What a program says of its options, and the words of a file that a linter or a compiler points at: both indented.
    (r"^(?:Usage|usage|USAGE): ", _NOT_INDENTED, 80),
    (r"^\S+:\d+(?::\d+)?: (?:WARNING|ERROR|SEVERE|warning|error): ", _NOT_INDENTED, 6),
)
_FENCE = re2.compile(r"^\s*(?:```|~~~)[\w+\-]*$")
_OPENERS = tuple((re2.compile(begins), re2.compile(ends), most) for begins, ends, most in _REGIONS)
QUOTE_MARKS = {"quotation": tuple(begins for begins, _, _ in _REGIONS)}
QUOTE_ANCHORS = (
    r"```|~~~|⧗|Release note for version|found [0-9]+ problem|## \[?v?[0-9]+\.[0-9]+\.[0-9]+",
    r"Usage: |usage: |USAGE: |: WARNING: |: ERROR: |[0-9]: (?:warning|error): ",
    r"● Console|stderr \| |stdout \| |-- Captured |^=====+ |PASS |Test Suites: ",
)

# Subjects of commits, as git and those that read its history show them, and names of branches and tags.
_SUBJECT = re2.compile(
    r"(?:^|› +ℹ +)Analyzing commit: |^(?:HEAD is now at|Previous HEAD position was) [0-9a-f]{7,40} |^Commit message: \""
    r"|^\[[\w./\- ()]+ [0-9a-f]{7,40}\] |^[0-9a-f]{7,40} (?:\([^)]*\) )?[A-Za-z]|^ ?\* \[new (?:branch|tag|ref)\] "
    r"|^(?:[*\-] +)?(?:feat|fix|docs|chore|refactor|perf|revert)(?:\([\w\-./, ]+\))?!?: \S"
)
_CLIENT = re2.compile(r"npm (?:ERR!|error|notice|warn|WARN) ")
# Before the client's name: a sign of a diff, a list, a quotation, a heading, a test's report.
_SIGN = re2.compile(
    r"^\s*(?:[+<>*•]\s|[+\-]npm |- (?:[A-Z*`\[]|npm |[\w()/.\-]+: )|\d+[.)] |#{1,6} [A-Za-z*`]"
    r"|E {2,}|⧗)"
)
_SIGNS = frozenset("+-<>*•#E⧗0123456789")
_NO_SIGN = re2.compile(r"^\s*>+ +(?:NX|nx)\b|^> (?:Could|Received|Task|Failed)")
# A file's line (grep, a linter), an opening quote, a line of another job's log.
_POINTED = re2.compile(r"^\S+:\d+(?::\d+)?(?::|\s|-)|^[^\t]+\t[^\t]+\t\x{FEFF}?\d{4}-\d\d-\d\dT")
# What stands at a place in a file, as grep, linters and test runners show it.
_LOCATED = re2.compile(r"^\s*[\w@./\\-]*[\w-]\.[A-Za-z]{1,6}:\d+(?::\d+)?: ?")
_OPEN = re2.compile(r"[\"'`(“‘«]$")
# What tools put before the words of the client they ran.
_WRAPPER = re2.compile(
    r"(?:lerna ERR! |(?:^|[^\w])(?i:error|err|stderr|stdout|output|message|summary|detail|reason)"
    r"[\"']?[:\]]? *[\"'`]?)$"
)
_DIGITS = re2.compile(r"\d+")


class Quotes:
    """Follows where quotations begin and end, and which words stand before a client's lines again and again."""

    def __init__(self) -> None:
        self._ends: re2._Regexp | None = None
        self._over = 0  # the last line that it can have
        self._frames: dict[str, int] = {}  # words before a client's lines: number of the last line

    def end(self) -> None:
        """A step ends whatever was being quoted."""
        self._ends = None

    @property
    def inside(self) -> bool:
        return self._ends is not None

    def swallows(self, line: Line) -> bool:
        """Whether the line still belongs to the quotation that has begun."""
        if self._ends is None:
            return False
        over = line.number > self._over
        if over or self._ends.search(line.shown):
            self._ends = None
            return not over and line.shown.strip(" `~") == ""
        return True

    def quoted(self, line: Line, found: Match, *, first: bool = False) -> bool:
        """Whether the line repeats what was said elsewhere. `first`: nothing of a log stood before it."""
        if first and _FENCE.search(line.shown):
            return False  # the log itself, pasted into a message
        if "quotation" in found.marks:
            for begins, ends, most in _OPENERS:
                if begins.search(line.shown):
                    self._ends, self._over = ends, line.number + most
                    return True
        located = bool(_LOCATED.search(line.shown) or _SUBJECT.search(line.text))
        return not line.parts and (located or self._quotes_client(line))

    @staticmethod
    def signed(line: Line) -> bool:
        """Whether the line begins as those of a list, a diff or a quotation do, and no line of npm does."""
        return (
            not line.parts
            and line.shown.lstrip()[:1] in _SIGNS
            and bool(_SIGN.search(line.shown))
            and not _NO_SIGN.search(line.shown)
        )

    def _quotes_client(self, line: Line) -> bool:
        """Whether words stand before the client's name that are no tool's nor CI system's way of showing its output."""
        if "npm " not in line.text:  # most lines: cheaper than the pattern
            return False
        client = _CLIENT.search(line.text)
        if client is None:
            return False
        if client.start() == 0:
            return line.shown != line.text and bool(_POINTED.search(line.shown))
        before = line.text[: client.start()]
        if not before.strip() or _WRAPPER.search(before):
            return False
        if _POINTED.search(line.shown) or _OPEN.search(before):
            return True
        frame = str(_DIGITS.sub("0", before))
        last = self._frames.get(frame)
        if last is not None or len(self._frames) < MOST_FRAMES:
            self._frames[frame] = line.number
        return last is None or line.number - last > FRAME_DISTANCE
