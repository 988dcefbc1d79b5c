"""`demo`: the bot against its stand-ins."""

from __future__ import annotations

import asyncio

import click

from bot.demo.run import run


@click.command()
@click.option(
    "--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the sandbox page."
)
@click.option("--once", is_flag=True, help="Play the scenario, print the cards and exit.")
def demo(port: int, once: bool) -> int:
    """Play a real scenario through real HTTP routes and serve the sandbox page until Ctrl-C."""
    return asyncio.run(run(port, once))
