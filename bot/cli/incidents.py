"""`incidents`: what is and was broken, in a terminal."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import open_database
from bot.cli.terminal import Group
from bot.incidents import Facts
from bot.token_fields import iso
from storage import incidents as store
from storage import tokens
from storage.incidents import Incident


@click.group(cls=Group)
def incidents() -> None:
    """What is and was broken."""


@incidents.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(everything: bool, limit: int, as_json: bool) -> None:
    """Incidents, the last seen first."""
    with open_database() as db:
        found = db.read_now(store.latest, unresolved=not everything, limit=limit)
    if as_json:
        for incident in found:
            click.echo(json.dumps(_shown(incident)))
        return
    if not found:
        click.echo("No incidents." if everything else "No incident is open.")
        return
    table = Table("no.", "state", "package", "repository", "what", "times", "last seen (UTC)", box=None)
    for incident in found:
        row = (
            str(incident.id),
            incident.state,
            " ".join(filter(None, (incident.package, incident.version))),
            incident.repo,
            Facts.from_json(incident.facts).sentence,
            str(incident.occurrences),
            f"{incident.last_seen_at:%Y-%m-%d %H:%M}",
        )
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@incidents.command()
@click.argument("ident", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(ident: int, as_json: bool) -> int:
    """One incident and its evidence."""
    with open_database() as db:
        incident = db.read_now(store.get, ident)
        token = db.read_now(tokens.by_id, incident.token_id) if incident and incident.token_id else None
    if incident is None:
        click.echo(f"Error: there is no incident {ident}", err=True)
        return 1
    shown = _shown(incident)
    facts = Facts.from_json(incident.facts)
    shown["token"] = token.name if token else None
    if as_json:
        shown |= {
            "token_reasons": list(facts.token_reasons),
            "reasons": list(facts.reasons),
            "evidence": [{"line": line.line, "text": line.text} for line in facts.evidence],
            "fix": list(facts.advice),
            "packages": [{"package": p.package, "version": p.version, "outcome": p.outcome} for p in facts.packages],
            "other_jobs": list(facts.other_jobs),
            "missing": list(facts.missing),
        }
        click.echo(json.dumps(shown))
        return 0
    for name, value in shown.items():
        if value is not None:
            click.echo(f"{name:<14} {value}")
    for reason in (*facts.token_reasons, *facts.reasons):
        click.echo(f"because        {reason}")
    for line in facts.evidence:
        click.echo(f"line {line.line:<9} {line.text}")
    for number, step in enumerate(facts.advice, 1):
        click.echo(f"to do {number:<8} {step}")
    return 0


def _shown(incident: Incident) -> dict[str, Any]:
    facts = Facts.from_json(incident.facts)
    return {
        "id": incident.id,
        "state": incident.state,
        "verdict": incident.verdict,
        "cause": incident.cause,
        "sentence": facts.sentence,
        "registry": incident.registry,
        "package": incident.package,
        "version": incident.version,
        "repo": incident.repo,
        "workflow": incident.workflow,
        "occurrences": incident.occurrences,
        "opened_at": iso(incident.opened_at),
        "last_seen_at": iso(incident.last_seen_at),
        "claimed_by": incident.claimed_by,
        "snoozed_until": iso(incident.snoozed_until),
        "resolved_at": iso(incident.resolved_at),
        "resolution": incident.resolution,
        "run_url": facts.run_url,
    }
