"""`backup`: a consistent copy of the database."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.cli import open_shared_database


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backup(file: Path, as_json: bool) -> None:
    """Write a consistent copy of the database to FILE, also while the bot runs.

    FILE must not be there yet. To restore: stop the bot, put the copy in place of the database, remove -wal and -shm
    beside it, start. Of several workspaces each has its own: --workspace TEAM before the command, and once without,
    for who installed the app.
    """
    with open_shared_database() as db:
        db.backup(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), "bytes": file.stat().st_size}))
    else:
        click.echo(f"Wrote {file} ({file.stat().st_size:,} bytes).")
