"""The App Home: drawn anew whenever somebody opens it."""

from __future__ import annotations

from datetime import datetime

import structlog
from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.messages.home import MOST_LINES, RotationLine, Shelf, home_view
from bot.messages.rotation_words import rotation_line
from storage import incidents, rotations, token_search
from storage.database import Connection
from storage.incidents import Incident
from storage.token_search import TokenFilter

log = structlog.get_logger("home")


async def opened(user: str, deps: Deps) -> None:
    if deps.slack is None or not user:
        return
    now = deps.now()
    mine, ending, open_, count, rotating = await deps.db.read(_look, user, now)
    view = home_view(mine, ending, open_, now, open_incidents=count, rotations=rotating)
    try:
        await deps.slack.views_publish(user_id=user, view=view)
    except SlackApiError as error:
        log.warning("home not published", error=error.response.get("error"))


_Looked = tuple[Shelf, Shelf, list[Incident], int, list[RotationLine]]


def _look(connection: Connection, user: str, now: datetime) -> _Looked:
    def shelf(wanted: TokenFilter) -> Shelf:
        found = token_search.search(connection, wanted, now=now, limit=MOST_LINES)
        return Shelf(tuple(found), token_search.count(connection, wanted, now=now))

    return (
        shelf(TokenFilter(owner=user)),
        shelf(TokenFilter(ends_before=now + token_search.LATER)),
        incidents.latest(connection, unresolved=True, limit=MOST_LINES),
        incidents.count_open(connection),
        [rotation_line(rotation, now) for rotation in rotations.open_rotations(connection, limit=MOST_LINES)],
    )
