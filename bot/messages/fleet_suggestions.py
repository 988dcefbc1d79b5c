"""To the operators, once: publishing workflows read secrets that no token is recorded for."""

from __future__ import annotations

from collections.abc import Sequence

from bot.fleet.suggestions import Suggestion
from bot.messages import text as t
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections

MOST = 10
MOST_BUTTONS = 5
ADD = "fleet.add"  # value: the record in one line


def suggestions_message(found: Sequence[Suggestion]) -> Message:
    """The most used first; `found` is not empty."""
    headline = f"{t.count(len(found), 'secret')} that workflows publish with {'has' if len(found) == 1 else 'have'}"
    headline += " no token on record"
    lines = [_line(one) for one in found[:MOST]]
    more = f"And {len(found) - MOST:,} more: `python -m bot tokens scan` lists them all." if len(found) > MOST else ""
    parts: list[Part | None] = [
        section(
            f"*{headline}*",
            "Nobody is reminded before their tokens end. Add a record of each: what is known is filled in.",
        ),
        *sections(t.bullets(lines), rank=1),
        # Slack takes an action only once a row.
        *(
            buttons(Button(f"Add {t.plain(one.place.words, 60)}", ADD, one.record), rank=1)
            for one in found[:MOST_BUTTONS]
        ),
        context(more, "Found by reading the workflow files. This is said once for each secret."),
    ]
    first = t.listed([t.mrkdwn(one.place.words, 80) for one in found[:3]], 3, len(found))
    return message(f"{headline}: {first}. Add them with `/tokens add`.", parts)


def _line(one: Suggestion) -> str:
    where = {
        "organization": f"of organisation {t.code(one.place.where, 80)}",
        "environment": f"of environment {t.code(one.place.environment, 80)} in {t.code(one.place.where, 80)}",
    }.get(one.place.level, f"of {t.code(one.place.where, 80)}")
    read = f"read by {t.count(one.workflows, 'workflow')}"
    examples = t.listed([t.code(repo, 80) for repo in one.examples])
    return f"{t.code(one.place.name, 80)} {where}, {read}" + (f": {examples}" if one.workflows <= 3 else "")
