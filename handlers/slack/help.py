"""`/tokens help`, and the answer to a verb that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

from bot.messages.help import help_message, unknown_verb
from handlers.slack.requests import Command, Reply


def help_with(verbs: Iterable[str]) -> Reply:
    return Reply(help_message(verbs))


def mistyped(command: Command, verbs: Iterable[str]) -> Reply:
    return Reply(unknown_verb(command.verb, verbs))
