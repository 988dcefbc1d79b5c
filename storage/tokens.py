"""What is known about each token: its record, what it may publish, where it is used. There is no column for the value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Use:
    """One place that reads the token. `level`: organization, repository, environment or elsewhere."""

    repo: str
    workflow: str | None = None
    secret: str | None = None
    level: str = "repository"
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """Metadata of one token or trusted publisher. Times are aware UTC datetimes; `owner` is a Slack user id."""

    name: str
    registry: str = "npm"
    kind: str = "granular"
    permission: str | None = None
    packages: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()
    cidr: tuple[str, ...] = ()
    bypass_2fa: bool | None = None
    bypass_reason: str | None = None
    hint: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    expires_computed: bool = False
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    owner: str | None = None
    backup_owner: str | None = None
    note: str = ""
    used_by: tuple[Use, ...] = ()
    id: int | None = None
