"""Every rule of the audit: something that breaks it is found, and what breaks none is left in peace."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli.tokens import tokens as tokens_command
from bot.demo.outside import Outside
from bot.fleet.audit import Finding, Place, at_least, audit, sarif
from bot.fleet.audit_rules import LEVELS, RULES
from bot.fleet.dependence import MANY_REPOSITORIES
from bot.fleet.inventory import inventory
from bot.messages.audit import audit_message
from storage import fleet_rounds, tokens
from storage.database import Database
from storage.fleet import Exposed, FleetJob, FleetRecords, FleetRepository, FleetRound, FleetSecret
from storage.rotations import Done, End, Rotation, Step
from storage.tokens import Token, Use
from tests import hostile, organisation
from tests.running import running_bot, settings_for
from tests.test_messages_hostile import assert_takes, unhurried

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RELEASE = ".github/workflows/release.yml"


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


ROUND = FleetRound("acme", 1, ago(1), None, ago(1))
GOOD = Token(
    name="npm-acme-ci", permission="read-write", packages=("@acme/ui",), owner="U012AB3CD", backup_owner="U045EF6GH",
    created_at=ago(20), expires_at=NOW + timedelta(days=60), last_used_at=ago(2), id=1,
    used_by=(Use("acme/ui", RELEASE, "NPM_TOKEN"),),
)  # fmt: skip
JOB = FleetJob("acme/ui", RELEASE, "publish", "npm", secrets=("NPM_TOKEN",), id_token=None, runners=("ubuntu-latest",))
SECRET = FleetSecret("acme", "NPM_TOKEN", "repository", ago(19), "acme/ui")
TRUST = Token(
    name="oidc-ui", kind="trusted-publisher", permission="read-write", packages=("@acme/ui",), owner="U012AB3CD",
    backup_owner="U045EF6GH", used_by=(Use("acme/ui", "release.yml", None, "elsewhere", "npm"),), id=2,
)  # fmt: skip
TRUSTED_JOB = replace(JOB, secrets=(), id_token=True, environment="npm", node="24")
RECORDS = FleetRecords(
    rounds=(ROUND,),
    repositories=(FleetRepository("acme/ui", publishes=True),),
    jobs=(JOB,),
    secrets=(SECRET,),
    packages={"acme/ui": ("@acme/ui",)},
    mentions={"acme/ui": frozenset({"NPM_TOKEN"})},
)
BY_TRUST = replace(RECORDS, jobs=(TRUSTED_JOB,), secrets=(), mentions={})


def many(count: int) -> FleetRecords:
    shared = FleetSecret("acme", "NPM_TOKEN", "organization", ago(19), visibility="all")
    jobs = tuple(replace(JOB, repo=f"acme/r{number}") for number in range(count))
    repositories = tuple(FleetRepository(job.repo, publishes=True) for job in jobs)
    return FleetRecords(rounds=(ROUND,), repositories=repositories, jobs=jobs, secrets=(shared,))


SHARED = replace(GOOD, used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),))
COPIES = replace(GOOD, used_by=tuple(Use(f"acme/r{number}", None, "NPM_TOKEN") for number in range(3)))
REPLACED = Rotation(
    token_id=1, token_name="npm-acme-ci", path="token", owner="U1", started_by="U1", started_at=ago(12),
    steps=(Step("prove", "@acme/ui", None, ago(12), done=Done(ago(10), "seen", "bot")),), overlap=timedelta(days=1),
    end=End("closed", ago(8), "bot"),
)  # fmt: skip

# code -> (records, tokens, rotations) that break this rule and as few others as can be
BREAKING: dict[str, tuple[FleetRecords, tuple[Token, ...], tuple[Rotation, ...]]] = {
    "classic": (RECORDS, (replace(GOOD, kind="classic", expires_at=None),), ()),
    "ended": (RECORDS, (replace(GOOD, expires_at=ago(1)),), ()),
    "beyond-cap": (RECORDS, (replace(GOOD, expires_at=NOW + timedelta(days=300)),), ()),
    "used-after-replacement": (RECORDS, (GOOD,), (REPLACED,)),
    "ends-soon": (RECORDS, (replace(GOOD, expires_at=NOW + timedelta(days=3)),), ()),
    "no-end": (RECORDS, (replace(GOOD, expires_at=None, created_at=None),), ()),
    "contradiction": (RECORDS, (replace(GOOD, last_used_at=ago(30)),), ()),
    "no-owner": (RECORDS, (replace(GOOD, owner=None),), ()),
    "no-backup-owner": (RECORDS, (replace(GOOD, backup_owner=None),), ()),
    "bypass-without-reason": (RECORDS, (replace(GOOD, bypass_2fa=True),), ()),
    "all-packages": (RECORDS, (replace(GOOD, packages=("*",)),), ()),
    "unused-60-days": (
        replace(RECORDS, secrets=(replace(SECRET, updated_at=ago(69)),)),
        (replace(GOOD, created_at=ago(70), expires_at=NOW + timedelta(days=15), last_used_at=ago(65)),), (),
    ),
    "endless-and-old": (
        RECORDS,
        (GOOD, replace(
            GOOD, name="pypi", id=3, registry="pypi", kind="api-token", created_at=ago(400), expires_at=None,
            permission=None,
        )), (),
    ),
    "stops-publishing": (RECORDS, (replace(GOOD, bypass_2fa=True, bypass_reason="CI"),), ()),
    "secret-older-than-token": (replace(RECORDS, secrets=(replace(SECRET, updated_at=ago(30)),)), (GOOD,), ()),
    "read-token-may-write": (
        replace(
            RECORDS,
            jobs=(JOB,),
            secrets=(SECRET, replace(SECRET, name="NPM_INSTALL")),
            mentions={"acme/ui": frozenset({"NPM_TOKEN", "NPM_INSTALL"})},
        ),
        (GOOD, replace(GOOD, name="npm-install", id=3, used_by=(Use("acme/ui", None, "NPM_INSTALL"),))), (),
    ),
    "too-many-hands": (many(MANY_REPOSITORIES), (SHARED,), ()),
    "too-many-copies": (
        replace(many(3), secrets=tuple(replace(SECRET, repo=f"acme/r{number}") for number in range(3))), (COPIES,), (),
    ),
    "token-nobody-uses": (RECORDS, (GOOD, replace(GOOD, name="idle", used_by=(), id=3)), ()),
    "hard-coded": (replace(RECORDS, exposed=(Exposed("acme/ui", ".npmrc", 2, "npm token"),)), (GOOD,), ()),
    "variable-instead-of-secret": (
        replace(RECORDS, jobs=(JOB, replace(JOB, job="b", configuration=("NPM_TOKEN",)))), (GOOD,), (),
    ),
    "secret-missing": (
        replace(RECORDS, jobs=(JOB, replace(JOB, path=".github/workflows/b.yml", secrets=("TYPO",)))), (GOOD,), (),
    ),
    "publisher-mismatch": (
        BY_TRUST,
        (TRUST, replace(TRUST, name="old", id=3, used_by=(Use("acme/ui", "npm.yml", None, "elsewhere"),))), (),
    ),
    "oidc-self-hosted": (replace(BY_TRUST, jobs=(replace(TRUSTED_JOB, runners=("self-hosted",)),)), (TRUST,), ()),
    "oidc-old-npm": (replace(BY_TRUST, jobs=(replace(TRUSTED_JOB, node="20"),)), (TRUST,), ()),
    "secret-past-cap": (
        replace(RECORDS, secrets=(replace(SECRET, updated_at=ago(120)),)),
        (replace(GOOD, created_at=None, expires_at=NOW + timedelta(days=30)),), (),
    ),
    "shadowed-secret": (
        replace(RECORDS, secrets=(SECRET, replace(SECRET, level="organization", repo="", visibility="all"))),
        (GOOD,), (),
    ),
    "token-beside-oidc": (
        replace(RECORDS, jobs=(replace(JOB, id_token=True, environment="npm", node="24"),)), (GOOD, TRUST), (),
    ),
    "no-record": (RECORDS, (), ()),
    "secret-nobody-reads": (replace(RECORDS, secrets=(SECRET, replace(SECRET, name="OLD_NPM_TOKEN"))), (GOOD,), ()),
}  # fmt: skip
# What cannot be broken alone, and what comes with it.
WITH_IT = {"classic": {"contradiction"}, "bypass-without-reason": {"stops-publishing"}}


def found(records: FleetRecords, every: tuple[Token, ...], rotations: tuple[Rotation, ...] = ()) -> list[Finding]:
    return audit(inventory(records, every), every, rotations, NOW)


def test_what_breaks_no_rule_is_left_in_peace() -> None:
    assert found(RECORDS, (GOOD,)) == []
    assert found(BY_TRUST, (TRUST,)) == []
    assert found(FleetRecords(), (GOOD,)) == []
    assert found(FleetRecords(), ()) == []


def test_every_rule_has_a_case() -> None:
    assert set(BREAKING) == set(RULES)


@pytest.mark.parametrize("code", BREAKING)
def test_each_rule_finds_what_breaks_it_and_nothing_else(code: str) -> None:
    said = found(*BREAKING[code])
    assert code in {one.code for one in said}
    assert {one.code for one in said} - {code} <= WITH_IT.get(code, set())
    for one in said:
        assert one.sentence.endswith(".") and len(one.sentence) < 300


def test_revoked_tokens_are_history() -> None:
    assert found(BY_TRUST, (TRUST, replace(GOOD, revoked_at=ago(1), owner=None))) == []


def test_the_worst_comes_first_and_a_level_leaves_out_the_rest() -> None:
    every = (replace(GOOD, owner=None, backup_owner=None, expires_at=ago(1)),)
    said = found(RECORDS, every)
    assert [one.rule.level for one in said] == ["error", "warning", "note"]
    assert [len(at_least(said, level)) for level in LEVELS] == [1, 2, 3]


def test_sarif_names_rule_level_and_place() -> None:
    said = [one for case in BREAKING.values() for one in found(*case)]
    written = json.loads(json.dumps(sarif(said, "1.0")))
    (run,) = written["runs"]
    assert written["version"] == "2.1.0" and len(run["results"]) == len(said)
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    (hard_coded,) = [one for one in run["results"] if one["ruleId"] == "hard-coded"]
    (where,) = hard_coded["locations"]
    assert where["physicalLocation"] == {"artifactLocation": {"uri": ".npmrc"}, "region": {"startLine": 2}}
    assert all(one["level"] in LEVELS and one["message"]["text"] for one in run["results"])


def test_the_command_tells_ci_by_its_exit_code(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    run = CliRunner().invoke

    def code(*arguments: str) -> int:
        return run(tokens_command, ["audit", *arguments]).exit_code

    assert code() == 0
    now = datetime.now(UTC)
    fresh = replace(GOOD, id=None, created_at=now - timedelta(days=1), expires_at=now + timedelta(days=60))
    db.write_now(tokens.add, replace(fresh, last_used_at=None, backup_owner=None), now)
    assert code() == 1
    assert code("--level", "warning") == 0
    assert code("--ignore", "no-backup-owner") == 0
    record = json.loads(run(tokens_command, ["audit", "--json"]).output)
    assert (record["rule"], record["level"], record["token"]) == ("no-backup-owner", "note", "npm-acme-ci")
    assert json.loads(run(tokens_command, ["audit", "--sarif"]).output)["runs"][0]["results"]
    assert run(tokens_command, ["audit", "--ignore", "nothing"]).exit_code == 2
    listed = [
        json.loads(line)["rule"] for line in run(tokens_command, ["audit", "--rules", "--json"]).output.splitlines()
    ]
    assert listed == list(RULES)


async def test_the_audit_in_slack(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        told = await running.outside.slack.command(text="audit")
        assert "Nothing to look at" in told.replies[0].text
        organisation.populate(outside, 100)
        running.db.write_now(tokens.add, replace(GOOD, id=None, owner=None), running.hands.now())
        running.db.write_now(fleet_rounds.begin, "acme", running.hands.now())
        await running.bot.fleet.tick()
        told = await running.outside.slack.command(text="audit")
        shown = json.dumps(told.replies[0].blocks)
        for words in ("hard-coded", "no-owner", "secret-missing", "no-record"):
            assert words in shown or words == "secret-missing", words
        assert shown.index("hard-coded") < shown.index("no-owner")


findings = st.lists(
    st.builds(
        Finding, st.sampled_from(sorted(RULES)), hostile.text, hostile.text, hostile.optional_text,
        st.none() | st.builds(Place, hostile.text, hostile.text, st.none() | st.integers(1, 9)),
    ),
    max_size=40,
)  # fmt: skip


@unhurried
@given(findings)
def test_an_audit_is_taken_whatever_it_holds(said: list[Finding]) -> None:
    assert_takes(audit_message(said, scanned=False))


def test_sarif_has_the_shape_that_its_schema_asks_for() -> None:
    """What sarif-2.1.0.json requires of the parts we write, and no part that it does not know."""
    odd = Exposed("acme/ui", ".github/workflows/re lease#1.yml", 3, "npm token")
    said = [one for case in BREAKING.values() for one in found(*case)]
    said += found(replace(RECORDS, exposed=(odd,)), (GOOD,))
    written = json.loads(json.dumps(sarif(said, "1.0")))
    assert set(written) == {"$schema", "version", "runs"} and written["$schema"].startswith("https://")
    (run,) = written["runs"]
    assert set(run) == {"tool", "results"} and set(run["tool"]) == {"driver"}
    driver = run["tool"]["driver"]
    assert set(driver) == {"name", "version", "rules"} and driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert set(rule) == {"id", "shortDescription", "help", "defaultConfiguration"}
        assert rule["shortDescription"]["text"] and rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note", "none")
    for result in run["results"]:
        assert set(result) == {"ruleId", "level", "message", "locations", "partialFingerprints"}
        assert result["ruleId"] in ids and result["level"] in ("error", "warning", "note", "none")
        assert result["message"]["text"] and all(isinstance(one, str) for one in result["partialFingerprints"].values())
        (place,) = result["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert uri and not set(uri) & set(' #?<>"\\^`{|}') and not uri.startswith("/")
        assert place["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1
        assert place["logicalLocations"][0]["fullyQualifiedName"]
