"""What people do to a rotation: each is one transaction of steps, records, audit, thread line and message.

What a person says is kept as said by them, with their reason, and never as seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages import rotation_thread as thread
from bot.rotation import amending, records, steps, telling
from bot.rotation.run import SOON, apply
from bot.rotation.steps import Illegal
from storage import rotations
from storage.database import Connection
from storage.rotations import Done, Kind, Rotation, Step

Move = Callable[[Connection, Rotation, datetime], Rotation]


async def made(deps: Deps, ident: int, who: str, record: Mapping[str, Any]) -> Rotation:
    """The new token exists: keep its facts and link them. Raises MetadataProblems and TellUser."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        (step,) = steps.steps_of(rotation, "mint")
        if step.done is not None:
            raise TellUser("The new token is made already.")
        linked = records.add_new(connection, rotation, record, who=who, now=now)
        return steps.tick(linked, "mint", "", Done(now, "said", who), now)

    return await _change(deps, ident, who, move)


async def tick(deps: Deps, ident: int, who: str, place: int, reason: str, *, override: bool = False) -> Rotation:
    """A person says that a step is done, or (`override`) that it shall count without its proof."""
    return await _tick(deps, ident, who, lambda rotation: [_step(rotation, place)], reason, override)


async def tick_all(deps: Deps, ident: int, who: str, kind: Kind, reason: str, *, override: bool = False) -> Rotation:
    """`tick` for every open step of the part whose turn it is."""

    def waiting(rotation: Rotation) -> list[Step]:
        return [step for step in steps.current(rotation) if step.kind == kind]

    return await _tick(deps, ident, who, waiting, reason, override)


async def _tick(
    deps: Deps, ident: int, who: str, which: Callable[[Rotation], list[Step]], reason: str, override: bool
) -> Rotation:
    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        found = which(rotation)
        if not found:
            raise TellUser("This is done already.")
        ticked = rotation
        for step in found:
            ticked = steps.tick(ticked, step.kind, step.subject, Done(now, "said", who, reason, override), now)
        if found[0].kind == "mint":
            ticked = records.ensure_new(connection, ticked, who=who, now=now)
        if steps.reached(ticked) == "proven":
            ticked = steps.begin_overlap(ticked, now)
        return ticked

    return await _change(deps, ident, who, move)


async def take_back(deps: Deps, ident: int, who: str, place: int, reason: str) -> Rotation:
    """A step turned out not to be done after all."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        step = _step(rotation, place)
        back = steps.take_back(rotation, step.kind, step.subject, now)
        said = thread.taken_back(rotation, step, who, reason)
        telling.say(connection, back, said, key=f"back:{now.timestamp()}", now=now)
        # Another package still proves it: both live on from now.
        return steps.begin_overlap(back, now) if steps.reached(back) == "proven" else back

    return await _change(deps, ident, who, move)


async def hand_over(deps: Deps, ident: int, who: str, to: str) -> Rotation:
    """Every open step becomes the other person's; who had it stays as the second."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        handed = amending.hand_over(rotation, to, now)
        telling.say(connection, handed, thread.handed_over(handed, who), key=f"hand-over:{now.timestamp()}", now=now)
        return handed

    return await _change(deps, ident, who, move)


async def go_on(deps: Deps, ident: int, who: str, reason: str) -> Rotation:
    """A stuck rotation gets its time anew."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        going = steps.resume(rotation, now)
        telling.say(connection, going, thread.goes_on(going, who, reason), key=f"go-on:{now.timestamp()}", now=now)
        return going

    return await _change(deps, ident, who, move)


async def approve_bypass(deps: Deps, ident: int, who: str) -> Rotation:
    """The second person's word that the new token may bypass two-factor."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        approved = amending.approve(rotation, who, now)
        telling.say(connection, approved, thread.approved(approved), key=f"approved:{now.timestamp()}", now=now)
        return approved

    return await _change(deps, ident, who, move)


async def refuse_bypass(deps: Deps, ident: int, who: str) -> Rotation:
    """The new token is made without a bypass."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        without = amending.without_bypass(rotation, now)
        telling.say(connection, without, thread.refused(without, who), key=f"refused:{now.timestamp()}", now=now)
        return without

    return await _change(deps, ident, who, move)


async def stop(deps: Deps, ident: int, who: str, reason: str, *, roll_back: bool) -> Rotation:
    """Cancel it, or go back to the old token."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        end = steps.roll_back if roll_back else steps.cancel
        return end(rotation, who, reason, now)

    return await _change(deps, ident, who, move)


async def _change(deps: Deps, ident: int, who: str, move: Move) -> Rotation:
    now = deps.now()

    def write(connection: Connection) -> Rotation:
        before = rotations.get(connection, ident)
        if before is None:
            raise TellUser("This rotation is no longer kept.")
        try:
            after = move(connection, before, now)
        except Illegal as illegal:
            raise TellUser(illegal.message, reason=illegal.reason) from None
        apply(connection, before, after, who=who, now=now)
        said = steps.newly_done(before, after)
        if said:
            line = thread.settled(after, said)
            telling.say(connection, after, line, key=f"said:{who}:{now.timestamp()}", now=now)
        rotations.look_again(connection, ident, now + SOON)
        return after

    changed = await deps.db.write(write)
    deps.queued()
    return changed


def _step(rotation: Rotation, place: int) -> Step:
    if not 0 <= place < len(rotation.steps) or rotation.steps[place].dropped:
        raise TellUser("This rotation has no such step.")
    return rotation.steps[place]
