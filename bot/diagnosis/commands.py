"""What a step was for, by its commands: publish, install, build (tests and linters too), text or other. Pure."""

from __future__ import annotations

import functools

import re2

from bot.diagnosis.other_services import is_service
from bot.diagnosis.rule import QUIET, Setting

MOST_READ = 8000  # characters of a script
_SPLIT = re2.compile(r"\s*(?:&&|\|\||;|\n|\|)\s*")
_RUNNER = (
    r"^(?:\w+=\S* +)*(?:sudo +|exec +|command +|time +)*(?:npx +|bunx +|pnpx +|corepack +)?"
    r"(?:(?:npm|pnpm|yarn|bun|deno|vp) +)?(?:(?:exec|dlx|x|run|run-script|task|workspaces? +(?:foreach +)?\S*) +)*"
    r"(?:-{1,2}[\w=@/.\-]+ +)*"
)
_BUILD = re2.compile(
    _RUNNER + r"(?:(?:turbo|nx|lerna)(?: +run| +run-many)?(?: +-\S+)* +)?(?:\S*[:\-/])?"
    r"(?:t|tst|test|tests|vitest|jest|mocha|ava|tap|c8|nyc|playwright|cypress|karma|pytest|tox|nox|rspec"
    r"|coverage|codecov"
    r"|lint|eslint|biome|prettier|format|typecheck|type-check|tsc|tsup|build|compile|bundle|webpack|rollup|vite"
    r"|check|ci:check"
    r"|verify|audit|e2e|unit|ruff|mypy|flake8|clippy"
    r"|commitlint|markdownlint|textlint|cspell|actionlint|zizmor|shellcheck|yamllint|hadolint|stylelint|oxlint"
    r"|knip|publint|attw|size-limit|syncpack|sherif|danger|gitleaks|trufflehog|trivy|snyk|semgrep|pre-commit"
    r"|lint-staged|storybook|chromatic|lhci|typedoc|api-extractor|semantic-pull-request|super-linter)"
    r"(?:[:\-.@][\w:.\-@]*)?(?:\s|$)"
    r"|^(?:cargo (?:\+\S+ )?(?:test|build|check|clippy|fmt|nextest|doc)|go (?:test|build|vet)"
    r"|dotnet (?:test|build|format|pack|publish)\b"
    r"|(?:\S*/)?mvnw?[^\n]* (?:test|verify|package)$|\S*gradlew? (?:test|check|build)\b"
    r"|rake +(?:test|spec)\b|rubocop\b|make (?:test|lint|build|check)"
    r"|(?:node|python3?|tsx|ts-node|bash|sh)(?: +-\S+)* +(?:\S*/)?(?:tests?|specs?|e2e|__tests__|__mocks__|fixtures)/"
    r"|node --test|python -m (?:pytest|build|unittest)|uv run pytest|codecov/|\S*codecov|docker build\b)"
)
_BUILT_AND_PUSHED = re2.compile(
    r"\bdocker\b.* --push\b|build-push-action|PublishContainer|\brattler-build +upload"
    r"|\bbuild\S*(?:and|then)\S*publish\b|\b(?:turbo|lage|nx)\b[^\n]* publish(?:\s|$)"
    r"|\b(?:tox|nox)\b[^\n]*\b(?:publish|release|upload)|\b(?:skaffold|earthly)\b[^\n]* --push\b"
)
# Ruby's bundler, not a script named "bundle".
_BUNDLED = re2.compile(r"^bundle +exec +")
_BUNDLER = re2.compile(r"^bundle(?: +(?:install|config|update|check|lock|package|cache)\b.*| +--.*)?$")
_PUBLISH = re2.compile(
    r"(?:^|[\s/@'\"(])(?:npm|pnpm|yarn|bun|vlt|lerna|lerna-lite|rush|nx|uv|poetry|flit|hatch|maturin|pdm|dagger"
    r"|gem|cargo|jsr|deno|turbo|vsce|ovsx)\b"
    r"[^\n]{0,120}?\b(?:publish|stage|push|release|unpublish|deprecate|dist-tag)\b"
    r"|\b(?:npm|pnpm|yarn)\s+(?:access|owner|team|org|token|trust|whoami|npm whoami|pm whoami)\b"
    r"|\bchangeset(?:s/action|s? +publish|s? +version|\b)|\bsemantic-release\b|\brelease-it\b"
    r"|\bmulti-semantic-release\b|\bauto +shipit\b"
    r"|(?:^|\s)(?:npx +|pnpm +(?:exec|dlx) +)np(?:@\S+)?(?:\s|$)|\bnp +--"
    r"|\b(?:twine|maturin) +upload|gh-action-pypi-publish|\bnpm-publish\b|publish-unit|\brelease-plz\b"
    r"|\bcargo-release\b|crates-io-auth-action"
    r"|release-gem|configure-rubygems-credentials"
    r"|\brake\b[^\n]*\brelease\b|\bnuget(?:\.exe)? +push|NuGet/login"
    r"|\b(?:docker|podman|buildah|nerdctl|helm|oras) +(?:image +|manifest +)?push"
    r"|\bkaniko/executor\b|docker/bake-action|\bimagetools +create\b|\bjib:build\b|\b(?:skopeo|crane) +(?:copy|push)"
    r"|\bdocker\b[^\n]* --push\b|build-push-action"
    r"|\bko +(?:build|publish|apply|resolve)\b|docker/login-action"
    r"|\bdocker +login|\bmvnw?\b[^\n]*(?:\bdeploy\b|\brelease:p)"
    r"|PublishContainer|\bearthly\b[^\n]*(?: --push\b| \+\S*(?:publish|release))|\bclj(?:ure)?\b[^\n]*\bdeploy\b"
    r"|\b(?:stack|pixi|rattler-build|charmcraft|devpi|fez|cr) +upload\b|\bcpan-upload\b|\bsetup\.py\b[^\n]* upload\b"
    r"|\b(?:fury|cloudsmith|package_cloud) +push\b|\bhelm +cm-push|\b(?:jf|jfrog) +rt +(?:u|upload)\b"
    r"|\bdocker(?: |-)compose +push|\bskaffold\b[^\n]* --push\b|\bpack +build\b[^\n]*--publish|\bgradlew? [^\n]*\bjib\b"
    r"|\bnix +run\b[^\n]*#\S*(?:publish|release)|\bclean-publish\b|^np$"
    r"|^(?:tox|nox)\b[^\n]*\b(?:publish|release|upload)"
    r"|\bdput +|\bcopr-cli +build|\bweb-ext +sign"
    r"|\bsbt\b[^\n]*(?:publish|Release\b)|\bjreleaser\w*|\bgradlew?\b[^\n]*\b\w*[pP]ublish\w*"
    r"|\bgoreleaser\b|\bmix +hex\.publish|\bpod +trunk +push|\b(?:dart|flutter) +pub +publish"
    r"|\banaconda\b[^\n]*\bupload\b|\b(?:conan|luarocks|cabal) +upload|\bansible-galaxy +collection +publish"
    r"|\bchoco +push\b|\bPublish-(?:Module|PSResource|Script)\b|\bbuf +push\b|\bpackage-registry +publish\b"
    r"|\bsnapcraft +(?:upload|push|release)|\blein +deploy|\belectron-builder\b[^\n]*(?:--publish|-p)\b"
    r"|(?:^|[\s/:])(?:release|publish|ci-publish|ci-release|deploy-npm|publish-packages"
    r"|release-packages)(?:[:\-.][\w:\-]+)*(?:\.(?:sh|js|mjs|cjs|ts|py))?(?:\s|$)"
)
_NOT_PUBLISH = re2.compile(
    r"^(?:tar|zip|unzip|gunzip|cd|pushd|rm|mkdir|cp|mv|chmod|chown|touch|ln|test|\[)\s|\brelease-notes\b"
    r"|\bgh +release +(?:view|list|download)|--release(?:\s*$|\s+-)"
    r"|\bgit +(?:add|commit|config|checkout|fetch|tag)\b|^echo |^cat |^export |^#"
)
_INSTALL = re2.compile(
    r"\b(?:npm|pnpm|bun) +(?:[\-\w=]+ +)*(?:ci|i|install|add|clean-install|update|dedupe)\b"
    r"|^\s*yarn(?: +install\b.*| +-\S+.*| +add\b.*)?$|\byarn +--"
    r"|\bpip3? +install|\buv +(?:sync|pip)|\bpoetry +install|\bbundle +install|\bcargo +fetch"
    r"|\bgo +(?:mod +(?:download|tidy|vendor)|get)\b|\bdotnet +restore"
    r"|\b(?:docker|podman)(?:[ \-]compose)? +(?:image +)?pull|\bnpx +playwright +install"
    r"|actions/setup-|pnpm/action-setup|setup-bun|actions/cache"
)
_BUILD_SCRIPT = re2.compile(
    r"^(?:\w+=\S* +)*(?:(?:npm|pnpm|yarn|bun)(?: +run)?|make|just|task|(?:npx +)?(?:turbo|nx)(?: +run)?|(?:ba)?sh)?"
    r" *(?:\S*/)?(?:build|compile|bundle)(?:[:\-.]\S*)?(?:\s|$)"
)
# Fetches, or asks some service; a package only where it sends one to a registry.
_ASKS_BY_HTTP = re2.compile(_RUNNER + r"(?:curl|wget|http|xh|Invoke-(?:RestMethod|WebRequest))\s")
_SENDS = re2.compile(
    r"(?: -X ?| --request[ =]|-Method )[\"']?(?:PUT|POST)\b"
    r"| (?:-T|--upload-file|-F|--form|--data-binary|--post-file|-InFile)[ =]"
)
_TO_REGISTRY = re2.compile(
    r"https?://(?:[^@/\s]*@)?(?:[\w.\-]+\.)?(?:npmjs\.(?:org|com)|pkg\.github\.com|pypi\.org|crates\.io|rubygems\.org|nuget\.org"
    r"|sonatype\.(?:org|com)|ghcr\.io|hex\.pm|pub\.dev|clojars\.org)/|/(?:repository|artifactory|_packaging)/|/legacy/?(?:\s|$)"
    r"|/api/v4/projects/[^\s]*/packages/|/api/packages/|/api/v2/package|/crates/new|/api/v1/gems"
)
_CLIENT_PUBLISHES = re2.compile(
    r"\b(?:npm|pnpm|yarn|bun|lerna|twine|uv|poetry|cargo|gem|docker|podman|dotnet nuget|helm|mvn|vsce|ovsx)"
    r" +(?:\S+ +){0,3}(?:publish|push|upload|deploy)\b"
)
_GIT_PUSH = re2.compile(
    r"\bgit +push\b|\bgh +release +(?:create|upload|edit)\b|create-release|action-gh-release|release-please"
    r"|peter-evans/create-pull-request"
)
# Shows text that was written elsewhere: files, messages of commits, issues, logs of other runs.
_TEXT = re2.compile(
    r"^(?:then +|else +|do +|\\{ +)?(?:cat|bat|head|tail|less|more|echo|printf|grep|egrep|fgrep|rg"
    r"|sed|awk|jq|yq|diff|sort|uniq|cut|wc|tee|find|ls|tree)\b|^(?:env|printenv|column|fold|tac|nl)\b"
    r"|^git +(?:-\S+ +)*(?:diff|log|show|status|blame|grep|shortlog|describe|rev-parse|ls-files|branch|notes)\b"
    r"|^gh +(?:run|pr|issue|search|workflow|label|repo) +(?:view|list|comment|create|edit|diff|status|watch|close)\b"
    r"|^gh +release +(?:view|list)\b|^glab +(?:mr|issue|ci)\b"
)
# Around other commands; says nothing about what the step is for.
_NEUTRAL = re2.compile(
    r"^(?:(?:set|cd|export|exit|true|false|:|then|else|fi|do|done|\}|(?:if +)?(?:! +)?(?:test|\[\[?))(?:\s|$)"
    r"|\w+=\S*$|#)"
)
_ACTION = re2.compile(r"^[\w.\-]+/[\w.\-]+(?:/[\w.\-/]+)?@\S+\s*(?:\n|$)")
# An action that may run a registry's client says so in its name.
_TELLING_ACTION = re2.compile(
    r"(?i)^[^\n]*(?:publish|release|deploy|ship|npm|registry|packag|push|semantic|changeset|version|login"
    r"|maturin|bake|docker|image|aws|ecr|gcloud|azure|cargo|crate|gradle|maven|gem|twine|pypi|nuget|dotnet|poetry"
    r"|auth|oidc|credential|token)"
)
_QUOTED = re2.compile(r"'[^']*'|\"[^\"]*\"")
_ACTION_NAME = re2.compile(r"^([\w.\-]+)/([\w.\-]+)(?:/[\w.\-/]+)?@\S+\s*(?:\n|$)")
_ACTION_WORDS = re2.compile(r"-?(?:github-)?action(?:s)?-?")
_GENERIC = frozenset({"login", "build-push", "setup", "deploy", "auth", "cli", ""})
_PROGRAM = re2.compile(
    r"^(?:\w+=\S* +)*(?:(?:sudo|exec|time|command|npx|bunx|pnpx|npm +exec|(?:pnpm|yarn) +(?:exec|dlx)"
    r"|uv +run|poetry +run|bundle +exec|python3? +-m)(?: +-{1,2}[\w\-]+)* +)*(?:@[\w.\-]+/)?(?:\S*/)?([\w.\-]+)"
)
_CLI = re2.compile(r"-(?:cli\d*|scanner)$")
_SHELLS = frozenset(
    {"sh", "bash", "make", "just", "task", "if", "for", "while", "then", "run", "script", "release", "test"}
)
_CALLED = {"mvn": "maven", "mvnw": "maven", "gradlew": "gradle", "pip3": "pip", "python": None, "python3": None}
_MEANS_PUBLISH = re2.compile(r"(?i)publish|releas|deploy|push|upload|ship")
_COLLAPSED = "# collapsed multi-line command"  # GitLab shows the first line only
_OR_ELSE = re2.compile(r"\|\| *(?:true|:|exit +0|(?:echo|printf)\b[^|&;]*)\s*$")
# Reads a repository and writes nothing.
_GIT_READ = re2.compile(r"\bgit +(?:clone|fetch|pull|submodule|ls-remote)\b|^actions/checkout\b")
_ASKS = re2.compile(r"\b(?:npm|pnpm|yarn +npm|bun +pm) +(?:whoami|ping)\b")
_LOGIN = re2.compile(r"docker/login-action|\b(?:docker|podman|buildah|skopeo) +login\b|\bhelm +registry +login\b")
_CLOUD_LOGIN = re2.compile(
    r"^(?:aws-actions/configure-aws-credentials|google-github-actions/auth|azure/login)@"
    r"|\baws +sts +assume-role|\bgcloud +auth +(?:login|activate)|\baz +login\b"
)
_REGISTRY_LOGIN = re2.compile(_LOGIN.pattern + r"|amazon-ecr-login|\bgcloud +auth +configure-docker|\baz +acr +login")
_IMAGE_BUILD = re2.compile(
    r"\b(?:docker|podman) +(?:image +|buildx +)?build\b|\bdocker +buildx +bake\b|build-push-action"
)
_CLOUD_REGISTRY = re2.compile(
    r"\bcodeartifact\b|\.dkr\.ecr\.|\bgcr\.io\b|-docker\.pkg\.dev\b|-(?:npm|python|maven)\.pkg\.dev\b|\.azurecr\.io\b"
    r"|pkgs\.dev\.azure\.com|\bgoogle-artifactregistry-auth\b|\b(?:aws +ecr|az +acr|gcloud +artifacts)\b"
)
# Work on a package that publishes nothing.
_ADMIN = re2.compile(
    r"\b(?:npm|pnpm|yarn npm|yarn)\s+(?:access|owner|team|org|token|trust|unpublish|deprecate|dist-tag"
    r"|tag|profile|hook|star)\b"
)


