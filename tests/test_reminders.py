"""Each token, end and rung is said once, by the calendar of the place where the team lives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.reminders import Rung, days_left, digest, rungs_of
from storage.tokens import Token

LADDER = (60, 30, 14, 7, 3, 1, 0)
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ZONES = [BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), ZoneInfo("UTC")]


def token(days: float, *, ident: int = 1, life: float | None = 90, **more: object) -> Token:
    ends = NOW + timedelta(days=days)
    made = Token(
        name=f"t{ident}",
        id=ident,
        owner=f"U{ident:04}",
        expires_at=ends,
        created_at=None if life is None else ends - timedelta(days=life),
    )
    return replace(made, **more)


def rung_said(days: float, life: float | None = 90) -> int | None:
    found = digest([token(days, life=life)], set(), NOW, BERLIN, LADDER)
    return found.entries[0].rung if found else None


@pytest.mark.parametrize(
    ("days", "rung"),
    [
        (61, None),
        (60, 60),
        (45, 60),
        (30, 30),
        (29, 30),
        (14, 14),
        (7, 7),
        (3, 3),
        (2, 3),
        (1, 1),
        (0.1, 0),
        (-1, 0),
        (-400, 0),
    ],
)
def test_the_most_urgent_rung_that_was_crossed_is_said(days, rung):
    assert rung_said(days, life=365) == rung


@pytest.mark.parametrize(
    ("life", "fits"),
    [
        (365, (0, 1, 3, 7, 14, 30, 60)),
        (90, (0, 1, 3, 7, 14, 30)),
        (30, (0, 1, 3, 7, 14)),
        (7, (0, 1, 3)),
        (1, (0,)),
        (0.1, (0,)),
        (None, (0, 1, 3, 7, 14, 30, 60)),
    ],
)
def test_a_short_life_gets_the_rungs_that_fit_it(life, fits):
    made = token(5, life=life)
    assert rungs_of(made, made.expires_at, LADDER) == fits


def test_a_seven_day_token_is_not_announced_on_its_first_day():
    assert rung_said(7, life=7) is None
    assert rung_said(3, life=7) == 3


def test_two_rungs_crossed_at_once_are_one_reminder():
    made = token(2, life=365)
    found = digest([made], set(), NOW, BERLIN, LADDER)
    assert found.rungs_said == ((1, made.expires_at, 3),)
    assert digest([made], set(found.rungs_said), NOW, BERLIN, LADDER) is None


def test_a_rung_is_said_again_only_for_a_new_end():
    made = token(3)
    said = {(1, made.expires_at, 3)}
    assert digest([made], said, NOW, BERLIN, LADDER) is None
    later = replace(made, expires_at=made.expires_at + timedelta(hours=1))
    assert digest([later], said, NOW, BERLIN, LADDER).entries[0].rung == 3


def test_nothing_crossed_and_nothing_over_is_no_digest():
    quiet = [
        token(200, ident=1),
        replace(token(1, ident=2), expires_at=None),
        replace(token(-5, ident=3), revoked_at=NOW),
        token(1, ident=4, kind="trusted-publisher"),
        token(-1, ident=5, kind="session"),
    ]
    assert digest(quiet, set(), NOW, BERLIN, LADDER) is None
    assert digest([], set(), NOW, BERLIN, LADDER) is None


def test_an_expired_token_stays_listed_but_its_owner_is_mentioned_once():
    made = token(-5)
    first = digest([made], set(), NOW, BERLIN, LADDER)
    assert first.mentions == ("U0001",)
    again = digest([made], set(first.rungs_said), NOW, BERLIN, LADDER)
    assert [entry.is_over for entry in again.entries] == [True]
    assert again.mentions == ()
    assert again.rungs_said == ()


def test_when_one_speaks_all_within_the_ladder_are_listed_soonest_first():
    told, new, far = token(20, ident=1), token(3, ident=2), token(80, ident=3)
    found = digest([told, new, far], {(1, told.expires_at, 30)}, NOW, BERLIN, LADDER)
    assert [(entry.token.name, entry.days_left, entry.rung) for entry in found.entries] == [
        ("t2", 3, 3),
        ("t1", 20, None),
    ]
    assert found.mentions == ("U0002",)


def test_an_owner_of_several_is_mentioned_once_and_none_is_nobody():
    tokens = [token(3, ident=1), token(1, ident=2, owner="U0001"), token(1, ident=3, owner=None)]
    assert digest(tokens, set(), NOW, BERLIN, LADDER).mentions == ("U0001",)


def test_a_dated_rule_counts_until_it_is_in_force_and_then_the_own_end_counts():
    made = token(80, life=90)
    stop = {1: NOW + timedelta(days=7)}
    found = digest([made], set(), NOW, BERLIN, LADDER, stop)
    assert (found.entries[0].why, found.entries[0].rung, found.entries[0].ends_at) == ("stops-publishing", 7, stop[1])
    assert digest([made], set(), NOW + timedelta(days=9), BERLIN, LADDER, stop) is None
    assert digest([made], set(), NOW, BERLIN, LADDER, {1: NOW + timedelta(days=85)}) is None


def test_a_ladder_without_the_last_day_still_lists_what_is_over():
    found = digest([token(-2)], {(1, token(-2).expires_at, 7)}, NOW, BERLIN, (30, 7))
    assert found.entries[0].is_over


@pytest.mark.parametrize(
    ("now", "zone", "end", "left"),
    [
        # Clocks go back in Berlin on 2026-10-25: 73 hours are three midnights.
        ("2026-10-24T09:00+02:00", BERLIN, "2026-10-27T09:00+01:00", 3),
        # Clocks go forward in New York on 2026-03-08: 71 hours are three midnights.
        ("2026-03-06T09:00-05:00", NEW_YORK, "2026-03-09T09:00-04:00", 3),
        # Half an hour in Lord Howe, the smallest change there is.
        ("2026-04-04T23:50+11:00", ZoneInfo("Australia/Lord_Howe"), "2026-04-05T00:10+11:00", 1),
        # Samoa left out 2011-12-30: the calendar says two days, the clock says one.
        ("2011-12-29T09:00-10:00", ZoneInfo("Pacific/Apia"), "2011-12-31T09:00+14:00", 2),
        # Eleven at night in Berlin is the day before in UTC.
        ("2026-11-24T09:00+01:00", BERLIN, "2026-11-24T23:30+00:00", 1),
        ("2026-11-24T09:00+01:00", BERLIN, "2026-11-24T22:30+00:00", 0),
        # The same end is another day for a team elsewhere.
        ("2026-11-24T09:00-05:00", NEW_YORK, "2026-11-25T03:00+00:00", 0),
    ],
)
def test_days_are_counted_by_the_local_calendar(now, zone, end, left):
    today = datetime.fromisoformat(now).astimezone(zone).date()
    assert days_left(datetime.fromisoformat(end), today, zone) == left


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("start", [date(2026, 2, 1), date(2026, 9, 1), date(2011, 12, 1)], ids=str)
def test_a_digest_every_morning_says_each_rung_once_across_a_change_of_clocks(zone, start):
    """Forty mornings at nine; nothing is skipped and nothing is said twice."""
    first = datetime(start.year, start.month, start.day, 9, tzinfo=zone)
    ends = (first + timedelta(days=37)).astimezone(UTC)
    made = Token(name="t", id=1, owner="U1", expires_at=ends, created_at=ends - timedelta(days=365))
    said: set[Rung] = set()
    rungs = []
    for morning in range(41):
        now = (first + timedelta(days=morning)).astimezone(UTC)  # same wall time, whatever the clocks do
        found = digest([made], said, now, zone, (30, 14, 7, 3, 1, 0))
        if found and found.rungs_said:
            rungs += [(rung, found.entries[0].days_left) for _, _, rung in found.rungs_said]
            said |= set(found.rungs_said)
    # 2011-12-30 never was in Apia, so a rung may fall on a day that is not there and is said at the next.
    assert [rung for rung, _ in rungs] == [30, 14, 7, 3, 1, 0]
    assert all(left in (rung, rung - 1) for rung, left in rungs)


@given(
    st.lists(st.tuples(st.integers(-30, 120), st.integers(1, 400)), max_size=20),
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 3), max_size=40),
)
def test_over_any_days_no_rung_is_said_twice_and_rungs_only_come_nearer(lives, zone, gaps):
    tokens = [token(days, ident=number, life=life) for number, (days, life) in enumerate(lives, 1)]
    said: set[Rung] = set()
    last: dict[int, int] = {}
    now = NOW
    for gap in gaps:
        now += timedelta(days=gap)
        found = digest(tokens, said, now, zone, LADDER)
        if found is None:
            continue
        assert not said & set(found.rungs_said)
        assert [entry.days_left for entry in found.entries] == sorted(entry.days_left for entry in found.entries)
        assert len(found.mentions) == len(set(found.mentions))
        for ident, _, rung in found.rungs_said:
            assert rung < last.get(ident, 1000)
            last[ident] = rung
        said |= set(found.rungs_said)
