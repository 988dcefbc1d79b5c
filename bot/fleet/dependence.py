"""Who depends on what: token, secret, job, package in one line each, and what breaks when one of them goes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.fleet.inventory import Inventory, SecretPlace, place_of
from bot.matching import same_workflow
from storage.fleet import FleetJob
from storage.tokens import Token, Use

Kind = Literal["token", "package", "secret", "repository", "organisation", "everything"]
MOST_HIDING = 2  # places that are told one by one
MANY_SECRETS = 3  # copies of one token
MANY_REPOSITORIES = 20  # that one secret of one token is read in
_OF_A_REGISTRY = re.compile(
    r"NPM|NODE_AUTH|YARN|PYPI|TWINE|CARGO|CRATES|GEM|NUGET|DOCKER|OSSRH|SONATYPE|MAVEN|VSCE|OVSX"
)


@dataclass(frozen=True, slots=True)
class Link:
    """One way from a credential to a package. `tokens`: names on record for the secret, most likely one; `publishers`:
    of trusted publishers for the same job; `first`: the secret is the likeliest to carry the credential; `seen`: the
    workflow file says so, else only a token's record does; `by_identity`: the job asks for an identity and reads no
    secret, so it publishes by trust, on record or not."""

    registry: str
    repo: str
    workflow: str
    job: str = ""
    secret: SecretPlace | None = None
    shadowed: tuple[SecretPlace, ...] = ()
    tokens: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    environment: str | None = None
    first: bool = True
    seen: bool = True
    by_identity: bool = False

    @property
    def file(self) -> tuple[str, str]:
        return self.repo.lower(), self.workflow


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for and what hangs on it. `kind`: what the word was taken for."""

    kind: Kind
    name: str
    links: tuple[Link, ...]

    @property
    def repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(link.repo for link in self.links))

    @property
    def workflows(self) -> tuple[tuple[str, str], ...]:
        return tuple(dict.fromkeys(link.file for link in self.links))

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(package for link in self.links for package in link.packages))

    @property
    def stops(self) -> tuple[Link, ...]:
        """The links whose job has no other way to publish: neither another token's secret nor a trusted publisher."""
        return tuple(link for link in self.links if link.first and not link.publishers)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in the map that a person should look at. `code`: kebab-case; `about`: what a map of it asks for;
    `sentence`: one plain line; `places`: the secrets it is about, if it is about some; `hidden`: the one they hide."""

    code: str
    about: str
    sentence: str
    places: frozenset[SecretPlace] = frozenset()
    hidden: SecretPlace | None = None


def links(inventory: Inventory) -> tuple[Link, ...]:
    """Every link, in order of repository and workflow."""
    made: list[Link] = []
    reads: dict[int, list[Link]] = {}
    for reading in inventory.readings:
        job = reading.job
        link = replace(
            _of_job(inventory, job),
            secret=reading.place,
            shadowed=reading.shadowed,
            tokens=inventory.tokens_of.get(reading.place, ()),
            first=reading.first,
        )
        reads.setdefault(id(job), []).append(link)
    for job in inventory.jobs:
        made += reads.get(id(job), []) or [_of_job(inventory, job)]
    seen = {(link.repo.lower(), link.secret) for link in made}
    files = {link.file for link in made}
    for token in inventory.tokens.values():
        made += _only_recorded(token, seen, files)
    return tuple(sorted(made, key=lambda link: (link.repo.lower(), link.workflow, link.job, not link.first)))


def answer(inventory: Inventory, word: str) -> Answer | None:
    """What hangs on a token, package, secret, repository or organisation of this name; None when nothing is known of
    such a thing. Without a word: everything."""
    every = links(inventory)
    if not word:
        return Answer("everything", "", every)
    wanted = word.lower()
    token = next((token for name, token in inventory.tokens.items() if name.lower() == wanted), None)
    if token is not None:
        mine = [link for link in every if token.name in link.tokens or token.name in link.publishers]
        return Answer("token", token.name, tuple(mine))
    packages = {package for link in every for package in link.packages if package.lower() == wanted}
    granted = (package for token in inventory.tokens.values() for package in token.packages)
    packages |= {package for package in granted if package.lower() == wanted}
    if packages:
        name = min(packages)
        holders = {token.name for token in inventory.tokens.values() if name in token.packages}
        mine = [link for link in every if name in link.packages or (not link.packages and holders & {*link.tokens})]
        return Answer("package", name, tuple(mine))
    mine = [link for link in every if link.repo.lower() == wanted]
    if mine:
        return Answer("repository", mine[0].repo, tuple(mine))
    mine = [link for link in every if link.secret and link.secret.name == word.upper()]
    if mine:
        return Answer("secret", word.upper(), tuple(mine))
    mine = [link for link in every if link.repo.lower().startswith(f"{wanted}/")]
    return Answer("organisation", mine[0].repo.partition("/")[0], tuple(mine)) if mine else None


def names(inventory: Inventory) -> list[str]:
    """Every word that has an answer, to suggest the nearest."""
    every = links(inventory)
    found = [*inventory.tokens, *(link.repo for link in every), *(link.secret.name for link in every if link.secret)]
    return list(dict.fromkeys([*found, *(package for link in every for package in link.packages)]))


def troubles(inventory: Inventory) -> tuple[Trouble, ...]:
    """Shadowed and missing secrets, orphans, and one token in too many hands, in all of the map."""
    every = links(inventory)
    return (*_shadowed(every), *_missing(every), *_unread(inventory), *_unused(inventory, every), *_many_hands(every))


def about(found: Sequence[Trouble], asked: Answer) -> tuple[Trouble, ...]:
    """Those that concern what was asked for."""
    if asked.kind == "everything":
        return tuple(found)
    names_of = {asked.name.lower(), *(link.repo.lower() for link in asked.links)}
    read = {link.secret for link in asked.links if link.secret}
    return tuple(one for one in found if (one.places & read if one.places else one.about.lower() in names_of))


def gathered(found: Sequence[Trouble]) -> tuple[Trouble, ...]:
    """The same with one line for a secret that is hidden in many places."""
    hiding: dict[SecretPlace, list[Trouble]] = {}
    for one in found:
        if one.hidden is not None:
            hiding.setdefault(one.hidden, []).append(one)
    made: dict[Trouble, None] = {}
    for one in found:
        some = hiding[one.hidden] if one.hidden is not None else [one]
        made[_as_one(one.hidden, some) if one.hidden is not None and len(some) > MOST_HIDING else one] = None
    return tuple(made)


def _as_one(hidden: SecretPlace, some: Sequence[Trouble]) -> Trouble:
    places = frozenset(place for one in some for place in one.places)
    named = sorted({place.words for place in places})[:2]
    sentence = (
        f"{hidden.words} is hidden in {len(some)} places by one of the same name, such as {' and '.join(named)}:"
        " a new value of it changes nothing there."
    )
    return Trouble(some[0].code, hidden.name, sentence, places, hidden)


def _of_job(inventory: Inventory, job: FleetJob) -> Link:
    return Link(
        registry=job.registry,
        repo=job.repo,
        workflow=job.path,
        job=job.job,
        publishers=inventory.publishers_of.get((job.repo.lower(), job.path, job.job), ()),
        packages=inventory.packages_of(job),
        environment=job.environment,
        by_identity=bool(job.id_token) and not job.secrets,
    )


def _only_recorded(
    token: Token, seen: set[tuple[str, SecretPlace | None]], files: set[tuple[str, str]]
) -> Iterable[Link]:
    """Uses that people wrote down and no scan has seen."""
    for use in token.used_by:
        place = place_of(use)
        if place is not None and (use.repo.lower(), place) in seen:
            continue
        wide = "/" not in use.repo or use.repo.endswith("/*")
        if wide and any(place == other for _, other in seen):
            continue
        if place is None and _is_seen(use, files):
            continue
        trusted = token.kind == "trusted-publisher"
        yield Link(
            registry=token.registry,
            repo=use.repo,
            workflow=use.workflow or "",
            secret=place or (None if trusted else _outside(use)),
            tokens=() if trusted else (token.name,),
            publishers=(token.name,) if trusted else (),
            packages=tuple(package for package in token.packages if "*" not in package),
            environment=use.environment,
            seen=False,
        )


def _outside(use: Use) -> SecretPlace | None:
    """A secret that is kept in no place of GitHub's."""
    return SecretPlace(use.secret.upper(), "elsewhere", use.repo.lower()) if use.secret else None


