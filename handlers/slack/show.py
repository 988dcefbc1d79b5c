"""`/tokens show NAME`: everything known about one token."""

from __future__ import annotations

from bot.deps import Deps
from bot.messages.help import needs, unknown_token
from bot.messages.token_lists import list_message
from bot.messages.token_page import token_page
from bot.token_metadata import contradictions
from handlers.slack.list_tokens import find_page
from handlers.slack.requests import Command, Reply
from storage import tokens


async def show(command: Command, deps: Deps) -> Reply:
    if not command.argument:
        return Reply(needs("show"))
    token = await deps.db.read(tokens.get, command.argument)
    now = deps.now()
    if token is None:
        # Not a token's name: perhaps a package, repository or secret that one has to do with.
        page = await deps.db.read(find_page, command.argument, 1, now)
        if page.total == 0:
            return Reply(unknown_token(command.argument, await deps.db.read(tokens.names)))
        if page.total > 1:
            return Reply(list_message(page, now))
        token = page.tokens[0]
    may_change = await deps.permissions.may_change(command.user, token)
    return Reply(token_page(token, now, problems=contradictions(token, now), may_change=may_change))
