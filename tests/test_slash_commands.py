"""Slash commands, forms and buttons as Slack sends them, signed, through the bot's one port."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from bot.demo.outside import Outside
from bot.demo.slack.sending import sign
from bot.demo.slack.workspace import GUEST, JONAS, MARA, RELEASES
from bot.messages import card as card_page
from bot.messages import home as home_page
from bot.messages import token_lists, token_page
from storage import audit, incidents, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import SIGNING_SECRET, Running, running_bot, settings_for
from tests.slack_limits import view_problems


def add(running: Running, name: str, days: float = 5, **more: Any) -> Token:
    now = running.hands.now()
    token = Token(name=name, expires_at=now + timedelta(days=days), owner=more.pop("owner", MARA.id), **more)
    return running.db.write_now(tokens.add, token, now)


async def say(running: Running, text: str, **more: Any) -> str:
    answer = await running.outside.slack.command(text=text, **more)
    assert answer.status == 200
    assert answer.error is None
    (reply,) = answer.replies
    return json.dumps(reply.blocks, ensure_ascii=False) + reply.text


async def test_status_with_no_tokens_teaches_how_to_begin(running: Running) -> None:
    for text in ("", "status", "STATUS"):
        assert "/tokens add" in await say(running, text)


async def test_status_counts_and_names_the_most_urgent(running: Running) -> None:
    add(running, "dead", -2)
    add(running, "soon", 5)
    add(running, "later", 20)
    add(running, "far", 80)
    running.db.write_now(tokens.add, Token(name="trusted", kind="trusted-publisher"), running.hands.now())
    said = await say(running, "status")
    for expected in ("1 expired", "1 ending within 7 days", "1 within 30 days", "1 later", "dead", "soon"):
        assert expected in said, expected


async def test_list_is_paged_and_its_buttons_turn_the_page_in_place(running: Running) -> None:
    for number in range(40):
        add(running, f"token-{number:02d}", 1 + number)
    answer = await running.outside.slack.command(text="list")
    (page,) = answer.replies
    assert "40 tokens" in page.text and "page 1 of 3" in page.text
    assert "token-00" in json.dumps(page.blocks) and "token-15" not in json.dumps(page.blocks)
    turned = await running.outside.slack.click(page, token_lists.NEXT_PAGE)
    assert turned.error is None
    await running.outside.slack.until(
        lambda: any("page 2 of 3" in m.text for m in running.outside.slack.messages(RELEASES, ephemeral=True)),
        what="the second page",
    )
    assert not [m for m in running.outside.slack.messages(RELEASES, ephemeral=True) if "page 1 of 3" in m.text]


async def test_list_filters_by_words_and_says_when_nothing_matches(running: Running) -> None:
    add(running, "npm-acme-ci", used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    add(running, "other")
    said = await say(running, "list acme/ui npm_token")
    assert "npm-acme-ci" in said and "other" not in said
    assert "No token matches" in await say(running, "list nonsense")


async def test_show_tells_everything_about_one(running: Running) -> None:
    add(running, "npm-acme-ci", packages=("@acme/ui",), note="made by hand")
    said = await say(running, "show npm-acme-ci")
    for expected in ("npm-acme-ci", "@acme/ui", "made by hand", f"<@{MARA.id}>"):
        assert expected in said


@pytest.mark.parametrize("name", ["@payloadcms/next", "payload", "my-payload=token&command=x"])
async def test_a_name_with_the_word_payload_in_it_is_found(running: Running, name: str) -> None:
    """Slack's SDK takes a form with these bytes for a button press; people have such packages."""
    if name == "@payloadcms/next":
        add(running, name)
    said = await say(running, f"show {name}")
    assert ("ends in" in said) == (name == "@payloadcms/next")
    assert name.partition("&")[0] in said


async def test_an_unknown_name_gets_the_nearest_ones(running: Running) -> None:
    add(running, "npm-acme-ci")
    assert "npm-acme-ci" in await say(running, "show npm-acme-cl")
    assert "NAME" in await say(running, "show")


@pytest.mark.parametrize("verb", ["", "show ", "list ", "edit ", "rotate ", "remove ", "nonsense "])
async def test_a_pasted_token_is_not_repeated_and_told_how_to_revoke(running: Running, verb: str) -> None:
    secret = "npm_" + "aB3dE6gH9k" * 3 + "aB3dE6"
    said = await say(running, verb + secret)
    assert secret.lower() not in said.lower()
    assert "revoke it now" in said


