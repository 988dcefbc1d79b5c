"""The manifests that make the Slack app and the GitHub App, with exactly what the bot uses. Pure.

Shapes and limits: Slack app manifest (major version 2) and GitHub "Registering a GitHub App from a manifest".
"""

from __future__ import annotations

from typing import Any

from bot.messages.shortcuts import SHORTCUTS

SLACK_SCOPES: dict[str, str] = {
    "commands": "the slash command /tokens",
    "chat:write": "cards, thread lines and the daily digest",
    "channels:history": "to find a message again whose acknowledgement was lost, in public channels",
    "groups:history": "the same in private channels",
    "channels:read": "to check that the bot is in its channels",
    "groups:read": "the same for private channels",
    "im:write": "the digest by direct message, for those who want it so",
    "im:history": "to find a direct message again whose acknowledgement was lost",
    "files:read": "to read a log that is shared as a file or snippet, when somebody asks for it",
    "files:write": "the picture of the next 90 days",
    "users:read": "guests may look but not change anything",
    "users:read.email": "to mention in Slack whoever started a run on GitHub; everything else works without it",
    "usergroups:read": "user groups in SLACK_ADMINS",
}
# Without these something is left out, and nothing fails.
OPTIONAL_SCOPES = frozenset({"users:read.email", "files:read", "files:write", "im:write", "im:history"})
UNINSTALL_EVENTS = ("app_uninstalled", "tokens_revoked")
GITHUB_PERMISSIONS: dict[str, str] = {
    "metadata": "read",
    "actions": "read",  # runs, jobs, job logs, and the workflow_run event
    "contents": "read",  # the workflow file at the run's commit
    "secrets": "read",  # when a repository secret was last written; never its value
    "environments": "read",
    "organization_secrets": "read",
    "dependabot_secrets": "read",  # what a release that Dependabot starts would read
    "packages": "read",  # versions that come to GitHub Packages, and the event of that name
    "secret_scanning_alerts": "read",  # leaked tokens, and the event of that name
    "organization_personal_access_token_requests": "read",  # the event of that name
    "organization_personal_access_tokens": "read",  # when fine-grained tokens of members end
}
# Reserved by RFC 2606: nothing of ours, and nobody else's, is ever behind it.
NO_ADDRESS = "https://tokenwatch.example.com"
GITHUB_NAME_LIMIT = 34
GITHUB_EVENTS = (
    "workflow_run",
    "repository_dispatch",
    "push",
    "repository",
    "release",
    "registry_package",
    "secret_scanning_alert",
    "personal_access_token_request",
)


LONG_DESCRIPTION = (
    "Tokenwatch hears from GitHub that a publish failed, reads the job log, the workflow file, the public registry and "
    "what you told it about your tokens, and says why in one card that is kept up to date until the release is out. It "
    "reminds the owners of tokens before they end and walks through their rotation, each step proven from outside. It "
    "stores what is known about tokens and never a token."
)


def oauth_redirect(url: str) -> str:
    """Where Slack sends a browser back that installs the app."""
    return f"{url.rstrip('/')}/slack/oauth_redirect"


def slack_manifest(url: str | None, *, socket_mode: bool, several: bool = False) -> dict[str, Any]:
    """`url`: the bot's public address, unused in Socket Mode, which needs none.

    `several`: workspaces install the app by themselves, and the bot hears when one takes it away.
    """
    events_url = None if socket_mode else f"{(url or NO_ADDRESS).rstrip('/')}/slack/events"

    def with_url(settings: dict[str, Any], field: str) -> dict[str, Any]:
        return settings | ({field: events_url} if events_url else {})

    command = {
        "command": "/tokens",
        "description": "Why a publish failed, which token it was, what ends when",
        "usage_hint": "status | list | show NAME | add | help",
        "should_escape": False,
    }
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Tokenwatch",
            "description": "Says why a publish failed, which token it was, and warns before a token ends.",
            "long_description": LONG_DESCRIPTION,
            "background_color": "#1f3a4d",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,  # without it Slack delivers no direct message of the app
                "messages_tab_read_only_enabled": True,
            },
            "bot_user": {"display_name": "Tokenwatch", "always_online": True},
            "shortcuts": [
                {
                    "name": shortcut.name,
                    "type": shortcut.kind,
                    "callback_id": shortcut.callback_id,
                    "description": shortcut.description,
                }
                for shortcut in SHORTCUTS
            ],
            "slash_commands": [with_url(command, "url")],
        },
        "oauth_config": {
            **({"redirect_urls": [oauth_redirect(url or NO_ADDRESS)]} if several else {}),
            "scopes": {"bot": list(SLACK_SCOPES)},
        },
        "settings": {
            "event_subscriptions": with_url(
                {"bot_events": ["app_home_opened", *(UNINSTALL_EVENTS if several else ())]}, "request_url"
            ),
            "interactivity": with_url({"is_enabled": True}, "request_url"),
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }


def github_manifest(
    url: str | None, *, may_rerun: bool = False, owner: str = "", back_to: str | None = None, public: bool = False
) -> dict[str, Any]:
    """`url`: the bot's public address; without one GitHub's attempts fail, and the sweep reads them back.

    `may_rerun`: also ask for `actions: write`, which the card's re-run button needs. `owner`: the organisation, for the
    name, which must be unique on all of GitHub. `back_to`: where GitHub sends the browser after making the App.
    `public`: organisations besides the owner may install it, which several workspaces need.
    """
    base = (url or NO_ADDRESS).rstrip("/")
    return {
        "name": f"Tokenwatch {owner}".strip()[:GITHUB_NAME_LIMIT],
        "url": base,
        "description": "Says in Slack why a publish failed and which token it was.",
        "public": public,
        "hook_attributes": {"url": f"{base}/github/webhooks", "active": True},
        "default_events": list(GITHUB_EVENTS),
        "default_permissions": GITHUB_PERMISSIONS | ({"actions": "write"} if may_rerun else {}),
    } | ({"redirect_url": back_to} if back_to else {})
