"""What is awaited after a failure, and what shows that it has come: the registry, else the log of the next publish."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.awaiting import after_green, closing, next_look, waits_for, watchable
from bot.diagnosis.diagnosis import Diagnosis, PackageOutcome
from bot.evidence import Published
from bot.github.run import Run
from storage.awaited import Awaited, Failed
from storage.incidents import Incident

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
RUN = Run("acme/ui", 1, 2, ".github/workflows/release.yml", number=90, conclusion="success")
ITEM = Awaited(1, "acme/ui", RUN.workflow, "@acme/ui", "2.3.1", "failed", 1, 1, None, NOW, NOW)
ONLY_OLD = Published("@acme/ui", True, frozenset({"2.3.0"}))
HIDDEN = Published("@acme/ui", False)


def incident(**more: Any) -> Incident:
    given: dict[str, Any] = dict.fromkeys(Incident.__slots__)
    given |= {"id": 1, "state": "open", "verdict": "token-expired", "cause": "no-access", "registry": "npm"}
    return Incident(**(given | {"opened_at": NOW, "last_seen_at": NOW, "facts": "{}"} | more))


def log(cause: str = "published", outcome: Any = "succeeded", **more: Any) -> Diagnosis:
    return Diagnosis(cause, False, outcome, "publish", "It went.", **more)


def said_of(version: str = "2.3.1", package: str = "@acme/ui", **more: Any) -> Diagnosis:
    return log(package=package, version=version, **more)


@pytest.mark.parametrize(
    ("why", "same_run", "said", "published", "state", "sentence"),
    [
        ("listed", False, None, Published("@acme/ui", True, frozenset({"2.3.1"})), "live", "2.3.1 is on the registry"),
        ("a newer one is listed", False, said_of("2.3.2"), Published("@acme/ui", True, frozenset({"2.3.2"})), "live",
         "2.3.2 is on the registry, in place of 2.3.1"),
        ("private, and the log says so", False, said_of(), HIDDEN, "published",
         "published again (run 90), as its log says; the registry could not be read"),
        ("registry down, and the log says so", True, said_of(), None, "published", "(attempt 2 of run 90)"),
        ("registry down, log unread, the very run", True, None, None, "green", "The re-run succeeded"),
        ("registry down, the run's log names nothing", True, log("unknown", "unclear"), HIDDEN, "green", "re-run"),
    ],
)  # fmt: skip
def test_what_ends_the_wait(
    why: str, same_run: bool, said: Diagnosis | None, published: Published | None, state: str, sentence: str
) -> None:
    after = after_green(incident(), ITEM, RUN, same_run=same_run, log=said, published=published)
    assert (after.state, after.note) == (state, None), why
    assert sentence in (after.settled or ""), why


@pytest.mark.parametrize(
    ("why", "same_run", "said", "published", "note"),
    [
        ("green without the version", True, None, ONLY_OLD, "Run 90 was green, but @acme/ui 2.3.1 is not on"),
        ("the log claims what is not there", True, said_of(), ONLY_OLD, "says that it published @acme/ui 2.3.1, but"),
        ("another package went out", False, said_of("1.0.0", "@acme/x"), ONLY_OLD, "is not on the registry"),
        ("another package, registry down", True, said_of("1.0.0", "@acme/x"), None, "nothing shows that it published"),
        ("another run that published nothing", False, log("not-a-publish"), None, "nothing shows that it published"),
        ("another run that cannot be read", False, None, HIDDEN, "nothing shows that it published"),
        ("staged", True, log("staged", "staged", package="@acme/ui", version="2.3.1"), ONLY_OLD, "waits for approval"),
    ],
)  # fmt: skip
def test_what_leaves_it_open_and_the_sentence_that_says_why(
    why: str, same_run: bool, said: Diagnosis | None, published: Published | None, note: str
) -> None:
    after = after_green(incident(), ITEM, RUN, same_run=same_run, log=said, published=published)
    assert after.settled is None, why
    assert note in (after.note or ""), why


def test_an_install_that_works_again_needs_no_version() -> None:
    waiting = replace(ITEM, package=None, version=None)
    broken = incident(verdict="install-auth", cause="install-auth")
    after = after_green(broken, waiting, RUN, same_run=False, log=log("not-a-publish"), published=None)
    assert after.settled == "The workflow went well again (run 90)."


def test_what_a_half_published_monorepo_waits_for() -> None:
    outcomes = (
        PackageOutcome("@acme/a", "1.0.0", "published"),
        PackageOutcome("@acme/b", "1.0.0", "failed"),
        PackageOutcome("@acme/c", "1.0.0", "unclear"),
        PackageOutcome("@acme/d", "1.0.0", "skipped"),
    )
    found = waits_for(replace(log("no-access", "failed", package="@acme/b", version="1.0.0"), packages=outcomes))
    assert found == (
        Failed("@acme/a", "1.0.0", "published"),
        Failed("@acme/b", "1.0.0", "failed"),
        Failed("@acme/c", "1.0.0", "unclear"),
    )


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        (log("unknown", "failed"), (Failed(None, None, "failed"),)),
        (log("token-rejected", "failed", package="@acme/ui"), (Failed("@acme/ui", None, "failed"),)),
        (
            log("github-auth", "failed", packages=(PackageOutcome("@acme/ui", "1.0.0", "published"),)),
            (Failed("@acme/ui", "1.0.0", "published"), Failed(None, None, "failed")),
        ),
        (
            log("already-staged", "failed", package="@acme/ui", version="2.3.1"),
            (Failed("@acme/ui", "2.3.1", "staged"),),
        ),
        (log("staged", "staged", package="@acme/ui", version="2.3.1"), (Failed("@acme/ui", "2.3.1", "staged"),)),
    ],
)
def test_there_is_always_something_to_wait_for(diagnosis: Diagnosis, expected: tuple[Failed, ...]) -> None:
    assert waits_for(diagnosis) == expected


def test_only_what_the_registry_can_show_is_looked_for() -> None:
    assert watchable(incident(), ITEM)
    assert not watchable(incident(registry="pypi"), ITEM)
    assert not watchable(incident(verdict="version-exists"), ITEM)
    assert not watchable(incident(), replace(ITEM, version=None))
    assert not watchable(incident(), replace(ITEM, settled_at=NOW))


def test_looks_grow_apart_for_a_day_and_a_staged_version_is_looked_for_until_it_is_out() -> None:
    at, looks, waits = NOW, 0, []
    while (following := next_look(looks, at)) is not None:
        waits.append(following - at)
        at, looks = following, looks + 1
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=1)
    assert timedelta(hours=23) < at - NOW < timedelta(hours=25)
    assert next_look(10_000, NOW, staged=True) == NOW + timedelta(hours=1)


@given(st.lists(st.sampled_from(["live", "published", "green"]), min_size=1, max_size=5))
def test_the_end_is_one_sentence_that_never_claims_more_than_was_seen(states: list[str]) -> None:
    ended = [
        replace(ITEM, package=f"p{place}", state=state, how=f"How {state} {place}.", settled_at=NOW)
        for place, state in enumerate(states)
    ]
    said = closing(ended)
    assert said.count(".") == 1
    if len(states) > 1:
        assert ("All" in said and "on the registry" in said) == (set(states) == {"live"})
