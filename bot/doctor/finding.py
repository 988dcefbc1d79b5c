"""What the doctor says: one fact and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`said`: the fact; `mend`: what to do about it, empty when all is well."""

    what: str
    state: State
    said: str
    mend: str = ""


def first_wrong(findings: Sequence[Finding]) -> str | None:
    """What is wrong, with how to mend it, in one line; None when nothing is."""
    for finding in findings:
        if finding.state == "wrong":
            return f"{finding.said}. {finding.mend}"
    return None
