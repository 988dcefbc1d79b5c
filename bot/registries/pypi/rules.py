"""How uploads to PyPI fail: twine, uv, poetry, flit, hatch and gh-action-pypi-publish.

Source of the texts: warehouse's upload view and OIDC views, twine, gh-action-pypi-publish.
"""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule
from bot.registries.repository_managers import EXISTS

NAME = "pypi"
HOSTS = r"(?:^|\.)(?:test\.)?pypi\.org$|^upload\.pypi\."
COMMANDS = (
    r"\btwine\b|gh-action-pypi-publish|maturin-action"
    r"|\b(?:uv|poetry|flit|hatch|pdm|maturin)\b[^\n]*\b(?:publish|upload)\b"
)
OUTPUT = (
    r"^Uploading distributions to|Uploading \S+\.(?:whl|tar\.gz)|HTTPError: \d{3} [\w ]+ from https?://"
    r"|Trusted publishing exchange|^💥 maturin failed|⛔ |^🚀 Uploading \d+ package|^Publishing \S+ \(\S+\) to \S+$"
    r"|^Publishing \d+ files? |for url:? '?https?://[^/ ]+/legacy/|repository: https?://[^/ ]+/legacy/"
    r"|^twine\.exceptions\.|/site-packages/twine/|HTTPSConnectionPool\(host='upload\.pypi\.org'"
)
ANCHORS = (
    r"Package is at http",
    r"because it appears|Publishing [0-9]|HTTP Error|credential may be|Packages uploaded|Publishing \S+ \(",
    r"HTTPError|Uploading |uploading [^ ]+\.(?:whl|tar)|twine\.exc|HTTPSConnectionPool",
    r"Trusted publishing|trusted publishing|OpenID Connect|OIDC token|invalid-",
    r"Token request failed|publisher",
    r"password is empty|Credential not found|NonInteractive|Missing required option",
    r"Enter your |maturin failed|ConnectionError|Max retries|NameResolution",
    r"InvalidDistribution|InvalidConfiguration|File already|filename has",
    r"[Uu]sername|possibly wrong|EOF|temporarily disabled|do not match for|attestation|two-factor|primary email",
    r"allowed to upload|authentication information|twine|SSLError|Timeout|View at",
    r"/project/[A-Za-z0-9._-]+/[0-9]|/legacy/",
    r"4[0-9]{2} (?:Forbidden|Bad|Unauth|Too)|5[0-9]{2} (?:Int|Bad|Serv|Gat)",
)

_NEW_TOKEN = (
    (
        "Create an API token on PyPI for this project and store it as the secret that the upload step reads, "
        "with user name `__token__`."
    ),
    "Or switch to trusted publishing and drop the token.",
    "Re-run the failed job, then remove the old token on PyPI.",
)
_DOCS = "https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-pypi"

