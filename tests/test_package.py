"""What a release consists of: all that the program reads is in the wheel, and publishing needs no token."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(path.read_text())
    return loaded


def test_every_file_that_the_program_reads_is_in_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        path
        for room in ("bot", "handlers", "storage")
        for path in (ROOT / room).rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_folders_with_files_are_packages() -> None:
    """setuptools finds packages by their __init__.py, and takes data along from packages and folders below them."""
    for room in ("bot", "handlers", "storage"):
        assert (ROOT / room / "py.typed").is_file()
        assert not [path for path in (ROOT / room).rglob("*.py") if not (path.parent / "__init__.py").is_file()]


def test_the_version_is_said_once_and_has_its_changes() -> None:
    assert PROJECT["project"]["version"] == __version__
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_publishing_trusts_an_identity_and_knows_no_secret() -> None:
    workflow = read(ROOT / ".github/workflows/publish.yml")
    assert workflow["permissions"] == {}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}, "one job, one permission"
    assert build["permissions"] == {"contents": "read"}, "what runs other people's code gets no identity"
    assert publish["environment"]["name"] == "pypi"
    assert not any("run" in step for step in publish["steps"])
    text = (ROOT / ".github/workflows/publish.yml").read_text()
    assert "secrets." not in text and "password" not in text
    assert "make package" in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_keep_no_credentials_and_put_no_text_from_outside_into_a_script(path: Path) -> None:
    workflow = read(path)
    assert "permissions" in workflow
    for step in steps(workflow):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@(v\d+(\.\d+)*|release/v\d+|[0-9a-f]{40})", step["uses"])
        assert "${{" not in step.get("run", "")


def test_updates_are_proposed_for_everything_that_is_pinned() -> None:
    found = {update["package-ecosystem"] for update in read(ROOT / ".github/dependabot.yml")["updates"]}
    assert found == {"pip", "github-actions", "docker"}


def test_every_licence_of_what_is_installed_is_permissive() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/licences", ROOT / "requirements.txt"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("\n") > 20
    assert "MIT License" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "README.md"])
def test_files_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:bot|handlers|storage|tests|tools|docs|\.github)/[\w./-]*)`", text)
    named += [target for target in re.findall(r"\]\(([^)#]+)", text) if not target.startswith("http")]
    assert [name for name in named if "CAUSE" not in name and not (ROOT / name).exists()] == []
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make (\w+)", text)) <= targets


def test_contributing_tells_how_to_add_each_kind_of_thing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in ("REGISTRIES", "EVENTS", "GITHUB_EVENTS", "GITHUB_PERMISSIONS", "COMMANDS", "VERBS"):
        assert f"`{name}`" in text
        files = [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]
        assert any(re.search(rf"^{name}\b", file.read_text(), re.M) for file in files), f"{name} is gone"
