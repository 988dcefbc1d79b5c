"""Causes that no registry is to blame for: builds, tests, installs, git and GitHub itself."""

from __future__ import annotations

from bot.diagnosis.cloud_rules import CLOUD_RULES
from bot.diagnosis.rule import Clue, Maybe, Rule, Setting, anywhere

_EVERYWHERE = anywhere("publish", "install", "build", "other")
_FIX_BUILD = ("Mend the failing build or test; nothing reached the registry.", "Then re-run the release.")
_FIX_GITHUB = (
    (
        "Give the job the permission it needs: `permissions: { contents: write }` for pushes, tags and releases, "
        "`pull-requests: write` for pull requests."
    ),
    "If the branch is protected, let the release bypass the rule with a GitHub App token, or release by pull request.",
    "If the workflow uses a personal access token, check that it is alive and may write to this repository.",
)

GITHUB_RULES = (
    Rule(
        "git/push-refused",
        "github-auth",
        "The release tool could not push, tag or call GitHub: its GitHub credential lacks the right.",
        (
            r"\bEGITNOPERMISSION\b",
            r"\bENOGHTOKEN\b|\bEINVALIDGHTOKEN\b|\bEGHNOPERMISSION\b|\bEMISSINGREPO\b",
            r"\bENOGLTOKEN\b|\bEINVALIDGLTOKEN\b|\bEGLNOPUSHPERMISSION\b",
            r"Permission to \S+ denied to ",
            r"(?i)Resource not accessible by (?:integration|personal access token)",
            r"\bGH00[0-9]\b|\bGH013\b|Protected branch update failed|Repository rule violations found",
            r"protected branch hook declined|pre-receive hook declined",
            r"not permitted to create or approve pull requests",
            r"fatal: Authentication failed for|^remote: Invalid username or|Invalid username or token\b",
            r"Support for password authentication was removed",
            r"fatal: could not read Username for",
            r"unable to access 'https://github\.com/[^']*': The requested URL returned error: 40[13]",
            r"refusing to allow (?:a|an) .{0,40} to create or update workflow",
            # ssh as git uses it; any other login that ssh refuses is about some server.
            r"\bgit@[\w.\-]+: Permission denied \(publickey",
            r"The key you are authenticating with has been marked as read only",
            r"HttpError: (?:Bad credentials|Not Found|Must have admin rights)",
            r"(?i)GitHub (?:API )?(?:token|authentication)[^.]{0,40}(?:invalid|missing|required|expired)",
            r"Environment variable \"?GITHUB_TOKEN\"? is required|Input required and not supplied: github-token",
            r"set the G(?:H|ITHUB)_TOKEN environment variable|please run: +gh auth login",
            r"\b40[13]: (?:Bad credentials|Resource not accessible)",
        ),
        _FIX_GITHUB,
        registry="other",
        settings=anywhere("publish", "other"),
        excludes=frozenset({"deploy-remote"}),
        confidence=0.92,
        docs="https://docs.github.com/en/actions/security-guides/automatic-token-authentication",
    ),
    Rule(
        "git/ssh-refused",
        "github-auth",
        "git could not log in to the repository by ssh: its key is missing, dead or not known there.",
        (r"^Permission denied \(publickey", r"^fatal: Could not read from remote repository"),
        _FIX_GITHUB,
        registry="other",
        settings=anywhere("publish", "other"),
        requires=frozenset({"git-remote"}),
        excludes=frozenset({"other-login"}),
        confidence=0.85,
        maybe=(Maybe("not-a-publish", 0.15, "the remote is a server to deploy to"),),
    ),
    Rule(
        "github/allow-list",
        "ip-not-allowed",
        "The organization's IP allow list refused the runner's address.",
        (r"organization has an IP allow list enabled",),
        ("Add the runner's address to the organization's IP allow list, or run the job on a runner that is on it.",),
        registry="other",
        settings=_EVERYWHERE,
        maybe=(Maybe("github-auth", 0.1, "the same call works from an allowed address"),),
    ),
)

_INSTALL_TOKEN = (
    "Check the credential with which dependencies are fetched: that its secret is set, alive and may read.",
    "Re-run the failed job.",
)
_INSTALL_REFUSED = "Fetching private dependencies failed: their registry refused the credential. Nothing was published."


