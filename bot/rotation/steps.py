"""Which step of a rotation may follow which. Pure: a rotation and a named transition in, a rotation or Illegal out.

    planned -> minted -> stored (each use) -> proven -> overlap -> revoked -> closed
        cancelled or rolled back from anywhere before `revoked`; stuck anywhere, until something moves again

Nothing is kept besides the steps themselves: the state is read off them, so a rotation that was stored weeks ago goes
on exactly where it stood. On the path to trusted publishing `mint` is setting up the publisher of each package,
`store` is changing each workflow, and `retire` is taking away each secret that is no longer read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from storage.rotations import Done, End, Kind, Path, Rotation, Step, Stuck
from storage.tokens import Token, Use

State = Literal[
    "planned", "minted", "stored", "proven", "overlap", "revoked", "closed", "cancelled", "stuck", "rolled-back"
]
REACHED: tuple[State, ...] = ("planned", "minted", "stored", "proven", "overlap", "revoked")
ORDER: tuple[Kind, ...] = ("mint", "store", "prove", "overlap", "revoke", "retire")
OVERLAP = timedelta(days=1)
# How long a step may take before it counts as stuck, from the moment it is its turn.
TIME_FOR: dict[Kind, timedelta] = {
    "mint": timedelta(days=3),
    "store": timedelta(days=2),
    "prove": timedelta(days=14),  # somebody has to have something to release
    "overlap": timedelta(days=1),
    "revoke": timedelta(days=3),
    "retire": timedelta(days=7),
}
# Steps that are worth nothing once this one is taken back. Each workflow and publisher of a trust stands for itself.
_RESTS_ON_IT: dict[Kind, tuple[Kind, ...]] = {
    "mint": ("store", "prove", "overlap"),
    "store": ("prove", "overlap"),
    "prove": ("overlap",),
    "overlap": (),
    "revoke": (),
    "retire": (),
}
LAG = timedelta(hours=1)  # npm: a revocation or a last use can take an hour to show


class Illegal(Exception):
    """This transition is not possible now. `reason`: kebab-case; the message is a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def planned(
    token: Token,
    *,
    path: Path,
    owner: str,
    started_by: str,
    now: datetime,
    second: str | None = None,
    new_name: str | None = None,
    lifetime_days: int = 90,
    bypass: bool = False,
    bypass_reason: str = "",
    packages: Sequence[str] = (),
    overlap: timedelta = OVERLAP,
    channel: str | None = None,
    campaign_id: int | None = None,
) -> Rotation:
    """A new rotation of this token with its whole checklist. `packages`: whose versions are to prove it."""
    names = tuple(dict.fromkeys(packages))
    uses = tuple(dict.fromkeys(token.used_by))

    def step(kind: Kind, subject: str = "", use: Use | None = None) -> Step:
        return Step(kind, subject, owner, now, use)

    away = path == "trusted-publishing"
    steps = [
        *([step("mint", name) for name in names] if away and names else [step("mint")]),
        *(step("store", subject_of(use), use) for use in uses),
        *([step("prove", name) for name in names] or [step("prove")]),
        step("overlap"),
        step("revoke"),
        *(step("retire", subject_of(use), use) for use in one_of_each_place(uses) if away),
    ]
    rotation = Rotation(
        token_id=token.id,
        token_name=token.name,
        registry=token.registry,
        path=path,
        owner=owner,
        second=second,
        new_name=None if away else new_name,
        lifetime_days=lifetime_days,
        bypass=bypass,
        bypass_reason=bypass_reason,
        packages=names,
        overlap=overlap,
        old_ends_at=token.expires_at,
        channel=channel,
        campaign_id=campaign_id,
        started_by=started_by,
        started_at=now,
        steps=tuple(steps),
    )
    return after_change(rotation, now)


def subject_of(use: Use) -> str:
    """One use as a line of text that names it within its rotation."""
    parts = (use.repo, use.workflow or "", use.secret or "", use.level, use.environment or "")
    return ":".join(parts).rstrip(":")


def place_of(use: Use) -> tuple[str, str, str]:
    """Where GitHub keeps the secret of this use: uses of one organisation secret share a place."""
    owner = use.repo.partition("/")[0]
    where = owner if use.level == "organization" else use.repo
    environment = (use.environment or "") if use.level == "environment" else ""
    return (where.lower(), environment.lower(), (use.secret or "").upper())


# --- what is true of a rotation --------------------------------------------------------------------------------------


def state(rotation: Rotation) -> State:
    if rotation.end is not None:
        return rotation.end.state
    return "stuck" if rotation.stuck is not None else reached(rotation)


