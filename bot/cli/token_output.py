"""How tokens, plans and findings look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import humanize
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.policy import ends_at, rules_for, stops_publishing_at
from bot.token_import import Change, Plan
from bot.token_metadata import contradictions, to_json, write_use
from storage.audit import Entry
from storage.tokens import Token

_MOST_LINES = 200
_MOST_SILENT = 10  # packages named in one line
_LONG_NAME = 40
_SOON = timedelta(days=14)
_WIDE = 10_000  # of what goes to a file or a pipe: nothing there wraps


def print_list(tokens: Sequence[Token], total: int, now: datetime) -> None:
    """`total`: how many there are besides those shown."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    # A name is what people type: it gives way last.
    longest = max((len(token.name) for token in tokens), default=0)
    table.add_column("name", overflow="fold", min_width=min(longest, _LONG_NAME))
    for column in ("registry", "kind", "ends", "owner"):
        table.add_column(column, no_wrap=column != "ends")
    table.add_column("may publish", overflow="fold")
    table.add_column("used in", overflow="fold")
    for token in tokens:
        row = (
            token.name,
            token.registry,
            token.kind,
            end_words(token, now),
            token.owner or "nobody",
            _few((*token.packages, *(f"{scope}/*" for scope in token.scopes))),
            _few(tuple(dict.fromkeys(use.repo for use in token.used_by))),
        )
        cells = [Text(cell) for cell in row]
        cells[3].stylize(_urgency(token, now))
        table.add_row(*cells)
    print_table(table)
    if total > len(tokens):
        _console().print(Text(f"{len(tokens)} of {total:,}: narrow the list or raise --limit."))


def print_token(token: Token, now: datetime) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(token, now):
        table.add_row(Text(name), Text(value))
    print_table(table)


def print_plan(plan: Plan, *, dry_run: bool) -> None:
    lines = [f"+ {token.name}  {token.registry} {token.kind}{_ends(token)}" for token in plan.added]
    for sign, changes in (("~", plan.changed), ("x", plan.revoked)):
        lines += [f"{sign} {change.before.name}  {_what(change)}" for change in changes]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES:,} more: --json shows all"]
    console = _console()
    for line in lines:
        console.print(Text(line))
    counts = (
        f"{len(plan.added)} added, {len(plan.changed)} changed, {len(plan.revoked)} revoked, "
        f"{len(plan.unchanged)} unchanged"
    )
    if plan.silent:
        named = ", ".join(plan.silent[:_MOST_SILENT]) + (" and more" if len(plan.silent) > _MOST_SILENT else "")
        console.print(
            Text(f"npm printed nothing for {named}: no trusted publisher, or it refused. Nothing changes there.")
        )
    console.print(Text(f"Would be: {counts}. Nothing was stored." if dry_run else f"{counts}."))


