"""The frozen result of reading one job log, and the JSON that `diagnose --json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["failed", "succeeded", "staged", "unclear"]
Phase = Literal["publish", "install", "other"]


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One deciding line. `line` counts from 1 in the raw log; `text` is masked and without stamps and colours."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class PackageOutcome:
    """What became of one package of the log. `outcome`: published, failed, staged, skipped or unclear."""

    package: str
    version: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another cause the log alone cannot rule out (or a stacked one), and what would confirm it."""

    cause: str
    confidence: float
    would_confirm: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One log's verdict by its text alone. `cause` is a word of the public vocabulary; `confidence` 0..1."""

    cause: str
    auth: bool
    outcome: Outcome
    phase: Phase
    sentence: str
    registry: str | None = None
    tool: str | None = None
    client: str | None = None
    package: str | None = None
    version: str | None = None
    code: str | None = None
    packages: tuple[PackageOutcome, ...] = ()
    confidence: float = 0.0
    evidence: tuple[EvidenceLine, ...] = ()
    also: tuple[Alternative, ...] = ()
    fix: tuple[str, ...] = ()
    docs: str | None = None
    secrets_masked: int = 0
    lines: int = 0

    def to_json(self) -> dict[str, Any]:
        """The object of one `diagnose --json` line, keys in the promised order."""
        return {
            "cause": self.cause,
            "auth": self.auth,
            "outcome": self.outcome,
            "phase": self.phase,
            "registry": self.registry,
            "tool": self.tool,
            "client": self.client,
            "package": self.package,
            "version": self.version,
            "code": self.code,
            "packages": [{"package": p.package, "version": p.version, "outcome": p.outcome} for p in self.packages],
            "confidence": round(self.confidence, 2),
            "evidence": [{"line": e.line, "text": e.text} for e in self.evidence],
            "also": [
                {"cause": a.cause, "confidence": round(a.confidence, 2), "would_confirm": a.would_confirm}
                for a in self.also
            ],
            "fix": list(self.fix),
            "sentence": self.sentence,
            "docs": self.docs,
            "secrets_masked": self.secrets_masked,
            "lines": self.lines,
        }
