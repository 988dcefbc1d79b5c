"""Every message and form of a rotation is taken by Slack and stays inert, whatever the outside puts into it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.messages import rotation_form as form
from bot.messages import rotation_thread as thread
from bot.messages import rotation_tick
from bot.messages.campaign import campaign_card
from bot.messages.rotation_card import rotation_card
from bot.messages.rotation_commands import rotation_commands
from bot.rotation import commands, steps
from bot.rotation.proposing import propose
from storage.campaigns import Campaign, Member
from storage.rotations import Approval, Done, End, Note, Rotation, Stuck
from tests import hostile
from tests.hostile import NOW
from tests.test_messages_hostile import assert_takes, assert_view_takes, unhurried

PATHS = st.sampled_from(["token", "stage-token", "trusted-publishing"])
NOTES = st.lists(
    st.builds(Note, hostile.text, st.sampled_from(["wrong", "fact"]), hostile.text, hostile.near), max_size=9
)


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    """Any rotation, its steps done, said, seen or open in any mixture, its people and reasons from the outside."""
    token = draw(hostile.tokens)
    rotation = steps.planned(
        token, path=draw(PATHS), owner=draw(hostile.text), second=draw(hostile.user), started_by=draw(hostile.text),
        new_name=draw(hostile.optional_text), now=NOW, packages=token.packages, bypass=draw(st.booleans()),
        bypass_reason=draw(hostile.text), overlap=timedelta(days=draw(st.sampled_from([0, 1, 3]))),
    )  # fmt: skip
    dones = st.none() | st.builds(
        Done, hostile.near, st.sampled_from(["seen", "said"]), hostile.text, hostile.text, st.booleans()
    )
    some = tuple(
        replace(step, done=draw(dones), dropped=draw(st.sampled_from([False, False, True])) and step.kind == "store")
        for step in rotation.steps
    )
    ends = st.sampled_from(["closed", "cancelled", "rolled-back"])
    end = draw(st.none() | st.builds(End, ends, hostile.near, hostile.text, hostile.text))
    approved = draw(st.none() | st.builds(Approval, hostile.text, hostile.near))
    homes = {name: draw(hostile.text) for name in token.packages[:2]}
    rotation = replace(rotation, bypass_approved=approved, repositories=homes)
    stuck = draw(st.none() | st.builds(Stuck, hostile.near, hostile.text))
    return replace(rotation, id=7, steps=some, end=end, stuck=None if end else stuck, channel="C07RELEASE1")


def links(rotation: Rotation) -> frozenset[str]:
    uses = [step.use for step in rotation.steps if step.use is not None]
    pages = [page(use) for use in uses for page in (commands.secret_page, commands.workflow_page)]
    return frozenset(filter(None, [*pages, *commands.PAGES.values()]))


@unhurried
@given(rotations(), NOTES, st.none() | hostile.tokens)
def test_its_messages(rotation, notes, old):
    urls = links(rotation)
    assert_takes(rotation_card(rotation, notes, old, NOW), urls)
    assert_takes(rotation_commands(rotation, old, [("x", "- a\n+ b")]), urls)
    assert_takes(thread.started(replace(rotation, channel=None)))
    assert_takes(thread.looked(rotation, rotation, notes, NOW))
    done = [step for step in rotation.steps if step.done]
    if done:
        assert_takes(thread.settled(rotation, done[:5]))
        assert_takes(thread.taken_back(rotation, done[0], "U1", done[0].subject))
    if notes:
        assert_takes(thread.noted(notes[:3]))
    assert_takes(thread.may_revoke(rotation))
    assert_takes(thread.handed_over(rotation, rotation.owner))
    assert_takes(thread.refused(rotation, rotation.owner))
    assert_takes(thread.goes_on(rotation, rotation.owner, rotation.bypass_reason))
    assert_takes(thread.places(rotation.steps[:7], rotation.steps[:2]))
    if rotation.bypass_approved:
        assert_takes(thread.approved(rotation))
    if rotation.stuck:
        assert_takes(thread.stuck(rotation, NOW))
    if rotation.end:
        assert_takes(thread.ended(rotation))


@unhurried
@given(rotations(), hostile.tokens, hostile.text)
def test_its_forms(rotation, token, text):
    proposal = propose(replace(token, id=3), NOW, opened_by=text, packages=token.packages)
    assert_view_takes(form.start_form(replace(token, id=3), proposal, NOW))
    assert_view_takes(form.choose_form([replace(token, id=3)], NOW))
    for view in (
        form.made_form(rotation, NOW),
        rotation_tick.tick_form(rotation, NOW),
        form.hand_over_form(rotation),
        form.stop_form(rotation),
    ):
        assert_view_takes(view)


@unhurried
@given(st.lists(rotations(), max_size=4), hostile.text)
def test_a_campaign(found, text):
    campaign = Campaign(1, text, text, "token", "C1", text, NOW, NOW)
    members = [Member(place, place, text, "started") for place in range(len(found))] + [
        Member(9, None, text, "skipped", text)
    ]
    assert_takes(campaign_card(campaign, members, dict(enumerate(found)), NOW))
