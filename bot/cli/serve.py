"""`serve`: runs the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import click

from bot.app import serve as run
from bot.error_reports import reporting
from bot.logs import set_up_logging
from bot.settings import load_settings


@click.command()
def serve() -> None:
    """Run the bot: web, workers, clock. Stops on SIGTERM or Ctrl-C, handing back what it holds."""
    settings = load_settings()
    set_up_logging(settings.log_level, settings.log_format)
    with reporting(settings), asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(run(settings))


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """A faster event loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
