"""Which package a line is about, and what became of each package of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import re2

from bot.diagnosis.diagnosis import PackageOutcome
from bot.diagnosis.package_texts import COMMANDED, LIST_TEXTS, NAMED, PATTERNS, TOLD

MOST_PACKAGES = 500
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
            tells.setdefault(TOLD[index][0], PATTERNS[index])
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
        if found := first_match(COMMANDED, command):
            self.current = Named(*found)

    def _read_list(self, text: str, tells: dict[str, re2._Regexp]) -> bool:
        """Whether the line belongs to a list of packages."""
        if "listed" in tells:
            listed = tells["listed"].search(text)
            if len(self._announced) < MOST_PACKAGES:
                self._announced[listed.group("package")] = listed.group("version")
            return False
        for _, outcome in LIST_TEXTS:
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
        found = first_match(NAMED, text)
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
