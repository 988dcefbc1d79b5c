"""Secrets that publishing workflows read and no stored token is recorded for: worth a record. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bot.fleet.inventory import Inventory, SecretPlace
from bot.token_fields import REGISTRIES, is_name
from bot.token_metadata import read_use, write_use
from storage.tokens import Token, Use


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`registry`: of the jobs that read it; `workflows`: how many files; `examples`: some of their repositories."""

    place: SecretPlace
    registry: str
    workflows: int
    examples: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Plain text, one line."""
        many = "1 workflow" if self.workflows == 1 else f"{self.workflows:,} workflows"
        where = {
            "organization": f"at organisation level of {self.place.where}",
            "environment": f"in environment {self.place.environment} of {self.place.where}",
        }.get(self.place.level, f"in {self.place.where}")
        return f"It looks as if {self.place.name} {where} is used by {many}, and no token is recorded for it."

    @property
    def name(self) -> str:
        """What the record could be called."""
        name = f"{self.registry}-{self.place.where.replace('/', '-')}"
        return f"{name}-{self.place.environment}" if self.place.environment else name

    @property
    def record(self) -> str:
        """The record in one line, for a button: registry, name and use, with blanks between."""
        return f"{self.registry} {self.name.replace(' ', '-')} {write_use(use_of(self.place))}"

    @property
    def command(self) -> str:
        """What adds the record, ready to paste."""
        parts = ["python", "-m", "bot", "tokens", "add", self.name, "--registry", self.registry]
        return shlex.join([*parts, "--used-by", write_use(use_of(self.place))])

    @property
    def key(self) -> str:
        """What makes two suggestions the same."""
        place = self.place
        return f"suggest {place.level} {place.where} {place.environment} {place.name}"


def proposed(record: str) -> Token | None:
    """The token behind `Suggestion.record`; None for a line that is not ours."""
    registry, _, rest = record.partition(" ")
    name, _, line = rest.partition(" ")
    read = read_use(line)
    if registry not in REGISTRIES or not is_name(name) or not read["repo"] or not read["secret"]:
        return None
    use = Use(read["repo"], read["workflow"], read["secret"], read["level"] or "repository", read["environment"])
    kind = {"npm": "granular", "github-packages": "pat", "docker": "pat"}.get(registry, "api-token")
    return Token(name=name, registry=registry, kind=kind, used_by=(use,))


def use_of(place: SecretPlace) -> Use:
    """The use that a token kept in this secret would be recorded with."""
    if place.level == "organization":
        return Use(f"{place.where}/*", None, place.name, "organization")
    environment = place.environment or None
    return Use(place.where, None, place.name, "environment" if environment else "repository", environment)


def suggestions(inventory: Inventory) -> tuple[Suggestion, ...]:
    """The most used first. Only the secret that most likely carries the credential counts, and only one that exists."""
    readers: dict[tuple[SecretPlace, str], dict[tuple[str, str], None]] = {}
    for reading in inventory.readings:
        if not reading.first or reading.updated_at is None or inventory.tokens_of.get(reading.place):
            continue
        readers.setdefault((reading.place, reading.job.registry), {})[reading.job.repo, reading.job.path] = None
    made = [
        Suggestion(place, registry, len(files), tuple(dict.fromkeys(repo for repo, _ in files))[:3])
        for (place, registry), files in readers.items()
    ]
    return tuple(sorted(made, key=lambda one: (-one.workflows, one.place)))
