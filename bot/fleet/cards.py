"""Incidents that no failed run began: a forecast, a release that is missing, a leak. Each has one card like all others.

Functions over a connection, for the transaction of whatever was seen.
"""

from __future__ import annotations

from datetime import datetime

from bot import announce, settling
from bot.incidents import Facts
from storage import audit, awaited, incidents
from storage.awaited import Failed
from storage.database import Connection
from storage.incidents import Incident, NewIncident


def open_card(connection: Connection, new: NewIncident, now: datetime) -> Incident | None:
    """Begin an incident and post its card; None when the same is open already. Without a channel nothing is begun."""
    if not new.channel or incidents.open_by_fingerprint(connection, new.fingerprint) is not None:
        return None
    incident = incidents.open_incident(connection, new, now)
    audit.record(
        connection,
        at=now,
        who="bot",
        action="incident.open",
        subject=f"incident:{incident.id}",
        details=f"{new.verdict} in {new.repo}",
    )
    if new.workflow.startswith(".github/"):
        # Whatever was foreseen or is missing: the next good publish of the workflow ends it.
        item = Failed(new.package, new.version, "failed")
        awaited.failed(
            connection, incident.id, [item], repo=new.repo, workflow=new.workflow, run_id=0, run_url=None, at=now
        )
    announce.post_card(connection, incident, now)
    return incident


def close_card(connection: Connection, fingerprint: str, sentence: str, now: datetime) -> bool:
    """End the open incident of this fingerprint, if there is one."""
    incident = incidents.open_by_fingerprint(connection, fingerprint)
    if incident is None:
        return False
    settling.close(connection, incident, sentence, now)
    return True


def facts(
    sentence: str,
    advice: tuple[str, ...],
    *,
    repo: str,
    reasons: tuple[str, ...] = (),
    token_reasons: tuple[str, ...] = (),
    token_ties: tuple[str, ...] = (),
    url: str | None = None,
    docs: str | None = None,
    auth: bool = True,
) -> Facts:
    """What such a card shows. `url`: a page on GitHub that shows the fact."""
    return Facts(
        sentence=sentence,
        reasons=reasons,
        advice=advice,
        auth=auth,
        run_url=url,
        token_reasons=token_reasons,
        token_ties=token_ties,
        docs=docs,
        repo=repo,
    )
