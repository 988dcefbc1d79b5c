"""What the daily digest says besides the tokens that end: what changed, what is open, what waits for approval. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storage.audit import Entry
from storage.awaited import Awaited
from storage.incidents import Incident

# The last of several changes of one thing is what is told.
_TOKEN_CHANGES = {
    "token.add": "added",
    "token.change": "changed",
    "token.revoke": "revoked",
    "token.remove": "removed",
    "rotation.start": "being rotated",
}
_STRONGER = ("removed", "revoked", "added", "being rotated", "changed")
LONG = timedelta(days=1)  # what has been open for so long is worth a digest by itself


@dataclass(frozen=True, slots=True)
class News:
    """`changed`: what happened (`added`, ...) -> names of tokens; `open`: unresolved incidents, oldest first, the first
    of `open_total`; `long_open`: how many of them are older than a day, put off by nobody and explained by no other.
    `at`: when it was looked up; `shared`: in how many repositories an incident waits, where it is more than one."""

    at: datetime
    changed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    opened: int = 0
    resolved: int = 0
    open: tuple[Incident, ...] = ()
    open_total: int = 0
    long_open: int = 0
    staged: tuple[Awaited, ...] = ()
    shared: Mapping[int, int] = field(default_factory=dict)

    @property
    def worth_telling(self) -> bool:
        return self.long_open > 0


def news(
    changes: Iterable[Entry],
    open_: Sequence[Incident],
    open_total: int,
    now: datetime,
    staged: Sequence[Awaited] = (),
    shared: Mapping[int, int] | None = None,
) -> News:
    """`changes`: audit rows since the last digest, oldest first; `staged`: versions that wait for approval."""
    said: dict[str, str] = {}
    opened: set[str] = set()
    resolved: set[str] = set()
    for entry in changes:
        kind, _, name = entry.subject.partition(":")
        if kind == "token" and (word := _TOKEN_CHANGES.get(entry.action)):
            said[name] = _told(said.get(name), word)
        elif entry.action == "incident.open":
            opened.add(name)
        elif entry.action == "incident.resolve":
            resolved.add(name)
        elif entry.action == "incident.reopen":
            resolved.discard(name)
    oldest_first = sorted(open_, key=lambda incident: (incident.opened_at, incident.id))
    return News(
        at=now,
        changed=tuple(
            (word, tuple(name for name, told in said.items() if told == word))
            for word in _STRONGER
            if word in said.values()
        ),
        opened=len(opened),
        resolved=len(resolved),
        open=tuple(oldest_first),
        open_total=open_total,
        long_open=_long_open(oldest_first, now),
        staged=tuple(staged),
        shared=shared or {},
    )


def in_repositories(found: News, chosen: Callable[[str], bool]) -> News:
    """What of it is open or waits in some repositories, for a channel of theirs."""
    open_ = tuple(one for one in found.open if chosen(one.repo))
    return News(
        at=found.at,
        open=open_,
        open_total=len(open_),
        long_open=_long_open(open_, found.at),
        staged=tuple(one for one in found.staged if chosen(one.repo)),
        shared=found.shared,
    )


def without(found: News, told: Sequence[News]) -> News:
    """What of it is not told elsewhere; what changed is told here."""
    incidents = {one.id for other in told for one in other.open}
    staged = {one for other in told for one in other.staged}
    open_ = tuple(one for one in found.open if one.id not in incidents)
    return replace(
        found,
        open=open_,
        open_total=found.open_total - len(incidents),
        long_open=_long_open(open_, found.at),
        staged=tuple(one for one in found.staged if one not in staged),
    )


def _long_open(open_: Iterable[Incident], now: datetime) -> int:
    """Nobody put them off, and no other one explains them."""
    awake = (one for one in open_ if one.state != "snoozed" and one.muted_by is None)
    return sum(now - one.opened_at >= LONG for one in awake)


def of_person(found: News, user: str) -> News:
    """What of it concerns one person alone: the incidents they took."""
    mine = tuple(incident for incident in found.open if incident.claimed_by == user)
    return News(at=found.at, open=mine, open_total=len(mine), shared=found.shared)


def _told(before: str | None, word: str) -> str:
    """A token that was added and then edited was added."""
    return word if before is None or _STRONGER.index(word) < _STRONGER.index(before) else before
