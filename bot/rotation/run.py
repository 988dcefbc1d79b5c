"""THE SECOND STORY: a token is on its way out -> look -> what proves a step -> tick -> say -> until it is gone.

`start` begins a rotation. From then on `watch` is called with every tick of the clock: it looks at the rotations that
are due, ticks what it sees proven, says what went wrong and what is overdue, and asks for the old token's end only when
the new way is proven. People's part is in `by_hand`. Each change is one transaction of steps, records, audit and words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages import rotation_thread as thread
from bot.messages.rotation_form import Wanted
from bot.messages.rotation_words import label, next_step
from bot.rotation import records, steps, telling
from bot.rotation.amending import approve
from bot.rotation.choosing import NEVER
from bot.rotation.failures import EVENT, meaning
from bot.rotation.observing import look_at
from bot.rotation.proofs import Seen, advance
from bot.rotation.wrong_moves import LOOK, taken_back, wrong_moves
from storage import audit, campaigns, rotations, tokens
from storage.database import Connection
from storage.rotations import Kind, Note, Rotation, Step
from storage.tokens import Token

log = structlog.get_logger("rotation")

LOOKS_AT_ONCE = 5
LEASE = timedelta(minutes=2)  # a look that died is made again after this
SOON = timedelta(minutes=1)  # while somebody is at it
LATER = timedelta(minutes=15)
AT_IT = timedelta(hours=2)
# A stuck rotation is told of when it gets stuck, after a day, and then every week, not for ever.
REMINDED_AFTER = (timedelta(), timedelta(days=1), timedelta(days=8), timedelta(days=15), timedelta(days=22))


async def start(deps: Deps, token: Token, wanted: Wanted, who: str, *, campaign_id: int | None = None) -> Rotation:
    """Begin, with the whole checklist. Raises TellUser when this token is being rotated already, or is gone."""
    now = deps.now()

    def write(connection: Connection) -> Rotation:
        fresh = tokens.by_id(connection, token.id or 0)
        if fresh is None:
            raise TellUser("This token was removed from the records meanwhile, so nothing was started.")
        return begin(connection, deps, fresh, wanted, who, now, campaign_id=campaign_id)

    rotation = await deps.db.write(write)
    deps.queued()
    log.info("rotation started", rotation=rotation.id, path=rotation.path)
    return rotation


def begin(
    connection: Connection,
    deps: Deps,
    token: Token,
    wanted: Wanted,
    who: str,
    now: datetime,
    *,
    campaign_id: int | None = None,
) -> Rotation:
    """`start` inside a transaction."""
    why = why_not_rotate(connection, token, now)
    if why is not None:
        raise TellUser(why)
    channel = deps.settings.channel_for(token.used_by[0].repo if token.used_by else "")
    if channel is None:
        raise TellUser("ALERT_CHANNEL is not set, so there is no place for the rotation's message.")
    planned = steps.planned(
        token,
        path=wanted.path,
        owner=wanted.owner,
        second=wanted.second,
        new_name=wanted.new_name,
        lifetime_days=wanted.lifetime_days,
        bypass=wanted.bypass,
        bypass_reason=wanted.bypass_reason,
        packages=wanted.packages,
        overlap=wanted.overlap,
        started_by=who,
        now=now,
        channel=channel,
        campaign_id=campaign_id,
    )
    if planned.bypass and who == planned.second:
        planned = approve(planned, who, now)  # the second person chose it
    rotation = rotations.add(connection, planned, look_at=now)
    details = f"{rotation.path}, by {rotation.owner}" + (f", for {rotation.new_name}" if rotation.new_name else "")
    if rotation.bypass:
        details += ", bypassing two-factor" + (f", approved by {who}" if rotation.bypass_approved else "")
    for subject in (f"rotation:{rotation.id}", f"token:{token.name}"):
        audit.record(connection, at=now, who=who, action="rotation.start", subject=subject, details=details)
    telling.post_card(connection, rotation, now)
    return rotation


def under_way(connection: Connection, token: Token, now: datetime) -> str:
    """Why no second rotation of this token can begin: what the first one waits for."""
    other = rotations.open_of_token(connection, token.id or 0)
    if other is None:
        return f"`{token.name}` is being rotated already."
    return (
        f"`{token.name}` is being rotated already, since {other.started_at:%Y-%m-%d}, and waits for this: "
        f"{next_step(other, now)}. Finish that one, or cancel it on its message."
    )


def why_not_rotate(connection: Connection, token: Token, now: datetime) -> str | None:
    """Why a rotation of this token cannot begin now, as a sentence for people; None when it can."""
    if token.kind in NEVER:
        return f"`{token.name}` has no value that could be replaced: it is a {token.kind.replace('-', ' ')}."
    if token.revoked_at is not None:
        return f"`{token.name}` is revoked already."
    if rotations.open_of_token(connection, token.id or 0) is not None:
        return under_way(connection, token, now)
    replacing = rotations.open_for_token(connection, token.id or 0)
    if replacing is not None:
        return (
            f"`{token.name}` is itself replacing `{replacing.token_name}`, whose rotation waits for this: "
            f"{next_step(replacing, now)}. Finish that one, or cancel it on its message."
        )
    return None


def name_is_taken(connection: Connection, name: str, old: Token) -> bool:
    """Whether another record has the new token's name; one that nothing uses yet may be the new token itself."""
    named = tokens.named(connection, [name]).get(name)
    return named is not None and (named.id == old.id or bool(named.used_by) or named.revoked_at is not None)


