"""The settings of one of several workspaces: those of the process, and its own file beside the database.

`workspaces/T0123ABCD.env`, written by whoever runs the bot. Without it a workspace cannot install the app, and it alone
says of which GitHub owners a workspace hears: nobody in Slack can claim the failures of others.
"""

from __future__ import annotations

import re
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from bot.settings import Settings, SettingsError, said
from bot.settings_together import of_one_workspace
from storage.database import path_of

DIRECTORY = "workspaces"
TEAM = re.compile(r"T[A-Z0-9]{2,30}")
MAY_DIFFER = (
    "timezone",
    "reminder_time",
    "reminder_days",
    "workdays",
    "holidays",
    "claim_stale_after",
    "escalate_after",
    "quiet_hours",
    "retention_days",
)


class _Given(Settings):
    """Checks what it is given, and looks nowhere else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def directory_of(settings: Settings) -> Path:
    return path_of(settings.database_url).absolute().with_name(DIRECTORY)


def file_of(settings: Settings, team: str) -> Path:
    """Raises SettingsError for what is no id of a workspace: it becomes the name of a file."""
    if not TEAM.fullmatch(team):
        raise SettingsError(["This is no id of a Slack workspace: they look like T0123ABCD."])
    return directory_of(settings) / f"{team}.env"


def let_in(settings: Settings) -> list[str]:
    """The ids of the workspaces that have a file."""
    return sorted(path.stem for path in directory_of(settings).glob("T*.env") if TEAM.fullmatch(path.stem))


def workspace_settings(settings: Settings, team: str, bot_token: str | None = None) -> Settings:
    """Raises SettingsError with one line for each thing that is wrong in the workspace's file, or that it lacks."""
    path = file_of(settings, team)
    if not path.is_file():
        raise SettingsError([f"{path} is not there: it says of which GitHub owners {team} hears"])
    try:
        own = {name.lower(): value for name, value in dotenv_values(path, interpolate=False).items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} cannot be read: {type(error).__name__}"]) from None
    allowed = (*of_one_workspace(Settings.model_fields), *MAY_DIFFER)
    lines = [f"{name.upper()} in {path} is no setting of a workspace" for name in own if name not in allowed]
    if not own.get("github_owners"):
        lines.append(f"{path} lacks GITHUB_OWNERS: the workspace would hear of nothing")
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    values |= {name: value for name, value in own.items() if name in allowed and value is not None}
    values["database_url"] = f"sqlite:///{path.with_suffix('.db')}"
    values["slack_bot_token"] = SecretStr(bot_token) if bot_token else None
    try:
        made = _Given(**values)
    except ValidationError as error:
        lines += [f"{str(found['loc'][0]).upper()} in {path} {said(found['msg'])}" for found in error.errors()]
    if lines:
        raise SettingsError(lines)
    return made
