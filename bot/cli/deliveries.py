"""`deliveries` and `replay`: what GitHub sent, what became of it, and working it again."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import open_database, operator
from bot.cli.terminal import Group
from bot.credentials import mask
from bot.github import webhook
from bot.token_fields import iso
from storage import arrivals, audit
from storage import deliveries as store
from storage.database import Connection, Database
from storage.deliveries import Stored

WAIT_S = 120.0
LOOK_EVERY_S = 0.2
STATES = ("new", "waiting", "working", "done", "dead")


@click.group(cls=Group)
def deliveries() -> None:
    """What GitHub sent and what became of it."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only deliveries in this state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(state: str | None, limit: int, as_json: bool) -> None:
    """The latest deliveries, newest first."""
    with open_database() as db:
        _take_over(db)
        found = db.read_now(store.latest, state=state, limit=limit)
    if as_json:
        for delivery in found:
            click.echo(json.dumps(_shown(delivery)))
        return
    if not found:
        click.echo("No deliveries." if state is None else f"No deliveries are {state}.")
        return
    table = Table("no.", "event", "repository", "received (UTC)", "state", "tries", "what became of it", box=None)
    for delivery in found:
        event = f"{delivery.event}.{delivery.action}" if delivery.action else delivery.event
        row = (
            str(delivery.seq),
            event,
            delivery.repository,
            f"{delivery.received_at:%Y-%m-%d %H:%M:%S}",
            delivery.state,
            str(delivery.tries),
            delivery.reason or "",
        )
        # Text, because a repository or reason must not be read as markup.
        cells = [Text(cell) for cell in row]
        cells[4].stylize({"dead": "red", "done": "dim", "waiting": "yellow"}.get(delivery.state, ""))
        table.add_row(*cells)
    Console().print(table)


@deliveries.command()
@click.argument("ident", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the body.")
def show(ident: str, as_json: bool) -> int:
    """One delivery, by number or GUID."""
    with open_database() as db:
        _take_over(db)
        delivery = db.read_now(store.get, ident)
    if delivery is None:
        click.echo(f"Error: there is no delivery {mask(ident)[0]}", err=True)
        return 1
    if as_json:
        body, _ = mask(delivery.body.decode("utf-8", "replace"))
        click.echo(json.dumps(_shown(delivery) | {"body": json.loads(body)}))
        return 0
    for name, value in _shown(delivery).items():
        click.echo(f"{name:<12} {'' if value is None else value}")
    return 0


@deliveries.command("replay")
@click.argument("ident", metavar="ID")
def replay_stored(ident: str) -> int:
    """Make a finished or dead delivery due again; the running bot works it."""

    def write(connection: Connection) -> Stored | None:
        now = datetime.now(UTC)
        found = store.replay(connection, ident, now)
        if found:
            audit.record(connection, at=now, who=operator(), action="delivery.replay", subject=f"delivery:{found.seq}")
        return found

    with open_database() as db:
        _take_over(db)
        found = db.write_now(write)
    if found is None:
        click.echo(f"Error: there is no delivery {mask(ident)[0]}", err=True)
        return 1
    click.echo(f"Delivery {found.seq} is due: the running bot works it now, or the next one that starts.")
    return 0


def _take_over(db: Database) -> None:
    """Give a number to what came and waits for a worker to look at it, also when no bot is running."""
    while db.write_now(arrivals.take_over, datetime.now(UTC), most=1_000):
        pass


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--event", default="workflow_run", show_default=True, help="The X-GitHub-Event of the saved body.")
@click.option("--wait", is_flag=True, help="Wait until the running bot has worked it, and print what it found.")
def replay(file: Any, event: str, wait: bool) -> int:
    """Work a saved webhook body as if GitHub had just delivered it: the running bot picks it up.

    Exit code 1 with --wait: it could not be worked, or no running bot took it within two minutes.
    """
    body: bytes = file.read(webhook.BODY_LIMIT + 1)
    if len(body) > webhook.BODY_LIMIT:
        raise click.UsageError(f"{mask(file.name)[0]} is larger than a webhook can be (25 MiB)")
    if not webhook.EVENT.fullmatch(event):
        raise click.BadParameter("must be the name of a GitHub event such as workflow_run", param_hint="--event")
    guid = str(uuid.uuid4())
    try:
        delivery = webhook.parse(guid, event, body)
    except webhook.Refused:
        raise click.UsageError(f"{mask(file.name)[0]} does not hold a JSON object") from None
    with open_database() as db:
        db.write_now(
            store.receive,
            guid=guid,
            event=event,
            action=delivery.action,
            repository=delivery.repository,
            body=delivery.body,
            now=datetime.now(UTC),
        )
        stored = db.read_now(store.get, guid)
        assert stored is not None
        click.echo(f"Stored as delivery {stored.seq}: the running bot works it now, or the next one that starts.")
        return _outcome(db, guid) if wait else 0


def _outcome(db: Database, guid: str) -> int:
    """Print what became of a delivery once it is finished; 1 when that is nothing good."""
    for _ in range(int(WAIT_S / LOOK_EVERY_S)):
        found = db.read_now(store.get, guid)
        if found is not None and found.state in ("done", "dead"):
            click.echo(": ".join(filter(None, (found.reason, found.note))))
            return 0 if found.state == "done" else 1
        time.sleep(LOOK_EVERY_S)
    click.echo(f"Error: no running bot finished it within {WAIT_S:.0f} seconds", err=True)
    return 1


def _shown(delivery: Stored) -> dict[str, Any]:
    return {
        "id": delivery.seq,
        "guid": delivery.guid,
        "event": delivery.event,
        "action": delivery.action,
        "repository": delivery.repository,
        "source": delivery.source,
        "received_at": iso(delivery.received_at),
        "state": delivery.state,
        "tries": delivery.tries,
        "due_at": iso(delivery.due_at),
        "finished_at": iso(delivery.finished_at),
        "reason": delivery.reason,
        "note": delivery.note,
    }