def failed(
    connection: Connection,
    *,
    repo: str,
    workflow: str,
    run_url: str | None,
    run_key: str,
    registry: str,
    cause: str,
    package: str | None,
    failed_at: datetime,
    now: datetime,
    began_at: datetime | None = None,
) -> None:
    """A publish failed: what it says about rotations of this workflow's tokens joins them, in the same transaction."""
    for before in rotations.open_in_workflow(connection, repo, workflow):
        meant = None
        if before.registry == registry:
            meant = meaning(
                before, repo=repo, workflow=workflow, cause=cause, package=package, failed_at=failed_at, now=now,
                began_at=began_at,
            )  # fmt: skip
        if meant is None:
            continue
        note = Note(f"{EVENT}failed:{run_key}", meant.kind, meant.text, now)
        if rotations.note(connection, before.id, note):
            line = thread.failed(note, run_url)
            telling.say(connection, before, line, key=note.key, now=now)
        apply(connection, before, meant.rotation, who="bot", now=now)


def succeeded(connection: Connection, repo: str, workflow: str, now: datetime) -> None:
    """A run of a workflow whose token is being rotated went well: look soon whether it published something."""
    for rotation in rotations.open_in_workflow(connection, repo, workflow):
        rotations.look_again(connection, rotation.id, now)


async def watch(deps: Deps) -> int:
    """Look at every rotation that is due; returns how many were. Each is looked at by one process."""
    now = deps.now()
    due = await deps.db.write(rotations.claim_looks, now, again_at=now + LEASE, limit=LOOKS_AT_ONCE)
    for looked in await asyncio.gather(*(_look(rotation, deps) for rotation in due), return_exceptions=True):
        if isinstance(looked, BaseException):  # one that cannot be looked at must not hold up the others
            log.error("a rotation could not be looked at", error=repr(looked), exc_info=looked)
    return len(due)


async def look(deps: Deps, ident: int) -> Rotation:
    """Look now, because somebody asked. Raises TellUser when there is no such rotation."""
    rotation = await deps.db.read(rotations.get, ident)
    if rotation is None:
        raise TellUser("This rotation is no longer kept.")
    return await _look(rotation, deps)


async def _look(rotation: Rotation, deps: Deps) -> Rotation:
    seen = await look_at(rotation, deps)
    looked = await deps.db.write(settle, rotation.id, seen)
    deps.queued()
    return looked or rotation


