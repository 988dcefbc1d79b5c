"""What every handler receives: built once in `bot.app`, never changed, nothing global beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from slack_sdk.web.async_client import AsyncWebClient

from bot.github.client import GitHub
from bot.permissions import Permissions
from bot.registries.npm.packument import NpmRegistry
from bot.registries.npm.stage_list import StageList
from bot.settings import Settings
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Deps:
    """`now` gives an aware UTC datetime; `queued` is called after a commit that left Slack messages to send; `stages`:
    None without a token that may read npm's list."""

    settings: Settings
    db: Database
    github: GitHub
    npm: NpmRegistry
    slack: AsyncWebClient | None
    permissions: Permissions
    now: Callable[[], datetime]
    queued: Callable[[], None]
    stages: StageList | None = None