def _install_refused(
    registry: str, *patterns: str, settings: frozenset[Setting] = _EVERYWHERE, requires: str = ""
) -> Rule:
    """The words of one client. Where each names a read, they count wherever they stand."""
    return Rule(
        f"install/{registry}-refused" if not requires else f"install/{requires}-refused",
        "install-auth",
        _INSTALL_REFUSED,
        patterns,
        _INSTALL_TOKEN,
        confidence=0.85,
        settings=settings,
        registry=registry,
        requires=frozenset({requires}) if requires else frozenset(),
        maybe=(Maybe("not-a-publish", 0.15, "the dependency's name or address is wrong"),),
    )


_REFUSED = r"(?:status code:? 40[13]\b|40[13] (?:Unauthorized|Forbidden)|[Nn]ot authorized|authentication failed)"
INSTALL_AUTH_RULES = (
    _install_refused(
        "maven",
        (
            r"(?:resolve dependencies|collect dependencies|read artifact descriptor|Non-resolvable|resolve plugin)"
            rf"[^\n]*{_REFUSED}"
        ),
        r"^> Could not GET 'https?://[^']+'\. Received status code 40[13] from server",
    ),
    _install_refused("maven", rf"Could not transfer artifact [^\n]*{_REFUSED}", requires="maven-reads"),
    _install_refused(
        "nuget",
        r"error NU1301: +(?:Unable to load the service index[^\n]*|Response status code[^\n]*: )40[13]\b",
    ),
    _install_refused(
        "pypi",
        r"^WARNING: 40[13] Error, Credentials not correct for",
        r"^ERROR: HTTP error 40[13] while getting ",
        r"HTTP status client error \(40[13] \w+\) for url",
        settings=anywhere("install"),
    ),
    _install_refused(
        "docker",
        r"failed to resolve source metadata for [^\n]*(?:denied|unauthorized|40[13] |authorization failed)",
        r"\bpull access denied\b",
        r"failed to fetch anonymous token: [^\n]*40[13] ",
        r"/manifests/[^\" ]+\"?: (?:unauthorized|denied|no basic auth)",
    ),
    _install_refused(
        "crates",
        r"failed to get successful HTTP response from [^\n]*, got 40[13]\b",
        r"failed to authenticate when downloading repository",
    ),
    _install_refused(
        "other",
        r"\bgit@[\w.\-]+: Permission denied \(publickey|could not read Username for '?https?://",
        r"fatal: Authentication failed for|terminal prompts disabled|(?i)fatal: could not read from remote repository",
        r"remote: (?:Repository not found|Invalid username)",
        settings=anywhere("install"),
    ),
    _install_refused(
        "rubygems",
        r"^(?:Authentication is required|Bad username or password) for (?:https?://|[\w\-]+\.[\w.\-]+\.?$)",
    ),
)

_BY_CURL = r"^curl: \(22\) The requested URL returned error: "
REQUEST_RULES = tuple(
    Rule(
        f"request/{cause}",
        cause,
        sentence,
        (_BY_CURL + status,),
        fix,
        confidence=0.7,
        settings=anywhere("publish"),
        requires=frozenset({"sends-package"}),
        registry="other",
        maybe=maybe,
    )
    for cause, status, sentence, fix, maybe in (
        (
            "token-rejected",
            "401",
            "The registry refused the credential with which the package was sent.",
            ("Replace the credential that the step sends, then re-run.",),
            (Maybe("token-missing", 0.3, "the secret is empty or not passed to the step"),),
        ),
        (
            "insufficient-scope",
            "403",
            "The registry forbids to send this package with this credential.",
            ("Use a credential that may write there, then re-run.",),
            (Maybe("token-rejected", 0.35, "the credential no longer works at all"),),
        ),
        ("version-exists", "409", "This version is already on the registry.", ("Raise the version.",), ()),
        ("rate-limited", "429", "The registry is limiting the rate of requests.", ("Wait, then re-run.",), ()),
        ("registry-outage", "5\\d\\d", "The registry itself failed (5xx).", ("Re-run later.",), ()),
    )
)

