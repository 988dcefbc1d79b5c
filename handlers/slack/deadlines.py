"""`/tokens deadlines`: what stops working when; the picture of it goes to the person's direct messages."""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from bot import outlook
from bot.deps import Deps
from bot.messages.deadlines import deadlines_message
from handlers.slack.requests import Command, Reply

log = structlog.get_logger("deadlines")


async def show(command: Command, deps: Deps) -> Reply:
    found = await outlook.look_ahead(deps, deps.now())
    has_picture = False
    if deps.slack is not None and (found.coming or found.over):
        try:
            opened = await deps.slack.conversations_open(users=[command.user])
            channel = str((opened.get("channel") or {}).get("id") or "")
            has_picture = await outlook.share(deps, found, channel) == "shared"
        except (SlackApiError, OSError, TimeoutError, ValueError) as error:
            log.warning("no picture", error=type(error).__name__)
    return Reply(deadlines_message(found, has_picture))
