"""Everything outside the bot in one: GitHub, Slack, the npm registry and the sandbox page, each on a loopback port.

async with Outside.start() as outside:
    outside.slack_api_url, outside.github_api_url, outside.registry_url, outside.page_url
    outside.bot_at("http://127.0.0.1:8080", signing_secret="...", webhook_secret="...")
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from bot.demo.github import GitHub
from bot.demo.registry import Registry
from bot.demo.sandbox import Sandbox
from bot.demo.serving import Serving
from bot.demo.slack import Slack


class Outside:
    """Made with `Outside.start()`; the four addresses are good until its block ends."""

    def __init__(self) -> None:
        self.github = GitHub()
        self.slack = Slack()
        self.registry = Registry()
        self.sandbox = Sandbox(self.slack)
        self.slack_api_url = ""
        self.github_api_url = ""
        self.registry_url = ""
        self.page_url = ""

    @classmethod
    @asynccontextmanager
    async def start(
        cls, *, page_port: int = 0, slack_port: int = 0, github_port: int = 0, registry_port: int = 0
    ) -> AsyncIterator[Self]:
        """Port 0 takes a free one."""
        outside = cls()
        async with (
            Serving(outside.github.blobs.app) as blobs,
            Serving(outside.github.app, github_port) as github,
            Serving(outside.slack.app, slack_port) as slack,
            Serving(outside.registry.app, registry_port) as registry,
            Serving(outside.sandbox.app, page_port) as page,
        ):
            outside.github.listens_at(github, blobs)
            outside.slack.listens_at(slack)
            outside.slack_api_url = f"{slack.url}/api/"
            outside.github_api_url = github.url
            outside.registry_url = registry.url
            outside.page_url = f"{page.url}/"
            yield outside

    def bot_at(self, url: str, *, signing_secret: str = "", webhook_secret: str = "") -> None:
        """Where the bot listens, and the secrets it was given."""
        self.slack.bot_at(f"{url.rstrip('/')}/slack/events", signing_secret)
        self.github.deliver_to(f"{url.rstrip('/')}/github/webhooks", webhook_secret)