def settle(connection: Connection, ident: int, seen: Seen) -> Rotation | None:
    """Everything that follows from one look. The rotation is read again: people may have moved it meanwhile."""
    before = rotations.get(connection, ident)
    if before is None:
        return None
    now = seen.at
    amended = _amended(connection, before, seen)
    _say_places(connection, before, amended, now)
    moved = advance(amended, seen)
    rotation = moved.rotation
    if moved.settled:
        telling.say(
            connection, rotation, thread.settled(rotation, moved.settled), key=f"settled:{now.timestamp()}", now=now
        )
    _say_taken_back(connection, amended, rotation, seen)
    _reconcile(connection, rotation, wrong_moves(rotation, seen), now)
    rotation = _overdue(connection, rotation, now)
    apply(connection, before, rotation, who="bot", now=now)
    _prompt(connection, rotation, now)
    rotations.look_again(connection, ident, now + _next_look(before, rotation, now))
    return rotation


def _amended(connection: Connection, rotation: Rotation, seen: Seen) -> Rotation:
    """With what the records and the registry say about it by now, besides its steps."""
    rotation = records.with_places(connection, rotation, seen.at)
    named = {name: shown.newest.repository for name, shown in seen.published.items() if shown.newest}
    known = dict(rotation.repositories) | {name: repository for name, repository in named.items() if repository}
    return rotation if known == rotation.repositories else replace(rotation, repositories=known)


def _say_places(connection: Connection, before: Rotation, after: Rotation, now: datetime) -> None:
    was, are = ({step.subject: step for step in steps.steps_of(rotation, "store")} for rotation in (before, after))
    added = [step for subject, step in are.items() if subject not in was]
    dropped = [step for subject, step in was.items() if subject not in are]
    if added or dropped:
        telling.say(connection, after, thread.places(added, dropped), key=f"places:{now.timestamp()}", now=now)


def _say_taken_back(connection: Connection, before: Rotation, after: Rotation, seen: Seen) -> None:
    note = taken_back(before, after, seen)
    if note is not None and rotations.note(connection, after.id, note):
        telling.say(connection, after, thread.noted([note]), key=note.key, now=seen.at)


def apply(connection: Connection, before: Rotation, after: Rotation, *, who: str, now: datetime) -> None:
    """Store a rotation that moved, with what that does to the token records, its audit rows and its message."""
    if after != before:
        if after.new_token_id != before.new_token_id:
            records.link_new(connection, after, now)
        records.move_uses(connection, before, after, now)
        _gone_or_back(connection, before, after, now)
        if _newly_done(before, after, "store") or _newly_done(before, after, "prove"):
            kept = rotations.notes(connection, after.id)
            rotations.settle_notes(connection, after.id, [n.key for n in kept if n.key.startswith(EVENT)], now)
        for step in _newly_done(before, after, "prove"):
            if after.path == "trusted-publishing" and step.subject:
                records.add_publisher(connection, after, step.subject, now)
        rotations.change(connection, after)
        _audit(connection, before, after, who, now)
        if after.end is not None and before.end is None:
            telling.say(connection, after, thread.ended(after), key="ended", now=now)
            if after.end.state == "closed":
                audit.record(
                    connection, at=now, who=who, action="rotation.close", subject=f"token:{after.token_name}",
                    details=f"replaced by {after.new_name}" if after.new_name else "no token any more",
                )  # fmt: skip
    telling.edit_card(connection, after, now)


def _gone_or_back(connection: Connection, before: Rotation, after: Rotation, now: datetime) -> None:
    gone_before, gone = (steps.find(rotation, "revoke").done for rotation in (before, after))
    if gone is not None and gone_before is None:
        records.retire_old(connection, after, now)
    elif gone is None and gone_before is not None:
        records.bring_back_old(connection, after, now)


def _reconcile(connection: Connection, rotation: Rotation, found: Sequence[Note], now: datetime) -> None:
    """Notes of earlier looks that hold no longer are settled; new ones are kept and said once in the thread."""
    holding = {note.key for note in found}
    kept = rotations.notes(connection, rotation.id)
    over = [note.key for note in kept if note.key.startswith(LOOK) and note.key not in holding]
    rotations.settle_notes(connection, rotation.id, over, now)
    new = [note for note in found if rotations.note(connection, rotation.id, note)]
    said = [note for note in new if note.kind == "wrong"]
    if said:
        telling.say(connection, rotation, thread.noted(said), key=f"noted:{now.timestamp()}", now=now)


