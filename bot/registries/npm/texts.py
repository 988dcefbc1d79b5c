"""The words npm and the clients that speak its protocol print, as RE2 patterns. Pure data.

Sources: npm 9-12, pnpm 9-12, yarn 1 and berry, bun, lerna and changesets, run against local registries and read.
"""

from __future__ import annotations

P = r"npm (?:ERR!|error)"  # npm 9 and older / npm 10 and newer


def code(number: str) -> str:
    """An error code where the tools print one; the bare word may stand in any text."""
    return rf"(?:^|\bcode |ERR! |npm error |while publishing \S+: |└ |\[|Error: |\"code\": \")E{number}\b"


def status(number: int, words: str) -> tuple[str, ...]:
    """A publish that the registry answered with this status, in the words of every client."""
    return (
        rf"\b{words} - (?:PUT|POST|DELETE)\b",  # npm, pnpm 11; also npm's --json summary, which lacks the number
        code(str(number)) + rf"[: \]]+(?:{number} )?{words}\b",  # wrappers: changesets, lerna
        rf"^lerna ERR! E{number}\b|while publishing \S+: E{number}\b|^└ E{number}\b",
        rf"^(?:error: )?{number} {words}: https?://",  # bun
        rf"\(status {number}\b",  # pnpm 12
        rf"Response Code: {number}\b",  # yarn berry
        rf"Couldn't publish package: \"https?://[^\"]*: {words}\"",  # yarn 1
        rf"Request failed \\?\"{number} ",  # yarn 1
    )


def word(name: str) -> str:
    """A code that is a word, where the tools print one; tests and types quote them."""
    return rf"(?:^|[ \[(]|\"code\": \"){name}\b(?:[^'\"\w|]|$|\",?$)"


NEED_AUTH = (
    word("ENEEDAUTH"),
    r"This command requires you to be logged in to https?://[^ ]+$",
    r"need auth This command requires you to be logged in",
    r"You must be logged in\. Use `npm login`",  # np
    r"Not authenticated with npm",  # release-it
    r"ERR_PNPM_WHOAMI_UNAUTHORIZED|You must be logged in to use ",
    r"No token found and can't prompt for login",  # yarn 1
    r"YN0033: .*No authentication configured",
    r"missing authentication \(run ",  # bun
    word("ENONPMTOKEN"),
    r"No npm token specified",  # semantic-release
    r"authentication token not provided",  # GitHub Packages
    r"npm ERR! need auth auth required for publishing",  # npm 6
)
UNAUTHORIZED = (
    r"Unable to authenticate, your authentication token seems to be invalid",
    r"[Uu]nable to authenticate, need:",  # pnpm 11, bun
    r"Incorrect or missing password",
    code("401"),
    r"(?:^|: |\"|npm (?:ERR!|error) |\b(?:with|status|code) )401 Unauthorized\b",
    r"\bUnauthorized - (?:PUT|POST|GET)\b",
    r"\(status 401\b|Response Code: 401\b",
    r"lerna http fetch GET 401\b",
    r"YN0041: .*Invalid authentication",
    r"Couldn't publish package: \"https?://[^\"]*: (?:Unauthorized|unauthorized access|authorization required[^\"]*)\"",
    word("EINVALIDNPMTOKEN"),
    r"Invalid npm token",
    word("EWHOAMI"),
    r"ERR_PNPM_WHOAMI_FAILED.*401|Failed to find the current user: 401",
    r"failed to authenticate with registry",  # bun pm whoami
    r"authorization required to (?:publish|access) package",  # verdaccio
    r"User cannot be authenticated with the token provided",  # GitHub Packages
    r"[Bb]ad credentials.*npm\.pkg\.github|npm\.pkg\.github.*[Bb]ad credentials",
)
NOT_FOUND = (
    *status(404, "Not [Ff]ound"),
    r"\bScope not found\b",
    rf"{P} 404 +'?[^ ]+@[^ ]+'? is not in (?:this|the npm) registry",
    r"YN0035: .*[Nn]ot found",
    r"^Not found$",  # nx prints the summary alone
)
FORBIDDEN = (
    *status(403, "Forbidden"),
    rf"{P} 403 403 Forbidden",
    r"Couldn't publish package: \"https?://[^\"]*: (?:Forbidden|403)",
)
SERVER_ERROR = (
    r"(?:^|: |\"|npm (?:ERR!|error) )5\d\d (?:Internal Server Error|Not Implemented|Bad Gateway)",
    r"(?:^|: |\"|npm (?:ERR!|error) )5\d\d (?:Service (?:Temporarily )?Unavailable|Gateway Time-?[Oo]ut)",
    code(r"5\d\d"),
    r"\(status 5\d\d\b|Response Code: 5\d\d\b|Request failed \\?\"5\d\d ",
    r"The remote server failed to provide the requested resource(?:$| [^\n]*Response Code: 5\d\d)",
    r"\b(?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out) - (?:PUT|POST|GET)\b",
    (
        r"\b52\d (?:Web Server Is Down|Connection Timed Out|Origin Is Unreachable|A Timeout Occurred"
        r"|SSL Handshake Failed|<none>)"
    ),
)
_AFTER = r"(?:^|\[|: |\b(?:code|errno|code:|errno:|connect|read|write|getaddrinfo|reason:|Error:) '?)"
NETWORK = (
    _AFTER + r"(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTFOUND)\b",
    _AFTER + r"(?:EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE|EPROTO)\b",
    _AFTER + r"(?:CERT_HAS_EXPIRED|UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)\b",
    _AFTER + r"(?:DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|ERR_TLS_CERT_ALTNAME_INVALID)\b",
    r"\b(?:DNSResolveFailed|ConnectionRefused|ConnectionReset|ConnectionClosed|Timeout): failed to publish",  # bun
    r"error sending request for url|\bsocket hang up\b|network timeout at|Client network socket disconnected",
    r"Socket timeout|self[- ]signed certificate",
    r"failed, reason: (?:connect|read|getaddrinfo|write|socket|network|Client|certificate|unable)",
)
