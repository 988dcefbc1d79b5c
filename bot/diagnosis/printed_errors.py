"""Errors that own scripts print as they are: objects of Node with a request and its answer, one field a line. Pure.

Libraries that scripts publish with (libnpmpublish, npm-registry-fetch, axios, got, undici) put the address, the verb,
the status and the registry's words into fields of their errors; joined, they say what npm says in one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import re2

MOST_LINES = 160  # of one object
# The first line of an error, or the first field that tells; words that stand on no other line.
ANCHORS = (
    r"\bcode: 'E|\bstatusCode: [45]|\bmethod: '[pP](?:UT|OST|ut|ost)'|\b(?:uri|url|href): 'https?:|HttpError"
    r"|AxiosError: |Response code [45]",
)
SIGNS = (  # one of which stands in every line that begins one
    "code: 'E",
    "statusCode: ",
    "method: 'P",
    "method: 'p",
    "uri: 'http",
    "HttpError",
    "AxiosError: ",
    "Response code ",
)
_BEGINS = re2.compile(
    r"^\s*(?:\[?cause\]?: )?(?:\w*Error\w*(?: \[\w+\])?: (?:Request failed with status code [45]|Response code [45])"
    r"|HttpError\w*: |(?:name: 'HttpError\w*', )?(?:code: 'E[A-Z0-9]+'|statusCode: [45]\d\d|method: '(?i:put|post)'"
    r"|uri: 'https?://)|name: 'HttpError)"
)
CONTINUES = re2.compile(r"^\s+\S|^[}\]),]+$|^\s*(?:\w+|'[\w\-]+'): (?:['\"`{\[\d]|null|undefined|true|false|<ref)")
_VERB = re2.compile(r"\bmethod: '(?i)(put|post)'")
_ADDRESS = re2.compile(r"\b(?:uri|url|href|requestUrl): '(https?://[^'\s]+)'")
_STATUS = re2.compile(r"\b(?:statusCode|status|status code|Response code):? ([45]\d\d)\b")
_CODE = re2.compile(r"\bcode: '(E(?:\d{3}|OTP|NEEDAUTH|_[A-Z_]+))'")
_WORDS = re2.compile(
    r"\b(?:error|message|reason|detail): (?:'([^']+)'|\"([^\"]+)\"|`([^`]+)`)|\b(?:body|data): '([^']+)'"
)
# Of the many that answer requests, those that keep packages: by address, or by the library that asked.
_REGISTRY = re2.compile(
    r"^https?://(?:[\w.\-]+\.)?(?:npmjs\.(?:org|com)|yarnpkg\.com|npm\.pkg\.github\.com)/|%2[fF]|/(?:api|packages)/npm/"
    r"|/(?:npm-[\w\-]+|repository|artifactory|_packaging)/|\.codeartifact\."
)
_LIBRARY = re2.compile(r"\bHttpError\w+\b")
_PACKAGE = re2.compile(r"\bpkgid: '[^']+'")


def begins(shown: str) -> bool:
    """Whether the line is the first of such an error; npm's own words in one line need no others."""
    return " - PUT " not in shown and bool(_BEGINS.search(shown))


def in_one_line(parts: Sequence[str]) -> str | None:
    """What the object says, as npm says it; None when it tells of no refused write."""
    text = " ".join(part.strip() for part in parts)
    verb, address = _VERB.search(text), _ADDRESS.search(text)
    status = _STATUS.search(text)
    if not verb or not address or not (status or _CODE.search(text)):
        return None
    if not (_REGISTRY.search(address.group(1)) or _LIBRARY.search(text)):
        return None
    code = _CODE.search(text)
    number = int(status.group(1)) if status else 0
    said = f" {number} {_phrase(number)} -" if number else ""
    words = next((g for m in _WORDS.finditer(text) for g in m.groups() if g), "")
    package = _PACKAGE.search(text)
    line = f"npm error code {code.group(1) if code else f'E{number}'}{said} {verb.group(1).upper()} {address.group(1)}"
    return " ".join((line, f"- {words}" if words else "-", package.group(0) if package else "")).rstrip(" -")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
