"""When the team rests: what can wait is said afterwards. A failure is told at any hour. Pure."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` on the clocks where the team lives; over midnight if `end` is the earlier one."""

    start: time
    end: time

    def __contains__(self, at: object) -> bool:
        if not isinstance(at, time):
            return False
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def read_hours(text: str) -> QuietHours | None:
    """`20:00-08:00`; None when empty. Raises ValueError for anything else."""
    if not text.strip():
        return None
    found = _HOURS.fullmatch(text.strip())
    if found is None or (found[1], found[2]) == (found[3], found[4]):
        raise ValueError("must be hours such as 20:00-08:00")
    return QuietHours(time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4])))


def resting(now: datetime, zone: ZoneInfo, hours: QuietHours | None, workdays: Container[date] | None = None) -> bool:
    """Whether what can wait should wait now. `workdays`: None = every day is one."""
    here = now.astimezone(zone)
    return (workdays is not None and here.date() not in workdays) or (hours is not None and here.time() in hours)
