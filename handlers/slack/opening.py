"""Opens forms; the trigger that a person's click or command carries is good for three seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.errors import TellUser


async def open_view(deps: Deps, trigger_id: str, view: Mapping[str, Any]) -> str:
    """The id of the opened view. Raises TellUser when Slack will not show it."""
    if deps.slack is None:
        raise TellUser("The bot has no Slack token, so it cannot open a form.")
    try:
        opened = await deps.slack.views_open(trigger_id=trigger_id, view=dict(view))
    except SlackApiError as error:
        if error.response.get("error") in ("expired_trigger_id", "exchanged_trigger_id", "trigger_expired"):
            raise TellUser("That took too long and Slack no longer lets a form open. Please try again.") from error
        raise
    return str((opened.get("view") or {}).get("id") or "")


async def fill_view(deps: Deps, view_id: str, view: Mapping[str, Any]) -> None:
    """Put the form in the place of the one that said it was being looked up; nothing when that was closed meanwhile."""
    if deps.slack is None or not view_id:
        return
    try:
        await deps.slack.views_update(view_id=view_id, view=dict(view))
    except SlackApiError as error:
        if error.response.get("error") not in ("not_found", "view_not_found"):
            raise
