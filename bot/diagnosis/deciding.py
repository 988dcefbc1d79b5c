"""Which of the lines that matched a rule count: by step, setting, clues, and by what came after them. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import date

import re2

from bot.diagnosis.commands import logs_in_to_cloud
from bot.diagnosis.job_log import Line
from bot.diagnosis.packages import Named, Packages
from bot.diagnosis.rule import Rule, Setting
from bot.diagnosis.rulebook import RuleBook
from bot.diagnosis.steps import Step, Steps
from bot.diagnosis.tools import OIDC_SINCE, Tools

_NPM_TOKEN = re2.compile(r"NPM|NODE_AUTH|BUN_|YARN|^INPUT_TOKEN|REGISTRY_TOKEN|PUBLISH_TOKEN")
_NPM_LIKE = frozenset({"npm", "github-packages"})
_NPM_SAID = re2.compile(r"(?i)\b(?:PUT|POST) https?://|\bnpm|trusted publish")
_NPM_PRINTED = re2.compile(r"\bnpm (?:ERR!|error) ")
_WARNING = re2.compile(
    r"^\s*(?:##\[warning\]|::warning|WARN(?:ING)?\b|\[WARN(?:ING)?\]|npm (?:warn|WARN)\b|warning |⚠)"
)
_VERB = re2.compile(r"\b(?:PUT|POST)\b")
_ERROR_LIKE = re2.compile(
    r"npm (?:ERR!|error) |^##\[error\]|^error(?::| )|^ERROR|ERR_PNPM|\bError: |exit code [1-9]"
    r"|exited with [1-9]|^lerna ERR!|^fatal: |^Failed |YN\d{4}: .*(?:Error|failed)|[Ff]ailed with errors"
)


@dataclass(slots=True)
class Hit:
    """One line that matched rules, with where it stood."""

    line: Line
    rules: tuple[int, ...]
    step: int
    setting: Setting
    registry: str | None
    named: Named


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a line satisfies. `plain`: the rule it would satisfy without the clues that explained it."""

    rule: Rule
    registry: str | None
    order: int
    hit: Hit
    plain: Rule | None = None

    @property
    def confidence(self) -> float:
        return self.rule.confidence

    @property
    def publishes_by_verb(self) -> bool:
        """Whether the line itself shows a write to a registry."""
        return bool(_VERB.search(self.hit.line.text))


@dataclass(slots=True)
class Reading:
    """All that one pass over a log kept."""

    hits: list[Hit]
    steps: Steps
    packages: Packages
    tools: Tools
    clues: dict[int, dict[str, list[Line]]]
    codes: list[tuple[int, int, str]]
    registry: str | None
    publishing: bool
    dry_run: bool
    tail: list[tuple[int, bytes]]
    lines: int
    book: RuleBook
    success_lines: list[int]
    good_lines: list[Line]  # that say a publish went through, or that there was nothing to do
    hosts: dict[int, str]  # the registry host each step publishes to
    voices: dict[int, set[str]]  # the registries whose clients spoke in each step
    masked: int
    matched: bool  # some line was known
    at: date | None  # when the job ran
    overcome: list[Finding] = field(default_factory=list)  # failures that a later try made good

    @property
    def failed_step(self) -> Step | None:
        """The first step that the runner itself reports as failed."""
        return next((step for step in self.steps.all if step.failed), None)

    @property
    def publish_tried(self) -> bool:
        """Whether a publish began; what a script says it would do in another case does not count."""
        steps = enumerate(self.steps.all)
        return self.publishing and any(self.voices.get(i) for i, step in steps if step.setting == "publish")

    @property
    def has_errors(self) -> bool:
        """Whether the end of the log looks like an error."""
        return not (self.steps.job_succeeded or self.steps.ended_quietly) and self._has_errors_after(0)

    def _has_errors_after(self, number: int) -> bool:
        tail = (raw.decode("utf-8", "replace") for n, raw in self.tail if n > number)
        unexplained = any("unexplained" in clues for clues in self.clues.values())
        return unexplained or any(_ERROR_LIKE.search(text) for text in tail)

    @property
    def succeeded(self) -> bool:
        """Whether a client said that a publish went through."""
        return bool(self.success_lines)

    @property
    def nothing_to_publish(self) -> bool:
        return any("nothing-to-publish" in clues for clues in self.clues.values())

    @property
    def is_pnpm_script_alone(self) -> bool:
        """Whether the log is nothing but one script of a package, as pnpm 11 shows it: no job around it."""
        steps = self.steps.all
        alone = len(steps) <= 2 and not any(step.headed for step in steps)
        return alone and any(hit.line.text.startswith("[ELIFECYCLE]") for hit in self.hits)

    @property
    def announced(self) -> bool:
        """Whether a client began a publish that is silent when it goes well."""
        return any("publish-announced" in clues for clues in self.clues.values())

    @property
    def nothing_to_publish_last(self) -> bool:
        """Whether the last that the log says is that there was nothing to do."""
        said = [line.number for clues in self.clues.values() for line in clues.get("nothing-to-publish", ())]
        return bool(said) and not self._has_errors_after(max(said))

    @property
    def recognised(self) -> bool:
        """Whether the bytes are a log of anything we know: a job's steps, or a tool's output."""
        return self.matched or len(self.steps.all) > 1

    def clues_of(self, index: int) -> frozenset[str]:
        """What is known about a step beside its errors: what it printed, and what its header said about tokens."""
        step = self.steps.all[index]
        clues = set(self.clues.get(index, ()))
        kinds = {name: kind for name, kind in step.tokens.items() if _NPM_TOKEN.search(name)}
        if step.inputs.get("token") and "npm-publish" in step.command:
            kinds["INPUT_TOKEN"] = "set"  # noqa: S105 - that there is one, not which
        if "set" in kinds.values():
            clues.add("token-set")
        elif "empty" in kinds.values():
            clues.add("token-empty")
        elif "placeholder" in kinds.values():
            clues.add("token-placeholder")
        elif step.headed:
            clues.add("token-absent")
        ends = self.steps.all[index + 1].line if index + 1 < len(self.steps.all) else self.lines + 1
        if any(step.line <= number < ends for number in self.success_lines):
            clues.add("step-published")
        if logs_in_to_cloud(step.command):
            clues.add("cloud-login")
        if self.steps.pushing_job:
            clues.add("pushing-job")
        if version := self.tools.npm_version:
            clues.add("npm-can-oidc" if version >= OIDC_SINCE else "npm-too-old-for-oidc")
        return frozenset(clues)


