"""Text from outside made safe for Slack, and the few phrasings every message shares: dates, lists, counts.

Three ways to show a word that somebody else chose:

- `mrkdwn(text)`   prose: cannot mention, link, format or become an emoji
- `code(text)`     names and commands, exact and ready to copy
- `plain(text)`    for plain_text and rich_text, which Slack does not parse

Lengths are UTF-16 units, the larger of the two ways Slack might count a character outside the basic plane.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import humanize

ELLIPSIS = "…"
NAME_LIMIT = 160  # characters of one name; npm allows 214, GitHub branches 255, nobody reads that far
PROSE_LIMIT = 600  # characters of one sentence from outside
MOST_URL = 500  # Slack takes 3000, but escaping can make five of one and a line of ours has to hold two

# Invisible characters: controls, soft hyphen, zero-width, direction marks and overrides, tags. They can hide a
# mention from a reader, or turn a line of ours around.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # cannot be sent as UTF-8
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")

# mrkdwn has no escape for its marks, and a zero-width space beside one can even switch it on. Only look-alikes are
# certain. An underscore inside a word (NPM_TOKEN) never formats and stays, so that it can be copied.
_MARKS = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LOOK_ALIKE = {"*": "\u2217", "~": "\u223c", "`": "'", "_": "\u02cd"}
# `:x:`, also when the second colon is one of ours that follows the text.
_EMOJI_CODE = re.compile(r":(?=[^\s:]+(?::|$))")
_QUOTE = re.compile("^>+")  # begins a quotation, escaped or not
_MENTION_START = re.compile(r"<(?=[!@#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_NEEDS_ESCAPE = re.compile("[&<>]")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:/[^\s<>|\"`]*)?")
# What `span` and the verdicts say of a time that is past, up to a year.
_AGO = re.compile(
    r"\b(?:(?P<days>a|\d[\d,]*) days?|(?:an?|\d+) (?:hours?|minutes?)|less than a minute) ago\b|\bjust now\b"
)
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,20}")


def length(text: str) -> int:
    """Characters as UTF-16 units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int) -> str:
    """The text if it fits, else its beginning and an ellipsis; never longer than `limit` units."""
    if length(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    while kept and length(kept) > limit - 1:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS if limit > 0 else ""


def clean(text: str) -> str:
    """Without invisible characters; line breaks of any kind become `\\n`."""
    text = _LONE_SURROGATE.sub("\ufffd", _LINE_BREAK.sub("\n", text))
    return _INVISIBLE.sub("", text)


def one_line(text: str) -> str:
    return _SPACES.sub(" ", clean(text)).strip()


def comes_back(value: str, limit: int) -> bool:
    """Whether Slack returns this value of a button or option exactly; such values are neither cut nor cleaned."""
    return length(value) <= limit and clean(value) == value


def plain(text: str, limit: int = PROSE_LIMIT) -> str:
    """One line for plain_text and rich_text.

    Slack shows these as they are, but the words travel on, into notifications and other bots' input: a mention
    is broken here too.
    """
    return cut(_MENTION_START.sub("<\u200b", one_line(text)), limit)


def escape(text: str) -> str:
    """The three characters Slack asks to escape."""
    return _NEEDS_ESCAPE.sub(lambda match: _ENTITIES[match[0]], text)


def cut_escaped(escaped: str, limit: int) -> str:
    """`cut` for text that is safe already: leaves neither half an entity nor half a mention, date or link."""
    if length(escaped) <= limit:
        return escaped
    kept = cut(escaped, limit)[:-1]
    for opening, closing in (("<", ">"), ("&", ";")):
        start = kept.rfind(opening)
        if start > kept.rfind(closing):  # in safe text each of them begins something whole
            kept = kept[:start]
    return kept.rstrip(" _") + ELLIPSIS  # an underscore that lost its other neighbour might format


def mrkdwn(text: str, limit: int = PROSE_LIMIT) -> str:
    """One line of prose for a mrkdwn field that cannot mention, link, format or become an emoji."""
    text = cut(one_line(text), limit)  # cut first: the substitutions below cost time by length
    text = _QUOTE.sub("\u203a", text)
    text = _MARKS.sub(lambda match: _LOOK_ALIKE[match[0]], text)
    text = _EMOJI_CODE.sub(":\u200b", text)
    return cut_escaped(escape(text), limit)


def sentence(text: str, limit: int = PROSE_LIMIT) -> str:
    """`mrkdwn`, ending in a full stop."""
    return sentence_end(mrkdwn(text, limit - 1))


def sentence_end(shown: str) -> str:
    return shown if not shown or shown[-1] in ".!?:…" else shown + "."


def prose(text: str, limit: int = PROSE_LIMIT) -> str:
    """A sentence of ours in which `backticks` mark what to copy; names in it may come from outside.

    The marked parts become code spans, the rest is `mrkdwn`. With an odd number of backticks nothing is marked.
    """
    pieces = cut(one_line(text), limit).split("`")
    if len(pieces) % 2 == 0 or len(pieces) == 1:
        return sentence(text, limit)
    shown = [code(piece, limit) if index % 2 else _spaced(piece, limit) for index, piece in enumerate(pieces)]
    said = "".join(shown)
    return said if not pieces[-1] else sentence_end(said)


def _spaced(piece: str, limit: int) -> str:
    """`mrkdwn` that keeps the blank before or after a code span."""
    before, after = " " * piece.startswith(" "), " " * (piece.endswith(" ") and bool(piece.strip()))
    return f"{before}{mrkdwn(piece, limit)}{after}"


def code(text: str, limit: int = NAME_LIMIT) -> str:
    """A name or command as a code span, exact except for backticks, which would end the span."""
    shown = cut_escaped(escape(cut(one_line(text).replace("`", "'"), limit)), limit)
    return f"`{shown}`" if shown else ""


def link(url: str | None, label: str) -> str:
    """A link if the address can be one, else only its label."""
    shown = mrkdwn(label, NAME_LIMIT)
    if url is None or not is_url(url):
        return shown
    return f"<{escape(url)}|{shown}>"


def is_url(url: str) -> bool:
    """Whether Slack would take it: http(s), without user or password, blanks, brackets and invisible characters."""
    fits = len(url) <= MOST_URL and clean(url) == url
    return fits and _URL.fullmatch(url) is not None


def mention(user: str | None) -> str:
    """A Slack user as a mention; anything that is not a user id is only shown."""
    if not user:
        return "nobody"
    return f"<@{user}>" if _USER_ID.fullmatch(user) else mrkdwn(user, 80)


def is_user(user: str | None) -> bool:
    return bool(user) and _USER_ID.fullmatch(user or "") is not None


def channel(ident: str | None) -> str:
    """`in <#C012>`'s second word; "the alert channel" for anything that is no channel id."""
    return f"<#{ident}>" if ident and re.fullmatch(r"[CGD][A-Z0-9]{2,20}", ident) else "the alert channel"


def iso(moment: datetime) -> str:
    """`2026-11-24 09:30 UTC`, where Slack cannot show the reader's own zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def date(moment: datetime) -> str:
    """Day and time in the zone of each reader."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{iso(moment)}>"


def age(moment: datetime) -> str:
    """`date` of something past, and how long ago that is whenever it is read."""
    stamp = int(moment.timestamp())
    return f"<!date^{stamp}^{{date_short_pretty}} {{time}} ({{ago}})|{iso(moment)}>"


def day(moment: datetime) -> str:
    """The day alone, in the zone of each reader."""
    fallback = moment.astimezone(UTC).strftime("%Y-%m-%d")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}}|{fallback}>"


