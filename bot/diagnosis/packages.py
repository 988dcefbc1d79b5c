"""Which package a line is about, and what became of each package of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import re2

from bot.diagnosis.diagnosis import PackageOutcome

MOST_PACKAGES = 500
_NAME = r"(?P<package>(?:@[\w.~\-]+/)?[\w.~\-]+)"
_VERSION = r"(?P<version>v?\d+\.\d+\.\d+[\w.+\-]*)"
_LOOSE_VERSION = r"(?P<version>v?\d[\w.+\-]*)"
_PYTHON_FILE = rf"{_NAME}-(?P<version>\d[\w.!+]*?)(?:\.tar\.gz|\.zip|-(?:py\d|cp\d)[\w.\-]*\.whl)"
# An image without its tag; Docker Hub's own host is left out of names, as people do.
_HUB = r"(?:(?:index\.|registry-1\.)?docker\.io/(?:library/)?)?"
_IMAGE = rf"{_HUB}(?P<package>[a-z0-9][\w.\-]*(?::\d+)?(?:/[\w.\-]+)+|[a-z0-9][\w.\-]*)"
_TAG = r"(?P<tag>\w[\w.\-]*)"
# A file of a Maven repository; its path holds the group, once the path of the repository itself is known.
_MAVEN_PATH = (
    r"[^\s'?]*?/(?:maven2|artifactory/[^/\s]+|repository/[^/\s]+|(?:maven-)?(?:releases|snapshots)"
    r"|maven\.pkg\.github\.com/[^/\s]+/[^/\s]+)/(?P<group>[a-zA-Z_][\w\-]*(?:/[a-zA-Z_][\w\-]*)*)"
    r"/(?P<artifact>[\w.\-]+)/(?P<version>\d[\w.\-]*)/[\w.\-]+\.(?:jar|pom|module|aar|war|zip|klib|toml)\b"
)
_MAVEN_FILE = r"https?:/" + _MAVEN_PATH
_IN_PATH = r"(?P<package>@[\w.~\-]+(?:%2[fF]|/)[\w.~\-]+|[\w.~\-]+)"

# A package begins: what follows is about it, until the next one begins.
_BEGINS_TEXTS = (
    rf"npm notice 📦 +{_NAME}@{_VERSION}",
    rf"^📦 +{_NAME}@{_VERSION}",
    rf"npm (?:notice|info) name: +{_NAME}\s*$",
    rf"npm notice (?:===? )?package: +{_NAME}@{_VERSION}",
    rf"[Pp]ublishing [\"'`]?{_NAME}[\"'`]? at [\"'`]?{_VERSION}",
    rf"^Publishing (?:- )?[\"'`]?{_NAME}@{_VERSION}",
    rf"^🚀 Let's release {_NAME} \((?:currently at |[\w.+\-]+\.\.\.)?{_LOOSE_VERSION}\)",
    rf"http fetch PUT \d{{3}} https?://[^/\s]+/{_IN_PATH}(?:\s|$)",
    rf"'{_NAME}@{_VERSION}' (?:is not in this registry|could not be found)",
    rf"Package failed to publish: {_NAME}",
    rf"error occurred while publishing {_NAME}:",
    rf"Failed to publish package {_NAME}@{_VERSION}",
    rf"^Publish(?:ing)? a new version of {_NAME}",
    rf"^lerna info lifecycle {_NAME}@{_VERSION}~",
    (
        rf"^> {_NAME}@{_VERSION} (?:pre|post)?(?:publish|pack|prepare|publishOnly|prepublishOnly"
        rf"|release)[\w:\-]*(?: \S+)?$"
    ),
    rf"npm notice run {_NAME}@{_VERSION} ",
    rf"^\s*(?:Uploading|Packaging|Verifying) {_NAME} {_LOOSE_VERSION} \(",
    rf"^(?:- )?Uploading (?:\S*/)?{_PYTHON_FILE}",
    rf"^(?:\S*/)?{_PYTHON_FILE} \.\.\. failed",
    rf"^Publishing {_NAME} \((?P<version>\d[\w.!+]*)\) to ",
    rf"failed to publish {_NAME} {_LOOSE_VERSION} to registry",
    rf"^\s*Name: {_NAME}\s*$",
    r"Pushing (?P<package>[\w.\-]+?)\.(?P<version>\d+\.\d+[\w.\-]*)\.s?nupkg",
    rf"^\s*File: {_NAME}-(?P<version>\d[\w.]*)\.gem",
    rf"^Pushing {_NAME}-(?P<version>\d[\w.]*)\.gem",
    rf"^🚀 +{_NAME}@{_VERSION}",
    rf"YN00(?:00|09): {_NAME}@workspace:",
    rf"^{_NAME} (?P<version>\d[\w.]*) built to \S+\.gem\.?$",
    rf"^The push refers to repository \[{_IMAGE}\]",
    rf"^(?:\[INFO\] )?Containerizing application to {_IMAGE}:{_TAG}\.\.\.",
    r"^\[INFO\] -+< (?P<group>[\w.\-]+):(?P<artifact>[\w.\-]+) >-+$",
    rf"(?:Uploading to \S+: |Could not (?:PUT|write to resource) '){_MAVEN_FILE}",
    rf"^Uploading \S+ to (?:https?:/)?{_MAVEN_PATH}",
    rf"^Building {_NAME} {_VERSION}$",  # mix
    rf"^Publishing {_NAME} {_VERSION} to https?://",  # dart, flutter
    rf"^(?:INFO +)?{_NAME} {_LOOSE_VERSION}: (?:not published yet|[Pp]ublishing)",  # release-plz
    rf"^(?:\d{{4}}/\d\d/\d\d [\d:]+ )?Publishing {_IMAGE}:{_TAG}$",  # ko
    rf"^pkgid: '{_NAME}@{_VERSION}'",  # libnpmpublish
    rf"^(?:[\w\-]+: )?PUT https?://[^/\s]+/{_IN_PATH}$",
    r"^> nx run (?P<package>@[\w.\-]+/[\w.\-]+):nx-release-publish",
    # A command that a script shows before it runs it.
    rf"\btwine upload (?:[^\n]*? )?(?:\S*/)?{_PYTHON_FILE}",
    rf"\bgem push (?:\S*/)?{_NAME}-(?P<version>\d[\w.]*)\.gem\b",
    rf"\bcargo publish [^\n]*(?:-p|--package)[ =]{_NAME}\b",
    r"^pkg:maven/(?P<group>[\w.\-]+)/(?P<artifact>[\w.\-]+)@(?P<version>\d[\w.\-]*):?$",
    rf"oidc/token/exchange/package/{_IN_PATH}(?:\s|$)",
    rf"^(?:INFO +)?Publishing '(?P<package>[\w\-]+\.[\w\-]+) {_VERSION}'",  # vsce
)
# What a build made, often in a step of its own: it names the package when the publish never came to name it.
_BUILT_TEXTS = (
    rf"^Successfully built (?:\S*/)?{_PYTHON_FILE}",
    rf"^(?:\S*/)?dist/{_PYTHON_FILE}$",  # hatch
    rf"^(?:- )?Built (?:wheel [^\n]*to |(?:sdist|wheel)(?: at|:) )?(?:\S*/)?{_PYTHON_FILE}",
    rf"^📦 Built wheel [^\n]* to (?:\S*/)?{_PYTHON_FILE}",
    rf"^Checking (?:\S*/)?{_PYTHON_FILE}: PASSED",
    rf"[Ff]ailed to upload [`'\"\[]+(?:[^`'\"]*/)?{_PYTHON_FILE}",
    rf"^Successfully packaged chart and saved it to: (?:\S*/)?{_NAME}-(?P<version>\d[\w.+\-]*)\.tgz",  # helm
    (
        r"^Successfully created package '(?:[^']*[/\\])?(?P<package>[A-Za-z][\w.\-]*?)"
        r"\.(?P<version>\d+\.\d+[\w.\-]*)\.nupkg'"
    ),
)
_VERSION_TEXT = (
    r"(?:npm notice version: +|^info (?:Current|New) version: |^\s*Version: |Publishing version "
    r"|^\[INFO\] Building \S.* )"
    r"v?(?P<version>\d{1,4}\.[\w.+\-]*)(?:\s*$| to npm registry| +\[\d+/\d+\]$)"
)
_PUSHED_TAG_TEXT = rf"^{_TAG}: digest: sha256:[0-9a-f]+ size: \d"
# What became of a package, with the package on the line.
_PUBLISHED_TEXTS = (
    rf"^\+ {_NAME}@{_VERSION}\s*$",
    rf"^✅ Published package {_NAME}@{_VERSION}",
    rf"[Pp]ublished {_NAME}@{_VERSION}(?: to (?:dist-tag|npm)| on |\s*$)",
    rf"^lerna success published {_NAME} {_VERSION}",
    rf"^(?:INFO +)?(?:[\w:]+: )?published {_NAME} {_LOOSE_VERSION}$",  # release-plz
    rf"^ *(?:Published|Uploaded) {_NAME} {_LOOSE_VERSION} (?:at|to) registry",
    rf"^Successfully (?:published|registered gem:) {_NAME} (?:v|\()?(?P<version>\d[\w.]*)",
    rf"^- {_NAME}@{_VERSION} published",
    rf"^{_NAME} {_VERSION} published 🎉",  # np
    rf"^🚀 +Published (?P<package>[\w\-]+\.[\w\-]+) {_VERSION}",  # ovsx
    rf"uploaded https?://pub\.dev/packages/{_NAME} version {_VERSION},?",
    rf"^Package published to https?://hex\.pm/packages/{_NAME}/{_VERSION}",
    rf"^🚀 +{_NAME} \({_VERSION}\) successfully published",
    rf"^(?:\S+ )?[Pp]ublished {_NAME}@{_VERSION}(?: \(was [^)]*\))? with tag ",
    rf"^• pushed +image={_IMAGE}:{_TAG} +digest=",  # goreleaser
    rf"^https?://[^/\s]+/project/{_NAME}/(?P<version>\d[\w.!+]*)/$",
    rf"pushing manifest for {_IMAGE}:{_TAG}@sha256:\w+.* done$",
)
_STAGED_TEXTS = (
    rf"^\+ {_NAME}@{_VERSION} \(staged with id",
    rf"^✅ Staged package {_NAME}@{_VERSION}",
    rf"package {_NAME}@{_VERSION} has been staged",
)
# After the reason: lerna, scripts.
_FAILED_TEXTS = (rf"Package failed to publish: {_NAME}$", rf"^Error: {_NAME}@{_VERSION}: ")
_BETWEEN_TEXT = r"^> nx run [\w.\-]+:nx-release-publish"  # another package begins; the project's name is not its own
_SKIPPED_TEXTS = (
    rf"Package is already published: {_NAME}@{_VERSION}",
    rf"{_NAME} is not being published because version {_VERSION} is already published",
    rf"[Ss]kipped package {_NAME}",
    rf"(?:^|\s){_NAME}@{_VERSION} publish skipped",
    rf"^(?:WARNING +)?Skipping (?:\S*/)?{_PYTHON_FILE} because it appears to already exist",
)
# The package a failed line itself names: best of all sources.
_NAMED = tuple(
    re2.compile(p)
    for p in (
        rf"error occurred while publishing {_NAME}:",
        rf"'{_NAME}@{_VERSION}' (?:is not in|could not be found|does not exist)",
        rf"Failed to publish package {_NAME}@{_VERSION}",
        rf"publish [\"'`]{_NAME}[\"'`]\. Are you logged",
        rf"not allowed to publish package {_NAME}\s*$",
        rf"is not a collaborator for {_NAME}\.?$",
        rf"failed to publish {_NAME} {_LOOSE_VERSION} to registry",
        rf"failed to publish {_NAME}: (?:error: |the remote )",
        rf"(?:crate )?[`\"']?{_NAME}@{_VERSION}[`\"']? already exists on",
        rf"crate version [`'\"]?{_NAME}@",
        rf"(?:to|for) project:? ['‘`\"]{_NAME}['’`\"]",
        rf"with id ['‘`\"]{_NAME}['’`\"] and version ['‘`\"]{_VERSION}['’`\"]",
        rf"gem owner {_NAME} ",
        rf"\bThe name ['‘`\"]{_NAME}['’`\"] ",
        rf"File already exists \([`'\"]{_PYTHON_FILE}",
        rf"[Ff]ailed to (?:publish|upload) [`'\"\[]+(?:[^`'\"]*/)?{_PYTHON_FILE}",
        rf"failed to push {_IMAGE}:{_TAG}(?:@sha256:\w+)?(?: after \d+ tries)?: ",
        rf"error: `{_NAME}` cannot be published",
        rf"push(?:ing)? permission for \"{_IMAGE}:{_TAG}\"",
        (
            r"artifact (?P<group>[\w.\-]+):(?P<artifact>[\w.\-]+):\w+(?::\w+)?:(?P<version>\d[\w.\-]*)"
            r" (?:from/to|to|in) "
        ),
        r"pkg:maven/(?P<group>[\w.\-]+)/(?P<artifact>[\w.\-]+)@(?P<version>[\w.\-]+)",
        rf"Could not (?:PUT|write to resource) '{_MAVEN_FILE}",
    )
)
# Listed before any of them is published (lerna), or after all of them were tried (changesets).
_LISTED_TEXT, _BARE_TEXT = rf"^(?:- )?{_NAME} => {_VERSION}$", rf"^(?:- )?{_NAME}@{_VERSION}$"
_LIST_TEXTS = (
    (r"packages published successfully|Successfully published:$", "published"),
    (r"[Pp]ackages? failed to publish:$", "failed"),
    (r"Creat(?:ing|ed) git tag|^New tag: ", ""),
)
_SAME_VERSION = re2.compile(
    r"previously published versions?:? (\d[\w.+\-]*?)\.?\"?$|previously (?:staged|published) version \"(\d[\w.+\-]*)\""
)
_URL = re2.compile(
    r"(?:(?:PUT|POST|DELETE|GET) (?:\d{3} )?|(?:Couldn't publish package"
    r"|unexpected error occurred): \"|^(?:error: )?\d{3} [A-Z][\w ]+: "
    r"|Request URL: |request to |error sending request for url \()"
    r"https?://[^/\s\"]+/(?P<path>[^\s\"):?]+)"
)
_NUMBERED = re2.compile(r"^v?\d")
_WORKSPACE = re2.compile(r"^(?:➤ YN00\d\d: )?\[((?:@[\w.\-]+/)?[a-z][\w.\-]*)\]: +(?:➤ YN|Process started|[A-Z])")
_SCRIPT = re2.compile(r"^> ((?:@[\w.~\-]+/)?[\w.~\-]+)@(\d+\.\d+\.\d+\S*) ")
_MANIFEST = re2.compile(r"^\"?(name|version)\"?(?:: | = )\"([^\" ]+)\",?$")
_UNRELEASED = "0.0.0"
_SEPARATORS = re2.compile(r"[\-_.]+")
_SCOPED = re2.compile(r"@[\w.~\-]+/[\w.~\-]+")


def package_of_path(path: str) -> str | None:
    """The package that a registry URL is about: /@scope%2fname, /-/package/name/access, /path/of/a/proxy/name."""
    plain = unquote(path)
    if scoped := _SCOPED.search(plain):
        return str(scoped.group(0))
    parts = [part for part in plain.split("/") if part]
    if not parts:
        return None
    if parts[0] != "-":
        return parts[-1] if parts[0] in {"artifactory", "repository", "api", "npm"} else parts[0]
    return parts[parts.index("package") + 1] if "package" in parts[:-1] else None


# A command may name the package when its output does not.
_COMMANDED = tuple(
    re2.compile(p)
    for p in (
        rf"\bgem +push +(?:[^\n]*? )?(?:[^\s/]*/)*{_NAME}-(?P<version>\d[\w.]*)\.gem",
        r"\bnuget +push +(?:\S*/)?(?P<package>[A-Za-z][\w.\-]*?)\.(?P<version>\d+\.\d+[\w.\-]*)\.s?nupkg",
        rf"\byarn +workspace +{_NAME} +npm +(?:publish|stage)",
        rf"\bnpm +publish\b[^\n]* (?:-w|--workspace)[ =]{_NAME}(?:\s|$)",
        rf"\bpnpm\b[^\n]* (?:-F|--filter)[ =][\"']?{_NAME}[\"']?\s[^\n]*\b(?:publish|stage)\b",
        rf"\bcargo +publish\b[^\n]* (?:-p|--package)[ =]{_NAME}\b",
        rf"\b(?:podman|buildah|skopeo) +(?:push|copy) [^\n]*docker://{_IMAGE}:{_TAG}(?:\s|$)",
        rf"\b(?:docker|podman|buildah|nerdctl|oras) +(?:image +)?push +(?:-\S+ +)*(?:docker://)?{_IMAGE}:{_TAG}(?:\s|$)",
        rf"\b(?:skopeo|crane) +(?:copy|push) [^\n]*? (?:docker://)?{_IMAGE}:{_TAG}(?:\s|$)",
        rf"\bkaniko/executor [^\n]*--destination[ =]{_IMAGE}:{_TAG}(?:\s|$)",
        rf"\bconan +upload +(?:-\S+ +)*[\"']?{_NAME}/(?P<version>\d[\w.+\-]*)",
        rf"\b(?:luarocks|cabal) +upload +(?:-\S+ +)*(?:\S*/)?{_NAME}-(?P<version>\d[\w.]*)(?:-\d+)?\.(?:rock|tar)",
        rf"\bhelm +push +(?:\S*/)?{_NAME}-(?P<version>\d[\w.\-]*)\.tgz",
    )
)

# What each pattern tells, in the order in which they are tried; for the one automaton over all patterns.
_TOLD: tuple[tuple[str, str], ...] = (
    ("version", _VERSION_TEXT),
    ("version", _PUSHED_TAG_TEXT),
    ("listed", _LISTED_TEXT),
    *((f"list {outcome}", pattern) for pattern, outcome in _LIST_TEXTS),
    ("bare", _BARE_TEXT),
    ("between", _BETWEEN_TEXT),
    *(("built", pattern) for pattern in _BUILT_TEXTS),
    *(("begins", pattern) for pattern in _BEGINS_TEXTS),
    *(("staged", pattern) for pattern in _STAGED_TEXTS),
    *(("published", pattern) for pattern in _PUBLISHED_TEXTS),
    *(("skipped", pattern) for pattern in _SKIPPED_TEXTS),
    *(("failed", pattern) for pattern in _FAILED_TEXTS),
)
PACKAGE_TEXTS = tuple(pattern for _, pattern in _TOLD)
_PATTERNS = tuple(re2.compile(pattern) for pattern in PACKAGE_TEXTS)


@dataclass(slots=True)
class Named:
    """A package as far as the log has named it."""

    package: str | None = None
    version: str | None = None
    explicit: bool = False  # the line itself spells it out


class Packages:
    """Follows which package is being published, and keeps what became of each."""

    def __init__(self) -> None:
        self.current = Named()
        self._outcomes: dict[str, PackageOutcome] = {}
        self._announced: dict[str, str | None] = {}
        self._built: dict[str, tuple[str, str | None]] = {}
        self._listing: str | None = None
        self._scripts: dict[str, str | None] = {}  # packages whose scripts ran or whose manifest was shown
        self._manifest: str | None = None

    def read(self, text: str, told: tuple[int, ...], *, publishing: bool = True) -> bool:
        """Take in a line and the patterns it matches; True when it says that a package was published or staged.

        `publishing`: False where the line stands in a step that builds or installs; only what it made counts there.
        """
        tells: dict[str, re2._Regexp] = {}
        for index in told:
            tells.setdefault(_TOLD[index][0], _PATTERNS[index])
        if (built := tells.get("built")) and len(self._built) < MOST_PACKAGES:
            package, version = _named_in(built.search(text))
            self._built.setdefault(plain_name(package), (package, version))
        if not publishing:
            return False
        if follows := tells.get("version"):
            told_in = follows.search(text).groupdict()
            version = told_in.get("version") or told_in["tag"]
            self.current = Named(self.current.package, version)
            if self.current.package:
                self._announced[self.current.package] = version
            return False
        if "between" in tells:
            self.current = Named()
            return False
        if self._read_list(text, tells):
            return self._listing == "published"
        if begins := tells.get("begins"):
            package, version = _named_in(begins.search(text))
            if version == _UNRELEASED and text.startswith("> "):
                return False  # a script of the whole repository
            if self.current.package and plain_name(package) == plain_name(self.current.package):
                package = self.current.package  # the file's name spells it in its own way
            if package != self.current.package or version:
                self.current = Named(package, version or self._announced.get(package))
            if len(self._announced) < MOST_PACKAGES:
                self._announced[package] = self.current.version
        for outcome in ("staged", "published", "skipped", "failed"):
            if outcome in tells:
                self.record(*_named_in(tells[outcome].search(text)), outcome)
                return outcome in ("staged", "published")
        return False

    def read_script(self, text: str) -> None:
        """Take in the line with which npm begins a package's script: it names the package that the job is about."""
        if (match := _SCRIPT.search(text)) and len(self._scripts) < MOST_PACKAGES:
            self._scripts[match.group(1)] = match.group(2)

    def read_manifest(self, text: str) -> None:
        """Take in a line of a manifest that a step shows: its first name and version are the package's own."""
        match = _MANIFEST.search(text)
        if match and match.group(1) == "name" and not self._scripts and not self._manifest:
            self._manifest = match.group(2)
        elif match and match.group(1) == "version" and self._manifest and not self._scripts:
            self._scripts[self._manifest] = match.group(2)

    def read_workspace(self, shown: str) -> None:
        """Take in which workspace a line of `yarn workspaces foreach` belongs to, as it stands before the line."""
        if (match := _WORKSPACE.search(shown)) and match.group(1) != self.current.package:
            self.current = Named(match.group(1), self._announced.get(match.group(1)))

    def archived(self) -> None:
        """The archive of the package at hand went out; the line names none."""
        if self.current.package:
            self.record(self.current.package, self.current.version, "published")

    def read_command(self, command: str) -> None:
        """Take in the command of a publish step."""
        if found := first_match(_COMMANDED, command):
            self.current = Named(*found)

    def _read_list(self, text: str, tells: dict[str, re2._Regexp]) -> bool:
        """Whether the line belongs to a list of packages."""
        if "listed" in tells:
            listed = tells["listed"].search(text)
            if len(self._announced) < MOST_PACKAGES:
                self._announced[listed.group("package")] = listed.group("version")
            return False
        for _, outcome in _LIST_TEXTS:
            if f"list {outcome}" in tells:
                self._listing = outcome or None
                return False
        if self._listing and "bare" in tells:
            bare = tells["bare"].search(text)
            self.record(bare.group("package"), bare.group("version"), self._listing)
            if self._listing == "failed":
                self.current = Named(bare.group("package"), bare.group("version"))
            return True
        return False

    def named_by(self, text: str, *, by_address: bool) -> Named:
        """The package that a failed line is about: the one it names, else the one being published.

        `by_address`: whether the URLs of this registry end in the package, as those of npm-like ones do.
        """
        found = first_match(_NAMED, text)
        explicit = found is not None
        if by_address and (match := _URL.search(text)):
            name = package_of_path(match.group("path"))
            # Servers may leave the scope out of what they say; the address never does.
            if name and (not found or name.endswith(f"/{found[0]}")):
                found = (name, found[1] if found else None)
        same = _SAME_VERSION.search(text)
        if not found:
            if self.current.package or len(self._announced) != 1:
                version = self.current.version
                if same and not version:
                    version = next(g for g in same.groups() if g)
                return Named(self.current.package, version)
            found = next(iter(self._announced.items()))
        package, version = found
        if not version and same:
            version = next(g for g in same.groups() if g)
        if not version:
            version = self.announced_version(package) or (
                self.current.version if self.current.package in (None, package) else None
            )
        return Named(package, version, explicit)

    def record(self, package: str, version: str | None, outcome: str) -> None:
        """Remember an outcome. A later one replaces an earlier one: the last try counts."""
        if package in self._outcomes or len(self._outcomes) < MOST_PACKAGES:
            known = self._outcomes.pop(package, None)
            version = version or (known.version if known else None) or self._announced.get(package)
            if known and known.version and known.outcome == outcome and version and not _NUMBERED.search(version):
                version = known.version  # an image is pushed under several tags: the number says more than `latest`
            self._outcomes[package] = PackageOutcome(package, version, outcome)

    def outcome_of(self, package: str | None) -> str | None:
        found = self._outcomes.get(package) if package else None
        return found.outcome if found else None

    @property
    def sole(self) -> tuple[str | None, str | None]:
        """The one package that the log is about, by what was built and what was published; else nothing."""
        known = dict(self._built)
        for package, version in self._announced.items():
            known[plain_name(package)] = (package, version or known.get(plain_name(package), (None, None))[1])
        return next(iter(known.values())) if len(known) == 1 else (None, None)

    def spelled(self, package: str, names: Iterable[Named]) -> str:
        """The name as its manifest or an error spells it; PyPI's files spell names in their own way."""
        spellings = [self._manifest or "", *(n.package for n in names if n.explicit and n.package)]
        return next((name for name in spellings if plain_name(name) == plain_name(package)), package)

    @property
    def root(self) -> tuple[str | None, str | None]:
        """The one package whose scripts the job ran or whose manifest it showed.

        Nothing when there are several. Scripts without a scope in their name may be those of a whole repository.
        """
        known = list(self._scripts.items())
        return known[0] if len(known) == 1 and (self._manifest or known[0][0].startswith("@")) else (None, None)

    @property
    def outcomes(self) -> tuple[PackageOutcome, ...]:
        return tuple(self._outcomes.values())

    def announced_version(self, package: str) -> str | None:
        """The version under which the package was named, if need be in the other spelling of PyPI's names."""
        if package in self._announced:
            return self._announced[package]
        if package in self._outcomes:
            return self._outcomes[package].version
        plain = plain_name(package)
        return next((version for name, version in self._announced.items() if plain_name(name) == plain), None)


def plain_name(package: str) -> str:
    """The name as PyPI compares it: files, projects and errors spell one name in several ways."""
    return str(_SEPARATORS.sub("-", package)).lower()


def first_match(patterns: tuple[re2._Regexp, ...], text: str) -> tuple[str, str | None] | None:
    """The package and version of the first pattern that hits."""
    for pattern in patterns:
        if match := pattern.search(text):
            return _named_in(match)
    return None


def _named_in(match: re2._Match) -> tuple[str, str | None]:
    groups = match.groupdict()
    version = groups.get("version")
    if "tag" in groups:
        return groups["package"], groups["tag"]  # a tag is a name: its `v` belongs to it
    if "artifact" in groups:
        return f"{groups['group'].replace('/', '.')}:{groups['artifact']}", version
    return unquote(groups["package"]).rstrip("."), version.removeprefix("v").rstrip(".,") if version else None
