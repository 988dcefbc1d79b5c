"""What npm itself says about tokens: `npm token list --json` of npm 9 to 12. Pure.

npm's output differs by version: the key is a UUID up to npm 10 and `***` from 11 on, the short id comes with 11.18,
the end is called `expiry` or `expires` and the allow-list `cidr` or `cidr_whitelist`. Source: npm's
lib/commands/token.js, read at 9.9.4, 10.9.9, 11.7 to 11.21 and 12.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.policy import with_end
from bot.token_fields import Problem, credential_problems, is_name, read_fields, read_hint
from bot.token_metadata import MetadataProblems
from storage.tokens import Token

TOKEN_KEYS = frozenset({"token", "key", "readonly", "cidr_whitelist", "bypass_2fa", "expiry", "accessed"})
_ID_LENGTH = 8  # of a key: enough for `npm token revoke`, too little to be a classic token, which was a UUID too
_ALL_PACKAGES = "*"


@dataclass(frozen=True, slots=True)
class Listed:
    """One token of npm's list. `label`: its name on npm, free text; `token.name` is a name people can type."""

    label: str
    token: Token


def is_token_list(values: Sequence[object]) -> bool:
    """Whether these look like the objects of `npm token list --json` rather than our own records."""
    return bool(values) and all(
        isinstance(value, Mapping)
        and "used_by" not in value
        and "registry" not in value
        and len(TOKEN_KEYS & set(value)) >= 2
        for value in values
    )


def read_token_list(values: Iterable[tuple[str, object]], *, account: str | None = None) -> tuple[Listed, ...]:
    """(where, object) pairs of npm's token list as tokens. Raises MetadataProblems."""
    listed: list[Listed] = []
    problems: list[Problem] = []
    for where, raw in values:
        if not isinstance(raw, Mapping):
            problems.append(Problem(where, "", "must be an object of npm's token list"))
            continue
        refused = credential_problems(raw, where)
        one, wrong = (None, refused) if refused else _read_token(raw, where, account)
        problems += wrong
        if one is not None:
            listed.append(one)
    if problems:
        raise MetadataProblems(problems)
    return tuple(listed)


def same_token(stored: Token, listed: Listed) -> bool:
    """Whether a stored token is this one of npm's list: by id, or by hint with creation or name, or by name alone.

    A name alone counts only while the stored record has nothing better, which is how people type one in.
    """
    token = listed.token
    if stored.registry_id and token.registry_id:
        return stored.registry_id.startswith(token.registry_id) or token.registry_id.startswith(stored.registry_id)
    same_name = stored.name in (listed.label, token.name)
    if stored.hint and token.hint:
        if stored.hint != token.hint:
            return False
        return same_name or stored.created_at is None or _same_day(stored.created_at, token.created_at)
    return same_name and (stored.created_at is None or _same_day(stored.created_at, token.created_at))


def updated(stored: Token, listed: Listed) -> Token:
    """The stored token with what npm says of it; what only people know stays: name, owners, uses, reasons, notes."""
    news = listed.token
    has_grants = bool(news.packages or news.scopes or news.orgs)
    return with_end(
        replace(
            stored,
            kind=news.kind,
            permission=news.permission or stored.permission,
            packages=news.packages if has_grants else stored.packages,
            scopes=news.scopes if has_grants else stored.scopes,
            orgs=news.orgs if has_grants else stored.orgs,
            cidr=news.cidr,
            bypass_2fa=stored.bypass_2fa if news.bypass_2fa is None else news.bypass_2fa,
            hint=news.hint or stored.hint,
            created_at=news.created_at or stored.created_at,
            expires_at=news.expires_at if news.expires_at and not news.expires_computed else _kept_end(stored, news),
            expires_computed=stored.expires_computed if news.expires_computed else False,
            last_used_at=news.last_used_at or stored.last_used_at,
            revoked_at=news.revoked_at,
            account=news.account or stored.account,
            registry_id=max(filter(None, (news.registry_id, stored.registry_id)), key=len, default=None),
        ),
        none_is_known=True,
    )


def name_for(label: str, hint: str | None) -> str:
    """A name people can type, from a token's free name on npm or else from its hint."""
    name = re.sub(r"[^A-Za-z0-9@._/+-]+", "-", label).strip("-.")[:90]
    if is_name(name):
        return name
    shown = re.sub(r"[^A-Za-z0-9]+", "-", hint or "token").strip("-")
    return shown if shown.startswith("npm-") else f"npm-{shown}"


