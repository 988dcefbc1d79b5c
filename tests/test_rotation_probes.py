"""`token-checked` and `token-expiring`: what a repository reports of its own token, and of no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.demo.github import events
from bot.demo.slack.workspace import GUEST, MARA
from bot.messages import rotation_card
from bot.probe_workflow import probe_workflow
from bot.rotation import steps
from storage import deliveries, tokens
from tests.rotating import card, furnish, look, made, rotation, shown, start, stored, thread
from tests.running import Running


async def report(running: Running, kind: str, payload: dict[str, Any], repo: str = "acme/ui") -> str | None:
    """The reason with which the delivery was finished."""
    await running.outside.github.send("repository_dispatch", events.repository_dispatch(repo, kind, payload))
    await running.worked(1)
    return running.db.read_now(deliveries.latest)[0].reason


def checked(running: Running, *, ok: bool = True, status: str = "alive", **more: Any) -> dict[str, Any]:
    at = running.hands.now() + timedelta(seconds=1)
    return {"token": "npm-acme-ci", "ok": ok, "status": status, "checked_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"} | more


async def until_stored(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)


@pytest.mark.parametrize(
    ("ok", "status", "words"),
    [
        (True, "alive", "does not say that it may publish"),
        (False, "E401", "npm refused the token (E401)"),
        (False, "secret-empty", "found the secret empty"),
        (False, "<!channel> x", "npm refused the token (unknown)"),
    ],
)
async def test_a_probe_is_shown_and_ticks_nothing(running: Running, ok: bool, status: str, words: str) -> None:
    await until_stored(running)
    assert await report(running, "token-checked", checked(running, ok=ok, status=status)) == "token-checked"
    assert words in shown(card(running))
    assert len([line for line in thread(running) if "probe" in line]) == 1
    assert steps.reached(rotation(running)) == "stored"


async def test_a_probe_of_the_old_token_says_nothing_about_the_new_one(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    assert await report(running, "token-checked", checked(running, ok=False, status="E401")) == "token-checked"
    assert "probe" not in shown(card(running))


async def test_another_repository_cannot_speak_of_a_token_it_does_not_use(running: Running) -> None:
    await until_stored(running)
    assert await report(running, "token-checked", checked(running, ok=False), "evil/repo") == "token-unknown"
    before = running.db.read_now(tokens.get, "npm-acme-ci")
    payload = {"token": "npm-acme-ci", "expires_at": "2027-01-01T00:00:00Z"}
    assert await report(running, "token-expiring", payload, "evil/repo") == "token-unknown"
    assert running.db.read_now(tokens.get, "npm-acme-ci") == before


async def test_an_end_that_was_seen_is_recorded(running: Running) -> None:
    furnish(running)
    payload = {"token": "npm-acme-ci", "expires_at": "2027-01-01T00:00:00Z", "seen_by": "vault"}
    assert await report(running, "token-expiring", payload) == "token-expiring"
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.expires_at is not None and f"{token.expires_at:%Y-%m-%d}" == "2027-01-01"


async def test_the_bot_starts_the_probe_where_it_may_and_what_it_finds_comes_back(running: Running) -> None:
    github = running.outside.github
    github.api.permissions["actions"] = "write"
    await until_stored(running)
    assert "Run the probe" in shown(card(running))
    answer = await running.outside.slack.click(card(running), rotation_card.PROBE, MARA)
    assert "has no probe workflow" in answer.text and "tokens show npm-acme-ci --probe" in answer.text
    token = running.db.read_now(tokens.get, rotation(running).new_name or "")
    assert token is not None
    github.add_file("acme/ui", ".github/workflows/tokenwatch-probe.yml", probe_workflow(token, token.used_by[0]))
    answer = await running.outside.slack.click(card(running), rotation_card.PROBE, MARA)
    assert "The probe runs in `acme/ui`." in answer.text
    assert github.api.dispatches == [("acme/ui", "tokenwatch-probe.yml")]
    await running.worked()
    assert any("had the probe started in `acme/ui`" in line for line in thread(running))
    found = checked(running, token=token.name)
    assert await report(running, "token-checked", found) == "token-checked"
    assert "is alive there" in shown(card(running))


async def test_without_the_permission_the_command_is_told(running: Running) -> None:
    running.outside.github.api.permissions["actions"] = "read"
    await until_stored(running)
    answer = await running.outside.slack.click(card(running), rotation_card.PROBE, MARA)
    assert "actions: write" in answer.text and "gh workflow run tokenwatch-probe.yml --repo acme/ui" in answer.text
    assert running.outside.github.api.dispatches == []


async def test_a_probe_that_github_does_not_start_is_told(running: Running) -> None:
    running.outside.github.api.permissions["actions"] = "write"
    await until_stored(running)
    running.outside.github.fail("dispatches", status=503)
    running.outside.github.add_file("acme/ui", ".github/workflows/tokenwatch-probe.yml", "on: workflow_dispatch")
    answer = await running.outside.slack.click(card(running), rotation_card.PROBE, MARA)
    assert "It did not start in `acme/ui`: GitHub: 503" in answer.text
    guest = await running.outside.slack.click(card(running), rotation_card.PROBE, GUEST)
    assert "Guests" in guest.text


@pytest.mark.parametrize("kind", ["token-checked", "token-expiring"])
@pytest.mark.parametrize("payload", [{}, {"token": 7}, {"token": "two words", "ok": 1}, {"token": "x", "ok": True}])
async def test_a_payload_that_makes_no_sense_is_given_up_in_words(
    running: Running, kind: str, payload: dict[str, Any]
) -> None:
    assert await report(running, kind, payload) == "payload"
