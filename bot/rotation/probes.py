"""What a repository reports of its own token by `repository_dispatch`: `token-checked` and `token-expiring`. Pure.

Whoever may write to a repository may send these, so they count only for tokens that this repository uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.credentials import kind_of
from bot.token_fields import is_name, read_time
from storage.tokens import Token

_STATUS = re.compile(r"[A-Za-z0-9_\-]{1,40}")
_SEEN_BY = re.compile(r"[A-Za-z0-9 ._/@\-]{1,60}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What `npm whoami` said where the secret is: it shows that the token lives there, not that it may publish."""

    token: str
    ok: bool
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Expiring:
    """`registry`: if the token was named with it; `seen_by`: who or what saw the end, for the audit."""

    token: str
    expires_at: datetime
    registry: str | None = None
    seen_by: str = ""


def read_checked(payload: Mapping[str, Any]) -> Checked | None:
    """None for what is not the documented payload."""
    name, ok, status = payload.get("token"), payload.get("ok"), payload.get("status")
    at = _moment(payload.get("checked_at"))
    if not isinstance(name, str) or not is_name(name) or not isinstance(ok, bool) or at is None:
        return None
    known = isinstance(status, str) and _STATUS.fullmatch(status) is not None
    return Checked(name, ok, str(status) if known else "unknown", at)


def read_expiring(payload: Mapping[str, Any]) -> Expiring | None:
    name = payload.get("token") or payload.get("name")
    at = _moment(payload.get("expires_at"))
    if not isinstance(name, str) or not is_name(name) or at is None:
        return None
    registry, seen_by = payload.get("registry"), payload.get("seen_by")
    return Expiring(
        name,
        at,
        registry if isinstance(registry, str) and registry else None,
        seen_by if isinstance(seen_by, str) and _SEEN_BY.fullmatch(seen_by) and kind_of(seen_by) is None else "",
    )


def uses_it(token: Token, repo: str) -> bool:
    """Whether a use of the token is in this repository, or reaches it from its organisation."""
    owner = repo.partition("/")[0].lower()
    return any(use.repo.lower() in (repo.lower(), owner, f"{owner}/*") for use in token.used_by)


def probe_words(checked: Checked, repo: str) -> str:
    if checked.ok:
        return f"The probe in {repo} says that the token is alive there. It does not say that it may publish."
    if checked.status == "secret-empty":
        return f"The probe in {repo} found the secret empty. Store the new token there."
    return f"The probe in {repo} says that npm refused the token ({checked.status}). Store the new one once more."


def _moment(value: object) -> datetime | None:
    try:
        return read_time(value)
    except ValueError:
        return None
