"""The answer to `/tokens why RUN-URL`: what a run's card says, or why there is none."""

from __future__ import annotations

from datetime import datetime

from bot.diagnosis.diagnosis import Diagnosis
from bot.github.run import Run
from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.card import run_card
from bot.messages.message import Message, context, message, section
from bot.messages.words import registry_words, workflow_words
from storage.incidents import Incident, NewIncident
from storage.tokens import Token

# GitHub's conclusions that are neither good nor bad, as the end of "The run ...".
_CONCLUSIONS = {
    "cancelled": "was cancelled",
    "skipped": "was skipped",
    "action_required": "waits for somebody to approve it",
    "neutral": "ended without a result",
    "stale": "was given up by GitHub",
}


def failed_run(
    failure: NewIncident, facts: Facts, token: Token | None, incident: Incident | None, now: datetime
) -> Message:
    return run_card(failure, facts, token, now, notes=(_incident_note(incident),))


def run_without_failure(run: Run, published: Diagnosis | None, incident: Incident | None) -> Message:
    """A run that succeeded (`published`: what its log says, if it could be read), goes on, or ended otherwise."""
    said = _said(run, published)
    parts = [
        section(f"*{said}*", _where(run)),
        context(_incident_note(incident) if incident else "", t.link(run.url, "Open the run") if run.url else ""),
    ]
    return message(f"{said} {_where(run)}", parts)


def _said(run: Run, published: Diagnosis | None) -> str:
    if run.conclusion is None:
        return "This run has not finished yet. Ask again when it has."
    if run.failed:
        return "This run failed without a failed job, so there is no log to read. Its workflow file may be broken."
    if not run.succeeded:
        return f"This run {_CONCLUSIONS.get(run.conclusion, 'ended as ' + t.mrkdwn(run.conclusion, 40))}."
    if published is None:
        return "This run succeeded. Its log could not be read."
    what = " ".join(filter(None, (published.package, published.version)))
    if published.outcome == "staged":
        return f"This run succeeded and staged {t.mrkdwn(what or 'a version', 200)}: it waits for approval."
    if published.outcome == "failed":
        return f"This run succeeded, but its log tells of a failure: {t.sentence(published.sentence)}"
    if published.cause != "published":
        return "This run succeeded. Its log shows no publish."
    where = t.mrkdwn(registry_words(published.registry), 60)
    return f"This run succeeded and published {t.mrkdwn(what or 'to', 200)}{f' on {where}' if what else f' {where}'}."


def _where(run: Run) -> str:
    attempt = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    number = f", run {run.number}" if run.number else ""
    return f"{t.code(run.repo)}, {t.mrkdwn(workflow_words(run.workflow), 120)}{number}{attempt}"


def _incident_note(incident: Incident | None) -> str:
    if incident is None:
        return "No open incident is about this run."
    who = f", {t.mention(incident.claimed_by)} is on it" if incident.state == "claimed" else ""
    return f"Its card is in {t.channel(incident.channel)}{who}."
