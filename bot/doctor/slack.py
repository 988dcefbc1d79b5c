"""Does Slack take our token, with the scopes we need, and is the bot in its channels?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding, State
from bot.manifests import OPTIONAL_SCOPES, SLACK_SCOPES
from bot.settings import Settings

WITHIN_S = 10
_UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


async def slack_findings(settings: Settings, client: AsyncWebClient, *, connect: bool = True) -> AsyncIterator[Finding]:
    """`connect`: also ask for a Socket Mode connection, which Slack hands out sparingly."""
    try:
        async with asyncio.timeout(WITHIN_S):
            who: Any = await client.auth_test()
    except SlackApiError as error:
        code = error.response.get("error")
        said = f"Slack refuses the bot token: {code}"
        yield Finding("slack", "wrong", said, "Copy SLACK_BOT_TOKEN from the app's page OAuth & Permissions again.")
        return
    except _UNREACHABLE as error:
        said = f"Slack does not answer: {type(error).__name__}"
        yield Finding("slack", "wrong", said, "Check SLACK_API_URL and the way out (proxy, firewall).")
        return
    yield Finding("slack", "ok", f"connected to {who.get('team')} as {who.get('user')}")
    granted = _scopes(who)
    for scope in [scope for scope in SLACK_SCOPES if scope not in granted] if granted else []:
        said = f"scope {scope} is missing: {SLACK_SCOPES[scope]}"
        state: State = "warning" if scope in OPTIONAL_SCOPES else "wrong"
        yield Finding("slack", state, said, "Add it to the app and reinstall it.")
    if unused := sorted(granted - set(SLACK_SCOPES)):
        said = f"the app may do what the bot never does: {', '.join(unused)[:300]}"
        yield Finding("slack", "warning", said, "Take these scopes from the app and reinstall it.")
    if connect and settings.slack_app_token is not None:
        yield await _socket_mode(client, settings.slack_app_token.get_secret_value())
    named = {
        settings.alert_channel,
        settings.digest_channel,
        *(channel for _, channel in (*settings.channel_routes, *settings.digest_routes)),
    }
    for channel in sorted(name for name in named if name):
        yield await _channel(client, channel)


async def _socket_mode(client: AsyncWebClient, app_token: str) -> Finding:
    try:
        async with asyncio.timeout(WITHIN_S):
            await client.apps_connections_open(app_token=app_token)
    except SlackApiError as error:
        code = error.response.get("error")
        mend = "Make an app-level token with connections:write, and turn Socket Mode on in the app."
        return Finding("slack", "wrong", f"Slack opens no Socket Mode connection: {code}", mend)
    except _UNREACHABLE as error:
        return Finding("slack", "warning", f"Socket Mode cannot be checked: {type(error).__name__}", "Try again.")
    return Finding("slack", "ok", "Socket Mode can connect")


async def _channel(client: AsyncWebClient, channel: str) -> Finding:
    try:
        async with asyncio.timeout(WITHIN_S):
            reply: Any = await client.conversations_info(channel=channel)
    except SlackApiError as error:
        code = error.response.get("error")
        if code == "channel_not_found":
            said = f"{channel} is not there, or private without the bot"
            return Finding("channel", "wrong", said, "Type /invite @Tokenwatch there.")
        said = f"{channel} cannot be checked: {code}"
        return Finding("channel", "warning", said, "Grant channels:read and groups:read.")
    except _UNREACHABLE as error:
        return Finding("channel", "warning", f"{channel} cannot be checked: {type(error).__name__}", "Try again.")
    info = reply.get("channel") or {}
    name = f"#{info.get('name') or channel}"
    if info.get("is_archived"):
        return Finding("channel", "wrong", f"{name} is archived", "Unarchive it, or choose another channel.")
    if not info.get("is_member"):
        return Finding("channel", "wrong", f"the bot is not in {name}", f"Type /invite @Tokenwatch in {name}.")
    return Finding("channel", "ok", f"the bot is in {name}")


def _scopes(reply: Any) -> set[str]:
    headers = getattr(reply, "headers", None) or {}
    value = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), "")
    return {scope.strip() for scope in str(value).split(",") if scope.strip()}
