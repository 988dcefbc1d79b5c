"""Finds what is wrong with a set-up and says how to mend it: one finding a line."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import TokenwatchError
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.github.deliveries import Hook, HookDeliveries, sources
from bot.manifests import SLACK_SCOPES
from bot.registries.npm.packument import NpmRegistry
from bot.settings import Settings
from storage.database import Database, StorageError, path_of

WITHIN_S = 10
CLOCK_OFF = timedelta(seconds=120)  # Slack refuses requests that differ by five minutes, GitHub Apps sooner
LOW_DISK = 200 * 1024 * 1024

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`said`: the fact; `mend`: what to do about it, empty when all is well."""

    what: str
    state: State
    said: str
    mend: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which a person would mend things."""
    async with aiohttp.ClientSession() as session:
        checks = (_settings(settings), _database(settings), _slack(settings, session), _github(settings, session))
        found = [finding for check in checks async for finding in check]
        found += [finding async for finding in _registry(settings, session)]
        found += [finding async for finding in _clock(settings, session)]
    return found


async def _settings(settings: Settings) -> AsyncIterator[Finding]:
    for line in settings.missing():
        name, _, why = line.partition(": ")
        yield Finding("settings", "wrong", f"{name}: {why}", "Set it in the environment or in .env, see .env.example.")
    if settings.slack_bot_token and not settings.slack_bot_token.get_secret_value().startswith("xoxb-"):
        yield Finding("settings", "wrong", "SLACK_BOT_TOKEN is no bot token", "Use the one that begins with xoxb-.")
    if settings.slack_app_token and not settings.slack_app_token.get_secret_value().startswith("xapp-"):
        yield Finding("settings", "wrong", "SLACK_APP_TOKEN is no app-level token", "Use the one beginning with xapp-.")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    path = path_of(settings.database_url).absolute()
    try:
        db = await asyncio.to_thread(Database.open, settings.database_url)
    except StorageError as error:
        yield Finding(
            "database", "wrong", str(error), "Give DATABASE_URL a place on a local disk the bot may write to."
        )
        return
    db.close()
    free = await asyncio.to_thread(_free_bytes, str(path.parent))
    if free < LOW_DISK:
        yield Finding("database", "warning", f"only {free // 2**20} MiB are free on its disk", "Make room.")
    else:
        yield Finding("database", "ok", f"{path} can be written, in WAL mode")


async def _slack(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    if settings.slack_bot_token is None:
        return
    client = AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            who: Any = await client.auth_test()
    except SlackApiError as error:
        code = error.response.get("error")
        yield Finding(
            "slack", "wrong", f"Slack refuses the bot token: {code}", "Copy the bot token from the app again."
        )
        return
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        yield Finding("slack", "wrong", f"Slack does not answer: {type(error).__name__}", "Check SLACK_API_URL, proxy.")
        return
    yield Finding("slack", "ok", f"connected to {who.get('team')} as {who.get('user')}")
    granted = _scopes(who)
    lacking = [scope for scope in SLACK_SCOPES if scope not in granted] if granted else []
    for scope in lacking:
        yield Finding(
            "slack", "wrong", f"scope {scope} is missing: {SLACK_SCOPES[scope]}", "Add it to the app and reinstall it."
        )
    named = {settings.alert_channel, settings.digest_channel, *(channel for _, channel in settings.channel_routes)}
    for channel in sorted(name for name in named if name):
        yield await _channel(client, channel)


async def _channel(client: AsyncWebClient, channel: str) -> Finding:
    try:
        async with asyncio.timeout(WITHIN_S):
            reply: Any = await client.conversations_info(channel=channel)
    except SlackApiError as error:
        code = error.response.get("error")
        if code == "channel_not_found":
            return Finding(
                "channel",
                "wrong",
                f"{channel} is not there, or private without the bot",
                "Type /invite @Tokenwatch there.",
            )
        return Finding(
            "channel", "warning", f"{channel} cannot be checked: {code}", "Grant channels:read and groups:read."
        )
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return Finding("channel", "warning", f"{channel} cannot be checked: {type(error).__name__}", "Try again.")
    info = reply.get("channel") or {}
    name = f"#{info.get('name') or channel}"
    if info.get("is_archived"):
        return Finding("channel", "wrong", f"{name} is archived", "Unarchive it, or choose another channel.")
    if not info.get("is_member"):
        return Finding("channel", "wrong", f"the bot is not in {name}", f"Type /invite @Tokenwatch in {name}.")
    return Finding("channel", "ok", f"the bot is in {name}")


async def _github(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    github = GitHub(session, settings.github_api_url, Auth(settings), lambda: datetime.now(UTC))
    if not github.configured:
        return
    try:
        lacking = await github.lacking_permissions()
    except TokenwatchError as error:
        yield Finding("github", "wrong", error.message, "Check the credential and GITHUB_API_URL.")
        return
    yield Finding("github", "ok", "GitHub takes the credential")
    for permission in lacking:
        yield Finding("github", "wrong", f"the App lacks {permission}", "Grant it in the App's settings and accept it.")
    for hook in sources(github.is_app, settings.github_hooks):
        yield await _deliveries(HookDeliveries(github), hook)


async def _deliveries(hooks: HookDeliveries, hook: Hook) -> Finding:
    try:
        await hooks.page(hook, "per_page=1")
    except TokenwatchError as error:
        mend = "Check the number in GITHUB_HOOKS and that the credential may read webhooks."
        return Finding("sweep", "wrong", f"what {hook.name} did not deliver cannot be seen: {error.message}", mend)
    return Finding("sweep", "ok", f"what {hook.name} could not deliver is fetched later")


async def _registry(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    try:
        await NpmRegistry(session, settings.npm_registry_url).ping()
    except TokenwatchError as error:
        yield Finding(
            "registry", "warning", error.message, "Cards will lack what the registry knows until it is reachable."
        )
    else:
        yield Finding("registry", "ok", f"{settings.npm_registry_url} answers")


async def _clock(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    yield Finding("time zone", "ok", f"digest at {settings.reminder_time:%H:%M} {settings.timezone}")
    try:
        async with session.head(settings.slack_api_url, timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as reply:
            theirs = parsedate_to_datetime(reply.headers["Date"])
    except (aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError):
        return
    off = abs(datetime.now(UTC) - theirs)
    if off > CLOCK_OFF:
        yield Finding(
            "clock", "wrong", f"this machine's clock is off by {off.total_seconds():.0f} seconds", "Turn on NTP."
        )
    else:
        yield Finding("clock", "ok", "this machine's clock agrees with Slack's")


def _scopes(reply: Any) -> set[str]:
    headers = getattr(reply, "headers", None) or {}
    value = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), "")
    return {scope.strip() for scope in str(value).split(",") if scope.strip()}


def _free_bytes(directory: str) -> int:
    return shutil.disk_usage(directory).free
