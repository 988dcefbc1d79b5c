"""What credentials look like, so that none is ever stored, printed, logged or sent. Pure.

Formats: npm's own redactor (`npm_`/`npms_`), GitHub's, GitLab's, Slack's, PyPI's, RubyGems', crates.io's, NuGet's and
Docker Hub's token prefixes, JWTs, private keys, basic and bearer headers, passwords in URLs, `.npmrc` lines, JSON
fields and variables named as secrets. Bare UUIDs are left alone: delivery ids, stage ids and token keys are UUIDs too.
"""

from __future__ import annotations

from typing import Any

import re2

MASK = "***"

# (kind, pattern, group that holds the secret). RE2 has no backtracking, so hostile input costs linear time.
_SHAPES: tuple[tuple[str, str, int], ...] = (
    ("npm token", r"(?i)(npms?_[a-z0-9]{36,})", 1),
    ("GitHub token", r"(gh[pousr]_[A-Za-z0-9_.\-]{20,}|github_pat_[A-Za-z0-9_]{20,})", 1),
    ("GitLab token", r"\b(gl(?:pat|ptt|dt|cbt|oas|rt|ft)-[A-Za-z0-9_\-]{16,})", 1),
    ("Slack token", r"((?:xox[abeprs]|xapp)-[A-Za-z0-9\-]{10,})", 1),
    ("Slack webhook", r"(hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{10,})", 1),
    ("PyPI token", r"\b(pypi-[A-Za-z0-9_\-]{16,})", 1),
    ("RubyGems key", r"\b(rubygems_[0-9a-f]{32,})", 1),
    ("crates.io token", r"\b(cio[A-Za-z0-9]{32})\b", 1),
    ("NuGet key", r"\b(oy2[a-z0-9]{43})\b", 1),
    ("Docker Hub token", r"\b(dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,})", 1),
    ("AWS key", r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b", 1),
    ("private key", r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*)", 1),
    ("JWT", r"\b(eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,})", 1),
    ("npmrc credential", r"(?i)(?:_authToken|_auth|_password)\s*[=:]\s*[\"']?([^\s\"'${*][^\s\"']{3,})", 1),
    (
        "authorization header",
        r"(?i)\b(?:authorization\"?:?\s*\"?(?:bearer|basic|token)|bearer|basic)\s+([A-Za-z0-9+/_=.\-]{16,})",
        1,
    ),
    ("password in a URL", r"://[^/\s:@]*:([^/\s@]{3,})@", 1),
    ("token in a URL", r"://([A-Za-z0-9_\-]{20,})@", 1),
)
# By the name of the field, not by the look of the value: enough to hide it, not to call a text a credential.
_NAMED: tuple[tuple[str, str, int], ...] = (
    ("field", r"(?i)\"[\w\-]*(?:token|password|passwd|secret|api_?key|_auth)\"\s*:\s*\"([^\"\s]{8,})\"", 1),
    (
        "variable",
        (
            r"\b[A-Z][A-Z0-9_]*(?:TOKEN|PASSWORD|PASSWD|SECRET|API_KEY|AUTH|_KEY"
            r"|_PAT)\s*[=:]\s*[\"']?([^\s\"'$*{(\[<]{8,})"
        ),
        1,
    ),
    ("option", r"--(?:otp|password|token|api-key|_authToken)[= ]([^\s\"'$*<\-][^\s\"']{4,})", 1),
)
# Hidden already, by the runner, by the tool, or because it never was one (setup-node's placeholder).
_HIDDEN = re2.compile(
    r"(?i)^(?:\*+|\[?(?:secure|hidden|redacted|masked|filtered)\]?|x{3,}(?:-x{3,})*|\w+_\*+|\w+_\[hidden\])$"
)
_COMPILED = tuple((kind, re2.compile(pattern), group) for kind, pattern, group in _SHAPES)
_ALL = _COMPILED + tuple((kind, re2.compile(pattern), group) for kind, pattern, group in _NAMED)
# Most text holds no credential: one search says so.
_ANY = re2.compile("|".join(f"(?:{pattern})" for _, pattern, _ in (*_SHAPES, *_NAMED)))
# For text that nobody has decoded yet.
ANY_IN_BYTES = re2.compile("|".join(f"(?:{pattern})" for _, pattern, _ in (*_SHAPES, *_NAMED)).encode())
ANY_SHAPE_IN_BYTES = re2.compile("|".join(f"(?:{pattern})" for _, pattern, _ in _SHAPES).encode())
_ANY_SHAPE = re2.compile("|".join(f"(?:{pattern})" for _, pattern, _ in _SHAPES))


def mask(text: str) -> tuple[str, int]:
    """The text with every credential replaced by `***`, and how many there were."""
    text = _encodable(text)
    return _masked(text, _ALL) if _ANY.search(text) else (text, 0)


def mask_shapes(text: str) -> str:
    r"""The text without what looks like a credential by itself; the names of fields around it do not count.

    Half a character (JSON may spell it, `"\ud800"`), which no database takes, becomes a question mark.
    """
    text = _encodable(text)
    return _masked(text, _COMPILED)[0] if _ANY_SHAPE.search(text) else text


def kind_of(text: str) -> str | None:
    """What the first credential in the text is ("npm token"), or None when there is none. Never the value."""
    text = _encodable(text)
    if not _ANY_SHAPE.search(text):
        return None
    for kind, pattern, group in _COMPILED:
        for match in pattern.finditer(text):
            if not _HIDDEN.match(match.group(group)):
                return kind
    return None


def _masked(text: str, shapes: tuple[tuple[str, Any, int], ...]) -> tuple[str, int]:
    found = 0
    for _, pattern, group in shapes:
        pieces: list[str] = []
        last = 0
        for match in pattern.finditer(text):
            start, end = match.span(group)
            if _HIDDEN.match(text[start:end]):
                continue
            pieces += (text[last:start], MASK)
            last = end
            found += 1
        if pieces:
            text = "".join(pieces) + text[last:]
    return text, found


def _encodable(text: str) -> str:
    """RE2 reads UTF-8, and a lone surrogate from a JSON escape has none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
