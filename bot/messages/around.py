"""What an incident's card shows of its surroundings: what is awaited, and the incidents it belongs together with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bot.messages import text as t
from storage.awaited import Awaited
from storage.incidents import Incident


@dataclass(frozen=True, slots=True)
class Around:
    """`items`: what the incident waits for, with what became of it; `explains`: those that are quiet because of it;
    `explained_by`: the one because of which it is quiet; `previous`: the same, more than a day ago; `goes_on_in`: the
    one that took over; `places`: channel and ts of their cards by number."""

    items: tuple[Awaited, ...] = ()
    explains: tuple[Incident, ...] = ()
    explained_by: Incident | None = None
    previous: Incident | None = None
    goes_on_in: Incident | None = None
    places: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def link(self, incident: Incident, label: str) -> str:
        """To the card of a relative; only its label where it has none."""
        place = self.places.get(incident.id)
        return t.link(card_url(*place), label) if place else t.mrkdwn(label, t.NAME_LIMIT)


def card_url(channel: str, ts: str) -> str:
    """A message in whatever workspace the reader is signed in to: Slack's redirect, which needs no workspace name."""
    return "https://slack.com/app_redirect?" + urlencode({"channel": channel, "message_ts": ts})
