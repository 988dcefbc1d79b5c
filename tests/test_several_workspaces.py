"""Several workspaces in one process: nobody sees, hears of or changes what is another's."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bot.demo.github import job_from_log
from bot.demo.outside import Outside
from bot.demo.slack.workspace import MARA, TEAM_ID
from handlers.slack.teams import gone, team_of
from storage import calendar_keys, incidents, tokens
from storage.database import Connection
from storage.tokens import Token
from tests import npm_logs
from tests.running import WEBHOOK_SECRET
from tests.two_workspaces import GLOBEX_ID, Two, cards, let_in, two_workspaces


@pytest_asyncio.fixture
async def two(outside: Outside, tmp_path: Path, app_key: str) -> AsyncIterator[Two]:
    async with two_workspaces(outside, tmp_path, app_key) as started:
        for workspace in (started.acme, started.globex):
            status, page = await started.install(workspace)
            assert status == 200, page
        yield started


async def test_each_failure_is_told_only_where_its_owner_is_heard_of(
    two: Two, capsys: pytest.CaptureFixture[str]
) -> None:
    await two.deliver("acme/ui", npm_logs.rejected())
    await two.worked(TEAM_ID, 1)
    assert len(cards(two.acme)) == 1 and not cards(two.globex)
    await two.deliver("globex/api", npm_logs.rejected(package="@globex/api"))
    await two.deliver("Globex-Labs/lab", npm_logs.rejected(package="@globex/lab"))
    await two.worked(GLOBEX_ID, 2)
    assert len(cards(two.acme)) == 1 and len(cards(two.globex)) == 2
    assert "acme" not in json.dumps([card.blocks for card in cards(two.globex)])
    said = [line for line in capsys.readouterr().out.splitlines() if "verdict" in line and "repo=globex/api" in line]
    assert said and all(f"workspace={GLOBEX_ID}" in line for line in said)
    assert two.db(TEAM_ID).read_now(incidents.count_open) == 1 and two.db(GLOBEX_ID).read_now(incidents.count_open) == 2


async def test_what_nobody_hears_of_is_stored_nowhere(two: Two) -> None:
    delivery = await two.deliver("initech/tps", npm_logs.rejected())
    assert delivery.status == 202 and json.loads(delivery.answer)["status"] == "ignored"
    assert all(two.db(team).read_now(_count, "deliveries") == 0 for team in (TEAM_ID, GLOBEX_ID))


async def test_a_delivery_of_both_is_worked_by_both(outside: Outside, tmp_path: Path, app_key: str) -> None:
    async with two_workspaces(outside, tmp_path, app_key) as two:
        let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex,ACME")
        for workspace in (two.acme, two.globex):
            await two.install(workspace)
        delivery = await two.deliver("acme/ui", npm_logs.rejected())
        assert delivery.status == 202
        for team in (TEAM_ID, GLOBEX_ID):
            await two.worked(team, 1)
        assert len(cards(two.acme)) == len(cards(two.globex)) == 1
        again = await outside.github.redeliver(delivery)
        assert again.status == 200


async def test_what_one_of_two_cannot_store_is_sent_again_and_the_other_has_it_once(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    async with two_workspaces(outside, tmp_path, app_key) as two:
        let_in(tmp_path, GLOBEX_ID, "GITHUB_OWNERS=globex,acme")
        for workspace in (two.acme, two.globex):
            await two.install(workspace)
        broken = two.db(GLOBEX_ID)
        with sqlite3.connect(broken.path) as other:
            other.execute("ALTER TABLE arrivals RENAME TO elsewhere")
        delivery = await two.deliver("acme/ui", npm_logs.rejected())
        assert delivery.status == 503
        await two.worked(TEAM_ID, 1)
        with sqlite3.connect(broken.path) as other:
            other.execute("ALTER TABLE elsewhere RENAME TO arrivals")
        assert (await outside.github.redeliver(delivery)).status == 202
        await two.worked(GLOBEX_ID, 1)
        assert len(cards(two.acme)) == len(cards(two.globex)) == 1


async def test_the_same_person_sees_and_changes_in_each_workspace_only_what_is_there(two: Two) -> None:
    for workspace, name in ((two.acme, "acme-ci"), (two.globex, "globex-ci")):
        form = (await workspace.command(text="add")).view
        assert form is not None
        done = await workspace.submit(form, {"name": name, "uses": "", "permission": "read-write"})
        assert not done.errors
    listed = str((await two.told(two.acme, "list")).blocks)
    assert "acme-ci" in listed and "globex-ci" not in listed
    assert "globex-ci" not in (await two.told(two.acme, "show globex-ci")).text.replace("`globex-ci`", "")
    form = (await two.acme.command(text="remove acme-ci")).view
    assert form is not None
    await two.acme.submit(form)
    names = [[token.name for token in two.db(team).read_now(tokens.all_tokens)] for team in (TEAM_ID, GLOBEX_ID)]
    assert names == [[], ["globex-ci"]]
    await two.globex.open_home()
    home = await two.globex.until(lambda: two.globex.home(MARA), what="the Home")
    assert home is not None and "globex-ci" in str(home.body) and two.acme.home(MARA) is None


async def test_a_button_changes_the_incident_of_the_workspace_whose_card_it_is_on(two: Two) -> None:
    await two.deliver("acme/ui", npm_logs.rejected())
    await two.deliver("globex/api", npm_logs.rejected(package="@globex/api"))
    await two.worked(TEAM_ID, 1)
    await two.worked(GLOBEX_ID, 1)
    # In a channel that both share, Slack names the presser's workspace as the team and the bot's in the message.
    (card,) = cards(two.globex)
    sent: list[str] = []
    original = two.globex.sending.interaction

    async def from_acme(payload: dict[str, object]) -> object:
        payload["team"] = {"id": TEAM_ID, "domain": "acme"}
        sent.append(str(payload["team"]))
        return await original(payload)

    two.globex.sending.interaction = from_acme  # type: ignore[assignment,method-assign]
    await two.globex.click(card, "incident.claim")
    assert sent

    def claimed(team: str) -> list[str | None]:
        return [incident.claimed_by for incident in two.db(team).read_now(incidents.unresolved)]

    await two.globex.until(lambda: claimed(GLOBEX_ID) == [MARA.id])
    assert claimed(TEAM_ID) == [None]


async def test_no_workspace_reads_through_the_shared_app_what_is_another_ones(two: Two) -> None:
    jobs = [job_from_log("release", npm_logs.rejected(package="@globex/api"), conclusion="failure")]
    run = two.outside.github.add_run(repo="globex/api", jobs=jobs, conclusion="failure")
    answer = await two.told(two.acme, f"why {run.url}")
    assert "belongs to none of the GitHub owners of this workspace" in answer.text
    assert not [asked for asked in two.outside.github.api.requests if "globex" in asked.path]
    assert "@globex/api" in str((await two.told(two.globex, f"why {run.url}")).blocks)


async def test_the_sweep_fetches_for_each_workspace_only_what_is_its_own(two: Two) -> None:
    two.outside.github.deliver_to("http://127.0.0.1:9/github/webhooks", WEBHOOK_SECRET)
    await two.deliver("acme/ui", npm_logs.rejected())
    await two.deliver("globex/api", npm_logs.rejected(package="@globex/api"))
    two.hands.ahead += timedelta(minutes=5)
    assert two.bot.several is not None
    two.outside.github.api.requests.clear()
    for team in (TEAM_ID, GLOBEX_ID):
        await two.bot.several.running[team].sweep.tick(at_once=True)
        await two.worked(team, 1)
    assert len(cards(two.acme)) == len(cards(two.globex)) == 1
    assert all(two.db(team).read_now(_count, "deliveries") == 1 for team in (TEAM_ID, GLOBEX_ID))
    fetched = [one for one in two.outside.github.api.requests if re.search(r"/deliveries/\d+$", one.path)]
    assert len(fetched) == 2, "nobody asked for the payload of another's delivery"


async def test_a_calendar_shows_what_is_in_the_workspace_of_its_key(two: Two) -> None:
    for team, name in ((TEAM_ID, "acme-ci"), (GLOBEX_ID, "globex-ci")):
        token = Token(name=name, registry="npm", kind="granular", expires_at=two.hands.now() + timedelta(days=9))
        await two.db(team).write(tokens.add, token, two.hands.now())
        await two.db(team).write(
            calendar_keys.add, f"key-of-{name}", label="wall", owner=None, made_by="test", now=two.hands.now()
        )
    for name, other in (("acme-ci", "globex-ci"), ("globex-ci", "acme-ci")):
        status, page, _ = await two.browse(f"/calendar.ics?key=key-of-{name}")
        assert status == 200 and name in page and other not in page


def _count(connection: Connection, table: str) -> int:
    return int(connection.value(f"SELECT COUNT(*) FROM {table}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=12), inside, max_size=3),
    max_leaves=8,
)
PLACES = ("team", "view", "message", "event", "authorizations", "type", "team_id", "event_time")


@given(st.dictionaries(st.sampled_from(PLACES), json_values | st.just("event_callback") | st.just("block_actions")))
def test_whatever_slack_sends_names_one_workspace_or_none(body: dict[str, Any]) -> None:
    assert isinstance(team_of(body), str)
    assert gone(body) is None or isinstance(body["team_id"], str)


@pytest.mark.parametrize(
    ("body", "team"),
    [
        ({"command": "/tokens", "team_id": "T1"}, "T1"),
        ({"type": "event_callback", "team_id": "T2", "authorizations": [{"team_id": "T1"}]}, "T1"),
        ({"type": "block_actions", "team": {"id": "T2"}, "message": {"team": "T1"}}, "T1"),
        ({"type": "block_actions", "team": {"id": "T1"}, "view": {"app_installed_team_id": "T1"}}, "T1"),
        ({"type": "view_submission", "team": {"id": "T2"}, "view": {"app_installed_team_id": "T1"}}, "T1"),
        # The message of a shortcut is anybody's, also somebody's of another workspace.
        ({"type": "message_action", "team": {"id": "T1"}, "message": {"team": "T2"}}, "T1"),
        ({"type": "shortcut", "team": {"id": "T1"}}, "T1"),
        ({"type": "block_actions", "team": None, "message": None}, ""),
    ],
)
def test_the_workspace_whose_bot_is_meant(body: dict[str, Any], team: str) -> None:
    assert team_of(body) == team


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_home_opened"},
        {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}},
        {"type": "tokens_revoked", "tokens": None},
        None,
    ],
)
def test_no_other_event_takes_a_workspace_away(event: dict[str, Any] | None) -> None:
    assert gone({"type": "event_callback", "team_id": "T1", "event_time": 1, "event": event}) is None
    assert (
        gone({"type": "block_actions", "team_id": "T1", "event_time": 1, "event": {"type": "app_uninstalled"}}) is None
    )
