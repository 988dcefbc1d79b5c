"""The lines that a diagnosis shows: masked, cut to a readable length, with their numbers. Pure."""

from __future__ import annotations

import re2

from bot.credentials import mask
from bot.diagnosis.deciding import Finding, Reading
from bot.diagnosis.diagnosis import EvidenceLine
from bot.diagnosis.job_log import LONGEST, clean

MOST_LINES = 8
LONGEST_SHOWN = 600  # characters; a reader wants the fact, not the page
_SUCCESS = re2.compile(
    r"^\s*\+ @?[\w./~\-]+@\d|(?:✅|success|Successfully|[Pp]ackages? archive|packages?) ?.*\b(?:[Pp]ublished|[Ss]taged|registered)|[Pp]ublished |has been staged|[Ss]taged |was pushed|digest: sha256"
)
_ERROR = re2.compile(
    r"(?i)\berror\b|ERR!|\bfailed\b|fatal|exception|denied|exit code [1-9]|core dumped|never called|published|unable|cannot|no new version|release PR"
)


class Excerpts:
    """Makes evidence lines and counts the credentials it hid."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.masked = reading.masked

    def evidence(self, cause: str, findings: list[Finding], first: Finding | None, stacked: list[Finding]) -> tuple[EvidenceLine, ...]:
        """The deciding lines, first one first."""
        reading = self._reading
        wanted: list[tuple[int, str]] = []
        if first is not None:
            wanted.append((first.hit.line.number, first.hit.line.shown))
            clues = reading.clues.get(first.hit.step, {})
            wanted += [(l.number, l.shown) for c in sorted(first.rule.requires) for l in clues.get(c, ())]
            if first.rule.requires & {"token-placeholder", "token-empty"}:
                wanted += [(line.number, line.shown) for line in reading.steps.all[first.hit.step].header[-3:]]
            if first.rule.requires & {"npm-too-old-for-oidc"} and reading.tools.npm_line:
                wanted.append((reading.tools.npm_line.number, reading.tools.npm_line.shown))
            wanted += [(l.number, l.shown) for l in clues.get("expired-notice", ())[:1]]
            wanted += [(f.hit.line.number, f.hit.line.shown) for f in stacked]
            wanted += [(line.number, line.shown) for line in reading.good_lines[:1]]
            wanted += [(f.hit.line.number, f.hit.line.shown) for f in findings[1:]]
        elif cause in ("published", "staged", "not-a-publish"):
            wanted += [(line.number, line.shown) for line in reading.good_lines]
        if not wanted:
            wanted = self._last_lines()
        return self._masked(wanted)

    def _last_lines(self) -> list[tuple[int, str]]:
        lines = [(number, shown) for number, raw in self._reading.tail for shown, _ in clean(raw[:LONGEST]) if shown.strip()]
        errors = [line for line in lines if _ERROR.search(line[1])]
        return (errors or lines)[-MOST_LINES:]

    def _masked(self, wanted: list[tuple[int, str]]) -> tuple[EvidenceLine, ...]:
        shown: list[EvidenceLine] = []
        seen: set[tuple[int, str]] = set()
        for number, text in wanted:
            if (number, text) in seen or len(shown) >= MOST_LINES:
                continue
            seen.add((number, text))
            shown.append(EvidenceLine(number, cut(mask(text)[0])))
        return tuple(shown)


def cut(text: str) -> str:
    """The text, short enough to read. Masked before: a cut through a credential would hide it from the mask."""
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
