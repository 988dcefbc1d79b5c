"""The App Home over HTTP: what waits for me, filters that stay, pages, and answers to what is pressed there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, JONAS, MARA, Person, View
from bot.messages import home as page
from storage import people, tokens
from storage.tokens import Token
from tests import npm_logs
from tests.running import Running, running_bot, settings_for
from tests.slack_limits import view_problems


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        yield made


def add(running: Running, name: str, days: float = 200, **more: Any) -> None:
    now = running.hands.now()
    more = {"owner": MARA.id, **more}
    running.db.write_now(tokens.add, Token(name=name, expires_at=now + timedelta(days=days), **more), now)


async def home_of(running: Running, user: Person = MARA) -> View:
    before = running.outside.slack.home(user)
    old = before.hash if before else None
    await running.outside.slack.open_home(user)
    return await redrawn(running, old, user)


async def redrawn(running: Running, old: str | None, user: Person = MARA) -> View:
    slack = running.outside.slack
    await slack.until(lambda: (home := slack.home(user)) is not None and home.hash != old, what="a new Home")
    view = slack.home(user)
    assert view is not None and view_problems(view.body) == []
    return view


async def choose(running: Running, view: View, action: str, value: Any = None, user: Person = MARA) -> View:
    old = view.hash
    await running.outside.slack.click(view, action, user, value=value)
    return await redrawn(running, old, user)


def said(view: View) -> str:
    return json.dumps(view.blocks, ensure_ascii=False)


async def test_before_anything_is_known_the_home_teaches(running: Running) -> None:
    view = await home_of(running)
    for words in ("No token is known yet", "GitHub has not sent anything yet", "Nothing. Tokens of yours", "None. `/t"):
        assert words in said(view)
    assert page.SHOW not in said(view)


async def test_filters_and_pages_stay_until_they_are_changed(running: Running) -> None:
    for number in range(13):
        add(running, f"of-mara-{number:02}")
    add(running, "of-jonas", owner=JONAS.id)
    add(running, "on-pypi", owner=JONAS.id, registry="pypi")
    add(running, "of-nobody", owner=None)
    view = await home_of(running)
    assert "13 tokens, page 1 of 2" in said(view) and "of-jonas" not in said(view)
    view = await choose(running, view, page.NEXT)
    assert "of-mara-12" in said(view) and "of-mara-00" not in said(view)
    view = await home_of(running)
    assert "page 2 of 2" in said(view), "opened again, it lists what it listed"
    view = await choose(running, view, page.SHOW, "all")
    assert "16 tokens, page 1 of 2" in said(view)
    view = await choose(running, view, page.REGISTRY, "pypi")
    assert "on-pypi" in said(view) and "of-mara" not in said(view)
    view = await choose(running, view, page.SHOW, "ownerless")
    assert "Every token at PyPI has an owner" in said(view)
    view = await choose(running, view, page.REGISTRY, "any")
    assert "of-nobody" in said(view)
    # Each person has their own.
    assert "of-jonas" in said(await home_of(running, JONAS))
    assert "of-nobody" in said(await home_of(running))


async def test_the_last_page_that_is_there_is_shown_when_tokens_went_away(running: Running) -> None:
    for number in range(11):
        add(running, f"t-{number:02}")
    view = await choose(running, await home_of(running), page.NEXT)
    assert "t-10" in said(view)
    running.db.write_now(lambda c: c.execute("DELETE FROM tokens WHERE name <> 't-00'"))
    assert "t-00" in said(await home_of(running))


async def test_what_waits_for_me_comes_first(running: Running) -> None:
    add(running, "ends-soon", 3)
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    view = await home_of(running)
    assert said(view).index("Waiting for you") < said(view).index("ends-soon") < said(view).index("My tokens")
    assert "Nothing is broken" not in said(view)
    (card,) = running.cards()
    await running.outside.slack.click(card, "incident.claim", MARA)
    waiting = said(await home_of(running)).split("My tokens")[0]
    assert f"<@{MARA.id}> is on it" in waiting
    assert "is on it" not in said(await home_of(running, JONAS)).split("My tokens")[0]


async def test_the_home_switches_the_digest(running: Running) -> None:
    view = await choose(running, await home_of(running), page.DIGEST)
    assert "by direct message each morning" in said(view)
    assert running.db.read_now(people.digest_of, MARA.id) == "direct"
    view = await choose(running, view, page.DIGEST)
    assert running.db.read_now(people.digest_of, MARA.id) == "channel"


async def test_who_may_not_is_told_in_front_of_the_home(running: Running) -> None:
    view = await home_of(running, GUEST)
    answer = await running.outside.slack.click(view, page.ADD, GUEST)
    assert answer.view is not None and "Guests can look but not change anything" in said(answer.view)
    answer = await running.outside.slack.click(view, page.DIGEST, GUEST)
    assert answer.view is not None and "Guests can look" in said(answer.view)
    assert running.db.read_now(people.digest_of, GUEST.id) == "channel"


@pytest.mark.parametrize("value", ["nonsense", "<!channel>", "x" * 149])
async def test_a_forged_choice_changes_nothing_for_the_worse(running: Running, value: str) -> None:
    add(running, "of-mara")
    view = await home_of(running)
    for block in view.blocks:  # somebody who makes their own requests
        for element in block.get("elements", []):
            if element.get("action_id") == page.SHOW:
                element["options"].append({"text": {"type": "plain_text", "text": "x"}, "value": value})
    assert "of-mara" in said(await choose(running, view, page.SHOW, value))


async def test_many_tokens_with_long_names_fit(running: Running) -> None:
    now = running.hands.now()

    def seed(connection: Any) -> None:
        for number in range(300):
            token = Token(
                name=f"{'<!channel>&' * 9}{number}",
                registry=f"registry-{number % 40}",
                expires_at=now + timedelta(days=number % 9),
                owner=MARA.id,
            )
            tokens.add(connection, token, now)

    running.db.write_now(seed)
    view = await home_of(running)
    assert len(view.blocks) < 100
    assert "<!channel" not in said(view)
