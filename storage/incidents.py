"""Incidents and the runs that occurred in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["open", "claimed", "snoozed", "resolved"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong until it is right. `facts`: JSON of what the card shows (bot.incidents.Facts)."""

    id: int
    fingerprint: str
    state: State
    registry: str | None
    cause: str
    verdict: str
    token_id: int | None
    repo: str
    workflow: str
    package: str | None
    version: str | None
    occurrences: int
    opened_at: datetime
    last_seen_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    snoozed_by: str | None
    snoozed_until: datetime | None
    snooze_reason: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    channel: str | None
    card_key: str
    facts: str
