"""The files for hosts are read as their programs would read them, and what they run is run."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bot.__main__ import COMMANDS
from bot.settings import Settings
from tests.running import Running

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    all_of_them = instructions()
    begins = max(place for place, (name, _) in enumerate(all_of_them) if name == "FROM")
    return all_of_them[begins:]


def test_the_image_has_two_stages_of_one_pinned_python() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert len(bases) == 2 and len(set(bases)) == 1
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-[a-z]+", bases[0])
    assert version, "a tag that says which"
    ci = YAML(typ="safe").load((ROOT / ".github/workflows/ci.yml").read_text())
    assert version[1] in ci["jobs"]["check"]["strategy"]["matrix"]["python"], "the one that CI tests"


def test_the_image_runs_as_nobody_and_writes_to_its_volume_alone() -> None:
    stage = last_stage()
    names = [name for name, _ in stage]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert dict(stage)["USER"] == "10001:10001"
    assert not any(name == "RUN" for name in names[names.index("USER") :])
    volume = dict(stage)["VOLUME"]
    environment = dict(re.findall(r"(\w+)=(\S+)", dict(stage)["ENV"]))
    assert environment["DATABASE_URL"].startswith(f"sqlite:///{volume}/")
    assert {name.lower() for name in environment if not name.startswith("PYTHON")} <= set(Settings.model_fields)


def test_the_image_holds_only_what_it_needs_and_no_secret() -> None:
    copied = [rest.split() for name, rest in instructions() if name in ("COPY", "ADD")]
    assert not [rest for name, rest in instructions() if name in ("ADD", "ARG")]
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignored, "nothing is sent but what is named"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    taken = {words[0] for words in copied if not words[0].startswith("--from")}
    assert taken == sent
    assert all((ROOT / name).exists() for name in taken)
    (installing,) = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert "--require-hashes" in installing


def test_what_the_image_runs_is_a_command_of_ours() -> None:
    stage = dict(last_stage())
    assert json.loads(stage["ENTRYPOINT"])[1:] == ["-m", "bot"]
    assert json.loads(stage["CMD"])[0] in COMMANDS


async def test_the_health_check_of_the_image_tells_a_living_bot_from_none(running: Running) -> None:
    command = json.loads(dict(last_stage())["HEALTHCHECK"].split("CMD ", 1)[1])

    def healthy(port: int) -> bool:
        environment = {"PATH": os.environ["PATH"], "PORT": str(port)}
        return subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True).returncode == 0

    assert await asyncio.to_thread(healthy, running.bot.port)
    running.db.close()
    assert not await asyncio.to_thread(healthy, running.bot.port)
    assert not await asyncio.to_thread(healthy, 9)


def test_compose_runs_it_as_the_dockerfile_says() -> None:
    service = YAML(typ="safe").load((DOCS / "compose.yaml").read_text())["services"]["tokenwatch"]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["volumes"] == [f"tokenwatch:{dict(last_stage())['VOLUME']}"]
    assert (DOCS / service["build"] / "Dockerfile").is_file()
    assert service["ports"][0].endswith(f":{dict(last_stage())['EXPOSE']}")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DOCS / "tokenwatch.service")
    return parser


def test_the_unit_runs_the_bot_without_rights_on_a_folder_that_stays() -> None:
    service = unit()["Service"]
    assert shlex.split(service["ExecStart"])[1:] == ["-m", "bot", "serve"]
    assert service["User"] not in ("", "root")
    assert f"sqlite:////var/lib/{service['StateDirectory']}/" in service["Environment"]
    assert int(service["TimeoutStopSec"]) > 10, "a stop takes up to ten seconds"
    for name, value in (("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("CapabilityBoundingSet", "")):
        assert service[name] == value


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_knows_every_word_of_the_unit(tmp_path: Path) -> None:
    text = re.sub("(?m)^ExecStart=.*$", "ExecStart=/bin/true", (DOCS / "tokenwatch.service").read_text())
    (tmp_path / "tokenwatch.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "tokenwatch.service"], capture_output=True, text=True, timeout=60
    )
    about_it = [line for line in done.stderr.splitlines() if "tokenwatch.service" in line]
    assert about_it == []


def test_the_procfile_runs_the_bot() -> None:
    name, command = (ROOT / "Procfile").read_text().strip().split(": ")
    assert (name, command) == ("web", "python -m bot serve")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_what_the_pages_name_is_there(page: Path) -> None:
    text = page.read_text()
    settings = {name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`", text))
    of_others = {"LITESTREAM_ACCESS_KEY_ID", "LC_ALL", "NPM_TOKEN", "TOKENWATCH_GITHUB_TOKEN", "CI_JOB_STATUS"}
    of_others |= {"TOKENWATCH_WORKSPACE"}
    assert named <= settings | of_others
    assert set(re.findall(r"python -m bot ([a-z]+)", text)) <= set(COMMANDS)
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (DOCS / target).exists(), target
