"""The words with which clients name a package and say what became of it. Patterns only. Pure."""

from __future__ import annotations

import re2

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
    rf"\b[Pp]ublishing (?:- )?[\"'`]?{_NAME}@{_VERSION}",
    rf"\b[Pp]ublishing (?:\S*/)?{_NAME}-{_VERSION}\.tgz",
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
    rf"^\s*(?:Uploading|Packaging|Verifying) {_NAME} {_LOOSE_VERSION}(?: \(|$)",
    rf"^\s*Uploading (?:recipe|package) '{_NAME}/{_LOOSE_VERSION}[#:']",  # conan
    rf"^(?:- |[\w.\-]+: )?[Uu]ploading (?:\S*/)?{_PYTHON_FILE}",
    rf"\bPOST https?://\S+/legacy/ (?:\S*/)?{_PYTHON_FILE}",
    rf"^(?:[\w.\-]+: )?publishing {_NAME}@{_VERSION} (?:to|→|on) ",
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
    r"^pkg:maven/(?P<group>[\w.\-]+)[/:](?P<artifact>[\w.\-]+)@(?P<version>\d[\w.\-]*):?$",
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
    rf"^(?:INFO\[\d+\] )?Pushed {_IMAGE}@sha256:\w+$",  # kaniko
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
NAMED = tuple(
    re2.compile(p)
    for p in (
        rf"error occurred while publishing {_NAME}:",
        rf"'{_NAME}@{_VERSION}' (?:is not in|could not be found|does not exist)",
        rf"Failed to publish package {_NAME}@{_VERSION}",
        rf"pkgid: '{_NAME}@{_VERSION}'",
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
LIST_TEXTS = (
    (r"packages published successfully|Successfully published:$", "published"),
    (r"[Pp]ackages? failed to publish:$", "failed"),
    (r"Creat(?:ing|ed) git tag|^New tag: ", ""),
)

# A command may name the package when its output does not.
COMMANDED = tuple(
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
TOLD: tuple[tuple[str, str], ...] = (
    ("version", _VERSION_TEXT),
    ("version", _PUSHED_TAG_TEXT),
    ("listed", _LISTED_TEXT),
    *((f"list {outcome}", pattern) for pattern, outcome in LIST_TEXTS),
    ("bare", _BARE_TEXT),
    ("between", _BETWEEN_TEXT),
    *(("built", pattern) for pattern in _BUILT_TEXTS),
    *(("begins", pattern) for pattern in _BEGINS_TEXTS),
    *(("staged", pattern) for pattern in _STAGED_TEXTS),
    *(("published", pattern) for pattern in _PUBLISHED_TEXTS),
    *(("skipped", pattern) for pattern in _SKIPPED_TEXTS),
    *(("failed", pattern) for pattern in _FAILED_TEXTS),
)
PACKAGE_TEXTS = tuple(pattern for _, pattern in TOLD)
PATTERNS = tuple(re2.compile(pattern) for pattern in PACKAGE_TEXTS)
