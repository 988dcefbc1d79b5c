"""The daily digest: one message, each owner mentioned at most once and only for something new."""

from __future__ import annotations

from collections.abc import Sequence

from bot.daily_news import News
from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.home import ROTATE
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections
from bot.policy import loses_publishing
from bot.reminders import Digest, Entry
from storage.awaited import Awaited
from storage.incidents import Incident

MOST_NEW = 20  # lines for tokens whose owners hear of it today
MOST_TOLD = 12  # lines for tokens whose owners were told before
MOST_OWNERS = 400  # mentions of owners whose lines did not fit; the others hear of it tomorrow
MOST_INCIDENTS = 6
MOST_STAGED = 5
MOST_CHANGED = 5
_MENTIONS_A_LINE = 80
WEEK_DAYS = 7


def shown(digest: Digest) -> tuple[Entry, ...]:
    """The entries that get a line; the others are only counted."""
    new, directly, told = _kinds(digest)
    return (*new[:MOST_NEW], *directly[:MOST_TOLD], *told[:MOST_TOLD])


def unheard(digest: Digest) -> frozenset[str]:
    """Owners with something new for whom there is no room today."""
    new, _, _ = _kinds(digest)
    shown_owners = {entry.token.owner for entry in new[:MOST_NEW]}
    rest = dict.fromkeys(entry.token.owner for entry in new[MOST_NEW:] if t.is_user(entry.token.owner))
    return frozenset([owner for owner in rest if owner and owner not in shown_owners][MOST_OWNERS:])


def digest_message(digest: Digest, news: News | None = None, *, personal: bool = False) -> tuple[Message, ...]:
    """One message however many tokens there are; what does not fit is counted and found with `/tokens list`.

    `personal`: to one person, about what is theirs.
    """
    new, directly, told = _kinds(digest)
    headline = _headline(digest.entries) if digest.entries else _long_open(news)
    if personal and digest.entries:
        headline = f"Yours or yours to stand in for: {headline[0].lower()}{headline[1:]}"
    owned = _lines(new[:MOST_NEW], len(new) - MOST_NEW) if personal else _by_owner(new[:MOST_NEW], new[MOST_NEW:])
    mentions = [] if personal else _mentions(new[:MOST_NEW], new[MOST_NEW:])
    switch = "channel" if personal else "direct"
    parts: list[Part | None] = [
        section(f"*{headline}*"),
        *sections(owned, rank=1),
        *sections(mentions),
        *_list("Yours to stand in for:" if personal else "Told their owners directly:", directly),
        *_list("Still on the list:", told),
        *(_news(news) if news else []),
        context(*_rules(digest.entries)),
        buttons(Button("Rotate a token", ROTATE)) if digest.entries else None,
        context(
            "Replace a token with `/tokens rotate NAME`. One that nobody needs: `/tokens remove NAME`."
            if digest.entries
            else "",
            f"To get {'this with everybody' if personal else 'yours by direct message'}: `/tokens digest {switch}`",
        ),
    ]
    first = t.listed([_line_text(entry) for entry in digest.entries[:3]], 3, len(digest.entries))
    return (message(f"{headline} {first}." if first else headline, parts),)


def _kinds(digest: Digest) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """New ones, new ones whose owners are told alone, and those that were told before."""
    new = [entry for entry in digest.new if entry.token.owner not in digest.directly]
    directly = [entry for entry in digest.new if entry.token.owner in digest.directly]
    return new, directly, [entry for entry in digest.entries if entry.rung is None]


def _long_open(news: News | None) -> str:
    number = news.long_open if news else 0
    return f"{t.count(number, 'incident has', 'incidents have')} been open for more than a day."


def _headline(entries: Sequence[Entry]) -> str:
    """`2 tokens have expired, 1 ends within 7 days and 3 end later.`"""
    over = sum(entry.is_over for entry in entries)
    week = sum(not entry.is_over and entry.days_left <= WEEK_DAYS for entry in entries)
    later = len(entries) - over - week
    said: list[str] = []
    for number, one, many in (
        (over, "has expired", "have expired"),
        (week, f"ends within {WEEK_DAYS} days", f"end within {WEEK_DAYS} days"),
        (later, "ends later", "end later"),
    ):
        if number:
            noun = "" if said else (" token" if number == 1 else " tokens")
            said.append(f"{number:,}{noun} {one if number == 1 else many}")
    return f"{t.listed(said)}."


def _by_owner(shown: Sequence[Entry], rest: Sequence[Entry]) -> list[str]:
    """Lines under each owner's mention, the owner with the most urgent token first."""
    owners: dict[str | None, list[Entry]] = {}
    for entry in shown:
        owners.setdefault(entry.token.owner or None, []).append(entry)
    lines = []
    for owner, entries in owners.items():
        whose = t.mention(owner) if owner else "No owner"
        if len(entries) == 1:
            lines.append(f"{whose}: {_line(entries[0])}")
        else:
            lines += [f"{whose}:", *t.bullets(map(_line, entries))]
    if rest:
        lines.append(f"And {t.count(len(rest), 'more', 'more')}: `/tokens list`")
    return lines


