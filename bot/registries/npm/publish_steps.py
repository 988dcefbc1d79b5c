"""Which steps of a job publish to npm, and what is set up before them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from bot.registries.npm import publish_commands
from bot.registries.npm.publish_commands import Commands, read_script
from bot.registries.npm.publish_credentials import Credentials, Place, credentials_of
from bot.registries.npm.workflow_scope import Scope
from bot.registries.npm.workflow_yaml import Tree, text, texts, yes

MOST_STEPS = 300
MOST_PUBLISHING = 20
_SEMANTIC_RELEASE = re.compile(r"semantic-release(?!-info|-export)", re.IGNORECASE)
_PUBLISH_ACTION = re.compile(r"npm-publish|publish-npm|publish-to-npm|npm-release|publish-package", re.IGNORECASE)
_RELEASE_NAME = re.compile(r"publish|release", re.IGNORECASE)
# Inputs that hold a script: retry actions, containers, changesets' `publish`.
_SCRIPT_INPUTS = ("publish", "command", "run", "script", "cmd")


class Publishing(IntEnum):
    """SURELY: a publish command or action; LIKELY: a script or file of that name; MAYBE: a registry token or the
    job's name is all that says so."""

    NO = 0
    MAYBE = 1
    LIKELY = 2
    SURELY = 3


@dataclass(frozen=True, slots=True)
class StepsOfJob:
    """Fields as in PublishingJob."""

    publishing: Publishing = Publishing.NO
    credentials: Credentials = field(default_factory=Credentials)
    registry_url: str | None = None
    node: str | None = None
    npm: str | None = None
    stages: bool = False
    publishes: bool = True
    provenance: bool = False
    tools: tuple[str, ...] = ()
    continues: bool = False
    install_secrets: tuple[str, ...] | None = None


def read_steps(steps: Sequence[dict[str, Tree]], scope: Scope, job_name: str, *, id_token: bool | None) -> StepsOfJob:
    """`scope`: what is set at the job's level; `job_name`: key and `name:` of the job."""
    steps = steps[:MOST_STEPS]
    read = [(step, _commands(step)) for step in steps]
    at = [place for place, (_, commands) in enumerate(read) if commands.publishes or commands.stages]
    publishing = Publishing.SURELY
    if not at:
        at = [place for place, (step, commands) in enumerate(read) if commands.may_publish or _named_so(step)]
        publishing = Publishing.LIKELY
    if not at:
        at = list(range(len(steps)))
        publishing = Publishing.MAYBE
    at = at[-MOST_PUBLISHING:]
    if not at:
        return StepsOfJob()
    set_up = _SetUp.read(steps[: at[-1] + 1], scope)
    places = [_place(steps, place, scope, read[place][1].tools, set_up) for place in at]
    credentials = credentials_of(places, id_token=id_token)
    named_so = _RELEASE_NAME.search(job_name) and credentials.secrets
    if publishing is Publishing.MAYBE and not credentials.variables and not named_so:
        publishing = Publishing.NO
    whole = Commands()
    for place in at:
        whole |= read[place][1]
    installing = [n for n, step in enumerate(steps) if publish_commands.installs(text(step.get("run")) or "")]
    install_places = [_place(steps, n, scope, (), set_up) for n in installing[:MOST_PUBLISHING]]
    return StepsOfJob(
        install_secrets=credentials_of(install_places, id_token=True).secrets if install_places else None,
        publishing=publishing,
        credentials=credentials,
        registry_url=set_up.registry_url or scope.literal(whole.registry),
        node=set_up.node,
        npm=_version(_npm(commands for _, commands in read[: at[-1] + 1]), places[-1].inner),
        stages=whole.stages,
        publishes=whole.publishes or not whole.stages,
        provenance=whole.provenance or any(_wants_provenance(place) for place in places),
        tools=whole.tools,
        continues=any(yes(steps[place].get("continue-on-error")) for place in at),
    )


def _commands(step: dict[str, Tree]) -> Commands:
    script, uses = text(step.get("run")), text(step.get("uses"))
    if script is not None:
        return read_script(script)
    return _action(uses, texts(step.get("with"))) if uses else Commands()


def _action(uses: str, inputs: dict[str, str]) -> Commands:
    name = uses.partition("@")[0]
    scripts = Commands()
    for key in _SCRIPT_INPUTS:
        scripts |= read_script(inputs.get(key, ""))
    if name.lower().endswith("changesets/action") or "changesets-action" in name.lower():
        # Without `publish` it only opens the pull request that raises versions.
        return replace(scripts, publishes=bool(inputs.get("publish", "").strip()), tools=("changesets", *scripts.tools))
    if any(inputs.get(key, "").strip().lower() == "true" for key in ("dry-run", "dry_run")):
        return Commands()
    provenance = inputs.get("provenance", "").strip().lower() == "true"
    if _SEMANTIC_RELEASE.search(name):
        return Commands(publishes=True, tools=("semantic-release",))
    if _PUBLISH_ACTION.search(name):
        tool = "JS-DevTools/npm-publish" if name.lower().startswith("js-devtools/") else "npm"
        return Commands(publishes=True, tools=(tool,), provenance=provenance, registry=inputs.get("registry"))
    return scripts


def _named_so(step: dict[str, Tree]) -> bool:
    """A composite action of the repository that is called publish or release."""
    uses = text(step.get("uses")) or ""
    return uses.startswith("./") and bool(_RELEASE_NAME.search(f"{uses} {text(step.get('name')) or ''}"))


def _place(steps: Sequence[dict[str, Tree]], at: int, scope: Scope, tools: tuple[str, ...], set_up: _SetUp) -> Place:
    step = steps[at]
    return Place(
        step=step,
        outer=scope,
        inner=scope.with_env(step.get("env")),
        before=steps[: at + 1],
        tools=tools,
        registry_url=set_up.registry_url is not None,
    )


def _wants_provenance(place: Place) -> bool:
    return any(
        name.lower() == "npm_config_provenance" and value.strip().lower() == "true"
        for name, value in place.inner.env.items()
    )


def _npm(commands: Iterable[Commands]) -> str | None:
    versions = [said.npm for said in commands if said.npm]
    return versions[-1] if versions else None


def _version(written: str | None, scope: Scope) -> str | None:
    """As written, with a shell variable or an expression looked up; None when that is not possible."""
    if written is None:
        return None
    variable = re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", written)
    said = scope.literal(scope.env.get(variable[1]) if variable else written)
    return said if said and re.fullmatch(r"[\w.^~<>=*|\-]{1,40}", said) else None


@dataclass(frozen=True, slots=True)
class _SetUp:
    """What actions/setup-node was told, the last one first. `registry_url` is empty text when it cannot be told."""

    node: str | None = None
    registry_url: str | None = None

    @classmethod
    def read(cls, steps: Sequence[dict[str, Tree]], scope: Scope) -> _SetUp:
        found = cls()
        for step in steps:
            action = (text(step.get("uses")) or "").partition("@")[0].lower()
            if not action.endswith("/setup-node") and action != "volta-cli/action":
                continue
            inputs = texts(step.get("with"))
            url = inputs.get("registry-url")
            found = cls(
                node=scope.literal(inputs.get("node-version")) or None,
                registry_url=found.registry_url if url is None else scope.literal(url) or url,
            )
        return found
