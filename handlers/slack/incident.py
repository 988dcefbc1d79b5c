"""The buttons of an incident's card, and the forms that hand one over or close it by hand."""

from __future__ import annotations

from bot import incident_changes
from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.incident_forms import TO, hand_over_form, read_hand_over_form, read_resolve_form, resolve_form
from handlers.slack.opening import open_view
from handlers.slack.requests import Click, FormReply, Submission, number_of
from storage import incidents


async def claim(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    await incident_changes.claim(deps, number_of(click.value), click.user)


async def ask_how_resolved(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    incident = await deps.db.read(incidents.get, number_of(click.value))
    if incident is None or incident.state == "resolved":
        raise TellUser("This incident is resolved already.")
    await open_view(deps, click.trigger_id, resolve_form(incident))


async def resolved(submission: Submission, deps: Deps) -> FormReply:
    await deps.permissions.must_be_member(submission.user)
    how = read_resolve_form(submission.values)
    await incident_changes.resolve(deps, number_of(submission.metadata), submission.user, how)
    return FormReply()


async def ask_hand_over(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    incident = await deps.db.read(incidents.get, number_of(click.value))
    if incident is None or incident.state == "resolved":
        raise TellUser("This incident is resolved already.")
    await open_view(deps, click.trigger_id, hand_over_form(incident))


async def handed_over(submission: Submission, deps: Deps) -> FormReply:
    await deps.permissions.must_be_member(submission.user)
    to, note = read_hand_over_form(submission.values)
    if not to or await deps.permissions.is_guest(to):
        return FormReply(errors={TO: "It can be handed only to a full member of this workspace."})
    await incident_changes.hand_over(deps, number_of(submission.metadata), submission.user, to, note)
    return FormReply()


async def reopen(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    await incident_changes.reopen(deps, number_of(click.value), click.user)


async def wake(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    await incident_changes.wake(deps, number_of(click.value), click.user)


async def rerun(click: Click, deps: Deps) -> None:
    await deps.permissions.must_be_member(click.user)
    await incident_changes.rerun(deps, number_of(click.value), click.user)
