"""What npm's own lists say about tokens, in the shapes of npm 9 to 12, and what a second import makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.token_import import Plan, bring_in, read
from bot.token_metadata import MetadataProblems, to_json
from storage import audit, tokens
from storage.database import Database
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "npm_" + "a1B2c3D4e5F6" * 3
KEY = "ab12cd34-0000-4000-8000-000000000000"
NPM_12: dict[str, Any] = {
    "key": "***",
    "id": "ab12cd",
    "name": "CI token (ui)",
    "token": "npm_aBcD...7890",
    "expiry": "2027-01-01T00:00:00.123Z",
    "created": "2026-10-05T12:00:00.999Z",
    "updated": "2026-10-05T12:00:00.999Z",
    "accessed": "2026-11-20T10:00:00.000Z",
    "revoked": None,
    "readonly": False,
    "bypass_2fa": True,
    "cidr": None,
    "permissions": [{"name": "@acme", "action": "write"}, {"name": "left-pad", "action": "read"}],
    "scopes": [{"type": "scope", "name": "@acme"}, {"type": "package", "name": "left-pad"}],
}
NPM_11_7 = {key: value for key, value in NPM_12.items() if key != "id"}
NPM_10 = {**NPM_11_7, "key": KEY}
OTHER = {**NPM_12, "id": "ffeedd", "name": "other", "token": "npm_oTHR...0001", "readonly": True, "permissions": []}


def imported(db: Database, values: object, *, account: str | None = None, **options: Any) -> Plan:
    text = values if isinstance(values, str) else json.dumps(values)
    incoming = read(text, account=account, package=options.pop("package", None))
    return db.write_now(bring_in, incoming, who="cli:ann", now=options.pop("now", NOW), **options)


def stored(db: Database, name: str) -> Token:
    token = db.read_now(tokens.get, name)
    assert token is not None
    return token


@pytest.mark.parametrize("listed", [NPM_12, NPM_11_7, NPM_10])
def test_a_listed_token_is_read_whichever_npm_printed_it(db: Database, listed: dict[str, Any]) -> None:
    plan = imported(db, [listed])
    assert [token.name for token in plan.added] == ["CI-token-ui"]
    token = stored(db, "CI-token-ui")
    assert (token.kind, token.permission, token.bypass_2fa) == ("granular", "read-write", True)
    assert (token.packages, token.scopes) == (("left-pad",), ("@acme",))
    assert token.hint == "npm_aBcD...7890"
    assert token.created_at == datetime(2026, 10, 5, 12, tzinfo=UTC)
    assert token.expires_at == datetime(2027, 1, 1, tzinfo=UTC) and not token.expires_computed
    assert token.listed_at == NOW


@pytest.mark.parametrize("first", [NPM_12, NPM_11_7, NPM_10])
@pytest.mark.parametrize("second", [NPM_12, NPM_11_7, NPM_10])
def test_a_second_import_knows_the_token_again_across_npm_versions(
    db: Database, first: dict[str, Any], second: dict[str, Any]
) -> None:
    imported(db, [first])
    plan = imported(db, [{**second, "accessed": "2026-11-24T00:00:00Z"}])
    assert not plan.added and not plan.revoked
    assert "last_used_at" in [field for change in plan.changed for field, _, _ in change.fields]
    assert not imported(db, [{**second, "accessed": "2026-11-24T00:00:00Z"}]).changed


def test_both_names_of_the_end_and_of_the_allow_list_are_understood(db: Database) -> None:
    listed = {key: value for key, value in NPM_12.items() if key not in ("expiry", "cidr")}
    imported(db, [{**listed, "expires": "2027-01-02T00:00:00Z", "cidr_whitelist": ["203.0.113.9/24"]}])
    token = stored(db, "CI-token-ui")
    assert token.expires_at == datetime(2027, 1, 2, tzinfo=UTC) and token.cidr == ("203.0.113.0/24",)


def test_only_read_tokens_may_have_no_end(db: Database) -> None:
    imported(db, [{**OTHER, "expiry": None}, {**NPM_12, "expiry": None}])
    assert stored(db, "other").permission == "read-only"
    assert stored(db, "other").expires_at is None
    assert stored(db, "CI-token-ui").expires_computed


def test_stage_only_and_classic_tokens_are_recognised(db: Database) -> None:
    classic = {"key": KEY, "token": "abcdef", "created": "2024-01-01T00:00:00Z", "readonly": False}
    imported(db, [{**OTHER, "readonly": False, "publish_policy": "stage_only"}, {**classic, "cidr_whitelist": None}])
    assert stored(db, "other").permission == "read-write-stage-only"
    token = stored(db, "npm-token")
    assert token.kind == "classic" and token.hint is None
    assert token.expires_at == datetime(2025, 12, 9, tzinfo=UTC)


def test_what_people_added_survives_the_registrys_word(db: Database) -> None:
    imported(db, [NPM_12], owner="U12345")
    token = stored(db, "CI-token-ui")
    uses = (Use("acme/ui", "release.yml", "NPM_TOKEN"),)
    db.write_now(tokens.change, replace(token, name="mine", note="n", used_by=uses), NOW)
    imported(db, [{**NPM_12, "expiry": "2026-12-24T00:00:00Z"}], owner="U99999")
    after = stored(db, "mine")
    assert (after.owner, after.note, after.used_by) == ("U12345", "n", uses)
    assert after.expires_at == datetime(2026, 12, 24, tzinfo=UTC)


def test_a_record_typed_in_before_is_recognised_by_its_name_or_hint(db: Database) -> None:
    made = datetime(2026, 10, 5, tzinfo=UTC)
    db.write_now(tokens.add, Token("by-hint", hint="npm_aBcD...7890", created_at=made), NOW)
    db.write_now(tokens.add, Token("other"), NOW)
    plan = imported(db, [NPM_12, OTHER])
    assert not plan.added and {change.before.name for change in plan.changed} == {"by-hint", "other"}


def test_the_same_hint_with_another_birthday_is_another_token(db: Database) -> None:
    imported(db, [NPM_11_7])
    assert len(imported(db, [NPM_11_7, {**NPM_11_7, "name": "x", "created": "2026-11-01T00:00:00Z"}]).added) == 1


def test_names_are_made_typeable_and_unique(db: Database) -> None:
    db.write_now(tokens.add, Token("ci", created_at=NOW), NOW)
    twins = [{**OTHER, "id": f"aaaaa{n}", "name": name, "token": f"npm_{n}"} for n, name in enumerate(["ci", "ci", ""])]
    plan = imported(db, [*twins, {**OTHER, "name": ""}])
    assert [token.name for token in plan.added] == ["ci-2", "ci-3", "npm-token", "npm-oTHR-0001"]


def test_a_token_gone_from_the_list_is_marked_revoked_and_kept(db: Database) -> None:
    imported(db, [NPM_12, OTHER])
    db.write_now(tokens.add, Token("typed-in"), NOW)
    later = NOW + timedelta(days=1)
    plan = imported(db, [NPM_12], now=later)
    assert [change.before.name for change in plan.revoked] == ["other"]
    assert stored(db, "other").revoked_at == later
    assert stored(db, "typed-in").revoked_at is None
    assert [entry.action for entry in db.read_now(audit.of_subject, "token:other")] == ["token.revoke", "token.add"]


def test_a_token_that_reappears_is_alive_again(db: Database) -> None:
    imported(db, [NPM_12, OTHER])
    imported(db, [NPM_12])
    imported(db, [NPM_12, OTHER])
    assert stored(db, "other").revoked_at is None


def test_an_expired_token_that_left_the_list_is_not_called_revoked(db: Database) -> None:
    imported(db, [NPM_12, {**OTHER, "expiry": "2026-11-25T00:00:00Z"}])
    assert not imported(db, [NPM_12], now=NOW + timedelta(days=3)).revoked


def test_lists_of_several_accounts_do_not_revoke_each_other(db: Database) -> None:
    imported(db, [NPM_12], account="ann")
    plan = imported(db, [OTHER], account="bob")
    assert not plan.revoked and [token.account for token in plan.added] == ["bob"]
    assert not imported(db, [NPM_12], account="ann").revoked


def test_a_list_with_nothing_in_common_is_refused_without_an_account(db: Database) -> None:
    """It would revoke everything known, and is most likely somebody else's."""
    imported(db, [NPM_12])
    with pytest.raises(MetadataProblems, match="--account"):
        imported(db, [OTHER])
    assert len(db.read_now(tokens.all_tokens)) == 1


