"""The commands of a rotation, run by a real shell: every word arrives exactly, and nothing else happens."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.rotation import amending, commands, steps
from storage.rotations import Rotation
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ODD = [
    "it's",
    '"quoted"',
    "$HOME",
    "$(touch hit)",
    "`touch hit`",
    "a;touch hit",
    "a && touch hit",
    "a | touch hit",
    "-rf",
    "--json",
    "two  blanks",
    " padded ",
    "back\\slash",
    "~",
    "*",
    "!history",
    "#comment",
    "a>hit",
    "prod / eu-west",
    "Ümläut ✓",
]


def rotation_of(token: Token, path: Any = "token", **more: Any) -> Rotation:
    given_ = {"owner": "U1", "started_by": "U1", "now": NOW, "new_name": "npm-acme-ci-2026-11-20"} | more
    return steps.planned(token, path=path, **given_)


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """Runs a line in sh where npm, gh and python only write down what they were called with."""
    fakes = tmp_path / "bin"
    fakes.mkdir()
    script = (
        f"#!{sys.executable}\nimport json, os, sys\n"
        "open(os.environ['CALLS'], 'a').write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + '\\n')\n"
        "if sys.argv[0].endswith('python'): sys.stdin.read()\n"
    )
    for name in ("npm", "gh", "python"):
        (fakes / name).write_text(script)
        (fakes / name).chmod(0o755)

    def run(line: str) -> list[list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        env = {"PATH": f"{fakes}:/usr/bin:/bin", "CALLS": str(calls), "HOME": "/home/somebody"}
        done = subprocess.run(["/bin/sh", "-c", line], env=env, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "calls"], "it did something else as well"
        return [json.loads(call) for call in calls.read_text().splitlines()]

    return run


def test_the_create_command_spells_everything_out(shell: Any) -> None:
    token = Token(
        name="npm-acme-ci",
        packages=("@acme/ui", "left-pad"),
        scopes=("@acme",),
        cidr=("10.0.0.0/8",),
        permission="read-write",
        bypass_2fa=True,
    )
    line = commands.create(token, rotation_of(token, lifetime_days=30))
    assert line is not None
    (call,) = shell(line)
    assert call == [
        "npm", "token", "create", "--name=npm-acme-ci-2026-11-20", "--expires=30", "--packages=@acme/ui",
        "--packages=left-pad", "--scopes=@acme", "--packages-and-scopes-permission=read-write", "--cidr=10.0.0.0/8",
    ]  # fmt: skip


def test_two_factor_is_bypassed_only_when_a_person_chose_it_and_another_approved() -> None:
    token = Token(name="x", packages=("a",), bypass_2fa=True)
    assert "--bypass-2fa" not in str(commands.create(token, rotation_of(token)))
    wanted = rotation_of(token, bypass=True, second="U2")
    assert "--bypass-2fa" not in str(commands.create(token, wanted)), "nobody has approved it yet"
    assert "--bypass-2fa" in str(commands.create(token, amending.approve(wanted, "U2", NOW)))


@pytest.mark.parametrize(
    ("had", "path", "gets"),
    [
        ("read-write", "token", "read-write"),
        ("read-only", "token", "read-only"),
        (None, "token", "read-write"),
        ("read-write", "stage-token", "read-write-stage-only"),
        ("read-write-stage-only", "token", "read-write"),
    ],
)
def test_the_new_token_may_do_what_the_old_one_may_unless_the_path_changes_it(had: Any, path: Any, gets: str) -> None:
    token = Token(name="x", packages=("a",), permission=had)
    assert f"--packages-and-scopes-permission={gets}" in str(commands.create(token, rotation_of(token, path)))


def test_all_packages_and_organisations_have_their_own_flags() -> None:
    token = Token(name="x", packages=("*",), orgs=("acme",), permission="read-only")
    line = str(commands.create(token, rotation_of(token)))
    assert "--packages-all" in line and "--packages=" not in line
    assert "--orgs=acme --orgs-permission=read-only" in line


def test_no_command_shows_a_value_that_json_output_would_hide() -> None:
    token = Token(name="x", packages=("a",), used_by=(Use("acme/ui", "release.yml", "NPM_TOKEN"),))
    lines = [commands.create(token, rotation_of(token)), *commands.stores(token.used_by)]
    assert all(line and "--json" not in line and "--body" not in line for line in lines)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (Use("acme/ui", None, "NPM_TOKEN"), ["--repo", "acme/ui"]),
        (Use("acme/ui", None, "NPM_TOKEN", "organization"), ["--org", "acme"]),
        (Use("acme", None, "NPM_TOKEN", "organization"), ["--org", "acme"]),
        (Use("acme/*", None, "NPM_TOKEN", "organization"), ["--org", "acme"]),
        (Use("acme/ui", None, "NPM_TOKEN", "environment", "prod"), ["--repo", "acme/ui", "--env=prod"]),
        # The environment of the job is no place of a repository's secret.
        (Use("acme/ui", None, "NPM_TOKEN", "repository", "prod"), ["--repo", "acme/ui"]),
    ],
)
def test_a_secret_is_written_and_deleted_where_it_lives(shell: Any, use: Use, words: list[str]) -> None:
    assert shell(commands.store(use)) == [["gh", "secret", "set", "NPM_TOKEN", *words]]
    assert shell(commands.delete(use)) == [["gh", "secret", "delete", "NPM_TOKEN", *words]]


def test_uses_of_one_organisation_secret_are_one_command() -> None:
    uses = [Use(f"acme/{name}", "release.yml", "NPM_TOKEN", "organization") for name in "abc"]
    uses += [Use("acme/a", "nightly.yml", "NPM_TOKEN"), Use("acme/a", "release.yml", "NPM_TOKEN")]
    assert commands.stores(uses) == ["gh secret set NPM_TOKEN --org acme", "gh secret set NPM_TOKEN --repo acme/a"]


@pytest.mark.parametrize(
    "use",
    [
        Use("acme/ui", None, "NPM_TOKEN", "elsewhere"),
        Use("acme/ui", None, None),
        Use("acme/ui", None, "vault/npm", "repository"),
        Use("acme/*", None, "NPM_TOKEN", "repository"),
        Use("acme/ui", None, "NPM_TOKEN", "environment", None),
        Use("acme/ui", None, "--body", "repository"),
    ],
)
def test_where_no_command_can_write_there_is_none(use: Use) -> None:
    assert commands.store(use) is None
    assert commands.delete(use) is None


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_arrive_exactly(shell: Any, odd: str) -> None:
    use = Use("acme/ui", f".github/workflows/{odd}.yml", "NPM_TOKEN", "environment", odd)
    assert shell(commands.store(use)) == [["gh", "secret", "set", "NPM_TOKEN", "--repo", "acme/ui", f"--env={odd}"]]
    line = commands.trust("@acme/ui", use)
    assert shell(line) == [[
        "npm", "trust", "github", "@acme/ui", f"--file={odd.rpartition('/')[2]}.yml", "--repo=acme/ui", f"--env={odd}",
        "--allow-publish",
    ]]  # fmt: skip
    token = Token(name="x", packages=(odd,), scopes=(odd,))
    made = commands.create(token, rotation_of(token, new_name=odd))
    if odd != "*":
        (call,) = shell(made)
        assert [f"--name={odd}", f"--packages={odd}", f"--scopes={odd}"] == [call[3], call[5], call[6]]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=30))
def test_any_environment_is_either_quoted_exactly_or_left_to_the_page(name: str) -> None:
    use = Use("acme/ui", "release.yml", "NPM_TOKEN", "environment", name)
    line = commands.store(use)
    if line is None:
        assert commands.secret_page(use) == "https://github.com/acme/ui/settings/environments"
    else:
        assert shlex.split(line)[-1] == f"--env={name}"
        assert "\n" not in line


@pytest.mark.parametrize(
    "name", ["a\nb", "a\u202eb", "a\u200bb", "<!channel>", "<@U1>", "a\x00b", "a\u00a0b", "x" * 4000]
)
def test_what_a_chat_would_change_is_no_command(name: str) -> None:
    assert commands.store(Use("acme/ui", None, "NPM_TOKEN", "environment", name)) is None


def test_more_packages_than_npm_takes_are_left_to_the_page() -> None:
    token = Token(name="x", packages=tuple(f"@acme/p{number}" for number in range(51)))
    assert commands.create(token, rotation_of(token)) is None
    assert commands.create(Token(name="x", registry="pypi"), rotation_of(token)) is None


def test_a_stage_only_trust_says_so() -> None:
    use = Use("acme/ui", "release.yml", None, "elsewhere")
    assert str(commands.trust("left-pad", use, stage_only=True)).endswith("--allow-stage-publish")
    assert commands.trust("left-pad", Use("acme/ui", "Release", None)) is None, "npm wants a file name"
    assert commands.trust("left-pad", Use("acme/*", "release.yml", None)) is None


def test_the_old_token_is_revoked_by_its_id(shell: Any) -> None:
    assert commands.revoke(Token(name="x", registry_id="ab12cd")) == ["npm token list", "npm token revoke ab12cd"]
    line = commands.revoke(Token(name="x"))[1]
    assert shell(line) == [["npm", "token", "revoke", "ID_FROM_THE_LIST"]], "pasted as it is, it harms nothing"


@pytest.mark.parametrize("account", [None, "acme-ci", "it's"])
def test_lists_are_piped_into_the_import(shell: Any, account: str | None) -> None:
    calls = sorted(shell(commands.import_list(account)))
    told = ["--account", account] if account else []
    assert calls == [["npm", "token", "list", "--json"], ["python", "-m", "bot", "tokens", "import", "-", *told]]
    calls = sorted(shell(commands.trust_list(["it's"])))
    assert calls == [
        ["npm", "trust", "list", "it's", "--json"],
        ["python", "-m", "bot", "tokens", "import", "-", "--package", "it's"],
    ]
    calls = sorted(shell(commands.trust_list(["it's", "@acme/$(reboot)"])))
    assert calls == [
        ["npm", "trust", "list", "@acme/$(reboot)", "--json"],
        ["npm", "trust", "list", "it's", "--json"],
        ["python", "-m", "bot", "tokens", "import", "-"],
    ]


def test_the_settings_pages_are_the_right_ones() -> None:
    pages = {
        commands.secret_page(Use("acme/ui", None, "T")): "https://github.com/acme/ui/settings/secrets/actions",
        commands.secret_page(Use("acme/ui", None, "T", "organization")): (
            "https://github.com/organizations/acme/settings/secrets/actions"
        ),
        commands.workflow_page(Use("acme/ui", "my release.yml")): (
            "https://github.com/acme/ui/edit/HEAD/.github/workflows/my%20release.yml"
        ),
    }
    assert all(made == wanted for made, wanted in pages.items())
    assert commands.secret_page(Use("acme/ui", None, "T", "elsewhere")) is None
    assert commands.visibility(Use("acme/ui", None, "T", "organization")) == (
        "gh api orgs/acme/actions/secrets/T --jq .visibility"
    )
