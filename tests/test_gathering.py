"""What is gathered about a failure besides its log: each source over HTTP, there, missing, slow, limited or wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import gathering
from bot.demo.github import job_from_log
from bot.evidence import Elsewhere, Evidence, GoodRun, Release, SecretAge
from bot.github.run import Run
from bot.history import good_runs, last_good
from bot.metrics import METRICS
from bot.triage import attempt_of, diagnose_run, explain
from storage import runs, tokens
from storage.runs import RunRecord
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running

RELEASE = ".github/workflows/release.yml"
PUBLISH = """
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
WORKFLOW = f"""
on: push
jobs:
  release:
    environment: npm
    runs-on: ubuntu-latest
    steps:{PUBLISH}
"""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def gathered(running: Running, *, jobs: Any = None, workflow: str | None = WORKFLOW, **run: Any) -> Evidence:
    """The evidence of one failed run, looked up as `/tokens why` does."""
    if workflow is not None:
        running.outside.github.add_file("acme/ui", RELEASE, workflow)
    made = running.outside.github.add_run(jobs=jobs or [job_from_log("release", npm_logs.not_found())], **run)
    deps = running.bot.deps
    found = await deps.github.run(made.repo, made.id)
    failure = await diagnose_run(found, deps)
    assert failure is not None
    evidence, _ = await explain(found, failure, deps)
    return evidence


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_every_level_of_the_secret_the_one_that_is_read_first(running: Running) -> None:
    github = running.outside.github
    for days, scope in (
        (80, {"org": "acme"}),
        (9, {"repo": "acme/ui"}),
        (40, {"repo": "acme/ui", "environment": "npm"}),
    ):
        github.add_secret("NPM_TOKEN", updated_at=now() - timedelta(days=days), **scope)  # type: ignore[arg-type]
    evidence = await gathered(running)
    assert [(age.name, age.level, age.environment) for age in evidence.secrets] == [
        ("NPM_TOKEN", "environment", "npm"),
        ("NPM_TOKEN", "repository", None),
        ("NPM_TOKEN", "organization", None),
    ]
    assert evidence.secret is not None
    assert (now() - evidence.secret.updated_at).days == 40
    assert (evidence.absent_secrets, evidence.missing) == ((), ())


async def test_the_best_named_secret_comes_before_nearer_levels_of_others(running: Running) -> None:
    github = running.outside.github
    github.add_secret("NPM_TOKEN", org="acme", updated_at=now())
    github.add_secret("OTHER", repo="acme/ui", environment="npm", updated_at=now())
    evidence = await gathered(running, workflow=WORKFLOW + "          NPM_TOKEN: ${{ secrets.OTHER }}\n")
    assert [(age.name, age.level) for age in evidence.secrets] == [
        ("NPM_TOKEN", "organization"),
        ("OTHER", "environment"),
    ]


async def test_secret_names_ignore_case(running: Running) -> None:
    running.outside.github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=now())
    evidence = await gathered(running, workflow=WORKFLOW.replace("secrets.NPM_TOKEN", "secrets.npm_token"))
    assert [(age.name, age.level) for age in evidence.secrets] == [("npm_token", "repository")]


async def test_a_name_that_no_level_has_is_absent(running: Running) -> None:
    running.outside.github.add_secret("NPM_TOKN", repo="acme/ui", updated_at=now())
    evidence = await gathered(running)
    assert (evidence.secrets, evidence.absent_secrets) == ((), ("NPM_TOKEN",))


async def test_an_organisation_with_more_than_a_page_of_secrets(running: Running) -> None:
    for number in range(230):
        running.outside.github.add_secret(f"S{number:03}", org="acme", updated_at=now())
    running.outside.github.add_secret("NPM_TOKEN", org="acme", updated_at=now() - timedelta(days=3))
    evidence = await gathered(running)
    assert [age.level for age in evidence.secrets] == ["organization"]