@functools.lru_cache(maxsize=512)
def setting_of(command: str) -> Setting:
    """What a step is for. A script that does several things is what its most telling command is: publish first."""
    kinds: set[Setting] = set()
    serves = is_service(command.partition("\n")[0]) and bool(_ACTION.search(command))
    for part in _SPLIT.split(command[:MOST_READ]):
        piece = _BUNDLED.sub("", part.strip().lstrip("(").strip())
        if not piece:
            continue
        if serves and not _CLIENT_PUBLISHES.search(piece):
            kinds.add("text")  # what such an action is given are words of its own
        elif _BUNDLER.search(piece):
            kinds.add("install")
        elif _BUILD.search(piece) and not _BUILT_AND_PUSHED.search(piece):
            kinds.add("build")
        elif is_service(piece):
            kinds.add("text")
        elif _ASKS_BY_HTTP.search(piece):
            kinds.add("publish" if _SENDS.search(piece) and _TO_REGISTRY.search(piece) else "other")
        elif (_PUBLISH.search(piece) or _GIT_PUSH.search(piece)) and not _NOT_PUBLISH.search(piece):
            kinds.add("publish")
        elif _INSTALL.search(piece):
            kinds.add("install")
        elif _TEXT.search(piece):
            kinds.add("text")
        elif not _NEUTRAL.search(piece):
            kinds.add("other")
    if _COLLAPSED in command:
        kinds.add("other")
    if kinds == {"other"} and _ACTION.search(command) and not _TELLING_ACTION.search(command):
        return "text"
    order: tuple[Setting, ...] = ("publish", "build", "install", "other", "text")
    return next((setting for setting in order if setting in kinds), "other")