CLUES = (
    Clue("password-empty", (r"Your password is empty",)),
    Clue("credential-asked", (r"^(?:Enter your (?:username|password|API token)|Username:|Password:)",)),
    # uv says nothing more when all goes well.
    Clue("publish-announced", (r"^Publishing \d+ files? (?:to )?https?://",)),
    Clue("nothing-to-publish", (r"^(?:WARNING +)?Skipping \S+ because it appears to already exist",)),
    Clue(
        "publish-succeeded",
        (r"^View at:|^- Uploading \S+ 100%$|^✨ Packages uploaded successfully|^Package is at https?://",),
    ),
)
RULES = (
    Rule(
        "pypi/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (
            r"missing or insufficient OIDC token permissions",
            r"OpenID Connect token retrieval failed",
            r"(?i)(?:trusted publishing|OIDC)[^\n]{0,80}id-token: write",
            r"(?i)ACTIONS_ID_TOKEN_REQUEST_(?:TOKEN|URL)\b[^\n]{0,60}(?:not set|unset|missing|not defined)",
        ),
        ("Give the publishing job `permissions: { id-token: write }`.", "Re-run the job."),
        docs=_DOCS,
    ),
    Rule(
        "pypi/invalid-publisher",
        "oidc-publisher-mismatch",
        "PyPI knows no trusted publisher for this run: owner, repository, workflow file or environment differ.",
        (
            r"`?(?P<code>invalid-(?:pending-)?publisher)|valid token, but no corresponding publisher",
            r"publisher-not-found|not configured as a trusted publisher",
        ),
        (
            (
                "On PyPI, compare the project's trusted publisher with the claims in the log: owner, repository, "
                "workflow file, environment."
            ),
            "Re-run the job.",
        ),
        docs="https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-pypi",
    ),
    Rule(
        "pypi/runner",
        "oidc-runner-unsupported",
        "Trusted publishing does not work from this runner or from a reusable workflow.",
        (
            r"(?i)reusable workflows? (?:is|are) not (?:currently )?supported",
            r"(?i)trusted publishing[^.\n]{0,80}(?:not supported|unsupported)",
        ),
        ("Publish from a job of the calling workflow on a hosted runner.",),
        docs=_DOCS,
    ),
    Rule(
        "pypi/exchange-outage",
        "registry-outage",
        "PyPI itself failed while the workflow's identity was exchanged; nothing is wrong with the trusted publisher.",
        (
            r"Token request failed: the index produced an unexpected",
            r"(?i)error code 5\d\d[^\n]{0,40}trusted publishing|monitor PyPI's status here",
        ),
        ("Re-run later; look at https://status.python.org.",),
        confidence=0.85,
    ),
    Rule(
        "pypi/exchange",
        "oidc-failed",
        "The exchange of the workflow's identity for a PyPI token failed.",
        (
            r"Trusted publishing exchange failure",
            r"(?i)failed to (?:obtain|retrieve|exchange)[^\n]{0,40}trusted publishing",
            r"invalid-payload|not-enabled|invalid-token",
        ),
        ("Read the reason the log gives, check `id-token: write` and the project's trusted publisher, then re-run.",),
        confidence=0.75,
        maybe=(Maybe("oidc-publisher-mismatch", 0.3, "the publisher's fields differ from this run"),),
        docs=_DOCS,
    ),
    Rule(
        "pypi/tokens-disallowed",
        "two-factor-required",
        "PyPI wants two-factor authentication for this account or project.",
        (
            (
                r"(?i)(?:two[- ]factor|2FA) (?:authentication )?(?:is |must be )?(?:required"
                r"|enabled)[^\n]{0,60}(?:upload|pypi|project)"
                r"|does not have two-factor authentication enabled"
            ),
        ),
        ("Enable 2FA for the account, then upload with an API token or trusted publishing.",),
    ),
    Rule(
        "pypi/password-empty",
        "token-missing",
        "No credential reached PyPI: the password or token variable is empty.",
        (
            r"HTTPError: (?:40[13])\b",
            r"\b(?:40[13]) (?:Forbidden|Unauthorized)",
            r"Invalid or non-existent authentication",
        ),
        (
            (
                "Check that the secret exists where the job can see it and is passed as TWINE_PASSWORD (or "
                "UV_PUBLISH_TOKEN)."
            ),
        ),
        requires=frozenset({"password-empty"}),
    ),
    Rule(
        "pypi/no-credential",
        "token-missing",
        "No credential reached PyPI: the secret is empty, missing or not passed to the step.",
        (
            (
                r"(?i)(?:^|[:\]>] )(?:(?:an?|the|your|pypi|api|user ?name|and|or) )*(?:username|password|token) "
                r"(?:is |are )?(?:required|not (?:set|provided|found))"
            ),
            r"(?i)NonInteractive: Credential not found|Missing (?:credentials for|username|password)\b",
            r"Missing required option: (?:user|auth)|Enter your [^\n]*Aborted!",
            r"HTTP Error 401: .*(?:Basic auth|authentication) required|No credentials (?:found|were provided)",
            r"Publish (?:username|password)|^ERROR +EOFError\b",
            r"(?i)either both username and password",
        ),
        (
            (
                "Check that the secret exists where the job can see it and is passed as TWINE_PASSWORD (or "
                "UV_PUBLISH_TOKEN)."
            ),
        ),
        confidence=0.85,
    ),
    Rule(
        "pypi/credential-asked",
        "token-missing",
        "No credential reached the upload: it asked for one, and a pipeline cannot type.",
        (r"EOFError|EOF when reading a line",),
        ("Check that the secret exists where the job can see it and is passed to the upload step.",),
        requires=frozenset({"credential-asked"}),
    ),
    Rule(
        "pypi/asked-then-refused",
        "token-missing",
        "No credential reached the upload: it asked for one and got none.",
        (r"Invalid or non-existent authentication|(?:HTTPError: |HTTP Error )40[13]\b",),
        ("Check that the secret exists where the job can see it and is passed to the upload step.",),
        requires=frozenset({"credential-asked"}),
        confidence=0.8,
        maybe=(Maybe("token-rejected", 0.25, "somebody typed a credential"),),
    ),
    Rule(
        "pypi/no-passwords",
        "token-rejected",
        "PyPI takes no account passwords: it wants an API token with user name `__token__`, or a trusted publisher.",
        (
            r"Username/Password authentication is no longer supported",
            r"(?i)trying to use an API token to authenticate[^\n]* user-?name",
        ),
        _NEW_TOKEN,
        maybe=(Maybe("token-missing", 0.2, "the secret is empty or not passed to the step"),),
        docs="https://packaging.python.org/en/latest/specifications/pypirc/",
    ),
    Rule(
        "pypi/closed",
        "registry-outage",
        "PyPI has closed uploads for now; the credential is not at fault.",
        (r"(?i)(?:uploads?|registrations?) (?:are |is )?temporarily disabled",),
        ("Re-run later; look at https://status.python.org.",),
    ),
    Rule(
        "pypi/email",
        "insufficient-scope",
        "PyPI wants a verified e-mail address of the account before it takes uploads.",
        (r"does not have a verified primary email address",),
        ("Verify the account's primary e-mail address on PyPI, then re-run.",),
    ),
    Rule(
        "pypi/attestation",
        "provenance-rejected",
        "PyPI refused the attestation that came with the file.",
        (r"Invalid attestations? supplied|(?i)could not verify the uploaded artifact using the included attestation",),
        (
            "Check that the trusted publisher's repository and workflow are those that build the file.",
            "Or upload without attestations (`attestations: false`), then re-run.",
        ),
    ),
    Rule(
        "pypi/file-exists",
        "version-exists",
        "This file is on PyPI already; a released file can never be replaced.",
        (
            r"(?i)file already exists|local file and index file do not match",
            r"(?i)This filename has already been used|already uploaded|File \S+ already exists",
            *EXISTS,
        ),
        (
            "If a re-run after a partial success met it, pass `--skip-existing` (or `skip-existing: true`).",
            "Else raise the version.",
        ),
    ),
    Rule(
        "pypi/not-owner",
        "insufficient-scope",
        "The credential is alive but may not upload to this project.",
        (
            r"(?:isn't|is not) allowed to upload to project",
            (
                r"(?i)(?:project-scoped token is not valid for project|token is not valid for project"
                r"|OIDC scoped token is not valid"
                r"|isn't an? (?:owner|maintainer))"
            ),
            r"(?i)invalid API Token: .*(?:caveat|scope|project)",
        ),
        ("Add the user as maintainer of the project, or use a token or trusted publisher of this project.",),
        maybe=(Maybe("name-rejected", 0.15, "the project belongs to somebody else"),),
    ),
    Rule(
        "pypi/name",
        "name-rejected",
        "PyPI does not accept this project name.",
        (
            r"(?i)the name ['\"‘]?\S+['\"’]? (?:isn't allowed|is too similar|conflicts|is prohibited)",
            r"(?i)too similar to an existing project|isn't allowed\. See .*#project-name",
        ),
        ("Choose another project name.",),
    ),
    Rule(
        "pypi/dead-token",
        "token-rejected",
        "PyPI refused the credential: the token is revoked, expired, malformed or of another index.",
        (
            r"Invalid or non-existent authentication information",
            r"(?i)invalid API token|token (?:has )?expired|HTTPError: 401\b|\b401 Unauthorized",
            r"(?i)HTTP Error 401\b|the credential may be incorrect|wrong username or password",
            r"Username or password are incorrect|Username and/or password are (?:possibly )?wrong|^⛔ Invalid username",
        ),
        _NEW_TOKEN,
        maybe=(Maybe("token-missing", 0.2, "the secret is empty or not passed to the step"),),
        docs="https://packaging.python.org/en/latest/specifications/pypirc/",
    ),
    Rule(
        "pypi/rate-limited",
        "rate-limited",
        "PyPI is limiting the rate of requests; the credential is not at fault.",
        (r"(?:HTTPError: |HTTP Error |error ')429|\b429 Too Many|(?i)too many new projects created",),
        ("Wait, then re-run.",),
    ),
    Rule(
        "pypi/server-error",
        "registry-outage",
        "PyPI itself failed (5xx); the credential is not at fault.",
        (
            r"(?:HTTPError: |HTTP Error |error ')5\d\d\b|\b5\d\d (?:Internal|Bad Gateway|Service|Gateway|Server)",
            r"(?i)first byte timeout|backend (?:fetch|read) (?:failed|error)",
        ),
        ("Re-run later; look at https://status.python.org.",),
    ),
    Rule(
        "pypi/bad-file",
        "bad-package",
        "PyPI does not accept the distribution: metadata, file name, size or version.",
        (
            r"(?:HTTPError: |HTTP Error |Client error ')(?:4(?:00|13))\b|\b400 (?:Bad Request|The|Invalid)",
            r"InvalidDistribution|(?i)invalid (?:value for|distribution|metadata|version)",
            r"Cannot find file \(or expand pattern\)|is not a valid (?:distribution|wheel) file|local version",
            r"(?i)checking \S+: FAILED|file too large",
        ),
        ("Mend what the message names, build again and re-run; `twine check dist/*` shows it beforehand.",),
        confidence=0.85,
    ),
    Rule(
        "pypi/forbidden",
        "insufficient-scope",
        "PyPI forbids the upload with this credential.",
        (r"HTTPError: 403\b|\b403 (?:Client Error: )?Forbidden|Client error '403\b|HTTP Error 403\b",),
        _NEW_TOKEN,
        confidence=0.55,
        maybe=(Maybe("token-rejected", 0.4, "the token no longer exists on PyPI"),),
    ),
    Rule(
        "pypi/network",
        "network-error",
        "The runner could not reach PyPI; the credential is not at fault.",
        (
            r"Max retries exceeded with url|NameResolutionError|ConnectTimeout|ReadTimeout|ConnectionError: ",
            r"ConnectionResetError|SSLError|RemoteDisconnected|Temporary failure in name resolution",
            r"error sending request for url|(?i)connection (?:refused|reset|timed out)",
        ),
        ("Re-run the failed job; if it fails again, check the runner's network.",),
        confidence=0.9,
    ),
)
