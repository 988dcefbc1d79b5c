"""The rotation's state machine: no order of clicks, looks and restarts gets a token revoked before it was proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rotation import amending, steps
from bot.rotation.steps import LAG, Illegal
from storage import rotations, tokens
from storage.database import Conflict, Database
from storage.rotations import Done, Kind, Rotation
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UI = Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN", "repository")
API = Use("acme/api", ".github/workflows/release.yml", "NPM_TOKEN", "organization")
WEB = Use("acme/web", "ci.yml", "NPM_TOKEN", "organization")
TOKEN = Token(
    name="npm-acme-ci",
    packages=("@acme/ui", "@acme/api"),
    used_by=(UI, API, WEB),
    expires_at=NOW + timedelta(days=30),
    owner="U1",
)


def start(path: Any = "token", token: Token = TOKEN, **more: Any) -> Rotation:
    given_ = {"owner": "U1", "started_by": "U2", "now": NOW, "packages": token.packages, "new_name": "new"} | more
    return steps.planned(token, path=path, **given_)


def seen(at: datetime = NOW, what: str = "seen") -> Done:
    return Done(at, "seen", "bot", what)


def said(at: datetime = NOW, why: str = "I did it", override: bool = False) -> Done:
    return Done(at, "said", "U1", why, override)


def after(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def ticked(rotation: Rotation, *kinds: Kind, at: datetime = NOW) -> Rotation:
    """Every open step of these kinds seen by the bot at `at`."""
    for kind in kinds:
        if kind == "overlap":
            rotation = steps.begin_overlap(rotation, at)
            continue
        for step in steps.steps_of(rotation, kind):
            rotation = steps.tick(rotation, kind, step.subject, seen(at), at)
    return rotation


def test_a_rotation_goes_through_its_states_in_order() -> None:
    rotation = start()
    states = [steps.state(rotation)]
    order: tuple[Kind, ...] = ("mint", "store", "prove", "overlap", "revoke")
    for kind in order:
        rotation = ticked(rotation, kind)
        states.append(steps.state(rotation))
    rotation = steps.close(rotation, after(50))
    states.append(steps.state(rotation))
    assert states == ["planned", "minted", "stored", "proven", "overlap", "revoked", "closed"]


def test_a_write_after_the_proof_takes_the_wait_back_with_it_even_where_the_wait_began_later() -> None:
    rotation = ticked(start(), "mint")
    for step in steps.steps_of(rotation, "store"):
        rotation = steps.tick(rotation, "store", step.subject, said(), NOW)
    rotation = ticked(rotation, "prove", at=after(1))
    rotation = steps.begin_overlap(rotation, after(3))
    # The bot sees only now that the secret was in truth written between the release and the beginning of the wait.
    (first, *_) = steps.steps_of(rotation, "store")
    rotation = steps.tick(rotation, "store", first.subject, seen(after(2)), after(4))
    assert steps.state(rotation) == "stored"
    assert steps.overlap_ends(rotation) is None
    assert steps.why_not_revoke(rotation, after(100)) is not None


def test_each_use_is_stored_by_itself() -> None:
    rotation = ticked(start(), "mint")
    assert [step.subject for step in steps.current(rotation)] == [steps.subject_of(use) for use in (UI, API, WEB)]
    rotation = steps.tick(rotation, "store", steps.subject_of(API), seen(), NOW)
    assert steps.reached(rotation) == "minted"
    assert len(steps.current(rotation)) == 2
    assert steps.switched_at(rotation) is None
    rotation = steps.tick(rotation, "store", steps.subject_of(UI), seen(after(2)), after(3))
    rotation = steps.tick(rotation, "store", steps.subject_of(WEB), seen(after(1)), after(3))
    assert steps.reached(rotation) == "stored"
    assert steps.switched_at(rotation) == after(2), "the moment of the last write, not when the bot looked"


def test_one_release_proves_a_token_and_trust_is_proven_package_by_package() -> None:
    token = ticked(start(), "mint", "store")
    assert steps.reached(steps.tick(token, "prove", "@acme/ui", seen(), NOW)) == "proven"
    trust = ticked(start("trusted-publishing"), "mint", "store")
    trust = steps.tick(trust, "prove", "@acme/ui", seen(), NOW)
    assert steps.reached(trust) == "stored"
    assert steps.unproven(trust) == ("@acme/api",)
    assert steps.reached(steps.tick(trust, "prove", "@acme/api", seen(), NOW)) == "proven"


def test_a_move_to_trusted_publishing_ends_with_the_secrets_gone_and_no_token() -> None:
    rotation = start("trusted-publishing")
    assert rotation.new_name is None
    assert [step.subject for step in steps.steps_of(rotation, "mint")] == ["@acme/ui", "@acme/api"]
    rotation = ticked(rotation, "mint", "store", "prove", "overlap", "revoke")
    with pytest.raises(Illegal, match="Not every step"):
        steps.close(rotation, NOW)
    # api and web share the organisation's secret: it is taken away once.
    assert len(steps.current(rotation)) == 2
    assert steps.state(steps.close(ticked(rotation, "retire"), NOW)) == "closed"


@pytest.mark.parametrize("kinds", [(), ("mint",), ("mint", "store"), ("mint", "store", "prove", "overlap")])
def test_nobody_can_say_that_the_old_token_is_gone_before_its_time(kinds: tuple[Kind, ...]) -> None:
    rotation = ticked(start(), *kinds)
    with pytest.raises(Illegal):
        steps.tick(rotation, "revoke", "", said(after(23)), after(23))
    assert steps.why_not_revoke(rotation, after(23))
    with pytest.raises(Illegal, match="needs a reason"):
        steps.tick(rotation, "revoke", "", said(NOW, " ", override=True), NOW)
    early = steps.tick(rotation, "revoke", "", said(NOW, "it leaked", override=True), NOW)
    assert steps.find(early, "revoke").done == said(NOW, "it leaked", override=True)


def test_the_old_token_may_go_a_day_after_the_proof_and_a_late_use_starts_the_day_anew() -> None:
    rotation = ticked(start(), "mint", "store", "prove", "overlap")
    assert steps.why_not_revoke(rotation, after(23.9))
    assert steps.why_not_revoke(rotation, after(24)) is None
    assert steps.old_used(rotation, NOW + LAG) == rotation, "npm may be an hour late with a last use"
    used = steps.old_used(rotation, after(20))
    assert steps.why_not_revoke(used, after(24))
    assert steps.why_not_revoke(used, after(44)) is None
    assert steps.old_used(used, after(19)) == used


def test_that_the_old_token_is_gone_may_be_seen_at_any_time() -> None:
    rotation = steps.tick(start(), "revoke", "", seen(), NOW)
    assert steps.reached(rotation) == "planned"
    rotation = ticked(rotation, "mint", "store", "prove", "overlap")
    assert steps.reached(rotation) == "revoked"


def test_what_was_said_is_confirmed_by_what_is_seen_and_never_the_other_way() -> None:
    rotation = steps.tick(start(), "mint", "", said(), NOW)
    rotation = steps.tick(rotation, "mint", "", seen(), NOW)
    for done in (said(), seen()):
        with pytest.raises(Illegal, match="done already"):
            steps.tick(rotation, "mint", "", done, NOW)


def test_a_new_token_that_is_wrong_takes_back_all_that_rested_on_it() -> None:
    rotation = ticked(start(), "mint", "store", "prove", "overlap")
    again = steps.take_back(rotation, "mint", "", after(5))
    assert steps.reached(again) == "planned"
    assert all(step.done is None for step in again.steps)
    assert {step.since for step in again.steps if step.kind != "revoke"} == {after(5)}


def test_a_place_that_was_written_wrongly_is_open_again_and_the_others_stay() -> None:
    rotation = ticked(start(), "mint", "store", "prove", "overlap")
    again = steps.take_back(rotation, "store", steps.subject_of(API), after(5))
    assert steps.reached(again) == "minted"
    assert [step.subject for step in steps.current(again)] == [steps.subject_of(API)]
    assert steps.find(again, "store", steps.subject_of(UI)).done


def test_a_step_before_the_switch_has_no_more_time_than_the_old_token() -> None:
    soon = start(token=replace(TOKEN, expires_at=NOW + timedelta(days=2)))
    assert steps.current(soon)[0].deadline == NOW + timedelta(days=2)
    assert steps.current(start())[0].deadline == NOW + steps.TIME_FOR["mint"]
    over = start(token=replace(TOKEN, expires_at=NOW - timedelta(days=2)))
    assert steps.current(over)[0].deadline == NOW + timedelta(days=1)


def test_a_stuck_rotation_goes_on_when_something_moves_and_gets_time_anew() -> None:
    rotation = start()
    assert steps.overdue(rotation, after(71)) == ()
    assert steps.overdue(rotation, after(73))
    stuck = steps.stick(rotation, "nobody made it", after(73))
    assert steps.state(stuck) == "stuck"
    assert steps.state(steps.tick(stuck, "mint", "", said(), after(80))) == "minted"
    resumed = steps.resume(stuck, after(80))
    assert steps.state(resumed) == "planned"
    assert not steps.overdue(resumed, after(81))


def test_handing_over_moves_the_open_steps_and_keeps_who_had_them_as_the_second() -> None:
    rotation = amending.hand_over(ticked(start(), "mint"), "U9", NOW)
    assert (rotation.owner, rotation.second) == ("U9", "U1")
    assert {step.owner for step in rotation.steps if not step.done} == {"U9"}
    assert steps.find(rotation, "mint").owner == "U1"


def test_cancelling_and_rolling_back_end_it_before_the_old_token_is_gone() -> None:
    with pytest.raises(Illegal, match="nothing to roll back"):
        steps.roll_back(start(), "U1", "no", NOW)
    rotation = ticked(start(), "mint", "store", "prove", "overlap")
    assert steps.state(steps.cancel(rotation, "U1", "not needed", NOW)) == "cancelled"
    assert steps.state(steps.roll_back(rotation, "U1", "it broke", NOW)) == "rolled-back"
    gone = ticked(rotation, "revoke")
    for end in (steps.cancel, steps.roll_back):
        with pytest.raises(Illegal, match="old token is gone"):
            end(gone, "U1", "too late", NOW)


def test_a_token_without_recorded_uses_or_packages_can_be_rotated_on_peoples_word() -> None:
    rotation = start(token=Token(name="bare"))
    rotation = steps.tick(rotation, "mint", "", said(), NOW)
    with pytest.raises(Illegal, match="has not seen"):
        steps.tick(rotation, "prove", "", said(), NOW)
    rotation = steps.tick(rotation, "prove", "", said(override=True), NOW)
    rotation = steps.begin_overlap(rotation, NOW)
    rotation = steps.tick(rotation, "revoke", "", said(after(25)), after(25))
    assert steps.state(steps.close(rotation, after(25))) == "closed"


# --- whatever the order ----------------------------------------------------------------------------------------------

Move = Callable[[Rotation, datetime], Rotation]
SUBJECTS = ["", *TOKEN.packages, *(steps.subject_of(use) for use in TOKEN.used_by)]
DONES = st.builds(
    Done,
    at=st.integers(-50, 50).map(after),
    proof=st.sampled_from(["seen", "said"]),
    who=st.just("U1"),
    what=st.sampled_from(["", "because"]),
    override=st.booleans(),
)


@st.composite
def moves(draw: st.DrawFn) -> Move:
    """Any named transition with any arguments, sensible or not."""
    kind: Kind = draw(st.sampled_from(steps.ORDER))
    subject, done = draw(st.sampled_from(SUBJECTS)), draw(DONES)
    made: dict[str, Move] = {
        "tick": lambda r, now: steps.tick(r, kind, subject, done, now),
        "take back": lambda r, now: steps.take_back(r, kind, subject, now),
        "overlap": steps.begin_overlap,
        "old used": lambda r, now: steps.old_used(r, done.at),
        "hand over": lambda r, now: amending.hand_over(r, done.who, now),
        "stick": lambda r, now: steps.stick(r, "overdue", now),
        "resume": steps.resume,
        "cancel": lambda r, now: steps.cancel(r, "U1", "", now),
        "roll back": lambda r, now: steps.roll_back(r, "U1", "", now),
        "close": lambda r, now: steps.close(r, now),
    }
    return made[draw(st.sampled_from([*made, "tick", "tick", "tick", "overlap"]))]


@st.composite
def helpful(draw: st.DrawFn) -> Move:
    """The next thing that is to be done, so that long ways are walked to their end."""
    done = draw(DONES)

    def move(rotation: Rotation, now: datetime) -> Rotation:
        waiting = steps.current(rotation)
        if not waiting:
            return steps.close(rotation, now)
        if waiting[0].kind == "overlap":
            return steps.begin_overlap(rotation, now)
        return steps.tick(rotation, waiting[0].kind, waiting[0].subject, done, now)

    return move


WALKS = st.lists(
    st.tuples(st.one_of(helpful(), helpful(), moves()), st.sampled_from([0.0, 0.5, 3, 25, 100])), max_size=40
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["token", "stage-token", "trusted-publishing"]), WALKS)
def test_no_order_of_moves_breaks_the_rules(path: Any, walk: list[tuple[Move, float]]) -> None:
    rotation = start(path)
    hours = 0.0
    for move, waited in walk:
        hours += waited
        now, before = after(hours), rotation
        try:
            rotation = move(before, now)
        except Illegal as illegal:
            assert illegal.message.endswith(".")
            continue
        assert before.end is None, "nothing moves after the end"
        said_now = steps.find(rotation, "revoke").done
        if said_now and not steps.find(before, "revoke").done and said_now.proof == "said" and not said_now.override:
            assert steps.why_not_revoke(before, now) is None
            assert any(step.done for step in steps.steps_of(before, "prove"))
        if steps.state(rotation) == "closed":
            assert all(step.done for step in rotation.steps if step.kind != "prove")
            assert any(step.done for step in steps.steps_of(rotation, "prove"))
        if any(step.done for step in steps.steps_of(rotation, "store")) and path != "trusted-publishing":
            assert all(step.done for step in steps.steps_of(rotation, "mint"))
        if any(step.done for step in steps.steps_of(rotation, "prove")):
            assert all(step.done for step in steps.steps_of(rotation, "store"))
        if any(step.done for step in steps.steps_of(rotation, "overlap")):
            assert any(step.done for step in steps.steps_of(rotation, "prove"))
        assert {(s.kind, s.subject, s.use) for s in rotation.steps} == {
            (s.kind, s.subject, s.use) for s in start(path).steps
        }
        if rotation.end is None:
            waiting = steps.current(rotation)
            assert waiting or steps.may_close(rotation)
            assert all(step.deadline is not None for step in waiting)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["token", "trusted-publishing"]), WALKS)
def test_a_rotation_goes_on_from_its_stored_rows_exactly_where_it_stood(
    tmp_path_factory: Any, path: Any, walk: list[tuple[Move, float]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("db")
    db = Database.open(f"sqlite:///{folder / 'x.db'}")
    try:
        token = db.write_now(tokens.add, TOKEN, NOW)
        rotation = db.write_now(rotations.add, start(path, token), look_at=NOW)
        hours = 0.0
        for move, waited in walk:
            hours += waited
            try:
                rotation = move(rotation, after(hours))
            except Illegal:
                continue
            db.write_now(rotations.change, rotation)
            assert db.read_now(rotations.get, rotation.id) == rotation
    finally:
        db.close()


def test_a_token_has_at_most_one_open_rotation(db: Database) -> None:
    token = db.write_now(tokens.add, TOKEN, NOW)
    first = db.write_now(rotations.add, start(token=token), look_at=NOW)
    with pytest.raises(Conflict):
        db.write_now(rotations.add, start(token=token), look_at=NOW)
    db.write_now(rotations.change, steps.cancel(first, "U1", "", NOW))
    second = db.write_now(rotations.add, start(token=token), look_at=NOW)
    assert token.id is not None
    assert db.read_now(rotations.open_of_token, token.id) == second
    with pytest.raises(Conflict):
        db.write_now(rotations.change, replace(first, end=None))


def test_a_removed_token_leaves_its_rotation_readable(db: Database) -> None:
    token = db.write_now(tokens.add, TOKEN, NOW)
    rotation = db.write_now(rotations.add, start(token=token), look_at=NOW)
    assert token.id is not None
    db.write_now(tokens.remove, token.id)
    assert db.read_now(rotations.get, rotation.id) == replace(rotation, token_id=None)


def test_each_open_rotation_is_looked_at_by_one_process_and_again_later(db: Database) -> None:
    rotation = db.write_now(rotations.add, start(), look_at=NOW)
    claimed = db.write_now(rotations.claim_looks, NOW, again_at=after(1), limit=10)
    assert claimed == [rotation]
    assert db.write_now(rotations.claim_looks, NOW, again_at=after(1), limit=10) == []
    assert db.write_now(rotations.claim_looks, after(1), again_at=after(2), limit=10) == [rotation]


def test_a_note_is_kept_once_and_settled_once(db: Database) -> None:
    rotation = db.write_now(rotations.add, start(), look_at=NOW)
    note = rotations.Note("shadowed:acme/ui", "wrong", "stored at the wrong level", NOW)
    assert db.write_now(rotations.note, rotation.id, note)
    assert not db.write_now(rotations.note, rotation.id, note)
    assert db.read_now(rotations.notes, rotation.id) == [note]
    assert db.write_now(rotations.settle_notes, rotation.id, [note.key, "other"], NOW) == 1
    assert db.read_now(rotations.notes, rotation.id) == []
    assert db.read_now(rotations.notes, rotation.id, settled=True) == [note]
    assert db.write_now(rotations.note, rotation.id, note), "it is true again"
    assert db.read_now(rotations.notes, rotation.id) == [note]


@pytest.mark.parametrize(
    ("repo", "workflow", "found"),
    [
        ("acme/ui", ".github/workflows/release.yml", 1),
        ("ACME/UI", ".github/workflows/Release.yml", 1),
        ("acme/ui", ".github/workflows/ci.yml", 0),
        ("acme/web", ".github/workflows/ci.yml", 1),
        ("acme/other", ".github/workflows/release.yml", 0),
        ("acme/ui", None, 1),
    ],
)
def test_the_rotations_of_a_workflow_are_found(db: Database, repo: str, workflow: str | None, found: int) -> None:
    db.write_now(rotations.add, start(), look_at=NOW)
    assert len(db.read_now(rotations.open_in_workflow, repo, workflow)) == found
