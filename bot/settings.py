"""Every setting, from the environment or `.env`, checked before anything starts.

A wrong or unknown setting becomes one line that names it, never its value: many of them are secrets.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Iterable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import TokenwatchError
from bot.github.app_file import beside, load
from bot.quiet_hours import QuietHours, read_hours
from bot.settings_together import contradictions
from bot.workdays import Workdays, read_weekdays

_DURATION = re.compile(r"(\d{1,6})\s*([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Only names with these beginnings can be ours misspelt; anything else in the environment is somebody else's.
_OUR_BEGINNINGS = (
    "SLACK_",
    "GITHUB_",
    "NPM_REG",
    "ALERT_",
    "DIGEST_",
    "CHANNEL_R",
    "REMINDER_",
    "CLAIM_",
    "ESCALATE_",
    "QUIET_",
)
_NEAR = 0.9


class SettingsError(TokenwatchError):
    """Settings that cannot be used; `lines` has one sentence per setting, without values."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("settings", "\n".join(lines))
        self.lines = lines


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", value):
        raise ValueError("must be an http(s) URL without user or password")
    return value


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    if not match or int(match[1]) == 0:
        raise ValueError("must be a duration such as 30m, 4h or 2d")
    return timedelta(seconds=int(match[1]) * _UNIT_S[match[2]])


def _at_least_a_minute(value: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= value <= timedelta(days=1):
        raise ValueError("must be between 1m and 1d")
    return value


def _clock_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value.strip()):
        raise ValueError("must be a time of day such as 09:00")
    hours, minutes = value.strip().split(":")
    return time(int(hours), int(minutes))


def _zone(value: str) -> str:
    if value not in available_timezones():
        near = difflib.get_close_matches(value, sorted(available_timezones()), 1)
        raise ValueError("is not a time zone name" + (f": did you mean {near[0]}?" if near else ""))
    return value


def _days(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        days = sorted({int(part) for part in value.split(",") if part.strip()}, reverse=True)
    except ValueError:
        raise ValueError("must be days such as 60,30,14,7,3,1,0") from None
    if not days or days[-1] < 0:
        raise ValueError("must be days such as 60,30,14,7,3,1,0")
    return tuple(days)


def _weekdays(value: object) -> object:
    return read_weekdays(value) if isinstance(value, str) else value


def _dates(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(date.fromisoformat(part) for part in _parts(value))
    except ValueError:
        raise ValueError("must be days such as 2026-12-25,2027-01-01") from None


def _hours(value: object) -> object:
    return read_hours(value) if isinstance(value, str) else value


def _list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _routes(value: object) -> object:
    if not isinstance(value, str):
        return value
    routes = []
    for part in _parts(value):
        pattern, equals, channel = part.partition("=")
        if not equals or not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)?", pattern) or not _is_channel(channel.strip()):
            raise ValueError("must look like acme/ui=C0123ABC,acme/*=C0456DEF")
        routes.append((pattern.strip(), channel.strip()))
    return tuple(routes)


def _owners(value: object) -> object:
    if not isinstance(value, str):
        return value
    for part in _parts(value):
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})", part):
            raise ValueError("must be names of GitHub organisations or people such as acme,acme-labs")
    return _parts(value)


def _hooks(value: object) -> object:
    if not isinstance(value, str):
        return value
    for part in _parts(value):
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?#\d+", part):
            raise ValueError("must look like acme/ui#123,acme#456")
    return _parts(value)


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _is_channel(value: str) -> bool:
    return re.fullmatch(r"[CDG][A-Z0-9]{1,40}", value) is not None


