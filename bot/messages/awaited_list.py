"""What an incident waits for and what it belongs together with, as its card lists them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.around import Around
from bot.messages.message import Part, columns, context, section
from bot.messages.words import workflow_words
from storage.awaited import Awaited
from storage.incidents import Incident

MOST_PLACES = 10
MOST_OVER = 4  # of those that are not waited for any more
MOST_ROWS = 12
MOST_NAMES = 5
_PLACES, _RELATIVES = 2, 3  # ranks: what is given up first when a card is too long
OUT = frozenset({"live", "published", "green"})
_PACKAGE_STATES = {
    "failed": "not published",
    "unclear": "unclear",
    "staged": "staged, waits for approval",
    "live": "on the registry",
    "published": "published",
    "green": "went well",
    "moved": "fails for another reason now",
}
_STATES = {
    "staged": "staged, waits for approval",
    "live": "on the registry",
    "published": "published again",
    "green": "went well again",
    "moved": "fails for another reason now",
}


def packages_table(items: Sequence[Awaited]) -> list[Part | None]:
    """Package, version and state of one workflow that publishes several, what is missing first; None for another."""
    named = [item for item in items if item.package]
    if len(named) < 2 or len(_places(items)) > 1:
        return []
    out = sum(item.state in OUT for item in named)
    title = f"*{out} of {len(named)} packages were published*" if out else f"*None of {len(named)} packages is out*"
    shown = sorted(named, key=lambda item: (item.settled, item.package or ""))[:MOST_ROWS]
    more = len(named) - len(shown)
    return [
        section(title, rank=_PLACES),
        columns(((item.package or "", item.version or "", _state(item)) for item in shown), rank=_PLACES),
        context(f"And {more:,} more." if more else "", rank=_PLACES),
    ]


def _state(item: Awaited) -> str:
    tag = f", but the tag {item.tag} exists" if item.tag and not item.settled else ""
    return _PACKAGE_STATES.get(item.state, "not published") + tag


def counted(items: Sequence[Awaited]) -> str:
    """` in 40 repositories`, where it is more than one."""
    repos = {item.repo.lower() for item in items if item.times}
    return f" in {t.count(len(repos), 'repository', 'repositories')}" if len(repos) > 1 else ""


def is_shared(items: Sequence[Awaited]) -> bool:
    """Whether several workflows are in it."""
    return len(_places(items)) > 1


def where(items: Sequence[Awaited]) -> list[Part | None]:
    """The workflows that failed alike, those still failing first, with how often and what became of each."""
    places = _places(items)
    if len(places) < 2:
        return []
    waiting = [place for place in places.values() if any(not item.settled for item in place)]
    over = [place for place in places.values() if all(item.settled for item in place)]
    shown = (*waiting[:MOST_PLACES], *over[: MOST_OVER if waiting else MOST_PLACES])
    lines = [_place(place) for place in shown]
    more = [
        f"{left:,} more {what}"
        for left, what in (
            (len(waiting) - MOST_PLACES, "still to publish"),
            (len(over) - (MOST_OVER if waiting else MOST_PLACES), "not waited for any more"),
        )
        if left > 0
    ]
    title = f"*{len(waiting):,} of {t.count(len(places), 'workflow')} still to publish*"
    return [section(title, *t.bullets(lines), f"And {t.listed(more)}." if more else "", rank=_PLACES)]


def since_then(incident: Incident, around: Around) -> list[str]:
    """What was seen since the failure: grey lines under the headline."""
    if incident.state == "resolved":
        following = around.goes_on_in
        return [f"It goes on here: {around.link(following, _title(following))}"] if following else []
    quiet = ""
    if around.explained_by is not None:
        other = around.explained_by
        quiet = f"Quiet for now, because this probably explains it: {around.link(other, _title(other))}"
    staged = [item for item in around.items if item.state == "staged" and not item.settled]
    waits = ""
    if staged:
        since = min(item.since for item in staged)
        names = t.listed([t.code(item.name) for item in staged[:MOST_NAMES]], MOST_NAMES, len(staged))
        waits = f"Waits for approval: {names}, staged {t.age(since)}."
    alone = [item for item in around.items if item.tag and not item.settled]
    tag = ""
    if len(around.items) == 1 and alone:
        tag = f"The git tag {t.code(alone[0].tag or '')} exists, but the version does not."
    over = (
        f"It looks over since {t.date(incident.over_at)}: what failed has to be run again." if incident.over_at else ""
    )
    return [line for line in (quiet, t.sentence(incident.note, 400) if incident.note else "", waits, tag, over) if line]


def relatives(incident: Incident, facts: Facts, around: Around) -> list[Part | None]:
    """The incidents that this one explains or is explained by, the one before, and what the card said before."""
    if incident.state == "resolved":
        return []
    lines = [f"Before, it was: {t.sentence(said, 300)}" for said in reversed(facts.before)]
    if around.previous is not None:
        ended = f", over since {t.date(around.previous.resolved_at)}" if around.previous.resolved_at else ""
        lines.append(f"It is back: {around.link(around.previous, f'incident {around.previous.id}')}{ended}.")
    told = [
        f"{t.code(child.repo)} {t.mrkdwn(workflow_words(child.workflow), 80)}: "
        f"{t.sentence(Facts.from_json(child.facts).sentence, 160)}"
        for child in around.explains[:MOST_NAMES]
    ]
    more = len(around.explains) - len(told)
    explained = section(
        "*Probably explained by this, and quiet until it is over*",
        *t.bullets(told),
        f"And {more:,} more." if more else "",
        rank=_RELATIVES,
    )
    return [context(*lines, rank=_RELATIVES), explained if told else None]


def _places(items: Sequence[Awaited]) -> dict[tuple[str, str], list[Awaited]]:
    found: dict[tuple[str, str], list[Awaited]] = {}
    for item in items:
        found.setdefault((item.repo.lower(), item.workflow), []).append(item)
    return found


def _place(items: Sequence[Awaited]) -> str:
    first = next((item for item in items if not item.settled), items[0])
    open_ = [item for item in items if not item.settled]
    named = [t.code(item.name) for item in (open_ or items) if item.package]
    what = f"  {t.listed(named[:2], 2, len(named))}" if named else ""
    times = max(item.times for item in items)
    state = _STATES.get(first.state, "") if first.settled or first.state == "staged" else ""
    said = state or (f"failed {t.count(times, 'time')}" if times > 1 else "failed")
    link = t.link(first.run_url, said) if first.run_url and not first.settled else said
    return f"{t.code(first.repo)} {t.mrkdwn(workflow_words(first.workflow), 80)}{what}  ·  {link}"


def _title(incident: Incident) -> str:
    return Facts.from_json(incident.facts).sentence
