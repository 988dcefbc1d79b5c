"""`/tokens digest`: how a person hears of tokens that end: with everybody in the channel, or by direct message."""

from __future__ import annotations

from bot.clock import next_digest
from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.digest_choice import DIRECT, WORDS, digest_choice
from bot.messages.message import Message
from handlers.slack.requests import Command, Reply
from storage import people


async def choose(command: Command, deps: Deps) -> Reply:
    wanted = command.argument.lower()
    if wanted and wanted not in WORDS:
        raise TellUser("Type `/tokens digest direct` for a direct message, or `/tokens digest channel`.")
    if wanted:
        await deps.permissions.must_be_member(command.user)
        by: people.DigestBy = "direct" if WORDS[wanted] == DIRECT else "channel"
        await deps.db.write(people.set_digest, command.user, by, deps.now())
    return Reply(await shown(command.user, deps, is_new=bool(wanted)))


async def shown(user: str, deps: Deps, *, is_new: bool) -> Message:
    settings = deps.settings
    by = await deps.db.read(people.digest_of, user)
    channel = settings.operators_channel
    following = next_digest(deps.now(), settings.zone, settings.reminder_time, settings.calendar) if channel else None
    return digest_choice(by, channel, following, is_new=is_new, team_digests=bool(settings.digest_routes))