async def test_a_package_finds_the_token_that_publishes_it(running: Running) -> None:
    add(running, "next-ci", packages=("@payloadcms/next",))
    assert "next-ci" in await say(running, "show @payloadcms/next")
    add(running, "next-nightly", packages=("@payloadcms/next",))
    assert "2 tokens" in await say(running, "show @payloadcms/next")


async def test_remove_asks_first_and_keeps_the_audit_row(running: Running) -> None:
    add(running, "npm-acme-ci")
    answer = await running.outside.slack.command(text="remove npm-acme-ci")
    assert answer.view is not None
    assert running.db.read_now(tokens.get, "npm-acme-ci") is not None
    submitted = await running.outside.slack.submit(answer.view, {})
    assert submitted.error is None
    assert running.db.read_now(tokens.get, "npm-acme-ci") is None
    assert [e.action for e in running.db.read_now(audit.of_subject, "token:npm-acme-ci")] == ["token.remove"]


async def test_incidents_lists_what_is_open(running: Running) -> None:
    assert "No incident is open" in await say(running, "incidents")
    await with_card(running)
    said = await say(running, "incidents")
    assert "1 incident is open" in said and "acme/ui" in said
    assert "nobody is on it" in said and "*No. 1*" in said


async def test_claim_takes_the_one_that_is_open_and_says_so(running: Running) -> None:
    assert "No incident is open" in await say(running, "claim")
    card = await with_card(running)
    said = await say(running, "claim")
    assert "You are on no. 1:" in said and "Open the card" in said
    await running.worked()
    assert running.thread(card)[-1].endswith("is on it.")
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.state == "claimed"
    assert "You are on all that is open." in await say(running, "claim")
    assert "You are on it already." in await say(running, "claim acme/ui")
    assert "No open incident fits that" in await say(running, "claim acme/other")
    assert f"<@{incident.claimed_by}> is on it" in await say(running, "incidents")


@pytest.mark.parametrize(("typed", "number"), [("claim 2", 2), ("claim no. 1", 1), ("claim #2", 2), ("claim API", 2)])
async def test_claim_finds_one_by_number_package_or_repository(running: Running, typed: str, number: int) -> None:
    await with_card(running)
    await running.deliver_run(npm_logs.rejected("@acme/api"), repo="acme/api")
    await running.worked(2)
    assert f"You are on no. {number}:" in await say(running, typed)
    claimed = [one.id for one in running.db.read_now(incidents.latest) if one.state == "claimed"]
    assert claimed == [number]


async def test_of_several_a_form_asks_which_to_claim_and_which_to_snooze(running: Running) -> None:
    await with_card(running)
    await running.deliver_run(npm_logs.rejected("@acme/api"), repo="acme/api")
    await running.worked(2)
    answer = await running.outside.slack.command(text="claim acme/")
    assert answer.view is not None and view_problems(answer.view.body) == []
    assert (await running.outside.slack.submit(answer.view, {"incident": "2"})).errors == {}
    states = {one.id: one.state for one in running.db.read_now(incidents.latest)}
    assert states == {1: "open", 2: "claimed"}
    answer = await running.outside.slack.command(text="snooze acme/ui")
    assert answer.view is not None and "Which one" not in json.dumps(answer.view.body)
    await running.outside.slack.submit(answer.view, {"until": "1h", "reason": "waiting"})
    states = {one.id: one.state for one in running.db.read_now(incidents.latest)}
    assert states == {1: "snoozed", 2: "claimed"}
    assert "No open incident fits that" in await say(running, "snooze acme/other")


@pytest.mark.parametrize(
    ("typed", "meant"), [("statsu", "status"), ("lst", "list"), ("hlep", "help"), ("shwo x", "show")]
)
async def test_an_unknown_verb_gets_the_nearest_ones(running: Running, typed: str, meant: str) -> None:
    assert f"/tokens {meant}" in await say(running, typed)


async def test_help_lists_what_is_there(running: Running) -> None:
    said = await say(running, "help")
    for verb in ("status", "list", "show", "add", "edit", "rotate", "snooze"):
        assert f"/tokens {verb}" in said


@pytest.mark.parametrize("text", ["<!channel>", "list " + "x" * 5000, "show \u202e\u0000`*", "@everyone", "‮"])
async def test_odd_text_is_answered_and_mentions_nobody(running: Running, text: str) -> None:
    assert "<!channel>" not in await say(running, text)


async def open_add_form(running: Running, user: Any = MARA) -> Any:
    answer = await running.outside.slack.command(text="add", user=user)
    assert answer.view is not None, answer.text
    return answer.view