def reached(rotation: Rotation) -> State:
    """How far it has come, whether or not it is stuck or has ended."""
    for kind, before in zip(ORDER[:5], REACHED[:5], strict=True):
        if not settled(rotation, kind):
            return before
    return "revoked"


def steps_of(rotation: Rotation, kind: Kind) -> tuple[Step, ...]:
    return tuple(step for step in rotation.steps if step.kind == kind and not step.dropped)


def newly_done(before: Rotation, after: Rotation) -> tuple[Step, ...]:
    """Steps that were settled, or settled otherwise, in between."""
    was = {(step.kind, step.subject): step.done for step in before.steps}
    return tuple(
        step for step in after.steps if step.done is not None and step.done != was.get((step.kind, step.subject))
    )


def find(rotation: Rotation, kind: Kind, subject: str = "") -> Step:
    """Raises Illegal when the rotation has no such step."""
    for step in steps_of(rotation, kind):
        if step.subject == subject:
            return step
    raise Illegal("no-such-step", "This rotation has no such step.")


def settled(rotation: Rotation, kind: Kind) -> bool:
    """Whether this part of the checklist is through. One release proves a token, since it is the same everywhere;
    trust is set up package by package, so each has to show it."""
    done = [step.done is not None for step in steps_of(rotation, kind)]
    return any(done) if kind == "prove" and rotation.path != "trusted-publishing" else all(done)


def current(rotation: Rotation) -> tuple[Step, ...]:
    """The open steps whose turn it is; empty once it has ended or only closing is left."""
    if rotation.end is not None:
        return ()
    for kind in ORDER:
        if not settled(rotation, kind):
            return tuple(step for step in steps_of(rotation, kind) if step.done is None)
    return ()


def switched_at(rotation: Rotation) -> datetime | None:
    """When the last use got the new value: what is published afterwards proves something. None before."""
    if not (settled(rotation, "mint") and settled(rotation, "store")):
        return None
    moments = [step.done.at for step in rotation.steps if step.kind in ("mint", "store") and step.done]
    stored = [step.done.at for step in steps_of(rotation, "store") if step.done]
    return max(stored or moments, default=rotation.started_at)


def overlap_ends(rotation: Rotation) -> datetime | None:
    """When the old token may go; a use of it after the switch begins the wait anew. None before the proof."""
    (overlap,) = steps_of(rotation, "overlap")
    if overlap.done is None:
        return None
    begun = overlap.done.at
    if rotation.old_used_at is not None and rotation.old_used_at > begun:
        begun = rotation.old_used_at
    return begun + rotation.overlap


def why_not_revoke(rotation: Rotation, now: datetime) -> str | None:
    """Why nobody should revoke the old token yet; None when the time has come. No prompt before that."""
    if rotation.end is not None:
        return "This rotation has ended."
    if not settled(rotation, "store"):
        return "The new value is not in every place yet."
    if not settled(rotation, "prove"):
        return "No release has proven the new way yet."
    ends = overlap_ends(rotation)
    if ends is None or ends > now:
        return "Both are kept alive for a while after the proof."
    return None


def unproven(rotation: Rotation) -> tuple[str, ...]:
    """Packages that nobody has seen published the new way."""
    return tuple(
        step.subject
        for step in steps_of(rotation, "prove")
        if step.subject and (step.done is None or step.done.proof == "said")
    )


# --- transitions -----------------------------------------------------------------------------------------------------


def tick(rotation: Rotation, kind: Kind, subject: str, done: Done, now: datetime) -> Rotation:
    """`mint`, `store`, `prove`, `revoke` or `retire` one step. `overlap` begins by itself.

    A person's word is replaced by what the bot sees later, never the other way; a secret that was written again takes
    the proof back. That the old token is gone may be *seen* at any time, since it is a fact; to *say* so before its
    turn takes an override with a reason. So does a release that only a person has seen: the old one's end rests on it.
    """
    must_be_open(rotation)
    step = find(rotation, kind, subject)
    if kind == "overlap":
        raise Illegal("overlap", "The overlap begins by itself, and ends by itself.")
    if step.done is not None and not _says_more(rotation, step, step.done, done):
        raise Illegal("done-already", "This step is done already.")
    if done.override and not done.what.strip():
        raise Illegal("no-reason", "Going on without the proof needs a reason.")
    if kind == "prove" and done.proof == "said" and not done.override:
        raise Illegal("not-seen", "A release that the bot has not seen is no proof: go on without it, and say why.")
    if step.done is None:
        _must_follow(rotation, kind, done, now)
    elif kind == "store" and rotation.path != "trusted-publishing":
        rotation = _unproven_before(rotation, done.at)
        step = find(rotation, kind, subject)
    return after_change(_with(rotation, step, replace(step, done=done)), now)


