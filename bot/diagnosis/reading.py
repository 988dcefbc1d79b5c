"""All that one pass over a log kept: the lines that matched rules, and what is known around them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import re2

from bot.diagnosis.commands import logs_in_to_cloud, puts_elsewhere, sends_package
from bot.diagnosis.job_log import Line
from bot.diagnosis.packages import Named, Packages
from bot.diagnosis.rule import QUIET, Rule, Setting
from bot.diagnosis.rulebook import RuleBook
from bot.diagnosis.steps import Step, Steps
from bot.diagnosis.tools import OIDC_SINCE, Tools

_NPM_TOKEN = re2.compile(r"NPM|NODE_AUTH|BUN_|YARN|^INPUT_TOKEN|REGISTRY_TOKEN|PUBLISH_TOKEN")
_REGISTRY_TOKEN = re2.compile(
    _NPM_TOKEN.pattern
    + r"|PYPI|TWINE|UV_PUBLISH|CARGO_REG|CRATES|GEM_HOST|RUBYGEMS|NUGET|MAVEN_CENTRAL|OSSRH|SONATYPE|VSCE"
    r"|OVSX|HEX_API|PUB_TOKEN|DOCKERHUB"
)
_RELEASES = re2.compile(r"(?i)releas|publish|version|changelog|\btags?\b|\bship|deliver")
_WRITE = re2.compile(r"\b(?:PUT|POST)\b|https?://upload\.|/blobs/uploads/")
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
    reason: bool = False  # right below a line that says that the reason follows

    @property
    def shows_write(self) -> bool:
        """Whether the line itself shows a write to a registry."""
        return bool(_WRITE.search(self.line.text))


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
    tests_over: dict[int, int]  # where a test runner spoke last, by step
    masked: int
    matched: bool  # some line was known
    at: date | None  # when the job ran
    overcome: list[Finding] = field(default_factory=list)  # failures that a later try made good

    @property
    def failed_step(self) -> Step | None:
        """The first step that the runner itself reports as failed."""
        return next((step for step in self.steps.all if step.failed), None)

    def releases(self, step: Step) -> bool:
        """Whether the job, or this step of it, is about a release, as far as commands and names tell."""
        named = bool(_RELEASES.search(f"{self.steps.job} {step.command}"))
        return named or self.publishing or self.steps.publishing_job

    @staticmethod
    def ships(step: Step) -> bool:
        """Whether a script of unknown contents means to publish: it is called so, and has a registry's credential."""
        armed = any(kind == "set" and _REGISTRY_TOKEN.search(name) for name, kind in step.tokens.items())
        return step.setting == "other" and armed and bool(_RELEASES.search(step.command))

    @property
    def publish_tried(self) -> bool:
        """Whether a publish began; what a script says it would do in another case does not count."""
        steps = enumerate(self.steps.all)
        return self.publishing and any(self.voices.get(i) for i, step in steps if step.setting == "publish")

    @property
    def has_errors(self) -> bool:
        """Whether the end of the log looks like an error."""
        if self.steps.job_succeeded or self.steps.ended_quietly:
            return False
        current = self.steps.current
        shows = current.setting in QUIET and not puts_elsewhere(current.command)
        if shows and self.failed_step is None and not self.steps.job_failed:
            return False  # what tests print is no error of theirs
        return self._has_errors_after(0)

    def _has_errors_after(self, number: int) -> bool:
        tail = (raw.decode("utf-8", "replace") for n, raw in self.tail if n > number)
        unexplained = any("unexplained" in clues for clues in self.clues.values())
        return unexplained or any(_ERROR_LIKE.search(text) for text in tail)

    @property
    def succeeded(self) -> bool:
        """Whether a client said that a publish went through."""
        return bool(self.success_lines)

    @property
    def awaits_approval(self) -> bool:
        """Whether a registry took what was uploaded and waits for a person to publish it."""
        return any("awaits-approval" in clues for clues in self.clues.values())

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
        if sends_package(step.command):
            clues.add("sends-package")
        if self.steps.pushing_job:
            clues.add("pushing-job")
        if version := self.tools.npm_version:
            clues.add("npm-can-oidc" if version >= OIDC_SINCE else "npm-too-old-for-oidc")
        return frozenset(clues)