def _overdue(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
    """A step that takes too long makes the rotation stuck; then its people are reminded, ever more rarely."""
    if rotation.stuck is None and steps.overdue(rotation, now):
        rotation = steps.stick(rotation, f"overdue: {next_step(rotation, now)}", now)
    due = reminded_at(rotation)
    if rotation.stuck is None or due is None or due > now or _campaign_reminds(connection, rotation):
        return rotation
    key = f"stuck:{rotation.stuck.since.timestamp()}:{rotation.stuck.told}"
    telling.say(connection, rotation, thread.stuck(rotation, now), key=key, now=now)
    return steps.told(rotation)


def reminded_at(rotation: Rotation) -> datetime | None:
    """When its people are to be reminded next; None when it is not stuck, or they were reminded often enough."""
    if rotation.stuck is None or rotation.stuck.told >= len(REMINDED_AFTER):
        return None
    return rotation.stuck.since + REMINDED_AFTER[rotation.stuck.told]


def _campaign_reminds(connection: Connection, rotation: Rotation) -> bool:
    """While its campaign goes on, that reminds of all its rotations at once."""
    campaign = campaigns.get(connection, rotation.campaign_id) if rotation.campaign_id is not None else None
    return campaign is not None and campaign.ended_at is None


def _prompt(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """Ask for the old token's end, once, and never before the new way is proven and the overlap is over."""
    waiting = steps.current(rotation)
    if waiting and waiting[0].kind == "revoke" and steps.why_not_revoke(rotation, now) is None:
        ends = steps.overlap_ends(rotation)
        key = f"may-revoke:{ends.timestamp() if ends else 0}"
        telling.say(connection, rotation, thread.may_revoke(rotation), key=key, now=now)


def _next_look(before: Rotation, rotation: Rotation, now: datetime) -> timedelta:
    """Often while somebody is at it, seldom while it waits; exactly when the overlap ends."""
    moved = [step.done.at for step in rotation.steps if step.done]
    active = rotation != before or now - max([rotation.started_at, *moved]) < AT_IT
    wait = SOON if active else LATER
    ends = steps.overlap_ends(rotation)
    return min(wait, ends - now) if ends is not None and ends > now else wait


def _newly_done(before: Rotation, after: Rotation, kind: Kind) -> list[Step]:
    was = {step.subject for step in steps.steps_of(before, kind) if step.done}
    return [step for step in steps.steps_of(after, kind) if step.done is not None and step.subject not in was]


def _audit(connection: Connection, before: Rotation, after: Rotation, who: str, now: datetime) -> None:
    """One row for each thing that moved, with what proved it."""
    subject = f"rotation:{after.id}"

    def note(action: str, details: str, by: str = who) -> None:
        audit.record(connection, at=now, who=by, action=f"rotation.{action}", subject=subject, details=details[:2000])

    known = {(step.kind, step.subject): step for step in before.steps}
    for step in after.steps:
        about = f" {label(step)}" if label(step) else ""
        was = known.get((step.kind, step.subject))
        if was is None or step.dropped != was.dropped:
            note("place-dropped" if step.dropped else "place-added", f"{step.kind}{about}")
        if step.done is not None and (was is None or step.done != was.done):
            how = f"{step.done.proof} by {step.done.who}" + (", without the proof" if step.done.override else "")
            note(step.kind, f"{how}{about}: {step.done.what}", step.done.who)
        elif step.done is None and was is not None and was.done is not None:
            note("take-back", f"{step.kind}{about}")
    if after.bypass_approved is not None and before.bypass_approved is None:
        note("approve-bypass", after.bypass_reason, after.bypass_approved.by)
    elif before.bypass and not after.bypass:
        note("refuse-bypass", before.bypass_reason)
    if after.owner != before.owner:
        note("hand-over", f"from {before.owner} to {after.owner}")
    if after.stuck is not None and before.stuck is None:
        note("stuck", after.stuck.why)
    if after.end is not None and before.end is None:
        note(after.end.state, after.end.why, after.end.by)
