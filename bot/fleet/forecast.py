"""What the next release will stumble over because a workflow file or the repository's name was changed. Pure.

A state is checked before and after the change, and what is wrong only afterwards is the forecast; so a fault that was
there all along, or a change that does no harm, is silence. What was wrong only before is mended by the change.

Trust is known by record, or by what the workflow shows: a job that asks for an identity and has no token publishes by
trust, whoever wrote that down or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.fleet.inventory import SecretPlace
from bot.matching import same_workflow
from bot.registries.npm.workflow import PublishingJob
from bot.rotation.readiness import needs_newer_npm
from storage.fleet import FleetJob
from storage.tokens import Token

_Wrong = Callable[..., "Forecast"]
_BY_IDENTITY = ("npm", "pypi", "crates", "rubygems", "nuget")
_NEEDS_REGISTRY_URL = "NODE_AUTH_TOKEN"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a registry trusts. `name`: of the record, None when the workflow alone shows it; then `environment` is what
    the job had, and whether the registry asks for it is not known."""

    repo: str
    file: str
    registry: str = "npm"
    environment: str | None = None
    name: str | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """A repository's publishing as it is at one moment. `secrets`: where its secrets are stored, empty when that is not
    known; `missing_calls`: local reusable workflows that are called and not there, as (file, called); `has_npmrc`: a
    committed `.npmrc` says which credential to use; `packages`: names in package.json, as far as they are known."""

    repo: str
    jobs: tuple[FleetJob, ...] = ()
    trusts: tuple[Trust, ...] = ()
    secrets: Mapping[SecretPlace, datetime] = field(default_factory=dict)
    missing_calls: tuple[tuple[str, str], ...] = ()
    has_npmrc: bool = False
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """`code`: kebab-case; `sentence`: what will happen at the next release; `advice`: how to mend it now, first step
    first; `subject` tells two of one code apart, whatever the job and its file are called; `publisher`: name of the
    record; `fails`: it will, else it may."""

    code: str
    repo: str
    workflow: str
    sentence: str
    advice: tuple[str, ...]
    subject: str = ""
    registry: str = "npm"
    publisher: str | None = None
    fails: bool = True

    @property
    def key(self) -> str:
        return f"{self.registry}|forecast|{self.code}|{self.repo}|{self.subject}".lower()


def trusts_of(tokens: Iterable[Token], repo: str) -> tuple[Trust, ...]:
    """The recorded trusted publishers of a repository."""
    found: list[Trust] = []
    for token in tokens:
        if token.kind != "trusted-publisher" or token.revoked_at is not None:
            continue
        for use in token.used_by:
            if use.repo.lower() == repo.lower() and use.workflow:
                file = _file(use.workflow)
                found.append(Trust(use.repo, file, token.registry, use.environment, token.name, token.packages))
    return tuple(found)


def shown_trusts(jobs: Sequence[FleetJob], recorded: Sequence[Trust] = ()) -> tuple[Trust, ...]:
    """Trust that the workflow shows: the job has an identity and nothing else to publish with. Where what is on record
    fits no file, the workflow as it is shows nothing: it was changed already."""
    found: dict[Trust, None] = {}
    files = {(job.registry, _file(job.path).lower()) for job in jobs}
    unmet = {one.registry for one in recorded if (one.registry, one.file.lower()) not in files}
    for job in jobs:
        if not job.id_token or job.secrets or job.registry not in _BY_IDENTITY or job.registry in unmet:
            continue
        file = _file(job.path)
        if not any(one.registry == job.registry and one.file.lower() == file.lower() for one in recorded):
            found[Trust(job.repo, file, job.registry, job.environment)] = None
    return tuple(found)


def foretold(fingerprint: str) -> Trust | None:
    """The trust behind an open forecast of a renamed file, by its key: it still holds, whatever the file is called."""
    registry, _, rest = fingerprint.partition("|forecast|workflow-renamed|")
    repo, _, subject = rest.partition("|")
    name, _, file = subject.rpartition(" ")
    return Trust(repo, file, registry) if repo and file and not name else None


