"""Which open incident does a person mean? Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages.words import workflow_words
from storage.incidents import Incident

_NUMBER_MARKS = ("no.", "no", "#")


def fitting(incidents: Sequence[Incident], typed: str) -> list[Incident]:
    """`typed`: its number (`12`, `no. 12`, `#12`), or words that all occur in its package, version, repository or
    workflow; nothing typed: all."""
    number = _number(typed)
    if number is not None:
        return [incident for incident in incidents if incident.id == number]
    words = typed.casefold().split()
    return [incident for incident in incidents if all(word in _text(incident) for word in words)]


def _number(typed: str) -> int | None:
    bare = typed.strip().casefold()
    for mark in _NUMBER_MARKS:
        if bare.startswith(mark):
            bare = bare.removeprefix(mark).strip()
            break
    return int(bare) if bare.isascii() and bare.isdecimal() and len(bare) < 18 else None


def _text(incident: Incident) -> str:
    named = (incident.package, incident.version, incident.repo, workflow_words(incident.workflow))
    return " ".join(filter(None, named)).casefold()
