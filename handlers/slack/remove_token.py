"""`/tokens remove NAME`: asks first, then forgets the facts of a token."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.help import needs, unknown_token
from bot.messages.modal import closing_view
from bot.messages.token_form import remove_form
from bot.messages.token_page import token_removed
from bot.token_changes import remove
from handlers.slack.opening import open_view
from handlers.slack.requests import Command, FormReply, Reply, Submission
from storage import tokens


async def ask(command: Command, deps: Deps) -> Reply | None:
    if not command.argument:
        return Reply(needs("remove"))
    token = await deps.db.read(tokens.get, command.argument)
    if token is None:
        return Reply(unknown_token(command.argument, await deps.db.read(tokens.names)))
    await deps.permissions.must_change(command.user, token)
    await open_view(deps, command.trigger_id, remove_form(token))
    return None


async def removed(submission: Submission, deps: Deps) -> FormReply:
    token = await deps.db.read(tokens.by_id, int(submission.metadata or 0))
    if token is None:
        raise TellUser("This token was removed already.")
    await deps.permissions.must_change(submission.user, token)
    await deps.db.write(remove, token, who=submission.user, now=deps.now())
    return FormReply(view=closing_view("Removed", token_removed(token.name)))
