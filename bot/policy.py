"""Dated rules of the registries, from policy.toml: how long a token lives and what it stops being allowed to do. Pure.

Nothing here knows one registry from another: a rule names the registry and the kinds it is about.
"""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args

from storage.tokens import Token

Effect = Literal[
    "lifetime", "capped", "dies", "no-creation", "no-management", "no-direct-publish", "endless", "immutable-subject"
]

MAY_PUBLISH = ("read-write", "read-write-stage-only")
# A record that does not say what a token may do is there because something publishes with it.
_ASSUMED_PERMISSION = "read-write"


@dataclass(frozen=True, slots=True)
class Rule:
    """One decision of a registry. `at`: when it takes effect; `target`: that day was announced, not fixed."""

    id: str
    registry: str
    kinds: tuple[str, ...]
    at: datetime
    effect: Effect
    says: str
    link: str
    permissions: tuple[str, ...] = ()
    bypass_2fa: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    target: bool = False
    default: timedelta | None = None
    most: timedelta | None = None

    def holds_for(self, token: Token) -> bool:
        """A token of unknown age counts as new, one of unknown permission as able to write."""
        if token.registry != self.registry or token.kind not in self.kinds:
            return False
        if self.permissions and (token.permission or _ASSUMED_PERMISSION) not in self.permissions:
            return False
        if self.bypass_2fa is not None and token.bypass_2fa is not self.bypass_2fa:
            return False
        if self.created_from and token.created_at and token.created_at < self.created_from:
            return False
        return not (self.created_before and (token.created_at is None or token.created_at >= self.created_before))


@dataclass(frozen=True, slots=True)
class Stop:
    """When a token stops publishing, and the rule that says so; no rule = it simply ends."""

    at: datetime
    rule: Rule | None = None


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules in order of their dates. Raises ValueError when policy.toml is malformed."""
    text = importlib.resources.files("bot").joinpath("policy.toml").read_text(encoding="utf-8")
    return read_rules(text)


def read_rules(text: str) -> tuple[Rule, ...]:
    found = [_rule(table) for table in tomllib.loads(text).get("rule", [])]
    if len({rule.id for rule in found}) != len(found):
        raise ValueError("policy.toml: two rules have the same id")
    return tuple(sorted(found, key=lambda rule: (rule.at, rule.id)))


def rules_for(token: Token) -> tuple[Rule, ...]:
    """Every rule about this token, past and coming, in order of their dates."""
    return tuple(rule for rule in rules() if rule.holds_for(token))


def computed_end(token: Token) -> datetime | None:
    """When a token ends whose end nobody recorded; None when no rule tells (or it has none)."""
    ends = [latest_end(token)]
    for rule in rules_for(token):
        if rule.effect == "lifetime" and rule.default and token.created_at:
            ends.append(token.created_at + rule.default)
    return min((end for end in ends if end), default=None)


def latest_end(token: Token) -> datetime | None:
    """The latest end the registry's rules leave room for; None without such a rule."""
    ends = []
    for rule in rules_for(token):
        if rule.effect == "dies":
            ends.append(rule.at)
        elif rule.effect == "lifetime" and rule.most and token.created_at:
            ends.append(token.created_at + rule.most)
        elif rule.effect == "capped" and rule.most:
            ends.append(rule.at + rule.most)
    return min(ends, default=None)


def beyond_rules(token: Token) -> datetime | None:
    """The latest end there can be, of a token whose recorded end is later; a day more is rounding."""
    latest = latest_end(token)
    if latest is None or token.expires_at is None or token.expires_computed:
        return None
    return latest if token.expires_at - latest > timedelta(days=1) else None


def lives(registry: str, kind: str) -> tuple[timedelta, ...]:
    """How long tokens of this kind live when nobody chooses, and at most; shortest first."""
    found = {
        span
        for rule in rules()
        if rule.registry == registry and kind in rule.kinds and rule.effect == "lifetime"
        for span in (rule.default, rule.most)
        if span is not None
    }
    return tuple(sorted(found))


