"""`tokens audit`: what a person should look at, for terminals and for CI."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import __version__
from bot.cli import open_database
from bot.cli.token_output import print_changes
from bot.fleet.audit import Finding, at_least, by_code, sarif
from bot.fleet.audit import audit as audit_of
from bot.fleet.audit_rules import LEVELS, RULES
from bot.fleet.inventory import inventory
from storage import audit as audit_rows
from storage import fleet, rotations, tokens

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
MOST_ROTATIONS = 10_000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0, which code-scanning tools read.")
@click.option("--level", type=click.Choice(LEVELS), default="note", show_default=True, help="Only so bad, or worse.")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave out a rule; repeat for more.")
@click.option("--rules", is_flag=True, help="Instead: list the rules with their codes.")
@click.option("--changes", is_flag=True, help="Instead: who changed what and when, of tokens, rotations and incidents.")
def audit(as_json: bool, as_sarif: bool, level: str, ignore: tuple[str, ...], rules: bool, changes: bool) -> None:
    """Find what a person should look at; exit 1 when there is anything.

    Looks at every token on record and at what tokens scan found: ends, owners, rights, secrets and workflow files.
    """
    if rules:
        _print_rules(as_json=as_json)
        return
    if changes:
        with open_database() as db:
            print_changes(db.read_now(audit_rows.everything), as_json=as_json)
        return
    for code in ignore:
        if code not in RULES:
            raise click.UsageError("--ignore: there is no such rule; --rules lists them")
    with open_database() as db:
        stored = db.read_now(tokens.all_tokens)
        known = inventory(db.read_now(fleet.records), stored)
        latest = db.read_now(rotations.latest, limit=MOST_ROTATIONS)
    everything = audit_of(known, stored, latest, datetime.now(UTC))
    wanted = next(one for one in LEVELS if one == level)
    found = [one for one in at_least(everything, wanted) if one.code not in ignore]
    if as_sarif:
        click.echo(json.dumps(sarif(found, __version__), indent=2))
    elif as_json:
        for one in found:
            click.echo(json.dumps(_record(one)))
    elif found:
        _print(found)
    else:
        click.echo("Nothing to look at.")
    if found:
        click.get_current_context().exit(1)


def _record(one: Finding) -> dict[str, Any]:
    place = one.place
    return {
        "token": one.token,
        "rule": one.code,
        "sentence": one.sentence,
        "level": one.rule.level,
        "about": one.about,
        "advice": one.rule.advice,
        "repo": place.repo if place else None,
        "path": place.path if place else None,
        "line": place.line if place else None,
    }


def _print(found: list[Finding]) -> None:
    console = Console(soft_wrap=True)
    for code, some in by_code(found).items():
        rule = some[0].rule
        console.print(Text.assemble((f"{rule.level:<8}", _STYLES[rule.level]), (f"{code}  ", "bold"), rule.title))
        for one in some:
            named = f"{one.about}: " if one.about not in one.sentence else ""
            console.print(Text(f"    {named}{one.sentence}"))
        console.print(Text(f"    -> {rule.advice.replace('`', '')}", style="dim"))


def _print_rules(*, as_json: bool) -> None:
    if as_json:
        for rule in RULES.values():
            record = {"rule": rule.code, "level": rule.level, "title": rule.title, "advice": rule.advice}
            click.echo(json.dumps(record))
        return
    table = Table("rule", "level", "finds", "advice", box=None, pad_edge=False)
    for rule in RULES.values():
        table.add_row(*(Text(cell) for cell in (rule.code, rule.level, rule.title, rule.advice.replace("`", ""))))
    Console().print(table)
