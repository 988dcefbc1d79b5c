"""The store of tokens on a real SQLite file."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage import token_search, tokens
from storage.database import Conflict, Connection, Database
from storage.token_search import TokenFilter
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FULL = Token(
    name="npm-acme-ci",
    permission="read-write",
    packages=("@acme/ui", "@acme/api"),
    scopes=("@acme",),
    orgs=("acme",),
    cidr=("203.0.113.0/24",),
    bypass_2fa=True,
    bypass_reason="no passkey on a runner",
    hint="npm_aBcD...7890",
    created_at=NOW - timedelta(days=3),
    expires_at=NOW + timedelta(days=4),
    expires_computed=True,
    last_used_at=NOW,
    owner="U1",
    backup_owner="U2",
    note="two\nlines",
    used_by=(
        Use("acme/ui", "release.yml", "NPM_TOKEN"),
        Use("acme/*", None, "NPM_TOKEN", "organization"),
        Use("acme/ui", "r.yml", "NPM", "environment", "prod"),
    ),
    account="acme-bot",
    registry_id="ab12cd",
    listed_at=NOW,
)


def add(db: Database, *some: Token) -> list[Token]:
    return [db.write_now(tokens.add, token, NOW) for token in some]


def test_everything_about_a_token_comes_back_as_it_was_stored(db: Database) -> None:
    stored = add(db, FULL)[0]
    assert db.read_now(tokens.get, "npm-acme-ci") == stored == replace(FULL, id=stored.id)
    assert db.read_now(tokens.by_id, stored.id) == stored


def test_a_changed_token_replaces_its_grants_and_uses(db: Database) -> None:
    stored = add(db, FULL)[0]
    slim = replace(stored, name="renamed", packages=("left-pad",), scopes=(), used_by=(), revoked_at=NOW)
    db.write_now(tokens.change, slim, NOW)
    assert db.read_now(tokens.all_tokens) == [slim]


def test_a_name_is_taken_once(db: Database) -> None:
    add(db, Token("a"), Token("b"))
    with pytest.raises(Conflict):
        add(db, Token("a"))
    b = db.read_now(tokens.get, "b")
    assert b is not None
    with pytest.raises(Conflict):
        db.write_now(tokens.change, replace(b, name="a"), NOW)


def test_changing_a_token_that_is_gone_is_not_silent(db: Database) -> None:
    stored = add(db, FULL)[0]
    assert stored.id is not None
    assert db.write_now(tokens.remove, stored.id) is True
    assert db.write_now(tokens.remove, stored.id) is False
    with pytest.raises(LookupError):
        db.write_now(tokens.change, stored, NOW)


def test_names_are_found_whatever_their_case_unless_that_is_ambiguous(db: Database) -> None:
    add(db, Token("NPM-ci"), Token("npm-CI"), Token("@payloadcms/next"))
    exact = db.read_now(tokens.get, "NPM-ci")
    assert exact is not None and exact.name == "NPM-ci"
    assert db.read_now(tokens.get, "npm-ci") is None
    found = db.read_now(tokens.get, "@PayloadCMS/next")
    assert found is not None and found.name == "@payloadcms/next"


def test_the_digest_sees_what_is_past_or_ends_soon_but_nothing_revoked(db: Database) -> None:
    add(
        db,
        Token("past", expires_at=NOW - timedelta(days=400)),
        Token("soon", expires_at=NOW + timedelta(days=2)),
        Token("later", expires_at=NOW + timedelta(days=200)),
        Token("revoked", expires_at=NOW + timedelta(days=1), revoked_at=NOW),
        Token("endless"),
    )
    found = db.read_now(tokens.ending_before, NOW + timedelta(days=30))
    assert [token.name for token in found] == ["past", "soon"]


def test_candidates_are_found_by_repository_organisation_and_grant_in_that_order(db: Database) -> None:
    add(
        db,
        *(Token(f"filler-{number}") for number in range(30)),  # so that not all of them are worth a look
        Token("pattern", packages=("acme-*",)),
        Token("scope", scopes=("@acme",)),
        Token("all", packages=("*",)),
        Token("org", used_by=(Use("acme", None, "T", "organization"),)),
        Token("org-star", used_by=(Use("ACME/*", None, "T", "organization"),)),
        Token("org-elsewhere", used_by=(Use("acme/api", None, "T", "organization"),)),
        Token("revoked", used_by=(Use("acme/ui"),), revoked_at=NOW),
        Token("repo", used_by=(Use("Acme/UI"),)),
        Token("pypi", registry="pypi", used_by=(Use("acme/ui"),)),
        Token("neighbour", used_by=(Use("acme2/ui"), Use("acme/api"))),
    )
    found = db.read_now(tokens.candidates, "acme/ui", "npm", ("@acme/ui", "acme-ui"))
    assert [token.name for token in found] == [
        "repo",
        "revoked",
        "org-elsewhere",
        "org-star",
        "org",
        "all",
        "scope",
        "pattern",
    ]


def test_the_only_tokens_of_a_registry_are_candidates_for_a_guess(db: Database) -> None:
    add(db, Token("bare"))
    assert [token.name for token in db.read_now(tokens.candidates, "x/y", "npm", ())] == ["bare"]
    assert db.read_now(tokens.candidates, "x/y", "pypi", ()) == []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (TokenFilter(), ["past", "npm-acme-ci", "endless", "gone"]),
        (TokenFilter(words=("ACME",)), ["npm-acme-ci"]),
        (TokenFilter(words=("acme/ui", "npm_token")), ["npm-acme-ci"]),
        (TokenFilter(words=("two",)), ["npm-acme-ci"]),
        (TokenFilter(words=("100%",)), ["endless"]),
        (TokenFilter(words=("%",)), ["endless"]),
        (TokenFilter(words=("_",)), ["npm-acme-ci"]),
        (TokenFilter(words=("' OR 1=1 --",)), []),
        (TokenFilter(owner="U2"), ["npm-acme-ci"]),
        (TokenFilter(owner=""), ["past", "endless", "gone"]),
        (TokenFilter(state="live"), ["npm-acme-ci", "endless"]),
        (TokenFilter(state="ended"), ["past"]),
        (TokenFilter(state="revoked"), ["gone"]),
        (TokenFilter(state="endless"), ["endless"]),
        (TokenFilter(bypass_2fa=True), ["npm-acme-ci"]),
        (TokenFilter(registry="pypi"), ["endless"]),
        (TokenFilter(ends_before=NOW + timedelta(days=7)), ["past", "npm-acme-ci"]),
    ],
)
def test_a_search_takes_every_condition_literally(db: Database, wanted: TokenFilter, names: list[str]) -> None:
    add(
        db,
        FULL,
        Token("past", expires_at=NOW - timedelta(days=1)),
        Token("endless", registry="pypi", note="100% sure"),
        Token("gone", revoked_at=NOW, expires_at=NOW + timedelta(days=1)),
    )
    assert [token.name for token in db.read_now(token_search.search, wanted, now=NOW)] == names
    assert db.read_now(token_search.count, wanted, now=NOW) == len(names)


def test_the_summary_counts_what_the_searches_find(db: Database) -> None:
    ends = [-30, -1, 1, 6, 8, 29, 31, 300, None]
    add(db, *(Token(f"t{at}", expires_at=NOW + timedelta(days=at) if at else None) for at in ends))
    add(db, Token("gone", revoked_at=NOW, bypass_2fa=True), replace(FULL, expires_at=NOW + timedelta(days=60)))
    found = db.read_now(token_search.summary, NOW)
    assert (found.total, found.revoked, found.ended, found.soon, found.later) == (11, 1, 2, 2, 4)
    assert (found.endless, found.ownerless, found.bypass, found.live) == (1, 9, 1, 8)
    assert found.next_end == NOW + timedelta(days=1)
    assert found.by_registry == (("npm", 11),)


def test_status_and_list_stay_quick_with_very_many_tokens(db: Database) -> None:
    """20,000 here to keep the suite short; far slower than an index would be if a scan crept in."""

    def fill(connection: Connection) -> None:
        for number in range(20_000):
            end = NOW + timedelta(days=number % 120 - 30)
            tokens.add(connection, Token(f"t{number}", scopes=(f"@s{number}",), expires_at=end), NOW)

    db.write_now(fill)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        db.read_now(token_search.summary, NOW)
        page = db.read_now(token_search.search, TokenFilter(), now=NOW, offset=10_000)
        took.append(time.perf_counter() - started)
    assert len(page) == 20
    assert min(took) < 0.05
