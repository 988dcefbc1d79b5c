"""Whatever is seen, said, taken back, failed and amended in whatever order: no prompt to revoke before the proof
without an override, and from everywhere a way forward and a way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.evidence import Published, Release, SecretAge
from bot.messages.rotation_card import rotation_card
from bot.messages.rotation_tick import tick_form, tick_options
from bot.registries.npm.workflow import PublishingJob, WorkflowFacts
from bot.rotation import amending, steps
from bot.rotation.failures import _LACKS, _REFUSED, _SAID, _TRUST, meaning
from bot.rotation.proofs import Seen, UseSeen, advance
from bot.rotation.steps import Illegal
from bot.rotation.wrong_moves import wrong_moves
from storage.rotations import Done, Rotation
from storage.tokens import Token, Use
from tests.test_messages_hostile import assert_view_takes, problems
from tests.test_rotation_steps import API, NOW, TOKEN, UI, WEB, start

SITE = Use("acme/site", "release.yml", "NPM_TOKEN", "repository")
ROOM = [UI, API, WEB, SITE]
ASKS = WorkflowFacts((PublishingJob("publish", ("NPM_TOKEN",), id_token=True),))
SILENT = WorkflowFacts((PublishingJob("publish", ("NPM_TOKEN",)),))
CAUSES = sorted({*_LACKS, *_REFUSED, *_SAID, *_TRUST, "build-failed"})


@dataclass
class World:
    """A rotation, the moment, and whether somebody has gone on without a proof."""

    rotation: Rotation
    now: Any = NOW
    overridden: bool = False


# One number stands for all that is arbitrary in an event: drawn one by one, a walk would have a thousand choices.
Event = Callable[[World, Random], Rotation]
HOURS = (-30.0, -2.0, -0.5, 0.0, 0.01, 0.5, 2.0, 30.0)


def prompted(rotation: Rotation, now: Any) -> bool:
    """The bot asks for the old token's end."""
    waiting = steps.current(rotation)
    return bool(waiting) and waiting[0].kind == "revoke" and steps.why_not_revoke(rotation, now) is None


def looked(world: World, chance: Random) -> Rotation:
    """A look at a world in which anything may have happened."""
    now = world.now

    def some() -> Any:
        return None if chance.random() < 0.4 else now + timedelta(hours=chance.choice(HOURS))

    def past() -> Any:
        at = some()
        return at if at is not None and at <= now else None

    facts = chance.choice((ASKS, SILENT, None))
    uses = {}
    for use in ROOM:
        levels = [(level, past()) for level in ("repository", "organization")]
        ages = tuple(SecretAge("NPM_TOKEN", level, at) for level, at in levels if at is not None)
        uses[steps.subject_of(use)] = UseSeen(ages, (), facts, None, chance.random() < 0.7)
    by: Any = chance.choice(("token", "oidc", None))
    published = {
        name: Published(name, True, newest=Release("2.0.0", at, by, repository="acme/ui"))
        for name in TOKEN.packages
        if (at := past()) is not None
    }
    old = replace(TOKEN, last_used_at=past(), expires_at=some(), listed_at=past())
    new = Token("new", packages=TOKEN.packages, listed_at=now, last_used_at=past(), created_at=past())
    seen = Seen(
        at=now, uses=uses, published=published, old=old, old_absent_at=past() if chance.random() < 0.1 else None,
        new=new if chance.random() < 0.5 else None,
    )  # fmt: skip
    wrong_moves(world.rotation, seen)
    return advance(world.rotation, seen).rotation


def helped(world: World, chance: Random) -> Rotation:
    """The next step done rightly, and seen: without it long ways would never be walked to their end."""
    rotation, now = world.rotation, world.now
    waiting = steps.current(rotation)
    if not waiting:
        return steps.close(rotation, now)
    if waiting[0].kind == "mint":
        return steps.tick(rotation, "mint", waiting[0].subject, Done(now, "said", "U1"), now)
    by: Any = "oidc" if rotation.path == "trusted-publishing" else "token"
    written = (SecretAge("NPM_TOKEN", "repository", now),)
    uses = {step.subject: UseSeen(written, (), ASKS, None, True) for step in steps.steps_of(rotation, "store")}
    if waiting[0].kind == "retire":
        uses = {subject: UseSeen((), (), ASKS, None, True) for subject in uses}
    newest = Release("2.0.0", now, by, repository="acme/ui")
    published = {step.subject: Published(step.subject, True, newest=newest) for step in waiting}
    return advance(rotation, Seen(at=now, uses=uses, published=published, old=TOKEN)).rotation


def spoke(world: World, chance: Random) -> Rotation:
    """Something that the form offers, said by a person."""
    options = [value for value, _ in tick_options(world.rotation, world.now)]
    return said(world, chance.choice(options)) if options else world.rotation


def told(world: World, chance: Random) -> Rotation:
    """Anything said or seen of any step, offered or not."""
    step = chance.choice(world.rotation.steps)
    done = Done(
        world.now + timedelta(hours=chance.choice(HOURS)), chance.choice(("seen", "said")), "U1",
        chance.choice(("", "because")), chance.random() < 0.2,
    )  # fmt: skip
    if chance.random() < 0.3:
        return steps.take_back(world.rotation, step.kind, step.subject, world.now)
    return steps.tick(world.rotation, step.kind, step.subject, done, world.now)


def said(world: World, value: str) -> Rotation:
    """What the form does with an option, without the database."""
    rotation, now = world.rotation, world.now
    if value == "go-on":
        return steps.resume(rotation, now)
    if value.startswith("back:"):
        step = rotation.steps[int(value.removeprefix("back:"))]
        return steps.take_back(rotation, step.kind, step.subject, now)
    override = value.startswith("without:") or value == "all:prove"
    if value.startswith("all:"):
        found = [step for step in steps.current(rotation) if step.kind == value.removeprefix("all:")]
    else:
        found = [rotation.steps[int(value.removeprefix("without:"))]]
    for step in found:
        rotation = steps.tick(rotation, step.kind, step.subject, Done(now, "said", "U1", "so it is", override), now)
    return steps.begin_overlap(rotation, now) if steps.reached(rotation) == "proven" else rotation


def failed(world: World, chance: Random) -> Rotation:
    use, at = chance.choice(ROOM), world.now - timedelta(hours=abs(chance.choice(HOURS)))
    meant = meaning(
        world.rotation, repo=use.repo, workflow=use.workflow or "", cause=chance.choice(CAUSES), package="@acme/ui",
        failed_at=at, now=world.now, began_at=chance.choice((None, at - timedelta(hours=1), at)),
    )  # fmt: skip
    return meant.rotation if meant and world.rotation.end is None else world.rotation


def amended(world: World, chance: Random) -> Rotation:
    rotation, now, who = world.rotation, world.now, chance.choice(("U1", "U2", "U3"))
    return chance.choice(
        (
            lambda: amending.places_changed(rotation, chance.sample(ROOM, chance.randint(0, 4)), now),
            lambda: amending.approve(rotation, who, now),
            lambda: amending.without_bypass(rotation, now),
            lambda: amending.hand_over(rotation, who, now),
            lambda: steps.stick(rotation, "overdue", now),
        )
    )()


EVENTS: tuple[Event, ...] = (*[helped] * 8, looked, looked, spoke, spoke, told, failed, amended)
WALKS = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 2**32), st.sampled_from([0.1, 2, 25, 30])),
    min_size=8,
    max_size=24,
)
PATHS = st.sampled_from(["token", "stage-token", "trusted-publishing"])


def walked(
    path: Any, walk: list[tuple[Event, int, float]], bypass: bool, check: Callable[[World, Rotation], None]
) -> World:
    world = World(start(path, bypass=bypass and path == "token", bypass_reason="CI", second="U2"))
    for event, number, hours in walk:
        world.now += timedelta(hours=hours)
        before = world.rotation
        try:
            world.rotation = event(world, Random(number))
        except Illegal:
            continue
        world.overridden |= any(step.done.override for step in world.rotation.steps if step.done)
        check(world, before)
    return world


HELPED = (helped, 0, 0.1)
# A release of long before the switch, told of as if it were seen now.
OLD_RELEASE = [HELPED, HELPED, HELPED, (spoke, 5, 0.1), HELPED, (told, 9016085, 0.1), HELPED, (helped, 0, 25)]


