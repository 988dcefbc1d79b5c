"""Forms come back as records; what was not changed in them stays exactly as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from slack_limits import view_problems
from test_messages_card import OPEN

from bot.incidents import Facts
from bot.messages.home import Home, HomeFilter, Shelf, home_view
from bot.messages.incident_forms import read_resolve_form, read_snooze_form, resolve_form, snooze_form, tomorrow
from bot.messages.incident_line import Glance
from bot.messages.modal import VALUE, closing_form, loading_form
from bot.messages.token_form import BLOCK_OF, errors_beside, read_form, read_use, token_form, write_use
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TOKEN = Token(
    name="npm-acme-ci",
    permission="read-write",
    packages=("@acme/ui", "left-pad"),
    scopes=("@acme",),
    bypass_2fa=True,
    bypass_reason="no person at release time",
    hint="npm_aBcD...7890",
    created_at=datetime(2026, 8, 29, 7, 15, 3, tzinfo=UTC),
    expires_at=datetime(2026, 11, 27, 7, 15, 3, tzinfo=UTC),
    owner="U012AB3CD",
    note="second line\nof a note",
    used_by=(Use("acme/ui", "release.yml", "NPM_TOKEN"), Use("acme/api", None, "NPM_TOKEN", "environment", "prod")),
    id=7,
)


def put_back(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What Slack sends when a person submits the form as it was opened."""
    states: dict[str, dict[str, Any]] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        states[block["block_id"]] = {
            VALUE: {
                "plain_text_input": {"value": element.get("initial_value")},
                "static_select": {"selected_option": element.get("initial_option")},
                "users_select": {"selected_user": element.get("initial_user")},
                "datepicker": {"selected_date": element.get("initial_date")},
                "checkboxes": {"selected_options": element.get("initial_options", [])},
            }[element["type"]]
        }
    return states


def test_an_edit_that_changes_nothing_changes_nothing():
    """Not even the second at which it ends: a new end would have every reminder said again."""
    view = token_form(TOKEN)
    assert view["private_metadata"] == "7"
    assert read_form(put_back(view), TOKEN) == {
        "name": "npm-acme-ci",
        "registry": "npm",
        "kind": "granular",
        "permission": "read-write",
        "packages": ["@acme/ui", "left-pad"],
        "scopes": ["@acme"],
        "bypass_2fa": True,
        "bypass_reason": "no person at release time",
        "hint": "npm_aBcD...7890",
        "created_at": "2026-08-29T07:15:03+00:00",
        "expires_at": "2026-11-27T07:15:03+00:00",
        "owner": "U012AB3CD",
        "backup_owner": None,
        "note": "second line\nof a note",
        "used_by": [
            {
                "repo": "acme/ui",
                "workflow": "release.yml",
                "secret": "NPM_TOKEN",
                "level": "repository",
                "environment": None,
            },
            {
                "repo": "acme/api",
                "workflow": None,
                "secret": "NPM_TOKEN",
                "level": "environment",
                "environment": "prod",
            },
        ],
    }


def test_a_new_day_replaces_the_old_moment():
    values = put_back(token_form(TOKEN))
    values["expires"] = {VALUE: {"selected_date": "2026-12-24"}}
    assert read_form(values, TOKEN)["expires_at"] == "2026-12-24"


def test_a_computed_end_is_not_offered_as_if_it_were_recorded():
    values = put_back(token_form(replace(TOKEN, expires_computed=True)))
    assert read_form(values, TOKEN)["expires_at"] is None


def test_an_empty_form_is_owned_by_whoever_opened_it_and_warns_before_anything_else():
    view = token_form(opened_by="U2ABC")
    assert view_problems(view) == []
    assert view["blocks"][0]["text"]["text"].startswith("*Never paste a token here.*")
    record = read_form(put_back(view))
    assert (record["name"], record["owner"], record["bypass_2fa"]) == ("", "U2ABC", False)
    assert record["used_by"] == []


def test_an_unticked_box_that_nobody_ever_ticked_stays_unknown():
    before = replace(TOKEN, bypass_2fa=None)
    assert read_form(put_back(token_form(before)), before)["bypass_2fa"] is None


def test_what_does_not_fit_the_form_is_left_alone():
    many = replace(
        TOKEN,
        packages=tuple(f"@acme/a-rather-long-package-name-{i}" for i in range(400)),
        used_by=tuple(Use(f"acme/repository-{i}", "release.yml", "NPM_TOKEN") for i in range(400)),
        note="x" * 4000,
    )
    view = token_form(many)
    assert view_problems(view) == []
    record = read_form(put_back(view), many)
    assert not {"packages", "scopes", "used_by", "note"} & set(record)
    assert "401 packages are too many for this form" in str(view)


def test_a_word_this_version_does_not_know_is_kept():
    odd = replace(TOKEN, registry="verdaccio", kind="robot", permission="write-only")
    record = read_form(put_back(token_form(odd)), odd)
    assert (record["registry"], record["kind"], record["permission"]) == ("verdaccio", "robot", "write-only")


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("acme/ui", Use("acme/ui")),
        ("acme/ui:release.yml:NPM_TOKEN", Use("acme/ui", "release.yml", "NPM_TOKEN")),
        ("acme/ui release.yml NPM_TOKEN organization", Use("acme/ui", "release.yml", "NPM_TOKEN", "organization")),
        (
            "acme/ui:release.yml:NPM_TOKEN:environment:prod eu",
            Use("acme/ui", "release.yml", "NPM_TOKEN", "environment", "prod eu"),
        ),
        ("acme/ui::NPM_TOKEN", Use("acme/ui", None, "NPM_TOKEN")),
    ],
)
def test_a_use_is_one_line(line, use):
    assert Use(**read_use(line)) == use
    assert Use(**read_use(write_use(use))) == use


