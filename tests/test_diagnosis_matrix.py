"""Every client's refusal, printed by every CI system and in every shell: framing changes no answer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bot.diagnosis.engine import diagnose
from bot.diagnosis.packages import plain_name
from tests.publish_outputs import PUBLISHED, REFUSED, Publish, Steps
from tests.refused_elsewhere import ELSEWHERE
from tests.test_diagnosis_framing import SYSTEMS, powershell, teamcity, typed, viewed

_RULE = "=" * 78


def _azure(parts: list[str], error: str = "##[error]Bash exited with code '1'.") -> str:
    """A job of Azure DevOps around its tasks."""
    checkout = f"##[section]Starting: Checkout\n{_RULE}\nTask         : Get sources\n{_RULE}\nSyncing repository: app\n"
    text = (
        f"##[section]Starting: Initialize job\nPrepare build.\n##[section]Finishing: Initialize job\n{checkout}"
        "##[command]git version\ngit version 2.51.0\n##[section]Finishing: Checkout\n"
        + "##[section]Finishing: It\n".join(parts)
        + f"{error}\n##[section]Finishing: It\n##[section]Starting: Finalize Job\nCleaning up task key\n"
    )
    return "".join(f"2026-05-01T10:11:12.1234567Z {line}\n" for line in text.split("\n"))


def azure_titles(steps: Steps) -> str:
    """Tasks without a table; the script does not show its commands."""
    called = "[command]/usr/bin/bash --noprofile --norc /home/vsts/work/_temp/a.sh"
    return _azure([f"##[section]Starting: Step {n}\n{called}\n{out}\n" for n, (_, out) in enumerate(steps)])


def azure_commands(steps: Steps) -> str:
    return _azure([f"##[section]Starting: {run}\n{out}\n" for run, out in steps])


def azure_calls(steps: Steps) -> str:
    head = f"{_RULE}\nTask         : Tool\n{_RULE}\nSYSTEMVSSCONNECTION exists true\n"
    parts = [f"##[section]Starting: It\n{head}##[command]/usr/local/bin/{run}\n{out}\n" for run, out in steps]
    return _azure(parts, "##[error]Error: It failed with return code: 1")


def jenkins_branches(steps: Steps) -> str:
    """A pipeline with parallel branches: the branch stands before each line."""
    lines = "".join(f"[Pipeline] sh\n+ {run}\n{out}\n" for run, out in steps).splitlines()
    framed = "".join(f"{line if line.startswith('[Pipeline]') else f'[node-22] {line}'}\n" for line in lines)
    return f"[Pipeline] Start of Pipeline\n{framed}ERROR: script returned exit code 1\nFinished: FAILURE\n"


def jenkins_powershell(steps: Steps) -> str:
    parts = "".join(f"[Pipeline] powershell\n{out}\n" for _, out in steps)
    return f"[Pipeline] Start of Pipeline\n{parts}ERROR: script returned exit code 1\nFinished: FAILURE\n"


def jenkins_windows(steps: Steps) -> str:
    return "".join(f"[Pipeline] bat\n\nC:\\agent\\workspace\\ui>{run} \n{out}\n" for run, out in steps)


def travis_deploys(steps: Steps) -> str:
    """The deployment is no command of the script."""
    tested = "".join(f'$ {run}\n{out}\nThe command "{run}" exited with 0.\n' for run, out in steps[:-1])
    fold = "\ntravis_fold:start:dpl.1\nInstalling deploy dependencies\ntravis_fold:end:dpl.1\n"
    return f"{tested}{fold}Preparing deploy\nDeploying application\n{steps[-1][1]}\nfailed to deploy\n"


def buildkite_groups(steps: Steps) -> str:
    """A script that opens a group for each of its parts."""
    parts = "".join(f"--- :gear: Step {n}\n{out}\n" for n, (_, out) in enumerate(steps))
    return (
        f"~~~ Running script\n\x1b[90m$\x1b[0m .buildkite/release.sh\n{parts}🚨 Error: The command exited with status 1"
    )


def drone(steps: Steps) -> str:
    return "".join(f"+ {run}\n{out}\n" for run, out in steps)


def drone_by_its_tool(steps: Steps) -> str:
    return "".join(f"[release:{n}] {line}\n" for n, line in enumerate(drone(steps).splitlines()))


def bitbucket(steps: Steps) -> str:
    images = "Images used:\n    build : docker.io/library/node@sha256:abc\n"
    return f"+ umask 000\n{images}{drone(steps)}Searching for test report files in directories named [test-results]\n"


def teamcity_scripts(steps: Steps) -> str:
    parts = "".join(
        f"Step {n}/9: It (Command Line)\n[Step {n}/9] Starting: /opt/agent/temp/custom_script{n}\n"
        + "".join(f"[Step {n}/9] {line}\n" for line in out.split("\n"))
        for n, (_, out) in enumerate(steps, 1)
    )
    lines = f"{parts}[Step 9/9] Process exited with code 1".split("\n")
    return "".join(f"[10:11:12]{'E' if 'rror' in line else 'i'}: {line}\n" for line in lines)


def codebuild(steps: Steps) -> str:
    stamp = "[Container] 2026/05/01 10:11:12.123456 "
    return "".join(f"{stamp}Running command {run}\n{out}\n\n" for run, out in steps)


def cloud_build(steps: Steps) -> str:
    parts = [
        f'Starting Step #{n} - "it"\n' + "".join(f'Step #{n} - "it": {line}\n' for line in out.split("\n"))
        for n, (_, out) in enumerate(steps)
    ]
    return "".join(parts) + f'ERROR\nERROR: build step {len(steps)} "node" failed: step exited with status: 1\n'


def act(steps: Steps) -> str:
    return "".join(
        f"[Release/publish] ⭐ Run Main {run}\n"
        + "".join(f"[Release/publish]   | {line}\n" for line in out.split("\n"))
        for run, out in steps
    )


def bamboo(steps: Steps) -> str:
    parts = [f"Starting task 'Step {n}' of type 'script'\n{out}\n" for n, (_, out) in enumerate(steps)]
    return "".join(f"build\t01-May-2026 10:11:12\t{line}\n" for line in "".join(parts).split("\n"))


def netlify(steps: Steps) -> str:
    return "".join(f"10:11:12 AM: {line}\n" for run, out in steps for line in f"$ {run}\n{out}".split("\n"))


def pod(steps: Steps) -> str:
    return "".join(f"2026-05-01T10:11:12.123456789Z stderr F {line}\n" for line in drone(steps).splitlines())


def output_alone(steps: Steps) -> str:
    return "".join(f"{out}\n" for _, out in steps)


def end_alone(steps: Steps) -> str:
    return f"{steps[-1][1]}\n"


FRAMINGS = [
    *SYSTEMS, teamcity, viewed, typed, powershell, azure_titles, azure_commands, azure_calls, jenkins_branches,
    jenkins_powershell, jenkins_windows, travis_deploys, buildkite_groups, drone, drone_by_its_tool, bitbucket,
    teamcity_scripts, codebuild, cloud_build, act, bamboo, netlify, pod, output_alone, end_alone,
]  # fmt: skip
SHOW_COMMANDS = [
    *SYSTEMS, teamcity, viewed, typed, powershell, azure_commands, azure_calls, jenkins_branches, drone,
    jenkins_windows, drone_by_its_tool, bitbucket, codebuild, act, netlify, pod,
]  # fmt: skip
TELL_NO_END = [
    typed,
    powershell,
    drone,
    drone_by_its_tool,
    bitbucket,
    codebuild,
    act,
    netlify,
    pod,
    bamboo,
    output_alone,
]
PROMPTS = [
    "$ ", "% ", "❯ ", "λ ", "PS /home/ida/src> ", "C:\\src\\ui>", "root@host:/x# ", "bash-5.1$ ", "➜  ui git:(main) ✗ ",
    "brook:ui ida$ ", "ida@brook ui % ", "[ida@brook ui]$ ", "~/src/ui (main) $ ", "ida@brook:~/src/ui (main)$ ",
    "ui$ ", "ida@brook ~/s/ui> ", "@ida ➜ /workspaces/ui (main) $ ", "/app # ",
]  # fmt: skip


def _told(log: str) -> tuple[str, str | None]:
    said = diagnose(log.encode())
    return said.cause, plain_name(said.package) if said.package else None


def _wanted(job: Publish) -> tuple[str, str | None]:
    return job.cause, plain_name(job.package) if job.package else None


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.__name__)
def test_a_refusal_is_told_alike_by_every_ci_system(framing: Callable[[Steps], str]) -> None:
    # Nothing of helm's end alone names the chart: its command does, and the line of the step before.
    clients = [client for client in REFUSED if (framing, client) != (end_alone, "helm")]
    told = {client: _told(framing(REFUSED[client].steps)) for client in clients}
    assert told == {client: _wanted(REFUSED[client]) for client in clients}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_refusal_is_told_alike_in_every_shell(prompt: str) -> None:
    told = {
        client: _told("".join(f"{prompt}{run}\n{out}\n" for run, out in job.steps)) for client, job in REFUSED.items()
    }
    assert told == {client: _wanted(job) for client, job in REFUSED.items()}


@pytest.mark.parametrize("client", ["npm", "pnpm", "lerna", "twine", "cargo", "dotnet", "docker"])
@pytest.mark.parametrize("framing", [*SHOW_COMMANDS], ids=lambda framing: framing.__name__)
def test_what_the_code_under_test_prints_is_no_refusal(framing: Callable[[Steps], str], client: str) -> None:
    """The same words, printed by tests of a tool that publishes; the job publishes nothing."""
    printed = REFUSED[client].steps[-1][1]
    tests = f"PASS src/queue.test.ts\n{printed}\nFAIL src/publish.test.ts\nTests:       1 failed, 54 passed, 55 total"
    said = diagnose(framing((("npm ci", "added 9 packages in 1s"), ("npm test", tests))).encode())
    assert not said.auth, said.evidence


@pytest.mark.parametrize("framing", [f for f in FRAMINGS if f is not end_alone], ids=lambda framing: framing.__name__)
def test_what_another_service_refuses_is_no_refused_publish(framing: Callable[[Steps], str]) -> None:
    assert {job: diagnose(framing(steps).encode()).auth for job, steps in ELSEWHERE.items()} == dict.fromkeys(
        ELSEWHERE, False
    )


@pytest.mark.parametrize("framing", TELL_NO_END, ids=lambda framing: framing.__name__)
def test_a_success_is_told_alike_by_every_ci_system(framing: Callable[[Steps], str]) -> None:
    told = {client: _told(framing(job.steps)) for client, job in PUBLISHED.items()}
    assert told == {client: _wanted(job) for client, job in PUBLISHED.items()}


def _first_word(line: str) -> str:
    return re.sub(r"^(\s*)(\S+)", "\\1\x1b[1m\x1b[31m\\2\x1b[0m", line)


def _two_words(line: str) -> str:
    return re.sub(r"^(\s*)(\S+)(\s+)(\S+)", "\\1\x1b[32m\\2\\3\x1b[39m\x1b[35m\\4\x1b[0m", line)


def _line_anew(line: str) -> str:
    return f"⠋ working\r\x1b[2K\x1b[1G{line}"


@pytest.mark.parametrize("paint", [_first_word, _two_words, _line_anew], ids=lambda paint: paint.__name__)
def test_colours_and_redrawn_lines_change_nothing(paint: Callable[[str], str]) -> None:
    def painted(job: Publish) -> str:
        steps = ((run, "\n".join(paint(line) for line in out.split("\n"))) for run, out in job.steps)
        return drone(tuple(steps))

    jobs = {**REFUSED, **{f"good {client}": job for client, job in PUBLISHED.items()}}
    assert {name: _told(painted(job)) for name, job in jobs.items()} == {
        name: _wanted(job) for name, job in jobs.items()
    }