def test_an_empty_list_changes_nothing(db: Database) -> None:
    imported(db, [NPM_12])
    assert imported(db, []) == Plan()


def test_npms_error_object_is_told_from_a_list() -> None:
    with pytest.raises(MetadataProblems, match="error message of npm"):
        read('{"error": {"code": "E401", "summary": "..."}}')


def test_a_full_token_in_the_list_is_refused_and_not_repeated() -> None:
    with pytest.raises(MetadataProblems) as caught:
        read(json.dumps([{**NPM_12, "token": SECRET}]))
    assert "token: looks like a credential" in caught.value.message and SECRET not in caught.value.message


def test_problems_in_a_list_name_npms_own_fields() -> None:
    with pytest.raises(MetadataProblems) as caught:
        read(json.dumps([NPM_12, {**OTHER, "created": "soon", "expiry": 5, "cidr": ["x"]}]))
    assert [problem.field for problem in caught.value.problems] == ["cidr[0]", "created", "expiry"]


def test_nothing_is_stored_when_one_record_of_many_cannot_be(db: Database) -> None:
    with pytest.raises(MetadataProblems):
        imported(db, [{"name": "a"}, {"name": "b", "owner": "nobody"}])
    assert db.read_now(tokens.names) == []


def test_a_dry_run_says_what_would_change_and_changes_nothing(db: Database) -> None:
    imported(db, [NPM_12])
    incoming = read(json.dumps([{**NPM_12, "bypass_2fa": False}, OTHER]))
    plan = db.read_now(bring_in, incoming, who="cli:ann", now=NOW, dry_run=True)
    assert [change.fields for change in plan.changed] == [(("bypass_2fa", "yes", "no"),)]
    assert [token.name for token in plan.added] == ["other"]
    assert len(db.read_now(tokens.all_tokens)) == 1


