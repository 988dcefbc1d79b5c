"""Installing the Slack app in several workspaces, and losing it again, over real HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bot.demo.outside import Outside
from bot.demo.slack.oauth import CLIENT_SECRET
from bot.demo.slack.workspace import TEAM_ID
from bot.installations import OAuthStates, SlackInstallations
from bot.sealing import NotOurs, Seal
from storage import installations, tokens
from storage.database import Connection, Database
from storage.tokens import Token
from tests import npm_logs
from tests.running import Hands, Running
from tests.two_workspaces import GLOBEX_ID, Two, cards, let_in, one_bot, two_workspaces


@pytest_asyncio.fixture
async def two(outside: Outside, tmp_path: Path, app_key: str) -> AsyncIterator[Two]:
    async with two_workspaces(outside, tmp_path, app_key) as started:
        yield started


def installed(tmp_path: Path) -> list[str]:
    with sqlite3.connect(tmp_path / "tokenwatch.db") as db:
        return [team for (team,) in db.execute("SELECT team FROM installations ORDER BY team")]


async def until_stopped(two: Two, team: str) -> None:
    assert two.bot.several is not None
    running = two.bot.several
    await two.acme.until(lambda: team not in running.running, what=f"{team} to stop")


async def test_a_click_installs_and_the_bot_works_there_at_once(two: Two, tmp_path: Path) -> None:
    assert (await two.told(two.acme, "help")).text.startswith("Tokenwatch is not installed in this workspace")
    status, page = await two.install(two.acme)
    assert status == 200 and "Tokenwatch is installed" in page and "/invite @Tokenwatch" in page
    assert "/tokens status" in str((await two.told(two.acme, "help")).blocks)
    assert installed(tmp_path) == [TEAM_ID]
    assert (await two.told(two.globex, "help")).text.startswith("Tokenwatch is not installed in this workspace")


async def test_only_the_browser_that_began_comes_back_and_only_once(two: Two, tmp_path: Path) -> None:
    path, cookie = await two.to_slack()
    other_path, other_cookie = await two.to_slack()
    for wrong in ("", other_cookie, "tokenwatch-install=", f"{cookie}x"):
        status, page, _ = await two.browse(path, wrong)
        assert status == 400 and "another browser" in page
    status, _, headers = await two.browse(path, f"a=b; {cookie}")
    assert status == 200 and "tokenwatch-install=deleted" in headers["Set-Cookie"]
    status, page, _ = await two.browse(path, cookie)
    assert status == 400 and "used before" in page
    two.hands.ahead += timedelta(minutes=11)
    status, page, _ = await two.browse(other_path, other_cookie)
    assert status == 400 and "ten minutes" in page
    assert (await two.browse("/slack/oauth_redirect"))[0] == 400
    assert (await two.browse("/slack/oauth_redirect?code=1&state=made-up", "tokenwatch-install=made-up"))[0] == 400
    assert installed(tmp_path) == [TEAM_ID]


@pytest.mark.parametrize(
    ("extra", "refuses", "said"),
    [
        ({"is_enterprise_install": True, "team": None}, None, "not in a whole organisation"),
        ({"team": {"id": "../T0", "name": "x"}}, None, "not in a whole organisation"),
        ({"token_type": "user"}, None, "no bot token"),
        ({"refresh_token": "xoxe-" + "1" * 20}, None, "token rotation"),
        ({}, "bad_client_secret", "SLACK_CLIENT_SECRET"),
        ({}, "invalid_code", "does not know this code"),
        ({}, "bad_redirect_uri", "PUBLIC_URL"),
        ({}, "internal_error", "did not hand out a token"),
    ],
)
async def test_what_slack_hands_out_is_taken_only_when_it_is_right(
    two: Two, tmp_path: Path, extra: dict[str, object], refuses: str | None, said: str
) -> None:
    two.app.extra, two.app.refuses = extra, refuses
    status, page = await two.install(two.acme)
    assert status == 400 and said in page and "xoxe" not in page and not installed(tmp_path)


async def test_a_no_installs_nothing(two: Two, tmp_path: Path) -> None:
    two.app.chooses = None
    status, page, _ = await two.browse(*await two.to_slack())
    assert status == 400 and "Somebody said no" in page and not installed(tmp_path)


async def test_a_workspace_that_was_not_let_in_loses_the_app_at_once(two: Two, tmp_path: Path) -> None:
    (tmp_path / "workspaces" / f"{TEAM_ID}.env").unlink()
    status, page = await two.install(two.acme)
    assert status == 400 and f"Tell them its id: {TEAM_ID}" in page
    assert not installed(tmp_path) and not two.app.installed
    let_in(tmp_path, TEAM_ID, "GITHUB_OWNERS=acme")
    assert (await two.install(two.acme))[0] == 200


async def test_uninstalling_takes_the_token_and_leaves_what_the_workspace_knew(two: Two, tmp_path: Path) -> None:
    for workspace in (two.acme, two.globex):
        await two.install(workspace)
    await two.db(TEAM_ID).write(tokens.add, Token(name="acme-ci"), two.hands.now())
    await two.deliver("acme/ui", npm_logs.rejected())
    await two.worked(TEAM_ID, 1)
    two.app.installed.discard(TEAM_ID)
    assert (await two.acme.event("app_uninstalled")).status == 200
    await until_stopped(two, TEAM_ID)  # within the second of its installation Slack is asked first
    assert installed(tmp_path) == [GLOBEX_ID]
    assert (await two.acme.command(text="list")).text.startswith("Tokenwatch is not installed")
    assert json.loads((await two.deliver("acme/ui", npm_logs.rejected())).answer)["status"] == "ignored"
    await two.deliver("globex/api", npm_logs.rejected(package="@globex/api"))
    await two.worked(GLOBEX_ID, 1)
    two.hands.ahead += timedelta(seconds=2)
    assert (await two.install(two.acme))[0] == 200
    assert "acme-ci" in str((await two.told(two.acme, "list")).blocks)
    assert len(cards(two.acme)) == 1, "what was told is not told again"


async def test_word_of_an_earlier_uninstalling_does_not_take_a_new_installation(two: Two, tmp_path: Path) -> None:
    two.hands.ahead += timedelta(minutes=1)
    await two.install(two.acme)
    await two.acme.event("app_uninstalled", retry_num=3, retry_reason="http_timeout")
    assert installed(tmp_path) == [TEAM_ID]
    assert (await two.told(two.acme, "list")).text


async def test_uninstalling_ends_it_also_where_clocks_differ(two: Two, tmp_path: Path) -> None:
    two.hands.ahead += timedelta(minutes=1)
    await two.install(two.acme)
    two.app.installed.discard(TEAM_ID)
    await two.acme.event("app_uninstalled")
    await until_stopped(two, TEAM_ID)
    assert installed(tmp_path) == []


async def test_a_revoked_bot_token_ends_it_and_that_of_a_person_does_not(two: Two, tmp_path: Path) -> None:
    await two.install(two.globex)
    await two.globex.event("tokens_revoked", tokens={"oauth": ["U07MARA0001"], "bot": []})
    assert installed(tmp_path) == [GLOBEX_ID]
    two.hands.ahead -= timedelta(seconds=5)
    await two.install(two.globex)
    await two.globex.event("tokens_revoked", tokens={"oauth": [], "bot": ["U07TOKENW01"]})
    await until_stopped(two, GLOBEX_ID)
    assert installed(tmp_path) == []


async def test_forged_word_of_uninstalling_is_refused(two: Two, tmp_path: Path) -> None:
    await two.install(two.acme)
    two.acme.sending.signing_secret = "not the secret"
    assert (await two.acme.event("app_uninstalled")).status == 401
    assert installed(tmp_path) == [TEAM_ID]


async def test_all_go_on_after_a_restart_but_one_that_cannot(two: Two, tmp_path: Path) -> None:
    for workspace in (two.acme, two.globex):
        await two.install(workspace)
    let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex", "TIMEZONE=Mars")
    async with one_bot(two):
        assert two.bot.several is not None
        assert list(two.bot.several.running) == [TEAM_ID]
        assert "/tokens status" in str((await two.told(two.acme, "help")).blocks)
        status, page, _ = await two.browse("/readyz")
        checks = json.loads(page)["checks"]
        assert status == 503 and "TIMEZONE" in checks[f"{GLOBEX_ID} workspace"]
        assert checks[f"{TEAM_ID} slack"] == "ok" and checks[f"{TEAM_ID} database"] == "ok"


async def test_with_another_client_secret_nothing_opens_until_it_is_installed_again(two: Two, tmp_path: Path) -> None:
    await two.install(two.acme)
    two.settings = two.settings.model_copy(update={"slack_client_secret": two.settings.slack_signing_secret})
    async with one_bot(two):
        assert two.bot.several is not None and not two.bot.several.running
        assert "install the app there again" in two.bot.several.at_rest[TEAM_ID]
        two.settings = two.settings.model_copy(
            update={"slack_client_secret": type(two.settings.slack_client_secret)(CLIENT_SECRET)}  # type: ignore[misc,arg-type]
        )
    async with one_bot(two):
        assert two.bot.several is not None and list(two.bot.several.running) == [TEAM_ID]


async def test_a_bot_token_is_in_no_file_no_log_and_no_page(
    outside: Outside, tmp_path: Path, app_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "xoxb-" + "7011-7022-" + "globexglobexglobex"
    async with two_workspaces(outside, tmp_path, app_key, log_level="debug") as two:
        two.globex.server.bot_token = secret
        status, page = await two.install(two.globex)
        assert status == 200 and secret not in page
        await two.deliver("globex/api", npm_logs.rejected(package="@globex/api"))
        await two.worked(GLOBEX_ID, 1)
        metrics, ready = (await two.browse("/metrics"))[1], (await two.browse("/readyz"))[1]
        assert two.bot.several is not None
        main = Database.open(two.settings.database_url)
        main.backup(tmp_path / "copy.db")
        main.close()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = capsys.readouterr()
    for text in (held.decode("latin-1"), said.out, said.err, metrics, ready, f"{two.settings!r}"):
        assert secret not in text and CLIENT_SECRET not in text
    assert GLOBEX_ID in held.decode("latin-1")


async def test_the_environment_of_slacks_own_sdk_changes_nothing(
    outside: Outside, tmp_path: Path, app_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "7011.7022")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    async with two_workspaces(outside, tmp_path, app_key) as two:
        await two.install(two.globex)
        assert "/tokens status" in str((await two.told(two.globex, "help")).blocks)
        form = (await two.globex.command(text="add")).view
        assert form is not None
    assert not (tmp_path / "home").exists()


async def test_one_workspace_in_the_settings_knows_no_way_to_install(running: Running) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/slack/install", "/slack/oauth_redirect"):
            async with session.get(running.bot.url + path) as reply:
                assert reply.status == 404


async def test_the_store_is_what_slacks_sdk_asks_for(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    store = SlackInstallations(db, Seal("one"))
    states = OAuthStates(db, Hands().now)
    state = await states.async_issue()
    assert await states.async_consume(state) and not await states.async_consume(state)
    assert await store.async_find_bot(enterprise_id=None, team_id="T01") is None
    from slack_sdk.oauth.installation_store import Installation

    made = Installation(team_id="T01", bot_token="xoxb-1", user_id="U1", bot_scopes="commands,chat:write")
    await store.async_save(made)
    bot = await store.async_find_bot(enterprise_id="E1", team_id="T01")
    assert bot is not None and bot.bot_token == "xoxb-1" and list(bot.bot_scopes) == ["commands", "chat:write"]
    assert await store.async_find_installation(team_id="T01", user_id="U2") is None
    await store.async_delete_installation(enterprise_id=None, team_id="T01", user_id="U1")
    assert await store.async_find_installation(enterprise_id=None, team_id="T01") is not None
    with pytest.raises(NotOurs):
        await SlackInstallations(db, Seal("two")).async_find_bot(team_id="T01")
    await store.async_delete_all(enterprise_id=None, team_id="T01")
    assert await store.async_find_installation(enterprise_id=None, team_id="T01") is None
    db.close()


def test_many_who_begin_do_not_fill_the_database(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    now = Hands().now()

    def begin(connection: Connection) -> None:
        for number in range(installations.MOST_UNDER_WAY + 50):
            ends = now + timedelta(minutes=10, milliseconds=number)
            installations.issue_state(connection, f"state-{number}", now=now, ends_at=ends)

    db.write_now(begin)
    assert db.read_now(lambda c: c.value("SELECT COUNT(*) FROM oauth_states")) == installations.MOST_UNDER_WAY
    assert db.write_now(installations.consume_state, f"state-{installations.MOST_UNDER_WAY + 49}", now)
    assert not db.write_now(installations.consume_state, "state-0", now)
    db.close()
