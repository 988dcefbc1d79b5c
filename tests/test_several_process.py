"""The real process with several workspaces, as an operator runs it: installed, stopped, started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.demo.github import job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.serving import Serving
from bot.demo.slack.oauth import CLIENT_ID, CLIENT_SECRET, AppOfSeveral
from bot.demo.slack.workspace import RELEASES, TEAM_ID
from tests import npm_logs
from tests.running import SIGNING_SECRET, WEBHOOK_SECRET

ROOT = Path(__file__).parent.parent


@contextlib.asynccontextmanager
async def served(outside: Outside, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A life of the process: its address, and its log. It must end well on SIGTERM."""
    log = tmp_path / f"log-{len(list(tmp_path.glob('log-*')))}"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", cwd=tmp_path, env=environment, stderr=file, stdout=file
        )
    try:

        def listening() -> dict[str, Any] | None:
            assert process.returncode is None, log.read_text()
            lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
            return next((line for line in lines if line["event"] == "listening"), None)

        found = await outside.slack.until(listening, what="the bot to listen")
        assert found is not None
        url = f"http://127.0.0.1:{found['port']}"
        outside.bot_at(url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        yield url, log
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_what_was_installed_goes_on_after_a_restart_and_no_secret_is_logged(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    outside.slack.server.bot_token = "xoxb-7011-7022-" + "acmeacmeacmeacme"
    app = AppOfSeveral(outside.slack)
    (tmp_path / "data" / "workspaces").mkdir(parents=True)
    file = tmp_path / "data" / "workspaces" / f"{TEAM_ID}.env"
    file.write_text(f"GITHUB_OWNERS=acme\nALERT_CHANNEL={RELEASES}\n")
    async with Serving(app.app) as front:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
            "SLACK_CLIENT_ID": CLIENT_ID,  # in the environment, where Slack's SDK would look for itself
            "SLACK_CLIENT_SECRET": CLIENT_SECRET,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": f"{front.url}/api/",
            "PUBLIC_URL": "https://bot.example.com",
            "GITHUB_APP_ID": str(payloads.APP_ID),
            "GITHUB_PRIVATE_KEY": app_key.replace("\n", "\\n"),
            "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GITHUB_API_URL": outside.github_api_url,
            "NPM_REGISTRY_URL": outside.registry_url,
            "HOST": "127.0.0.1",
            "PORT": "0",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
        }
        async with served(outside, environment, tmp_path) as (url, log), aiohttp.ClientSession() as session:
            async with session.get(f"{url}/slack/install", allow_redirects=False) as reply:
                outward, cookie = reply.headers["Location"], reply.headers["Set-Cookie"].partition(";")[0]
            async with session.get(outward, allow_redirects=False) as reply:
                back = urlsplit(reply.headers["Location"])
            async with session.get(f"{url}{back.path}?{back.query}", headers={"Cookie": cookie}) as reply:
                assert reply.status == 200 and "Tokenwatch is installed" in await reply.text()
            assert "/tokens status" in str((await outside.slack.command(text="help")).replies[-1].blocks)
        async with served(outside, environment, tmp_path) as (url, again):
            jobs = [job_from_log("release", npm_logs.rejected(), conclusion="failure")]
            run = outside.github.add_run(jobs=jobs, conclusion="failure")
            assert (await outside.github.send_run(run)).status == 202
            await outside.slack.until(lambda: [one for one in outside.slack.messages(RELEASES) if one.by_bot])
            async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as reply:
                assert reply.status == 200
    said = log.read_text() + again.read_text()
    assert outside.slack.bot_token not in said and CLIENT_SECRET not in said and "Traceback" not in said
    assert not (tmp_path / "home").exists()
