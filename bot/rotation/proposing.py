"""What the form that starts a rotation begins with: the better way first, where nothing stands against it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.messages.rotation_form import Proposal, may_publish
from bot.policy import rules_for
from bot.rotation.readiness import Check, is_ready, lines
from storage.rotations import Path
from storage.tokens import Token


def propose(
    token: Token,
    now: datetime,
    *,
    opened_by: str,
    packages: Sequence[str],
    taken: Collection[str] = (),
    checks: Sequence[Check] = (),
) -> Proposal:
    """`packages`: whose versions would prove it; `taken`: names in use; `checks`: for trusted publishing."""
    owner = token.owner or opened_by
    second = token.backup_owner if token.backup_owner != owner else None
    return Proposal(
        path=_path(token, checks),
        owner=owner,
        second=second if second else (opened_by if opened_by != owner else None),
        new_name=new_name(token, now, taken),
        packages=tuple(packages),
        ready=lines(checks),
        why=_why(token),
    )


def new_name(token: Token, now: datetime, taken: Collection[str] = ()) -> str:
    """`npm-acme-ci-2026-11-20`: a day that an earlier rotation put there is replaced."""
    base = token.name
    if len(base) > 11 and base[-11] == "-" and _is_day(base[-10:]):
        base = base[:-11]
    name, number = f"{base[:80]}-{now:%Y-%m-%d}", 1
    while name in taken:
        number += 1
        name = f"{base[:80]}-{now:%Y-%m-%d}-{number}"
    return name


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - only whether it is one
    except ValueError:
        return False
    return True


def _path(token: Token, checks: Sequence[Check]) -> Path:
    if token.registry != "npm" or not may_publish(token):
        return "token"
    if is_ready(checks):
        return "trusted-publishing"
    return "stage-token" if token.permission == "read-write-stage-only" else "token"


def _why(token: Token) -> str:
    """What a dated rule of the registry will take from this token, whether or not it ends before that."""
    coming = [rule.says for rule in rules_for(token) if rule.effect == "no-direct-publish"]
    return coming[0] if coming and may_publish(token) else ""
