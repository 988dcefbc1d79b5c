"""The daily digest: at its time where the team lives, once a day, through restarts, late starts and changed clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import Clock, digest_due, next_digest
from bot.demo.outside import Outside
from bot.demo.slack.workspace import MARA, OPS, RELEASES
from bot.settings import Settings
from storage import deliveries, due_jobs, reminders, tokens
from storage.database import Database
from storage.tokens import Token
from tests.running import Hands, Running, running_bot, settings_for

BERLIN = ZoneInfo("Europe/Berlin")
NINE = time(9)


def add_token(db: Database, name: str, ends_in: timedelta, now: datetime, **more: Any) -> Token:
    token = Token(name=name, expires_at=now + ends_in, owner=MARA.id, **more)
    return db.write_now(tokens.add, token, now)


def seed(settings: Settings, ends_in: timedelta, now: datetime, name: str = "npm-acme-ci") -> None:
    """A token that is there before the bot starts: its clock ticks at once."""
    db = Database.open(settings.database_url)
    add_token(db, name, ends_in, now)
    db.close()


def hands_at(moment: datetime) -> Hands:
    hands = Hands()
    hands.ahead = moment - datetime.now(UTC)
    return hands


async def quiet(running: Running) -> None:
    await running.bot.clock.tick()
    await running.outside.slack.settle(quiet_s=0.3)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-24T07:59:59+00:00", None),
        ("2026-11-24T08:00:00+00:00", "2026-11-24"),
        ("2026-11-24T22:59:00+00:00", "2026-11-24"),
        ("2026-11-24T23:00:00+00:00", None),  # midnight in Berlin: the next day's is not due yet
        ("2026-07-01T07:00:00+00:00", "2026-07-01"),  # summer time: nine is seven UTC
        ("2026-03-29T07:00:00+00:00", "2026-03-29"),  # the day the clocks go forward
        ("2026-10-25T07:59:00+00:00", None),  # the day they go back
        ("2026-10-25T08:00:00+00:00", "2026-10-25"),
    ],
)
def test_the_digest_is_due_at_nine_where_the_team_lives(now: str, due: str | None) -> None:
    assert digest_due(datetime.fromisoformat(now), BERLIN, NINE) == due


def test_a_time_that_the_change_of_clocks_leaves_out_is_due_once_the_clocks_have_jumped() -> None:
    half_past_two = time(2, 30)  # 2026-03-29 in Berlin has none
    assert digest_due(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), BERLIN, half_past_two) is None
    assert digest_due(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), BERLIN, half_past_two) == "2026-03-29"


@settings(deadline=None)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC"]
    ),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_each_local_day_has_exactly_one_digest(start: datetime, zone_name: str, at: time) -> None:
    zone = ZoneInfo(zone_name)
    ticks = (start + timedelta(minutes=number) for number in range(3 * 24 * 60))
    said = list(dict.fromkeys(due for tick in ticks if (due := digest_due(tick, zone, at))))
    days = [date.fromisoformat(due) for due in said]
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
    assert len(days) in (3, 4)


def test_the_next_digest_is_today_before_its_time_and_tomorrow_after() -> None:
    before, after = datetime(2026, 11, 24, 7, tzinfo=UTC), datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert next_digest(before, BERLIN, NINE) == datetime(2026, 11, 24, 9, tzinfo=BERLIN)
    assert next_digest(after, BERLIN, NINE) == datetime(2026, 11, 25, 9, tzinfo=BERLIN)


async def test_the_digest_is_said_once_a_day_through_restarts(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path, timezone="Europe/Berlin")
    hands = hands_at(datetime(2026, 11, 24, 7, 30, tzinfo=UTC))
    async with running_bot(outside, settings, hands) as running:
        add_token(running.db, "npm-acme-ci", timedelta(days=3), hands.now())
        await quiet(running)
        assert running.cards(OPS) == [], "half past eight is too early"
    hands = hands_at(datetime(2026, 11, 24, 13, 0, tzinfo=UTC))  # started late
    for _ in range(3):
        async with running_bot(outside, settings, hands) as running:
            await running.worked()
            await quiet(running)
    (digest,) = running.cards(OPS)
    assert "npm-acme-ci" in digest.text
    assert running.cards(RELEASES) == []


async def test_an_owner_is_mentioned_once_a_rung_and_expired_tokens_stay(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    start = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    hands = hands_at(start)
    seed(settings, timedelta(days=3, hours=1), start)
    mentions = []
    async with running_bot(outside, settings, hands) as running:
        for day in range(7):
            before = len(running.cards(OPS)) if day else 0
            hands.ahead = start + timedelta(days=day) - datetime.now(UTC)
            await quiet(running)
            await running.worked()
            new = running.cards(OPS)[before:]
            mentions.append([f"<@{MARA.id}>" in str(message.blocks) for message in new])
    # 3 days left, nothing new at 2, then 1 and 0 and, expired, a line a day without a mention.
    assert mentions == [[True], [], [True], [True], [False], [False], [False]]


async def test_a_reminder_counts_as_said_only_after_slack_took_it(outside: Outside, tmp_path: Path) -> None:
    hands = hands_at(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    outside.slack.fail("chat.postMessage", error="not_in_channel", times=None)
    settings = settings_for(outside, tmp_path)
    seed(settings, timedelta(days=3), hands.now())
    async with running_bot(outside, settings, hands) as running:
        await outside.slack.until(lambda: outside.slack.calls("chat.postMessage"))
        await outside.slack.settle(quiet_s=0.2)
        assert running.db.read_now(reminders.said) == set()
        outside.slack.recover()
        running.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 0"))
        running.bot.deps.queued()
        await running.worked()
        assert {rung for _, _, rung in running.db.read_now(reminders.said)} == {3}


async def test_nothing_to_say_is_no_message_and_not_asked_again(outside: Outside, tmp_path: Path) -> None:
    hands = hands_at(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    settings = settings_for(outside, tmp_path)
    seed(settings, timedelta(days=200), hands.now())
    async with running_bot(outside, settings, hands) as running:
        await quiet(running)
        assert running.cards(OPS) == []
        assert running.db.read_now(due_jobs.last_done, "digest") == "2026-11-24"


async def test_a_clock_set_back_repeats_nothing(outside: Outside, tmp_path: Path) -> None:
    hands = hands_at(datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    settings = settings_for(outside, tmp_path)
    seed(settings, timedelta(days=3), hands.now())
    async with running_bot(outside, settings, hands) as running:
        await quiet(running)
        await running.worked()
        hands.ahead -= timedelta(hours=2)
        await quiet(running)
        hands.ahead += timedelta(hours=2)
        await quiet(running)
        assert len(running.cards(OPS)) == 1


async def test_two_bots_on_one_database_say_it_once(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    hands = hands_at(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    async with running_bot(outside, settings, hands) as one, running_bot(outside, settings, hands) as two:
        add_token(one.db, "npm-acme-ci", timedelta(days=3), hands.now())
        hands.ahead += timedelta(hours=2)
        for running in (one, two, one, two):
            await running.bot.clock.tick()
        await one.worked()
        await outside.slack.settle(quiet_s=0.3)
        assert len(one.cards(OPS)) == 1


async def test_old_deliveries_are_forgotten_once_a_day(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, retention_days=10)) as running:
        for guid in ("old", "new"):
            running.db.write_now(
                deliveries.receive, guid=guid, event="ping", action=None, repository="",
                body=b"{}", now=running.hands.now(),
            )  # fmt: skip
        await running.worked(2)
        running.db.write_now(lambda c: c.execute("UPDATE deliveries SET received_at = 1 WHERE guid = 'old'"))
        running.hands.ahead += timedelta(days=1)
        await running.bot.clock.tick()
        assert running.db.read_now(deliveries.get, "old") is None
        assert running.db.read_now(deliveries.get, "new") is not None


async def test_the_clock_runs_by_itself(outside: Outside, tmp_path: Path) -> None:
    hands = hands_at(datetime(2026, 11, 24, 8, 59, 59, tzinfo=UTC))
    async with running_bot(outside, settings_for(outside, tmp_path), hands) as running:
        add_token(running.db, "npm-acme-ci", timedelta(days=3), hands.now())
        clock = Clock(running.bot.deps, tick_s=0.2)

        task = asyncio.create_task(clock.run())
        try:
            await outside.slack.until(lambda: running.cards(OPS), what="the digest")
        finally:
            task.cancel()


@pytest.mark.parametrize(("bypass", "expected"), [(True, "stops publishing in 37 days"), (False, None)])
async def test_a_dated_rule_is_reminded_of_though_the_token_lives_on(
    outside: Outside, tmp_path: Path, bypass: bool, expected: str | None
) -> None:
    """A token that bypasses 2FA and ends in February stops publishing in January."""
    morning = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    settings = settings_for(outside, tmp_path)
    db = Database.open(settings.database_url)
    add_token(db, "npm-acme-ci", timedelta(days=80), morning, permission="read-write", bypass_2fa=bypass)
    db.close()
    async with running_bot(outside, settings, hands_at(morning)) as running:
        await quiet(running)
        said = [message.text + str(message.blocks) for message in running.cards(OPS)]
    if expected is None:
        assert said == []
        return
    (digest,) = said
    assert expected in digest
    assert "may stage a version but not publish it" in digest
    assert f"<@{MARA.id}>" in digest
