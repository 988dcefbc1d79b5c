"""Which secrets and variables can carry a registry token to the steps that publish, best first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.registries.npm import publish_commands
from bot.registries.npm.workflow_scope import Scope
from bot.registries.npm.workflow_yaml import Tree, text, texts

# What each tool looks for by itself; NODE_AUTH_TOKEN is what setup-node writes into `.npmrc` with `registry-url`.
_NODE_AUTH_TOKEN = "NODE_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_READ_BY = {
    "semantic-release": ("NPM_TOKEN",),
    "changesets": ("NPM_TOKEN",),
    "yarn-berry": ("YARN_NPM_AUTH_TOKEN",),
    "bun": ("NPM_CONFIG_TOKEN", "BUN_AUTH_TOKEN"),
    "JS-DevTools/npm-publish": ("INPUT_TOKEN",),
}
_KNOWN = (
    _NODE_AUTH_TOKEN,
    "NPM_TOKEN",
    "NPM_AUTH_TOKEN",
    "NPM_PUBLISH_TOKEN",
    "YARN_NPM_AUTH_TOKEN",
    "BUN_AUTH_TOKEN",
    "NPM_CONFIG_TOKEN",
    "NPM_CONFIG__AUTH",
    "NPM_CONFIG__AUTHTOKEN",
)
_LIKE_A_REGISTRY_TOKEN = re.compile(
    r"(?:npm|node|yarn|pnpm|bun|registry|publish).*(?:token|auth|key|pat)|_authtoken|(?:token|auth).*(?:npm|registry)",
    re.IGNORECASE,
)
_OF_SOMETHING_ELSE = re.compile(
    r"(?:^|_)(?:GITHUB|GH|GHCR|GIT|GITLAB|SLACK|DISCORD|TEAMS|SENTRY|CODECOV|TURBO|NX_CLOUD|AWS|GCP|GOOGLE|AZURE|DOCKER"
    r"|DOCKERHUB|SONAR|VERCEL|CLOUDFLARE|CF|NETLIFY|OPENAI|ANTHROPIC|CHROMATIC|PYPI|CARGO|CRATES|VSCE|OVSX|JSR|MAVEN"
    r"|GPG|SSH|SIGN|SIGNING|DATABASE|SNYK|LINEAR|JIRA|ALGOLIA|CACHIX|POSTHOG|BOT|APP)(?:_|$)",
    re.IGNORECASE,
)
_LIKE_A_CREDENTIAL = re.compile(r"token|auth|secret|pat$|key$", re.IGNORECASE)
_CONFIGURES = re.compile(r"_authToken|_auth\b|:_password|npmAuthToken|npmAuthIdent", re.IGNORECASE)
_OTHER_REGISTRY = re.compile(r"npm\.pkg\.github\.com|gitlab|jfrog|artifactory|pkgs\.dev\.azure|nexus", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?(?:env:)?([A-Za-z_]\w*)|\$\{\{env\.([A-Za-z_]\w*)|%([A-Za-z_]\w*)%", re.IGNORECASE)
_PLAIN_VARIABLE = re.compile(r"\$\{\{\s*vars\.([A-Za-z_]\w{0,200})\s*\}\}")
_TOKEN_INPUT = re.compile(r"^(?:npm|node|registry|publish)?[-_]?(?:auth[-_]?)?token$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """`secrets`: names, best first; `variables`: names of environment variables that reach the publishing steps;
    `plain`: names of GitHub's variables (`vars`) that stand where a secret would."""

    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A step that publishes, with what is set around it. `outer`: without the step's own `env`; `inner`: with it;
    `before`: the steps of its job up to and with itself; `registry_url`: setup-node was given one."""

    step: dict[str, Tree]
    outer: Scope
    inner: Scope
    before: Sequence[dict[str, Tree]]
    tools: tuple[str, ...] = ()
    registry_url: bool = False


def credentials_of(places: Iterable[Place], *, id_token: bool | None) -> Credentials:
    """Of all steps that publish in a job. `id_token`: such a job needs no secret, so odd ones are not taken for one."""
    ranked: list[tuple[int, str]] = []
    variables: list[str] = []
    plain: list[str] = []
    for place in places:
        found = _Finding(place)
        ranked += found.ranked
        variables += found.variables
        plain += found.plain
    if not ranked and not variables and not id_token:
        ranked = [(9, name) for place in places for name in _odd_ones(place)]
    ranked.sort(key=lambda pair: pair[0])
    secrets = tuple(dict.fromkeys(name for _, name in ranked))
    return Credentials(secrets, tuple(dict.fromkeys(variables)), tuple(dict.fromkeys(plain)))


class _Finding:
    """What one publishing step can read, ranked: 0 is nearest to the registry."""

    def __init__(self, place: Place) -> None:
        self.ranked: list[tuple[int, str]] = []
        self.variables: list[str] = []
        self.plain: list[str] = []
        self._place = place
        self._env, own = _environment(place)
        configured = [(step, line) for step in place.before for line in _configuring_lines(step)]
        said = [name for _, line in configured if not _OTHER_REGISTRY.search(line) for name in _variables(line)]
        expected = [*said, *(variable for tool in place.tools for variable in _READ_BY.get(tool, ()))]
        expected += [_NODE_AUTH_TOKEN] if place.registry_url else []
        self._inputs()
        for step, line in configured:
            rank = 5 if _OTHER_REGISTRY.search(line) else 1
            self._add(rank, line)
            there = {**place.outer.env} | texts(step.get("env"))  # the shell of that step may write the value itself
            for name in _variables(line):
                self._add(rank, there.get(name, ""))
        for variable in dict.fromkeys((*expected, *_KNOWN, *self._env)):
            self._variable(variable, 1 if variable in expected else 2 if variable in own else 3)
        for step in place.before:
            for name, value in texts(step.get("with")).items():
                if step is not place.step and _LIKE_A_REGISTRY_TOKEN.search(name):
                    self._add(6, value)

    def _inputs(self) -> None:
        """The inputs of an action that publishes."""
        if text(self._place.step.get("uses")) is None:
            return
        for name, value in texts(self._place.step.get("with")).items():
            if _TOKEN_INPUT.search(name) and "changesets" not in self._place.tools:
                self._add(0, value)

    def _variable(self, variable: str, rank: int) -> None:
        value = self._env.get(variable, "")
        if not value.strip() or not (rank == 1 or variable.upper() in _KNOWN or _odd_variable(variable)):
            return
        self.variables.append(variable)
        self.plain += _PLAIN_VARIABLE.findall(value)
        self._add(rank if rank == 1 or variable.upper() in _KNOWN else 4, value)

    def _add(self, rank: int, value: str) -> None:
        self.ranked += [(rank, name) for name in self._place.inner.secrets(value)]


def handed_over(secrets: dict[str, str], scope: Scope) -> tuple[str, ...]:
    """Which of the secrets that a job hands to a workflow nobody could read is the registry's, by their names."""
    found = [(name, own) for name, value in secrets.items() for own in scope.secrets(value)]
    likely = [own for name, own in found if _odd_variable(name) or _odd_variable(own) or "NPM" in own.upper()]
    if not likely:
        likely = [own for name, own in found if _TOKEN_INPUT.search(name) and not _OF_SOMETHING_ELSE.search(own)]
    return tuple(dict.fromkeys(likely))


