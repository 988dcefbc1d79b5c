"""What credentials look like, so that none is ever stored, printed, logged or sent. Pure.

Formats: npm `npm_`/`npms_` + 36-48 alphanumerics (npm's own redactor), GitHub `gh[pousr]_`, `github_pat_`, Slack `xox?-`,
`xapp-`, PyPI `pypi-`, JWTs, basic auth in URLs and headers, and `.npmrc` credential lines. Bare UUIDs are left alone:
delivery ids, stage ids and token keys are UUIDs too.
"""

from __future__ import annotations

import re2

MASK = "***"

# (kind, pattern, group that holds the secret). RE2 has no backtracking, so hostile input costs linear time.
_SHAPES: tuple[tuple[str, str, int], ...] = (
    ("npm token", r"\b(npms?_[a-zA-Z0-9]{36,48})\b", 1),
    ("GitHub token", r"\b(gh[pousr]_[A-Za-z0-9_.\-]{20,}|github_pat_[A-Za-z0-9_]{20,})", 1),
    ("Slack token", r"\b((?:xox[abeprs]|xapp)-[A-Za-z0-9\-]{10,})", 1),
    ("PyPI token", r"\b(pypi-[A-Za-z0-9_\-]{16,})", 1),
    ("JWT", r"\b(eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,})", 1),
    ("npmrc credential", r"(?i)(?:_authToken|_auth|_password)\s*[=:]\s*[\"']?([^\s\"'${*][^\s\"']{3,})", 1),
    (
        "authorization header",
        r"(?i)\b(?:authorization:?\s*(?:bearer|basic|token)|bearer)\s+([A-Za-z0-9+/_=.\-]{12,})",
        1,
    ),
    ("password in a URL", r"://[^/\s:@]+:([^/\s@]{3,})@", 1),
)
_COMPILED = tuple((kind, re2.compile(pattern), group) for kind, pattern, group in _SHAPES)


def mask(text: str) -> tuple[str, int]:
    """The text with every credential replaced by `***`, and how many there were."""
    found = 0
    for _, pattern, group in _COMPILED:
        pieces: list[str] = []
        last = 0
        for match in pattern.finditer(text):
            start, end = match.span(group)
            if text[start:end] == MASK:
                continue
            pieces += (text[last:start], MASK)
            last = end
            found += 1
        if pieces:
            text = "".join(pieces) + text[last:]
    return text, found


def kind_of(text: str) -> str | None:
    """What the first credential in the text is ("npm token"), or None when there is none. Never the value."""
    for kind, pattern, _ in _COMPILED:
        if pattern.search(text):
            return kind
    return None