def begin_overlap(rotation: Rotation, now: datetime) -> Rotation:
    """It is proven: both tokens live on for a while, so that what was forgotten shows itself."""
    must_be_open(rotation)
    if reached(rotation) != "proven":
        raise Illegal("not-proven", "The overlap begins once a release has proven the new way.")
    (overlap,) = steps_of(rotation, "overlap")
    return after_change(_with(rotation, overlap, replace(overlap, done=Done(now, "seen", "bot"))), now)


def take_back(rotation: Rotation, kind: Kind, subject: str, now: datetime) -> Rotation:
    """A step turned out not to be done: it and everything that rested on it is open again. What happened before now is
    no proof of it any more. Not after the old token is gone."""
    must_be_open(rotation)
    step = find(rotation, kind, subject)
    if step.done is None:
        raise Illegal("not-done", "This step is open anyway.")
    if kind == "overlap":
        raise Illegal("overlap", "The overlap ends by itself.")
    if kind == "revoke":
        if step.done.proof == "seen":
            raise Illegal("seen", "The bot saw that the old token is gone.")
        return after_change(_with(rotation, step, replace(step, done=None, since=now, deadline=None)), now)
    if reached(rotation) == "revoked":
        raise Illegal("too-late", "The old token is gone; this can no longer be taken back.")
    resting = _RESTS_ON_IT[kind] if rotation.path != "trusted-publishing" or kind != "mint" else ("prove", "overlap")

    def reopened(other: Step) -> Step:
        if (other.kind, other.subject) == (kind, subject) or other.kind in resting:
            return replace(other, done=None, since=now, deadline=None)
        return other

    rotation = replace(rotation, steps=tuple(map(reopened, rotation.steps)))
    if kind == "mint" and rotation.path != "trusted-publishing":
        # The next one is another token with another name: what is known of this one must not pass for it.
        rotation = replace(rotation, new_token_id=None, new_name=_next_name(rotation.new_name))
    return after_change(rotation, now)


def old_used(rotation: Rotation, at: datetime) -> Rotation:
    """The old token was used at this moment; it counts only after the switch and npm's lag."""
    must_be_open(rotation)
    switch = switched_at(rotation)
    if switch is None or at <= switch + LAG or (rotation.old_used_at is not None and at <= rotation.old_used_at):
        return rotation
    return replace(rotation, old_used_at=at)


def stick(rotation: Rotation, why: str, now: datetime) -> Rotation:
    """A step is overdue, or a person says that it cannot go on."""
    must_be_open(rotation)
    if rotation.stuck is not None:
        raise Illegal("stuck-already", "This rotation is stuck already.")
    return replace(rotation, stuck=Stuck(now, why))


def told(rotation: Rotation) -> Rotation:
    """Somebody was reminded of what is stuck."""
    assert rotation.stuck is not None
    return replace(rotation, stuck=replace(rotation.stuck, told=rotation.stuck.told + 1))


def resume(rotation: Rotation, now: datetime) -> Rotation:
    """It goes on: the current steps get their time anew."""
    must_be_open(rotation)
    if rotation.stuck is None:
        raise Illegal("not-stuck", "This rotation is not stuck.")
    waiting = current(rotation)
    steps = tuple(replace(step, deadline=None) if step in waiting else step for step in rotation.steps)
    return after_change(replace(rotation, stuck=None, steps=steps), now)


def cancel(rotation: Rotation, by: str, why: str, now: datetime) -> Rotation:
    """Nothing shall be replaced after all. Not once all is done but tidying up: then only going on helps."""
    must_be_open(rotation)
    if reached(rotation) == "revoked":
        raise Illegal("too-late", "The old token is gone, so this rotation can only be finished.")
    return replace(rotation, stuck=None, end=End("cancelled", now, by, why))


def roll_back(rotation: Rotation, by: str, why: str, now: datetime) -> Rotation:
    """Back to the old token, after something was made or stored already."""
    must_be_open(rotation)
    if settled(rotation, "revoke"):
        raise Illegal("too-late", "The old token is gone, so there is no way back to it.")
    if not any(step.done for step in steps_of(rotation, "mint")):
        raise Illegal("nothing-done", "Nothing was made yet, so there is nothing to roll back: cancel it.")
    return replace(rotation, stuck=None, end=End("rolled-back", now, by, why))


def close(rotation: Rotation, now: datetime, by: str = "bot") -> Rotation:
    must_be_open(rotation)
    if reached(rotation) != "revoked" or not settled(rotation, "retire"):
        raise Illegal("not-finished", "Not every step is done yet.")
    return replace(rotation, stuck=None, end=End("closed", now, by))


