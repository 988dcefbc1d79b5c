"""Whose request it is when several workspaces use one app, and word that a workspace is gone. Slack's payload shapes:
docs.slack.dev, "Interaction payloads", "Events API", `app_uninstalled`, `tokens_revoked`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Gone:
    """Slack says that a workspace took our bot token away. `at`: when it did."""

    team: str
    at: datetime


def team_of(body: Mapping[str, Any]) -> str:
    """The workspace whose bot is meant; "" when the payload does not say.

    In a channel that is shared with another workspace the person who acts may be of that one: what is pressed belongs
    to the workspace whose bot made it.
    """
    view, message = _mapping(body.get("view")), _mapping(body.get("message"))
    authorizations = body.get("authorizations")
    first = authorizations[0] if isinstance(authorizations, list) and authorizations else None
    pressed = message if body.get("type") == "block_actions" else {}
    named = (
        view.get("app_installed_team_id"),
        pressed.get("team"),
        _mapping(first).get("team_id"),
        body.get("team_id"),
        _mapping(body.get("team")).get("id"),
    )
    return next((name for name in named if isinstance(name, str) and name), "")


def gone(body: Mapping[str, Any]) -> Gone | None:
    """Somebody uninstalled the app, or its bot token was revoked; that of one person is no matter of ours."""
    event = _mapping(body.get("event"))
    kind = event.get("type")
    lost_bot = kind == "tokens_revoked" and bool(_mapping(event.get("tokens")).get("bot"))
    if body.get("type") != "event_callback" or not (kind == "app_uninstalled" or lost_bot):
        return None
    team, at = body.get("team_id"), body.get("event_time")
    if not isinstance(team, str) or not isinstance(at, int):
        return None
    try:
        return Gone(team, datetime.fromtimestamp(at, UTC))
    except (OverflowError, ValueError, OSError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
