"""`python -m bot tokens ...` as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from bot.cli.tokens import tokens as command
from bot.probe_workflow import probe_workflow, probed_use
from storage import audit
from storage.database import Database
from storage.tokens import Token, Use

ROOT = Path(__file__).parent.parent
SECRET = "npm_" + "a1B2c3D4e5F6" * 3
ADD = (
    *("add", "npm-acme-ci", "--permission", "read-write", "--package", "@acme/ui", "--scope", "@acme"),
    *("--bypass-2fa", "--hint", "npm_aBcD...7890", "--created", "2026-11-20", "--owner", "U012AB3CD"),
    *("--used-by", "acme/ui:release.yml:NPM_TOKEN:repository", "--used-by", "acme/*::NPM_TOKEN:organization"),
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'tokens.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(command, list(arguments), input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def record(name: str = "npm-acme-ci") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("show", name, "--json").stdout)
    return found


def test_an_added_token_is_shown_with_everything_that_was_said() -> None:
    assert run(*ADD).exit_code == 0
    shown = record()
    assert shown["packages"] == ["@acme/ui"] and shown["bypass_2fa"] is True
    assert shown["expires_at"] == "2026-11-27T00:00:00Z" and shown["expires_computed"] is True
    assert [use["level"] for use in shown["used_by"]] == ["repository", "organization"]
    page = run("show", "NPM-ACME-CI").stdout
    assert "computed from its kind and creation" in page and "acme/ui:release.yml:NPM_TOKEN:repository" in page


def test_every_wrong_option_is_one_line_on_stderr() -> None:
    result = run("add", "x", "--owner", "bob", "--expires", "2026-12-01T09:00", "--used-by", "a b:c:d:repo")
    assert result.exit_code == 2 and not result.stdout
    assert {line.split(":")[1].strip() for line in result.stderr.splitlines()} == {
        "--owner",
        "--expires",
        "--used-by[0].repo",
        "--used-by[0].level",
    }


def test_a_name_is_added_once() -> None:
    run(*ADD)
    again = run(*ADD)
    assert again.exit_code == 2 and again.stderr == "Error: NAME: is the name of another token\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", SECRET),
        ("add", "x", "--hint", SECRET),
        ("add", "x", "--note", f"it is {SECRET}"),
        ("add", "x", "--package", SECRET),
        ("add", "x", "--registry", SECRET),
        ("add", "x", "--used-by", f"acme/ui:r.yml:{SECRET}:repository"),
        ("show", SECRET),
        ("remove", SECRET, "--yes"),
        ("edit", SECRET, "--note", "x"),
    ],
)
def test_a_token_typed_anywhere_is_neither_stored_nor_repeated(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert SECRET not in result.output + result.stderr
    assert SECRET not in run("export").output


def test_an_edit_replaces_what_is_given_and_clears_what_is_named() -> None:
    run(*ADD)
    args = ("--package", "@acme/api", "--clear", "owner", "--clear", "scopes", "--rename", "new", "--no-bypass-2fa")
    assert run("edit", "npm-acme-ci", *args).exit_code == 0
    shown = record("new")
    assert (shown["packages"], shown["scopes"], shown["owner"]) == (["@acme/api"], [], None)
    assert shown["bypass_2fa"] is False and shown["hint"] == "npm_aBcD...7890"
    assert run("edit", "new").exit_code == 2
    assert "did you mean expires_at" in run("edit", "new", "--clear", "expires").stderr


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    run(*ADD)
    for verb in (("show",), ("edit", "--note", "x"), ("remove", "--yes")):
        result = run(verb[0], "npm-acme-c", *verb[1:])
        assert result.exit_code == 1
        assert result.stderr == "Error: there is no token npm-acme-c: did you mean npm-acme-ci?\n"


def test_removing_asks_or_wants_yes_and_leaves_the_audit_rows(store: str) -> None:
    run(*ADD)
    asked = run("remove", "npm-acme-ci")
    assert asked.exit_code == 2 and "--yes" in asked.stderr
    run("edit", "npm-acme-ci", "--note", "bye")
    assert run("remove", "npm-acme-ci", "--yes").exit_code == 0
    assert "No tokens yet" in run("list").stdout
    db = Database.open(store)
    entries = db.read_now(audit.of_subject, "token:npm-acme-ci")
    db.close()
    assert [entry.action for entry in entries] == ["token.remove", "token.change", "token.add"]
    assert all(entry.who.startswith("cli") for entry in entries)
    assert entries[1].details == "note: nothing -> bye"


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_is_imported_again_as_it_was(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*ADD, "--note", "=1+1\nsecond line")
    before = record()
    file = tmp_path / f"all.{form}"
    assert run("export", str(file)).exit_code == 0
    assert run("import", str(file)).stdout == "0 added, 0 changed, 0 revoked, 1 unchanged.\n"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert run("import", "-", given=file.read_bytes()).stdout.endswith("1 added, 0 changed, 0 revoked, 0 unchanged.\n")
    assert record() == before


def test_an_import_is_all_or_nothing_and_names_line_and_field() -> None:
    result = run("import", "-", given="name,owner,registry\na,U12345,npm\nb,ann,nmp\n")
    assert result.exit_code == 2
    assert [line.split(": ")[1:3] for line in result.stderr.splitlines()] == [
        ["line 3", "owner"],
        ["line 3", "registry"],
    ]
    assert run("list", "--json").stdout == ""


def test_a_dry_run_shows_what_would_change_and_stores_nothing() -> None:
    run(*ADD)
    text = "name,owner\nnpm-acme-ci,U99999\nnew,\n"
    result = run("import", "-", "--dry-run", given=text)
    assert "~ npm-acme-ci  owner: U012AB3CD -> U99999" in result.stdout
    assert "+ new" in result.stdout and "Nothing was stored" in result.stdout
    assert record()["owner"] == "U012AB3CD"
    told = json.loads(run("import", "-", "--dry-run", "--json", given=text).stdout)
    assert told["dry_run"] and told["changed"] == [
        {"name": "npm-acme-ci", "fields": {"owner": ["U012AB3CD", "U99999"]}}
    ]


@pytest.mark.parametrize(
    "raw", ["name,owner\nä,U12345".encode("latin-1"), b"", b"\x00\x01\x02", b"\xff\xfe\x00", b"PK\x03\x04", b"[1, 2"]
)
def test_a_file_that_is_no_list_of_tokens_is_refused_in_a_line(raw: bytes) -> None:
    result = run("import", "-", given=raw)
    assert result.exit_code == 2 and result.stderr.startswith("Error: ") and "Traceback" not in result.stderr


def test_files_saved_by_windows_programs_are_read() -> None:
    text = "name;note\r\nwin;ünï\r\n"
    for encoded in (text.encode("utf-16"), text.encode("utf-8-sig")):
        assert run("import", "-", given=encoded).exit_code == 0
        assert record("win")["note"] == "ünï"


def test_a_missing_file_is_one_line() -> None:
    result = run("import", "no-such-file.json")
    assert (
        result.exit_code == 2 and result.stderr == "Error: cannot read no-such-file.json: No such file or directory\n"
    )


def test_a_list_is_narrowed_by_words_and_options() -> None:
    run(*ADD)
    run("add", "pypi-token", "--registry", "pypi", "--kind", "api-token")
    assert "pypi-token" in run("list").stdout
    assert [json.loads(line)["name"] for line in run("list", "ui", "--json").stdout.splitlines()] == ["npm-acme-ci"]
    assert "npm-acme-ci" not in run("list", "--registry", "pypi").stdout
    assert "npm-acme-ci" not in run("list", "--state", "endless").stdout
    assert run("list", "zzz").stdout == "No token matches.\n"


def test_text_from_outside_is_not_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run("add", "n" * 100, "--note", "[red]x[/red] [link=http://a]", "--package", "a" * 200)
    assert "[red]x[/red] [link=http://a]" in run("show", "n" * 100).stdout
    assert "n" * 100 in run("list").stdout


def test_the_audit_finds_what_is_wrong_and_says_so_with_its_exit_code() -> None:
    assert run("audit").exit_code == 0
    run("add", "old", "--kind", "classic", "--owner", "U12345", "--backup-owner", "U54321")
    result = run("audit", "--json")
    assert result.exit_code == 1
    assert [json.loads(line)["rule"] for line in result.stdout.splitlines()] == ["classic"]
    assert "npm revoked all classic tokens" in run("audit").stdout


def test_the_probe_is_a_valid_workflow_that_names_the_secret_where_it_lives() -> None:
    run(*ADD)
    text = run("show", "npm-acme-ci", "--probe").stdout
    workflow = YAML(typ="safe").load(text)
    steps = workflow["jobs"]["probe"]["steps"]
    assert workflow["on"]["schedule"] and steps[0]["env"]["NODE_AUTH_TOKEN"] == "${{ secrets.NPM_TOKEN }}"
    assert steps[1]["env"]["TOKEN_NAME"] == "npm-acme-ci"
    assert all("${{" not in step["run"] for step in steps)  # expressions in scripts are how workflows are injected
    run("add", "bare")
    assert run("show", "bare", "--probe").exit_code == 1


def test_the_probe_holds_hostile_names_as_data() -> None:
    evil = "x\"\n  run: ${{ secrets.OTHER }} # '; rm -rf /"
    token = Token(evil, used_by=(Use("acme/ui", None, "NPM_TOKEN", "environment", evil),))
    use = probed_use(token)
    assert use is not None
    workflow = YAML(typ="safe").load(probe_workflow(token, use))
    probe = workflow["jobs"]["probe"]
    assert [set(step) for step in probe["steps"]] == [{"name", "id", "env", "run"}, {"name", "env", "run"}]
    assert "${{" not in probe["environment"] and "${{" not in workflow["name"]
    for secret, repo in (("A }} ${{ x", "acme/ui"), ("A", "acme/ui\nx: y"), (None, "acme/ui")):
        assert probed_use(Token("t", used_by=(Use(repo, None, secret),))) is None


def test_the_script_of_the_probe_reports_what_npm_said(tmp_path: Path) -> None:
    """The step's shell runs here with an npm that answers as the real one does."""
    token = Token("t", used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    script = YAML(typ="safe").load(probe_workflow(token, token.used_by[0]))["jobs"]["probe"]["steps"][0]["run"]
    npm = tmp_path / "npm"
    for answer, secret, expected in (
        ("echo acme", "x", "ok=true\nstatus=alive\n"),
        ("echo 'npm error code E401' >&2; exit 1", "x", "ok=false\nstatus=E401\n"),
        ("exit 1", "x", "ok=false\nstatus=failed\n"),
        ("echo acme", "", "ok=false\nstatus=secret-empty\n"),
    ):
        npm.write_text(f"#!/bin/sh\n{answer}\n")
        npm.chmod(0o755)
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "NODE_AUTH_TOKEN": secret,
            "NPM_CONFIG_USERCONFIG": str(tmp_path / "npmrc"),
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(output),
        }
        subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, check=True)
        assert output.read_text() == expected
        assert "${NODE_AUTH_TOKEN}" in (tmp_path / "npmrc").read_text()


@pytest.mark.parametrize("verb", sorted(command.commands))
def test_every_command_explains_itself(verb: str) -> None:
    assert run(verb, "--help").exit_code == 0


def process(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "bot", "tokens", *arguments], input=given, capture_output=True, env=environment
    )


def test_the_real_program_keeps_its_exit_codes_and_never_shows_a_traceback() -> None:
    assert process(*ADD).returncode == 0
    assert process("show", "nobody").returncode == 1
    assert process("audit").returncode == 1
    for arguments in (("import", "-"), ("add", "x y"), ("nope",), ("show", os.fsdecode(b"\xff\xfe"))):
        result = process(*arguments)
        assert result.returncode in (1, 2)
        assert result.stderr and b"Traceback" not in result.stderr


def test_the_command_starts_without_loading_slack_or_the_web_server() -> None:
    code = "import sys, bot.cli.tokens; print([m for m in ('slack_sdk', 'slack_bolt', 'aiohttp') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert result.stdout.strip() == b"[]"
