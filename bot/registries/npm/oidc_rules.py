"""Failures of npm trusted publishing (OIDC). At the default log level npm hides them: then only clues are left.

Source of the messages: npm's utils/oidc.js, libnpmpublish's provenance.js, pnpm's and semantic-release's own exchange.
"""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule
from bot.registries.npm import fixes
from bot.registries.npm.texts import FORBIDDEN, NEED_AUTH, NOT_FOUND, UNAUTHORIZED

OIDC_CLUES = (
    Clue(
        "oidc-no-permission",
        (
            r"Skipped because incorrect permissions for id-?token",
            r"ID_TOKEN_GITHUB_WORKFLOW_INCORRECT_PERMISSIONS",
            r"ACTIONS_ID_TOKEN_REQUEST_(?:URL|TOKEN)[^.]{0,60}(?:unset|not set|missing|undefined|unavailable)",
            r"Unable to get ACTIONS_ID_TOKEN_REQUEST_(?:URL|TOKEN)",
            r"Have you granted the .?id-token: write.? permission",
        ),
    ),
    Clue(
        "oidc-no-publisher",
        (
            r"OIDC token exchange error - package not found",
            r"(?i)OIDC[^\n]{0,60}exchange[^\n]{0,60}failed: 404",
            r"ERR_PNPM_AUTH_TOKEN_EXCHANGE.*\b404\b",
            r"POST 404 https?://[^ ]+/oidc/token/exchange/",
            r"(?i)no (?:matching )?trusted publisher",
        ),
    ),
    Clue(
        "oidc-exchange-failed",
        (
            r"OIDC token exchange error - ",
            r"Failed token exchange request",
            r"(?i)OIDC[^\n]{0,60}exchange[^\n]{0,60}failed",
            r"ERR_PNPM_AUTH_TOKEN_EXCHANGE",
            r"ERR_PNPM_ID_TOKEN_(?:GITHUB_INVALID|[A-Z_]*(?:TIMEOUT|FAILED|INVALID|MISSING))",
            r"POST [45]\d\d https?://[^ ]+/oidc/token/exchange/",
            r"Failed to fetch id_?[tT]oken|token exchange was missing the token|Failed to set provenance with message",
            r"(?i)Retrieval of GitHub Actions OIDC token failed",
        ),
    ),
    Clue(
        "oidc-intended",
        (
            r"(?i)trusted publish(?:ing|er)",
            r"(?i)Verifying OIDC context",
            r"npm (?:verbose|silly) oidc ",
            r"(?i)\bOIDC\b.{0,40}\bpublish|\bpublish.{0,40}\bOIDC\b",
        ),
    ),
)
_AUTH = (*NEED_AUTH, *UNAUTHORIZED, *NOT_FOUND)
_TOKEN_MAYBE = Maybe("token-missing", 0.3, "the package has no trusted publisher: a token is meant to be used")