def plan_record(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """The plan for `--json`."""
    return {
        "dry_run": dry_run,
        "added": [to_json(token) for token in plan.added],
        "changed": [_change_record(change) for change in plan.changed],
        "revoked": [_change_record(change) for change in plan.revoked],
        "unchanged": [token.name for token in plan.unchanged],
        "silent": list(plan.silent),
    }


def print_changes(entries: Iterable[Entry], *, as_json: bool) -> None:
    """One line for each audit row, oldest first."""
    for entry in entries:
        at = f"{entry.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if as_json:
            row = {"at": at, "who": entry.who, "action": entry.action, "subject": entry.subject}
            click.echo(json.dumps(row | {"details": entry.details}))
        else:
            click.echo(f"{at} {entry.who} {entry.action} {entry.subject} {entry.details}".rstrip())


def _urgency(token: Token, now: datetime) -> str:
    """The colour of an end on a terminal."""
    end = ends_at(token)
    if token.revoked_at is not None:
        return "dim"
    if end is None:
        return ""
    return "red" if end <= now else "yellow" if end <= now + _SOON else ""


def end_words(token: Token, now: datetime) -> str:
    """`2026-12-01 (in 6 days)`, with what makes it uncertain."""
    if token.revoked_at is not None:
        return f"revoked {token.revoked_at:%Y-%m-%d}"
    end = ends_at(token)
    if end is None:
        return "never" if token.kind == "trusted-publisher" else "not known"
    computed = ", computed" if token.expires_computed or end != token.expires_at else ""
    return f"{end:%Y-%m-%d} ({relative(end, now)}{computed})"


def relative(when: datetime, now: datetime) -> str:
    if abs(when - now).total_seconds() < 1:
        return "now"
    span = humanize.naturaldelta(when - now)
    if (days := abs(when - now).days) > 1:
        span = f"{days} days"  # humanize calls sixteen days a month
    return f"in {span}" if when > now else f"{span} ago"


def _facts(token: Token, now: datetime) -> Iterable[tuple[str, str]]:
    yield "name", token.name
    yield "registry", token.registry
    yield "kind", token.kind
    yield "permission", token.permission or "not known"
    for name, values in (("packages", token.packages), ("scopes", token.scopes), ("orgs", token.orgs)):
        if values:
            yield name, " ".join(values)
    if token.cidr:
        yield "cidr", " ".join(token.cidr)
    yield "bypass 2FA", {True: "yes", False: "no", None: "not known"}[token.bypass_2fa]
    if token.bypass_reason:
        yield "  because", token.bypass_reason
    if token.hint:
        yield "looks like", token.hint
    if token.registry_id:
        yield "id at registry", token.registry_id
    if token.account:
        yield "account", token.account
    for name, when in (("created", token.created_at), ("last used", token.last_used_at), ("revoked", token.revoked_at)):
        if when is not None:
            yield name, _moment(when, now)
    yield "ends", end_words(token, now) if ends_at(token) is None else _moment_of_end(token, now)
    stop = stops_publishing_at(token)
    if stop is not None and stop.rule is not None and stop.at != ends_at(token):
        yield "stops publishing", f"{_moment(stop.at, now)}: {stop.rule.says} {stop.rule.link}"
    yield "owner", token.owner or "nobody"
    yield "backup owner", token.backup_owner or "nobody"
    if token.listed_at:
        yield "last listed", _moment(token.listed_at, now)
    for use in token.used_by:
        yield "used by", write_use(use)
    if token.note:
        yield "note", token.note
    for rule in rules_for(token):
        if rule.effect in ("dies", "no-management"):
            yield "rule", f"{rule.says} {rule.link}"
    for sentence in contradictions(token, now):
        yield "contradiction", sentence


def _moment_of_end(token: Token, now: datetime) -> str:
    end = ends_at(token)
    assert end is not None
    if token.expires_computed:
        return f"{_moment(end, now)} (computed from its kind and creation)"
    if token.revoked_at is None and token.expires_at is not None and end < token.expires_at:
        return f"{_moment(end, now)} (by {token.registry}'s rules; recorded: {token.expires_at:%Y-%m-%d})"
    return _moment(end, now)


def _moment(when: datetime, now: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {relative(when, now)}"


def _ends(token: Token) -> str:
    if token.expires_at is None:
        return ""
    return f", ends {token.expires_at:%Y-%m-%d}" + (" (computed)" if token.expires_computed else "")


def _what(change: Change) -> str:
    return "; ".join(f"{field}: {old or 'nothing'} -> {new or 'nothing'}" for field, old, new in change.fields)


def _change_record(change: Change) -> dict[str, Any]:
    return {"name": change.before.name, "fields": {field: [old, new] for field, old, new in change.fields}}


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:2])
    return f"{shown} and {len(names) - 2} more" if len(names) > 2 else shown


def print_table(table: Table) -> None:
    """Without the blanks that fill the last column, which people would copy."""
    console = _console()
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _console() -> Console:
    """Lines as wide as the terminal; in a pipe one line for each record."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)
