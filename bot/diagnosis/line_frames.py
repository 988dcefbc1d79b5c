"""What one CI system puts before every line of its log, learned from the log's beginning. Pure.

Known stamps are taken off by job_log.py. Others name the job, the branch, the pod or the stream: `[linux] `,
`release-7 | `, `INFO   01/05/2026 10:11:12   `. No list of them ends, but they have in common that nearly every line
of the log begins with them; digits in them may change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import re2

MOST_LINES = 400  # looked at
FEWEST_LINES = 3  # a shorter log has no frame to learn
SHARE = 0.75  # of the lines, that begin with a frame
SHARE_OF_ONE = 0.08  # of the lines, that begin with one of several frames
# What may be a frame: a name in brackets, words before a bar, a stream's name, a day and a time.
_FRAME = re2.compile(
    r"^(?:>(?: |$)|\[[\w.\-/:]+(?: [\w.\-/:@]+){0,3}\](?: |$)|\s*[\w.\-/:@+]+(?: [\w.\-/:@+]+){0,2} +\|(?: |$)"
    r"|(?:stdout|stderr) [FP](?: |$)"
    r"|(?:[\w.\-]+ +)?\d{1,4}[/.\-]\w{1,3}[/.\-]\d{1,4}[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"(?: +\[?(?:TRACE|DEBUG|INFO|WARN|ERROR)\]?)?(?: +|$))"
)
# Marks of tools and of CI systems, which say something themselves.
_TELLING = re2.compile(
    r"(?i)^(?:\[(?:info|warn|warning|error|err|err_\w+|e\d+|fatal|debug|trace|notice|pipeline|command|container|webpack\S*"
    r"|semantic-release|@semantic-release/\S+|success|fail|ok|done|elifecycle|go|yarn|vite\S*|\d+/\d+)\]|[\w./@+:\-]*(?:publish|release)\w*\$?)"
)
_OF_THE_JOB = ("[Pipeline]", "ERROR: script returned", "Finished: ")  # Jenkins' own lines stand outside the frames
_DIGITS = re2.compile(r"\d+")


def frame_of(lines: Iterable[str], count: int) -> Any | None:
    """The pattern of the frames that stand before nearly all of these lines; None when there is none.

    The lines come without stamps and colours. `count`: how many there are about; most logs are known to have no frame
    long before the last of them.
    """
    frames: Counter[str] = Counter()
    spaces: Counter[str] = Counter()  # behind each frame
    told = 0
    for line in lines:
        if not line.strip() or line.startswith(_OF_THE_JOB):
            continue
        told += 1
        if (match := _FRAME.search(line)) and not _TELLING.search(line):
            frame = str(_DIGITS.sub("0", match.group(0)))
            frames[frame.rstrip()] += 1
            spaces[frame.rstrip()] = max(spaces[frame.rstrip()], len(frame) - len(frame.rstrip()))
        elif told - frames.total() > (1 - SHARE) * max(count, told):
            return None
    if told < FEWEST_LINES:
        return None
    if sum(frames.values()) < SHARE * told:
        return None
    known = [frame for frame, count in frames.items() if count >= SHARE_OF_ONE * told]
    if not known:
        return None
    each = (re2.escape(frame).replace("0", r"\d+") + rf"(?: {{0,{spaces[frame]}}})" for frame in known)
    return re2.compile(rf"^\s*(?:{'|'.join(each)})")
