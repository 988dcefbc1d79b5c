"""Which of the lines that matched a rule count: by step, setting, clues, and by what came after them. Pure."""

from __future__ import annotations

import functools

import re2

from bot.diagnosis.other_services import said_by_service
from bot.diagnosis.reading import Finding, Hit, Reading
from bot.diagnosis.rule import AUTH_CAUSES, Rule

_NPM_LIKE = frozenset({"npm", "github-packages"})
_NPM_SAID = re2.compile(r"(?i)\b(?:PUT|POST) https?://|\bnpm|trusted publish")
_NPM_PRINTED = re2.compile(r"\bnpm (?:ERR!|error) ")
_WARNING = re2.compile(
    r"^\s*(?:##\[warning\]|::warning|WARN(?:ING)?\b|\[WARN(?:ING)?\]|npm (?:warn|WARN)\b|warning |⚠)|\blevel=warning\b"
)
# Calls of GitHub's API, which serve any purpose; a refused push does not.
_API = re2.compile(
    r"HttpError|(?i)resource not accessible|bad credentials|HTTP 40[13]|GH_TOKEN|GITHUB_TOKEN"
    r"|github-token|gh auth login"
)
_ADDRESS = re2.compile(r"https?://(?:[^@/\s]*@)?([\w.\-]+)")
# How the lines of errors begin; names of files and tests may hold any word.
_IS_ERROR = re2.compile(
    r"^(?:\[?(?:ERROR|FATAL|(?i:error|fatal|err!?))\b\]?[:! ]|\[\w*(?:Error|Exception)\]|\w*(?:Error|Exception): "
    r"|[✘✖×⨯] |\[!\] "
    r"|\*\* \(|Caused by\b|(?:Failed|Unable|Could not|Cannot) |(?:Upload|Publish|Deploy|Push)\w* failed|> )"
)
# A script's own words for a request that was refused.
_REFUSED_WRITE = re2.compile(r"\b[45]\d\d\b[^\n]*\b(?:PUT|POST) [/h]|\b(?:PUT|POST) [/h]\S+[^\n]*\b[45]\d\d\b")
_OF_PUBLISH = re2.compile(
    r"(?i)publish|registr|upload|\bpush|package|artifact|deploy|\bcrate\b|\bgem\b|\bPUT\b|\bPOST\b"
)
# What test runners say at their end.
_TESTS_FAILED = re2.compile(
    r"Tests run: \d+, Failures: (?:[1-9]|\d+, Errors: [1-9])|There are test failures|^test result: FAILED"
    r"|Failed!  - Failed: +[1-9]|^Tests: +[1-9]\d* failed|Test Suites: [1-9]\d* failed|^=+ [1-9]\d* failed|Test +FAILED"
)
_READ = re2.compile(r"\bGET https?://")
# Maven names the plugin whose goal failed.
_GOAL = re2.compile(r"Failed to execute goal [\w.\-]+:([\w.\-]+):")
_PUBLISHING_GOAL = re2.compile(r"deploy|publish|central|staging|release|nexus|sonatype|jib|docker|ossrh|site")
_OF_PARSER = re2.compile(
    r"(?i)unexpected|syntax|\bpars(?:e|ing)\b|\bjson\b|:\d+:\d+\b|\b(?:in|at) \S+\.(?:toml|ya?ml|xml|cfg)\b"
)  # has tokens of its own
_BUILD_ENDED = re2.compile(r"BUILD (?:FAILURE|FAILED)|Build (?:failed|FAILED)")
# npm asks about vulnerabilities by POST too.
_ASKED = re2.compile(r"/-/npm/v1/(?:security|audits)\b|\baudit endpoint returned")
_LOCAL = re2.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|verdaccio)[:/]")


def findings_of(reading: Reading) -> list[Finding]:
    """The failures that count, in the order of the log. Fills `reading.overcome`."""
    clues = functools.cache(reading.clues_of)
    found = [f for hit in reading.hits if (f := _finding(reading, hit, clues(hit.step)))]
    found = _without_last_resort(reading, found)
    found = _without_test_output(reading, found)
    found = _without_early_noise(found)
    found = _without_warnings(found)
    found = [f for f in found if not _is_foreign(reading, f)]
    found = _in_failed_steps(reading, found)
    return _not_overcome(reading, found)


