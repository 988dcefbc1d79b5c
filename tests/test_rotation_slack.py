"""Starting and steering a rotation in Slack: the forms, who may do what, and what goes wrong between people."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bot.demo.outside import Outside
from bot.demo.slack.interactions import find_element
from bot.demo.slack.workspace import GUEST, JONAS, MARA
from bot.messages import card as card_page
from bot.messages import home as home_page
from bot.messages import rotation_card, token_page
from bot.rotation import steps
from storage import rotations, tokens
from storage.tokens import Token, Use
from tests import npm_logs, rotating
from tests.rotating import card, furnish, look, made, open_form, press, rotation, shown, start, stored, thread
from tests.running import Running, running_bot, settings_for


def text_of(view: Any) -> str:
    return json.dumps(view.body, ensure_ascii=False)


async def test_the_form_shows_what_will_be_touched_and_proposes_the_better_way(running: Running) -> None:
    furnish(running)
    said = text_of(await open_form(running))
    for expected in (
        "acme/ui, release.yml, repository secret NPM_TOKEN",
        "@acme/ui",
        "Trusted publishing: no token at all",
        "with bypass only until January 2027",
        "From January 2027 tokens that bypass 2FA may stage a version but not publish it.",
        "lacks `id-token: write`",
        "npm older than 11.5.1",
    ):
        assert expected in said, expected
    view = await open_form(running)
    (path,) = [block for block in view.blocks if block.get("block_id") == "path"]
    assert path["element"]["initial_option"]["value"] == "trusted-publishing"
    assert path["element"]["options"][0]["value"] == "trusted-publishing"


async def test_a_self_hosted_runner_is_not_offered_trust_first(running: Running) -> None:
    furnish(running, workflow=rotating.WORKFLOW.replace("ubuntu-latest", "[self-hosted, linux]"))
    view = await open_form(running)
    (path,) = [block for block in view.blocks if block.get("block_id") == "path"]
    assert path["element"]["initial_option"]["value"] == "token"
    assert "self-hosted" in text_of(view)


async def test_a_token_that_only_reads_gets_another_that_reads(running: Running) -> None:
    furnish(running, permission="read-only", bypass_2fa=False)
    view = await open_form(running)
    blocks = {block.get("block_id"): block for block in view.blocks}
    assert [option["value"] for option in blocks["path"]["element"]["options"]] == ["token"]
    assert "bypass" not in blocks and "packages" not in blocks


async def test_the_form_opens_though_github_and_the_registry_are_down(running: Running) -> None:
    furnish(running)
    running.outside.github.fail(".", status=503, times=None)
    running.outside.registry.fail(".", status=500, times=None)
    said = text_of(await open_form(running))
    assert "could not be read" in said
    assert "could not be looked up" in said


@pytest.mark.parametrize(
    ("choices", "block"),
    [
        ({"bypass": None}, "bypass"),
        ({"owner": GUEST.id}, "owner"),
        ({"second": GUEST.id}, "second"),
        ({"bypass": "yes", "bypass_reason": ""}, "bypass_reason"),
        ({"bypass": "yes", "bypass_reason": "CI", "second": MARA.id}, "second"),
        ({"new_name": "two words"}, "new_name"),
        ({"new_name": "npm_" + "a" * 36}, "new_name"),
        ({"packages": "npm_" + "a" * 36}, "packages"),
        ({"bypass": "yes", "bypass_reason": "npm_" + "a" * 36}, "bypass_reason"),
        ({"new_name": "npm-acme-ci"}, "new_name"),
    ],
)
async def test_a_wrong_choice_is_told_beside_it_and_nothing_begins(
    running: Running, choices: dict[str, Any], block: str
) -> None:
    furnish(running)
    view = await open_form(running)
    submitted = await running.outside.slack.submit(view, {"path": "token"} | choices)
    assert block in submitted.errors
    assert "a" * 36 not in json.dumps(submitted.errors)
    assert running.db.read_now(rotations.latest) == []


async def test_a_form_sent_twice_begins_once(running: Running) -> None:
    furnish(running)
    view = await open_form(running)
    values = {"path": "token", "bypass": "no"}
    answers = await asyncio.gather(*(running.outside.slack.submit(view, values) for _ in range(2)))
    assert [answer.errors for answer in answers] == [{}, {}]
    assert len(running.db.read_now(rotations.latest)) == 1
    await running.worked()
    assert len([m for m in running.cards() if m.thread_ts is None]) == 1


async def test_of_two_people_at_once_one_begins_and_the_other_is_told_what_it_waits_for(running: Running) -> None:
    furnish(running)
    first, second = await open_form(running, user=MARA), await open_form(running, user=JONAS)
    await running.outside.slack.submit(first, {"path": "token", "bypass": "no"}, MARA)
    late = await running.outside.slack.submit(second, {"path": "token", "bypass": "no"}, JONAS)
    assert late.view is not None
    assert "is being rotated already" in json.dumps(late.view.body)
    assert "make the new token" in json.dumps(late.view.body)
    answer = await running.outside.slack.command(text="rotate npm-acme-ci", user=JONAS)
    assert answer.views == () and "is being rotated already" in answer.text


async def test_a_token_removed_while_the_form_was_open_begins_nothing(running: Running) -> None:
    token = furnish(running)
    view = await open_form(running)
    running.db.write_now(tokens.remove, token.id)
    submitted = await running.outside.slack.submit(view, {"path": "token", "bypass": "no"})
    assert submitted.view is not None and "removed" in json.dumps(submitted.view.body)
    assert running.db.read_now(rotations.latest) == []


async def test_a_trigger_that_is_too_old_is_told_in_words(running: Running) -> None:
    furnish(running)
    running.outside.slack.fail("views.open", error="expired_trigger_id")
    answer = await running.outside.slack.command(text="rotate npm-acme-ci")
    assert "Please try again" in answer.text


async def test_a_form_closed_while_it_was_being_looked_up_is_no_error(running: Running) -> None:
    furnish(running)
    running.outside.slack.fail("views.update", error="not_found")
    answer = await running.outside.slack.command(text="rotate npm-acme-ci")
    assert answer.text == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"kind": "trusted-publisher"}, "has no value that could be replaced"),
        ({"kind": "session"}, "has no value that could be replaced"),
    ],
)
async def test_what_has_no_value_is_not_rotated(running: Running, more: dict[str, Any], said: str) -> None:
    furnish(running, **more)
    answer = await running.outside.slack.command(text="rotate npm-acme-ci")
    assert answer.views == () and said in answer.text


async def test_only_the_two_people_owners_and_admins_steer_it(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, slack_admins="U0ADMIN")) as running:
        furnish(running, owner=MARA.id, backup_owner=None)
        refused = await outside.slack.command(text="rotate npm-acme-ci", user=JONAS)
        assert refused.views == ()
        await start(running, bypass="no", second=None)
        for user, may in ((MARA, True), (JONAS, False), (GUEST, False)):
            answer = await outside.slack.click(card(running), rotation_card.TICK, user)
            assert bool(answer.views) == may, user.name
        await press(running, rotation_card.HAND_OVER, {"to": JONAS.id})
        answer = await outside.slack.click(card(running), rotation_card.TICK, JONAS)
        assert answer.views


async def test_the_cards_button_opens_the_form(running: Running) -> None:
    now = running.hands.now()
    furnish(running, expires_at=now.replace(microsecond=0))
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    (incident,) = running.cards()
    answer = await running.outside.slack.click(incident, card_page.ROTATE, MARA)
    assert answer.view is not None
    view = answer.view
    await running.outside.slack.until(lambda: "npm-acme-ci" in text_of(view), what="the filled form")


async def test_the_page_of_a_token_and_the_home_open_it_too(running: Running) -> None:
    token = furnish(running)
    running.db.write_now(tokens.add, Token(name="gone", revoked_at=running.hands.now()), running.hands.now())
    page = (await running.outside.slack.command(text="show npm-acme-ci")).replies[0]
    assert (await running.outside.slack.click(page, token_page.ROTATE_BY_NAME, MARA)).view is not None
    await running.outside.slack.open_home(MARA)
    home = await running.outside.slack.until(lambda: running.outside.slack.home(MARA), what="the Home")
    answer = await running.outside.slack.click(home, home_page.ROTATE, MARA)
    assert answer.view is not None
    (which,) = [block for block in answer.view.blocks if block.get("block_id") == "token"]
    assert [option["value"] for option in which["element"]["options"]] == [str(token.id)]
    submitted = await running.outside.slack.submit(answer.view, {"token": str(token.id)})
    assert submitted.view is not None and submitted.view.body["callback_id"] == "rotation.start_form"
    await running.outside.slack.submit(submitted.view, {"path": "token", "bypass": "no"})
    assert rotation(running).token_id == token.id


async def test_the_facts_of_the_new_token_are_checked_like_any_others(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    secret = "npm_" + "a" * 36
    for values, block in (({"hint": secret}, "hint"), ({"new_name": "npm-acme-ci"}, "new_name")):
        submitted = await press(running, rotation_card.MADE, values)
        assert block in submitted.errors
        assert secret not in json.dumps(submitted.errors)
    assert steps.reached(rotation(running)) == "planned"


async def test_a_person_ticks_with_a_reason_and_it_is_shown_as_said(running: Running) -> None:
    furnish(running, used_by=(rotating.UI, Use("acme/ops", None, None, "elsewhere")))
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "minted", "no GitHub shows what is stored elsewhere"
    await press(running, rotation_card.TICK, {"reason": "it is in the vault"})
    assert steps.reached(rotation(running)) == "stored"
    said = shown(card(running))
    assert f"said by <@{MARA.id}>" in said and "it is in the vault." in said
    assert any("says it is done" in line and "it is in the vault" in line for line in thread(running))


async def test_going_on_without_the_proof_is_possible_and_shown_as_that(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    answer = await running.outside.slack.click(card(running), rotation_card.TICK, MARA)
    (what,) = [block for block in answer.view.blocks if block.get("block_id") == "step"]
    values = [option["value"] for option in what["element"]["options"]]
    prove = next(value for value in values if value == "all:prove")
    await running.outside.slack.submit(answer.view, {"step": prove, "reason": "no release before March"})
    await running.worked()
    assert steps.reached(rotation(running)) == "overlap"
    assert "said without the proof, by" in shown(card(running))


async def test_a_step_can_be_taken_back(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    place = next(n for n, step in enumerate(rotation(running).steps) if step.kind == "store")
    await press(running, rotation_card.TICK, {"step": f"back:{place}", "reason": "I pasted the old value"})
    assert steps.reached(rotation(running)) == "minted"
    await look(running)
    assert steps.reached(rotation(running)) == "minted", "the write from before counts no more"
    assert any("not done" in line and "I pasted the old value" in line for line in thread(running))
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.used_by == (rotating.UI,)


async def test_handing_over_and_its_bad_cases(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    assert "to" in (await press(running, rotation_card.HAND_OVER, {"to": GUEST.id})).errors
    await press(running, rotation_card.HAND_OVER, {"to": JONAS.id})
    assert (rotation(running).owner, rotation(running).second) == (JONAS.id, MARA.id)
    assert f"<@{JONAS.id}>'s turn" in shown(card(running))
    assert any(f"<@{JONAS.id}>" in line for line in thread(running))


@pytest.mark.parametrize(("how", "state"), [("cancel", "cancelled"), ("roll-back", "rolled-back")])
async def test_cancelling_and_rolling_back(running: Running, how: str, state: str) -> None:
    token = furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    await press(running, rotation_card.STOP, {"how": how, "reason": "the new one cannot publish"})
    assert steps.state(rotation(running)) == state
    said = shown(card(running))
    assert "the new one cannot publish" in said
    assert ("npm token revoke" in said) == (how == "roll-back")
    assert ("Both tokens live." in said) == (how == "cancel")
    assert rotation_card.TICK not in said
    old = running.db.read_now(tokens.by_id, token.id)
    assert old is not None and bool(old.used_by) == (how == "roll-back")
    answer = await running.outside.slack.command(text="rotate npm-acme-ci")
    assert answer.view is not None, "another can begin"


async def test_the_commands_of_the_whole_way_are_one_click_away(running: Running) -> None:
    uses = (rotating.UI, Use("acme/api", rotating.RELEASE, "NPM_TOKEN", "organization"))
    furnish(running, used_by=uses)
    await start(running, bypass="no")
    answer = await running.outside.slack.click(card(running), rotation_card.COMMANDS, GUEST)
    assert "Guests" in answer.text
    answer = await running.outside.slack.click(card(running), rotation_card.COMMANDS, JONAS)
    said = shown(answer.replies[0])
    for expected in (
        "npm token create --name=",
        "gh secret set NPM_TOKEN --repo acme/ui",
        "gh secret set NPM_TOKEN --org acme",
        "gh api orgs/acme/actions/secrets/NPM_TOKEN --jq .visibility",
        "npm token revoke",
        "gh workflow run tokenwatch-probe.yml --repo acme/ui",
    ):
        assert expected in said, expected
    assert "create --json" not in said


async def test_looking_says_what_it_still_waits_for(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    answer = await running.outside.slack.click(card(running), rotation_card.LOOK, MARA)
    assert "nothing new" in answer.text and "store the new token" in answer.text
    stored(running)
    answer = await running.outside.slack.click(card(running), rotation_card.LOOK, MARA)
    assert "1 step ticked" in answer.text


async def test_old_and_forged_buttons_are_told_in_words(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    old = dataclasses.replace(card(running))
    await press(running, rotation_card.STOP, {"how": "cancel", "reason": "no"})
    answer = await running.outside.slack.click(old, rotation_card.TICK, MARA)
    assert "has ended" in answer.text
    for value in ("999", "npm_" + "a" * 36, "-1", "x"):
        forged = copy.deepcopy(old)
        find_element(forged.blocks, rotation_card.LOOK, None)[1]["value"] = value
        answer = await running.outside.slack.click(forged, rotation_card.LOOK, MARA)
        assert "no longer kept" in answer.text
