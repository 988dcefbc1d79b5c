"""The way out of a dated rule for each package: from the inventory and the registry, told, and begun by a button."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli.tokens import tokens as command
from bot.deadlines import deadlines
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, MARA, OPS
from bot.fleet import registry_looks
from bot.fleet.inventory import inventory
from bot.fleet.reading import jobs_of, read_file
from bot.fleet.ways_out import WayOut, alike, path_of, ways_of_records, ways_out
from bot.messages.deadlines import CAMPAIGN, deadlines_message
from storage import campaigns, fleet, package_looks, rotations, tokens
from storage.database import Database
from storage.fleet import FleetJob, FleetRecords, FleetRepository, FleetRound, FleetSecret
from storage.package_looks import PackageLook
from storage.tokens import Token, Use
from tests import organisation
from tests.fleets import Scanning
from tests.hostile import SNIPPETS
from tests.organisation import BY_TOKEN, RELEASE
from tests.running import Running
from tests.slack_limits import mrkdwn_texts, problems, unsafe

NOW = datetime(2026, 11, 25, tzinfo=UTC)
READY = FleetJob(
    "acme/ui", RELEASE, "publish", "npm", secrets=("NPM_TOKEN",), id_token=True, runners=("ubuntu-latest",), node="24"
)
SECRET = FleetSecret("acme", "NPM_TOKEN", "organization", NOW - timedelta(days=20), visibility="all")
TOKEN = Token(
    name="npm-acme", permission="read-write", packages=("@acme/ui",), bypass_2fa=True, bypass_reason="CI",
    owner=MARA.id, created_at=NOW - timedelta(days=10), expires_at=NOW + timedelta(days=70), id=1,
    used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),),
)  # fmt: skip
LOOK = PackageLook("@acme/ui", True, NOW, "1.0.0", "token", "acme/ui")


def records(*jobs: FleetJob, scanned: bool = True) -> FleetRecords:
    return FleetRecords(
        rounds=(FleetRound("acme", 1, NOW, None, NOW),) if scanned else (),
        repositories=tuple({job.repo: FleetRepository(job.repo, publishes=True) for job in jobs}.values()),
        jobs=jobs,
        secrets=(SECRET,) if scanned else (),
        packages={
            job.repo: ("cli",) if job.repo == "acme/unscoped" else (f"@acme/{job.repo.rpartition('/')[2]}",)
            for job in jobs
        },
    )


def way(
    job: FleetJob | None = READY, token: Token = TOKEN, look: PackageLook | None = LOOK, trusted: tuple[Token, ...] = ()
) -> WayOut:
    known = records(job) if job else records()
    (found,) = ways_of_records(known, {look.package: look} if look else {}, trusted, [token])[token.name]
    return found


def used(workflow: str | None, level: str = "elsewhere") -> Token:
    return replace(TOKEN, used_by=(Use("acme/ui", workflow, "NPM_TOKEN", level),))


PRIVATE = PackageLook("@acme/ui", False, NOW)
TRUST = Token(
    name="oidc-ui", kind="trusted-publisher", permission="read-write", packages=("@acme/ui",), id=2,
    used_by=(Use("acme/ui", "release.yml", None, "elsewhere"),),
)  # fmt: skip

CASES: dict[str, tuple[WayOut, str, str]] = {
    "all is there": (way(), "ready", ""),
    "an environment": (way(replace(READY, environment="npm")), "ready", ""),
    "it publishes so already": (way(look=replace(LOOK, by="oidc")), "ready", ""),
    "trusted already": (way(trusted=(TRUST,)), "ready", ""),
    "trusted to stage": (
        way(trusted=(replace(TRUST, permission="read-write-stage-only"),)), "needs", "may only stage",
    ),
    "no id-token": (way(replace(READY, id_token=None)), "needs", "lacks `id-token: write`"),
    "old node": (way(replace(READY, node="20")), "needs", "runs an npm older than 11.5.1"),
    "old node with new npm": (way(replace(READY, node="20", npm="11.6.2")), "ready", ""),
    "another repository.url": (
        way(look=replace(LOOK, repository="acme/old")), "needs", "names acme/old in `repository.url`",
    ),
    "no repository.url": (way(look=replace(LOOK, repository="")), "needs", "names no repository of GitHub"),
    "private install": (
        way(replace(READY, installs=("NPM_TOKEN",))), "needs", "installs private packages with the same token",
    ),
    "private install with another token": (way(replace(READY, installs=("NPM_READ",))), "ready", ""),
    "self-hosted": (
        way(replace(READY, runners=("self-hosted", "linux"))), "not-possible", "self-hosted runner, whose identity",
    ),
    "self-hosted outweighs what could be changed": (
        way(replace(READY, runners=("self-hosted",), id_token=None)), "not-possible", "self-hosted",
    ),
    "first publish": (
        way(replace(READY, repo="acme/unscoped"), replace(TOKEN, packages=("cli",)), PackageLook("cli", False, NOW)),
        "not-possible", "is not on npm yet",
    ),
    "first publish or private": (way(look=PRIVATE), "unknown", "is private or not there yet"),
    "a runner that may be anything": (
        way(replace(READY, runners=("acme-large",))), "unknown", "may run on a runner that GitHub does not host",
    ),
    "npm not said": (way(replace(READY, node=None)), "unknown", "does not say which npm it runs"),
    "not looked up": (way(look=None), "unknown", "could not be looked up on the registry"),
    "Azure DevOps": (way(None, used("azure-pipelines.yml")), "not-possible", "Azure DevOps has no trusted publishing"),
    "Jenkins": (way(None, used("Jenkinsfile")), "not-possible", "Jenkins has no trusted publishing"),
    "GitLab": (way(None, used(".gitlab-ci.yml")), "needs", "`npm trust gitlab @acme/ui`"),
    "CircleCI": (way(None, used(".circleci/config.yml")), "needs", "`npm trust circleci @acme/ui`"),
    "somewhere else": (way(None, used(None)), "not-possible", "outside GitHub Actions, GitLab.com and CircleCI"),
    "nobody knows where": (way(None, replace(TOKEN, used_by=())), "unknown", "nobody wrote down where"),
    "no such workflow": (way(None), "unknown", "no workflow that was read publishes it with this token"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_way_out_of_a_package(case: str) -> None:
    found, state, says = CASES[case]
    assert found.state == state
    assert (says in found.says) if says else not found.says
    assert len(found.says) < 400


def test_without_a_scan_it_says_which_scan_would_tell() -> None:
    (found,) = ways_of_records(records(scanned=False), {}, (), [TOKEN])["npm-acme"]
    assert (found.state, found.says) == ("unknown", "its workflow was not read yet: `python -m bot tokens scan acme`")


def test_packages_of_one_token_are_told_apart_and_only_what_it_may_publish_counts() -> None:
    jobs = (READY, replace(READY, repo="acme/api", runners=("self-hosted",)), replace(READY, repo="acme/other"))
    token = replace(TOKEN, packages=("@acme/ui", "@acme/api"))
    looks = {
        f"@acme/{name}": replace(LOOK, package=f"@acme/{name}", repository=f"acme/{name}") for name in ("ui", "api")
    }
    found = ways_of_records(records(*jobs), looks, (), [token])["npm-acme"]
    assert [(one.package, one.state, one.repos) for one in found] == [
        ("@acme/api", "not-possible", ("acme/api",)),
        ("@acme/ui", "ready", ("acme/ui",)),
    ]
    assert path_of(found) == "stage-token" and path_of(found[1:]) == "trusted-publishing"


def test_a_workflow_that_installs_with_its_publishing_token_is_seen() -> None:
    installing = BY_TOKEN.replace(
        "      - run: npm publish\n",
        "      - run: npm ci\n        env: {NODE_AUTH_TOKEN: '${{ secrets.NPM_TOKEN }}'}\n      - run: npm publish\n",
    )
    (job,) = jobs_of("acme/ui", RELEASE, read_file(installing.encode()), {})
    assert job.installs == ("NPM_TOKEN",)
    assert job.steps_reading("npm_token") == ("npm ci", "npm publish")
    (plain,) = jobs_of(
        "acme/ui", RELEASE, read_file(BY_TOKEN.replace("npm publish", "npm ci && npm publish").encode()), {}
    )
    assert "NPM_TOKEN" in plain.installs


# --- against an organisation that was made by rule -------------------------------------------------------------------


async def test_the_deadlines_of_an_organisation_are_those_of_its_truth(
    outside: Outside, db: Database, tmp_path: Path
) -> None:
    truth = organisation.populate(outside, 300)
    scanning = Scanning(outside, db, tmp_path)
    await scanning.scan()
    wide = Token(
        name="npm-org", permission="read-write", scopes=("@acme",), bypass_2fa=True, bypass_reason="CI",
        expires_at=NOW + timedelta(days=70), used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),),
    )  # fmt: skip
    own = [
        replace(wide, name=f"npm-{repo.rpartition('/')[2]}", used_by=(Use(repo, RELEASE, "NPM_TOKEN"),))
        for repo in sorted(truth.readers["NPM_TOKEN", "repository"])
    ]
    for token in (wide, *own):
        db.write_now(tokens.add, token, NOW)
    stored = db.read_now(tokens.all_tokens)
    found = deadlines(stored, NOW)
    found = found.with_ways(ways_of_records(db.read_now(fleet.records), {}, (), stored))
    (date,) = found.dates
    assert date.rule.id == "npm-bypass-direct-publish" and len(date.stops) == 1 + len(own)
    by_token = {
        token.name: {repo for way in date.ways if way.token == token.name for repo in way.repos} for token in stored
    }
    assert by_token["npm-org"] == truth.readers["NPM_TOKEN", "organization"]
    assert set().union(*(by_token[token.name] for token in own)) == truth.readers["NPM_TOKEN", "repository"]
    packages = {way.package for way in date.ways}
    readers = truth.readers["NPM_TOKEN", "organization"] | truth.readers["NPM_TOKEN", "repository"]
    assert packages == {f"@acme/{repo.rpartition('/')[2]}" for repo in readers}
    assert {way.state for way in date.ways} == {"needs"}, "each lacks id-token: write"


# --- the registry ----------------------------------------------------------------------------------------------------


async def test_the_registry_is_asked_once_a_day_and_a_few_at_a_time(running: Running) -> None:
    for place in range(5):
        running.outside.registry.package(f"@acme/p{place}", repository=f"acme/r{place}")
        running.outside.registry.publish(f"@acme/p{place}", "1.0.0")
    token = replace(TOKEN, packages=(*(f"@acme/p{place}" for place in range(5)), "@acme/gone", "@acme/*"))
    running.db.write_now(tokens.add, replace(token, id=None), running.hands.now())
    assert await registry_looks.look(running.bot.deps, limit=4) == 4
    assert await registry_looks.look(running.bot.deps, limit=4) == 2
    assert await registry_looks.look(running.bot.deps) == 0
    looks = running.db.read_now(package_looks.everything)
    assert [looks[name].exists for name in ("@acme/p0", "@acme/gone")] == [True, False]
    assert looks["@acme/p3"].repository == "acme/r3" and looks["@acme/p3"].by == "token"
    running.hands.ahead += timedelta(days=1, minutes=1)
    assert await registry_looks.look(running.bot.deps) == 6
    running.outside.registry.fail(".", status=503, times=None)
    running.hands.ahead += timedelta(days=1, minutes=1)
    assert await registry_looks.look(running.bot.deps) == 0
    assert running.db.read_now(package_looks.everything)["@acme/p0"].exists


# --- told, and begun -------------------------------------------------------------------------------------------------


def told(count: int, name: str = "@acme/p{}") -> Any:
    states = ("not-possible", "needs", "unknown", "ready")
    ways = [
        WayOut(
            "npm-acme", name.format(place), states[place % 4], "" if place % 4 == 3 else f"{name} {place}", ("acme/ui",)
        )
        for place in range(count)
    ]
    found = deadlines([TOKEN], NOW)
    return deadlines_message(found.with_ways({"npm-acme": ways}))


def test_the_message_counts_and_lists_what_asks_for_thought_first() -> None:
    made = told(30)
    assert problems(made.blocks) == []
    said = "\n".join(mrkdwn_texts(list(made.blocks)))
    assert "8 cannot use trusted publishing" in said and "7 ready for trusted publishing" in said
    (table,) = [block for block in made.blocks if block["type"] == "table"]
    assert len(table["rows"]) == 22 and "and 4 more kinds" in json.dumps(table["rows"][-1])
    assert "No: " in json.dumps(table["rows"][1])
    assert CAMPAIGN in json.dumps(made.blocks)


def test_what_lacks_the_same_is_one_line() -> None:
    ways = [
        WayOut("npm-acme", f"@acme/p{place}", "needs", f"@acme/p{place} lacks it", ("acme/ui",)) for place in range(400)
    ]
    (one,) = alike(ways)
    assert (one.says, len(one.packages), one.tokens) == ("PACKAGE lacks it", 400, ("npm-acme",))
    assert alike(ways[:1])[0].says == "@acme/p0 lacks it"
    made = deadlines_message(deadlines([TOKEN], NOW).with_ways({"npm-acme": ways}))
    (table,) = [block for block in made.blocks if block["type"] == "table"]
    assert len(table["rows"]) == 2 and "@acme/p0, @acme/p1 and 398 more" in json.dumps(table["rows"][1])


@pytest.mark.parametrize("text", SNIPPETS)
def test_hostile_packages_stay_text(text: str) -> None:
    made = told(5, text.replace("{", "").replace("}", "") + "{}")
    assert problems(made.blocks) == []
    for part in mrkdwn_texts(list(made.blocks)):
        assert (
            unsafe(part, mentions=frozenset({MARA.id}), urls=frozenset({deadlines([TOKEN], NOW).dates[0].rule.link}))
            == []
        )


def furnish(running: Running) -> None:
    """acme/ui could publish without a token, acme/cli runs on the company's own machines."""
    github, now = running.outside.github, running.hands.now()
    for name, workflow in (("ui", BY_TOKEN), ("cli", BY_TOKEN.replace("ubuntu-latest", "self-hosted"))):
        github.host(f"acme/{name}")
        github.add_file(f"acme/{name}", RELEASE, workflow)
        github.add_file(f"acme/{name}", "package.json", json.dumps({"name": f"@acme/{name}"}))
        github.add_secret("NPM_TOKEN", repo=f"acme/{name}", updated_at=now - timedelta(days=9))
        running.outside.registry.package(f"@acme/{name}", repository=f"acme/{name}")
        running.outside.registry.publish(f"@acme/{name}", "1.0.0")
        token = replace(
            TOKEN, name=f"npm-{name}", packages=(f"@acme/{name}",), id=None, created_at=now - timedelta(days=10),
            expires_at=datetime(2027, 1, 20, tzinfo=UTC), used_by=(Use(f"acme/{name}", RELEASE, "NPM_TOKEN"),),
        )  # fmt: skip
        running.db.write_now(tokens.add, token, now)


