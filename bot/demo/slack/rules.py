"""What Slack refuses in blocks, views, metadata and texts. Pure.

Limits as in Slack's block reference, complaints as Slack writes them:
`[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.demo.slack.elements import IN_ACTIONS, IN_CONTEXT, IN_INPUT, IN_SECTION, Problems, check_element
from bot.demo.slack.refused import Refused
from bot.demo.slack.rich_text import check_rich_text

Json = dict[str, Any]
BLOCKS_IN_MESSAGE = 50
BLOCKS_IN_VIEW = 100
# Undocumented: the sum of all text in a message's blocks; measured 13,202.
TEXT_IN_BLOCKS = 13_200
TEXT_IN_MESSAGE = 40_000
VIEW_BYTES = 250_000
METADATA_BYTES = 8_000

_EVERYWHERE = {"actions", "context", "divider", "header", "image", "input", "rich_text", "section", "video"}
_MESSAGES_ONLY = {
    "alert", "card", "carousel", "container", "context_actions", "data_table", "file", "markdown", "plan", "table",
    "task_card",
}  # fmt: skip
_FIELDS: Mapping[str, set[str]] = {
    "actions": {"elements"},
    "context": {"elements"},
    "context_actions": {"elements"},
    "divider": set(),
    "header": {"text", "level"},
    "image": {"image_url", "alt_text", "title", "slack_file"},
    "input": {"label", "element", "hint", "optional", "dispatch_action"},
    "markdown": {"text"},
    "rich_text": {"elements"},
    "section": {"text", "fields", "accessory", "expand"},
    "table": {"rows", "column_settings"},
    "file": {"external_id", "source"},
}


def check_message_blocks(blocks: Any) -> list[Json]:
    """The blocks of a message, or `Refused` as Slack does."""
    found = _list_of_blocks(blocks)
    problems = Problems()
    if len(found) > BLOCKS_IN_MESSAGE:
        problems.say(f"no more than {BLOCKS_IN_MESSAGE} items allowed", "/blocks")
    _check_blocks(found, problems, _EVERYWHERE | _MESSAGES_ONLY)
    if sum(block.get("type") == "table" for block in found) > 1:
        raise Refused("invalid_attachments", ["[ERROR] only_one_table_allowed"])
    if problems.said:
        raise Refused("invalid_blocks", problems.said)
    if _text_in(found) > TEXT_IN_BLOCKS:
        raise Refused("msg_blocks_too_long")
    return found


def check_view(view: Any, *, kinds: set[str]) -> Json:
    """A modal or Home view, or `Refused`."""
    if isinstance(view, str):
        view = _parsed(view, "invalid_arguments")
    if not isinstance(view, dict):
        raise Refused("invalid_arguments", ["[ERROR] missing required field: view"])
    problems = Problems()
    kind = view.get("type")
    if kind not in kinds:
        problems.say(f"must be one of: {', '.join(sorted(kinds))}", "/view/type")
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refused("invalid_arguments", ["[ERROR] missing required field: blocks [json-pointer:/view]"])
    if len(blocks) > BLOCKS_IN_VIEW:
        problems.say(f"no more than {BLOCKS_IN_VIEW} items allowed", "/view/blocks")
    _check_blocks(blocks, problems, _EVERYWHERE, at="/view/blocks")
    if kind == "modal":
        problems.text(view.get("title"), "/view/title", most=24, kinds={"plain_text"})
        for name in ("submit", "close"):
            if view.get(name) is not None:
                problems.text(view[name], f"/view/{name}", most=24, kinds={"plain_text"})
        if view.get("submit") is None and any(block.get("type") == "input" for block in blocks):
            problems.say("missing required field: submit", "/view")
    for name, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        problems.plain(view.get(name), f"/view/{name}", most=most)
    if problems.said:
        raise Refused("invalid_arguments", problems.said)
    if len(json.dumps(view).encode()) > VIEW_BYTES:
        raise Refused("view_too_large")
    return view


def check_text(text: Any) -> str:
    if text is None:
        return ""
    if len(str(text)) > TEXT_IN_MESSAGE:
        raise Refused("msg_too_long")
    return str(text)


def check_metadata(metadata: Any) -> Json | None:
    """Flat strings, numbers and booleans, one nesting level."""
    if metadata is None or metadata == "":
        return None
    if isinstance(metadata, str):
        metadata = _parsed(metadata, "invalid_metadata_format")
    if not isinstance(metadata, dict):
        raise Refused("invalid_metadata_format")
    if metadata == {}:
        return metadata
    payload = metadata.get("event_payload")
    if not isinstance(metadata.get("event_type"), str) or not metadata["event_type"] or not isinstance(payload, dict):
        raise Refused("invalid_metadata_format")
    for value in payload.values():
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if any(isinstance(leaf, dict | list) for leaf in inner):
            raise Refused("invalid_metadata_schema")
    if len(json.dumps(metadata).encode()) > METADATA_BYTES:
        raise Refused("metadata_too_large")
    return metadata


def _list_of_blocks(blocks: Any) -> list[Json]:
    if blocks is None or blocks == "":
        return []
    if isinstance(blocks, str):
        blocks = _parsed(blocks, "invalid_blocks_format")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refused("invalid_blocks_format")
    return blocks


def _parsed(text: str, error: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise Refused(error) from wrong


def _check_blocks(blocks: list[Json], problems: Problems, allowed: set[str], at: str = "/blocks") -> None:
    seen: set[str] = set()
    for place, block in enumerate(blocks):
        here = f"{at}/{place}"
        kind = block.get("type")
        if kind is None:
            problems.say("missing required field: type", here)
        elif kind not in allowed:
            problems.say(f"unsupported type: {kind}", f"{here}/type")
        else:
            problems.plain(block.get("block_id"), f"{here}/block_id", most=255)
            if (block_id := block.get("block_id")) and block_id in seen:
                problems.say(f"`block_id` {block_id} already exists", f"{here}/block_id")
            seen.add(str(block_id))
            known = _FIELDS.get(kind)
            if known is not None:
                problems.only(block, known | {"type", "block_id"}, here)
            _check_block(kind, block, problems, here)
            _unique_action_ids(block, problems, here)


def _check_block(kind: str, block: Json, problems: Problems, at: str) -> None:
    if kind == "section":
        _check_section(block, problems, at)
    elif kind == "header":
        problems.text(block.get("text"), f"{at}/text", most=150, kinds={"plain_text"})
    elif kind == "context":
        for place, element in enumerate(problems.items(block.get("elements"), f"{at}/elements", most=10)):
            if isinstance(element, dict) and element.get("type") in ("mrkdwn", "plain_text"):
                problems.text(element, f"{at}/elements/{place}", most=3000)
            else:
                check_element(element, problems, f"{at}/elements/{place}", IN_CONTEXT)
    elif kind == "actions":
        for place, element in enumerate(problems.items(block.get("elements"), f"{at}/elements", most=25)):
            check_element(element, problems, f"{at}/elements/{place}", IN_ACTIONS)
    elif kind == "context_actions":
        problems.items(block.get("elements"), f"{at}/elements", most=5)
    elif kind == "input":
        problems.text(block.get("label"), f"{at}/label", most=2000, kinds={"plain_text"})
        if block.get("hint") is not None:
            problems.text(block["hint"], f"{at}/hint", most=2000, kinds={"plain_text"})
        check_element(block.get("element"), problems, f"{at}/element", IN_INPUT)
    elif kind == "image":
        check_element({**block, "type": "image"}, problems, at, IN_CONTEXT)
        if block.get("title") is not None:
            problems.text(block["title"], f"{at}/title", most=2000, kinds={"plain_text"})
    elif kind == "markdown":
        problems.plain(block.get("text"), f"{at}/text", most=12_000, required=True)
    elif kind == "rich_text":
        check_rich_text(block, problems, at)
    elif kind == "table":
        _check_table(block, problems, at)


def _check_section(block: Json, problems: Problems, at: str) -> None:
    if block.get("text") is None and not block.get("fields"):
        problems.say("missing required field: text or fields", at)
    if block.get("text") is not None:
        problems.text(block["text"], f"{at}/text", most=3000)
    if block.get("fields") is not None:
        for place, text in enumerate(problems.items(block["fields"], f"{at}/fields", most=10)):
            problems.text(text, f"{at}/fields/{place}", most=2000)
    if block.get("accessory") is not None:
        check_element(block["accessory"], problems, f"{at}/accessory", IN_SECTION)


def _check_table(block: Json, problems: Problems, at: str) -> None:
    for place, row in enumerate(problems.items(block.get("rows"), f"{at}/rows", most=100)):
        for column, cell in enumerate(problems.items(row, f"{at}/rows/{place}", most=20)):
            here = f"{at}/rows/{place}/{column}"
            kind = cell.get("type") if isinstance(cell, dict) else None
            if kind == "rich_text":
                check_rich_text(cell, problems, here)
            elif kind == "raw_text":
                problems.plain(cell.get("text"), f"{here}/text", most=None, required=True)
            elif kind != "raw_number":
                problems.say(f"unsupported type: {kind}", f"{here}/type")


def _unique_action_ids(block: Json, problems: Problems, at: str) -> None:
    seen: set[str] = set()
    for element in elements_of(block):
        action_id = element.get("action_id")
        if action_id and action_id in seen:
            problems.say(f"`action_id` {action_id} already exists for another element in the block", f"{at}/elements")
        seen.add(str(action_id))


def elements_of(block: Json) -> list[Json]:
    """The interactive elements of a block, wherever the block keeps them."""
    held = [block.get("accessory"), block.get("element")]
    if block.get("type") in ("actions", "context_actions"):
        held += block.get("elements") or []
    return [element for element in held if isinstance(element, dict)]


def _text_in(thing: Any) -> int:
    if isinstance(thing, dict):
        return sum(
            len(value) if name == "text" and isinstance(value, str) else _text_in(value)
            for name, value in thing.items()
        )
    if isinstance(thing, list):
        return sum(_text_in(item) for item in thing)
    return 0
