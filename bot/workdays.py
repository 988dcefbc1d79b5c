"""On which days the team works: what can wait is said on those. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FURTHEST = 366  # days; a calendar without any working day is refused by the settings


@dataclass(frozen=True, slots=True)
class Workdays:
    """`weekdays`: 0 is Monday; `holidays`: days off besides."""

    weekdays: Collection[int] = range(7)
    holidays: Collection[date] = ()

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and day.weekday() in self.weekdays and day not in self.holidays

    def after(self, day: date) -> date:
        """The next working day; the next day at all when a year has none."""
        following = (day + timedelta(days=number) for number in range(1, _FURTHEST))
        return next((found for found in following if found in self), day + timedelta(days=1))


def read_weekdays(text: str) -> tuple[int, ...]:
    """`mon-fri`, `sun-thu`, `mon,wed,fri`. Raises ValueError for anything else."""
    found: set[int] = set()
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError("must be days of the week such as mon-fri or mon,wed,fri")
        start, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
        found |= {number % 7 for number in range(start, end + 1 if end >= start else end + 8)}
    if not found:
        raise ValueError("must be days of the week such as mon-fri or mon,wed,fri")
    return tuple(sorted(found))
