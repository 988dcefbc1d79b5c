"""The README cannot go stale: its tables are compared with the program."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from prometheus_client import Counter, Gauge, Histogram

from bot.__main__ import COMMANDS, cli
from bot.cli.tokens import tokens
from bot.messages.help import VERBS
from bot.metrics import METRICS
from bot.rotation.steps import ORDER
from bot.settings import Settings
from handlers.github import EVENTS
from handlers.slack import COMMANDS as SLASH_VERBS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_command_is_listed_and_none_that_is_not_there() -> None:
    assert re.findall(r"^\| `(\w+)` \|", section("On the command line"), re.M) == list(COMMANDS)


def typed(text: str) -> list[list[str]]:
    """Every command line of ours in a text, as words after `python -m bot`."""
    spans = [*re.findall(r"```[^\n]*\n(.*?)```", text, re.S), *re.findall(r"`([^`\n]+)`", text)]
    lines = [line for span in spans for line in re.sub(r"\\\n\s*", " ", span).splitlines()]
    found = [line.partition("-m bot ")[2].partition("#")[0] for line in lines if "-m bot " in line]
    found = [re.sub(r"^--workspace T\w+ ", "", line) for line in found]
    return [line.partition("|")[0].replace('"', "").split() for line in found]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/hosts.md", "docs/other-ci.md", "docs/workspaces.md", "docs/bench.md"]
)
def test_every_command_line_that_is_shown_can_be_typed(page: str) -> None:
    for words in typed((ROOT / page).read_text()):
        command: click.Command = cli
        options: set[str] = {"--help", "-h", "--version"}
        for word in words:
            context = click.Context(command)
            if isinstance(command, click.Group) and not word.startswith("-") and word != "COMMAND":
                found = command.get_command(context, word)
                assert found is not None, f"{page}: {' '.join(words)}"
                command = found
                options |= {name for one in command.params for name in one.opts}
            elif word.startswith("--"):
                assert word in options, f"{page}: {' '.join(words)}"


def test_the_walk_through_has_something_to_see_at_every_step() -> None:
    steps = re.split(r"^\d+\. ", section("Put it into a real workspace"), flags=re.M)[1:]
    assert len(steps) == 10
    assert [step.split(".")[0] for step in steps if "*You should see*" not in step] == [
        "**Choose the channel",
        "**Fill in `",
    ]


def test_every_setting_is_listed_with_its_default_and_description() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", section("Settings"), re.M)
    assert [name for name, _, _ in rows] == [name.upper() for name in Settings.model_fields]
    example = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    for name, default, description in rows:
        assert description == Settings.model_fields[name.lower()].description
        assert default == (f"`{example[name]}`" if example[name] else "–")


def test_the_defaults_of_the_example_file_are_the_real_ones(tmp_path: Path) -> None:
    lines = [line[2:] for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"# [A-Z_]+=.", line)]
    file = tmp_path / "filled.env"
    file.write_text("\n".join(lines))
    assert Settings(_env_file=file) == Settings(_env_file=None)


def test_every_metric_is_listed_with_its_labels_and_none_that_is_not_there() -> None:
    listed = set(re.findall(r"`(tokenwatch_\w+(?:\{[\w,]+\})?)`", section("Seeing inside")))
    there = set()
    for metric in METRICS.registry._collector_to_names:
        assert isinstance(metric, Counter | Gauge | Histogram)
        name = metric._name + ("_total" if isinstance(metric, Counter) else "")
        there.add(name + ("{" + ",".join(metric._labelnames) + "}" if metric._labelnames else ""))
    assert listed == there


def test_every_slash_verb_is_listed_and_known_to_the_help() -> None:
    listed = re.findall(r"`/tokens (\w+)", section("In Slack"))
    assert sorted(listed) == sorted(SLASH_VERBS)
    assert set(SLASH_VERBS) <= set(VERBS)


def test_no_message_names_a_slash_verb_that_is_not_there() -> None:
    for file in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]:
        if "demo" not in file.parts:
            named = set(re.findall(r"`/tokens ([a-z]+)", file.read_text()))
            assert named <= set(SLASH_VERBS), file.name


def test_the_steps_of_a_rotation_are_the_real_ones_in_order() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", section("A rotation, from form to end"), re.M)) == ORDER


def test_the_places_to_add_things_exist() -> None:
    for path in re.findall(r"`((?:bot|handlers|storage|tests)/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path
    assert EVENTS


def test_the_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make (demo|test|lint|score|lock|bench)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_what_the_fleet_section_types_exists() -> None:
    typed = re.findall(r"`(?:python -m bot )?tokens ([a-z]+)([^`]*)`", section("The fleet: what publishes with what"))
    assert {name for name, _ in typed} >= {"scan", "map", "audit", "calendar", "deadlines"}
    context = click.Context(tokens)
    for name, rest in typed:
        command = tokens.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            command = command.commands[rest.split()[0]]
        options = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)
