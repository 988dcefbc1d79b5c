"""How publishes of editor extensions and to JSR fail: the VS Code Marketplace (vsce), Open VSX (ovsx), jsr and deno.

Texts: what these clients print. Their registry has no word of its own in the public vocabulary: it is `other`.
"""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule, anywhere
from bot.registries.extensions import languages

NAME = "other"
HOSTS = r"(?:^|\.)(?:marketplace\.visualstudio\.com|open-vsx\.org|jsr\.io)$|" + languages.HOSTS
COMMANDS = (
    r"\bvsce +publish|\bovsx +publish|\bjsr +publish|\bdeno +publish|vscode-extension"
    r"|" + languages.COMMANDS
)
OUTPUT = (
    r"^ *(?:INFO|ERROR|DONE) +(?:Publishing|Published|Failed request|The Personal Access Token|Access Denied|\S+ v\d)"
    r"|Executing prepublish script|open-vsx\.org|https?://jsr\.io|\bactorNotAuthorized\b"
    r"|" + languages.OUTPUT
)
ANCHORS = (
    r"Personal Access Token|Failed request: \(|Access Denied|prepublish script|open-vsx|jsr\.io|actorNotAuthorized",
    r"[Ii]nvalid access token|No means to authenticate|(?:INFO|DONE|ERROR)  ?[A-Z]|is already published",
    *languages.ANCHORS,
)
CLUES: tuple[Clue, ...] = (
    Clue("publish-succeeded", (r"^ *DONE +Published |^🚀 +Published \S+ v\d|^Successfully published @[\w.\-/]+@\d",)),
    Clue("step-succeeded", (languages.PUBLISHED,)),
)

_REPLACE = (
    "Make a new access token for the marketplace, and store it in the secret the workflow reads.",
    "Re-run the job.",
)

RULES = (
    Rule(
        "extensions/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (r"(?i)permission[^\n]{0,30}id-token: ?write|id-token: ?write[^\n]{0,30}permission",),
        ("Give the job `permissions: { id-token: write }`.", "Re-run the job."),
        settings=anywhere("publish"),
    ),
    Rule(
        "extensions/dead-token",
        "token-rejected",
        "The marketplace refused the access token: it is expired, revoked or of the wrong organization.",
        (
            r"Personal Access Token verification has failed",
            (
                r"(?i)(?:Personal Access Token|\bPAT)\b[^\n]{0,30}(?:expired|revoked|invalid)"
                r"|expired Personal Access Token"
            ),
            r"\bTF400813\b",
            r"\bFailed request: \(401\)",
            r"(?i)\binvalid access token\b",
        ),
        _REPLACE,
        maybe=(Maybe("insufficient-scope", 0.25, "the token is alive and lacks the scope Marketplace: Manage"),),
    ),
    Rule(
        "extensions/no-token",
        "token-missing",
        "No access token reached the marketplace's client.",
        (r"Personal Access Token is (?:mandatory|required)", r"No means to authenticate"),
        ("Pass the token to the step: `VSCE_PAT`, `OVSX_PAT`, or `id-token: write` for JSR.", "Re-run the failed job."),
    ),
    Rule(
        "extensions/no-right",
        "insufficient-scope",
        "The access token is alive but may not publish for this publisher or scope.",
        (
            r"Access Denied: [^\n]*needs the following permission",
            r"\bFailed request: \(403\)",
            r"\bactorNotAuthorized\b|actor is not authorized",
        ),
        (
            "Give the token's owner the right to publish, or link the repository to the package.",
            "Re-run the failed job.",
        ),
    ),
    Rule(
        "extensions/exists",
        "version-exists",
        "This version is already on the marketplace.",
        (
            r"^ *ERROR +\S+ v?\d\S* (?:already exists|is already published)",
            r"Extension \S+ v?\d\S* is already published",
        ),
        ("If a re-run met it, nothing is to be done.", "Else raise the version."),
    ),
    Rule(
        "extensions/manifest",
        "bad-package",
        "The marketplace's client does not take the extension as it is: manifest, README, icon or engine.",
        (
            r"^ *ERROR +(?:Make sure to edit|It seems the|Missing|@types/|Invalid (?:version|publisher|extension))",
            r"^ *ERROR +[^\n]*(?:README|LICENSE|\bicon\b|SVG|engines\.vscode|'repository'|activationEvents)",
        ),
        ("Mend what the message names, then re-run; `vsce ls` and `vsce package` show it beforehand.",),
        settings=anywhere("publish"),
        confidence=0.8,
    ),
    Rule(
        "extensions/slow-types",
        "bad-package",
        "JSR does not take the package as it is: types, file names, imports or its configuration.",
        (
            r"^error\[[a-z][a-z\-]+\]: ",
            r"(?i)^error: (?:found \d+ problems?|aborting due to|failed to (?:type.?check|parse|load)[^\n]*)",
            r"(?i)missing (?:required )?[\"'`](?:name|version|exports)[\"'`] (?:field )?in",
            r"Aborting due to uncommitted changes",
        ),
        ("Mend what the message names, then re-run; `deno publish --dry-run` shows it beforehand.",),
        settings=anywhere("publish"),
        confidence=0.8,
    ),
    *languages.RULES,
)
