"""How deadlines look in a terminal and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from bot.cli.token_output import print_table, relative
from bot.deadlines import Deadline, Deadlines, way_out
from bot.fleet.ways_out import STATES, WAY_WORDS, WayOut, alike, counted
from bot.policy import ends_at
from storage.tokens import Token

_WORDS = {"expired": "expired", "expires": "ends", "stops-publishing": "stops publishing"}


def deadline_records(found: Deadlines) -> Iterator[dict[str, Any]]:
    """One object for each token and date, the earliest first.

    `why`: expired, expires or stops-publishing; `rule`: the id of the registry's rule, null for a token's own end;
    `computed`: nobody recorded the end; `announced`: the registry named about that day, not the day; `ways_out`: for
    each package of a token that a rule stops: `ready` for trusted publishing, `needs` a change, `not-possible` or
    `unknown`, and why.
    """
    for one in _rows(found):
        why = "expired" if one.at <= found.now else one.why
        yield {
            "at": f"{one.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "why": why,
            "rule": one.rule.id if one.rule else None,
            "announced": bool(one.rule and one.rule.target),
            "computed": one.rule is None and one.token.expires_computed,
            "token": one.token.name,
            "registry": one.token.registry,
            "owner": one.token.owner,
            "backup_owner": one.token.backup_owner,
            "packages": list(one.token.packages),
            "scopes": list(one.token.scopes),
            "used_by": sorted({use.repo for use in one.token.used_by}),
            "way_out": way_out(one.token, one.why, _ways(found, one)).replace("`", ""),
            "ways_out": [_way_record(way) for way in _ways(found, one)],
        }


def print_deadlines(found: Deadlines) -> None:
    rows = _rows(found)
    if not rows:
        click.echo(f"Nothing known ends within {(found.until - found.now).days} days.")
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("when", no_wrap=True)
        for column in ("token", "what", "owner", "publishes", "way out"):
            table.add_column(column, overflow="fold")
        for one in rows:
            cells = (_when(one.at, found.now), one.token.name, _what(one, found.now), one.token.owner or "nobody")
            table.add_row(*(Text(cell) for cell in (*cells, _publishes(one.token), _way_out(found, one))))
        print_table(table)
    for date in found.dates:
        about = "around" if date.rule.target else "on"
        click.echo(f"\n{about.capitalize()} {date.rule.at:%Y-%m-%d}: {date.rule.says} {date.rule.link}")
        said = f"It stops {len(date.stops)} of the tokens above" if date.stops else "It stops none of the known tokens"
        before = f"; {len(date.ends_before)} of this kind end before" if date.ends_before else ""
        click.echo(f"{said}{before}.")
        if date.ways:
            _print_ways(date.ways)


def _print_ways(ways: Sequence[WayOut]) -> None:
    counts = Counter(way.state for way in ways)
    said = ", ".join(counted(counts[state], state) for state in reversed(STATES) if counts[state])
    click.echo(f"The way out, package by package: {said}.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("package", "way out", "token"):
        table.add_column(column, overflow="fold")
    for one in alike(ways):
        said = WAY_WORDS[one.state] + (f": {one.says}" if one.says else "")
        table.add_row(*(Text(cell) for cell in (_few(one.packages), said.replace("`", ""), _few(one.tokens))))
    print_table(table)


def _way_out(found: Deadlines, one: Deadline) -> str:
    return way_out(one.token, one.why, _ways(found, one)).replace("`", "")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(name or "?" for name in names[:3])
    return shown + (f" and {len(names) - 3:,} more (--json shows all)" if len(names) > 3 else "")


def _ways(found: Deadlines, one: Deadline) -> list[WayOut]:
    """Of the token, for the rule of this row."""
    return [
        way
        for date in found.dates
        for way in date.ways
        if one.rule is not None and date.rule.id == one.rule.id and way.token == one.token.name
    ]


def _way_record(way: WayOut) -> dict[str, Any]:
    return {
        "package": way.package or None,
        "state": way.state,
        "says": way.says.replace("`", ""),
        "published_from": list(way.repos),
    }


def _rows(found: Deadlines) -> list[Deadline]:
    over = [Deadline(ends_at(token) or found.now, "expires", token) for token in found.over]
    return [*over, *found.coming]


def _when(at: datetime, now: datetime) -> str:
    return f"{at:%Y-%m-%d} ({relative(at, now)})"


def _what(one: Deadline, now: datetime) -> str:
    probably = "probably " if one.rule is None and one.token.expires_computed else ""
    return probably + _WORDS["expired" if one.at <= now else one.why]


def _publishes(token: Token) -> str:
    names = [*token.packages, *(f"{scope}/*" for scope in token.scopes)] or sorted({use.repo for use in token.used_by})
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
