"""What can be typed after `/tokens`, and help for what was mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from bot.messages import text as t
from bot.messages.message import Message, context, message, section

COMMAND = "/tokens"
# verb -> (what to type after it, what it does)
VERBS: dict[str, tuple[str, str]] = {
    "status": ("", "what has expired, what ends soon, what is broken"),
    "list": ("[filter]", "all tokens, soonest end first"),
    "show": ("NAME", "everything about one token"),
    "add": ("", "add the facts of a token"),
    "edit": ("NAME", "change the facts of a token"),
    "import": ("", "add many at once"),
    "remove": ("NAME", "forget a token that is gone"),
    "rotate": ("NAME", "replace a token, or do without one, step by step"),
    "why": ("RUN-URL", "find out now why a run failed"),
    "deadlines": ("", "what stops working when, and what to do about it"),
    "map": ("[token, secret, repo or package]", "what breaks when it is gone: which token publishes what from where"),
    "incidents": ("", "what is open, who is on it, what is quiet and why"),
    "claim": ("[which]", "take an incident: by its number, package or repository"),
    "snooze": ("[which]", "be quiet about an incident for a while"),
    "digest": ("[direct or channel]", "how you hear of tokens that end: alone, or with everybody"),
    "audit": ("", "what a person should look at, with what to do about it"),
    "help": ("", "this"),
}
_NEAR = 0.5
_MOST_NEAR = 3


def help_message(verbs: Iterable[str] = VERBS) -> Message:
    """`verbs`: those that are there; the ones this file does not know are left out."""
    lines = []
    for verb in verbs:
        if verb in VERBS:
            argument, words = VERBS[verb]
            lines.append(f"{t.code(' '.join(filter(None, (COMMAND, verb, argument))))}  {words}")
    intro = "Tokenwatch says why a publish failed, whose token it was and what to do, and warns before a token ends."
    return message(
        f"{intro} Type {COMMAND} and a verb: {', '.join(verb for verb in verbs if verb in VERBS)}.",
        [
            section(intro),
            section(*lines),
            context("Never paste a token here. Nothing in Tokenwatch needs one."),
        ],
    )


def unknown_verb(verb: str, verbs: Iterable[str] = VERBS) -> Message:
    """`There is no /tokens lst. Did you mean list?`"""
    near = nearest(verb, verbs)
    said = f"There is no {t.code(f'{COMMAND} {verb}', 80)}."
    if near:
        hint = f"Did you mean {_either([t.code(f'{COMMAND} {word}') for word in near])}?"
    else:
        hint = f"{t.code(COMMAND + ' help')} lists what there is."
    return message(f"{said} {hint}", [section(f"{said} {hint}")])


def unknown_token(name: str, names: Sequence[str]) -> Message:
    """`names`: those that come into question; the nearest are shown."""
    near = nearest(name, names)
    said = f"No token is called {t.code(name, 80)}."
    if near:
        hint = f"Did you mean {_either([t.code(word, 80) for word in near])}?"
    else:
        hint = f"{t.code(COMMAND + ' list')} shows their names."
    return message(f"{said} {hint}", [section(f"{said} {hint}")])


def needs(verb: str) -> Message:
    """A verb without what it needs: how to type it."""
    argument, words = VERBS.get(verb, ("NAME", ""))
    said = f"Type {t.code(f'{COMMAND} {verb} {argument}', 80)}" + (f": {words}." if words else ".")
    return message(said, [section(said)])


def nearest(word: str, words: Iterable[str]) -> list[str]:
    """Up to three words much like this one, the nearest first; case does not matter."""
    by_folded: dict[str, str] = {}
    for candidate in words:
        by_folded.setdefault(candidate.casefold(), candidate)
    # Long input costs quadratic time and is like nothing.
    near = difflib.get_close_matches(word.casefold()[:80], by_folded, _MOST_NEAR, _NEAR)
    return [by_folded[folded] for folded in near]


def _either(options: Sequence[str]) -> str:
    return t.listed(options).replace(" and ", " or ")
