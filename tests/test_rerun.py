"""Run again what failed, from the card: offered when permitted, refused in words, and the new attempt reports there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from bot.demo.github import Run, job_from_log
from bot.demo.github.world import Job, Step
from bot.demo.outside import Outside
from bot.demo.slack.workspace import JONAS, MARA
from bot.messages import card as card_page
from storage import audit, incidents, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


def shown(running: Running) -> str:
    return json.dumps(running.cards()[0].blocks, ensure_ascii=False)


def permitted(running: Running) -> None:
    running.outside.github.api.permissions["actions"] = "write"


async def test_the_new_attempt_reports_into_the_same_card(running: Running) -> None:
    permitted(running)
    run_id = 19_000_000_031
    await running.deliver_run(npm_logs.rejected(), run_id=run_id, number=88)
    await running.worked(1)
    await running.deliver_run(npm_logs.rejected(), number=89)
    await running.worked(2)
    card = running.cards()[0]
    assert len(running.thread(card)) == 1
    await running.outside.slack.click(card, card_page.RERUN, JONAS)
    await running.worked()
    await running.deliver_run(npm_logs.rejected(), run_id=run_id, number=88, attempt=2)
    await running.worked(3)
    assert len(running.cards()) == 1
    assert "Failed 3 times" in shown(running)
    started, again = running.thread(card)[1:]
    assert f"<@{JONAS.id}> started the failed jobs" in started
    assert "attempt 2" in again, "what comes of a re-run is told, however soon"


async def test_every_run_of_a_shared_token_is_run_again(running: Running) -> None:
    permitted(running)
    repos = ("acme/a", "acme/b", "acme/c")
    now = running.hands.now()
    uses = tuple(Use(repo, RELEASE, "NPM_TOKEN", "organization") for repo in repos)
    ended = now - timedelta(days=1)
    token = Token(name="org", expires_at=ended, scopes=("@acme",), owner=MARA.id, used_by=uses)
    running.db.write_now(tokens.add, token, now)
    for number, repo in enumerate(repos):
        await running.deliver_run(npm_logs.not_found(f"@{repo}"), repo=repo)
        await running.worked(number + 1)
    running.outside.github.fail("acme/b/.*rerun", status=403, times=None)
    await running.outside.slack.click(running.cards()[0], card_page.RERUN, JONAS)
    await running.worked()
    assert [repo for repo, _ in running.outside.github.reruns] == ["acme/a", "acme/c"]
    line = running.thread(running.cards()[0])[-1]
    assert "started the failed jobs of 2 runs again" in line
    assert "1 run could not be started: GitHub did not start the re-run in acme/b" in line
    (incident,) = running.db.read_now(incidents.latest)
    (entry, *_) = running.db.read_now(audit.of_subject, f"incident:{incident.id}")
    assert (entry.action, entry.who) == ("incident.rerun", JONAS.id)


async def test_what_is_not_permitted_is_said_and_no_longer_offered(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    assert card_page.RERUN in shown(running), "nobody knows yet what the token may do"
    running.outside.github.api.permissions["actions"] = "read"
    answer = await running.outside.slack.click(running.cards()[0], card_page.RERUN, JONAS)
    assert "actions: write" in answer.text
    await running.worked()
    assert card_page.RERUN not in shown(running)
    assert running.thread(running.cards()[0]) == []


async def test_a_run_that_nobody_can_run_again_is_said_as_such(running: Running) -> None:
    permitted(running)
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    body = '{"message": "The workflow run containing this job cannot be retried"}'
    running.outside.github.fail("rerun", status=403, body=body)
    answer = await running.outside.slack.click(running.cards()[0], card_page.RERUN, JONAS)
    assert "it is running, or too old" in answer.text and "actions: write" not in answer.text
    assert card_page.RERUN in shown(running)


@pytest.mark.parametrize("level", ["read", "write"])
async def test_an_app_knows_beforehand_whether_it_may(
    outside: Outside, tmp_path: Path, app_key: str, level: str
) -> None:
    outside.github.api.permissions["actions"] = level
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="1", github_private_key=app_key)
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.rejected())
        await running.worked(1)
        assert (card_page.RERUN in shown(running)) == (level == "write")


# --- failures that a green run hides ---------------------------------------------------------------------------------


def green_run(running: Running, log: str, *, step: str = "failure", job: str = "success", **run: Any) -> Run:
    made = job_from_log("release", log, conclusion=job)
    steps = (Step("Set up job"), Step("Run npm publish", step), Step("Post"))
    quiet = Job(made.name, made.conclusion, made.log, steps)
    return running.outside.github.add_run(jobs=[quiet], conclusion="success", **run)


@pytest.mark.parametrize(("step", "job"), [("failure", "success"), ("success", "failure")])
async def test_a_publish_that_failed_in_a_green_run_is_a_card(running: Running, step: str, job: str) -> None:
    await running.outside.github.send_run(green_run(running, npm_logs.rejected(), step=step, job=job))
    await running.worked(1)
    assert len(running.cards()) == 1
    assert "The run itself is green" in shown(running)
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.verdict == "token-rejected"


async def test_a_green_run_like_that_does_not_pass_for_the_fix(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected(), number=88)
    await running.worked(1)
    await running.outside.github.send_run(green_run(running, npm_logs.rejected(), number=89))
    await running.worked(2)
    (incident,) = running.db.read_now(incidents.latest)
    assert (incident.state, incident.occurrences) == ("open", 2)


@pytest.mark.parametrize(
    ("log", "step", "workflow"),
    [
        (npm_logs.published(), "failure", RELEASE),  # the log is the truth
        (npm_logs.red_tests(), "failure", RELEASE),
        (npm_logs.rejected(), "success", RELEASE),  # nothing points at a failure
        (npm_logs.rejected(), "failure", ".github/workflows/ci.yml"),
    ],
)
async def test_other_green_runs_say_nothing(running: Running, log: str, step: str, workflow: str) -> None:
    run = green_run(running, log, step=step, workflow=workflow, name="CI" if "ci" in workflow else "Release")
    await running.outside.github.send_run(run)
    await running.worked(1)
    assert running.cards() == []
    if step == "success":
        assert not running.outside.github.asked("/logs$"), "no log of a green run is read for nothing"
    if "ci" in workflow:
        assert not running.outside.github.asked("/jobs")