def test_an_export_is_imported_without_any_change(db: Database) -> None:
    imported(db, [NPM_12, OTHER])
    every = db.read_now(tokens.all_tokens)
    plan = imported(db, [to_json(token) for token in every])
    assert len(plan.unchanged) == 2 and not plan.changed and not plan.added


TRUST = """{
  "id": "a", "type": "github", "file": "release.yml", "repository": "acme/ui", "permissions": ["createPackage"]
}

{
  "id": "b", "type": "github", "file": "stage.yml", "repository": "acme/ui", "environment": "npm publish"
}
"""


ONE_STAGES = TRUST.replace('"environment"', '"permissions": ["createStagedPackage"], "environment"')


def test_publishers_that_may_only_stage_are_told_from_those_that_publish(db: Database) -> None:
    imported(db, ONE_STAGES, package="@acme/ui")
    direct, stage = stored(db, "trust-@acme/ui"), stored(db, "trust-@acme/ui-stage")
    assert (direct.permission, [use.workflow for use in direct.used_by]) == ("read-write", ["release.yml"])
    assert (stage.permission, [use.workflow for use in stage.used_by]) == ("read-write-stage-only", ["stage.yml"])
    assert stage.packages == ("@acme/ui",)
    assert len(imported(db, ONE_STAGES, package="@acme/ui").unchanged) == 2
    plan = imported(db, ONE_STAGES.split("\n\n")[0], package="@acme/ui")
    assert [change.before.name for change in plan.revoked] == ["trust-@acme/ui-stage"]
    assert stored(db, "trust-@acme/ui-stage").revoked_at is not None
    imported(db, ONE_STAGES, package="@acme/ui")
    assert stored(db, "trust-@acme/ui-stage").revoked_at is None, "it was set up again"


def test_a_record_of_mixed_publishers_is_taken_apart_by_the_next_list(db: Database) -> None:
    imported(db, TRUST, package="@acme/ui")
    assert len(stored(db, "trust-@acme/ui").used_by) == 2
    plan = imported(db, ONE_STAGES, package="@acme/ui")
    assert [token.name for token in plan.added] == ["trust-@acme/ui-stage"]
    assert len(stored(db, "trust-@acme/ui").used_by) == 1


