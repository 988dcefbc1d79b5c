"""`manifest`: the app manifests to paste."""

from __future__ import annotations

import json
import os
from urllib.parse import urlsplit

import click
from dotenv import dotenv_values

from bot.cli.terminal import Group
from bot.manifests import NO_ADDRESS, github_manifest, slack_manifest

_URL = click.option(
    "--url",
    metavar="PUBLIC_URL",
    help="Where the bot can be reached, such as https://bot.example.com; PUBLIC_URL if that is set.",
)


@click.group(cls=Group)
def manifest() -> None:
    """The app manifests to paste into Slack and GitHub."""


@manifest.command()
@_URL
@click.option("--socket-mode", is_flag=True, help="Without a public address: Slack is reached over a WebSocket.")
@click.option("--several", is_flag=True, help="Several workspaces install it by themselves (docs/workspaces.md).")
def slack(url: str | None, socket_mode: bool, several: bool) -> None:
    """For https://api.slack.com/apps, "Create New App", "From a manifest", tab JSON."""
    if several and socket_mode:
        raise click.UsageError("--several needs a public address, and so no Socket Mode")
    address = None if socket_mode else _address(url)
    click.echo(json.dumps(slack_manifest(address, socket_mode=socket_mode, several=several), indent=2))


@manifest.command()
@_URL
@click.option("--rerun", is_flag=True, help="Also ask for actions: write, for the card's re-run button.")
@click.option("--socket-mode", is_flag=True, help="Without a public address: the bot asks GitHub for what it missed.")
@click.option("--several", is_flag=True, help="A public App, for the organisations of several workspaces.")
def github(url: str | None, rerun: bool, socket_mode: bool, several: bool) -> None:
    """What to enter when making the GitHub App by hand; the bot's page /setup does it with one click."""
    address = None if socket_mode else _address(url)
    click.echo(json.dumps(github_manifest(address, may_rerun=rerun, public=several), indent=2))


def _address(url: str | None) -> str | None:
    if url is None:
        url = os.environ.get("PUBLIC_URL") or dotenv_values(".env").get("PUBLIC_URL")
    if not url:
        click.echo(f"No --url was given: put your address in place of {NO_ADDRESS}.", err=True)
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise click.BadParameter("must be an https:// address without user or password", param_hint="--url")
    return url
