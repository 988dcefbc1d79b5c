"""Campaigns: one parent message with progress, one rotation each, begun in batches so that nobody is flooded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.slack.workspace import GUEST, JONAS, MARA, OPS, RELEASES
from bot.messages import campaign as page
from bot.rotation import by_hand, campaign, run, steps
from storage import campaigns, rotations, tokens
from storage.tokens import Token, Use
from tests.running import Running


def seed(running: Running, number: int, **more: Any) -> None:
    now = running.hands.now()
    for place in range(number):
        given: dict[str, Any] = {
            "name": f"npm-{place:02d}",
            "permission": "read-write",
            "packages": (f"@acme/p{place}",),
            "bypass_2fa": True,
            "bypass_reason": "CI",
            "owner": MARA.id,
            "backup_owner": JONAS.id,
            "expires_at": now + timedelta(days=20 + place),
            "used_by": (Use(f"acme/r{place}", "release.yml", "NPM_TOKEN"),),
        }
        running.db.write_now(tokens.add, Token(**(given | more)), now)


async def begin(running: Running, user: Any = MARA, **values: Any) -> Any:
    answer = await running.outside.slack.command(text="rotate many", user=user)
    assert answer.view is not None, answer.text
    submitted = await running.outside.slack.submit(
        answer.view, {"choice": "person", "person": MARA.id, "path": "token"} | values
    )
    await running.worked()
    return submitted


def parent(running: Running) -> Any:
    titles = ("Rotating all tokens", "Everything that stops")
    return next(m for m in running.cards(OPS) if m.thread_ts is None and m.text.startswith(titles))


def nudges(connection: Any) -> int:
    return int(connection.value("SELECT COUNT(*) FROM messages WHERE key LIKE 'campaign:1:nudge:%'"))


async def tick(running: Running) -> None:
    await running.bot.clock.tick()
    await running.worked()


async def test_a_campaign_begins_a_few_at_a_time_and_has_one_parent_message(running: Running) -> None:
    seed(running, 12)
    assert (await begin(running)).errors == {}
    assert running.db.read_now(rotations.count_open) == 5
    assert "0 of 12 done, 5 under way. 7 more begin as these are done." in parent(running).text
    for _ in range(3):
        await tick(running)
    assert running.db.read_now(rotations.count_open) == 5, "no more before there is room"
    for rotation in running.db.read_now(rotations.open_rotations)[:3]:
        await by_hand.stop(running.bot.deps, rotation.id, MARA.id, "not needed", roll_back=False)
    await tick(running)
    assert running.db.read_now(rotations.count_open) == 2, "the next batch is tomorrow's"
    running.hands.ahead += timedelta(days=1, minutes=1)
    await tick(running)
    assert running.db.read_now(rotations.count_open) == 5
    assert len([m for m in running.cards(OPS) if "Rotating all tokens" in m.text and m.thread_ts is None]) == 1
    assert len([m for m in running.cards(RELEASES) if m.thread_ts is None]) == 8


async def test_it_ends_when_all_is_settled_and_skips_what_cannot_be_rotated(running: Running) -> None:
    seed(running, 2)
    running.db.write_now(tokens.add, Token(name="ours", packages=("@acme/x",), owner=None), running.hands.now())
    await begin(running, choice="scope", scope="@acme")
    assert "nobody owns it" in json.dumps(parent(running).blocks)
    for rotation in running.db.read_now(rotations.open_rotations):
        await by_hand.stop(running.bot.deps, rotation.id, MARA.id, "no", roll_back=False)
    await tick(running)
    assert running.db.read_now(campaigns.open_campaigns) == []
    assert "ended, 0 of 3 done" in parent(running).text
    assert "Begin no more" not in json.dumps(parent(running).blocks)


async def test_everything_that_stops_on_a_policy_date(running: Running) -> None:
    seed(running, 2)
    running.db.write_now(
        tokens.add, Token(name="reader", permission="read-only", owner=MARA.id, packages=("a",)), running.hands.now()
    )
    answer = await running.outside.slack.command(text="rotate many")
    choices = json.dumps(answer.view.body)
    assert "policy:npm-bypass-direct-publish" in choices
    await begin(running, choice="policy:npm-bypass-direct-publish", path="trusted-publishing")
    assert "Everything that stops in January 2027: 0 of 2 done, 2 under way." in parent(running).text
    assert {r.path for r in running.db.read_now(rotations.open_rotations)} == {"trusted-publishing"}


@pytest.mark.parametrize(
    ("chosen", "backup", "asked"), [([], JONAS.id, False), (["yes"], JONAS.id, True), (["yes"], None, False)]
)
async def test_a_bypass_is_asked_for_only_if_chosen_and_of_a_second_person(
    running: Running, chosen: list[str], backup: str | None, asked: bool
) -> None:
    seed(running, 1, backup_owner=backup)
    await begin(running, bypass=chosen)
    (rotation,) = running.db.read_now(rotations.open_rotations)
    assert (rotation.bypass, steps.needs_approval(rotation)) == (asked, asked)


async def test_a_form_sent_twice_begins_one_campaign(running: Running) -> None:
    seed(running, 12)
    answer = await running.outside.slack.command(text="rotate many")
    values = {"choice": "person", "person": MARA.id, "path": "token"}
    await asyncio.gather(*(running.outside.slack.submit(answer.view, values) for _ in range(2)))
    await running.worked()
    assert len(running.db.read_now(campaigns.open_campaigns)) == 1
    assert running.db.read_now(rotations.count_open) == 5


async def test_a_renamed_or_removed_token_still_counts(running: Running) -> None:
    seed(running, 3)
    await begin(running)
    first, second, _ = running.db.read_now(tokens.all_tokens)
    assert first.id is not None and second.id is not None
    running.db.write_now(tokens.change, replace(first, name="renamed"), running.hands.now())
    running.db.write_now(tokens.remove, second.id)
    await tick(running)
    assert len(running.db.read_now(campaigns.open_campaigns)) == 1
    assert "0 of 3 done, 3 under way" in parent(running).text


async def test_a_scope_that_is_a_credential_is_refused_and_not_kept(running: Running) -> None:
    seed(running, 1)
    secret = "npm_" + "a" * 36
    submitted = await begin(running, choice="scope", scope=f"@{secret}")
    assert "looks like a credential" in submitted.errors["scope"]
    assert secret not in json.dumps(submitted.errors)


async def test_what_is_stuck_is_reminded_of_once_for_all_of_a_persons_rotations(running: Running) -> None:
    seed(running, 4)
    await begin(running)
    running.hands.ahead += timedelta(days=3, minutes=1)
    for _ in range(2):
        for rotation in running.db.read_now(rotations.open_rotations):
            await run.look(running.bot.deps, rotation.id)
        await tick(running)
    assert all(rotation.stuck for rotation in running.db.read_now(rotations.open_rotations))
    assert not running.thread(parent(running)), "it has time to gather"
    running.hands.ahead += timedelta(hours=1, minutes=1)
    for _ in range(3):
        await tick(running)
    (said,) = running.thread(parent(running))
    assert said.startswith(f"<@{MARA.id}>: `npm-00`, `npm-01`, `npm-02`") and "are stuck" in said
    assert not any("stuck" in line for card in running.cards() for line in running.thread(card))
    days = []
    for day in range(1, 40):
        running.hands.ahead += timedelta(days=1)
        before = running.db.read_now(nudges)
        await campaign.watch(running.bot.deps)
        days += [day] * (running.db.read_now(nudges) - before)
    assert days == [1, 8, 15, 22], "ever more rarely, and not for ever"


@pytest.mark.parametrize(
    ("values", "block"),
    [({"choice": "scope", "scope": "acme"}, "scope"), ({"choice": "person", "person": ""}, "person")],
)
async def test_a_wrong_choice_is_told_beside_it(running: Running, values: dict[str, Any], block: str) -> None:
    seed(running, 1)
    assert block in (await begin(running, **values)).errors


async def test_nothing_to_rotate_and_nobody_to_ask_are_told_in_words(running: Running) -> None:
    seed(running, 1, owner=JONAS.id, backup_owner=None)
    submitted = await begin(running)
    assert "No token fits" in json.dumps(submitted.view.body)
    answer = await running.outside.slack.command(text="rotate many", user=GUEST)
    assert answer.views == () and "Guests" in answer.text


async def test_a_campaign_can_be_stopped_and_what_is_under_way_goes_on(running: Running) -> None:
    seed(running, 8)
    await begin(running)
    await running.outside.slack.click(parent(running), page.STOP, MARA)
    await running.worked()
    assert running.db.read_now(rotations.count_open) == 5
    states = [member.state for member in running.db.read_now(campaigns.members, 1)]
    assert (states.count("started"), states.count("skipped")) == (5, 3)
