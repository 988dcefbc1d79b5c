"""Situations -> verdicts: what the log, the workflow file, the secrets, the registry and the tokens say together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.diagnosis.diagnosis import Diagnosis
from bot.evidence import Elsewhere, Evidence, GoodRun, Published, Release, Repository, SecretAge
from bot.matching import PublishAttempt, match
from bot.registries.npm.workflow import parse_workflow, read_workflow
from bot.verdict import Verdict, judge
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RELEASE = ".github/workflows/release.yml"

WITH_TOKEN = """
on: { push: { branches: [main] } }
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/setup-node@v4
        with: { node-version: 24, registry-url: "https://registry.npmjs.com" }
      - run: npm publish
        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" }
"""
BY_TRUST = """
on: { push: { branches: [main] } }
jobs:
  release:
    runs-on: ubuntu-latest
    permissions: { id-token: write, contents: read }
    steps:
      - uses: actions/setup-node@v4
        with: { node-version: 24 }
      - run: npm publish
"""
BY_TRUST_UNPERMITTED = BY_TRUST.replace("id-token: write, ", "")
BOTH = WITH_TOKEN.replace("    steps:", "    permissions: { id-token: write }\n    steps:")
NEITHER = WITH_TOKEN.replace('        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" }\n', "")

USED = (Use("acme/ui", RELEASE, "NPM_TOKEN"),)
LIVE = Token(
    name="npm-acme-ci",
    permission="read-write",
    bypass_2fa=True,
    packages=("@acme/ui",),
    used_by=USED,
    created_at=NOW - timedelta(days=30),
    expires_at=NOW + timedelta(days=20),
    id=1,
)
DEAD = replace(LIVE, expires_at=NOW - timedelta(days=2, minutes=1))
TRUST = Token(
    name="trust-ui",
    kind="trusted-publisher",
    permission="read-write",
    packages=("@acme/ui",),
    used_by=(Use("acme/ui", "release.yml", None, "elsewhere"),),
    id=9,
)
THERE = Published("@acme/ui", True, frozenset({"2.3.0"}), "2.3.0", Release("2.3.0", NOW - timedelta(days=40), "token"))
BY_OIDC = replace(THERE, newest=Release("2.3.0", NOW - timedelta(days=40), "oidc"))
ALL_LEVELS = {"secrets": (SecretAge("NPM_TOKEN", "repository", NOW - timedelta(days=29)),)}


def written(days: float, level: str = "repository") -> SecretAge:
    return SecretAge("NPM_TOKEN", level, NOW - timedelta(days=days))


@dataclass(frozen=True)
class Situation:
    name: str
    cause: str
    code: str
    says: str
    workflow: str = WITH_TOKEN
    tokens: tuple[Token, ...] = ()
    evidence: dict[str, Any] | None = None
    attempt: dict[str, Any] | None = None
    log: dict[str, Any] | None = None


def verdict_of(situation: Situation) -> Verdict:
    facts = read_workflow(parse_workflow(situation.workflow.encode()), {})
    diagnosis = Diagnosis(
        **{
            "cause": situation.cause,
            "auth": True,
            "outcome": "failed",
            "phase": "publish",
            "sentence": f"The log says {situation.cause}.",
            "registry": "npm",
            "package": "@acme/ui",
            "version": "2.3.1",
            "fix": ("Look at the log.",),
            "client": "npm 11.6.2",
            **(situation.log or {}),
        }
    )
    evidence = Evidence(
        **{
            "packages": (diagnosis.package,),
            "workflow": facts,
            "tokens": situation.tokens,
            "published": THERE,
            **(situation.evidence or {}),
        }
    )
    job = facts.jobs[0] if facts.jobs else None
    attempt = PublishAttempt(
        **{
            "repo": "acme/ui",
            "workflow": RELEASE,
            "registry": "npm",
            "packages": evidence.packages,
            "secrets": facts.secrets,
            "environment": job.environment if job else None,
            "runners": job.runners if job else (),
            "event": "push",
            "actor": "ann",
            "secret": evidence.secret,
            **(situation.attempt or {}),
        }
    )
    return judge(diagnosis, evidence, attempt, match(attempt, situation.tokens), NOW)


SITUATIONS = [
    Situation("recorded end", "no-access", "token-expired", "expired 2 days ago", tokens=(DEAD,)),
    Situation("recorded end, E401", "token-rejected", "token-expired", "npm-acme-ci expired", tokens=(DEAD,)),
    Situation("computed end", "no-access", "token-expired", "probably", tokens=(replace(DEAD, expires_computed=True),)),
    Situation("revoked", "no-access", "token-revoked", "revoked", tokens=(replace(LIVE, revoked_at=NOW),)),
    Situation(
        "dead before its recorded end", "token-rejected", "token-revoked-early", "npm-acme-ci",
        tokens=(LIVE,), evidence=ALL_LEVELS,
    ),
    Situation(
        "classic", "token-rejected", "token-classic", "2025-12-09",
        tokens=(replace(LIVE, kind="classic", expires_at=None, created_at=None),),
    ),
    Situation(
        "the secret is older than its token", "no-access", "secret-never-updated", "does not hold",
        tokens=(LIVE,), evidence={"secrets": (written(60),)},
    ),
    Situation(
        "the organisation's secret was renewed", "no-access", "wrong-level-rotated", "organisation secret NPM_TOKEN",
        evidence={"secrets": (written(100), written(2, "organization"))},
    ),
    Situation(
        "an old secret", "no-access", "secret-old", "probably expired", evidence={"secrets": (written(93),)},
    ),
    Situation(
        "a week-old secret that worked", "token-rejected", "secret-old", "7 days",
        evidence={"secrets": (written(8),), "last_good": GoodRun(NOW - timedelta(days=5), None, True, "2.3.0")},
    ),
    Situation(
        "a secret written just now", "token-rejected", "secret-wrong-value", "wrong or cut-off",
        evidence={"secrets": (written(0.01),)},
    ),
    Situation(
        "read-only", "insufficient-scope", "token-read-only", "read-only",
        tokens=(replace(LIVE, permission="read-only"),), evidence=ALL_LEVELS,
    ),
    Situation(
        "not on its list", "insufficient-scope", "token-not-granted", "@acme/new",
        tokens=(LIVE,), log={"package": "@acme/new"}, evidence=ALL_LEVELS,
    ),
    Situation(
        "stage-only", "stage-required", "token-stage-only", "stage",
        tokens=(replace(LIVE, permission="read-write-stage-only", bypass_2fa=False),), evidence=ALL_LEVELS,
    ),
    Situation(
        "no bypass", "two-factor-required", "token-needs-bypass", "npm-acme-ci",
        tokens=(replace(LIVE, bypass_2fa=False),), evidence=ALL_LEVELS,
    ),
    Situation(
        "the package forbids tokens", "tokens-disallowed", "tokens-disallowed", "token", tokens=(LIVE,),
        evidence=ALL_LEVELS,
    ),
    Situation(
        "an address that is not on its list", "ip-not-allowed", "ip-not-allowed", "npm-acme-ci",
        tokens=(replace(LIVE, cidr=("10.0.0.0/8",)),), evidence=ALL_LEVELS,
    ),
    Situation(
        "a dead token beside trust", "no-access", "token-shadows-trust", "trusted publish",
        workflow=BOTH, tokens=(TRUST,), evidence={"published": BY_OIDC},
    ),
    Situation(
        "another repository", "oidc-publisher-mismatch", "publisher-mismatch", "names acme/old",
        workflow=BY_TRUST, tokens=(replace(TRUST, used_by=(Use("acme/old", "release.yml", None, "elsewhere"),)),),
    ),
    Situation(
        "another workflow file", "oidc-publisher-mismatch", "publisher-mismatch", "names publish.yml",
        workflow=BY_TRUST, tokens=(replace(TRUST, used_by=(Use("acme/ui", "publish.yml", None, "elsewhere"),)),),
    ),
    Situation(
        "another case of its name", "oidc-publisher-mismatch", "publisher-mismatch", "upper and lower case count",
        workflow=BY_TRUST, tokens=(replace(TRUST, used_by=(Use("acme/ui", "Release.yml", None, "elsewhere"),)),),
    ),
    Situation(
        "another extension", "oidc-publisher-mismatch", "publisher-mismatch", "names release.yaml",
        workflow=BY_TRUST, tokens=(replace(TRUST, used_by=(Use("acme/ui", "release.yaml", None, "elsewhere"),)),),
    ),
    Situation(
        "the called workflow is trusted", "oidc-publisher-mismatch", "publisher-mismatch", "the reusable workflow",
        workflow=BY_TRUST, tokens=(replace(TRUST, used_by=(Use("acme/ui", "publish.yml", None, "elsewhere"),)),),
        attempt={"called_workflow": "acme/ci/.github/workflows/publish.yml@main"},
    ),
    Situation(
        "an environment is asked for", "oidc-publisher-mismatch", "publisher-mismatch", "environment npm",
        workflow=BY_TRUST,
        tokens=(replace(TRUST, used_by=(Use("acme/ui", "release.yml", None, "elsewhere", "npm"),)),),
    ),
    Situation(
        "id-token is missing", "oidc-permission-missing", "id-token-missing", "lacks `id-token: write`",
        workflow=BY_TRUST_UNPERMITTED, tokens=(TRUST,),
    ),
    Situation(
        "id-token is missing, and npm hides it", "token-missing", "id-token-missing", "lacks `id-token: write`",
        workflow=BY_TRUST_UNPERMITTED, tokens=(TRUST,), evidence={"published": BY_OIDC},
    ),
    Situation(
        "npm is too old", "token-missing", "npm-too-old", "npm 10.9.2 is too old",
        workflow=BY_TRUST, tokens=(TRUST,), log={"client": "npm 10.9.2"},
    ),
    Situation(
        "self-hosted", "token-missing", "self-hosted-runner", "self-hosted",
        workflow=BY_TRUST.replace("ubuntu-latest", "[self-hosted, linux]"), tokens=(TRUST,),
    ),
    Situation(
        "a young repository", "oidc-publisher-mismatch", "immutable-subject", "ids",
        workflow=BY_TRUST, tokens=(TRUST,),
        evidence={"repository": Repository("acme/ui", 2, 1, datetime(2026, 9, 1, tzinfo=UTC))},
    ),
    Situation(
        "trusted to stage", "direct-publish-denied", "direct-publish-denied", "may only stage",
        workflow=BY_TRUST, tokens=(replace(TRUST, permission="read-write-stage-only"),),
    ),
    Situation(
        "a new name by trust", "oidc-failed", "new-name", "cannot create a name",
        workflow=BY_TRUST, evidence={"published": Published("@acme/ui", exists=False)},
    ),
    Situation(
        "a new name", "no-access", "new-name", "never been published",
        evidence={"published": Published("@acme/ui", exists=False)},
    ),
    Situation("a fork", "token-missing", "secret-fork", "fork", attempt={"from_fork": True, "event": "pull_request"}),
    Situation("Dependabot", "token-missing", "secret-dependabot", "Dependabot", attempt={"actor": "dependabot[bot]"}),
    Situation(
        "no such secret", "token-missing", "secret-absent", "no secret NPM_TOKEN",
        evidence={"absent_secrets": ("NPM_TOKEN",)},
    ),
    Situation("no token is passed", "token-missing", "secret-not-named", "passes no token", workflow=NEITHER),
    Situation(
        "the secret is there", "token-missing", "secret-not-received", "exists, but no token",
        evidence=ALL_LEVELS,
    ),
    Situation(
        "everybody fails", "no-access", "registry-side", "npm is probably at fault",
        evidence={
            "elsewhere": tuple(
                Elsewhere(f"org{number}/repo", "token-rejected", number, NOW - timedelta(minutes=number))
                for number in range(1, 7)
            )
        },
    ),
    Situation(
        "it is there after all", "registry-outage", "version-exists", "is on the registry",
        evidence={"published": replace(THERE, versions=frozenset({"2.3.1"}))}, log={"auth": False},
    ),
    Situation(
        "it worked with the same value", "token-rejected", "token-stopped-working", "is dead now",
        evidence={"secrets": (written(20),), "last_good": GoodRun(NOW - timedelta(days=1), None, True, "2.3.0")},
    ),
    Situation(
        "the last release used no secret", "token-rejected", "token-rejected", "The log says",
        evidence={
            "secrets": (written(20),), "last_good": GoodRun(NOW - timedelta(days=1), None, True, "2.3.0"),
            "published": BY_OIDC,
        },
    ),
    Situation("nothing explains it", "unknown", "unknown", "The log says unknown", log={"auth": False}),
    Situation("a live token explains nothing", "no-access", "no-access", "The log says", tokens=(LIVE,)),
]  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_situation_has_its_verdict(situation: Situation) -> None:
    verdict = verdict_of(situation)
    assert verdict.code == situation.code, verdict.sentence
    assert situation.says in verdict.sentence
    assert verdict.advice
    assert len(verdict.sentence) <= 300


def test_there_are_situations_for_every_family() -> None:
    assert len(SITUATIONS) >= 40
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_with_nothing_but_the_log_no_more_is_claimed_than_it_says(situation: Situation) -> None:
    bare = replace(situation, tokens=(), attempt={"event": None, "actor": None}, workflow="jobs: { x: { steps: [] } }")
    known = {"published": None, "secrets": (), "absent_secrets": (), "elsewhere": (), "repository": None}
    verdict = verdict_of(replace(bare, evidence={**known, "workflow": None, "last_good": None}))
    assert verdict.token is None
    assert verdict.code == situation.cause or verdict.code in ("npm-too-old", "id-token-missing")
