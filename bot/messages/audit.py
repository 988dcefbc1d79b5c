"""The answer to `/tokens audit`: what a person should look at, the worst first, with what to do about each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.fleet.audit import Finding, by_code
from bot.fleet.audit_rules import Level
from bot.messages import text as t
from bot.messages.message import Message, Part, context, message, section

MOST_KINDS = 14
MOST_OF_A_KIND = 4
MOST_NAMES = 8
_LEVEL_WORDS: dict[Level, str] = {"error": "to mend now", "warning": "to mend soon", "note": "to tidy up"}


def audit_message(found: Sequence[Finding], scanned: bool) -> Message:
    """`found`: worst first; `scanned`: whether any workflow file was read."""
    if not found:
        said = "Nothing to look at: every rule of the audit holds."
        return message(said, [section(f"*{said}*"), context(_scope(scanned))])
    counts = Counter(one.rule.level for one in found)
    words = [f"{counts[level]:,} {words}" for level, words in _LEVEL_WORDS.items() if counts[level]]
    headline = f"{t.count(len(found), 'thing')} to look at: {t.listed(words)}"
    kinds = by_code(found)
    parts: list[Part | None] = [section(f"*{headline}*")]
    for place, (code, some) in enumerate(list(kinds.items())[:MOST_KINDS]):
        parts.append(section(*_kind(code, some), rank=1 + place))
    left_out = len(kinds) - MOST_KINDS
    more = f"And {t.count(left_out, 'more kind')}." if left_out > 0 else ""
    everything = "`python -m bot tokens audit` lists everything, also as JSON or SARIF for CI."
    parts.append(context(more, everything, _scope(scanned)))
    first = found[0]
    return message(f"{headline}. The first: {t.sentence(f'{first.about}: {first.sentence}', 300)}", parts)


def _kind(code: str, some: Sequence[Finding]) -> list[str]:
    rule = some[0].rule
    lines = [f"*{t.mrkdwn(rule.title)}* ({len(some):,}, {t.code(code)})  {t.prose(rule.advice)}"]
    if len(some) > 1 and len({one.sentence for one in some}) == 1:
        named = t.listed([t.code(one.about, 80) for one in some[:MOST_NAMES]], MOST_NAMES, len(some))
        return [*lines, f"•  {named}: {t.sentence(some[0].sentence, 240)}"]
    for one in some[:MOST_OF_A_KIND]:
        named = f"{t.code(one.about, 80)}: " if one.about not in one.sentence else ""
        lines.append(f"•  {named}{t.sentence(one.sentence, 240)}")
    if len(some) > MOST_OF_A_KIND:
        lines.append(f"•  and {len(some) - MOST_OF_A_KIND:,} more")
    return lines


def _scope(scanned: bool) -> str:
    return "" if scanned else "Workflow files were not read yet: `python -m bot tokens scan ORG` does that."
