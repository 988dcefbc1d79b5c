"""Answers about many tokens: `/tokens status` and `/tokens list`. Counts and pages arrive ready made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.messages import text as t
from bot.messages import token_facts
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections
from storage.tokens import Token

# The value of both: see page_value.
PREVIOUS_PAGE = "tokens.previous_page"
NEXT_PAGE = "tokens.next_page"
PAGE_SIZE = 15
MOST_URGENT = 5
_MOST_FILTER = 200  # characters of a filter carried by a button; longer ones match nothing anyway


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """How many tokens are in each state. Revoked ones are counted nowhere else, nor are trusted publishers."""

    expired: int = 0
    within_7_days: int = 0
    within_30_days: int = 0  # without those within 7
    later: int = 0
    no_known_end: int = 0
    revoked: int = 0
    trusted_publishers: int = 0

    @property
    def live(self) -> int:
        return self.expired + self.within_7_days + self.within_30_days + self.later + self.no_known_end


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `number` counts from 1; `total` is of all pages; `filter` is what the person typed."""

    tokens: tuple[Token, ...]
    number: int = 1
    total: int = 0
    filter: str = ""

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


def status_message(
    counts: StatusCounts,
    urgent: Sequence[Token],
    open_incidents: int,
    next_digest: datetime | None,
    now: datetime,
) -> Message:
    """`urgent`: the tokens whose end is nearest or past, most urgent first."""
    if counts.live + counts.revoked + counts.trusted_publishers == 0:
        return no_tokens(open_incidents)
    headline = _status_headline(counts)
    rows = [
        (counts.expired, "expired"),
        (counts.within_7_days, "ending within 7 days"),
        (counts.within_30_days, "within 30 days"),
        (counts.later, "later"),
        (counts.no_known_end, "without a known end"),
        (counts.trusted_publishers, "trusted publishers"),
        (counts.revoked, "revoked"),
    ]
    parts = [
        section(f"*{headline}*"),
        section("  ·  ".join(f"{number:,} {words}" for number, words in rows if number)),
        *sections(t.bullets(token_line(token, now) for token in urgent[:MOST_URGENT]), rank=1),
        section(_incidents(open_incidents)),
        context(
            f"The next digest is due {t.date(next_digest)}." if next_digest else "",
            "`/tokens list` shows all, `/tokens help` the rest.",
        ),
    ]
    return message(f"{headline} {_incidents(open_incidents)}", parts)


def _status_headline(counts: StatusCounts) -> str:
    """The one fact: what is worst."""
    if counts.expired:
        return f"{t.count(counts.expired, 'token has', 'tokens have')} expired."
    if counts.within_7_days:
        return f"{t.count(counts.within_7_days, 'token ends', 'tokens end')} within 7 days."
    if counts.within_30_days:
        return f"{t.count(counts.within_30_days, 'token ends', 'tokens end')} within 30 days."
    if counts.no_known_end and not counts.later:
        return f"{t.count(counts.no_known_end, 'token has', 'tokens have')} no known end, so nobody can be warned."
    return "Nothing ends within 30 days."


def _incidents(open_incidents: int) -> str:
    if not open_incidents:
        return "No incident is open."
    return f"{t.count(open_incidents, 'incident is', 'incidents are')} open: `/tokens incidents`"


def list_message(page: Page, now: datetime) -> Message:
    if page.total == 0:
        return no_match(page.filter) if page.filter else no_tokens()
    matching = f" match {t.code(page.filter)}" if page.filter else ""
    headline = f"{t.count(page.total, 'token')}{matching or ', soonest end first'}"
    where = f", page {page.number:,} of {page.pages:,}" if page.pages > 1 else ""
    parts: list[Part | None] = [
        section(f"*{headline}{where}*"),
        *sections(t.bullets(token_line(token, now) for token in page.tokens[:PAGE_SIZE]), rank=1),
        buttons(
            Button("Previous", PREVIOUS_PAGE, page_value(page.filter, page.number - 1)) if page.number > 1 else None,
            Button("Next", NEXT_PAGE, page_value(page.filter, page.number + 1)) if page.number < page.pages else None,
        ),
        context("`/tokens show NAME` tells everything about one."),
    ]
    names = t.listed([t.mrkdwn(token.name, 80) for token in page.tokens[:3]], 3, page.total)
    return message(f"{headline}{where}: {names}.", parts)


def token_line(token: Token, now: datetime) -> str:
    """`npm-acme-ci` ends in 3 days  ·  @ann  ·  may publish: `@acme/ui` and 2 more"""
    return "  ·  ".join(
        (
            f"{t.code(token.name, 80)} {token_facts.ending(token, now, exact=False)}",
            token_facts.owner(token),
            token_facts.rights(token, 2),
        )
    )


def page_value(filter_: str, number: int) -> str:
    """The value of a paging button."""
    return json.dumps({"filter": t.one_line(filter_)[:_MOST_FILTER], "page": number}, ensure_ascii=False)


def read_page_value(value: str) -> tuple[str, int]:
    """Filter and page number of a paging button; the first page if the value is not one of ours."""
    try:
        read = json.loads(value)
        return str(read["filter"]), max(1, int(read["page"]))
    except (ValueError, TypeError, KeyError, OverflowError):
        return "", 1


def no_tokens(open_incidents: int = 0) -> Message:
    """Before the first token is known: what to type now."""
    said = (
        "No tokens are known yet. Add the first with `/tokens add`, or import what "
        "`npm token list --json` prints with `python -m bot tokens import`."
    )
    return message(
        said,
        [
            section("*No tokens are known yet.*", "Two ways to start:"),
            section(
                *t.bullets(
                    (
                        "`/tokens add` asks for the facts of one token",
                        "`python -m bot tokens import` takes what `npm token list --json` prints, for all at once",
                    )
                )
            ),
            section(_incidents(open_incidents)) if open_incidents else None,
            context("Only facts are kept: name, owner, dates, where it is used. Never the token itself."),
        ],
    )


def no_match(filter_: str) -> Message:
    said = f"No token matches {t.code(filter_)}."
    hint = "A filter looks for its words in names, packages, repositories and owners. `/tokens list` shows all."
    return message(f"{said} {hint}", [section(f"*{said}*", hint)])
