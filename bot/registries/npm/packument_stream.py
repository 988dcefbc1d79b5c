"""Reads what we need of a packument as its bytes arrive, and keeps nothing else. Pure.

Packuments of old packages reach tens of megabytes, nearly all of it manifests and readmes. Only the names of the
versions, the tags and the times of publishing are kept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

MOST_KEPT = 8 * 1024 * 1024  # bytes of tags and times; a hundred thousand versions
LONGEST_KEY = 10_000
_KEPT = ("dist-tags", "time")
_TOKEN = re.compile(rb'\s*+(?:("[^"\\]*+(?:\\.[^"\\]*+)*+")|([{}\[\],:])|[^\s"{}\[\],:]++)', re.DOTALL)
_BLANK = re.compile(rb"\s*+")
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)


class Malformed(ValueError):
    """Not the JSON object that a packument is."""


@dataclass(frozen=True, slots=True)
class Summary:
    """`times`: version, and also "created" and "modified", -> when, as written."""

    versions: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)


class PackumentReader:
    """`feed` the bytes in any pieces, then `finish`. Both raise Malformed."""

    def __init__(self) -> None:
        self._rest = b""
        self._depth = 0
        self._done = False
        self._key = ""
        self._expects_key = False
        self._in_string = False
        self._skips_to: int | None = None  # the depth at which what is skipped or kept ends
        self._kept: bytearray | None = None
        self._found: dict[str, Any] = {}
        self._versions: set[str] = set()

    def feed(self, piece: bytes) -> None:
        data = self._rest + piece
        at = 0
        while at < len(data):
            after = self._string(data, at) if self._in_string else self._step(data, at)
            if after is None:
                break
            at = after
        self._rest = data[at:]
        if len(self._rest) > LONGEST_KEY + len(piece):
            raise Malformed("a name is too long")

    def finish(self) -> Summary:
        if not self._done or self._rest.strip():
            raise Malformed("it ends too early")
        return Summary(frozenset(self._versions), _texts(self._found.get("dist-tags")), _texts(self._found.get("time")))

    def _step(self, data: bytes, at: int) -> int | None:
        """The place after the next token; None when more bytes are needed."""
        if self._skips_to is not None:
            return self._skip(data, at)
        at = _BLANK.match(data, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if at == len(data):
            return at
        if data[at : at + 1] == b'"' and not self._expects_key:
            self._in_string = True  # a value: a readme may be large
            return at + 1
        token = _TOKEN.match(data, at)
        if token is None:
            return None
        self._take(token[0], token[1])
        return token.end()

    def _take(self, token: bytes, text: bytes | None) -> None:
        if self._done or (self._depth == 0 and token != b"{"):
            raise Malformed("it is not an object")
        if text is not None:
            self._named(text)
        elif token == b":":
            self._expects_key = False
        elif token == b",":
            self._expects_key = True
        elif token in (b"{", b"["):
            self._opened(token)
        elif token in (b"}", b"]"):
            self._depth -= 1
            self._done = self._depth == 0
            self._expects_key = False

    def _named(self, text: bytes) -> None:
        try:
            name = json.loads(text)
        except ValueError:
            raise Malformed("a name cannot be read") from None
        if self._depth == 1:
            self._key = name
        else:
            self._versions.add(name)
        self._expects_key = False

    def _opened(self, token: bytes) -> None:
        self._depth += 1
        whole = self._depth == 1 or (self._depth == 2 and self._key == "versions" and token == b"{")
        self._expects_key = whole
        if not whole:
            self._skips_to = self._depth - 1
            self._kept = bytearray(token) if self._depth == 2 and self._key in _KEPT else None

    def _skip(self, data: bytes, at: int) -> int:
        """On to the end of a value that is not looked into."""
        start = at
        while self._depth != self._skips_to:
            found = _TO_BRACKET.match(data, at)
            at = found.end() if found else at
            bracket = data[at : at + 1]
            if not bracket:
                break
            at += 1
            if bracket == b'"':
                self._in_string = True  # its end is not here yet
                break
            self._depth += 1 if bracket in b"{[" else -1
        self._keep(data[start:at])
        if self._depth == self._skips_to:
            self._skips_to = None
            if self._kept is not None:
                self._found[self._key] = _loaded(bytes(self._kept))
                self._kept = None
        return at

    def _string(self, data: bytes, at: int) -> int | None:
        found = _IN_STRING.match(data, at)
        end = found.end() if found else at
        closed = data[end : end + 1] == b'"'
        end += closed
        self._keep(data[at:end])
        self._in_string = not closed
        # A backslash at the very end waits for what it escapes.
        return end if end > at else None

    def _keep(self, piece: bytes) -> None:
        if self._kept is not None:
            self._kept += piece
            if len(self._kept) > MOST_KEPT:
                raise Malformed("it has too many versions")


def _loaded(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Malformed("it is not JSON") from None


def _texts(value: Any) -> dict[str, str]:
    return {name: said for name, said in value.items() if isinstance(said, str)} if isinstance(value, dict) else {}
