"""Whatever the evidence, there is a verdict; it is short, safe to paste, and claims nothing that no source says."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.diagnosis.diagnosis import Alternative, Diagnosis, PackageOutcome
from bot.evidence import Elsewhere, Evidence, GoodRun, Published, Release, Repository, SecretAge
from bot.matching import PublishAttempt, match
from bot.messages.words import CAUSE_WORDS
from bot.registries.npm.workflow import PublishingJob, WorkflowFacts
from bot.verdict import Verdict, judge
from bot.verdict.verdict import DEAD_TOKEN
from storage.tokens import Token, Use
from tests.hostile import NOW, optional_text, text, texts

causes = st.sampled_from(sorted(CAUSE_WORDS))
# Near to now, so that ages fall on both sides of the usual lives; and far away, as clocks and records may be.
when = st.timedeltas(timedelta(days=-200), timedelta(days=120)).map(lambda delta: NOW + delta)
moment = when | st.sampled_from([datetime.min.replace(tzinfo=NOW.tzinfo), datetime.max.replace(tzinfo=NOW.tzinfo)])
maybe = st.none() | moment
repos = st.sampled_from(["acme/ui", "acme/api", "other/x"]) | text
packages = st.sampled_from(["@acme/ui", "@acme/new", "left-pad"]) | text
names = st.sampled_from(["NPM_TOKEN", "OTHER"]) | text
levels = st.sampled_from(["environment", "repository", "organization", "elsewhere"])
files = st.sampled_from([".github/workflows/release.yml", "publish.yml", "Release.yml"]) | text

uses = st.builds(Use, repos, st.none() | files, st.none() | names, levels, optional_text)
tokens = st.builds(
    Token,
    name=text,
    registry=st.sampled_from(["npm", "pypi"]),
    kind=st.sampled_from(["granular", "session", "classic", "automation", "trusted-publisher", "pat"]) | text,
    permission=st.sampled_from([None, "read-only", "read-write", "read-write-stage-only", "no-access"]),
    packages=st.lists(packages, max_size=3).map(tuple),
    scopes=st.lists(st.just("@acme") | text, max_size=2).map(tuple),
    cidr=texts,
    bypass_2fa=st.sampled_from([None, True, False]),
    created_at=maybe,
    expires_at=maybe,
    expires_computed=st.booleans(),
    last_used_at=maybe,
    revoked_at=maybe,
    used_by=st.lists(uses, max_size=3).map(tuple),
    id=st.integers(1, 50),
)
jobs = st.builds(
    PublishingJob,
    name=text,
    secrets=st.lists(names, max_size=2).map(tuple),
    token_variables=texts,
    id_token=st.sampled_from([None, True, False]),
    environment=optional_text,
    runners=texts | st.just(("self-hosted",)),
    node=st.sampled_from([None, "20", "24", "lts/*"]) | optional_text,
    npm=st.sampled_from([None, "10", "11.5.0", "latest"]) | optional_text,
    stages=st.booleans(),
    publishes=st.booleans(),
    called=optional_text,
    secrets_not_passed=texts,
    environment_computed=st.booleans(),
    plain_variables=texts,
)
ways = st.sampled_from([None, "oidc", "token"])
releases = st.builds(Release, text, maybe, ways)
published = st.builds(
    Published, packages, st.booleans(), st.frozensets(st.just("2.3.1") | text, max_size=3), st.none(),
    st.none() | releases,
)  # fmt: skip
evidences = st.builds(
    Evidence,
    packages=st.lists(packages, max_size=3).map(tuple),
    workflow=st.none() | st.builds(WorkflowFacts, st.lists(jobs, max_size=2).map(tuple)),
    secrets=st.lists(st.builds(SecretAge, names, levels, moment, optional_text), max_size=3).map(tuple),
    absent_secrets=st.lists(names, max_size=2).map(tuple),
    unshared_secrets=st.lists(names, max_size=2).map(tuple),
    held_by=st.lists(names, max_size=4).map(tuple),
    published=st.none() | published,
    others=st.lists(published, max_size=3).map(tuple),
    former_name=st.none() | repos,
    tokens=st.lists(tokens, max_size=4).map(tuple),
    last_good=st.none()
    | st.builds(GoodRun, moment, st.none(), st.booleans(), optional_text, st.none() | packages, ways),
    last_with_token=st.none()
    | st.builds(GoodRun, moment, st.none(), st.just(True), optional_text, st.none(), st.just("token")),
    repository=st.none() | st.builds(Repository, repos, st.none() | st.integers(1), st.none() | st.integers(1), maybe),
    elsewhere=st.lists(st.builds(Elsewhere, repos, causes, st.none() | st.integers(1, 9), moment), max_size=5).map(
        tuple
    ),
    missing=texts,
)
diagnoses = st.builds(
    Diagnosis,
    cause=causes,
    auth=st.booleans(),
    outcome=st.just("failed"),
    phase=st.sampled_from(["publish", "install", "other"]),
    sentence=text,
    registry=st.sampled_from([None, "npm", "pypi"]),
    client=st.sampled_from([None, "npm 10.9.2", "npm 11.6.2", "pnpm 11.0.0"]) | optional_text,
    package=st.none() | packages,
    version=st.none() | st.just("2.3.1") | text,
    tool=st.sampled_from([None, "npm", "changesets"]),
    packages=st.lists(st.builds(PackageOutcome, packages, optional_text, st.just("published") | text), max_size=3).map(
        tuple
    ),
    also=st.lists(st.builds(Alternative, causes, st.just(0.3), text), max_size=3).map(tuple),
    fix=texts,
)
attempts = st.builds(
    PublishAttempt,
    repo=repos,
    workflow=files,
    registry=st.just("npm"),
    environment=optional_text,
    called_workflow=optional_text,
    event=st.sampled_from([None, "push", "pull_request"]) | optional_text,
    actor=st.sampled_from([None, "ann", "dependabot[bot]"]) | optional_text,
    from_fork=st.booleans(),
    runners=texts | st.just(("self-hosted",)),
    failed_at=maybe,
)
PLACEHOLDERS = {"PACKAGE", "NAME", "OWNER/REPO", "OWNER", "WORKFLOW.yml", "ENVIRONMENT"}
WORD = re.compile(r"[A-Za-z0-9@~_./=:*-]+")


def verdict_of(diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt) -> Verdict:
    job = evidence.workflow.jobs[0] if evidence.workflow and evidence.workflow.jobs else None
    attempt = replace(
        attempt,
        packages=evidence.packages,
        registry=diagnosis.registry or "npm",
        secrets=job.secrets if job else (),
        secret=evidence.secret,
    )
    return judge(diagnosis, evidence, attempt, match(attempt, evidence.tokens), NOW)


# What each claim cannot be made without: the sources of which at least one has to be there.
NEEDS = {
    **dict.fromkeys(DEAD_TOKEN - {"token-rejected"}, ("tokens",)),
    **dict.fromkeys(
        (
            "token-read-only",
            "token-not-granted",
            "token-stage-only",
            "token-needs-bypass",
            "policy-date-passed",
            "publisher-mismatch",
        ),
        ("tokens",),
    ),
    **dict.fromkeys(("secret-old", "secret-wrong-value", "secret-not-received", "wrong-level-rotated"), ("secrets",)),
    "token-stopped-working": ("last_good",),
    "secret-never-updated": ("secrets",),
    "secret-absent": ("absent_secrets",),
    "secret-not-named": ("workflow",),
    "secret-not-inherited": ("workflow",),
    "token-shadows-trust": ("workflow",),
    "new-name": ("published",),
    "publisher-missing": ("published",),
    "trust-refused": ("workflow",),
    "secret-renewed-since": ("secrets",),
    "immutable-subject": ("repository",),
    "registry-side": ("elsewhere",),
}
# Either of them tells that what the secret holds has worked.
TOLD_BY_BOTH = {"last_good": ("last_good", "last_with_token")}
NOTHING: dict[str, Any] = {
    field: getattr(Evidence(), field)
    for field in (
        "workflow",
        "secrets",
        "absent_secrets",
        "published",
        "tokens",
        "last_good",
        "last_with_token",
        "repository",
        "elsewhere",
    )
}


@settings(max_examples=400)
@given(diagnoses, evidences, attempts)
def test_any_evidence_gives_a_short_verdict_and_advice(
    diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt
) -> None:
    verdict = verdict_of(diagnosis, evidence, attempt)
    assert re.fullmatch(r"[a-z][a-z0-9-]+", verdict.code)
    assert len(verdict.sentence) <= 300
    assert "\n" not in verdict.sentence or verdict.code == diagnosis.cause
    assert verdict.advice or not diagnosis.fix
    assert all(len(obstacle) <= 300 for obstacle in verdict.then)
    if verdict.code not in CAUSE_WORDS:
        assert all(reason for reason in verdict.reasons)
    if verdict.match.guess:
        assert not verdict.sure


@settings(max_examples=300)
@given(diagnoses, evidences, attempts, st.sampled_from(sorted(NOTHING)))
def test_a_source_that_is_missing_supports_no_claim(
    diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt, source: str
) -> None:
    missing = {name: NOTHING[name] for name in TOLD_BY_BOTH.get(source, (source,))}
    verdict = verdict_of(diagnosis, replace(evidence, **missing), attempt)
    assert source not in NEEDS.get(verdict.code, ()), verdict.sentence


@settings(max_examples=200)
@given(diagnoses, attempts)
def test_with_no_source_at_all_the_log_has_the_last_word(diagnosis: Diagnosis, attempt: PublishAttempt) -> None:
    verdict = verdict_of(diagnosis, Evidence(packages=("@acme/ui",)), attempt)
    own = {"secret-fork", "secret-dependabot", "id-token-missing", "npm-too-old", "self-hosted-runner", "github-auth"}
    if any(package.outcome == "published" for package in diagnosis.packages):
        own.add("insufficient-scope")  # the log itself shows that the token lives
    assert verdict.code in own | {diagnosis.cause}
    assert verdict.token is None


@settings(max_examples=300)
@given(diagnoses, evidences, attempts)
def test_commands_hold_only_what_may_stand_in_a_shell(
    diagnosis: Diagnosis, evidence: Evidence, attempt: PublishAttempt
) -> None:
    """A name out of a log must not run when somebody pastes the advice."""
    verdict = verdict_of(replace(diagnosis, fix=()), evidence, attempt)
    for step in verdict.advice:
        for command in re.findall(r"`((?:npm|gh) [^`]*)`", step):
            assert all(WORD.fullmatch(word) for word in shlex.split(command)), command
