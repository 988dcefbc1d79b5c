"""What a workflow file says about publishing: which secrets feed it, `id-token`, environment, runner. Pure.

What cannot be told from the text is None, not a guess. Semantics: GitHub's workflow syntax reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bot.registries.npm.publish_credentials import handed_over
from bot.registries.npm.publish_steps import Publishing, StepsOfJob, read_steps
from bot.registries.npm.workflow_scope import Scope, expressions, matrix_of
from bot.registries.npm.workflow_yaml import Tree, Unreadable, mapping, sequence, text, texts, tree_of, yes

__all__ = [
    "PublishingJob",
    "Unreadable",
    "Workflow",
    "WorkflowAddress",
    "WorkflowFacts",
    "called_address",
    "parse_workflow",
    "read_workflow",
    "surely_hosted",
]

MOST_CALLED = 4
_HOSTED = re.compile(r"(?:ubuntu|windows|macos)-[\w.\-]+")
_HERE = re.compile(r"\./(\.github/workflows/[\w.\-]{1,200}\.ya?ml)")
_THERE = re.compile(
    r"([A-Za-z0-9][\w\-]{0,99}/(?!\.\.?/)[\w.\-]{1,100})/(\.github/workflows/[\w.\-]{1,200}\.ya?ml)@([\w./\-]{1,250})"
)
Said = Literal["job", "workflow"]


def surely_hosted(labels: Iterable[str]) -> bool:
    """Whether GitHub hosts the runner, as far as its labels tell: larger ones may have any name."""
    known = tuple(labels)
    return bool(known) and all(_HOSTED.fullmatch(label.lower()) for label in known)


@dataclass(frozen=True, slots=True)
class PublishingJob:
    """A job that publishes; what the text does not tell is None.

    `secrets`: names its publishing steps read, best first; `token_variables`: environment variables through which a
    registry token reaches them; `id_token`: may it ask for an OIDC token, and `id_token_from`: which level says so;
    `node` and `npm`: versions as written ("20", "lts/*", "latest"); `stages`/`publishes`: runs `npm stage publish` /
    publishes directly; `called`: the reusable workflow it stands in, as written in `uses`, None for the file itself;
    `tools`: as a diagnosis names them; `continues`: the run goes on, and may be green, when the publish fails;
    `environment_computed`: there is an environment, and which cannot be told;
    `secrets_not_passed`: names that the called workflow reads and its caller does not hand over: they are empty;
    `plain_variables`: names of GitHub's variables (`vars`) that stand where a secret would;
    `install_secrets`: names that its steps which install dependencies read, None without such a step.
    """

    name: str
    secrets: tuple[str, ...] = ()
    token_variables: tuple[str, ...] = ()
    id_token: bool | None = None
    id_token_from: Said | None = None
    environment: str | None = None
    runners: tuple[str, ...] = ()
    registry_url: str | None = None
    node: str | None = None
    npm: str | None = None
    stages: bool = False
    publishes: bool = True
    provenance: bool = False
    called: str | None = None
    tools: tuple[str, ...] = ()
    continues: bool = False
    environment_computed: bool = False
    secrets_not_passed: tuple[str, ...] = ()
    install_secrets: tuple[str, ...] | None = None
    plain_variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """The jobs that publish, in the order of the file. The properties answer for all of them.

    `triggers`: the events of `on`.
    """

    jobs: tuple[PublishingJob, ...] = ()
    triggers: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets that the publishing steps read, best first."""
        return tuple(dict.fromkeys(name for job in self.jobs for name in job.secrets))

    @property
    def install_secrets(self) -> tuple[str, ...]:
        """Secrets that install dependencies, best first; those of the publishing steps where no step installs."""
        known = [job.install_secrets for job in self.jobs if job.install_secrets is not None]
        return tuple(dict.fromkeys(name for names in known for name in names)) if known else self.secrets

    @property
    def id_token(self) -> bool | None:
        """Whether every publishing job may ask for an OIDC token; None when that is not written anywhere."""
        said = [job.id_token for job in self.jobs]
        return None if not said or None in said else all(said)

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(job.environment for job in self.jobs if job.environment))

    @property
    def runners(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for job in self.jobs for label in job.runners))


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file, parsed."""

    tree: Mapping[str, Tree]

    @property
    def jobs(self) -> dict[str, dict[str, Tree]]:
        return {key: job for key, job in mapping(self.tree.get("jobs")).items() if isinstance(job, dict)}

    @property
    def triggers(self) -> tuple[str, ...]:
        on = self.tree.get("on")
        named = [on] if isinstance(on, str) else on if isinstance(on, list) else list(mapping(on))
        return tuple(event for event in named if isinstance(event, str))

    def calls(self, job: str | None = None) -> tuple[str, ...]:
        """The reusable workflows it calls, as written in `uses`; with `job`, the name of a job that ran, only those
        that this job can have come from."""
        found = [text(entry.get("uses")) for _, entry in _narrowed(self.jobs, _first(job))]
        return tuple(dict.fromkeys(uses for uses in found if uses))[:MOST_CALLED]


@dataclass(frozen=True, slots=True)
class WorkflowAddress:
    """Where a called workflow stands. `repo` and `ref` None: in the caller's repository, at its commit."""

    path: str
    repo: str | None = None
    ref: str | None = None


