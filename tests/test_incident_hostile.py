"""Whatever the outside sends, a card with all its surroundings, lists of incidents and their forms stay inert."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import hostile
from hostile import NOW
from hypothesis import given
from hypothesis import strategies as st
from test_messages_hostile import assert_takes, assert_view_takes, unhurried

from bot.incident_search import fitting
from bot.incidents import Facts
from bot.messages import thread
from bot.messages.around import Around, card_url
from bot.messages.card import incident_card
from bot.messages.incident_forms import claim_form, hand_over_form, snooze_form
from bot.messages.incident_line import Glance
from bot.messages.incident_list import claimed_reply, incident_list
from storage.awaited import Awaited
from storage.incidents import Incident
from tests.slack_limits import problems, view_problems

PLACE = ("C07RELEASE1", "1795512600.000100")
items = st.lists(hostile.awaited, max_size=14)


def urls_of(facts: Facts, *lists: list[Awaited]) -> frozenset[str]:
    found = {facts.run_url, facts.docs, card_url(*PLACE), *(item.run_url for items in lists for item in items)}
    return frozenset(filter(None, found))


@unhurried
@given(hostile.incidents, hostile.facts, items, st.lists(hostile.incidents, max_size=7), st.integers(0, 15))
def test_a_card_with_all_its_surroundings(incident, facts, items, others, which):
    others = [replace(other, facts=facts.to_json()) for other in others]
    relative = dict(enumerate(others))
    around = Around(
        items=tuple(items),
        explains=tuple(others),
        explained_by=relative.get(0) if which & 1 else None,
        previous=relative.get(1) if which & 2 else None,
        goes_on_in=relative.get(2) if which & 4 else None,
        places={other.id: PLACE for other in others} if which & 8 else {},
    )
    assert_takes(incident_card(incident, facts, None, NOW, around), urls_of(facts, items))


@unhurried
@given(hostile.incidents, hostile.facts, items, hostile.text, hostile.user)
def test_every_line_of_a_thread(incident, facts, items, text, who):
    over = replace(incident, facts=facts.to_json())
    lines: list[Any] = [
        thread.another_cause(incident, facts, text),
        thread.card_is_elsewhere(incident, facts, text, text),
        thread.no_longer_explained(over),
        thread.outage_over(incident, items),
        thread.still_on_it(incident),
        thread.given_back(incident),
        thread.goes_on_elsewhere(incident),
        thread.handed_over(incident, who or "", text),
        thread.rerun_started(incident, who or "", facts, 3, 2, text),
    ]
    if items:
        lines += [thread.staged(items), thread.still_staged(incident, items, NOW)]
    for made in lines:
        assert_takes(made, urls_of(facts))


@unhurried
@given(st.lists(st.tuples(hostile.incidents, items), max_size=16), hostile.facts, st.booleans(), st.integers(0, 5))
def test_lists_and_forms(found, facts, with_place, explains):
    glances = [
        Glance(replace(incident, facts=facts.to_json()), items, PLACE if with_place else None, explains)
        for incident, items in found
    ]
    urls = urls_of(facts, *(items for _, items in found))
    assert_takes(incident_list(glances, 500, NOW), urls)
    for glance in glances[:2]:
        assert_takes(claimed_reply(glance), urls)
        assert_view_takes(hand_over_form(glance.incident))
    if glances:
        assert_view_takes(claim_form([glance.incident for glance in glances]))
        assert_view_takes(snooze_form([glance.incident for glance in glances]))


def test_a_hundred_packages_and_forty_repositories_are_one_card() -> None:
    def item(number: int, repo: str) -> Awaited:
        return Awaited(
            1, repo, ".github/workflows/release.yml", f"@acme/{'long-' * 30}{number}", "1.0.0-beta.1", "failed", 3,
            number, "https://github.com/" + "r" * 400, NOW, NOW, tag=f"@acme/{'long-' * 30}{number}@1.0.0-beta.1",
        )  # fmt: skip

    incident = Incident(
        1, "f", "open", "npm", "no-access", "token-expired", None, "acme/ui", ".github/workflows/release.yml", "p",
        "1.0.0", 400, NOW - timedelta(hours=1), NOW, None, None, None, None, None, None, None, None, "C1", "k", "",
    )  # fmt: skip
    for around, said in (
        (Around(items=tuple(item(number, "acme/ui") for number in range(100))), "None of 100 packages is out"),
        (
            Around(items=tuple(item(number, f"acme/{'r' * 90}{number}") for number in range(40))),
            "40 of 40 workflows still to publish",
        ),
    ):
        made = incident_card(incident, Facts("The token expired 2 days ago"), None, NOW, around)
        assert problems(made.blocks) == []
        assert said in str(made.blocks)


def test_forms_that_ask_which_of_too_many_stay_within_the_limits() -> None:
    long = "@acme/" + "very-long-name-" * 14
    many = [
        Incident(
            number, "f", "open", "npm", "unknown", "unknown", None, long, ".github/workflows/release.yml", long, "1.0",
            1, NOW, NOW, None, None, None, None, None, None, None, None, "C1", "k", "",
        )
        for number in range(1, 300)
    ]  # fmt: skip
    for view in (claim_form(many), snooze_form(many)):
        assert view_problems(view) == []
        assert "No. 100: " in str(view) and "No. 101: " not in str(view)


@unhurried
@given(hostile.text, st.lists(hostile.incidents, max_size=4))
def test_whatever_is_typed_finds_only_what_is_there(typed, incidents):
    found = fitting(incidents, typed)
    assert all(incident in incidents for incident in found)
    for incident in incidents:
        assert incident in fitting(incidents, f"no. {incident.id}")
        word = next(iter(incident.repo.split()), "")
        if not word.lstrip("#no.NO").isdecimal():  # a number is one of ours
            assert incident in fitting(incidents, word)
