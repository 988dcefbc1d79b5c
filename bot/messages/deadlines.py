"""The answer to `/tokens deadlines`: by date, who and what stops, and the way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby

from bot.deadlines import Deadline, Deadlines, RuleDate, way_out
from bot.fleet.ways_out import STATES, Alike, State, WayOut, alike, counted
from bot.messages import text as t
from bot.messages import token_facts
from bot.messages.home import ROTATE
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections, table
from storage.tokens import Token

MOST_DAYS = 12
MOST_A_DAY = 4
MOST_OF_RULE = 8
MOST_OVER = 5
MOST_WAYS = 20  # lines of the table of packages
CAMPAIGN = "deadlines.campaign"  # value: the rule's id
_IN_TABLE: dict[State, str] = {
    "ready": "Ready",
    "needs": "After a change",
    "not-possible": "No",
    "unknown": "Not known",
}
ALT_LIMIT = 1000  # characters of a picture's description


def named(found: Deadlines) -> list[Token]:
    """The tokens that the message names, of which it needs more than their outlines."""
    shown = [*found.over[:MOST_OVER], *(token for date in found.dates for token in date.stops[:MOST_OF_RULE])]
    for day in _days(found.expiring)[:MOST_DAYS]:
        shown += [deadline.token for deadline in day[:MOST_A_DAY]]
    return shown


def deadlines_message(found: Deadlines, picture: bool = False, under_way: Collection[str] = ()) -> Message:
    """`picture`: one was sent to the person directly; `under_way`: ids of the rules that a campaign runs for."""
    headline = _headline(found)
    days = _days(found.expiring)
    parts: list[Part | None] = [
        section(f"*{headline}*"),
        *_over(found),
        *[part for date in found.dates for part in _rule(date, found.now, date.rule.id in under_way)],
        _ways_table(found),
        *[part for day in days[:MOST_DAYS] for part in _day(day)],
        context(f"And {len(days) - MOST_DAYS:,} more days with ends: `/tokens list`")
        if len(days) > MOST_DAYS
        else None,
        buttons(Button("Rotate a token", ROTATE)) if found.coming or found.over else None,
        context(
            "A picture of it is in your direct messages with this app." if picture else "",
            "On the machine of the bot, `python -m bot tokens deadlines --json` lists all.",
        ),
    ]
    return message(f"{headline} {_spoken(found, 3)}".strip(), parts)


def alt_text(found: Deadlines) -> str:
    """The picture in words, for those who cannot see it: plain text."""
    said = f"The next {(found.until - found.now).days} days on one line. {_headline(found)} {_spoken(found, 10)}"
    return t.plain(said.replace("`", ""), ALT_LIMIT)


def _headline(found: Deadlines) -> str:
    days = (found.until - found.now).days
    over, ending = len(found.over), len(found.expiring)
    said = [f"{t.count(ending, 'token ends', 'tokens end')} within {days} days"] if ending else []
    if over:
        said.insert(0, f"{t.count(over, 'token has', 'tokens have')} expired")
    for date in found.dates:
        if date.stops:
            number = t.count(len(date.stops), "token stops", "tokens stop")
            said.append(f"{number} publishing {_about(date)}")
    return f"{t.listed(said)}." if said else f"Nothing known ends within {days} days."


def _about(date: RuleDate) -> str:
    return f"{'around' if date.rule.target else 'on'} {date.rule.at:%Y-%m-%d}"


def _spoken(found: Deadlines, most: int) -> str:
    first = [f"{t.mrkdwn(one.token.name, 60)} on {one.at:%Y-%m-%d}" for one in found.expiring[:most]]
    return f"Next: {t.listed(first, most, len(found.expiring))}." if first else ""


def _days(expiring: Sequence[Deadline]) -> list[list[Deadline]]:
    return [list(group) for _, group in groupby(expiring, key=lambda deadline: deadline.at.date())]


def _over(found: Deadlines) -> list[Part]:
    if not found.over:
        return []
    lines = t.bullets(
        f"{t.code(token.name, 80)} {token_facts.ending(token, found.now)}{_who(token)}"
        for token in found.over[:MOST_OVER]
    )
    more = len(found.over) - MOST_OVER
    lines += [f"And {more:,} more."] if more > 0 else []
    return sections(
        ["*Expired, and not marked as revoked*", *lines, "Replace them, or `/tokens remove NAME` what nobody needs."],
        rank=1,
    )


def _rule(date: RuleDate, now: datetime, under_way: bool) -> list[Part]:
    title = f"*{_about(date)[0].upper()}{_about(date)[1:]}, {t.relative(date.rule.at, now)}*"
    lines = [f"{title}  {t.prose(date.rule.says)} {t.link(date.rule.link, 'Read more')}"]
    lines += t.bullets(_line(token, "stops-publishing", date.ways) for token in date.stops[:MOST_OF_RULE])
    if len(date.stops) > MOST_OF_RULE:
        lines.append(f"And {len(date.stops) - MOST_OF_RULE:,} more.")
    if date.ends_before:
        number = t.count(len(date.ends_before), "token of this kind ends", "tokens of this kind end")
        lines.append(f"{number} before that day. Whatever replaces them should not be of this kind again.")
    if not date.stops and not date.ends_before:
        lines.append("None of the known tokens is concerned.")
    if date.ways:
        lines.append(_summary(date.ways))
    return [*sections(lines, rank=1), *_campaign(date, under_way)]


def _summary(ways: Sequence[WayOut]) -> str:
    """`Of 12 packages 5 are ready for trusted publishing, ...`"""
    counts = Counter(way.state for way in ways)
    said = [counted(counts[state], state) for state in reversed(STATES) if counts[state]]
    return f"*The way out, package by package*: {t.listed(said)}."


def _campaign(date: RuleDate, under_way: bool) -> list[Part]:
    if under_way:
        return _some(context("A campaign for this date is under way: its message shows how far it is.", rank=1))
    many = len(date.stops) + len(date.ends_before)
    if not many:
        return []
    question = (
        f"Begin a rotation for each of {many:,} tokens? Five at a time, each with its owner: to trusted publishing, or"
        " to a token that stages where that cannot be."
    )
    return _some(
        buttons(Button("Start the campaign", CAMPAIGN, date.rule.id, style="primary", confirm=question), rank=1)
    )


def _some(part: Part | None) -> list[Part]:
    return [part] if part else []


def _ways_table(found: Deadlines) -> Part | None:
    """What asks for most thought first. Slack takes one table a message: it is of the first date that has any."""
    ways = next((date.ways for date in found.dates if date.ways), ())
    if not ways:
        return None
    groups = alike(ways)
    rows = [[_few(one.packages), _way(one), _few(one.repos), _few(one.tokens)] for one in groups[:MOST_WAYS]]
    if len(groups) > MOST_WAYS:
        rows.append([f"and {len(groups) - MOST_WAYS:,} more kinds", "python -m bot tokens deadlines --json", "", ""])
    return table(["Package", "Trusted publishing?", "Published from", "Token"], rows, rank=1)


def _few(names: Sequence[str]) -> str:
    shown = [name or "no package on record" for name in names[:2]]
    return ", ".join(shown) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "") or "-"


def _way(way: Alike) -> str:
    said = _IN_TABLE[way.state]
    return f"{said}: {way.says}".replace("`", "") if way.says else said


def _day(day: Sequence[Deadline]) -> list[Part]:
    lines = [f"*{t.day(day[0].at)}*", *t.bullets(_line(one.token, one.why) for one in day[:MOST_A_DAY])]
    if len(day) > MOST_A_DAY:
        lines.append(f"And {len(day) - MOST_A_DAY:,} more that day: `/tokens list`")
    return sections(lines, rank=2)


def _line(token: Token, why: str, ways: Sequence[WayOut] = ()) -> str:
    probably = "probably " if why == "expires" and token.expires_computed else ""
    verb = f"{probably}ends" if why == "expires" else "stops publishing"
    own = [way for way in ways if way.token == token.name]
    way = t.prose(way_out(token, "expires" if why == "expires" else "stops-publishing", own), 300)
    return f"{t.code(token.name, 80)} {verb}{_who(token)}{_what(token)}  ·  {way}"


def _who(token: Token) -> str:
    return f"  ·  {t.mention(token.owner)}" if token.owner else "  ·  no owner"


def _what(token: Token) -> str:
    """What can no longer be published, or from where, as far as it is on record."""
    names = [*token.packages, *(f"{scope}/*" for scope in token.scopes)]
    if names:
        return f"  ·  {t.listed([t.code(name, 60) for name in names[:2]], 2, len(names))}"
    repos = list(dict.fromkeys(use.repo for use in token.used_by))
    return f"  ·  used by {t.listed([t.code(repo, 60) for repo in repos[:2]], 2, len(repos))}" if repos else ""
