"""How the command line looks: headings and names stand out on a terminal, plain where piped or with NO_COLOR."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click


def colours() -> bool | None:
    """False with NO_COLOR (https://no-color.org: set and not empty); None: only on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


class HelpFormatter(click.HelpFormatter):
    """click's, with bold headings and coloured names."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(click.style(name, fg="cyan"), said) for name, said in rows], col_max, col_spacing)


class Group(click.Group):
    """Lists its commands with whole sentences, in the order in which they were made."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(200)) for name, one in self.commands.items()])


def complain(line: str) -> None:
    """One line of what was wrong, on stderr."""
    click.secho("Error: ", err=True, nl=False, fg="red", bold=True, color=colours())
    click.echo(line, err=True)
