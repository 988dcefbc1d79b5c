"""Who hears of a new incident besides the token's owner: once, in the thread, and only as far as it is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot import incident_people
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, JONAS, MARA, Person
from bot.messages.thread import people
from storage import accounts, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

SHA = "c" * 40


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        yield made


def add_token(running: Running, **more: Any) -> None:
    uses = (Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN", "repository"),)
    token = Token(
        name="npm-acme-ci",
        owner=MARA.id,
        permission="read-write",
        packages=("@acme/ui",),
        used_by=uses,
        expires_at=running.hands.now() + timedelta(days=50),
    )
    running.db.write_now(tokens.add, replace(token, **more), running.hands.now())


async def fail_once(running: Running, **run: Any) -> list[str]:
    before = running.db.read_now(lambda c: c.value("SELECT COUNT(*) FROM deliveries"))
    await running.deliver_run(npm_logs.rejected(), actor=run.pop("actor", "jonas-r"), sha=SHA, **run)
    await running.worked(before + 1)
    await running.bot.clock.tick()
    await running.worked()
    return running.thread(running.cards()[-1])


def lookups(running: Running) -> list[str]:
    return [str(call.args["email"]) for call in running.outside.slack.calls("users.lookupByEmail")]


async def test_backup_owner_and_actor_are_mentioned_once_in_the_thread(running: Running) -> None:
    add_token(running, backup_owner=GUEST.id)
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    said = await fail_once(running)
    assert said == [
        f"Also for <@{GUEST.id}> (the backup owner of `npm-acme-ci`) and <@{JONAS.id}> (who started the run)."
    ]
    for _ in range(3):
        await running.bot.clock.tick()
    again = await fail_once(running)
    assert [line for line in again if line.startswith("Also for")] == said
    assert lookups(running) == [JONAS.email]
    (card,) = running.cards()
    assert f"<@{JONAS.id}>" not in str(card.blocks)


async def test_the_address_of_a_commit_counts_only_when_github_says_whose_it_is(running: Running) -> None:
    running.outside.github.world.commits[SHA] = ("somebody-else", MARA.email)
    assert await fail_once(running) == []
    assert lookups(running) == []


async def test_the_address_a_person_commits_with_finds_them(running: Running) -> None:
    running.outside.github.world.commits[SHA] = ("Jonas-R", JONAS.email)
    assert await fail_once(running) == [f"Also for <@{JONAS.id}> (who started the run)."]


@pytest.mark.parametrize(
    "email", ["123+jonas-r@users.noreply.github.com", "x@localhost.local", "no address", "a@b@c.example", ""]
)
async def test_what_is_no_address_of_a_person_is_not_asked_about(running: Running, email: str) -> None:
    running.outside.github.world.emails["jonas-r"] = email
    assert await fail_once(running) == []
    assert lookups(running) == []


async def test_nobody_found_is_remembered_for_a_day_and_somebody_for_a_month(running: Running) -> None:
    running.outside.github.world.emails["jonas-r"] = "unknown@acme.example"
    assert await fail_once(running) == []
    await fail_once(running, repo="acme/api", workflow=".github/workflows/release.yml")
    assert lookups(running) == ["unknown@acme.example"]
    running.hands.ahead = timedelta(days=1, hours=1)
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    said = await fail_once(running, repo="acme/other", workflow=".github/workflows/release.yml")
    assert said[-1:] == [f"Also for <@{JONAS.id}> (who started the run)."]
    account = running.db.read_now(accounts.get, "JONAS-R")
    assert account is not None and account.slack_user == JONAS.id
    everything = running.db.read_now(lambda c: [str(row) for row in c.all("SELECT * FROM github_accounts")])
    assert "@" not in "".join(everything), "addresses are not kept"


async def test_without_the_scope_nobody_is_asked_about_again_for_an_hour(running: Running) -> None:
    running.outside.slack.server.scopes.discard("users:read.email")
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    assert await fail_once(running) == []
    await fail_once(running, repo="acme/api", workflow=".github/workflows/release.yml")
    assert len(lookups(running)) == 1
    assert running.db.read_now(accounts.get, "jonas-r") is None


async def test_a_rate_limit_is_kept_and_the_line_comes_afterwards(running: Running) -> None:
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    running.outside.slack.fail("users.lookupByEmail", retry_after=30)
    assert await fail_once(running) == []
    await running.bot.clock.tick()
    assert len(lookups(running)) == 1
    running.hands.ahead += incident_people.LEASE + timedelta(seconds=1)
    await running.bot.clock.tick()
    await running.worked()
    assert running.thread(running.cards()[0]) == [f"Also for <@{JONAS.id}> (who started the run)."]


@pytest.mark.parametrize("actor", ["dependabot[bot]", "github-actions"])
async def test_bots_are_nobody(running: Running, actor: str) -> None:
    running.outside.github.world.emails[actor] = JONAS.email
    assert await fail_once(running, actor=actor) == []
    assert lookups(running) == []


async def test_somebody_who_left_is_not_mentioned(running: Running) -> None:
    gone = Person("U07GONE0001", "gone", "Gone Person", email="gone@acme.example", deleted=True)
    running.outside.slack.workspace.add_person(gone)
    running.outside.github.world.emails["jonas-r"] = gone.email
    assert await fail_once(running) == []


async def test_an_incident_that_somebody_took_meanwhile_calls_nobody(running: Running) -> None:
    running.outside.github.world.emails["jonas-r"] = JONAS.email
    await running.deliver_run(npm_logs.rejected(), actor="jonas-r", sha=SHA)
    await running.worked(1)
    await running.outside.slack.click(running.cards()[0], "incident.claim", MARA)
    await running.bot.clock.tick()
    await running.worked()
    assert not [line for line in running.thread(running.cards()[0]) if line.startswith("Also for")]


@pytest.mark.parametrize(
    ("owner", "backup", "actor", "roles"),
    [
        ("U1A", None, "U1A", {"U1A": "the owner of `t`"}),
        ("U1A", "U1A", None, {"U1A": "the owner of `t`"}),
        ("U1A", "U2B", "U2B", {"U1A": "the owner of `t`", "U2B": "the backup owner of `t`"}),
        ("U1A", None, "U3C", {"U1A": "the owner of `t`", "U3C": "who started the run"}),
        (None, None, "<!channel>", {}),
    ],
)
def test_each_person_has_one_role(owner: str | None, backup: str | None, actor: str | None, roles: Any) -> None:
    assert people(Token(name="t", owner=owner, backup_owner=backup), actor) == roles
