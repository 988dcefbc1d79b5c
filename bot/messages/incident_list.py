"""The answer to `/tokens incidents`: a line for each that is open, with the fact first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.around import card_url
from bot.messages.incident_line import Glance, incident_line
from bot.messages.message import Message, Part, context, message, section, sections

MOST = 15


def incident_list(glances: Sequence[Glance], total: int, now: datetime) -> Message:
    """`glances`: the first few of `total` open ones."""
    if not glances:
        said = "No incident is open."
        return message(said, [section(f"*{said}*", "When a publish fails, its card appears in the alert channel.")])
    headline = f"{t.count(total, 'incident is', 'incidents are')} open"
    parts: list[Part | None] = [
        section(f"*{headline}*"),
        *sections(t.bullets(incident_line(glance, now) for glance in glances[:MOST]), rank=1),
        context(
            f"And {total - MOST:,} more." if total > MOST else "",
            "`/tokens claim NUMBER` takes one, `/tokens snooze NUMBER` puts it off. The rest is on its card.",
        ),
    ]
    first = t.sentence(Facts.from_json(glances[0].incident.facts).sentence, 200)
    return message(f"{headline}. The latest: {first}", parts)


def claimed_reply(glance: Glance) -> Message:
    """To whoever claimed it by command."""
    incident = glance.incident
    said = f"You are on no. {incident.id}: {t.sentence(Facts.from_json(incident.facts).sentence, 300)}"
    card = t.link(card_url(*glance.place), "Open the card") if glance.place else ""
    return message(said, [section(f"{said} {card}".rstrip())])