@pytest.mark.parametrize(
    ("path", "permission", "what"),
    [
        ("/environments/npm/secrets", "environments", "secrets of environment npm"),
        ("/actions/secrets", "secrets", "secrets of the repository"),
        ("/actions/organization-secrets", "secrets", "secrets of the organisation"),
    ],
)
async def test_a_level_that_may_not_be_read_is_named_and_the_others_are_used(
    running: Running, path: str, permission: str, what: str
) -> None:
    github = running.outside.github
    for scope in ({"org": "acme"}, {"repo": "acme/ui"}, {"repo": "acme/ui", "environment": "npm"}):
        github.add_secret("NPM_TOKEN", updated_at=now(), **scope)  # type: ignore[arg-type]
    header = {"X-Accepted-GitHub-Permissions": f"{permission}=read"}
    github.fail(path, status=403, headers=header, times=None)
    evidence = await gathered(running)
    assert evidence.missing == (f"could not read when the {what} were last written: 403, needs {permission}: read",)
    assert len(evidence.secrets) == 2


async def test_a_name_is_not_called_absent_while_a_level_could_not_be_read(running: Running) -> None:
    running.outside.github.fail("/actions/organization-secrets", status=403, times=None)
    evidence = await gathered(running)
    assert (evidence.secrets, evidence.absent_secrets) == ((), ())


async def test_a_name_is_not_called_absent_while_the_environment_cannot_be_told(running: Running) -> None:
    computed = WORKFLOW.replace("environment: npm", "environment: ${{ inputs.to }}")
    evidence = await gathered(running, workflow=computed)
    assert (evidence.absent_secrets, evidence.missing) == (("NPM_TOKEN",), ()), "there is no environment at all"
    running.outside.github.add_secret("NPM_TOKEN", repo="acme/ui", environment="npm", updated_at=now())
    evidence = await gathered(running, workflow=computed)
    assert (evidence.secrets, evidence.absent_secrets) == ((), ())


async def test_what_dependabot_starts_sees_dependabots_secrets_alone(running: Running) -> None:
    github = running.outside.github
    github.api.permissions["dependabot_secrets"] = "read"
    github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=now())
    evidence = await gathered(running, actor="dependabot[bot]")
    assert (evidence.secrets, evidence.absent_secrets) == ((), ())
    github.add_secret("NPM_TOKEN", repo="acme/ui", dependabot=True, updated_at=now())
    evidence = await gathered(running, actor="dependabot[bot]")
    assert [age.level for age in evidence.secrets] == ["dependabot"]
    assert not github.asked("/actions/secrets")


async def test_without_the_permission_dependabots_secrets_are_said_to_be_unread(running: Running) -> None:
    del running.outside.github.api.permissions["dependabot_secrets"]
    evidence = await gathered(running, actor="dependabot[bot]")
    assert [
        sentence for sentence in evidence.missing if "Dependabot" in sentence and "dependabot_secrets: read" in sentence
    ]


# --- the workflow file -----------------------------------------------------------------------------------------------


async def test_a_reusable_workflow_of_the_repository_and_one_of_another(running: Running) -> None:
    caller = """
on: push
jobs:
  here: {uses: ./.github/workflows/publish.yml, secrets: inherit}
  there:
    uses: acme/ci/.github/workflows/npm.yml@v2
    secrets: {token: "${{ secrets.ORG_TOKEN }}"}
"""
    inner = "on: workflow_call\njobs:\n  npm:\n    steps:" + PUBLISH
    running.outside.github.add_file("acme/ui", ".github/workflows/publish.yml", inner)
    running.outside.github.add_file(
        "acme/ci", ".github/workflows/npm.yml", inner.replace("NPM_TOKEN", "token"), ref="v2"
    )
    evidence = await gathered(running, workflow=caller)
    assert evidence.workflow is not None
    assert [(job.name, job.secrets, job.called) for job in evidence.workflow.jobs] == [
        ("here / npm", ("NPM_TOKEN",), "./.github/workflows/publish.yml"),
        ("there / npm", ("ORG_TOKEN",), "acme/ci/.github/workflows/npm.yml@v2"),
    ]
    assert evidence.missing == ()


