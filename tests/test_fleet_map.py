"""The map against the truth the organisation was made from: what breaks, what is hidden, what nobody reads."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli.tokens import tokens as tokens_command
from bot.demo.outside import Outside
from bot.fleet.dependence import Answer, Link, Trouble, about, answer, gathered, troubles
from bot.fleet.inventory import Inventory, SecretPlace
from bot.fleet.picture import draw
from bot.messages.map import map_message
from storage import fleet_rounds, tokens
from storage.database import Database
from storage.tokens import Token, Use
from tests import hostile, organisation
from tests.fleets import Scanning
from tests.organisation import BY_TOKEN, BY_TRUST, RELEASE, WRITTEN
from tests.running import Running, running_bot, settings_for
from tests.test_messages_hostile import assert_takes, unhurried

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SHARED = Token(name="npm-acme-ci", used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),))


@pytest.fixture
def scanner(outside: Outside, db: Database, tmp_path: Path) -> Scanning:
    return Scanning(outside, db, tmp_path)


def add(scanner: Scanning, *given: Token) -> None:
    for token in given:
        scanner.db.write_now(tokens.add, token, NOW)


def asked(found: Inventory, word: str) -> Answer:
    told = answer(found, word)
    assert told is not None, word
    return told


def codes(found: Inventory) -> set[tuple[str, str]]:
    return {(one.code, one.about) for one in troubles(found)}


async def test_revoking_a_shared_token_stops_what_reads_it_there(scanner: Scanning) -> None:
    truth = organisation.populate(scanner.outside, 100)
    own = Token(name="npm-own", used_by=(Use("acme/repo-0001", "release.yml", "NPM_TOKEN", "repository"),))
    add(scanner, SHARED, own)
    await scanner.scan()
    found = scanner.found()
    shared = asked(found, "NPM-acme-ci")
    assert shared.kind == "token" and set(shared.repositories) == truth.readers["NPM_TOKEN", "organization"]
    assert set(shared.packages) == {f"@acme/{repo.partition('/')[2]}" for repo in shared.repositories}
    assert {link.repo for link in shared.stops} == set(shared.repositories)
    assert asked(found, "npm-own").repositories == ("acme/repo-0001",)
    secret = asked(found, "npm_token")
    assert len(secret.repositories) == sum(len(who) for (name, _), who in truth.readers.items() if name == "NPM_TOKEN")
    assert asked(found, "@acme/repo-0010").repositories == ("acme/repo-0010",)
    assert asked(found, "acme/repo-0003").links[0].secret is None
    assert set(asked(found, "acme").repositories) == truth.publishing
    assert set(asked(found, "").repositories) == truth.publishing
    assert answer(found, "nothing-like-it") is None


async def test_a_job_with_a_trusted_publisher_goes_on_without_the_token(scanner: Scanning) -> None:
    github = scanner.outside.github
    both = BY_TOKEN.replace("jobs:", "permissions: {id-token: write}\njobs:")
    for name, text in (("both", both), ("token", BY_TOKEN), ("trust", BY_TRUST)):
        github.host(f"acme/{name}")
        github.add_file(f"acme/{name}", RELEASE, text)
    github.add_secret("NPM_TOKEN", org="acme", updated_at=WRITTEN)
    publishers = [
        Token(
            name=f"oidc-{name}",
            kind="trusted-publisher",
            used_by=(Use(f"acme/{name}", "release.yml", None, "elsewhere", environment),),
        )
        for name, environment in (("both", None), ("trust", "npm"), ("token", None))
    ]
    add(scanner, SHARED, *publishers)
    await scanner.scan()
    told = asked(scanner.found(), "npm-acme-ci")
    assert set(told.repositories) == {"acme/both", "acme/token"}
    assert {link.repo for link in told.stops} == {"acme/both", "acme/token"} - {"acme/both"}
    assert asked(scanner.found(), "oidc-trust").repositories == ("acme/trust",)
    use = Use("acme/trust", "release.yml", None, "elsewhere", "prod")
    add(scanner, replace(publishers[1], name="oidc-wrong", used_by=(use,)))
    assert not asked(scanner.found(), "oidc-wrong").links or not asked(scanner.found(), "oidc-wrong").links[0].seen


async def test_shadows_orphans_and_too_many_hands_are_found_and_nothing_else(scanner: Scanning) -> None:
    github = scanner.outside.github
    for number in range(4):
        github.host(f"acme/r{number}")
        github.add_file(f"acme/r{number}", RELEASE, BY_TOKEN)
    installs = organisation.TEST_ONLY + "        env: {A: '${{ secrets.NPM_READ }}'}\n"
    github.add_file("acme/r3", ".github/workflows/install.yml", installs)
    github.add_secret("NPM_TOKEN", org="acme", updated_at=WRITTEN)
    github.add_secret("NPM_TOKEN", repo="acme/r1", updated_at=WRITTEN)
    github.add_secret("NPM_TOKEN", repo="acme/r2", updated_at=WRITTEN)
    github.add_secret("NPM_READ", org="acme", updated_at=WRITTEN)
    github.add_secret("OLD_NPM_TOKEN", org="acme", updated_at=WRITTEN)
    github.add_secret("SENTRY_DSN", org="acme", updated_at=WRITTEN)
    uses = (
        Use("acme/r1", None, "NPM_TOKEN"), Use("acme/r2", None, "NPM_TOKEN"),
        Use("acme/*", None, "NPM_TOKEN", "organization"),
    )  # fmt: skip
    add(scanner, Token(name="copied", used_by=uses), Token(name="idle"), Token(name="reader", permission="read-only"))
    await scanner.scan()
    assert codes(scanner.found()) == {
        ("shadowed-secret", "NPM_TOKEN"),
        ("secret-nobody-reads", "OLD_NPM_TOKEN"),
        ("token-nobody-uses", "idle"),
        ("too-many-copies", "copied"),
    }
    github.add_file("acme/r3", RELEASE, BY_TOKEN.replace("NPM_TOKEN", "TYPO_TOKEN"))
    github.host("acme/r3", pushed_at=NOW)
    await scanner.scan()
    assert ("secret-missing", "acme/r3") in codes(scanner.found())


async def test_one_secret_in_many_repositories_is_said(scanner: Scanning) -> None:
    organisation.populate(scanner.outside, 300)
    add(scanner, SHARED)
    await scanner.scan()
    assert ("too-many-hands", "npm-acme-ci") in codes(scanner.found())


async def test_secrets_handed_on_whole_may_all_be_read(scanner: Scanning) -> None:
    github = scanner.outside.github
    github.host("acme/ui")
    github.add_file("acme/ui", RELEASE, BY_TOKEN)
    handing_on = "on: push\njobs: {a: {uses: ./.github/workflows/y.yml, secrets: inherit}}\n"
    github.add_file("acme/ui", ".github/workflows/x.yml", handing_on)
    github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=WRITTEN)
    github.add_secret("OLD_NPM_TOKEN", repo="acme/ui", updated_at=WRITTEN)
    await scanner.scan()
    assert codes(scanner.found()) == set()


async def test_uses_that_no_scan_saw_are_shown_as_recorded(scanner: Scanning) -> None:
    use = Use("acme/legacy", "Jenkinsfile", "NPM", "elsewhere")
    add(scanner, Token(name="jenkins", used_by=(use,), packages=("@acme/x",)))
    (link,) = asked(scanner.found(), "jenkins").links
    assert not link.seen and link.packages == ("@acme/x",)
    assert codes(scanner.found()) == set(), "nothing was scanned: nothing can be called unused"


# --- what people see -------------------------------------------------------------------------------------------------


async def say(running: Running, text: str) -> str:
    told = await running.outside.slack.command(text=text)
    assert told.error is None
    (reply,) = told.replies
    return json.dumps(reply.blocks, ensure_ascii=False) + reply.text


async def test_the_map_in_slack(outside: Outside, tmp_path: Path) -> None:
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        assert "There is nothing to draw yet" in await say(running, "map")
        truth = organisation.populate(outside, 100)
        running.db.write_now(tokens.add, SHARED, NOW)
        running.db.write_now(fleet_rounds.begin, "acme", NOW)
        await running.bot.fleet.tick()
        many = len(truth.readers["NPM_TOKEN", "organization"])
        told = await say(running, "map npm-acme-ci")
        assert f"`npm-acme-ci` is used by {many} workflows in {many} repositories" in told
        assert f"Revoking it stops {many} workflows from publishing" in told
        assert '"type": "table"' in told and "NPM_TOKEN (organisation)" in told
        everything = await say(running, "map")
        assert "NPM_TOKEN of organisation acme (npm-acme-ci)" in everything
        assert "just now" in everything or "ago" in everything
        near = await say(running, "map npm-acme-c")
        assert "Did you mean `npm-acme-ci`?" in near
        assert "@acme/repo-0010" in await say(running, "map acme/repo-0010")


def test_the_map_on_the_command_line(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    db.write_now(tokens.add, replace(SHARED, used_by=(Use("acme/ui", "release.yml", "NPM_TOKEN"),)), NOW)
    run = CliRunner().invoke
    table = run(tokens_command, ["map", "npm-acme-ci"])
    assert table.exit_code == 0 and "Revoking it stops 1 of them" in table.output and "acme/ui" in table.output
    record = json.loads(run(tokens_command, ["map", "--json"]).output)
    assert record["links"][0]["tokens"] == ["npm-acme-ci"] and record["stops"] == ["acme/ui:release.yml"]
    picture = run(tokens_command, ["map", "--svg"]).output
    assert ElementTree.fromstring(picture).tag.endswith("svg")


levels = st.sampled_from(("organization", "repository", "environment", "missing"))
places = st.builds(SecretPlace, hostile.text, levels, hostile.text, hostile.text)
made_links = st.builds(
    Link, st.sampled_from(("npm", "pypi")), hostile.text, hostile.text, hostile.text, st.none() | places,
    st.lists(places, max_size=2).map(tuple), hostile.texts, hostile.texts, hostile.texts, hostile.optional_text,
    st.booleans(), st.booleans(),
)  # fmt: skip
answers = st.builds(
    Answer,
    st.sampled_from(("token", "package", "secret", "repository", "organisation", "everything")),
    hostile.text,
    st.lists(made_links, max_size=30).map(tuple),
)
wrong = st.lists(st.builds(Trouble, hostile.text, hostile.text, hostile.text), max_size=12).map(tuple)


@unhurried
@given(answers, wrong)
def test_a_map_is_taken_whatever_it_holds(told: Answer, found: tuple[Trouble, ...]) -> None:
    assert_takes(map_message(told, found, NOW, NOW))


@unhurried
@given(answers)
def test_a_picture_is_well_formed_whatever_it_holds(told: Answer) -> None:
    picture = draw(told.links, told.name)
    root = ElementTree.fromstring(picture)
    assert not root.findall(".//{*}script") and "href" not in picture


def test_a_crowded_picture_says_how_much_it_leaves_out() -> None:
    every = [Link("npm", f"acme/r{n}", "release.yml", packages=(f"p{n}",)) for n in range(500)]
    picture = draw(every, "many")
    assert "and 441 more" in picture and picture.count("<rect") < 200


def test_a_secret_that_is_hidden_in_many_places_is_one_line_and_each_place_has_its_own() -> None:
    below = SecretPlace("NPM_TOKEN", "organization", "acme")
    found = [
        Trouble("shadowed-secret", "NPM_TOKEN", f"{place} hides it.", frozenset({place}), below)
        for place in (SecretPlace("NPM_TOKEN", "repository", f"acme/r{number}") for number in range(5))
    ]
    other = Trouble("secret-nobody-reads", "OLD", "No workflow file reads OLD.")
    (one, rest) = gathered([*found, other])
    assert rest == other
    assert one.sentence.startswith(
        "NPM_TOKEN of organisation acme is hidden in 5 places by one of the same name, such as"
    )
    assert gathered(found[:2]) == tuple(found[:2])
    link = Link("npm", "acme/r3", ".github/workflows/release.yml", secret=next(iter(found[3].places)))
    assert about(found, Answer("repository", "acme/r3", (link,))) == (found[3],)
