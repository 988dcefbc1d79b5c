"""The story through HTTP: a webhook comes in at one end, a card stands in the channel at the other."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.github import job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, MARA, RELEASES, Channel
from storage import deliveries, incidents, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

RELEASE = ".github/workflows/release.yml"
WORKFLOW = """
on: push
permissions: {contents: read}
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""


def expired_token(running: Running, days: int = 2) -> Token:
    now = running.hands.now()
    token = Token(
        name="npm-acme-ci",
        permission="read-write",
        packages=("@acme/ui",),
        owner=MARA.id,
        created_at=now - timedelta(days=90),
        expires_at=now - timedelta(days=days, minutes=5),
        used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"),),
    )
    return running.db.write_now(tokens.add, token, now)


def shown(message: Any) -> str:
    return json.dumps(message.blocks, ensure_ascii=False)


async def test_a_publish_that_died_of_an_expired_token_becomes_one_card(running: Running) -> None:
    expired_token(running)
    running.outside.github.add_file("acme/ui", RELEASE, WORKFLOW)
    running.outside.registry.publish("@acme/ui", "2.3.0")
    delivery = await running.deliver_run(npm_logs.not_found(), number=88)
    assert delivery.status == 202
    await running.worked(1)
    (card,) = running.cards()
    assert "npm-acme-ci expired 2 days ago" in card.text
    text = shown(card)
    for expected in (
        "@acme/ui",
        "2.3.1",
        "acme/ui",
        "release.yml",
        "404 Not Found - PUT",
        f"<@{MARA.id}>",
        "NPM_TOKEN",
    ):
        assert expected in text, expected
    assert [incident.verdict for incident in running.db.read_now(incidents.latest)] == ["token-expired"]


async def test_the_same_failure_again_edits_the_card_and_says_one_line_in_its_thread(running: Running) -> None:
    expired_token(running)
    await running.deliver_run(npm_logs.not_found(), number=88)
    await running.worked(1)
    await running.deliver_run(npm_logs.not_found(version="2.3.2"), number=89)
    await running.worked(2)
    (card,) = running.cards()
    assert "2.3.2" in shown(card)
    assert len(running.thread(card)) == 1
    assert "Failed again" in running.thread(card)[0]
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.occurrences == 2


async def test_a_re_run_that_succeeds_resolves_the_incident(running: Running) -> None:
    expired_token(running)
    run_id = 19_000_000_001
    await running.deliver_run(npm_logs.not_found(), run_id=run_id)
    await running.worked(1)
    await running.deliver_run(npm_logs.published(), run_id=run_id, attempt=2, conclusion="success")
    await running.worked(2)
    (card,) = running.cards()
    (incident,) = running.db.read_now(incidents.latest)
    assert incident.state == "resolved"
    assert "Claim" not in shown(card)
    assert len(running.thread(card)) == 1


async def test_a_green_run_whose_log_cannot_be_read_still_resolves_the_re_run(running: Running) -> None:
    run_id = 19_000_000_002
    await running.deliver_run(npm_logs.not_found(), run_id=run_id)
    await running.worked(1)
    running.outside.github.fail("/jobs", status=403, times=None)
    await running.deliver_run("", run_id=run_id, attempt=2, conclusion="success")
    await running.worked(2)
    assert running.db.read_now(incidents.count_open) == 0


async def test_a_green_run_of_the_workflow_that_publishes_nothing_leaves_the_incident_open(running: Running) -> None:
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    await running.deliver_run(npm_logs.stamped("##[group]Run echo", "nothing to release"), conclusion="success")
    await running.worked(2)
    assert running.db.read_now(incidents.count_open) == 1


async def test_a_later_run_that_publishes_the_package_resolves_the_incident(running: Running) -> None:
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    await running.deliver_run(npm_logs.published(version="2.3.2"), conclusion="success")
    await running.worked(2)
    assert running.db.read_now(incidents.count_open) == 0


