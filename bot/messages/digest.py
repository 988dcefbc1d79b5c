"""The daily digest: one message, each owner mentioned at most once and only for something new."""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages import text as t
from bot.messages.home import ROTATE
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections
from bot.policy import loses_publishing
from bot.reminders import Digest, Entry

MOST_NEW = 20  # lines for tokens whose owners hear of it today
MOST_TOLD = 12  # lines for tokens whose owners were told before
MOST_OWNERS = 100  # mentions of owners whose lines did not fit; one section holds them
WEEK_DAYS = 7


def shown(digest: Digest) -> tuple[Entry, ...]:
    """The entries that get a line; the others are only counted."""
    new = [entry for entry in digest.entries if entry.rung is not None]
    told = [entry for entry in digest.entries if entry.rung is None]
    return (*new[:MOST_NEW], *told[:MOST_TOLD])


def digest_message(digest: Digest) -> tuple[Message, ...]:
    """One message however many tokens there are; what does not fit is counted and found with `/tokens list`."""
    new = [entry for entry in digest.entries if entry.rung is not None]
    told = [entry for entry in digest.entries if entry.rung is None]
    headline = _headline(digest.entries)
    parts: list[Part | None] = [
        section(f"*{headline}*"),
        *sections(_by_owner(new[:MOST_NEW], new[MOST_NEW:]), rank=1),
        *_told(told),
        context(*_rules(digest.entries)),
        buttons(Button("Rotate a token", ROTATE)),
        context("Replace a token with `/tokens rotate NAME`. One that nobody needs: `/tokens remove NAME`."),
    ]
    first = t.listed([_line_text(entry) for entry in digest.entries[:3]], 3, len(digest.entries))
    return (message(f"{headline} {first}.", parts),)


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
        # Their rungs count as said, so their owners must hear of it here.
        others = dict.fromkeys(entry.token.owner for entry in rest if t.is_user(entry.token.owner))
        mentions = [t.mention(owner) for owner in others if owner not in owners]
        if mentions:
            lines.append(f"Also for {t.listed(mentions, MOST_OWNERS)}")
    return lines


def _rules(entries: Sequence[Entry]) -> list[str]:
    """The dated rules behind "stops publishing", each said once with where the registry says so."""
    stopping = (loses_publishing(entry.token) for entry in entries if entry.why == "stops-publishing")
    rules = {stop.rule.id: stop.rule for stop in stopping if stop is not None and stop.rule is not None}
    return [f"{t.prose(rule.says)} {t.link(rule.link, 'Read more')}" for rule in rules.values()]


def _told(entries: Sequence[Entry]) -> list[Part]:
    if not entries:
        return []
    lines = ["Still on the list:", *t.bullets(_line(entry) for entry in entries[:MOST_TOLD])]
    if len(entries) > MOST_TOLD:
        lines.append(f"And {len(entries) - MOST_TOLD:,} more: `/tokens list`")
    return sections(lines, rank=2)


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
