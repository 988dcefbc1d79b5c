"""`completion`: makes the shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "tokenwatch"
VARIABLE = "_TOKENWATCH_COMPLETE"  # click asks this variable what the shell wants


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
