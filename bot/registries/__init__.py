"""The registries whose failures are known: one module of rules each. A new one is a folder and a line here."""

from __future__ import annotations

from typing import Protocol

from bot.diagnosis.rule import Clue, Rule
from bot.registries.crates import rules as crates
from bot.registries.docker import rules as docker
from bot.registries.extensions import rules as extensions
from bot.registries.github_packages import rules as github_packages
from bot.registries.maven import rules as maven
from bot.registries.npm import rules as npm
from bot.registries.nuget import rules as nuget
from bot.registries.pypi import rules as pypi
from bot.registries.rubygems import rules as rubygems


class Registry(Protocol):
    """What a registry's `rules` module holds. All patterns are RE2.

    `NAME`: the public word. `HOSTS`: hosts of its URLs. `COMMANDS`: commands of a step that publishes to it.
    `OUTPUT`: lines that only its clients print while publishing. `ANCHORS`: words, one of which stands in every line
    that a rule, a clue or `OUTPUT` matches; what no anchor hits is never looked at.
    """

    @property
    def NAME(self) -> str: ...
    @property
    def HOSTS(self) -> str: ...
    @property
    def COMMANDS(self) -> str: ...
    @property
    def OUTPUT(self) -> str: ...
    @property
    def ANCHORS(self) -> tuple[str, ...]: ...
    @property
    def CLUES(self) -> tuple[Clue, ...]: ...
    @property
    def RULES(self) -> tuple[Rule, ...]: ...


REGISTRIES: dict[str, Registry] = {
    "github-packages": github_packages,  # before npm, whose client it shares
    "npm": npm,
    "pypi": pypi,
    "crates": crates,
    "rubygems": rubygems,
    "nuget": nuget,
    "docker": docker,
    "maven": maven,
    "other": extensions,
}
