"""`incidents`: what is and was broken, in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import open_database
from bot.cli.terminal import Group
from bot.incidents import Facts
from bot.token_fields import iso
from storage import audit, awaited, tokens
from storage import incidents as store
from storage.awaited import Awaited
from storage.database import Connection
from storage.incidents import Incident


@click.group(cls=Group)
def incidents() -> None:
    """What is and was broken."""


@incidents.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(everything: bool, limit: int, as_json: bool) -> None:
    """Incidents, the last seen first; what others explain is last."""
    with open_database() as db:
        found = db.read_now(store.latest, unresolved=not everything, limit=limit)
        items = db.read_now(_awaited, found)
    if as_json:
        for incident in found:
            click.echo(json.dumps(_shown(incident) | {"awaited": [_item(item) for item in items[incident.id]]}))
        return
    if not found:
        click.echo("No incidents." if everything else "No incident is open.")
        return
    table = Table("no.", "state", "package", "repository", "what", "times", "last seen (UTC)", box=None)
    for incident in found:
        row = (
            str(incident.id),
            _state(incident, items[incident.id]),
            " ".join(filter(None, (incident.package, incident.version))),
            _repository(incident, items[incident.id]),
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
    """One incident: how it stands, what it waits for, its evidence, and who did what."""
    with open_database() as db:
        incident = db.read_now(store.get, ident)
        token = db.read_now(tokens.by_id, incident.token_id) if incident and incident.token_id else None
        items = db.read_now(awaited.of, ident)
        explains = [child.id for child in db.read_now(store.muted_by, incident)] if incident else []
        history = list(reversed(db.read_now(audit.of_subject, f"incident:{ident}", limit=1000)))
    if incident is None:
        click.echo(f"Error: there is no incident {ident}", err=True)
        return 1
    shown = _shown(incident)
    facts = Facts.from_json(incident.facts)
    shown["token"] = token.name if token else None
    if as_json:
        shown |= {
            "explains": explains,
            "awaited": [_item(item) for item in items],
            "before": list(facts.before),
            "token_reasons": list(facts.token_reasons),
            "reasons": list(facts.reasons),
            "evidence": [{"line": line.line, "text": line.text} for line in facts.evidence],
            "fix": list(facts.advice),
            "packages": [{"package": p.package, "version": p.version, "outcome": p.outcome} for p in facts.packages],
            "other_jobs": list(facts.other_jobs),
            "missing": list(facts.missing),
            "history": [
                {"at": iso(row.at), "who": row.who, "action": row.action, "details": row.details} for row in history
            ],
        }
        click.echo(json.dumps(shown))
        return 0
    for name, value in shown.items():
        if value is not None:
            click.echo(f"{name:<16} {value}")
    if explains:
        click.echo(f"{'explains':<16} {', '.join(map(str, explains))}")
    for item in items:
        click.echo(f"{'done' if item.settled else 'awaited':<16} {_item_words(item)}")
    for said in facts.before:
        click.echo(f"{'before':<16} {said}")
    for reason in (*facts.token_reasons, *facts.reasons):
        click.echo(f"{'because':<16} {reason}")
    for line in facts.evidence:
        click.echo(f"{f'line {line.line}':<16} {line.text}")
    for number, step in enumerate(facts.advice, 1):
        click.echo(f"{f'to do {number}':<16} {step}")
    for row in history:
        click.echo(f"{iso(row.at)} {row.who} {row.action} {row.details}".rstrip())
    return 0


def _awaited(connection: Connection, found: Iterable[Incident]) -> dict[int, list[Awaited]]:
    return {incident.id: awaited.of(connection, incident.id) for incident in found}


def _repository(incident: Incident, items: Sequence[Awaited]) -> str:
    repos = {item.repo.lower() for item in items if not item.settled}
    return f"{len(repos)} repositories" if len(repos) > 1 else incident.repo


def _state(incident: Incident, items: Sequence[Awaited]) -> str:
    """`claimed`; `open, quiet: see 3`; `open, staged`."""
    if incident.state == "resolved":
        return incident.state
    quiet = f", quiet: see {incident.muted_by}" if incident.muted_by is not None else ""
    staged = ", staged" if any(item.state == "staged" and not item.settled for item in items) else ""
    return f"{incident.state}{quiet}{staged}"


def _item_words(item: Awaited) -> str:
    """`@acme/ui 2.3.1, acme/ui .github/workflows/release.yml: staged since 2026-11-24T09:30:00Z`."""
    name = f"{item.name}, " if item.package else ""
    tag = f"; the tag {item.tag} exists" if item.tag and not item.settled else ""
    if item.settled:
        return f"{name}{item.repo} {item.workflow}: {item.how or item.state} {iso(item.settled_at)}"
    times = f", {item.times} times" if item.times > 1 else ""
    return f"{name}{item.repo} {item.workflow}: {item.state} since {iso(item.since)}{times}{tag}"


def _item(item: Awaited) -> dict[str, Any]:
    return {
        "package": item.package,
        "version": item.version,
        "repo": item.repo,
        "workflow": item.workflow,
        "state": item.state,
        "since": iso(item.since),
        "times": item.times,
        "tag": item.tag,
        "settled_at": iso(item.settled_at),
        "how": item.how,
        "run_url": item.run_url,
    }


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
        "claimed_at": iso(incident.claimed_at),
        "escalated_at": iso(incident.escalated_at),
        "snoozed_by": incident.snoozed_by,
        "snoozed_until": iso(incident.snoozed_until),
        "snooze_reason": incident.snooze_reason,
        "muted_by": incident.muted_by,
        "previous": incident.previous_id,
        "goes_on_in": incident.merged_into,
        "note": incident.note,
        "resolved_at": iso(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "resolution": incident.resolution,
        "run_url": facts.run_url,
    }
