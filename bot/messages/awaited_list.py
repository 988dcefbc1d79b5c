"""What an incident waits for, as its card lists it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.diagnosis.diagnosis import PackageOutcome
from bot.messages import text as t
from storage.awaited import Awaited
from storage.incidents import Incident


def packages(items: Sequence[Awaited]) -> tuple[PackageOutcome, ...]:
    """Each package with what became of it by now."""
    return tuple(PackageOutcome(item.package, item.version, item.state) for item in items if item.package)


def since_then(incident: Incident, items: Sequence[Awaited]) -> list[str]:
    """What was seen since the failure: grey lines under the headline."""
    if incident.state == "resolved":
        return []
    staged = [item for item in items if item.state == "staged" and not item.settled]
    waits = ""
    if staged:
        since = min(item.since for item in staged)
        names = t.listed([t.code(item.name) for item in staged[:5]], 5, len(staged))
        waits = f"Waits for approval: {names}, staged {t.date(since)}."
    return [line for line in (t.sentence(incident.note, 400) if incident.note else "", waits) if line]
