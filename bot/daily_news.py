"""What the daily digest says besides the tokens that end: what changed, what is open, what waits for approval. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    of `open_total`; `long_open`: how many of them nobody put off are older than a day. `at`: when it was looked up."""

    at: datetime
    changed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    opened: int = 0
    resolved: int = 0
    open: tuple[Incident, ...] = ()
    open_total: int = 0
    long_open: int = 0
    staged: tuple[Awaited, ...] = ()

    @property
    def worth_telling(self) -> bool:
        return self.long_open > 0


def news(
    changes: Iterable[Entry],
    open_: Sequence[Incident],
    open_total: int,
    now: datetime,
    staged: Sequence[Awaited] = (),
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
    awake = [one for one in oldest_first if one.state != "snoozed"]
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
        long_open=sum(now - one.opened_at >= LONG for one in awake),
        staged=tuple(staged),
    )


def of_person(found: News, user: str) -> News:
    """What of it concerns one person alone: the incidents they took."""
    mine = tuple(incident for incident in found.open if incident.claimed_by == user)
    return News(at=found.at, open=mine, open_total=len(mine))


def _told(before: str | None, word: str) -> str:
    """A token that was added and then edited was added."""
    return word if before is None or _STRONGER.index(word) < _STRONGER.index(before) else before
