"""Scans of a made-up organisation over HTTP: what is found is the truth it was made from, in few requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli.tokens import tokens as tokens_command
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GUEST, MARA, OPS, TEAM_ID
from bot.errors import TryAgain
from bot.fleet import scan as scanning
from bot.fleet.inventory import Inventory
from bot.fleet.scan import Progress
from bot.fleet.suggestions import proposed
from bot.messages.fleet_suggestions import ADD
from storage import fleet, fleet_rounds, tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests import organisation
from tests.fleets import Scanning
from tests.running import Hands, running_bot, settings_for
from tests.two_workspaces import GLOBEX_ID, two_workspaces

REPOSITORIES = 300


@pytest.fixture(autouse=True)
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "WAITS_S", (0.01, 0.01, 0.01))  # real waits, shorter


@pytest.fixture
def scanner(outside: Outside, db: Database, tmp_path: Path) -> Scanning:
    return Scanning(outside, db, tmp_path)


def readers(found: Inventory) -> dict[tuple[str, str], set[str]]:
    by_place: dict[tuple[str, str], set[str]] = {}
    for reading in found.readings:
        by_place.setdefault((reading.place.name, reading.place.level), set()).add(reading.job.repo)
    return by_place


async def test_a_scan_finds_the_truth_the_organisation_was_made_from(scanner: Scanning) -> None:
    truth = organisation.populate(scanner.outside, REPOSITORIES)
    await scanner.scan()
    found = scanner.found()
    assert readers(found) == truth.readers
    assert {job.repo for job in found.jobs} == truth.publishing
    assert {job.repo for job in found.jobs if not job.secrets and job.id_token} == truth.trusted
    assert {one.repo for one in found.exposed} == truth.exposed
    assert {one.what for one in found.exposed} == {"npm token"}
    assert {job.registry for job in found.jobs} == {"npm", "pypi"}
    assert all(job.self_hosted == (job.registry == "pypi") for job in found.jobs)
    assert found.packages["acme/repo-0010"] == ("@acme/repo-0010",)


async def test_a_first_scan_asks_little_and_the_next_asks_almost_nothing(scanner: Scanning) -> None:
    truth = organisation.populate(scanner.outside, REPOSITORIES)
    await scanner.scan()
    first = len(scanner.asked())
    there = REPOSITORIES - REPOSITORIES // 5
    with_files = sum(1 for n in range(REPOSITORIES) if n % 5 != 4 and n % 7 != 6)
    # Lists, one look at each repository and one at its workflows, the files that differ, four lists of secrets each.
    assert first <= 8 + there + with_files + 2 * len(truth.publishing) + 12 + 4 * len(truth.publishing)
    assert not [path for path in scanner.asked() if "repo-0004" in path], "archived"

    await scanner.scan()
    again = scanner.asked(first)
    assert not [path for path in again if "/contents/" in path]
    costly = [path for path in again if not path.startswith("304")]
    assert not costly, costly
    assert len(again) <= 8 + 3 * len(truth.publishing)


async def test_only_what_was_pushed_to_is_read_again(scanner: Scanning) -> None:
    organisation.populate(scanner.outside, 60)
    await scanner.scan()
    before = len(scanner.asked())
    github = scanner.outside.github
    github.add_file("acme/repo-0010", organisation.RELEASE, organisation.BY_TRUST)
    github.host("acme/repo-0010", pushed_at=organisation.PUSHED + timedelta(days=1))
    github.add_file("acme/repo-0011", "README.md", "pushed, and nothing that matters\n")
    github.host("acme/repo-0011", pushed_at=organisation.PUSHED + timedelta(days=1))
    await scanner.scan()
    contents = [path for path in scanner.asked(before) if "/contents/" in path]
    assert contents == [
        "200 /repos/acme/repo-0010/contents/",
        "200 /repos/acme/repo-0010/contents/.github/workflows",
        "200 /repos/acme/repo-0010/contents/.github/workflows/release.yml",
        "200 /repos/acme/repo-0011/contents/",
    ]
    (job,) = [job for job in scanner.found().jobs if job.repo == "acme/repo-0010"]
    assert job.id_token and not job.secrets


async def test_a_scan_that_is_stopped_goes_on_where_it_was(scanner: Scanning, tmp_path: Path) -> None:
    truth = organisation.populate(scanner.outside, REPOSITORIES)
    await scanner.scan()
    whole = len([path for path in scanner.asked() if "/contents/" in path])
    fresh = Database.open(f"sqlite:///{tmp_path / 'fresh.db'}")
    scanner.db, start = fresh, len(scanner.asked())
    with contextlib.closing(fresh):
        for stop_at in (40, 90, 170):

            def said(progress: Progress, stop_at: int = stop_at) -> None:
                if not progress.listing and progress.done >= stop_at:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                await scanner.scan(said=said)
            round_ = scanner.db.read_now(fleet_rounds.of_owner, "acme")
            assert round_ is not None and round_.number == 1 and round_.finished_at is None
        await scanner.scan()
        asked = scanner.asked(start)
        # Each new process fetches the few files that repositories share once more, and nothing else twice.
        assert len([path for path in asked if "/contents/" in path]) <= whole + 3 * 4
        assert len([path for path in asked if "/orgs/acme/repos" in path]) == 4, "the pages were listed once"
        assert readers(scanner.found()) == truth.readers


async def test_github_asking_for_patience_stops_it_without_losing_anything(scanner: Scanning) -> None:
    truth = organisation.populate(scanner.outside, 60)
    scanner.outside.github.rate_limit("repo-0030/contents", retry_after_s=900)
    with pytest.raises(TryAgain) as waits:
        await scanner.scan()
    assert waits.value.after_s == 900
    await scanner.scan()
    assert readers(scanner.found()) == truth.readers


async def test_without_the_right_to_the_organisations_list_each_repository_is_asked(scanner: Scanning) -> None:
    truth = organisation.populate(scanner.outside, 40)
    del scanner.outside.github.api.permissions["organization_secrets"]
    await scanner.scan()
    assert readers(scanner.found()) == truth.readers
    round_ = scanner.db.read_now(fleet_rounds.of_owner, "acme")
    assert round_ is not None and "secrets of the organisation" in round_.lacking[0]


async def test_a_secret_shown_to_some_repositories_is_read_by_those_alone(scanner: Scanning) -> None:
    github = scanner.outside.github
    for name in ("seen", "unseen"):
        github.host(f"acme/{name}")
        github.add_file(f"acme/{name}", organisation.RELEASE, organisation.BY_TOKEN)
    github.add_secret(
        "NPM_TOKEN", org="acme", visibility="selected", selected=["acme/seen"], updated_at=organisation.WRITTEN
    )
    await scanner.scan()
    levels = {reading.job.repo: reading.place.level for reading in scanner.found().readings}
    assert levels == {"acme/seen": "organization", "acme/unseen": "missing"}


async def test_a_repository_that_is_gone_or_renamed_is_forgotten(scanner: Scanning) -> None:
    organisation.populate(scanner.outside, 20)
    await scanner.scan()
    assert "acme/repo-0010" in {job.repo for job in scanner.found().jobs}
    del scanner.outside.github.world.hosted["acme/repo-0010"]
    await scanner.scan()
    assert "acme/repo-0010" not in {job.repo for job in scanner.found().jobs}


async def test_one_repository_by_itself(scanner: Scanning) -> None:
    organisation.populate(scanner.outside, 30)
    await scanner.scan("acme/repo-0021")
    assert not [path for path in scanner.asked() if "/orgs/acme/repos" in path]
    scanner.outside.github.add_file("acme/repo-0020", organisation.RELEASE, organisation.BY_TOKEN)
    await scanner.scan("acme/repo-0010")
    assert {job.repo for job in scanner.found().jobs} == {"acme/repo-0010"}
    assert scanner.db.read_now(fleet_rounds.owners) == []


async def test_a_reusable_workflow_is_read_for_what_calls_it(scanner: Scanning) -> None:
    github = scanner.outside.github
    github.host("acme/ui")
    github.add_file(
        "acme/ui",
        organisation.RELEASE,
        "on: [push]\njobs:\n  release:\n    uses: acme/.github/.github/workflows/npm.yml@v1\n    secrets: inherit\n",
    )
    github.add_file(
        "acme/.github",
        ".github/workflows/npm.yml",
        organisation.BY_TOKEN.replace('push:\n    tags: ["v*"]', "workflow_call:"),
        ref="v1",
    )
    github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=organisation.WRITTEN)
    await scanner.scan()
    (reading,) = scanner.found().readings
    assert reading.job.called == "acme/.github/.github/workflows/npm.yml@v1"
    assert (reading.place.name, reading.place.level) == ("NPM_TOKEN", "repository")


async def test_no_credential_of_a_file_reaches_the_database(scanner: Scanning, tmp_path: Path) -> None:
    organisation.populate(scanner.outside, 60)
    value = "npm_" + "Zq9" * 12
    github = scanner.outside.github
    written_out = organisation.BY_TOKEN.replace("${{ secrets.NPM_TOKEN }}", value)
    github.add_file("acme/repo-0011", organisation.RELEASE, written_out)
    as_names = written_out.replace("publish:", f"{value}:").replace("steps:", f"environment: {value}\n    steps:")
    github.add_file("acme/repo-0012", organisation.RELEASE, as_names.replace("name: Release", f"name: {value}"))
    github.add_file("acme/repo-0013", f".github/workflows/{value}.yml", organisation.BY_TOKEN)
    await scanner.scan()
    assert "acme/repo-0011" in {one.repo for one in scanner.found().exposed}
    scanner.db.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert value.encode() not in stored


async def test_hostile_files_are_noted_and_hold_nothing_up(scanner: Scanning) -> None:
    github = scanner.outside.github
    texts = [
        "{{{",
        "a: &a [*a]",
        "jobs: 1",
        "\0",
        "on: push\njobs: {a: {steps: [1, {run: [1]}, {uses: {}}]}}",
        "x" * 300_000,
    ]
    for number, text in enumerate(texts):
        github.host(f"acme/odd-{number}")
        github.add_file(f"acme/odd-{number}", organisation.RELEASE, text)
        github.add_file(f"acme/odd-{number}", "package.json", text)
    github.host("acme/z")
    github.add_file("acme/z", organisation.RELEASE, organisation.BY_TOKEN)
    await scanner.scan()
    assert {job.repo for job in scanner.found().jobs} == {"acme/z"}
    notes = {file.path: file.unreadable for file in scanner.db.read_now(fleet.files_of, "acme/odd-0")}
    assert "not valid YAML" in notes[organisation.RELEASE]


# --- the command -----------------------------------------------------------------------------------------------------


def run(outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    settings = settings_for(outside, tmp_path)
    monkeypatch.setenv("GITHUB_TOKEN", settings.github_token.get_secret_value() if settings.github_token else "")
    monkeypatch.setenv("GITHUB_API_URL", settings.github_api_url)
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    return CliRunner().invoke(tokens_command, list(arguments))


async def test_the_command_proposes_tokens_to_add(
    outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = organisation.populate(outside, 100)
    result = await asyncio.to_thread(run, outside, tmp_path, monkeypatch, "scan", "acme")
    assert result.exit_code == 0, result.output
    many = len(truth.readers["NPM_TOKEN", "organization"])
    assert f"NPM_TOKEN at organisation level of acme is used by {many} workflows" in result.output
    assert (
        "python -m bot tokens add npm-acme --registry npm --used-by 'acme/*::NPM_TOKEN:organization'" in result.output
    )
    told = await asyncio.to_thread(run, outside, tmp_path, monkeypatch, "scan", "acme", "--json")
    record = json.loads(told.output)
    assert record["complete"] and record["unchanged"] > 0
    assert {job["repo"] for job in record["jobs"]} == truth.publishing
    levels = {secret["level"] for secret in record["secrets"]}
    assert levels >= {"organization", "repository", "environment"} and all(
        one["updated_at"] for one in record["secrets"]
    )
    steps = {tuple(secret["steps"]) for job in record["jobs"] for secret in job["secrets"]}
    assert steps == {("npm publish",), ("pypa/gh-action-pypi-publish@release/v1",)}
    for wrong in ("acme/ui/x", "-", "a b", ""):
        refused = await asyncio.to_thread(run, outside, tmp_path, monkeypatch, "scan", "--", wrong)
        assert refused.exit_code == 2
    gone = await asyncio.to_thread(run, outside, tmp_path, monkeypatch, "scan", "nobody")
    assert "within reach" in gone.output


# --- the hourly job --------------------------------------------------------------------------------------------------


async def test_the_hourly_job_scans_where_the_app_is_installed_and_suggests_once(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    organisation.populate(outside, 60)
    settings = settings_for(outside, tmp_path, github_token=None, github_app_id="12345", github_private_key=app_key)
    hands = Hands()
    async with running_bot(outside, settings, hands) as running:
        await running.bot.fleet.tick()
        await running.worked()
        said = [message.text for message in running.cards(OPS) if "no token on record" in message.text]
        assert len(said) == 1 and "NPM_TOKEN" in said[0]
        before = len(outside.github.asked("/repos"))
        await running.bot.fleet.tick()
        assert len(outside.github.asked("/repos")) == before, "once an hour"
        hands.ahead += timedelta(hours=1)
        await running.bot.fleet.tick()
        await running.worked()
        assert len([m for m in running.cards(OPS) if "no token on record" in m.text]) == 1


async def test_a_suggestion_is_added_with_one_button_and_a_look(outside: Outside, tmp_path: Path) -> None:
    organisation.populate(outside, 60)
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        running.db.write_now(fleet_rounds.begin, "acme", running.hands.now())
        await running.bot.fleet.tick()
        await running.worked()
        (message,) = [m for m in running.cards(OPS) if "no token on record" in m.text]
        answer = await outside.slack.click(message, ADD, MARA)
        assert answer.view is not None
        await outside.slack.submit(answer.view, {"permission": "read-write"})
        stored = running.db.read_now(tokens.get, "npm-acme")
        assert stored is not None and stored.owner == MARA.id
        assert stored.used_by == (Use("acme/*", None, "NPM_TOKEN", "organization"),)
        refused = await outside.slack.click(message, ADD, GUEST)
        assert "Guests" in refused.text


def test_what_a_forged_button_says_is_no_token() -> None:
    for record in ("", "npm", "npm name", "x y acme/ui::T:repository", "npm <!channel> acme/ui::T:repository"):
        assert proposed(record) is None


async def test_a_secret_with_a_record_is_not_suggested(outside: Outside, tmp_path: Path) -> None:
    organisation.populate(outside, 30)
    for repo in list(outside.github.world.secrets):
        if repo.startswith("repos/"):
            del outside.github.world.secrets[repo]
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        now = running.hands.now()
        use = Use("acme/repo-0010", ".github/workflows/release.yml", "NPM_TOKEN", "organization")
        running.db.write_now(tokens.add, Token(name="npm-acme-ci", used_by=(use,)), now)
        running.db.write_now(fleet_rounds.begin, "acme", now)
        await running.bot.fleet.tick()
        await running.worked()
        assert not [m for m in running.cards(OPS) if "no token on record" in m.text]


async def test_one_of_several_workspaces_scans_its_own_owners_alone(
    outside: Outside, tmp_path: Path, app_key: str
) -> None:
    organisation.populate(outside, 30)
    async with two_workspaces(outside, tmp_path, app_key) as two:
        for workspace in (two.acme, two.globex):
            await two.install(workspace)
        assert two.bot.several is not None
        for team, mine in ((GLOBEX_ID, {"globex", "globex-labs"}), (TEAM_ID, {"acme"})):
            running = two.bot.several.running[team]
            await running.fleet.tick()
            assert {one.owner for one in running.deps.db.read_now(fleet_rounds.owners)} == mine
            names = {one.name for one in running.deps.db.read_now(fleet.records).repositories}
            assert bool(names) == ("acme" in mine)
