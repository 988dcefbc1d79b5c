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
from bot.rotation import records, steps, telling
from bot.rotation.run import SOON, apply
from bot.rotation.steps import Illegal
from storage import rotations
from storage.database import Connection
from storage.rotations import Done, Rotation, Step

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

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        step = _step(rotation, place)
        ticked = steps.tick(rotation, step.kind, step.subject, Done(now, "said", who, reason, override), now)
        if step.kind == "mint":
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
        return back

    return await _change(deps, ident, who, move)


async def hand_over(deps: Deps, ident: int, who: str, to: str) -> Rotation:
    """Every open step becomes the other person's; who had it stays as the second."""

    def move(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
        handed = steps.hand_over(rotation, to)
        telling.say(connection, handed, thread.handed_over(handed, who), key=f"hand-over:{now.timestamp()}", now=now)
        return handed

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
        said = [
            step
            for step, was in zip(after.steps, before.steps, strict=True)
            if step.done is not None and step.done != was.done
        ]
        if said:
            line = thread.settled(after, said)
            telling.say(connection, after, line, key=f"said:{who}:{now.timestamp()}", now=now)
        rotations.look_again(connection, ident, now + SOON)
        return after

    changed = await deps.db.write(write)
    deps.queued()
    return changed


def _step(rotation: Rotation, place: int) -> Step:
    if not 0 <= place < len(rotation.steps):
        raise TellUser("This rotation has no such step.")
    return rotation.steps[place]
