"""Of several workspaces: is each let in and installed, does its token open, and does the GitHub App see its owners?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding
from bot.doctor.github import credential_mend
from bot.doctor.machine import database_findings
from bot.doctor.secrets import settings_findings
from bot.doctor.slack import slack_findings
from bot.errors import TokenwatchError
from bot.github.app_file import seen_by_others
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.github.inventory import InventoryCalls
from bot.installations import NotOurs, opened
from bot.sealing import Seal
from bot.settings import Settings, SettingsError
from bot.workspace_settings import file_of, let_in, workspace_settings
from storage import installations
from storage.database import Database, StorageError
from storage.installations import Installed

SEALED_OTHERWISE = "its bot token was sealed with another SLACK_CLIENT_SECRET"


async def workspaces_findings(
    settings: Settings, session: aiohttp.ClientSession, now: datetime
) -> AsyncIterator[Finding]:
    """What is wrong in each, and one line for each that is well."""
    try:
        installed = _installed(settings)
    except StorageError:
        return  # said already, about the database that all share
    for finding in admitted_findings(settings, {one.team for one in installed}):
        yield finding
    for one in installed:
        found = [finding async for finding in _workspace(settings, one, session, now)]
        bad = [finding for finding in found if finding.state != "ok"]
        for finding in bad:
            yield replace(finding, said=f"{one.team}: {finding.said}")
        if not bad:
            said = f"{one.team} ({one.name}) is installed and well"
            yield Finding("workspace", "ok", said)


def admitted_findings(settings: Settings, installed: set[str]) -> Iterator[Finding]:
    """Workspaces that have a file and did not install the app, and the lack of any."""
    admitted = let_in(settings)
    install = f"{(settings.public_url or '').rstrip('/')}/slack/install"
    if not admitted and not installed:
        mend = "Write workspaces/TEAM.env beside the database, as in docs/workspaces.md."
        yield Finding("workspace", "wrong", "no workspace is let in", mend)
    for team in admitted:
        if team not in installed:
            mend = f"Somebody there opens {install}."
            yield Finding("workspace", "warning", f"{team} is let in and has not installed the app", mend)


async def owners_finding(settings: Settings, github: GitHub) -> Finding:
    """Whether the App is installed wherever a workspace's failures come from. `github`: limited to its owners."""
    try:
        accounts = await InventoryCalls(github).accounts()
    except TokenwatchError as error:
        return Finding("github", "wrong", error.message, credential_mend(github, error))
    seen = {account.name.lower() for account in accounts}
    lacking = [owner for owner in settings.github_owners if owner.lower() not in seen]
    if lacking:
        said = f"the GitHub App is not installed at {', '.join(lacking)}"
        return Finding("github", "wrong", said, "Install it there, or take the name out of the workspace's file.")
    return Finding("github", "ok", "the GitHub App is installed at each of its owners")


async def _workspace(
    settings: Settings, one: Installed, session: aiohttp.ClientSession, now: datetime
) -> AsyncIterator[Finding]:
    assert settings.slack_client_secret is not None
    try:
        made = opened(one, Seal(settings.slack_client_secret.get_secret_value()))
    except NotOurs:
        yield Finding("workspace", "wrong", SEALED_OTHERWISE, "Install the app there again.")
        return
    try:
        own = workspace_settings(settings, one.team, made.bot_token)
    except SettingsError as error:
        for line in error.lines:
            yield Finding("workspace", "wrong", line, "Mend the file and start the bot again.")
        return
    file = file_of(settings, one.team)
    if own.npm_read_token is not None and seen_by_others(file):
        said = f"{file} holds a token and can be read by other accounts of this machine"
        yield Finding("secrets", "warning", said, f"chmod 600 {file}")
    for finding in settings_findings(own):
        if own.alert_channel is None and finding.said.startswith("ALERT_CHANNEL"):
            yield replace(finding, mend=f"Set it in workspaces/{one.team}.env.")
    async for finding in database_findings(own, now):
        if finding.what not in ("disk", "secrets"):  # said already: all the files are in one place
            yield finding
    client = AsyncWebClient(token=made.bot_token, base_url=own.slack_api_url, session=session, retry_handlers=[])
    async for finding in slack_findings(own, client):
        if finding.said.startswith("Slack refuses the bot token"):
            finding = replace(finding, mend="Install the app there again.")
        yield finding
    github = GitHub(session, own.github_api_url, Auth(own), lambda: now, own.owners)
    if github.configured:
        yield await owners_finding(own, github)


def _installed(settings: Settings) -> list[Installed]:
    db = Database.open(settings.database_url)
    try:
        return db.read_now(installations.everything)
    finally:
        db.close()
