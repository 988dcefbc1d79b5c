"""Answers about tokens: what is worst first, empty states that teach, and help for what was mistyped."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from slack_limits import problems

from bot.messages import replies
from bot.messages.help import VERBS, help_message, nearest, needs, unknown_token, unknown_verb
from bot.messages.message import Message
from bot.messages.token_lists import (
    NEXT_PAGE,
    PREVIOUS_PAGE,
    Page,
    StatusCounts,
    list_message,
    read_page_value,
    status_message,
)
from bot.messages.token_page import EDIT, ROTATE_BY_NAME, token_page, token_removed, token_saved
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TOKEN = Token(
    name="npm-acme-ci",
    permission="read-write",
    packages=("@acme/ui",),
    scopes=("@acme",),
    bypass_2fa=True,
    bypass_reason="no person at release time",
    hint="npm_aBcD...7890",
    created_at=NOW - timedelta(days=87),
    expires_at=NOW + timedelta(days=3),
    owner="U012AB3CD",
    used_by=(Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN"),),
    id=1,
)


def read(made: Message) -> str:
    assert problems(made.blocks) == []
    lines = []
    for block in made.blocks:
        match block["type"]:
            case "section":
                lines.append(block["text"]["text"])
            case "context":
                lines += [element["text"] for element in block["elements"]]
            case "actions":
                lines.append(" ".join(f"[{element['text']['text']}]" for element in block["elements"]))
    return "\n".join(lines)


def values(made: Message) -> dict[str, str]:
    return {
        element["action_id"]: element["value"]
        for block in made.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    }


def test_the_status_read_aloud():
    made = status_message(StatusCounts(2, 1, 3, 10, 4, 1, 5), [TOKEN], 2, NOW, NOW)
    assert read(made) == (
        "*2 tokens have expired.*\n"
        "2 expired  ·  1 ending within 7 days  ·  3 within 30 days  ·  10 later  ·  4 without a known end"
        "  ·  5 trusted publishers  ·  1 revoked\n"
        "•  `npm-acme-ci` ends in 3 days  ·  <@U012AB3CD>  ·  may publish: `@acme/ui` and `@acme` (scope)\n"
        "2 incidents are open: `/tokens incidents`\n"
        "The next digest is due <!date^1795512600^{date_short_pretty} {time}|2026-11-24 09:30 UTC>.\n"
        "`/tokens list` shows all, `/tokens help` the rest."
    )
    assert made.text == "2 tokens have expired. 2 incidents are open: `/tokens incidents`"


@pytest.mark.parametrize(
    ("counts", "headline"),
    [
        (StatusCounts(expired=1), "1 token has expired."),
        (StatusCounts(within_7_days=1, later=9), "1 token ends within 7 days."),
        (StatusCounts(within_30_days=2), "2 tokens end within 30 days."),
        (StatusCounts(later=9), "Nothing ends within 30 days."),
        (StatusCounts(no_known_end=2), "2 tokens have no known end, so nobody can be warned."),
    ],
)
def test_the_status_begins_with_what_is_worst(counts, headline):
    made = status_message(counts, [], 0, None, NOW)
    assert read(made).startswith(f"*{headline}*\n")
    assert made.text == f"{headline} No incident is open."


def test_before_the_first_token_the_status_says_how_to_begin():
    made = status_message(StatusCounts(), [], 0, None, NOW)
    assert made.text == (
        "No tokens are known yet. Add the first with `/tokens add`, or import what "
        "`npm token list --json` prints with `python -m bot tokens import`."
    )
    assert read(list_message(Page(()), NOW)).startswith("*No tokens are known yet.*")


def test_a_page_in_the_middle_turns_both_ways_and_keeps_the_filter():
    made = list_message(Page((TOKEN,) * 15, number=2, total=40, filter="acme"), NOW)
    assert read(made).startswith("*40 tokens match `acme`, page 2 of 3*\n•  `npm-acme-ci` ends in 3 days")
    found = values(made)
    assert read_page_value(found[PREVIOUS_PAGE]) == ("acme", 1)
    assert read_page_value(found[NEXT_PAGE]) == ("acme", 3)


@pytest.mark.parametrize(("number", "buttons"), [(1, {NEXT_PAGE}), (3, {PREVIOUS_PAGE})])
def test_the_first_and_last_page_turn_one_way(number, buttons):
    assert set(values(list_message(Page((TOKEN,), number, 40), NOW))) == buttons


def test_one_page_has_no_buttons():
    assert values(list_message(Page((TOKEN,), 1, 1), NOW)) == {}


def test_a_filter_that_finds_nothing_says_what_it_looks_at():
    assert read(list_message(Page((), filter="zz"), NOW)).startswith("*No token matches `zz`.*\nA filter looks for")


def test_the_page_of_a_token_read_aloud():
    made = token_page(TOKEN, NOW, problems=("Its end contradicts npm's rules",))
    assert read(made) == (
        "*`npm-acme-ci` ends in 3 days (<!date^1795771800^{date_short_pretty} {time}|2026-11-27 09:30 UTC>)*\n"
        "•  Its end contradicts npm's rules.\n"
        "Owner: <@U012AB3CD>\n"
        "Backup owner: none: only one person can replace it\n"
        "Kind: npm granular access token\n"
        "Rights: may publish: `@acme/ui` and `@acme` (scope)\n"
        "Two-factor: bypassed: no person at release time\n"
        "Looks like: `npm_aBcD...7890`\n"
        "Created: <!date^1787995800^{date_short_pretty}|2026-08-29> (87 days ago)\n"
        "*Used by*\n"
        "•  acme/ui, release.yml, repository secret NPM_TOKEN\n"
        "[Edit] [Start rotation]"
    )
    assert values(made) == {EDIT: "npm-acme-ci", ROTATE_BY_NAME: "npm-acme-ci"}


def test_a_computed_end_says_what_it_was_computed_from():
    said = read(token_page(replace(TOKEN, expires_computed=True), NOW))
    assert said.startswith("*`npm-acme-ci` probably ends in 3 days")
    assert "Nobody recorded the end; it was computed from the kind and the day it was created" in said


def test_who_may_not_change_it_gets_no_buttons():
    made = token_page(TOKEN, NOW, may_change=False)
    assert values(made) == {}
    assert "Only its owners and admins may change it." in read(made)


def test_a_trusted_publisher_has_no_end_and_nothing_to_rotate():
    made = token_page(replace(TOKEN, kind="trusted-publisher", expires_at=None), NOW)
    assert "does not expire" in read(made)
    assert "*Publishes from*" in read(made)
    assert set(values(made)) == {EDIT}


def test_a_token_nobody_is_known_to_use_says_why_that_matters():
    assert "nothing on record, so a failed publish cannot be matched" in read(
        token_page(replace(TOKEN, used_by=()), NOW)
    )


def test_saved_and_removed_read_aloud():
    assert token_saved(TOKEN, NOW, is_new=True).text.startswith("Added: `npm-acme-ci` ends in 3 days (<!date^")
    assert token_removed("npm-acme-ci").text == (
        "Removed `npm-acme-ci` from what is known. "
        "The token itself lives on until it is revoked on the registry: `npm token revoke ID`"
    )


def test_help_names_every_verb_that_is_there_and_no_other():
    everything = read(help_message())
    for verb in VERBS:
        assert f"`/tokens {verb}" in everything
    some = read(help_message(["status", "help", "unheard-of"]))
    assert "/tokens list" not in some
    assert "unheard-of" not in some


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("lst", ["list"]),
        ("STATUS", ["status"]),
        ("rotat", ["rotate"]),
        ("dead", ["add", "deadlines"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_the_nearest_verbs(typed, near):
    found = nearest(typed, VERBS)
    assert found[: len(near)] == near if len(near) < 2 else set(near) <= set(found)


def test_what_was_mistyped_is_answered_with_what_was_meant():
    assert unknown_verb("lst").text == "There is no `/tokens lst`. Did you mean `/tokens list`?"
    assert unknown_verb("zzz").text == "There is no `/tokens zzz`. `/tokens help` lists what there is."
    assert unknown_token("npm-acme", ["npm-acme-ci", "docs"]).text == (
        "No token is called `npm-acme`. Did you mean `npm-acme-ci`?"
    )
    assert unknown_token("x", []).text == "No token is called `x`. `/tokens list` shows their names."
    assert needs("show").text == "Type `/tokens show NAME`: everything about one token."


def test_replies_read_aloud():
    assert replies.told("That run is gone").text == "That run is gone."
    assert replies.sorry("ab12").text == (
        "That did not work, and it was not your doing. Please try again. "
        "If it stays, give `ab12` to whoever runs the bot: it finds what happened in the log."
    )
    assert replies.still_looking("run 812").text == "Still looking at run 812. The answer appears here."
    assert replies.only_owners("npm-acme-ci", ("U1ABC", "U2ABC")).text == (
        "Only the owners of `npm-acme-ci` and admins may change it. Ask <@U1ABC> and <@U2ABC>."
    )
    assert replies.only_owners("npm-acme-ci", ()).text.endswith("It has no owner yet: ask an admin.")
    assert replies.looks_like_a_token("npm token").text == (
        "That looks like a credential (npm token). It was not kept. "
        "Whoever can read what you typed can use it, so revoke it now: "
        "on npmjs.com under Access Tokens, or with `npm token revoke` and its id."
    )


@pytest.mark.parametrize(
    ("ends_in", "said"),
    [
        (80, "stops publishing in 37 days (<!date"),
        (20, "ends in 20 days"),
        (None, "stops publishing in 37 days"),
    ],
)
def test_whichever_comes_first_is_said_first(ends_in, said):
    """The end of a token's right to publish, by npm's rule of January 2027, or its own end."""
    ends_at = NOW + timedelta(days=ends_in) if ends_in else None
    token = Token(name="ci", permission="read-write", bypass_2fa=True, expires_at=ends_at)
    page = token_page(token, NOW)
    assert page.text.startswith(f"ci {said}")
    rule = "may stage a version but not publish it"
    assert (rule in json.dumps(page.blocks)) is (ends_in != 20)
