"""How `cargo publish` and the crates.io trusted publishing action fail. Texts: cargo and crates.io sources."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule, anywhere

NAME = "crates"
HOSTS = r"(?:^|\.)crates\.io$"
COMMANDS = r"\bcargo\b[^\n]*\b(?:publish|release|yank|owner)\b|crates-io-auth-action|release-plz"
OUTPUT = r"failed to publish [^\n]*to registry|Updating crates\.io index|registry `crates-io`|Cargo registry"
ANCHORS = (
    r"Uploaded[ \x1b]|INFO .*(?:not published yet|published )",
    r"crates?[.\-]io|failed to publish|remote server responded|Caused by|(?:Uploading|Published|Packaging)[ \x1b]",
    r"Cargo registry|Trusted Publishing",
    r"200 OK response|cargo login|already uploaded|already exists|resolve host|spurious|to select a version",
    r"not yet committed|authentication failed|cannot be published|package\.publish",
)

_STATUS = r"(?:status |got |HTTP/\S+ )"
_NEW_TOKEN = (
    (
        "Create a token on crates.io with the scopes publish-new and publish-update for this crate, and store it "
        "as CARGO_REGISTRY_TOKEN."
    ),
    "Re-run the failed job, then revoke the old token.",
    "Or use trusted publishing with `rust-lang/crates-io-auth-action`.",
)

CLUES = (Clue("publish-succeeded", (r"^ *(?:Uploaded|Published) \S+ v?\d\S* (?:to|at) registry",)),)
RULES = (
    Rule(
        "crates/no-publisher",
        "oidc-publisher-mismatch",
        "crates.io knows no trusted publisher for this run.",
        (
            r"(?:Status: (?:\d{3})\. Error: )?No Trusted Publishing config found",
            r"(?i)Trusted Publishing config[^\n]{0,160}(?:mismatch|does not match|not match|but the JWT)",
        ),
        (
            (
                "On crates.io, compare the crate's trusted publisher with this run: repository, workflow file, "
                "environment."
            ),
            "Re-run the job.",
        ),
        docs="https://crates.io/docs/trusted-publishing",
    ),
    Rule(
        "crates/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (
            r"(?i)Please ensure the 'id-token' permission is set to 'write'",
            r"(?i)id-token[^\n]{0,30}permission[^\n]{0,30}write|Unable to get ACTIONS_ID_TOKEN_REQUEST_URL",
        ),
        ("Give the job `permissions: { id-token: write }`.", "Re-run the job."),
        docs="https://crates.io/docs/trusted-publishing",
    ),
    Rule(
        "crates/exchange-outage",
        "registry-outage",
        "crates.io itself failed while the workflow's identity was exchanged.",
        (r"Failed to retrieve token from Cargo registry\. Status: (?P<code>5\d\d)",),
        ("Re-run later; look at https://status.crates.io.",),
    ),
    Rule(
        "crates/exchange",
        "oidc-failed",
        "The exchange of the workflow's identity for a crates.io token failed.",
        (
            r"Failed to retrieve token from Cargo registry\. Status: (?:\d{3})",
            r"Failed to retrieve token from Cargo registry",
        ),
        ("Read the reason the log gives, check the crate's trusted publisher and re-run.",),
        confidence=0.8,
    ),
    Rule(
        "crates/trusted-only",
        "tokens-disallowed",
        "The crate only takes trusted publishing; a new token will not help.",
        (r"can only be published using Trusted Publishing",),
        ("Publish with `rust-lang/crates-io-auth-action`, or let an owner allow tokens in the crate's settings.",),
        docs="https://crates.io/docs/trusted-publishing",
    ),
    Rule(
        "crates/no-token",
        "token-missing",
        "No credential reached crates.io: CARGO_REGISTRY_TOKEN is empty or not passed to the step.",
        (
            r"no token found|please run `cargo login`|no upload token found",
            r"must be logged in to perform that action|this action requires authentication",
            r"(?:--token|CARGO_REGISTRY_TOKEN)[^\n]{0,40}(?:empty|not set|missing)",
            r"please provide a (?:non-empty )?token",
        ),
        ("Pass the secret as CARGO_REGISTRY_TOKEN to the publish step; runs from forks get no secrets.",),
    ),
    Rule(
        "crates/version-exists",
        "version-exists",
        "This version is already on crates.io and cannot be published again.",
        (r"already exists on .*index", r"is already uploaded", r"crate version [^ ]+ (?:already exists|is already)"),
        ("If a re-run after a partial success met it, nothing is to be done.", "Else raise the version."),
    ),
    Rule(
        "crates/not-owner",
        "insufficient-scope",
        "The credential is alive but may not publish this crate.",
        (
            r"you don't seem to be an owner",
            r"this token does not have the required permissions",
            r"(?i)token[^\n]{0,40}(?:not authorized|does not have)[^\n]{0,40}(?:scope|permission|crate)",
        ),
        (
            "Ask an owner: `cargo owner --add USER CRATE`.",
            "Or use a token with the scope publish-update for this crate (publish-new for a new one).",
        ),
        docs="https://doc.rust-lang.org/cargo/reference/publishing.html",
    ),
    Rule(
        "crates/email",
        "insufficient-scope",
        "crates.io wants a verified e-mail address of the account before it publishes.",
        (r"(?i)verified email address is required",),
        ("Verify the account's e-mail address on crates.io, then re-run.",),
    ),
    Rule(
        "crates/dead-token",
        "token-rejected",
        "crates.io refused the token: it is expired, revoked or malformed.",
        (
            r"authentication failed|(?i)token (?:has )?expired|invalid token|(?:status |got )401\b",
            r"The given API token does not match|token rejected for",
        ),
        _NEW_TOKEN,
    ),
    Rule(
        "crates/rate-limited",
        "rate-limited",
        "crates.io is limiting the rate of publishes; the credential is not at fault.",
        (r"(?:status |got )429\b|published too many (?:new crates|versions|updates)",),
        ("Wait until the time the message names, then re-run for the rest.",),
    ),
    Rule(
        "crates/name",
        "name-rejected",
        "crates.io does not accept this crate name.",
        (
            r"(?i)cannot upload a crate with a reserved name|crate name[^\n]{0,40}(?:reserved|invalid)",
            r"(?i)invalid (?:crate|character)[^\n]{0,20} name|crate was previously named",
            r"(?i)name[^\n]{0,20}is too similar",
        ),
        ("Choose another name.",),
    ),
    Rule(
        "crates/server-error",
        "registry-outage",
        "crates.io itself failed (5xx); the credential is not at fault.",
        (_STATUS + r"5\d\d\b",),
        ("Re-run later; look at https://status.crates.io.",),
    ),
    Rule(
        "crates/bad-package",
        "bad-package",
        "The crate cannot be published as it is: manifest, dependency or uncommitted files.",
        (
            r"uncommitted changes detected|files in the working directory contain changes that were not yet committed",
            r"all dependencies must have a version (?:requirement )?specified|missing or empty metadata fields",
            r"`?package\.publish`? (?:is|must)|cannot be published|no matching package named",
            r"max upload size|(?:status |got )(?:4(?:00|13|22))\b|failed to select a version for the requirement",
            r"expected at most \d+ (?:keywords|categories)|invalid (?:category|keyword)",
            r"is not a valid (?:SPDX|license)",
        ),
        ("Mend what the message names in Cargo.toml, then re-run.",),
        confidence=0.85,
    ),
    Rule(
        "crates/forbidden",
        "insufficient-scope",
        "crates.io forbids the action with this credential.",
        (r"(?:status |got )403\b",),
        _NEW_TOKEN,
        confidence=0.55,
        maybe=(Maybe("token-rejected", 0.4, "the token no longer exists on crates.io"),),
    ),
    Rule(
        "crates/network",
        "network-error",
        "The runner could not reach crates.io; the credential is not at fault.",
        (
            r"Couldn't resolve host|Could(?:n't| not) connect to server|spurious network error",
            r"\[(?:6|7|28|35|56)\] |Timeout was reached|SSL connect error|curl failed|failed to lookup address",
            r"operation timed out|Connection reset by peer|download of config\.json failed",
        ),
        ("Re-run the failed job; if it fails again, check the runner's network.",),
        settings=anywhere("publish", "other", "install"),
        confidence=0.9,
    ),
)
