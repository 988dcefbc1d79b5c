"""Lines that a pattern matches, made from the pattern itself: every alternative once, optional parts left out or in."""

from __future__ import annotations

import itertools
import random
import re._constants as kinds  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

import re2

MOST_EXAMPLES = 150  # of one part of a pattern
_OF_CLASS = {kinds.CATEGORY_DIGIT: "7", kinds.CATEGORY_SPACE: " "}


def examples(pattern: str) -> Iterator[str]:
    """Lines that the RE2 pattern matches."""
    insensitive = False
    for part in _alternatives(pattern):
        insensitive = insensitive or part.startswith("(?i)")
        body = part.replace("(?i)", "").replace(r"\x{FEFF}", "\ufeff")
        for line in _lines_of(parser.parse(body)):
            if re2.search(pattern, line):
                yield line


def _alternatives(pattern: str) -> list[str]:
    """The pattern cut at its outermost bars: Python's parser takes flags only at the start."""
    parts, depth, in_class, escaped = [""], 0, False, False
    for char in pattern:
        if char == "|" and not (depth or in_class or escaped):
            parts.append("")
            continue
        parts[-1] += char
        if escaped:
            escaped = False
            continue
        escaped = char == "\\"
        if in_class:
            in_class = char != "]"
        elif not escaped:
            in_class = char == "["
            depth += (char == "(") - (char == ")")
    return parts


def _lines_of(parsed: Any) -> list[str]:
    lines = [""]
    for kind, value in parsed:
        lines = [line + more for line, more in itertools.product(lines, _choices(kind, value))]
        if len(lines) > MOST_EXAMPLES:
            lines = random.Random(7).sample(lines, MOST_EXAMPLES)
    return lines


def _choices(kind: Any, value: Any) -> list[str]:
    if kind is kinds.LITERAL:
        return [chr(value)]
    if kind is kinds.NOT_LITERAL:
        return ["k" if chr(value) != "k" else "x"]
    if kind is kinds.ANY:
        return ["k"]
    if kind is kinds.IN:
        return [_one_of(value)]
    if kind is kinds.SUBPATTERN:
        return _lines_of(value[3])
    if kind is kinds.BRANCH:
        return [line for branch in value[1] for line in _lines_of(branch)]
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
        least, most, inner = value
        repeated = _lines_of(inner)
        return [line * least for line in repeated] if least else ["", *(repeated[:1] if most else [])]
    return [""]


def _one_of(members: Any) -> str:
    negated = any(kind is kinds.NEGATE for kind, _ in members)
    chars = [chr(value) for kind, value in members if kind is kinds.LITERAL]
    chars += [chr(value[0]) for kind, value in members if kind is kinds.RANGE]
    chars += [_OF_CLASS.get(value, "k") for kind, value in members if kind is kinds.CATEGORY]
    if negated:
        return next(char for char in "kX7z" if char not in chars)
    return next((char for char in chars if char.isalnum()), chars[0])
