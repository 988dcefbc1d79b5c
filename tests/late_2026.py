"""A failed run that somebody met, as a row of a table, and the logs of clients other than npm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.tokens import Token, Use
from tests import npm_logs
from tests.situations import (
    PACKAGE,
)
from tests.worlds import token

Given = dict[str, Any]
OLD = (("NPM_TOKEN", "repository", 95),)
FRESH = (("NPM_TOKEN", "repository", 0),)  # five minutes ago
NO_SECRET: tuple[tuple[str, str, float], ...] = ()
BY_OIDC = ((PACKAGE, "2.3.0", "oidc", 30),)
CENTRAL = (
    "on: push\npermissions: { id-token: write, contents: read }\n"
    "jobs:\n  release:\n    uses: acme/workflows/.github/workflows/publish.yml@v1\n"
)
silent = npm_logs.need_auth(token=False, npm="11.20.0")


def ran(command: str, *lines: str, variable: str = "NODE_AUTH_TOKEN") -> str:
    return npm_logs.stamped(
        f"##[group]Run {command}", command, "env:", f"  {variable}: ***", "##[endgroup]", *lines, npm_logs.EXIT
    )


def refused_put(code: str, answer: str, host: str = "registry.npmjs.com") -> str:
    return ran(
        "npm publish",
        "npm notice name: @acme/ui",
        "npm notice version: 2.3.1",
        f"npm notice Publishing to https://{host}/ with tag latest and default access",
        f"npm error code {code}",
        f"npm error {code[1:]} {answer.replace('PUT', f'PUT https://{host}/@acme%2fui')}",
    )


def minutes_ago(number: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=number)


def publisher(file: str, permission: str = "read-write", **more: Any) -> Token:
    return token(
        f"trust-{file}", None, None, Use("acme/ui", file, None, "elsewhere"), kind="trusted-publisher",
        bypass_2fa=None, permission=permission, **more,
    )  # fmt: skip


PNPM = ran(
    "pnpm publish -r --no-git-checks",
    "npm notice package: @acme/ui@2.3.1",
    "npm error code E404",
    "npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fui - Not found",
    "npm error 404  The requested resource '@acme/ui@2.3.1' could not be found or you do not have permission to access"
    " it.",
)
YARN = ran("yarn npm publish", "➤ YN0000: README.md", "➤ YN0041: Invalid authentication (as an unknown user)",
           "➤ YN0000: Failed with errors in 0s 801ms", variable="YARN_NPM_AUTH_TOKEN")  # fmt: skip
BUN = ran("bun publish", "bun publish v1.3.2 (b131639c)", "error: 404 Not Found: https://registry.npmjs.com/@acme%2fui",
          " - Not found", variable="NPM_CONFIG_TOKEN")  # fmt: skip
IN_BROWSER = npm_logs.publish_log(
    "npm error code EOTP",
    "npm error This operation requires a one-time password.",
    "npm error Open this URL in your browser to authenticate:",
    "npm error   https://www.npmjs.com/auth/cli/***",
    npm_logs.EXIT,
    npm="11.20.0",
)
SEMANTIC = "[10:00:00 AM] [semantic-release] › ℹ  Running semantic-release version 24.2.9"
NO_NPM_TOKEN = "[10:00:02 AM] [semantic-release] › ✘  ENONPMTOKEN No npm token specified."
BAD_NPM_TOKEN = "[10:00:02 AM] [semantic-release] › ✘  EINVALIDNPMTOKEN Invalid npm token."
PROVENANCE = npm_logs.publish_log(
    "npm error code E422",
    "npm error 422 Unprocessable Entity - PUT https://registry.npmjs.com/@acme%2fui - Error verifying sigstore"
    ' provenance bundle: Failed to validate repository information: package.json: "repository.url" is'
    ' "git+https://github.com/acme/ui-old.git", expected to match "https://github.com/acme/ui" from provenance',
    npm_logs.EXIT,
    token=False,
    npm="11.6.2",
)


@dataclass(frozen=True)
class Met:
    """`log` and `given` of the run; the verdict's word, words of its sentence and of its first step, and words that
    must not stand on the card."""

    name: str
    log: str
    code: str
    says: str
    step: str
    given: Callable[[], Given] = dict
    lacks: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    worked: float | None = None


def of(**given: Any) -> Callable[[], Given]:
    return lambda: {name: value() if callable(value) else value for name, value in given.items()}
