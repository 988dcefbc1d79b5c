"""`rotations`: which tokens are being replaced, how far each is, and its whole history, in a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import open_database
from bot.cli.terminal import Group
from bot.messages.rotation_words import STATE_WORDS, label, next_step, title
from bot.rotation import steps
from bot.token_fields import iso
from storage import audit
from storage import rotations as store
from storage.audit import Entry
from storage.rotations import Note, Rotation, Step


@click.group(cls=Group)
def rotations() -> None:
    """Tokens on their way out: how far, by whom, proven by what."""


@rotations.command("list")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(everything: bool, limit: int, as_json: bool) -> None:
    """Rotations under way, the oldest first; with --all every one, the newest first."""
    with open_database() as db:
        found = db.read_now(store.latest if everything else store.open_rotations, limit=limit)
    now = datetime.now(UTC)
    if as_json:
        for rotation in found:
            click.echo(json.dumps(_shown(rotation)))
        return
    if not found:
        click.echo("No rotations." if everything else "No rotation is under way.")
        return
    table = Table("no.", "token", "state", "owner", "next", "started (UTC)", box=None)
    for rotation in found:
        row = (
            str(rotation.id),
            rotation.token_name,
            STATE_WORDS[steps.state(rotation)],
            rotation.owner,
            "" if rotation.end else next_step(rotation, now),
            f"{rotation.started_at:%Y-%m-%d %H:%M}",
        )
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@rotations.command()
@click.argument("ident", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(ident: int, as_json: bool) -> int:
    """One rotation: each step with its proof, what was seen, and who did what."""
    with open_database() as db:
        rotation = db.read_now(store.get, ident)
        notes = db.read_now(store.notes, ident, settled=True)
        history = list(reversed(db.read_now(audit.of_subject, f"rotation:{ident}", limit=1000)))
    if rotation is None:
        click.echo(f"Error: there is no rotation {ident}", err=True)
        return 1
    if as_json:
        shown = _shown(rotation)
        shown["notes"] = [{"at": iso(note.at), "kind": note.kind, "text": note.text} for note in notes]
        shown["history"] = [
            {"at": iso(row.at), "who": row.who, "action": row.action, "details": row.details} for row in history
        ]
        click.echo(json.dumps(shown))
        return 0
    _print(rotation, notes, history)
    return 0


def _shown(rotation: Rotation) -> dict[str, Any]:
    end = rotation.end
    return {
        "id": rotation.id,
        "token": rotation.token_name,
        "replacement": rotation.new_name,
        "path": rotation.path,
        "state": steps.state(rotation),
        "reached": steps.reached(rotation),
        "owner": rotation.owner,
        "second": rotation.second,
        "bypass_2fa": rotation.bypass,
        "bypass_reason": rotation.bypass_reason or None,
        "bypass_approved_by": rotation.bypass_approved.by if rotation.bypass_approved else None,
        "bypass_approved_at": iso(rotation.bypass_approved.at) if rotation.bypass_approved else None,
        "started_by": rotation.started_by,
        "started_at": iso(rotation.started_at),
        "switched_at": iso(steps.switched_at(rotation)),
        "overlap_ends_at": iso(steps.overlap_ends(rotation)),
        "ended_at": iso(end.at) if end else None,
        "ended_by": end.by if end else None,
        "end_reason": end.why if end else None,
        "steps": [_step(step) for step in rotation.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    done = step.done
    return {
        "step": step.kind,
        "about": label(step) or None,
        "owner": step.owner,
        "deadline": iso(step.deadline),
        "done_at": iso(done.at) if done else None,
        "proof": done.proof if done else None,
        "who": done.who if done else None,
        "what": done.what if done else None,
        "without_proof": done.override if done else False,
    }


def _print(rotation: Rotation, notes: list[Note], history: list[Entry]) -> None:
    now = datetime.now(UTC)
    click.echo(f"Rotation {rotation.id} of {rotation.token_name}: {STATE_WORDS[steps.state(rotation)]}")
    if rotation.end is None:
        click.echo(f"Next: {next_step(rotation, now)} ({rotation.owner})")
    if rotation.bypass:
        by = rotation.bypass_approved
        approved = f"approved by {by.by}, {iso(by.at)}" if by else "not approved yet"
        click.echo(f"The new token bypasses two-factor, {approved}: {rotation.bypass_reason}")
    for step in rotation.steps:
        mark = "x" if step.done else " "
        about = f": {label(step)}" if label(step) else ""
        click.echo(f"  [{mark}] {title(rotation, step.kind)}{about}")
        if step.done is not None:
            how = "without the proof, " if step.done.override else ""
            click.echo(
                f"      {how}{step.done.proof} by {step.done.who}, {iso(step.done.at)} {step.done.what}".rstrip()
            )
    for heading, lines in (
        ("Seen", [f"{iso(note.at)} {note.text}" for note in notes]),
        ("History", [f"{iso(row.at)} {row.who} {row.action} {row.details}".rstrip() for row in history]),
    ):
        if lines:
            click.echo(f"{heading}:")
            for line in lines:
                click.echo(f"  {line}")