def _mentions(shown: Sequence[Entry], rest: Sequence[Entry]) -> list[str]:
    """The owners of what has no line: its rungs count as said, so they must hear of it here."""
    seen = {entry.token.owner for entry in shown}
    others = dict.fromkeys(entry.token.owner for entry in rest if t.is_user(entry.token.owner))
    mentions = [t.mention(owner) for owner in others if owner not in seen]
    said, more = mentions[:MOST_OWNERS], len(mentions) - MOST_OWNERS
    lines = [
        f"{'Also for' if start == 0 else 'And for'} {t.listed(said[start : start + _MENTIONS_A_LINE])}"
        for start in range(0, len(said), _MENTIONS_A_LINE)
    ]
    return [*lines, f"{more:,} more owners hear of it tomorrow."] if more > 0 else lines


def _lines(entries: Sequence[Entry], more: int) -> list[str]:
    lines = t.bullets(map(_line, entries))
    return [*lines, f"And {more:,} more: `/tokens list`"] if more > 0 else lines


def _rules(entries: Sequence[Entry]) -> list[str]:
    """The dated rules behind "stops publishing", each said once with where the registry says so."""
    stopping = (loses_publishing(entry.token) for entry in entries if entry.why == "stops-publishing")
    rules = {stop.rule.id: stop.rule for stop in stopping if stop is not None and stop.rule is not None}
    return [f"{t.prose(rule.says)} {t.link(rule.link, 'Read more')}" for rule in rules.values()]


def _list(title: str, entries: Sequence[Entry]) -> list[Part]:
    if not entries:
        return []
    return sections([title, *_lines(entries[:MOST_TOLD], len(entries) - MOST_TOLD)], rank=2)


def _news(news: News) -> list[Part | None]:
    return [*_open(news), *_staged(news.staged, news), section(_changed(news), rank=3)]


def _open(news: News) -> list[Part]:
    """Nobody is mentioned here: whoever took one knows."""
    if not news.open:
        return []
    lines = t.bullets(_incident(incident, news) for incident in news.open[:MOST_INCIDENTS])
    if news.open_total > MOST_INCIDENTS:
        lines.append(f"And {news.open_total - MOST_INCIDENTS:,} more: `/tokens incidents`")
    return sections(["*Open incidents, the oldest first*", *lines], rank=2)


def _incident(incident: Incident, news: News) -> str:
    facts = Facts.from_json(incident.facts)
    state = {"claimed": "  ·  somebody is on it", "snoozed": "  ·  put off"}.get(incident.state, "")
    if incident.muted_by is not None:
        state = f"  ·  probably explained by no. {incident.muted_by}"
    run = f"  ·  {t.link(facts.run_url, 'open the run')}" if facts.run_url and t.is_url(facts.run_url) else ""
    repos = news.shared.get(incident.id, 1)
    where = t.code(incident.repo, 80) if repos < 2 else t.count(repos, "repository", "repositories")
    age = t.span(news.at - incident.opened_at)
    said = t.sentence(t.aged(facts.sentence, news.at - incident.last_seen_at), 160)
    return f"No. {incident.id}, {age}: {said} {where}{state}{run}"


def _staged(staged: Sequence[Awaited], news: News) -> list[Part]:
    if not staged:
        return []
    lines = t.bullets(
        f"{t.code(one.name, 120)} of {t.code(one.repo, 80)}, staged {t.relative(one.since, news.at)}"
        for one in staged[:MOST_STAGED]
    )
    if len(staged) > MOST_STAGED:
        lines.append(f"And {len(staged) - MOST_STAGED:,} more.")
    return sections(["*Waiting for approval on the registry*", *lines], rank=2)


def _changed(news: News) -> str:
    """`Since the last digest: added a and b; revoked c; 2 incidents opened, 1 resolved.`"""
    said = [
        f"{word} {t.listed([t.code(name, 60) for name in names[:MOST_CHANGED]], MOST_CHANGED, len(names))}"
        for word, names in news.changed
    ]
    counts = []
    if news.opened:
        counts.append(f"{t.count(news.opened, 'incident')} opened")
    if news.resolved:
        counts.append(
            f"{news.resolved:,} resolved" if news.opened else f"{t.count(news.resolved, 'incident')} resolved"
        )
    if counts:
        said.append(", ".join(counts))
    return f"*Since the last digest*  {'; '.join(said)}." if said else ""


def _line(entry: Entry) -> str:
    token = entry.token
    repos = list(dict.fromkeys(use.repo for use in token.used_by))
    used = t.listed([t.code(repo, 80) for repo in repos[:2]], 2, len(repos))
    return f"{t.code(token.name, 80)} {when(entry)} ({t.date(entry.ends_at)})" + (f", used by {used}" if used else "")


def _line_text(entry: Entry) -> str:
    return f"{t.mrkdwn(entry.token.name, 80)} {when(entry)}"


def when(entry: Entry) -> str:
    """`ends in 3 days`, `expired yesterday`, `probably expired 5 days ago`, `stops publishing in 38 days`."""
    if entry.why == "stops-publishing":
        return f"{'stopped' if entry.is_over else 'stops'} publishing {_day(entry)}"
    verb = "expired" if entry.is_over else "ends"
    return f"{'probably ' if entry.token.expires_computed else ''}{verb} {_day(entry)}"


def _day(entry: Entry) -> str:
    days = entry.days_left
    if days in (-1, 0, 1):
        return {-1: "yesterday", 0: "today", 1: "tomorrow"}[days]
    return f"in {days} days" if days > 0 else f"{-days} days ago"
