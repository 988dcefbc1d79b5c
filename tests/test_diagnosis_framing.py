"""One job, printed by several CI systems: the diagnosis is the same, because it reads structure, not one system's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.diagnosis.engine import diagnose
from bot.diagnosis.job_log import Line
from bot.diagnosis.steps import Steps as StepReader

Steps = tuple[tuple[str, str], ...]  # command, output

# The words of an option are no error, and a yarn script's `$ command` is no step.
YARN: Steps = (
    ("yarn install --frozen-lockfile", "yarn install v1.22.22\n[1/4] Resolving packages...\nDone in 4.11s."),
    ("yarn test", "yarn run v1.22.22\n$ vitest run\n Test Files  3 passed (3)\nDone in 2.02s."),
    (
        "yarn publish --non-interactive",
        "yarn publish v1.22.22\n[1/4] Bumping version...\ninfo Current version: 2.4.0\n[3/4] Publishing...\n"
        'error Couldn\'t publish package: "https://registry.npmjs.com/nutmeg-ui: Not found"',
    ),
)
PNPM: Steps = (
    ("pnpm install --frozen-lockfile", "Lockfile is up to date, resolution step is skipped\nDone in 1.2s"),
    (
        "pnpm publish --no-git-checks",
        "npm notice 📦  nutmeg-ui@2.4.0\n"
        "npm notice Publishing to https://registry.npmjs.com/ with tag latest and default access\n"
        "npm error code E401\nnpm error 401 Unauthorized - PUT https://registry.npmjs.com/nutmeg-ui",
    ),
)
BUNDLER: Steps = (
    ("bundle install --jobs 4", "Bundle complete! 12 Gemfile dependencies, 40 gems now installed."),
    (
        "bundle exec gem push pkg/nutmeg-ui-2.4.0.gem",
        "Pushing gem to https://rubygems.org...\nThe API key doesn't have access",
    ),
)
INSTALL: Steps = (
    (
        "npm ci",
        "npm error code E401\nnpm error 401 Unauthorized - GET https://npm.pkg.github.com/@acme%2flog - bad token",
    ),
)
JOBS = {
    "no-access": (YARN, "nutmeg-ui"),
    "token-rejected": (PNPM, "nutmeg-ui"),
    "insufficient-scope": (BUNDLER, "nutmeg-ui"),
    "install-auth": (INSTALL, None),
}


def github(steps: Steps) -> str:
    parts = [f"##[group]Run {run}\n\x1b[36;1m{run}\x1b[0m\nshell: bash\n##[endgroup]\n{out}" for run, out in steps]
    text = "\n".join([*parts, "##[error]Process completed with exit code 1."])
    return "".join(f"2026-05-01T10:11:12.1234567Z {line}\n" for line in text.split("\n"))


def gitlab(steps: Steps) -> str:
    parts = [f"\x1b[32;1m$ {run}\x1b[0;m\n{out}\n" for run, out in steps]
    after = "\x1b[32;1mRunning after script...\x1b[0;m\n\x1b[32;1m$ curl -sf https://hooks.example.com\x1b[0;m\n"
    return "".join(parts) + after + "\x1b[31;1mERROR: Job failed: exit code 1\n\x1b[0;m\n"


def circle(steps: Steps) -> str:
    parts = [f"#!/bin/bash -eo pipefail\n{run}\n\n{out}\n\n" for run, out in steps]
    return "".join(parts) + "Exited with code exit status 1\n"


def jenkins(steps: Steps) -> str:
    parts = [f"[Pipeline] sh\n+ {run}\n{out}\n" for run, out in steps]
    text = "".join(parts) + "[Pipeline] }\nERROR: script returned exit code 1\nFinished: FAILURE"
    return "".join(f"[2026-05-01T10:11:12.123Z] {line}\n" for line in text.split("\n"))


def travis(steps: Steps) -> str:
    parts = [f"$ {run}\n{out}\n" for run, out in steps]
    return "".join(parts) + f'The command "{steps[-1][0]}" exited with 1.\n'


def azure(steps: Steps) -> str:
    rule = "=" * 78
    parts = [
        f"##[section]Starting: Step\n{rule}\nTask         : Command line\n{rule}\nGenerating script.\n"
        f"Script contents:\n{run}\n{rule}\n[command]/usr/bin/bash /home/vsts/work/_temp/a.sh\n{out}\n"
        for run, out in steps
    ]
    text = "".join(parts) + "##[error]Bash exited with code '1'."
    return "".join(f"2026-05-01T10:11:12.1234567Z {line}\n" for line in text.split("\n"))


def buildkite(steps: Steps) -> str:
    parts = [f"\x1b[90m$\x1b[0m {run}\n{out}\n" for run, out in steps]
    text = "".join(parts) + "\x1b[31m🚨 Error: The command exited with status 1\x1b[0m"
    return "".join(f"\x1b_bk;t=1760000000000\x07{line}\n" for line in text.split("\n"))


def buildkite_in_one_colour(steps: Steps) -> str:
    return buildkite(steps).replace("\x1b[90m$\x1b[0m ", "\x1b[90m$ \x1b[0m")


def gitlab_with_times(steps: Steps) -> str:
    return "".join(f"2026-05-01T10:11:12.123456Z 01O {line}\n" for line in gitlab(steps).split("\n"))


def teamcity(steps: Steps) -> str:
    parts = [f"Starting: /bin/sh -c {run}\n{out}\n" for run, out in steps]
    text = "".join(parts) + "Process exited with code 1"
    return "".join(f"[10:11:12] : [Step 1/1] {line}\n" for line in text.split("\n"))


def viewed(steps: Steps) -> str:
    """`gh run view --log`: the job's and the step's name stand before each line."""
    parts = [f"##[group]Run {run}\nshell: /usr/bin/bash -e {{0}}\n##[endgroup]\n{out}" for run, out in steps]
    text = "\n".join([*parts, "##[error]Process completed with exit code 1."])
    return "".join(f"central\tRun it\t2026-05-01T10:11:12.1234567Z {line}\n" for line in text.split("\n"))


def typed(steps: Steps) -> str:
    return "".join(f"(.venv) ida@brook:~/src$ {run}\n{out}\n" for run, out in steps)


def powershell(steps: Steps) -> str:
    return "".join(f"PS C:\\src\\ui> {run}\n{out}\n" for run, out in steps)


SYSTEMS = [github, gitlab, gitlab_with_times, circle, jenkins, travis, azure, buildkite, buildkite_in_one_colour]


@pytest.mark.parametrize("cause", JOBS)
@pytest.mark.parametrize("system", [*SYSTEMS, teamcity, viewed, typed, powershell])
def test_the_ci_system_changes_nothing(system: Callable[[Steps], str], cause: str) -> None:
    steps, package = JOBS[cause]
    said = diagnose(system(steps).encode())
    assert (said.cause, said.package, said.outcome) == (cause, package, "failed")


def test_a_later_success_makes_an_earlier_try_good_even_when_another_step_fails() -> None:
    steps = (
        ("npm publish", "npm error code E503\nnpm error 503 Service Unavailable - PUT https://registry.npmjs.com/mace"),
        ("npm publish", "npm notice 📦  mace@1.4.0\n+ mace@1.4.0"),
        ("./notify.sh", "curl: (22) The requested URL returned error: 500"),
    )
    for system in (github, gitlab, jenkins, buildkite):
        assert diagnose(system(steps).encode()).cause == "published"


def test_a_task_that_calls_program_after_program_is_told_by_the_first_of_them() -> None:
    steps = StepReader()
    lines = ["##[section]Starting: Push", *(["[command]/usr/bin/dotnet nuget push a.nupkg"] * 500)]
    for number, text in enumerate(lines, 1):
        steps.read(Line(number, text, text))
    assert steps.current.setting == "publish"
    assert len(steps.current.command) < 1000
