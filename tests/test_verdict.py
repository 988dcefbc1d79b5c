"""Situations -> verdicts: what the log, the tokens, the registry and the secret's age say together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.diagnosis.diagnosis import Diagnosis
from bot.evidence import Evidence, Published, SecretAge
from bot.github.run import Run
from bot.incidents import Action, Facts, Known, Leaving, decide, facts_of, fingerprint, worth_a_card
from bot.matching import PublishAttempt, match
from bot.verdict import judge
from storage.incidents import Incident
from storage.runs import RunRecord
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RELEASE = ".github/workflows/release.yml"
RUN = Run("acme/ui", 1, 1, RELEASE, conclusion="failure", number=7)
USED = (Use("acme/ui", RELEASE, "NPM_TOKEN"),)
LIVE = Token(
    name="ci", permission="read-write", packages=("@acme/ui",), used_by=USED, expires_at=NOW + timedelta(days=20), id=1
)
DEAD = replace(LIVE, expires_at=NOW - timedelta(days=2, minutes=1))


def log(cause: str = "no-access", **more: Any) -> Diagnosis:
    given: dict[str, Any] = {
        "cause": cause,
        "auth": True,
        "outcome": "failed",
        "phase": "publish",
        "sentence": f"The log says {cause}.",
        "registry": "npm",
        "package": "@acme/ui",
        "version": "2.3.1",
        "fix": ("do this",),
    }
    return Diagnosis(**(given | more))


def verdict_of(diagnosis: Diagnosis, *tokens: Token, **evidence: Any) -> Any:
    known = Evidence(packages=(diagnosis.package,) if diagnosis.package else (), tokens=tokens, **evidence)
    attempt = PublishAttempt("acme/ui", RELEASE, diagnosis.registry or "npm", known.packages, ("NPM_TOKEN",))
    return judge(diagnosis, known, attempt, match(attempt, tokens), NOW)


def secret(days: int) -> SecretAge:
    return SecretAge("NPM_TOKEN", "repository", NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("situation", "diagnosis", "tokens", "evidence", "code", "says"),
    [
        ("recorded end is past", log(), (DEAD,), {}, "token-expired", "Token ci expired 2 days ago."),
        (
            "the end was computed",
            log(),
            (replace(DEAD, expires_computed=True),),
            {},
            "token-expired",
            "Token ci probably expired 2 days ago.",
        ),
        ("E401 with a past end", log("token-rejected"), (DEAD,), {}, "token-expired", "expired 2 days ago"),
        ("installing", log("install-auth", phase="install"), (DEAD,), {}, "token-expired", "expired 2 days ago"),
        (
            "revoked before its end",
            log(),
            (replace(LIVE, revoked_at=NOW - timedelta(hours=3)),),
            {},
            "token-revoked",
            "revoked 3 hours ago",
        ),
        ("classic", log(), (replace(LIVE, kind="classic", expires_at=None),), {}, "token-classic", "2025-12-09"),
        (
            "read-only",
            log("insufficient-scope"),
            (replace(LIVE, permission="read-only"),),
            {},
            "token-read-only",
            "read-only",
        ),
        (
            "not on its list",
            log(package="@acme/new"),
            (LIVE,),
            {},
            "token-not-granted",
            "Token ci may not publish @acme/new.",
        ),
        ("a live token explains nothing", log(), (LIVE,), {}, "no-access", "The log says no-access."),
        (
            "the name is new",
            log(),
            (LIVE,),
            {"published": Published("@acme/ui", exists=False)},
            "new-name",
            "never been published",
        ),
        (
            "the version is there after all",
            log("token-rejected"),
            (DEAD,),
            {"published": Published("@acme/ui", True, frozenset({"2.3.1"}))},
            "version-exists",
            "is on the registry",
        ),
        ("an old secret", log(), (), {"secrets": (secret(93),)}, "secret-old", "probably expired"),
        ("a young secret", log(), (), {"secrets": (secret(3),)}, "no-access", "The log says"),
        ("two tokens fit alike", log(), (DEAD, replace(LIVE, name="other", id=2)), {}, "no-access", "The log says"),
        (
            "a registry that was down",
            log("registry-outage", auth=False),
            (DEAD,),
            {},
            "registry-outage",
            "The log says",
        ),
        ("a one-time password", log("otp-required"), (DEAD,), {}, "otp-required", "The log says"),
    ],
)
def test_situations(
    situation: str, diagnosis: Diagnosis, tokens: tuple[Token, ...], evidence: dict[str, Any], code: str, says: str
) -> None:
    verdict = verdict_of(diagnosis, *tokens, **evidence)
    assert verdict.code == code, situation
    assert says in verdict.sentence
    assert verdict.advice


def test_a_guessed_token_is_called_one_and_only_its_death_explains_anything() -> None:
    elsewhere = replace(DEAD, used_by=())
    attempt = PublishAttempt("acme/ui", RELEASE, "npm", ("@acme/ui",), ())
    verdict = judge(log(), Evidence(packages=("@acme/ui",)), attempt, match(attempt, [elsewhere]), NOW)
    assert "may have used" in verdict.sentence
    assert verdict.token is None
    alive = replace(LIVE, used_by=(), permission="read-only")
    assert judge(log(), Evidence(packages=("@acme/ui",)), attempt, match(attempt, [alive]), NOW).code == "no-access"


@pytest.mark.parametrize(
    "cause", ["oidc-publisher-mismatch", "oidc-permission-missing", "github-auth", "registry-outage"]
)
def test_no_token_stands_beside_a_failure_it_cannot_explain(cause: str) -> None:
    assert verdict_of(log(cause), DEAD).match.best is None


def test_one_dead_token_is_one_incident_wherever_it_fails() -> None:
    first = fingerprint(RUN, log(), verdict_of(log(), DEAD))
    other_repo = replace(RUN, repo="acme/api")
    assert fingerprint(other_repo, log(), verdict_of(log(), DEAD)) == first
    assert fingerprint(RUN, log(), verdict_of(log(), LIVE)) != first
    assert fingerprint(other_repo, log(), verdict_of(log(), LIVE)) != fingerprint(RUN, log(), verdict_of(log(), LIVE))


@pytest.mark.parametrize(
    ("diagnosis", "worth"),
    [
        (log(), True),
        (log("install-auth", phase="install"), True),
        (log("version-exists", auth=False), True),
        (log("build-failed", auth=False), False),
        (log("not-a-publish", auth=False, phase="other"), False),
        (log("registry-outage", auth=False, phase="install"), False),
        (log("network-error", auth=False, phase="other"), False),
        (log("unknown", auth=False, phase="publish"), True),
        (log("unknown", auth=False, phase="other"), False),
        (log("published", auth=False, outcome="succeeded"), False),
    ],
)
def test_what_is_worth_a_card(diagnosis: Diagnosis, worth: bool) -> None:
    assert worth_a_card(diagnosis) is worth


def incident(**more: Any) -> Incident:
    given: dict[str, Any] = dict.fromkeys(Incident.__slots__)
    given |= {
        "id": 1,
        "state": "open",
        "repo": "acme/ui",
        "workflow": RELEASE,
        "package": "@acme/ui",
        "version": "2.3.1",
    }
    return Incident(**(given | {"opened_at": NOW, "last_seen_at": NOW, "facts": "{}"} | more))


def record(conclusion: str) -> RunRecord:
    return RunRecord("acme/ui", 1, 2, RELEASE, conclusion, "green", None, None, None, NOW, NOW)


BACK = NOW - timedelta(hours=3)
LONG_AGO = NOW - timedelta(days=2)


@pytest.mark.parametrize(
    ("known", "action", "reason"),
    [
        (Known(), Action.POST, "first-failure"),
        (Known(same=incident()), Action.EDIT, "failed-again"),
        (Known(same=incident(state="snoozed")), Action.EDIT, "failed-again-while-snoozed"),
        (Known(same=incident(), attempt=incident()), Action.EDIT, "same-attempt-again"),
        (Known(attempt=incident(state="resolved")), Action.QUIET, "same-attempt-and-over"),
        (Known(later=record("success")), Action.QUIET, "later-attempt-succeeded"),
        (Known(later=record("failure")), Action.POST, "first-failure"),
        (Known(published=True), Action.QUIET, "a-later-run-published"),
        (Known(ended=incident(state="resolved", resolved_at=BACK)), Action.REOPEN, "back-within-a-day"),
        (Known(ended=incident(state="resolved", resolved_at=LONG_AGO)), Action.POST, "back-after-a-day"),
        (Known(others=((incident(verdict="no-access"), True),)), Action.ADOPT, "fails-for-another-reason"),
        (Known(others=((incident(verdict="no-access"), False),)), Action.POST, "first-failure"),
        (Known(others=((incident(verdict="registry-outage"), True),)), Action.POST, "first-failure"),
    ],
)
def test_when_to_speak(known: Known, action: Action, reason: str) -> None:
    decision = decide(known, "token-expired", NOW)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize(
    ("code", "own", "alone", "leaving"),
    [
        ("token-expired", "no-access", True, Leaving.MERGE),
        ("token-expired", "no-access", False, Leaving.MOVE),
        ("token-expired", "registry-outage", True, Leaving.MOVE),
        ("registry-outage", "no-access", True, None),  # an outage passes; the rest is as it was
    ],
)
def test_what_becomes_of_the_incident_that_waited_for_the_workflow(
    code: str, own: str, alone: bool, leaving: Leaving | None
) -> None:
    other = incident(verdict=own)
    decision = decide(Known(same=incident(), others=((other, alone),)), code, NOW)
    assert decision.leaving == (((other, leaving),) if leaving else ())


def test_facts_survive_the_database_and_a_later_version_of_themselves() -> None:
    facts = facts_of(RUN, log(), verdict_of(log(), DEAD), ("could not read x",), can_rerun=True)
    assert Facts.from_json(facts.to_json()) == facts
    assert Facts.from_json('{"sentence": "old", "of_a_later_version": 1}') == Facts(sentence="old")


@pytest.mark.parametrize(
    ("level", "says"),
    [
        ("repository", "`gh secret set NPM_TOKEN --repo acme/ui` and in the other 2 places on its record, then"),
        ("organization", "`gh secret set NPM_TOKEN --org acme`, then re-run"),
    ],
)
def test_the_secret_is_stored_where_the_failing_job_is_and_the_others_are_counted(level: str, says: str) -> None:
    uses = tuple(Use(f"acme/{name}", RELEASE, "NPM_TOKEN", level) for name in ("api", "ui", "web"))
    made = verdict_of(log(), replace(DEAD, used_by=uses))
    assert any(says in step for step in made.advice), made.advice
