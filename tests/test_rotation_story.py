"""A whole rotation over the stand-ins: each step is ticked by what is seen, the old token goes last."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.demo.outside import Outside
from bot.demo.slack.workspace import JONAS, MARA
from bot.messages import rotation_card
from bot.rotation import steps
from storage import audit, rotations, tokens
from tests import rotating
from tests.rotating import card, furnish, listed, look, made, published, shown, start, stored, thread
from tests.running import Hands, Running, running_bot, settings_for


async def test_a_rotation_is_walked_from_the_form_to_its_end(running: Running) -> None:
    token = furnish(running)
    assert token.id is not None
    await start(running, bypass="yes", bypass_reason="CI")
    assert "step 1 of 5: approve that the new token bypasses two-factor" in card(running).text
    assert "npm token create" not in shown(card(running))
    await rotating.press(running, rotation_card.APPROVE, user=JONAS)
    first = card(running)
    assert f"<@{MARA.id}>" in shown(first)
    for expected in (
        "Rotating `npm-acme-ci`, step 1 of 5: make the new token.",
        "npm token create --name=npm-acme-ci-",
        "--bypass-2fa",
        "approved by",
    ):
        assert expected in shown(first), expected

    await made(running, hint="npm_zZzZ...1234")
    assert "step 2 of 5: store the new token in 1 place" in shown(card(running))
    assert "gh secret set NPM_TOKEN --repo acme/ui" in shown(card(running))
    new = running.db.read_now(tokens.by_id, rotating.rotation(running).new_token_id)
    assert new is not None and new.hint == "npm_zZzZ...1234"
    assert (new.owner, new.backup_owner, new.packages) == (MARA.id, JONAS.id, ("@acme/ui",))

    stored(running)
    rotation = await look(running)
    assert steps.reached(rotation) == "stored"
    assert "seen" in shown(card(running))
    moved = running.db.read_now(tokens.by_id, new.id)
    assert moved is not None and moved.used_by == (rotating.UI,)
    old = running.db.read_now(tokens.by_id, token.id)
    assert old is not None and old.used_by == ()

    published(running)
    rotation = await look(running)
    assert steps.reached(rotation) == "overlap"
    assert "1.1.0 is on the registry, published with a token" in shown(card(running))
    assert "npm token revoke" not in shown(card(running))
    assert not any("can go now" in line for line in thread(running))

    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert "npm token revoke" in shown(card(running))
    (prompt,) = [line for line in thread(running) if "can go now" in line]
    assert f"<@{MARA.id}>" in prompt

    answer = await rotating.press(running, rotation_card.TICK, {"reason": "revoked it on npm"})
    assert answer.error is None
    rotation = rotating.rotation(running)
    assert steps.reached(rotation) == "revoked" and rotation.end is None
    gone = running.db.read_now(tokens.by_id, token.id)
    assert gone is not None and gone.revoked_at is not None
    running.hands.ahead += timedelta(hours=25)
    rotation = await look(running)
    assert steps.state(rotation) == "closed"
    assert "was replaced by `npm-acme-ci-" in card(running).text
    assert "rotation.tick" not in shown(card(running))
    assert len([m for m in running.cards() if "npm-acme-ci" in m.text and m.thread_ts is None]) == 1
    actions = [entry.action for entry in running.db.read_now(audit.of_subject, f"rotation:{rotation.id}")]
    assert list(reversed(actions)) == [
        "rotation.start", "rotation.approve-bypass", "rotation.mint", "rotation.store", "rotation.prove",
        "rotation.overlap", "rotation.revoke", "rotation.closed",
    ]  # fmt: skip


async def test_npms_own_list_proves_the_new_token_and_the_end_of_the_old_one(running: Running) -> None:
    old = furnish(running)
    ours = rotating.entry("npm-acme-ci", "npm_aBcD...7890", running, id="0001ab", created=f"{old.created_at:%FT%TZ}")
    other = rotating.entry("unrelated", "npm_qqqq...qqqq", running, id="0002ab")
    listed(running, ours, other)
    rotation = await start(running)
    new = rotating.entry(rotation.new_name or "", "npm_zZzZ...1234", running, id="0003ab")
    listed(running, ours, other, new)
    rotation = await look(running)
    assert steps.reached(rotation) == "minted"
    assert steps.find(rotation, "mint").done.proof == "seen"  # type: ignore[union-attr]
    linked = running.db.read_now(tokens.by_id, rotation.new_token_id)
    assert linked is not None and (linked.hint, linked.owner) == ("npm_zZzZ...1234", MARA.id)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert "npm token revoke 0001ab" in shown(card(running))
    used = running.hands.now() - timedelta(hours=25)
    listed(running, other, new | {"accessed": f"{used:%Y-%m-%dT%H:%M:%S.000Z}"})
    rotation = await look(running)
    assert steps.state(rotation) == "closed", "what is seen closes it at once"
    assert steps.find(rotation, "revoke").done.proof == "seen"  # type: ignore[union-attr]


async def test_a_rotation_goes_on_after_restarts_and_weeks(outside: Outside, tmp_path: Path) -> None:
    settings, hands = settings_for(outside, tmp_path), Hands()
    async with running_bot(outside, settings, hands) as running:
        furnish(running, expires_at=hands.now() + timedelta(days=60))
        await start(running)
    async with running_bot(outside, settings, hands) as running:
        await made(running)
    hands.ahead += timedelta(days=21)
    async with running_bot(outside, settings, hands) as running:
        await look(running)
        assert steps.state(rotating.rotation(running)) == "stuck"
        stored(running)
        await look(running)
        assert steps.state(rotating.rotation(running)) == "stored"
    async with running_bot(outside, settings, hands) as running:
        published(running)
        rotation = await look(running)
        assert steps.state(rotation) == "overlap"
        assert len([m for m in running.cards() if m.thread_ts is None and "npm-acme-ci" in m.text]) == 1


async def test_a_restart_between_any_two_steps_changes_nothing(outside: Outside, tmp_path: Path) -> None:
    settings, hands = settings_for(outside, tmp_path), Hands()

    async def begin(running: Running) -> None:
        furnish(running, expires_at=hands.now() + timedelta(days=60))
        await start(running, bypass="yes", bypass_reason="CI")

    async def approve(running: Running) -> None:
        await rotating.press(running, rotation_card.APPROVE, user=JONAS)

    async def make(running: Running) -> None:
        await made(running)

    async def store_elsewhere(running: Running) -> None:
        stored(running, org="acme")

    async def store(running: Running) -> None:
        stored(running)

    async def publish(running: Running) -> None:
        published(running)

    async def wait(running: Running) -> None:
        hands.ahead += timedelta(hours=25)

    async def revoke(running: Running) -> None:
        await rotating.press(running, rotation_card.TICK, {"reason": "revoked it on npm"})

    reached = []
    for move in (begin, approve, make, store_elsewhere, store, publish, wait, revoke, wait):
        async with running_bot(outside, settings, hands) as running:
            await move(running)
        async with running_bot(outside, settings, hands) as running:
            await look(running)
            reached.append(steps.state(rotating.rotation(running)))
            assert len([m for m in running.cards() if m.thread_ts is None and "npm-acme-ci" in m.text]) == 1
            lines = thread(running)
    assert reached == [
        "planned", "planned", "minted", "minted", "stored", "overlap", "overlap", "revoked", "closed",
    ]  # fmt: skip
    for once in ("can go now", "The repository secret `NPM_TOKEN` was written", "The organisation secret", "approved"):
        assert len([line for line in lines if once in line]) == 1, once


async def test_the_bot_looks_by_itself(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    running.hands.ahead += timedelta(minutes=2)
    await running.bot.clock.tick()
    assert steps.reached(rotating.rotation(running)) == "stored"


async def test_the_home_shows_what_is_under_way(running: Running) -> None:
    furnish(running)
    await start(running)
    await running.outside.slack.open_home(MARA)
    await running.outside.slack.until(lambda: running.outside.slack.home(MARA), what="the Home")
    home = running.outside.slack.home(MARA)
    assert home is not None
    said = str(home.blocks)
    assert "Rotations under way" in said
    assert "step 1 of 5: make the new token" in said


async def test_two_looks_at_once_tick_once(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    for user in (MARA, JONAS):
        await running.outside.slack.click(card(running), rotation_card.LOOK, user)
    await running.worked()
    assert len([line for line in thread(running) if line.startswith("Seen")]) == 1
    assert len(running.db.read_now(rotations.latest)) == 1