def called_address(uses: str) -> WorkflowAddress | None:
    """`./.github/workflows/x.yml` or `owner/repo/.github/workflows/x.yml@ref`; None for anything else."""
    if found := _HERE.fullmatch(uses):
        return WorkflowAddress(found[1])
    if found := _THERE.fullmatch(uses):
        return WorkflowAddress(found[2], found[1], found[3])
    return None


def parse_workflow(data: bytes) -> Workflow:
    """Raises Unreadable."""
    workflow = Workflow(tree_of(data))
    if not workflow.jobs:
        raise Unreadable("it has no jobs")
    return workflow


def read_workflow(workflow: Workflow, called: Mapping[str, Workflow], job: str | None = None) -> WorkflowFacts:
    """The facts of a workflow and of those it calls (`uses` -> workflow; one that could not be read is left out).

    `job`: the name of the job that failed to publish, as GitHub shows it (`publish (18, ubuntu-latest)`,
    `release / npm`): only what can be that job. A name that fits no job narrows nothing.
    """
    places: list[_Place] = []
    unread: list[PublishingJob] = []
    entries = list(_narrowed(workflow.jobs, _first(job)))
    for key, entry in entries:
        uses = text(entry.get("uses"))
        if uses is None:
            places.append(_Place(workflow, key, entry, Scope(matrix=matrix_of(entry, job))))
        elif uses in called:
            places += _called(workflow, key, entry, uses, called[uses], job)
        elif job is not None and len(entries) == 1:
            unread += _unread(workflow, key, entry, uses, job)
    read = [(place, _read(place)) for place in places]
    publishing = _that_publish(read)
    if not publishing and job is not None and len(read) == 1 and len(workflow.jobs) > 1:
        publishing = read  # the log says that this one did
    return WorkflowFacts((*(_job(place, steps) for place, steps in publishing), *unread), workflow.triggers)


@dataclass(frozen=True, slots=True)
class _Place:
    """A job and where it stands; `caller`: its workflow and the job there that calls."""

    workflow: Workflow
    key: str
    job: Mapping[str, Tree]
    scope: Scope
    called: str | None = None
    caller: tuple[Workflow, str, Mapping[str, Tree]] | None = None


def _called(
    workflow: Workflow, key: str, caller: Mapping[str, Tree], uses: str, inner: Workflow, job: str | None
) -> Iterator[_Place]:
    outer = Scope(env={}, matrix=matrix_of(caller, _first(job)))
    declared = mapping(mapping(inner.tree.get("on")).get("workflow_call"))
    inputs = {
        name: default
        for name, entry in mapping(declared.get("inputs")).items()
        if (default := text(mapping(entry).get("default"))) is not None
    }
    given = {name: _resolved(value, outer) for name, value in texts(caller.get("with")).items()}
    scope = Scope(inputs=inputs | given, passed=_passed(caller.get("secrets"), outer))
    for inner_key, entry in _narrowed(inner.jobs, _rest(job)):
        if text(entry.get("uses")) is None:  # one level deep
            here = replace(scope, matrix=matrix_of(entry, _rest(job)))
            yield _Place(inner, inner_key, entry, here, uses, (workflow, key, caller))


def _unread(workflow: Workflow, key: str, caller: Mapping[str, Tree], uses: str, job: str) -> Iterator[PublishingJob]:
    """The job that failed stands in a workflow that could not be read: what its caller hands over is known still."""
    outer = Scope(env={}, matrix=matrix_of(caller, _first(job)))
    if secrets := handed_over(texts(caller.get("secrets")), outer):
        refused = _written(workflow, caller)[0] is False
        yield PublishingJob(key, secrets, id_token=False if refused else None, called=uses)


def _resolved(value: str, outer: Scope) -> str:
    """A value that the caller hands over: in words where that is possible, so that it means the same inside."""
    said = outer.literal(value)
    return value if said is None else said


def _passed(secrets: Tree, outer: Scope) -> dict[str, tuple[str, ...]] | None:
    if isinstance(secrets, str):
        return None if secrets.strip() == "inherit" else {}
    return {name.lower(): tuple(outer.secrets(value)) for name, value in texts(secrets).items()}


def _read(place: _Place) -> StepsOfJob:
    steps = [step for step in sequence(place.job.get("steps")) if isinstance(step, dict)]
    scope = place.scope.with_env(place.workflow.tree.get("env"), place.job.get("env"))
    named = f"{place.key} {text(place.job.get('name')) or ''}"
    return read_steps(steps, scope, named, id_token=_id_token(place)[0])