def _read_token(raw: Mapping[str, Any], where: str, account: str | None) -> tuple[Listed | None, list[Problem]]:
    shown = raw.get("token")
    packages, scopes, orgs, permission = _grants(raw)
    label = next((raw[key] for key in ("name", "description") if isinstance(raw.get(key), str) and raw[key]), "")
    hint = read_hint(shown) if isinstance(shown, str) else None
    # Only granular tokens have a name, an end or permissions; npm 9 and 10 could still list classic ones.
    granular = bool({"name", "expiry", "expires", "permissions", "scopes", "bypass_2fa"} & set(raw))
    record = {
        "name": name_for(label, hint),
        "registry": "npm",
        "kind": "granular" if granular else "classic",
        "permission": permission,
        "packages": packages,
        "scopes": scopes,
        "orgs": orgs,
        "cidr": first_of(raw, "cidr", "cidr_whitelist") or [],
        "bypass_2fa": raw.get("bypass_2fa"),
        "hint": hint,
        "created_at": raw.get("created"),
        "expires_at": first_of(raw, "expiry", "expires"),
        "last_used_at": raw.get("accessed"),
        # false as well as null mean that it lives
        "revoked_at": raw.get("revoked") or None,
        "account": account,
        "registry_id": _identity(raw),
    }
    values, problems = read_fields(record, where)
    if problems:
        return None, [
            Problem(where, _NPM_NAMES.get(problem.field, problem.field), problem.message) for problem in problems
        ]
    return Listed(label, with_end(Token(**values), none_is_known=True)), []


_NPM_NAMES = {"created_at": "created", "expires_at": "expiry", "last_used_at": "accessed", "revoked_at": "revoked"}


def _grants(raw: Mapping[str, Any]) -> tuple[list[str], list[str], list[str], str | None]:
    """Packages, scopes, organisations and permission. `permissions`: {name, action}; `scopes`: {type, name}."""
    kinds: dict[str, list[str]] = {"package": [], "scope": [], "org": []}
    actions: set[str] = set()
    permissions, scopes = raw.get("permissions"), raw.get("scopes")
    for one in scopes if isinstance(scopes, list) else []:
        if isinstance(one, Mapping) and isinstance(one.get("name"), str):
            kind = str(one.get("type", "")).lower()
            kinds["org" if kind.startswith("org") else _kind_of_name(one["name"], kind)].append(one["name"])
        elif isinstance(one, str):
            kinds[_kind_of_name(one, "")].append(one)
    named = {name for names in kinds.values() for name in names}
    for one in permissions if isinstance(permissions, list) else []:
        if not isinstance(one, Mapping):
            continue
        actions.add(str(one.get("action", "")).lower())
        name = one.get("name")
        if isinstance(name, str) and name and name not in named:
            # An entry without @ may be a package or an organisation; only `scopes` tells, so it counts as a package.
            kinds[_kind_of_name(name, str(one.get("type", "")).lower())].append(name)
    stage_only = any(_stage_only(one) for one in (raw, *(permissions if isinstance(permissions, list) else [])))
    if raw.get("packages_all") is True:
        kinds["package"].append(_ALL_PACKAGES)
    permission = None
    if stage_only:
        permission = "read-write-stage-only"
    elif raw.get("readonly") is True or (actions and not actions - {"read", "read-only"}):
        permission = "read-only"
    elif actions or raw.get("readonly") is False:
        permission = "read-write"
    return kinds["package"], kinds["scope"], kinds["org"], permission


def _kind_of_name(name: str, kind: str) -> str:
    if kind.startswith("org"):
        return "org"
    return (
        "scope" if kind == "scope" or (name.startswith("@") and ("/" not in name or name.endswith("/*"))) else "package"
    )


def _stage_only(one: object) -> bool:
    # Announced with the stage-only tokens of 2026-09-18; where exactly it stands is not documented.
    return isinstance(one, Mapping) and str(one.get("publish_policy", "")).lower().replace("-", "_") == "stage_only"


def _identity(raw: Mapping[str, Any]) -> str | None:
    key, short = raw.get("key"), raw.get("id")
    if isinstance(key, str) and re.fullmatch(r"[0-9a-f-]{36}", key):
        return key[:_ID_LENGTH]
    return short[:_ID_LENGTH] if isinstance(short, str) and re.fullmatch(r"[0-9a-f-]{6,36}", short) else None


def _kept_end(stored: Token, news: Token) -> datetime | None:
    """npm names no end: a computed one takes its place, unless people recorded theirs."""
    return stored.expires_at if news.expires_computed and not stored.expires_computed else None


def first_of(raw: Mapping[str, Any], *keys: str) -> Any:
    """The value of the first of these keys that has one."""
    return next((raw[key] for key in keys if raw.get(key) is not None), None)


def _same_day(one: datetime | None, other: datetime | None) -> bool:
    """People note the day a token was made, npm the second."""
    return one is not None and other is not None and one.date() == other.date()
