"""Reads one job log in one pass, with bounded memory, and says why it failed. Pure: no I/O, no clock.

reader = LogReader()
reader.feed(chunk)          # any pieces; may run in a worker thread
diagnosis = reader.finish()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import re2

from bot.diagnosis import printed_errors
from bot.diagnosis.ci_marks import child_command
from bot.diagnosis.commands import only_builds, only_logs_in, only_pushes_git, setting_of, tolerated
from bot.diagnosis.credential_count import CredentialCount
from bot.diagnosis.diagnosis import Diagnosis
from bot.diagnosis.job_log import Line, LineReader
from bot.diagnosis.judging import Hit, Reading, judge
from bot.diagnosis.marks import code_line, date_of, host_of, image_command, written_host
from bot.diagnosis.other_services import is_service
from bot.diagnosis.packages import Packages
from bot.diagnosis.quotes import Quotes
from bot.diagnosis.rule import QUIET, Setting
from bot.diagnosis.rulebook import Match, rule_book
from bot.diagnosis.steps import Steps
from bot.diagnosis.tools import NPM_CLIENTS, Tools

MOST_HITS = 3000  # of one log; beyond, only new kinds of hits are kept
MOST_OF_A_KIND = 40  # hits of one rule in one step
MOST_CLUE_LINES = 3
MOST_JOINED = 40  # lines of one message that its tool broke into several

_NPM_LIKE = frozenset({"npm", "github-packages"})
_MANIFESTS = ("package.json", "pyproject.toml", "Cargo.toml")
LINES_OF_MESSAGE = 8  # that npm prints of one error
LINES_AFTER = 6  # read after a line whose tool prints the reason below it
# semantic-release marks each line with what it is: these are no errors, whatever they quote. choco guesses first.
_SAYS_NOTHING = re2.compile(r"\[semantic-release\][^›\n]*› +[ℹ✔] |^An error has occurred\. It's possible ")
_NAMES_NO_PACKAGE = ("✔ npm publish", "Published to http")  # release-it, nx: the package at hand was published
_BUILD_PART = re2.compile(r"^#(\d+) (?:\d+\.\d+ )?((?:im|ex)porting (?:to )?cache\b)?")
_PASSED_OVER = re2.compile(r"(?i)\((?:ignored|ignoring[^)]*|non-fatal|not fatal|optional[^)]*)\)$")
# Messages that a tool breaks into lines: a word they hold, how they begin, and what their other lines look like.
_WRAPPED = (
    ("×", re2.compile(r"^(?:Error: +)?\s*×\s"), re2.compile(r"^\s*[│├╰]")),  # pnpm 12
    ("ERROR", re2.compile(r"^ERROR +(?:HTTPError|Invalid\w+): "), re2.compile(r"^ {6,}\S")),  # twine
    (
        ": http",
        re2.compile(r"^(?:error: )?[45]\d\d [A-Z][\w ]+: https?://"),
        re2.compile(r"^ - "),
    ),  # bun: address, then reason
    (
        "YN0035",
        re2.compile(r"YN0035: \S"),
        re2.compile(r"YN0035: [ │]+(?:Response|Request) "),
    ),  # yarn berry: reason, then address
)


class LogReader:
    """Takes a log in pieces and gives a Diagnosis. `at`: when the job ran, if known; else the log's own stamps tell."""

    def __init__(self, at: datetime | None = None) -> None:
        self._book = rule_book()
        self._lines = LineReader(self._anchors, self._take)
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
        self._voices: dict[int, set[str]] = {}
        self._quotes = Quotes()
        self._cache_parts: set[str] = set()  # the numbers under which an image's build reads and writes caches
        self._tests_over: dict[int, int] = {}
        self._read_missed = -LINES_OF_MESSAGE - 1
        self._credentials = CredentialCount()
        self._matched = False
        self._registry: str | None = None
        self._setting: Setting = "other"
        self._step = 0
        self._publishing = False
        self._dry_run = False
        self._follow = 0
        self._reason_after = 0  # the last line that said that the reason stands below
        self._wrapped: list[Line] = []
        self._continues: re2._Regexp | None = None
        self._at = at.date() if at else None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        self._lines.feed(chunk)
        self._credentials.feed(chunk)

    def finish(self) -> Diagnosis:
        """The verdict over everything fed."""
        self._lines.finish()
        self._credentials.finish()
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
                voices=self._voices,
                tests_over=self._tests_over,
                masked=self._credentials.count,
                matched=self._matched,
                at=self._at or date_of(self._lines.head),
                book=self._book,
            )
        )

    def _anchors(self) -> Any | None:
        """What to look for next. Tests print whatever they like about registries; only their failures count there."""
        if self._follow or self._wrapped or self._steps.reading_header:
            return None
        return self._book.build_anchors if self._steps.quiet and self._setting in QUIET else self._book.anchors

    def _take(self, line: Line) -> None:
        if self._wrapped:
            most = printed_errors.MOST_LINES if self._continues is printed_errors.CONTINUES else MOST_JOINED
            if self._continues is not None and self._continues.search(line.shown) and len(self._wrapped) < most:
                self._wrapped.append(line)
                return
            self._close_wrapped()
        if any(sign in line.shown for sign in printed_errors.SIGNS) and printed_errors.begins(line.shown):
            self._wrapped, self._continues = [line], printed_errors.CONTINUES
            return
        for sign, begins, continues in _WRAPPED:
            if sign in line.shown and begins.search(line.shown):
                self._wrapped, self._continues = [line], continues
                return
        self._read(line)

    def _close_wrapped(self) -> None:
        if self._wrapped:
            first = self._wrapped[0]
            texts = [part.shown.strip().lstrip("│├╰─▶× ").strip() for part in self._wrapped]
            joined = " ".join(text for text in texts if text)
            parts, self._wrapped = tuple(self._wrapped), []
            if self._continues is printed_errors.CONTINUES:
                if said := printed_errors.in_one_line([part.shown for part in parts]):
                    self._read(Line(first.number, said, said, parts))
                for part in parts if not said else ():
                    self._read(part)
                return
            self._read(Line(first.number, joined, joined.removeprefix("Error: ").lstrip("× "), parts))

    def _read(self, line: Line) -> None:
        self._follow -= self._follow > 0
        if self._steps.reading_header and not self._steps.may_end_header(line):
            self._steps.read(line)
            self._read_header(line)
            return
        found = self._book.match(line.text)
        if self._steps.reading_header or found.structure or line.prompted or line.shown.startswith("##["):
            self._steps.read(line)
            if self._steps.reading_header:
                return
            self._enter(len(self._steps.all) - 1)
            if self._steps.current.line == line.number and self._steps.current.command:
                return  # the command itself: what it names, it has not met
        if not found.anything and not self._quotes.inside:
            if self._tools.awaits_version:
                self._tools.read(line, found)
            return
        first = not self._matched and len(self._steps.all) == 1
        self._matched = True
        self._of_cache(line)
        if found.code and len(self._codes) < MOST_HITS and (code := code_line(line.text)):
            self._codes.append((self._step, line.number, code))
        if self._quotes.swallows(line) or self._quotes.quoted(line, found, first=first):
            return
        self._tools.read(line, found)
        self._switch_setting(line, found)
        if line.shown.startswith(("[", "➤ YN00")) and self._setting in ("publish", "other"):
            self._packages.read_workspace(line.shown)
        may_name = self._setting in ("publish", "other")
        if found.packages and self._packages.read(line.text, found.packages, publishing=may_name):
            self._succeeded(line)
        if found.address and self._setting not in QUIET:
            self._hosts[self._step] = host_of(line.text)
        self._note(line, found)
        if found.reason_below:
            self._follow, self._reason_after = LINES_AFTER, line.number

    def _enter(self, index: int) -> None:
        """A new step, or one whose header has been read to its end."""
        step = self._steps.current
        if step.entered:
            return
        step.entered = True
        self._quotes.end()
        self._step, self._setting = index, step.setting
        if named := self._book.registry_of_command(step.command):
            self._registry = named
        if self._tools.asks_version(step.command):
            self._follow = LINES_AFTER
        if step.setting == "publish":
            self._publishing = self._publishing or not (only_logs_in(step.command) or only_pushes_git(step.command))
            self._tools.read_command(step.command)
            self._packages.read_command(step.command)
            self._dry_run = self._dry_run or "--dry-run" in step.command

    def _read_header(self, line: Line) -> None:
        """A script's own text decides nothing, but tells what it means to do."""
        if "OIDC" not in line.text and "rusted" not in line.text:
            return
        for clue in self._book.match(line.text).clues:
            if clue.endswith("-intended"):
                self._clues.setdefault(len(self._steps.all) - 1, {}).setdefault(clue, [line])

    def _switch_setting(self, line: Line, found: Match) -> None:
        """Within one step a script may install, build and publish in turn; the tools' first lines tell which."""
        step = self._steps.current
        if "image-step" in found.marks:
            # Building an image may run anything, also a publish; what it runs decides, as everywhere.
            kind = setting_of(image_command(line.text))
            if step.setting == "build" or (kind == "install" and step.setting == "publish"):
                self._setting = kind
            self._publishing = self._publishing or self._setting == "publish"
        elif "image-push" in found.marks and step.setting == "publish":
            self._setting = "publish"
        if found.child:
            step.ran = child_command(line.text)
            self._packages.read_script(line.text)
        elif "manifest" in found.marks and any(name in step.command for name in _MANIFESTS):
            self._packages.read_manifest(line.text)
        if "shell-speaks" in found.marks:
            # Where only prompts tell the steps apart, the script that ran the last of them may be speaking.
            self._setting = "other" if step.setting in QUIET and not step.headed else step.setting
        if "publishes-in-public" in found.marks and step.setting == "build" and only_builds(step.command):
            step.setting = self._setting = "publish"
            self._publishing = True
        if step.setting in QUIET and not (step.setting == "build" and self._client_publishes(line)):
            return
        if "lifecycle" in found.marks:
            self._publishing = True
        if found.child:
            kind = setting_of(child_command(line.text))
            if kind in ("build", "publish") or is_service(child_command(line.text)):
                self._setting = kind
        elif "publishes" in found.marks or (found.address and self._writes(line)):
            self._setting = "publish"
            self._publishing = True
        elif (
            "installs" in found.marks or ("reads" in found.marks and step.setting == "other")
        ) and step.setting != "install":
            self._setting = "install"
            self._amend(line)
        elif "installed" in found.marks and self._setting == "install" and step.setting != "install":
            self._setting = step.setting
        if "dry-run" in found.marks and self._setting == "publish":
            self._dry_run = True
            self._good_lines.append(line)
        if "administers" in found.marks:
            step.administration = True

    def _writes(self, line: Line) -> bool:
        """Whether a script that is no client shows a request that writes to a known registry."""
        host = written_host(line.text) if self._setting not in QUIET else ""
        named = self._book.registry_of_host(host) if host else None
        if named:
            self._registry = named
            self._voices.setdefault(self._step, set()).add(named)
        return named is not None

    def _client_publishes(self, line: Line) -> bool:
        """Whether a client names itself as publishing, where only the log's own looks tell the steps apart."""
        return not self._steps.current.headed and line.shown.startswith(("yarn publish v", "bun publish v"))

    def _amend(self, line: Line) -> None:
        """What the same message said before it named the read was about the read too."""
        for hit in self._hits[-LINES_OF_MESSAGE:]:
            if hit.step == self._step and hit.setting == "other" and line.number - hit.line.number < LINES_OF_MESSAGE:
                hit.setting = "install"

    def _note(self, line: Line, found: Match) -> None:
        if NPM_CLIENTS.intersection(found.tools) and self._steps.current.setting not in QUIET:
            self._voices.setdefault(self._step, set()).add("npm")
        if found.output_of and self._steps.current.setting not in QUIET:
            self._voices.setdefault(self._step, set()).update(found.output_of)
            named = next((n for n in found.output_of if n != "npm"), found.output_of[0])
            if self._registry in (None, "npm") or named != "npm":
                self._registry = named
        clues = self._clues.setdefault(self._step, {})
        for clue in found.clues:
            lines = clues.setdefault(clue, [])
            if len(lines) < MOST_CLUE_LINES:
                lines.append(line)
        if {"nothing-to-publish", "publish-announced"}.intersection(found.clues) and len(
            self._good_lines
        ) < MOST_OF_A_KIND:
            self._good_lines.append(line)
        published = "publish-succeeded" in found.clues and self._setting not in QUIET
        if published or ("step-succeeded" in found.clues and self._setting == "publish"):
            self._succeeded(line)
            if line.text.startswith(_NAMES_NO_PACKAGE) or "Package archive published" in line.text:
                self._packages.archived()
        if "tests-over" in found.marks:
            self._tests_over[self._step] = line.number
        if "read-missed" in found.marks:
            self._read_missed = line.number
        rules = found.rules
        if self._quotes.signed(line):
            rules = self._book.without_git(self._book.without_registries(rules, _NPM_LIKE))
        if "nothing-to-publish" in found.clues:
            rules = ()  # a guard that says why it does nothing
        if _SAYS_NOTHING.search(line.shown):
            rules = self._book.without_registries(rules)
        if _PASSED_OVER.search(line.text) or self._of_cache(line):
            rules = self._book.without_credentials(rules)
        if self._tells_what_was_read(line, found):
            rules = self._book.without_registries(rules)
        if "test-result" in found.marks or tolerated(self._steps.current.command):
            rules = self._book.without_credentials(rules)
        if not rules or len(self._hits) >= MOST_HITS:
            return
        kind = (self._step, rules[0])
        self._kinds[kind] += 1
        if self._kinds[kind] <= MOST_OF_A_KIND:
            named_package = self._packages.named_by(
                line.text, by_address=self._registry in (None, "npm", "github-packages")
            )
            reason = line.number - self._reason_after == 1
            self._hits.append(Hit(line, rules, self._step, self._setting, self._registry, named_package, reason))

    def _of_cache(self, line: Line) -> bool:
        """Whether the line is about a cache of image layers: a build goes on without it."""
        part = _BUILD_PART.search(line.shown) if line.shown.startswith("#") else None
        if part and part.group(2):
            self._cache_parts.add(part.group(1))
        return part is not None and part.group(1) in self._cache_parts

    def _tells_what_was_read(self, line: Line, found: Match) -> bool:
        """Whether the line is the rest of a message about a package that could not be read; writes are told alike."""
        return "missing" in found.marks and line.number - self._read_missed <= LINES_OF_MESSAGE

    def _succeeded(self, line: Line) -> None:
        if len(self._success_lines) < MOST_HITS:
            self._success_lines.append(line.number)
        if len(self._good_lines) < MOST_OF_A_KIND:
            self._good_lines.append(line)


def diagnose(data: bytes | Iterable[bytes], at: datetime | None = None) -> Diagnosis:
    """The diagnosis of a whole log, given at once or in pieces."""
    reader = LogReader(at)
    for chunk in (data,) if isinstance(data, bytes) else data:
        reader.feed(chunk)
    return reader.finish()
