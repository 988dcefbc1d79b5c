"""How publishes to GitHub Packages' npm registry differ from npm's own. Texts: replies of npm.pkg.github.com."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule

NAME = "github-packages"
HOSTS = r"^npm\.pkg\.github\.com$"
COMMANDS = r"npm\.pkg\.github\.com"
OUTPUT = r"https?://npm\.pkg\.github\.com"
ANCHORS = (
    r"npm\.pkg\.github\.com",
    r"permission_denied|installation not allowed|expected scopes|token not provided|unauthenticated",
)
CLUES: tuple[Clue, ...] = ()

_DOCS = "https://docs.github.com/en/packages/learn-github-packages/about-permissions-for-github-packages"
_GRANT = (
    "Give the job `permissions: { packages: write }` when it uses GITHUB_TOKEN.",
    "In the package's settings, give this repository write access to the package.",
    (
        "A personal access token (classic) needs `write:packages`; its owner needs write access to the "
        "organization's package."
    ),
)

RULES = (
    Rule(
        "github-packages/write",
        "insufficient-scope",
        "The credential is alive but may not write to the package on GitHub Packages.",
        (
            r"write_package\b|create_package\b",
            r"installation not allowed to (?:Write|Create)",
            r"does not match expected scopes",
            r"(?i)permission_denied|Permission denied: ",
            r"(?i)Your token has not been granted the required scopes",
            r"owner not found|repository[^\n]{0,60}does not exist or[^\n]{0,20}permission",
        ),
        _GRANT,
        docs=_DOCS,
    ),
    Rule(
        "github-packages/no-token",
        "token-missing",
        "No credential reached GitHub Packages: the secret is empty or not passed to the step.",
        (r"authentication token not provided", r"(?i)requires authentication"),
        ("Pass `NODE_AUTH_TOKEN: ${{ secrets.GITHUB_TOKEN }}` to the publish step, and `packages: write` to the job.",),
        docs=_DOCS,
    ),
    Rule(
        "github-packages/dead-token",
        "token-rejected",
        "GitHub Packages refused the token: it is expired, revoked or malformed.",
        (r"User cannot be authenticated with the token provided|\bunauthenticated: ", r"(?i)\bbad credentials\b"),
        ("Replace the token, or use GITHUB_TOKEN with `packages: write`.", "Re-run the failed job."),
        maybe=(Maybe("token-missing", 0.2, "the secret is empty"),),
        docs=_DOCS,
    ),
    Rule(
        "github-packages/exists",
        "version-exists",
        "This version is already on GitHub Packages and cannot be published again.",
        (r"(?:409 Conflict - PUT https://npm\.pkg\.github\.com|Cannot publish over existing version)",),
        ("If a re-run met it, nothing is to be done.", "Else raise the version."),
    ),
)
