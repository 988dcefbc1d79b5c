"""A picture of the next 90 days: each token's end and the dates of the registries on one line, as PNG.

Drawn here, so that no service hears of it. Pillow is imported when the first picture is drawn: it costs start time and
memory that a bot without pictures need not pay. No I/O: bytes come back.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.deadlines import Deadlines
from bot.messages import text as t

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT, MARGIN = 1200, 560, 50  # readable also where a phone shows it small
AXIS, RULE_TOP = 440, 92  # heights, from above
ROW, TALL_ROW = 34, 64  # between two names
MOST_NAMES = 10  # more cannot be told apart; then only how many end each day
MOST_NAME, MOST_SAYS = 28, 84
TALLEST = 250  # pixels of the highest bar
NUMBER_WIDTH = 60  # pixels that a count needs for itself
WEEK = 7
COLOURS = 64
# Told apart by place and words too, not by colour alone; dark enough on white, whatever the theme around it.
INK, QUIET, LINE = (32, 38, 42), (90, 98, 104), (200, 206, 210)
SOON, LATER, RULE = (176, 42, 48), (28, 104, 92), (128, 72, 8)


@dataclass(frozen=True, slots=True)
class _Paper:
    """Where days lie on it, and what is written with."""

    draw: ImageDraw
    today: date
    days: int
    small: FreeTypeFont
    normal: FreeTypeFont
    large: FreeTypeFont

    def x(self, day: date) -> int:
        return MARGIN + round((day - self.today).days * (WIDTH - 2 * MARGIN) / self.days)

    def colour(self, day: date) -> tuple[int, int, int]:
        return SOON if (day - self.today).days <= WEEK else LATER

    def write(self, at: tuple[int, int], text: str) -> None:
        """At the right of `at`, or at its left where the right has no room; lines behind it are covered."""
        fits = at[0] + 8 + self.normal.getlength(text) <= WIDTH - 16
        place, anchor = ((at[0] + 10, at[1]), "lm") if fits else ((at[0] - 10, at[1]), "rm")
        self.draw.rectangle(self.draw.textbbox(place, text, self.normal, anchor), "white")
        self.draw.text(place, text, INK, self.normal, anchor)


def picture(found: Deadlines, zone: ZoneInfo) -> bytes:
    """Days are those of the team's zone."""
    from PIL import Image, ImageDraw, ImageFont

    def font(size: int) -> FreeTypeFont:
        made = ImageFont.load_default(size)
        assert isinstance(made, ImageFont.FreeTypeFont)
        return made

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    paper = _Paper(
        ImageDraw.Draw(image),
        found.now.astimezone(zone).date(),
        max(1, (found.until - found.now).days),
        font(22),
        font(26),
        font(36),
    )
    ends = [(one.at.astimezone(zone).date(), t.plain(one.token.name, MOST_NAME)) for one in found.expiring]
    paper.draw.text((MARGIN, 20), _title(found, paper.days), INK, paper.large)
    _axis(paper)
    shown = [dated for dated in found.dates if dated.rule.at <= found.until]
    for number, dated in enumerate(shown):
        says = f"{dated.rule.at:%Y-%m-%d}: {t.plain(dated.rule.says, MOST_SAYS)}"
        _rule(paper, dated.rule.at.astimezone(zone).date(), says, number)
    if len(ends) <= MOST_NAMES:
        _names(paper, ends, len(shown))
    else:
        _bars(paper, Counter(day for day, _ in ends))
    paper.draw.text((MARGIN, HEIGHT - 44), _legend(len(ends) <= MOST_NAMES, bool(shown)), QUIET, paper.small)
    packed = io.BytesIO()
    image.quantize(COLOURS).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def _title(found: Deadlines, days: int) -> str:
    over = f", {len(found.over):,} expired before" if found.over else ""
    return f"{t.count(len(found.expiring), 'token ends', 'tokens end')} in the next {days} days{over}"


def _legend(named: bool, has_rules: bool) -> str:
    what = "One dot for each token." if named else "One bar for each day, with how many tokens end on it."
    rules = " Brown line: a date of the registry." if has_rules else ""
    return f"{what} Red: within {WEEK} days. Green: later.{rules}"


def _axis(paper: _Paper) -> None:
    """Today at the left, a tick for each Monday, every second one with its date."""
    end = paper.today + timedelta(days=paper.days)
    paper.draw.line([(MARGIN, AXIS), (paper.x(end), AXIS)], INK, 3)
    paper.draw.text((MARGIN, AXIS + 22), "today", INK, paper.small, "lt")
    monday = paper.today + timedelta(days=7 - paper.today.weekday())
    for number in range((end - monday).days // WEEK + 1):
        day = monday + timedelta(weeks=number)
        paper.draw.line([(paper.x(day), AXIS), (paper.x(day), AXIS + 10)], INK, 2)
        if number % 2 == 1:
            paper.draw.text((paper.x(day), AXIS + 22), f"{day.day} {day:%b}", QUIET, paper.small, "mt")


def _rule(paper: _Paper, day: date, says: str, number: int) -> None:
    """Its words over the line, moved aside where they would leave the paper."""
    x, y = paper.x(day), RULE_TOP + number * ROW
    half = paper.normal.getlength(says) / 2
    middle = min(max(x, 16 + half), WIDTH - 16 - half)
    paper.draw.text((middle, y), says, RULE, paper.normal, "mm")
    for top in range(y + 18, AXIS, 14):
        paper.draw.line([(x, top), (x, min(top + 8, AXIS))], RULE, 3)


def _names(paper: _Paper, ends: Sequence[tuple[date, str]], rules: int) -> None:
    """The soonest lowest, so that few lines come behind a name."""
    height = AXIS - RULE_TOP - rules * ROW
    row = min(TALL_ROW, max(ROW, height // (len(ends) + 1)))
    room = max(1, height // row - 1)
    places = [(day, name, AXIS - row * (1 + number % room)) for number, (day, name) in enumerate(ends)]
    for day, _, y in places:
        paper.draw.line([(paper.x(day), y), (paper.x(day), AXIS)], LINE, 2)
    for day, name, y in places:
        x = paper.x(day)
        paper.write((x, y), f"{name}, {day.day} {day:%b}")
        paper.draw.ellipse([(x - 8, AXIS - 8), (x + 8, AXIS + 8)], paper.colour(day))
        paper.draw.ellipse([(x - 4, y - 4), (x + 4, y + 4)], paper.colour(day))


def _bars(paper: _Paper, counts: Counter[date]) -> None:
    most = max(counts.values())
    half = max(3, (paper.x(paper.today + timedelta(days=1)) - MARGIN) // 3)
    tops = {day: AXIS - max(8, round(TALLEST * count / most)) for day, count in counts.items()}
    for day, top in tops.items():
        paper.draw.rectangle([(paper.x(day) - half, top), (paper.x(day) + half, AXIS)], paper.colour(day))
    labelled: list[int] = []
    for day, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        x = paper.x(day)
        if len(labelled) < MOST_NAMES and all(abs(x - other) >= NUMBER_WIDTH for other in labelled):
            paper.draw.text((x, tops[day] - 6), f"{count:,}", INK, paper.small, "mb")
            labelled.append(x)
