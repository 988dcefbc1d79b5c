"""The credentials of the GitHub App that the set-up page made, in a file of their own beside the database."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from bot.github.app import AppCredentials

NAME = "github-app.json"


def beside(database: Path) -> Path:
    """Where the credentials of the bot with this database are."""
    return database.with_name(NAME)


def save(path: Path, made: AppCredentials) -> None:
    """Readable by its owner alone, whole or not there. Raises OSError; FileExistsError when there is one already."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(made), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename it never replaces what is there
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> AppCredentials | None:
    """None when there is no such file. Raises ValueError when it is not what `save` writes, OSError when unreadable."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    names = AppCredentials.__dataclass_fields__
    if not isinstance(held, dict) or not all(isinstance(held.get(name), str) and held[name] for name in names):
        raise ValueError("is not what the set-up page writes")
    return AppCredentials(**{name: held[name] for name in names})


def seen_by_others(path: Path) -> bool:
    """May other accounts of this machine read the file?"""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
