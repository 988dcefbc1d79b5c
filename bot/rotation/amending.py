"""What may change in a rotation under way besides its steps: its places, its people, a bypass of two-factor.

Pure, like `steps`: a rotation and a change in, a rotation or Illegal out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bot.rotation.steps import (
    Illegal,
    after_change,
    must_be_open,
    needs_approval,
    one_of_each_place,
    settled,
    steps_of,
    subject_of,
)
from storage.rotations import Approval, Rotation, Step
from storage.tokens import Use


def places_changed(rotation: Rotation, uses: Iterable[Use], now: datetime) -> Rotation:
    """The records say otherwise than at the start where the token is used: `uses` are all places of old and new.

    A place that was forgotten joins the checklist, and both tokens live on until a while after it is stored there too;
    an open one that is a place of it no more is dropped. Steps keep their order, so that an open form means the same.
    Nothing changes once the old token is gone.
    """
    if rotation.end is not None or any(step.done for step in steps_of(rotation, "revoke")):
        return rotation
    named = {subject_of(use): use for use in uses}
    known = {(step.kind, step.subject) for step in rotation.steps}
    since = max(step.since for step in rotation.steps if step.kind == "mint")
    added = [
        Step("store", subject, rotation.owner, since, use)
        for subject, use in named.items()
        if ("store", subject) not in known
    ]
    if rotation.path == "trusted-publishing":
        retired = one_of_each_place(step.use for step in added if step.use is not None)
        added += [
            Step("retire", subject_of(use), rotation.owner, now, use)
            for use in retired
            if ("retire", subject_of(use)) not in known
        ]
    kept = tuple(
        replace(step, dropped=step.subject not in named) if step.kind == "store" and step.done is None else step
        for step in rotation.steps
    )
    back = any(was.dropped and not step.dropped for step, was in zip(kept, rotation.steps, strict=True))
    if added or back:
        kept = tuple(replace(step, done=None, deadline=None) if step.kind == "overlap" else step for step in kept)
    if not added and kept == rotation.steps:
        return rotation
    return after_change(replace(rotation, steps=(*kept, *added)), now)


def approve(rotation: Rotation, by: str, now: datetime) -> Rotation:
    """A second person agrees that the new token bypasses two-factor."""
    must_be_open(rotation)
    if not needs_approval(rotation):
        raise Illegal("nothing-to-approve", "There is no bypass of two-factor to approve.")
    if by == rotation.owner:
        raise Illegal("second-person", "Somebody else has to approve it than who makes the token.")
    return after_change(replace(rotation, bypass_approved=Approval(by, now)), now)


def without_bypass(rotation: Rotation, now: datetime) -> Rotation:
    """The new token shall ask for the second factor after all."""
    must_be_open(rotation)
    if not rotation.bypass or settled(rotation, "mint"):
        raise Illegal("nothing-to-refuse", "There is no bypass of two-factor to take out.")
    return after_change(replace(rotation, bypass=False, bypass_reason="", bypass_approved=None), now)


def hand_over(rotation: Rotation, to: str, now: datetime) -> Rotation:
    """Every open step becomes this person's, with its time anew; the one who had it stays as the second."""
    must_be_open(rotation)
    if to == rotation.owner:
        raise Illegal("same-owner", "This person has it already.")
    steps = tuple(step if step.done else replace(step, owner=to, deadline=None) for step in rotation.steps)
    approved = rotation.bypass_approved
    if approved is not None and approved.by == to and not settled(rotation, "mint"):
        approved = None  # nobody approves what they make themselves
    return after_change(replace(rotation, owner=to, second=rotation.owner, steps=steps, bypass_approved=approved), now)
