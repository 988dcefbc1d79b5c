"""What is said about an incident, queued in the transaction of the change it tells of."""

from __future__ import annotations

import json
from datetime import datetime

from bot.incidents import Facts, answers_for
from bot.messages import thread
from bot.messages.around import Around
from bot.messages.card import incident_card
from bot.messages.message import Message
from bot.outbox import EDITS_APART
from storage import awaited, incidents, outbox, tokens
from storage.database import Connection
from storage.incidents import Incident
from storage.tokens import Token


def is_posted(connection: Connection, incident: Incident) -> bool:
    """Whether its card stands in a channel or is on its way there. One that another incident explains has none."""
    return outbox.exists(connection, incident.card_key)


def post_card(connection: Connection, incident: Incident, now: datetime) -> None:
    """The one card of an incident. Without a channel it stays unsaid until one is set."""
    message = _card(connection, incident, now)
    outbox.put(
        connection,
        key=incident.card_key,
        kind="post",
        channel=incident.channel or "",
        text=message.text,
        blocks=blocks_json(message),
        now=now,
    )


def edit_card(connection: Connection, incident: Incident, now: datetime) -> None:
    """Bring the card up to date, silently."""
    message = _card(connection, incident, now)
    outbox.put_edit(
        connection,
        about=incident.card_key,
        text=message.text,
        blocks=blocks_json(message),
        now=now,
        apart=EDITS_APART,
    )


def say_in_thread(
    connection: Connection, incident: Incident, message: Message, *, key: str, now: datetime, broadcast: bool = False
) -> None:
    """One short line under the card, if it has one; `key` makes it unique within the incident. `broadcast`: it is
    shown in the channel too."""
    if not is_posted(connection, incident):
        return
    outbox.put(
        connection,
        key=f"{incident.card_key}:{key}",
        kind="reply",
        channel=incident.channel or "",
        about=incident.card_key,
        text=message.text,
        blocks=blocks_json(message),
        now=now,
        broadcast=broadcast,
    )


def call(
    connection: Connection, incident: Incident, token: Token | None, actor: str | None, *, key: str, now: datetime
) -> None:
    """One line for those who can do something about it and were mentioned neither on the card nor under it."""
    people = {
        user: role
        for user, role in thread.people(token, actor).items()
        if not outbox.mentioned(connection, incident.card_key, user)
    }
    if people:
        say_in_thread(connection, incident, thread.also_for(people), key=key, now=now)


def call_owners(connection: Connection, incident: Incident, now: datetime) -> None:
    """It waits for somebody, and those whose token it is may not have heard of it: an edit mentions nobody, and while
    somebody looked after it nobody else was called."""
    if incident.token_id is None or incident.state != "open" or incident.muted_by is not None:
        return
    blamed = answers_for(tokens.by_id(connection, incident.token_id), Facts.from_json(incident.facts))
    call(connection, incident, blamed, None, key=f"people:{incident.token_id}:{now.timestamp()}", now=now)


def point_to_card(
    connection: Connection, incident: Incident, channel: str | None, repo: str, workflow: str, now: datetime
) -> None:
    """A repository whose failures are told in another channel joins: that channel is told once where the card is."""
    if channel is None or channel == incident.channel:
        return
    message = thread.card_is_elsewhere(incident, Facts.from_json(incident.facts), repo, workflow)
    outbox.put(
        connection,
        key=f"{incident.card_key}:in:{channel}",
        kind="post",
        channel=channel,
        text=message.text,
        blocks=blocks_json(message),
        now=now,
    )


def blocks_json(message: Message) -> str:
    return json.dumps(list(message.blocks), ensure_ascii=False)


def _card(connection: Connection, incident: Incident, now: datetime) -> Message:
    token = tokens.by_id(connection, incident.token_id) if incident.token_id is not None else None
    return incident_card(incident, Facts.from_json(incident.facts), token, now, _around(connection, incident))


def _around(connection: Connection, incident: Incident) -> Around:
    def other(ident: int | None) -> Incident | None:
        return incidents.get(connection, ident) if ident is not None else None

    previous = other(incident.previous_id)
    explained_by, goes_on_in = other(incident.muted_by), other(incident.merged_into)
    return Around(
        items=tuple(awaited.of(connection, incident.id)),
        explains=tuple(incidents.muted_by(connection, incident)),
        explained_by=explained_by,
        previous=previous,
        goes_on_in=goes_on_in,
        places={
            relative.id: (card.channel, card.ts)
            for relative in (previous, explained_by, goes_on_in)
            if relative is not None and (card := outbox.get(connection, relative.card_key)) is not None and card.ts
        },
    )
