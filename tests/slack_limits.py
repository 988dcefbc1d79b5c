"""What Slack refuses and what outside text must never do, checked on any message or view, apart from the builders.

Limits: Slack's Block Kit reference. The total of text in a message is undocumented and was measured at 13,202.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOTAL_TEXT = 13_200
VIEW_BYTES = 250_000
BLOCK_TYPES = {"section", "header", "context", "actions", "rich_text", "divider", "input", "table"}
BUTTON_STYLES = {None, "primary", "danger"}

CONSTRUCT = re.compile(r"<[^<>]*>")
CODE_SPAN = re.compile(r"`[^`\n]+`")
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
ENTITY = re.compile(r"&(?!(amp|lt|gt);)")


def problems(blocks: Sequence[Mapping[str, Any]], *, most_blocks: int = 50, total_text: int = TOTAL_TEXT) -> list[str]:
    """One line for each limit that is exceeded, empty when Slack would take it."""
    found = list(_blocks(blocks, most_blocks))
    total = sum(units(text) for text in _texts(list(blocks)))
    if total > total_text:
        found.append(f"{total} characters of text")
    return found


def view_problems(view: Mapping[str, Any]) -> list[str]:
    found = list(_blocks(view["blocks"], 100))
    if view["type"] == "modal":
        found += _plain(view.get("title"), 24, "title")
        for name in ("submit", "close"):
            if name in view:
                found += _plain(view[name], 24, name)
        has_input = any(block["type"] == "input" for block in view["blocks"])
        if has_input and "submit" not in view:
            found.append("input without submit")
    if len(view.get("private_metadata", "")) > 3000:
        found.append("private_metadata")
    if len(json.dumps(view).encode()) > VIEW_BYTES:
        found.append("view too large")
    return found


def mrkdwn_texts(value: Any) -> Iterator[str]:
    """Every string Slack parses for formatting."""
    if isinstance(value, Mapping):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        else:
            for inner in value.values():
                yield from mrkdwn_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from mrkdwn_texts(inner)


def unsafe(text: str, *, mentions: frozenset[str] = frozenset(), urls: frozenset[str] = frozenset()) -> list[str]:
    """What in a mrkdwn text could mention, link or format without being ours.

    `mentions`: user ids that may be mentioned; `urls`: addresses that may be linked (as given, not escaped).
    """
    found = []
    for construct in CONSTRUCT.findall(text):
        inner = construct[1:-1]
        is_ours = (
            inner.removeprefix("@") in mentions
            or re.fullmatch(r"!date\^-?\d+\^[{}a-z_ ()]+\|[0-9A-Z:\- ]+", inner) is not None
            or inner.partition("|")[0].replace("&amp;", "&") in urls
        )
        if not is_ours:
            found.append(f"construct {construct[:80]!r}")
    rest = CONSTRUCT.sub("", text)
    if re.search("[<>]", rest):
        found.append("unescaped bracket")
    if ENTITY.search(rest):
        found.append("half an entity")
    for line in CODE_SPAN.sub("C", rest).split("\n"):
        if "`" in line or "~" in line or line.count("*") not in (0, 2):
            found.append(f"mark in {line[:80]!r}")
        if re.search(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", line):
            found.append(f"underscore in {line[:80]!r}")
        if re.search(r":[\w+'-]+:", line.replace(":\u200b", " ")):
            found.append(f"emoji in {line[:80]!r}")
        if line.lstrip().startswith("&gt;"):
            found.append(f"quote in {line[:80]!r}")
    if INVISIBLE.search(text):
        found.append("invisible character")
    return found


def units(text: str) -> int:
    """UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _blocks(blocks: Sequence[Mapping[str, Any]], most: int) -> Iterator[str]:
    if not 0 < len(blocks) <= most:
        yield f"{len(blocks)} blocks"
    for block in blocks:
        if block["type"] not in BLOCK_TYPES:
            yield f"type {block['type']}"
        if len(block.get("block_id", "")) > 255:
            yield "block_id"
        yield from _block(block)
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        yield "block_id twice"


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "section":
            yield from _text(block.get("text"), 3000, "section")
            if "accessory" in block:
                yield from _element(block["accessory"])
        case "header":
            yield from _plain(block["text"], 150, "header")
        case "context":
            if not 0 < len(block["elements"]) <= 10:
                yield "context elements"
            for element in block["elements"]:
                yield from _text(element, 2000, "context")
        case "actions":
            if not 0 < len(block["elements"]) <= 25:
                yield "actions elements"
            ids = [element["action_id"] for element in block["elements"]]
            if len(ids) != len(set(ids)):
                yield "action_id twice"
            for element in block["elements"]:
                yield from _element(element)
        case "input":
            yield from _plain(block["label"], 2000, "label")
            if "hint" in block:
                yield from _plain(block["hint"], 2000, "hint")
            yield from _element(block["element"])
        case "table":
            rows = block["rows"]
            if not 0 < len(rows) <= 100 or not all(0 < len(row) <= 20 for row in rows):
                yield "table size"
            if len({len(row) for row in rows}) != 1 or any(cell["type"] != "raw_text" for row in rows for cell in row):
                yield "table cells"
            for text in _texts(block):
                if not text or INVISIBLE.search(text):
                    yield "table text"
        case "rich_text":
            for text in _texts(block):
                if not text or INVISIBLE.search(text.replace("\n", "")):
                    yield "rich_text text"


