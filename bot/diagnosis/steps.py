"""Which step of the job a line belongs to: the command that ran, its environment, whether it failed. Pure.

Steps are told by the marks of CI systems and shells (ci_marks.py). A log without any of these is one step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import re2

from bot.diagnosis import ci_marks
from bot.diagnosis.commands import (
    builds_image,
    is_administration,
    logs_in_to_images,
    only_logs_in,
    pushes_to_cloud,
    setting_of,
    setting_of_title,
)
from bot.diagnosis.job_log import Line
from bot.diagnosis.rule import QUIET, Setting
from bot.diagnosis.task_head import TaskHead

MOST_STEPS = 2000  # of one job; a log with more is not a job log
MOST_HEADER_LINES = 200
MOST_CALLS = 20  # of programs by one task
MOST_COMMAND = 8000  # characters of a script that tell what it is for
MOST_ACTIONS = 100
_PUBLISHING_JOB = re2.compile(r"(?i)publish|release|deploy|push|image|build|ship|deliver")
_PUSHING_JOB = re2.compile(r"(?i)push|image|docker|container|registry|\b(?:ecr|acr|gar|gcr)\b|artifact|package")
_DEPLOYING_JOB = re2.compile(
    r"(?i)deploy|cloud-?run|function|lambda|\bsite|website|pages|\bcdn\b|notif|\bapps?\b|serverless"
)
_TESTING_JOB = re2.compile(
    r"(?i)\b(?:tests?|testing|unit|e2e|end-to-end|integration|lint\w*|checks?|specs?|pytest|jest|vitest|cypress"
    r"|playwright|smoke|coverage|type-?check|analysis|analy[sz]e|verify|validate)\b"
)
# What is no package, though it is published.
_OTHER_PRODUCT = re2.compile(
    r"(?i)\b(?:cloud[ \-]?run|pages|web-?site|site|docs?|documentation|blog|lambdas?|functions?|infra\w*|terraform"
    r"|cluster|kubernetes|k8s|app[ \-]?service|web[ \-]?app|storybook|schemas?|reports?|results?|coverage)\b"
)
_ENV_VALUE = re2.compile(r"^\s+([A-Z][A-Z0-9_]*(?:TOKEN|KEY|PASSWORD|AUTH|API_KEY|SECRET)[A-Z0-9_]*):(.*)$")
_WITH_VALUE = re2.compile(
    r"^\s+(registry-url|registry|repository-url|node-version|token|npm-token|password|push|outputs|tags|verb|args"
    r"|arguments|call):(.*)$"
)
# Actions named after the program that they run with the words they are given.
_PROGRAM_OF_ACTION = re2.compile(
    r"(?i)^(?:[\w.\-]+/(maturin|goreleaser|gradle-build|conan|lerna|poetry|semantic-release|snapcraft)-action"
    r"|actions-rs/(cargo)|[\w.\-]+/(dagger|cargo|gradle|maven|mvn|sbt|yarn|pnpm|npm|helm|twine|uv|hatch|poetry)[\w.\-]*)@"
)
_WORDS_OF_ACTION = ("verb", "call", "command", "args", "arguments")
# Actions that run what they are given: to try it again, in a virtual machine, on another host.
_GIVEN_COMMAND = re2.compile(
    r"^  (?:command|commands|cmd|run|script|args|arguments|verb|task|tasks|goals?|targets?"
    r"|publish|publish-command|release-command): +(\S.*)$"
)
_SET_IN = re2.compile(r"^  (?:(?:env|with):$|shell: |  [\w\-]+:(?: |$))")  # of a header on the copied page
_SHELL_NAMED = re2.compile(r"^shell: (?:/|[A-Z]:\\|\S+ [^\n]*\{0\})")
_GIVEN_CODE = re2.compile(r"^actions/github-script@")
_PLACEHOLDER = re2.compile(r"^X{5}(?:-X{5})+$")


@dataclass(slots=True)
class Step:
    """One command of the job. `tokens`: what each credential variable was: missing, empty, placeholder or set."""

    command: str = ""
    setting: Setting = "other"
    line: int = 1
    failed: bool = False
    failed_at: int = 0  # the first line that says so; 0 when that stands in a later step
    headed: bool = False  # its header, with the environment, was in the log
    entered: bool = False  # the engine has taken its command in
    administration: bool = False
    told: bool = True  # the command is one, not a title
    ran: str = ""  # the last command of a package's script, as its client showed it
    tokens: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    header: list[Line] = field(default_factory=list)


class Steps:
    """Follows the job step by step. `current` is the step the next line belongs to."""

    def __init__(self) -> None:
        self.all: list[Step] = [Step()]
        self._header = 0  # lines of the header still to read, 0 outside
        self._variables = False  # the header's script is over, its variables are being listed
        self._plain = False
        self._marked = False  # GitHub's own marks tell the steps: a plain `Run ...` is an action's word
        self._indented = False  # the copied page sets the header in by two spaces
        self._shell_named = False  # the last line of the header named the shell: variables or output follow
        self._clients = 0  # of yarn and bun that run: their `$ command` lines are scripts of the package, no steps
        self._circle = False
        self._shell = False  # the next line is the first command of a Jenkins pipeline's shell
        self._more = 0  # the line that may go on with CircleCI's script
        self._task = TaskHead(part=0)
        self._azure = False  # tasks tell the programs that they call
        self._calls = 0  # of the current task
        self._script_end: Step | None = None
        self.job = ""  # its name, where the log tells it
        self.actions: list[str] = []  # that the job may use
        self.job_succeeded = False
        self.ended_quietly = False  # to its end, with no step reported as failed
        self.job_failed = False  # somewhere; the log does not say in which step

    @property
    def current(self) -> Step:
        return self.all[-1]

    @property
    def reading_header(self) -> bool:
        """Whether every next line is wanted, hit or not."""
        return self._header > 0 or self._circle or self._shell or self._task.part > 0 or self._more > 0

    @property
    def _may_be_script(self) -> bool:
        """GitHub marks its steps itself, and clients that show a package's scripts name themselves first."""
        return self._clients > 0 or any(step.headed for step in self.all[-2:])

    def may_end_header(self, line: Line) -> bool:
        """Whether the line may be more than a line of the header that is being read."""
        return (
            self._circle
            or self._shell
            or self._more > 0
            or self._task.part > 0
            or line.shown.startswith("##[")
            or self._shell_named
            or (self._plain and (self._indented or not line.shown.startswith(" ")))
        )

    @property
    def quiet(self) -> bool:
        """Whether the current step, told by GitHub's own markers, only builds, tests or shows text."""
        step = self.all[-1]
        return step.headed and step.setting in QUIET

    @property
    def publishing_job(self) -> bool:
        """Whether the job was going to publish: a step of it does, or it was set up with a registry."""
        return (
            (any("registry-url" in s.inputs for s in self.all) and self._may_publish_by_name)
            or self._publishes
            or (any(builds_image(s.command) for s in self.all) and any(only_logs_in(s.command) for s in self.all))
        )

    @property
    def _may_publish_by_name(self) -> bool:
        return not self.job or self._named(_PUBLISHING_JOB)

    def _named(self, words: re2._Regexp) -> bool:
        """Whether the job's name holds one of these words, and none that tells of tests or of what is no package."""
        product = _OTHER_PRODUCT.search(self.job) and "image" not in self.job.lower()
        return bool(words.search(self.job)) and not product and not _TESTING_JOB.search(self.job)

    @property
    def pushes_images(self) -> bool:
        """Whether the job handles images that it builds or logs in for, by its steps and the actions it fetched."""
        return any(builds_image(s.command) or logs_in_to_images(s.command) for s in self.all) or any(
            builds_image(action) or logs_in_to_images(action) for action in self.actions
        )

    @property
    def pushing_job(self) -> bool:
        """Whether the job goes on to push to a registry of its cloud, also where it ended before it came to it."""
        if _TESTING_JOB.search(self.job):
            return self._publishes
        named = self._named(_PUSHING_JOB) and not _DEPLOYING_JOB.search(self.job)
        return (
            named
            or self.pushes_images
            or any(pushes_to_cloud(text) for s in self.all for text in (s.command, *s.inputs.values()))
        )

    @property
    def _publishes(self) -> bool:
        """Whether a step publishes, run or still to come; a log-in alone may be for pulls."""
        return any(s.setting == "publish" and not only_logs_in(s.command) for s in self.all) or any(
            setting_of(action) == "publish" and not only_logs_in(action) for action in self.actions
        )

    @property
    def logs_in_to_pull(self) -> bool:
        """Whether a log-in to an image registry serves a job that tests and pushes nothing."""
        return not self._publishes and bool(_TESTING_JOB.search(self.job)) and not _PUBLISHING_JOB.search(self.job)

    def read(self, line: Line) -> None:
        """Take the next line in; must come before anything asks about `current`."""
        text = line.shown
        if self._circle:
            self._circle = False
            self._begin(text, line.number)
            if self.current.setting == "text":
                self.current.setting = "other"  # of a script, this is the first line only
            self._more = line.number + 1
            return
        if self._shell:
            self._shell = False
            if text.startswith("+ "):
                self._begin(text[2:].strip(), line.number)
                return
        if self._more:
            goes_on = (
                self._more == line.number and bool(ci_marks.MORE.search(text)) and not ci_marks.PRINTED.search(text)
            )
            self._more = line.number + 1 if goes_on else 0
            if goes_on:
                self._name(self.current.command + "\n" + text)
                return
        if self._task.part and self._read_task(text):
            return
        if task := ci_marks.TASK.search(text):
            self._begin_titled(task.group(1), line.number)
            self._task, self._azure = TaskHead(), True
        elif run := ci_marks.RUN.search(text):
            self._begin(run.group(1), line.number)
            self._header, self._plain, self._marked = MOST_HEADER_LINES, False, True
            self.current.headed = True
        elif self._header:
            self._read_header(line)
        elif ci_marks.FAILED.search(text) or (
            self._plain and ci_marks.IS_ACTION.search(self.current.command) and ci_marks.ACTION_FAILED.search(text)
        ):
            self.current.failed, self.current.failed_at = True, self.current.failed_at or line.number
            if ci_marks.COMMAND_ENDED.search(text):
                self._begin("", line.number)
        elif ci_marks.COMMAND_ENDED.search(text):
            self._begin("", line.number)
        elif ci_marks.SCRIPT_FAILED.search(text):
            step = self._script_end or self.current
            step.failed, step.failed_at = True, line.number if step is self.current else 0
        elif ci_marks.JOB_FAILED.search(text):
            self.job_failed = True
        elif started := ci_marks.STARTED.search(text):
            self._begin(next(g for g in started.groups() if g), line.number)
        elif titled := ci_marks.TITLED.search(text):
            told = titled.groupdict()
            self._shell = told.pop("shell") == "sh"  # Jenkins shows the first command of a shell in the next line
            self._begin_titled(next((title for title in told.values() if title), ""), line.number)
        elif self._azure and self._calls < MOST_CALLS and (command := ci_marks.called(text)):
            self._calls += 1
            self._name(command if not self.current.told else f"{self.current.command}\n{command}")
        elif ci_marks.SUCCEEDED.search(text):
            self.job_succeeded = True
        elif ci_marks.ENDED.search(text):
            headed = text.startswith("##") or any(step.headed for step in self.all)
            self.ended_quietly = headed and not any(step.failed for step in self.all)
        elif ci_marks.AFTER.search(text):
            self._script_end, self._clients = self._script_end or self.current, 0
        elif not self._marked and (plain := ci_marks.PLAIN_RUN.search(text)):
            self._begin(plain.group(1), line.number)
            self._header, self._plain = MOST_HEADER_LINES, True
        elif ci_marks.CLIENT.search(text):
            self._clients += 1
        elif ci_marks.CLIENT_ENDED.search(text):
            self._clients -= self._clients > 0
        elif line.prompted:
            self._begin(text[2:].strip(), line.number)
        elif (prompt := ci_marks.PROMPT.search(text)) and not (text.startswith("$") and self._may_be_script):
            self._begin(prompt.group(1) or prompt.group(2), line.number)
        elif typed := ci_marks.TYPED.search(text):
            self._begin(typed.group(1), line.number)
        elif ci_marks.CIRCLE.search(text):
            self._circle = True
        elif job := ci_marks.JOB_NAMED.search(text):
            self.job = job.group(1)
        elif (fetched := ci_marks.FETCHED.search(text)) and len(self.actions) < MOST_ACTIONS:
            self.actions.append(fetched.group(1))

    def _read_task(self, text: str) -> bool:
        """Take in a line of a task's head; False when the line stands behind it."""
        taken = self._task.takes(text)
        if self._task.part == 0 and self._task.script:
            self._name(self._task.script)
        return taken

    def _name(self, command: str) -> None:
        """What a step runs, told after it has begun; of a very long script the beginning tells."""
        step = self.current
        if step.told and len(step.command) > MOST_COMMAND:
            return
        step.command, step.setting, step.told = command, setting_of(command), True
        step.administration = is_administration(command)
        step.entered = False

    def _begin_titled(self, title: str, number: int) -> None:
        """A step whose command may be told later, or never; until then its title tells what it is for."""
        self._begin(title, number)
        self.current.setting, self.current.told = setting_of_title(title), False

    def _begin(self, command: str, number: int) -> None:
        step = Step(command, setting_of(command), number, told=bool(command))
        self._variables, self._clients, self._calls = False, 0, 0
        step.administration = is_administration(command)
        if len(self.all) < MOST_STEPS:
            self.all.append(step)
        else:
            self.all[-1] = step

    def _read_header(self, line: Line) -> None:
        text, step = line.shown, self.current
        self._header -= 1
        if self._plain and self._header == MOST_HEADER_LINES - 1:
            self._indented = text.startswith("  ")
        if self._plain and not self._variables and not self._indented and ci_marks.PLAIN_RUN.search(text):
            self._close_header(step)  # an action without anything to set
            self._header = 0
            self.read(line)
            return
        if self._plain and self._indented:
            if not text.startswith("  ") or (self._variables and not _SET_IN.search(text)):
                self._header = 0
                self._close_header(step)
                self.read(line)
                return
            text = text[2:]
        shell_named, self._shell_named = self._shell_named, bool(_SHELL_NAMED.search(text))
        if text.startswith("##[endgroup]"):
            self._header = 0
            self._close_header(step)
        elif shell_named and not self._plain and text != "env:":
            self._header = 0  # the mark of its end has been lost
            self._close_header(step)
            self.read(line)
        elif not text.startswith(" "):
            if text in ("env:", "with:") or text.startswith("shell:"):
                self._variables = step.headed = True
            elif self._plain and self._variables:
                # The copied page has no end of a header: the first line that is none of its own ends it.
                self._header = 0
                self._close_header(step)
                self.read(line)
            else:
                self._add_command(step, line)
        elif not self._variables and not ci_marks.IS_ACTION.search(step.command):
            self._add_command(step, line)
        elif value := _ENV_VALUE.search(text):
            step.tokens[value.group(1)] = _kind_of_value(value.group(2).strip())
            step.header.append(line)
        elif (given := _GIVEN_COMMAND.search(text)) and not _GIVEN_CODE.search(step.command):
            step.command += "\n" + given.group(1)
            step.inputs.setdefault("command", given.group(1))
        elif given := _WITH_VALUE.search(text):
            step.inputs[given.group(1)] = given.group(2).strip()

    @staticmethod
    def _add_command(step: Step, line: Line) -> None:
        if (
            step.command != line.shown.strip()
            and not _GIVEN_CODE.search(step.command)
            and len(step.command) < MOST_COMMAND
        ):
            step.command += "\n" + line.shown
            step.header.append(line)

    def _close_header(self, step: Step) -> None:
        words = [step.inputs[name] for name in _WORDS_OF_ACTION if step.inputs.get(name)]
        if words and (ran := _PROGRAM_OF_ACTION.search(step.command)):
            step.command += "\n" + " ".join([next(g for g in ran.groups() if g).removesuffix("-build").lower(), *words])
        step.setting = setting_of(step.command)
        step.administration = is_administration(step.command)
        if builds_image(step.command) and step.inputs.get("push") == "false":
            step.setting = "publish" if "push=true" in step.inputs.get("outputs", "") else "build"


def _kind_of_value(value: str) -> str:
    if not value or value in {'""', "''"}:
        return "empty"
    if _PLACEHOLDER.match(value):
        return "placeholder"
    return "set"
