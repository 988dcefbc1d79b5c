"""The command line as people run it: exit codes, one line an error, never a traceback or a credential."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.__main__ import COMMANDS
from bot.github import webhook
from storage import arrivals
from storage.arrivals import Arrival
from storage.database import Database

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parent.parent
BODY = {"action": "completed", "workflow_run": {"id": 7}, "repository": {"full_name": "acme/ui"}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            input=stdin,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "COLUMNS": "200", **env},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run_


def test_help_lists_every_command(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: python -m bot" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], 2),
        (["--nonsense"], 2),
        (["deliveries", "show", "no-such"], 1),
        (["deliveries", "replay", "99"], 1),
        (["incidents", "show", "99"], 1),
        (["incidents", "show", "x"], 2),
        (["tokens", "show", "no-such"], 1),
        (["replay", "no-such-file"], 2),
        (["backup", "no/such/folder/file"], 2),
        (["manifest", "slack", "--url", "http://plain.example"], 2),
        (["tokens", "show", "a", "npm_" + "a" * 36], 2),
        (["deliveries", "list", "--state", "npm_" + "a" * 36], 2),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(run: Run, arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "a" * 36 not in done.stderr + done.stdout


def test_a_database_that_cannot_be_opened_is_one_line(run: Run) -> None:
    done = run("tokens", "list", DATABASE_URL="sqlite:////proc/no/such.db")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_saved_body_is_stored_shown_and_made_due_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(BODY))
    assert "delivery 1" in run("replay", "body.json").stdout
    (listed,) = run("deliveries", "list", "--json").stdout.splitlines()
    shown = json.loads(listed)
    assert (shown["event"], shown["action"], shown["repository"], shown["state"]) == (
        "workflow_run",
        "completed",
        "acme/ui",
        "new",
    )
    one = json.loads(run("deliveries", "show", shown["guid"], "--json").stdout)
    assert one["body"] == BODY
    assert run("deliveries", "replay", "1").returncode == 0
    assert "acme/ui" in run("deliveries", "list").stdout


def test_what_came_before_the_bot_was_killed_is_shown_as_well(run: Run, tmp_path: Path) -> None:
    assert run("deliveries", "list").stdout == "No deliveries.\n"
    (database,) = tmp_path.rglob("*.db")
    db = Database.open(f"sqlite:///{database}")
    came = Arrival("0f8c1a3e-0000-4000-8000-000000000001", "workflow_run", "completed", "acme/ui", b"{}")
    db.write_now(arrivals.keep, [came], [arrivals.packed(came.body)], datetime.now(UTC))
    db.close()
    assert came.guid in run("deliveries", "list", "--json").stdout
    assert run("deliveries", "show", came.guid).returncode == 0


@pytest.mark.parametrize("body", ["", "[]", "{", "\0"])
def test_a_body_that_is_none_is_refused(run: Run, tmp_path: Path, body: str) -> None:
    (tmp_path / "body.json").write_text(body)
    done = run("replay", "body.json")
    assert done.returncode == 2 and "JSON object" in done.stderr


def test_a_backup_is_a_database_with_everything_in_it(run: Run, tmp_path: Path) -> None:
    run("tokens", "add", "npm-acme-ci")
    assert run("backup", "copy.db").returncode == 0
    assert run("backup", "copy.db").returncode == 2
    listed = run("tokens", "list", "--json", DATABASE_URL="sqlite:///copy.db").stdout
    assert "npm-acme-ci" in listed


def test_the_manifests_are_json_that_name_the_bots_address(run: Run) -> None:
    slack = json.loads(run("manifest", "slack", "--url", "https://bot.example/").stdout)
    assert slack["features"]["slash_commands"][0]["url"] == "https://bot.example/slack/events"
    assert slack["settings"]["interactivity"]["request_url"] == "https://bot.example/slack/events"
    socket = json.loads(run("manifest", "slack", "--socket-mode").stdout)
    assert socket["settings"]["socket_mode_enabled"] is True
    assert "url" not in socket["features"]["slash_commands"][0]
    several = json.loads(run("manifest", "slack", "--several", "--url", "https://bot.example").stdout)
    assert several["oauth_config"]["redirect_urls"] == ["https://bot.example/slack/oauth_redirect"]
    assert run("manifest", "slack", "--several", "--socket-mode").returncode == 2
    github = json.loads(run("manifest", "github", "--url", "https://bot.example").stdout)
    assert github["hook_attributes"]["url"] == "https://bot.example/github/webhooks"
    assert set(github["default_permissions"].values()) == {"read"}


def test_a_manifest_without_an_address_says_so_and_takes_the_one_that_is_set(run: Run, tmp_path: Path) -> None:
    bare = run("manifest", "slack")
    assert json.loads(bare.stdout) and "put your address" in bare.stderr
    assert run("manifest", "github", "--socket-mode").stderr == ""
    (tmp_path / ".env").write_text("PUBLIC_URL=https://set.example.com\n")
    assert "https://set.example.com/slack/events" in run("manifest", "slack").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(run: Run, shell: str) -> None:
    assert "_TOKENWATCH_COMPLETE" in run("completion", shell).stdout
    words = {"COMP_WORDS": "tokenwatch tokens li", "COMP_CWORD": "2" if shell != "fish" else "li"}
    done = run(_TOKENWATCH_COMPLETE=f"{shell}_complete", **words)
    assert "list" in done.stdout and "remove" not in done.stdout


def on_a_terminal(tmp_path: Path, *arguments: str, **env: str) -> str:
    """What a person sees."""
    mine, theirs = pty.openpty()
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments], cwd=tmp_path, env=environment | env,
        stdin=theirs, stdout=theirs, stderr=theirs,
    ):  # fmt: skip
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(mine, 65536):
                seen += part
    os.close(mine)
    return seen.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["tokens", "--help"], ["nonsense"], ["check"]])
def test_colours_are_for_terminals_and_nobody_who_said_no(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    here = {"SLACK_API_URL": "http://127.0.0.1:9/", "NPM_REGISTRY_URL": "http://127.0.0.1:9"}
    assert "\x1b[" in on_a_terminal(tmp_path, *arguments, **here)
    said_no = on_a_terminal(tmp_path, *arguments, NO_COLOR="1", **here)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", said_no)
    piped = run(*arguments, **here)
    assert "\x1b[" not in piped.stdout + piped.stderr


def test_long_work_shows_how_far_it_is_on_a_terminal_and_is_silent_elsewhere(run: Run, tmp_path: Path) -> None:
    records = [{"name": f"token-{number}", "registry": "npm", "kind": "granular"} for number in range(800)]
    (tmp_path / "many.json").write_text(json.dumps(records))
    importing = ("tokens", "import", "many.json")
    assert "Storing tokens" in on_a_terminal(tmp_path, *importing)
    shutil.rmtree(tmp_path / "data")
    piped = run(*importing)
    assert piped.returncode == 0 and piped.stderr == "" and "\x1b" not in piped.stdout


def test_a_log_that_takes_its_time_is_counted_on_a_terminal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.log")

    def write() -> None:
        with (tmp_path / "slow.log").open("wb") as pipe:
            for _ in range(3):
                pipe.write(b"npm notice a line like any other\n" * 10_000)
                pipe.flush()
                time.sleep(0.6)

    writing = threading.Thread(target=write)
    writing.start()
    seen = on_a_terminal(tmp_path, "diagnose", "slow.log")
    writing.join()
    assert "slow.log" in seen and "kB" in seen


def test_a_list_on_a_terminal_keeps_names_whole_and_marks_what_ends(tmp_path: Path) -> None:
    for name, end in (("npm-acme-charts-of-the-design-system", "2020-01-01"), ("b", "2099-01-01")):
        on_a_terminal(tmp_path, "tokens", "add", name, "--package", "@acme/charts-core", "--expires", end)
    listed = on_a_terminal(tmp_path, "tokens", "list", COLUMNS="90")
    assert "npm-acme-charts-of-the-design-system" in listed
    assert re.search(r"\x1b\[31m2020-01-01", listed) and not re.search(r"\x1b\[3[13]m2099", listed)


def test_a_time_zone_that_is_none_is_named_with_the_nearest(run: Run) -> None:
    done = run("check", TIMEZONE="Europe/Berlinn")
    assert (done.returncode, done.stderr) == (
        2,
        "Error: TIMEZONE is not a time zone name: did you mean Europe/Berlin?\n",
    )


def test_help_lists_subcommands_with_whole_sentences(run: Run) -> None:
    for group in ("tokens", "rotations", "incidents", "deliveries", "manifest"):
        assert "..." not in run(group, "--help").stdout.split("Commands:")[1]


def test_check_finds_what_is_not_set_and_says_how_to_mend_it(run: Run) -> None:
    done = run("check", "--json", SLACK_API_URL="http://127.0.0.1:9/", NPM_REGISTRY_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(finding["mend"] for finding in findings if finding["state"] == "wrong")
    assert "SLACK_BOT_TOKEN is not set" in done.stdout


def test_a_signature_can_be_made_for_a_delivery() -> None:
    assert webhook.sign(b"It's a Secret to Everybody", b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )
