"""How the command line looks: headings and names stand out on a terminal, plain where piped or with NO_COLOR."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import click

_BETWEEN_S = 0.1


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


@contextlib.contextmanager
def progress(what: str, *, in_bytes: bool = False, after_s: float = 0.0) -> Iterator[Callable[[int, int | None], None]]:
    """A function to be told how much of how much is done (None: nobody knows), which shows it on a terminal.

    Nothing is shown where stderr is no terminal, and of what is over after so many seconds. It may be called from any
    thread.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console  # imported here: most commands show no progress
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

    counted = DownloadColumn() if in_bytes else MofNCompleteColumn()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), counted, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    begun = said = time.monotonic()
    shown = False

    def tell(done: int, total: int | None) -> None:
        nonlocal said, shown
        now = time.monotonic()
        if now - begun < after_s or (now - said < _BETWEEN_S and done != total):
            return
        said = now
        bar.update(task, completed=done, total=total)
        if not shown:
            shown = True
            bar.start()

    try:
        yield tell
    finally:
        bar.stop()
