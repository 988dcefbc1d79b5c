"""Snoozing an incident: the card's button opens the form, the form is the change."""

from __future__ import annotations

from bot import incident_changes
from bot.deps import Deps
from bot.errors import TellUser
from bot.incident_search import fitting
from bot.messages.incident_forms import read_snooze_form, snooze_form
from handlers.slack.opening import open_view
from handlers.slack.requests import Click, Command, FormReply, Submission, number_of
from storage import incidents

MOST_CHOICES = 100


async def snooze(command: Command, deps: Deps) -> None:
    """`/tokens snooze [WHICH]` asks which of the open incidents, unless only one fits."""
    await deps.permissions.must_be_member(command.user)
    unresolved = await deps.db.read(incidents.latest, unresolved=True, limit=MOST_CHOICES)
    found = fitting(unresolved, command.argument)
    if unresolved and not found:
        raise TellUser("No open incident fits that. `/tokens incidents` lists them.")
    await open_view(deps, command.trigger_id, snooze_form(found))


async def ask(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    incident = await deps.db.read(incidents.get, number_of(click.value))
    if incident is None:
        raise TellUser("This incident is no longer kept.")
    await open_view(deps, click.trigger_id, snooze_form([incident]))


async def snoozed(submission: Submission, deps: Deps) -> FormReply:
    await deps.permissions.must_be_member(submission.user)
    wanted = read_snooze_form(submission.values, submission.metadata, deps.now(), deps.settings.zone)
    await incident_changes.snooze(deps, wanted.incident_id, submission.user, wanted.until, wanted.reason)
    return FormReply()
