"""`/tokens status`: what has expired, what ends soon, what is broken."""

from __future__ import annotations

from datetime import datetime

from bot.clock import next_digest
from bot.deps import Deps
from bot.messages.token_lists import MOST_URGENT, StatusCounts, status_message
from handlers.slack.requests import Command, Reply
from storage import incidents, token_search
from storage.database import Connection
from storage.token_search import TokenFilter
from storage.tokens import Token

_TRUSTED = TokenFilter(kind="trusted-publisher", state="endless")


async def status(command: Command, deps: Deps) -> Reply:
    now = deps.now()
    counts, urgent, open_incidents = await deps.db.read(_look, now)
    settings = deps.settings
    following = (
        next_digest(now, settings.zone, settings.reminder_time, settings.calendar)
        if settings.operators_channel
        else None
    )
    return Reply(status_message(counts, urgent, open_incidents, following, now))


def _look(connection: Connection, now: datetime) -> tuple[StatusCounts, list[Token], int]:
    summary = token_search.summary(connection, now)
    trusted = token_search.count(connection, _TRUSTED, now=now)
    counts = StatusCounts(
        expired=summary.ended,
        within_7_days=summary.soon,
        within_30_days=summary.later - summary.soon,
        later=summary.live - summary.later - summary.endless,
        no_known_end=summary.endless - trusted,
        revoked=summary.revoked,
        trusted_publishers=trusted,
    )
    ended_or_soon = token_search.search(
        connection, TokenFilter(ends_before=now + token_search.LATER), now=now, limit=MOST_URGENT
    )
    return counts, ended_or_soon, incidents.count_open(connection)
