"""`manifest`: the app manifests to paste."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import click

from bot.manifests import github_manifest, slack_manifest

_URL = click.option(
    "--url", metavar="PUBLIC_URL", help="Where the bot can be reached, such as https://bot.example.com."
)


@click.group()
def manifest() -> None:
    """The app manifests to paste into Slack and GitHub."""


@manifest.command()
@_URL
@click.option("--socket-mode", is_flag=True, help="Without a public address: Slack is reached over a WebSocket.")
def slack(url: str | None, socket_mode: bool) -> None:
    """For https://api.slack.com/apps, "Create New App", "From a manifest", tab JSON."""
    _need_https(url)
    click.echo(json.dumps(slack_manifest(url, socket_mode=socket_mode), indent=2))


@manifest.command()
@_URL
@click.option("--rerun", is_flag=True, help="Also ask for actions: write, for the card's re-run button.")
def github(url: str | None, rerun: bool) -> None:
    """For GitHub's App manifest flow, or to read the permissions and events off when making an App by hand."""
    _need_https(url)
    click.echo(json.dumps(github_manifest(url, may_rerun=rerun), indent=2))


def _need_https(url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise click.BadParameter("must be an https:// address without user or password", param_hint="--url")
