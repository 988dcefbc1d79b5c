"""Who is asked for what in a rotation: the second person for a bypass, another one when somebody cannot go on."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, JONAS, MARA
from bot.messages import rotation_card
from bot.rotation import steps
from storage import audit, tokens
from tests import rotating
from tests.rotating import card, furnish, look, made, press, rotation, shown, start, thread
from tests.running import Running, running_bot, settings_for


async def asked(running: Running, **choices: Any) -> None:
    """A rotation that waits for Jonas' word."""
    furnish(running)
    await start(running, **({"bypass": "yes", "bypass_reason": "CI"} | choices))


async def test_nobody_inherits_a_bypass_unasked(running: Running) -> None:
    furnish(running)
    view = await rotating.open_form(running)
    (choice,) = [block for block in view.blocks if block.get("block_id") == "bypass"]
    assert "initial_option" not in choice["element"], "whoever replaces a token that bypasses two-factor says so again"
    submitted = await running.outside.slack.submit(view, {"path": "token"})
    assert "without it CI cannot publish" in submitted.errors["bypass"]


async def test_the_second_person_is_asked_and_the_command_comes_with_the_approval(running: Running) -> None:
    await asked(running)
    said = shown(card(running))
    assert f"<@{JONAS.id}>'s turn" in said and f"<@{MARA.id}> makes the token then" in said
    assert f"<@{MARA.id}> wants the new token to bypass two-factor: CI." in said
    assert "npm token create" not in said and rotation_card.MADE not in said
    commands = (await running.outside.slack.click(card(running), rotation_card.COMMANDS, MARA)).replies[0]
    assert "--bypass-2fa" not in shown(commands)
    refused = await running.outside.slack.click(card(running), rotation_card.APPROVE, MARA)
    assert "Somebody else has to approve it" in refused.text
    guest = await running.outside.slack.click(card(running), rotation_card.APPROVE, GUEST)
    assert "Guests" in guest.text
    await press(running, rotation_card.APPROVE, user=JONAS)
    said = shown(card(running))
    assert "--bypass-2fa" in said and f"approved by <@{JONAS.id}>: CI." in said
    assert any(f"<@{JONAS.id}> approved the bypass" in line for line in thread(running))
    rows = running.db.read_now(audit.of_subject, f"rotation:{rotation(running).id}")
    assert [(row.who, row.details) for row in rows if row.action == "rotation.approve-bypass"] == [(JONAS.id, "CI")]
    await made(running)
    new = running.db.read_now(tokens.by_id, rotation(running).new_token_id)
    assert new is not None and new.bypass_2fa
    assert new.bypass_reason == f"CI (approved by {JONAS.id})"


async def test_who_approved_it_cannot_make_the_token_on_that_word(running: Running) -> None:
    await asked(running)
    await press(running, rotation_card.APPROVE, user=JONAS)
    assert "--bypass-2fa" in shown(card(running))
    await press(running, rotation_card.HAND_OVER, {"to": JONAS.id})
    said = shown(card(running))
    assert "--bypass-2fa" not in said and f"<@{MARA.id}>'s turn" in said, "now she is the second person"
    await press(running, rotation_card.APPROVE, user=MARA)
    assert "--bypass-2fa" in shown(card(running))


async def test_approving_twice_is_told_and_changes_nothing(running: Running) -> None:
    await asked(running)
    old = copy.deepcopy(card(running))
    await press(running, rotation_card.APPROVE, user=JONAS)
    again = await running.outside.slack.click(old, rotation_card.APPROVE, JONAS)
    assert "no bypass of two-factor to approve" in again.text
    assert len([line for line in thread(running) if "approved the bypass" in line]) == 1


async def test_without_the_approval_the_token_is_made_without_the_bypass(running: Running) -> None:
    await asked(running)
    await press(running, rotation_card.REFUSE, user=JONAS)
    said = shown(card(running))
    assert "npm token create" in said and "--bypass-2fa" not in said
    assert any("does not bypass two-factor" in line for line in thread(running))
    await made(running)
    new = running.db.read_now(tokens.by_id, rotation(running).new_token_id)
    assert new is not None and not new.bypass_2fa and new.bypass_reason is None


async def test_a_second_person_who_chose_it_has_approved_it(running: Running) -> None:
    furnish(running)
    await start(running, user=JONAS, bypass="yes", bypass_reason="CI")
    assert f"approved by <@{JONAS.id}>" in shown(card(running))


async def test_to_stage_needs_no_bypass(running: Running) -> None:
    await asked(running, path="stage-token")
    said = shown(card(running))
    assert "read-write-stage-only" in said and "--bypass-2fa" not in said and rotation_card.APPROVE not in said


async def test_an_approval_that_does_not_come_is_reminded_of(running: Running) -> None:
    await asked(running)
    running.hands.ahead += timedelta(days=3, minutes=1)
    await look(running)
    (reminder,) = [line for line in thread(running) if "stuck" in line]
    assert reminder.startswith(f"<@{JONAS.id}>: ") and "approve that the new token" in reminder


async def test_another_admin_can_approve_but_nobody_else(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, slack_admins="U0ADMIN")) as running:
        furnish(running, backup_owner=None)
        await start(running, bypass="yes", bypass_reason="CI", second=JONAS.id)
        stranger = next(p for p in outside.slack.workspace.people.values() if p.id not in (MARA.id, JONAS.id, GUEST.id))
        answer = await outside.slack.click(card(running), rotation_card.APPROVE, stranger)
        assert "Only its owner" in answer.text
        assert steps.needs_approval(rotation(running))


async def test_handing_over_gives_the_time_anew(running: Running) -> None:
    furnish(running)
    await start(running)
    running.hands.ahead += timedelta(days=4)
    await look(running)
    assert steps.state(rotation(running)) == "stuck"
    await press(running, rotation_card.HAND_OVER, {"to": JONAS.id})
    assert steps.state(rotation(running)) == "planned"
    await look(running)
    assert steps.state(rotation(running)) == "planned"


async def test_a_stuck_rotation_can_be_given_its_time_anew(running: Running) -> None:
    furnish(running)
    await start(running)
    running.hands.ahead += timedelta(days=4)
    await look(running)
    await press(running, rotation_card.TICK, {"step": "go-on", "reason": "npm account is being recovered"})
    assert steps.state(rotation(running)) == "planned"
    assert any("goes on: npm account is being recovered" in line for line in thread(running))
    await look(running)
    assert steps.state(rotation(running)) == "planned"