def _is_seen(use: Use, files: set[tuple[str, str]]) -> bool:
    return any(
        repo == use.repo.lower() and (not use.workflow or same_workflow(use.workflow, path)) for repo, path in files
    )


def _shadowed(every: Sequence[Link]) -> Iterable[Trouble]:
    said: dict[tuple[SecretPlace, SecretPlace], None] = {}
    for link in every:
        for below in link.shadowed:
            if link.secret is not None:
                said[link.secret, below] = None
    for above, below in said:
        yield Trouble(
            "shadowed-secret",
            above.name,
            f"{above.words} hides {below.words}: a new value of the second changes nothing there.",
            frozenset({above}),
            below,
        )


def _missing(every: Sequence[Link]) -> Iterable[Trouble]:
    for link in every:
        if link.secret is not None and link.secret.level == "missing" and link.first and not link.publishers:
            yield Trouble(
                "secret-missing",
                link.repo,
                f"{link.repo} {_file(link.workflow)} reads {link.secret.name}, which is stored at no level.",
            )


def _unread(inventory: Inventory) -> Iterable[Trouble]:
    read = {reading.place for reading in inventory.readings} | inventory.mentioned
    for place in sorted(set(inventory.secrets) - read):
        if inventory.tokens_of.get(place) or _OF_A_REGISTRY.search(place.name):
            yield Trouble("secret-nobody-reads", place.name, f"No workflow file reads {place.words}. Delete it.")


def _unused(inventory: Inventory, every: Sequence[Link]) -> Iterable[Trouble]:
    if inventory.scanned_at is None:
        return
    used = {name for link in every for name in (*link.tokens, *link.publishers)}
    for name, token in sorted(inventory.tokens.items()):
        if name not in used and token.permission not in ("read-only", "no-access"):
            sentence = f"Nothing on record and no workflow file that was read uses {name}."
            yield Trouble("token-nobody-uses", name, sentence)


def _many_hands(every: Sequence[Link]) -> Iterable[Trouble]:
    places: dict[str, dict[SecretPlace, None]] = {}
    repos: dict[str, dict[str, None]] = {}
    for link in every:
        for name in link.tokens if len(link.tokens) == 1 else ():
            if link.secret is not None:
                places.setdefault(name, {})[link.secret] = None
            repos.setdefault(name, {})[link.repo.lower()] = None
    for name in sorted(repos):
        copies, many = len(places.get(name, {})), len(repos[name])
        if copies >= MANY_SECRETS:
            sentence = f"{name} is stored in {copies} secrets: each has to be replaced with it."
            yield Trouble("too-many-copies", name, sentence)
        elif many >= MANY_REPOSITORIES:
            sentence = f"{name} is read in {many} repositories: whoever may push to one has it."
            yield Trouble("too-many-hands", name, sentence)


def _file(workflow: str) -> str:
    return workflow.rpartition("/")[2]
