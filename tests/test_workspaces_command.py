"""Several workspaces on the command line: which there are, which one a command is about, and what the doctor finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.outside import Outside
from bot.demo.slack.oauth import CLIENT_ID, CLIENT_SECRET
from bot.demo.slack.workspace import BOT_USER, RELEASES, TEAM_ID
from bot.doctor import examine
from bot.doctor.finding import Finding
from bot.settings import Settings, SettingsError, load_settings
from bot.settings_together import of_one_workspace
from bot.workspace_settings import MAY_DIFFER
from storage import deliveries
from storage.database import Connection
from tests.two_workspaces import GLOBEX_ID, GLOBEX_INSTALLATION, Two, let_in, one_bot, two_workspaces

ROOT = Path(__file__).parent.parent


@pytest_asyncio.fixture
async def two(outside: Outside, tmp_path: Path, app_key: str) -> AsyncIterator[Two]:
    async with two_workspaces(outside, tmp_path, app_key) as started:
        for workspace in (started.acme, started.globex):
            await started.install(workspace)
        yield started


@pytest.fixture
def in_env(tmp_path: Path) -> None:
    lines = (f"SLACK_CLIENT_ID={CLIENT_ID}", f"SLACK_CLIENT_SECRET={CLIENT_SECRET}")
    (tmp_path / ".env").write_text("\n".join((*lines, f"DATABASE_URL=sqlite:///{tmp_path / 'tokenwatch.db'}")))


def run(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


async def wrong(two: Two) -> list[Finding]:
    found = await examine(two.settings)
    assert all(finding.mend for finding in found if finding.state == "wrong")
    return [finding for finding in found if finding.state == "wrong"]


def test_each_command_is_about_one_workspace(tmp_path: Path, in_env: None) -> None:
    let_in(tmp_path, "T0AAA", "GITHUB_OWNERS=acme")
    let_in(tmp_path, "T0BBB", "GITHUB_OWNERS=globex")
    run("--workspace", "T0AAA", "tokens", "add", "acme-ci")
    run("tokens", "add", "globex-ci", TOKENWATCH_WORKSPACE="T0BBB")
    assert "globex-ci" not in run("--workspace", "T0AAA", "tokens", "list").stdout
    assert "globex-ci" in run("--workspace", "T0BBB", "tokens", "list").stdout
    said = run("tokens", "list", code=2).stderr
    assert "--workspace TEAM before the command (T0AAA, T0BBB)" in said
    assert "T0CCC.env is not there" in run("--workspace", "T0CCC", "tokens", "list", code=2).stderr
    assert "no id of a Slack workspace" in run("--workspace", "../T0AAA", "tokens", "list", code=2).stderr
    run("--workspace", "T0AAA", "backup", str(tmp_path / "copy.db"))
    assert b"acme-ci" in (tmp_path / "copy.db").read_bytes()


def test_a_bot_of_one_workspace_takes_no_other(tmp_path: Path) -> None:
    said = run("--workspace", "T0AAA", "tokens", "list", code=2).stderr
    assert "this one has one" in said
    assert "SLACK_CLIENT_ID" in run("workspaces", "list", code=2).stderr


def test_nobody_let_in_is_said_with_what_to_do(tmp_path: Path, in_env: None) -> None:
    assert "workspaces/TEAM.env" in run("workspaces", "list").stdout


async def test_the_list_shows_who_installed_and_of_whom_each_hears(two: Two, tmp_path: Path, in_env: None) -> None:
    let_in(tmp_path, "T0LATER", "GITHUB_OWNERS=initech")
    rows = [json.loads(line) for line in run("workspaces", "list", "--json").stdout.splitlines()]
    by_team = {row["team"]: row for row in rows}
    assert by_team[GLOBEX_ID]["github_owners"] == ["globex", "globex-labs"]
    assert by_team[TEAM_ID]["installed_by"] == "U07MARA0001" and by_team["T0LATER"]["installed_at"] is None
    assert "xoxb" not in str(rows)
    assert "not yet" in run("workspaces", "list").stdout
    let_in(tmp_path, "T0LATER")
    assert "lacks GITHUB_OWNERS" in run("workspaces", "list", "--json", code=1).stdout


async def test_two_that_are_well_have_only_good_findings(two: Two) -> None:
    assert await wrong(two) == []
    found = [finding.said for finding in await examine(two.settings) if finding.what == "workspace"]
    assert len(found) == 2 and all("is installed and well" in said for said in found)


@pytest.mark.parametrize(
    "mistake",
    ["channel", "scope", "token", "file gone", "file wrong", "no channel", "other secret", "app not installed"],
)
async def test_each_mistake_is_named_with_its_workspace_and_readyz_agrees(
    two: Two, tmp_path: Path, mistake: str
) -> None:
    said = ""
    match mistake:
        case "channel":
            two.globex.workspace.channels[RELEASES].members.discard(BOT_USER)
            said = "the bot is not in #"
        case "scope":
            two.globex.server.scopes = two.globex.server.scopes - {"channels:history"}
            said = "scope channels:history is missing"
        case "token":
            two.app.installed.discard(GLOBEX_ID)
            said = "Slack refuses the bot token"
        case "file gone":
            (tmp_path / "workspaces" / f"{GLOBEX_ID}.env").unlink()
            said = "is not there"
        case "file wrong":
            let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex", "PORT=1")
            said = "PORT in"
        case "no channel":
            (tmp_path / "workspaces" / f"{GLOBEX_ID}.env").write_text("GITHUB_OWNERS=globex\n")
            said = "ALERT_CHANNEL is not set"
        case "other secret":
            two.settings = two.settings.model_copy(update={"slack_client_secret": two.settings.slack_signing_secret})
            said = "sealed with another SLACK_CLIENT_SECRET"
        case "app not installed":
            listed = two.outside.github.api.installations
            assert listed is not None
            two.outside.github.api.installations = [one for one in listed if one["id"] != GLOBEX_INSTALLATION]
            said = "is not installed at globex"
    found = [finding for finding in await wrong(two) if GLOBEX_ID in finding.said]
    assert found and any(said in finding.said for finding in found)
    async with one_bot(two):
        status, page, _ = await two.browse("/readyz")
        checks = json.loads(page)["checks"]
        assert status == 503 and any(said in text for name, text in checks.items() if GLOBEX_ID in name), checks


async def test_a_workspaces_file_with_a_token_is_for_nobody_else(two: Two, tmp_path: Path) -> None:
    file = let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex", "NPM_READ_TOKEN=not-shown")
    file.chmod(0o644)
    found = [
        finding
        for finding in await examine(two.settings)
        if finding.what == "secrets" and "holds a token" in finding.said
    ]
    assert len(found) == 1 and "chmod 600" in found[0].mend and "not-shown" not in str(found)


async def test_what_is_not_installed_yet_is_no_mistake_and_nobody_let_in_is(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    async with two_workspaces(outside, tmp_path, app_key) as two:
        found = [finding for finding in await examine(two.settings) if finding.what == "workspace"]
        assert [finding.state for finding in found] == ["warning", "warning"]
        assert all("https://bot.example.com/slack/install" in finding.mend for finding in found)
        for file in (tmp_path / "workspaces").iterdir():
            if file.suffix == ".env":
                file.unlink()
        assert [finding.said for finding in await wrong(two)] == ["no workspace is let in"]
        status, page, _ = await two.browse("/readyz")
        assert status == 503 and "no workspace is let in" in json.loads(page)["checks"]["workspaces"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("SLACK_CLIENT_ID=1.2", "go together"),
        ("SLACK_CLIENT_SECRET=abc", "go together"),
        ("SLACK_CLIENT_ID=1.2\nSLACK_CLIENT_SECRET=abc\nSLACK_BOT_TOKEN=xoxb-1", "SLACK_BOT_TOKEN and SLACK_CLIENT_ID"),
        ("SLACK_CLIENT_ID=1.2\nSLACK_CLIENT_SECRET=abc\nSLACK_APP_TOKEN=xapp-1", "public address"),
        ("SLACK_CLIENT_ID=1.2\nSLACK_CLIENT_SECRET=abc\nGITHUB_TOKEN=ghp", "GitHub App"),
        ("SLACK_CLIENT_ID=1.2\nSLACK_CLIENT_SECRET=abc\nALERT_CHANNEL=C0123ABCD", "in its file"),
        ("GITHUB_OWNERS=acme", "one of several workspaces"),
        ("GITHUB_OWNERS=acme/ui", "must be names"),
    ],
)
def test_settings_that_contradict_each_other_are_named(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "some.env").write_text(lines)
    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path / "some.env")
    assert any(said in line for line in error.value.lines)


def test_every_setting_is_of_the_process_or_of_a_workspace() -> None:
    """A new one has to be thought about: an id, a name or a credential of one customer must not serve another."""
    of_the_process = {
        *("slack_bot_token", "slack_signing_secret", "slack_app_token", "slack_client_id", "slack_client_secret"),
        *("slack_api_url", "github_webhook_secret", "github_app_id", "github_private_key", "github_token"),
        *("github_api_url", "npm_registry_url", "database_url", "host", "port", "public_url", "sweep_every"),
        *("log_level", "log_format", "metrics_token", "sentry_dsn"),
    }
    known = {*of_the_process, *of_one_workspace(Settings.model_fields), *MAY_DIFFER}
    assert known == set(Settings.model_fields)
    page = (ROOT / "docs" / "workspaces.md").read_text()
    assert all(f"`{name.upper()}`" in page for name in known - of_the_process)


async def test_the_gauges_are_those_of_all_together(two: Two) -> None:
    for team in (TEAM_ID, GLOBEX_ID):
        await two.db(team).write(_dead_delivery, datetime.now(UTC))
    page = (await two.browse("/metrics"))[1]
    assert "tokenwatch_deliveries_dead 2.0" in page


def test_names_in_the_store_and_workspaces_are_completed(tmp_path: Path, in_env: None) -> None:
    let_in(tmp_path, "T0AAA", "GITHUB_OWNERS=acme")
    for name in ("npm-acme-ci", "npm-acme-old", "pypi-acme"):
        run("--workspace", "T0AAA", "tokens", "add", name)

    def completed(words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv=['tokenwatch']; from bot.__main__ import main; main()"],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "_TOKENWATCH_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
            },
        )
        assert done.stderr == ""
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert completed("tokenwatch --workspace T0AAA tokens show npm-") == ["npm-acme-ci", "npm-acme-old"]
    assert completed("tokenwatch --workspace T0AAA tokens map p") == ["pypi-acme"]
    assert completed("tokenwatch --workspace T") == ["T0AAA"]
    assert completed("tokenwatch tokens show npm-") == [], "of which workspace is not said"
    (tmp_path / ".env").write_text("PORT=wrong")
    assert completed("tokenwatch tokens show npm-") == []


def test_completing_makes_no_database(tmp_path: Path) -> None:
    from click.shell_completion import ShellComplete

    from bot.__main__ import cli

    found = ShellComplete(cli, {}, "tokenwatch", "_TOKENWATCH_COMPLETE").get_completions(["tokens", "show"], "")
    assert found == [] and not list(tmp_path.rglob("*.db"))


def _dead_delivery(connection: Connection, now: datetime) -> None:
    deliveries.receive(connection, guid="g", event="push", action=None, repository="acme/ui", body=b"{}", now=now)
    connection.execute("UPDATE deliveries SET state = 'dead'")
