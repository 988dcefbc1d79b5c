"""Where the App may look changes, a hook is deleted, a version comes to GitHub Packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github import events
from bot.demo.outside import Outside
from bot.demo.slack.workspace import OPS
from storage import awaited, deliveries, fleet, fleet_rounds, fleet_secrets, incidents
from storage.awaited import Failed
from storage.incidents import NewIncident
from tests import organisation
from tests.running import Running, running_bot, settings_for


async def told(running: Running, event: str, payload: dict[str, Any]) -> str | None:
    await running.outside.github.send(event, payload)
    await running.worked()
    return running.db.read_now(deliveries.latest)[0].reason


def counted(running: Running) -> list[int]:
    names = ("repositories", "jobs", "secrets", "etags", "owners")
    return [int(running.db.read_now(lambda c, n=name: c.value(f"SELECT COUNT(*) FROM fleet_{n}"))) for name in names]


async def test_a_new_installation_is_scanned_at_once_and_a_lost_one_is_forgotten(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    organisation.populate(outside, 30)
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="12345", github_private_key=app_key)
    async with running_bot(outside, settings) as running:
        outside.github.api.installations = []
        await running.bot.fleet.tick()
        assert counted(running)[0] == 0
        outside.github.api.installations = None
        assert await told(running, "installation", events.installation("created", ["acme/ui"], {})) == "scan-due"
        await running.bot.fleet.tick()
        assert all(counted(running))
        gone = {"repositories_removed": [{"full_name": "acme/repo-0001"}, None, {"full_name": 7}]}
        removed = events.installation("removed", ["acme/ui"], {}) | gone
        assert await told(running, "installation_repositories", removed) == "forgotten"
        assert running.db.read_now(fleet.repository, "acme/repo-0001") is None
        added = events.installation("added", ["acme/ui"], {})
        assert await told(running, "installation_repositories", added) == "scan-due"
        round_ = running.db.read_now(fleet_rounds.of_owner, "acme")
        assert round_ is not None and round_.finished_at is None
        assert await told(running, "installation", events.installation("deleted", ["acme/ui"], {})) == "forgotten"
        assert counted(running) == [0, 0, 0, 0, 0]
        assert running.db.read_now(fleet_secrets.selected_names, "acme") == []


async def test_a_deleted_hook_is_told_to_the_operators_once(running: Running) -> None:
    payload = events.ping("acme/ui") | {"action": "deleted"}
    for _ in range(2):
        assert await told(running, "meta", payload) == "hook-deleted"
    (card,) = [card.text for card in running.cards(OPS) if "webhook" in card.text]
    assert card.startswith("The webhook of `acme/ui` was deleted on GitHub: nothing is heard from there any more.")


def waits(running: Running, registry: str) -> int:
    now = running.hands.now()
    new = NewIncident(
        f"{registry}|x", registry, "no-access", "no-access", None, "acme/ui", "release.yml", "@acme/ui", "1.0.0", OPS,
        json.dumps({"sentence": "It failed."}),
    )  # fmt: skip
    opened = running.db.write_now(incidents.open_incident, new, now)
    items = [Failed("@acme/ui", "1.0.0", "failed")]
    running.db.write_now(
        awaited.failed, opened.id, items, repo="acme/ui", workflow="release.yml", run_id=1, run_url=None, at=now
    )
    return opened.id


def package(**more: Any) -> dict[str, Any]:
    found = {"name": "ui", "namespace": "acme", "package_type": "NPM", "package_version": {"version": "1.0.0"}} | more
    return {"action": "published", "registry_package": found, "repository": {"full_name": "acme/ui"}}


async def test_a_version_on_github_packages_ends_what_waited_for_it_there(running: Running) -> None:
    there, on_npm = waits(running, "github-packages"), waits(running, "npm")
    assert await told(running, "registry_package", package(package_version={"version": "1.0.1"})) == "package-out"
    assert await told(running, "registry_package", package()) == "package-out"
    states = {one: running.db.read_now(incidents.get, one) for one in (there, on_npm)}
    assert states[there].state == "resolved" and states[there].resolution == "@acme/ui 1.0.0 is on GitHub Packages."  # type: ignore[union-attr]
    assert states[on_npm].state == "open"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("event", "payload", "reason"),
    [
        ("installation", {"action": "created"}, "payload"),
        ("installation", {"action": "deleted", "installation": {"account": []}}, "payload"),
        ("installation_repositories", {"action": "removed", "repositories_removed": 7}, "forgotten"),
        ("registry_package", {"action": "published", "registry_package": []}, "not-a-package-of-ours"),
        ("registry_package", package(package_type="docker"), "not-a-package-of-ours"),
        ("meta", {"action": "deleted"}, "hook-deleted"),
    ],
)
async def test_payloads_that_make_no_sense_change_nothing(
    running: Running, event: str, payload: dict[str, Any], reason: str
) -> None:
    assert await told(running, event, payload) == reason
