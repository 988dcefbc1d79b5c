"""Reads one job log in one pass, with bounded memory, and says why it failed. Pure: no I/O, no clock.

    reader = LogReader()
    reader.feed(chunk)          # any pieces; may run in a worker thread
    diagnosis = reader.finish()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import re2

from bot.credentials import mask
from bot.diagnosis.commands import setting_of
from bot.diagnosis.diagnosis import Diagnosis
from bot.diagnosis.job_log import Line, LineReader
from bot.diagnosis.judging import Hit, Reading, judge
from bot.diagnosis.packages import Packages
from bot.diagnosis.rule import Setting
from bot.diagnosis.rulebook import rule_book
from bot.diagnosis.steps import Steps
from bot.diagnosis.tools import Tools

MOST_HITS = 3000  # of one log; beyond, only new kinds of hits are kept
MOST_OF_A_KIND = 40  # hits of one rule in one step
MOST_CLUE_LINES = 3
MOST_JOINED = 40  # lines of one message that its tool broke into several

# Some tools print the reason on the lines after the one that looks like an error.
_FOLLOW = (
    (re2.compile(r"^npm publish error:"), 4),  # nx
    (re2.compile(r"^Caused by:"), 4),  # cargo
    (re2.compile(r"^\[ERR_PNPM|^ ?ERR_PNPM|^Error: ERR_PNPM"), 3),
    (re2.compile(r"npm (?:ERR!|error) code "), 4),
    (re2.compile(r"[Pp]ackages? failed to publish|packages published successfully|Found \d+ packages? to publish"), 6),
    (re2.compile(r"^\* What went wrong|^Trusted publishing exchange failure|^##\[error\]Trusted publishing"), 4),
    (re2.compile(r"\bnpm --version\b"), 2),
)
# Messages that a tool wraps at 80 columns: how they begin, and what their other lines look like.
_WRAPPED = (
    (re2.compile(r"^(?:Error: +)?\s*×\s"), re2.compile(r"^\s*[│├╰]")),  # pnpm 12
    (re2.compile(r"^ERROR +HTTPError: "), re2.compile(r"^ {6,}\S")),  # twine
    (re2.compile(r"^(?:error: )?[45]\d\d [A-Z][\w ]+: https?://"), re2.compile(r"^ - ")),  # bun: address, then reason
    (re2.compile(r"YN0035: \S"), re2.compile(r"YN0035:  +(?:Response|Request) ")),  # yarn berry: reason, then address
)
_INSTALLS = re2.compile(
    r"^bun install v|^yarn install v|^\[1/[45]\] (?:🔍 +)?(?:Resolving|Validating)|Resolution step|^Lockfile is up to date|^Progress: resolved|^Resolving dependencies"
    r"|npm (?:warn|WARN) deprecated|installing dependencies|while installing|^Scope: all \d+|ERR_PNPM_(?:FETCH_|NO_MATCHING)|GET https?://[^ ]+ - [45]\d\d$|failed to resolve$"
)
_PUBLISHES = re2.compile(
    r"npm notice (?:📦|Publishing to|Tarball|=== Tarball|package:|Staging to)|^bun publish v|^yarn publish v|YN0000: (?:Publishing|Staging) to|^📦 .+ →"
    r"|^lerna (?:info publish|WARN notice|http fetch PUT|success published)|^🦋 +(?:info|error|warn|success)|\[semantic-release\]|^changeset publish|Publishing packages"
    r"|^Uploading |Pushing \S+ to |The push refers|nx-release-publish|^Publish(?:ing)? a new version of|^\[3/[45]\] Publishing|^Trusted publishing exchange"
)
_PUBLISHES_TO = re2.compile(
    r"(?:Publishing|Staging) to https?://([\w.\-]+)|^Registry: https?://([\w.\-]+)|^📦 .+ → https?://([\w.\-]+)|http fetch PUT \d+ https?://([\w.\-]+)"
    r"|(?:PUT|POST) https?://([\w.\-]+)|Couldn't publish package: \"https?://([\w.\-]+)|for registry https?://([\w.\-]+)|Request URL: https?://([\w.\-]+)|logged in to https?://([\w.\-]+)"
)
_DONE_INSTALLING = re2.compile(r"^(?:added|up to date|changed|removed) \d* ?packages?|^up to date|^Done in |YN0000: · Done|packages? installed")
_DRY_RUN = re2.compile(r"\(dry-run\)|--dry-run|\bdry[ -]run\b")
_ADMINISTERS = re2.compile(r"^npm notice deprecating ")


class LogReader:
    """Takes a log in pieces and gives a Diagnosis. `at`: when the job ran, if known; else the log's own stamps tell."""

    def __init__(self, at: datetime | None = None) -> None:
        self._book = rule_book()
        self._lines = LineReader(self._book.anchors, self._take, self._wants_more)
        self._steps = Steps()
        self._packages = Packages()
        self._tools = Tools()
        self._hits: list[Hit] = []
        self._kinds: Counter[tuple[int, int]] = Counter()
        self._clues: dict[int, dict[str, list[Line]]] = {}
        self._codes: list[tuple[int, int, str]] = []
        self._success_lines: list[int] = []
        self._good_lines: list[Line] = []
        self._hosts: dict[int, str] = {}
        self._masked = 0
        self._registry: str | None = None
        self._setting: Setting = "other"
        self._step = 0
        self._publishing = False
        self._dry_run = False
        self._follow = 0
        self._wrapped: list[Line] = []
        self._continues: re2._Regexp | None = None
        self._at = at

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        self._lines.feed(chunk)

    def finish(self) -> Diagnosis:
        """The verdict over everything fed."""
        self._lines.finish()
        self._close_wrapped()
        return judge(
            Reading(
                hits=self._hits,
                steps=self._steps,
                packages=self._packages,
                tools=self._tools,
                clues=self._clues,
                codes=self._codes,
                registry=self._registry,
                publishing=self._publishing,
                dry_run=self._dry_run,
                tail=self._lines.tail,
                lines=self._lines.lines,
                success_lines=self._success_lines,
                good_lines=self._good_lines,
                hosts=self._hosts,
                masked=self._masked,
                book=self._book,
            )
        )

    def _wants_more(self) -> bool:
        return self._follow > 0 or bool(self._wrapped) or self._steps.reading_header

    def _take(self, line: Line) -> None:
        if self._wrapped:
            if self._continues is not None and self._continues.search(line.shown) and len(self._wrapped) < MOST_JOINED:
                self._wrapped.append(line)
                return
            self._close_wrapped()
        for begins, continues in _WRAPPED:
            if begins.search(line.shown):
                self._wrapped, self._continues = [line], continues
                return
        self._read(line)

    def _close_wrapped(self) -> None:
        if self._wrapped:
            first = self._wrapped[0]
            parts = [part.shown.strip().lstrip("│├╰─▶× ").strip() for part in self._wrapped]
            joined = " ".join(part for part in parts if part)
            self._wrapped = []
            self._read(Line(first.number, joined, joined.removeprefix("Error: ").lstrip("× ")))

    def _read(self, line: Line) -> None:
        self._masked += mask(line.shown)[1]
        self._follow -= self._follow > 0
        in_header = self._steps.reading_header
        self._steps.read(line)
        step, index = self._steps.current, len(self._steps.all) - 1
        if index != self._step or in_header:
            self._enter(index)
        self._tools.read(line)
        if self._steps.reading_header or in_header:
            self._read_header(line, index)
            return
        self._switch_setting(line)
        if step.setting != "build":
            follow = self._setting in ("publish", "other")
            if self._packages.read(line.text, follow=follow):
                self._succeeded(line)
        if self._setting != "build" and (host := _PUBLISHES_TO.search(line.text)):
            self._hosts[index] = next(g for g in host.groups() if g)
        self._note(line, index)
        for begins, count in _FOLLOW:
            if begins.search(line.text):
                self._follow = max(self._follow, count)

    def _enter(self, index: int) -> None:
        """A new step, or one whose header said more about it."""
        step = self._steps.current
        self._step, self._setting = index, step.setting
        if named := self._book.registry_of_command(step.command):
            self._registry = named
        if step.setting == "publish":
            self._publishing = True
            self._tools.read_command(step.command)
            if _DRY_RUN.search(step.command):
                self._dry_run = True

    def _read_header(self, line: Line, index: int) -> None:
        """A script's own text decides nothing, but tells what it means to do."""
        found = self._book.match(line.text)
        if found:
            for clue in found.clues:
                if clue.endswith("-intended"):
                    self._clues.setdefault(index, {}).setdefault(clue, [line])

    def _switch_setting(self, line: Line) -> None:
        """Within one step a script may install, build and publish in turn; the tools' first lines tell which."""
        step = self._steps.current
        text = line.text
        if text.startswith("> ") and step.setting != "build":
            command = text[2:]
            run = command.split(" ", 1)[-1] if "@" in command.split(" ", 1)[0] else command
            kind = setting_of(run)
            if kind in ("build", "publish"):
                self._setting = kind
        elif step.setting == "build":
            return
        elif _PUBLISHES.search(text):
            self._setting = "publish"
            self._publishing = True
        elif _INSTALLS.search(text) and step.setting != "install":
            self._setting = "install"
        elif self._setting == "install" and step.setting != "install" and _DONE_INSTALLING.search(text):
            self._setting = step.setting
        if _DRY_RUN.search(text) and self._setting == "publish":
            self._dry_run = True
            self._good_lines.append(line)
        if _ADMINISTERS.search(text):
            step.administration = True

    def _note(self, line: Line, index: int) -> None:
        found = self._book.match(line.text) or (self._book.match(line.shown) if line.shown != line.text else None)
        code = code_line(line.text)
        if code and len(self._codes) < MOST_HITS:
            self._codes.append((index, line.number, code))
        if not found:
            return
        if found.output_of and self._steps.current.setting != "build":
            named = next((n for n in found.output_of if n != "npm"), found.output_of[0])
            if self._registry in (None, "npm") or named != "npm":
                self._registry = named
        clues = self._clues.setdefault(index, {})
        if "nothing-to-publish" in found.clues and len(self._good_lines) < MOST_OF_A_KIND:
            self._good_lines.append(line)
        if "publish-succeeded" in found.clues and self._setting != "build":
            self._succeeded(line)
        for clue in found.clues:
            lines = clues.setdefault(clue, [])
            if len(lines) < MOST_CLUE_LINES:
                lines.append(line)
        if not found.rules or len(self._hits) >= MOST_HITS:
            return
        kind = (index, found.rules[0])
        self._kinds[kind] += 1
        if self._kinds[kind] > MOST_OF_A_KIND:
            return
        self._hits.append(
            Hit(
                line=line,
                rules=found.rules,
                step=index,
                setting=self._setting,
                registry=self._registry,
                named=self._packages.named_by(line.text),
            )
        )

    def _succeeded(self, line: Line) -> None:
        if len(self._success_lines) < MOST_HITS:
            self._success_lines.append(line.number)
        if len(self._good_lines) < MOST_OF_A_KIND:
            self._good_lines.append(line)


_CODE_LINE = re2.compile(r"npm (?:ERR!|error) code (\S+)|^\[?(?:Error: )?\[?(ERR_PNPM_[A-Z0-9_]+)|\"code\": \"(E[A-Z0-9_]+)\"")


def code_line(text: str) -> str | None:
    """The code of a line that says nothing but a code, as npm and pnpm print before the reason."""
    match = _CODE_LINE.search(text)
    return next((g for g in match.groups() if g), None) if match else None


def diagnose(data: bytes | Iterable[bytes], at: datetime | None = None) -> Diagnosis:
    """The diagnosis of a whole log, given at once or in pieces."""
    reader = LogReader(at)
    for chunk in (data,) if isinstance(data, bytes) else data:
        reader.feed(chunk)
    return reader.finish()
