"""The sandbox's clock: real time, and as far ahead of it as somebody has travelled. Only forward, as time goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NINE = 9  # o'clock: when the digest is due in the sandbox
A_MOMENT = timedelta(seconds=20)
# npm's announcement: tokens that bypass 2FA stop publishing in January 2027; see bot/policy.toml.
NEW_YEAR = datetime(2027, 1, 31, NINE, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Destination:
    id: str
    title: str
    at: datetime


class Times:
    """Everything in the sandbox asks `now`; `travel` moves it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def time_ns(self) -> int:
        return int(self.now().timestamp() * 1_000_000_000)

    def travel(self, to: datetime) -> None:
        """Raises ValueError for a time that is past."""
        if to < self.now():
            raise ValueError("only forward")
        self.ahead += to - self.now()

    def destinations(self) -> list[Destination]:
        now = self.now()
        morning = now.replace(hour=NINE, minute=0, second=0, microsecond=0)
        first = morning if morning > now else morning + timedelta(days=1)
        word = "Today" if first == morning else "Tomorrow"
        found = [
            Destination("morning", f"{word} 09:00", first),
            Destination("week", "In a week", morning + timedelta(days=7)),
            Destination("month", "In a month", morning + timedelta(days=30)),
            Destination("new-year", "End of January 2027", NEW_YEAR),
        ]
        return [Destination(one.id, one.title, one.at + A_MOMENT) for one in found if one.at > now]
