"""Settings: checked before anything starts, one line each, never a value."""

from __future__ import annotations

import subprocess
import sys
from datetime import time, timedelta
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).parent.parent
CONTRACT_DEFAULTS = {
    "slack_api_url": "https://slack.com/api/",
    "slack_admins": (),
    "alert_channel": None,
    "channel_routes": (),
    "github_hooks": (),
    "github_api_url": "https://api.github.com",
    "npm_registry_url": "https://registry.npmjs.com",
    "database_url": "sqlite:///data/tokenwatch.db",
    "host": "0.0.0.0",
    "port": 3000,
    "timezone": "UTC",
    "reminder_time": time(9),
    "reminder_days": (60, 30, 14, 7, 3, 1, 0),
    "claim_stale_after": timedelta(hours=4),
    "escalate_after": timedelta(hours=24),
    "retention_days": 90,
    "log_level": "info",
    "log_format": "auto",
}


def test_defaults_are_as_promised() -> None:
    settings = load_settings(None)
    assert {name: getattr(settings, name) for name in CONTRACT_DEFAULTS} == CONTRACT_DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("TIMEZONE", "Europe/Berlinn"),
        ("REMINDER_TIME", "25:00"),
        ("REMINDER_DAYS", "7,soon"),
        ("CLAIM_STALE_AFTER", "later"),
        ("CHANNEL_ROUTES", "acme/ui"),
        ("ALERT_CHANNEL", "#releases"),
        ("GITHUB_HOOKS", "acme/ui"),
        ("GITHUB_API_URL", "api.github.com"),
        ("NPM_REGISTRY_URL", "https://user:pw@registry.npmjs.com"),
        ("LOG_LEVEL", "loud"),
        ("RETENTION_DAYS", "0"),
    ],
)
def test_a_malformed_setting_is_one_line_that_names_it_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings(None)
    assert len(error.value.lines) == 1
    assert error.value.lines[0].startswith(f"{name} ")
    assert "user:pw" not in error.value.lines[0]


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("TIMEZONE", "x")
    with pytest.raises(SettingsError) as error:
        load_settings(None)
    assert sorted(line.split()[0] for line in error.value.lines) == ["PORT", "TIMEZONE"]


def test_a_name_in_the_env_file_that_is_no_setting_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SLACK_BOT_TOKN=xoxb-1234567890-abcdefghij\nPORT=3001\n")
    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path / ".env")
    assert "SLACK_BOT_TOKEN?" in error.value.message
    assert "xoxb" not in error.value.message


def test_a_misspelt_setting_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_SIGNING_SECERT", "x")
    with pytest.raises(SettingsError, match="did you mean SLACK_SIGNING_SECRET"):
        load_settings(None)


def test_other_peoples_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOSTNAME", "GITHUB_RUN_ID", "GITHUB_ACTIONS", "SLACK_WEBHOOK", "LOGNAME"):
        monkeypatch.setenv(name, "x")
    load_settings(None)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "ALERT_CHANNEL", "GITHUB_APP_ID", "PUBLIC_URL", "METRICS_TOKEN", "SLACK_ADMINS"):
        monkeypatch.setenv(name, "")
    settings = load_settings(None)
    assert settings.slack_bot_token is None
    assert settings.alert_channel is None


def test_secrets_do_not_show_in_a_printed_settings_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "very-secret, newer")
    settings = load_settings(None)
    assert "very-secret" not in repr(settings)
    assert settings.webhook_secrets == (b"very-secret", b"newer")


def test_the_first_matching_route_wins() -> None:
    settings = Settings(_env_file=None, alert_channel="C0", channel_routes="acme/ui=C1, acme/*=C2,beta=C3")
    assert [settings.channel_for(repo) for repo in ("acme/ui", "Acme/API", "beta/x", "other/x", "acmeish/x")] == [
        "C1",
        "C2",
        "C3",
        "C0",
        "C0",
    ]


def test_what_is_not_set_up_is_said_one_line_each() -> None:
    lines = Settings(_env_file=None).missing()
    assert [line.split()[0] for line in lines] == [
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "ALERT_CHANNEL",
        "GITHUB_WEBHOOK_SECRET",
        "neither",
    ]


def test_every_setting_is_described_and_stands_in_the_example_file() -> None:
    example = (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"# {name.upper()}=" in example
        assert field.description in example


def test_the_program_ends_with_2_and_one_line_for_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=x\n")
    done = subprocess.run(
        [sys.executable, "-m", "bot", "serve"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: PORT ")
    assert done.stderr.count("\n") == 1