async def test_the_failing_job_and_its_runner_reach_the_attempt(running: Running) -> None:
    caller = """
on: push
jobs:
  test: {runs-on: ubuntu-latest, steps: [{run: npm test}]}
  release: {uses: ./.github/workflows/publish.yml, secrets: inherit}
"""
    inner = f"""
on: workflow_call
jobs:
  docs: {{steps: [{{run: npm publish}}]}}
  npm:
    environment: production
    steps:{PUBLISH}
"""
    github = running.outside.github
    github.add_file("acme/ui", ".github/workflows/publish.yml", inner)
    github.add_file("acme/ui", RELEASE, caller)
    jobs = [
        job_from_log("test", "fine", conclusion="success"),
        job_from_log("release / npm", npm_logs.not_found(), labels=("self-hosted", "linux")),
    ]
    made = github.add_run(jobs=jobs, event="release", actor="mara-k", branch="v2.3.1")
    deps = running.bot.deps
    run = await deps.github.run(made.repo, made.id)
    failure = await diagnose_run(run, deps)
    assert failure is not None
    evidence, _ = await explain(run, failure, deps)
    attempt = attempt_of(run, failure, evidence)
    assert (attempt.event, attempt.actor, attempt.branch, attempt.from_fork) == ("release", "mara-k", "v2.3.1", False)
    assert (attempt.workflow, attempt.called_workflow) == (RELEASE, "./.github/workflows/publish.yml")
    assert (attempt.environment, attempt.secrets) == ("production", ("NPM_TOKEN",))
    assert attempt.runners == ("self-hosted", "linux")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jobs: [", "could not read the workflow file: it is not valid YAML (line 1)"),
        ("on: push", "could not read the workflow file: it has no jobs"),
        ("x: &a [1, *a]", "could not read the workflow file: it is nested too deeply"),
        ("# " + "x" * 300_000, "could not read the workflow file: it is larger than 256 KB"),
        (None, "could not read the workflow file: it is not in the repository at this commit"),
    ],
)
async def test_a_workflow_file_that_cannot_be_read(running: Running, text: str | None, says: str) -> None:
    evidence = await gathered(running, workflow=text)
    assert (evidence.workflow, evidence.missing) == (None, (says,))


async def test_a_reusable_workflow_that_cannot_be_read_is_named(running: Running) -> None:
    caller = "on: push\njobs:\n  a: {uses: ./.github/workflows/gone.yml}\n  b:\n    steps:" + PUBLISH
    evidence = await gathered(running, workflow=caller)
    assert evidence.missing == (
        "could not read the reusable workflow ./.github/workflows/gone.yml: it is not in the repository at this commit",
    )
    assert evidence.workflow is not None
    assert evidence.workflow.secrets == ("NPM_TOKEN",)


# --- repository, history, failures elsewhere -------------------------------------------------------------------------


async def test_the_repository_itself(running: Running) -> None:
    repository = (await gathered(running)).repository
    assert repository is not None
    assert (repository.full_name, repository.private, repository.created_at) == (
        "acme/ui",
        False,
        datetime(2021, 3, 4, 9, 12, 44, tzinfo=UTC),
    )
    assert repository.repo_id and repository.owner_id and repository.repo_id != repository.owner_id


async def test_the_last_green_run_published_when_a_version_came_while_it_ran(running: Running) -> None:
    github, at = running.outside.github, now() - timedelta(days=5)
    github.add_run(number=80, conclusion="success", completed_at=at)
    github.add_run(number=81, conclusion="success", completed_at=at + timedelta(days=1))
    github.add_run(number=99, conclusion="success", completed_at=at)
    github.add_run(number=82, conclusion="success", completed_at=at, workflow=".github/workflows/ci.yml")
    assert (await gathered(running)).last_good == GoodRun(at + timedelta(days=1), good_url(running, 81))
    running.outside.registry.publish("@acme/ui", "2.3.0", at=at - timedelta(seconds=20))
    assert (await gathered(running)).last_good == GoodRun(
        at, good_url(running, 80), published=True, version="2.3.0", by="token"
    )


