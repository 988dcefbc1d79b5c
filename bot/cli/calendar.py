"""`tokens calendar`: makes, lists and revokes the keys of calendars."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import chosen_settings, open_database, operator
from bot.credentials import kind_of
from bot.token_fields import iso, read_fields
from storage import audit, calendar_keys
from storage.calendar_keys import CalendarKey

MOST_LABEL = 100


@click.group()
def calendar() -> None:
    """Calendars of ends and policy dates, for any program that subscribes to an address."""


@calendar.command()
@click.option("--owner", metavar="MEMBER", help="Only tokens this Slack member owns or backs up.")
@click.option("--label", default="", help="What it is for, to know it again in the list.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def new(owner: str | None, label: str, as_json: bool) -> None:
    """Make a key and print the address to subscribe to. It is shown this once."""
    if problems := read_fields({"owner": owner})[1] if owner else []:
        raise click.UsageError(f"--owner: {problems[0].message}")
    if len(label) > MOST_LABEL or kind_of(label) or not label.isprintable():
        raise click.UsageError(f"--label: must be at most {MOST_LABEL} characters in one line, and no credential")
    key = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with open_database() as db:
        made = db.write_now(calendar_keys.add, key, label=label, owner=owner, made_by=operator(), now=now)
        db.write_now(
            audit.record, at=now, who=operator(), action="calendar.add", subject=f"calendar:{made.id}", details=label
        )
    base = chosen_settings().public_url
    url = f"{(base or 'https://YOUR-HOST').rstrip('/')}/calendar.ics?key={key}"
    if as_json:
        click.echo(json.dumps(_record(made) | {"url": url}))
        return
    click.echo(url)
    click.echo(
        f"Whoever has this address sees when tokens end. Revoke it with: tokens calendar revoke {made.id}", err=True
    )


@calendar.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """The keys, without their values."""
    with open_database() as db:
        found = db.read_now(calendar_keys.everything)
    if as_json:
        for one in found:
            click.echo(json.dumps(_record(one)))
        return
    if not found:
        click.echo("No calendar key was made yet.")
        return
    table = Table("id", "label", "whose tokens", "made (UTC)", "by", "revoked (UTC)", box=None, pad_edge=False)
    for one in found:
        revoked = f"{one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else ""
        row = (str(one.id), one.label, one.owner or "all", f"{one.made_at:%Y-%m-%d %H:%M}", one.made_by, revoked)
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@calendar.command()
@click.argument("ident", metavar="ID", type=click.IntRange(1, 2**62))
def revoke(ident: int) -> None:
    """Make an address useless."""
    now = datetime.now(UTC)
    with open_database() as db:
        revoked = db.write_now(calendar_keys.revoke, ident, now)
        if revoked:
            db.write_now(
                audit.record, at=now, who=operator(), action="calendar.revoke", subject=f"calendar:{ident}", details=""
            )
    if not revoked:
        click.echo(f"Error: there is no calendar key {ident} that could be revoked", err=True)
        click.get_current_context().exit(1)
    click.echo(f"Revoked calendar key {ident}.")


def _record(one: CalendarKey) -> dict[str, object]:
    return {
        "id": one.id,
        "label": one.label,
        "owner": one.owner,
        "made_by": one.made_by,
        "made_at": iso(one.made_at),
        "revoked_at": iso(one.revoked_at),
    }
