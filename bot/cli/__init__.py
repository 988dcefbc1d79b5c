"""The command line, one file per group of commands. Each is a thin call into `bot` and `storage`."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator

import click

from bot.settings import Settings, SettingsError, load_settings
from bot.workspace_settings import let_in, workspace_settings
from storage.database import Database


def chosen_workspace() -> str | None:
    """What `--workspace` names, before the command."""
    context = click.get_current_context(silent=True)
    return context.find_root().params.get("workspace") if context else None


def chosen_settings() -> Settings:
    """Those of the bot, or with `--workspace` those of one of several. Raises SettingsError."""
    settings, team = load_settings(), chosen_workspace()
    if team is None:
        return settings
    if not settings.several:
        raise SettingsError(["--workspace is for a bot of several workspaces (SLACK_CLIENT_ID); this one has one"])
    return workspace_settings(settings, team)


@contextlib.contextmanager
def open_database() -> Iterator[Database]:
    """The database that the settings name, closed at the end. Raises SettingsError or StorageError."""
    settings = chosen_settings()
    if settings.several and chosen_workspace() is None:
        known = ", ".join(let_in(settings)) or "none is let in yet"
        raise SettingsError([f"say of which workspace: --workspace TEAM before the command ({known})"])
    database = Database.open(settings.database_url)
    try:
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def open_shared_database() -> Iterator[Database]:
    """As `open_database`; of several workspaces without `--workspace`, the one that says who installed the app."""
    database = Database.open(chosen_settings().database_url)
    try:
        yield database
    finally:
        database.close()


def operator() -> str:
    """Who types, for audit rows."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli"
