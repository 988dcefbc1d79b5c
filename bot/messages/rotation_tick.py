"""The form in which a person says what the bot cannot see: done, done without the proof, or not done after all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bot.messages import rotation_words as words
from bot.messages.message import section
from bot.messages.modal import MOST_OPTIONS, Values, closing_form, modal, put, select, text_input
from bot.rotation import steps
from storage.rotations import Kind, Rotation, Step

TICK_FORM = "rotation.tick_form"  # private_metadata: the id of the rotation
STEP, REASON = "step", "reason"
WITHOUT_PROOF = "without:"
BACK = "back:"
ALL = "all:"
GO_ON = "go-on"


@dataclass(frozen=True, slots=True)
class Tick:
    """What a person said. `place`: of the step; `kind`: for all open steps of one part instead."""

    how: Literal["done", "without", "back", "go-on"]
    reason: str
    place: int = 0
    kind: Kind | None = None


def tick_form(rotation: Rotation, now: datetime) -> dict[str, Any]:
    """What a person may say: done, done without the proof, or not done after all; always with a reason."""
    options = tick_options(rotation, now)
    if not options:
        return closing_form("Tick by hand", "There is nothing to tick: this rotation has ended")
    return modal(
        "Tick by hand",
        [
            section("The bot ticks what it sees by itself. What you say is shown as said by you."),
            # To go on without a proof is never what is proposed.
            select(STEP, "What", options, initial=options[0][0] if options[0][0].isdecimal() else None),
            text_input(REASON, "How do you know?", placeholder="I wrote it into our vault", most=300),
        ],
        callback_id=TICK_FORM,
        submit="Say so",
        private_metadata=str(rotation.id),
    )


def tick_options(rotation: Rotation, now: datetime) -> list[tuple[str, str]]:
    """(value, text): the current steps first, then going on without proof, then steps to be taken back.

    Of very many steps not each can be shown; what ends the part as a whole always is.
    """
    if rotation.end is not None:
        return []
    numbered = [(n, step) for n, step in enumerate(rotation.steps) if not step.dropped]
    waiting = steps.current(rotation)
    open_ = [(n, step) for n, step in numbered if _tickable(rotation, step, waiting, now)]
    whole = _whole(rotation, waiting, now)
    if steps.needs_approval(rotation):
        single = []
    elif waiting and waiting[0].kind == "prove":
        each = rotation.path == "trusted-publishing" and len(waiting) > 1
        single = [(f"{WITHOUT_PROOF}{n}", f"Published, unseen by the bot: {step.subject}") for n, step in open_ if each]
    else:
        single = [(str(n), f"Done: {_named(rotation, step)}") for n, step in open_]
    back = _to_take_back(rotation, numbered)
    if rotation.stuck is not None:
        back.insert(0, (GO_ON, "It goes on: give it its time anew"))
    single = single[: MOST_OPTIONS // 2]
    return [*single, *whole, *back][:MOST_OPTIONS]


def _whole(rotation: Rotation, waiting: Sequence[Step], now: datetime) -> list[tuple[str, str]]:
    """What settles all that is open of the current part at once, and what goes on without its proof."""
    options: list[tuple[str, str]] = []
    kind = waiting[0].kind if waiting else None
    if kind in ("store", "retire", "mint") and len(waiting) > 1:
        options.append((f"{ALL}{kind}", f"Done: all {len(waiting)} that are open"))
    if kind == "prove":
        options.append((f"{ALL}{kind}", "Go on without seeing a release"))
    revoke = steps.find(rotation, "revoke")
    if revoke.done is None and steps.why_not_revoke(rotation, now) is not None:
        place = rotation.steps.index(revoke)
        options.append((f"{WITHOUT_PROOF}{place}", "The old token is revoked already, without waiting"))
    return options


def _to_take_back(rotation: Rotation, numbered: Sequence[tuple[int, Step]]) -> list[tuple[str, str]]:
    gone = steps.reached(rotation) == "revoked"
    return [
        (f"{BACK}{n}", f"Not done after all: {_named(rotation, step)}")
        for n, step in numbered
        if step.done is not None
        and (step.kind == "revoke" and step.done.proof == "said" if gone else step.kind in ("mint", "store", "prove"))
    ]


def _tickable(rotation: Rotation, step: Step, waiting: Sequence[Step], now: datetime) -> bool:
    if step not in waiting or step.kind == "overlap":  # that begins and ends by itself
        return False
    return step.kind != "revoke" or steps.why_not_revoke(rotation, now) is None


def read_tick_form(values: Values) -> Tick:
    chosen = put(values, STEP) or ""
    reason = put(values, REASON) or ""
    if chosen == GO_ON:
        return Tick("go-on", reason)
    if chosen.startswith(ALL):
        kind: Kind = next((kind for kind in steps.ORDER if chosen == f"{ALL}{kind}"), "store")
        return Tick("without" if kind == "prove" else "done", reason, kind=kind)
    if chosen.startswith(WITHOUT_PROOF):
        return Tick("without", reason, _place(chosen.removeprefix(WITHOUT_PROOF)))
    if chosen.startswith(BACK):
        return Tick("back", reason, _place(chosen.removeprefix(BACK)))
    return Tick("done", reason, _place(chosen))


def _named(rotation: Rotation, step: Step) -> str:
    return words.label(step) or words.title(rotation, step.kind)


def _place(value: str) -> int:
    """-1, which is no place, for what is not ours."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else -1
