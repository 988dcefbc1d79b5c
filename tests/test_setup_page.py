"""From a bot without GitHub credentials to one with an App of its own, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.app import Bot
from bot.demo.github.registering import wrongs
from bot.demo.outside import Outside
from bot.github import app_file
from bot.github.app import AppCredentials, is_reachable, web_url_of
from bot.settings import SettingsError, load_settings, with_app_file
from tests import npm_logs
from tests.running import Hands, Running, running_bot, settings_for

ROOT = Path(__file__).parent.parent
WITHOUT = {"github_token": None, "github_webhook_secret": None}


class Browser:
    """A person's browser at the set-up page: forms are sent as they are on the page, redirects are followed."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.session = aiohttp.ClientSession()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(path if path.startswith("http") else self.bot.url + path) as reply:
            self.headers = reply.headers
            return reply.status, await reply.text()

    async def post(self, path: str, **fields: str) -> tuple[int, str]:
        async with self.session.post(self.bot.url + path, data=fields) as reply:
            self.headers = reply.headers
            return reply.status, await reply.text()

    @property
    def key(self) -> str:
        assert self.bot.registration is not None
        return self.bot.registration.key

    async def to_github(self, **choices: str) -> str:
        """Fills the form, sends what comes to GitHub, and returns the address that GitHub sends back to."""
        status, page = await self.get(f"/setup?key={self.key}")
        assert status == 200 and 'name="organization"' in page
        fields = {"organization": "acme", "address": "https://bot.example.com", "keep": "file"} | choices
        status, page = await self.post("/setup", key=self.key, **fields)
        assert status == 200, page
        action = unescape(re.findall(r'action="(.*?)"', page)[0])
        manifest = unescape(re.findall(r'name="manifest" value="(.*?)"', page)[0])
        async with self.session.post(action, data={"manifest": manifest}, allow_redirects=False) as reply:
            assert reply.status == 302, await reply.text()
            return str(reply.headers["Location"])


@contextlib.asynccontextmanager
async def browsing(running: Running) -> AsyncIterator[Browser]:
    browser = Browser(running.bot)
    try:
        yield browser
    finally:
        await browser.session.close()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest_asyncio.fixture
async def bare(outside: Outside, tmp_path: Path, hands: Hands) -> AsyncIterator[Running]:
    """A bot that knows Slack but not GitHub."""
    async with running_bot(outside, settings_for(outside, tmp_path, **WITHOUT), hands) as running:
        yield running


@pytest_asyncio.fixture
async def browser(bare: Running) -> AsyncIterator[Browser]:
    async with browsing(bare) as browser:
        yield browser


async def test_one_click_makes_an_app_that_reads_logs_and_whose_webhooks_are_taken(
    outside: Outside, tmp_path: Path, bare: Running, browser: Browser
) -> None:
    status, page = await browser.get(await browser.to_github(rerun="yes"))
    assert status == 200 and "/installations/new" in page and "BEGIN" not in page
    (manifest,) = outside.github.api.registering.registered
    assert manifest["hook_attributes"]["url"] == "https://bot.example.com/github/webhooks"
    assert manifest["default_permissions"]["actions"] == "write"
    assert bare.bot.registered.is_set()
    file = tmp_path / app_file.NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = app_file.load(file)
    assert made is not None and made.webhook_secret not in page
    settings = with_app_file(settings_for(outside, tmp_path, **WITHOUT, database_url=f"sqlite:///{tmp_path / 'b.db'}"))
    assert settings.missing() == []
    async with running_bot(outside, settings) as anew:
        outside.bot_at(anew.bot.url, webhook_secret=made.webhook_secret)
        await anew.deliver_run(npm_logs.rejected())
        await anew.worked(1)
        assert len(anew.cards()) == 1
        async with browsing(anew) as other:
            assert (await other.get("/setup"))[0] == 404
            assert (await other.post("/setup", key="x"))[0] == 404
            assert (await other.get("/setup/github?code=a&state=b"))[0] == 404


@pytest.mark.parametrize("given", ["", "wrong", "kéy", "%00", "x" * 5000])
async def test_without_the_key_nothing_opens(browser: Browser, outside: Outside, given: str) -> None:
    status, page = await browser.get(f"/setup?key={given}")
    assert status == (403 if given else 200)
    assert 'name="organization"' not in page and browser.key not in page
    status, page = await browser.post("/setup", key=given, organization="acme")
    assert status == 403 and "manifest" not in page
    assert outside.github.api.registering.registered == []