def _channel(value: str | None) -> str | None:
    if value and not _is_channel(value):
        raise ValueError("must be a channel id such as C0123ABCD (open the channel's details in Slack to copy it)")
    return value or None


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_none_if_empty)]
Url = Annotated[str, AfterValidator(_url)]
Channel = Annotated[str | None, AfterValidator(_channel)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Settings(BaseSettings):
    """The settings of one bot. Names are the environment variables in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="forbid", hide_input_in_errors=True)

    slack_bot_token: OptionalSecret = Field(None, description="Bot token of the Slack app (xoxb-...).")
    slack_signing_secret: OptionalSecret = Field(
        None, description="Signing secret of the Slack app; needed unless Socket Mode is used."
    )
    slack_app_token: OptionalSecret = Field(
        None, description="App-level token (xapp-...): set it to use Socket Mode, without a public Slack URL."
    )
    slack_client_id: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None, description="Client id of the Slack app, instead of a bot token: several workspaces may install it."
    )
    slack_client_secret: OptionalSecret = Field(
        None, description="Client secret of the Slack app; the workspaces' bot tokens are sealed with it."
    )
    slack_api_url: Url = Field("https://slack.com/api/", description="Base of Slack's Web API.")
    slack_admins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)] = Field(
        (), description="User or user-group ids that may change everything; empty: every full member."
    )
    alert_channel: Channel = Field(None, description="Channel id where incident cards are posted.")
    digest_channel: Channel = Field(None, description="Channel id of the daily digest; the alert channel if unset.")
    channel_routes: Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_routes)] = Field(
        (), description="Other channels for some repositories: acme/ui=C1,acme/*=C2; the first match wins."
    )
    digest_routes: Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_routes)] = Field(
        (),
        description="Other channels for the daily digest of some repositories: acme/ui=C1; what is used elsewhere too"
        " stays in the digest channel.",
    )
    github_webhook_secret: OptionalSecret = Field(
        None, description="Webhook secret; a comma-separated list while it is being rotated."
    )
    github_app_id: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None, description="App id (or client id) of the GitHub App."
    )
    github_private_key: OptionalSecret = Field(None, description="The App's private key: PEM text or a path to it.")
    github_token: OptionalSecret = Field(None, description="A GitHub token, instead of App authentication.")
    github_hooks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hooks)] = Field(
        (), description="Repository or organisation hooks the sweep covers: acme/ui#123,acme#456. An App needs none."
    )
    github_owners: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_owners)] = Field(
        (),
        description="Whom a workspace hears of: acme,acme-labs; only in its own file, see docs/workspaces.md.",
    )
    github_api_url: Url = Field("https://api.github.com", description="Base of GitHub's REST API.")
    npm_registry_url: Url = Field("https://registry.npmjs.com", description="The npm registry to read packages from.")
    npm_read_token: OptionalSecret = Field(
        None,
        description="A maintainer's read-only npm token: with it the list of staged versions is read, nothing else.",
    )
    database_url: str = Field("sqlite:///data/tokenwatch.db", description="Where the bot keeps what it remembers.")
    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - a server in a container must
    port: int = Field(3000, ge=0, le=65535, description="Port to listen on.")
    public_url: Annotated[Url | None, BeforeValidator(_none_if_empty)] = Field(
        None, description="Address under which people reach the bot, for links."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field("UTC", description="Time zone of the daily digest.")
    reminder_time: Annotated[time, BeforeValidator(_clock_time)] = Field(
        time(9, 0), description="Time of day of the daily digest."
    )
    reminder_days: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_days)] = Field(
        (60, 30, 14, 7, 3, 1, 0), description="Days before a token's end at which its owner is reminded."
    )
    workdays: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_weekdays)] = Field(
        tuple(range(7)), description="Days on which the digest is said, such as mon-fri; what falls on others waits."
    )
    holidays: Annotated[tuple[date, ...], NoDecode, BeforeValidator(_dates)] = Field(
        (), description="Days off besides: 2026-12-25,2027-01-01."
    )
    claim_stale_after: Duration = Field(
        timedelta(hours=4), description="A claim without progress is nudged after this."
    )
    escalate_after: Duration = Field(timedelta(hours=24), description="An unclaimed incident is escalated after this.")
    sweep_every: Annotated[Duration, AfterValidator(_at_least_a_minute)] = Field(
        timedelta(hours=1),
        description="How often GitHub is asked for what it could not deliver; 1m where nothing can reach the bot.",
    )
    quiet_hours: Annotated[QuietHours | None, NoDecode, BeforeValidator(_hours)] = Field(
        None,
        description="Hours such as 20:00-08:00 in which nudges, escalations and reminders wait; failures do not.",
    )
    retention_days: int = Field(90, ge=1, le=3650, description="How long deliveries and closed incidents are kept.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe lines to log.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console on a terminal."
    )
    metrics_token: OptionalSecret = Field(None, description="If set, /metrics wants it as bearer token.")
    sentry_dsn: OptionalSecret = Field(
        None, description="If set, errors are reported there; needs the extra `sentry` (see Seeing inside)."
    )

    @model_validator(mode="before")
    @classmethod
    def _lower_choices(cls, values: object) -> object:
        if isinstance(values, dict):
            for name in ("log_level", "log_format"):
                if isinstance(values.get(name), str):
                    values[name] = values[name].strip().lower()
        return values

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def calendar(self) -> Workdays:
        return Workdays(self.workdays, frozenset(self.holidays))

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Every secret a delivery may be signed with; empty refuses all."""
        secret = self.github_webhook_secret
        return _encoded(secret.get_secret_value()) if secret else ()

    @property
    def socket_mode(self) -> bool:
        return self.slack_app_token is not None

    @property
    def several(self) -> bool:
        """Whether workspaces install the app, instead of one that is set here."""
        return self.slack_client_id is not None

    @property
    def owners(self) -> frozenset[str] | None:
        """The GitHub owners (in lower case) that a workspace may ask about; None: all."""
        return frozenset(owner.lower() for owner in self.github_owners) or None

    def channel_for(self, repo: str) -> str | None:
        """Where cards of this repository go: the first matching route, else the alert channel."""
        return _routed(self.channel_routes, repo) or self.alert_channel

    def digest_channel_for(self, repos: Iterable[str]) -> str | None:
        """Where the digest tells of what belongs to these repositories: the channel that all of them share, else the
        digest channel."""
        found = {_routed(self.digest_routes, repo) for repo in repos}
        return (found.pop() if len(found) == 1 else None) or self.operators_channel

    @property
    def operators_channel(self) -> str | None:
        """Where the daily digest and words to the operators go."""
        return self.digest_channel or self.alert_channel

    @property
    def fallback_channels(self) -> tuple[str, ...]:
        """Where goes what Slack does not take in its own channel, best first."""
        return tuple(channel for channel in (self.operators_channel, self.alert_channel) if channel)

    def missing(self) -> list[str]:
        """One line for each setting without which a part of the bot's work cannot be done."""
        lines = []
        if self.several and self.public_url is None:
            lines.append("PUBLIC_URL is not set: no workspace can install the app")
        if self.slack_bot_token is None and (self.github_owners or not self.several):
            lines.append("SLACK_BOT_TOKEN is not set: nothing can be said in Slack")
        if self.slack_signing_secret is None and not self.socket_mode:
            lines.append("SLACK_SIGNING_SECRET is not set (nor SLACK_APP_TOKEN): every Slack request is refused")
        if self.alert_channel is None and (self.github_owners or not self.several):
            lines.append("ALERT_CHANNEL is not set: there is nowhere to post cards")
        if not self.webhook_secrets:
            lines.append("GITHUB_WEBHOOK_SECRET is not set: every webhook is refused")
        if self.github_token is None and (self.github_app_id is None or self.github_private_key is None):
            lines.append(
                "neither GITHUB_TOKEN nor GITHUB_APP_ID with GITHUB_PRIVATE_KEY is set: no job log can be read"
            )
        return lines


def _routed(routes: Iterable[tuple[str, str]], repo: str) -> str | None:
    """The channel of the first route that fits."""
    for pattern, channel in routes:
        wanted = re.escape(pattern if "/" in pattern else f"{pattern}/*").replace(r"\*", ".*")
        if re.fullmatch(wanted, repo, re.IGNORECASE):
            return channel
    return None


@functools.cache
def _encoded(secrets: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in _parts(secrets))


def load_settings(env_file: str | Path | None = ".env") -> Settings:
    """Read and check all settings. Raises SettingsError with one line for each wrong or unknown one."""
    lines = [*_unknown_in_file(env_file), *_misspelt_in_environment()]
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            if problem["type"] != "extra_forbidden":
                lines.append(f"{name} {said(problem['msg'])}")
        raise SettingsError(lines) from None
    lines += contradictions(settings.model_dump())
    if lines:
        raise SettingsError(lines)
    return with_app_file(settings)


def with_app_file(settings: Settings) -> Settings:
    """With the App that the set-up page made, unless GitHub credentials are set; its secret beside any other."""
    if settings.github_token or settings.github_app_id or settings.github_private_key:
        return settings
    if not settings.database_url.startswith("sqlite:///"):
        return settings
    path = beside(Path(settings.database_url.removeprefix("sqlite:///")))
    try:
        app = load(path)
    except (OSError, ValueError) as error:
        what = "cannot be read" if isinstance(error, OSError) else str(error)
        raise SettingsError([f"{path} {what}: mend it, or delete it and make the App again"]) from None
    if app is None:
        return settings
    known = settings.github_webhook_secret.get_secret_value() if settings.github_webhook_secret else None
    return settings.model_copy(
        update={
            "github_app_id": app.app_id,
            "github_private_key": SecretStr(app.private_key),
            "github_webhook_secret": SecretStr(",".join(filter(None, (known, app.webhook_secret)))),
        }
    )


def said(message: str) -> str:
    """What pydantic found wrong, as the rest of a sentence that begins with the name of the setting."""
    message = message.removeprefix("Value error, ")
    return message if message.startswith(("must", "is ")) else f"is wrong: {message[0].lower()}{message[1:]}"


def _unknown_in_file(env_file: str | Path | None) -> list[str]:
    if env_file is None or not Path(env_file).is_file():
        return []
    return [
        f"{name} in {env_file} is not a setting" + _hint(name)
        for name in dotenv_values(env_file)
        if name.lower() not in Settings.model_fields
    ]


def _misspelt_in_environment() -> list[str]:
    return [
        f"{name} is not a setting" + _hint(name)
        for name in os.environ
        if name.startswith(_OUR_BEGINNINGS) and name.lower() not in Settings.model_fields and _nearest(name, _NEAR)
    ]


def _nearest(name: str, cutoff: float) -> str | None:
    near = difflib.get_close_matches(name.upper(), [field.upper() for field in Settings.model_fields], 1, cutoff)
    return near[0] if near else None


def _hint(name: str) -> str:
    near = _nearest(name, 0.6)
    return f": did you mean {near}?" if near else ""
