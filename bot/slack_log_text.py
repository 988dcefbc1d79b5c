"""The log in a Slack message: what a person pasted, before Slack dressed it up. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Slack turns bare addresses, mentions and channels of a text into <...|...>.
_DRESSED = re.compile(r"<([^<>|\n]*)(?:\|([^<>\n]*))?>")
_FENCE = re.compile(r"```")


def pasted(message: Mapping[str, Any]) -> str:
    """The text of a message and of what is quoted in it, as it was typed or pasted."""
    parts = [str(message.get("text") or "")]
    for attachment in message.get("attachments") or ():
        if isinstance(attachment, Mapping):
            parts.append(str(attachment.get("text") or attachment.get("fallback") or ""))
    return "\n".join(undressed(part) for part in parts if part)


def undressed(text: str) -> str:
    """Without Slack's marks: `&lt;` is `<` again, a link is the address that was pasted, fences are gone."""
    text = _FENCE.sub("\n", _DRESSED.sub(_as_typed, text))
    return html.unescape(text).strip("\n")


def _as_typed(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    if target.startswith(("http://", "https://")):
        return label if label and label in target else target
    return label or target


def is_text(file: Mapping[str, Any]) -> bool:
    """Whether a shared file can be a log: a snippet, or text by its type."""
    kind, mime = str(file.get("filetype") or ""), str(file.get("mimetype") or "")
    return file.get("mode") == "snippet" or mime.startswith("text/") or kind in ("text", "log", "txt", "gzip", "gz")


def log_files(files: Iterable[Any]) -> list[Mapping[str, Any]]:
    return [file for file in files if isinstance(file, Mapping) and is_text(file)]
