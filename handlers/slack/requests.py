"""What people do in Slack, in our own types: a typed command, a pressed button, a submitted form, and our reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.messages.message import Message


@dataclass(frozen=True, slots=True)
class Command:
    """`/tokens VERB ARGUMENT` as typed. `trigger_id` opens one form within 3 seconds."""

    user: str
    channel: str
    verb: str
    argument: str
    trigger_id: str


@dataclass(frozen=True, slots=True)
class Click:
    """A pressed button, or a choice made. `value` is what its message put there; it may be old or forged, and so may
    `metadata`, the text of the view that it was pressed in."""

    user: str
    channel: str
    value: str
    trigger_id: str
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Picked:
    """A shortcut that was chosen. `message`: what it was chosen on, as Slack sends it; empty for a global one."""

    user: str
    channel: str
    message: Mapping[str, Any]
    trigger_id: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted form. `values`: block id -> action id -> Slack's value object; `metadata`: the view's own text."""

    user: str
    values: Mapping[str, Any]
    metadata: str


@dataclass(frozen=True, slots=True)
class Reply:
    """To a command or click, seen only by that person. `replace`: in the place of the message that was clicked."""

    message: Message
    replace: bool = False


@dataclass(frozen=True, slots=True)
class FormReply:
    """To a form: `errors` beside their fields (block id -> sentence), or a view in its place, or it closes."""

    errors: Mapping[str, str] = field(default_factory=dict)
    view: Mapping[str, Any] | None = None


def number_of(value: str) -> int:
    """The number of the incident, rotation or token a button or form belongs to; 0, which never exists, for a value
    that is not ours."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 18 else 0
