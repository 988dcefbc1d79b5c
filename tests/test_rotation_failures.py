"""A publish that fails while its token is being rotated joins the rotation and says what it means for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.rotation import steps
from bot.rotation.failures import meaning
from storage import rotations
from storage.rotations import Done, Rotation
from storage.tokens import Token, Use
from tests import npm_logs, rotating
from tests.rotating import card, furnish, look, made, published, rotation, shown, start, stored, thread
from tests.running import Running

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UI = Use("acme/ui", rotating.RELEASE, "NPM_TOKEN")
API = Use("acme/api", rotating.RELEASE, "NPM_TOKEN")


def switched(path: Any = "token", *, store: bool = True) -> Rotation:
    """A rotation whose new token is made and, with `store`, stored in both places an hour ago."""
    token = Token(name="x", packages=("@acme/ui",), used_by=(UI, API))
    made_ = steps.planned(token, path=path, owner="U1", started_by="U1", now=NOW, packages=("@acme/ui",), new_name="y")
    done = Done(NOW - timedelta(hours=1), "seen", "bot")
    for step in made_.steps:
        if step.kind == "mint" or (step.kind == "store" and store):
            made_ = steps.tick(made_, step.kind, step.subject, done, NOW)
    return made_


def said(rotation_: Rotation, cause: str, repo: str = "acme/ui") -> Any:
    return meaning(
        rotation_, repo=repo, workflow=rotating.RELEASE, cause=cause, package="@acme/ui", failed_at=NOW, now=NOW
    )


@pytest.mark.parametrize(
    ("path", "cause", "words", "reached"),
    [
        ("token", "token-rejected", "Perhaps the old value was stored again", "minted"),
        ("token", "no-access", "may not publish `@acme/ui`", "minted"),
        ("token", "token-missing", "Store it once more", "minted"),
        ("token", "two-factor-required", "does not bypass two-factor", "planned"),
        ("token", "otp-required", "one-time password", "planned"),
        ("token", "insufficient-scope", "may not publish this package", "planned"),
        ("token", "ip-not-allowed", "allow-list", "planned"),
        ("token", "stage-required", "may only stage", "planned"),
        ("stage-token", "stage-required", "npm stage publish", "stored"),
        ("token", "tokens-disallowed", "move to trusted publishing", "stored"),
        ("trusted-publishing", "tokens-disallowed", "no new token will help", "stored"),
        ("trusted-publishing", "oidc-permission-missing", "id-token: write", "minted"),
        ("trusted-publishing", "oidc-publisher-mismatch", "letter by letter", "planned"),
        ("trusted-publishing", "direct-publish-denied", "--allow-publish", "planned"),
        ("trusted-publishing", "oidc-cli-too-old", "11.5.1", "stored"),
        ("trusted-publishing", "oidc-runner-unsupported", "GitHub hosts", "stored"),
        ("trusted-publishing", "no-access", "neither the identity nor a token", "stored"),
        ("trusted-publishing", "provenance-rejected", "repository.url", "stored"),
    ],
)
def test_each_cause_says_what_to_do_and_opens_the_step_it_refutes(
    path: Any, cause: str, words: str, reached: str
) -> None:
    meant = said(switched(path), cause)
    assert meant is not None
    assert words in meant.text and meant.kind == "wrong"
    assert steps.reached(meant.rotation) == reached


@pytest.mark.parametrize("cause", ["registry-outage", "rate-limited", "network-error", "build-failed", "unknown"])
def test_what_blames_no_credential_is_not_joined(cause: str) -> None:
    assert said(switched(), cause) is None


def test_only_the_place_that_failed_is_open_again() -> None:
    meant = said(switched(), "token-rejected", "acme/api")
    assert [step.subject for step in steps.current(meant.rotation)] == [steps.subject_of(API)]


def test_a_failure_before_the_switch_refutes_nothing() -> None:
    meant = said(switched(store=False), "token-rejected")
    assert meant.kind == "fact" and "before the new way was in place" in meant.text
    late = switched()
    done = Done(NOW + timedelta(minutes=1), "seen", "bot")
    late = replace(late, steps=tuple(replace(s, done=done) if s.kind == "store" else s for s in late.steps))
    assert said(late, "token-rejected").kind == "fact", "the run had read the old value"


def test_a_run_that_began_before_the_switch_refutes_nothing_though_it_failed_after() -> None:
    def met(began: int, path: Any = "token") -> Any:
        return meaning(
            switched(path), repo="acme/ui", workflow=rotating.RELEASE, cause="token-rejected", package="@acme/ui",
            failed_at=NOW, now=NOW, began_at=NOW - timedelta(minutes=began),
        )  # fmt: skip

    stored_at = next(step.done.at for step in switched().steps if step.kind == "store" and step.done)
    before = int((NOW - stored_at) / timedelta(minutes=1)) + 5
    meant = met(before)
    assert meant.kind == "fact" and meant.rotation == switched()
    assert meant.text.endswith("Re-run the failed jobs.")
    assert met(0).kind == "wrong"


def test_nothing_is_opened_again_once_the_old_token_is_gone() -> None:
    gone = switched()
    gone = steps.tick(gone, "prove", "@acme/ui", Done(NOW, "seen", "bot"), NOW)
    gone = steps.begin_overlap(gone, NOW)
    gone = steps.tick(gone, "revoke", "", Done(NOW, "seen", "bot"), NOW)
    meant = said(gone, "token-rejected")
    assert meant.kind == "wrong" and meant.rotation == gone


async def test_a_failure_after_the_switch_joins_the_rotation_and_opens_the_place_again(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    await running.deliver_run(npm_logs.rejected(), completed_at=running.hands.now())
    await running.worked(1)
    assert steps.reached(rotation(running)) == "minted"
    assert "Perhaps the old value was stored again" in shown(card(running))
    assert len([line for line in thread(running) if "Perhaps the old value" in line]) == 1
    await look(running)
    assert steps.reached(rotation(running)) == "minted", "the write before the failure counts no more"
    running.hands.ahead += timedelta(minutes=5)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "Perhaps the old value" not in shown(card(running))
    ident = rotation(running).id
    assert any("old value" in note.text for note in running.db.read_now(rotations.notes, ident, settled=True))


async def test_a_green_run_makes_the_bot_look_at_once(running: Running) -> None:
    furnish(running)
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    running.db.write_now(lambda c: c.execute("UPDATE rotations SET look_at = look_at + 3600000"))
    published(running)
    now = running.hands.now()
    await running.deliver_run(npm_logs.published(), conclusion="success", started_at=now, completed_at=now)
    await running.worked(1)
    await running.bot.clock.tick()
    await running.worked()
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_private_package_is_proven_by_the_log_of_a_run_and_says_so(running: Running) -> None:
    furnish(running)
    running.outside.registry.packages.clear()
    await start(running, bypass="no")
    await made(running)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    now = running.hands.now()
    before = now - timedelta(minutes=10)
    await running.deliver_run(npm_logs.published(), conclusion="success", started_at=before, completed_at=now)
    await running.worked(1)
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "that run began before the secret was written"
    await running.deliver_run(
        npm_logs.published(version="1.2.0"), conclusion="success", started_at=now, completed_at=now
    )
    await running.worked(2)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "The log of a run of acme/ui says" in shown(card(running))
