"""The calendar: exact iCalendar, keys that can be revoked, and nothing for those who have none."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.calendar_feed import Event, feed, write
from bot.cli.tokens import tokens as tokens_command
from bot.demo.slack.workspace import MARA
from storage import calendar_keys, tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests import hostile
from tests.running import Running
from tests.test_messages_hostile import unhurried

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def unfolded(text: str) -> list[str]:
    """The content lines of a calendar, checked on the way."""
    assert text.endswith("END:VCALENDAR\r\n")
    raw = text.split("\r\n")[:-1]
    assert all(len(line.encode()) <= 75 and "\n" not in line and "\r" not in line for line in raw)
    lines: list[str] = []
    for line in raw:
        if line.startswith(" "):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return lines


def events(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for line in unfolded(text):
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found and line != "END:VEVENT":
            found[-1].setdefault(name.partition(";")[0], value)
    return found


def test_ends_and_dated_rules_are_all_day_events() -> None:
    known = [
        Token(name="soon", expires_at=NOW + timedelta(days=9), id=1, used_by=(Use("acme/ui"),)),
        Token(name="late", expires_at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC), id=2),
        Token(name="bypass", permission="read-write", bypass_2fa=True, expires_at=NOW + timedelta(days=80), id=3),
        Token(name="gone", expires_at=NOW + timedelta(days=9), revoked_at=NOW, id=4),
        Token(name="endless", permission="read-only", id=5),
    ]
    found = {one["UID"]: one for one in events(feed(known, NOW, ZoneInfo("Europe/Berlin"), title="Tokens"))}
    assert found["token-1-end@tokenwatch"]["DTSTART"] == "20261204"
    assert found["token-1-end@tokenwatch"]["DTEND"] == "20261205"
    assert found["token-1-end@tokenwatch"]["SUMMARY"] == "soon ends"
    assert "Used in acme/ui." in found["token-1-end@tokenwatch"]["DESCRIPTION"]
    assert found["token-2-end@tokenwatch"]["DTSTART"] == "20270101", "by the day of the zone"
    rule = found["rule-npm-bypass-direct-publish@tokenwatch"]
    assert rule["DTSTART"] == "20270101" and "1 token stops publishing" in rule["SUMMARY"]
    assert "Concerns bypass." in rule["DESCRIPTION"] and rule["URL"].startswith("https://gh.io/")
    assert not {"token-4-end@tokenwatch", "token-5-end@tokenwatch"} & set(found)


def test_the_same_facts_are_the_same_bytes_all_day() -> None:
    known = [Token(name="soon", expires_at=NOW + timedelta(days=9), id=1)]
    one = feed(known, NOW, ZoneInfo("UTC"), title="Tokens")
    assert one == feed(known, NOW + timedelta(hours=8), ZoneInfo("UTC"), title="Tokens")


made_events = st.builds(
    Event, hostile.text, st.dates(datetime(1990, 1, 1).date(), datetime(2090, 1, 1).date()), hostile.text, hostile.text
)


@unhurried
@given(st.lists(made_events, max_size=5), hostile.text)
def test_whatever_a_calendar_holds_it_is_one(given_events: list[Event], title: str) -> None:
    lines = unfolded(write(given_events, NOW, title))
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == len(given_events)
    names = {line.partition(":")[0].partition(";")[0] for line in lines}
    assert names <= {
        "BEGIN", "VERSION", "PRODID", "CALSCALE", "METHOD", "X-WR-CALNAME", "REFRESH-INTERVAL", "X-PUBLISHED-TTL",
        "UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "DESCRIPTION", "TRANSP", "END",
    }  # fmt: skip
    for line in lines:
        value = line.partition(":")[2]
        if line.startswith(("SUMMARY", "DESCRIPTION", "UID")):
            assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", value)


def test_a_key_is_shown_once_and_stored_as_a_digest(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("PUBLIC_URL", "https://bot.example.com/")
    run = CliRunner().invoke
    made = run(tokens_command, ["calendar", "new", "--owner", MARA.id, "--label", "phone"])
    url = made.stdout.strip()
    assert url.startswith("https://bot.example.com/calendar.ics?key=") and len(url) > 80
    key = url.partition("key=")[2]
    listed = run(tokens_command, ["calendar", "list", "--json"]).output
    assert key not in listed and json.loads(listed)["owner"] == MARA.id
    assert db.read_now(calendar_keys.find, key) is not None
    assert run(tokens_command, ["calendar", "revoke", "1"]).exit_code == 0
    assert run(tokens_command, ["calendar", "revoke", "1"]).exit_code == 1
    assert db.read_now(calendar_keys.find, key) is None
    for wrong in (["--owner", "mara"], ["--label", "x" * 200], ["--label", "npm_" + "a" * 36]):
        assert run(tokens_command, ["calendar", "new", *wrong]).exit_code == 2
    db.close()
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


async def test_a_key_opens_the_calendar_of_its_owner_until_it_is_revoked(running: Running) -> None:
    now = running.hands.now()
    for name, owner in (("hers", MARA.id), ("his", "U0JONAS")):
        token = Token(name=name, owner=owner, expires_at=now + timedelta(days=5))
        running.db.write_now(tokens.add, token, now)
    for key, owner in (("all-of-them", None), ("only-hers", MARA.id)):
        running.db.write_now(calendar_keys.add, key, label="", owner=owner, made_by="cli", now=now)
    async with aiohttp.ClientSession() as session:

        async def ask(key: str, **headers: str) -> tuple[int, str, str]:
            async with session.get(f"{running.bot.url}/calendar.ics", params={"key": key}, headers=headers) as reply:
                return reply.status, await reply.text(), reply.headers.get("ETag", "")

        status, everything, etag = await ask("all-of-them")
        assert status == 200 and {"hers ends", "his ends"} <= {one["SUMMARY"] for one in events(everything)}
        assert (await ask("all-of-them", **{"If-None-Match": etag}))[0] == 304
        _, only_hers, _ = await ask("only-hers")
        assert "hers ends" in only_hers and "his ends" not in only_hers
        for wrong in ("", "x", "all-of-the", "'; DROP TABLE tokens", "\0"):
            assert (await ask(wrong))[0] == 404
        running.db.write_now(calendar_keys.revoke, 1, now)
        assert (await ask("all-of-them"))[0] == 404
