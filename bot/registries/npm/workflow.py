"""What a workflow file says about publishing: which secrets feed it, `id-token`, environment, runner. Pure.

YAML 1.2 (ruamel), because 1.1 reads `on:` as true. What cannot be told from the text is None, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LARGEST = 512 * 1024
MOST_ALIASES = 200  # nested anchors can grow a small file into gigabytes
_SECRET = re.compile(r"\$\{\{[^}]*?\bsecrets\.([A-Za-z_][A-Za-z0-9_]*)")
_TOKEN_NAMES = ("NODE_AUTH_TOKEN", "NPM_TOKEN", "NPM_AUTH_TOKEN", "YARN_NPM_AUTH_TOKEN", "BUN_AUTH_TOKEN")
_PUBLISH = re.compile(
    r"\b(?:npm|pnpm|yarn|bun|lerna|changeset|nx|rush)\b[^\n]{0,80}\b(?:publish|release)\b|semantic-release|release-it"
)
_PUBLISH_ACTIONS = ("changesets/action", "JS-DevTools/npm-publish", "cycjimmy/semantic-release-action")


@dataclass(frozen=True, slots=True)
class PublishingJob:
    """A job that publishes; what the text does not tell is None.

    `secrets`: names its publishing steps read, best first; `token_variables`: environment variables through which a
    registry token reaches them; `id_token`: may it ask for an OIDC token, and `id_token_from`: which level says so;
    `node` and `npm`: versions as written ("20", "lts/*", "latest"); `stages`/`publishes`: runs `npm stage publish` /
    publishes directly; `called`: the reusable workflow it stands in, as written in `uses`, None for the file itself.
    """

    name: str
    secrets: tuple[str, ...] = ()
    token_variables: tuple[str, ...] = ()
    id_token: bool | None = None
    id_token_from: Literal["job", "workflow"] | None = None
    environment: str | None = None
    runners: tuple[str, ...] = ()
    registry_url: str | None = None
    node: str | None = None
    npm: str | None = None
    stages: bool = False
    publishes: bool = True
    provenance: bool = False
    called: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """The jobs that publish, in the order of the file. The properties answer for all of them."""

    jobs: tuple[PublishingJob, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets that the publishing steps read, best first."""
        return tuple(dict.fromkeys(name for job in self.jobs for name in job.secrets))

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


class Unreadable(Exception):
    """Not a workflow file we can read; the message says why in a few words."""


def read_workflow(data: bytes) -> WorkflowFacts:
    """Raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable("the workflow file is too large")
    text = data.decode("utf-8", "replace")
    if len(re.findall(r"(?m)(?:^|[\s\[,:])\*[\w-]+", text)) > MOST_ALIASES:
        raise Unreadable("the workflow file has too many YAML aliases")
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unreadable("the workflow file is not valid YAML") from error
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), dict):
        raise Unreadable("the workflow file has no jobs")
    jobs: dict[str, Mapping[str, Any]] = {
        str(key): job for key, job in document["jobs"].items() if isinstance(job, dict)
    }
    publishing = {name: job for name, job in jobs.items() if any(_publishes(step) for step in _steps(job))}
    named = publishing or jobs
    return WorkflowFacts(tuple(_job(document, name, job) for name, job in named.items()))


def _job(document: Mapping[str, Any], name: str, job: Mapping[str, Any]) -> PublishingJob:
    return PublishingJob(
        name=name,
        secrets=_secrets(document, [job]),
        id_token=_id_token(document, [job]),
        environment=_environment(job),
        runners=tuple(_labels(job)),
    )


def _secrets(document: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Secrets behind the variables that carry registry tokens first, then any other of the publishing jobs."""
    carriers: list[str] = []
    others: list[str] = []
    environments = [document.get("env"), *(job.get("env") for job in jobs)]
    for job in jobs:
        for step in _steps(job):
            environments.append(step.get("env"))
            inputs = step.get("with")
            for name, value in inputs.items() if isinstance(inputs, dict) else ():
                (carriers if "token" in str(name).lower() and _publishes(step) else others).extend(_named(value))
            others += _named(step.get("run"))
        passed = job.get("secrets")
        if isinstance(passed, dict):
            for value in passed.values():
                others += _named(value)
    for environment in environments:
        for name, value in environment.items() if isinstance(environment, dict) else ():
            (carriers if str(name).upper() in _TOKEN_NAMES else others).extend(_named(value))
    ours = [name for name in (*carriers, *others) if name != "GITHUB_TOKEN"]
    return tuple(dict.fromkeys(ours))


def _id_token(document: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> bool | None:
    """Whether every publishing job may ask for an OIDC token; None when no permissions are written anywhere."""
    answers = []
    for job in jobs:
        permissions = job.get("permissions", document.get("permissions"))
        if permissions is None:
            return None
        answers.append(
            permissions == "write-all" or (isinstance(permissions, dict) and permissions.get("id-token") == "write")
        )
    return all(answers) if answers else None


def _steps(job: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    steps = job.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            yield step


def _publishes(step: Mapping[str, Any]) -> bool:
    uses = str(step.get("uses") or "")
    return uses.startswith(_PUBLISH_ACTIONS) or bool(_PUBLISH.search(str(step.get("run") or "")[:20_000]))


def _environment(job: Mapping[str, Any]) -> str | None:
    value = job.get("environment")
    value = value.get("name") if isinstance(value, dict) else value
    return value if isinstance(value, str) and "${{" not in value else None


def _labels(job: Mapping[str, Any]) -> list[str]:
    value = job.get("runs-on")
    value = value.get("labels") if isinstance(value, dict) else value
    return [str(label) for label in value] if isinstance(value, list) else [str(value)] if value else []


def _named(value: object) -> list[str]:
    return _SECRET.findall(value[:20_000]) if isinstance(value, str) else []