def default_life(registry: str, kind: str, permission: str) -> timedelta | None:
    """How long a new token of this permission lives when nobody chooses."""
    return next(
        (
            rule.default
            for rule in rules()
            if rule.registry == registry and kind in rule.kinds and rule.effect == "lifetime"
            if rule.default and permission in rule.permissions
        ),
        None,
    )


def rule(ident: str) -> Rule | None:
    """The rule of this id; None when policy.toml has no such one."""
    return next((found for found in rules() if found.id == ident), None)


def may_be_endless(token: Token) -> bool:
    """Whether the registry makes such tokens without an end."""
    return not any(rule.most is not None or rule.effect == "dies" for rule in rules_for(token))


def is_endless(token: Token) -> bool:
    """Whether it lives on until somebody ends it: the registry says so of its kind, and no end is on record."""
    return ends_at(token) is None and any(rule.effect == "endless" for rule in rules_for(token))


def with_end(token: Token, *, none_is_known: bool = False) -> Token:
    """The token with its end computed and marked as such, unless one is recorded.

    `none_is_known`: no end was recorded because it has none; believed where the registry allows that.
    """
    if token.expires_at is not None and not token.expires_computed:
        return token
    if token.expires_at is None and none_is_known and may_be_endless(token):
        return token
    end = computed_end(token)
    return replace(token, expires_at=end, expires_computed=end is not None)


def ends_at(token: Token) -> datetime | None:
    """When the token is dead: revoked, past its recorded or computed end, or past what the rules leave room for."""
    recorded = token.expires_at if token.expires_at is not None else computed_end(token)
    ends = (token.revoked_at, recorded, latest_end(token))
    return min((end for end in ends if end), default=None)


def stops_publishing_at(token: Token) -> Stop | None:
    """When the token can no longer publish a version directly; None for one that never could or never stops."""
    if token.permission is not None and token.permission not in MAY_PUBLISH:
        return None
    stops = [Stop(rule.at, rule) for rule in rules_for(token) if rule.effect in ("no-direct-publish", "dies")]
    end = ends_at(token)
    if end is not None and not any(stop.at == end for stop in stops):
        stops.append(Stop(end))
    return min(stops, key=lambda stop: stop.at, default=None)


def loses_publishing(token: Token) -> Stop | None:
    """The dated rule that takes a token's right to publish while it lives on; None when its own end comes first."""
    stop = stops_publishing_at(token)
    return stop if stop is not None and stop.rule is not None and stop.rule.effect == "no-direct-publish" else None


_PLAIN = {field.name for field in fields(Rule)} - {"at", "default", "most"}
_KEYS = _PLAIN | {"from", "default_days", "default_hours", "max_days", "max_hours"}


def _rule(table: Mapping[str, Any]) -> Rule:
    name = table.get("id", "without id")
    if unknown := set(table) - _KEYS:
        raise ValueError(f"policy.toml: rule {name} has unknown keys: {', '.join(sorted(unknown))}")
    if missing := {"id", "registry", "kinds", "from", "effect", "says", "link"} - set(table):
        raise ValueError(f"policy.toml: rule {name} lacks {', '.join(sorted(missing))}")
    if table["effect"] not in get_args(Effect):
        raise ValueError(f"policy.toml: rule {name} has an unknown effect")
    return Rule(
        id=table["id"],
        registry=table["registry"],
        kinds=tuple(table["kinds"]),
        at=_midnight(table["from"]),
        effect=table["effect"],
        says=table["says"],
        link=table["link"],
        permissions=tuple(table.get("permissions", ())),
        bypass_2fa=table.get("bypass_2fa"),
        created_from=_midnight(table["created_from"]) if "created_from" in table else None,
        created_before=_midnight(table["created_before"]) if "created_before" in table else None,
        target=table.get("target", False),
        default=_span(table, "default"),
        most=_span(table, "max"),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _span(table: Mapping[str, Any], which: str) -> timedelta | None:
    span = timedelta(days=table.get(f"{which}_days", 0), hours=table.get(f"{which}_hours", 0))
    return span or None