def test_the_trust_lists_of_many_packages_come_in_one_file(db: Database) -> None:
    """As `for p in ...; do echo "$p"; npm trust list "$p" --json; done` prints them; one has no publisher."""
    first, second = TRUST.split("\n\n")
    plan = imported(db, f"@acme/ui\n{TRUST}\n@acme/none\n\nleft-pad\n{second}\n@acme/api\n{first}\n")
    assert sorted(token.packages[0] for token in plan.added) == ["@acme/api", "@acme/ui", "left-pad"]
    assert plan.silent == ("@acme/none",)
    assert len(stored(db, "trust-@acme/ui").used_by) == 2
    assert stored(db, "trust-left-pad").used_by == (Use("acme/ui", "stage.yml", None, "elsewhere", "npm publish"),)
    assert not imported(db, f"@acme/ui\n\n@acme/api\n{first}\n").revoked, "no answer is no proof of absence"
    assert imported(db, "@acme/ui\n\n@acme/api\n").silent == ("@acme/ui", "@acme/api")
    with pytest.raises(MetadataProblems, match="npm printed nothing for @acme/ui"):
        read("\n", package="@acme/ui")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('@acme/ui\n{\n  "type": "github",\n', "package @acme/ui.*not valid JSON"),
        ('@acme/ui\n{"error": {"code": "EOTP"}}\n', "package @acme/ui: is an error message of npm"),
        ('@acme/ui\n{"a": 1}\n', "package @acme/ui: is not what npm trust list --json prints"),
        ("@acme/ui\n" + TRUST * 6, "package @acme/ui: has 12 publishers, and npm allows 10"),
    ],
)
def test_what_is_wrong_in_one_of_many_trust_lists_is_said_of_that_package(text: str, says: str) -> None:
    with pytest.raises(MetadataProblems, match=says):
        read(text)


def test_the_trust_list_of_a_package_becomes_one_trusted_publisher(db: Database) -> None:
    imported(db, TRUST, package="@acme/ui")
    token = stored(db, "trust-@acme/ui")
    assert (token.kind, token.permission, token.packages) == ("trusted-publisher", "read-write", ("@acme/ui",))
    assert token.expires_at is None
    assert token.used_by == (
        Use("acme/ui", "release.yml", None, "elsewhere"),
        Use("acme/ui", "stage.yml", None, "elsewhere", "npm publish"),
    )
    staged = TRUST.split("\n\n")[0].replace("createPackage", "createStagedPackage")
    plan = imported(db, staged, package="@acme/ui")
    assert [field for field, _, _ in plan.changed[0].fields] == ["permission", "used_by"]


def test_a_trust_list_needs_its_package_named() -> None:
    with pytest.raises(MetadataProblems, match="--package"):
        read(TRUST)


def test_claims_of_other_ci_systems_are_understood() -> None:
    gitlab = {
        "type": "gitlab",
        "claims": {"project_path": "acme/group/ui", "ci_config_ref_uri": {"file": ".gitlab-ci.yml"}},
        "permissions": ["createPackage"],
    }
    circle = {"type": "circleci", "claims": {"oidc.circleci.com/vcs-origin": "github.com/acme/ui"}, "permissions": []}
    for config, use in (
        (gitlab, Use("acme/group/ui", ".gitlab-ci.yml", None, "elsewhere")),
        (circle, Use("acme/ui", None, None, "elsewhere")),
    ):
        assert read(json.dumps(config), package="ui").publishers[0].used_by == (use,)


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
ODDITIES = st.dictionaries(st.sampled_from([*NPM_12, "cidr_whitelist", "expires", "publish_policy"]), ODD, max_size=6)


@given(ODDITIES)
@settings(max_examples=200, deadline=None)
def test_no_oddity_of_a_listed_token_crashes_the_import(odd: dict[str, Any]) -> None:
    try:
        read(json.dumps([{**NPM_12, **odd}]))
    except MetadataProblems as problems:
        assert problems.problems


@given(st.dictionaries(st.sampled_from(["file", "repository", "claims", "permissions", "environment", "package"]), ODD))
@settings(max_examples=200, deadline=None)
def test_no_oddity_of_a_trust_configuration_crashes_the_import(odd: dict[str, Any]) -> None:
    try:
        read(json.dumps({"type": "github", "file": "r.yml", **odd}), package="ui")
    except MetadataProblems as problems:
        assert problems.problems
