"""Which tool published, and which version of its client. Pure."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import re2

from bot.diagnosis.job_log import Line

if TYPE_CHECKING:
    from bot.diagnosis.rulebook import Match

# Wrapping tools first: changesets runs npm, not the other way round.
TOOLS: tuple[tuple[str, str, str], ...] = (
    # tool, its command, its output
    ("changesets", r"\bchangesets?(?:/action| +publish|\b)", r"^🦋"),
    ("semantic-release", r"\b(?:multi-)?semantic-release\b", r"\[semantic-release\]"),
    ("lerna", r"\blerna(?:-lite)?\b", r"^lerna (?:info|notice|ERR!|WARN|success|http)"),
    ("nx", r"\bnx +(?:run\b.*)?release|nx-release-publish", r"nx-release-publish|^ ?NX  "),
    ("release-it", r"\brelease-it\b", r"git\.io/release-it|^🚀 Let's release"),
    ("np", r"(?:^|\s)(?:npx|pnpm dlx|pnpm exec|yarn) +np\b|^np\b", r"Publish a new version of|❯ Prerequisite check"),
    ("lage", r"\blage\b", r"^(?:info|verb|ERR!) \S+ \S+ (?:\||▶️|❌)"),
    ("beachball", r"\bbeachball\b", r"beachball (?:publish|bump)|^Bumping versions and publishing to npm"),
    ("auto", r"\bauto +(?:shipit|release|latest)\b", r"^●  info "),
    ("rush", r"\brush(?:-publish|\.js)? +publish", r"^Rush Multi-Project"),
    ("JS-DevTools/npm-publish", r"JS-DevTools/npm-publish", r"JS-DevTools/npm-publish"),
    ("gh-action-pypi-publish", r"gh-action-pypi-publish", r"^Trusted publishing exchange failure"),
    ("crates-io-auth-action", r"crates-io-auth-action", r"crates-io-auth-action"),
    ("twine", r"\btwine +upload", r"^Uploading distributions to"),
    ("uv", r"\buv +publish", r"^Publishing \d+ files?"),
    ("poetry", r"\bpoetry +publish", r"^Publishing \S+ \(\S+\) to PyPI"),
    ("pdm", r"\bpdm +publish", r"^\[Pdm\w*Error\]"),
    ("goreleaser", r"\bgoreleaser\b", r"^• (?:docker images|publishing|releasing)"),
    ("hatch", r"\bhatch +publish", r"^Error uploading to repository: "),
    ("flit", r"\bflit +publish", r"I-flit\.upload"),
    (
        "maturin",
        r"\bmaturin(?:-action)?\b[^\n]*\b(?:publish|upload)\b",
        r"^💥 maturin failed|^🚀 Uploading \d+ package",
    ),
    ("release-plz", r"\brelease-plz\b", r"\brelease-plz\b"),
    ("cargo-release", r"\bcargo[ \-]release\b", r"^ *Upgrading \S+ from \d\S* to \d"),
    (
        "cargo",
        r"\bcargo(?: +[+\-]\S+)* +publish\b",
        r"registry at https?://crates\.io|registry `crates-io`|crates\.io index",
    ),
    ("release-gem", r"\brelease-gem\b|configure-rubygems-credentials", r"rubygems/release-gem@"),
    ("gem", r"\bgem +push|\brake\b[^\n]*\brelease\b", r"^Pushing (?:gem|\S+\.gem) to"),
    ("NuGet/login", r"\bNuGet/login\b", r"^Token exchange failed"),
    ("dotnet", r"\bdotnet +nuget +push", r"Pushing \S+\.s?nupkg"),
    ("nuget", r"(?:^|[\s&/\\])nuget(?:\.exe)? +push", r"^NuGet Version: "),
    ("maven", r"\bmvnw?\b.*\b(?:deploy|release:\w+)", r"maven-deploy-plugin|central-publishing-maven-plugin"),
    ("sbt", r"\bsbt\b.*(?:[pP]ublish|[rR]elease|sonatype)", r"^\[info\] published "),
    ("jreleaser", r"\bjreleaser\w*", r"JReleaser (?:failed|succeeded)"),
    ("jib", r"\bjib:?(?:build)?\b", r"jib-maven-plugin|^Containerizing application to"),
    ("gradle", r"\bgradlew?\b.*[pP]ublish", r"PublicationTo\w+Repository"),
    ("podman", r"\bpodman +(?:push|login|manifest +push)", r"^podman version"),
    ("buildah", r"\bbuildah +(?:push|login)", r"^buildah version"),
    ("skopeo", r"\bskopeo +(?:copy|login|sync)", r"^skopeo version"),
    ("crane", r"\bcrane +(?:push|copy|auth)", r"^crane version"),
    ("kaniko", r"\bkaniko/executor\b", r"^error checking push permissions"),
    ("ko", r"\bko +(?:build|publish|apply|resolve)\b", r"error publishing ko://"),
    ("oras", r"\boras +(?:push|copy|attach|login)", r"^Error response from registry: "),
    ("helm", r"\bhelm +(?:push|registry +login)", r"^version\.BuildInfo"),
    (
        "docker",
        (
            r"\b(?:docker|nerdctl) +(?:image +)?(?:push|login)|--push|imagetools +create"
            r"|\bdocker +manifest +push|build-push-action|bake-action|docker/login-action"
        ),
        r"^The push refers to repository|^pushing layers",
    ),
    ("mix", r"\bmix +hex\.publish", r"^Publishing package to \w+ repository hexpm"),
    ("pod", r"\bpod +trunk +push", r"^Updating spec repo `trunk`"),
    ("dart", r"\b(?:dart|flutter) +pub +publish", r"^Publishing \S+ \S+ to https?://pub\.dev"),
    ("anaconda", r"\banaconda\b[^\n]*\bupload\b", r"^Using Anaconda API: "),
    ("electron-builder", r"\belectron-builder\b[^\n]*(?:--publish|-p)\b", r"electron-builder +version="),
    ("vsce", r"\bvsce +publish", r"Executing prepublish script 'npm run vscode:"),
    ("ovsx", r"\bovsx +publish", r"^🚀 +Published \S+ v\d"),
    ("deno", r"\bdeno +publish", r"^Successfully published @\S+ to https://jsr"),
    ("jsr", r"\bjsr +publish", r"^Checking for slow types"),
    ("pnpm", r"\bpnpm\b.*\b(?:publish|stage|whoami)\b", r"^📦 .+ →|ERR_PNPM|^pnpm: "),
    (
        "bun",
        r"\bbun(?:x)?\b.*\b(?:publish|whoami)\b",
        r"^bun (?:publish|install) v|bunx npm login|^error: failed to authenticate with registry|^[45]\d\d [A-Z][\w ]+: https?://",
    ),
    ("yarn-berry", r"\byarn +(?:workspaces? .*)?npm +(?:publish|whoami)", r"YN00\d\d: "),
    ("yarn1", r"\byarn +publish", r"^yarn (?:publish|install) v1"),
    (
        "npm",
        r"\bnpm\b.*\b(?:publish|stage|whoami|access|owner|unpublish|deprecate|dist-tag|token|trust)\b",
        r"npm (?:ERR!|error|notice)",
    ),
)
_COMPILED = tuple((name, re2.compile(command), re2.compile(output)) for name, command, output in TOOLS)
_CLIENT_VERSIONS = (
    ("npm", r"npm info using npm@(\d+\.\d+\.\d+)"),
    ("npm", r"^npm(?: --version| version)?:? v?(\d+\.\d+\.\d+)\b"),
    ("npm", r"^npm verbose? cli .*\bnpm@(\d+\.\d+\.\d+)"),
    ("npm", r"New (?:major|minor|patch) version of npm available! (\d+\.\d+\.\d+) ->"),
    ("npm", r"/npm@(\d+\.\d+\.\d+)/node_modules/npm/"),
    ("pnpm", r"node_modules/\.pnpm/pnpm@(\d+\.\d+\.\d+)|\busing pnpm v(\d+\.\d+\.\d+)|^\s*pnpm:? v?(\d+\.\d+\.\d+)"),
    ("bun", r"^bun (?:publish|install|pm)? ?v(\d+\.\d+\.\d+)"),
    ("yarn", r"^yarn (?:publish|install|run) v(\d+\.\d+\.\d+)|· Yarn (\d+\.\d+\.\d+)"),
    ("lerna", r"lerna notice cli v(\d+\.\d+\.\d+)"),
    ("cargo", r"^cargo (\d+\.\d+\.\d+)"),
    ("twine", r"^twine version (\d+\.\d+\.\d+)"),
)
VERSION_PATTERNS = tuple(pattern for _, pattern in _CLIENT_VERSIONS)
_VERSIONS = tuple((client, re2.compile(pattern)) for client, pattern in _CLIENT_VERSIONS)
_CLIENT_OF = {"pnpm": "pnpm", "bun": "bun", "yarn1": "yarn", "yarn-berry": "yarn", "cargo": "cargo", "twine": "twine"}
NPM_CLIENTS = frozenset({"npm", "pnpm", "bun", "yarn1", "yarn-berry", "lerna", "changesets", "semantic-release", "nx"})
OIDC_SINCE = (11, 5, 1)  # npm with trusted publishing
_TURBO = re2.compile(r"^(?:@[\w.\-]+/)?[\w.\-]+:[\w.\-]+: npm ")
_ASKS_NPM = re2.compile(r"\bnpm +(?:--version|-v)\b")
LINES_OF_VERSIONS = 3  # in which the answer stands, when other versions are asked for too
_BARE_VERSION = re2.compile(r"^(\d+\.\d+\.\d+)$")


@functools.lru_cache(maxsize=512)
def tools_of(command: str) -> tuple[str, ...]:
    """The tools that a command runs."""
    return tuple(name for name, pattern, _ in _COMPILED if pattern.search(command))


class Tools:
    """Follows who speaks in the log."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._commanded: list[str] = []
        self._versions: dict[str, str] = {}
        self._asked_npm = 0
        self.npm_line: Line | None = None  # that told npm's version
        self.docker_build = False
        self.turborepo = False

    def read_command(self, command: str) -> None:
        """Take in the command of a publish step."""
        self._commanded += [name for name in tools_of(command) if name not in self._commanded]

    @property
    def awaits_version(self) -> bool:
        return self._asked_npm > 0

    def asks_version(self, command: str) -> bool:
        """Whether the command asks npm for its version, which then stands alone on a line."""
        if asked := bool(_ASKS_NPM.search(command)):
            self._asked_npm = LINES_OF_VERSIONS
        return asked

    def read(self, line: Line, found: Match) -> None:
        """Take in a line, with what it matched."""
        shown, text = line.shown, line.text
        self._seen.update(found.tools)
        if "🦋" in shown:
            self._seen.add("changesets")
        elif "[semantic-release]" in shown:
            self._seen.add("semantic-release")
        if "npm --version" in text:
            self._asked_npm = LINES_OF_VERSIONS
        for client, pattern in _VERSIONS if "version" in found.marks else ():
            if match := pattern.search(text):
                self._versions[client] = next(g for g in match.groups() if g)
                if client == "npm":
                    self.npm_line = line
        if self._asked_npm:
            self._asked_npm -= 1
            if bare := _BARE_VERSION.search(text):
                self._versions["npm"] = bare.group(1)
                self.npm_line = line
        if text.startswith("npm ") and _TURBO.search(shown):
            self.turborepo = True
        if text.startswith(("npm error", "npm ERR!", "npm notice")):
            self.docker_build = shown.startswith("#") and shown[1:2].isdigit()

    @property
    def tool(self) -> str | None:
        """The outermost tool that published: by what it printed, else by the command of the step."""
        names = [name for name, _, _ in TOOLS]
        both = [n for n in names if n in self._seen and n in self._commanded]
        wrappers = names[: names.index("pnpm")]
        for candidates in (
            [n for n in both if n in wrappers],
            [n for n in self._commanded if n in wrappers],
            [n for n in names if n in self._seen and n in wrappers],
            both,
            [n for n in names if n in self._commanded],
            [n for n in names if n in self._seen],
        ):
            if candidates:
                found = candidates[0]
                if found == "npm" and self.turborepo:
                    return "turborepo"
                return (
                    "docker-build"
                    if found in ("npm", "docker") and self.docker_build and "npm" in self._seen
                    else found
                )
        return None

    @property
    def npm_version(self) -> tuple[int, ...] | None:
        version = self._versions.get("npm")
        return tuple(int(part) for part in version.split(".")) if version else None

    def client(self) -> str | None:
        """The client that spoke to the registry, with its version: `npm 11.6.2`."""
        name = _CLIENT_OF.get(self.tool or "", "npm")
        version = self._versions.get(name)
        return f"{name} {version}" if version else None