async def test_the_key_and_the_code_are_good_once(browser: Browser, tmp_path: Path) -> None:
    back, second = await browser.to_github(), await browser.to_github()
    assert (await browser.get(back))[0] == 200
    kept = (tmp_path / app_file.NAME).read_text()
    for path in (back, second, f"/setup?key={browser.key}"):
        assert (await browser.get(path))[0] == 404
    assert (await browser.post("/setup", key=browser.key))[0] == 404
    assert (tmp_path / app_file.NAME).read_text() == kept


async def test_a_way_back_that_was_not_begun_here_asks_github_nothing(browser: Browser, outside: Outside) -> None:
    back = await browser.to_github()
    code = back.split("code=")[1].split("&")[0]
    for query in ("", f"?code={code}", f"?code={code}&state=made-up", "?code=../../user&state=x"):
        status, page = await browser.get(f"/setup/github{query}")
        assert status == 400 and "Begin again" in page
    assert outside.github.asked("conversions") == []


async def test_a_code_that_github_does_not_know_is_said(browser: Browser, tmp_path: Path) -> None:
    back = await browser.to_github()
    status, page = await browser.get(re.sub("code=[0-9a-f]+", "code=stale", back))
    assert status == 400 and "used before" in page
    assert not (tmp_path / app_file.NAME).exists()
    assert (await browser.get(back))[0] == 200, "the right code is still good"


async def test_an_hour_later_the_way_back_is_closed(browser: Browser, hands: Hands) -> None:
    back = await browser.to_github()
    hands.ahead = timedelta(hours=1, minutes=1)
    assert (await browser.get(back))[0] == 400


@pytest.mark.parametrize("trouble", [{"status": 502}, {"drop": True}, {"status": 201, "body": "[]"}])
async def test_while_github_is_down_the_same_page_can_be_loaded_again(
    browser: Browser, outside: Outside, trouble: dict[str, Any]
) -> None:
    back = await browser.to_github()
    outside.github.fail("conversions", **trouble)
    status, page = await browser.get(back)
    assert status == 502 and "Load this page again" in page
    assert (await browser.get(back))[0] == 200


async def test_credentials_can_be_shown_once_instead(browser: Browser, bare: Running, tmp_path: Path) -> None:
    back = await browser.to_github(keep="show")
    status, page = await browser.get(back)
    assert status == 200 and not bare.bot.registered.is_set()
    assert not (tmp_path / app_file.NAME).exists()
    assert (await browser.get(back))[0] == 404
    (tmp_path / ".env").write_text(unescape(page.split("<pre>")[1].split("</pre>")[0]))
    settings = load_settings(tmp_path / ".env")
    assert settings.github_private_key is not None and settings.webhook_secrets
    assert settings.github_private_key.get_secret_value().startswith("-----BEGIN")


async def test_credentials_that_cannot_be_kept_are_shown(browser: Browser, tmp_path: Path) -> None:
    back = await browser.to_github()
    (tmp_path / app_file.NAME).mkdir()  # refuses root too, unlike a folder without write permission
    status, page = await browser.get(back)
    assert status == 200 and "could not be written" in page and "GITHUB_PRIVATE_KEY=" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("organization", "acme/ui"),
        ("organization", "https://github.com/acme"),
        ("organization", '"><script>'),
        ("address", "http://bot.example.com"),
        ("address", "https://localhost"),
        ("address", "https://[bad"),
        ("address", "bot.example.com"),
    ],
)
async def test_what_github_would_refuse_is_said_before(browser: Browser, field: str, value: str) -> None:
    status, page = await browser.post("/setup", key=browser.key, **{field: value})
    assert status == 400 and 'role="alert"' in page and "<script>" not in page


async def test_a_bot_without_an_address_gets_an_app_too(browser: Browser, outside: Outside) -> None:
    await browser.to_github(address="", organization="")
    (manifest,) = outside.github.api.registering.registered
    assert "example.com" in manifest["hook_attributes"]["url"]


async def test_the_page_keeps_the_key_to_itself(browser: Browser) -> None:
    await browser.get(f"/setup?key={browser.key}")
    assert browser.headers["Referrer-Policy"] == "no-referrer"
    assert browser.headers["Cache-Control"] == "no-store"
    policy = browser.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "script-src" not in policy


