"""Same incident? Post, edit or stay quiet? Decided here with a named reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.diagnosis.diagnosis import Alternative, EvidenceLine, PackageOutcome


@dataclass(frozen=True, slots=True)
class Facts:
    """What an incident's card shows besides the incident's own columns. All text is plain and comes from outside."""

    sentence: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    evidence: tuple[EvidenceLine, ...] = ()
    also: tuple[Alternative, ...] = ()
    packages: tuple[PackageOutcome, ...] = ()
    code: str | None = None
    auth: bool = True
    workflow_name: str | None = None
    run_url: str | None = None
    run_number: int | None = None
    attempt: int = 1
    branch: str | None = None
    actor: str | None = None
    token_reasons: tuple[str, ...] = ()
    token_guess: bool = False
    token_ties: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    docs: str | None = None
    can_rerun: bool = False
    seen_late: bool = False
