"""How `dotnet nuget push` and `nuget push` fail. Texts: NuGet client and NuGetGallery sources."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule
from bot.registries.repository_managers import EXISTS

NAME = "nuget"
HOSTS = r"(?:^|\.)nuget\.org$"
COMMANDS = r"\bnuget(?:\.exe)? +push\b|NuGet/login|\bchoco +push\b|\bPublish-(?:Module|PSResource|Script)\b"
OUTPUT = (
    r"Pushing \S+\.s?nupkg to |Response status code does not indicate success|Your package was pushed"
    r"|^(?:error: )?Pushing took too long"
)
ANCHORS = (
    r"nupkg|status code does not indicate|API [Kk]ey|package was pushed|service index|NU[0-9]{4}|SkipDuplicate",
    r"HttpRequestException|Missing value|argument missing|Pushing took|[Tt]rust policy|[Tt]oken exchange|id-token",
    r"ACTIONS_ID_TOKEN|specified source|No such host|Name or service|Connection ",
)
CLUES = (
    Clue("publish-succeeded", (r"Your package was pushed",)),
    # Feeds that take a user name and password say this too, and mean nothing by it.
    Clue("no-api-key", (r"No API Key was provided[^\n]*'https://(?:www|api)\.nuget\.org",)),
)

_NEW_KEY = (
    (
        "Create an API key on nuget.org with the push scope and a glob that covers the package (365 days at "
        "most); store it as the secret the step reads."
    ),
    "Re-run the failed job, then delete the old key.",
    "Or use trusted publishing with `NuGet/login`.",
)

RULES = (
    Rule(
        "nuget/name",
        "name-rejected",
        "The feed does not accept this package id.",
        (
            r"(?i)package (?:ID|identifier)[^\n]{0,60}(?:reserved|invalid|not available)",
            r"(?i)ID prefix[^\n]{0,30}reserved|namespace[^\n]{0,40}reserved",
        ),
        ("Choose another id, or ask the owner of the reserved prefix.",),
    ),
    Rule(
        "nuget/version-exists",
        "version-exists",
        "This version of the package is already on the feed.",
        (
            r"409[^\n]{0,20}\(?[^\n]{0,120}already exists",
            r"already exists (?:and cannot be modified|at feed)",
            r"Response status code does not indicate success: 409",
            *EXISTS,
            r"To skip already published packages, use the option -SkipDuplicate",
        ),
        ("If a re-run met it, pass `--skip-duplicate`.", "Else raise the version."),
    ),
    Rule(
        "nuget/no-publisher",
        "oidc-publisher-mismatch",
        "nuget.org knows no trusted publishing policy for this run.",
        (
            r"(?i)no matching trust(?:ed publishing)? policy",
            r"(?i)trusted publishing policy[^\n]{0,60}(?:not|mismatch)|Token exchange failed[^\n]{0,40}401",
        ),
        (
            (
                "On nuget.org, compare the trusted publishing policy with this run: owner, repository, workflow "
                "file, environment."
            ),
        ),
    ),
    Rule(
        "nuget/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (r"(?i)ACTIONS_ID_TOKEN_REQUEST[^\n]{0,60}|id-token: ?write",),
        ("Give the job `permissions: { id-token: write }`.",),
    ),
    Rule(
        "nuget/rate-limited",
        "rate-limited",
        "The feed is limiting the rate of requests.",
        (r"does not indicate success: 429|Too Many Requests|(?i)quota[^\n]{0,20}exceeded",),
        ("Wait, then re-run.",),
    ),
    Rule(
        "nuget/no-key",
        "token-missing",
        "No credential reached the feed.",
        (
            r"(?i)an API key must be provided",
            r"(?i)API Key (?:was|is) (?:not provided|required|missing|empty)",
            r"(?i)Unable to load the service index[^\n]{0,120}401|Missing value for option '(?:k|api-key)",
            r"(?i)Required argument missing for option: '?-{0,2}(?:k|api-key)",
        ),
        (
            'Pass the secret to the push: `dotnet nuget push ... --api-key "$NUGET_API_KEY"`.',
            "Runs from forks get no secrets.",
        ),
    ),
    Rule(
        "nuget/no-key-found",
        "token-missing",
        "No API key reached nuget.org: the secret is empty, missing or not passed to the push.",
        (r"does not indicate success: 40[13]",),
        (
            'Pass the secret to the push: `dotnet nuget push ... --api-key "$NUGET_API_KEY"`.',
            "Runs from forks get no secrets.",
        ),
        requires=frozenset({"no-api-key"}),
    ),
    Rule(
        "nuget/dead-key",
        "token-rejected",
        "The feed refused the API key: it is invalid or expired, or does not cover the package.",
        (
            r"does not indicate success: 403 \(?(?:The specified API key is invalid|[^\n]*API key)",
            r"specified API key is invalid|does not indicate success: 401|403 \(The specified API key",
        ),
        _NEW_KEY,
        confidence=0.85,
        maybe=(
            Maybe(
                "insufficient-scope",
                0.35,
                "the key is listed on nuget.org as valid: its glob does not cover the package",
            ),
        ),
        docs="https://learn.microsoft.com/nuget/nuget-org/publish-a-package",
    ),
    Rule(
        "nuget/forbidden",
        "insufficient-scope",
        "The feed forbids the push with this credential.",
        (r"does not indicate success: 403",),
        _NEW_KEY,
        confidence=0.6,
        maybe=(Maybe("token-rejected", 0.4, "the key has expired"),),
    ),
    Rule(
        "nuget/server-error",
        "registry-outage",
        "The feed itself failed (5xx); the credential is not at fault.",
        (r"does not indicate success: 5\d\d",),
        ("Re-run later; look at https://status.nuget.org.",),
    ),
    Rule(
        "nuget/bad-package",
        "bad-package",
        "The package cannot be pushed as it is.",
        (
            r"does not indicate success: (?:4(?:00|13|22))|(?i)file does not exist \(|NU\d{4}: ",
            r"The specified source '[^']*' is invalid|Source parameter was not specified",
            r"The package is missing|nuspec[^\n]{0,40}(?:invalid|missing)|symbol package",
        ),
        ("Mend what the message names, pack again and re-run.",),
        confidence=0.85,
    ),
    Rule(
        "nuget/network",
        "network-error",
        "The runner could not reach the feed; the credential is not at fault.",
        (
            r"Unable to load the service index|NU1301|No such host is known|Name or service not known",
            r"(?i)connection (?:refused|reset|timed out)|A task was canceled|HttpRequestException",
            r"SSL connection could not be established|Pushing took too long",
        ),
        ("Re-run the failed job.",),
        confidence=0.85,
    ),
)
