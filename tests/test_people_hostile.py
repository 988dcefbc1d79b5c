"""Whatever the outside sends, digests, deadlines, log diagnoses and letters stay within Slack's limits and inert."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import hostile
from hostile import NOW
from hypothesis import given
from hypothesis import strategies as st
from slack_limits import mrkdwn_texts, problems, unsafe
from test_messages_hostile import LADDER, assert_takes, unhurried

from bot.daily_news import news, of_person
from bot.deadlines import deadlines
from bot.diagnosis.diagnosis import Alternative, Diagnosis, EvidenceLine, PackageOutcome
from bot.incidents import Facts
from bot.messages import thread
from bot.messages.card import incident_card
from bot.messages.deadlines import alt_text, deadlines_message
from bot.messages.digest import digest_message
from bot.messages.digest_choice import digest_choice
from bot.messages.log_diagnosis import log_diagnosis
from bot.messages.slack_trouble import noted
from bot.policy import rules
from bot.reminders import Digest, digest
from bot.reminders import of_person as tokens_of_person
from bot.slack_log_text import undressed
from bot.timeline import HEIGHT, WIDTH, picture
from storage.audit import Entry
from storage.awaited import Awaited

ZONE = ZoneInfo("Europe/Berlin")
LINKS = frozenset(rule.link for rule in rules())
entries = st.builds(
    Entry,
    st.just(NOW),
    hostile.text,
    st.sampled_from(("token.add", "token.remove", "token.change", "incident.open", "incident.resolve")) | hostile.text,
    hostile.text.map(lambda text: f"token:{text}") | hostile.text,
    hostile.text,
)
diagnoses = st.builds(
    Diagnosis,
    cause=hostile.text,
    auth=st.booleans(),
    outcome=st.sampled_from(("failed", "staged")),
    phase=st.just("publish"),
    sentence=hostile.text,
    registry=hostile.optional_text,
    tool=hostile.optional_text,
    client=hostile.optional_text,
    package=hostile.optional_text,
    version=hostile.optional_text,
    code=hostile.optional_text,
    evidence=st.lists(st.builds(EvidenceLine, st.integers(1, 10**7), hostile.text), max_size=6).map(tuple),
    also=st.lists(st.builds(Alternative, hostile.text, st.floats(0, 1), hostile.text), max_size=6).map(tuple),
    fix=hostile.texts,
    docs=hostile.optional_text,
    secrets_masked=st.integers(0, 9),
    lines=st.integers(0, 10**7),
)


@unhurried
@given(
    st.lists(hostile.tokens, max_size=12),
    st.lists(hostile.incidents, max_size=9),
    hostile.facts,
    st.lists(entries, max_size=12),
    hostile.text,
)
def test_a_digest_with_all_its_news(tokens, open_, facts, changes, text):
    open_ = [replace(incident, facts=facts.to_json(), opened_at=NOW - timedelta(days=3)) for incident in open_]
    told = news(changes, open_, 5000, NOW)
    waits = Awaited(1, text, text, text, text, "staged", 1, None, text, NOW, NOW)
    told = replace(told, staged=(waits, replace(waits, package=None, version=None)) * 5)
    found = digest(tokens, set(), NOW, ZONE, LADDER) or Digest(NOW.date(), ())
    urls = LINKS | frozenset(filter(None, (facts.run_url,)))
    owners = frozenset(filter(None, (token.owner for token in tokens)))
    for whole in (found, replace(found, directly=owners)):
        for made in digest_message(whole, told):
            assert_takes(made, urls)
    for user in ("U012AB3CD", text):
        mine = tokens_of_person(found, user)
        for made in digest_message(mine, of_person(told, user), personal=True) if mine else ():
            assert_takes(made, urls)


@unhurried
@given(st.lists(hostile.tokens, min_size=1, max_size=4))
def test_five_thousand_hostile_tokens_are_one_digest_and_one_answer(few):
    many = [replace(few[at % len(few)], id=at, revoked_at=None, kind="granular", owner=f"U{at % 700:08}",
                    expires_at=NOW + timedelta(hours=at % 300)) for at in range(1, 5001)]  # fmt: skip
    found = digest(many, set(), NOW, ZONE, LADDER)
    assert found is not None
    owners = frozenset(token.owner for token in many)
    (made,) = digest_message(found)
    assert problems(made.blocks) == []
    for text in mrkdwn_texts(list(made.blocks)):
        assert unsafe(text, mentions=owners, urls=LINKS) == []
    answer = deadlines_message(deadlines(many, NOW))
    assert problems(answer.blocks) == []
    for text in mrkdwn_texts(list(answer.blocks)):
        assert unsafe(text, mentions=owners, urls=LINKS) == []


@unhurried
@given(st.lists(hostile.tokens, max_size=14))
def test_deadlines_in_words_and_as_a_picture(tokens):
    found = deadlines(tokens, NOW)
    assert_takes(deadlines_message(found, picture=True), LINKS)
    described = alt_text(found)
    assert 0 < len(described) <= 1000 and "\n" not in described
    png = picture(found, ZONE)
    assert struct.unpack(">II", png[16:24]) == (WIDTH, HEIGHT)


@unhurried
@given(diagnoses)
def test_a_diagnosed_log(found):
    assert_takes(log_diagnosis(found), frozenset(filter(None, (found.docs,))))


@unhurried
@given(hostile.text)
def test_what_people_paste_never_breaks_the_reading_of_it(text):
    undressed(text).encode("utf-8", "replace")


@unhurried
@given(st.none() | hostile.tokens, hostile.user, hostile.text)
def test_lines_about_people(token, actor, text):
    assert_takes(thread.also_for(thread.people(token, actor) or {"U012AB3CD": "who started the run"}))
    for by in ("direct", text):
        assert_takes(digest_choice(by, text, NOW, is_new=True))
    shown, blocks = noted("text", "[]", meant_for=text, anew=text)
    assert unsafe(shown.removeprefix("text "), mentions=hostile.USERS) == [] and blocks == []


@unhurried
@given(hostile.incidents, hostile.facts, st.lists(hostile.text, min_size=100, max_size=100))
def test_a_card_of_a_hundred_packages_moved_to_another_channel(incident, facts, names):
    """With the grey line of the outbox before it, a full card is still one that Slack takes."""
    outcomes = ("published", "failed", "staged", "skipped", "unclear")
    packages = tuple(PackageOutcome(name, name, outcomes[at % 5]) for at, name in enumerate(names))
    facts = Facts.from_json(replace(facts, packages=packages).to_json())
    made = incident_card(incident, facts, None, NOW)

    _, blocks = noted(made.text, json.dumps(list(made.blocks)), meant_for="C07OTHER001", anew="message-deleted")
    assert problems(blocks) == []
