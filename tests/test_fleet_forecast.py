"""Changes of publish workflows and names: a warning that says what will fail, or silence. Then the same over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.demo.github import events
from bot.fleet.forecast import Forecast, State, forecast, renamed, trusts_of
from bot.fleet.inventory import SecretPlace
from bot.fleet.reading import jobs_of, read_file
from storage import fleet_rounds, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.organisation import BY_TOKEN, BY_TRUST, IN_ENVIRONMENT
from tests.running import Running

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RELEASE = ".github/workflows/release.yml"
NPM = ".github/workflows/npm.yml"
TRUST_OF_PYPI = """\
on: {release: {types: [published]}}
jobs:
  upload:
    runs-on: ubuntu-latest
    permissions: {id-token: write}
    steps:
      - uses: pypa/gh-action-pypi-publish@release/v1
"""
CALLS = "on: push\njobs: {go: {uses: ./.github/workflows/npm.yml, secrets: inherit, permissions: {id-token: write}}}\n"
CALLED = BY_TRUST.replace('on: {push: {tags: ["v*"]}}', "on: workflow_call")
BOTH = BY_TRUST.replace(
    "- run: npm publish\n", "- run: npm publish\n        env: {NODE_AUTH_TOKEN: '${{ secrets.NPM_TOKEN }}'}\n"
)
RECORD = Token(
    name="oidc-ui", kind="trusted-publisher", used_by=(Use("acme/ui", "release.yml", None, "elsewhere", "npm"),)
)
ANY_ENVIRONMENT = Token(name="oidc-ui", kind="trusted-publisher", used_by=(Use("acme/ui", RELEASE, None, "elsewhere"),))
AT_REPOSITORY = {SecretPlace("NPM_TOKEN", "repository", "acme/ui"): NOW}
IN_PRODUCTION = {SecretPlace("NPM_TOKEN", "environment", "acme/ui", "production"): NOW}


@dataclass(frozen=True)
class Change:
    """`says`: code of the one warning, or None for silence; `words`: that its sentence holds."""

    name: str
    before: dict[str, str]
    after: dict[str, str]
    says: str | None = None
    words: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    secrets: dict[SecretPlace, datetime] = field(default_factory=dict)


TRUSTED, BY_A_TOKEN = {RELEASE: BY_TRUST}, {RELEASE: BY_TOKEN}
WRITES = "echo '//registry.npmjs.com/:_authToken=${NODE_AUTH_TOKEN}' > .npmrc"
NO_REGISTRY_URL = BY_TOKEN.replace(', registry-url: "https://registry.npmjs.com"', "")
CHANGES = (
    # By trust.
    Change(
        "file renamed, on record",
        TRUSTED,
        {NPM: BY_TRUST},
        "workflow-renamed",
        ("oidc-ui", "release.yml", "npm.yml"),
        (RECORD,),
    ),
    Change("file renamed, nothing on record", TRUSTED, {NPM: BY_TRUST}, "workflow-renamed", ("release.yml", "npm.yml")),
    Change(
        "file renamed to the other ending", TRUSTED, {".github/workflows/release.yaml": BY_TRUST}, "workflow-renamed"
    ),
    Change("PyPI: file renamed", {RELEASE: TRUST_OF_PYPI}, {NPM: TRUST_OF_PYPI}, "workflow-renamed", ("PyPI",)),
    Change("id-token taken away", TRUSTED, {RELEASE: BY_TRUST.replace("id-token: write, ", "")}, "id-token-gone"),
    Change(
        "permissions emptied",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("{id-token: write, contents: read}", "{}")},
        "id-token-gone",
    ),
    Change(
        "environment renamed, on record",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("npm\n", "prod\n", 1)},
        "environment-changed",
        ("environment npm", "environment prod", "will be refused."),
        (RECORD,),
    ),
    Change(
        "environment renamed, nothing on record",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("npm\n", "prod\n", 1)},
        "environment-changed",
        ("if the registry asks",),
    ),
    Change(
        "environment dropped",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("    environment: npm\n", "")},
        "environment-changed",
        ("no environment",),
        (RECORD,),
    ),
    Change(
        "self-hosted runner",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("ubuntu-latest", "self-hosted")},
        "self-hosted",
        (),
        (RECORD,),
    ),
    Change("Node 20", TRUSTED, {RELEASE: BY_TRUST.replace("24", "20")}, "npm-too-old", ("Node 20",)),
    Change("a token beside the identity", TRUSTED, {RELEASE: BOTH}, "token-beside-trust", ("NPM_TOKEN",), (RECORD,)),
    Change(
        "another registry",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("registry.npmjs.com", "npm.pkg.github.com")},
        "registry-changed",
        ("no longer to npm",),
        (RECORD,),
    ),
    Change(
        "the called workflow is gone",
        {RELEASE: CALLS, NPM: CALLED},
        {RELEASE: CALLS},
        "called-workflow-gone",
        ("npm.yml",),
    ),
    Change("the job moved into a called workflow", TRUSTED, {RELEASE: CALLS, NPM: CALLED}),
    Change(
        "the called workflow moved, and its caller knows",
        {RELEASE: CALLS, NPM: CALLED},
        {RELEASE: CALLS.replace("npm.yml", "n.yml"), ".github/workflows/n.yml": CALLED},
    ),
    Change(
        "the called workflow lost its permission",
        {RELEASE: CALLS, NPM: CALLED},
        {RELEASE: CALLS.replace("id-token: write", "contents: read"), NPM: CALLED},
        "id-token-gone",
    ),
    # By token.
    Change("file renamed with a token", BY_A_TOKEN, {NPM: BY_TOKEN}, secrets=AT_REPOSITORY),
    Change(
        "registry-url dropped with a token",
        BY_A_TOKEN,
        {RELEASE: NO_REGISTRY_URL},
        "registry-url-gone",
        ("NODE_AUTH_TOKEN",),
    ),
    Change(
        "registry-url dropped, .npmrc written",
        BY_A_TOKEN,
        {RELEASE: NO_REGISTRY_URL.replace("npm publish", WRITES + " && npm publish")},
    ),
    Change(
        "secret renamed to one that is not there",
        BY_A_TOKEN,
        {RELEASE: BY_TOKEN.replace("NPM_TOKEN", "NPM_PUBLISH")},
        "secret-missing",
        ("NPM_PUBLISH",),
        secrets=AT_REPOSITORY,
    ),
    Change("secret renamed, secrets not known", BY_A_TOKEN, {RELEASE: BY_TOKEN.replace("NPM_TOKEN", "NPM_PUBLISH")}),
    Change(
        "environment of the secret changed",
        {RELEASE: IN_ENVIRONMENT},
        {RELEASE: IN_ENVIRONMENT.replace("production", "prod")},
        "secret-out-of-reach",
        ("production", "prod"),
        secrets=IN_PRODUCTION,
    ),
    Change(
        "environment dropped, secret of the repository", {RELEASE: IN_ENVIRONMENT}, BY_A_TOKEN, secrets=AT_REPOSITORY
    ),
    Change("from token to trust", BY_A_TOKEN, TRUSTED, secrets=AT_REPOSITORY),
    # Silence.
    Change("a comment", TRUSTED, {RELEASE: BY_TRUST + "# more\n"}, tokens=(RECORD,)),
    Change("another step", BY_A_TOKEN, {RELEASE: BY_TOKEN.replace("npm publish", "npm ci && npm publish")}),
    Change("a newer Node", TRUSTED, {RELEASE: BY_TRUST.replace("24", "26")}),
    Change(
        "another runner of GitHub", TRUSTED, {RELEASE: BY_TRUST.replace("ubuntu-latest", "macos-15")}, tokens=(RECORD,)
    ),
    Change("other triggers", TRUSTED, {RELEASE: BY_TRUST.replace("push", "release")}),
    Change(
        "the workflow's name", TRUSTED, {RELEASE: BY_TRUST.replace("name: Release", "name: Ship")}, tokens=(RECORD,)
    ),
    Change(
        "environment where none is asked for",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("npm\n", "prod\n", 1)},
        tokens=(ANY_ENVIRONMENT,),
    ),
    Change(
        "broken all along", {RELEASE: BY_TRUST.replace("24", "20")}, {RELEASE: BY_TRUST.replace("24", "20") + "# x\n"}
    ),
    Change("a test workflow", {**TRUSTED, NPM: "on: push\njobs: {t: {steps: [{run: npm test}]}}"}, TRUSTED),
    Change("a second file by token", TRUSTED, {**TRUSTED, NPM: BY_TOKEN}, tokens=(RECORD,)),
    Change("nothing publishes any more", TRUSTED, {}),
    Change(
        "reformatted",
        TRUSTED,
        {
            RELEASE: BY_TRUST.replace(
                "permissions: {id-token: write, contents: read}", "permissions:\n  contents: read\n  id-token: 'write'"
            ).replace("environment: npm", "environment: {name: npm}")
        },
        tokens=(RECORD,),
    ),
    Change(
        "comments in between",
        TRUSTED,
        {RELEASE: BY_TRUST.replace("jobs:\n", "# id-token: none\njobs:\n  # environment: prod\n")},
        tokens=(RECORD,),
    ),
    Change(
        "another job, on a runner of their own",
        TRUSTED,
        {RELEASE: BY_TRUST + "  test:\n    runs-on: self-hosted\n    steps: [{run: npm test}]\n"},
        tokens=(RECORD,),
    ),
    Change(
        "the job has another name", TRUSTED, {RELEASE: BY_TRUST.replace("  publish:", "  ship:", 1)}, tokens=(RECORD,)
    ),
    Change(
        "the job has another name, and its secret was missing all along",
        BY_A_TOKEN,
        {RELEASE: BY_TOKEN.replace("  publish:", "  ship:", 1)},
        secrets={SecretPlace("OTHER", "repository", "acme/ui"): NOW},
    ),
    Change(
        "the file has another name, and its secret was missing all along",
        BY_A_TOKEN,
        {NPM: BY_TOKEN},
        secrets={SecretPlace("OTHER", "repository", "acme/ui"): NOW},
    ),
    Change(
        "the file has another name, and it never had a registry-url", {RELEASE: NO_REGISTRY_URL}, {NPM: NO_REGISTRY_URL}
    ),
    Change("an action is pinned", TRUSTED, {RELEASE: BY_TRUST.replace("@v5", "@" + "a1b2" * 10)}, tokens=(RECORD,)),
    Change("Node from a file", TRUSTED, {RELEASE: BY_TRUST.replace("node-version: 24", "node-version-file: .nvmrc")}),
    Change("a workflow that is only called is renamed too", {NPM: CALLED}, {".github/workflows/n.yml": CALLED}),
    Change("both at once: renamed, and back", TRUSTED, TRUSTED, tokens=(RECORD,)),
)


def state(files: dict[str, str], change: Change) -> State:
    parsed = {path: read_file(text.encode()) for path, text in files.items()}
    called = {f"./{path}": workflow for path, workflow in parsed.items()}
    missing = tuple(
        (path, uses)
        for path, workflow in parsed.items()
        for uses in workflow.calls()
        if uses.startswith("./") and uses not in called
    )
    jobs = tuple(
        job for path, workflow in parsed.items() if "workflow_call" not in workflow.triggers
        for job in jobs_of("acme/ui", path, workflow, called)
    )  # fmt: skip
    return State("acme/ui", jobs, trusts_of(change.tokens, "acme/ui"), change.secrets, missing)


@pytest.mark.parametrize("change", CHANGES, ids=[change.name for change in CHANGES])
def test_a_change_is_a_warning_or_silence(change: Change) -> None:
    broken, _ = forecast(state(change.before, change), state(change.after, change))
    assert [one.code for one in broken] == ([change.says] if change.says else [])
    for one in broken:
        assert_readable(one)
        for words in change.words:
            assert words in one.sentence


BY_THE_FILE = ("registry-url-gone", "secret-missing", "secret-out-of-reach", "called-workflow-gone")


@pytest.mark.parametrize("change", [change for change in CHANGES if change.says], ids=lambda change: change.name)
def test_the_change_back_mends_what_was_broken(change: Change) -> None:
    broken, _ = forecast(state(change.before, change), state(change.after, change))
    if broken[0].code == "registry-changed" or not (broken[0].publisher or broken[0].code in BY_THE_FILE):
        return  # known by the workflow alone, and that shows another trust now
    _, mended = forecast(state(change.after, change), state(change.before, change))
    assert {one.key for one in broken} <= {one.key for one in mended}


def assert_readable(one: Forecast) -> None:
    assert one.sentence.endswith(".") and "`" not in one.sentence.replace("`id-token: write`", "").replace(
        "`registry-url`", ""
    )
    assert one.advice and len(one.sentence) < 300


RENAMES = (
    # files, tokens, secrets, transferred, codes
    ({RELEASE: BY_TRUST}, (RECORD,), {}, False, ["repository-moved"]),
    ({RELEASE: BY_TRUST}, (), {}, False, ["repository-moved"]),
    ({RELEASE: TRUST_OF_PYPI}, (), {}, False, ["repository-moved"]),
    ({RELEASE: BY_TOKEN}, (), {SecretPlace("NPM_TOKEN", "repository", "acme/ui"): NOW}, False, []),
    ({RELEASE: BY_TOKEN}, (), {}, True, []),
    ({RELEASE: BY_TOKEN}, (), {SecretPlace("NPM_TOKEN", "organization", "acme"): NOW}, True, ["secret-left-behind"]),
    (
        {RELEASE: BY_TOKEN},
        (),
        dict.fromkeys(
            (SecretPlace("NPM_TOKEN", "organization", "acme"), SecretPlace("NPM_TOKEN", "repository", "other/ui")), NOW
        ),
        True,
        [],
    ),
    ({}, (), {}, True, []),
)


@pytest.mark.parametrize(("files", "tokens", "secrets", "transferred", "codes"), RENAMES)
def test_a_new_name_is_a_warning_where_somebody_trusts_the_old_one(files, tokens, secrets, transferred, codes) -> None:
    change = Change("", files, files, tokens=tokens, secrets=secrets)
    made = state(files, change)
    new = "other/ui" if transferred else "acme/ui-kit"
    jobs = tuple(job for job in made.jobs)
    found = renamed(State(new, jobs, made.trusts, secrets), "acme/ui", transferred=transferred)
    assert [one.code for one in found] == codes
    for one in found:
        assert_readable(one)
        assert new in one.sentence


# --- over HTTP -------------------------------------------------------------------------------------------------------


def commit(running: Running, files: dict[str, str], ref: str, repo: str = "acme/ui") -> None:
    """Exactly these workflow files at a commit."""
    github = running.outside.github
    for path in [path for path in github.world.paths.get(repo, ()) if path not in files]:
        github.remove_file(repo, path, ref=ref)
    for path, text in files.items():
        if None not in github.world.files.get((repo, path), {}):
            github.remove_file(repo, path)
        github.add_file(repo, path, text, ref=ref)


async def push(running: Running, before: dict[str, str], after: dict[str, str], **more: Any) -> None:
    paths = sorted({*before, *after})
    payload = events.push("acme/ui", modified=paths, **more)
    commit(running, before, payload["before"])
    commit(running, after, payload["after"])
    commit(running, after, "main")
    running.outside.github.host("acme/ui", pushed_at=running.hands.now())
    await running.outside.github.send("push", payload)
    await running.worked()


def cards(running: Running) -> list[str]:
    return [card.text + json.dumps(card.blocks, ensure_ascii=False) for card in running.cards()]


async def test_a_renamed_workflow_is_a_card_and_the_name_back_ends_it(running: Running) -> None:
    running.db.write_now(tokens.add, RECORD, NOW)
    await push(running, {RELEASE: BY_TRUST}, {NPM: BY_TRUST})
    (card,) = cards(running)
    assert "npm (oidc-ui) trusts release.yml, and it is npm.yml that publishes now" in card
    assert "npm trust github PACKAGE --repo acme/ui --file npm.yml" in card
    assert "oidc-ui" in card and "Failed once" not in card and "Re-run" not in card
    await push(running, {RELEASE: BY_TRUST}, {NPM: BY_TRUST})
    assert len(cards(running)) == 1, "the same is said once"
    await push(running, {NPM: BY_TRUST}, {RELEASE: BY_TRUST})
    (card,) = cards(running)
    assert card.startswith("Resolved: The workflow file was changed: this is mended.")


async def test_the_command_names_the_package_that_the_repository_publishes(running: Running) -> None:
    manifest = {"package.json": '{"name": "@acme/ui"}'}
    await push(running, {RELEASE: BY_TRUST, **manifest}, {NPM: BY_TRUST, **manifest})
    (card,) = cards(running)
    assert "npm trust github @acme/ui --repo acme/ui --file npm.yml --env npm --allow-publish" in card


async def test_a_good_publish_of_the_workflow_ends_a_forecast(running: Running) -> None:
    running.db.write_now(tokens.add, RECORD, NOW)
    await push(running, {RELEASE: BY_TRUST}, {NPM: BY_TRUST})
    assert not cards(running)[0].startswith("Resolved")
    await running.deliver_run(npm_logs.published("@acme/ui"), conclusion="success", workflow=NPM)
    await running.worked()
    (card,) = cards(running)
    assert card.startswith("Resolved: ")


async def test_without_a_record_the_name_back_ends_it_as_well(running: Running) -> None:
    await push(running, {RELEASE: BY_TRUST}, {NPM: BY_TRUST})
    (card,) = cards(running)
    assert "npm trusts release.yml, and it is npm.yml that publishes now" in card
    await push(running, {NPM: BY_TRUST}, {RELEASE: BY_TRUST})
    (card,) = cards(running)
    assert card.startswith("Resolved: ")


async def test_a_push_that_breaks_nothing_says_nothing_and_costs_little(running: Running) -> None:
    running.db.write_now(tokens.add, RECORD, NOW)
    await push(running, {RELEASE: BY_TRUST}, {RELEASE: BY_TRUST + "# more\n"})
    asked = len(running.outside.github.requests)
    await running.outside.github.send("push", events.push("acme/ui", modified=["src/index.ts"]))
    await running.outside.github.send("push", events.push("acme/ui", branch="topic", removed=[RELEASE]))
    await running.worked()
    assert cards(running) == [] and len(running.outside.github.requests) == asked


@pytest.mark.parametrize(
    "change",
    [
        {"ref": "refs/tags/v1.0.0"},
        {"ref": "refs/heads/topic"},
        {"ref": "refs/heads/main", "deleted": True, "after": "0" * 40},
        {"ref": "refs/heads/main", "created": True, "before": "0" * 40},
        {"ref": "refs/heads/Main"},
        {"ref": None},
        {"before": "f" * 40},
        {"after": "f" * 40},
    ],
    ids=str,
)
async def test_a_push_that_does_not_matter_is_silence(running: Running, change: dict[str, Any]) -> None:
    running.db.write_now(tokens.add, RECORD, NOW)
    payload = events.push("acme/ui", removed=[RELEASE], added=[NPM])
    commit(running, {RELEASE: BY_TRUST}, payload["before"])
    commit(running, {NPM: BY_TRUST}, payload["after"])
    await running.outside.github.send("push", payload | change)
    await running.worked(1)
    assert cards(running) == []


async def test_among_thousands_of_files_the_workflow_is_seen(running: Running) -> None:
    running.db.write_now(tokens.add, RECORD, NOW)
    payload = events.push("acme/ui", removed=[RELEASE], added=[NPM])
    (last,) = payload["commits"]
    payload["commits"] = [last | {"added": [f"src/{place}.ts" for place in range(4000)], "removed": []}, last]
    commit(running, {RELEASE: BY_TRUST}, payload["before"])
    commit(running, {NPM: BY_TRUST}, payload["after"])
    commit(running, {NPM: BY_TRUST}, "main")
    await running.outside.github.send("push", payload)
    await running.worked()
    assert len(cards(running)) == 1


async def test_a_forced_push_is_looked_at_whatever_it_lists(running: Running) -> None:
    """It takes the commit away that renamed the file: nobody lists that."""
    running.db.write_now(tokens.add, RECORD, NOW)
    payload = events.push("acme/ui") | {"forced": True, "commits": []}
    commit(running, {RELEASE: BY_TRUST}, payload["before"])
    commit(running, {NPM: BY_TRUST}, payload["after"])
    commit(running, {NPM: BY_TRUST}, "main")
    await running.outside.github.send("push", payload)
    await running.worked()
    assert len(cards(running)) == 1


@pytest.mark.parametrize("refused", ["secrets", "environments", "organization_secrets"])
async def test_a_secret_is_not_called_missing_when_some_list_cannot_be_read(running: Running, refused: str) -> None:
    github = running.outside.github
    github.add_secret("OTHER", repo="acme/ui", updated_at=NOW)
    github.add_secret("NPM_PUBLISH", org="acme", updated_at=NOW)
    github.add_secret("NPM_PUBLISH", repo="acme/ui", environment="production", updated_at=NOW)
    del github.api.permissions[refused]
    await push(running, {RELEASE: IN_ENVIRONMENT}, {RELEASE: IN_ENVIRONMENT.replace("NPM_TOKEN", "NPM_PUBLISH")})
    assert cards(running) == []


async def test_a_secret_that_is_not_there_is_seen_before_the_release(running: Running) -> None:
    running.outside.github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=NOW)
    await push(running, {RELEASE: BY_TOKEN}, {RELEASE: BY_TOKEN.replace("NPM_TOKEN", "NPM_PUBLISH")})
    (card,) = cards(running)
    assert "release.yml reads NPM_PUBLISH, which is stored at no level" in card
    assert "gh secret set NPM_PUBLISH --repo acme/ui" in card


async def test_a_rename_is_a_card_and_the_records_of_tokens_follow(running: Running) -> None:
    used = Token(name="npm-ci", used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"), Use("acme/web", None, "NPM_TOKEN")))
    for token in (RECORD, used):
        running.db.write_now(tokens.add, token, NOW)
    running.outside.github.host("acme/ui-kit")
    running.outside.github.add_file("acme/ui-kit", RELEASE, BY_TRUST)
    await running.outside.github.send("repository", events.repository_renamed("acme/ui-kit", "ui"))
    await running.worked()
    (card,) = cards(running)
    assert "trusts acme/ui, which was renamed to acme/ui-kit: its next release will be refused." in card
    stored = running.db.read_now(tokens.get, "npm-ci")
    assert stored is not None and [use.repo for use in stored.used_by] == ["acme/ui-kit", "acme/web"]
    trusted = running.db.read_now(tokens.get, "oidc-ui")
    assert trusted is not None and trusted.used_by[0].repo == "acme/ui", "npm was not told yet"


async def test_a_transfer_leaves_the_organisations_secrets_behind(running: Running) -> None:
    github = running.outside.github
    github.host("acme/ui")
    github.add_file("acme/ui", RELEASE, BY_TOKEN)
    github.add_secret("NPM_TOKEN", org="acme", updated_at=NOW)
    running.db.write_now(fleet_rounds.begin, "acme", NOW)
    await running.bot.fleet.tick()
    github.host("other/ui")
    github.add_file("other/ui", RELEASE, BY_TOKEN)
    await github.send("repository", events.repository_transferred("other/ui", "acme"))
    await running.worked()
    (card,) = cards(running)
    assert "reads NPM_TOKEN, a secret of organisation acme, which other/ui has left" in card


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("push", {}),
        ("push", {"ref": "refs/heads/main", "repository": {"full_name": "acme/ui", "default_branch": "main"}}),
        ("push", events.push("acme/ui") | {"commits": [None, {"added": 1}, {"added": [1, None]}], "compare": 7}),
        ("repository", {"action": "renamed"}),
        ("repository", {"action": "transferred", "repository": {"full_name": "acme/ui"}, "changes": {"owner": []}}),
        ("repository", {"action": "renamed", "repository": {"full_name": "x"}, "changes": {"repository": {"name": 1}}}),
    ],
)
async def test_payloads_that_make_no_sense_end_quietly(running: Running, event: str, payload: dict[str, Any]) -> None:
    await running.outside.github.send(event, payload)
    await running.worked(1)
    assert cards(running) == []
