"""The answer to `/tokens incidents`: a line for each that is open, with the fact first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.message import Message, Part, context, message, section, sections
from bot.messages.words import workflow_words
from storage.incidents import Incident

MOST = 15


def incident_list(incidents: Sequence[Incident], total: int, now: datetime) -> Message:
    """`incidents`: the first few of `total` open ones."""
    if not incidents:
        said = "No incident is open."
        return message(said, [section(f"*{said}*", "When a publish fails, its card appears in the alert channel.")])
    headline = f"{t.count(total, 'incident is', 'incidents are')} open"
    parts: list[Part | None] = [
        section(f"*{headline}*"),
        *sections(t.bullets(_line(incident, now) for incident in incidents[:MOST]), rank=1),
        context(f"And {total - MOST:,} more." if total > MOST else "", "Claim, snooze or resolve one on its card."),
    ]
    first = t.sentence(Facts.from_json(incidents[0].facts).sentence, 200)
    return message(f"{headline}. The latest: {first}", parts)


def _line(incident: Incident, now: datetime) -> str:
    facts = Facts.from_json(incident.facts)
    what = " ".join(filter(None, (t.code(incident.package, 80) if incident.package else "", t.code(incident.repo, 80))))
    who = f"  ·  {t.mention(incident.claimed_by)} is on it" if incident.state == "claimed" else ""
    quiet = f"  ·  snoozed until {t.date(incident.snoozed_until)}" if incident.snoozed_until else ""
    run = t.link(facts.run_url, "open the run") if facts.run_url else ""
    where = f"{what} {t.mrkdwn(workflow_words(incident.workflow), 80)}"
    since = (
        t.relative(incident.opened_at, now)
        if incident.occurrences < 2
        else (f"{t.count(incident.occurrences, 'time')}, last {t.relative(incident.last_seen_at, now)}")
    )
    return f"{t.sentence(facts.sentence, 200)} {where}  ·  {since}{who}{quiet}" + (f"  ·  {run}" if run else "")
