"""What is known about a failure besides its log, as frozen values. Pure; `gathering` fetches them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.diagnosis.diagnosis import Diagnosis
from bot.registries.npm.workflow import WorkflowFacts
from storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Published:
    """What the registry shows of a name. `exists` is False for a name nobody has published (or a private one)."""

    name: str
    exists: bool
    versions: frozenset[str] = frozenset()
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class SecretAge:
    """When a secret of this name was last written, and at which level the job reads it."""

    name: str
    level: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """`packages`: names the failure is about; `tokens`: stored ones that could have been used; `missing`: sentences."""

    packages: tuple[str, ...] = ()
    workflow: WorkflowFacts | None = None
    secret: SecretAge | None = None
    published: Published | None = None
    tokens: tuple[Token, ...] = ()
    missing: tuple[str, ...] = ()


def packages_of(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The packages that failed, the log's main one first."""
    failed = [p.package for p in diagnosis.packages if p.outcome not in ("published", "skipped")]
    return tuple(dict.fromkeys(([diagnosis.package] if diagnosis.package else []) + failed))
