"""The command line: `python -m bot COMMAND`. Each command is a thin call; its code is imported when it is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from bot import __version__
from bot.cli.completion import PROGRAM, VARIABLE, complete_workspaces
from bot.cli.terminal import HelpFormatter, colours, complain
from bot.credentials import mask
from bot.errors import TokenwatchError
from bot.settings import SettingsError
from storage.database import StorageError

# Command -> (module, object, one line of help). Modules are imported on use: `diagnose` must not wait for Slack's SDK.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("bot.cli.serve", "serve", "Run the bot: web, workers, clock (the default)."),
    "demo": ("bot.cli.demo", "demo", "Run the bot against local stand-ins and play a real scenario."),
    "check": ("bot.cli.check", "check", "Find what is wrong with the set-up and say how to mend it."),
    "diagnose": ("bot.cli.diagnose", "diagnose", "Read job logs and say why the publish failed."),
    "tokens": ("bot.cli.tokens", "tokens", "The store of token metadata."),
    "rotations": ("bot.cli.rotations", "rotations", "Tokens on their way out, and what is proven of each step."),
    "incidents": ("bot.cli.incidents", "incidents", "What is and was broken."),
    "deliveries": ("bot.cli.deliveries", "deliveries", "What GitHub sent and what became of it."),
    "replay": ("bot.cli.deliveries", "replay", "Work a saved webhook body as if GitHub had just delivered it."),
    "workspaces": (
        "bot.cli.workspaces",
        "workspaces",
        "With several workspaces: who may install the app, and who did.",
    ),
    "manifest": ("bot.cli.manifest", "manifest", "Print the app manifest to paste into Slack or GitHub."),
    "backup": ("bot.cli.backup", "backup", "Write a consistent copy of the database while the bot runs."),
    "completion": ("bot.cli.completion", "completion", "Print the script that lets a shell complete commands."),
}


class _Commands(click.Group):
    """Lists commands without importing them, and runs `serve` when none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from the environment or .env. To see it work first: demo. To set it up: README.md.",
)
@click.option(
    "--workspace",
    metavar="TEAM",
    envvar="TOKENWATCH_WORKSPACE",
    shell_complete=complete_workspaces,
    help="Of several workspaces, the id of the one that a command is about, such as T0123ABCD.",
)
@click.version_option(__version__, prog_name="tokenwatch")
@click.pass_context
def cli(ctx: click.Context, workspace: str | None) -> None:
    """Tokenwatch: why a publish failed, which token it was, and what to do about it."""
    if ctx.invoked_subcommand is None:
        command = cli.get_command(ctx, "serve")
        assert command is not None
        ctx.invoke(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run and exit: 0 done, 1 the answer is no, 2 bad usage or input, always in one clear line on stderr."""
    # The name under which it was called: as a package it is `tokenwatch`.
    name = PROGRAM if Path(sys.argv[0]).stem == PROGRAM else "python -m bot"
    click.Context.formatter_class = HelpFormatter

    def run() -> Any:
        return cli.main(arguments, name, complete_var=VARIABLE, standalone_mode=False, color=colours())

    sys.exit(_run(run))


def _run(command: Callable[[], Any]) -> int:
    try:
        result = command()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f" (see {error.ctx.command_path} --help)"
        # click repeats what it did not understand, and that may be a token pasted into the wrong place.
        for line in f"{mask(error.format_message())[0]}{hint}".splitlines():
            complain(line)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except SettingsError as error:
        for line in error.lines:
            complain(line)
        return 2
    except (TokenwatchError, StorageError, OSError) as error:
        complain(mask(str(error))[0])
        return 2
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
