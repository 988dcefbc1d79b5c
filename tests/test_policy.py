"""The dated rules: how long tokens live and when they stop publishing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot import policy
from bot.policy import (
    computed_end,
    ends_at,
    is_endless,
    latest_end,
    may_be_endless,
    rules_for,
    stops_publishing_at,
    with_end,
)
from storage.tokens import Token

MADE = datetime(2026, 11, 1, 8, tzinfo=UTC)
OLD = datetime(2025, 6, 1, tzinfo=UTC)
CLASSIC_DEAD = datetime(2025, 12, 9, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "end"),
    [
        (Token("t", permission="read-write", created_at=MADE), MADE + timedelta(days=7)),
        (Token("t", permission="read-write-stage-only", created_at=MADE), MADE + timedelta(days=7)),
        (Token("t", permission=None, created_at=MADE), MADE + timedelta(days=7)),
        (Token("t", permission="read-only", created_at=MADE), MADE + timedelta(days=30)),
        (Token("t", kind="session", created_at=MADE), MADE + timedelta(hours=2)),
        (Token("t", kind="classic"), CLASSIC_DEAD),
        (Token("t", kind="automation", created_at=OLD), CLASSIC_DEAD),
        (Token("t", permission="read-write", created_at=OLD), datetime(2026, 5, 4, tzinfo=UTC)),
        (Token("t", permission="read-write"), None),
        (Token("t", kind="trusted-publisher", created_at=MADE), None),
        (Token("t", registry="pypi", kind="api-token", created_at=MADE), None),
    ],
)
def test_a_missing_end_is_computed_from_kind_permission_and_creation(token: Token, end: datetime | None) -> None:
    assert computed_end(token) == end
    completed = with_end(token)
    assert (completed.expires_at, completed.expires_computed) == (end, end is not None)
    assert with_end(completed) == completed


def test_a_recorded_end_is_kept_but_the_rules_bound_what_is_believed() -> None:
    token = Token("t", permission="read-write", created_at=MADE, expires_at=MADE + timedelta(days=300))
    assert with_end(token) == token
    assert ends_at(token) == latest_end(token) == MADE + timedelta(days=90)


def test_no_end_is_believed_only_where_the_registry_makes_such_tokens() -> None:
    read = Token("t", permission="read-only", created_at=MADE)
    write = Token("t", permission="read-write", created_at=MADE)
    assert may_be_endless(read) and not may_be_endless(write)
    assert with_end(read, none_is_known=True).expires_at is None
    assert with_end(write, none_is_known=True).expires_computed


def test_a_bypass_token_stops_publishing_in_january_2027_if_it_lives_that_long() -> None:
    made = datetime(2026, 12, 1, tzinfo=UTC)
    long = Token("t", permission="read-write", bypass_2fa=True, created_at=made, expires_at=made + timedelta(days=80))
    stop = stops_publishing_at(long)
    assert stop is not None and stop.at == JANUARY and stop.rule is not None and stop.rule.target
    short = Token("t", permission="read-write", bypass_2fa=True, created_at=MADE)
    stop = stops_publishing_at(short)
    assert stop is not None and stop.at == MADE + timedelta(days=7) and stop.rule is None
    staged = Token("t", permission="read-write-stage-only", bypass_2fa=True, expires_at=long.expires_at)
    stop = stops_publishing_at(staged)
    assert stop is not None and stop.at == long.expires_at


def test_what_never_publishes_never_stops() -> None:
    assert stops_publishing_at(Token("t", permission="read-only", expires_at=MADE)) is None
    assert stops_publishing_at(Token("t", kind="trusted-publisher", permission="read-write")) is None


def test_a_revoked_token_has_ended() -> None:
    assert ends_at(Token("t", expires_at=JANUARY, revoked_at=MADE)) == MADE


def test_rules_come_in_order_and_say_where_they_are_written_down() -> None:
    assert [rule.at for rule in policy.rules()] == sorted(rule.at for rule in policy.rules())
    assert all(rule.link.startswith("https://") and rule.says.endswith(".") for rule in policy.rules())
    bypass = Token("t", permission="read-write", bypass_2fa=True, created_at=MADE)
    assert [rule.id for rule in rules_for(bypass)] == [
        "npm-write-lifetime",
        "npm-bypass-management",
        "npm-bypass-direct-publish",
    ]


RULE = '[[rule]]\nid = "x"\nregistry = "npm"\nkinds = ["a"]\nfrom = 2026-01-01\nsays = "s"\nlink = "l"\neffect = '


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE + '"explodes"', "unknown effect"),
        (RULE + '"dies"\nfoo = 1', "unknown keys: foo"),
        ('[[rule]]\nid = "x"', "lacks"),
        (RULE + '"dies"\n' + RULE + '"dies"', "same id"),
    ],
)
def test_a_malformed_rule_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        policy.read_rules(text)


@pytest.mark.parametrize(
    ("registry", "kind", "endless", "lives_days", "at_most_days"),
    [
        ("pypi", "api-token", True, None, None),
        ("rubygems", "api-token", True, None, None),
        ("docker", "pat", True, None, None),
        ("docker", "api-token", True, None, None),
        ("github", "pat", True, None, None),
        ("github-packages", "pat", True, None, None),
        ("crates", "api-token", False, 90, None),
        ("nuget", "api-token", False, 365, 365),
        ("npm", "granular", False, 7, 90),
    ],
)
def test_the_life_of_a_token_of_every_registry_is_known(
    registry: str, kind: str, endless: bool, lives_days: int | None, at_most_days: int | None
) -> None:
    made = datetime(2026, 11, 1, tzinfo=UTC)
    token = Token(name="t", registry=registry, kind=kind, created_at=made)

    def days(end: datetime | None) -> int | None:
        return None if end is None else (end - made).days

    assert is_endless(token) is endless
    assert (days(computed_end(token)), days(latest_end(token))) == (lives_days, at_most_days)
    assert not is_endless(replace(token, expires_at=made + timedelta(days=30)))
