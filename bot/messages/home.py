"""The App Home: my tokens, what ends soon, what is open, what is being rotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.models.views import View

from bot.messages import text as t
from bot.messages.message import Button, Part, buttons, context, divider, fitted, header, section, sections
from bot.messages.modal import MOST_VIEW_BLOCKS, MOST_VIEW_TEXT
from bot.messages.token_lists import token_line
from bot.messages.words import workflow_words
from storage.incidents import Incident
from storage.tokens import Token

ADD = "token.add"  # opens the form of a new token
ROTATE = "rotation.choose"  # opens the form that asks which token
MOST_LINES = 10


@dataclass(frozen=True, slots=True)
class Shelf:
    """The first few of something, and how many there are."""

    tokens: tuple[Token, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class RotationLine:
    """A rotation under way: the token's name, the step that is next as a sentence, and whose turn it is."""

    token: str
    next_step: str
    owner: str | None = None


def home_view(
    mine: Shelf,
    ending: Shelf,
    incidents: Sequence[Incident],
    now: datetime,
    *,
    open_incidents: int | None = None,
    rotations: Sequence[RotationLine] = (),
) -> dict[str, Any]:
    """`mine`: tokens of the person looking; `ending`: everybody's, soonest end first; `incidents`: open ones."""
    total = len(incidents) if open_incidents is None else open_incidents
    parts: list[Part | None] = [
        *_shelf("My tokens", mine, now, "None is yours yet. You own what you add, and what others name you for."),
        buttons(Button("Add a token", ADD), Button("Rotate a token", ROTATE)),
        divider(),
        *_shelf("Ending soon", ending, now, "Nothing ends within 30 days."),
        divider(),
        header("Open incidents"),
        *_incidents(incidents, total),
        *_rotations(rotations),
        context("`/tokens help` lists what you can type. Never paste a token anywhere."),
    ]
    kept = fitted(parts, MOST_VIEW_BLOCKS, MOST_VIEW_TEXT)
    view: dict[str, Any] = View(type="home", blocks=[part.block for part in kept]).to_dict()
    return view


def _shelf(title: str, shelf: Shelf, now: datetime, empty: str) -> list[Part | None]:
    lines = t.bullets(token_line(token, now) for token in shelf.tokens[:MOST_LINES])
    if shelf.total > MOST_LINES:
        lines.append(f"And {shelf.total - MOST_LINES:,} more: `/tokens list`")
    return [header(title), *(sections(lines, rank=1) if lines else [section(empty)])]


def _incidents(incidents: Sequence[Incident], total: int) -> list[Part | None]:
    lines = []
    for incident in incidents[:MOST_LINES]:
        what = t.code(incident.package, 80) if incident.package else ""
        version = t.mrkdwn(incident.version, 40) if incident.package and incident.version else ""
        where = f"{t.code(incident.repo, 80)} {t.mrkdwn(workflow_words(incident.workflow), 80)}"
        who = f"  ·  {t.mention(incident.claimed_by)} is on it" if incident.state == "claimed" else ""
        quiet = f"  ·  snoozed until {t.date(incident.snoozed_until)}" if incident.snoozed_until else ""
        since = f"  ·  since {t.date(incident.opened_at)}"
        lines.append(f"{' '.join(filter(None, (what, version, where)))}{since}{who}{quiet}")
    if total > MOST_LINES:
        lines.append(f"And {total - MOST_LINES:,} more: `/tokens incidents`")
    return [*sections(t.bullets(lines), rank=1)] if lines else [section("Nothing is broken.")]


def _rotations(rotations: Sequence[RotationLine]) -> list[Part | None]:
    if not rotations:
        return []
    lines = [
        f"{t.code(line.token, 80)}: {t.prose(line.next_step, 200)}"
        + (f" {t.mention(line.owner)}" if line.owner else "")
        for line in rotations[:MOST_LINES]
    ]
    return [divider(), header("Rotations under way"), *sections(t.bullets(lines), rank=1)]
