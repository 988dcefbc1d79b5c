"""The manifests that Slack and GitHub accept, with exactly what the bot answers to and calls."""

from __future__ import annotations

import copy
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github.registering import wrongs as github_wrongs
from bot.demo.slack.methods import METHODS
from bot.manifests import (
    GITHUB_EVENTS,
    GITHUB_NAME_LIMIT,
    GITHUB_PERMISSIONS,
    SLACK_SCOPES,
    github_manifest,
    slack_manifest,
)
from handlers.github import EVENTS
from handlers.slack import COMMAND
from tests.manifest_rules import wrongs

ROOT = Path(__file__).parent.parent
URL = "https://bot.example.com"
# Sent to every App, asked for or not.
ALWAYS_SENT = {"ping", "installation", "installation_repositories", "meta"}


@pytest.mark.parametrize("socket_mode", [False, True])
def test_slack_accepts_the_manifest(socket_mode: bool) -> None:
    assert wrongs(slack_manifest(None if socket_mode else URL, socket_mode=socket_mode)) == []


def test_with_several_workspaces_slack_sends_browsers_back_and_says_when_one_is_gone() -> None:
    manifest = slack_manifest(f"{URL}/", socket_mode=False, several=True)
    assert wrongs(manifest) == []
    assert manifest["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect"]
    assert {"app_uninstalled", "tokens_revoked"} <= set(manifest["settings"]["event_subscriptions"]["bot_events"])
    alone = slack_manifest(URL, socket_mode=False)
    assert "redirect_urls" not in alone["oauth_config"]
    assert alone["settings"]["event_subscriptions"]["bot_events"] == ["app_home_opened"]
    assert github_manifest(URL, public=True)["public"] is True and github_manifest(URL)["public"] is False


def changed(**changes: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(slack_manifest(URL, socket_mode=False))
    for path, value in changes.items():
        *above, last = path.split("__")
        inside = manifest
        for name in above:
            inside = inside[name]
        inside[last] = value
    return manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"display_information__name": "x" * 36},
        {"display_information__description": "x" * 141},
        {"display_information__long_description": "short"},
        {"display_information__icon": "icon.png"},
        {"features__slash_commands": [{"command": "tokens", "description": "x", "url": URL}]},
        {"features__slash_commands": [{"command": "/tokens", "description": "x"}]},
        {"features__shortcuts": [{"name": "x" * 25, "type": "global", "callback_id": "a", "description": "x"}]},
        {"features__shortcuts": [{"name": "x", "type": "local", "callback_id": "a", "description": "x"}]},
        {"features__bot_user": None},
        {"oauth_config__scopes": {"bot": ["chat:write"]}},
        {"settings__socket_mode_enabled": True},
        {"settings__interactivity": {"is_enabled": True, "request_url": "http://bot.example.com"}},
        {"settings__event_subscriptions": {"request_url": URL, "bot_events": ["app_mention"]}},
        {"settings__event_subscriptions": {"request_url": URL, "bot_events": ["no_such_event"]}},
    ],
)
def test_the_rules_find_what_slack_would_refuse(changes: dict[str, Any]) -> None:
    assert wrongs(changed(**changes))


def test_the_command_and_the_events_of_the_manifest_are_those_that_are_answered() -> None:
    manifest = slack_manifest(URL, socket_mode=False)
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == [COMMAND]
    bolt = (ROOT / "handlers/slack/__init__.py").read_text()
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == set(
        re.findall(r'@app\.event\("([\w.]+)"\)', bolt)
    )


def test_every_scope_is_for_a_call_that_is_made_and_every_call_has_its_scope() -> None:
    """The stand-in refuses a call whose scope the manifest lacks; here the other way round as well."""
    source = "\n".join(
        file.read_text()
        for room in ("bot", "handlers")
        for file in (ROOT / room).rglob("*.py")
        if "demo" not in file.parts
    )
    # users.lookupByEmail is `.users_lookupByEmail(` in Slack's SDK.
    called = {name for name in METHODS if f".{name.replace('.', '_')}(" in source}
    needed = {METHODS[name].scope for name in called} - {None}
    assert needed <= set(SLACK_SCOPES)
    # The same calls in private channels and direct messages; `commands` is for the slash command itself, `files:read`
    # for shared files, which are fetched from their own addresses.
    same_elsewhere = {"groups:history": "channels:history", "groups:read": "channels:read"}
    same_elsewhere["im:history"] = "channels:history"
    assert {scope for scope in SLACK_SCOPES if same_elsewhere.get(scope, scope) not in needed} == {
        "commands",
        "files:read",
    }


@pytest.mark.parametrize("may_rerun", [False, True])
@pytest.mark.parametrize("url", [URL, None])
def test_github_accepts_the_manifest(url: str | None, may_rerun: bool) -> None:
    manifest = github_manifest(url, may_rerun=may_rerun, owner="acme", back_to=f"{URL}/setup/github")
    assert github_wrongs(manifest) == []


def test_a_name_is_made_unique_by_the_organisation_and_fits() -> None:
    assert github_manifest(URL, owner="acme")["name"] == "Tokenwatch acme"
    assert len(github_manifest(URL, owner="a" * 39)["name"]) == GITHUB_NAME_LIMIT


def test_only_events_that_are_worked_are_asked_for_and_all_of_them() -> None:
    worked = {event for event, _ in EVENTS}
    assert set(GITHUB_EVENTS) == worked - ALWAYS_SENT


def test_everything_is_asked_for_to_read_only() -> None:
    assert set(GITHUB_PERMISSIONS.values()) == {"read"}
    assert github_manifest(URL, may_rerun=True)["default_permissions"]["actions"] == "write"


def test_the_icon_is_one_that_slack_takes() -> None:
    """A square PNG of 512 to 2000 pixels."""
    data = (ROOT / "docs/icon.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width == height and 512 <= width <= 2000
    assert len(data) < 100_000