@functools.lru_cache(maxsize=512)
def setting_of_title(title: str) -> Setting:
    """What a step is for that only its title tells: `npm ci`, `Build wheel`. A title that is no command says less."""
    said = setting_of(title)
    told = setting_of(title.lower()) if said == "other" else said
    if told == "publish" and said != "publish":
        return "other"
    return "other" if told in QUIET and _MEANS_PUBLISH.search(title) else told


def program_of(command: str) -> str | None:
    """The program that a step ran last, by its plain name, or the product an action is about; None for a script."""
    if command.startswith("actions/checkout@"):
        return "git"
    if action := _ACTION_NAME.search(command):
        name = _ACTION_WORDS.sub("", action.group(2))
        return str(action.group(1) if name in _GENERIC else name).lower()
    for piece in reversed([p.strip() for p in _SPLIT.split(_QUOTED.sub("''", command[:8000])) if p.strip()]):
        match = _PROGRAM.search(piece)
        if match and not _TEXT.search(piece) and not _NEUTRAL.search(piece):
            name = _CLI.sub("", str(match.group(1))).lower()
            if name == "node":
                return "node-test" if " --test" in piece else None
            return None if name in _SHELLS or "." in name else _CALLED.get(name, name)
    return None


def reads_repository(command: str) -> bool:
    """Whether the step only gets sources."""
    return bool(_GIT_READ.search(command)) and setting_of(command) in ("other", "text")


