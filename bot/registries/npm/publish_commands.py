"""What the commands of a workflow step do to npm: publish, stage, install a version of npm, write a credential. Pure.

A script is read word by word, as a shell would cut it, without being one: what cannot be told counts as nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.registries.npm.workflow_scope import without_spaces

# The names are those a diagnosis gives to tools.
_CLIENTS = {"npm": "npm", "pnpm": "pnpm", "yarn": "yarn1", "yarnpkg": "yarn1", "bun": "bun", "vlt": "npm"}
_RUNNERS = frozenset({"npx", "pnpx", "bunx"})
_RUN_A_BINARY = frozenset({"exec", "dlx", "x"})
_RUN_A_SCRIPT = frozenset({"run", "run-script", "rum", "urn", "task"})
_BEFORE = frozenset({"sudo", "time", "exec", "command", "env", "then", "do", "else", "if", "!", "(", "{", "cross-env"})
# Of pnpm, yarn and bun; any other first word is a binary or a script.
_OWN_COMMANDS = frozenset(
    {"install", "i", "ci", "add", "update", "upgrade", "up", "remove", "rm", "uninstall", "view", "info", "config"}
    | {"set", "get", "pack", "version", "whoami", "login", "logout", "audit", "ls", "list", "outdated", "link", "init"}
    | {"create", "test", "build", "rebuild", "store", "import", "fetch", "prune", "why", "dedupe", "licenses", "patch"}
)
_SCRIPTS = frozenset({"node", "bash", "sh", "zsh", "pwsh", "make", "just", "tsx", "zx", "ts-node", "deno", "turbo"})
_RELEASE_WORD = re.compile(r"(?:^|[/:_.\-])(?:publish|release|shipit)(?:[/:_.\-]|$)", re.IGNORECASE)
_NOT_A_RELEASE = re.compile(r"notes|dry|check|test|lint|changelog|preview|verify|validate|prepare|build", re.IGNORECASE)
_SPLIT = re.compile(r"&&|\|\||[;|\n]")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_WITH_VALUE = frozenset({"--filter", "-F", "-C", "--dir", "--prefix", "-w", "--workspace", "--cwd", "--registry"})
_NPM_VERSION = re.compile(r"npm(?:@(.*))?")
_INSTALL = re.compile(
    r"(?:(?:corepack|sudo|time|cd \S+)\s+)?(?:(?:npm|pnpm|bun)\s+(?:-\S+\s+)*(?:ci|clean-install|install|i)\b"
    r"|yarn(?:\s+(?:-\S+\s*)*(?:install\b.*)?)?$)"
)
_TO_GITHUB_ENV = re.compile(r">>\s*[\"']?(?:\$\{?GITHUB_ENV|\$\{\{github\.env|\$env:GITHUB_ENV)", re.IGNORECASE)
_LINE_ASSIGNMENT = re.compile(r"(?:^|[\s\"'])(?:export\s+|\$env:)?([A-Za-z_]\w*)\s?=\s?([^\s\"';]*|\"[^\"]*\"|'[^']*')")


@dataclass(frozen=True, slots=True)
class Commands:
    """What the commands of a script say.

    `publishes`/`stages`: a publish command stands there; `may_publish`: a script or file is run whose name says
    release; `npm`: the version of npm that is installed or called, as written.
    """

    publishes: bool = False
    stages: bool = False
    may_publish: bool = False
    tools: tuple[str, ...] = ()
    provenance: bool = False
    npm: str | None = None
    registry: str | None = None

    def __or__(self, other: Commands) -> Commands:
        return Commands(
            self.publishes or other.publishes,
            self.stages or other.stages,
            self.may_publish or other.may_publish,
            tuple(dict.fromkeys(self.tools + other.tools)),
            self.provenance or other.provenance,
            other.npm or self.npm,
            other.registry or self.registry,
        )


def read_script(script: str) -> Commands:
    """What a `run:` script does."""
    whole = Commands()
    for command in _commands(script):
        whole |= _read(command)
    return whole


def installs(script: str) -> bool:
    """Whether a script installs the project's dependencies."""
    return any(_INSTALL.match(" ".join(words)) for words in _commands(script))


