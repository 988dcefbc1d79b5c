"""`diagnose` as people call it: real files, real processes' exit codes."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import log_files
from bot.cli.diagnose import diagnose

LOGS = Path(__file__).parent / "logs"
DEAD = next(iter(sorted((LOGS / "token-rejected").glob("*.log"))))
TAKEN = next(iter(sorted((LOGS / "version-exists").glob("*.log"))))


def run(*arguments: str, data: bytes | None = None) -> Result:
    return CliRunner().invoke(diagnose, list(arguments), input=data)


def said(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_is_one_object_a_line_in_order() -> None:
    found = said(run("--json", str(DEAD), str(TAKEN), str(DEAD)))
    assert [d["cause"] for d in found] == ["token-rejected", "version-exists", "token-rejected"]


def test_keys_are_the_promised_ones() -> None:
    (found,) = said(run("--json", str(DEAD)))
    promised = [
        *("cause", "auth", "outcome", "phase", "registry", "tool", "client", "package", "version", "code"),
        *("packages", "confidence", "evidence", "also", "fix"),
    ]
    assert [key for key in found if key in promised] == promised
    assert {"secrets_masked", "lines", "sentence", "docs"} <= set(found)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_read(arguments: tuple[str, ...]) -> None:
    assert said(run(*arguments, "--json", data=DEAD.read_bytes()))[0]["cause"] == "token-rejected"


def test_a_gzip_is_read_whatever_its_name(tmp_path: Path) -> None:
    packed = tmp_path / "job.log"
    packed.write_bytes(gzip.compress(DEAD.read_bytes()[:1000]) + gzip.compress(DEAD.read_bytes()[1000:]))
    assert said(run("--json", str(packed))) == said(run("--json", str(DEAD)))


def archive(entries: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return packed.getvalue()


def test_a_run_archive_is_read_job_by_job(tmp_path: Path) -> None:
    """The archive repeats each job step by step: read once, the lines are counted once."""
    log = DEAD.read_bytes()
    packed = tmp_path / "logs.zip"
    packed.write_bytes(archive({"1_publish.txt": log, "publish/1_Set up job.txt": log, "0_build.txt": b"all well\n"}))
    (found,) = said(run("--json", str(packed)))
    assert found["cause"] == "token-rejected"
    assert found["lines"] == log.count(b"\n") + 1
    assert said(run("--json", data=packed.read_bytes())) == [found]


def test_bombs_are_refused_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "FREE_GROWTH", 1 << 20)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * (32 << 20)))
    zipped = tmp_path / "bomb.zip"
    zipped.write_bytes(archive({"1_x.txt": b"\0" * (32 << 20)}))
    for path in (bomb, zipped):
        result = run(str(path))
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1 and "refused" in result.stderr


@pytest.mark.parametrize(
    "broken",
    [b"\x1f\x8b\x08\x00broken", gzip.compress(b"x" * 9000, mtime=0)[:-9], b"PK\x03\x04broken"],
    ids=["no gzip", "cut gzip", "no zip"],
)
def test_a_damaged_archive_is_one_line(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(broken)
    result = run("--json", str(path))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["missing.log", ".", "a\nb\x1b[31m"])
def test_what_cannot_be_read_is_one_line_on_stderr(name: str) -> None:
    result = run(name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1 and "\x1b" not in result.stderr


def test_a_wrong_time_is_bad_usage() -> None:
    assert run("--at", "yesterday", str(DEAD)).exit_code == 2
    assert run("--json", "--at", "2026-11-22T10:00:00Z", str(DEAD)).exit_code == 0


def test_people_get_the_fact_first_then_what_to_do() -> None:
    result = run(str(DEAD))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("The registry refused")
    assert "token-rejected, confidence" in lines[1]
    assert "What to do" in lines and "\x1b" not in result.stdout


def test_log_text_stays_text() -> None:
    """Markup, escapes and control characters of a log neither format nor move the cursor."""
    hostile = b"npm error [bold]Unable to authenticate, your authentication token seems to be invalid [/x]\x1b[2J\x07\n"
    result = run(data=hostile)
    assert "[bold]" in result.stdout
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout


def test_no_credential_is_printed() -> None:
    secret = "npm_" + "aB3" * 12
    data = f"npm error Unable to authenticate, your authentication token seems to be invalid. {secret}\n".encode()
    for arguments in ((), ("--json",)):
        result = run(*arguments, data=data)
        assert secret not in result.output
    assert said(run("--json", data=data))[0]["secrets_masked"] == 1
