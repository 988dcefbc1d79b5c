"""How publishes to npm and npm-like registries fail, most specific first."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule, anywhere
from bot.registries.npm import fixes
from bot.registries.npm.install_rules import INSTALL_RULES
from bot.registries.npm.oidc_rules import OIDC_CLUES, OIDC_RULES
from bot.registries.npm.package_rules import PACKAGE_RULES
from bot.registries.npm.texts import (
    FORBIDDEN,
    NEED_AUTH,
    NETWORK,
    NOT_FOUND,
    SERVER_ERROR,
    UNAUTHORIZED,
    code,
    status,
    word,
)

NAME = "npm"
HOSTS = r"(?:^|\.)npmjs\.(?:org|com)$|^registry\.yarnpkg\.com$"  # yarn's is another name of npm's
COMMANDS = (
    r"\b(?:npm|pnpm|yarn|bun|lerna|changesets?|nx|rush|semantic-release|release-it|np|npm-publish|turbo|auto|vlt)\b"
)
OUTPUT = (
    r"npm (?:notice|ERR!|error)|^(?:Publish token|Read only token|Token) \S+ with id|^Removed \d+ token"
    r"|^🦋|^lerna |YN0000: (?:Publishing|Staging)|^bun publish v|^yarn publish v|^📦 "
    r"|\[semantic-release\]|^name: 'HttpError|\bHttpErrorGeneral: "
    r"|ERR_PNPM|Couldn't publish package|^These packages will be published|ackages failed to publish:$"
)
G = r"(?:\x1b\[[0-9;]*m|[ \t])+"  # a space, or the colour codes some runners leave between two words
ANCHORS = (
    rf"npm{G}(?:ERR!|error)",
    (
        rf"npm{G}notice{G}(?:📦|Publish|Access|name:|version:|Staging|stage|package[: ]|run|Log|publish|="
        rf"|Tarball|New|deprec)"
    ),
    rf"npm{G}(?:http{G}fetch{G}(?:PUT|POST)|verb(?:ose)?{G}(?:oidc|cli|exit)|silly{G}oidc|info{G}(?:using|publish|ok))",
    rf"npm{G}(?:WARN|warn){G}(?:publish|This)",
    (
        r"✔ npm publish|publish skipped|new packages that|🦋|📦|🚀|✅|Packages? failed to publish"
        r"|packages? failed|└ E[0-9A-Z]"
    ),
    rf"lerna{G}(?:ERR!|WARN|success|http{G}fetch|info{G}(?:publish|lifecycle|Verifying|git)|notice{G}cli)| => [0-9]",
    r"HttpError|pkgid: '|\bcode: 'E|\[semantic-release\]|E[A-Z]{2,}TOKEN|E[A-Z]+PERMISSION|ENOPKG",
    r"YN00(?:0[19]|27|28|33|35|36|41|82)|YN0000: @?[a-z0-9][^ ]*@workspace:",
    r"YN0000: (?:Publish|Packag|Failed|Done|Staging|· Yarn|·|┌|└)|Resolution step",
    r"ERR_PNPM|ELIFECYCLE|ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENEEDAUTH|EPRIVATE|EOTP|EAUTHIP|EPUBLISH|E_STAGE",
    r"EWHOAMI|EJSONPARSE|ERESOLVE",
    r"\[E[A-Z0-9_]{3,}\]|E[45][0-9]{2}\b|[45][0-9]{2} [A-Z][A-Za-z]+(?: [A-Z][a-z]+)* - ",
    r"[45][0-9]{2} [A-Z][A-Za-z ]+: http|(?: - |\(status )[45][0-9]{2}\b",
    r"(?:bun|yarn) (?:publish|install) v|[Pp]ublish(?:ed|ing) |Publish a new|Staged package|New tag",
    r"^\x1b?\[?[0-9;m]*\+ ?[@a-z0-9]|[ \t]\+ [@a-z]|success (?:[Pp]ublished|packages)|Couldn't publish",
    r"Current version|New version",
    r"OIDC|[Tt]rusted publish|id_?token|ID_TOKEN|idToken|Failed to replace env|[Pp]rovenance",
    r"(?:requires|provide) a one-time pass|OTP",
    r"Access token|logged in|Not authenticated with|No token found|missing authentication",
    r"unable to authenticate|Unable to authenticate|Not found|could not be found|not in this registry",
    r"write permission|collaborator for|not allowed|[uU]nauthorized (?:access|-)|: Unauthorized",
    r"401 Unauthorized|authorization required|HTTP header|header content|newline or NUL",
    r"private package|marked as private|Private workspaces|dist-tag|specify a|nx-release-publish|publish error",
    r"entity too large|No workspaces found",
    r"ResponseError|Request failed|socket hang up|ConnectionRefused|DNSResolve|error sending|Registry: http",
    r"builder error|failed, reason|Bad Gateway|Unavailable|Internal Server",
    r"failed to authenticate|find the current user|using v?pnpm|pnpm v?[0-9]|npm: [0-9]|npm --version",
    r"npm@[0-9]|Yarn [0-9]|bun v[0-9]",
    r"new version is released|relevant changes|hangesets|release PR|files have been updated",
    r"(?:packages?|projects|[Nn]othing) to (?:publish|release)|is required to|mission to publish",
    r"required to publish|ran target|archive (?:published|staged)",
    r"added [0-9]+ package|with id [0-9a-f]{6} |Removed [0-9]+ token|Logged in on|Successfully published",
    r"Creat(?:ing|ed) git tag|Have you granted",
    r"[0-9] => |^ - @?[a-z]|prepublishOnly|Lockfile|lockfile|read package\.json",
    r"package\.json (?:must|file|found|was)|package-lock\.json|No package\.json|JSON data",
    (
        r"[Ss]kipping |[Aa]lready (?:published|exists|on (?:the|npm))|tag already exists"
        r"|\(already exists\)|already (?:been )?published|already exists|rate limit|failed to resolve"
    ),
)

CLUES = (
    # Proves nothing alone: npm also sends it on installs and, for some months, on any 404.
    Clue("expired-notice", (r"Access token expired or revoked",)),
    Clue("unreplaced-variable", (r"Failed to replace env in config: \$\{",)),
    Clue("provenance-signed", (r"Signed provenance statement",)),
    Clue("scope-missing", (r"\bScope not found\b",)),
    Clue(
        "publish-succeeded",
        (
            r"^success Published\.",  # yarn 1
            r"^✔ npm publish$",  # release-it
            r"YN0000: Package archive (?:published|staged)",
            r"packages published successfully|Successfully published:$|^Published to https?://",
            r"Successfully ran target nx-release-publish",
        ),
    ),
    Clue(
        "nothing-to-publish",
        (
            r"no new version is released|There are no (?:relevant changes|changesets|new packages)",
            r"preparing release PR|All files have been updated\. Review them and commit",
            r"(?i)no (?:changed|unpublished) (?:packages|projects) to publish|nothing to (?:publish|release)",
            r"(?i)No changesets (?:present|found)",
            r"(?i)all packages have already been published|no packages to publish",
            r"\b[Ss]kipping [^\n]{0,30}\b(?:publish|release|upload)(?:ing)?\b",
            r"@\d\S* publish skipped\b",
            r"(?i)already (?:published|exists|on (?:the registry|npm\w*))[,;:.]? *(?:-+ *)?(?:nothing to do|skip)",
            (
                r"(?i)\bskip(?:s|ped|ping)?\b[^\n]{0,60}\b(?:is |was )?already (?:published|exists"
                r"|on (?:the registry|npm\w*))"
            ),
        ),
    ),
    *OIDC_CLUES,
)

_OWNER_LEFT = Maybe(
    "name-rejected", 0.2, "the package exists on the registry and belongs to somebody else: the name is taken"
)

TOKEN_RULES = (
    Rule(
        "npm/e-stage-required",
        "stage-required",
        "The token may only stage versions; a direct publish needs a person's approval.",
        (
            r"\bE_STAGE_REQUIRED\b",
            r"may only (?:be used to )?stage packages",
            r"Direct publishing is not allowed with this token",
        ),
        fixes.STAGE,
        docs=fixes.STAGE_DOCS,
    ),
    Rule(
        "npm/bypass-restricted",
        "bypass-restricted",
        (
            "The token is alive, but a token that bypasses 2FA may no longer manage accounts or packages (rule "
            "of July 2026)."
        ),
        (r"tokens that bypass two-factor authentication may not perform this action",),
        fixes.BY_A_PERSON,
        docs=fixes.BYPASS_DOCS,
    ),
    Rule(
        "npm/tokens-disallowed",
        "tokens-disallowed",
        "The package's own setting forbids publishing with tokens; a new token will not help.",
        (
            r"but an automation token was specified",
            (
                r"(?i)(?:package|settings?)[^.]{0,60}(?:disallows?|does not allow"
                r"|forbids?) (?:publishing with |the use of )?(?:automation |access |granular )?tokens"
            ),
            r"(?i)tokens? (?:is|are) (?:not allowed|disallowed|forbidden) (?:to publish|for) th(?:is|e) package",
            r"(?i)requires? two-factor authentication and disallows? tokens",
        ),
        fixes.USE_OIDC,
        maybe=(Maybe("two-factor-required", 0.2, "the package's publishing access allows tokens that bypass 2FA"),),
        docs=fixes.TRUSTED_DOCS,
    ),
    Rule(
        "npm/two-factor-required",
        "two-factor-required",
        "The registry wants two-factor authentication, or a token that may bypass it; this token may not.",
        (
            r"Two-factor authentication or granular access token with bypass 2fa enabled is required",
            r"(?i)(?:two-factor authentication|2fa)[^.\"]{0,80}\bis required to (?:publish|perform|modify|change)",
            r"(?i)(?:you must|please|need to) enable (?:2fa|two-factor)",
            r"(?i)two-factor authentication (?:is )?(?:enabled|required)[^.\"]{0,60}to publish",
        ),
        fixes.BYPASS_TWO_FACTOR,
        maybe=(
            Maybe("tokens-disallowed", 0.15, "the token has bypass 2FA already: the package's settings forbid tokens"),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/otp",
        "otp-required",
        "The registry asks for a one-time password, which a pipeline cannot type: the token does not bypass 2FA.",
        (
            word("EOTP"),
            r"This operation requires a one-time password",
            r"You must provide a one-time pass",
            r"ERR_PNPM_OTP_NON_INTERACTIVE|requires additional authentication, but",
            r"failed to read OTP input|Can't answer a question unless a user TTY",
            r"YN0033: .*requires additional authentication",
            r"(?i)\benter (?:an? )?(?:otp|one-time password)\b.*:\s*$",
            r"\bOTP required for\b|requires an OTP",
        ),
        fixes.ONE_TIME_PASSWORD,
        maybe=(
            Maybe("tokens-disallowed", 0.15, "the token has bypass 2FA already: the package's settings forbid tokens"),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/address",
        "ip-not-allowed",
        "The registry refused the runner's address: it is not on the token's or organization's allow-list.",
        (
            word("EAUTHIP"),
            r"(?i)not allowed from your IP address",
            r"(?i)IP address[^.]{0,40}(?:is not|not) (?:permitted|allowed|on the allow)",
            r"(?i)\bCIDR\b[^.]{0,60}(?:does not|not) (?:match|allow|include)",
        ),
        fixes.FIX_ADDRESS,
        settings=anywhere("publish", "other", "install"),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/payment",
        "payment-required",
        (
            "The registry wants payment: a private package in a scope without a paid plan, or a public one "
            "published without `access` public."
        ),
        (*status(402, "Payment Required"), r"[Yy]ou must sign up for private packages", code("402")),
        fixes.MAKE_PUBLIC,
        docs="https://docs.npmjs.com/creating-and-publishing-scoped-public-packages",
    ),
)

ACCESS_RULES = (
    Rule(
        "npm/rate-limited",
        "rate-limited",
        "The registry is limiting the rate of requests; the credential is not at fault.",
        (
            *status(429, "Too Many Requests"),
            r"(?i)\brate limit(?:ed)?(?: exceeded)?\b",
            code("429"),
            r"\b429 Too Many Requests",
        ),
        fixes.WAIT,
    ),
    Rule(
        "npm/token-not-header",
        "token-rejected",
        "The token cannot be sent: the secret holds a line break or another character that no header may have.",
        (
            r"is not a legal HTTP header value",
            r"Invalid character in header content \[\\?\"?authorization",
            r"_authToken[^ ]* in \.npmrc contains a newline or NUL byte",
            r"(?i)invalid (?:character|value)[^.]{0,40}header[^.]{0,40}authorization",
        ),
        (
            'Store the secret again without a line break at its end: `printf %s "$TOKEN" | gh secret set NPM_TOKEN`.',
            "Re-run the failed job.",
        ),
    ),
    Rule(
        "npm/variable-unreplaced",
        "token-missing",
        "The token variable named in .npmrc was not set, so no credential reached the registry.",
        (*UNAUTHORIZED, *NEED_AUTH, *NOT_FOUND, r"Error: Failed to replace env in config: \$\{"),
        fixes.SUPPLY_TOKEN,
        requires=frozenset({"unreplaced-variable"}),
        maybe=(Maybe("token-rejected", 0.1, "the variable was set and its token is dead"),),
    ),
    Rule(
        "npm/need-auth-old-client",
        "token-missing",
        "No credential reached the registry, and this npm is too old to get one by trusted publishing.",
        NEED_AUTH,
        fixes.SUPPLY_TOKEN,
        requires=frozenset({"npm-too-old-for-oidc", "token-absent"}),
        confidence=0.85,
        maybe=(
            Maybe("oidc-cli-too-old", 0.4, "the package has a trusted publisher: then npm 11.5.1 or newer is needed"),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/need-auth",
        "token-missing",
        "No credential reached the registry: the secret is empty, missing or not passed to the step.",
        NEED_AUTH,
        fixes.SUPPLY_TOKEN,
        maybe=(
            Maybe(
                "oidc-publisher-mismatch",
                0.2,
                "the workflow has `id-token: write` and no token: OIDC was refused silently",
            ),
            Maybe(
                "oidc-permission-missing",
                0.15,
                "the package has a trusted publisher and the job lacks `id-token: write`",
            ),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/dead-token-notice",
        "token-rejected",
        "The registry refused the token: it is expired or revoked.",
        NOT_FOUND,
        fixes.REPLACE_TOKEN,
        requires=frozenset({"expired-notice"}),
        confidence=0.9,
        maybe=(Maybe("no-access", 0.2, "the token still works for `npm whoami`: it may not write to this package"),),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/unauthorized-empty",
        "token-missing",
        "The registry got no usable credential: the step's token variable is empty.",
        UNAUTHORIZED,
        fixes.SUPPLY_TOKEN,
        requires=frozenset({"token-empty"}),
        excludes=frozenset({"step-published"}),
        confidence=0.85,
        maybe=(Maybe("token-rejected", 0.3, "the secret is set at the level the workflow reads"),),
    ),
    Rule(
        "npm/unauthorized",
        "token-rejected",
        "The registry refused the token: it is expired, revoked or malformed.",
        (
            *UNAUTHORIZED,
            r"Couldn't publish package: .*unauthorized access|\bYN0035: unauthorized access|^- unauthorized access",
        ),
        fixes.REPLACE_TOKEN,
        maybe=(Maybe("token-missing", 0.15, "the secret is empty or not passed to the step"),),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/placeholder-404",
        "token-missing",
        "No token reached the registry: the step still had the placeholder that setup-node writes.",
        NOT_FOUND,
        (*fixes.SUPPLY_TOKEN,),
        requires=frozenset({"token-placeholder"}),
        excludes=frozenset({"provenance-signed", "step-published"}),
        confidence=0.75,
        maybe=(
            Maybe("oidc-publisher-mismatch", 0.35, "the workflow has `id-token: write` and npm is 11.5.1 or newer"),
            Maybe("no-access", 0.3, "the token is set in another way than NODE_AUTH_TOKEN"),
        ),
    ),
    Rule(
        "npm/not-found",
        "no-access",
        "The registry answered 404, which for a publish means it did not accept the credential for this package.",
        NOT_FOUND,
        fixes.CHECK_ACCESS,
        confidence=0.75,
        maybe=(
            Maybe("token-rejected", 0.5, "the secret is older than the token's life (7 days by default, 90 at most)"),
            Maybe("insufficient-scope", 0.3, "the token's package list does not name the package"),
            Maybe("oidc-publisher-mismatch", 0.2, "the package has a trusted publisher and the job `id-token: write`"),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/unauthorized-access",
        "token-rejected",
        "The registry refused the request as unauthorized: the token is dead or not known to it.",
        (r"(?i)\bunauthorized access\b",),
        fixes.REPLACE_TOKEN,
        confidence=0.65,
        maybe=(
            Maybe("insufficient-scope", 0.35, "the token still works for `npm whoami`"),
            Maybe("ip-not-allowed", 0.15, "the token has a CIDR list"),
        ),
    ),
    Rule(
        "npm/no-permission",
        "insufficient-scope",
        "The credential is alive but may not write to this package.",
        (
            r"You may not perform that action with these credentials",
            r"You do not have permission to publish",
            r"[Yy]ou do not have write permissions? required to publish|is not a collaborator for",
            r"is not allowed to (?:publish|access|unpublish|modify) package",
            r"(?i)(?:insufficient|missing) (?:scope|permission)|token[^.]{0,40}(?:read-only|readonly)",
            r"Permission (?:permission_denied|denied)?:? ?(?:write_package|create_package)",
            r"installation not allowed to (?:Write|Create)|does not match expected scopes",
            r"(?i)you (?:are not|aren't) (?:a member of|authorized|allowed to publish)",
        ),
        fixes.GRANT_ACCESS,
        maybe=(_OWNER_LEFT, Maybe("token-rejected", 0.1, "the token fails `npm whoami`")),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/forbidden",
        "insufficient-scope",
        "The registry knows the credential and forbids the action.",
        FORBIDDEN,
        fixes.GRANT_ACCESS,
        confidence=0.6,
        maybe=(
            Maybe("two-factor-required", 0.3, "the token has no bypass 2FA"),
            Maybe("token-rejected", 0.2, "the token fails `npm whoami`"),
        ),
        docs=fixes.ABOUT_TOKENS,
    ),
    Rule(
        "npm/server-error",
        "registry-outage",
        "The registry itself failed (5xx); the credential is not at fault.",
        SERVER_ERROR,
        fixes.RETRY,
        docs="https://status.npmjs.org",
    ),
    Rule(
        "npm/network",
        "network-error",
        "The runner could not reach the registry; the credential is not at fault.",
        NETWORK,
        fixes.CHECK_NETWORK,
        confidence=0.9,
    ),
)

RULES = (*OIDC_RULES, *TOKEN_RULES, *PACKAGE_RULES, *ACCESS_RULES, *INSTALL_RULES)
