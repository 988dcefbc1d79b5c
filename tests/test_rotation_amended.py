"""What a rotation takes up on its way: places that were forgotten, a new token that was wrong, very many places."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.slack.workspace import MARA
from bot.messages import rotation_card
from bot.rotation import steps
from storage import rotations, tokens
from storage.tokens import Token, Use
from tests import npm_logs, rotating
from tests.rotating import card, furnish, listed, look, made, press, published, rotation, shown, start, stored, thread
from tests.running import Running

SITE = Use("acme/site", rotating.RELEASE, "NPM_TOKEN", "repository")


def token(running: Running, name: str = "npm-acme-ci") -> Token:
    found = running.db.read_now(tokens.get, name)
    assert found is not None
    return found


def record(running: Running, **changes: Any) -> None:
    """Somebody corrects the record of the old token."""
    running.db.write_now(tokens.change, replace(token(running), **changes), running.hands.now())


async def in_overlap(running: Running, **more: Any) -> None:
    furnish(running, **more)
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


# --- places ----------------------------------------------------------------------------------------------------------


async def test_a_place_that_was_forgotten_joins_and_the_old_token_lives_on_until_it_is_stored_there(
    running: Running,
) -> None:
    await in_overlap(running)
    running.outside.github.add_file("acme/site", rotating.RELEASE, rotating.WORKFLOW)
    stored(running, running.hands.now() - timedelta(days=90), repo="acme/site")
    running.hands.ahead += timedelta(hours=25)
    record(running, used_by=(SITE,))
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    said = shown(card(running))
    assert "gh secret set NPM_TOKEN --repo acme/site" in said and "npm token revoke" not in said
    assert any(line.startswith("Forgotten until now: acme/site") for line in thread(running))
    assert not any("can go now" in line for line in thread(running))
    stored(running, repo="acme/site")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap", "one release has proven the token; both live on anew"
    assert set(token(running, rotation(running).new_name or "").used_by) == {rotating.UI, SITE}
    await look(running)
    assert not any("can go now" in line for line in thread(running))
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert any("can go now" in line for line in thread(running))


async def test_a_place_that_is_none_any_more_is_waited_for_no_longer(running: Running) -> None:
    """A repository that is gone: its use is taken out of the record."""
    furnish(running, used_by=(rotating.UI, SITE))
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    record(running, used_by=())
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert any(line.startswith("No place of it any more: acme/site") for line in thread(running))
    assert token(running, rotation(running).new_name or "").used_by == (rotating.UI,)
    record(running, used_by=(SITE,))
    await look(running)
    assert steps.reached(rotation(running)) == "minted", "it is one after all"


async def test_a_form_that_was_open_meanwhile_still_means_the_same_step(running: Running) -> None:
    furnish(running, used_by=(rotating.UI, Use("acme/ops", None, None, "elsewhere")))
    await start(running)
    await made(running)
    answer = await running.outside.slack.click(card(running), rotation_card.TICK, MARA)
    place = next(n for n, step in enumerate(rotation(running).steps) if step.use and step.use.repo == "acme/ops")
    record(running, used_by=(rotating.UI, Use("acme/ops", None, None, "elsewhere"), SITE))
    await look(running)
    await running.outside.slack.submit(answer.view, {"step": str(place), "reason": "in the vault"}, MARA)
    done = [step.use.repo for step in steps.steps_of(rotation(running), "store") if step.done and step.use]
    assert done == ["acme/ops"]


async def test_a_secret_under_another_name_that_the_workflow_reads_now_is_told_as_that(running: Running) -> None:
    """The secret was renamed, in GitHub and in the workflow, and the record knows only the old name."""
    furnish(running, workflow=rotating.WORKFLOW.replace("secrets.NPM_TOKEN", "secrets.NPM_PUBLISH_TOKEN"))
    await start(running)
    await made(running)
    stored(running, repo="acme/ui", name="NPM_PUBLISH_TOKEN")
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    said = shown(card(running))
    assert "`release.yml` in acme/ui reads `NPM_PUBLISH_TOKEN`, which was written" in said
    assert "reads `NPM_TOKEN`" not in said
    record(running, used_by=(replace(rotating.UI, secret="NPM_PUBLISH_TOKEN"),))
    await look(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"


async def test_a_secret_written_shortly_before_the_start_is_explained_and_not_counted(running: Running) -> None:
    furnish(running)
    stored(running, running.hands.now() - timedelta(minutes=20))
    await start(running)
    await made(running)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "before this rotation began" in shown(card(running))
    await press(running, rotation_card.TICK, {"reason": "that was the new one"})
    assert steps.reached(rotation(running)) == "stored"


async def test_a_renamed_repository_is_told_before_npm_is_told_to_trust_its_old_name(running: Running) -> None:
    furnish(running)
    await start(running, path="trusted-publishing")
    running.outside.github.world.renamed["acme/ui"] = "acme/design"
    await look(running)
    assert "acme/ui is acme/design now, and npm takes no identity of a former name" in shown(card(running))
    running.outside.github.add_file("acme/design", rotating.RELEASE, rotating.WORKFLOW)
    record(running, used_by=(replace(rotating.UI, repo="acme/design"),))
    await look(running)
    said = shown(card(running))
    assert "--repo=acme/design" in said and "--repo=acme/ui" not in said and "former name" not in said


async def test_what_was_published_before_a_secret_was_really_written_proves_nothing(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    await press(running, rotation_card.TICK, {"reason": "I stored it"})
    running.hands.ahead += timedelta(minutes=5)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap", "it is somebody's word, and a version came after it"
    running.hands.ahead += timedelta(minutes=30)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "the version came out with the old value"
    published(running, "1.2.0")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_proof_that_is_taken_back_leaves_that_of_another_package_and_both_live_on_anew(
    running: Running,
) -> None:
    furnish(running, packages=("@acme/ui", "@acme/icons"))
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    for package in ("@acme/ui", "@acme/icons"):
        published(running, package=package)
    await look(running)
    running.hands.ahead += timedelta(hours=20)
    place = next(n for n, step in enumerate(rotation(running).steps) if step.kind == "prove")
    await press(running, rotation_card.TICK, {"step": f"back:{place}", "reason": "that was published by hand"})
    assert steps.reached(rotation(running)) == "overlap"
    answer = await running.outside.slack.click(card(running), rotation_card.TICK, MARA)
    assert "Keep both alive" not in json.dumps(answer.view.body), "nobody ticks what begins by itself"
    running.hands.ahead += timedelta(hours=5)
    await look(running)
    assert not any("can go now" in line for line in thread(running))


# --- a new token that was wrong --------------------------------------------------------------------------------------


async def test_a_new_token_that_failed_does_not_pass_for_the_next_one(running: Running) -> None:
    """npm's list has it, and still no look ticks `mint` with it again; the next one has a name of its own."""
    furnish(running)
    other = rotating.entry("other", "npm_qqqq...qqqq", running, id="0002ab")
    await start(running)
    first = rotation(running).new_name or ""
    wrong = rotating.entry(first, "npm_zZzZ...1234", running, id="0003ab", bypass_2fa=False)
    listed(running, other, wrong)
    stored(running)
    await look(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    running.hands.ahead += timedelta(minutes=5)
    await running.deliver_run(npm_logs.one_time_password(), completed_at=running.hands.now())
    await running.worked(1)
    assert steps.reached(rotation(running)) == "planned"
    for _ in range(3):
        running.hands.ahead += timedelta(minutes=5)
        listed(running, other, wrong)
        await look(running)
    assert steps.reached(rotation(running)) == "planned"
    second = rotation(running).new_name or ""
    assert second == f"{first}-2" and f"--name={second}" in shown(card(running))
    assert token(running).used_by == (rotating.UI,), "the place is the old token's again"
    assert token(running, first).used_by == ()
    right = rotating.entry(second, "npm_yYyY...1234", running, id="0004ab")
    listed(running, other, wrong, right)
    stored(running)
    await look(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert token(running, second).used_by == (rotating.UI,)


async def test_a_token_that_replaces_another_is_not_rotated_before_that_is_finished(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    answer = await running.outside.slack.command(text=f"rotate {rotation(running).new_name}", user=MARA)
    assert answer.views == () and "is itself replacing `npm-acme-ci`" in answer.text


# --- very many places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [40, 150])
async def test_very_many_places_fit_into_slack_and_can_be_ticked_at_once(running: Running, many: int) -> None:
    uses = tuple(Use(f"acme/r{n:03d}-{'x' * 60}", rotating.RELEASE, "NPM_TOKEN") for n in range(many))
    running.db.write_now(
        tokens.add,
        Token(name="npm-acme-ci", permission="read-write", packages=("@acme/ui",), owner=MARA.id, used_by=uses),
        running.hands.now(),
    )
    await start(running)
    await made(running)
    assert f"store the new token in {many} places" in card(running).text
    answer = await running.outside.slack.click(card(running), rotation_card.COMMANDS, MARA)
    assert answer.replies
    answer = await running.outside.slack.click(card(running), rotation_card.TICK, MARA)
    (what,) = [block for block in answer.view.blocks if block.get("block_id") == "step"]
    values = [option["value"] for option in what["element"]["options"]]
    revoke = next(n for n, step in enumerate(rotation(running).steps) if step.kind == "revoke")
    assert {"all:store", f"without:{revoke}"} <= set(values)
    await running.outside.slack.submit(answer.view, {"step": "all:store", "reason": "our script wrote them"}, MARA)
    await running.worked()
    assert steps.reached(rotation(running)) == "stored"
    said = [step.done.proof for step in steps.steps_of(rotation(running), "store") if step.done]
    assert said == ["said"] * many
    answer = await running.outside.slack.click(card(running), rotation_card.TICK, MARA)
    (what,) = [block for block in answer.view.blocks if block.get("block_id") == "step"]
    values = [option["value"] for option in what["element"]["options"]]
    assert "all:prove" in values and "initial_option" not in what["element"]


# --- clocks ----------------------------------------------------------------------------------------------------------


async def test_a_clock_that_was_a_year_ahead_does_not_put_the_next_look_off_for_a_year(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    running.hands.ahead += timedelta(days=365)
    await look(running)
    running.hands.ahead -= timedelta(days=365)
    stored(running)
    for _ in range(2):
        await running.bot.clock.tick()
    assert steps.find(rotation(running), "store", steps.subject_of(rotating.UI)).done


async def test_a_clock_that_goes_back_takes_nothing_back(running: Running) -> None:
    await in_overlap(running)
    running.hands.ahead -= timedelta(days=3)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert not any("can go now" in line for line in thread(running))


async def test_a_reason_that_is_a_credential_is_refused_and_kept_nowhere(running: Running) -> None:
    furnish(running)
    await start(running)
    secret = "npm_" + "a" * 36
    for action in (rotation_card.TICK, rotation_card.STOP):
        submitted = await press(running, action, {"reason": f"I made {secret}"})
        assert "looks like a credential" in submitted.errors["reason"]
    kept = json.dumps([note.text for note in running.db.read_now(rotations.notes, 1, settled=True)])
    dump = "".join(str(row) for row in running.db.read_now(lambda c: [tuple(r) for r in c.all("SELECT * FROM audit")]))
    assert secret not in kept + dump + shown(card(running)) + "".join(thread(running))
