"""Webhooks that go elsewhere, are signed with another secret or reach nobody: the doctor says which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github import events, payloads
from bot.demo.github.deliveries import Hook
from bot.demo.outside import Outside
from bot.doctor import examine
from bot.doctor.finding import Finding
from bot.manifests import GITHUB_EVENTS, GITHUB_PERMISSIONS, NO_ADDRESS
from tests.running import settings_for

HOOK = {"github_hooks": "acme/ui#123"}


async def wrong(outside: Outside, tmp_path: Path, **changes: Any) -> list[Finding]:
    return [one for one in await examine(settings_for(outside, tmp_path, **changes)) if one.state == "wrong"]


@pytest.fixture
def as_app(app_key: str) -> dict[str, Any]:
    return {"github_token": None, "github_app_id": "12345", "github_private_key": app_key}


async def test_an_app_that_is_installed_nowhere_is_named(
    outside: Outside, tmp_path: Path, as_app: dict[str, Any]
) -> None:
    outside.github.api.installations = []
    (finding,) = await wrong(outside, tmp_path, **as_app)
    assert "nowhere" in finding.said


async def test_an_installation_that_has_not_accepted_what_is_needed_is_named(
    outside: Outside, tmp_path: Path, as_app: dict[str, Any]
) -> None:
    needed = payloads.installation(GITHUB_PERMISSIONS, GITHUB_EVENTS)
    outside.github.api.installations = [
        payloads.installation({"metadata": "read", "actions": "read", "contents": "read"}, ["workflow_run"]),
        needed | {"suspended_at": "2026-11-01T00:00:00Z"},
        needed | {"permissions": None, "events": None, "account": None},
        needed,
    ]
    old, suspended, odd = await wrong(outside, tmp_path, **as_app)
    assert "secrets: read" in old.said and "repository_dispatch" in old.said and "accept" in old.mend
    assert "suspended" in suspended.said
    assert "has not accepted" in odd.said


async def test_a_personal_account_has_no_organisation_secrets_to_grant(
    outside: Outside, tmp_path: Path, as_app: dict[str, Any]
) -> None:
    granted = {name: level for name, level in GITHUB_PERMISSIONS.items() if not name.startswith("organization_")}
    outside.github.api.installations = [payloads.installation(granted, GITHUB_EVENTS) | {"target_type": "User"}]
    assert await wrong(outside, tmp_path, **as_app) == []


@pytest.mark.parametrize("kind", ["app", "repository"])
@pytest.mark.parametrize(
    "url",
    ["https://old.example.com/github/webhooks", "https://bot.example.com", "https://bot.example.com/webhooks"],
)
async def test_a_hook_that_posts_elsewhere_is_named(
    outside: Outside, tmp_path: Path, as_app: dict[str, Any], kind: str, url: str
) -> None:
    changes = {"public_url": "https://bot.example.com/"} | (as_app if kind == "app" else HOOK)
    assert await wrong(outside, tmp_path, **changes) == []
    outside.github.api.hook_url = url
    (finding,) = await wrong(outside, tmp_path, **changes)
    assert finding.what == "hook" and url in finding.said
    assert "https://bot.example.com/github/webhooks" in finding.mend


async def test_a_hook_that_is_off_or_sends_something_else_is_named(outside: Outside, tmp_path: Path) -> None:
    outside.github.api.hook_active = False
    (finding,) = await wrong(outside, tmp_path, **HOOK)
    assert "not active" in finding.said
    outside.github.api.hook_active, outside.github.api.hook_events = True, ("push",)
    (finding,) = await wrong(outside, tmp_path, **HOOK)
    assert "workflow_run" in finding.said
    outside.github.api.hook_events = ("*",)
    assert await wrong(outside, tmp_path, **HOOK) == []


@pytest.mark.parametrize(
    ("status", "state", "word"),
    [
        (401, "wrong", "GITHUB_WEBHOOK_SECRET"),
        (404, "wrong", "/github/webhooks"),
        (302, "wrong", "redirect"),
        (502, "warning", "proxy"),
        (0, "warning", "proxy"),
        (200, "", ""),
    ],
)
async def test_what_github_was_answered_last_tells_what_is_wrong_with_a_hook(
    outside: Outside, tmp_path: Path, status: int, state: str, word: str
) -> None:
    hook, before = Hook("repository", "acme/ui", 123), datetime.now(UTC) - timedelta(hours=1)
    outside.github.lose("workflow_run", events.ping(), hook=hook, status=503, at=before)
    outside.github.lose("workflow_run", events.ping(), hook=hook, status=status)
    found = await examine(settings_for(outside, tmp_path, **HOOK))
    about = [one for one in found if one.what == "hook" and one.state != "ok"]
    assert [one.state for one in about] == ([state] if state else [])
    assert all(word in one.mend for one in about)


async def test_an_app_without_an_address_is_no_mistake(
    outside: Outside, tmp_path: Path, as_app: dict[str, Any]
) -> None:
    outside.github.api.hook_url = f"{NO_ADDRESS}/github/webhooks"
    outside.github.lose("workflow_run", events.ping(), status=0)
    found = await examine(settings_for(outside, tmp_path, sweep_every="2m", **as_app))
    (hook,) = [one for one in found if one.what == "hook"]
    assert (hook.state, hook.said) == ("ok", "app has no address: GitHub is asked every 2 minutes instead")
    assert not [one for one in found if one.state == "wrong"]