def test_problems_stand_beside_their_fields():
    errors = errors_beside(
        {
            "packages": "No such package.",
            "scopes": "Must begin with @.",
            "used_by[2].repo": "Needs owner/name.",
            "?": "Odd.",
        }
    )
    assert errors == {"grants": "No such package. Must begin with @.", "uses": "Needs owner/name.", "name": "Odd."}


def test_every_field_of_the_record_has_a_block_to_show_its_problem():
    blocks = {block.get("block_id") for block in token_form()["blocks"]}
    assert set(BLOCK_OF.values()) <= blocks
    assert set(read_form(put_back(token_form()))) <= set(BLOCK_OF)


def snooze_values(chosen: str, incident: int | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "until": {VALUE: {"selected_option": {"value": chosen}}},
        "reason": {VALUE: {"value": " npm is down "}},
    }
    if incident is not None:
        values["incident"] = {VALUE: {"selected_option": {"value": str(incident)}}}
    return values


@pytest.mark.parametrize(
    ("chosen", "until"),
    [
        ("1h", NOW + timedelta(hours=1)),
        ("4h", NOW + timedelta(hours=4)),
        ("tomorrow", datetime(2026, 11, 25, 8, tzinfo=UTC)),
        ("3d", NOW + timedelta(days=3)),
        ("1w", NOW + timedelta(days=7)),
    ],
)
def test_a_snooze_ends_when_it_says(chosen, until):
    snooze = read_snooze_form(snooze_values(chosen), "12", NOW, ZoneInfo("Europe/Berlin"))
    assert (snooze.incident_id, snooze.until, snooze.reason) == (12, until, "npm is down")


def test_tomorrow_is_nine_o_clock_whatever_the_clocks_do():
    night = datetime(2026, 10, 24, 20, tzinfo=UTC)  # the night in which Berlin goes back to winter time
    assert tomorrow(night, ZoneInfo("Europe/Berlin")) == datetime(2026, 10, 25, 8, tzinfo=UTC)


def test_of_several_incidents_one_is_chosen_and_of_none_nothing_is_asked():
    several = snooze_form([OPEN, replace(OPEN, id=13)])
    assert view_problems(several) == []
    assert not several.get("private_metadata")
    assert read_snooze_form(snooze_values("1h", 13), "", NOW, ZoneInfo("UTC")).incident_id == 13
    assert snooze_form([OPEN])["private_metadata"] == "12"
    assert "submit" not in snooze_form([])


def test_resolving_asks_how_and_says_that_it_is_seldom_needed():
    view = resolve_form(OPEN)
    assert view_problems(view) == []
    assert "The card closes by itself once the version is on the registry." in str(view)
    assert read_resolve_form({"reason": {VALUE: {"value": "released as 2.3.2"}}}) == "released as 2.3.2"


def test_forms_without_questions_can_only_be_closed():
    for view in (loading_form(), closing_form("Snooze", "Nothing is open")):
        assert view_problems(view) == []
        assert "submit" not in view


def test_an_empty_home_teaches_the_first_steps():
    view = home_view(Home("U1", heard=False, digest_channel="C0123ABC"), NOW)
    assert view_problems(view) == []
    said = str(view)
    for words in ("No token is known yet.", "npm token list --json", "GitHub has not sent anything yet", "Add a token"):
        assert words in said
    assert "Which tokens" not in said, "nothing to filter"


@pytest.mark.parametrize(
    ("show", "says"),
    [
        ("mine", "None at npm is yours."),
        ("ending", "Nothing at npm ends within 30 days."),
        ("ownerless", "Every token at npm has an owner"),
        ("all", "There is no token at npm."),
    ],
)
def test_a_filter_that_finds_nothing_says_so_in_its_own_words(show, says):
    view = home_view(Home("U1", HomeFilter(show, "npm"), known=3, registries=[("npm", 1), ("pypi", 2)]), NOW)
    assert says in str(view)
    assert view_problems(view) == []


def test_home_counts_what_it_does_not_show():
    home = Home(
        "U1",
        HomeFilter("all", None, 2),
        Shelf((TOKEN,) * 20, 5000),
        Shelf((TOKEN,) * 20, 300),
        known=5000,
        registries=[("npm", 4000), ("pypi", 1000)],
        incidents=[Glance(replace(OPEN, facts=Facts("npm refused the token").to_json()))] * 20,
        open_incidents=60,
    )
    view = home_view(home, NOW)
    assert view_problems(view) == []
    assert "5,000 tokens, page 2 of 500" in str(view)
    assert "And 290 more tokens of yours" in str(view)
    assert "And 50 more" in str(view)
    assert HomeFilter.from_json(view["private_metadata"]) == home.chosen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"show": "x"}',
        '{"show": "all", "registry": 1, "page": 1}',
        '{"show": "all", "registry": null, "page": -1}',
        '{"show": "all", "registry": null, "page": true}',
    ],
)
def test_a_home_of_another_version_starts_with_ones_own(text):
    assert HomeFilter.from_json(text) == HomeFilter()
