"""The walls between the rooms: who may import whom, so that a change stays where it belongs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The flows and clients; everything else in `bot` (without the wiring, the command line and the demo) is pure.
FLOWS = {
    "bot/announce.py",
    "bot/arrivals.py",
    "bot/clock.py",
    "bot/daily.py",
    "bot/deps.py",
    "bot/doctor/__init__.py",
    "bot/doctor/github.py",
    "bot/doctor/machine.py",
    "bot/doctor/secrets.py",
    "bot/doctor/slack.py",
    "bot/doctor/workspaces.py",
    "bot/error_reports.py",
    "bot/fleet/cards.py",
    "bot/fleet/foretelling.py",
    "bot/fleet/installations.py",
    "bot/fleet/leaks.py",
    "bot/fleet/personal_tokens.py",
    "bot/fleet/probe_reports.py",
    "bot/fleet/registry_looks.py",
    "bot/fleet/releases.py",
    "bot/fleet/scan.py",
    "bot/fleet/staged.py",
    "bot/fleet/watch.py",
    "bot/gathering.py",
    "bot/glances.py",
    "bot/github/app_file.py",
    "bot/github/app_registration.py",
    "bot/github/accounts.py",
    "bot/github/auth.py",
    "bot/github/asking.py",
    "bot/github/client.py",
    "bot/github/deliveries.py",
    "bot/green_runs.py",
    "bot/github/inventory.py",
    "bot/health.py",
    "bot/housekeeping.py",
    "bot/inbox.py",
    "bot/incident_changes.py",
    "bot/installations.py",
    "bot/incident_people.py",
    "bot/incident_failures.py",
    "bot/logs.py",
    "bot/metrics.py",
    "bot/muting.py",
    "bot/nudges.py",
    "bot/operators.py",
    "bot/other_ci.py",
    "bot/outages.py",
    "bot/outbox.py",
    "bot/outlook.py",
    "bot/permissions.py",
    "bot/presence.py",
    "bot/registries/npm/packument.py",
    "bot/registries/npm/stage_list.py",
    "bot/rotation/by_hand.py",
    "bot/rotation/campaign.py",
    "bot/rotation/choosing.py",
    "bot/rotation/observing.py",
    "bot/rotation/preparing.py",
    "bot/rotation/probed.py",
    "bot/rotation/probing.py",
    "bot/rotation/records.py",
    "bot/rotation/run.py",
    "bot/rotation/telling.py",
    "bot/settling.py",
    "bot/settings.py",
    "bot/slack_files.py",
    "bot/slack_install.py",
    "bot/sweep.py",
    "bot/token_changes.py",
    "bot/token_import.py",
    "bot/triage.py",
    "bot/uploads.py",
    "bot/version_watch.py",
    "bot/why.py",
    "bot/workspace_settings.py",
}
WIRING = (
    *("bot/app.py", "bot/one_workspace.py", "bot/several_workspaces.py", "bot/several_health.py"),
    *("bot/__main__.py", "bot/cli/", "bot/demo/"),
)
WIRED = ("bot.app", "bot.one_workspace", "bot.several_workspaces", "bot.several_health", "bot.demo", "bot.cli")
NOT_PURE = (
    "aiohttp",
    "asyncio",
    "slack_sdk.web",
    "slack_sdk.socket_mode",
    "slack_bolt",
    "sqlite_utils",
    "sqlite3",
    "gidgethub",
    "structlog",
    "prometheus_client",
    "socket",
    "subprocess",
    "time",
)


def files(room: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / room).rglob("*.py"))


def imports(name: str) -> Iterator[str]:
    tree = ast.parse((ROOT / name).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def pure_files() -> list[str]:
    return [name for name in files("bot") if name not in FLOWS and not name.startswith(WIRING)]


@pytest.mark.parametrize("name", files("storage"))
def test_storage_knows_neither_bot_nor_handlers(name: str) -> None:
    bad = [module for module in imports(name) if within(module, ("bot", "handlers", "aiohttp", "slack_sdk"))]
    assert not bad


@pytest.mark.parametrize("name", [name for name in files("storage") if name != "storage/database.py"])
def test_only_the_database_file_knows_the_engine(name: str) -> None:
    assert not [module for module in imports(name) if within(module, ("sqlite3",))]


@pytest.mark.parametrize("name", pure_files())
def test_pure_parts_of_bot_do_no_io_and_look_at_no_clock(name: str) -> None:
    assert not [module for module in imports(name) if within(module, (*NOT_PURE, "handlers"))]
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "utcnow", "today")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("datetime", "date")
    ]
    assert not calls, "the clock is an argument here"


@pytest.mark.parametrize("name", pure_files())
def test_pure_parts_of_bot_import_only_pure_parts(name: str) -> None:
    flows = tuple(flow.removesuffix(".py").replace("/", ".") for flow in FLOWS)
    assert not [module for module in imports(name) if within(module, (*flows, *WIRED))]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_flows_know_neither_handlers_nor_bolt_nor_the_wiring(name: str) -> None:
    assert (ROOT / name).is_file(), "a flow of the list above is gone"
    forbidden = ("handlers", "slack_bolt", *WIRED, "sqlite3", "sqlite_utils")
    assert not [module for module in imports(name) if within(module, forbidden)]


@pytest.mark.parametrize("name", files("handlers"))
def test_handlers_have_no_sql_no_patterns_no_blocks(name: str) -> None:
    forbidden = ("re", "re2", "sqlite3", "sqlite_utils", "slack_sdk.models", *WIRED)
    assert not [module for module in imports(name) if within(module, forbidden)]
    texts = [
        node.value
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [
        text for text in texts if text.lstrip().upper().startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE "))
    ]


@pytest.mark.parametrize("name", [name for name in files("handlers") if name != "handlers/slack/__init__.py"])
def test_one_file_knows_bolt(name: str) -> None:
    assert not [module for module in imports(name) if within(module, ("slack_bolt",))]


@pytest.mark.parametrize("name", [*files("bot"), *files("handlers"), *files("storage")])
def test_the_demo_and_the_wiring_are_imported_by_nobody(name: str) -> None:
    if name.startswith(WIRING):
        return
    assert not [module for module in imports(name) if within(module, WIRED)]


def test_only_the_outbox_talks_to_chat() -> None:
    talkers = [
        name
        for name in [*files("bot"), *files("handlers")]
        if not name.startswith("bot/demo/") and ".chat_" in (ROOT / name).read_text()
    ]
    assert talkers == ["bot/outbox.py"]


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py", "services.py", "manager.py"}
    everything = [*files("bot"), *files("handlers"), *files("storage"), *files("tests")]
    assert not [name for name in everything if Path(name).name in drawers]


def test_the_top_level_is_as_promised() -> None:
    present = {path.name for path in ROOT.iterdir()}
    assert {"pyproject.toml", "bot", "handlers", "storage", "tests", "Procfile", "README.md", "Makefile"} <= present