def _finding(reading: Reading, hit: Hit, clues: frozenset[str]) -> Finding | None:
    chosen: tuple[int, str | None, Rule] | None = None
    for order in hit.rules:
        registry, rule = reading.book.rules[order]
        if hit.setting not in rule.settings or not _speaks(reading, registry, rule, hit):
            continue
        if not rule.requires <= clues or rule.excludes & clues:
            continue
        if chosen is None:
            chosen = (order, registry, rule)
            if not rule.requires:
                break
        elif not rule.requires:
            return Finding(chosen[2], chosen[1], chosen[0], hit, plain=rule)
    return Finding(chosen[2], chosen[1], chosen[0], hit) if chosen else None


def _speaks(reading: Reading, registry: str | None, rule: Rule, hit: Hit) -> bool:
    """Whether a rule of this registry may judge the line."""
    if registry is None:
        return True
    voices = reading.voices.get(hit.step, set())
    commanded = reading.book.registry_of_command(reading.steps.all[hit.step].command)
    unnamed = hit.setting == "other" or (hit.setting == "publish" and commanded is None and rule.cause in AUTH_CAUSES)
    if registry == "npm" and unnamed and not voices & _NPM_LIKE and not _NPM_SAID.search(hit.line.text):
        return False  # any service answers so; no client of a registry has spoken
    if registry == "npm":
        by_npm = bool(voices & _NPM_LIKE) and bool(_NPM_PRINTED.search(hit.line.text))
        return hit.registry in (None, *_NPM_LIKE) or by_npm
    return hit.registry == registry or registry in voices


def _without_test_output(reading: Reading, found: list[Finding]) -> list[Finding]:
    """Registry errors that tests printed on purpose: a test's end follows them, and no publish went before.

    A command that tests and publishes (`mvn deploy`) never comes to publish when a test fails.
    """
    tested = {f.hit.step: f.hit.line.number for f in found if _TESTS_FAILED.search(f.hit.line.text)}
    kept = []
    for finding in found:
        later = [
            f
            for f in found
            if f.rule.name == "build/tests"
            and f.hit.step == finding.hit.step
            and f.hit.line.number > finding.hit.line.number
        ]
        printed = not finding.rule.echo and finding.registry is not None and later and finding.hit.setting != "publish"
        before = finding.hit.line.number < tested.get(finding.hit.step, 0) or (
            finding.hit.setting == "other" and finding.hit.line.number < reading.tests_over.get(finding.hit.step, 0)
        )
        if not printed and (finding.rule.echo or finding.registry is None or not before):
            kept.append(finding)
    return kept


def _git_says(finding: Finding) -> bool:
    """Whether the line is git's own."""
    return finding.hit.line.text.startswith(("fatal: ", "remote: "))


def _without_last_resort(reading: Reading, found: list[Finding]) -> list[Finding]:
    """Words that any service may say count where a registry's client has spoken, and where nothing else tells why."""
    known = [f for f in found if not f.rule.last_resort]
    if any(not f.rule.echo for f in known):
        return known
    built = {f.hit.step for f in known if not _BUILD_ENDED.search(f.hit.line.text)}
    return [f for f in found if not f.rule.last_resort or (f.hit.step not in built and _client_said(reading, f.hit))]


def _client_said(reading: Reading, hit: Hit) -> bool:
    """Whether the line names a registry, or is an error about a publish where a client spoke; and no other service."""
    text = hit.line.text
    hosts = {str(m.group(1)) for m in _ADDRESS.finditer(text)}
    known = all(reading.book.registry_of_host(host) or host == reading.hosts.get(hit.step) for host in hosts)
    if not known or _OF_PARSER.search(text):
        return False
    is_error = hit.reason or bool(_IS_ERROR.search(text) or _REFUSED_WRITE.search(text))
    commanded = reading.book.registry_of_command(reading.steps.all[hit.step].command)
    spoke = bool(reading.voices.get(hit.step)) or commanded not in (None, "npm")
    return bool(hosts) or (spoke and is_error and bool(_OF_PUBLISH.search(text)))