async def asked(running: Running) -> Any:
    return await running.answered(running.outside.slack.command(text="deadlines", user=MARA), MARA.id)


async def test_one_button_starts_the_campaign_with_the_right_way_for_each(running: Running, tmp_path: Path) -> None:
    furnish(running)
    scanning = Scanning(running.outside, running.db, tmp_path)
    for name in ("ui", "cli"):
        await scanning.scan(f"acme/{name}")
    await registry_looks.look(running.bot.deps)
    answer = await asked(running)
    shown = answer.text + json.dumps(answer.blocks)
    assert "After a change: lacks id-token: write" in shown and "trusted publishing, after a change" in shown
    assert "No: runs on a self-hosted runner, whose identity npm does not take" in shown
    refused = await running.outside.slack.click(answer, CAMPAIGN, GUEST)
    assert "Guests" in refused.text and running.db.read_now(campaigns.open_campaigns) == []
    done = await running.outside.slack.click(answer, CAMPAIGN, MARA)
    await running.worked()
    assert "Everything that stops in January 2027 has started with 2 tokens." in done.text
    (campaign,) = running.db.read_now(campaigns.open_campaigns)
    begun = running.db.read_now(rotations.of_campaign, campaign.id)
    assert {rotation.token_name: rotation.path for rotation in begun} == {
        "npm-ui": "trusted-publishing", "npm-cli": "stage-token",
    }  # fmt: skip
    assert any("Everything that stops in January 2027" in card.text for card in running.cards(OPS))
    again = await running.outside.slack.click(answer, CAMPAIGN, MARA)
    assert "No token fits" in again.text
    later = await asked(running)
    assert "A campaign for this date is under way" in json.dumps(later.blocks) and CAMPAIGN not in json.dumps(
        later.blocks
    )


