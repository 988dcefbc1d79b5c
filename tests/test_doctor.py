"""The doctor names each mistake of a set-up and says how to mend it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, RELEASES
from bot.doctor import examine
from bot.doctor.finding import Finding
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.github.run import Run
from tests import npm_logs
from tests.running import SIGNING_SECRET, Hands, running_bot, settings_for


async def wrong(outside: Outside, tmp_path: Path, **changes: Any) -> list[Finding]:
    found = await examine(settings_for(outside, tmp_path, **changes))
    assert all(finding.mend for finding in found if finding.state == "wrong")
    return [finding for finding in found if finding.state == "wrong"]


async def test_a_set_up_without_mistakes_has_only_good_findings(outside: Outside, tmp_path: Path) -> None:
    assert await wrong(outside, tmp_path) == []


async def test_a_revoked_bot_token_is_named(outside: Outside, tmp_path: Path) -> None:
    (finding,) = await wrong(outside, tmp_path, slack_bot_token="xoxb-another")
    assert finding.what == "slack" and "another" not in finding.said


async def test_each_missing_scope_is_named_with_what_it_is_for(outside: Outside, tmp_path: Path) -> None:
    outside.slack.server.scopes = outside.slack.server.scopes - {"users:read", "channels:history"}
    said = [finding.said for finding in await wrong(outside, tmp_path)]
    assert any("users:read" in line and "guests" in line for line in said)
    assert any("channels:history" in line for line in said)


async def test_scopes_the_bot_has_no_use_for_are_a_warning(outside: Outside, tmp_path: Path) -> None:
    outside.slack.server.scopes = outside.slack.server.scopes | {"admin", "channels:join"}
    found = await examine(settings_for(outside, tmp_path))
    (finding,) = [one for one in found if one.what == "slack" and one.state != "ok"]
    assert finding.state == "warning" and "admin, channels:join" in finding.said and finding.mend


@pytest.mark.parametrize("mistake", ["not invited", "archived", "unknown"])
async def test_a_channel_the_bot_cannot_use_is_named(outside: Outside, tmp_path: Path, mistake: str) -> None:
    channel = outside.slack.workspace.channels[RELEASES]
    changes: dict[str, Any] = {}
    if mistake == "not invited":
        channel.members.discard(BOT_USER)
    elif mistake == "archived":
        channel.archived = True
    else:
        changes["alert_channel"] = "C0NOSUCH"
    (finding,) = await wrong(outside, tmp_path, **changes)
    assert finding.what == "channel"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("slack_app_token", "xoxb-" + "1" * 12),
        ("slack_bot_token", "xapp-" + "1" * 12),
        ("slack_bot_token", "0123456789abcdef" * 2),
        ("slack_signing_secret", "xoxb-" + "1" * 12),
        ("github_webhook_secret", "ghp_" + "w" * 36),
        ("github_token", "npm_" + "n" * 36),
        ("github_private_key", "github_pat_" + "p" * 30),
        ("github_app_id", "tokenwatch"),
        ("github_webhook_secret", SIGNING_SECRET),
    ],
)
async def test_secrets_in_each_others_place_are_named_by_setting_alone(
    outside: Outside, tmp_path: Path, setting: str, value: str
) -> None:
    found = await wrong(outside, tmp_path, **{setting: value})
    assert any(finding.what == "secrets" and setting.upper() in finding.said for finding in found)
    assert setting == "github_app_id" or not any(value in f"{finding}" for finding in found)


async def test_files_with_secrets_that_others_may_read_are_named(outside: Outside, tmp_path: Path) -> None:
    files = [tmp_path / ".env", tmp_path / "github-app.json"]
    for file in files:
        file.write_text("")
        file.chmod(0o640)
    found = [one for one in await examine(settings_for(outside, tmp_path)) if "other accounts" in one.said]
    assert [one.mend for one in found] == ["chmod 600 .env", f"chmod 600 {files[1]}"]
    for file in files:
        file.chmod(0o600)
    assert not [one for one in await examine(settings_for(outside, tmp_path)) if "other accounts" in one.said]


async def test_a_signing_secret_of_an_unusual_look_is_a_warning(outside: Outside, tmp_path: Path) -> None:
    found = await examine(settings_for(outside, tmp_path))
    assert [finding.state for finding in found if finding.what == "secrets"] == ["warning"]
    found = await examine(settings_for(outside, tmp_path, slack_signing_secret="0123456789abcdef" * 2))
    assert [finding for finding in found if finding.what == "secrets"] == []


async def test_socket_mode_that_slack_does_not_open_is_named(outside: Outside, tmp_path: Path) -> None:
    (finding,) = await wrong(outside, tmp_path, slack_app_token="xapp-" + "1-stale")
    assert "Socket Mode" in finding.said and "connections:write" in finding.mend


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_clock_that_is_off_is_named(outside: Outside, tmp_path: Path, minutes: int) -> None:
    settings = settings_for(outside, tmp_path)
    found = await examine(settings, datetime.now(UTC) + timedelta(minutes=minutes))
    (finding,) = [one for one in found if one.state == "wrong"]
    assert finding.what == "clock" and "NTP" in finding.mend


async def test_github_that_refuses_the_credential_is_named(outside: Outside, tmp_path: Path) -> None:
    (finding,) = await wrong(outside, tmp_path, github_token="ghp_" + "x" * 36)
    assert finding.what == "github" and "GITHUB_TOKEN" in finding.mend


async def test_a_hook_whose_deliveries_cannot_be_read_is_named(outside: Outside, tmp_path: Path, app_key: str) -> None:
    outside.github.fail("/repos/acme/ui/hooks/123/deliveries", status=404, times=None)
    (finding,) = await wrong(outside, tmp_path, github_hooks="acme/ui#123,acme#456")
    assert finding.what == "sweep" and "acme/ui#123" in finding.said
    outside.github.fail("/app/hook/deliveries", status=404, times=None)
    as_app = {"github_token": None, "github_app_id": "12345", "github_private_key": app_key}
    (finding,) = await wrong(outside, tmp_path, **as_app)
    assert finding.what == "sweep" and "app" in finding.said


async def test_a_registry_that_is_down_is_a_warning(outside: Outside, tmp_path: Path) -> None:
    outside.registry.fail(".", status=503, times=None)
    found = await examine(settings_for(outside, tmp_path))
    assert [finding.state for finding in found if finding.what == "registry"] == ["warning"]


async def test_an_app_that_lacks_a_permission_or_event_is_named(outside: Outside, tmp_path: Path, app_key: str) -> None:
    as_app = {"github_token": None, "github_app_id": "12345", "github_private_key": app_key}
    assert await wrong(outside, tmp_path, **as_app) == []
    del outside.github.api.permissions["secrets"]
    (finding,) = await wrong(outside, tmp_path, **as_app)
    assert "secrets: read" in finding.said


async def test_a_key_that_is_no_key_is_one_finding(outside: Outside, tmp_path: Path) -> None:
    found = await wrong(outside, tmp_path, github_token=None, github_app_id="1", github_private_key="/no/such/file")
    assert [finding.what for finding in found] == ["github"] and "PEM file" in found[0].mend


@pytest.mark.parametrize("as_file", [False, True])
async def test_an_app_installation_reads_logs_with_a_token_it_renews(
    outside: Outside, tmp_path: Path, app_key: str, as_file: bool
) -> None:
    key = app_key
    if as_file:
        (tmp_path / "key.pem").write_text(app_key)
        key = str(tmp_path / "key.pem")
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="12345", github_private_key=key)
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.rejected())
        await running.worked(1)
        assert len(running.cards()) == 1
        assert len(outside.github.asked("POST /app/installations")) == 1


async def test_an_installation_token_is_renewed_before_it_ends(outside: Outside, tmp_path: Path, app_key: str) -> None:
    hands = Hands()
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="12345", github_private_key=app_key)
    run = outside.github.add_run()
    async with aiohttp.ClientSession() as session:
        github = GitHub(session, settings.github_api_url, Auth(settings), hands.now)
        for minutes in (0, 10, 45):
            hands.ahead += timedelta(minutes=minutes)
            await github.jobs(Run(run.repo, run.id, 1, "x"))
    assert len(outside.github.asked("POST /app/installations")) == 2
