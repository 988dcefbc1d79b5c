"""One digest a day that fits, mentions each owner once, and is about what is new before what is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from slack_limits import problems, unsafe

from bot.messages.digest import digest_message
from bot.reminders import digest
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
LADDER = (60, 30, 14, 7, 3, 1, 0)


def token(name: str, days: float, owner: str | None, ident: int, **more: object) -> Token:
    made = Token(name=name, id=ident, owner=owner, expires_at=NOW + timedelta(days=days), used_by=(Use("acme/ui"),))
    return replace(made, **more)


def sections(made) -> list[str]:
    return [block["text"]["text"] for block in made.blocks if block["type"] == "section"]


def test_a_digest_read_aloud():
    old = token("old-ci", -5, "U0ANN", 1)
    tokens = [
        old,
        token("api-ci", 0.2, "U0BEN", 2),
        token("ui-ci", 3, "U0ANN", 3),
        token("ui-docs", 1, "U0ANN", 4),
        token("lost-ci", 7, None, 5, expires_computed=True, used_by=()),
    ]
    found = digest(tokens, {(1, old.expires_at, 0)}, NOW, BERLIN, LADDER)
    (made,) = digest_message(found)
    said = [text.replace("{date_short_pretty} {time}|", "") for text in sections(made)]
    assert said == [
        "*1 token has expired and 4 end within 7 days.*",
        "<@U0BEN>: `api-ci` ends today (<!date^1795524480^2026-11-24 12:48 UTC>), used by `acme/ui`\n"
        "<@U0ANN>:\n"
        "•  `ui-docs` ends tomorrow (<!date^1795593600^2026-11-25 08:00 UTC>), used by `acme/ui`\n"
        "•  `ui-ci` ends in 3 days (<!date^1795766400^2026-11-27 08:00 UTC>), used by `acme/ui`\n"
        "No owner: `lost-ci` probably ends in 7 days (<!date^1796112000^2026-12-01 08:00 UTC>)",
        "Still on the list:\n"
        "•  `old-ci` expired 5 days ago (<!date^1795075200^2026-11-19 08:00 UTC>), used by `acme/ui`",
    ]
    assert made.text == (
        "1 token has expired and 4 end within 7 days. "
        "old-ci expired 5 days ago, api-ci ends today, ui-docs ends tomorrow and 2 more."
    )


def test_a_rule_of_the_registry_is_not_called_an_expiry():
    made = token("ci", 80, "U0ANN", 1)
    found = digest([made], set(), NOW, BERLIN, LADDER, {1: NOW + timedelta(days=7)})
    assert "`ci` stops publishing in 7 days" in sections(digest_message(found)[0])[1]


def test_five_thousand_tokens_are_one_message():
    tokens = [token(f"token-{i}", i % 30, f"U0{i % 90:04}", i) for i in range(1, 5001)]
    found = digest(tokens, set(), NOW, BERLIN, LADDER)
    messages = digest_message(found)
    assert len(messages) == 1
    assert problems(messages[0].blocks) == []
    said = "\n".join(sections(messages[0]))
    assert "And 4,980 more: `/tokens list`" in said
    for owner in found.mentions:
        assert said.count(f"<@{owner}>") == 1
    assert len(found.mentions) == 90


def test_what_was_told_before_mentions_nobody():
    tokens = [token(f"token-{i}", -3, "U0ANN", i) for i in range(1, 5001)]
    found = digest(tokens, {(made.id, made.expires_at, 0) for made in tokens}, NOW, BERLIN, LADDER)
    (made,) = digest_message(found)
    assert "<@" not in json.dumps(made.blocks)
    assert problems(made.blocks) == []
    assert "And 4,988 more: `/tokens list`" in "\n".join(sections(made))


def test_the_longest_hostile_names_still_leave_room_for_every_owner():
    tokens = [
        token("&<" * 500 + str(i), 1, f"U{i:020}", i, used_by=(Use("&" * 999), Use("<" * 999))) for i in range(1, 121)
    ]
    (made,) = digest_message(digest(tokens, set(), NOW, BERLIN, LADDER))
    assert problems(made.blocks) == []
    said = "\n".join(sections(made))
    assert said.count("<@U") == 120
    assert unsafe(said, mentions=frozenset(f"U{i:020}" for i in range(1, 121))) == []