_VARIABLE = (
    r"\b(?:[A-Z0-9]+_)*(?:NPM|NODE_AUTH|YARN|BUN|PNPM|PUBLISH|REGISTRY|PYPI|TWINE|CARGO|CRATES|RUBYGEMS|GEM_HOST|NUGET"
    r"|DOCKER|DOCKERHUB|MAVEN|OSSRH|SONATYPE|CENTRAL|VSCE|OVSX|JSR)(?:_[A-Z0-9]+)*_(?:TOKEN|KEY|PASSWORD|PAT)\b"
)
GUARD_RULES = (
    Rule(
        "guard/no-credential",
        "token-missing",
        "The workflow stopped itself: the variable that should hold the registry's credential is empty or not set.",
        (
            _VARIABLE + r"[^\n.]{0,50}\b(?:not (?:been )?(?:set|found|provided|configured|defined|available|present)"
            r"|missing|empty|unset|undefined|required|blank|unbound variable|parameter (?:null or )?not set)\b",
            r"(?:KeyError: ['\"]|key not found: ['\"]|environment variable not found: )" + _VARIABLE,
            r"(?i:\b(?:missing|undefined|empty|unset|must (?:set|provide)|please (?:set|provide)|requires?))"
            r"\b[^\n.]{0,60}" + _VARIABLE,
            r"(?i)\bnpm (?:auth(?:entication)? |access |publish )?token (?:is |was )?"
            r"(?:not (?:set|found|provided|configured)|missing|empty|required)\b",
            r"Input required and not supplied: (?:npm\S*|pypi\S*|api[\-_]?(?:key|token))\s*$",
        ),
        (
            "Store the credential as a secret at the level the workflow reads, and pass it to the step by `env:`.",
            "A run from a fork or by Dependabot gets no repository secrets: release from a branch of the repository.",
        ),
        settings=anywhere("publish", "other", "text"),
        confidence=0.85,
        maybe=(Maybe("not-a-publish", 0.1, "the job does not publish"),),
    ),
)

