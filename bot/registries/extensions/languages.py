"""How publishes to the registries of smaller languages and systems fail: each is `other`.

Hex (mix), CocoaPods (pod), pub.dev (dart, flutter), Anaconda, Conan, LuaRocks, Hackage (cabal), Ansible Galaxy, Snap,
Clojars (lein), releases by electron-builder. Texts: what these clients print.
"""

from __future__ import annotations

from bot.diagnosis.rule import Maybe, Rule, anywhere

HOSTS = (
    r"(?:^|\.)(?:hex\.pm|pub\.dev|pub\.dartlang\.org|anaconda\.org|galaxy\.ansible\.com|clojars\.org|cocoapods\.org|luarocks\.org"
    r"|hackage\.haskell\.org|snapcraft\.io|buf\.build)$"
)
COMMANDS = (
    r"\bmix +hex\.publish|\bpod +trunk +push|\b(?:dart|flutter) +pub +publish|\banaconda\b[^\n]*\bupload\b"
    r"|\bconan +upload|\bluarocks +upload|\bcabal +upload|\bansible-galaxy +(?:collection|role) +(?:publish|import)"
    r"|\bbuf +push\b|\bpackage-registry +publish\b"
    r"|\bsnapcraft +(?:upload|push|release)|\blein +deploy|\belectron-builder\b[^\n]*(?:--publish|-p)\b"
)
OUTPUT = (
    r"^Publishing package to (?:public|private) repository hexpm|^Updating spec repo `trunk`|api\.anaconda\.org"
    r"|^Publishing \S+ \S+ to https?://pub\.dev|electron-builder +version=|galaxy\.ansible\.com"
)
ANCHORS = (
    r"\(Mix\)|hexpm|No authenticated user|\[!\] |trunk|pub\.dev|Pub needs|has no permission|anaconda|token has expired",
    r"Wrong user|ERROR: 40[13]: |interactive mode|Please log in",
    r"Package published to|successfully p|Successfully uploaded",
    r"Upload(?:ed)? co|Done: http|Collection has been|Revision ",
    r"not authenticated|HTTP Code: 4|no longer valid|NotFound|modify a release|Unknown publisher",
    r"Personal Access Token is not set|electron-builder|Galaxy|snapcraft|[Cc]lojars|Hackage|api key|API key",
    (
        r"calling [A-Za-z]|publishing (?:is|from|with) "
        r"|Building [a-z]|already (?:exists|published|pushed)|duplicate entry|\(40[0-9]\)|\(status: 4"
        r"|macaroon|authorization to upload"
    ),
)

PUBLISHED = (
    r"^Package published to https?://hex\.pm/|\([\w.\-]+\) successfully published"
    r"|^(?:Message from server: )?Successfully uploaded https?://|^Upload complete|^Uploaded conan "
    r"|^Done: https?://luarocks|^Collection has been published to|^Revision \d+ created for '"
    r"|^Package successfully published|\bwas (?:successfully pushed|pushed successfully) to"
)

_HERE = anywhere("publish")
_REPLACE = (
    "Make a new token at the registry and store it in the secret that the publish step reads.",
    "Re-run the job.",
)