def assignments(script: str) -> dict[str, str]:
    """Variables that a script gives to its own commands: `A=b npm publish`, `export A=b`."""
    found: dict[str, str] = {}
    for line in script_lines(script):
        if not _TO_GITHUB_ENV.search(line):
            found |= _assigned(line)
    return found


def exported(script: str) -> dict[str, str]:
    """Variables that a script leaves to later steps through GITHUB_ENV."""
    found: dict[str, str] = {}
    for line in script_lines(script):
        if _TO_GITHUB_ENV.search(line):
            found |= _assigned(line)
    return found


def _assigned(line: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in _LINE_ASSIGNMENT.findall(line)}


def script_lines(script: str) -> list[str]:
    """The lines of a script without comments, continued ones joined, expressions as one word."""
    joined = re.sub(r"[\\`]\r?\n\s*", " ", without_spaces(script))
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _commands(script: str) -> list[list[str]]:
    pieces = [piece for line in script_lines(script) for piece in _SPLIT.split(line)]
    return [words for piece in pieces if (words := re.sub(r"[\"'()]", " ", piece).split())]


def _read(words: list[str]) -> Commands:
    words = list(words)
    said = Commands()
    while words:
        assigned = _ASSIGNMENT.fullmatch(words[0])
        if assigned and assigned[1].lower() == "npm_config_provenance" and assigned[2].lower() == "true":
            said = replace(said, provenance=True)
        elif not assigned and words[0] not in _BEFORE:
            break
        del words[0]
    return said | _run(words)


def _run(words: list[str]) -> Commands:
    """Looks through the programs that only run another one."""
    said = Commands()
    for _ in range(6):
        if not words:
            return said
        program, _, version = _program(words[0])
        if program == "npm" and version:
            said |= Commands(npm=version)
        rest = _without_flags(words[1:])
        if program in _RUNNERS or program == "corepack":
            if program == "corepack" and rest[:1] and rest[0] in ("prepare", "install", "use"):
                return said | _installed(rest[1:])
            words = _from(words[1:], rest)
        elif program in _CLIENTS and rest[:1] and rest[0] in _RUN_A_BINARY:
            words = _from(_from(words[1:], rest)[1:], _without_flags(_from(words[1:], rest)[1:]))
        elif program == "volta" and rest[:1] == ["install"]:
            return said | _installed(rest[1:])
        elif program in _CLIENTS:
            return said | _client(program, words[1:], rest)
        else:
            return said | _tool(program, words, rest)
    return said


def _client(program: str, arguments: list[str], rest: list[str]) -> Commands:
    tool = _CLIENTS[program]
    first = rest[0] if rest else ""
    if program == "npm" and first in ("install", "i", "add", "update", "upgrade", "up"):
        everywhere = {"-g", "--global", "--location=global"} & set(arguments)
        return _installed(rest[1:]) if everywhere else Commands()
    if first in _RUN_A_SCRIPT:
        return _script(tool, rest[1:])
    if first in ("workspaces", "workspace") and "publish" in rest:  # `yarn workspaces foreach -A npm publish`
        return _publish("yarn-berry" if "npm" in rest else tool, arguments)
    if first in ("recursive", "multi", "m") and program == "pnpm":
        rest = rest[1:]
        first = rest[0] if rest else ""
    if program == "yarn" and first == "npm":
        tool, rest = "yarn-berry", rest[1:]
        first = rest[0] if rest else ""
    if first == "stage" and rest[1:2] == ["publish"]:
        return _publish(tool, arguments, stages=True)
    if first == "publish":
        return _publish(tool, arguments)
    if program == "npm" or first in _OWN_COMMANDS:
        return Commands()
    # pnpm, yarn and bun run binaries and scripts without saying so.
    name = _program(first)[0] if first else ""
    found = _tool(name, rest, rest[1:]) if name in _BINARIES else Commands()
    return found if found != Commands() or name in _BINARIES else _script(tool, rest)


