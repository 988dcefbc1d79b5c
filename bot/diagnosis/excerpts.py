"""The lines that a diagnosis shows: masked, cut to a readable length, with their numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import re2

from bot.credentials import mask
from bot.diagnosis.diagnosis import EvidenceLine
from bot.diagnosis.job_log import Line, clean
from bot.diagnosis.reading import Finding, Reading

MOST_LINES = 8
LONGEST_SHOWN = 600  # characters; a reader wants the fact, not the page
_ERROR = re2.compile(
    r"(?i)\berror\b|ERR!|\bfailed\b|fatal|exception|denied|exit code [1-9]|core dumped|never called|published"
    r"|unable|cannot|no new version|release PR"
)
_FRAME = re2.compile(r"^(?:##\[(?:group|endgroup)\]|shell: |env:$|with:$|  [A-Z_]+: )")
_CLEANUP = re2.compile(
    r"^(?:Post job cleanup|\[command\]/usr/bin/git|git version |Temporarily overriding|Adding repository directory"
    r"|http\.https|Cleaning up|Job succeeded|Finished: |\[Pipeline\]|section_|##\[)"
)


class Excerpts:
    """Makes evidence lines and counts the credentials it hid."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.masked = reading.masked

    def evidence(
        self, cause: str, findings: list[Finding], first: Finding | None, stacked: list[Finding]
    ) -> tuple[EvidenceLine, ...]:
        """The deciding lines, first one first."""
        reading = self._reading
        wanted: list[Line] = []
        if first is not None:
            wanted.append(first.hit.line)
            clues = reading.clues.get(first.hit.step, {})
            wanted += [line for clue in self._telling(first, clues) for line in clues[clue]]
            if first.rule.requires & {"token-placeholder", "token-empty"}:
                wanted += reading.steps.all[first.hit.step].header[-3:]
            if first.rule.requires & {"npm-too-old-for-oidc"} and reading.tools.npm_line:
                wanted.append(reading.tools.npm_line)
            wanted += clues.get("expired-notice", [])[:1]
            wanted += [finding.hit.line for finding in stacked]
            succeeded = set(reading.success_lines)
            wanted += [line for line in reading.good_lines if line.number in succeeded][:1]
            wanted += [finding.hit.line for finding in findings[1:]]
        elif cause in ("published", "staged", "not-a-publish"):
            staged = [line for clues in reading.clues.values() for line in clues.get("awaits-approval", ())]
            wanted += [*staged, *reading.good_lines]
        return self._masked(wanted or self._last_lines())

    @staticmethod
    def _telling(first: Finding, clues: Mapping[str, list[Line]]) -> list[str]:
        """The clues that explain the finding: those its rule asks for, and for OIDC whatever the exchange said."""
        oidc = first.rule.cause.startswith("oidc-")
        return [c for c in sorted(clues) if c in first.rule.requires or (oidc and c.startswith("oidc-"))]

    def _last_lines(self) -> list[Line]:
        """What the failing step said last; of a log that tells no step, the last errors; of a good one, its end."""
        lines = [Line(number, shown, text) for number, raw in self._reading.tail for shown, text in clean(raw)]
        lines = [line for line in lines if line.shown.strip()]
        failed = self._reading.failed_step
        if failed is not None and failed.failed_at:
            said = [line for line in lines if failed.line < line.number <= failed.failed_at]
            said = [line for line in said if not _FRAME.search(line.shown) and line.shown not in failed.command]
            said = said[-MOST_LINES:]
            if said:  # a reader may see the first of them only
                telling = [line for line in said if _ERROR.search(line.shown) and line.number != failed.failed_at]
                return telling + [line for line in said if line not in telling]
        steps = self._reading.steps
        if failed is None and (steps.job_succeeded or steps.ended_quietly):
            return [line for line in lines if not _CLEANUP.search(line.shown)][-2:]
        return ([line for line in lines if _ERROR.search(line.shown)] or lines)[-MOST_LINES:]

    def _masked(self, wanted: list[Line]) -> tuple[EvidenceLine, ...]:
        shown: dict[tuple[int, str], EvidenceLine] = {}
        for line in wanted:
            for part in line.parts or (line,):
                if part.shown.strip() and len(shown) < MOST_LINES:
                    shown.setdefault((part.number, part.shown), EvidenceLine(part.number, cut(mask(part.shown)[0])))
        return tuple(shown.values())


def cut(text: str) -> str:
    """The text, short enough to read. Masked before: a cut through a credential would hide it from the mask."""
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
