"""What operators are told when something needs them."""

from __future__ import annotations

from bot.messages import text as t
from bot.messages.message import Message, context, message, section
from storage.needs import Told


def need_message(told: Told) -> Message:
    """The fact and what to do; struck through once it is over."""
    said = t.prose(told.text, 2500)
    if told.over_at is None:
        return message(said, [section(said), context("For the operators of Tokenwatch.")])
    over = f"Over since {told.over_at:%Y-%m-%d %H:%M} UTC."
    return message(f"{over} It was: {said}", [section(f"*{over}*", f"It was: {said}")])