def good_url(running: Running, number: int) -> str:
    (found,) = [run for run in running.outside.github.world.runs.values() if run.number == number]
    return found.url


async def test_what_we_saw_published_counts_also_when_github_cannot_tell(running: Running) -> None:
    at = now() - timedelta(days=2)
    record = RunRecord("acme/ui", 5, 1, RELEASE, "success", "published", "published", "@acme/ui", "2.2.0", at, at)
    running.db.write_now(runs.keep, record)
    running.outside.github.fail("/actions/workflows/", status=502, times=None)
    evidence = await gathered(running)
    assert evidence.last_good == GoodRun(at, published=True, version="2.2.0", package="@acme/ui")
    assert [sentence for sentence in evidence.missing if "the last good run" in sentence]


RUN = Run("acme/ui", 10, 1, RELEASE, number=10, started_at=now() - timedelta(minutes=9), completed_at=now())
EARLIER = replace(
    RUN, run_id=9, number=9, started_at=now() - timedelta(days=1, minutes=9), completed_at=now() - timedelta(days=1)
)


@pytest.mark.parametrize(
    ("green", "newest", "expected"),
    [
        ([], None, None),
        ([replace(EARLIER, completed_at=None)], None, None),
        ([EARLIER], None, GoodRun(EARLIER.completed_at or now())),
        ([replace(EARLIER, number=11)], None, None),
        ([replace(EARLIER, number=None)], None, GoodRun(EARLIER.completed_at or now())),
        ([EARLIER], Release("1.0.0", now() - timedelta(days=3)), GoodRun(EARLIER.completed_at or now())),
        ([EARLIER], Release("1.0.0"), GoodRun(EARLIER.completed_at or now())),
    ],
)
def test_which_run_was_the_last_good_one(green: list[Run], newest: Release | None, expected: GoodRun | None) -> None:
    assert last_good(good_runs(RUN, green, [], [newest] if newest else [])) == expected


async def test_failures_of_the_same_registry_in_other_repositories_just_now(running: Running) -> None:
    at = now()
    token = Token(
        name="org",
        scopes=("@acme",),
        expires_at=at + timedelta(days=30),
        used_by=(Use("acme/api", RELEASE, "NPM_TOKEN"),),
    )
    token = running.db.write_now(tokens.add, token, at)
    running.outside.github.add_file("acme/api", RELEASE, WORKFLOW)
    running.outside.registry.publish("@acme/api", "1.0.0", at=at - timedelta(days=40))
    await running.deliver_run(npm_logs.not_found(package="@acme/api"), repo="acme/api", completed_at=at)
    # A name that nobody has published explains itself and says nothing about the registry.
    await running.deliver_run(npm_logs.not_found(package="@acme/new"), repo="acme/new", completed_at=at)
    await running.deliver_run(
        npm_logs.not_found(package="@acme/old"), repo="acme/old", completed_at=at - timedelta(hours=1)
    )
    await running.deliver_run(npm_logs.red_tests(), repo="acme/web", completed_at=at)
    await running.deliver_run(npm_logs.not_found(), repo="acme/ui", completed_at=at)
    await running.worked(5)
    evidence = await gathered(running, completed_at=at)
    assert evidence.elsewhere == (Elsewhere("acme/api", "no-access", token.id, at),)


# --- each source missing, slow, limited or wrong ---------------------------------------------------------------------