@settings(max_examples=200, deadline=None)
@example("token", OLD_RELEASE, False)
@given(PATHS, WALKS, st.booleans())
def test_no_prompt_to_revoke_and_no_end_before_the_proof_without_an_override(
    path: Any, walk: Any, bypass: bool
) -> None:
    def check(world: World, before: Rotation) -> None:
        rotation, now = world.rotation, world.now
        proofs = [step.done for step in steps.steps_of(rotation, "prove") if step.done]
        seen_proof = [done for done in proofs if done.proof == "seen"]
        stores = [step.done for step in steps.steps_of(rotation, "store")]
        if prompted(rotation, now):
            assert all(stores), "a place still has the old value"
            assert seen_proof or world.overridden
            if path == "trusted-publishing" and not world.overridden:
                assert len(seen_proof) == len(steps.steps_of(rotation, "prove"))
            (overlap,) = steps.steps_of(rotation, "overlap")
            assert overlap.done is not None and overlap.done.at + rotation.overlap <= now
            written = [done.at for done in stores if done and done.proof == "seen" and done.at <= now]
            assert not written or max(written) + rotation.overlap <= now, "the last place was stored just now"
            forgotten = len(rotation.steps) > len(start(path).steps)  # the token is proven before it is stored there
            if path != "trusted-publishing" and seen_proof and not world.overridden and not forgotten:
                assert max(done.at for done in seen_proof) >= max(written, default=NOW), "published with the old value"
        revoke, was = steps.find(rotation, "revoke").done, steps.find(before, "revoke").done
        if revoke is not None and was is None and revoke.proof == "said" and not revoke.override:
            assert prompted(before, now)
        if rotation.bypass and rotation.bypass_approved:
            assert rotation.bypass_approved.by in ("U1", "U2", "U3")
        if steps.state(rotation) == "closed":
            assert revoke is not None and all(stores) and proofs
        for done in proofs:
            assert done.proof == "seen" or done.override

    walked(path, walk, bypass, check)


@settings(max_examples=50, deadline=None)
@given(PATHS, WALKS, st.booleans())
def test_its_message_asks_for_no_revoking_before_its_time(path: Any, walk: Any, bypass: bool) -> None:
    old = replace(TOKEN, registry_id="ab12cd")

    def check(world: World, before: Rotation) -> None:
        card = rotation_card(world.rotation, (), old, world.now)
        if world.rotation.end is None and not prompted(world.rotation, world.now):
            assert "npm token revoke ab12cd" not in json.dumps(card.blocks)
            assert ": revoke the old token" not in card.text
        if steps.needs_approval(world.rotation):
            assert "npm token create" not in json.dumps(card.blocks)
        assert ("--bypass-2fa" not in json.dumps(card.blocks)) or world.rotation.bypass_approved
        assert problems(card.blocks) == []
        assert_view_takes(tick_form(world.rotation, world.now))

    walked(path, walk, bypass, check)


@settings(max_examples=120, deadline=None)
@given(PATHS, WALKS, st.booleans())
def test_from_everywhere_there_is_a_way_forward_and_a_way_out(path: Any, walk: Any, bypass: bool) -> None:
    """Forward with what the message and its form offer and no more; out by cancelling until the old token is gone."""
    world = walked(path, walk, bypass, lambda world, before: None)
    if world.rotation.end is None and steps.reached(world.rotation) != "revoked":
        assert steps.state(steps.cancel(world.rotation, "U1", "no", world.now)) == "cancelled"
    for _ in range(40):
        if world.rotation.end is not None:
            break
        if steps.needs_approval(world.rotation):
            by = "U2" if world.rotation.owner != "U2" else "U1"
            world.rotation = amending.approve(world.rotation, by, world.now)
        forward = [v for v, _ in tick_options(world.rotation, world.now) if v[0].isdigit() or v.startswith("all:")]
        if forward:
            world.rotation = said(world, forward[-1])
        elif steps.may_close(world.rotation) or steps.reached(world.rotation) == "proven":
            world.rotation = advance(world.rotation, Seen(at=world.now)).rotation
        world.now += timedelta(days=2)
    assert world.rotation.end is not None