async def test_a_red_test_that_mentions_401_is_nobodys_business(running: Running) -> None:
    await running.deliver_run(npm_logs.red_tests())
    await running.worked(1)
    assert running.cards() == []
    assert running.db.read_now(incidents.latest) == []
    (stored,) = running.db.read_now(deliveries.latest)
    assert stored.reason in ("not-a-publish", "build-failed")


async def test_an_outage_of_the_registry_blames_no_token(running: Running) -> None:
    expired_token(running)
    await running.deliver_run(npm_logs.outage())
    await running.worked(1)
    (card,) = running.cards()
    assert "npm-acme-ci" not in shown(card)
    assert [incident.cause for incident in running.db.read_now(incidents.latest)] == ["registry-outage"]


async def test_a_duplicate_delivery_is_worked_once(running: Running) -> None:
    run = running.outside.github.add_run(jobs=[job_from_log("release", npm_logs.not_found())])
    for _ in range(3):
        await running.outside.github.send_run(run, guid="72d3162e-cc78-11e3-81ab-4c9367dc0958")
        await running.worked(1)
    (card,) = running.cards()
    assert running.thread(card) == []
    assert card.edits == []


async def test_the_same_attempt_under_another_guid_is_the_same_failure(running: Running) -> None:
    run = running.outside.github.add_run(jobs=[job_from_log("release", npm_logs.not_found())])
    await running.outside.github.send_run(run)
    await running.outside.github.send_run(run)
    await running.worked(2)
    (card,) = running.cards()
    assert running.thread(card) == []
    assert [incident.occurrences for incident in running.db.read_now(incidents.latest)] == [1]


async def test_a_failure_that_arrives_after_its_successful_re_run_opens_nothing(running: Running) -> None:
    run_id = 19_000_000_003
    await running.deliver_run(npm_logs.published(), run_id=run_id, attempt=2, conclusion="success")
    await running.worked(1)
    await running.deliver_run(npm_logs.not_found(), run_id=run_id, attempt=1)
    await running.worked(2)
    assert running.cards() == []


async def test_a_log_that_is_not_there_yet_is_asked_for_again(running: Running) -> None:
    job = job_from_log("release", npm_logs.not_found())
    run = running.outside.github.add_run(jobs=[job])
    running.outside.github.log_manners(run.jobs[0], not_yet=1)
    await running.outside.github.send_run(run)
    await running.worked(1)
    assert len(running.cards()) == 1


@pytest.mark.parametrize(("workflow", "cards"), [("release.yml", 1), ("unit-tests.yml", 0)])
async def test_a_release_whose_log_is_gone_is_told_and_another_red_run_is_not(
    running: Running, workflow: str, cards: int
) -> None:
    run = running.outside.github.add_run(
        jobs=[job_from_log("job", npm_logs.not_found())], workflow=f".github/workflows/{workflow}", name="CI"
    )
    running.outside.github.log_manners(run.jobs[0], gone=True)
    await running.outside.github.send_run(run)
    await running.worked(1)
    assert [m.text for m in running.cards() if "could not be read" in m.text] == [m.text for m in running.cards()]
    assert len(running.cards()) == cards


