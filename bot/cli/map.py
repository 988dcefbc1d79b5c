"""`tokens map`: which token reaches which package through which secret and workflow; as a table, JSON or a picture."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import open_database
from bot.cli.completion import complete_token_names
from bot.cli.token_output import end_words
from bot.credentials import mask
from bot.fleet.dependence import Answer, Link, Trouble, about, answer, gathered, names, troubles
from bot.fleet.inventory import inventory
from bot.fleet.picture import draw
from bot.token_fields import nearest
from storage import fleet, fleet_rounds, tokens


@click.command("map")
@click.argument(
    "word", required=False, default="", metavar="[TOKEN|SECRET|REPO|PACKAGE]", shell_complete=complete_token_names
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--svg", is_flag=True, help="A picture: redirect it to a file and open it in a browser.")
def map_(word: str, as_json: bool, svg: bool) -> int:
    """Show what hangs on a token, secret, repository, package or organisation: what breaks when it is revoked.

    Reads what tokens scan found and what people recorded. Without a name: everything.
    """
    with open_database() as db:
        known = inventory(db.read_now(fleet.records), db.read_now(tokens.all_tokens))
        rounds = db.read_now(fleet_rounds.owners)
    found = answer(known, word)
    if found is not None and not found.links and not found.name:
        click.echo("There is nothing to show yet: tokens scan ORG reads the workflow files.", err=True)
        return 1
    for round_ in rounds:
        if round_.finished_at is None:
            click.echo(f"Not complete: tokens scan {round_.name} was begun and is not finished.", err=True)
    if found is None:
        near = nearest(word, names(known))
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        click.echo(f"Error: nothing on record is called {mask(word)[0]}{hint}", err=True)
        return 1
    wrong = about(troubles(known), found)
    now = datetime.now(UTC)
    if svg:
        ends = {name: end_words(token, now) for name, token in known.tokens.items()}
        click.echo(draw(found.links, _title(found), ends), nl=False)
    elif as_json:
        click.echo(json.dumps(_record(found, wrong)))
    else:
        _print(found, wrong)
    return 0


def _title(found: Answer) -> str:
    files, repos = len(found.workflows), len(found.repositories)
    named = f"{found.kind} {found.name}: " if found.name else ""
    where = f"{repos:,} {'repository' if repos == 1 else 'repositories'}"
    return f"{named}{files:,} {'workflow' if files == 1 else 'workflows'} in {where}"


def _record(found: Answer, wrong: tuple[Trouble, ...]) -> dict[str, object]:
    return {
        "kind": found.kind,
        "name": found.name,
        "repositories": list(found.repositories),
        "packages": list(found.packages),
        "stops": sorted({f"{link.repo}:{link.workflow}" for link in found.stops}),
        "links": [_shown(link) for link in found.links],
        "to_look_at": [{"code": one.code, "about": one.about, "sentence": one.sentence} for one in wrong],
    }


def _shown(link: Link) -> dict[str, object]:
    secret = link.secret
    return {
        "registry": link.registry,
        "repo": link.repo,
        "workflow": link.workflow,
        "job": link.job,
        "secret": secret.name if secret else None,
        "level": secret.level if secret else None,
        "environment": link.environment,
        "shadows": [place.level for place in link.shadowed],
        "tokens": list(link.tokens),
        "trusted_publishers": list(link.publishers),
        "packages": list(link.packages),
        "by_identity": link.by_identity,
        "seen": link.seen,
    }


def _print(found: Answer, wrong: tuple[Trouble, ...]) -> None:
    console = Console(soft_wrap=True)
    console.print(Text(_title(found), style="bold"))
    if found.kind in ("token", "secret") and found.links:
        stopping = len({link.file for link in found.stops})
        verb = "Revoking" if found.kind == "token" else "Deleting"
        console.print(Text(f"{verb} it stops {stopping:,} of them from publishing."))
    if found.links:
        table = Table("token", "secret", "level", "repository", "workflow", "package", box=None, pad_edge=False)
        for link in found.links:
            row = (
                ", ".join((*link.tokens, *link.publishers)) or "-",
                link.secret.name if link.secret else "OIDC" if link.publishers or link.by_identity else "-",
                (link.secret.level if link.secret else "-") + ("" if link.seen else " (recorded)"),
                link.repo,
                link.workflow.rpartition("/")[2] or "-",
                ", ".join(link.packages) or "?",
            )
            table.add_row(*(Text(cell) for cell in row))
        wide = Console(width=None if console.is_terminal else 400)
        wide.print(table)
    for one in gathered(wrong):
        console.print(Text(f"{one.code}: {one.sentence}"))
