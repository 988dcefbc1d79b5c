"""`/tokens add` and `/tokens edit NAME`: the command, the button and the form that saves what was typed."""

from __future__ import annotations

from dataclasses import replace

from bot.deps import Deps
from bot.errors import TellUser
from bot.fleet.suggestions import proposed
from bot.messages.help import needs, unknown_token
from bot.messages.modal import closing_view
from bot.messages.token_form import errors_beside, read_form, token_form
from bot.messages.token_page import token_saved
from bot.token_changes import save_token
from bot.token_metadata import MetadataProblems, contradictions
from handlers.slack.opening import open_view
from handlers.slack.requests import Click, Command, FormReply, Reply, Submission
from storage import tokens


async def add(command: Command, deps: Deps) -> None:
    await _open_empty(command.user, command.trigger_id, deps)


async def add_clicked(click: Click, deps: Deps) -> None:
    await _open_empty(click.user, click.trigger_id, deps)


async def add_suggested(click: Click, deps: Deps) -> None:
    """The form, filled with what the scan found of a secret without a record."""
    await deps.permissions.must_change(click.user)
    found = proposed(click.value)
    if found is None:
        raise TellUser("This suggestion can no longer be read. Add the token with `/tokens add`.")
    await open_view(deps, click.trigger_id, token_form(replace(found, owner=click.user)))


async def edit(command: Command, deps: Deps) -> Reply | None:
    if not command.argument:
        return Reply(needs("edit"))
    return await _open_filled(command.user, command.argument, command.trigger_id, deps)


async def edit_clicked(click: Click, deps: Deps) -> Reply | None:
    return await _open_filled(click.user, click.value, click.trigger_id, deps)


async def saved(submission: Submission, deps: Deps) -> FormReply:
    """Check everything and keep it, or say beside each field what is wrong and keep nothing."""
    before = None
    if submission.metadata:
        before = await deps.db.read(tokens.by_id, int(submission.metadata))
        if before is None:
            raise TellUser("This token was removed meanwhile, so nothing was saved. Add it again if it is needed.")
    await deps.permissions.must_change(submission.user, before)
    now = deps.now()
    try:
        token = await save_token(deps.db, read_form(submission.values, before), before, who=submission.user, now=now)
    except MetadataProblems as problems:
        return FormReply(errors=errors_beside(problems.by_field()))
    said = token_saved(token, now, is_new=before is None, problems=contradictions(token, now))
    return FormReply(view=closing_view("Saved", said))


async def _open_empty(user: str, trigger_id: str, deps: Deps) -> None:
    await deps.permissions.must_change(user)
    await open_view(deps, trigger_id, token_form(opened_by=user))


async def _open_filled(user: str, name: str, trigger_id: str, deps: Deps) -> Reply | None:
    token = await deps.db.read(tokens.get, name)
    if token is None:
        return Reply(unknown_token(name, await deps.db.read(tokens.names)))
    await deps.permissions.must_change(user, token)
    await open_view(deps, trigger_id, token_form(token))
    return None
