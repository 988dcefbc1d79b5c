"""The App Home: drawn anew whenever somebody opens it or chooses what it lists; the choice stays with the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import get_args

import structlog
from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.glances import glances
from bot.messages.home import ANY, MOST_LINES, Home, HomeFilter, Shelf, Show, home_view
from bot.messages.rotation_words import rotation_line
from handlers.slack.requests import Click
from storage import deliveries, incidents, people, rotations, token_search
from storage.database import Connection
from storage.token_search import TokenFilter

log = structlog.get_logger("home")


async def opened(user: str, metadata: str, deps: Deps) -> None:
    """`metadata`: of the Home as that person saw it last."""
    await _draw(user, HomeFilter.from_json(metadata), deps)


async def show(click: Click, deps: Deps) -> None:
    chosen: Show = click.value if click.value in get_args(Show) else "mine"  # type: ignore[assignment]
    await _again(click, lambda before: replace(before, show=chosen, page=1), deps)


async def choose_registry(click: Click, deps: Deps) -> None:
    registry = None if click.value == ANY else click.value
    await _again(click, lambda before: replace(before, registry=registry, page=1), deps)


async def turn(click: Click, deps: Deps) -> None:
    await _again(click, lambda before: replace(before, page=before.page + 1), deps)


async def turn_back(click: Click, deps: Deps) -> None:
    await _again(click, lambda before: replace(before, page=max(1, before.page - 1)), deps)


async def choose_digest(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    by: people.DigestBy = "direct" if click.value == "direct" else "channel"
    await deps.db.write(people.set_digest, click.user, by, deps.now())
    await _again(click, lambda before: before, deps)


async def _again(click: Click, change: Callable[[HomeFilter], HomeFilter], deps: Deps) -> None:
    await _draw(click.user, change(HomeFilter.from_json(click.metadata)), deps)


async def _draw(user: str, chosen: HomeFilter, deps: Deps) -> None:
    if deps.slack is None or not user:
        return
    now = deps.now()
    home = await deps.db.read(_look, user, chosen, now)
    settings = deps.settings
    home = replace(
        home,
        digest_channel=settings.operators_channel,
        team_digests=bool(settings.digest_routes),
        alert_channel=settings.alert_channel,
    )
    try:
        await deps.slack.views_publish(user_id=user, view=home_view(home, now))
    except SlackApiError as error:
        log.warning("home not published", error=error.response.get("error"))


def _look(connection: Connection, user: str, chosen: HomeFilter, now: datetime) -> Home:
    summary = token_search.summary(connection, now)
    wanted = _wanted(user, chosen, now)
    total = token_search.count(connection, wanted, now=now)
    # The last page there is, when tokens went away meanwhile.
    page = min(chosen.page, max(1, -(-total // MOST_LINES)))
    listed = token_search.search(connection, wanted, now=now, limit=MOST_LINES, offset=(page - 1) * MOST_LINES)
    ends = TokenFilter(owner=user, ends_before=now + token_search.SOON)
    return Home(
        user=user,
        chosen=replace(chosen, page=page),
        shelf=Shelf(tuple(listed), total),
        urgent=Shelf(
            tuple(token_search.search(connection, ends, now=now, limit=MOST_LINES)),
            token_search.count(connection, ends, now=now),
        ),
        known=summary.total,
        registries=summary.by_registry,
        incidents=glances(connection, incidents.latest(connection, unresolved=True, limit=MOST_LINES)),
        open_incidents=incidents.count_open(connection),
        mine=glances(connection, incidents.open_of_person(connection, user, limit=MOST_LINES)),
        rotations=[rotation_line(rotation, now) for rotation in rotations.open_rotations(connection, limit=MOST_LINES)],
        digest_by=people.digest_of(connection, user),
        heard=deliveries.heard_anything(connection),
    )


def _wanted(user: str, chosen: HomeFilter, now: datetime) -> TokenFilter:
    owners = {"mine": user, "ownerless": ""}
    return TokenFilter(
        registry=chosen.registry,
        owner=owners.get(chosen.show),
        ends_before=now + token_search.LATER if chosen.show == "ending" else None,
    )
