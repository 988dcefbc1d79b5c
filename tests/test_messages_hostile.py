"""Whatever the outside sends, Slack takes the message and nothing in it mentions, links or formats on its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import hostile
import pytest
from hostile import NOW, USERS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from slack_limits import mrkdwn_texts, problems, unsafe, view_problems

from bot.messages import replies, thread
from bot.messages.card import incident_card
from bot.messages.digest import digest_message
from bot.messages.help import help_message, needs, unknown_token, unknown_verb
from bot.messages.home import Home, HomeFilter, RotationLine, Shelf, home_view
from bot.messages.incident_forms import resolve_form, snooze_form
from bot.messages.incident_line import Glance
from bot.messages.message import MOST_BLOCKS, MOST_TEXT, Button, Message, buttons, context, header, message, section
from bot.messages.modal import closing_form, loading_form
from bot.messages.token_form import errors_beside, token_form
from bot.messages.token_lists import Page, StatusCounts, list_message, page_value, read_page_value, status_message
from bot.messages.token_page import token_page, token_removed, token_saved
from bot.policy import rules
from bot.reminders import digest

LADDER = (60, 30, 14, 7, 3, 1, 0)
unhurried = settings(
    deadline=None,
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking texts this long takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_takes(made: Message, urls: frozenset[str] = frozenset()) -> None:
    assert problems(made.blocks) == []
    assert made.text
    assert len(made.text) <= 4000
    json.dumps([made.text, made.blocks], ensure_ascii=False).encode()
    for text in [made.text, *mrkdwn_texts(list(made.blocks))]:
        assert unsafe(text, mentions=USERS, urls=urls) == []


def assert_view_takes(view: dict[str, object], urls: frozenset[str] = frozenset()) -> None:
    assert view_problems(view) == []
    json.dumps(view, ensure_ascii=False).encode()
    for text in mrkdwn_texts(view):
        assert unsafe(text, mentions=USERS, urls=urls) == []


@unhurried
@given(hostile.incidents, hostile.facts, st.none() | hostile.tokens)
def test_a_card_is_taken_whatever_it_holds(incident, facts, token):
    urls = frozenset(url for url in (facts.run_url, facts.docs) if url)
    assert_takes(incident_card(incident, facts, token, NOW), urls)


@unhurried
@given(hostile.incidents, hostile.facts, st.none() | hostile.tokens)
def test_thread_lines_are_taken_whatever_they_hold(incident, facts, token):
    urls = frozenset([facts.run_url] if facts.run_url else [])
    for made in (
        thread.failed_again(incident, facts),
        thread.claimed(incident),
        thread.claim_stale(incident, NOW, timedelta(hours=4)),
        thread.escalated(incident, token, NOW),
        thread.snoozed(incident),
        thread.snooze_over(incident),
        thread.woken(incident.claimed_by or ""),
        thread.resolved(incident),
        thread.reopened(incident, incident.claimed_by),
        thread.rerun_started(incident, incident.claimed_by or "", facts),
    ):
        assert_takes(made, urls)


@unhurried
@given(st.lists(hostile.tokens, max_size=8), hostile.text, st.integers(1, 9), st.integers(0, 10**6))
def test_token_answers_are_taken_whatever_they_hold(tokens, text, number, total):
    assert_takes(status_message(StatusCounts(1, 2, 3, 4, 5, 6, 7), tokens, 3, NOW, NOW))
    assert_takes(list_message(Page(tuple(tokens), number, total, text), NOW))
    for token in tokens[:2]:
        assert_takes(token_page(token, NOW, problems=(text, text)), frozenset(rule.link for rule in rules()))
        assert_takes(token_saved(token, NOW, is_new=True, problems=(text,)))
        assert_view_takes(token_form(token, opened_by=text))
    assert_takes(token_removed(text))
    assert_takes(unknown_verb(text))
    assert_takes(unknown_token(text, [token.name for token in tokens]))


@unhurried
@given(st.lists(hostile.tokens, max_size=30))
def test_a_digest_is_taken_whatever_it_holds(tokens):
    made = digest(tokens, set(), NOW, ZoneInfo("Europe/Berlin"), LADDER)
    for one in digest_message(made) if made else ():
        assert_takes(one)


@unhurried
@given(hostile.text, st.lists(hostile.incidents, max_size=6), st.lists(hostile.tokens, max_size=6), hostile.facts)
def test_replies_forms_and_home_are_taken_whatever_they_hold(text, incidents, tokens, facts):
    incidents = [replace(incident, facts=facts.to_json()) for incident in incidents]
    for made in (
        replies.told(text),
        replies.sorry(text),
        replies.still_looking(text),
        replies.only_owners(text, (text, "U012AB3CD")),
        replies.looks_like_a_token(text),
        replies.gone(text),
        needs(text),
    ):
        assert_takes(made)
    for view in (
        closing_form(text, text),
        loading_form(text),
        snooze_form(incidents),
        *(resolve_form(incident) for incident in incidents[:1]),
        home_view(
            Home(
                user=text,
                chosen=HomeFilter("all", text, 3),
                shelf=Shelf(tuple(tokens), 99),
                urgent=Shelf(tuple(tokens), 3),
                known=99,
                registries=[(text, 5), ("npm", 94)],
                incidents=[Glance(incident) for incident in incidents],
                open_incidents=200,
                mine=[Glance(incident) for incident in incidents],
                rotations=[RotationLine(text, text, text)],
                digest_channel=text,
                alert_channel=text,
            ),
            NOW,
        ),
    ):
        assert_view_takes(view, frozenset(filter(None, (facts.run_url,))))
    errors = errors_beside({text: text, "used_by[0].repo": text, "packages": text, "scopes": text})
    assert set(errors) <= {"name", "uses", "grants"}
    assert all(0 < len(error) <= 1000 for error in errors.values() if error)


@unhurried
@given(st.lists(hostile.text, max_size=60), st.integers(0, 5))
def test_any_parts_are_brought_within_the_limits(texts, rank):
    """Even parts that no builder makes: text that is not safe may look wrong, but is never too long."""
    made = message(
        "".join(texts),
        [
            section("first"),
            *(section(*text.split("\n"), rank=rank) for text in texts),
            context(*texts, rank=1),
            *(header(text) for text in texts),
            buttons(*(Button(text, f"a.{index}", text[:1990]) for index, text in enumerate(texts))),
        ],
    )
    too_long = [line for line in problems(made.blocks, total_text=MOST_TEXT) if "rich" not in line]
    assert too_long == []
    assert len(made.blocks) <= MOST_BLOCKS
    assert made.blocks[0]["text"]["text"] == "first"


@unhurried
@given(hostile.text, st.integers(1, 10**6))
def test_a_page_button_brings_its_filter_and_number_back(text, number):
    value = page_value(text, number)
    assert len(value) <= 2000
    assert read_page_value(value)[1] == number


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", "null", '{"filter": 1, "page": 1e999}', '{"filter":"x","page":"y"}', "{"]
)
def test_a_page_value_that_is_not_ours_is_the_first_page(value):
    assert read_page_value(value) == ("", 1)


def test_help_is_taken():
    assert_takes(help_message())
    assert_takes(status_message(StatusCounts(), (), 0, None, NOW))
    assert_view_takes(token_form())
