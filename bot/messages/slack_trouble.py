"""Words about messages that Slack did not take as they were meant: to the operators, and on the messages themselves."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bot.messages import text as t
from bot.messages.message import MOST_BLOCKS, Message, context, message, section
from bot.refusals import EDITS, TROUBLES, WORKSPACE

DELETED = "message-deleted"
OTHER_APP = "other-app"
_ANEW = {
    DELETED: "The earlier message about this was deleted. This one goes on in its place.",
    OTHER_APP: "The earlier message about this belongs to another app and cannot be changed. This one goes on for it.",
}


def began(place: str, code: str, elsewhere: str | None) -> Message:
    """To the operators, once. `elsewhere`: the channel where its messages appear meanwhile; None: they wait."""
    trouble = TROUBLES[code]
    if place == EDITS:
        said = f"Older cards can no longer be brought up to date: {trouble.says}."
        what = "News of them is still said in their threads."
    else:
        said = f"Nothing can be posted {_where(place)}: {trouble.says}."
        what = f"Its messages appear {_where(elsewhere)} meanwhile." if elsewhere else "Its messages wait."
    return _told(said, f"{t.prose(trouble.mend)} {what}", code)


def over(place: str, code: str, since: datetime, waited: int) -> Message:
    """To the operators, when Slack takes messages there again."""
    waiting = f" {t.count(waited, 'message that waited goes', 'messages that waited go')} out now." if waited else ""
    if place == WORKSPACE:
        why = f": {TROUBLES[code].says}" if code in TROUBLES else ""
        said = f"Slack takes messages again. Since {t.date(since)} it took none{why}.{waiting}"
    elif place == EDITS:
        said = "Cards can be brought up to date again."
    else:
        said = f"Messages {_where(place)} arrive again, after a stop since {t.date(since)}.{waiting}"
    return message(said, [section(said)])


def cannot_edit() -> Message:
    """In the thread of a card that Slack lets nobody edit any more."""
    said = "The card above can no longer be brought up to date: this workspace lets nobody edit older messages."
    hint = "What happens next is said here in its thread."
    return message(f"{said} {hint}", [section(said, hint)])


def noted(text: str, blocks: str, *, meant_for: str | None, anew: str | None) -> tuple[str, list[dict[str, Any]]]:
    """A message as it is sent: with a grey line when it was meant for another channel or stands for an earlier one."""
    shown: list[dict[str, Any]] = json.loads(blocks)
    notes = []
    if meant_for:
        notes.append(f"This was meant {_where(meant_for, 'for')}, where Slack took no messages of the bot.")
    if anew in _ANEW:
        notes.append(_ANEW[anew])
    if not notes:
        return text, shown
    if shown and len(shown) < MOST_BLOCKS:
        note = context(*notes)
        shown = [note.block, *shown] if note else shown
    return " ".join((text, *notes)), shown


def _where(place: str | None, word: str = "in") -> str:
    if place == WORKSPACE:
        return "in Slack"
    if t.is_user(place):
        return f"{'as' if word == 'in' else word} direct messages of {t.code(place or '')}"
    return f"{word} {t.channel(place)}"


def _told(said: str, hint: str, code: str) -> Message:
    return message(f"{said} {hint}", [section(f"*{said}*", hint), context(f"Slack says {t.code(code)}.")])
