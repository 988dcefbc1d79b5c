"""Releases that do not come, tokens that leak, GitHub tokens that end: over HTTP, from the webhook to the card."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github import events
from bot.demo.outside import Outside
from bot.demo.slack.workspace import MARA
from bot.fleet.leak_kinds import leak_kind
from bot.fleet.release_tags import announced
from bot.fleet.scan import Scan
from bot.messages import card as card_page
from storage import accounts, deliveries, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.organisation import BY_TOKEN, RELEASE
from tests.running import Hands, Running, running_bot, settings_for


def cards(running: Running) -> list[str]:
    return [card.text + json.dumps(card.blocks, ensure_ascii=False) for card in running.cards()]


def publishing(running: Running, package: str = "@acme/ui") -> None:
    """acme/ui publishes to npm, which holds an older version."""
    github = running.outside.github
    github.host("acme/ui")
    github.add_file("acme/ui", RELEASE, BY_TOKEN)
    github.add_file("acme/ui", "package.json", json.dumps({"name": package, "version": "1.0.0"}))
    running.outside.registry.publish(package, "1.0.0")


async def later(running: Running, **more: float) -> None:
    running.hands.ahead += timedelta(**more)
    await running.bot.clock.tick()
    await running.worked()


# --- releases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "packages", "expected"),
    [
        ("v1.2.3", ["@acme/ui"], ("@acme/ui", "1.2.3")),
        ("1.2.3", ["ui"], ("ui", "1.2.3")),
        ("v1.2.3-beta.1", ["ui"], ("ui", "1.2.3-beta.1")),
        ("v1.2.3+build.5", ["ui"], ("ui", "1.2.3")),
        ("release-1.2.3", ["ui"], None),
        ("release/1.2.3", ["ui"], ("ui", "1.2.3")),
        ("@acme/ui@1.2.3", [], ("@acme/ui", "1.2.3")),
        ("ui@1.2.3", ["@acme/ui", "@acme/api"], ("@acme/ui", "1.2.3")),
        ("ui-v1.2.3", ["@acme/ui", "@acme/api"], ("@acme/ui", "1.2.3")),
        ("v1.2.3", ["@acme/ui", "@acme/api"], None),
        ("v1.2.3", [], None),
        ("nightly", ["ui"], None),
        ("v1.2", ["ui"], None),
        ("other@1.2.3", ["ui"], None),
        ("x" * 5000, ["ui"], None),
    ],
)
def test_a_tag_announces_a_version_of_a_package(tag: str, packages: list[str], expected: Any) -> None:
    assert announced(tag, packages) == expected


async def test_a_release_that_never_comes_to_npm_is_a_card_until_it_does(running: Running) -> None:
    publishing(running)
    await running.outside.github.send("release", events.release("acme/ui", "v1.1.0"))
    await running.worked()
    await later(running, minutes=16)
    await later(running, minutes=15)
    assert cards(running) == [], "a publish takes a while"
    await later(running, minutes=31)
    (card,) = cards(running)
    assert card.startswith("@acme/ui 1.1.0 was released on GitHub and is not on npm.")
    assert "gh run list --repo acme/ui --workflow release.yml" in card and "Failed once" not in card
    await later(running, hours=2)
    assert len(cards(running)) == 1
    running.outside.registry.publish("@acme/ui", "1.1.0")
    await later(running, hours=2)
    (card,) = cards(running)
    assert card.startswith("Resolved: @acme/ui 1.1.0 is on the registry.")


async def test_a_release_that_comes_says_nothing(running: Running) -> None:
    publishing(running)
    await running.outside.github.send("release", events.release("acme/ui", "v1.1.0"))
    await running.worked()
    running.outside.registry.publish("@acme/ui", "1.1.0")
    for _ in range(4):
        await later(running, hours=1)
    assert cards(running) == []


async def test_a_release_whose_run_failed_has_one_card(running: Running) -> None:
    publishing(running)
    await running.deliver_run(npm_logs.rejected("@acme/ui", "1.1.0"), repo="acme/ui")
    await running.outside.github.send("release", events.release("acme/ui", "v1.1.0"))
    await running.worked()
    for _ in range(4):
        await later(running, hours=1)
    assert len(cards(running)) == 1 and "was released on GitHub" not in cards(running)[0]


async def test_what_publishes_nothing_is_not_waited_for(running: Running) -> None:
    running.outside.github.host("acme/docs")
    running.outside.github.add_file("acme/docs", "README.md", "# docs")
    for payload in (
        events.release("acme/docs", "v1.1.0"),
        events.release("acme/docs", "v1.1.0", action="edited"),
        {"action": "published", "repository": {"full_name": "acme/docs"}, "release": {"tag_name": 1}},
        {"action": "published", "release": None},
    ):
        await running.outside.github.send("release", payload)
    await running.worked(4)
    for _ in range(4):
        await later(running, hours=1)
    assert cards(running) == []


async def scanned(running: Running) -> None:
    await Scan(running.bot.deps.github, running.db, now=running.hands.now).repository("acme/ui")


async def tagged(running: Running, tag: str) -> str | None:
    await running.outside.github.send("push", events.tag_push("acme/ui", tag))
    await running.worked()
    return running.db.read_now(deliveries.latest)[0].reason


async def test_a_tag_that_never_comes_to_npm_is_a_card_too(running: Running) -> None:
    publishing(running)
    await scanned(running)
    manifest = json.dumps({"name": "@acme/ui", "version": "1.1.0"})
    running.outside.github.add_file("acme/ui", "package.json", manifest, ref="v1.1.0")
    assert await tagged(running, "v1.1.0") == "awaited"
    await running.outside.github.send("release", events.release("acme/ui", "v1.1.0"))
    await running.worked()
    for _ in range(3):
        await later(running, minutes=31)
    (card,) = cards(running)
    assert card.startswith("@acme/ui 1.1.0 was tagged on GitHub and is not on npm.") and "tag v1.1.0" in card


@pytest.mark.parametrize(
    ("tag", "version", "reason"),
    [
        ("v1.1.0", "1.0.0", "tag-of-something-else"),
        ("v2", "1.1.0", "which-package-unknown"),
        ("nightly", "1.1.0", "which-package-unknown"),
        ("@other/kit@1.1.0", "1.1.0", "which-package-unknown"),
    ],
)
async def test_a_tag_of_something_else_is_silence(running: Running, tag: str, version: str, reason: str) -> None:
    publishing(running)
    await scanned(running)
    manifest = json.dumps({"name": "@acme/ui", "version": version})
    running.outside.github.add_file("acme/ui", "package.json", manifest, ref=tag)
    assert await tagged(running, tag) == reason


async def test_a_tag_is_silence_where_tags_publish_nothing(running: Running) -> None:
    publishing(running)
    assert await tagged(running, "v1.1.0") == "publishes-nothing-known"
    by_release = BY_TOKEN.replace('push:\n    tags: ["v*"]', "release:\n    types: [published]")
    assert by_release != BY_TOKEN
    running.outside.github.add_file("acme/ui", RELEASE, by_release)
    await scanned(running)
    assert await tagged(running, "v1.1.0") == "tags-publish-nothing"


async def test_nothing_is_said_of_a_private_package_which_nobody_can_see(running: Running) -> None:
    publishing(running)
    running.outside.registry.packages.clear()
    await running.outside.github.send("release", events.release("acme/ui", "v1.1.0"))
    await running.worked()
    for _ in range(5):
        await later(running, hours=1)
    assert cards(running) == []


# --- leaks -----------------------------------------------------------------------------------------------------------


def test_kinds_of_leaks_and_what_is_no_publishing_credential() -> None:
    assert [leak_kind(kind).registry for kind in ("npm_access_token", "pypi_api_token", "npm_access_token_v2")] == [  # type: ignore[union-attr]
        "npm", "pypi", "npm",
    ]  # fmt: skip
    assert leak_kind("stripe_api_key") is None


async def test_a_leaked_token_is_an_urgent_card_that_offers_the_rotation(running: Running) -> None:
    used = Token(
        name="npm-acme-ci", owner=MARA.id, registry_id="ab12cd", permission="read-write",
        expires_at=running.hands.now() + timedelta(days=40), used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"),),
    )  # fmt: skip
    for token in (used, Token(name="npm-other", used_by=(Use("other/x", None, "NPM_TOKEN"),))):
        running.db.write_now(tokens.add, token, running.hands.now())
    await running.outside.github.send("secret_scanning_alert", events.secret_scanning_alert("acme/ui"))
    await running.worked()
    (card,) = cards(running)
    assert card.startswith("An npm token was found in acme/ui, where everybody can read it. It still works.")
    assert f"<@{MARA.id}>" in card and "npm token revoke ab12cd" in card and card_page.ROTATE in card
    assert "alert 17" in card and "Re-run" not in card
    again = events.secret_scanning_alert("acme/ui", action="validated", validity="inactive")
    await running.outside.github.send("secret_scanning_alert", again)
    await running.worked()
    (card,) = cards(running)
    assert "It no longer works" in card, "the same card, with what is known now"
    closed = events.secret_scanning_alert("acme/ui", action="resolved")
    closed["alert"]["resolution"] = "revoked"
    await running.outside.github.send("secret_scanning_alert", closed)
    await running.worked()
    (card,) = cards(running)
    assert card.startswith("Resolved: The alert was resolved on GitHub: revoked.")


async def test_several_tokens_that_fit_are_all_named_and_none_is_blamed(running: Running) -> None:
    for name in ("one", "two"):
        token = Token(name=name, used_by=(Use("acme/ui", None, f"NPM_{name}"),), owner=MARA.id)
        running.db.write_now(tokens.add, token, running.hands.now())
    await running.outside.github.send("secret_scanning_alert", events.secret_scanning_alert("acme/ui"))
    await running.worked()
    (card,) = cards(running)
    assert "One of `one` and `two`" in card and card_page.ROTATE not in card and f"<@{MARA.id}>" not in card


async def test_other_secrets_and_malformed_alerts_are_none_of_our_business(running: Running) -> None:
    stripe = events.secret_scanning_alert("acme/ui", secret_type="stripe_api_key")
    for payload in (stripe, {"action": "created"}, {"action": "created", "alert": {"number": "x"}}):
        await running.outside.github.send("secret_scanning_alert", payload)
    await running.worked(3)
    assert cards(running) == []


# --- GitHub's own tokens ---------------------------------------------------------------------------------------------


async def test_a_fine_grained_token_is_a_record_with_its_end(running: Running) -> None:
    ends = datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)
    github = running.outside.github
    await github.send(
        "personal_access_token_request", events.personal_access_token_request("acme", "deploy docs", ends)
    )
    await running.worked()
    stored = running.db.read_now(tokens.get, "github-pat-mara-k-deploy-docs")
    assert stored is not None and (stored.registry, stored.kind, stored.expires_at) == ("github", "pat", ends)
    running.db.write_now(accounts.keep, "mara-k", MARA.id, running.hands.now())
    await github.send("personal_access_token_request", events.personal_access_token_request("acme", "other", ends))
    await running.worked()
    other = running.db.read_now(tokens.get, "github-pat-mara-k-other")
    assert other is not None and other.owner == MARA.id, "whose account it is is known"
    denied = events.personal_access_token_request("acme", "deploy docs", ends, action="denied")
    await github.send("personal_access_token_request", denied)
    await github.send("personal_access_token_request", {"action": "created", "organization": {"login": "acme"}})
    await running.worked(4)
    stored = running.db.read_now(tokens.get, "github-pat-mara-k-deploy-docs")
    assert stored is not None and stored.revoked_at is not None


async def test_the_organisations_tokens_are_read_by_the_app_and_people_keep_what_they_wrote(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    entry = events.personal_access_token_request("acme", "ci", datetime(2027, 1, 1, tzinfo=UTC))
    listed = entry["personal_access_token_request"] | {"access_granted_at": "2026-11-01T00:00:00Z"}
    outside.github.world.personal_tokens.append(listed)
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="12345", github_private_key=app_key)
    hands = Hands()
    async with running_bot(outside, settings, hands) as running:
        await running.bot.fleet.tick()
        name = "github-pat-mara-k-ci"
        stored = running.db.read_now(tokens.get, name)
        assert stored is not None and stored.owner is None
        running.db.write_now(tokens.change, dataclasses.replace(stored, owner=MARA.id), hands.now())
        listed["token_expires_at"] = "2027-03-01T00:00:00Z"
        hands.ahead += timedelta(hours=1)
        await running.bot.fleet.tick()
        stored = running.db.read_now(tokens.get, name)
        assert stored is not None and stored.owner == MARA.id
        assert stored.expires_at == datetime(2027, 3, 1, tzinfo=UTC)
        outside.github.world.personal_tokens.clear()
        hands.ahead += timedelta(hours=1)
        await running.bot.fleet.tick()
        stored = running.db.read_now(tokens.get, name)
        assert stored is not None and stored.revoked_at is not None, "it lost its access"


async def test_the_end_of_the_bots_own_token_is_reminded_of_like_any_other(running: Running) -> None:
    ends = running.hands.now().replace(microsecond=0) + timedelta(days=7, hours=1)
    running.outside.github.api.token_expires_at = ends
    running.outside.github.add_run("acme/ui", jobs=[])
    await running.deliver_run(npm_logs.rejected())
    await running.worked()
    await running.bot.fleet.tick()
    stored = running.db.read_now(tokens.get, "tokenwatch-github-token")
    assert stored is not None and stored.expires_at == ends