@functools.lru_cache(maxsize=512)
def tolerated(command: str) -> bool:
    """Whether the step goes on whatever its commands answer, and publishes nothing: `git push ... || true`."""
    lines = [line.strip() for line in command.split("\n") if line.strip()]
    told = [line for line in lines if not _NEUTRAL.search(line) and not _TEXT.search(line)]
    return bool(told) and all(_OR_ELSE.search(line) for line in told) and "publish" not in command


@functools.lru_cache(maxsize=512)
def only_logs_in(command: str) -> bool:
    """Whether the step logs in, or asks who is logged in, and pushes nothing itself; pulls need a log-in too."""
    parts = [p for p in _SPLIT.split(command[:MOST_READ]) if _PUBLISH.search(p) and not _NOT_PUBLISH.search(p.strip())]
    return bool(parts) and all(_LOGIN.search(p) or _ASKS.search(p) for p in parts)


@functools.lru_cache(maxsize=512)
def only_pushes_git(command: str) -> bool:
    """Whether the step writes to a repository and to no registry."""
    parts = [p for p in _SPLIT.split(command[:MOST_READ]) if not _NOT_PUBLISH.search(p.strip())]
    return any(_GIT_PUSH.search(p) for p in parts) and not any(_PUBLISH.search(p) for p in parts)


