"""The steps of a rotation in plain language, said the same way on its message, in its thread, in lists and forms."""

from __future__ import annotations

from datetime import datetime

from bot.messages.home import RotationLine
from bot.messages.words import use_words
from bot.rotation import steps
from bot.rotation.steps import State
from storage.rotations import Kind, Path, Rotation, Step

PATH_WORDS: dict[Path, str] = {
    "trusted-publishing": "move to trusted publishing",
    "stage-token": "a new token that may only stage",
    "token": "a new token",
}
STATE_WORDS: dict[State, str] = {
    "planned": "planned",
    "minted": "new token made",
    "stored": "stored, not proven",
    "proven": "proven",
    "overlap": "proven, both alive",
    "revoked": "old token gone",
    "closed": "closed",
    "cancelled": "cancelled",
    "stuck": "stuck",
    "rolled-back": "rolled back",
}


def title(rotation: Rotation, kind: Kind) -> str:
    """What this part of the checklist is about, as an order: plain text of ours."""
    trust = rotation.path == "trusted-publishing"
    many = len(steps.steps_of(rotation, kind))
    if kind == "mint":
        if trust:
            return f"Trust the workflow on npm, for {_count(many, 'package')}"
        return "Make the new token, stage-only" if rotation.path == "stage-token" else "Make the new token"
    if kind == "store":
        if trust:
            return f"Let {_count(many, 'workflow')} ask for an identity"
        return f"Store it in {_count(many, 'place')}"
    if kind == "prove":
        return "See every package published by its trusted publisher" if trust else "Publish once, to prove it"
    if kind == "overlap":
        return f"Keep both alive for {_span(rotation)}" if rotation.overlap else "No time with both alive was wanted"
    if kind == "revoke":
        return "Revoke the old token"
    return f"Take away {_count(many, 'secret')} that nothing reads any more"


def label(step: Step) -> str:
    """What one line is about; plain text with names from outside, not yet safe. Empty when the title says it all."""
    if step.use is not None:
        return use_words(step.use)
    return step.subject


def next_step(rotation: Rotation, now: datetime) -> str:
    """What is to be done now, in a few words without a full stop; plain text of ours."""
    waiting = steps.current(rotation)
    if rotation.end is not None:
        return STATE_WORDS[rotation.end.state]
    if not waiting:
        done = steps.find(rotation, "revoke").done
        return "import npm's token list to confirm that the old one is gone" if done else "close it"
    kind = waiting[0].kind
    trust = rotation.path == "trusted-publishing"
    if steps.needs_approval(rotation):
        return "approve that the new token bypasses two-factor"
    if kind == "mint":
        return f"trust the workflow for {_count(len(waiting), 'package')} on npm" if trust else "make the new token"
    if kind == "store":
        if trust:
            return f"let {_count(len(waiting), 'workflow')} ask for an identity"
        more = "" if len(waiting) == len(steps.steps_of(rotation, "store")) else " more"
        return f"store the new token in {len(waiting)}{more} {'place' if len(waiting) == 1 else 'places'}"
    if kind == "prove":
        left = len(waiting)
        return f"publish {_count(left, 'package')}, to prove it" if trust else "publish once, to prove it"
    if kind == "revoke":
        if steps.why_not_revoke(rotation, now) is not None:
            return "wait: both tokens are kept alive for now"
        return "revoke the old token"
    return f"take away {_count(len(waiting), 'secret')}"


def rotation_line(rotation: Rotation, now: datetime) -> RotationLine:
    """How the Home shows it: the step, whose turn it is, and whether it is stuck."""
    done, total = progress(rotation)
    stuck = ", stuck" if rotation.stuck is not None else ""
    sentence = f"step {min(done + 1, total)} of {total}{stuck}: {next_step(rotation, now)}"
    return RotationLine(rotation.token_name, sentence, steps.whose_turn(rotation))


def progress(rotation: Rotation) -> tuple[int, int]:
    """(parts done, parts), as the numbered checklist shows them."""
    kinds = parts(rotation)
    waiting = steps.current(rotation)
    if rotation.end is not None or not waiting:
        return len(kinds), len(kinds)
    return kinds.index(waiting[0].kind), len(kinds)


def parts(rotation: Rotation) -> list[Kind]:
    """The kinds of steps that this rotation has, in order."""
    return [kind for kind in steps.ORDER if steps.steps_of(rotation, kind)]


def _span(rotation: Rotation) -> str:
    hours = rotation.overlap.total_seconds() / 3600
    if hours >= 24 and hours % 24 == 0:
        return "a day" if hours == 24 else f"{hours / 24:.0f} days"
    return f"{hours:.0f} hours"


def _count(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
