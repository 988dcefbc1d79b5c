"""`completion`: makes the shell complete commands, options, and names that are in the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click
from click.shell_completion import get_completion_class

PROGRAM = "tokenwatch"
VARIABLE = "_TOKENWATCH_COMPLETE"  # click asks this variable what the shell wants
_MOST_NAMES = 50


@click.command(
    epilog='For this shell: eval "$(tokenwatch completion bash)"; for good: put that line into ~/.bashrc, or for fish '
    "fish write the output to ~/.config/fish/completions/tokenwatch.fish."
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete `tokenwatch`, the name that an installed package has."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())


def complete_token_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The stored names that begin so, some dozens of them. Nothing at all where there is no store."""
    from bot.cli import chosen_settings, open_database  # imported here: each TAB starts the program anew
    from storage import tokens
    from storage.database import path_of

    with _whatever_happens(ctx):
        if path_of(chosen_settings().database_url).is_file():
            with open_database() as db:
                return [name for name in db.read_now(tokens.names) if name.startswith(incomplete)][:_MOST_NAMES]
    return []


def complete_workspaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ids of the workspaces that are let in."""
    from bot.settings import load_settings
    from bot.workspace_settings import let_in

    with _whatever_happens(ctx):
        settings = load_settings()
        return [team for team in let_in(settings) if settings.several and team.startswith(incomplete)]
    return []


@contextlib.contextmanager
def _whatever_happens(ctx: click.Context) -> Iterator[None]:
    """A shell that completes shows every complaint in the middle of what is typed."""
    with ctx.scope(cleanup=False), contextlib.suppress(Exception):
        yield