FORM = {
    "name": "npm-acme-ci",
    "permission": "read-write",
    "grants": "@acme/ui @acme",
    "uses": "acme/ui:release.yml:NPM_TOKEN:repository",
    "expires": "2027-01-31",
    "created": "2026-11-20",
    "note": "for releases",
}


async def test_add_opens_a_form_that_stores_the_facts_with_an_audit_row(running: Running) -> None:
    view = await open_add_form(running)
    submitted = await running.outside.slack.submit(view, FORM)
    assert submitted.errors == {} and submitted.error is None
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None
    assert (token.packages, token.scopes, token.owner) == (("@acme/ui",), ("@acme",), MARA.id)
    assert token.used_by[0].secret == "NPM_TOKEN"
    assert [entry.who for entry in running.db.read_now(audit.of_subject, "token:npm-acme-ci")] == [MARA.id]
    assert submitted.view is not None and "npm-acme-ci" in json.dumps(submitted.view.blocks)


@pytest.mark.parametrize(
    ("change", "block"),
    [
        ({"name": "two words"}, "name"),
        ({"note": "npm_" + "a" * 36}, "note"),
        ({"name": "npm_" + "a" * 36}, "name"),
        ({"hint": "npm_" + "a" * 36}, "hint"),
        ({"grants": "@acme/UI space@x"}, "grants"),
        ({"uses": "not a repo:::"}, "uses"),
    ],
)
async def test_a_wrong_field_is_told_beside_it_and_nothing_is_stored(
    running: Running, change: dict[str, str], block: str
) -> None:
    view = await open_add_form(running)
    submitted = await running.outside.slack.submit(view, FORM | change)
    assert block in submitted.errors
    assert "a" * 36 not in json.dumps(submitted.errors)
    assert running.db.read_now(tokens.all_tokens) == []


async def test_a_name_that_is_taken_is_told_beside_the_name(running: Running) -> None:
    add(running, "npm-acme-ci")
    submitted = await running.outside.slack.submit(await open_add_form(running), FORM)
    assert "name" in submitted.errors


async def test_edit_shows_what_is_known_and_keeps_what_was_not_asked(running: Running) -> None:
    add(running, "npm-acme-ci", cidr=("10.0.0.0/8",), note="old")
    answer = await running.outside.slack.command(text="edit npm-acme-ci")
    assert answer.view is not None
    submitted = await running.outside.slack.submit(answer.view, {"note": "new", "permission": "read-only"})
    assert submitted.errors == {}
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None
    assert (token.note, token.permission, token.cidr) == ("new", "read-only", ("10.0.0.0/8",))


async def test_a_token_removed_while_its_form_was_open_is_not_brought_back_in_silence(running: Running) -> None:
    token = add(running, "npm-acme-ci")
    answer = await running.outside.slack.command(text="edit npm-acme-ci")
    assert answer.view is not None and token.id is not None
    running.db.write_now(tokens.remove, token.id)
    submitted = await running.outside.slack.submit(answer.view, {"note": "new"})
    assert submitted.view is not None and "removed" in json.dumps(submitted.view.blocks)
    assert running.db.read_now(tokens.all_tokens) == []


async def test_guests_look_and_change_nothing(running: Running) -> None:
    add(running, "npm-acme-ci")
    assert "npm-acme-ci" in await say(running, "list", user=GUEST)
    for verb in ("add", "edit npm-acme-ci", "rotate npm-acme-ci"):
        answer = await running.outside.slack.command(text=verb, user=GUEST)
        assert answer.views == ()
        assert "Guests" in answer.text


async def test_only_owners_and_admins_change_a_token_when_admins_are_named(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, slack_admins=MARA.id)) as running:
        add(running, "of-mara", owner=MARA.id)
        add(running, "of-jonas", owner=JONAS.id)
        add(running, "of-nobody", owner=None, backup_owner=JONAS.id)
        opened = {}
        for user in (MARA, JONAS):
            for name in ("of-mara", "of-jonas", "of-nobody"):
                answer = await outside.slack.command(text=f"edit {name}", user=user)
                opened[user.name, name] = bool(answer.views)
        assert opened == {
            ("mara", "of-mara"): True,
            ("mara", "of-jonas"): True,
            ("mara", "of-nobody"): True,
            ("jonas", "of-mara"): False,
            ("jonas", "of-jonas"): True,
            ("jonas", "of-nobody"): True,
        }
        assert not (await outside.slack.command(text="add", user=JONAS)).views


async def with_card(running: Running) -> Any:
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    (card,) = running.cards()
    return card