def findings_of(reading: Reading) -> list[Finding]:
    """The failures that count, in the order of the log. Fills `reading.overcome`."""
    clues = functools.cache(reading.clues_of)
    found = [f for hit in reading.hits if (f := _finding(reading, hit, clues(hit.step)))]
    found = _without_test_output(found)
    found = _without_early_noise(found)
    found = _without_warnings(found)
    found = _in_failed_steps(reading, found)
    return _not_overcome(reading, found)


def _finding(reading: Reading, hit: Hit, clues: frozenset[str]) -> Finding | None:
    chosen: tuple[int, str | None, Rule] | None = None
    voices = reading.voices.get(hit.step, set())
    for order in hit.rules:
        registry, rule = reading.book.rules[order]
        if hit.setting not in rule.settings or not _speaks(registry, hit, voices):
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


def _speaks(registry: str | None, hit: Hit, voices: set[str]) -> bool:
    """Whether a rule of this registry may judge the line."""
    if registry is None:
        return True
    if registry == "npm" and hit.setting == "other" and not voices & _NPM_LIKE and not _NPM_SAID.search(hit.line.text):
        return False  # any service answers so; no client of a registry has spoken
    if registry == "npm":
        by_npm = bool(voices & _NPM_LIKE) and bool(_NPM_PRINTED.search(hit.line.text))
        return hit.registry in (None, *_NPM_LIKE) or by_npm
    return hit.registry == registry or registry in voices


def _without_test_output(found: list[Finding]) -> list[Finding]:
    """Registry errors that tests printed on purpose: a failing test follows them, and no publish went before."""
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
        if not printed:
            kept.append(finding)
    return kept


def _without_early_noise(found: list[Finding]) -> list[Finding]:
    """Where a step shows its publish beginning, what looked like a registry's error before it was something else."""
    publishing = {f.hit.step for f in found if f.hit.setting == "publish" and not f.rule.echo}
    return [f for f in found if f.rule.echo or f.hit.setting != "other" or f.hit.step not in publishing]


def _without_warnings(found: list[Finding]) -> list[Finding]:
    """A publish that warns goes on: where its step tells an error, its warnings were none. Installs warn of reasons."""

    def warns(finding: Finding) -> bool:
        return finding.hit.setting != "install" and bool(_WARNING.search(finding.hit.line.shown))

    told = {f.hit.step for f in found if not f.rule.echo and not warns(f)}
    return [f for f in found if f.hit.step not in told or not warns(f)]


def _in_failed_steps(reading: Reading, found: list[Finding]) -> list[Finding]:
    """Where the runner says which steps failed, errors of the others were not fatal."""
    failed = {index for index, step in enumerate(reading.steps.all) if step.failed}
    if not failed and reading.steps.job_succeeded:  # then only a publish that was tolerated to fail is worth telling
        return [f for f in found if f.registry is not None and f.hit.setting == "publish"]
    if not failed and reading.steps.ended_quietly:  # what a later step came after was not fatal
        last = len(reading.steps.all) - 1
        return [f for f in found if f.hit.step == last or (f.registry is not None and f.hit.setting == "publish")]
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
