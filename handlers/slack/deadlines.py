"""`/tokens deadlines`: what stops working when; the picture of it goes to the person's direct messages.

Its button starts a campaign for the tokens that a dated rule stops.
"""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from bot import outlook
from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.campaign import OF_POLICY, Choice, campaign_started
from bot.messages.deadlines import deadlines_message
from bot.policy import rules
from bot.rotation import campaign
from handlers.slack.requests import Click, Command, Reply
from storage import campaigns

log = structlog.get_logger("deadlines")


async def show(command: Command, deps: Deps) -> Reply:
    found = await outlook.look_ahead(deps, deps.now())
    has_picture = False
    if deps.slack is not None and (found.coming or found.over):
        try:
            opened = await deps.slack.conversations_open(users=[command.user])
            channel = str((opened.get("channel") or {}).get("id") or "")
            has_picture = await outlook.share(deps, found, channel) == "shared"
        except (SlackApiError, OSError, TimeoutError, ValueError) as error:
            log.warning("no picture", error=type(error).__name__)
    under_way = {one.what.removeprefix(f"{OF_POLICY}:") for one in await deps.db.read(campaigns.open_campaigns)}
    return Reply(deadlines_message(found, has_picture, under_way))


async def start_campaign(click: Click, deps: Deps) -> Reply:
    """One rotation for each token that the rule is about, each on the way that its packages allow."""
    await deps.permissions.must_change(click.user)
    stopping = next((one for one in rules() if one.id == click.value and one.effect == "no-direct-publish"), None)
    if stopping is None:
        raise TellUser("This date is no longer known. Ask for `/tokens deadlines` again.")
    found = await outlook.look_ahead(deps, deps.now())
    paths = outlook.paths(found, stopping.id)
    wanted = Choice(OF_POLICY, stopping.id, "trusted-publishing")
    started, many = await campaign.start(deps, wanted, click.user, paths)
    return Reply(campaign_started(started, many))
