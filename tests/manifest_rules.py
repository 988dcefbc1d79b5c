"""Slack's rules for an app manifest, as its documentation and its SDK's types state them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

KEYS: dict[str, set[str]] = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings", "functions"},
    "_metadata": {"major_version", "minor_version"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands", "unfurl_domains"},
    "features.app_home": {"home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"},
    "features.bot_user": {"display_name", "always_online"},
    "features.shortcuts": {"name", "type", "callback_id", "description"},
    "features.slash_commands": {"command", "url", "description", "usage_hint", "should_escape"},
    "oauth_config": {"redirect_urls", "scopes", "token_management_enabled"},
    "oauth_config.scopes": {"bot", "user"},
    "settings": {
        "allowed_ip_address_ranges", "event_subscriptions", "interactivity", "org_deploy_enabled",
        "socket_mode_enabled", "token_rotation_enabled",
    },
    "settings.event_subscriptions": {"request_url", "bot_events", "user_events", "metadata_subscriptions"},
    "settings.interactivity": {"is_enabled", "request_url", "message_menu_options_url"},
}  # fmt: skip
LONGEST = {
    "display_information.name": 35,
    "display_information.description": 140,
    "display_information.long_description": 4000,
    "features.bot_user.display_name": 80,
    "features.shortcuts.name": 24,
    "features.shortcuts.callback_id": 255,
    "features.shortcuts.description": 150,
    "features.slash_commands.command": 32,
    "features.slash_commands.description": 2000,
    "features.slash_commands.usage_hint": 1000,
}
MOST = {
    "features.shortcuts": 10,
    "features.slash_commands": 50,
    "features.unfurl_domains": 5,
    "oauth_config.scopes.bot": 255,
    "oauth_config.scopes.user": 255,
    "settings.event_subscriptions.bot_events": 100,
}
URLS = ("features.slash_commands.url", "settings.interactivity.request_url", "settings.event_subscriptions.request_url")
# What an event needs the bot to be allowed, besides those that need nothing.
EVENT_SCOPES = {
    "app_home_opened": None,
    "app_uninstalled": None,
    "tokens_revoked": None,
    "app_mention": "app_mentions:read",
    "message.im": "im:history",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "member_joined_channel": "channels:read",
    "channel_archive": "channels:read",
    "channel_rename": "channels:read",
    "channel_deleted": "channels:read",
    "group_archive": "groups:read",
    "group_rename": "groups:read",
    "user_change": "users:read",
    "reaction_added": "reactions:read",
    "team_join": "users:read",
}


def wrongs(manifest: dict[str, Any]) -> list[str]:
    """What Slack would refuse."""
    said: list[str] = []
    _walk("", manifest, said)
    settings, features = manifest.get("settings", {}), manifest.get("features", {})
    scopes = manifest.get("oauth_config", {}).get("scopes", {}).get("bot", [])
    socket = settings.get("socket_mode_enabled", False)
    if not manifest.get("display_information", {}).get("name"):
        said.append("display_information.name is missing")
    if 0 < len(manifest.get("display_information", {}).get("long_description", "x" * 174)) < 174:
        said.append("long_description is shorter than 174")
    for command in features.get("slash_commands", []):
        if not command.get("command", "").startswith("/") or not command.get("description"):
            said.append("a slash command needs its slash and a description")
        if bool(command.get("url")) == socket:
            said.append("a slash command has a url, unless it is Socket Mode")
    if features.get("slash_commands") and "commands" not in scopes:
        said.append("slash commands need the scope commands")
    if features.get("shortcuts") and not settings.get("interactivity", {}).get("is_enabled"):
        said.append("shortcuts need interactivity")
    said += [
        f"shortcut type {one.get('type')}"
        for one in features.get("shortcuts", [])
        if one.get("type") not in ("global", "message")
    ]
    for event in settings.get("event_subscriptions", {}).get("bot_events", []):
        if event not in EVENT_SCOPES:
            said.append(f"event {event} is not known")
        elif EVENT_SCOPES[event] and EVENT_SCOPES[event] not in scopes:
            said.append(f"event {event} needs {EVENT_SCOPES[event]}")
    if scopes and not features.get("bot_user"):
        said.append("bot scopes need a bot user")
    if len(scopes) != len(set(scopes)):
        said.append("a scope twice")
    return said


def _walk(path: str, value: Any, said: list[str]) -> None:
    if isinstance(value, dict):
        known = KEYS.get(path)
        for name, inner in value.items():
            at = f"{path}.{name}".lstrip(".")
            if known is not None and name not in known:
                said.append(f"{at} is not known")
            _walk(at, inner, said)
    elif isinstance(value, list):
        if len(value) > MOST.get(path, 10**6):
            said.append(f"{path} has too many")
        for inner in value:
            _walk(path, inner, said)
    elif isinstance(value, str):
        if len(value) > LONGEST.get(path, 10**6):
            said.append(f"{path} is too long")
        if path in URLS and urlsplit(value).scheme != "https":
            said.append(f"{path} is not https")