def forecast(before: State, after: State) -> tuple[tuple[Forecast, ...], tuple[Forecast, ...]]:
    """(what will fail from now on, what the change has mended)."""
    # What was trusted before the change is trusted after it: nobody has told the registry.
    trusts = _with_packages((*before.trusts, *shown_trusts(before.jobs, before.trusts)), after.packages)
    before, after = replace(before, trusts=trusts), replace(after, trusts=trusts)
    was, is_now = {one.key: one for one in problems(before)}, {one.key: one for one in problems(after)}
    broken = tuple(one for key, one in is_now.items() if key not in was)
    return (*broken, *_elsewhere(before, after)), tuple(one for key, one in was.items() if key not in is_now)


def renamed(state: State, old: str, *, transferred: bool = False) -> tuple[Forecast, ...]:
    """`state`: of the repository under its new name; `old`: owner/name until now. `transferred`: to another owner,
    whose secrets are others."""
    recorded = tuple(one for one in state.trusts if one.repo.lower() == old.lower() and one.name)
    shown = tuple(replace(one, repo=old) for one in shown_trusts(state.jobs, recorded))
    paths = {_file(job.path).lower(): job.path for job in state.jobs}
    found: list[Forecast] = []
    word = "transferred" if transferred else "renamed"
    for trust in _with_packages((*recorded, *shown), state.packages):
        who = _who(trust)
        found.append(
            Forecast(
                "repository-moved",
                state.repo,
                paths.get(trust.file.lower(), trust.file),
                f"{who} trusts {old}, which was {word} to {state.repo}: its next release will be refused.",
                (
                    _retrust(trust, state.repo, trust.file),
                    "Set `repository.url` in package.json to the new address: npm compares it.",
                )
                if trust.registry == "npm"
                else (_retrust(trust, state.repo, trust.file),),
                subject=f"{trust.name or ''} {trust.file}",
                registry=trust.registry,
                publisher=trust.name,
            )
        )
    if transferred:
        found += _left_behind(state, old)
    return tuple(found)


def _with_packages(trusts: Iterable[Trust], packages: tuple[str, ...]) -> tuple[Trust, ...]:
    """With the names to put into commands, where the record has none."""
    return tuple(
        replace(trust, packages=packages) if trust.registry == "npm" and not trust.packages else trust
        for trust in trusts
    )


def problems(state: State) -> Iterator[Forecast]:
    """Everything that is wrong with a state."""
    for trust in state.trusts:
        yield from _of_trust(state, trust)
    for file, called in state.missing_calls:
        yield Forecast(
            "called-workflow-gone",
            state.repo,
            file,
            f"{_file(file)} calls {called}, which is not there any more: the workflow will not start.",
            (f"Put `{called}` back, or change `uses` in `{_file(file)}`.",),
            subject=f"{file} {called}",
        )
    for job in state.jobs:
        yield from _of_job(state, job)


# --- by trust --------------------------------------------------------------------------------------------------------


