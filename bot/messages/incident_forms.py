"""Forms about an incident: how long to be quiet about it and why, and how it was closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.messages import text as t
from bot.messages.message import context, section
from bot.messages.modal import MOST_OPTIONS, Values, closing_form, modal, put, select, text_input, user_select
from bot.messages.words import workflow_words
from storage.incidents import Incident

# private_metadata of all of them: the incident's id; empty when the form asks which one.
SNOOZE_FORM = "incident.snooze_form"
RESOLVE_FORM = "incident.resolve_form"
HAND_OVER_FORM = "incident.hand_over_form"
CLAIM_FORM = "incident.claim_form"

INCIDENT, UNTIL, REASON, TO = "incident", "until", "reason", "to"
TOMORROW_AT = time(9)
_SPANS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "3d": timedelta(days=3), "1w": timedelta(weeks=1)}
_CHOICES = [
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("tomorrow", "Tomorrow at 9:00"),
    ("3d", "3 days"),
    ("1w", "1 week"),
]


@dataclass(frozen=True, slots=True)
class Snooze:
    incident_id: int
    until: datetime
    reason: str


def snooze_form(incidents: Sequence[Incident]) -> dict[str, Any]:
    """About one incident, or with the question about which of several; says so when there is none."""
    if not incidents:
        return closing_form("Snooze", "No incident is open, so there is nothing to be quiet about")
    one = incidents[0] if len(incidents) == 1 else None
    return modal(
        "Snooze",
        [
            section(f"*{t.mrkdwn(_title(one), 200)}*") if one else _which(incidents),
            select(UNTIL, "Until", _CHOICES, initial="4h"),
            text_input(REASON, "Why", placeholder="the registry is down, waiting for it", most=300),
            context("The card stays and says until when. It comes back earlier only if something else goes wrong."),
        ],
        callback_id=SNOOZE_FORM,
        submit="Snooze",
        private_metadata=str(one.id) if one else "",
    )


def read_snooze_form(values: Values, private_metadata: str, now: datetime, zone: ZoneInfo) -> Snooze:
    """`zone`: the person's own, for "tomorrow at 9:00"."""
    chosen = put(values, UNTIL) or "4h"
    return Snooze(
        incident_id=int(private_metadata or put(values, INCIDENT) or 0),
        until=tomorrow(now, zone) if chosen == "tomorrow" else now + _SPANS.get(chosen, _SPANS["4h"]),
        reason=put(values, REASON) or "",
    )


def tomorrow(now: datetime, zone: ZoneInfo) -> datetime:
    """Nine o'clock on the next calendar day, whatever the clocks do in between."""
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, TOMORROW_AT, zone).astimezone(now.tzinfo)


def resolve_form(incident: Incident) -> dict[str, Any]:
    return modal(
        "Resolve",
        [
            section(
                f"*{t.mrkdwn(_title(incident), 200)}*",
                "The card closes by itself once the version is on the registry. "
                "Close it by hand if that version will never be published.",
            ),
            text_input(REASON, "How was it settled?", placeholder="released as 2.3.2 instead", most=300),
        ],
        callback_id=RESOLVE_FORM,
        submit="Resolve",
        private_metadata=str(incident.id),
    )


def read_resolve_form(values: Values) -> str:
    return put(values, REASON) or ""


def hand_over_form(incident: Incident) -> dict[str, Any]:
    return modal(
        "Hand over",
        [
            section(f"*{t.mrkdwn(_title(incident), 200)}*"),
            user_select(
                TO,
                "To whom",
                hint="They are told in the thread, and the card says that they are on it.",
                optional=False,
            ),
            text_input(
                REASON, "What they should know", placeholder="the new token is made, the secret is not yet written",
                most=300, optional=True,
            ),
        ],
        callback_id=HAND_OVER_FORM,
        submit="Hand over",
        private_metadata=str(incident.id),
    )  # fmt: skip


def read_hand_over_form(values: Values) -> tuple[str, str]:
    """Whom to, and the note."""
    return put(values, TO) or "", put(values, REASON) or ""


def claim_form(incidents: Sequence[Incident]) -> dict[str, Any]:
    """Which of several."""
    return modal(
        "Claim",
        [_which(incidents), context("The card says from then on that you are on it.")],
        callback_id=CLAIM_FORM,
        submit="Claim",
    )


def read_claim_form(values: Values) -> int:
    """The incident's number; 0, which never exists, without one."""
    return int(put(values, INCIDENT) or 0)


def _which(incidents: Sequence[Incident]) -> Any:
    return select(INCIDENT, "Which one", [(str(item.id), _title(item)) for item in incidents[:MOST_OPTIONS]])


def _title(incident: Incident) -> str:
    """`No. 12: @acme/ui 2.3.1, acme/ui release.yml`."""
    what = " ".join(filter(None, (incident.package, incident.version)))
    where = ", ".join(filter(None, (what, f"{incident.repo} {workflow_words(incident.workflow)}")))
    return f"No. {incident.id}: {where}"
