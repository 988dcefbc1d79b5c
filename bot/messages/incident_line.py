"""One incident in one line of a list: the fact, where, since when, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.incidents import WITHOUT_A_RUN, Facts
from bot.messages import text as t
from bot.messages.around import card_url
from bot.messages.awaited_list import OUT
from bot.messages.words import workflow_words
from storage.awaited import Awaited
from storage.incidents import Incident


@dataclass(frozen=True, slots=True)
class Glance:
    """An incident with what a list says of it. `items`: what it waits for, with what became of it; `place`: channel and
    ts of its card, None while it has none; `explains`: how many others are quiet because of it."""

    incident: Incident
    items: Sequence[Awaited] = ()
    place: tuple[str, str] | None = None
    explains: int = 0


def incident_line(glance: Glance, now: datetime) -> str:
    """`No. 12  npm refused the token. @acme/ui 2.3.1 acme/ui release.yml  ·  3 hours ago  ·  nobody is on it`."""
    incident = glance.incident
    facts = Facts.from_json(incident.facts)
    said = (
        f"*No. {incident.id}*  {t.sentence(t.aged(facts.sentence, now - incident.last_seen_at), 160)} {_where(glance)}",
        since(incident, now),
        *standing(glance, now),
        _link(glance, facts),
    )
    return "  ·  ".join(filter(None, said))


def since(incident: Incident, now: datetime) -> str:
    """`3 hours ago`; `4 times, first 3 hours ago, last just now`."""
    began = t.relative(incident.opened_at, now)
    if incident.occurrences < 2:
        return began
    last = t.relative(incident.last_seen_at, now)
    times = t.count(incident.occurrences, "time")
    return f"{times}, {last}" if last == began else f"{times}, first {began}, last {last}"


def standing(glance: Glance, now: datetime) -> list[str]:
    """Who is on it, why it is quiet, and what of it is out or waits for approval: safe text, mentions included."""
    incident = glance.incident
    if incident.state == "resolved":
        return ["resolved"]
    said = []
    if incident.muted_by is not None:
        said.append(f"quiet, probably explained by no. {incident.muted_by}")
    if incident.state == "claimed":
        said.append(f"{t.mention(incident.claimed_by)} is on it")
    elif incident.state == "snoozed" and incident.snoozed_until is not None:
        why = f": {t.mrkdwn(incident.snooze_reason, 80)}" if incident.snooze_reason else ""
        said.append(f"snoozed until {t.date(incident.snoozed_until)}{why}")
    elif incident.muted_by is None:
        said.append("nobody is on it")
    return [*said, *_progress(glance, now)]


def _progress(glance: Glance, now: datetime) -> list[str]:
    named = [item for item in glance.items if item.package]
    staged = [item for item in named if item.state == "staged" and not item.settled]
    said = []
    if staged:
        names = t.listed([t.code(item.name, 120) for item in staged[:2]], 2, len(staged))
        verb = "waits" if len(staged) == 1 else "wait"
        oldest = min(item.since for item in staged)
        said.append(f"{names} {verb} for approval, staged {t.relative(oldest, now)}")
    out = sum(item.state in OUT for item in named)
    if len(named) > 1 and out < len(named):
        said.append(f"{out} of {len(named):,} packages out")
    if glance.incident.over_at is not None:
        said.append("looks over, to be run again")
    if glance.explains:
        said.append(f"explains {t.count(glance.explains, 'other')}")
    return said


def _where(glance: Glance) -> str:
    """Package, repository and workflow; of several repositories how many there are."""
    incident = glance.incident
    repos = {item.repo.lower() for item in glance.items if not item.settled}
    if len(repos) > 1:
        return t.count(len(repos), "repository", "repositories")
    package = t.code(incident.package, 80) if incident.package else ""
    version = t.mrkdwn(incident.version, 40) if incident.package and incident.version else ""
    workflow = "" if incident.cause in WITHOUT_A_RUN else t.mrkdwn(workflow_words(incident.workflow), 80)
    return " ".join(filter(None, (package, version, t.code(incident.repo, 80), workflow)))


def _link(glance: Glance, facts: Facts) -> str:
    if glance.place is not None:
        return t.link(card_url(*glance.place), "open the card")
    return t.link(facts.run_url, "open the run") if facts.run_url and t.is_url(facts.run_url) else ""