def span(delta: timedelta) -> str:
    """`3 days`, `2 hours`, `93 days`: days up to a year, because tokens live by days and not by months."""
    delta = abs(delta)
    if delta < timedelta(minutes=1):
        return "less than a minute"
    if delta < timedelta(days=366):
        return humanize.naturaldelta(delta, months=False)
    return humanize.naturaldelta(delta)


def relative(moment: datetime, now: datetime) -> str:
    """`in 3 days`, `2 days ago`, `just now`."""
    delta = moment - now
    if abs(delta) < timedelta(minutes=1):
        return "just now" if delta <= timedelta(0) else "in a moment"
    return f"in {span(delta)}" if delta > timedelta(0) else f"{span(delta)} ago"


def aged(said: str, by: timedelta) -> str:
    """A sentence that was said some time ago, with its "2 days ago" as of now. `by`: how long ago it was said; below a
    day nothing changes."""
    return _AGO.sub(lambda found: _older(found, by.days), said) if by.days >= 1 else said


def _older(found: re.Match[str], days: int) -> str:
    number = found["days"]
    before = 0 if number is None else 1 if number == "a" else int(number.replace(",", ""))
    return f"about {span(timedelta(days=before + days))} ago"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 token`, `2 tokens`, `12,000 tokens`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Sequence[str], most: int | None = None, total: int | None = None) -> str:
    """`a`, `a and b`, `a, b and 3 more`. `total`: how many there are if `items` is only the beginning."""
    total = len(items) if total is None else total
    shown = list(items if most is None else items[:most])
    if total > len(shown):
        shown.append(f"{total - len(shown):,} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def bullets(items: Iterable[str]) -> list[str]:
    return [f"•  {item}" for item in items if item]


def numbered(items: Iterable[str]) -> list[str]:
    return [f"{number}.  {item}" for number, item in enumerate((item for item in items if item), 1)]
