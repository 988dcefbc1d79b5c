"""Situations of a failed publish through HTTP: log, workflow file, secrets, packument and records -> the card."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.demo.github import job_from_log, payloads
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, Channel
from bot.demo.terminal import blocks_text
from storage import incident_states, incidents, runs, tokens
from storage.runs import RunRecord
from tests import npm_logs
from tests.running import Running, running_bot, settings_for
from tests.situation_table import TABLE
from tests.situations import PACKAGE, RELEASE, Situation, days

NUMBERS = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One bot for the whole table: situations live in organisations and channels of their own, because Slack takes a
    message a second and channel."""
    async with Outside.start() as outside:
        path: Path = tmp_path_factory.mktemp("situations")
        for number in range(len(TABLE) + 1):
            outside.slack.workspace.add_channel(Channel(f"C07SIT{number:05}", f"acme-{number}", {BOT_USER}))
        routes = ",".join(f"acme{number}/*=C07SIT{number:05}" for number in range(len(TABLE) + 1))
        async with running_bot(outside, settings_for(outside, path, channel_routes=routes)) as running:
            yield running


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("situation", TABLE, ids=lambda situation: situation.name)
async def test_the_card_of_a_situation(shared: Running, situation: Situation, tmp_path: Path) -> None:
    if situation.at is None:
        await _play(shared, situation)
        return
    async with Outside.start() as outside, running_bot(outside, settings_for(outside, tmp_path)) as running:
        running.hands.ahead = situation.at - running.hands.now()
        await _play(running, situation)


async def _play(running: Running, situation: Situation) -> None:
    owner = f"acme{next(NUMBERS)}"
    before = len(running.db.read_now(_deliveries))
    await _world(running, situation, owner)
    await _failed_run(running, situation, owner)
    await running.worked(before + 1 + situation.elsewhere)
    try:
        incident = next(i for i in running.db.read_now(incidents.latest) if i.repo == f"{owner}/ui")
        channel = running.settings.channel_for(f"{owner}/ui")
        (card,) = [card for card in running.cards(str(channel)) if f"{owner}/ui" in str(card.blocks)]
        _check(running, situation, owner, card, incident.verdict)
    finally:
        long_ago = running.hands.now() - days(3)  # what was over within a day would be opened again
        for incident in running.db.read_now(incidents.latest):
            if incident.state != "resolved":
                running.db.write_now(incident_states.resolve, incident, by="test", how="seen", now=long_ago)


async def _world(running: Running, situation: Situation, owner: str) -> None:
    github, registry, now, repo = running.outside.github, running.outside.registry, running.hands.now(), f"{owner}/ui"
    if situation.workflow is not None:
        github.add_file(repo, RELEASE, situation.workflow)
    if situation.called is not None:
        github.add_file(repo, ".github/workflows/publish.yml", situation.called)
    for level, age in situation.secrets:
        where: dict[str, Any] = {"org": owner} if level == "organization" else {"repo": repo}
        where |= {"environment": "npm"} if level == "environment" else {}
        github.add_secret("NPM_TOKEN", updated_at=now - days(age), **where)
    for version, by, age in situation.released:
        registry.publish(_own(PACKAGE, owner), version, by, at=now - days(age))
    if situation.made is not None:
        github.add_repository(repo, created_at=situation.made)
    if situation.worked is not None:
        at = now - days(situation.worked)
        running.db.write_now(
            runs.keep,
            RunRecord(repo, 1, 1, RELEASE, "success", "published", "published", None, "2.3.0", at, at),
        )
    for record in situation.tokens:
        token = record.token(now)
        own = dataclasses.replace(
            token,
            name=_own(token.name, owner),
            packages=tuple(_own(package, owner) for package in token.packages),
            used_by=tuple(dataclasses.replace(use, repo=_own(use.repo, owner)) for use in token.used_by),
        )
        running.db.write_now(tokens.add, own, now)
    for number in range(situation.elsewhere):
        registry.publish(f"@{owner}x{number}/x", "1.0.0", at=now - days(40))
        await running.deliver_run(npm_logs.not_found(f"@{owner}x{number}/x"), repo=f"{owner}x{number}/x")
    await running.worked()


async def _failed_run(running: Running, situation: Situation, owner: str) -> None:
    log = _own(situation.log(PACKAGE, "2.3.1"), owner)
    given = dict(situation.run)
    fork = given.pop("fork", None)
    run = running.outside.github.add_run(
        f"{owner}/ui",
        jobs=[job_from_log(situation.job, log, labels=situation.labels)],
        completed_at=running.hands.now() - timedelta(seconds=5),
        **given,
    )
    payload = payloads.workflow_run(run)
    if fork:
        payload["workflow_run"]["head_repository"] = payloads.repository(fork)
    await running.outside.github.send("workflow_run", payload)


def _check(running: Running, situation: Situation, owner: str, card: Any, verdict: str) -> None:
    text = blocks_text(card.blocks, running.outside.slack.workspace)
    lines = text.splitlines()
    assert verdict == situation.code
    assert _own(situation.says, owner) in lines[0]
    steps = lines.index("What to do")
    assert lines[steps + 1].removeprefix("1.  ").startswith(_own(situation.advice, owner))
    known = next((line for line in lines if line.startswith("How we know: ")), "How we know: ")
    assert known.removeprefix("How we know: ").startswith(_own(situation.reason, owner))
    assert ("[Start rotation]" in text) is situation.rotates
    for expected in situation.has:
        assert _own(expected, owner) in text
    assert "--bypass-2fa" not in text, "that takes a second person, whom a rotation asks"
    for unwanted in situation.lacks:
        assert _own(unwanted, owner) not in text


def _deliveries(connection: Any) -> list[Any]:
    return list(connection.all("SELECT guid FROM deliveries"))


def _own(text: str, owner: str) -> str:
    return text.replace("acme", owner)


async def test_who_else_the_registry_refuses_joins_one_card(running: Running) -> None:
    """The first two say what their logs say; from the third on it is the registry, and one incident for all."""
    for number in range(5):
        running.outside.registry.publish(f"@org{number}/x", "1.0.0")
        await running.deliver_run(npm_logs.not_found(f"@org{number}/x"), repo=f"org{number}/x")
        await running.worked(number + 1)
    found = running.db.read_now(incidents.latest)
    assert sorted((incident.verdict, incident.occurrences) for incident in found) == [
        ("no-access", 1),
        ("no-access", 1),
        ("registry-side", 3),
    ]


def test_the_table_is_wide() -> None:
    assert len(TABLE) >= 60
    assert len({situation.name for situation in TABLE}) == len(TABLE)
    assert len({situation.code for situation in TABLE}) >= 35
