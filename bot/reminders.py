"""What the daily digest says and to whom: the ladder of reminders. Pure.

A rung is a number of days before the end. Each (token, end, rung) is said once; when several rungs were crossed since
the last digest, only the most urgent is said. Days are calendar days where the team lives, so that neither a change
of clocks nor the hour of the digest moves a reminder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from storage.tokens import Token

Rung = tuple[int, datetime, int]  # token id, its end, days of the rung

# A rung must lie in the last part of a token's life: nobody wants a seven-day token announced on its first day.
FITS_LIFE = 0.6
# A trusted publisher has no end; a session lives two hours and is never rotated.
NEVER_REMINDED = frozenset({"trusted-publisher", "session"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A token inside its ladder.

    `days_left`: calendar days, negative when over. `rung`: said today for the first time, or None if the owner was told
    before. `why`: it expires, or a dated rule of the registry ends its right to publish.
    """

    token: Token
    ends_at: datetime
    days_left: int
    is_over: bool
    rung: int | None
    why: Literal["expires", "stops-publishing"] = "expires"


@dataclass(frozen=True, slots=True)
class Digest:
    """`entries`: soonest end first. `directly`: owners who hear of their own tokens alone, and not here."""

    day: date
    entries: tuple[Entry, ...]
    directly: frozenset[str] = frozenset()

    @property
    def new(self) -> tuple[Entry, ...]:
        """What is said today for the first time."""
        return tuple(entry for entry in self.entries if entry.rung is not None)

    @property
    def mentions(self) -> tuple[str, ...]:
        """Owners with something new, the most urgent first."""
        owners = dict.fromkeys(entry.token.owner for entry in self.new if entry.token.owner)
        return tuple(owner for owner in owners if owner not in self.directly)

    @property
    def rungs_said(self) -> tuple[Rung, ...]:
        """To be recorded once this was sent: what its own readers hear of."""
        return tuple(
            (entry.token.id, entry.ends_at, entry.rung)
            for entry in self.new
            if entry.token.id is not None and entry.rung is not None and entry.token.owner not in self.directly
        )


def digest(
    tokens: Iterable[Token],
    already_said: Collection[Rung],
    now: datetime,
    zone: ZoneInfo,
    ladder: Sequence[int],
    stops_publishing: Mapping[int, datetime] | None = None,
    *,
    following: date | None = None,
) -> Digest | None:
    """Today's digest, or None when no rung was crossed and nothing is over.

    `following`: the day of the next digest if that is not tomorrow: what ends before it is said today as what ends
    today. `already_said`: a set. `stops_publishing`: token id -> when a dated rule takes its right to publish away. A
    token that is over stays listed until it is revoked or removed, but its owner is mentioned only for a new rung.
    """
    today = now.astimezone(zone).date()
    horizon = timedelta(days=max(ladder, default=0) + 2)  # two days: no zone is further away than that
    entries = []
    for token in tokens:
        end = _end(token, today, zone, stops_publishing or {})
        if end is None or end[0] - now > horizon:
            continue
        entry = _entry(token, end[0], end[1], already_said, now, today, zone, ladder, following)
        if entry is not None:
            entries.append(entry)
    entries.sort(key=lambda entry: (entry.days_left, entry.ends_at, entry.token.name))
    made = Digest(today, tuple(entries))
    return made if is_news(made) else None


def is_news(digest: Digest) -> bool:
    """Whether it is worth saying: a rung was crossed, or something is over."""
    return any(entry.rung is not None or entry.is_over for entry in digest.entries)


def of_person(digest: Digest, user: str) -> Digest | None:
    """What of it is one person's own, or theirs to stand in for; None without anything to say to them."""
    mine = tuple(entry for entry in digest.entries if user in (entry.token.owner, entry.token.backup_owner))
    # The owner's rungs are recorded with the owner's own message.
    found = Digest(digest.day, mine, frozenset({entry.token.owner for entry in mine if entry.token.owner} - {user}))
    return found if is_news(found) else None


def with_tokens(digest: Digest, tokens: Iterable[Token]) -> Digest:
    """The same digest about fuller records of some of its tokens."""
    full = {token.id: token for token in tokens}
    entries = tuple(
        replace(entry, token=full[entry.token.id]) if entry.token.id in full else entry for entry in digest.entries
    )
    return replace(digest, entries=entries)


def rungs_of(token: Token, ends_at: datetime, ladder: Sequence[int]) -> tuple[int, ...]:
    """The rungs that fit the token's life, most urgent first. The day it ends always fits."""
    if token.created_at is None or ends_at <= token.created_at:
        return tuple(sorted(ladder))
    life_days = (ends_at - token.created_at) / timedelta(days=1)
    return tuple(sorted(rung for rung in ladder if rung == 0 or rung < FITS_LIFE * life_days))


def days_left(ends_at: datetime, today: date, zone: ZoneInfo) -> int:
    """Calendar days between two local dates; the number of midnights to go."""
    return (ends_at.astimezone(zone).date() - today).days


def _entry(
    token: Token,
    ends_at: datetime,
    why: Literal["expires", "stops-publishing"],
    already_said: Collection[Rung],
    now: datetime,
    today: date,
    zone: ZoneInfo,
    ladder: Sequence[int],
    following: date | None,
) -> Entry | None:
    left = days_left(ends_at, today, zone)
    is_over = ends_at <= now
    is_last_chance = following is not None and ends_at.astimezone(zone).date() < following
    near = min(left, 0) if is_last_chance else left
    crossed = next((rung for rung in rungs_of(token, ends_at, ladder) if near <= rung), None)
    if crossed is None and not is_over:
        return None
    is_new = crossed is not None and token.id is not None and (token.id, ends_at, crossed) not in already_said
    return Entry(token, ends_at, left, is_over, crossed if is_new else None, why)


def _end(
    token: Token, today: date, zone: ZoneInfo, stops_publishing: Mapping[int, datetime]
) -> tuple[datetime, Literal["expires", "stops-publishing"]] | None:
    """The date that counts, and what happens then; None when there is nothing to remind of."""
    if token.revoked_at is not None or token.kind in NEVER_REMINDED:
        return None
    stop = stops_publishing.get(token.id) if token.id is not None else None
    # Once the rule is in force the token may be kept on purpose, for reading: then only its own end counts.
    if stop is not None and days_left(stop, today, zone) >= 0 and (token.expires_at is None or stop < token.expires_at):
        return stop, "stops-publishing"
    return None if token.expires_at is None else (token.expires_at, "expires")
