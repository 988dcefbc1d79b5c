"""A finished Slack message that Slack will take, and the blocks it is put together from.

Limits: Slack's Block Kit reference; the total of about 13,200 characters of text is undocumented and was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    InteractiveElement,
    MarkdownTextObject,
    Option,
    PlainTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextPreformattedElement,
    SectionBlock,
    StaticSelectElement,
)

from bot.messages import text as t

MOST_BLOCKS = 50
MOST_TEXT = 12_000  # Slack answers msg_blocks_too_long above about 13,200
MOST_SECTION = 3000
MOST_HEADER = 150
MOST_CONTEXT_ELEMENTS = 10
MOST_CONTEXT_TEXT = 2000
MOST_BUTTONS = 25
MOST_BUTTON_TEXT = 75
MOST_BUTTON_VALUE = 2000
MOST_CHOICES = 100
MOST_CHOICE_VALUE = 150
MOST_FALLBACK = 1500  # notifications and screen readers; Slack itself cuts at 40,000
MOST_LOG_LINE = 400
MOST_IN_A_COLUMN = 60
MOST_ROWS = 100
MOST_COLUMNS = 20
MOST_CELL = 90
_WORTH_KEEPING = 120  # below this many characters a shortened part says too little


@dataclass(frozen=True, slots=True)
class Message:
    """`text`: the whole message as a sentence, for notifications and screen readers; `blocks`: Block Kit dicts."""

    text: str
    blocks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One block and how soon it is given up when a message is too long: rank 0 last, higher ranks first."""

    block: dict[str, Any]
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Button:
    """`value` comes back with the click. `style`: primary, danger or None. `confirm`: a question asked before."""

    label: str
    action_id: str
    value: str = ""
    style: str | None = None
    confirm: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A list to choose from. `options`: (value, text); `chosen`: the value shown; choosing sends its value."""

    label: str
    action_id: str
    options: tuple[tuple[str, str], ...]
    chosen: str


def message(text: str, parts: Iterable[Part | None]) -> Message:
    """Parts in order, within all limits: the least important ones are shortened or left out. Never raises.

    `text` is already safe (`text.mrkdwn`); it is only cut here.
    """
    fallback = t.cut_escaped(text, MOST_FALLBACK) or "Tokenwatch"
    kept = fitted(parts, MOST_BLOCKS, MOST_TEXT) or [_part(SectionBlock(text=_mrkdwn(fallback)), 0)]
    return Message(fallback, tuple(part.block for part in kept))


def fitted(parts: Iterable[Part | None], most_blocks: int, most_text: int) -> list[Part]:
    """The parts that fit, in their order, some of them shortened."""
    kept = [part for part in parts if part is not None]
    while len(kept) > most_blocks:
        kept.pop(_least(kept))
    over = sum(weight(part.block) for part in kept) - most_text
    while over > 0 and kept:
        index = _least(kept)
        part = kept[index]
        before = weight(part.block)
        shorter = _shortened(part, before - over)
        if shorter is None:
            kept.pop(index)
            over -= before
        else:
            kept[index] = shorter
            over -= before - weight(shorter.block)
    return kept


def _least(parts: list[Part]) -> int:
    """Index of the part to give up next: highest rank, the last among equals."""
    return max(range(len(parts)), key=lambda index: (parts[index].rank, index))


def _shortened(part: Part, room: int) -> Part | None:
    text = part.block.get("text")
    if part.block["type"] != "section" or text is None or room < _WORTH_KEEPING:
        return None
    lines = cut_lines(text["text"], room)
    return replace(part, block={**part.block, "text": {**text, "text": lines}}) if lines else None


def cut_lines(lines: str, limit: int) -> str:
    """Whole lines from the beginning, since half a line could be half a link; empty if not even one fits."""
    if t.length(lines) <= limit:
        return lines
    kept: list[str] = []
    used = len(t.ELLIPSIS)
    for line in lines.split("\n"):
        used += t.length(line) + 1
        if used > limit:
            break
        kept.append(line)
    return "\n".join([*kept, t.ELLIPSIS]) if kept else ""


def weight(block: Any) -> int:
    """Characters of text Slack counts in a block."""
    if isinstance(block, dict):
        return sum(
            t.length(value) if key == "text" and isinstance(value, str) else weight(value)
            for key, value in block.items()
        )
    return sum(map(weight, block)) if isinstance(block, list | tuple) else 0


def _part(block: Block, rank: int) -> Part:
    return Part(block.to_dict(), rank)


def _mrkdwn(text: str) -> MarkdownTextObject:
    # verbatim: Slack must not turn bare URLs, #names and @names of outside text into links.
    return MarkdownTextObject(text=text, verbatim=True)


def section(*lines: str, rank: int = 0, button: Button | None = None) -> Part | None:
    """Lines of safe mrkdwn; None when there is nothing to say."""
    shown = cut_lines("\n".join(line for line in lines if line), MOST_SECTION)
    if not shown:
        return None
    accessory = _button(button) if button else None
    return _part(SectionBlock(text=_mrkdwn(shown), accessory=accessory), rank)


def sections(lines: Iterable[str], rank: int = 0) -> list[Part]:
    """As many sections as the lines need; each line stays whole."""
    parts: list[Part | None] = []
    pending: list[str] = []
    for line in lines:
        if pending and sum(map(t.length, pending)) + len(pending) + t.length(line) > MOST_SECTION:
            parts.append(section(*pending, rank=rank))
            pending = []
        pending.append(line)
    parts.append(section(*pending, rank=rank))
    return [part for part in parts if part is not None]


def header(text: str, rank: int = 0) -> Part:
    """`text`: anything; shown as plain text."""
    shown = t.plain(text, MOST_HEADER) or "Tokenwatch"
    return _part(HeaderBlock(text=PlainTextObject(text=shown, emoji=False)), rank)


def context(*texts: str, rank: int = 0) -> Part | None:
    """Small grey texts of safe mrkdwn, one element each."""
    shown = [cut_lines(text, MOST_CONTEXT_TEXT) for text in texts if text][:MOST_CONTEXT_ELEMENTS]
    elements = [_mrkdwn(text) for text in shown if text]
    return _part(ContextBlock(elements=elements), rank) if elements else None


def divider(rank: int = 0) -> Part:
    return _part(DividerBlock(), rank)


def preformatted(lines: Iterable[str], rank: int = 0, most: int = MOST_LOG_LINE) -> Part | None:
    """Lines as they are, in a block that Slack does not parse. `most`: characters of one line, longer ones are cut."""
    shown = [t.plain(line, most) for line in lines]
    shown = [line for line in shown if line]
    if not shown:
        return None
    text = RichTextElementParts.Text(text="\n".join(shown))
    return _part(RichTextBlock(elements=[RichTextPreformattedElement(elements=[text])]), rank)


def columns(rows: Iterable[Sequence[str]], rank: int = 0, most: int = MOST_IN_A_COLUMN) -> Part | None:
    """Rows of cells of any text, one under the other, in a block that Slack does not parse."""
    cells = [[t.plain(cell, most) for cell in row] for row in rows]
    widths = [max(map(t.length, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_filled(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    if not any(lines):
        return None
    text = RichTextElementParts.Text(text="\n".join(lines))
    return _part(RichTextBlock(elements=[RichTextPreformattedElement(elements=[text])]), rank)


def _filled(cell: str, width: int) -> str:
    return cell + " " * (width - t.length(cell))


def exact(lines: Iterable[str], rank: int = 0) -> Part | None:
    """Lines to be copied: each as it is or not at all, in a block that Slack does not parse."""
    shown = [line for line in lines if line and "\n" not in line and t.comes_back(line, MOST_SECTION)]
    if not shown:
        return None
    text = RichTextElementParts.Text(text="\n".join(shown))
    return _part(RichTextBlock(elements=[RichTextPreformattedElement(elements=[text])]), rank)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], rank: int = 0) -> Part:
    """One table a message, whose cells Slack shows as they are. Cells are cut; more than 99 rows are left out."""

    def cells(row: Sequence[str]) -> list[dict[str, str]]:
        return [{"type": "raw_text", "text": t.plain(cell, MOST_CELL) or "-"} for cell in row[:MOST_COLUMNS]]

    shown = [cells(head), *(cells(row) for row in rows[: MOST_ROWS - 1])]
    return Part({"type": "table", "rows": shown}, rank)


def buttons(*wanted: Button | Choice | None, block_id: str | None = None, rank: int = 0) -> Part | None:
    """A row of buttons and lists; one whose value or address Slack would refuse or change is left out."""
    elements: list[InteractiveElement] = [
        _choice(one) if isinstance(one, Choice) else _button(one) for one in wanted if one and _is_sendable(one)
    ]
    if not elements:
        return None
    return _part(ActionsBlock(elements=list(elements[:MOST_BUTTONS]), block_id=block_id), rank)


def _is_sendable(one: Button | Choice) -> bool:
    if isinstance(one, Choice):
        return bool(_sendable_options(one))
    return t.comes_back(one.value, MOST_BUTTON_VALUE) and (not one.url or t.is_url(one.url))


def _sendable_options(choice: Choice) -> list[Option]:
    return [
        Option(value=value, text=PlainTextObject(text=t.plain(text, MOST_BUTTON_TEXT) or "–", emoji=False))
        for value, text in choice.options[:MOST_CHOICES]
        if value and t.comes_back(value, MOST_CHOICE_VALUE)
    ]


def _choice(choice: Choice) -> StaticSelectElement:
    options = _sendable_options(choice)
    return StaticSelectElement(
        action_id=choice.action_id,
        placeholder=PlainTextObject(text=t.plain(choice.label, MOST_BUTTON_TEXT) or "Choose", emoji=False),
        options=options,
        initial_option=next((option for option in options if option.value == choice.chosen), None),
    )


def _button(button: Button) -> ButtonElement:
    confirm = None
    if button.confirm:
        confirm = ConfirmObject(
            title=PlainTextObject(text=t.plain(button.label, 100), emoji=False),
            text=PlainTextObject(text=t.plain(button.confirm, 300), emoji=False),
            confirm="Yes",
            deny="No",
        )
    return ButtonElement(
        text=PlainTextObject(text=t.plain(button.label, MOST_BUTTON_TEXT) or "Open", emoji=False),
        action_id=button.action_id,
        value=button.value or None,
        style=button.style,
        confirm=confirm,
        url=button.url,
    )