def _that_publish(read: list[tuple[_Place, StepsOfJob]]) -> list[tuple[_Place, StepsOfJob]]:
    """Jobs that run a publish command; those that only look like it too when they hold a credential for it, or when
    there are no others."""
    surely = [pair for pair in read if pair[1].publishing is Publishing.SURELY]
    if not surely:
        return [pair for pair in read if pair[1].publishing is not Publishing.NO]
    return [
        pair
        for pair in read
        if pair[1].publishing is Publishing.SURELY
        or (pair[1].publishing is Publishing.LIKELY and pair[1].credentials.secrets)
    ]


def _job(place: _Place, steps: StepsOfJob) -> PublishingJob:
    id_token, said_by = _id_token(place)
    environment = mapping(place.job.get("environment")).get("name") or place.job.get("environment")
    environment_name = place.scope.literal(text(environment)) or None
    secrets = steps.credentials.secrets
    not_passed: tuple[str, ...] = ()
    if place.caller is not None and place.scope.passed is not None:
        secrets, not_passed = _handed_over(place, secrets, environment is not None)
    return PublishingJob(
        name=place.key if place.caller is None else f"{place.caller[1]} / {place.key}",
        secrets=secrets,
        token_variables=steps.credentials.variables,
        id_token=id_token,
        id_token_from=said_by,
        environment=environment_name,
        runners=_runners(place.job.get("runs-on"), place.scope.with_env(place.workflow.tree.get("env"))),
        registry_url=steps.registry_url,
        node=steps.node,
        npm=steps.npm,
        stages=steps.stages,
        publishes=steps.publishes,
        provenance=steps.provenance,
        called=place.called,
        tools=steps.tools,
        continues=steps.continues or yes(place.job.get("continue-on-error")),
        environment_computed=environment is not None and environment_name is None,
        secrets_not_passed=not_passed,
        install_secrets=steps.install_secrets,
        plain_variables=steps.credentials.plain,
    )


def _handed_over(
    place: _Place, secrets: tuple[str, ...], has_environment: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(secrets, those not passed): what the called job names against what its caller hands over."""
    inside = replace(place, scope=replace(place.scope, passed=None))
    passed = place.scope.passed or {}
    named = _read(inside).credentials.secrets
    missing = tuple(name for name in named if not passed.get(name.lower()))
    # An environment's secret is read in place of one that the caller passes, and need not be passed.
    return (tuple(dict.fromkeys((*named, *secrets))), ()) if has_environment else (secrets, missing)


def _id_token(place: _Place) -> tuple[bool | None, Said | None]:
    """A called job has what it asks for and its caller may give, or all that the caller has when it asks nothing."""
    own, said_by = _written(place.workflow, place.job)
    if place.caller is None:
        return own, said_by
    outer, outer_said_by = _written(place.caller[0], place.caller[2])
    if own is False or (own and outer):
        return own, said_by
    # Without permissions anywhere in the caller nothing tells what it may hand on.
    return outer, outer_said_by


def _written(workflow: Workflow, job: Mapping[str, Tree]) -> tuple[bool | None, Said | None]:
    levels: tuple[tuple[Tree, Said], ...] = (
        (job.get("permissions"), "job"),
        (workflow.tree.get("permissions"), "workflow"),
    )
    for permissions, level in levels:
        if isinstance(permissions, str):
            return permissions.strip() == "write-all", level
        if isinstance(permissions, dict):
            return text(permissions.get("id-token")) == "write", level
    return None, None


def _runners(runs_on: Tree, scope: Scope) -> tuple[str, ...]:
    if isinstance(runs_on, dict):
        runs_on = runs_on.get("labels")
    labels = runs_on if isinstance(runs_on, list) else [runs_on]
    found = [value for label in labels[:20] for value in scope.literals(text(label))]
    return tuple(dict.fromkeys(label for label in found if label))


def _first(job: str | None) -> str | None:
    return job.partition(" / ")[0] if job else None


def _rest(job: str | None) -> str | None:
    return job.partition(" / ")[2] or None if job else None


def _narrowed(jobs: Mapping[str, dict[str, Tree]], name: str | None) -> Iterable[tuple[str, dict[str, Tree]]]:
    """The jobs that GitHub can show under this name; all of them when none fits."""
    entries = list(jobs.items())
    if name is None:
        return entries
    fitting = [(_fit(text(job.get("name")) or key, name), key, job) for key, job in entries]
    best = max(fit for fit, _, _ in fitting)
    return [(key, job) for fit, key, job in fitting if fit == best] if best else entries


def _fit(pattern: str, name: str) -> int:
    """How well a job's `name:`, maybe with expressions, fits the name shown: 0 not at all."""
    if not expressions(pattern):
        if pattern == name:
            return 10_000
        return len(pattern) if name.startswith(f"{pattern} (") and name.endswith(")") else 0
    pieces = [piece for piece in re.split(r"\$\{\{.*?\}\}", pattern, flags=re.DOTALL) if piece]
    at = 0
    for piece in pieces:
        at = name.find(piece, at)
        if at < 0:
            return 0
        at += len(piece)
    begins = pattern.startswith("${{") or name.startswith(pieces[0] if pieces else "")
    return 1 + sum(len(piece) for piece in pieces) if begins else 0
