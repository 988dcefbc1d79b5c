"""Wrong moves on the way: each is seen, explained, and no step is ticked by it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.slack.workspace import JONAS, MARA
from bot.messages import rotation_card
from bot.rotation import steps
from storage import rotations, tokens
from storage.tokens import Use
from tests import rotating
from tests.rotating import card, furnish, listed, look, made, press, published, rotation, shown, start, stored, thread
from tests.running import Running


async def minted(running: Running, **more: Any) -> None:
    furnish(running, **more)
    await start(running, bypass="no")
    await made(running)


async def proven(running: Running, **more: Any) -> None:
    await minted(running, **more)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_secret_written_at_a_level_that_the_job_does_not_read_ticks_nothing_and_says_so(
    running: Running,
) -> None:
    """The classic: the organisation's secret is renewed, the workflow reads the repository's."""
    await minted(running)
    stored(running, org="acme")
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    said = shown(card(running))
    assert "The organisation secret `NPM_TOKEN` was written, but `release.yml` in acme/ui reads the repository" in said
    assert len([line for line in thread(running) if "organisation secret" in line]) == 1
    await look(running)
    assert len([line for line in thread(running) if "organisation secret" in line]) == 1, "said once"
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "organisation secret" not in shown(card(running))


async def test_an_environments_secret_comes_before_the_repositorys(running: Running) -> None:
    workflow = rotating.WORKFLOW.replace("    runs-on:", "    environment: production\n    runs-on:")
    furnish(running, workflow=workflow)
    running.outside.github.add_secret(
        "NPM_TOKEN", repo="acme/ui", environment="production", updated_at=running.hands.now() - timedelta(days=50)
    )
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "reads the environment secret" in shown(card(running))
    stored(running, repo="acme/ui", environment="production")
    await look(running)
    assert steps.reached(rotation(running)) == "stored"


async def test_a_secret_of_another_name_ticks_nothing_and_says_so(running: Running) -> None:
    await minted(running)
    stored(running, repo="acme/ui", name="NPM_AUTH_TOKEN")
    stored(running, repo="acme/ui", name="DEPLOY_HOST")
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    said = shown(card(running))
    assert "`NPM_AUTH_TOKEN` of acme/ui was written, but `release.yml` in acme/ui reads `NPM_TOKEN`" in said
    assert "DEPLOY_HOST" not in said


async def test_a_use_that_was_forgotten_stays_open_and_is_named(running: Running) -> None:
    names = ["ui", "api", "web", "docs", "cli", "core", "site"]
    uses = tuple(Use(f"acme/{name}", rotating.RELEASE, "NPM_TOKEN") for name in names)
    await minted(running, used_by=uses)
    for name in names[:-1]:
        stored(running, repo=f"acme/{name}")
    running.outside.github.add_secret(
        "NPM_TOKEN", repo="acme/site", updated_at=running.hands.now() - timedelta(days=90)
    )
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "store the new token in 1 more place" in card(running).text
    assert "gh secret set NPM_TOKEN --repo acme/site" in shown(card(running))
    assert "--repo acme/api" not in shown(card(running))
    running.hands.ahead += timedelta(days=3)
    await look(running)
    assert steps.state(rotation(running)) == "stuck"
    (reminder,) = [line for line in thread(running) if "stuck" in line]
    assert f"<@{MARA.id}>" in reminder and "1 more place" in reminder


async def test_a_stuck_step_is_reminded_of_ever_more_rarely_and_not_for_ever(running: Running) -> None:
    furnish(running, expires_at=None)
    await start(running, bypass="no")
    counts = []
    for _ in range(60):
        running.hands.ahead += timedelta(days=1)
        await look(running)
        counts.append(len([line for line in thread(running) if "stuck" in line]))
    days = [day for day, (before, after) in enumerate(zip([0, *counts], counts, strict=False), 1) if after > before]
    assert days == [3, 4, 11, 18, 25]
    lines = [line for line in thread(running) if "stuck" in line]
    assert f"<@{JONAS.id}>" not in lines[0] and f"<@{JONAS.id}>" in lines[1]


async def test_a_secret_written_before_the_new_token_counts_once_it_is_made(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "planned"
    assert "counts once the new token is made" in shown(card(running))
    await made(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"


async def test_a_new_token_that_lacks_what_the_old_one_had_is_told(running: Running) -> None:
    furnish(running)
    other = rotating.entry("other", "npm_qqqq...qqqq", running, id="0002ab")
    listed(running, other)
    await start(running, bypass="yes", bypass_reason="CI")
    name = rotation(running).new_name or ""
    wrong = rotating.entry(
        name, "npm_zZzZ...1234", running, id="0003ab", bypass_2fa=False,
        expiry=f"{running.hands.now() + timedelta(days=7):%FT%TZ}",
        permissions=[{"name": "@acme/other", "action": "write"}],
        scopes=[{"type": "package", "name": "@acme/other"}],
    )  # fmt: skip
    listed(running, other, wrong)
    await look(running)
    said = shown(card(running))
    assert "does not bypass two-factor, so CI cannot publish with it" in said
    assert f"`{name}` may not publish `@acme/ui`" in said
    assert "lives 7 days instead of 90" in said


async def test_a_use_of_the_old_token_after_the_switch_is_told_with_the_run_and_delays_its_end(
    running: Running,
) -> None:
    old = furnish(running)
    ours = rotating.entry("npm-acme-ci", "npm_aBcD...7890", running, id="0001ab", created=f"{old.created_at:%FT%TZ}")
    listed(running, ours)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    running.hands.ahead += timedelta(hours=20)
    await running.deliver_run(conclusion="success", repo="acme/ui", completed_at=running.hands.now())
    await running.worked(1)
    listed(running, ours | {"accessed": f"{running.hands.now():%Y-%m-%dT%H:%M:%S.000Z}"})
    await look(running)
    said = shown(card(running))
    assert "The old token was still used after the switch" in said
    assert "probably by release.yml in acme/ui" in said
    running.hands.ahead += timedelta(hours=10)
    await look(running)
    assert not any("can go now" in line for line in thread(running))
    running.hands.ahead += timedelta(hours=15)
    await look(running)
    assert any("can go now" in line for line in thread(running))


async def test_a_use_of_the_old_token_within_npms_lag_is_no_news(running: Running) -> None:
    old = furnish(running)
    ours = rotating.entry("npm-acme-ci", "npm_aBcD...7890", running, id="0001ab", created=f"{old.created_at:%FT%TZ}")
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    late = running.hands.now() + timedelta(minutes=50)
    listed(running, ours | {"accessed": f"{late:%Y-%m-%dT%H:%M:%S.000Z}"})
    await look(running)
    assert "still used" not in shown(card(running))
    assert rotation(running).old_used_at is None


async def test_a_version_published_while_the_new_token_was_never_used_hints_at_the_old_value(
    running: Running,
) -> None:
    furnish(running)
    await start(running, bypass="no")
    name = rotation(running).new_name or ""
    new = rotating.entry(name, "npm_zZzZ...1234", running, id="0003ab")
    listed(running, new)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    running.hands.ahead += timedelta(hours=2)
    listed(running, new)
    await look(running)
    assert "Perhaps the old value was stored again" in shown(card(running))
    assert steps.reached(rotation(running)) == "stored", "what the old value published proves nothing"
    published(running, "1.2.0")
    used = running.hands.now() + timedelta(minutes=1)
    listed(running, new | {"accessed": f"{used:%Y-%m-%dT%H:%M:%S.000Z}"})
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "old value" not in shown(card(running))


async def test_a_word_that_the_old_token_is_gone_is_taken_back_when_npms_list_still_has_it(running: Running) -> None:
    old = furnish(running)
    ours = rotating.entry("npm-acme-ci", "npm_aBcD...7890", running, id="0001ab", created=f"{old.created_at:%FT%TZ}")
    listed(running, ours)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    published(running)
    await look(running)
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    await press(running, rotation_card.TICK, {"reason": "revoked"})
    assert steps.reached(rotation(running)) == "revoked"
    running.hands.ahead += timedelta(minutes=50)
    listed(running, ours)
    await look(running)
    assert steps.reached(rotation(running)) == "revoked", "npm may be an hour late"
    running.hands.ahead += timedelta(minutes=30)
    listed(running, ours)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "npm's list still has it. Revoke it again." in shown(card(running))
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.revoked_at is None
    other = rotating.entry("other", "npm_qqqq...qqqq", running, id="0002ab")
    listed(running, other, ours)
    running.hands.ahead += timedelta(minutes=5)
    listed(running, other)
    await look(running)
    assert steps.state(rotation(running)) == "closed"


async def test_a_version_from_a_trusted_publisher_proves_no_token(running: Running) -> None:
    await minted(running)
    stored(running)
    await look(running)
    published(running, by="oidc")
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "says nothing about the new token" in shown(card(running))


async def test_a_version_from_before_the_switch_proves_nothing(running: Running) -> None:
    await minted(running)
    running.outside.registry.publish("@acme/ui", "1.0.9", "token", at=running.hands.now() - timedelta(minutes=1))
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"


@pytest.mark.parametrize("what", ["github", "registry"])
async def test_a_day_without_github_or_the_registry_concludes_nothing_and_loses_nothing(
    running: Running, what: str
) -> None:
    await minted(running)
    stored(running)
    if what == "github":
        running.outside.github.fail(".", status=503, times=None)
    else:
        await look(running)
        published(running)
        running.outside.registry.fail(".", status=500, times=None)
    before = steps.reached(rotation(running))
    for _ in range(4):
        running.hands.ahead += timedelta(hours=6)
        await look(running)
    assert steps.reached(rotation(running)) == before
    assert "Could not" in shown(card(running))
    running.outside.github.recover()
    running.outside.registry.recover()
    if what == "registry":
        published(running, "1.2.0")
    await look(running)
    assert steps.reached(rotation(running)) == {"github": "stored", "registry": "overlap"}[what]
    assert "Could not" not in shown(card(running))


async def test_a_level_that_cannot_be_read_could_overshadow_the_others_so_nothing_is_ticked(running: Running) -> None:
    await minted(running)
    stored(running, org="acme")
    running.outside.github.fail(r"/repos/acme/ui/actions/secrets", status=403, times=None)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "nothing is concluded" in shown(card(running))


async def test_a_repository_that_is_gone_is_told(running: Running) -> None:
    await minted(running)
    running.outside.github.fail(r"/repos/acme/ui/", status=404, times=None)
    await look(running)
    assert "gone, renamed, or out of the bot's reach" in shown(card(running))
    assert steps.reached(rotation(running)) == "minted"


async def test_a_token_removed_from_the_records_leaves_the_rotation_to_peoples_word(running: Running) -> None:
    await proven(running)
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.id is not None
    running.db.write_now(tokens.remove, token.id)
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert "was removed meanwhile" in shown(card(running))
    await press(running, rotation_card.TICK, {"reason": "revoked"})
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert steps.state(rotation(running)) == "closed"


async def test_an_old_token_that_has_ended_by_itself_needs_no_revoking(running: Running) -> None:
    await minted(running, expires_at=running.hands.now() - timedelta(days=2))
    stored(running)
    await look(running)
    published(running)
    await look(running)
    assert steps.state(rotation(running)) == "closed"
    assert "recorded end has passed" in json.dumps([step.done.what for step in rotation(running).steps if step.done])
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.revoked_at is None, "it expired; nobody revoked it"


async def test_notes_stay_in_the_history_when_they_hold_no_longer(running: Running) -> None:
    await minted(running)
    stored(running, org="acme")
    await look(running)
    stored(running)
    await look(running)
    ident = rotation(running).id
    assert running.db.read_now(rotations.notes, ident) == []
    assert any("organisation" in note.text for note in running.db.read_now(rotations.notes, ident, settled=True))
