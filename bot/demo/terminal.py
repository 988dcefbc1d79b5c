"""Slack messages as plain readable text, for the terminal and for tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from bot.demo.slack import Message
from bot.demo.slack.workspace import Workspace

Json = dict[str, Any]
_SPECIAL = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_MARK = re.compile(r"(?<!\w)([*_~])(\S(?:[^\n]*?\S)?)\1(?!\w)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def message_text(message: Message, space: Workspace) -> str:
    """The whole message, its thread indented below it."""
    lines = [blocks_text(message.blocks, space) if message.blocks else mrkdwn_text(message.text, space)]
    lines += ["  | " + line for reply in message.replies for line in message_text(reply, space).splitlines()]
    return "\n".join(lines)


def blocks_text(blocks: list[Json], space: Workspace) -> str:
    shown = (_block(block, space).rstrip() for block in blocks)
    return "\n".join(text for text in shown if text)


def mrkdwn_text(text: str, space: Workspace) -> str:
    """mrkdwn without its marks: mentions by name, dates in UTC, links as `label (address)`."""

    def special(match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        if target.startswith("@"):
            return "@" + _name(target[1:], space)
        if target.startswith("#"):
            channel = space.channels.get(target[1:])
            return "#" + (channel.name if channel else label or target[1:])
        if target.startswith("!date^"):
            return _date(target, label)
        if target.startswith("!"):
            return "@" + (label or target[1:])
        return f"{label} ({target})" if label and label != target else target

    text = _SPECIAL.sub(special, text)
    text = _MARK.sub(r"\2", text).replace("`", "")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def show(message: Message, space: Workspace, console: Console, title: str) -> None:
    """The message in a frame, its first line (the fact) in bold."""
    first, _, rest = message_text(message, space).partition("\n")
    shown = Text(first, style="bold") + Text(f"\n{rest}" if rest else "", style="not bold")
    console.print(Panel(shown, title=Text(title), title_align="left", padding=(0, 1)))


def _name(user: str, space: Workspace) -> str:
    person = space.people.get(user)
    return person.real_name if person else user


def _date(target: str, fallback: str | None) -> str:
    _, epoch, *_ = target.split("^")
    if not epoch.lstrip("-").isdigit():
        return fallback or ""
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%-d %b %Y %H:%M UTC")


def _block(block: Json, space: Workspace) -> str:
    kind = block.get("type")
    if kind == "divider":
        return "-" * 20
    if kind == "section":
        parts = [block.get("text"), *(block.get("fields") or ())]
        lines = [_text(part, space) for part in parts if part]
        accessory = block.get("accessory") or {}
        if accessory.get("type") not in (None, "image"):
            lines.append(_element(accessory))
        return "\n".join(lines)
    if kind == "header":
        return _text(block["text"], space).upper()
    if kind == "context":
        return "  ".join(
            _text(part, space) if "text" in part else f"[{part.get('alt_text')}]" for part in block["elements"]
        )
    if kind == "actions":
        return "  ".join(_element(element) for element in block["elements"])
    if kind == "rich_text":
        return "\n".join(_rich(element, space) for element in block["elements"])
    if kind == "markdown":
        return str(block["text"])
    if kind == "table":
        return "\n".join("  ".join(_cell(cell, space) for cell in row) for row in block["rows"])
    if kind == "image":
        return f"[{block.get('alt_text')}]"
    if kind == "input":
        return f"{block['label']['text']}: ______"
    return f"[{kind}]"


def _text(text: Mapping[str, Any], space: Workspace) -> str:
    return mrkdwn_text(text["text"], space) if text.get("type") == "mrkdwn" else str(text["text"])


def _element(element: Json) -> str:
    if element.get("type") == "button":
        return f"[{element['text']['text']}]"
    if element.get("type") == "overflow":
        return "[... " + " / ".join(option["text"]["text"] for option in element["options"]) + "]"
    return f"[{(element.get('placeholder') or {}).get('text', element.get('type'))}]"


def _cell(cell: Json, space: Workspace) -> str:
    return _rich(cell, space) if cell.get("type") == "rich_text" else str(cell.get("text", cell.get("value", "")))


def _rich(element: Json, space: Workspace) -> str:
    kind = element.get("type")
    if kind in ("rich_text", "rich_text_list"):
        mark = "- " if kind == "rich_text_list" else ""
        return "\n".join(mark + _rich(inner, space) for inner in element["elements"])
    text = "".join(_leaf(leaf, space) for leaf in element["elements"])
    indent = {"rich_text_preformatted": "    ", "rich_text_quote": "> "}.get(str(kind), "")
    return "\n".join(indent + line for line in text.splitlines())


def _leaf(leaf: Json, space: Workspace) -> str:
    if leaf["type"] == "user":
        return "@" + _name(leaf["user_id"], space)
    if leaf["type"] == "link":
        return f"{leaf['text']} ({leaf['url']})" if leaf.get("text") else str(leaf["url"])
    if leaf["type"] == "date":
        return datetime.fromtimestamp(leaf["timestamp"], UTC).strftime("%-d %b %Y %H:%M UTC")
    return str(leaf.get("text") or leaf.get("name") or "")
