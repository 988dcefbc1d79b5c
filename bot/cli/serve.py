"""`serve`: runs the bot."""

from __future__ import annotations

import asyncio

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
    with reporting(settings):
        asyncio.run(run(settings))
