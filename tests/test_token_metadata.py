"""Reading and writing metadata records: every mistake named by line and field, no value ever repeated."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.token_audit import audit
from bot.token_fields import FIELDS, KINDS, LEVELS, PERMISSIONS, REGISTRIES
from bot.token_metadata import (
    MetadataProblems,
    contradictions,
    parse_csv,
    parse_json,
    read_record,
    read_use,
    to_csv,
    to_json,
    write_use,
)
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "npm_" + "a1B2c3D4e5F6" * 3
RECORD: dict[str, Any] = {
    "name": "npm-acme-ci",
    "registry": "npm",
    "kind": "granular",
    "permission": "read-write",
    "packages": ["@acme/ui"],
    "scopes": ["@acme"],
    "orgs": [],
    "cidr": [],
    "bypass_2fa": True,
    "bypass_reason": "no passkey on a runner",
    "hint": "npm_aBcD...7890",
    "created_at": "2026-11-20",
    "expires_at": "2027-02-01T09:00:00+02:00",
    "last_used_at": None,
    "revoked_at": None,
    "owner": "U012AB3CD",
    "backup_owner": None,
    "note": "",
    "used_by": [
        {
            "repo": "acme/ui",
            "workflow": ".github/workflows/release.yml",
            "secret": "NPM_TOKEN",
            "level": "repository",
            "environment": None,
        }
    ],
}


def problems_of(**changes: Any) -> dict[str, str]:
    with pytest.raises(MetadataProblems) as caught:
        read_record({**RECORD, **changes})
    return caught.value.by_field()


def test_a_documented_record_is_read() -> None:
    token = parse_json(json.dumps(RECORD))[0].token()
    assert token.used_by == (Use("acme/ui", ".github/workflows/release.yml", "NPM_TOKEN"),)
    assert token.created_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert token.expires_at == datetime(2027, 2, 1, 7, tzinfo=UTC)
    assert not token.expires_computed


def test_the_exported_keys_are_the_documented_ones_first() -> None:
    exported = to_json(read_record(RECORD))
    assert list(exported)[: len(RECORD)] == list(RECORD)
    assert tuple(exported) == FIELDS


def test_a_missing_end_is_computed_and_marked() -> None:
    for record in ({**RECORD, "expires_at": None}, {k: v for k, v in RECORD.items() if k != "expires_at"}):
        token = read_record(record)
        assert token.expires_computed and token.expires_at == datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "is missing"),
        ("name", "two words", "without blanks"),
        ("name", "-x", "letters"),
        ("name", "x" * 101, "1 to 100"),
        ("name", 5, "must be text"),
        ("registry", "nmp", "did you mean npm?"),
        ("kind", "Granular ", "did you mean granular?"),
        ("permission", "read_write", "did you mean read-write?"),
        ("packages", "@acme/ui", "must be a list"),
        ("packages", ["a b"], "package name"),
        ("packages", ["../etc"], "package name"),
        ("scopes", ["acme"], "such as @acme"),
        ("cidr", ["300.1.1.1/8"], "IPv4"),
        ("cidr", ["::1/128"], "IPv4"),
        ("bypass_2fa", "yes", "true or false"),
        ("hint", "npm_aBcDeFgHiJkL", "first 8 and last 4"),
        ("created_at", "yesterday", "such as"),
        ("created_at", "2026-02-30", "no such day"),
        ("created_at", "1026-02-20", "between the years"),
        ("expires_at", "2026-12-01T09:00:00", "time zone"),
        ("owner", "@ann", "Slack member ID"),
        ("note", "a\x1b[31mb", "control characters"),
        ("note", "\ud800", "Unicode"),
        ("note", "x" * 2001, "longer"),
        ("used_by", {}, "must be a list"),
        ("used_by", ["acme/ui"], "must be an object"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_should_be(field: str, value: object, said: str) -> None:
    found = problems_of(**{field: value})
    assert [name.partition("[")[0] for name in found] == [field]
    assert said in next(iter(found.values()))


def test_every_wrong_entry_of_a_use_is_named() -> None:
    uses = [{"repo": "acme/ui"}, {"repo": "a b", "level": "repo", "foo": 1}, {"secret": "x y", "level": "environment"}]
    assert set(problems_of(used_by=uses)) == {
        "used_by[1].repo",
        "used_by[1].level",
        "used_by[1].foo",
        "used_by[2].repo",
        "used_by[2].secret",
        "used_by[2].environment",
    }


def test_unknown_fields_are_named_with_the_nearest_one() -> None:
    assert "did you mean expires_at?" in problems_of(expire_at=None)["expire_at"]


def test_all_problems_of_a_file_are_said_with_their_lines() -> None:
    text = '[\n{"name": "a", "owner": "ann"},\n{"registry": "nmp"},\n\n{"name": "a"}, 7]'
    with pytest.raises(MetadataProblems) as caught:
        parse_json(text)
    assert [(problem.where, problem.field) for problem in caught.value.problems] == [
        ("record 1, line 2", "owner"),
        ("record 2, line 3", "registry"),
        ("record 2, line 3", "name"),
        ("record 3, line 5", "name"),
        ("record 4, line 5", ""),
    ]
    assert "same as in record 1, line 2" in caught.value.message


def test_csv_problems_name_the_line_where_the_record_begins() -> None:
    text = 'name,note,owner\na,"two\nlines",U12345\n\nb,,ann\nc,,,,\n"d'
    with pytest.raises(MetadataProblems) as caught:
        parse_csv(text)
    assert [(problem.where, problem.field) for problem in caught.value.problems] == [
        ("line 5", "owner"),
        ("line 6", ""),
        ("line 7", ""),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\ufeff \r\n", "is empty"),
        ("[", "closing ]"),
        ('[{"name": "a"} {"name": "b"}]', "comma"),
        ('[{"name": "a"}] x', "after the closing bracket"),
        ('{"name": "a", "name": "b"}', "twice"),
        ('{"name": NaN}', "NaN"),
        ("[" * 200_000, "nested too deeply"),
        ('{"name": ' + "9" * 5000 + "}", "not valid JSON"),
        ("{'name': 'a'}", "line 1, column 2"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(MetadataProblems) as caught:
        parse_json(text)
    assert said in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2", "must name the columns"),
        ("registry\nnpm", "name: is not among the columns"),
        ("name,nmae,foo\na,b,c", "did you mean name?"),
        ("name,name\na,b", "twice"),
        ("name,packages\na,@acme/ui b/c/d", "packages[1]"),
        ("name,bypass_2fa\na,perhaps", "true or false"),
    ],
)
def test_csv_that_cannot_be_read_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(MetadataProblems) as caught:
        parse_csv(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text", ["\ufeffname;owner\r\na;U12345\r\n", "name\towner\na\tU12345", 'owner,name\nU12345,"a"']
)
def test_csv_is_read_as_spreadsheets_of_every_country_save_it(text: str) -> None:
    assert [record.token() for record in parse_csv(text)] == [Token("a", owner="U12345")]


@pytest.mark.parametrize("field", [*FIELDS, "unknown"])
@pytest.mark.parametrize("shape", ["text", "list", "deep"])
def test_a_credential_in_any_field_is_refused_and_never_repeated(field: str, shape: str) -> None:
    value: object = {"text": SECRET, "list": ["ok", f"x {SECRET}"], "deep": [{"repo": {"a": SECRET}}]}[shape]
    with pytest.raises(MetadataProblems) as caught:
        parse_json(json.dumps([{**RECORD, field: value}]))
    assert SECRET not in caught.value.message
    assert field in caught.value.message and "credential (npm token)" in caught.value.message


def test_a_credential_is_seen_through_escapes_headers_and_pieces() -> None:
    escaped = '{"name": "a", "note": "\\u006epm_' + SECRET[4:] + '"}'
    keyed = json.dumps({"name": "a", SECRET: 1})
    for text in (escaped, keyed):
        with pytest.raises(MetadataProblems) as caught:
            parse_json(text)
        assert "credential" in caught.value.message and SECRET[4:] not in caught.value.message
    url = "https://ann:hunter22@registry.example/"
    for text in (f"name,{SECRET}\na,b", f"name,used_by\na,{url}", f"name,note\na,{SECRET}", SECRET):
        with pytest.raises(MetadataProblems) as caught:
            parse_csv(text)
        assert "credential" in caught.value.message
        assert SECRET not in caught.value.message and "hunter22" not in caught.value.message


def test_a_file_changes_only_the_fields_it_mentions() -> None:
    before = replace(read_record(RECORD), id=7)
    record = parse_csv("name,owner,note\nnpm-acme-ci,,new note")[0]
    assert record.token(before) == replace(before, owner=None, note="new note")


def test_a_recorded_end_survives_edits_and_a_computed_one_follows_them() -> None:
    recorded = read_record(RECORD)
    assert read_record({"created_at": "2026-11-22"}, recorded).expires_at == recorded.expires_at
    computed = read_record({**RECORD, "expires_at": None})
    moved = read_record({"created_at": "2026-11-22"}, computed)
    assert moved.expires_at == datetime(2026, 11, 29, tzinfo=UTC) and moved.expires_computed
    assert read_record({"expires_at": None}, recorded).expires_computed


def test_a_use_survives_blanks_and_colons_in_its_parts() -> None:
    use = Use("acme/ui", "my release.yml", "NPM", "environment", "prod: eu 100%")
    assert " " not in write_use(use)
    assert Use(**read_use(write_use(use))) == use  # type: ignore[arg-type]


def test_a_note_is_no_formula_in_a_spreadsheet() -> None:
    for note in ("=HYPERLINK(1)", "+1", "-1", "'=1", "'quoted'"):
        token = Token("a", note=note)
        text = to_csv([token])
        assert not any(cell.startswith(("=", "+", "-")) for cell in text.splitlines()[1].split(","))
        assert parse_csv(text)[0].token() == token


def dated(**changes: Any) -> Token:
    return replace(read_record(RECORD), **changes)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (dated(kind="classic"), "npm revoked all classic tokens on 2025-12-09. This record has it end on 2027-02-01."),
        (dated(expires_at=NOW + timedelta(days=200)), "It cannot end on 2027-06-12: by npm's rules 2027-02-18"),
        (dated(expires_at=NOW - timedelta(days=90)), "before it was created"),
        (dated(created_at=NOW + timedelta(days=1)), "yet to come"),
        (dated(revoked_at=NOW - timedelta(days=60)), "before it was created"),
        (dated(last_used_at=NOW, expires_at=NOW - timedelta(days=1)), "after its end"),
        (dated(last_used_at=NOW, revoked_at=NOW - timedelta(days=1)), "after it was revoked"),
        (dated(bypass_2fa=False), "does not bypass"),
        (dated(packages=(), scopes=(), orgs=("acme",)), "organisations only"),
        (dated(kind="trusted-publisher"), "has no end"),
    ],
)
def test_contradictions_are_kept_and_said(token: Token, said: str) -> None:
    assert any(said in sentence for sentence in contradictions(token, NOW))


def test_a_sound_record_contradicts_nothing() -> None:
    assert contradictions(read_record(RECORD), NOW) == ()


def test_the_audit_names_each_rule_and_passes_over_revoked_tokens() -> None:
    bad = replace(read_record({"name": "bad", "created_at": "2026-11-01", "bypass_2fa": True}))
    classic = read_record({"name": "old", "kind": "classic", "owner": "U12345", "backup_owner": "U12345"})
    long = read_record({**RECORD, "name": "long", "expires_at": "2027-12-01", "backup_owner": "U99999"})
    gone = replace(bad, name="gone", revoked_at=NOW)
    trust = Token("trust", kind="trusted-publisher", owner="U1", backup_owner="U2")
    soon = read_record({**RECORD, "name": "soon", "expires_at": None, "backup_owner": "U99999"})
    found = [(finding.token, finding.rule) for finding in audit([bad, classic, long, gone, trust, soon], NOW)]
    assert found == [
        ("bad", "ended"),
        ("bad", "no-owner"),
        ("bad", "no-backup-owner"),
        ("bad", "bypass-without-reason"),
        ("old", "classic"),
        ("old", "no-backup-owner"),
        ("long", "beyond-cap"),
        ("soon", "ends-soon"),
    ]


WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
LINES = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n'=+,;\"%:"), max_size=30)
TIMES = st.none() | st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1)).map(lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}")
USES = st.builds(
    lambda repo, workflow, secret, level, environment: {
        "repo": f"{repo}/{repo}",
        "workflow": workflow,
        "secret": secret,
        "level": level,
        "environment": environment,
    },
    WORDS,
    st.none() | LINES.map(lambda text: text.replace("\n", "")),
    st.none() | WORDS,
    st.sampled_from(LEVELS[:2] + LEVELS[3:]),
    st.none() | LINES.map(lambda text: text.replace("\n", "")),
)
RECORDS = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "registry": st.sampled_from(REGISTRIES),
        "kind": st.sampled_from(KINDS),
        "permission": st.none() | st.sampled_from(PERMISSIONS),
        "packages": st.lists(WORDS, max_size=3),
        "scopes": st.lists(WORDS.map(lambda word: f"@{word}"), max_size=3),
        "cidr": st.lists(st.sampled_from(["10.0.0.0/8", "192.0.2.7/32"]), max_size=2),
        "bypass_2fa": st.none() | st.booleans(),
        "bypass_reason": st.none() | LINES.map(lambda text: text.replace("\n", "")),
        "created_at": TIMES,
        "expires_at": TIMES,
        "expires_computed": st.booleans(),
        "revoked_at": TIMES,
        "note": LINES,
        "used_by": st.lists(USES, max_size=3),
    },
)


@given(RECORDS)
@settings(max_examples=150, deadline=None)
def test_what_is_exported_is_imported_as_the_same_token(record: dict[str, Any]) -> None:
    token = read_record(record)
    assert parse_json(json.dumps(to_json(token)))[0].token() == token
    assert parse_csv(to_csv([token]))[0].token() == token
    assert parse_json(json.dumps(to_json(token)))[0].token(replace(token, id=3)) == replace(token, id=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, "repo", SECRET]) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON | st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_input_crashes_the_parsers_or_is_repeated(value: Any) -> None:
    for text in (value if isinstance(value, str) else json.dumps(value), json.dumps([value]), f"name,note\na,{value}"):
        for parse in (parse_json, parse_csv):
            try:
                parsed = parse(text)
            except MetadataProblems as problems:
                assert SECRET not in problems.message
            else:
                assert SECRET not in repr(parsed)
