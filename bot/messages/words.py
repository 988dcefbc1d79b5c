"""The vocabulary of causes, kinds and levels in plain language, for people who do not know what a packument is."""

from __future__ import annotations

from storage.tokens import Use

# After "It could also be that ...".
CAUSE_WORDS = {
    "token-rejected": "the token is dead: expired, revoked or mistyped",
    "token-missing": "no token reached the registry: the secret is empty or not passed on",
    "no-access": "the token may not write to this package, or is dead; npm answers 404 for both",
    "insufficient-scope": "the token is alive but may not publish this package",
    "two-factor-required": "the package asks for two-factor authentication and the token cannot bypass it",
    "otp-required": "the registry asked for a one-time password",
    "tokens-disallowed": "the package forbids publishing with tokens, so a new token would not help",
    "bypass-restricted": "tokens that bypass two-factor authentication may no longer do this",
    "stage-required": "the token may only stage a version, not publish it",
    "direct-publish-denied": "the trusted publisher may not publish directly, only stage",
    "oidc-permission-missing": "the workflow lacks the permission `id-token: write`",
    "oidc-publisher-mismatch": "the trusted publisher names another repository, workflow or environment",
    "oidc-cli-too-old": "the npm version on the runner is too old for trusted publishing",
    "oidc-runner-unsupported": "this kind of runner cannot use trusted publishing",
    "oidc-failed": "trusted publishing failed in a way the log does not explain",
    "ip-not-allowed": "the runner's address is not on the token's allow-list",
    "payment-required": "the package is private and the account has no plan for that",
    "github-auth": "the release tool was not allowed to push or tag on GitHub",
    "install-auth": "the token failed while installing private dependencies",
    "provenance-rejected": "the provenance does not match the repository in package.json",
    "version-exists": "this version is on the registry already",
    "already-staged": "this version is staged already and waits for approval",
    "name-rejected": "the registry does not accept the package name",
    "bad-package": "something in the package or its options is wrong",
    "build-failed": "the build failed before anything was published",
    "rate-limited": "the registry asked to slow down",
    "registry-outage": "the registry itself had an error",
    "network-error": "the runner could not reach the registry",
    "not-a-publish": "the job never tried to publish",
    "staged": "the version is staged and waits for approval",
    "published": "the version was published",
    "unknown": "something else; the log does not say",
}

# Said on the card when no credential is to blame, so that nobody rotates one.
BLAMELESS = {
    "registry-outage": "The registry had the problem. No token is at fault and there is nothing to rotate.",
    "rate-limited": "The registry asked to slow down. No token is at fault and there is nothing to rotate.",
    "network-error": "The runner's connection failed. No token is at fault and there is nothing to rotate.",
    "registry-side": "Unrelated tokens fail in the same minutes. Do not rotate any of them for this.",
    "release-missing": "No failed run of it was heard of, so nothing says that a token is at fault.",
    "release-staged": "Nothing failed: a person has to approve it.",
    "version-exists": "The version is out. No token has to be replaced for it.",
    "staged": "Nothing failed.",
}
BLAMELESS_ELSE = "No token is at fault."

# A new or better token would mend these: codes of verdicts, and causes where no verdict goes further. Not:
# token-missing, secret-never-updated, wrong-level-rotated (the token may be fine), tokens-disallowed, bypass-restricted
# and policy-date-passed (a new one is refused as well), whatever is about trust (there is no token).
TOKEN_AT_FAULT = frozenset(
    {
        "secret-leaked",
        "probe-refused",
        "token-rejected",
        "no-access",
        "insufficient-scope",
        "two-factor-required",
        "otp-required",
        "stage-required",
        "install-auth",
        "token-classic",
        "token-expired",
        "token-needs-bypass",
        "token-not-granted",
        "token-read-only",
        "token-revoked",
        "token-revoked-early",
        "token-stage-only",
        "token-stopped-working",
        "secret-old",
    }
)

KIND_WORDS = {
    "granular": "granular access token",
    "session": "session token (two hours)",
    "classic": "classic token (dead since December 2025)",
    "automation": "classic automation token (dead since December 2025)",
    "trusted-publisher": "trusted publisher (no token)",
    "pat": "GitHub personal access token",
    "api-token": "API token",
}
PERMISSION_WORDS = {
    "read-only": "may read",
    "read-write": "may publish",
    "read-write-stage-only": "may stage versions for approval, not publish",
    "no-access": "no access to packages",
}
REGISTRY_WORDS = {
    "npm": "npm",
    "github-packages": "GitHub Packages",
    "github": "GitHub",
    "pypi": "PyPI",
    "crates": "crates.io",
    "rubygems": "RubyGems",
    "nuget": "NuGet",
    "docker": "a container registry",
    "maven": "Maven",
}
LEVEL_WORDS = {
    "organization": "organisation secret",
    "repository": "repository secret",
    "environment": "environment secret",
    "elsewhere": "outside GitHub secrets",
}
STATE_WORDS = {"open": "open", "claimed": "claimed", "snoozed": "snoozed", "resolved": "resolved"}


def cause_words(cause: str) -> str:
    """Falls back to the word itself, for causes newer than this table."""
    return CAUSE_WORDS.get(cause, cause.replace("-", " "))


def registry_words(registry: str | None) -> str:
    return REGISTRY_WORDS.get(registry or "", registry or "the registry")


def use_words(use: Use) -> str:
    """`acme/ui, release.yml, repository secret NPM_TOKEN`; plain text from outside, not yet safe."""
    parts = [use.repo]
    if use.workflow:
        parts.append(workflow_words(use.workflow))
    level = LEVEL_WORDS.get(use.level, use.level)
    if use.secret:
        parts.append(f"{level} {use.secret}")
    elif use.level != "elsewhere":
        parts.append(level)
    if use.environment:
        parts.append(f"environment {use.environment}")
    return ", ".join(parts)


def workflow_words(workflow: str) -> str:
    """`.github/workflows/release.yml` is `release.yml` to everybody."""
    return workflow.removeprefix(".github/workflows/")
