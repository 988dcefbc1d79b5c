"""Opens forms; the trigger that a person's click or command carries is good for three seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.errors import TellUser


async def open_view(deps: Deps, trigger_id: str, view: Mapping[str, Any]) -> None:
    """Raises TellUser when Slack will not show it."""
    if deps.slack is None:
        raise TellUser("The bot has no Slack token, so it cannot open a form.")
    try:
        await deps.slack.views_open(trigger_id=trigger_id, view=dict(view))
    except SlackApiError as error:
        if error.response.get("error") in ("expired_trigger_id", "exchanged_trigger_id", "trigger_expired"):
            raise TellUser("That took too long and Slack no longer lets a form open. Please try again.") from error
        raise