async def test_the_cards_buttons_claim_resolve_and_reopen(running: Running) -> None:
    card = await with_card(running)
    slack = running.outside.slack
    await slack.click(card, card_page.CLAIM, JONAS)
    await slack.until(lambda: f"<@{JONAS.id}>" in json.dumps(running.cards()[0].blocks), what="the claim on the card")
    answer = await slack.click(running.cards()[0], card_page.RESOLVE, JONAS)
    assert answer.view is not None
    assert (await slack.submit(answer.view, {"reason": "released as 2.3.2"})).errors == {}
    await running.worked()
    (incident,) = running.db.read_now(incidents.latest)
    assert (incident.state, incident.resolved_by, incident.resolution) == ("resolved", JONAS.id, "released as 2.3.2")
    await slack.until(lambda: card_page.REOPEN in json.dumps(running.cards()[0].blocks), what="the reopen button")
    await slack.click(running.cards()[0], card_page.REOPEN, MARA)
    await running.worked()
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.state == "claimed"
    actions = [entry.action for entry in running.db.read_now(audit.of_subject, f"incident:{incident.id}")]
    assert actions == ["incident.reopen", "incident.resolve", "incident.claim", "incident.open"]
    assert len(running.thread(card)) == 3
    assert len(running.cards()) == 1


async def test_what_has_an_open_incident_again_is_not_reopened_beside_it(running: Running) -> None:
    card = await with_card(running)
    slack = running.outside.slack
    answer = await slack.click(card, card_page.RESOLVE, JONAS)
    assert answer.view is not None
    await slack.submit(answer.view, {"reason": "looks mended"})
    await slack.until(lambda: card_page.REOPEN in json.dumps(running.cards()[0].blocks), what="the reopen button")
    running.hands.ahead += timedelta(days=2)  # sooner, the same card would be open again
    await running.deliver_run(npm_logs.rejected())
    await running.worked(2)
    again = await slack.click(running.cards()[0], card_page.REOPEN, MARA)
    assert "has an open incident already" in again.text
    assert sorted(found.state for found in running.db.read_now(incidents.latest)) == ["open", "resolved"]


async def test_snooze_asks_until_when_and_wakes_by_itself(running: Running) -> None:
    card = await with_card(running)
    answer = await running.outside.slack.click(card, card_page.SNOOZE, JONAS)
    assert answer.view is not None
    assert (await running.outside.slack.submit(answer.view, {"until": "1h", "reason": "waiting"})).errors == {}
    await running.worked()
    (incident,) = running.db.read_now(incidents.latest)
    assert (incident.state, incident.snooze_reason) == ("snoozed", "waiting")
    running.hands.ahead += timedelta(hours=2)
    await running.bot.clock.tick()
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.state == "open"


async def test_the_re_run_button_asks_github(running: Running) -> None:
    running.outside.github.api.permissions["actions"] = "write"
    card = await with_card(running)
    await running.outside.slack.click(card, card_page.RERUN, JONAS)
    await running.outside.slack.until(lambda: running.outside.github.reruns, what="the re-run")
    await running.worked()
    assert any(f"<@{JONAS.id}>" in line for line in running.thread(card))


async def test_a_re_run_that_github_refuses_is_told_to_whoever_pressed(running: Running) -> None:
    running.outside.github.fail("rerun", status=403, times=None)
    card = await with_card(running)
    answer = await running.outside.slack.click(card, card_page.RERUN, JONAS)
    assert "actions: write" in answer.text


async def test_guests_cannot_press_the_cards_buttons(running: Running) -> None:
    card = await with_card(running)
    answer = await running.outside.slack.click(card, card_page.CLAIM, GUEST)
    assert "Guests" in answer.text
    assert [incident.state for incident in running.db.read_now(incidents.latest)] == ["open"]


async def test_a_button_pressed_twice_says_so_and_changes_nothing(running: Running) -> None:
    card = await with_card(running)
    await running.outside.slack.click(card, card_page.CLAIM, JONAS)
    answer = await running.outside.slack.click(card, card_page.CLAIM, JONAS)
    assert "already" in answer.text


async def test_the_home_tab_shows_what_is_mine_and_what_is_open(running: Running) -> None:
    add(running, "npm-acme-ci")
    await with_card(running)
    await running.outside.slack.open_home(MARA)
    await running.outside.slack.until(lambda: running.outside.slack.home(MARA), what="the Home tab")
    view = running.outside.slack.home(MARA)
    assert view is not None
    shown = json.dumps(view.blocks)
    assert "npm-acme-ci" in shown and "@acme/ui" in shown and home_page.ADD in shown


