"""`backup`: a consistent copy of the database."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli import open_database


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write a consistent copy of the database to FILE, also while the bot runs."""
    with open_database() as db:
        db.backup(file)
    click.echo(f"Wrote {file} ({file.stat().st_size:,} bytes).")
