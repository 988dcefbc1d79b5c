"""For each package that a token publishes: can it be published without the token, and what has to change first? Pure.

What a rotation to trusted publishing would find (`bot.rotation.readiness`), said of all packages at once, from what the
scan read and what the registry showed. Where nothing was read, that is said, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.evidence import Published, Release
from bot.fleet.inventory import Inventory, inventory
from bot.matching import covers
from bot.registries.npm.workflow import PublishingJob, WorkflowFacts
from bot.rotation.readiness import Check, readiness
from storage.fleet import FleetJob, FleetRecords
from storage.package_looks import PackageLook
from storage.rotations import Path
from storage.tokens import Token, Use

State = Literal["ready", "needs", "not-possible", "unknown"]
STATES: tuple[State, ...] = ("not-possible", "needs", "unknown", "ready")  # what asks for most thought first
WAY_WORDS: dict[State, str] = {
    "ready": "ready for trusted publishing",
    "needs": "needs a change first",
    "not-possible": "cannot use trusted publishing",
    "unknown": "to look at",
}
MOST_REASONS = 3
# Where trusted publishing works beside GitHub Actions, and where it does not (npm docs, trusted publishers).
_ELSEWHERE: tuple[tuple[tuple[str, ...], State, str], ...] = (
    (("azure",), "not-possible", "Azure DevOps has no trusted publishing: stage versions and approve them"),
    (("jenkins",), "not-possible", "Jenkins has no trusted publishing: stage versions and approve them"),
    (("gitlab",), "needs", "GitLab.com can be trusted: `npm trust gitlab {package}`, and `id_tokens` in its job"),
    (("circleci", "circle"), "needs", "CircleCI can be trusted: `npm trust circleci {package}`"),
)
_BY_VERDICT: dict[str, State] = {"blocks": "not-possible", "change": "needs", "unknown": "unknown"}  # the worst first
_OTHERWISE = "is published outside GitHub Actions, GitLab.com and CircleCI: stage versions and approve them"


@dataclass(frozen=True, slots=True)
class WayOut:
    """`package`: empty when none is on record for the token; `says`: what is in the way or has to change, one line in
    which `backticks` mark what to copy, empty for `ready`; `repos`: where it is published from, as far as known."""

    token: str
    package: str
    state: State
    says: str
    repos: tuple[str, ...] = ()


def ways_out(
    known: Inventory, tokens: Iterable[Token], looks: Mapping[str, PackageLook], publishers: Sequence[Token] = ()
) -> dict[str, tuple[WayOut, ...]]:
    """By token, its packages, what asks for most thought first. `tokens`: of npm, fully loaded; `publishers`: records
    of trusted publishers."""
    jobs: dict[str, dict[FleetJob, None]] = {}
    for reading in known.readings:
        if reading.first and reading.job.registry == "npm":
            for name in known.tokens_of.get(reading.place, ()):
                jobs.setdefault(name, {})[reading.job] = None
    return {
        token.name: _of_token(token, tuple(jobs.get(token.name, ())), known, looks, publishers)
        for token in tokens
        if token.registry == "npm"
    }


def ways_of_records(
    records: FleetRecords, looks: Mapping[str, PackageLook], publishers: Sequence[Token], tokens: Sequence[Token]
) -> dict[str, tuple[WayOut, ...]]:
    """The same from what is stored."""
    return ways_out(inventory(records, (*tokens, *publishers)), tokens, looks, publishers)


@dataclass(frozen=True, slots=True)
class Alike:
    """Packages with the same way out, of one token or several."""

    state: State
    says: str
    packages: tuple[str, ...]
    tokens: tuple[str, ...]
    repos: tuple[str, ...]


def counted(number: int, state: State) -> str:
    """`5 ready for trusted publishing`."""
    words = WAY_WORDS[state] if number == 1 else WAY_WORDS[state].replace("needs", "need")
    return f"{number:,} {words}"


def alike(ways: Iterable[WayOut]) -> tuple[Alike, ...]:
    """A hundred packages that lack the same are one line. In the order of the ways."""
    grouped: dict[tuple[State, str], list[WayOut]] = {}
    for way in ways:
        grouped.setdefault(
            (way.state, way.says.replace(way.package, "PACKAGE") if way.package else way.says), []
        ).append(way)
    return tuple(
        Alike(
            state,
            some[0].says if len(some) == 1 else says,
            tuple(dict.fromkeys(way.package for way in some)),
            tuple(dict.fromkeys(way.token for way in some)),
            tuple(dict.fromkeys(repo for way in some for repo in way.repos)),
        )
        for (state, says), some in grouped.items()
    )


def path_of(ways: Sequence[WayOut]) -> Path:
    """How a token is best replaced: by trust unless that is not possible for one of its packages."""
    return "stage-token" if any(way.state == "not-possible" for way in ways) else "trusted-publishing"


def _of_token(
    token: Token,
    jobs: Sequence[FleetJob],
    known: Inventory,
    looks: Mapping[str, PackageLook],
    publishers: Sequence[Token],
) -> tuple[WayOut, ...]:
    recorded = [name for name in token.packages if "*" not in name]
    seen = [name for job in jobs for name in known.packages_of(job) if covers(token, name) is not False]
    packages = tuple(dict.fromkeys((*recorded, *seen)))
    made = [
        _of_package(token, package, _publishing(package, jobs, known), looks.get(package), known, publishers)
        for package in packages or ("",)
    ]
    return tuple(sorted(made, key=lambda way: (STATES.index(way.state), way.package)))


def _publishing(package: str, jobs: Sequence[FleetJob], known: Inventory) -> tuple[FleetJob, ...]:
    """The jobs that publish the package, else those of which it is not known what they publish."""
    own = tuple(job for job in jobs if package in known.packages_of(job))
    return own or tuple(job for job in jobs if not known.packages_of(job))


def _of_package(
    token: Token,
    package: str,
    jobs: Sequence[FleetJob],
    look: PackageLook | None,
    known: Inventory,
    publishers: Sequence[Token],
) -> WayOut:
    repos = tuple(dict.fromkeys(job.repo for job in jobs))
    if not jobs:
        state, says = _unread(token, package, known)
        return WayOut(token.name, package, state, says, tuple(dict.fromkeys(use.repo for use in token.used_by)))
    by_file: dict[tuple[str, str], list[FleetJob]] = {}
    for job in jobs:
        by_file.setdefault((job.repo, job.path), []).append(job)
    facts: dict[Use, WorkflowFacts | None] = {
        Use(repo, path): WorkflowFacts(tuple(_as_read(job) for job in some)) for (repo, path), some in by_file.items()
    }
    published = {package: _published(look)} if look is not None else {}
    checks = readiness(
        replace(token, used_by=tuple(facts)), (package,) if package else (), facts, published, publishers
    )
    state, says = _summary(package, checks, look, jobs)
    return WayOut(token.name, package, state, says, repos)


def _summary(
    package: str, checks: Sequence[Check], look: PackageLook | None, jobs: Sequence[FleetJob]
) -> tuple[State, str]:
    if look is not None and not look.exists and not package.startswith("@"):
        return "not-possible", "is not on npm yet: its first version cannot come from a trusted publisher"
    found: list[tuple[str, str]] = [(check.verdict, check.says) for check in checks]
    if any(set(job.installs) & set(job.secrets) for job in jobs):
        says = "installs private packages with the same token: give that step a read-only token of its own"
        found.append(("change", says))
    by_verdict: dict[str, list[str]] = {}
    for verdict, says in found:
        if says not in by_verdict.setdefault(verdict, []):
            by_verdict[verdict].append(says)
    for verdict, state in _BY_VERDICT.items():
        if verdict in by_verdict:
            return state, "; ".join(by_verdict[verdict][:MOST_REASONS])
    return "ready", ""


def _unread(token: Token, package: str, known: Inventory) -> tuple[State, str]:
    """No scanned job is known to publish it with this token: what its record says has to do."""
    if not token.used_by:
        return "unknown", f"nobody wrote down where it is published from: `/tokens edit {token.name}`"
    elsewhere = [use for use in token.used_by if use.level == "elsewhere"]
    if len(elsewhere) == len(token.used_by):
        named = " ".join(f"{use.workflow or ''} {use.environment or ''}" for use in elsewhere).lower()
        for words, state, says in _ELSEWHERE:
            if any(word in named for word in words):
                return state, says.format(package=package or "PACKAGE")
        return "not-possible", _OTHERWISE
    owners = list(dict.fromkeys(use.repo.partition("/")[0] for use in token.used_by if use.level != "elsewhere"))
    if known.scanned_at is None:
        return "unknown", f"its workflow was not read yet: `python -m bot tokens scan {owners[0]}`"
    return "unknown", "no workflow that was read publishes it with this token"


def _published(look: PackageLook) -> Published:
    if not look.exists:
        return Published(look.package, exists=False)
    by: Literal["oidc", "token"] | None = "oidc" if look.by == "oidc" else "token" if look.by == "token" else None
    newest = Release(look.version, by=by, repository=look.repository) if look.version else None
    return Published(look.package, exists=True, newest=newest)


def _as_read(job: FleetJob) -> PublishingJob:
    return PublishingJob(
        name=job.job,
        secrets=job.secrets,
        token_variables=job.variables,
        id_token=job.id_token,
        environment=job.environment,
        runners=job.runners,
        registry_url=job.registry_url,
        node=job.node,
        npm=job.npm,
        stages=job.stages,
        publishes=job.publishes,
        called=job.called,
        tools=job.tools,
        environment_computed=job.environment_computed,
    )