# A script of the package failed while a publish was on its way.
BUILD_RULES = (
    Rule(
        "build/lifecycle",
        "build-failed",
        "A script of the package failed before anything reached the registry.",
        (
            r"lifecycle \"[\w:\-]+\" errored|Failed to exec (?:pre|post)?\w+ script",
            r"Failed at the \S+ (?:pre|post)?\w+ script",
            r"npm (?:ERR!|error) Lifecycle script `[^`]+` failed",
            r"npm (?:ERR!|error) code ELIFECYCLE|\bERR_PNPM_RECURSIVE_RUN_FIRST_FAIL\b",
            r"ERR_PNPM_[A-Z_]*LIFECYCLE|\bELIFECYCLE\b",
            r"npm (?:ERR!|error) command (?:failed|sh -c)",
            r"error: script \"[\w:\-]+\" exited with code [1-9]|error: \"[\w:\-]+\" script exited",
            r"Lifecycle script \(?[\w:\-]+\)? (?:failed|exited)|YN0009: .*couldn't be built successfully",
            r"YN0036: \w+ script failed",
            r"script \"[\w:\-]+\" (?:failed|errored)",
            r"ERR_PNPM_(?:PREPUBLISH|PREPARE|PREPACK)",
            r"error: failed to verify package tarball",
        ),
        _FIX_BUILD,
        echo=True,
        settings=anywhere("publish", "build", "other"),
        confidence=0.85,
    ),
)
_TESTS = (
    r"^(?: FAIL | ?FAIL +\S|FAILED +\S+::)|(?:^|\s)(?:[1-9]\d*) (?:failed|failing)\b|Tests?:? +[1-9]\d* failed",
    r"Test Suites?: [1-9]\d* failed",
    r"# fail [1-9]|\bfailures: [1-9]|[1-9]\d* failures?\b|^FAILED \(|Failed!  - Failed: +[1-9]",
    r"\bAssertionError\b|^test result: FAILED|^error: test failed|Error: Timed out \d+ms waiting for",
    r"There are test failures|> Task :\S*[tT]est FAILED",
    r"^\[ERROR\] (?:Failures:|Tests run:)|^ERROR: Coverage|coverage threshold|does not meet (?:global )?threshold",
)
_COMPILERS = (
    r"error TS\d+:|\bTS\d{4}: |^error CS\d+:|: error CS\d+|^error\[E\d{4}\]|error: could not compile|COMPILATION ERROR",
    r"✖ [1-9]\d* problems? \([1-9]\d* errors?|[1-9]\d* problems? \([1-9]\d* errors?|would reformat",
    r"Code style issues found|^✖ +found [1-9]\d* problems?",  # prettier, commitlint
    r"[1-9]\d* errors? (?:found|and \d+ warnings?)|Found [1-9]\d* errors?\b",
    r"^(?:Uncaught )?(?:SyntaxError|TypeError|ReferenceError|RangeError): |ERROR in \./|RollupError|✘ \[ERROR\]",
    r"Cannot find (?:module|package) '|Could not resolve \"|Module not found: |Failed to compile",
    r"Build failed(?: with [1-9]\d* errors?|\b)",
    r"failed to solve: (?:process \"|failed to (?:compute|read|calculate)|dockerfile parse)",
    r"Build FAILED|BUILD FAILURE|BUILD FAILED|JavaScript heap out of memory|ENOSPC",
    r"dist/? is missing|files? (?:is|are) missing|entry point .* does not exist",
)
_NO_PUBLISH = Maybe("not-a-publish", 0.3, "the workflow does not publish")
TEST_RULES = (
    Rule(
        "build/tests",
        "build-failed",
        "Tests failed; nothing reached the registry.",
        _TESTS,
        _FIX_BUILD,
        settings=_EVERYWHERE,
        confidence=0.8,
        maybe=(_NO_PUBLISH,),
        echo=True,
    ),
    Rule(
        "build/compile",
        "build-failed",
        "A build or lint step failed; nothing reached the registry.",
        _COMPILERS,
        _FIX_BUILD,
        settings=_EVERYWHERE,
        confidence=0.8,
        maybe=(_NO_PUBLISH,),
        echo=True,
    ),
)
_INSTALL_FIX = ("Mend the install (lockfile, dependency or name); nothing was published.",)
DEPENDENCY_RULES = (
    Rule(
        "install/dependencies",
        "not-a-publish",
        "Installing dependencies failed for a reason of their own; nothing was published.",
        (
            # npm warns of the same things and goes on.
            (
                r"(?:ERR!|(?i:error))[^\n]*\b(?:ERESOLVE|ETARGET|EINTEGRITY|EBADENGINE|ENOVERSIONS|EUNSUPPORTEDPROTOCOL)\b"
                r"|^(?:ERESOLVE|ETARGET|EINTEGRITY|EBADENGINE|ENOVERSIONS|EUNSUPPORTEDPROTOCOL)\b"
            ),
            (
                r"(?i)lockfile (?:had changes|would have been|needs to be updated|is not up to date|is broken"
                r"|would be)|but lockfile is frozen|(?:with|without) .?(?:--)?frozen-lockfile"
                r"|ERR_PNPM_(?:OUTDATED|NO|BROKEN|FROZEN)_?LOCKFILE\w*|\bYN0028\b"
            ),
            r"can only install packages when your package\.json and package-lock\.json",
            r"The `npm ci` command can only install with an existing",
            (
                r"ERR_PNPM_(?:FETCH_404|NO_MATCHING_VERSION|PEER_DEP_ISSUES|UNSUPPORTED_ENGINE"
                r"|META_FETCH_FAIL|TARBALL_INTEGRITY|NO_VERSIONS)"
            ),
            r"\bGET https?://\S+ - 404\b|\bNot Found - GET\b|npm (?:ERR!|error) code E404",
            r"\bfailed to resolve\b|Couldn't find (?:package|any versions)|YN0035: .*(?:not found|404)",
            r"YN0027: |YN0082: |Response Code: 404",
            r"error An unexpected error occurred: \"https?://[^\"]*: Not found|Integrity check failed",
            r"The engine \"node\" is incompatible",
            r"ERROR: (?:Could not find a version|No matching distribution)|ResolutionImpossible",
            r"error: no matching package|Could not find gem",
        ),
        _INSTALL_FIX,
        settings=anywhere("install"),
        confidence=0.8,
        maybe=(
            Maybe("install-auth", 0.15, "the package is private and exists"),
            Maybe("build-failed", 0.1, "an install script failed"),
        ),
    ),
)
# The tool itself broke: there is an error, and it says nothing about the cause.
UNEXPLAINED_TEXTS = (
    r"Exit handler never called",
    r"Segmentation fault|core dumped",
    r"the publish request failed: builder error",
)

CLUES = (
    Clue("unexplained", UNEXPLAINED_TEXTS),
    Clue("git-remote", (r"(?i)fatal: Could not read from remote repository",)),
    # Hosts to which a push deploys a program.
    Clue(
        "deploy-remote",
        (r"https?://(?:[\w.\-]*@)?(?:git\.heroku\.com|[\w.\-]+\.scm\.azurewebsites\.net|huggingface\.co)/",),
    ),
    # ssh names the account it tried; that of a forge is always called git.
    Clue(
        "other-login",
        (r"\b(?:[a-fh-z][\w.\-]*|g(?:[a-hj-z][\w.\-]*)?|gi(?:[a-su-z][\w.\-]*)?)@[\w.\-]+: Permission denied",),
    ),
)

FIRST_RULES = (*GITHUB_RULES, *CLOUD_RULES, *INSTALL_AUTH_RULES)  # whatever the registry
LAST_RULES = (*GUARD_RULES, *REQUEST_RULES, *DEPENDENCY_RULES, *BUILD_RULES, *TEST_RULES)