def _without_early_noise(found: list[Finding]) -> list[Finding]:
    """Where a step shows its publish beginning, what looked like a registry's error before it was something else."""
    publishing = {f.hit.step for f in found if f.hit.setting == "publish" and not f.rule.echo}
    return [f for f in found if f.rule.echo or f.hit.setting != "other" or f.hit.step not in publishing]


def _without_warnings(found: list[Finding]) -> list[Finding]:
    """A publish that warns goes on: where its step tells an error, its warnings were none. Installs warn of reasons."""

    def warns(finding: Finding) -> bool:
        return finding.hit.setting != "install" and bool(_WARNING.search(finding.hit.line.shown))

    told = {f.hit.step for f in found if not f.rule.echo and not warns(f)}
    return [f for f in found if not warns(f) or (f.hit.step not in told and f.hit.setting == "publish")]


def _is_foreign(reading: Reading, finding: Finding) -> bool:
    """Whether a script of unknown purpose, in a job that releases nothing, printed what a release would fail by.

    That is a call of GitHub for something else, or a client that a test set upon a registry of its own.
    """
    step = reading.steps.all[finding.hit.step]
    if _ASKED.search(finding.hit.line.text):
        return True
    if finding.rule.cause in AUTH_CAUSES and said_by_service(finding.hit.line.text):
        return True
    if (
        finding.registry not in (None, *_NPM_LIKE)
        and finding.hit.setting != "install"
        and finding.rule.cause in AUTH_CAUSES
    ):
        goal = _GOAL.search(finding.hit.line.text)
        if _READ.search(finding.hit.line.text) or (goal and not _PUBLISHING_GOAL.search(goal.group(1))):
            return True  # another service of the same build: an analysis, a chat, a documentation host
    if finding.hit.setting != "other" or not step.command or reading.releases(step):
        return False
    if finding.rule.cause == "github-auth":
        return bool(_API.search(finding.hit.line.text))
    lines = (hit.line.text for hit in reading.hits if hit.step == finding.hit.step)
    return finding.registry is not None and any(_LOCAL.search(text) for text in lines)


def _in_failed_steps(reading: Reading, found: list[Finding]) -> list[Finding]:
    """Where the runner says which steps failed, errors of the others were not fatal."""
    failed = {index for index, step in enumerate(reading.steps.all) if step.failed}
    if not failed and reading.steps.job_succeeded:  # then only a publish that was tolerated to fail is worth telling
        return [f for f in found if f.registry is not None and f.hit.setting == "publish"]
    if not failed and reading.steps.ended_quietly:  # what a later step came after was not fatal
        last = len(reading.steps.all) - 1
        told = [f for f in found if f.hit.step == last or (f.registry is not None and f.hit.setting == "publish")]
        # Of a tag or a comment that was refused after a publish, and failed nothing, there is nothing to tell.
        return [f for f in told if not (reading.succeeded and (f.rule.cause == "github-auth" or _git_says(f)))]
    if not failed:
        return found
    inside = [f for f in found if f.hit.step in failed]
    if inside:
        return inside
    # A failure that the script swallowed still explains a later one that says nothing, if it was a publish.
    return [
        f
        for f in found
        if f.hit.setting == "publish" and not f.rule.echo and reading.steps.all[f.hit.step].setting == "publish"
    ]


def _not_overcome(reading: Reading, found: list[Finding]) -> list[Finding]:
    """Drops failures that a later try made good: of the packages published after them, or, in a good run, of all."""
    done = {p.package for p in reading.packages.outcomes if p.outcome in ("published", "staged")}
    if not (done or reading.succeeded):
        return found
    last_success = max(reading.success_lines, default=0)
    if reading.failed_step is not None or reading.steps.job_failed:
        named: dict[int, set[str]] = {}
        for finding in found:
            if name := finding.hit.named.package:
                named.setdefault(finding.hit.step, set()).add(name)

        def made_good(finding: Finding) -> bool:
            """A line that names no package is about those that its step's other lines name."""
            name = finding.hit.named.package
            about = {name} if name else named.get(finding.hit.step, set())
            return bool(about) and about <= done and finding.hit.line.number < last_success

        reading.overcome = [f for f in found if made_good(f)]
        return [f for f in found if not made_good(f)]
    kept = [f for f in found if f.hit.line.number > last_success and not f.rule.echo]
    reading.overcome = [f for f in found if f.hit.line.number <= last_success]
    return kept
