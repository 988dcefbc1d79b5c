"""`/tokens rotate NAME` and the buttons for it: the commands that replace a token."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.help import needs, unknown_token
from bot.messages.rotation_guide import rotation_guide
from handlers.slack.requests import Click, Command, Reply, incident_id
from storage import incidents, tokens


async def rotate(command: Command, deps: Deps) -> Reply:
    if not command.argument:
        return Reply(needs("rotate"))
    return await _guide(command.user, command.argument, deps)


async def rotate_clicked(click: Click, deps: Deps) -> Reply:
    return await _guide(click.user, click.value, deps)


async def rotate_from_card(click: Click, deps: Deps) -> Reply:
    incident = await deps.db.read(incidents.get, incident_id(click.value))
    token = await deps.db.read(tokens.by_id, incident.token_id) if incident and incident.token_id else None
    if token is None:
        raise TellUser("The token of this incident is no longer on record.")
    return await _guide(click.user, token.name, deps)


async def _guide(user: str, name: str, deps: Deps) -> Reply:
    await deps.permissions.must_be_member(user)
    token = await deps.db.read(tokens.get, name)
    if token is None:
        return Reply(unknown_token(name, await deps.db.read(tokens.names)))
    return Reply(rotation_guide(token, deps.now()))
