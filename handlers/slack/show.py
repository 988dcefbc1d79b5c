"""`/tokens show NAME`: everything known about one token."""

from __future__ import annotations

from bot.deps import Deps
from bot.messages.help import needs, unknown_token
from bot.messages.token_page import token_page
from bot.token_metadata import contradictions
from handlers.slack.requests import Command, Reply
from storage import tokens


async def show(command: Command, deps: Deps) -> Reply:
    if not command.argument:
        return Reply(needs("show"))
    token = await deps.db.read(tokens.get, command.argument)
    if token is None:
        return Reply(unknown_token(command.argument, await deps.db.read(tokens.names)))
    now = deps.now()
    may_change = await deps.permissions.may_change(command.user, token)
    return Reply(token_page(token, now, problems=contradictions(token, now), may_change=may_change))
