"""The card reads well in every state: the fact first, then what to do, then whose token it is, then the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from slack_limits import problems

from bot.diagnosis.diagnosis import Alternative, EvidenceLine, PackageOutcome
from bot.incidents import Facts
from bot.messages import card, thread
from bot.messages.card import incident_card
from bot.messages.message import Message
from storage.incidents import Incident
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
OPEN = Incident(
    id=12,
    fingerprint="npm:token-expired:1",
    state="open",
    registry="npm",
    cause="token-rejected",
    verdict="token-expired",
    token_id=1,
    repo="acme/ui",
    workflow=".github/workflows/release.yml",
    package="@acme/ui",
    version="2.3.1",
    occurrences=1,
    opened_at=NOW,
    last_seen_at=NOW,
    claimed_by=None,
    claimed_at=None,
    snoozed_by=None,
    snoozed_until=None,
    snooze_reason=None,
    resolved_at=None,
    resolved_by=None,
    resolution=None,
    channel="C1",
    card_key="incident:12",
    facts="",
)
FACTS = Facts(
    sentence="Token npm-acme-ci expired 2 days ago",
    reasons=("Its end was 2026-11-22, as recorded",),
    advice=("Create a new token with `npm token create`", "Store it in secret NPM_TOKEN", "Re-run the failed jobs"),
    evidence=(EvidenceLine(412, "npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fui"),),
    also=(Alternative("insufficient-scope", 0.3, "its package list lacks @acme/ui"),),
    workflow_name="Release",
    run_url="https://github.com/acme/ui/actions/runs/1",
    run_number=812,
    branch="main",
    actor="ann",
    token_reasons=("secret NPM_TOKEN of acme/ui", "may publish @acme/ui"),
    missing=("the registry did not answer",),
    docs="https://docs.npmjs.com/about-access-tokens",
    can_rerun=True,
)
TOKEN = Token(
    name="npm-acme-ci",
    owner="U012AB3CD",
    backup_owner="U0BACKUP1",
    expires_at=NOW - timedelta(days=2, hours=1),
    packages=("@acme/ui",),
    permission="read-write",
    used_by=(Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN"),),
    id=1,
)


def read(made: Message) -> str:
    """The card as it is read from top to bottom, buttons in brackets."""
    assert problems(made.blocks) == []
    lines = []
    for block in made.blocks:
        match block["type"]:
            case "section":
                lines.append(block["text"]["text"])
            case "context":
                lines += [element["text"] for element in block["elements"]]
            case "rich_text":
                lines += ["| " + block["elements"][0]["elements"][0]["text"]]
            case "actions":
                lines.append(" ".join(f"[{element['text']['text']}]" for element in block["elements"]))
    return "\n".join(lines)


def action_ids(made: Message) -> list[str]:
    return [
        element["action_id"] for block in made.blocks if block["type"] == "actions" for element in block["elements"]
    ]


def test_an_open_card_read_aloud():
    assert read(incident_card(OPEN, FACTS, TOKEN, NOW)) == (
        "*Token npm-acme-ci expired 2 days ago.*\n"
        "`@acme/ui` 2.3.1 from `acme/ui`, Release (release.yml), run 812 on `main`, started by ann\n"
        "*What to do*\n"
        "1.  Create a new token with `npm token create`\n"
        "2.  Store it in secret NPM_TOKEN.\n"
        "3.  Re-run the failed jobs.\n"
        "*Token*  `npm-acme-ci`  ·  expired 2 days ago "
        "(<!date^1795336200^{date_short_pretty} {time}|2026-11-22 08:30 UTC>)"
        "  ·  npm granular access token  ·  owner <@U012AB3CD>\n"
        "How it was matched: secret NPM_TOKEN of acme/ui; may publish @acme/ui.\n"
        "From the log, line 412:\n"
        "| npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fui\n"
        "*It could also be that*\n"
        "•  the token is alive but may not publish this package. "
        "What would confirm it: its package list lacks @acme/ui.\n"
        "How we know: Its end was 2026-11-22, as recorded.\n"
        "Failed once, <!date^1795512600^{date_short_pretty} {time} ({ago})|2026-11-24 09:30 UTC>\n"
        "<https://github.com/acme/ui/actions/runs/1|Open the run>  ·  "
        "<https://docs.npmjs.com/about-access-tokens|Read more>\n"
        "Missing evidence: the registry did not answer.\n"
        "[Claim] [Snooze] [Start rotation] [Re-run failed jobs] [Resolve]"
    )


def test_the_fallback_is_the_card_in_sentences():
    assert incident_card(OPEN, FACTS, TOKEN, NOW).text == (
        "Token npm-acme-ci expired 2 days ago. @acme/ui 2.3.1, acme/ui, release.yml. "
        "What to do first: Create a new token with npm token create."
    )


def test_every_button_carries_the_incident():
    made = incident_card(OPEN, FACTS, TOKEN, NOW)
    assert action_ids(made) == [card.CLAIM, card.SNOOZE, card.ROTATE, card.RERUN, card.RESOLVE]
    assert {element["value"] for element in made.blocks[-1]["elements"]} == {"12"}


def test_the_owner_is_mentioned_once_and_the_backup_owner_not_yet():
    made = incident_card(OPEN, FACTS, TOKEN, NOW)
    assert (read(made) + made.text).count("<@U012AB3CD>") == 1
    assert "U0BACKUP1" not in str(made)


def test_a_claimed_card_says_who_is_on_it_and_can_be_taken_over():
    said = read(incident_card(replace(OPEN, state="claimed", claimed_by="U2ABC", claimed_at=NOW), FACTS, TOKEN, NOW))
    assert said.startswith("*Token npm-acme-ci expired 2 days ago.*")
    assert "<@U2ABC> is on it since <!date^" in said
    assert "[Take over] [Hand over] [Snooze]" in said


def test_a_snoozed_card_says_until_when_and_why():
    snoozed = replace(
        OPEN, state="snoozed", snoozed_by="U2ABC", snoozed_until=NOW + timedelta(hours=4), snooze_reason="npm is down"
    )
    made = incident_card(snoozed, FACTS, TOKEN, NOW)
    assert (
        "Snoozed until <!date^1795527000^{date_short_pretty} {time}|2026-11-24 13:30 UTC> by <@U2ABC>: npm is down."
        in read(made)
    )
    assert card.WAKE in action_ids(made)
    assert card.SNOOZE not in action_ids(made)


def test_a_card_closed_by_proof_has_no_buttons_and_no_evidence():
    resolved = replace(OPEN, state="resolved", resolved_at=NOW, resolved_by="bot", resolution="the re-run published it")
    said = read(incident_card(resolved, FACTS, TOKEN, NOW))
    assert said.startswith("*Resolved: the re-run published it.* <!date^")
    assert "\nIt was: Token npm-acme-ci expired 2 days ago.\n" in said
    for gone in ("[", "What to do", "From the log", "could also", "How we know", "Missing"):
        assert gone not in said


def test_a_card_closed_by_a_person_can_be_opened_again():
    resolved = replace(OPEN, state="resolved", resolved_at=NOW, resolved_by="U2ABC", resolution="released as 2.3.2")
    made = incident_card(resolved, FACTS, TOKEN, NOW)
    assert read(made).startswith("*Resolved: released as 2.3.2.* By <@U2ABC>. <!date^")
    assert action_ids(made) == [card.REOPEN]


@pytest.mark.parametrize("cause", ["registry-outage", "rate-limited", "network-error", "version-exists", "bad-package"])
def test_a_cause_that_is_no_credential_never_blames_a_token(cause):
    """Not even when a stored token was matched with the workflow."""
    facts = replace(FACTS, sentence="npm answered 503", auth=False, also=(), token_reasons=(), reasons=(), advice=())
    made = incident_card(replace(OPEN, cause=cause), facts, TOKEN, NOW)
    assert "No token is at fault" in read(made)
    assert "npm-acme-ci" not in str(made)
    assert "U012AB3CD" not in str(made)
    assert card.ROTATE not in action_ids(made)


def test_a_guess_is_called_one_and_rotation_is_not_a_click_away():
    made = incident_card(OPEN, replace(FACTS, token_guess=True), TOKEN, NOW)
    assert "Only a guess: nothing on record ties it to this workflow." in read(made)
    assert "If it is the one: `/tokens rotate npm-acme-ci`" in read(made)
    assert card.ROTATE not in action_ids(made)


def test_tokens_that_fit_as_well_are_named():
    made = incident_card(OPEN, replace(FACTS, token_ties=("npm-b", "npm-c")), None, NOW)
    assert "One of `npm-b` and `npm-c`: on record they fit this workflow alike." in read(made)


def test_without_a_known_token_the_card_says_how_to_make_one_known():
    said = read(incident_card(OPEN, FACTS, None, NOW))
    assert "None of the known tokens fits this workflow. Add it with `/tokens add`" in said
    assert "[Start rotation]" not in said


def test_a_computed_end_is_only_probable():
    said = read(incident_card(OPEN, FACTS, replace(TOKEN, expires_computed=True), NOW))
    assert "probably expired 2 days ago" in said


def test_an_early_death_reads_revoked_not_expired():
    revoked = replace(TOKEN, revoked_at=NOW - timedelta(days=1), expires_at=NOW + timedelta(days=30))
    assert "revoked a day ago" in read(incident_card(OPEN, FACTS, revoked, NOW))


def test_a_trusted_publisher_is_not_called_a_token():
    publisher = Token(name="acme-api-publisher", kind="trusted-publisher", owner="U012AB3CD", id=2)
    made = incident_card(replace(OPEN, cause="oidc-publisher-mismatch"), FACTS, publisher, NOW)
    assert "*Trusted publisher*  `acme-api-publisher`  ·  owner <@U012AB3CD>" in read(made)
    assert card.ROTATE not in action_ids(made)


@pytest.mark.parametrize("cause", ["tokens-disallowed", "token-missing", "oidc-permission-missing"])
def test_rotation_is_not_offered_where_a_new_token_would_not_help(cause):
    assert card.ROTATE not in action_ids(incident_card(replace(OPEN, cause=cause, verdict=cause), FACTS, TOKEN, NOW))


def test_a_hundred_packages_stay_a_few_lines():
    outcomes = ["published"] * 60 + ["failed"] * 37 + ["staged"] * 3
    packages = tuple(PackageOutcome(f"@acme/package-{i}", "1.0.0", outcome) for i, outcome in enumerate(outcomes))
    made = incident_card(OPEN, replace(FACTS, packages=packages), TOKEN, NOW)
    said = read(made)
    assert "*60 of 100 packages were published*" in said
    assert "•  Not published (37): `@acme/package-60` 1.0.0, " in said
    assert "and 25 more" in said
    assert "•  Published (60): " in said
    assert len(said) < 5000
    assert len(made.blocks) < 15


def test_what_repeats_is_counted_on_the_card_and_told_in_one_line():
    again = replace(OPEN, occurrences=3, last_seen_at=NOW + timedelta(hours=1))
    assert "Failed 3 times since <!date^1795512600^" in read(incident_card(again, FACTS, TOKEN, NOW))
    assert thread.failed_again(again, FACTS).text == (
        "Failed again: <https://github.com/acme/ui/actions/runs/1|run 812>. That makes 3 times."
    )


def test_thread_lines_read_aloud():
    claimed = replace(OPEN, state="claimed", claimed_by="U2ABC", claimed_at=NOW - timedelta(hours=5))
    resolved = replace(OPEN, state="resolved", resolved_by="bot", resolution="the re-run published it")
    lines = [
        thread.claimed(claimed),
        thread.claim_stale(claimed, NOW, timedelta(hours=4)),
        thread.escalated(replace(OPEN, opened_at=NOW - timedelta(days=1, minutes=5)), TOKEN, NOW),
        thread.snooze_over(replace(OPEN, snoozed_by="U2ABC")),
        thread.snooze_over(replace(OPEN, snoozed_by="U2ABC", claimed_by="U3ABC")),
        thread.woken("U2ABC"),
        thread.resolved(resolved),
        thread.resolved(replace(resolved, resolved_by="U2ABC")),
        thread.reopened(OPEN),
        thread.reopened(OPEN, "U2ABC"),
        thread.reopened(claimed, "U2ABC"),
        thread.reopened(claimed),
        thread.rerun_started(OPEN, "U2ABC", FACTS),
    ]
    assert [line.text for line in lines] == [
        "<@U2ABC> is on it.",
        "<@U2ABC>, you took this 5 hours ago and it is still open. "
        "Are you still on it? Say so on the card, or hand it over; else it is given back in 4 hours.",
        "Still open: this started a day ago. <@U0BACKUP1>, you are the backup owner of `npm-acme-ci`: can you help?",
        "<@U2ABC>, the snooze is over and this is still open.",
        "<@U3ABC>, the snooze is over and this is still open.",
        "<@U2ABC> ended the snooze.",
        "Resolved: the re-run published it.",
        "Resolved: the re-run published it. By <@U2ABC>.",
        "Open again: it failed once more.",
        "Reopened by <@U2ABC>.",
        "Reopened by <@U2ABC>.",
        "Open again: it failed once more. <@U2ABC>, it is with you again.",
        "<@U2ABC> started the failed jobs of <https://github.com/acme/ui/actions/runs/1|run 812> again. "
        "The card closes when the version is live.",
    ]


def test_a_card_that_would_be_too_long_gives_up_the_least_important_first():
    # `sections` of this size are not what diagnosis makes, but a log may.
    long = "word " * 1000
    facts = replace(
        FACTS,
        sentence=long,
        advice=(long,) * 9,
        reasons=(long,) * 9,
        also=tuple(Alternative(long, 0.1, long) for _ in range(9)),
        missing=(long,) * 9,
        token_reasons=(long,) * 9,
        evidence=tuple(EvidenceLine(1, long) for _ in range(9)),
        packages=tuple(PackageOutcome(long, long, "failed") for _ in range(100)),
    )
    made = incident_card(OPEN, facts, TOKEN, NOW)
    said = read(made)
    assert said.startswith("*word word")
    assert "*What to do*" in said
    assert said.endswith("[Claim] [Snooze] [Start rotation] [Re-run failed jobs] [Resolve]")
