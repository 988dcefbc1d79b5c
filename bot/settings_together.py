"""Which settings cannot stand beside each other, and which are those of one of several workspaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NOT_WITH_SEVERAL = {
    "slack_bot_token": "each workspace brings its bot token when it installs the app",
    "slack_app_token": "installing needs a public address, and so no Socket Mode",
    "github_token": "a token sees what its person sees, whosever it is; use a GitHub App",
}
_OF_ONE = ("slack_admins", "github_owners", "github_hooks", "npm_read_token")


def of_one_workspace(names: Iterable[str]) -> tuple[str, ...]:
    """Ids of one workspace, and names and credentials of one customer: with several, each has them in its own file."""
    return tuple(name for name in names if name.endswith(("_channel", "_routes")) or name in _OF_ONE)


def contradictions(given: Mapping[str, object]) -> list[str]:
    """One line for each. `given`: settings by name, as they were read; empty ones count as not set."""
    several, secret = bool(given.get("slack_client_id")), bool(given.get("slack_client_secret"))
    if several != secret:
        return ["SLACK_CLIENT_ID and SLACK_CLIENT_SECRET go together: several workspaces need both"]
    if not several:
        lines = ["GITHUB_OWNERS belongs into the file of one of several workspaces"]
        return lines if given.get("github_owners") else []
    unwanted = _NOT_WITH_SEVERAL | dict.fromkeys(of_one_workspace(given), "each workspace has its own, in its file")
    return [
        f"{name.upper()} and SLACK_CLIENT_ID are both set: {why}" for name, why in unwanted.items() if given.get(name)
    ]