def may_close(rotation: Rotation) -> bool:
    return rotation.end is None and reached(rotation) == "revoked" and settled(rotation, "retire")


def needs_approval(rotation: Rotation) -> bool:
    """Whether the new token waits for a second person's word that it may bypass two-factor."""
    return rotation.bypass and rotation.bypass_approved is None and not settled(rotation, "mint")


def whose_turn(rotation: Rotation) -> str:
    """Who is to do the next thing."""
    return rotation.second or rotation.owner if needs_approval(rotation) else rotation.owner


def overdue(rotation: Rotation, now: datetime) -> tuple[Step, ...]:
    """Current steps whose time is up."""
    return tuple(step for step in current(rotation) if step.deadline is not None and step.deadline <= now)


# --- inside ----------------------------------------------------------------------------------------------------------


def must_be_open(rotation: Rotation) -> None:
    """Raises Illegal."""
    if rotation.end is not None:
        raise Illegal("ended", "This rotation has ended.")


def _says_more(rotation: Rotation, step: Step, was: Done, done: Done) -> bool:
    """Seen instead of said; or a secret that was written once more, as long as that can still matter."""
    secret = step.kind == "store" and rotation.path != "trusted-publishing" and reached(rotation) != "revoked"
    return done.proof == "seen" and (was.proof == "said" or (secret and done.at > was.at))


def _must_follow(rotation: Rotation, kind: Kind, done: Done, now: datetime) -> None:
    """Whether it is the step's turn."""
    if kind == "revoke":
        if done.proof == "seen" or done.override:
            return
        why = why_not_revoke(rotation, now)
        if why is not None:
            raise Illegal("not-yet", why)
        return
    waits_for: dict[Kind, tuple[Kind, ...]] = {"store": ("mint",), "prove": ("mint", "store"), "retire": ("prove",)}
    for before in waits_for.get(kind, ()):
        if not settled(rotation, before):
            raise Illegal("not-yet", "A step before this one is still open.")
    if kind == "prove" and done.proof == "seen" and done.at < (switched_at(rotation) or done.at):
        raise Illegal("too-early", "This was published before the new way was in place.")


def after_change(rotation: Rotation, now: datetime) -> Rotation:
    """After a change: no longer stuck, and a deadline on every step whose turn it is and on no other."""
    waiting = current(rotation)

    def timed(step: Step) -> Step:
        if step in waiting:
            return step if step.deadline is not None else replace(step, deadline=_deadline(rotation, step, now))
        return replace(step, deadline=None) if step.done is None else step

    return replace(rotation, stuck=None, steps=tuple(map(timed, rotation.steps)))


def _deadline(rotation: Rotation, step: Step, now: datetime) -> datetime:
    """A step before the switch has no more time than the old token has left, but never less than a day."""
    if step.kind == "revoke":
        return max(now, overlap_ends(rotation) or now) + TIME_FOR["revoke"]
    usual = now + TIME_FOR[step.kind]
    if step.kind in ("mint", "store") and rotation.old_ends_at is not None:
        return min(usual, max(rotation.old_ends_at, now + timedelta(days=1)))
    return usual


def _unproven_before(rotation: Rotation, switch: datetime) -> Rotation:
    """The secret was written only after somebody said so, or again: what was published before came with another value
    and proves nothing, and both have to live on from now."""

    def kept(step: Step) -> Step:
        seen = step.done is not None and step.done.proof == "seen" and step.done.at < switch
        return replace(step, done=None, deadline=None) if seen and step.kind in ("prove", "overlap") else step

    rotation = replace(rotation, steps=tuple(map(kept, rotation.steps)))
    if settled(rotation, "prove"):
        return rotation
    (overlap,) = steps_of(rotation, "overlap")  # rests on the proof, also where it began only after the write
    return _with(rotation, overlap, replace(overlap, done=None, deadline=None))


def _with(rotation: Rotation, old: Step, new: Step) -> Rotation:
    return replace(rotation, steps=tuple(new if step is old else step for step in rotation.steps))


def _next_name(name: str | None) -> str | None:
    """`ci-2026-11-20`, `ci-2026-11-20-2`, `ci-2026-11-20-3`, ..."""
    base, _, number = (name or "").rpartition("-")
    counted = bool(base) and number.isascii() and number.isdecimal() and len(number) < 2
    return f"{base}-{int(number) + 1}" if counted else name and f"{name}-2"


def one_of_each_place(uses: Iterable[Use]) -> list[Use]:
    """One use for each secret on GitHub, whichever workflows share it."""
    return list({place_of(use): use for use in uses if use.secret and use.level != "elsewhere"}.values())
