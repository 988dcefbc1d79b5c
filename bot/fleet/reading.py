"""What the files of one repository say about publishing: jobs, secrets, variables, credentials written out. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bot.credentials import kind_of, mask_shapes
from bot.fleet.other_registries import read_other_registries
from bot.registries.npm.workflow import PublishingJob, Unreadable, Workflow, parse_workflow, read_workflow
from bot.registries.npm.workflow_scope import Scope, expressions, matrix_of
from bot.registries.npm.workflow_yaml import Tree, mapping, sequence, text, texts
from storage.fleet import Exposed, FleetJob

READER = 3  # raise it when this module learns to see more: everything is read again then
MOST_LINES = 5_000
MOST_STEP_NAME = 80
_PACKAGE = re.compile(r"(@[a-z0-9~_\-][a-z0-9~._\-]{0,100}/)?[a-z0-9~_\-][a-z0-9~._\-]{0,213}")
_CONFIGURATION = re.compile(r"\bvars(?:\.|\[['\"])([A-Za-z_][A-Za-z0-9_-]*)")
_MENTION = re.compile(r"\bsecrets(?:\.|\[['\"])([A-Za-z_][A-Za-z0-9_-]{0,199})")
_MENTIONS_ALL = re.compile(r"\bsecrets\s*:\s*inherit\b|\(\s*secrets\s*\)|\bsecrets\[[^'\"]")
_CARRIES_A_TOKEN = re.compile(r"(?:npm|node|registry|publish|pypi|cargo|gem|nuget)\w*(?:token|auth|key|pass)", re.I)
_TEXTS: tuple[str, ...] = (
    "job",
    "secrets",
    "variables",
    "configuration",
    "environment",
    "runners",
    "registry_url",
    "called",
    "triggers",
    "installs",
    "steps",
)
# What stands in a header or URL of a workflow is mostly a shell variable; these are credentials whatever is around.
_CERTAIN = frozenset(
    {"npm token", "GitHub token", "GitLab token", "Slack token", "PyPI token", "RubyGems key", "crates.io token"}
    | {"NuGet key", "Docker Hub token", "AWS key", "private key", "npmrc credential"}
)


def jobs_of(repo: str, path: str, workflow: Workflow, called: Mapping[str, Workflow]) -> tuple[FleetJob, ...]:
    """The jobs of a workflow file that publish, to whichever registry. `called`: `uses` -> reusable workflow."""
    facts = read_workflow(workflow, called)
    by_npm = [_npm_job(repo, path, job, workflow, called, facts.triggers) for job in facts.jobs]
    found = [job for job in by_npm if _has_a_sign(job)]
    for key, job in workflow.jobs.items():
        uses = text(job.get("uses"))
        inner = called.get(uses) if uses else None
        places = [(key, job, workflow)] if uses is None else []
        places += [(f"{key} / {name}", one, inner) for name, one in inner.jobs.items()] if inner else []
        for name, one, within in places:
            scope = Scope(matrix=matrix_of(one))
            for other in read_other_registries(one, within.tree, scope):
                found.append(
                    FleetJob(
                        repo=repo,
                        path=path,
                        job=name,
                        registry=other.registry,
                        secrets=other.secrets,
                        variables=other.variables,
                        configuration=_configuration(one, within.tree),
                        environment=_environment(one, scope),
                        id_token=_id_token(one, within.tree, job, workflow.tree),
                        runners=_runners(one, scope),
                        tools=other.tools,
                        called=uses,
                        triggers=workflow.triggers,
                        steps=_steps_reading(one, within.tree, other.secrets),
                    )
                )
    return tuple(_safe(job) for job in found)


def read_file(data: bytes) -> Workflow:
    """Raises Unreadable."""
    return parse_workflow(data)


def exposed_in(repo: str, path: str, data: bytes) -> tuple[Exposed, ...]:
    """Credentials written out in a file, by kind and line; never the value."""
    whole = data.decode("utf-8", "replace")
    if kind_of(whole) is None:
        return ()
    lines = whole.splitlines()[:MOST_LINES]
    found = ((number, kind_of(line)) for number, line in enumerate(lines, 1))
    return tuple(Exposed(repo, path, number, kind) for number, kind in found if kind in _CERTAIN)


def mentions_in(data: bytes) -> tuple[str, ...]:
    """Names of secrets that a workflow file reads anywhere, upper case; `*` when it hands on or prints all it has."""
    whole = mask_shapes(data.decode("utf-8", "replace"))
    named = {name.upper() for name in _MENTION.findall(whole)} - {"GITHUB_TOKEN"}
    return tuple(sorted(named | ({"*"} if _MENTIONS_ALL.search(whole) else set())))


def package_of(data: bytes) -> str | None:
    """The name in a package.json that may be published; None for a private one or none at all."""
    read = _manifest(data)
    name = read.get("name")
    public = read.get("private") is not True
    return name if public and isinstance(name, str) and _PACKAGE.fullmatch(name) else None


def version_of(data: bytes) -> str | None:
    """The version in a package.json."""
    version = _manifest(data).get("version")
    return version if isinstance(version, str) else None


def _manifest(data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def registry_of(url: str | None) -> str:
    """The registry behind setup-node's `registry-url`: npm without one."""
    host = urlsplit(url if url and "://" in url else f"https://{url or ''}").hostname or ""
    if not host or host.endswith((".npmjs.org", ".npmjs.com")) or host == "registry.yarnpkg.com":
        return "npm"
    return "github-packages" if host == "npm.pkg.github.com" else "other"