def _element(element: Mapping[str, Any]) -> Iterator[str]:
    if not 0 < len(element["action_id"]) <= 255:
        yield "action_id"
    if "placeholder" in element:
        yield from _plain(element["placeholder"], 150, "placeholder")
    match element["type"]:
        case "button":
            yield from _plain(element["text"], 75, "button")
            if len(element.get("value", "")) > 2000 or len(element.get("url", "")) > 3000:
                yield "button value or url"
            if element.get("style") not in BUTTON_STYLES:
                yield "button style"
            if "confirm" in element:
                yield from _plain(element["confirm"]["title"], 100, "confirm title")
                yield from _text(element["confirm"]["text"], 300, "confirm text")
        case "static_select" | "checkboxes":
            most = 100 if element["type"] == "static_select" else 10
            if not 0 < len(element["options"]) <= most:
                yield "options"
            for option in element["options"]:
                yield from _plain(option["text"], 75, "option")
                if not 0 < len(option["value"]) <= 150:
                    yield "option value"
            initial = element.get("initial_option")
            if initial is not None and initial not in element["options"]:
                yield "initial_option is no option"
        case "plain_text_input":
            if (
                not 1 <= element["max_length"] <= 3000
                or units(element.get("initial_value", "")) > element["max_length"]
            ):
                yield "plain_text_input"
        case "users_select":
            if "initial_user" in element and not re.fullmatch(r"[UW][A-Z0-9]+", element["initial_user"]):
                yield "initial_user"
        case "datepicker":
            if "initial_date" in element and not re.fullmatch(r"\d{4}-\d\d-\d\d", element["initial_date"]):
                yield "initial_date"
        case other:
            yield f"element {other}"


def _text(text: Mapping[str, Any] | None, most: int, where: str) -> Iterator[str]:
    if text is None or not text["text"] or units(text["text"]) > most:
        yield f"{where} text"
    elif text["type"] == "mrkdwn":
        if text.get("verbatim") is not True:
            yield f"{where} lets Slack link bare addresses"
    else:
        yield from _plain(text, most, where)


def _plain(text: Mapping[str, Any] | None, most: int, where: str) -> list[str]:
    if text is None or text["type"] != "plain_text" or not text["text"] or units(text["text"]) > most:
        return [f"{where} plain text"]
    if text.get("emoji", True) and ":" in text["text"]:
        return [f"{where} may show emoji"]
    return []