OIDC_RULES = (
    Rule(
        "npm/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (
            r"requires \"write\" access to the \"id-token\" permission",
            r"Provenance generation in GitLab CI requires \"SIGSTORE_ID_TOKEN\"",
            r"ACTIONS_ID_TOKEN_REQUEST_(?:URL|TOKEN)[^.]{0,60}(?:unset|not set|missing|undefined)",
            r"Unable to get ACTIONS_ID_TOKEN_REQUEST",
        ),
        fixes.ALLOW_ID_TOKEN,
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/direct-publish-denied",
        "direct-publish-denied",
        "The registry accepted the workflow's identity and does not allow it this action (direct publishing).",
        (r"OIDC permission denied for this action",),
        fixes.ALLOW_DIRECT,
        maybe=(
            Maybe(
                "oidc-publisher-mismatch",
                0.25,
                "repository, workflow file or environment differ from the trusted publisher",
            ),
        ),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/runner",
        "oidc-runner-unsupported",
        "Provenance and trusted publishing do not work on this runner: only hosted runners of known providers can.",
        (
            r"Unsupported GitHub Actions runner environment",
            r"(?i)self-hosted[^.]{0,60}(?:not supported|unsupported)|Only \\?\"github-hosted\\?\" runners",
            r"Automatic provenance generation not supported for provider",
            r"(?i)unsupported (?:ci|oidc) provider",
        ),
        fixes.HOSTED_RUNNER,
        maybe=(Maybe("provenance-rejected", 0.2, "publishing without provenance works from this runner"),),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/cli-guard",
        "oidc-cli-too-old",
        "This npm is too old for trusted publishing, which needs 11.5.1 or newer.",
        (
            r"(?i)(?:trusted publish\w*|OIDC)[^\n]{0,60}(?:needs|requires?)[^\n]{0,20}npm[^\n]{0,30}11\.\d",
            r"(?i)npm[^\n]{0,40}(?:cannot|can't|does not|doesn't)[^\n]{0,40}(?:OIDC|trusted publish)",
            r"(?i)requires? npm (?:CLI )?(?:version )?(?:>=? ?)?v?11\.5(?:\.1)?",
        ),
        fixes.UPGRADE_NPM,
        maybe=(Maybe("not-a-publish", 0.1, "the guard belongs to another job"),),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/exchange-not-found",
        "oidc-publisher-mismatch",
        (
            "The registry knows no trusted publisher for this run: repository, workflow file or environment "
            "differ, or none is configured."
        ),
        (*_AUTH, *FORBIDDEN),
        fixes.FIX_PUBLISHER,
        requires=frozenset({"oidc-no-publisher"}),
        confidence=0.9,
        maybe=(Maybe("oidc-failed", 0.2, "the trusted publisher matches this run in every field"),),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/exchange-not-permitted",
        "oidc-permission-missing",
        (
            "The workflow may not ask for an identity token: the job lacks `id-token: write`, and no token was "
            "there instead."
        ),
        NEED_AUTH,
        fixes.ALLOW_ID_TOKEN,
        requires=frozenset({"oidc-no-permission"}),
        confidence=0.85,
        maybe=(_TOKEN_MAYBE,),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/exchange-failed",
        "oidc-failed",
        "The exchange of the workflow's identity for a publishing token failed.",
        (*_AUTH, *FORBIDDEN),
        fixes.READ_OIDC_REASON,
        requires=frozenset({"oidc-exchange-failed"}),
        confidence=0.85,
        maybe=(Maybe("oidc-publisher-mismatch", 0.3, "the trusted publisher differs from this run in some field"),),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/exchange-not-permitted-no-token",
        "oidc-permission-missing",
        (
            "The workflow may not ask for an identity token: the job lacks `id-token: write`, and no token was "
            "there instead."
        ),
        (*UNAUTHORIZED, *NOT_FOUND),
        fixes.ALLOW_ID_TOKEN,
        requires=frozenset({"oidc-no-permission", "token-absent"}),
        confidence=0.7,
        maybe=(_TOKEN_MAYBE, Maybe("no-access", 0.3, "a token is configured outside the step")),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/cli-too-old",
        "oidc-cli-too-old",
        "The run means to use trusted publishing, which this npm is too old for: it needs 11.5.1 or newer.",
        _AUTH,
        fixes.UPGRADE_NPM,
        requires=frozenset({"npm-too-old-for-oidc", "oidc-intended"}),
        excludes=frozenset({"token-set", "expired-notice"}),
        confidence=0.8,
        maybe=(_TOKEN_MAYBE, Maybe("oidc-publisher-mismatch", 0.2, "a newer npm fails too")),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/quiet-provenance",
        "oidc-publisher-mismatch",
        (
            "Provenance was signed, yet the registry did not accept the workflow as publisher: most likely its "
            "trusted publisher does not match."
        ),
        NOT_FOUND,
        fixes.FIX_PUBLISHER,
        requires=frozenset({"provenance-signed", "npm-can-oidc"}),
        excludes=frozenset({"token-set", "expired-notice"}),
        confidence=0.65,
        maybe=(
            Maybe("no-access", 0.4, "the step has a token: it may not write to this package"),
            Maybe("oidc-failed", 0.2, "the trusted publisher matches this run in every field"),
        ),
        docs=fixes.TRUSTED_DOCS,
    ),
)
