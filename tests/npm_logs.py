"""Job logs of npm publishes as GitHub serves them, put together from the lines npm prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any


def stamped(*lines: str) -> str:
    at = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    return "".join(
        f"{at + timedelta(milliseconds=150 * number):%Y-%m-%dT%H:%M:%S.%f}0Z {line}\n"
        for number, line in enumerate(lines)
    )


EXIT = "##[error]Process completed with exit code 1."


def publish_log(
    *failure: str,
    package: str = "@acme/ui",
    version: str = "2.3.1",
    npm: str | None = None,
    token: bool = True,
    placeholder: bool = False,
) -> str:
    """`npm`: the version that setup-node names; `token`: the step's environment has one, or setup-node's dummy."""
    named = ("##[group]Environment details", "node: v22.14.0", f"npm: {npm}", "yarn: 1.22.22", "##[endgroup]")
    value = "XXXXX-XXXXX-XXXXX-XXXXX" if placeholder else "***"
    return stamped(
        *(("##[group]Run actions/setup-node@v4", "##[endgroup]", *named) if npm else ()),
        "##[group]Run npm ci",
        "npm ci",
        "##[endgroup]",
        "added 312 packages in 9s",
        "##[group]Run npm publish",
        "npm publish",
        "shell: /usr/bin/bash -e {0}",
        *(("env:", f"  NODE_AUTH_TOKEN: {value}") if token or placeholder else ()),
        "##[endgroup]",
        "npm notice",
        f"npm notice 📦  {package}@{version}",
        "npm notice Tarball Contents",
        "npm notice 1.2kB package.json",
        f"npm notice name: {package}",
        f"npm notice version: {version}",
        "npm notice total files: 14",
        "npm notice",
        "npm notice Publishing to https://registry.npmjs.com/ with tag latest and public access",
        *failure,
    )


def forbidden(says: str, package: str = "@acme/ui", version: str = "2.3.1", **more: Any) -> str:
    """E403 with what the registry says; npm ends each of them with the same misleading words."""
    escaped = package.replace("/", "%2f")
    return publish_log(
        "npm error code E403",
        f"npm error 403 403 Forbidden - PUT https://registry.npmjs.com/{escaped} - {says}",
        "npm error 403 In most cases, you or one of your dependencies are requesting",
        "npm error 403 a package version that is forbidden by your security policy, or",
        "npm error 403 on a server you do not have access to.",
        EXIT,
        package=package,
        version=version,
        **more,
    )


def need_auth(package: str = "@acme/ui", version: str = "2.3.1", *before: str, **more: Any) -> str:
    """No credential at all: an empty secret, or OIDC refused without a word. `before`: what verbose npm says of it."""
    return publish_log(
        *before,
        "npm error code ENEEDAUTH",
        "npm error need auth This command requires you to be logged in to https://registry.npmjs.com/",
        "npm error need auth You need to authorize this machine using `npm adduser`",
        EXIT,
        package=package,
        version=version,
        **more,
    )


def one_time_password(package: str = "@acme/ui", version: str = "2.3.1") -> str:
    return publish_log(
        "npm error code EOTP",
        "npm error This operation requires a one-time password from your authenticator.",
        "npm error You can provide a one-time password by passing --otp=<code> to the command you ran.",
        EXIT,
        package=package,
        version=version,
    )


def address_refused(package: str = "@acme/ui", version: str = "2.3.1") -> str:
    return publish_log(
        "npm error code EAUTHIP",
        "npm error Login is not allowed from your IP address",
        EXIT,
        package=package,
        version=version,
    )


def not_found(package: str = "@acme/ui", version: str = "2.3.1", **more: Any) -> str:
    """A dead token, a missing right or a new name: npm says E404 for all of them."""
    escaped = package.replace("/", "%2f")
    return publish_log(
        "npm error code E404",
        f"npm error 404 Not Found - PUT https://registry.npmjs.com/{escaped} - Not found",
        "npm error 404",
        f"npm error 404  The requested resource '{package}@{version}' could not be found or you do not have permission"
        " to access it.",
        "npm error 404",
        "npm error 404 Note that you can also install from a",
        "npm error 404 tarball, folder, http url, or git folder.",
        "npm error A complete log of this run can be found in: /home/runner/.npm/_logs/2026-11-20-debug-0.log",
        EXIT,
        package=package,
        version=version,
        **more,
    )


def rejected(package: str = "@acme/ui", version: str = "2.3.1", **more: Any) -> str:
    return publish_log(
        "npm error code E401",
        "npm error Unable to authenticate, your authentication token seems to be invalid.",
        "npm error To correct this please try logging in again with:",
        "npm error   npm login",
        EXIT,
        package=package,
        version=version,
        **more,
    )


def published(package: str = "@acme/ui", version: str = "2.3.1") -> str:
    return publish_log(f"+ {package}@{version}", package=package, version=version)


def red_tests() -> str:
    """A unit test about a 401 fails; nothing is published."""
    return stamped(
        "##[group]Run npm test",
        "npm test",
        "##[endgroup]",
        "> @acme/ui@2.3.1 test",
        "> vitest run",
        " FAIL  src/client.test.ts > login > answers 401 Unauthorized for a bad token",
        "AssertionError: expected 200 to be 401 // Object.is equality",
        " Test Files  1 failed | 12 passed (13)",
        "##[error]Process completed with exit code 1.",
    )


def outage(package: str = "@acme/ui", version: str = "2.3.1") -> str:
    escaped = package.replace("/", "%2f")
    return publish_log(
        "npm error code E503",
        f"npm error 503 Service Unavailable - PUT https://registry.npmjs.com/{escaped} - Service Unavailable",
        "##[error]Process completed with exit code 1.",
        package=package,
        version=version,
    )
