"""Are the settings there, and is each secret in its own place? By their looks alone; no value is ever said. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.doctor.finding import Finding
from bot.settings import Settings

# What a value that belongs elsewhere begins with: whose it is.
_BEGINNINGS = {
    "xoxb-": "a Slack bot token, SLACK_BOT_TOKEN",
    "xapp-": "a Slack app-level token, SLACK_APP_TOKEN",
    "xoxp-": "a Slack user token, which the bot has no use for",
    "xoxe": "a Slack configuration token, which the bot has no use for",
    "ghp_": "a GitHub token, GITHUB_TOKEN",
    "gho_": "a GitHub token, GITHUB_TOKEN",
    "ghs_": "a GitHub token, GITHUB_TOKEN",
    "github_pat_": "a GitHub token, GITHUB_TOKEN",
    "npm_": "an npm token, which the bot never wants",
    "-----BEGIN": "a private key, GITHUB_PRIVATE_KEY",
}
_WANTED = {
    "slack_bot_token": ("xoxb-",),
    "slack_app_token": ("xapp-",),
    "github_token": ("ghp_", "gho_", "ghs_", "github_pat_"),
    "github_private_key": ("-----BEGIN",),
}
_SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")
_CLIENT_ID = re.compile(r"\d+\.\d+")
_APP_ID = re.compile(r"\d+|Iv[\w.]+")


def settings_findings(settings: Settings) -> Iterator[Finding]:
    missing = settings.missing()
    no_app = any("GITHUB_APP_ID" in line for line in missing)
    for line in missing:
        mend = "Set it in the environment or in .env, see .env.example."
        if no_app and "GITHUB" in line:
            mend = "Start the bot and open the page that it prints: it makes the GitHub App."
        yield Finding("settings", "wrong", line, mend)
    given = _given(settings)
    for name, value in given.items():
        setting = name.upper()
        beginning = next((known for known in _BEGINNINGS if value.startswith(known)), None)
        if beginning and beginning not in _WANTED.get(name, ()):
            yield Finding("secrets", "wrong", f"{setting} holds {_BEGINNINGS[beginning]}", "Put each into its place.")
        elif name in ("slack_bot_token", "slack_app_token") and not beginning:
            begins = _WANTED[name][0]
            yield Finding("secrets", "wrong", f"{setting} is no such token", f"Use the one that begins with {begins}.")
        elif name == "slack_signing_secret" and not _SIGNING_SECRET.fullmatch(value):
            said = "SLACK_SIGNING_SECRET does not look like one: they are 32 letters a-f and digits"
            yield Finding("secrets", "warning", said, "Copy the signing secret from the app's Basic Information.")
        elif name == "slack_client_id" and not _CLIENT_ID.fullmatch(value):
            said = "SLACK_CLIENT_ID does not look like one: they are two numbers with a dot between"
            yield Finding("secrets", "wrong", said, "Copy the client id from the app's Basic Information.")
        elif name == "slack_client_secret" and not _SIGNING_SECRET.fullmatch(value):
            said = "SLACK_CLIENT_SECRET does not look like one: they are 32 letters a-f and digits"
            yield Finding("secrets", "warning", said, "Copy the client secret from the app's Basic Information.")
        elif name == "github_app_id" and not _APP_ID.fullmatch(value):
            yield Finding("secrets", "wrong", "GITHUB_APP_ID is no App id", "It is the number on the App's page.")
    by_value: dict[str, str] = {}
    for name, value in given.items():
        if (other := by_value.setdefault(value, name)) != name:
            said = f"{other.upper()} and {name.upper()} are the same"
            yield Finding("secrets", "wrong", said, "Give each its own value.")


def _given(settings: Settings) -> dict[str, str]:
    secrets = {
        "slack_bot_token": settings.slack_bot_token,
        "slack_app_token": settings.slack_app_token,
        "slack_signing_secret": settings.slack_signing_secret,
        "slack_client_secret": settings.slack_client_secret,
        "github_webhook_secret": settings.github_webhook_secret,
        "github_token": settings.github_token,
        "github_private_key": settings.github_private_key,
    }
    given = {name: secret.get_secret_value().strip() for name, secret in secrets.items() if secret is not None}
    ids = {"github_app_id": settings.github_app_id, "slack_client_id": settings.slack_client_id}
    return given | {name: value for name, value in ids.items() if value}