@functools.lru_cache(maxsize=512)
def puts_elsewhere(command: str) -> bool:
    """Whether the step puts a site, a function or a service somewhere, and publishes no package."""
    parts = [p.strip() for p in _SPLIT.split(command[:MOST_READ])]
    return setting_of(command) != "publish" and any(is_service(p) or _ASKS_BY_HTTP.search(p) for p in parts)


@functools.lru_cache(maxsize=512)
def sends_package(command: str) -> bool:
    """Whether the step sends a package to a registry by a plain request, whose answer is a status alone."""
    parts = (part.strip() for part in _SPLIT.split(command[:MOST_READ]))
    return any(_ASKS_BY_HTTP.search(p) and _SENDS.search(p) and _TO_REGISTRY.search(p) for p in parts)


def logs_in_to_cloud(command: str) -> bool:
    """Whether the step gets a credential of a cloud, for whatever comes after it."""
    return bool(_CLOUD_LOGIN.search(command))


def pushes_to_cloud(command: str) -> bool:
    """Whether the step names a registry that a cloud keeps."""
    return bool(_CLOUD_REGISTRY.search(command))


def logs_in_to_images(command: str) -> bool:
    """Whether the step logs in to a registry of images, also with the credential of a cloud."""
    return bool(_REGISTRY_LOGIN.search(command))


@functools.lru_cache(maxsize=512)
def only_builds(command: str) -> bool:
    """Whether the step is a script that builds, by its name, and may publish at its end; none whose tool tests too."""
    parts = [p.strip() for p in _SPLIT.split(command[:MOST_READ])]
    built = [p for p in parts if _BUILD.search(p)]
    return bool(built) and all(_BUILD_SCRIPT.search(p) for p in built)


def builds_image(command: str) -> bool:
    """Whether the step makes an image; after a log-in that is done to push it."""
    return bool(_IMAGE_BUILD.search(command))


@functools.lru_cache(maxsize=512)
def is_administration(command: str) -> bool:
    """Whether the step only changes owners, access, tags or tokens."""
    parts = [p for p in _SPLIT.split(command[:MOST_READ]) if _PUBLISH.search(p) and not _NOT_PUBLISH.search(p.strip())]
    return bool(parts) and all(_ADMIN.search(p) for p in parts)
