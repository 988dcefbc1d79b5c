"""All rules compiled once: which of them a line matches, and the anchor words that make a line worth looking at."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import re2

from bot.diagnosis import printed_errors, runner_rules
from bot.diagnosis.ci_marks import COMMANDS, STEP_MARKS
from bot.diagnosis.commands import puts_elsewhere
from bot.diagnosis.last_resort import LAST_RESORT_RULES
from bot.diagnosis.marks import CACHE_ANCHORS, MARKS, WRITE_ANCHORS
from bot.diagnosis.package_texts import PACKAGE_TEXTS
from bot.diagnosis.quotes import QUOTE_ANCHORS, QUOTE_MARKS
from bot.diagnosis.rule import AUTH_CAUSES, Rule
from bot.diagnosis.tools import TOOLS, VERSION_PATTERNS
from bot.registries import REGISTRIES

# What the structure of a job is told by; what else is read is up to the rules.
_COLOURS = r"(?:\x1b\[[0-9;]*m)*"
_STRUCTURE = (
    r"##\[(?:group\]Run|error\]|section\]Start|section\]Finish)|::error|section_start:",
    r"exit code [1-9]|exited with|exit status [1-9]|Job (?:failed|succeeded)",
    r"^Run [a-zA-Z./$@\"(\[#]|^#!/bin/(?:ba)?sh -e|Finished: |Done in [0-9]|Running after[_ ]script",
    # A command, or a package that was published.
    rf"(?:^|[ZKG\x07]|\]|0[0-9a-f][OE]\+?) {{0,2}}{_COLOURS}[$+]{_COLOURS} {_COLOURS}[@a-zA-Z./\[]",
    # The prompts of people's shells, pasted.
    r"@[a-z0-9.\-]+[: ][^ \n]*[$#%] +[A-Za-z.]|^(?:PS )?[A-Z]:\\[^>\n]*>|^(?:➜|❯|%|λ|») |^[~/][^ \n]* [$#%] ",
    r"[$%#>❯»λ] *" + COMMANDS,
    # Steps that have a title.
    r"travis_fold:start:|Preparing deploy|Deploying app|^(?:---|\+\+\+|~~~) :|Step [0-9]+/[0-9]+: ",
    r"Starting (?:task|Step)",
    r"\[Pipeline\]|\[command\]|##vso\[task|failed to deploy|Deploy failed|Finished task '|build step [0-9]",
    r"> @?[\w./\-]+@[^ ]* [a-z]|(?:^|[ZOE\]\x07] ?)> [a-z]",
    r"^dist/[^ ]+(?:\.whl|\.tar\.gz)",
    r"Successfully (?:built|created package|packaged chart) |: PASSED",
    r"Built (?:sdist|wheel|[a-z0-9._-]+-[0-9])|Failed to upload ",
    r"Complete job name: |Download action repository '",
    (
        r"\"(?:name|version)\": \"|\b(?:name|version) = \"|[Ss]tarting: |Running command |\[go\] Task"
        r"|⭐|❌|Pipeline\] sh\r?$"
        r"|did not exit|Process exited|build exited|Cleaning up orphan|received exit code"
    ),
    r"Test (?:Suites|Files)|Ran all test|Tests: |[0-9] pass|test result|# pass|assertions|examples, |Passed!  ",
    r"twine upload |gem push |cargo publish |[a-z]: PUT http|Error: @?[a-z][^ ]*@[0-9]",
    r"\] RUN |Step [0-9]+/[0-9]+ : RUN ",
)
_RUNNER = (
    r"denied to |not accessible|GH0[01][0-9]|[Pp]rotected branch|rule violations|hook declined",
    r"create or approve pull|Authentication failed|Invalid username",
    r"[Cc]ould not read (?:Username|from remote)|unable to access|refusing to allow|publickey|marked as read only",
    r"HttpError",
    r"GITHUB_TOKEN|GH_TOKEN|gh auth login|tag '|github-token|Bad credentials|allow list",
    r"error TS[0-9]|TS[0-9]{4}: |FAIL|[1-9][0-9]* fail|failed|AssertionError|[1-9][0-9]* errors?, ",
    r"# fail [1-9]|failures|SyntaxError|TypeError|ReferenceError|RangeError|Cannot find|Could not resolve",
    r"Module not found",
    r"errored|exec (?:pre|post)?[a-z]+ script|Lifecycle script|error\[E|could not compile|Timed out [0-9]+ms",
    r"Failed to compile|Build (?:failed|FAILED)|BUILD FAIL|ERROR in|RollupError",
    r"Failed!|error CS|COMPILATION|Coverage|threshold|is missing|would reformat|style issues",
    r"heap out of memory|ENOSPC|package-lock|matching distribution|find a version|Exit handler|Segmentation",
    r"core dumped|script \"|resolve (?:dependencies|plugin)|collect dependencies|artifact descriptor|Non-resolvable",
    r"Could not (?:GET|transfer)|NU1301|Credentials not correct|HTTP error 40|status client error",
    r"Authentication is required for|Bad username or password for|pull access denied|source metadata|anonymous token",
    r"/manifests/|successful HTTP response",
    r"`id-token`|did not inject|federated|AADSTS|[Aa]ssume[ R]|OpenIDConnect|attribute condition|id-token",
    r"Google Cloud|token audience|[Cc]redentials (?:could|from any)|ClientToken|SignatureDoes|Unrecognized|JWT Sig",
    r"command git |ls-remote|downloading repository|GIT_[A-Z_]*FAILED|exit(?:ed with)? code:? 128",
    r"LIFECYCLE|RUN_FIRST_FAIL|PREPUBLISH|PREPARE|PREPACK|Failed at the|command sh|couldn't be built|script exited",
    r"[1-9] (?:errors?|problems?)\b|found [1-9][0-9]* problem|✘ \[ERROR\]|\[ERROR\] (?:Fail|Tests)|are missing",
    r"entry point|pull rate limit|toomanyrequests|429 Too Many",
    r"(?:TOKEN|API_KEY|PASSWORD|_PAT)\b|(?:npm|NPM|access|publish) token|not supplied",
    r"(?:TOKEN|_KEY|PASSWORD|_PAT|_AUTH)\b.{0,80}(?:set|missing|empty|defined|required|provided|found|configured|unbound)",
    r"KeyError: |key not found: |variable not found: |could not be resolved",
    r"(?:[Mm]issing|[Ee]mpty|[Uu]ndefined|[Uu]nset|[Nn]o|[Rr]equire[sd]?|must|set|MISSING)"
    r" .{0,80}[A-Z](?:TOKEN|_KEY|PASSWORD|_PAT)\b",
)


# A publish to a public registry, also at the end of a script that is called a build.
_IN_PUBLIC = (
    r"(?:Publish|Stag)ing to http|Uploading distributions|files? (?:to )?https?://upload",
    r"Pushing gem|Pushing [^ ]+ to 'http",
    r"The push refers|- PUT http|Publishing \"|publish v[0-9]| → http|registry at http|publish Publishing",
)


# The words with which clients tell a refusal, whatever stands around them.
_REFUSALS = (
    r"(?i:error|fatal|failed|unable to|could(?: not|n't)|cannot|exception)[\]:! ]|Caused by|[✘✖×⨯] |No authenticated",
    r"no server with|aborting|error\[|the value of",
    r"[Dd]enied|DENIED|[Ff]orbid|[Uu]nauthori[sz]ed|[Uu]nauthenticated|[Uu]nsupported|not (?:currently )?supported",
    r" - (?:PUT|POST|DELETE|GET)|POST [45][0-9][0-9] http|[Rr]esponse(?: [Cc]ode)?:? [45]",
    r"status(?:[^\n]* |: ?)?[45][0-9][0-9]",
    r"HTTP/?[^ ]* [45][0-9][0-9]|response code: [45]|(?:got|returned|answered|said|[Ee]rror|received) '?[45][0-9][0-9]",
    r", [45][0-9][0-9]\)",
    r"\([45][0-9][0-9]\)|success: [45]|exchange_token|Payment Required|Conflict|Bad Request|Payload Too|Too Large",
    r"Unprocessable",
    r"Internal Server|Bad Gateway|Service |Gateway Time|Content access|Not Allowed|Client Error",
    r"(?:not|n't) (?:allow|permit|author|an? (?:member|owner|maint)|have |seem to|(?:a )?valid |include|match|on the)",
    r"not-enabled|does not have|disallow|wrong|insufficient|Insufficient|read-?only|(?:may|can) only |[Mm]ay not ",
    r"[Pp]ermissions? |[Nn]o [Cc]redential|[Cc]redentials? (?:for|is|are|not|was|has|have)|[Cc]redentials:? ",
    r"[Tt]wo[- ]",
    r"2[Ff][Aa]|[Pp]assword|[Mm]issing |[Uu]ser(?:name)? |[Nn]ot all |invalid_|In[A-Z][a-z]+ |audience|getAccessToken",
    r"[Tt]okens? |[Tt]oken(?:empty|not|missing)|API (?:[Kk]ey|token)|_KEY|_TOKEN",
    r"[Kk]ey (?:is|was|has|not|expired|does)",
    r"[Ii]nvalid|[Ee]xpired|[Rr]evoked|[Rr]eserved|[Tt]oo (?:[Ll]arge|[Mm]any|close|similar)|rate limit|[Qq]uota",
    r"limited",
    r"[Aa]lready|(?:is|been) (?:taken|immutable|held|security|black|block)|categories|local version|manifest invalid",
    r"[Pp]ublish(?:ed)? over|[Ss]tage previously|overwr|redeploy|duplicate|updat(?:e|ing) |be updated|--replace",
    r"write=true",
    r"[Cc]onnection |[Tt]imed? ?out|[Tt]imeout|TIMEOUT|name resolution|host(?: |$)|Exception|SocketError",
    r"getaddrinfo|SSL",
    r"E[A-Z]{4,}|_CERT|SIGNED_CERT|SIGNATURE|ALTNAME|Disconnected|disconnected|signed cert|canceled|deadline",
    r"misbehaving",
    r"fetch (?:failed|error)|read (?:failed|error)|first byte|curl|\[(?:6|7|28|35|56)\] |lookup address|connect to ",
    r"[Bb]ad credentials|can no longer|cannot |Unable to find|json: |52[0-9] |ConnectionReset|--token|scope",
    r"unexpected status|cannot update",
    r"[a-z](?:missing|information)|(?:are|have|is|has) not valid",
    r"is (?:required|reserved|blocked|prohibited|not|missing|black)|are missing|must (?:be|have|specify|provide|not)",
    r"[Rr]equires? |[Rr]equired|[Pp]rovide|must not|was specified|be (?:specified|provided)|[Uu]ncommitted|working",
    r"dependenc(?:y|ies) |no matching|[Pp]ackage (?:ID|validation|name)",
    r"[Nn]ot (?:found|available|defined|set|specified)",
    r"max upload|keywords|OTP|otp|one-time|TTY|spam|core module|metadata|previously named|security device|conflicts",
    r"repository information|packument|'private' field|PyPI's|does not exist|public key|github-hosted|TF400813",
    r"was removed",
    r"Web Server|Origin Is|Handshake|Not Implemented|time(?:d)?-?out|Immutable|AlreadyExists|ci` command",
    r"is incompatible",
    r"Couldn't find|ResolutionImpossible|No matching|[0-9] errors?|[0-9] problems?|\[ERROR\]|Failed at the",
    r"script exited",
    r"create_package|new packages|git\.heroku\.com|azurewebsites|huggingface|determine the|terminal prompts",
    r"LIFECYCLE|RUN_FIRST_FAIL|command sh|PREPUBLISH|PREPARE|PREPACK|couldn't be built|[Nn]amespace|nuspec",
    r"symbol package",
)


@dataclass(frozen=True, slots=True)
class Match:
    """What a line matched: rules by place in the order; clues, marks, tools and registries by name."""

    rules: tuple[int, ...] = ()
    clues: tuple[str, ...] = ()
    output_of: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    packages: tuple[int, ...] = ()  # patterns that name a package, by place

    @property
    def anything(self) -> bool:
        return self is not NOTHING

    @property
    def structure(self) -> bool:
        return "structure" in self.marks

    @property
    def child(self) -> bool:
        return "child" in self.marks

    @property
    def address(self) -> bool:
        return "address" in self.marks

    @property
    def code(self) -> bool:
        return "code" in self.marks

    @property
    def reason_below(self) -> bool:
        return "reason-below" in self.marks


NOTHING = Match()
MOST_MATCHES = 10_000


class RuleBook:
    """The rules in order, most specific first, with one automaton over all their patterns."""

    def __init__(self) -> None:
        rules: list[tuple[str | None, Rule]] = [(None, rule) for rule in runner_rules.FIRST_RULES]
        for name, registry in REGISTRIES.items():
            rules += [(name, rule) for rule in registry.RULES]
        rules += [(None, rule) for rule in (*runner_rules.LAST_RULES, *LAST_RESORT_RULES)]
        self.rules: tuple[tuple[str | None, Rule], ...] = tuple(rules)
        self._set: Any = re2.Set.SearchSet(_options())
        self._meaning: list[tuple[str, int | str]] = []
        self._matches: dict[tuple[int, ...], Match] = {}  # few combinations come again and again
        for index, (_, rule) in enumerate(self.rules):
            self._add(rule.patterns, ("rule", index))
        for name, registry in REGISTRIES.items():
            for clue in registry.CLUES:
                self._add(clue.patterns, ("clue", clue.name))
            self._add((registry.OUTPUT,), ("output", name))
        for clue in runner_rules.CLUES:
            self._add(clue.patterns, ("clue", clue.name))
        for marks in (MARKS, STEP_MARKS, QUOTE_MARKS):
            for name, patterns in marks.items():
                self._add(patterns, ("mark", name))
        for index, pattern in enumerate(PACKAGE_TEXTS):
            self._add((pattern,), ("package", index))
        for name, _, output in TOOLS:
            self._add((output,), ("tool", name))
        self._add(VERSION_PATTERNS, ("mark", "version"))
        self._set.Compile()
        anchors = [
            *_STRUCTURE,
            *_RUNNER,
            *_REFUSALS,
            *QUOTE_ANCHORS,
            *printed_errors.ANCHORS,
            *WRITE_ANCHORS,
            *CACHE_ANCHORS,
        ]
        for registry in REGISTRIES.values():
            anchors += registry.ANCHORS
        self.anchors: Any = _compiled(anchors)
        self.build_anchors: Any = _compiled([*_STRUCTURE, *_RUNNER, *_IN_PUBLIC])
        self._commands = {name: re2.compile(registry.COMMANDS) for name, registry in REGISTRIES.items()}
        self._hosts = {name: re2.compile(registry.HOSTS) for name, registry in REGISTRIES.items()}

    def _add(self, patterns: tuple[str, ...], meaning: tuple[str, int | str]) -> None:
        for pattern in patterns:
            self._set.Add(pattern)
            self._meaning.append(meaning)

    def match(self, text: str) -> Match:
        """What the line matches."""
        found = self._set.Match(text)
        if not found:
            return NOTHING
        key = tuple(found)
        match = self._matches.get(key)
        if match is None:
            match = self._meaning_of(key)
            if len(self._matches) < MOST_MATCHES:
                self._matches[key] = match
        return match

    def without_registries(self, rules: tuple[int, ...], named: frozenset[str] | None = None) -> tuple[int, ...]:
        """Those of the rules that blame no registry, or none of those named."""
        kept = (
            index for index in rules if (registry := self.rules[index][0]) is None or (named and registry not in named)
        )
        return tuple(kept)

    def without_git(self, rules: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the rules that do not blame the credential with which git or GitHub is asked."""
        return tuple(index for index in rules if self.rules[index][1].cause != "github-auth")

    def without_credentials(self, rules: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the rules that blame neither a registry nor a credential."""
        return tuple(index for index in self.without_registries(rules) if self.rules[index][1].cause not in AUTH_CAUSES)

    def _meaning_of(self, key: tuple[int, ...]) -> Match:
        meanings = [self._meaning[i] for i in key]

        def named(kind: str) -> list[str]:
            return sorted({str(value) for what, value in meanings if what == kind})

        return Match(
            rules=tuple(sorted({int(value) for what, value in meanings if what == "rule"})),
            clues=tuple(named("clue")),
            output_of=tuple(named("output")),
            tools=tuple(named("tool")),
            marks=frozenset(named("mark")),
            packages=tuple(sorted({int(value) for what, value in meanings if what == "package"})),
        )

    @functools.lru_cache(maxsize=512)  # noqa: B019 - there is one rule book for the life of the process
    def registry_of_command(self, command: str) -> str | None:
        """The registry whose client the command runs; npm last, because `npm run` may run any of them."""
        if puts_elsewhere(command):
            return None
        found = [name for name, pattern in self._commands.items() if pattern.search(command)]
        return next((n for n in found if n != "npm"), found[0] if found else None)

    def registry_of_host(self, host: str) -> str | None:
        return next((name for name, pattern in self._hosts.items() if pattern.search(host)), None)


_SPACE = r"(?:(?:\x1b\[[0-9;]*m)* (?:\x1b\[[0-9;]*m)*)"


def _coloured(pattern: str) -> str:
    """The pattern with room for a change of colour before and behind each of its spaces."""
    inside = escaped = False
    parts = []
    for sign in pattern:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "[" and not inside:
            inside = True
        elif sign == "]":
            inside = False
        elif sign == " " and not inside:
            parts.append(_SPACE)
            continue
        parts.append(sign)
    return "".join(parts)


def _compiled(anchors: list[str]) -> Any:
    """One automaton over the anchors, on raw bytes: a client may colour its words."""
    return re2.compile(("(?m)" + _coloured("|".join(anchors))).encode(), _options())


def _options() -> Any:
    options = re2.Options()
    # An automaton that outgrows this forgets its states and builds them again, at a quarter of the speed. Our rules
    # need about 40 MB; what is not needed is not taken.
    options.max_mem = 64 << 20
    options.log_errors = False
    return options


@functools.cache
def rule_book() -> RuleBook:
    """The one rule book; compiled on first use, because the command line must start fast."""
    return RuleBook()
