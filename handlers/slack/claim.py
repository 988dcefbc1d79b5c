"""`/tokens claim [WHICH]`: take an incident without its card at hand; of several, a form asks which one."""

from __future__ import annotations

from bot import incident_changes
from bot.deps import Deps
from bot.errors import TellUser
from bot.glances import glances
from bot.incident_search import fitting
from bot.messages.incident_forms import claim_form, read_claim_form
from bot.messages.incident_list import claimed_reply
from handlers.slack.opening import open_view
from handlers.slack.requests import Command, FormReply, Reply, Submission
from storage import incidents

MOST_CHOICES = 100


async def claim(command: Command, deps: Deps) -> Reply | None:
    """Without words: the one that nobody is on, if there is just one."""
    await deps.permissions.must_be_member(command.user)
    unresolved = await deps.db.read(incidents.latest, unresolved=True, limit=MOST_CHOICES)
    found = [one for one in fitting(unresolved, command.argument) if one.claimed_by != command.user]
    if not found:
        raise TellUser(_nothing(command.argument, bool(fitting(unresolved, command.argument))))
    free = [one for one in found if one.state == "open" and one.muted_by is None]
    only = found if command.argument or not free else free
    if len(only) == 1:
        taken = await incident_changes.claim(deps, only[0].id, command.user)
        (glance,) = await deps.db.read(glances, [taken])
        return Reply(claimed_reply(glance))
    await open_view(deps, command.trigger_id, claim_form([*free, *(one for one in found if one not in free)]))
    return None


async def claimed(submission: Submission, deps: Deps) -> FormReply:
    await deps.permissions.must_be_member(submission.user)
    await incident_changes.claim(deps, read_claim_form(submission.values), submission.user)
    return FormReply()


def _nothing(typed: str, is_mine: bool) -> str:
    if is_mine:
        return "You are on it already." if typed else "You are on all that is open."
    return "No open incident fits that. `/tokens incidents` lists them." if typed else "No incident is open."
