"""A running bot and the world around it, with the shortcuts that every story needs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.app import Bot
from bot.demo.github import job_from_log
from bot.demo.outside import Outside
from bot.demo.slack.workspace import OPS, RELEASES, Message
from bot.settings import Settings
from storage import deliveries
from storage.database import Database

SIGNING_SECRET = "signing-secret-of-the-tests"
WEBHOOK_SECRET = "webhook-secret-of-the-tests"


class Hands:
    """A clock that tests move: real time plus what was added."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Running:
    """A bot, the world around it, and the shortcuts that every story needs."""

    bot: Bot
    outside: Outside
    settings: Settings
    hands: Hands

    @property
    def db(self) -> Database:
        return self.bot.deps.db

    def cards(self, channel: str = RELEASES) -> list[Message]:
        return [message for message in self.outside.slack.messages(channel) if message.by_bot]

    def thread(self, card: Message) -> list[str]:
        return [message.text for message in self.outside.slack.messages(card.channel, thread=card.ts)]

    async def answered(self, asking: Awaitable[Any], user: str, channel: str = RELEASES) -> Message:
        """What a person is told, after a sign of life or not; `asking`: a command or shortcut about to be sent."""

        def told() -> list[Message]:
            found = self.outside.slack.messages(channel, ephemeral=True)
            return [one for one in found if one.ephemeral_to == user and not one.text.startswith("Still looking")]

        before = len(told())
        await asking
        await self.outside.slack.until(lambda: len(told()) > before, timeout_s=30.0, what="an answer")
        return told()[-1]

    async def deliver_run(self, log: str = "", **run: Any) -> Any:
        """A finished run with one job, delivered; returns GitHub's record of the delivery."""
        conclusion = run.get("conclusion", "failure")
        job_conclusion = "success" if conclusion == "success" else "failure"
        made = self.outside.github.add_run(
            jobs=run.pop("jobs", None) or [job_from_log("release", log, conclusion=job_conclusion)], **run
        )
        return await self.outside.github.send_run(made)

    async def worked(self, count: int | None = None) -> None:
        """Until every delivery is finished (`count`: at least so many) and nothing waits in the outbox."""

        def look(connection: Any) -> bool:
            open_, _ = deliveries.unfinished(connection)
            unsent = connection.value("SELECT COUNT(*) FROM messages WHERE state NOT IN ('sent', 'dead')")
            done = connection.value("SELECT COUNT(*) FROM deliveries")
            return not open_ and not unsent and (count is None or done >= count)

        await self.outside.slack.until(lambda: self.db.read_now(look), what="all work to be done")


KEPT = "SELECT (SELECT COUNT(*) FROM arrivals) + (SELECT COUNT(*) FROM deliveries)"  # looked at already or not


def settings_for(outside: Outside, tmp_path: Path, **changes: Any) -> Settings:
    outside.github.api.token = "ghp_" + "t" * 36
    given: dict[str, Any] = {
        "slack_bot_token": outside.slack.bot_token,
        "slack_signing_secret": SIGNING_SECRET,
        "slack_api_url": outside.slack_api_url,
        "alert_channel": RELEASES,
        "digest_channel": OPS,  # a digest may be due at any hour the tests run
        "github_webhook_secret": WEBHOOK_SECRET,
        "github_token": outside.github.api.token,
        "github_api_url": outside.github_api_url,
        "npm_registry_url": outside.registry_url,
        "database_url": f"sqlite:///{tmp_path / 'tokenwatch.db'}",
    }
    return Settings(_env_file=None, **(given | changes))


@contextlib.asynccontextmanager
async def running_bot(outside: Outside, settings: Settings, hands: Hands | None = None) -> AsyncIterator[Running]:
    hands = hands or Hands()
    async with Bot.start(settings, host="127.0.0.1", port=0, now=hands.now) as bot:
        outside.bot_at(bot.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        yield Running(bot, outside, settings, hands)