async def test_jobs_that_github_hides_are_asked_for_again_and_then_told(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox.FIRST_WAIT_S", 0.05)
    running.outside.github.fail("/jobs", status=404, times=None)
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    (card,) = running.cards()
    assert "404" in card.text
    (stored,) = running.db.read_now(deliveries.latest)
    assert stored.tries > 1


async def test_two_jobs_that_failed_to_publish_are_both_on_the_card(running: Running) -> None:
    jobs = [
        job_from_log("publish-a", npm_logs.rejected()),
        job_from_log("publish-b", npm_logs.not_found(package="@acme/tokens", version="0.4.0")),
    ]
    await running.deliver_run(jobs=jobs)
    await running.worked(1)
    (card,) = running.cards()
    for expected in ("@acme/ui", "@acme/tokens", "0.4.0", "publish-"):
        assert expected in shown(card), expected


async def test_a_credential_in_a_branch_or_workflow_name_is_neither_kept_nor_said(
    running: Running, tmp_path: Path
) -> None:
    secret = "npm_" + "zX9yW8vU7t" * 3 + "zX9yW8"
    run = running.outside.github.add_run(jobs=[job_from_log("release", npm_logs.rejected())])
    payload = payloads.workflow_run(run)
    for field in ("name", "path", "head_branch", "display_title", "html_url"):
        payload["workflow_run"][field] = f"x {secret}"
    payload["workflow_run"]["triggering_actor"]["login"] = secret
    await running.outside.github.send("workflow_run", payload)
    await running.worked(1)
    assert len(running.cards()) == 1
    assert secret not in json.dumps([[m.text, m.blocks] for m in running.outside.slack.messages(RELEASES)])
    (stored,) = running.db.read_now(deliveries.latest)
    assert secret.encode() not in stored.body
    for file in tmp_path.iterdir():
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


async def test_the_log_is_fetched_without_our_credential(running: Running) -> None:
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    assert running.outside.github.blobs.leaked == 0
    assert running.outside.github.asked(r"GET .*/logs$")


async def test_github_that_is_down_for_a_moment_delays_the_card_and_loses_nothing(running: Running) -> None:
    running.outside.github.fail("/jobs", status=502, times=1)
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    assert len(running.cards()) == 1
    (stored,) = running.db.read_now(deliveries.latest)
    assert stored.tries == 2


async def test_sources_that_cannot_be_read_are_named_and_hold_nothing_up(running: Running) -> None:
    running.outside.github.fail(
        "/contents/", status=403, headers={"X-Accepted-GitHub-Permissions": "contents=read"}, times=None
    )
    running.outside.registry.fail(".", status=500, times=None)
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    (card,) = running.cards()
    assert "could not read the workflow file" in shown(card)
    assert "contents: read" in shown(card)
    assert "registry" in shown(card)


async def test_repositories_have_their_own_channels(outside: Outside, tmp_path: Path) -> None:
    outside.slack.workspace.add_channel(Channel("C07API00001", "api", {BOT_USER}))
    settings = settings_for(outside, tmp_path, channel_routes="acme/api=C07API00001")
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.not_found(), repo="acme/api")
        await running.deliver_run(npm_logs.not_found(), repo="acme/ui")
        await running.worked(2)
        assert len(running.cards("C07API00001")) == len(running.cards(RELEASES)) == 1


async def test_one_dead_token_in_two_repositories_is_one_card(running: Running) -> None:
    now = running.hands.now()
    uses = tuple(Use(repo, RELEASE, "NPM_TOKEN", "organization") for repo in ("acme/ui", "acme/api"))
    token = Token(name="org", expires_at=now - timedelta(days=1), scopes=("@acme",), owner=MARA.id, used_by=uses)
    running.db.write_now(tokens.add, token, now)
    await running.deliver_run(npm_logs.not_found(), repo="acme/ui")
    await running.worked(1)
    await running.deliver_run(npm_logs.not_found(package="@acme/api"), repo="acme/api")
    await running.worked(2)
    assert len(running.cards()) == 1


async def test_work_that_was_stored_but_not_done_is_done_after_a_restart(outside: Outside, tmp_path: Path) -> None:
    settings = settings_for(outside, tmp_path)
    outside.github.fail("/jobs", status=503, times=None)
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.not_found())
        await outside.slack.until(lambda: outside.github.asked("/jobs"), what="a first try")
    outside.github.recover()
    async with running_bot(outside, settings) as running:
        await running.worked(1)
        assert len(running.cards()) == 1


