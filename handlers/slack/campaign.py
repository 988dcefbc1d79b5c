"""`/tokens rotate many` and the Home's button: the form of a campaign, and the button that ends it."""

from __future__ import annotations

from bot.deps import Deps
from bot.messages.campaign import campaign_form, campaign_started, read_campaign_form, stops_in
from bot.messages.modal import closing_view
from bot.policy import rules
from bot.rotation import campaign
from handlers.slack.opening import open_view
from handlers.slack.requests import Click, FormReply, Submission, number_of


async def ask(user: str, trigger_id: str, deps: Deps) -> None:
    """Only admins: it calls for many people at once."""
    await deps.permissions.must_change(user)
    now = deps.now()
    taking = [(rule.id, stops_in(rule.at)) for rule in rules() if rule.effect == "no-direct-publish" and rule.at > now]
    await open_view(deps, trigger_id, campaign_form(taking))


async def begun(submission: Submission, deps: Deps) -> FormReply:
    await deps.permissions.must_change(submission.user)
    wanted, errors = read_campaign_form(submission.values)
    if errors:
        return FormReply(errors=errors)
    started, many = await campaign.start(deps, wanted, submission.user)
    return FormReply(view=closing_view("Started", campaign_started(started, many)))


async def stop(click: Click, deps: Deps) -> None:
    await deps.permissions.must_change(click.user)
    await campaign.stop(deps, number_of(click.value), click.user)
