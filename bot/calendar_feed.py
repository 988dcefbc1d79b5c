"""Ends of tokens and dated rules as a calendar that people subscribe to: iCalendar (RFC 5545). Pure.

All-day events: a release is planned by days. `UID`s stay the same, so that a calendar moves an event whose date was
corrected instead of showing two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.policy import Rule, ends_at, rules, stops_publishing_at
from storage.tokens import Token

BEHIND = timedelta(days=60)
AHEAD = timedelta(days=500)
MOST_EVENTS = 2_000
MOST_NAMES = 20
_LINE = 75  # octets, without the line break


@dataclass(frozen=True, slots=True)
class Event:
    """An all-day event. `uid`: the same each time; `url`: where to read on, or None."""

    uid: str
    day: date
    summary: str
    description: str
    url: str | None = None


def feed(tokens: Sequence[Token], now: datetime, zone: ZoneInfo, *, title: str) -> str:
    """The calendar as text with CRLF line ends. Revoked tokens are left out."""
    live = [token for token in tokens if token.revoked_at is None]
    events = sorted((*_ends(live, now, zone), *_policy(live, now)), key=lambda event: (event.day, event.uid))
    return write(events[:MOST_EVENTS], now, title)


def write(events: Iterable[Event], now: datetime, title: str) -> str:
    """RFC 5545: escaped text, lines folded at 75 octets, CRLF."""
    # The day alone, so that a feed in which nothing changed is the same bytes all day.
    stamp = datetime.combine(now.astimezone(UTC).date(), time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Tokenwatch//Token calendar//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_text(title)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
    ]
    for event in events:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_text(event.uid)}",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{event.day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{event.day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_text(event.summary)}",
            f"DESCRIPTION:{_text(event.description)}",
            *([f"URL:{event.url}"] if event.url else []),
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _ends(live: Iterable[Token], now: datetime, zone: ZoneInfo) -> Iterator[Event]:
    for token in live:
        end = ends_at(token)
        if end is None or not now - BEHIND <= end <= now + AHEAD:
            continue
        probably = "probably " if token.expires_computed or end != token.expires_at else ""
        verb = "ended" if end <= now else "ends"
        uses = list(dict.fromkeys(use.repo for use in token.used_by))
        said = [f"{token.registry} {token.kind} token {token.name} {probably}{verb} at {end:%Y-%m-%d %H:%M} UTC."]
        if uses:
            said.append(f"Used in {_listed(uses)}.")
        said.append(f"Replace it in Slack: /tokens rotate {token.name}")
        day = end.astimezone(zone).date()
        yield Event(f"token-{token.id}-end@tokenwatch", day, f"{token.name} {probably}{verb}", "\n".join(said))


def _policy(live: Sequence[Token], now: datetime) -> Iterator[Event]:
    """Dated rules that stop something: those to come, and those of late."""
    for rule in rules():
        if (
            rule.effect not in ("dies", "no-direct-publish", "no-management")
            or not now - BEHIND <= rule.at <= now + AHEAD
        ):
            continue
        hit = [token.name for token in live if _stopped_by(token, rule)]
        about = "about " if rule.target else ""
        who = f"Concerns {_listed(hit)}." if hit else "Concerns no token on record."
        summary = f"{rule.registry}: {len(hit)} {'token stops' if len(hit) == 1 else 'tokens stop'} publishing"
        if rule.effect == "no-management":
            summary = f"{rule.registry}: {rule.says}"
        yield Event(
            f"rule-{rule.id}@tokenwatch",
            rule.at.date(),
            summary if not about else f"{summary} (announced for {about}this day)",
            f"{rule.says}\n{who}",
            rule.link,
        )


def _stopped_by(token: Token, rule: Rule) -> bool:
    if rule.effect == "no-management":
        return rule.holds_for(token)
    stop = stops_publishing_at(token)
    return stop is not None and stop.rule is not None and stop.rule.id == rule.id


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _text(value: str) -> str:
    """A TEXT value: no control characters, and the four that mean something escaped."""
    plain = "".join(letter for letter in value if letter == "\n" or letter >= " ").replace("\x7f", "")
    plain = plain.encode("utf-8", "replace").decode()
    escaped = plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return escaped.replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    """At most 75 octets a line, never inside a character; what goes on begins with a blank."""
    piece, room = "", _LINE
    for letter in line:
        size = len(letter.encode())
        if size > room:
            yield piece
            piece, room = " ", _LINE - 1
        piece += letter
        room -= size
    yield piece