_BINARIES = frozenset(
    {"changeset", "changesets", "lerna", "lerna-lite", "semantic-release", "multi-semantic-release", "release-it"}
    | {"np", "nx", "rush", "beachball", "auto", "turbo", "clean-publish"}
)


def _tool(program: str, words: list[str], rest: list[str]) -> Commands:
    first = rest[0] if rest else ""
    if program in ("changeset", "changesets", "cli") and first == "publish" and "pkg-pr-new" not in words:
        return _publish("changesets", words)
    if program in ("lerna", "lerna-lite") and first == "publish":
        return _publish("lerna", words)
    if program in ("semantic-release", "multi-semantic-release"):
        return _publish("semantic-release", words)
    if program in ("release-it", "np"):
        return _publish(program, words)
    if program == "nx" and (first == "release" or "nx-release-publish" in " ".join(words)):
        skips = "--skip-publish" in words or rest[1:2] in (["version"], ["changelog"], ["plan"], ["plan:check"])
        return Commands() if skips else _publish("nx", words)
    if program in ("rush", "install-run-rush.js", "beachball", "clean-publish") and (
        first == "publish" or program == "clean-publish"
    ):
        return _publish({"install-run-rush.js": "rush", "clean-publish": "npm"}.get(program, program), words)
    if program == "auto" and first in ("shipit", "release"):
        return _publish("auto", words)
    if program == "node" and first.endswith("install-run-rush.js") and "publish" in rest:
        return _publish("rush", words)
    if program in _SCRIPTS or program in ("nx", "lerna") or words[0].startswith("./") or words[0].endswith(".sh"):
        return _script(None, words if words[0].startswith("./") or words[0].endswith(".sh") else rest)
    return Commands()


def _publish(tool: str, words: list[str], *, stages: bool = False) -> Commands:
    if any(word in ("--dry-run", "--dry-run=true", "--dry", "-d") for word in words):
        return Commands()
    return Commands(
        publishes=not stages,
        stages=stages,
        tools=(tool,),
        provenance="--provenance" in words or "--provenance=true" in words,
        registry=_flag("--registry", words),
    )


def _script(tool: str | None, rest: list[str]) -> Commands:
    """A script by its name alone: `release`, `ci:publish`, `scripts/publish.mjs`."""
    named = [word for word in rest[:3] if _RELEASE_WORD.search(word)]
    if not named or _NOT_A_RELEASE.search(named[0]) or "--dry-run" in rest:
        return Commands()
    return Commands(may_publish=True, tools=(tool,) if tool else ())


def _installed(packages: list[str]) -> Commands:
    for package in packages:
        if found := _NPM_VERSION.fullmatch(package):
            return Commands(npm=found[1] or "latest")
    return Commands()


def _program(word: str) -> tuple[str, str, str]:
    """(name, "@", version) of `npm@11`, `@changesets/cli@2`, `./node_modules/.bin/lerna`."""
    name, at, version = word.rpartition("@") if "@" in word[1:] else (word, "", "")
    return name.rpartition("/")[2], at, version


def _without_flags(words: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _WITH_VALUE or (word in ("-p", "--package") and not kept):
            skip = True
        elif not word.startswith("-"):
            kept.append(word)
    return kept


def _from(words: list[str], rest: list[str]) -> list[str]:
    """The words from the first that is no flag on, later flags included."""
    return words[words.index(rest[0]) :] if rest else []


def _flag(name: str, words: list[str]) -> str | None:
    for place, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2] or None
        if word == name and place + 1 < len(words):
            return words[place + 1]
    return None
