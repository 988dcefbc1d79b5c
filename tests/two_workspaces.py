"""One bot, two workspaces that installed it by themselves, with the same people and channel ids in both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.app import Bot
from bot.demo.github import job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.serving import Serving
from bot.demo.slack import Slack
from bot.demo.slack.oauth import CLIENT_ID, CLIENT_SECRET, AppOfSeveral
from bot.demo.slack.workspace import MARA, OPS, RELEASES, TEAM_ID, Message
from bot.settings import Settings
from storage.database import Connection, Database
from tests.running import SIGNING_SECRET, WEBHOOK_SECRET, Hands, settings_for

GLOBEX_ID = "T07GLOBEX01"
ACME_INSTALLATION, GLOBEX_INSTALLATION = payloads.INSTALLATION_ID, 61773302
PUBLIC_URL = "https://bot.example.com"


@dataclass
class Two:
    """`outside.slack` is Acme's workspace, which hears of acme; `globex` hears of globex and globex-labs."""

    bot: Bot
    outside: Outside
    globex: Slack
    app: AppOfSeveral
    settings: Settings
    hands: Hands

    @property
    def acme(self) -> Slack:
        return self.outside.slack

    async def browse(self, path: str, cookie: str = "") -> tuple[int, str, dict[str, str]]:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self.bot.url + path, headers={"Cookie": cookie}, allow_redirects=False) as reply,
        ):
            return reply.status, await reply.text(), dict(reply.headers)

    async def to_slack(self) -> tuple[str, str]:
        """Begins to install; returns the path that Slack sends the browser back to, and the browser's cookie."""
        status, _, headers = await self.browse("/slack/install")
        assert status == 302
        async with aiohttp.ClientSession() as session, session.get(headers["Location"], allow_redirects=False) as reply:
            assert reply.status == 302, await reply.text()
            back = urlsplit(reply.headers["Location"])
        assert f"{back.scheme}://{back.netloc}" == PUBLIC_URL
        return f"{back.path}?{back.query}", headers["Set-Cookie"].partition(";")[0]

    async def install(self, workspace: Slack) -> tuple[int, str]:
        self.app.chooses = workspace
        status, page, _ = await self.browse(*await self.to_slack())
        return status, page

    async def deliver(self, repo: str, log: str, **run: Any) -> Any:
        """A failed run of this repository, delivered."""
        number = GLOBEX_INSTALLATION if repo.startswith("globex") else ACME_INSTALLATION
        made = self.outside.github.add_run(
            repo=repo, jobs=[job_from_log("release", log, conclusion="failure")], conclusion="failure", **run
        )
        return await self.outside.github.send_run(made, installation=number)

    async def told(self, workspace: Slack, text: str) -> Message:
        """What `/tokens ...` is answered, however busy the machine is."""

        def answers() -> list[Message]:
            found = [one for one in workspace.messages(ephemeral=True) if one.ephemeral_to == MARA.id]
            return [one for one in found if not one.text.startswith("Still looking")]

        before = len(answers())
        await workspace.command(text=text)
        await workspace.until(lambda: len(answers()) > before, what="an answer")
        return answers()[-1]

    def db(self, team: str) -> Database:
        assert self.bot.several is not None
        return self.bot.several.running[team].deps.db

    async def worked(self, team: str, count: int) -> None:
        """Until so many deliveries of this workspace are finished and nothing waits in its outbox."""

        def look(connection: Connection) -> bool:
            done = connection.value("SELECT COUNT(*) FROM deliveries WHERE state IN ('done', 'dead')")
            unsent = connection.value("SELECT COUNT(*) FROM messages WHERE state NOT IN ('sent', 'dead')")
            return bool(done >= count and not unsent)

        await self.acme.until(lambda: self.db(team).read_now(look), what=f"the work of {team}")


def cards(slack: Slack, channel: str = RELEASES) -> list[Message]:
    return [message for message in slack.messages(channel) if message.by_bot]


def let_in(tmp_path: Path, team: str, *lines: str) -> Path:
    (tmp_path / "workspaces").mkdir(exist_ok=True)
    file = tmp_path / "workspaces" / f"{team}.env"
    file.write_text("\n".join((f"ALERT_CHANNEL={RELEASES}", f"DIGEST_CHANNEL={OPS}", *lines)))
    return file


def settings_of_several(outside: Outside, api_url: str, tmp_path: Path, app_key: str, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "slack_bot_token": None,
        "slack_client_id": CLIENT_ID,
        "slack_client_secret": CLIENT_SECRET,
        "slack_api_url": api_url,
        "alert_channel": None,
        "digest_channel": None,
        "github_token": None,
        "github_app_id": str(payloads.APP_ID),
        "github_private_key": app_key,
        "public_url": PUBLIC_URL,
    }
    settings = settings_for(outside, tmp_path, **(given | changes))
    outside.github.api.token = "ghp_" + "u" * 36  # nobody's: only what the App is given opens anything
    granted = payloads.installation(outside.github.api.permissions, outside.github.api.events)
    outside.github.api.installations = [
        granted | {"id": number, "account": payloads.user(owner, "Organization")}
        for owner, number in (("acme", ACME_INSTALLATION), ("globex", GLOBEX_INSTALLATION), ("globex-labs", 71773302))
    ]
    return settings


@contextlib.asynccontextmanager
async def one_bot(two: Two) -> AsyncIterator[Two]:
    """The bot of `two` started (anew)."""
    async with Bot.start(two.settings, host="127.0.0.1", port=0, now=two.hands.now) as bot:
        two.bot = bot
        two.outside.bot_at(bot.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        two.globex.bot_at(f"{bot.url}/slack/events", SIGNING_SECRET)
        yield two


@contextlib.asynccontextmanager
async def two_workspaces(outside: Outside, tmp_path: Path, app_key: str, **changes: Any) -> AsyncIterator[Two]:
    """Both are let in, and neither has installed anything yet."""
    globex = Slack(GLOBEX_ID, "xoxb-globex")
    app = AppOfSeveral(outside.slack, globex)
    async with Serving(app.app) as front, Serving(globex.app) as own:
        globex.listens_at(own)
        let_in(tmp_path, TEAM_ID, "GITHUB_OWNERS=acme")
        let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex,globex-labs", "TIMEZONE=Asia/Tokyo")
        settings = settings_of_several(outside, f"{front.url}/api/", tmp_path, app_key, **changes)
        # The bot is put in its place by `one_bot`.
        async with one_bot(Two(None, outside, globex, app, settings, Hands())) as two:  # type: ignore[arg-type]
            yield two
