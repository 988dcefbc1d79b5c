"""The command line, one file per group of commands. Each is a thin call into `bot` and `storage`."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator

from bot.settings import load_settings
from storage.database import Database


@contextlib.contextmanager
def open_database() -> Iterator[Database]:
    """The database that the settings name, closed at the end. Raises SettingsError or StorageError."""
    database = Database.open(load_settings().database_url)
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
