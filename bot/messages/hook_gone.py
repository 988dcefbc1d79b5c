"""To the operators: GitHub says that a webhook was deleted."""

from __future__ import annotations

from bot.messages import text as t
from bot.messages.message import Message, message, section


def hook_gone(where: str) -> Message:
    """`where`: the repository or organisation it was of, or empty for the App's own."""
    whose = f"of {t.code(where, 100)} " if where else ""
    said = f"The webhook {whose}was deleted on GitHub: nothing is heard from there any more."
    how = "If that is not meant, make it again as the README says; what failed meanwhile is found by the sweep."
    return message(f"{said} {how}", [section(f"*{said}*", how)])