def _of_trust(state: State, trust: Trust) -> Iterator[Forecast]:
    jobs = [job for job in state.jobs if job.registry == trust.registry]
    of_file = [job for job in jobs if same_workflow(trust.file, job.path)]
    others = [job for job in jobs if job.id_token]
    path = next((job.path for job in (*of_file, *others)), trust.file)
    who = _who(trust)

    def wrong(code: str, sentence: str, *advice: str, fails: bool = True) -> Forecast:
        about = f"{trust.name or ''} {trust.file}"
        return Forecast(code, state.repo, path, sentence, advice, about, trust.registry, trust.name, fails)

    if not of_file:
        if others:
            now = _file(others[0].path)
            yield wrong(
                "workflow-renamed",
                f"{who} trusts {trust.file}, and it is {now} that publishes now: its next release will be refused.",
                _retrust(trust, state.repo, now),
                f"Or give the file its old name: `git mv .github/workflows/{now} .github/workflows/{trust.file}`.",
            )
        return
    with_identity = [job for job in of_file if job.id_token]
    if not with_identity:
        if not any(job.secrets for job in of_file):
            yield wrong(
                "id-token-gone",
                f"{trust.file} no longer asks for `id-token: write`: its next release will have no credential.",
                "Give the publishing job `permissions: { id-token: write }` again.",
            )
        return
    if trust.environment:
        fitting = [job for job in with_identity if job.environment == trust.environment or job.environment_computed]
        if not fitting:
            has = with_identity[0].environment
            runs = f"in environment {has}" if has else "in no environment"
            certain = trust.name is not None
            refused = "will be refused" if certain else "will be refused if the registry asks for that environment"
            yield wrong(
                "environment-changed",
                f"{who} trusts environment {trust.environment}, and the job in {trust.file} runs {runs} now:"
                f" its next release {refused}.",
                f"Set `environment: {trust.environment}` again.",
                _retrust(trust, state.repo, trust.file, has),
                fails=certain,
            )
    job = with_identity[0]
    if trust.registry == "npm":
        yield from _of_npm_trust(trust, job, wrong)


def _of_npm_trust(trust: Trust, job: FleetJob, wrong: _Wrong) -> Iterator[Forecast]:
    if job.self_hosted and not job.secrets:
        yield wrong(
            "self-hosted",
            f"The job in {trust.file} runs on a self-hosted runner now, whose identity npm does not take:"
            " its next release will be refused.",
            "Let the publishing job run on a runner of GitHub, such as `ubuntu-latest`.",
        )
    if needs_newer_npm(PublishingJob(job.job, node=job.node, npm=job.npm)) and not job.secrets:
        runs = f"npm {job.npm}" if job.npm else f"Node {job.node}"
        yield wrong(
            "npm-too-old",
            f"{trust.file} uses {runs} now, whose npm knows nothing of trusted publishing: its next release will have"
            " no credential.",
            "Set `node-version: 24`, or install a newer one first: `npm install -g npm@latest`.",
        )
    if job.secrets:
        yield wrong(
            "token-beside-trust",
            f"{trust.file} reads the secret {job.secrets[0]} beside its identity now: if the trust fails, whatever the"
            " secret holds is used instead, and hides it.",
            f"Take `{job.secrets[0]}` out of the publishing job: it publishes without.",
            fails=False,
        )


def _elsewhere(before: State, after: State) -> Iterator[Forecast]:
    """Files that publish to another registry than before."""
    for path in dict.fromkeys(job.path for job in before.jobs):
        was = {job.registry for job in before.jobs if job.path == path}
        there = [job for job in after.jobs if job.path == path]
        for registry in sorted(was - {job.registry for job in there}) if there else ():
            url = next((job.registry_url for job in there if job.registry_url), None)
            where = f"`registry-url` {url}" if url else there[0].registry
            yield Forecast(
                "registry-changed",
                after.repo,
                path,
                f"{_file(path)} publishes to {where.replace('`', '')} now, and no longer to {registry}.",
                (f"If that is not meant, take the change of `registry-url` in `{_file(path)}` back.",),
                subject=f"{path} {registry}",
                registry=registry,
                fails=False,
            )


# --- by token --------------------------------------------------------------------------------------------------------