async def test_a_run_that_names_no_workflow_file_and_no_actor_is_still_told(running: Running) -> None:
    run = running.outside.github.add_run(jobs=[job_from_log("release", npm_logs.rejected())])
    payload = payloads.workflow_run(run)
    for field in ("path", "name", "actor", "triggering_actor", "head_branch", "run_attempt", "head_sha", "updated_at"):
        payload["workflow_run"][field] = None
    payload["workflow"] = None
    await running.outside.github.send("workflow_run", payload)
    await running.worked(1)
    assert len(running.cards()) == 1


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, {"id": None}, {"id": -1}, None, "text", []])
async def test_a_run_payload_that_makes_no_sense_is_given_up_in_words(running: Running, broken: Any) -> None:
    payload = {"action": "completed", "workflow_run": broken, "repository": {"full_name": "acme/ui"}}
    delivery = await running.outside.github.send("workflow_run", payload)
    assert delivery.status == 202
    await running.worked(1)
    (stored,) = running.db.read_now(deliveries.latest)
    assert (stored.state, stored.reason) == ("done", "run-malformed")


HOSTILE = "<!channel> <@U1|x> *b* `c` ```d``` :tada: \u202e\u200b & <http://evil.example|ok> " + "x" * 400


async def test_hostile_text_in_every_field_neither_mentions_nor_links_nor_formats(running: Running) -> None:
    log = npm_logs.not_found().replace("npm error code E404", f"npm error code E404\n{HOSTILE}")
    run = running.outside.github.add_run(jobs=[job_from_log("release", log)])
    payload = payloads.workflow_run(run)
    for field in ("name", "path", "head_branch", "display_title", "html_url", "head_sha"):
        payload["workflow_run"][field] = HOSTILE
    payload["workflow_run"]["triggering_actor"]["login"] = HOSTILE
    await running.outside.github.send("workflow_run", payload)
    await running.worked(1)
    (card,) = running.cards()
    for text in (shown(card), card.text):
        assert "<!channel>" not in text
        assert "<@U1" not in text
        assert "<http://evil.example" not in text


async def test_no_credential_of_a_log_reaches_slack_or_the_database(running: Running, tmp_path: Path) -> None:
    secret = "npm_" + "aB3dE6gH9k" * 3 + "aB3dE6"
    log = npm_logs.not_found().replace(
        "npm error code E404", f"npm error code E404 //registry.npmjs.com/:_authToken={secret}"
    )
    await running.deliver_run(log + npm_logs.stamped(f"token {secret}"))
    await running.worked(1)
    assert len(running.cards()) == 1
    assert secret not in json.dumps([[m.text, m.blocks] for m in running.outside.slack.messages(RELEASES)])
    running.db.write_now(lambda c: c.value("SELECT 1"))
    for file in tmp_path.iterdir():
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


async def test_fifty_failures_at_once_are_fifty_cards_and_none_is_lost(outside: Outside, tmp_path: Path) -> None:
    """Each repository has its own channel here, because Slack takes one message a second in each."""
    names = [f"C07MANY{number:04d}" for number in range(50)]
    for number, name in enumerate(names):
        outside.slack.workspace.add_channel(Channel(name, f"many-{number}", {BOT_USER}))
    routes = ",".join(f"many/r{number}={name}" for number, name in enumerate(names))
    async with running_bot(outside, settings_for(outside, tmp_path, channel_routes=routes)) as running:
        await asyncio.gather(
            *(running.deliver_run(npm_logs.rejected(), repo=f"many/r{number}") for number in range(50))
        )
        await running.worked(50)
        assert [len(running.cards(name)) for name in names] == [1] * 50


async def test_the_deliverys_record_says_what_became_of_it(running: Running) -> None:
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    (stored,) = running.db.read_now(deliveries.latest)
    assert stored.reason == "token-rejected"
    assert stored.finished_at is not None and stored.finished_at <= datetime.now(UTC)


async def test_without_a_channel_the_card_waits_for_one(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path, alert_channel=None)) as running:
        await running.deliver_run(npm_logs.rejected())

        def waits() -> bool:
            return [stored.reason for stored in running.db.read_now(deliveries.latest)] == ["no-channel"]

        await outside.slack.until(waits, what="the delivery to wait")
        running.db.write_now(lambda c: c.execute("UPDATE deliveries SET due_at = 0"))
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        await running.worked(1)
        assert len(running.cards()) == 1
