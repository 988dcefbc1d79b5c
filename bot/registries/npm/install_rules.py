"""How fetching dependencies from npm-like registries fails: nothing was published then."""

from __future__ import annotations

from bot.diagnosis.rule import Rule, anywhere
from bot.registries.npm import fixes
from bot.registries.npm.texts import NEED_AUTH, NETWORK, SERVER_ERROR, UNAUTHORIZED, code

INSTALL_RULES = (
    Rule(
        "npm/install-unauthorized",
        "install-auth",
        (
            "Installing private dependencies failed: the registry refused the credential of the install step. "
            "Nothing was published."
        ),
        (
            *UNAUTHORIZED,
            *NEED_AUTH,
            r"ERR_PNPM_FETCH_40[13]|\bGET https?://[^ ]+ - 40[13]\b|\bForbidden - GET\b",
            r"\b403 Forbidden: https?://|Response Code: 40[13]\b",
            (
                r"YN0035: .*(?:Forbidden|40[13])"
                r"|An unexpected error occurred: \"https?://[^\"]*: (?:Request failed \\?\"40[13]"
                r"|[^\"]*(?:Unauthorized|Forbidden|unauthenticated|authorization required))"
            ),
            (
                r"error Error: https?://[^ ]+: (?:authorization required|.*(?:Unauthorized|Forbidden"
                r"|unauthorized access|is not allowed to access))|Request failed \\?\"40[13] "
            ),
            r"is not allowed to access package|Error: Failed to replace env in config: \$\{",
            r"Permission permission_denied: read_package|The token provided does not match expected scopes",
        ),
        (
            (
                "Check the token of the install step: private packages need at least a read-only token in the "
                "environment of `npm ci`."
            ),
            "For GitHub Packages, give the job `packages: read` and the package access to this repository.",
        ),
        settings=anywhere("install"),
    ),
    Rule(
        "npm/install-server-error",
        "registry-outage",
        "The registry failed while dependencies were installed (5xx). Nothing was published.",
        SERVER_ERROR,
        fixes.RETRY,
        settings=anywhere("install"),
    ),
    Rule(
        "npm/install-rate-limited",
        "rate-limited",
        "The registry limited the rate of requests while dependencies were installed.",
        (
            r"\b429 Too Many Requests|ERR_PNPM_FETCH_429|\(status 429\b| - 429$",
            code("429"),
        ),
        fixes.WAIT,
        settings=anywhere("install"),
    ),
    Rule(
        "npm/install-network",
        "network-error",
        "The runner could not reach the registry while dependencies were installed.",
        NETWORK,
        fixes.CHECK_NETWORK,
        settings=anywhere("install"),
        confidence=0.85,
    ),
)
