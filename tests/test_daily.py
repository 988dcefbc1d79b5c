"""The digest in Slack: what is open and what changed, working days, and those who take theirs by direct message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.clock import next_digest
from bot.daily_news import News, news
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, GUEST, JONAS, MARA, OPS, RELEASES, Channel, Message
from bot.messages.digest import MOST_OWNERS, digest_message, unheard
from bot.reminders import Digest, digest, of_person
from bot.workdays import Workdays, read_weekdays
from storage import audit, people, reminders
from storage.audit import Entry
from storage.database import Database
from storage.incidents import Incident
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for
from tests.slack_limits import problems
from tests.test_clock import add_token, hands_at, quiet

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
FRIDAY = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def dm_of(running: Running, user: str) -> list[Message]:
    return running.cards(running.outside.slack.workspace.dm(user).id)


def _open_since(at: datetime) -> Incident:
    return Incident(
        1, "f", "open", "npm", "no-access", "no-access", None, "acme/ui", "release.yml", "@acme/ui", "1.0.0", 1, at, at,
        None, None, None, None, None, None, None, None, RELEASES, "incident:1", "{}",
    )  # fmt: skip


async def morning(running: Running, at: datetime) -> None:
    running.hands.ahead = at - datetime.now(UTC)
    await quiet(running)
    await running.worked()


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("sun-thu", (0, 1, 2, 3, 6)),
        ("Mon, wed,FRI", (0, 2, 4)),
        ("sat", (5,)),
        ("mon-sun", tuple(range(7))),
    ],
)
def test_days_of_the_week_as_people_write_them(text: str, days: tuple[int, ...]) -> None:
    assert read_weekdays(text) == days


@pytest.mark.parametrize("text", ["", ",", "monday", "mon-", "-fri", "mon-funday", "1-5"])
def test_anything_else_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match="such as mon-fri"):
        read_weekdays(text)


def test_the_next_digest_skips_weekends_and_holidays() -> None:
    calendar = Workdays((0, 1, 2, 3, 4), {date(2026, 11, 30)})
    at = FRIDAY.timetz().replace(hour=9, minute=0, tzinfo=None)
    assert next_digest(FRIDAY, BERLIN, at, calendar) == datetime(2026, 12, 1, 9, tzinfo=BERLIN)
    assert next_digest(FRIDAY, BERLIN, at) == datetime(2026, 11, 28, 9, tzinfo=BERLIN)
    assert Workdays(()).after(date(2026, 11, 24)) == date(2026, 11, 25), "no working day at all is no endless search"


async def test_nothing_is_said_at_the_weekend_and_what_ends_then_is_said_on_friday(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path, workdays="mon-fri", holidays="2026-11-30")
    db = Database.open(settings.database_url)
    add_token(db, "ends-sunday", timedelta(days=2), FRIDAY)
    add_token(db, "ends-later", timedelta(days=6), FRIDAY)
    db.close()
    said: dict[str, list[str]] = {}
    async with running_bot(outside, settings, hands_at(FRIDAY)) as running:
        for number in range(5):
            before = len(running.cards(OPS)) if number else 0
            day = FRIDAY + timedelta(days=number)
            await morning(running, day)
            said[f"{day:%a}"] = [str(message.blocks) for message in running.cards(OPS)[before:]]
        rungs = running.db.read_now(reminders.said)
    assert [len(messages) for messages in said.values()] == [1, 0, 0, 0, 1]
    assert "`ends-sunday` ends in 2 days" in said["Fri"][0] and f"<@{MARA.id}>" in said["Fri"][0]
    assert 0 in {rung for _, _, rung in rungs}
    # On Tuesday the one that ended is listed without a mention of its own, the other crossed three days.
    assert "ends-sunday` expired 2 days ago" in said["Tue"][0] and "`ends-later` ends in 2 days" in said["Tue"][0]


async def test_owners_may_take_theirs_by_direct_message(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        answer = await outside.slack.command(text="digest direct", user=MARA)
        assert "by direct message from now on" in answer.replies[0].text
        add_token(running.db, "of-mara", timedelta(days=3), TUESDAY, backup_owner=JONAS.id)
        running.db.write_now(lambda c: c.execute("UPDATE tokens SET backup_owner = :b", {"b": JONAS.id}))
        await morning(running, TUESDAY)
        (letter,) = dm_of(running, MARA.id)
        (shared,) = running.cards(OPS)
        assert "`of-mara` ends in 3 days" in str(letter.blocks) and "of-mara" in str(shared.blocks)
        assert f"<@{MARA.id}>" not in str(shared.blocks)
        assert "Told their owners directly" in str(shared.blocks)
        assert {rung for _, _, rung in running.db.read_now(reminders.said)} == {3}
        await morning(running, TUESDAY + timedelta(days=1))
        assert len(dm_of(running, MARA.id)) == 1, "nothing new, nothing said"

        await outside.slack.command(text="digest channel", user=MARA)
        await morning(running, TUESDAY + timedelta(days=2))
        assert len(dm_of(running, MARA.id)) == 1
        assert f"<@{MARA.id}>" in str(running.cards(OPS)[-1].blocks)


async def test_a_backup_owner_who_takes_it_directly_hears_of_it_beside_the_owner(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        running.db.write_now(people.set_digest, JONAS.id, "direct", TUESDAY)
        add_token(running.db, "of-mara", timedelta(days=3), TUESDAY, backup_owner=JONAS.id)
        await morning(running, TUESDAY)
        (letter,) = dm_of(running, JONAS.id)
        assert "Yours to stand in for" in str(letter.blocks) and "of-mara" in str(letter.blocks)
        assert f"<@{MARA.id}>" in str(running.cards(OPS)[0].blocks)


async def test_a_person_to_whom_slack_takes_nothing_is_mentioned_in_the_channel_again(
    outside: Outside, tmp_path: Path
) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        running.db.write_now(people.set_digest, MARA.id, "direct", TUESDAY)
        add_token(running.db, "of-mara", timedelta(days=3), TUESDAY)
        outside.slack.fail("conversations.open", error="messages_tab_disabled", times=None)
        await morning(running, TUESDAY)
        texts = [message.text for message in running.cards(OPS)]
        assert sum("This was meant for direct messages of" in text for text in texts) == 1, texts
        assert sum("Turn on the Messages tab" in text for text in texts) == 1
        await morning(running, TUESDAY + timedelta(days=2))
        assert f"<@{MARA.id}>" in str(running.cards(OPS)[-1].blocks)


async def test_a_direct_message_whose_answer_was_lost_is_said_once(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        running.db.write_now(people.set_digest, MARA.id, "direct", TUESDAY)
        add_token(running.db, "of-mara", timedelta(days=3), TUESDAY)
        outside.slack.fail("chat.postMessage", after_accepting=True, drop=True, times=2)
        await morning(running, TUESDAY)
        assert len(dm_of(running, MARA.id)) == len(running.cards(OPS)) == 1


@pytest.mark.parametrize(
    ("typed", "user", "said"),
    [
        ("digest", MARA, "You are mentioned in the digest in"),
        ("digest sometimes", MARA, "Type `/tokens digest direct`"),
        ("digest direct", GUEST, "Guests can look but not change anything"),
    ],
)
async def test_how_one_is_told(outside: Outside, tmp_path: Path, typed: str, user: Any, said: str) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)):
        answer = await outside.slack.command(text=typed, user=user)
        assert said in answer.replies[0].text


async def test_what_is_open_for_long_is_a_digest_of_its_own(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        await running.deliver_run(npm_logs.rejected())
        await running.worked(1)
        await morning(running, TUESDAY)
        assert running.cards(OPS) == [], "two hours old: the card said it"
        await morning(running, TUESDAY + timedelta(days=1))
        (told,) = running.cards(OPS)
        assert told.text.startswith("1 incident has been open for more than a day")
        assert "Open incidents, the oldest first" in str(told.blocks)
        assert "<@" not in str(told.blocks)
        (card,) = running.cards(RELEASES)
        await outside.slack.click(card, "incident.claim")
        add_token(running.db, "added-now", timedelta(days=300), running.hands.now())
        running.db.write_now(
            lambda c: audit.record(
                c, at=running.hands.now(), who="cli:x", action="token.add", subject="token:added-now"
            )
        )
        await morning(running, TUESDAY + timedelta(days=2))
        assert "somebody is on it" in str(running.cards(OPS)[-1].blocks)
        assert "Since the last digest*  added `added-now`" in str(running.cards(OPS)[-1].blocks)


async def test_a_team_has_a_digest_of_its_own_and_nothing_is_told_twice(outside: Outside, tmp_path: Path) -> None:
    team = "C07UITEAM01"
    outside.slack.workspace.add_channel(Channel(team, "ui-team", {BOT_USER}))
    settings = settings_for(outside, tmp_path, digest_routes=f"acme/ui*={team}")
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        uses = {"ui": ("acme/ui", "acme/ui-kit"), "both": ("acme/ui", "acme/api"), "api": ("acme/api",), "none": ()}
        for name, repos in uses.items():
            used_by = tuple(Use(repo, ".github/workflows/r.yml", "NPM_TOKEN") for repo in repos)
            add_token(running.db, f"of-{name}", timedelta(days=3), TUESDAY, used_by=used_by)
        await running.deliver_run(npm_logs.rejected(), repo="acme/ui")
        await running.deliver_run(npm_logs.rejected("@acme/api"), repo="acme/api")
        await running.worked(2)
        await morning(running, TUESDAY + timedelta(hours=23))
        (own,), (shared,) = running.cards(team), running.cards(OPS)
        assert "`of-ui`" in str(own.blocks) and "`acme/ui`" in str(own.blocks)
        assert "`of-ui`" not in str(shared.blocks)
        for name in ("of-both", "of-api", "of-none"):
            assert f"`{name}`" in str(shared.blocks) and f"`{name}`" not in str(own.blocks)
        opened = str(own.blocks).split("Open incidents")[1]
        assert "acme/ui" in opened and "acme/api" not in opened
        opened = str(shared.blocks).split("Open incidents")[1]
        assert "acme/api" in opened and "`acme/ui`" not in opened.split("Since the last")[0]
        said = running.db.read_now(reminders.said)
        assert len(said) == 4, "each rung counts as said, wherever it was"
        await morning(running, TUESDAY + timedelta(days=1, hours=23))
        assert "No. 1, 2 days: " in str(running.cards(team)[-1].blocks).split("Open incidents")[1]
        assert len(running.cards(team)) == 2


def test_what_another_incident_explains_is_no_news_by_itself() -> None:
    old = _open_since(TUESDAY - timedelta(days=2))
    assert news([], [old], 1, TUESDAY).worth_telling
    assert not news([], [replace(old, muted_by=7)], 1, TUESDAY).worth_telling
    assert not news([], [replace(old, state="snoozed")], 1, TUESDAY).worth_telling


async def test_versions_that_wait_for_approval_are_told(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings, hands_at(TUESDAY - timedelta(hours=2))) as running:
        await running.deliver_run(npm_logs.rejected())
        await running.worked(1)
        running.db.write_now(lambda c: c.execute("UPDATE awaited SET state = 'staged'"))
        await morning(running, TUESDAY + timedelta(days=2))
        said = str(running.cards(OPS)[-1].blocks)
        assert "Waiting for approval on the registry" in said and "`@acme/ui 2.3.1` of `acme/ui`, staged 2 days" in said


def entry(action: str, subject: str) -> Entry:
    return Entry(TUESDAY, "U1", action, subject, "")


def test_of_several_changes_of_one_token_the_one_that_matters_is_told() -> None:
    found = news(
        [
            entry("token.add", "token:a"),
            entry("token.change", "token:a"),
            entry("token.change", "token:b"),
            entry("rotation.start", "token:b"),
            entry("rotation.start", "rotation:1"),
            entry("token.revoke", "token:c"),
            entry("token.change", "token:c"),
            entry("incident.open", "incident:1"),
            entry("incident.open", "incident:2"),
            entry("incident.resolve", "incident:1"),
            entry("incident.resolve", "incident:3"),
            entry("incident.reopen", "incident:3"),
        ],
        [],
        0,
        TUESDAY,
    )
    assert found.changed == (("revoked", ("c",)), ("added", ("a",)), ("being rotated", ("b",)))
    assert (found.opened, found.resolved) == (2, 1)
    assert not found.worth_telling


def test_owners_without_room_hear_of_it_the_next_day() -> None:
    tokens = [
        Token(name=f"t{number}", id=number, owner=f"U{number:05}", expires_at=TUESDAY + timedelta(days=1))
        for number in range(1, 5001)
    ]
    found = digest(tokens, set(), TUESDAY, BERLIN, (7, 1, 0))
    assert found is not None
    (made,) = digest_message(found, News(at=TUESDAY))
    assert problems(made.blocks) == []
    mentioned = sum(f"<@{token.owner}>" in str(made.blocks) for token in tokens)
    assert mentioned == MOST_OWNERS + 20
    assert len(unheard(found)) == 5000 - mentioned
    assert f"{5000 - mentioned:,} more owners hear of it tomorrow." in str(made.blocks)


def test_a_digest_is_of_a_person_only_with_something_of_theirs() -> None:
    token = Token(name="t", id=1, owner="U1", backup_owner="U2", expires_at=TUESDAY + timedelta(days=1))
    whole = digest([token], set(), TUESDAY, BERLIN, (7, 1, 0))
    assert isinstance(whole, Digest)
    own, standing_in = of_person(whole, "U1"), of_person(whole, "U2")
    assert own and own.rungs_said == ((1, token.expires_at, 1),)
    assert standing_in and standing_in.rungs_said == () and standing_in.mentions == ()
    assert of_person(whole, "U3") is None
