"""Lines that say what the job is doing now, whatever becomes of it: installing, publishing, naming a registry. Pure."""

from __future__ import annotations

from datetime import date

import re2

_IMAGE_STEP = r"^(?:\[(?:[\w.\-/]+ +)*\d+/\d+\]|Step \d+/\d+ :) RUN (?:--\S+ +)*(.+)"
MARKS: dict[str, tuple[str, ...]] = {
    "installs": (
        r"^bun install v|^yarn install v|^\[1/[45]\] (?:🔍 +)?(?:Resolving|Validating)|Resolution step",
        r"^Lockfile is up to date",
        # A dependency that is a repository.
        r"npm (?:ERR!|error) (?:command|Error while executing:?|An unknown git error)\b.*\bgit\b",
        r"\bERR_PNPM_GIT_[A-Z_]*FAILED\b",
        (
            r"^go: \S+@\S+: [^\n]*git ls-remote|Arguments: ls-remote"
            r"|Command failed with exit code 128: git (?:ls-remote|fetch|clone)"
        ),
        r"Updating git repository `|failed to authenticate when downloading repository",
        r"^WARNING: 40[13] Error, Credentials not correct for ",  # pip
        r"^Progress: resolved|installing dependencies",
        r"while installing a direct dependency|^Scope: all \d+",
        r"ERR_PNPM_(?:FETCH_|NO_MATCHING)|GET https?://[^ ]+ - [45]\d\d$|failed to resolve$",
        r"ERR_PNPM_[A-Z_]*LOCKFILE|\bYN0028\b|[Ll]ockfile (?:had changes|needs to be|would have been|is not up)",
    ),
    # A package that is read, not written: outside a publish step, an install.
    "reads": (
        r"(?:Not Found|Forbidden|Unauthorized) - GET https?://[^/ ]+/(?:@[^/ ?]+|[^\-@/ ?][^/ ?]*)(?: |$)",
        (
            r"(?:Not Found|Forbidden|Unauthorized) - GET https?://[^/ ]+/(?:download/[^ ?]+"
            r"|[^\- ?][^ ?]*%2[fF][^/ ?]+)(?: |$)"
        ),
        r"(?:Not Found|Forbidden|Unauthorized) - GET https?://[^ ?]+\.tgz(?: |$)",
        r"'@?[\w./\-]+@(?:[\^~<>=*]|npm:|latest')[^']*' is not in th",  # no range is published
    ),
    # A package that is not there for a reader; the second: how npm goes on, also after a refused write.
    "read-missed": (
        r"Not Found - GET https?://[^ ?]+(?: |$)|\bNo match found for version\b|^npm (?:ERR!|error) notarget ",
    ),
    "missing": (r"' is not in (?:this|the npm) registry|could not be found or you do not have permission",),
    # The step's own script, as its shell reports it: whatever it had run is over.
    "shell-speaks": (r"^(?:\S*/)?[\w.\-]+: line \d+: |^/(?:usr/)?bin/(?:ba|z|da)?sh: (?:line )?\d+: ",),
    "installed": (
        r"^(?:added|up to date|changed|removed) \d* ?packages?|^up to date|^Done in |YN0000: · Done",
        r"packages? installed",
    ),
    "publishes": (
        r"npm notice (?:📦|Publishing to|Tarball|=== Tarball|package:|Staging to)|^bun publish v|^yarn publish v",
        r"YN0000: (?:Publishing|Staging) to|^📦 .+ →",
        r"^lerna (?:info publish|WARN notice|http fetch PUT|success published)",
        r"^changeset publish|Publishing packages|nx-release-publish|^\[3/[45]\] Publishing",
        r"^Publishing \"|^Publish(?:ing)? a new version of|Verify authentication for registry|Start step \"publish\"",
        r"^(?:- |\[INFO\] )?Uploading |^🚀 Uploading \d+ package",
        r"^Publishing \S+ \(?\S+\)? to |PublicationTo\w+Repository",
        r"Pushing \S+ to |failed to perform \"Push\" on|The push refers",
        r"^Trusted publishing exchange|is being published because",
        r"error occurred while publishing|^🚀 Let's release |^Starting \"rush publish\"",
    ),
    # A test's name may be any error text, and so may what a linter finds fault with.
    "test-result": (
        r"^\d+:\d+ +(?:error|warning) |\(\d+,\d+\): (?:error|warning) [A-Z]+\d|:\d+:\d+(?::| -) (?:error|warning)\b",
        r"^error\[E\d{4}\]: ",
        r"^(?:✓|✔|√|✗|✘|✕|●|○|PASS|ok \d+|not ok \d+|--- (?:PASS|FAIL)|=== RUN)",
        r"^(?:stderr \||stdout \||Passed |test .* \.\.\. )",
        r"::test_\w+|\.(?:test|spec)\.[cm]?[jt]sx?\b|\(\d+(?:\.\d+)? ?m?s\)$|\[\d+ ms\]$| \d+ms$",
    ),
    # A client on its way to a registry that everybody uses: no test of a publish goes there.
    "publishes-in-public": (
        r"^npm notice (?:Publishing|Staging) to https?://registry\.npmjs\.(?:org|com)",
        r"^Uploading distributions to https?://upload\.pypi\.org|^Publishing \d+ files? (?:to )?https?://upload\.pypi",
        r"^Pushing gem to https?://rubygems\.org|^Pushing \S+ to 'https?://www\.nuget\.org",
        r"^The push refers to repository",
        r"^(?:npm (?:ERR!|error)|lerna ERR!) [^\n]* - PUT https?://registry\.npmjs\.(?:org|com)/",
        r"^Publishing \"[^\"]+\" at \"|^(?:yarn|bun) publish v\d|^📦 \S+ → https?://registry\.npmjs",
        r"registry at https?://crates\.io$|^lerna info publish Publishing",
    ),
    # What test runners say last, of whatever became of the tests.
    "tests-over": (
        r"^(?:Test Suites: |Tests: +\d|Test Files +\d|Ran all test suites|=+ [^=]*\b\d+ passed|test result: )",
        r"^(?:\d+ passing|# pass \d|\d+ runs, \d+ assertions|\d+ examples?, \d+ fail|Passed!  - |\d+ passed \()",
    ),
    # One instruction of a Dockerfile begins (BuildKit, then the old builder).
    "image-step": (_IMAGE_STEP,),
    "image-push": (r"^(?:exporting to image|pushing (?:layers|manifest))|\bfailed to push\b|^The push refers to ",),
    "image-cache": (r"^(?:im|ex)porting (?:to )?cache\b",),
    "dry-run": (r"\(dry-run\)|\bdry[ -]run\b",),
    "lifecycle": (r"^(?:> @?[\w./\-]+@\S+ )(?:prepublishOnly|prepublish|publish|postpublish)\b|\bprepublishOnly\b",),
    "manifest": (r"^(?:\"(?:name|version)\": |(?:name|version) = )\"",),
    "administers": (r"^npm notice deprecating ",),
    # The reason stands on the lines below.
    "reason-below": (
        r"^npm publish error:",  # nx
        r"^Caused by:",  # cargo
        r"^\[?(?:Error: )?\[?ERR_PNPM",
        r"npm (?:ERR!|error) code ",
        r"[Pp]ackages? failed to publish|packages published successfully|Found \d+ packages? to publish",
        r"^\* What went wrong|^Trusted publishing exchange failure",
        r"\bnpm --version\b",
    ),
    "code": (
        r"npm (?:ERR!|error) code \S+|^\[?(?:Error: )?\[?ERR_PNPM_[A-Z0-9_]+|\"code\": \"E[A-Z0-9_]+\"",
        r"^(?:lerna ERR! )?E[A-Z]{3,} [A-Z]|^code: 'E[A-Z0-9]+'",
    ),
    "address": (
        r"(?:[Pp]ublishing|[Ss]taging) (?:@?\S+ )?(?:to|→) https?://|POSTing to https?://",
        r"^Registry: https?://|^📦 .+ → https?://|(?:PUT|POST) (?:\d+ )?https?://",
        r"Couldn't publish package: \"https?://|for registry https?://|Request URL: https?://|logged in to https?://",
    ),
}
# A request that writes, with its address: by this a script of any name shows that it publishes.
_WRITES = re2.compile(
    r"\b(?:PUT|POST)(?:ing|ed)?(?: to|:)? +(?:\d{3} )?[\"'`]?https?://([\w.\-]+)(/[^\s\"'`]*)?"
    r"|^(?:\S+ )?(?i:publish|upload|push)ing [^\n]{0,120}?(?: to|→|at) [\"'`]?https?://([\w.\-]+)(/[^\s\"'`]*)?"
)
CACHE_ANCHORS = (r"[mx]porting (?:to )?cache",)
WRITE_ANCHORS = (r"\b(?:PUT|POST)(?:ing|ed)?(?: to|:)? +[^ ]{0,4}https?://|ing [^ \n]+ (?:to|at|→) https?://",)
# Log-ins, audits and the like.
_WRITES_NO_PACKAGE = re2.compile(
    r"^/(?:-/(?:npm/v1/(?:security|tokens|user)|user|v1/|whoami)|(?:v2/)?(?:oauth2/)?token|oauth|api/v1/(?:session|me))"
)
_IMAGE = re2.compile(_IMAGE_STEP)
_DAY = re2.compile(rb"\d{4}-\d\d-\d\d")
_CODE = re2.compile(
    r"npm (?:ERR!|error) code (\S+)|^\[?(?:Error: )?\[?(ERR_PNPM_[A-Z0-9_]+)|\"code\": \"(E[A-Z0-9_]+)\""
    r"|^(?:lerna ERR! )?(E[A-Z]{3,}) [A-Z]|^code: '(E[A-Z0-9]+)'"
)
_ADDRESS = re2.compile(
    r"(?:[Tt]o|Registry:|→|PUT|POST|PUT \d+|POST \d+|package: \"|registry|Request URL:) ?\"?https?://([\w.\-]+)"
)


def code_line(text: str) -> str | None:
    """The code of a line that says nothing but a code, as npm and pnpm print before the reason."""
    match = _CODE.search(text)
    code = next((g for g in match.groups() if g), None) if match else None
    return None if code == "ERROR" else code


def image_command(text: str) -> str:
    """The command that an image's build runs in the instruction that the line announces."""
    match = _IMAGE.search(text)
    return str(match.group(1)) if match else ""


def date_of(head: bytes) -> date | None:
    """The day on which the log was written, by its first stamp."""
    match = _DAY.search(head)
    try:
        return date.fromisoformat(match.group(0).decode()) if match else None
    except ValueError:
        return None


def written_host(text: str) -> str:
    """The host that a line says it writes a package to by a request, or ""."""
    match = _WRITES.search(text)
    if not match:
        return ""
    host, path = match.group(1) or match.group(3), match.group(2) or match.group(4) or ""
    return "" if _WRITES_NO_PACKAGE.search(path) else str(host)


def host_of(text: str) -> str:
    """The host that a line says it publishes to, or ""."""
    match = _ADDRESS.search(text)
    return str(match.group(1)) if match else ""
