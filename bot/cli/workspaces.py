"""`workspaces`: which workspaces may install the app, and which did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli.terminal import Group
from bot.settings import Settings, SettingsError, load_settings
from bot.token_fields import iso
from bot.workspace_settings import let_in, workspace_settings
from storage import installations
from storage.database import Database
from storage.installations import Installed


@dataclass(frozen=True, slots=True)
class _Row:
    team: str
    installed: Installed | None
    settings: Settings | None
    wrong: str


@click.group(cls=Group)
def workspaces() -> None:
    """Several workspaces that install the app by themselves (docs/workspaces.md)."""


@workspaces.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> int:
    """Who is let in, who installed the app, and of which GitHub owners each hears."""
    settings = load_settings()
    if not settings.several:
        raise SettingsError(["this bot has one workspace, that of SLACK_BOT_TOKEN; several need SLACK_CLIENT_ID"])
    database = Database.open(settings.database_url)
    try:
        installed = {one.team: one for one in database.read_now(installations.everything)}
    finally:
        database.close()
    rows = [_row(settings, team, installed.get(team)) for team in sorted({*installed, *let_in(settings)})]
    if as_json:
        for row in rows:
            click.echo(json.dumps(_record(row)))
    elif rows:
        _print(rows)
    else:
        click.echo("No workspace is let in yet: write workspaces/TEAM.env beside the database.")
    return 1 if any(row.wrong for row in rows) else 0


def _row(settings: Settings, team: str, installed: Installed | None) -> _Row:
    try:
        return _Row(team, installed, workspace_settings(settings, team), "")
    except SettingsError as error:
        return _Row(team, installed, None, "; ".join(error.lines))


def _record(row: _Row) -> dict[str, object]:
    one, own = row.installed, row.settings
    return {
        "team": row.team,
        "name": one.name if one else None,
        "installed_at": iso(one.installed_at) if one else None,
        "installed_by": one.installed_by if one else None,
        "scopes": one.scopes.split(",") if one else [],
        "github_owners": list(own.github_owners) if own else [],
        "alert_channel": own.alert_channel if own else None,
        "database": own.database_url if own else None,
        "wrong": row.wrong or None,
    }


def _print(rows: list[_Row]) -> None:
    table = Table("team", "name", "installed (UTC)", "by", "hears of", "cards in", box=None)
    for row in rows:
        one, own = row.installed, row.settings
        table.add_row(
            Text(row.team),
            Text(one.name if one else ""),
            Text(_day(one.installed_at) if one else "not yet"),
            Text(one.installed_by if one else ""),
            Text(", ".join(own.github_owners) if own else row.wrong, style="" if own else "red"),
            Text((own.alert_channel or "nowhere yet") if own else ""),
        )
    Console().print(table)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
