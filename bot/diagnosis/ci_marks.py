"""How CI systems and shells mark a job's commands, its failures and its end. Patterns only. Pure.

GitHub writes `##[group]Run`, GitLab and Travis `$ command`, Jenkins, Drone and Bitbucket `+ command`, CircleCI a
header, Azure DevOps a section for each task, TeamCity, CodeBuild, GoCD and act the command in the step's first line.
"""

from __future__ import annotations

import re2

COMMANDS = (
    r"(?:[A-Z_]+=\S* +)*(?:npm|npx|pnpm|pnpx|yarn|bun|bunx|node|corepack|lerna|changeset|nx|turbo"
    r"|rush|lage|beachball|auto|vlt|deno|jsr"
    r"|cargo|release-plz|twine|uv|uvx|python3?|pip3?|pipx|poetry|flit|hatch|pdm|maturin|tox|nox|gem|bundle|rake"
    r"|dotnet|nuget(?:\.exe)?|mono|docker|podman|buildah|skopeo|crane|helm|oras|mvn|gradle|go|goreleaser|git|sbt|jreleaser|gh|glab|make|just|task"
    r"|sh|bash|\.?/[\w./\-]+|[\w\-]*lint[\w\-]*|zizmor|shellcheck|textlint|cspell|knip|publint|attw|size-limit"
    r"|semantic-release|release-it|aws|gcloud|az|kubectl|terraform|tofu"
    r"|echo|for|if|cd|set|export|curl|wget|sudo|vp|vsce|ovsx|jest|vitest|mocha|pytest|ruff|mypy|eslint|tsc|prettier"
    r"|playwright|cypress|commitlint|rspec|phpunit|composer|php|perl|java|ruby|rustup|mix|pod|dart|flutter|anaconda"
    r"|conan|luarocks|cabal|stack|ansible(?:-\w+)?|snapcraft|choco|buf|swift|pwsh|Publish-\w+|lein|electron-builder|firebase|vercel|netlify"
    r"|wrangler|heroku|flyctl|pulumi|serverless|sam|cdk|argocd|helmfile|kustomize|sonar-scanner|snyk|trivy|gitleaks"
    r"|semgrep|codecov|sentry-cli|jf|jfrog|apt-get|apt|apk|yum|dnf|brew|ssh|scp|rsync|chmod|mkdir|nvm|rvm)(?:\s|$)"
)
# Only after a dollar: behind the plus of a diff these may begin a line of text.
_PLAIN_WORDS = r"(?:cat|head|tail|grep|find|test|time|source|env|while|case|eval|tar|zip|unzip|cp|mv|rm|ls|\[|\[\[)\s"
RUN = re2.compile(r"^##\[group\]Run (.*)")
_PLAIN = r"^Run ([a-z./$A-Z@\"(\[#][^`]*)$"
PLAIN_RUN = re2.compile(_PLAIN)
_PROMPTED = r"^(?:\$|\+) +(" + COMMANDS + r".*)|^\$ +(" + _PLAIN_WORDS + r".*)"
PROMPT = re2.compile(_PROMPTED)
# A person's own shell, pasted: bash, zsh, fish and their frames, PowerShell, cmd.
_SHELL_PROMPT = (
    r"^(?:\([\w.\-]+\) )?(?:[\w.\-]+@[\w.\-]+(?::| )[~/\w.\-]*|\[[\w.\-]+@[\w.\-]+ [~/\w.\-]+\]"
    r"|[~/][~/\w.\-]*|@[\w\-]+ ➜ [~/\w.\-]+)(?: \([^)]*\))? ?[$#%>] +"
    r"|^[\w.\-]+:[~/\w.\-]+ [\w.\-]+[$#%] +|^(?:(?:ba|z|k|da)?sh-)?[\w.\-]+\$ +|^(?:%|λ|») +"
    r"|^(?:\([\w.\-]+\) )?PS [A-Z/~][^>]*> +|^[A-Z]:\\[^>]*> *"
    r"|^(?:➜|❯) +(?:(?:~[\w./\-]*|[\w.\-]+ +git:\([^)]*\)) +(?:✗ +)?(?:[$%#] +)?)?"
)
_TYPED = rf"(?:{_SHELL_PROMPT})((?:{COMMANDS}|{_PLAIN_WORDS}).*)"
TYPED = re2.compile(_TYPED)
# A step that has a title and tells its commands later, or never: Azure DevOps' tasks, Travis' deployment, the groups of
# Buildkite, the steps of TeamCity, Bamboo and Google Cloud Build, the stages and scripts of Jenkins, act.
_TASK = r"^##\[section\]Starting: (.*)"
TASK = re2.compile(_TASK)
_TITLED = (
    r"^travis_fold:start:(?P<fold>(?:before_|after_)?(?:dpl|deploy)[\w.]*)"
    r"|^(?P<dpl>Preparing deploy|Deploying application)$"
    r"|^(?:---|\+\+\+|~~~) (?P<group>:[\w+\-]+: .*)|^Step \d+/\d+: (?P<teamcity>\S.*)"
    r"|^Starting task '(?P<bamboo>[^']+)' of type|^Starting Step #\d+(?: - \"(?P<cloudbuild>[^\"]*)\")?$"
    r"|^\[Pipeline\] (?:stage|(?P<shell>sh|bat|powershell|pwsh)(?: \((?P<label>.*)\))?|\{ \((?P<stage>.*)\))$"
    r"|^\[[\w /.\-]+\] ⭐ +Run Main (?P<act>.+)|^⭐ +Run Main (?P<runner>.+)"
)
TITLED = re2.compile(_TITLED)
# Travis says so after each command of a script; what comes now is something else.
_COMMAND_ENDS = r"^The command \".*\" (?:failed and )?exited with \d"
COMMAND_ENDED = re2.compile(_COMMAND_ENDS)
# A task calls a program; that of a script has a file of the agent's own.
_CALLS = r"^(?:##)?\[command\](?:\"[^\"]*[/\\]([^\"/\\]+)\"|\"?(?:[^\s\"]*[/\\])?([^\s\"/\\]+))(.*)"
CALLED = re2.compile(_CALLS)
AGENTS_FILE = re2.compile(r"[/\\]_temp[/\\]")
_CLIENT_BANNER = r"^(?:yarn|bun) (?:run|publish|install) v"
CLIENT = re2.compile(_CLIENT_BANNER)
_CLIENT_ENDS = r"^(?:✨ +)?Done in \d"
CLIENT_ENDED = re2.compile(_CLIENT_ENDS)
_CIRCLED = r"^#!/bin/(?:ba)?sh -e"
CIRCLE = re2.compile(_CIRCLED)
_FAILURE = (
    r"^(?:##\[error\]|::error|##vso\[task\.(?:logissue type=error|complete result=Failed))"
    r"|^Error: Process completed with exit code [1-9]|^Process completed with exit code [1-9]"
    r"|^(?:Exited with code exit status [1-9]|The command \".*\" (?:failed and )?exited with [1-9]"
    r"|🚨 Error: The command exited with|failed to deploy$|Deploy failed$|Finished task '[^']+' with result: Failed"
    r"|Process exited with code [1-9]|Command did not exit successfully|\[go\] Task status: failed"
    r"|(?:\[[\w /.\-]+\] +)?❌ +Failure - )"
)
FAILED = re2.compile(_FAILURE)
# On the copied page an action's error has lost its mark.
_ACTION_FAILURE = r"^Error: (?:Error: |HttpError: |The process '.*' failed with )"
ACTION_FAILED = re2.compile(_ACTION_FAILURE)
IS_ACTION = re2.compile(r"^[\w.\-]+/[\w.\-/]+@\S+")
# TeamCity, CodeBuild and GoCD name the command of a step in the step's first line.
_STARTING = (
    r"^Starting: (?:\S*/)?(?:ba)?sh -c (?P<teamcity>.+)|^Running command (?P<codebuild>.+)"
    r"|^\[go\] Task: (?P<gocd>.+)"
)
STARTED = re2.compile(_STARTING)
# Said of the whole job, at its end: GitLab's is about the last command of the script, Jenkins' about any.
_SCRIPT_FAILURE = r"^ERROR: Job failed"
SCRIPT_FAILED = re2.compile(_SCRIPT_FAILURE)
_JOB_FAILURE = (
    r"^(?:ERROR: )?script returned exit code [1-9]|^Finished: FAILURE|^Done\. Your build exited with [1-9]"
    r"|^ERROR: build step \d+ \".*\" failed: "
)
JOB_FAILED = re2.compile(_JOB_FAILURE)
_SUCCESS = r"^(?:Job succeeded|Finished: SUCCESS|Done\. Your build exited with 0\.|CircleCI received exit code 0)"
SUCCEEDED = re2.compile(_SUCCESS)
# GitHub and Azure say of no job that it went well, but of each step that failed, and tidy up at the end.
_END = r"^(?:Cleaning up orphan processes|##\[section\]Finishing: )"
ENDED = re2.compile(_END)
_AFTERMATH = r"^Running after[_ ]script"  # GitLab: what comes now cannot be what failed
AFTER = re2.compile(_AFTERMATH)
# GitHub names the job, and fetches before it starts every action that the job may use, run or not.
_JOB_NAME = r"^Complete job name: (.+)"
JOB_NAMED = re2.compile(_JOB_NAME)
_FETCH = r"^Download action repository '([^'@\s]+)"
FETCHED = re2.compile(_FETCH)
_CHILD_LINE = r"^> (?:@?[\w./\-]+@\S* )?([a-z@./$]\S*.*)$"  # npm prints the package and script, then the command
CHILD = re2.compile(_CHILD_LINE)
# For the one automaton over all patterns; lines that begin with `##[` are always read.
STEP_MARKS = {
    "structure": (
        _PLAIN,
        _PROMPTED,
        _TYPED,
        _TITLED,
        _COMMAND_ENDS,
        _CALLS,
        _CIRCLED,
        _FAILURE,
        _ACTION_FAILURE,
        _SCRIPT_FAILURE,
        _JOB_FAILURE,
        _SUCCESS,
        _AFTERMATH,
        _TASK,
        _STARTING,
        _END,
        _JOB_NAME,
        _FETCH,
        _CLIENT_BANNER,
        _CLIENT_ENDS,
    ),
    "child": (_CHILD_LINE,),
}
MORE = re2.compile(r"^" + COMMANDS)
# What clients print begins with their names too.
PRINTED = re2.compile(
    r"^(?:(?:yarn|bun|pnpm) (?:\w+ )?v\d|npm (?:notice|error|ERR!|warn|WARN|info|http|verb|silly)"
    r"|lerna \w+ |\w+ version )"
)


def called(text: str) -> str:
    """The command line of a program that a task calls, without its path; "" for the agent's own script file."""
    match = CALLED.search(text)
    if not match or AGENTS_FILE.search(match.group(3)):
        return ""
    name = str(match.group(1) or match.group(2)).strip('"')
    return name.removesuffix(".cmd").removesuffix(".exe") + str(match.group(3)).replace('"', "")


def child_command(text: str) -> str:
    """The command of a line with which npm or yarn shows what a script runs: `> pkg@1.0.0 build` -> `build`."""
    match = CHILD.search(text)
    return str(match.group(1)) if match else ""