def _odd_variable(variable: str) -> bool:
    ours = "NPM" in variable.upper() or not _OF_SOMETHING_ELSE.search(variable)
    return ours and bool(_LIKE_A_REGISTRY_TOKEN.search(variable))


def _environment(place: Place) -> tuple[dict[str, str], set[str]]:
    """Every variable that the step has, and which of them its own block or script sets."""
    env = dict(place.outer.env)
    for step in place.before[:-1]:
        env |= publish_commands.exported(text(step.get("run")) or "")
    own = texts(place.step.get("env")) | publish_commands.assignments(text(place.step.get("run")) or "")
    return env | own, set(own)


def _configuring_lines(step: dict[str, Tree]) -> list[str]:
    lines = publish_commands.script_lines(text(step.get("run")) or "")
    return [line for line in lines if _CONFIGURES.search(line)]


def _variables(line: str) -> list[str]:
    return [next(filter(None, found)) for found in _VARIABLE.findall(line)]


def _odd_ones(place: Place) -> list[str]:
    """Secrets of the publishing step itself that could be a token by another name."""
    values = [*texts(place.step.get("env")).items(), *texts(place.step.get("with")).items()]
    values.append(("", text(place.step.get("run")) or ""))
    return [
        name
        for variable, value in values
        for name in place.inner.secrets(value)
        if _LIKE_A_CREDENTIAL.search(f"{variable} {name}")
        and not _OF_SOMETHING_ELSE.search(name)
        and not _OF_SOMETHING_ELSE.search(variable)
    ]