async def test_many_tabs_do_not_pile_up(browser: Browser) -> None:
    first = await browser.to_github()
    for _ in range(20):
        last = await browser.to_github()
    assert (await browser.get(first))[0] == 400
    assert (await browser.get(last))[0] == 200


def test_the_stand_in_knows_githubs_rules() -> None:
    good = {"name": "x", "url": "https://a.example", "redirect_url": "https://a.example/b",
            "hook_attributes": {"url": "https://a.example"}}  # fmt: skip
    assert wrongs(good) == []
    for bad in (
        {"name": "x" * 35},
        {"default_events": ["workflow_run"]},
        {"default_events": ["installation"], "default_permissions": {"actions": "read"}},
        {"hook_attributes": {"url": "http://localhost:3000"}},
        {"default_permissions": {"actions": "admin"}},
        {"webhook_secret": "x"},
    ):
        assert wrongs(good | bad), bad


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://github.acme.example/api/v3/", "https://github.acme.example"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("http://127.0.0.1:81", "http://127.0.0.1:81"),
    ],
)
def test_where_people_see_github_follows_from_its_api(api: str, web: str) -> None:
    assert web_url_of(api) == web


def test_addresses_that_github_cannot_reach() -> None:
    assert is_reachable("https://bot.example.com") and is_reachable("https://bot.example.com:8443/x")
    assert not any(
        map(is_reachable, ("", "https://bot", "https://a.local", "https://u:p@bot.example.com", "ftp://a.b"))
    )


def test_the_file_is_read_at_start_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'x.db'}")
    made = AppCredentials("77", "-----BEGIN " + "x", "hook-secret", "https://github.com/apps/x")
    app_file.save(tmp_path / app_file.NAME, made)
    assert load_settings().github_app_id == "77" and load_settings().webhook_secrets == (b"hook-secret",)
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "other")
    assert load_settings().webhook_secrets == (b"other", b"hook-secret")
    monkeypatch.setenv("GITHUB_APP_ID", "78")
    assert load_settings().github_app_id == "78" and load_settings().github_private_key is None
    with pytest.raises(FileExistsError):
        app_file.save(tmp_path / app_file.NAME, made)
    assert "hook-secret" not in repr(made)


@pytest.mark.parametrize("text", ["", "[]", '{"app_id": 5}', "\0"])
def test_a_file_that_is_damaged_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / app_file.NAME).write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(caught.value.lines) == 1 and app_file.NAME in caught.value.lines[0]


async def test_the_started_bot_prints_the_key_and_goes_on_with_the_new_app_by_itself(
    outside: Outside, tmp_path: Path
) -> None:
    """The real process, as an operator sees it."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SLACK_BOT_TOKEN": outside.slack.bot_token,
        "SLACK_SIGNING_SECRET": "s",
        "SLACK_API_URL": outside.slack_api_url,
        "ALERT_CHANNEL": "C07RELEASES",
        "GITHUB_API_URL": outside.github_api_url,
        "NPM_REGISTRY_URL": outside.registry_url,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said: list[dict[str, Any]] = []

    async def until(word: str) -> dict[str, Any]:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            said.append(json.loads(line))
            if word in said[-1]["event"]:
                return said[-1]
        raise AssertionError(said)

    try:
        page = (await until("no GitHub App yet"))["page"]
        bot = page.split("/setup")[0].replace("localhost", "127.0.0.1")
        key = page.split("key=")[1]
        async with aiohttp.ClientSession() as session:
            form = {"key": key, "organization": "acme", "address": "https://bot.example.com"}
            async with session.post(f"{bot}/setup", data=form) as reply:
                text = await reply.text()
            action = unescape(re.findall(r'action="(.*?)"', text)[0])
            manifest = unescape(re.findall(r'name="manifest" value="(.*?)"', text)[0])
            async with session.post(action, data={"manifest": manifest}) as reply:
                assert reply.status == 200 and "The App is there" in await reply.text()
        await until("starting again")
        port = (await until("listening"))["port"]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as reply:
            assert (await reply.json())["checks"]["github"] == "ok"
        secret = json.loads((tmp_path / "data" / app_file.NAME).read_text())
        assert not any(secret["webhook_secret"] in json.dumps(line) for line in said)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
