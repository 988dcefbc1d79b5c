"""Situations of a failed publish: what the log, the workflow, the secrets, the registry and our records say, and what
the card has to say of it. `acme` stands for an organisation of each situation's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from storage.tokens import Token, Use
from tests import npm_logs

RELEASE = ".github/workflows/release.yml"
PACKAGE = "@acme/ui"
STEPS = """
    steps:
      - uses: actions/setup-node@v4
        with: { node-version: 24, registry-url: "https://registry.npmjs.com" }
      - run: npm publish
"""
ENV = '        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" }\n'
WITH_TOKEN = f"on: push\njobs:\n  release:\n    runs-on: ubuntu-latest{STEPS}{ENV}"
IN_ENVIRONMENT = WITH_TOKEN.replace("ubuntu-latest", "ubuntu-latest\n    environment: npm")
BY_TRUST = (
    "on: push\npermissions: { id-token: write, contents: read }\n"
    f"jobs:\n  release:\n    runs-on: ubuntu-latest{STEPS}"
)
NO_ID_TOKEN = BY_TRUST.replace("id-token: write, ", "")
NO_PERMISSIONS = BY_TRUST.replace("permissions: { id-token: write, contents: read }\n", "")
BOTH = BY_TRUST + ENV
OWN_RUNNER = BY_TRUST.replace("ubuntu-latest", "[self-hosted, linux]")
NODE_20 = BY_TRUST.replace("24", "20")
CALLS = (
    "on: push\npermissions: { id-token: write, contents: read }\n"
    "jobs:\n  release:\n    uses: ./.github/workflows/publish.yml\n"
)
CALLED = f"on: workflow_call\njobs:\n  npm:\n    runs-on: ubuntu-latest{STEPS}"
CALLS_WITHOUT_SECRETS = "on: push\njobs:\n  release:\n    uses: ./.github/workflows/publish.yml\n"
CALLED_WITH_TOKEN = CALLED + ENV

Log = Callable[[str, str], str]


def days(number: float) -> timedelta:
    return timedelta(days=number, minutes=5)


@dataclass(frozen=True)
class Record:
    """A stored token; times in days from now, negative = past."""

    name: str = "ci"
    made: float | None = -30
    ends: float | None = 20
    secret: str | None = "NPM_TOKEN"
    level: str = "repository"
    workflow: str | None = RELEASE
    repo: str = "acme/ui"
    environment: str | None = None
    used: float | None = None
    revoked: float | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def token(self, now: datetime) -> Token:
        def at(ahead: float | None) -> datetime | None:
            return None if ahead is None else now + days(ahead) if ahead > 0 else now - days(-ahead)

        given: dict[str, Any] = {"permission": "read-write", "packages": (PACKAGE,), "bypass_2fa": True} | self.more
        return Token(
            name=f"acme-{self.name}",
            created_at=at(self.made),
            expires_at=at(self.ends),
            last_used_at=at(self.used),
            revoked_at=at(self.revoked),
            used_by=(Use(self.repo, self.workflow, self.secret, self.level, self.environment),),
            **given,
        )


TRUST = Record(
    "trust", None, None, secret=None, level="elsewhere", workflow="release.yml",
    more={"kind": "trusted-publisher", "bypass_2fa": None},
)  # fmt: skip


def trust(**more: Any) -> Record:
    return replace(TRUST, **more)


@dataclass(frozen=True)
class Situation:
    """`reason`, `advice`: how the first of each begins on the card. `secrets`: (level, days since it was written),
    level `environment` means the environment npm. `released`: (version, by whom, days ago); `worked`: days since this
    workflow published. `elsewhere`: organisations whose releases fail in the same minutes."""

    name: str
    log: Log
    code: str
    says: str
    reason: str
    advice: str
    workflow: str | None = WITH_TOKEN
    called: str | None = None
    secrets: tuple[tuple[str, float], ...] = (("repository", 29),)
    tokens: tuple[Record, ...] = ()
    released: tuple[tuple[str, str, float], ...] = (("2.3.0", "token", 40),)
    worked: float | None = None
    run: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ("ubuntu-latest",)
    job: str = "release"
    made: datetime | None = None
    elsewhere: int = 0
    rotates: bool = False
    lacks: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    at: datetime | None = None


gone = npm_logs.not_found
refused = npm_logs.rejected
no_auth = partial(npm_logs.need_auth, token=False)
silent_oidc = partial(npm_logs.need_auth, token=False, npm="11.6.2")
old_npm = partial(npm_logs.need_auth, token=False, npm="10.9.2")
may_not = partial(npm_logs.forbidden, "You may not perform that action with these credentials.")
wants_2fa = partial(
    npm_logs.forbidden,
    "Two-factor authentication or granular access token with bypass 2fa enabled is required to publish packages.",
)
wants_stage = partial(npm_logs.forbidden, "E_STAGE_REQUIRED: this token may only be used to stage packages.")
denied = partial(npm_logs.forbidden, "OIDC permission denied for this action", token=False, npm="11.20.0")
no_tokens = partial(npm_logs.forbidden, "This package requires two-factor authentication and disallows tokens.")
no_management = partial(
    npm_logs.forbidden,
    "Granular access tokens that bypass two-factor authentication may not perform this action."
    " For more info, visit: https://gh.io/npm-gat-bypass2fa-deprecation",
)


def exchange_refused(package: str, version: str) -> str:
    return npm_logs.need_auth(
        package,
        version,
        "npm verbose oidc Failed token exchange request with body message:"
        " OIDC token exchange error - package not found",
        token=False,
        npm="11.6.2",
    )


def not_permitted(package: str, version: str) -> str:
    said = "npm silly oidc Skipped because incorrect permissions for id-token within GitHub workflow"
    return npm_logs.need_auth(package, version, said, token=False, npm="11.6.2")


def install_refused(package: str, version: str) -> str:
    return npm_logs.stamped(
        "##[group]Run npm ci", "npm ci", "env:", "  NODE_AUTH_TOKEN: ***", "##[endgroup]",
        "npm error code E401",
        "npm error 401 Unauthorized - GET https://registry.npmjs.com/@acme%2fprivate - Unauthorized",
        npm_logs.EXIT,
    )  # fmt: skip


def push_refused(package: str, version: str) -> str:
    return npm_logs.publish_log(
        f"+ {package}@{version}",
        "##[group]Run git push --follow-tags",
        "git push --follow-tags",
        "##[endgroup]",
        "remote: Permission to acme/ui.git denied to github-actions[bot].",
        "fatal: unable to access 'https://github.com/acme/ui/': The requested URL returned error: 403",
        "##[error]Process completed with exit code 128.",
        package=package,
        version=version,
    )


MADE_LATE = datetime(2026, 9, 1, tzinfo=UTC)
