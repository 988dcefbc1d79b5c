"""`/tokens why RUN-URL`: the verdict of any run on demand, and what is said when there is none."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github import job_from_log
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, MARA
from bot.github.run import RunAddress, run_address
from storage import incidents, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

HOST = "https://github.com"


async def ask(running: Running, argument: str, **more: Any) -> str:
    answer = await running.outside.slack.command(text=f"why {argument}".strip(), **more)
    assert answer.error is None
    return "\n".join(reply.text + json.dumps(reply.blocks, ensure_ascii=False) for reply in answer.replies)


def failed(running: Running, log: str, **run: Any) -> str:
    made = running.outside.github.add_run(jobs=[job_from_log("release", log, conclusion="failure")], **run)
    return f"{HOST}/{made.repo}/actions/runs/{made.id}"


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://github.com/acme/ui/actions/runs/812", RunAddress("acme/ui", 812)),
        ("<https://github.com/acme/ui/actions/runs/812>", RunAddress("acme/ui", 812)),
        ("<https://github.com/acme/ui/actions/runs/812|the run>", RunAddress("acme/ui", 812)),
        (" https://github.com/acme/ui/actions/runs/812/attempts/2 ", RunAddress("acme/ui", 812, 2)),
        ("https://github.com/acme/ui/actions/runs/812/job/7?pr=1#step:4:1", RunAddress("acme/ui", 812)),
        ("https://github.com/acme/ui/actions/runs/812/attempts/3/", RunAddress("acme/ui", 812, 3)),
        ("https://ghe.acme.example/acme/ui.js/actions/runs/1", RunAddress("acme/ui.js", 1)),
        ("https://github.com/acme/ui/actions/runs/0", None),
        ("https://github.com/acme/ui/actions", None),
        ("https://github.com/acme/ui/pull/812", None),
        ("https://github.com/acme/ui/actions/runs/812x", None),
        ("812", None),
        ("https://github.com/" + "a" * 5000, None),
        ("", None),
    ],
)
def test_which_links_name_a_run(typed: str, address: RunAddress | None) -> None:
    assert run_address(typed) == address


async def test_a_run_the_bot_never_heard_of_is_explained_and_nothing_is_posted(running: Running) -> None:
    now = running.hands.now()
    used = (Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN"),)
    token = Token(
        name="npm-acme-ci", packages=("@acme/ui",), expires_at=now - timedelta(days=2), owner=MARA.id, used_by=used
    )
    running.db.write_now(tokens.add, token, now)
    said = await ask(running, failed(running, npm_logs.not_found()))
    for expected in ("npm-acme-ci expired 2 days ago", "@acme/ui", "404 Not Found", "No open incident", "What to do"):
        assert expected in said, expected
    assert "incident.claim" not in said
    assert running.cards() == []
    assert running.db.read_now(incidents.latest) == []


async def test_a_run_with_a_card_says_where_it_is_and_who_has_it(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected(), run_id=77)
    await running.worked(1)
    (card,) = running.cards()
    await running.outside.slack.click(card, "incident.claim", MARA)
    await running.worked()
    said = await ask(running, f"{HOST}/acme/ui/actions/runs/77")
    assert f"<#{card.channel}>" in said
    assert f"<@{MARA.id}> is on it" in said


async def test_a_red_test_is_explained_too_though_it_gets_no_card(running: Running) -> None:
    log = npm_logs.stamped(
        "##[group]Run npm test", "npm test", "##[endgroup]", "1 failing", "##[error]Process completed with exit code 1."
    )
    said = await ask(running, failed(running, log))
    assert "never tried to publish" in said or "before anything" in said
    assert "No token is at fault" in said


@pytest.mark.parametrize(
    ("conclusion", "expected"),
    [
        (None, "not finished yet"),
        ("cancelled", "was cancelled"),
        ("action_required", "waits for somebody"),
        ("skipped", "was skipped"),
        ("something_new", "ended as something_new"),
    ],
)
async def test_runs_without_a_result(running: Running, conclusion: str | None, expected: str) -> None:
    made = running.outside.github.add_run(conclusion=conclusion)
    assert expected in await ask(running, f"{HOST}/{made.repo}/actions/runs/{made.id}")


async def test_a_green_run_says_what_it_published(running: Running) -> None:
    log = npm_logs.publish_log("+ @acme/ui@2.3.1")
    made = running.outside.github.add_run(
        conclusion="success", jobs=[job_from_log("release", log, conclusion="success")]
    )
    said = await ask(running, f"{HOST}/{made.repo}/actions/runs/{made.id}")
    assert "succeeded and published @acme/ui 2.3.1 on npm" in said


async def test_a_failed_run_without_jobs_is_a_broken_workflow_file(running: Running) -> None:
    made = running.outside.github.add_run(conclusion="startup_failure")
    assert "workflow file" in await ask(running, f"{HOST}/{made.repo}/actions/runs/{made.id}")


async def test_what_is_lacking_is_said_in_one_sentence(running: Running) -> None:
    assert "RUN-URL" in await ask(running, "")
    assert "no link to a workflow run" in await ask(running, "the last one")
    assert "no such run in acme/nothing" in await ask(running, f"{HOST}/acme/nothing/actions/runs/5")
    assert "Guests" in await ask(running, failed(running, npm_logs.rejected()), user=GUEST)
    running.outside.github.fail("actions/runs/91", status=502, times=None)
    assert "Try again in a while" in await ask(running, failed(running, npm_logs.rejected(), run_id=91))


async def test_without_access_to_github_it_says_what_to_set(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, github_token=None)) as running:
        assert "GITHUB_TOKEN" in await ask(running, f"{HOST}/acme/ui/actions/runs/5")


async def test_a_slow_answer_first_says_that_it_is_coming(running: Running) -> None:
    url = failed(running, npm_logs.rejected(), run_id=92)
    running.outside.github.fail("GET /repos/acme/ui/actions/runs/92$", delay_s=2.3)
    said = await ask(running, url, replies=2, wait_s=10.0)
    assert "Still looking at" in said
    assert "E401" in said


async def test_replay_prints_the_verdict_that_the_running_bot_found(running: Running, tmp_path: Path) -> None:
    made = running.outside.github.add_run(jobs=[job_from_log("release", npm_logs.rejected(), conclusion="failure")])
    body = {
        "action": "completed",
        "repository": {"full_name": made.repo},
        "workflow_run": {
            "id": made.id,
            "run_attempt": 1,
            "path": made.workflow,
            "conclusion": "failure",
            "status": "completed",
        },
    }
    (tmp_path / "body.json").write_text(json.dumps(body))
    env = {
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PATH": os.environ["PATH"],
        "DATABASE_URL": running.settings.database_url,
    }
    replay = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "replay", "body.json", "--wait",
        env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(replay.communicate(), 60)
    assert replay.returncode == 0
    assert "token-rejected: " in printed.decode()


async def test_failures_that_are_explained_blame_no_registry(running: Running) -> None:
    """Dead tokens of other repositories in the same minutes are a coincidence, whatever their number."""
    now = running.hands.now()
    for number in range(4):
        repo = f"acme/tool-{number}"
        used = (Use(repo, ".github/workflows/release.yml", "NPM_TOKEN"),)
        dead = Token(name=f"dead-{number}", expires_at=now - timedelta(days=2), used_by=used)
        running.db.write_now(tokens.add, dead, now)
        await running.deliver_run(npm_logs.not_found(), repo=repo)
    await running.worked(4)
    said = await ask(running, failed(running, npm_logs.not_found()))
    assert "at fault" not in said