async def test_a_forged_button_starts_nothing(running: Running) -> None:
    furnish(running)
    answer = await asked(running)
    forged = json.loads(json.dumps(answer.blocks).replace("npm-bypass-direct-publish", "npm-write-lifetime"))
    answer.blocks[:] = forged
    done = await running.outside.slack.click(answer, CAMPAIGN, MARA)
    assert "no longer known" in done.text and running.db.read_now(campaigns.open_campaigns) == []


def test_the_command_line_tells_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'tokenwatch.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    db = Database.open(url)
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)  # the rule of January 2027 is still to come
    monkeypatch.setattr("bot.cli.tokens._now", lambda: now)
    token = replace(used("azure-pipelines.yml"), id=None, created_at=now, expires_at=now + timedelta(days=80))
    db.write_now(tokens.add, token, now)
    db.close()
    rows = [json.loads(line) for line in CliRunner().invoke(command, ["deadlines", "--json"]).output.splitlines()]
    (stops,) = [row for row in rows if row["why"] == "stops-publishing"]
    assert stops["ways_out"] == [
        {
            "package": "@acme/ui",
            "state": "not-possible",
            "says": "Azure DevOps has no trusted publishing: stage versions and approve them",
            "published_from": ["acme/ui"],
        }
    ]
    assert all(row["ways_out"] == [] for row in rows if row["why"] != "stops-publishing")
    said = CliRunner().invoke(command, ["deadlines"]).output
    assert "The way out, package by package: 1 cannot use trusted publishing." in said


def test_the_inventory_of_another_registry_has_no_way_out_here() -> None:
    known = inventory(records(READY), [TOKEN])
    assert ways_out(known, [replace(TOKEN, registry="pypi")], {}) == {}
