"""What reads what: each publishing job with the secret that GitHub gives it, and the tokens that are on record for it.

Pure. A secret is told by its level and place: the organisation's `NPM_TOKEN` is one thing for all that read it, a
repository's `NPM_TOKEN` another. GitHub gives a job its environment's secret before the repository's, and that before
the organisation's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.matching import same_workflow
from storage.fleet import Exposed, FleetJob, FleetRecords, FleetRepository, FleetSecret
from storage.tokens import Token, Use

LEVELS = ("environment", "repository", "organization")  # in the order in which GitHub looks


@dataclass(frozen=True, slots=True, order=True)
class SecretPlace:
    """Where a secret is stored. `level`: organization, repository, environment or elsewhere, or missing when no level
    has it, or unknown when GitHub did not let us look; `where`: the organisation, or the repository, in lower case."""

    name: str
    level: str
    where: str
    environment: str = ""

    @property
    def words(self) -> str:
        """`NPM_TOKEN of organisation acme`, plain text."""
        if self.level == "organization":
            return f"{self.name} of organisation {self.where}"
        if self.level == "environment":
            return f"{self.name} of environment {self.environment} in {self.where}"
        if self.level == "repository":
            return f"{self.name} of {self.where}"
        if self.level == "elsewhere":
            return f"{self.name} outside GitHub, for {self.where}"
        return f"{self.name} ({'at no level' if self.level == 'missing' else 'level unknown'}) in {self.where}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A job reads a secret. `first`: it is the likeliest to carry the credential; `updated_at`: when the secret was
    written, None when there is none or we may not look; `shadowed`: lower levels that have one of the same name too."""

    job: FleetJob
    place: SecretPlace
    first: bool = True
    updated_at: datetime | None = None
    shadowed: tuple[SecretPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """`readings`: of every publishing job, one for each secret; `tokens_of`: names of stored tokens by secret;
    `publishers_of`: names of trusted publishers by (repository in lower case, workflow path, job); `mentioned`: secrets
    that some workflow file may read, whatever for."""

    repositories: Mapping[str, FleetRepository] = field(default_factory=dict)
    jobs: tuple[FleetJob, ...] = ()
    readings: tuple[Reading, ...] = ()
    secrets: Mapping[SecretPlace, datetime] = field(default_factory=dict)
    exposed: tuple[Exposed, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    tokens_of: Mapping[SecretPlace, tuple[str, ...]] = field(default_factory=dict)
    publishers_of: Mapping[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    mentioned: frozenset[SecretPlace] = frozenset()
    scanned_at: datetime | None = None
    lacking: tuple[str, ...] = ()

    def packages_of(self, job: FleetJob) -> tuple[str, ...]:
        """What the job publishes as far as anybody wrote it down: package.json, else the tokens it reads."""
        return self.packages.get(job.repo.lower(), ()) if job.registry in ("npm", "github-packages") else ()


def inventory(records: FleetRecords, tokens: Iterable[Token]) -> Inventory:
    """`tokens`: all that are stored; revoked ones are left out."""
    live = {token.name: token for token in tokens if token.revoked_at is None}
    repositories = {one.repo: one for one in records.repositories}
    stored = _Stored(records, repositories)
    readings: list[Reading] = []
    for job in records.jobs:
        for position, name in enumerate(job.secrets):
            readings.append(stored.reading(job, name, first=position == 0))
    places = set(stored.written) | {reading.place for reading in readings}
    return Inventory(
        repositories=repositories,
        jobs=records.jobs,
        readings=tuple(readings),
        secrets=stored.written,
        exposed=records.exposed,
        packages=records.packages,
        tokens=live,
        tokens_of=_tokens_of(places, live.values()),
        publishers_of=_publishers_of(records.jobs, live.values()),
        mentioned=stored.mentioned(records.mentions),
        scanned_at=max((one.finished_at for one in records.rounds if one.finished_at), default=None),
        lacking=tuple(dict.fromkeys(line for one in records.rounds for line in one.lacking)),
    )


def seen_by(records: FleetRecords, repo: str) -> dict[SecretPlace, datetime]:
    """The secrets that a repository's workflows can read, and when each was written."""
    stored = _Stored(records, {one.repo: one for one in records.repositories})
    return {place: at for place, at in stored.written.items() if stored.is_for(place, repo.lower())}


def place_of(use: Use) -> SecretPlace | None:
    """The secret that a recorded use is about; None for a use without one."""
    if not use.secret or use.level not in LEVELS:
        return None
    owner = use.repo.lower().partition("/")[0]
    if use.level == "organization" or "/" not in use.repo or use.repo.endswith("/*"):
        return SecretPlace(use.secret.upper(), "organization", owner)
    if use.level == "environment":
        return SecretPlace(use.secret.upper(), "environment", use.repo.lower(), use.environment or "")
    return SecretPlace(use.secret.upper(), "repository", use.repo.lower())


class _Stored:
    """Which secrets there are, and which of them a job gets."""

    def __init__(self, records: FleetRecords, repositories: Mapping[str, FleetRepository]) -> None:
        self._repositories = repositories
        self._selected = records.selected
        self._shown: dict[
            tuple[str, str], datetime
        ] = {}  # (repository, name) -> organisation's, as the repository sees
        self._visibility: dict[SecretPlace, str] = {}
        self._looked: set[tuple[str, str]] = set()  # (level, repository or organisation)
        self.written: dict[SecretPlace, datetime] = {}
        for secret in records.secrets:
            self._add(secret)
        self._owners = {round_.owner for round_ in records.rounds}

    def _add(self, secret: FleetSecret) -> None:
        name = secret.name.upper()
        if secret.level == "dependabot":
            return
        if secret.level == "organization":
            place = SecretPlace(name, "organization", secret.owner)
            if secret.repo:
                self._shown[secret.repo, name] = secret.updated_at
            else:
                self._visibility[place] = secret.visibility
            self.written[place] = secret.updated_at
            return
        environment = secret.environment if secret.level == "environment" else ""
        self.written[SecretPlace(name, secret.level, secret.repo, environment)] = secret.updated_at

    def reading(self, job: FleetJob, name: str, *, first: bool) -> Reading:
        """By GitHub's order of levels."""
        found = [place for place in self._candidates(job, name.upper()) if place in self.written]
        if not found:
            # Nothing at all on record of a repository means that GitHub was not asked or did not answer.
            known = any(place.where == job.repo.lower() for place in self.written) or self._has_list(job)
            level = "missing" if known else "unknown"
            return Reading(job, SecretPlace(name.upper(), level, job.repo.lower()), first)
        return Reading(job, found[0], first, self.written[found[0]], tuple(found[1:]))

    def is_for(self, place: SecretPlace, repo: str) -> bool:
        if place.level != "organization":
            return place.where == repo
        return place.where == repo.partition("/")[0] and self._is_shown(place, repo)

    def mentioned(self, mentions: Mapping[str, frozenset[str]]) -> frozenset[SecretPlace]:
        """Of the secrets there are, those that a file of a repository that sees them names, or may hand on."""
        named: set[SecretPlace] = set()
        everything = {repo for repo, names in mentions.items() if "*" in names}
        for place in self.written:
            if place.level != "organization":
                here = mentions.get(place.where, frozenset())
                if place.name in here or "*" in here:
                    named.add(place)
                continue
            within = f"{place.where}/"
            for repo, names in mentions.items():
                read = place.name in names or repo in everything
                if read and repo.startswith(within) and self._is_shown(place, repo):
                    named.add(place)
                    break
        return frozenset(named)

    def _has_list(self, job: FleetJob) -> bool:
        owner = job.repo.lower().partition("/")[0]
        return owner in self._owners or any(place.where == owner for place in self.written)

    def _candidates(self, job: FleetJob, name: str) -> list[SecretPlace]:
        repo = job.repo.lower()
        owner = repo.partition("/")[0]
        places = [SecretPlace(name, "environment", repo, job.environment)] if job.environment else []
        places.append(SecretPlace(name, "repository", repo))
        organisation = SecretPlace(name, "organization", owner)
        if self._is_shown(organisation, repo):
            places.append(organisation)
        return places

    def _is_shown(self, place: SecretPlace, repo: str) -> bool:
        if (repo, place.name) in self._shown:
            return True
        visibility = self._visibility.get(place)
        if visibility == "selected":
            selected = self._selected.get((place.where, place.name), frozenset())
            return repo in selected
        if visibility == "private":
            known = self._repositories.get(repo)
            return known is None or known.private
        return visibility == "all"


def _tokens_of(places: Iterable[SecretPlace], tokens: Iterable[Token]) -> dict[SecretPlace, tuple[str, ...]]:
    by_place: dict[SecretPlace, dict[str, None]] = {}
    for token in tokens:
        for use in token.used_by:
            if (place := place_of(use)) is not None:
                by_place.setdefault(place, {})[token.name] = None
    wanted = set(places) | set(by_place)
    found = {place: tuple(by_place.get(place, {})) for place in wanted}
    # A secret whose level could not be read is told by name and repository alone.
    for place in wanted:
        if place.level in ("unknown", "missing") and not found[place]:
            owner = place.where.partition("/")[0]
            near = [
                name
                for other, names in by_place.items()
                if other.name == place.name and other.where in (place.where, owner)
                for name in names
            ]
            found[place] = tuple(dict.fromkeys(near)) if place.level == "unknown" else ()
    return {place: names for place, names in found.items() if names}


def _publishers_of(jobs: Sequence[FleetJob], tokens: Iterable[Token]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    publishers = [token for token in tokens if token.kind == "trusted-publisher"]
    by_repo: dict[str, list[tuple[Token, Use]]] = {}
    for token in publishers:
        for use in token.used_by:
            by_repo.setdefault(use.repo.lower(), []).append((token, use))
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for job in jobs:
        names = [token.name for token, use in by_repo.get(job.repo.lower(), ()) if job.id_token and trusts(use, job)]
        if names:
            found[job.repo.lower(), job.path, job.job] = tuple(dict.fromkeys(names))
    return found


def trusts(use: Use, job: FleetJob) -> bool:
    """Whether a publisher configured so takes this job: the file that was started, and the environment if it names
    one."""
    if use.workflow and not same_workflow(use.workflow, job.path):
        return False
    return not use.environment or job.environment_computed or use.environment == job.environment
