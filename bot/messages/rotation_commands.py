"""Every command of a rotation in one message, for those who want to see the whole way before they walk it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages import rotation_words as words
from bot.messages import text as t
from bot.messages.message import Message, Part, context, exact, message, section
from bot.messages.rotation_card import commands_of
from bot.rotation import commands, steps
from storage.rotations import Rotation
from storage.tokens import Token


def rotation_commands(rotation: Rotation, old: Token | None, changes: Sequence[tuple[str, str]] = ()) -> Message:
    """`changes`: (workflow, unified diff) for those files that have to change."""
    headline = f"The commands of the rotation of {t.code(rotation.token_name)}"
    parts: list[Part | None] = [section(f"*{headline}*", "Each is one line and holds no value.")]
    proven = steps.settled(rotation, "prove")
    for number, kind in enumerate(words.parts(rotation), 1):
        if kind == "overlap":
            continue
        parts.append(section(f"*{number}. {words.title(rotation, kind)}*"))
        if kind == "retire" and proven:
            parts += _changes(changes)
        parts += commands_of(rotation, kind, steps.steps_of(rotation, kind), old)
        if kind == "store" and not proven:
            parts += _changes(changes)
    parts += _optional(rotation)
    if rotation.path == "stage-token":
        parts += [
            section("*Publish with it* in the workflow, and approve each version as a person:"),
            exact(commands.STAGE),
        ]
    return message(headline, [*parts, section(f"*Back again*: {_back(rotation)}")])


def _back(rotation: Rotation) -> str:
    if rotation.path == "trusted-publishing":
        return (
            "as long as the old token and its secret are there, undo the change of the workflow. A trusted publisher "
            f"goes with {t.code('npm trust list PACKAGE')} and {t.code('npm trust revoke PACKAGE --id=ID')}."
        )
    return "store the old value where the new one is, then revoke the new token."


def _changes(changes: Sequence[tuple[str, str]]) -> list[Part | None]:
    parts: list[Part | None] = []
    for workflow, diff in changes:
        parts += [context(f"What to change in {t.code(workflow)}:"), exact_block(diff)]
    return parts


def exact_block(text: str) -> Part | None:
    """A diff, line by line; left out when a line cannot be shown exactly."""
    lines = text.splitlines()
    return exact(lines, rank=2) if all(t.clean(line) == line for line in lines) else None


def _optional(rotation: Rotation) -> list[Part | None]:
    uses = [step.use for step in steps.steps_of(rotation, "store") if step.use is not None]
    lines = list(dict.fromkeys(line for use in uses if (line := commands.probe(use))))
    if not lines or rotation.path == "trusted-publishing":
        return []
    return [
        section(
            "*Optional, before the release*: the probe workflow asks npm who the token is, where the secret lives. It "
            "shows that the token is alive there, not that it may publish."
        ),
        exact(lines[:5]),
    ]
