"""A form opens within Slack's three seconds, however slowly what comes before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, MARA, View
from bot.messages.shortcuts import ADD_TOKEN
from storage import tokens
from storage.tokens import Token
from tests.running import Running, running_bot, settings_for


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        now = made.hands.now()
        made.db.write_now(tokens.add, Token(name="t", expires_at=now + timedelta(days=9), owner=MARA.id), now)
        yield made


async def becomes(running: Running, view: View | None, words: str) -> None:
    assert view is not None
    await running.outside.slack.until(lambda: words in str(view.blocks), what=f"a form with {words}")


@pytest.mark.parametrize(
    ("typed", "words"),
    [("add", "Name"), ("edit t", "Name"), ("snooze", "open"), ("rotate t", "'block_id': 'path'"), ("remove t", "t")],
)
async def test_a_slow_slack_costs_nobody_the_form(running: Running, typed: str, words: str) -> None:
    running.outside.slack.fail("users.info", delay_s=3.2)
    answer = await running.outside.slack.command(text=typed, user=MARA, wait_s=3.0)
    assert "Looking it up" in str(answer.view.blocks if answer.view else answer)
    await becomes(running, answer.view, words)


async def test_who_may_not_is_told_in_the_form_that_opened(running: Running) -> None:
    running.outside.slack.fail("users.info", delay_s=3.2)
    answer = await running.outside.slack.shortcut(ADD_TOKEN, GUEST)
    await becomes(running, answer.view, "Guests can look but not change anything")


async def test_a_name_that_is_not_there_is_said_in_the_form_that_opened(running: Running) -> None:
    original = running.bot.deps.db.read

    async def slow(*arguments: object, **more: object) -> object:
        await asyncio.sleep(1.5)
        return await original(*arguments, **more)  # type: ignore[arg-type]

    running.bot.deps.db.read = slow  # type: ignore[method-assign, assignment]
    answer = await running.outside.slack.command(text="edit nothing", user=MARA)
    running.bot.deps.db.read = original  # type: ignore[method-assign]
    await becomes(running, answer.view, "No token is called")


async def test_what_is_quick_opens_the_real_form_at_once(running: Running) -> None:
    await running.outside.slack.command(text="add", user=MARA)
    assert running.outside.slack.calls("views.update") == []
    refused = await running.outside.slack.command(text="add", user=GUEST)
    assert refused.view is None and "Guests can look" in refused.text