def _of_job(state: State, job: FleetJob) -> Iterator[Forecast]:
    trusted = any(same_workflow(trust.file, job.path) for trust in state.trusts)
    if not job.secrets or (trusted and job.id_token):
        return
    name = job.secrets[0].upper()
    file = _file(job.path)
    written_by_npmrc = job.registry_url is None and job.variables[:1] == (_NEEDS_REGISTRY_URL,)
    plain_npm = job.registry == "npm" and set(job.tools) <= {"npm", "pnpm"} and bool(job.tools)
    if written_by_npmrc and plain_npm and not job.writes_npmrc and not state.has_npmrc:
        yield Forecast(
            "registry-url-gone",
            state.repo,
            job.path,
            f"{file} sets NODE_AUTH_TOKEN and no `registry-url` any more, so nothing tells npm to use it:"
            " its next release will have no credential.",
            ("Give setup-node its `registry-url` again, or write the `.npmrc` line yourself.",),
            subject=job.registry,
        )
    if not state.secrets:
        return
    places = _places(state, name)
    seen = [place for place in places if _reaches(place, job)]
    if places and not seen:
        where = " and ".join(dict.fromkeys(place.environment for place in places))
        runs = f"in environment {job.environment}" if job.environment else "in no environment"
        yield Forecast(
            "secret-out-of-reach",
            state.repo,
            job.path,
            f"{name} is stored in environment {where}, and the job in {file} runs {runs} now: it will be empty at the"
            " next release.",
            (f"Set `environment: {places[0].environment}` again, or store `{name}` where the job runs.",),
            subject=f"{name} {job.environment or ''}",
            registry=job.registry,
        )
    elif not places and not job.environment_computed:
        yield Forecast(
            "secret-missing",
            state.repo,
            job.path,
            f"{file} reads {name}, which is stored at no level that {state.repo} can see: it will be empty at the next"
            " release.",
            (f"Store it: `gh secret set {name} --repo {state.repo}`, or correct the name in `{file}`.",),
            subject=name,
            registry=job.registry,
        )


def _left_behind(state: State, old: str) -> Iterator[Forecast]:
    """Secrets of the organisation that the repository has left."""
    owner = old.lower().partition("/")[0]
    for job in state.jobs:
        for name in job.secrets[:1]:
            own = any(place.name == name.upper() and place.level != "organization" for place in state.secrets)
            theirs = SecretPlace(name.upper(), "organization", owner)
            if own or theirs not in state.secrets:
                continue
            yield Forecast(
                "secret-left-behind",
                state.repo,
                job.path,
                f"{_file(job.path)} reads {name}, a secret of organisation {owner}, which {state.repo} has left:"
                " it will be empty at the next release.",
                (f"Store it for the repository: `gh secret set {name} --repo {state.repo}`.",),
                subject=f"{job.path} {name}",
                registry=job.registry,
            )


def _places(state: State, name: str) -> list[SecretPlace]:
    """Where a secret of this name is stored, as far as the repository can see."""
    repo, owner = state.repo.lower(), state.repo.lower().partition("/")[0]
    return [
        place
        for place in state.secrets
        if place.name == name and (place.where == repo or (place.level == "organization" and place.where == owner))
    ]


def _reaches(place: SecretPlace, job: FleetJob) -> bool:
    return place.level != "environment" or job.environment_computed or place.environment == job.environment


# --- words -----------------------------------------------------------------------------------------------------------


def _who(trust: Trust) -> str:
    registry = {"npm": "npm", "pypi": "PyPI", "crates": "crates.io", "rubygems": "RubyGems", "nuget": "NuGet"}
    named = registry.get(trust.registry, trust.registry)
    return f"{named} ({trust.name})" if trust.name else named


def _retrust(trust: Trust, repo: str, file: str, environment: str | None = None) -> str:
    if trust.registry != "npm":
        return f"Change the trusted publisher to {repo}, file `{file}`."
    wanted = environment or trust.environment
    suffix = f" --env {wanted}" if wanted else ""
    package = trust.packages[0] if len(trust.packages) == 1 else "PACKAGE"
    command = f"npm trust github {package} --repo {repo} --file {file}{suffix} --allow-publish"
    return f"Tell npm: `{command}`, then revoke the old one (`npm trust list {package}`)."


def _file(workflow: str) -> str:
    return workflow.rpartition("/")[2]
