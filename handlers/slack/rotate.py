"""`/tokens rotate NAME` and the buttons that begin a rotation: the form opens at once and is filled a moment later."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.help import needs, unknown_token
from bot.messages.modal import closing_view, loading_form
from bot.messages.rotation_form import (
    NEW_NAME,
    OWNER,
    SECOND,
    choose_form,
    read_choose_form,
    read_start_form,
    start_form,
)
from bot.messages.rotation_thread import started
from bot.rotation import run
from bot.rotation.choosing import rotatable
from bot.rotation.preparing import prepare
from handlers.slack import campaign
from handlers.slack.opening import fill_view, open_view
from handlers.slack.requests import Click, Command, FormReply, Reply, Submission, number_of
from storage import incidents, tokens
from storage.tokens import Token

MANY = "many"


async def rotate(command: Command, deps: Deps) -> Reply | None:
    if not command.argument:
        return Reply(needs("rotate"))
    if command.argument == MANY:
        await campaign.ask(command.user, command.trigger_id, deps)
        return None
    return await _by_name(command.user, command.argument, command.trigger_id, deps)


async def rotate_clicked(click: Click, deps: Deps) -> Reply | None:
    return await _by_name(click.user, click.value, click.trigger_id, deps)


async def rotate_from_card(click: Click, deps: Deps) -> Reply | None:
    incident = await deps.db.read(incidents.get, number_of(click.value))
    token = await deps.db.read(tokens.by_id, incident.token_id) if incident and incident.token_id else None
    if token is None:
        raise TellUser("The token of this incident is no longer on record.")
    await _open(click.user, token, click.trigger_id, deps)
    return None


async def choose(click: Click, deps: Deps) -> None:
    """The Home's button: which of the tokens that this person may change?"""
    await deps.permissions.must_be_member(click.user)
    everybody = await deps.permissions.may_change(click.user, None)
    found = await deps.db.read(rotatable, None if everybody else click.user)
    await open_view(deps, click.trigger_id, choose_form(found, deps.now()))


async def chosen(submission: Submission, deps: Deps) -> FormReply:
    token = await deps.db.read(tokens.by_id, read_choose_form(submission.values))
    if token is None:
        raise TellUser("This token was removed meanwhile.")
    await deps.permissions.must_change(submission.user, token)
    await _must_be_free(token, deps)
    return FormReply(view=start_form(token, await prepare(token, submission.user, deps, patient=False), deps.now()))


async def begun(submission: Submission, deps: Deps) -> FormReply:
    """The form was sent: begin, unless somebody else was faster or it was sent twice."""
    token = await deps.db.read(tokens.by_id, number_of(submission.metadata))
    if token is None:
        raise TellUser("This token was removed from the records meanwhile, so nothing was started.")
    await deps.permissions.must_change(submission.user, token)
    wanted, errors = read_start_form(submission.values, token)
    for block, person in ((OWNER, wanted.owner), (SECOND, wanted.second)):
        if person and block not in errors and await deps.permissions.is_guest(person):
            errors[block] = "It takes a full member of this workspace."
    taken = await deps.db.read(run.name_is_taken, wanted.new_name, token) if wanted.new_name else False
    if taken:
        errors[NEW_NAME] = "Another token has this name."
    if errors:
        return FormReply(errors=errors)
    rotation = await run.start(deps, token, wanted, submission.user)
    return FormReply(view=closing_view("Started", started(rotation)))


async def _by_name(user: str, name: str, trigger_id: str, deps: Deps) -> Reply | None:
    token = await deps.db.read(tokens.get, name)
    if token is None:
        return Reply(unknown_token(name, await deps.db.read(tokens.names)))
    await _open(user, token, trigger_id, deps)
    return None


async def _open(user: str, token: Token, trigger_id: str, deps: Deps) -> None:
    await deps.permissions.must_change(user, token)
    await _must_be_free(token, deps)
    view_id = await open_view(deps, trigger_id, loading_form("Rotate a token"))
    await fill_view(deps, view_id, start_form(token, await prepare(token, user, deps), deps.now()))


async def _must_be_free(token: Token, deps: Deps) -> None:
    """Raises TellUser: a token that is being rotated, gone or no token at all cannot be rotated."""
    why = await deps.db.read(run.why_not_rotate, token, deps.now())
    if why is not None:
        raise TellUser(why)
