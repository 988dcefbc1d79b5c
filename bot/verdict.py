"""Log cause + evidence + token metadata + policy -> one verdict with its reasons, best first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.matching import Match


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code`: kebab-case word ("token-expired"); `sentence`: the fact a person reads first, plain text."""

    code: str
    sentence: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    match: Match = Match()