SOURCES = {
    "the workflow file": r"GET /repos/acme/ui/contents/",
    "when the secrets of the repository were last written": r"GET /repos/acme/ui/actions/secrets",
    "when the secrets of the organisation were last written": r"GET /repos/acme/ui/actions/organization-secrets",
    "when the secrets of environment npm were last written": r"GET /repos/acme/ui/environments/npm/secrets",
    "the repository": r"GET /repos/acme/ui$",
    "the last good run": r"GET /repos/acme/ui/actions/workflows/",
    "@acme/ui on the registry": r"GET /@acme(/|%2F)ui",
}
FAULTS: dict[str, dict[str, Any]] = {
    "missing": {"status": 404},
    "slow": {"delay_s": 3.0},
    "limited": {"status": 403, "headers": {"retry-after": "60"}},
    "used up": {"status": 429, "headers": {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4000000000"}},
    "broken": {"status": 502},
    "not JSON": {"status": 200, "body": "<html>"},
    "of another type": {"status": 200, "body": '["x"]'},
    "of another shape": {"status": 200, "body": '{"secrets": 5, "workflow_runs": "x", "content": "!"}'},
    "cut": {"drop": True},
}  # fmt: skip
# What is no error at all: there is no such environment, organisation or package, no run of this file.
FINE = {
    ("missing", "when the secrets of the organisation were last written"),
    ("missing", "when the secrets of environment npm were last written"),
    ("missing", "the last good run"),
    ("missing", "@acme/ui on the registry"),
    ("of another shape", "@acme/ui on the registry"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("source", SOURCES)
async def test_a_source_that_fails_is_named_and_takes_no_other_with_it(
    running: Running, monkeypatch: pytest.MonkeyPatch, source: str, fault: str
) -> None:
    monkeypatch.setattr(gathering, "BUDGET_S", 1.5)
    github, registry = running.outside.github, running.outside.registry
    github.add_file("acme/ui", RELEASE, WORKFLOW)
    for scope in ({"org": "acme"}, {"repo": "acme/ui"}, {"repo": "acme/ui", "environment": "npm"}):
        github.add_secret("NPM_TOKEN", updated_at=now(), **scope)  # type: ignore[arg-type]
    registry.publish("@acme/ui", "2.3.0", at=now() - timedelta(days=9))
    github.add_run(number=80, conclusion="success", completed_at=now() - timedelta(days=5))
    outside = registry if "registry" in source else github
    outside.fail(SOURCES[source], times=None, **FAULTS[fault])
    evidence = await gathered(running, workflow=None)
    named = [sentence for sentence in evidence.missing if f"could not read {source}: " in sentence]
    assert (fault, source) in FINE or len(named) == 1
    assert len(evidence.missing) == len(named), "nothing else is missing"
    there = {
        "the workflow file": evidence.workflow is not None,
        "the repository": evidence.repository is not None,
        "the last good run": evidence.last_good is not None,
        "@acme/ui on the registry": evidence.published is not None,
        **{
            f"when the secrets of {what} were last written": any(age.level == level for age in evidence.secrets)
            for level, what in (
                ("environment", "environment npm"),
                ("repository", "the repository"),
                ("organization", "the organisation"),
            )
        },
    }
    if source == "the workflow file":  # names the secrets
        there = {what: read for what, read in there.items() if "secrets" not in what}
    assert all(read for what, read in there.items() if what != source), there


async def test_everything_fails_and_the_card_still_comes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "BUDGET_S", 0.5)
    github = running.outside.github
    for path in ("/contents/", "/secrets", "/repos/acme/ui$", "/actions/workflows/"):
        github.fail(path, delay_s=5.0, times=None)
    running.outside.registry.fail(".", delay_s=5.0, times=None)
    before = missing_so_far()
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    (card,) = running.cards()
    assert "no answer within" in str(card.blocks)
    assert missing_so_far() == before + 4


def missing_so_far() -> float:
    return sum(
        sample.value
        for metric in METRICS.evidence_missing.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def test_one_sentence_for_all_that_failed_for_the_same_reason(running: Running) -> None:
    running.outside.github.fail("/secrets|/contents/|/workflows/", status=403, headers={"retry-after": "9"}, times=None)
    evidence = await gathered(running)
    assert evidence.missing == ("could not read the workflow file and the last good run: GitHub asks us to wait",)


def test_what_is_kept_of_a_secret_is_no_value() -> None:
    assert set(SecretAge.__dataclass_fields__) == {"name", "level", "updated_at", "environment"}