def _npm_job(
    repo: str,
    path: str,
    job: PublishingJob,
    workflow: Workflow,
    called: Mapping[str, Workflow],
    triggers: tuple[str, ...],
) -> FleetJob:
    within = called.get(job.called, workflow) if job.called else workflow
    own = within.jobs.get(job.name.rpartition(" / ")[2], {})
    return FleetJob(
        repo=repo,
        path=path,
        job=job.name,
        registry=registry_of(job.registry_url),
        secrets=job.secrets,
        variables=job.token_variables,
        configuration=_configuration(own, within.tree),
        environment=job.environment,
        environment_computed=job.environment_computed,
        id_token=job.id_token,
        runners=job.runners,
        registry_url=job.registry_url,
        tools=job.tools,
        called=job.called,
        stages=job.stages,
        publishes=job.publishes,
        node=job.node,
        npm=job.npm,
        triggers=triggers,
        installs=job.install_secrets or (),
        steps=_steps_reading(own, within.tree, job.secrets),
        writes_npmrc=any("authtoken" in value.lower() for name, value in _entries(own, {}) if not name),
    )


def _safe(job: FleetJob) -> FleetJob:
    """Without what looks like a credential: people write them where names belong."""
    masked: dict[str, Any] = {}
    for name in _TEXTS:
        value = getattr(job, name)
        if isinstance(value, str):
            masked[name] = mask_shapes(value)
        elif isinstance(value, tuple):
            masked[name] = tuple(mask_shapes(one) for one in value)
    return replace(job, **masked)


def _has_a_sign(job: FleetJob) -> bool:
    """A script called `release` alone may do anything: something of npm's has to be there too."""
    return bool(job.secrets or job.variables or job.tools or job.registry_url or job.id_token or job.configuration)


def _configuration(job: Mapping[str, Tree], workflow: Mapping[str, Tree]) -> tuple[str, ...]:
    """Repository variables where a token belongs: anybody who may read the repository's settings sees their value."""
    found: dict[str, None] = {}
    for name, value in _entries(job, workflow):
        for inside in expressions(value):
            for variable in _CONFIGURATION.findall(inside):
                if _CARRIES_A_TOKEN.search(name) or _CARRIES_A_TOKEN.search(variable):
                    found[variable] = None
    return tuple(found)


def _entries(job: Mapping[str, Tree], workflow: Mapping[str, Tree]) -> Iterator[tuple[str, str]]:
    yield from texts(workflow.get("env")).items()
    yield from texts(job.get("env")).items()
    for step in sequence(job.get("steps"))[:300]:
        inside = mapping(step)
        yield from texts(inside.get("env")).items()
        yield from texts(inside.get("with")).items()
        yield "", text(inside.get("run")) or ""


def _steps_reading(job: Mapping[str, Tree], workflow: Mapping[str, Tree], names: Sequence[str]) -> tuple[str, ...]:
    """Which steps name which of the secrets, as `NPM_TOKEN: Publish`."""
    wanted = {name.upper(): name for name in names}
    found: dict[str, None] = {}
    for around in (workflow, job):
        for name in _named_in(texts(around.get("env")).values(), wanted):
            found[f"{name}: every step"] = None
    for step in sequence(job.get("steps"))[:300]:
        inside = mapping(step)
        values = (
            *texts(inside.get("env")).values(),
            *texts(inside.get("with")).values(),
            text(inside.get("run")) or "",
        )
        for name in _named_in(values, wanted):
            found[f"{name}: {_called(inside)}"] = None
    return tuple(found)


def _named_in(values: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    named = (name.upper() for value in values for name in _MENTION.findall(value))
    return [wanted[name] for name in dict.fromkeys(named) if name in wanted]


def _called(step: Mapping[str, Any]) -> str:
    """As a person would call the step: its name, its action, or its first command."""
    said = text(step.get("name")) or text(step.get("uses")) or (text(step.get("run")) or "").strip().partition("\n")[0]
    return " ".join(said.split())[:MOST_STEP_NAME] or "a step"


def _environment(job: Mapping[str, Tree], scope: Scope) -> str | None:
    written = mapping(job.get("environment")).get("name") or job.get("environment")
    return scope.literal(text(written)) or None


def _runners(job: Mapping[str, Tree], scope: Scope) -> tuple[str, ...]:
    runs_on: Any = job.get("runs-on")
    if isinstance(runs_on, dict):
        runs_on = runs_on.get("labels")
    labels = runs_on if isinstance(runs_on, list) else [runs_on]
    return tuple(dict.fromkeys(value for label in labels[:20] for value in scope.literals(text(label)) if value))


def _id_token(*levels: Mapping[str, Tree]) -> bool | None:
    """By the innermost level that says anything of permissions."""
    for level in levels:
        permissions = level.get("permissions")
        if isinstance(permissions, str):
            return permissions.strip() == "write-all"
        if isinstance(permissions, dict):
            return text(permissions.get("id-token")) == "write"
    return None


__all__ = [
    "READER",
    "Unreadable",
    "exposed_in",
    "jobs_of",
    "mentions_in",
    "package_of",
    "read_file",
    "registry_of",
    "version_of",
]
