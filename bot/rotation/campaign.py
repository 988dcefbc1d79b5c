"""Campaigns: many tokens, one rotation each, begun a few at a time; one parent message says how far all of them are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.announce import blocks_json
from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.campaign import (
    OF_PERSON,
    OF_POLICY,
    OF_SCOPE,
    Choice,
    campaign_card,
    campaign_ended,
    campaign_nudge,
    stops_in,
)
from bot.messages.rotation_form import Wanted, may_publish
from bot.outbox import EDITS_APART
from bot.policy import rules
from bot.rotation import run, steps
from bot.rotation.choosing import NEVER
from bot.rotation.proposing import new_name
from bot.rotation.steps import OVERLAP
from storage import audit, campaigns, outbox, rotations, tokens
from storage.campaigns import Campaign, Member
from storage.database import Connection
from storage.rotations import Path, Rotation
from storage.tokens import Token

log = structlog.get_logger("campaign")

BATCH = 5  # rotations of one campaign that are under way at a time
BETWEEN_BATCHES = timedelta(days=1)
GATHER = timedelta(hours=1)  # what gets stuck on the same day is told together
LIFETIME_DAYS = 90


async def start(deps: Deps, wanted: Choice, who: str, paths: Mapping[int, Path] | None = None) -> tuple[Campaign, int]:
    """Begin a campaign and its first batch; how many tokens it has. `paths`: of single tokens, by id. Raises TellUser
    when there is none."""
    now = deps.now()
    channel = deps.settings.operators_channel
    if channel is None:
        raise TellUser("ALERT_CHANNEL is not set, so there is no place for the campaign's message.")

    def write(connection: Connection) -> tuple[Campaign, int]:
        found = _chosen(connection, wanted)
        if not found:
            raise TellUser("No token fits that could be rotated now and that no other campaign waits for.")
        title = _title(wanted)
        campaign = campaigns.add(
            connection, title=title, what=f"{wanted.which}:{wanted.about}", path=wanted.path, bypass=wanted.bypass,
            channel=channel, who=who, tokens=found, now=now, paths=paths,
        )  # fmt: skip
        audit.record(
            connection, at=now, who=who, action="campaign.start", subject=f"campaign:{campaign.id}",
            details=f"{title}: {', '.join(token.name for token in found)}"[:2000],
        )  # fmt: skip
        card = _card(connection, campaign, now)
        outbox.put(
            connection, key=campaign.card_key, kind="post", channel=channel, text=card[0], blocks=card[1], now=now
        )
        advance(connection, deps, campaign, now)
        return campaign, len(found)

    started = await deps.db.write(write)
    deps.queued()
    return started


async def stop(deps: Deps, ident: int, who: str) -> None:
    """Begin no more; what is under way goes on."""
    now = deps.now()

    def write(connection: Connection) -> None:
        campaign = campaigns.get(connection, ident)
        if campaign is None or campaign.ended_at is not None:
            raise TellUser("This campaign has ended.")
        for member in campaigns.members(connection, ident):
            if member.state == "waiting":
                campaigns.settle(connection, ident, member.position, "skipped", "the campaign was stopped")
        audit.record(connection, at=now, who=who, action="campaign.stop", subject=f"campaign:{ident}")
        advance(connection, deps, campaign, now)

    await deps.db.write(write)
    deps.queued()


async def watch(deps: Deps) -> None:
    """With every tick of the clock: the next batch, progress on the parent message, and the end."""
    now = deps.now()
    waiting = await deps.db.read(campaigns.open_campaigns)
    if not waiting:
        return

    def write(connection: Connection) -> None:
        for campaign in campaigns.open_campaigns(connection):
            advance(connection, deps, campaign, now)

    await deps.db.write(write)
    deps.queued()


def advance(connection: Connection, deps: Deps, campaign: Campaign, now: datetime) -> None:
    """Begin as many as there is room for, bring the message up to date, and end it when all is settled."""
    if campaign.ended_at is None and campaign.next_batch_at <= now:
        _begin_batch(connection, deps, campaign, now)
    members, found = _progress(connection, campaign)
    _nudge(connection, campaign, list(found.values()), now)
    if all(m.state != "waiting" for m in members) and all(r.end is not None for r in found.values()):
        campaigns.end(connection, campaign.id, "bot", now)
        campaign = campaigns.get(connection, campaign.id) or campaign
        ended = campaign_ended(campaign, members, found)
        outbox.put(
            connection, key=f"{campaign.card_key}:ended", kind="reply", channel=campaign.channel,
            about=campaign.card_key, text=ended.text, blocks=blocks_json(ended), now=now,
        )  # fmt: skip
    text, blocks = _card(connection, campaign, now)
    shown = outbox.get(connection, f"edit:{campaign.card_key}") or outbox.get(connection, campaign.card_key)
    if shown is None or shown.blocks != blocks:
        outbox.put_edit(connection, about=campaign.card_key, text=text, blocks=blocks, now=now, apart=EDITS_APART)


def _nudge(connection: Connection, campaign: Campaign, begun: list[Rotation], now: datetime) -> None:
    """Remind of all that is stuck at once, at most once a day, and once it had time to gather."""
    stuck = [rotation for rotation in begun if rotation.end is None and rotation.stuck is not None]
    due = [at for rotation in stuck if (at := run.reminded_at(rotation)) is not None and at <= now]
    if not due or now < min(due) + GATHER:
        return
    people: dict[str, list[Rotation]] = {}
    for rotation in stuck:
        people.setdefault(steps.whose_turn(rotation), []).append(rotation)
    said = campaign_nudge(people, now)
    queued = outbox.put(
        connection, key=f"{campaign.card_key}:nudge:{now:%Y-%m-%d}", kind="reply", channel=campaign.channel,
        about=campaign.card_key, text=said.text, blocks=blocks_json(said), now=now,
    )  # fmt: skip
    for rotation in stuck if queued else ():
        rotations.change(connection, steps.told(rotation))


def _begin_batch(connection: Connection, deps: Deps, campaign: Campaign, now: datetime) -> None:
    members, found = _progress(connection, campaign)
    room = BATCH - sum(1 for rotation in found.values() if rotation.end is None)
    begun = 0
    for member in members:
        if member.state != "waiting" or begun >= room:
            continue
        begun += _begin(connection, deps, campaign, member, now)
    if begun:
        campaigns.next_batch(connection, campaign.id, now + BETWEEN_BATCHES)


def _begin(connection: Connection, deps: Deps, campaign: Campaign, member: Member, now: datetime) -> bool:
    """One child rotation; a token that cannot be rotated now is skipped with the reason."""
    token = tokens.by_id(connection, member.token_id) if member.token_id is not None else None
    why = "it was removed from the records" if token is None else run.why_not_rotate(connection, token, now)
    if token is not None and why is None and token.owner is None and token.backup_owner is None:
        why = "nobody owns it, so nobody could be asked: give it an owner first"
    if token is None or why is not None:
        campaigns.settle(connection, campaign.id, member.position, "skipped", why or "")
        return False
    owner = token.owner or token.backup_owner or campaign.started_by
    second = token.backup_owner if token.backup_owner != owner else None
    path = (member.path or campaign.path) if may_publish(token) and token.registry == "npm" else "token"
    # A bypass is approved by a second person; without one the token has to be rotated by itself, through the form.
    bypass = campaign.bypass and bool(token.bypass_2fa) and path == "token" and second is not None
    wanted = Wanted(
        path=path,
        owner=owner,
        second=second,
        new_name=new_name(token, now, frozenset(tokens.names(connection))) if path != "trusted-publishing" else None,
        lifetime_days=LIFETIME_DAYS,
        bypass=bypass,
        bypass_reason=(token.bypass_reason or campaign.title) if bypass else "",
        overlap=OVERLAP,
        packages=tuple(name for name in token.packages if "*" not in name),
    )
    run.begin(connection, deps, token, wanted, campaign.started_by, now, campaign_id=campaign.id)
    campaigns.settle(connection, campaign.id, member.position, "started")
    return True


def _progress(connection: Connection, campaign: Campaign) -> tuple[list[Member], dict[int, Rotation]]:
    members = campaigns.members(connection, campaign.id)
    begun = rotations.of_campaign(connection, campaign.id)
    by_id = {rotation.token_id: rotation for rotation in begun if rotation.token_id is not None}
    by_name = {rotation.token_name: rotation for rotation in begun}  # of a token that was removed since
    found = {
        member.position: rotation
        for member in members
        if member.state == "started"
        and (rotation := by_id.get(member.token_id or 0) or by_name.get(member.token_name)) is not None
    }
    return members, found


def _card(connection: Connection, campaign: Campaign, now: datetime) -> tuple[str, str]:
    members, found = _progress(connection, campaign)
    card = campaign_card(campaign, members, found, now)
    return card.text, blocks_json(card)


def _chosen(connection: Connection, wanted: Choice) -> list[Token]:
    """Those that can be rotated and wait in no other campaign, soonest end first."""
    elsewhere = campaigns.waiting_tokens(connection)
    found = [
        token
        for token in tokens.all_tokens(connection)
        if token.kind not in NEVER
        and token.revoked_at is None
        and token.id not in elsewhere
        and _fits(token, wanted.which, wanted.about)
        and (wanted.path == "token" or may_publish(token))
        and rotations.open_of_token(connection, token.id or 0) is None
        and rotations.open_for_token(connection, token.id or 0) is None
    ]
    return sorted(found, key=lambda token: (token.expires_at is None, token.expires_at or 0, token.name))


def _fits(token: Token, which: str, about: str) -> bool:
    if which == OF_PERSON:
        return about in (token.owner, token.backup_owner)
    if which == OF_SCOPE:
        scope = about.lower()
        return any(name.lower() == scope for name in token.scopes) or any(
            name.lower().startswith(f"{scope}/") for name in token.packages
        )
    return which == OF_POLICY and any(rule.id == about and rule.holds_for(token) for rule in rules())


def _title(wanted: Choice) -> str:
    if wanted.which == OF_PERSON:
        return "Rotating all tokens of a person"
    if wanted.which == OF_SCOPE:
        return f"Rotating all tokens of {wanted.about}"
    rule = next((rule for rule in rules() if rule.id == wanted.about), None)
    return stops_in(rule.at) if rule is not None else "Rotating many tokens"