@pytest.mark.parametrize(
    ("why", "stamp", "secret", "status"),
    [
        ("good", 0, SIGNING_SECRET, 200),
        ("wrong secret", 0, "another", 401),
        ("six minutes old", -360, SIGNING_SECRET, 401),
        ("from the future", 360, SIGNING_SECRET, 401),
    ],
)
async def test_requests_are_verified_before_anything_else(
    running: Running, why: str, stamp: int, secret: str, status: int
) -> None:
    body = urlencode({"ssl_check": "1", "token": "x"}).encode()
    timestamp = str(int(time.time()) + stamp)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(secret, timestamp, body),
    }
    assert await post(running, body, headers) == status, why


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "-1", "٣", "9" * 400])
async def test_a_timestamp_that_is_none_is_401(running: Running, timestamp: str) -> None:
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": "v0=" + "0" * 64}
    assert await post(running, b"a=b", headers) == 401


@pytest.mark.parametrize("body", [b"", b"payload=", b"payload=[]", b"{", b"\xff\xfe", b'{"a":' * 5000, b"&" * 5000])
async def test_a_signed_body_that_makes_no_sense_is_refused_and_breaks_nothing(running: Running, body: bytes) -> None:
    timestamp = str(int(time.time()))
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": sign(SIGNING_SECRET, timestamp, body)}
    assert await post(running, body, headers) in (400, 401, 404)
    assert "/tokens add" in await say(running, "status")


async def test_the_url_challenge_is_answered(running: Running) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(SIGNING_SECRET, timestamp, body),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/slack/events", data=body, headers=headers) as reply,
    ):
        assert reply.status == 200
        assert "abc" in await reply.text()


async def test_a_button_of_nobody_is_acknowledged(running: Running) -> None:
    """Link buttons send actions too; Slack shows a warning unless they are acknowledged."""
    timestamp = str(int(time.time()))
    payload = {
        "type": "block_actions",
        "user": {"id": MARA.id},
        "team": {"id": "T1"},
        "api_app_id": "A1",
        "actions": [{"type": "button", "action_id": "link", "block_id": "b", "action_ts": "1"}],
        "response_url": "http://127.0.0.1:9/",
        "trigger_id": "t",
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(SIGNING_SECRET, timestamp, body),
    }
    assert await post(running, body, headers) == 200


async def post(running: Running, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/slack/events", data=body, headers=headers) as reply,
    ):
        return reply.status


async def test_a_command_is_acknowledged_while_slack_itself_is_slow(running: Running) -> None:
    running.outside.slack.fail("users.info", delay_s=2.0)
    add(running, "npm-acme-ci")
    answer = await running.outside.slack.command(text="show npm-acme-ci", wait_s=6.0)
    assert answer.error is None
    assert "npm-acme-ci" in answer.text


async def test_a_defect_is_told_with_an_id_that_is_in_the_log(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running.db.write_now(lambda c: c.execute("ALTER TABLE tokens RENAME TO tokens_gone"))
    said = await say(running, "status")
    assert "not your doing" in said
    assert "Traceback" not in said and "sqlite" not in said.lower()


async def test_socket_mode_needs_no_public_url_and_answers_the_same(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path, slack_app_token=outside.slack.app_token, slack_signing_secret=None)
    async with running_bot(outside, settings) as running:
        await outside.slack.until(lambda: outside.slack.server.socket_mode.connected, what="a connection")
        outside.slack.bot_at("", "")
        assert "/tokens add" in await say(running, "status")
        add(running, "@payloadcms/next")
        assert "ends in" in await say(running, "show @payloadcms/next")
        view = await open_add_form(running)
        submitted = await outside.slack.submit(view, FORM)
        assert submitted.errors == {} and running.db.read_now(tokens.get, "npm-acme-ci") is not None
        card = await with_card(running)
        await outside.slack.click(card, card_page.CLAIM, JONAS)
        await outside.slack.until(lambda: f"<@{JONAS.id}>" in json.dumps(running.cards()[0].blocks), what="the claim")
        await outside.slack.server.socket_mode.refresh()
        await outside.slack.until(lambda: outside.slack.server.socket_mode.connected, what="a new connection")
        async with aiohttp.ClientSession() as session, session.post(f"{running.bot.url}/slack/events") as reply:
            assert reply.status == 404


async def test_show_offers_editing_only_to_those_who_may(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, slack_admins=MARA.id)) as running:
        add(running, "of-mara")
        assert token_page.EDIT in await say(running, "show of-mara", user=MARA)
        assert token_page.EDIT not in await say(running, "show of-mara", user=JONAS)