RULES = (
    Rule(
        "languages/pub-publisher",
        "oidc-publisher-mismatch",
        "pub.dev does not take the package from this run: repository, tag pattern or environment differ.",
        (
            r"The calling [\w ]+ is not allowed to publish",
            r"publishing (?:from github|with [^\n]{0,60}) is not enabled",
            r"publishing is (?:only allowed from|configured to)",
        ),
        (
            (
                "On pub.dev, compare the package's automated publishing with this run: repository, tag pattern, "
                "environment."
            ),
            "Publish from the tag that the pattern names, then re-run.",
        ),
        settings=_HERE,
        docs="https://dart.dev/tools/pub/automated-publishing",
    ),
    Rule(
        "languages/no-token",
        "token-missing",
        "No credential reached the registry: the secret is empty, missing or not passed to the step.",
        (
            r"(?:\(Mix\) |^)No authenticated (?:user|organization)|(?i)HEX_API_KEY[^\n]{0,40}(?:not set|missing|empty)",
            (
                r"^\[!\] You need to (?:register|run `pod trunk register)"
                r"|COCOAPODS_TRUNK_TOKEN[^\n]{0,40}(?:not set|missing)"
            ),
            r"^Pub needs your authorization to upload packages|No credentials found for https?://pub\.dev",
            r"Personal Access Token is not set, neither programmatically",
            r"(?i)no (?:galaxy )?(?:token|API key) (?:was )?(?:found|specified|provided|set)",
            (
                r"^ERROR: Conan interactive mode disabled|^Please log in to \"[^\"]*\" to perform this action"
                r"|(?i)you must be logged in (?:to|before) (?:upload|publish|push)|you are not authenticated for "
                r"|Please authenticate with `snapcraft login`"
            ),
        ),
        (
            "Check that the secret exists where the job can see it and is passed to the publish step.",
            "Runs from forks get no secrets.",
        ),
        settings=_HERE,
        confidence=0.85,
        maybe=(Maybe("token-rejected", 0.15, "the secret is set at the level the workflow reads"),),
    ),
    Rule(
        "languages/dead-token",
        "token-rejected",
        "The registry refused the credential: it is expired, revoked or wrong.",
        (
            r"^ERROR: 401: |^ERROR: Wrong user or password",  # conan
            r"(?i)invalid (?:API )?key|\(401\)|, 401\)|HTTP/?\S* 401\b|\b401 Unauthorized|(?i)status(?: code)?:? 401\b",
            r"Authentication token is invalid or unverified|\binvalidBearerToken\b|HTTP Code: 401\b|server error 401\b",
            (
                r"(?i)(?:token|key|macaroon|credentials?) (?:has|have|is|are) "
                r"(?:expired|revoked|invalid|no(?:t| longer) valid)"
            ),
        ),
        _REPLACE,
        settings=_HERE,
        confidence=0.8,
        maybe=(Maybe("token-missing", 0.2, "the secret is empty or not passed to the step"),),
    ),
    Rule(
        "languages/no-right",
        "insufficient-scope",
        "The credential is alive but may not publish this package.",
        (
            r"^ERROR: (?:Permission denied for user|403: )",
            r"has no permission to upload package|Insufficient permissions to the resource",
            r"(?i)(?:you are not|is not) (?:allowed|authorized|permitted|an owner)[^\n]{0,40}",
            r"Insufficient access rights for publisher|Unknown publisher: |\b(?:scope|package)NotFound\b",
            r"\bHTTP Code: 403\b",
            r"(?i)(?:key|account is) not authorized for this action|not an owner of|\(403\)|, 403\)|\b403 Forbidden",
            r"(?i)status(?: code)?:? 403\b",
        ),
        ("Let an owner of the package add the account, or use a token that may write to it.", "Re-run the job."),
        settings=_HERE,
        confidence=0.75,
        maybe=(Maybe("token-rejected", 0.25, "the token no longer works at all"),),
    ),
    Rule(
        "languages/exists",
        "version-exists",
        "This version is already on the registry.",
        (
            r"(?i)version \S+ (?:of \S+ )?already (?:exists|published)|already (?:been )?(?:pushed|published)",
            r"(?i)duplicate entry for|has already been (?:released|uploaded)|must include the --replace flag",
            r"can only modify a release up to",
            r"(?i)\balready exists\b|\(409\)",
        ),
        ("If a re-run met it, nothing is to be done.", "Else raise the version."),
        settings=_HERE,
        confidence=0.85,
    ),
    Rule(
        "languages/outage",
        "registry-outage",
        "The registry itself failed (5xx); the credential is not at fault.",
        (r"\(5\d\d\)|\b5\d\d (?:Internal|Bad Gateway|Service|Gateway)|(?i)status(?: code)?:? 5\d\d\b",),
        ("Re-run later.",),
        settings=_HERE,
    ),
    Rule(
        "languages/invalid",
        "bad-package",
        "The registry or its client found the package wrong: manifest, files or metadata.",
        (
            (
                r"\(422\)|Package validation found the following"
                r"|^\[!\] (?:The spec did not pass validation|\S+ did not pass)"
            ),
        ),
        ("Mend what the message names, then re-run.",),
        settings=_HERE,
        confidence=0.8,
    ),
)
