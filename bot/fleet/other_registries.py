"""Which steps of a workflow publish to registries other than npm's, and which secrets reach them. Pure.

By the commands and actions that each registry's own documentation names. A `--dry-run` publishes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.registries.npm.publish_commands import script_lines
from bot.registries.npm.workflow_scope import Scope
from bot.registries.npm.workflow_yaml import Tree, text, texts

MOST_STEPS = 300


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to publish. `command`: in a line of a script; `action`: name of an action without its version;
    `needs`: inputs of the action that must be true, so that it pushes and does not only build."""

    registry: str
    tool: str
    command: str | None = None
    action: str | None = None
    needs: str | None = None


_WAYS = (
    _Way("pypi", "twine", command=r"\btwine +upload\b", action=r"^pypa/gh-action-pypi-publish$"),
    _Way("pypi", "uv", command=r"\buv +publish\b"),
    _Way("pypi", "poetry", command=r"\bpoetry +publish\b"),
    _Way("pypi", "hatch", command=r"\b(?:hatch|flit|pdm) +publish\b"),
    _Way("pypi", "maturin", command=r"\bmaturin +(?:publish|upload)\b"),
    _Way("crates", "cargo", command=r"\bcargo +(?:\+\S+ +)?(?:publish|release)\b", action=r"release-plz/action$"),
    _Way("rubygems", "gem", command=r"\bgem +push\b|\brake +release\b", action=r"^rubygems/release-gem$"),
    _Way("nuget", "dotnet", command=r"\b(?:dotnet +)?nuget +push\b"),
    _Way("docker", "docker", command=r"\bdocker +(?:image +)?push\b|\bbuildx? +build\b[^\n]*--push\b"),
    _Way("docker", "docker", action=r"^docker/(?:build-push-action|bake-action)$", needs="push"),
    _Way("maven", "mvn", command=r"\bmvnw?\b[^\n]*\b(?:deploy|release:perform)\b"),
    _Way("maven", "gradle", command=r"\bgradlew?\b[^\n]*\bpublish\w*"),
    _Way("other", "vsce", command=r"\bvsce +publish\b|\bovsx +publish\b", action=r"publish-vscode-extension$"),
    _Way("other", "jsr", command=r"\b(?:jsr|deno) +publish\b"),
)
_COMPILED = tuple(
    (way, re.compile(way.command) if way.command else None, re.compile(way.action, re.I) if way.action else None)
    for way in _WAYS
)
_LOGIN = re.compile(r"docker/login-action$|crates-io-auth-action$|setup-java$", re.IGNORECASE)
_GITHUB_REGISTRY = re.compile(r"\bghcr\.io\b|pkg\.github\.com", re.IGNORECASE)
_LIKE_A_CREDENTIAL = re.compile(r"token|auth|secret|pass|key|pat$|login|user", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OtherPublish:
    """A job's publishing to one other registry. `secrets`: that can carry its credential, in the order found."""

    registry: str
    tools: tuple[str, ...]
    secrets: tuple[str, ...]
    variables: tuple[str, ...]


def read_other_registries(
    job: Mapping[str, Tree], workflow: Mapping[str, Tree], scope: Scope
) -> tuple[OtherPublish, ...]:
    """What a job publishes to other registries, one entry each, in order of the steps."""
    raw = job.get("steps")
    steps = [step for step in raw if isinstance(step, dict)][:MOST_STEPS] if isinstance(raw, list) else []
    found: dict[str, dict[str, None]] = {}
    at: dict[str, list[int]] = {}
    for place, step in enumerate(steps):
        for registry, tool in _ways_of(step):
            found.setdefault(registry, {})[tool] = None
            at.setdefault(registry, []).append(place)
    around = scope.with_env(workflow.get("env"), job.get("env"))
    return tuple(
        OtherPublish(registry, tuple(tools), *_credentials(steps, at[registry], around))
        for registry, tools in found.items()
    )


def _ways_of(step: Mapping[str, Tree]) -> Iterator[tuple[str, str]]:
    action = (text(step.get("uses")) or "").partition("@")[0]
    inputs = texts(step.get("with"))
    lines = [line for line in script_lines(text(step.get("run")) or "") if "--dry-run" not in line]
    said = "\n".join((*lines, *inputs.values()))
    for way, command, named in _COMPILED:
        by_action = named is not None and action and named.search(action)
        if by_action and way.needs and inputs.get(way.needs, "").strip().lower() in ("", "false"):
            by_action = None
        if by_action or (command is not None and any(command.search(line) for line in lines)):
            yield (
                "github-packages" if _GITHUB_REGISTRY.search(said) and way.registry != "docker" else way.registry,
                way.tool,
            )


def _credentials(
    steps: Sequence[Mapping[str, Tree]], at: Sequence[int], scope: Scope
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(secrets, variables) of the publishing steps and of the log-ins before them."""
    secrets: dict[str, None] = {}
    variables: dict[str, None] = {}
    for place, step in enumerate(steps[: max(at) + 1]):
        uses = (text(step.get("uses")) or "").partition("@")[0]
        script = text(step.get("run")) or ""
        if place not in at and not _LOGIN.search(uses) and "login" not in script:
            continue
        inner = scope.with_env(step.get("env"))
        values = [*inner.env.items()] if place in at else [*texts(step.get("env")).items()]
        for name, value in (*values, *texts(step.get("with")).items(), ("", script)):
            read = [one for one in inner.secrets(value) if not name or _LIKE_A_CREDENTIAL.search(f"{name} {one}")]
            secrets |= dict.fromkeys(read)
            if read and name and name in inner.env:
                variables[name] = None
    return tuple(secrets), tuple(variables)
