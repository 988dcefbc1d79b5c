"""How `mvn deploy` and Gradle publishing to Maven Central (and other Maven repositories) fail."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule
from bot.registries.repository_managers import EXISTS

NAME = "maven"
HOSTS = r"(?:^|\.)(?:sonatype\.(?:org|com)|maven\.org|apache\.org)$"
COMMANDS = (
    r"\bmvnw?\b[^\n]*\b(?:deploy|release)|\bgradlew?\b[^\n]*[pP]ublish"
    r"|\bsbt\b[^\n]*(?:[pP]ublish|[rR]elease|sonatype)|\bjreleaser\w*"
)
OUTPUT = (
    r"maven-deploy-plugin|central-publishing|Uploading to \S+: https?://|Uploaded to \S+: https?://"
    r"|Could not (?:PUT|transfer artifact)|publish\w+PublicationTo|nexus-staging|SonatypeStagingRepository"
    r"|(?i:to maven ?central\b)|JReleaser|\[mavenCentral\]"
    r"|publish(?:AndRelease)?ToMavenCentral|maven-gpg-plugin|:sign\w+Publication"
)
ANCHORS = (
    r"maven-deploy-plugin|central-publishing|Upload(?:ing|ed) to |Could not (?:PUT|transfer|write)",
    r"unknown property|Received status code|status code|Failed to (?:execute goal|deploy)|PublicationTo",
    r"PublishingException",
    r"gpg: |BUILD (?:FAILURE|SUCCESS|FAILED)|Deployment|Return code is|pkg:maven|ReasonPhrase|what went wrong",
    r"publishing keys|Server returned HTTP|HTTP 4|40[0-9]:? [A-Z]|HTTP 5",
    r"UnknownHost|SocketTimeout|nexus-staging|[Ss]taging|properties are missing|must not be null|signatory|PGP",
    r"Upload failed|[Nn]amespace|already exists|provided but not found|[Mm]issing signature|is missing|not defined",
    r"Building .* [0-9]+\.[0-9]|\[INFO\] -+<|Execution failed for task|fingerprint|BUILD SUCCESSFUL",
)
CLUES = (
    Clue("step-succeeded", (r"BUILD SUCCESS",)),
    Clue(
        "awaits-approval",
        (r"Deployment will require manual publishing|has been validated\. To finish publishing visit",),
    ),
    # What was asked of a repository could not be read; "from/to" says nothing of the direction.
    Clue(
        "maven-reads",
        (
            r"Could not (?:resolve|collect) dependencies|Failed to (?:read artifact descriptor|collect dependencies)",
            r"Non-resolvable (?:parent|import) POM|or one of its dependencies could not be resolved",
            r"Could not (?:resolve all (?:files|dependencies|artifacts)|determine the dependencies) ",
        ),
    ),
)

_STATUS = (
    r"(?i:status(?: code)?:? |status code |status code received from \w+: |Return code is: "
    r"|server returned (?:HTTP response code: |)"
    r"|response code |HTTP )"
)
_NEW_TOKEN = (
    (
        "Create a user token in the Central Portal and store its two parts as the secrets that settings.xml (or "
        "Gradle) reads."
    ),
    "Re-run the failed job.",
)

RULES = (
    Rule(
        "maven/dead-token",
        "token-rejected",
        "The repository refused the credential: it is expired, revoked or wrong.",
        (
            _STATUS + r"401\b",
            r"\b401[,:]? (?:Unauthorized|Content access is protected by token)",
            r"authentication failed for https?://|Received status code 401|not authorized[^\n]{0,20}401?",
            r"Not authorized ?, ReasonPhrase",
        ),
        _NEW_TOKEN,
        maybe=(Maybe("token-missing", 0.3, "the server id in settings.xml does not match, or the secrets are empty"),),
        docs="https://central.sonatype.org/publish/generate-portal-token/",
    ),
    Rule(
        "maven/no-credential",
        "token-missing",
        "No credential reached the repository.",
        (
            (
                r"(?i)(?:username|password|credentials?)[^\n]{0,40}(?:must not be (?:null|empty)|not (?:set"
                r"|found|provided)|missing)|Unable to find[^\n]{0,40}server[^\n]{0,20}settings"
                r"|Cannot query the value of[^\n]{0,40}credentials|no server with id"
                r"|Missing publishing keys|Unable to get publisher server properties"
                r"|unknown property '[^']*(?:user|pass|token|key)[^']*'|properties are missing for '[^']*' credentials"
                r"|(?:user ?name|password) must not be null|server credentials with id[^\n]{0,60}not found"
            ),
        ),
        ("Check that settings.xml has a server with the id of the repository, and that its secrets reach the step.",),
        confidence=0.85,
    ),
    Rule(
        "maven/version-exists",
        "version-exists",
        "This version is already published and cannot be replaced.",
        (
            (
                r"(?i)component with package url[^\n]{0,200}already exists|already exists|cannot (?:update"
                r"|redeploy)|does not allow updating (?:artifacts?|assets?)"
                r"|Repository does not allow updating|"
            )
            + _STATUS
            + r"409\b",
            *EXISTS,
        ),
        ("If a re-run met it, nothing is to be done.", "Else raise the version."),
    ),
    Rule(
        "maven/namespace",
        "insufficient-scope",
        "The credential is alive but may not publish under this group id.",
        (
            (
                r"(?i)namespace[^\n]{0,80}(?:not (?:allowed|verified|registered)|is not)"
                r"|not allowed to (?:publish|deploy)|No staging profile|Permission denied[^\n]{0,40}staging|"
            )
            + _STATUS
            + r"403\b",
            r"Received status code 403|\b403[,:]? Forbidden|authorization failed for https?://",
        ),
        ("Verify the namespace in the Central Portal and use a token of an account that owns it.",),
        confidence=0.75,
        maybe=(Maybe("token-rejected", 0.3, "the token is no longer listed in the portal"),),
    ),
    Rule(
        "maven/payment",
        "payment-required",
        "The repository wants payment for this action.",
        (_STATUS + r"402\b|402 Payment Required|Received status code 402",),
        ("Check the plan of the account.",),
    ),
    Rule(
        "maven/rate-limited",
        "rate-limited",
        "The repository is limiting the rate of requests.",
        (_STATUS + r"429\b|Received status code 429|Too Many Requests",),
        ("Wait, then re-run.",),
    ),
    Rule(
        "maven/no-uploads",
        "bad-package",
        "The repository takes no uploads at this address: it has moved, or holds only copies of others.",
        (_STATUS + r"405\b|\b405 (?:Method )?Not Allowed|HTTP method PUT is not supported",),
        (
            (
                "Compare the address in distributionManagement with the repository's: OSSRH ended in June 2025, the "
                "Central Portal took its place."
            ),
        ),
        docs="https://central.sonatype.org/pages/ossrh-eol/",
    ),
    Rule(
        "maven/server-error",
        "registry-outage",
        "The repository itself failed (5xx); the credential is not at fault.",
        (_STATUS + r"5\d\d\b|Received status code 5\d\d|\b5\d\d (?:Internal|Bad Gateway|Service|Gateway)",),
        ("Re-run later; look at https://status.maven.org.",),
    ),
    Rule(
        "maven/network",
        "network-error",
        "The runner could not reach the repository; the credential is not at fault.",
        (
            r"UnknownHostException|Connection (?:refused|reset|timed out)|ConnectException",
            r"SocketTimeoutException|SSLHandshakeException|Read timed out",
            r"NoHttpResponseException|PKIX path building failed",
            r"Could not transfer (?:artifact|metadata)[^\n]*(?:timed out|unknown host|[Nn]ame or service|Connect)",
            r"Temporary failure in name resolution",
        ),
        ("Re-run the failed job.",),
        confidence=0.85,
    ),
    Rule(
        "maven/signing",
        "bad-package",
        "The artifacts are not complete: signature, sources, javadoc or POM fields are missing or wrong.",
        (
            r"(?i)gpg: (?:signing failed|no default secret key|decryption failed|no valid OpenPGP)",
            r"(?i)Missing Signature|Invalid signature",
            r"(?i)Could not find a public key|no configured signatory|PGP secret key",
            (
                r"(?i)(?:sources|javadoc)[^\n]{0,20}must be provided|(?:project|developers|license"
                r"|scm|description|name)[^\n]{0,30}(?:information )?(?:is )?(?:missing|not defined)"
                r"|Deployment[^\n]{0,60}(?:failed validation|FAILED)|staging rules? failure|"
            )
            + _STATUS
            + r"(?:4(?:00|13|22))\b",
        ),
        ("Mend what the message names (signing key, sources, javadoc, POM), then re-run.",),
        confidence=0.8,
    ),
)
