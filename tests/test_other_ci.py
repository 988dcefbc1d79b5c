"""Publishes outside GitHub Actions: reported by repository_dispatch, diagnosed, told and ended like all others."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.ci_reports import LARGEST_LOG, Unreadable, read_report, run_number
from bot.demo.github import events
from bot.demo.outside import Outside
from bot.demo.slack.workspace import MARA
from bot.messages import card as card_page
from storage import deliveries, tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.hostile import SNIPPETS
from tests.running import Running

DOCS = Path(__file__).parent.parent / "docs"
LOGS = Path(__file__).parent / "logs"
SCRIPT = DOCS / "other-ci" / "tokenwatch-report.mjs"
FAILED: dict[str, Any] = {
    "registry": "npm",
    "package": "@acme/ui",
    "version": "2.3.1",
    "run_url": "https://jenkins.acme.example/job/release/512/",
    "ci": "jenkins",
}
OUT = {key: value for key, value in FAILED.items() if key != "ci"}


async def report(running: Running, kind: str, payload: dict[str, Any], repo: str = "acme/ui") -> str | None:
    """The reason with which the delivery was finished."""
    await running.outside.github.send("repository_dispatch", events.repository_dispatch(repo, kind, payload))
    await running.worked()
    return running.db.read_now(deliveries.latest)[0].reason


def shown(running: Running) -> list[str]:
    return [card.text + json.dumps(card.blocks, ensure_ascii=False) for card in running.cards()]


def stored(running: Running, **more: Any) -> Token:
    token = Token(
        name="npm-acme-ci", owner=MARA.id, permission="read-write", packages=("@acme/ui",),
        expires_at=running.hands.now() - timedelta(days=2),
        used_by=(Use("acme/ui", None, "NPM_TOKEN", "elsewhere"),), **more,
    )  # fmt: skip
    running.db.write_now(tokens.add, token, running.hands.now())
    return token


async def test_a_failure_in_jenkins_is_the_same_card(running: Running) -> None:
    stored(running)
    running.outside.registry.publish("@acme/ui", "2.3.0")
    log = npm_logs.rejected("@acme/ui", "2.3.1")
    assert await report(running, "publish-failed", FAILED | {"log": log}) == "token-expired"
    (card,) = shown(running)
    assert "`npm-acme-ci` expired 2 days ago" in card or "npm-acme-ci expired 2 days ago" in card
    assert f"<@{MARA.id}>" in card and "Jenkins" in card and FAILED["run_url"] in card
    assert card_page.ROTATE in card and card_page.RERUN not in card


@pytest.mark.parametrize(
    ("ci", "trust"),
    [("jenkins", None), ("azure", None), ("gitlab", "npm trust gitlab @acme/ui"), ("circleci", "circleci")],
)
async def test_what_is_advised_can_be_done_there(running: Running, ci: str, trust: str | None) -> None:
    stored(running)
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await report(running, "publish-failed", FAILED | {"ci": ci, "log": npm_logs.rejected("@acme/ui", "2.3.1")})
    (card,) = shown(running)
    assert "gh secret set" not in card and "npm trust github" not in card and "id-token" not in card
    assert "re-run" not in card.lower() and "then run the job again" in card
    assert (trust in card) if trust else ("npm trust" not in card)


async def test_the_same_build_told_twice_is_one_failure_and_another_build_is_the_second(running: Running) -> None:
    payload = FAILED | {"log": npm_logs.rejected("@acme/ui", "2.3.1")}
    for _ in range(2):
        await report(running, "publish-failed", payload)
    (card,) = shown(running)
    assert "Failed once" in card
    await report(running, "publish-failed", payload | {"run_url": "https://jenkins.acme.example/job/release/513/"})
    (card,) = shown(running)
    assert "Failed 2 times" in card


async def test_a_success_ends_it_once_the_registry_has_the_version(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await report(running, "publish-failed", FAILED | {"log": npm_logs.rejected("@acme/ui", "2.3.1")})
    again = OUT | {"run_url": "https://jenkins.acme.example/job/release/513/"}
    assert await report(running, "publish-succeeded", again) == "published"
    (card,) = shown(running)
    assert "the registry does not list it yet" in card and "Run 513" in card
    running.outside.registry.publish("@acme/ui", "2.3.1")
    running.hands.ahead += timedelta(minutes=3)
    await running.bot.clock.tick()
    await running.worked()
    assert shown(running)[0].startswith("Resolved: @acme/ui 2.3.1 is on the registry.")


async def test_a_success_of_another_package_ends_nothing(running: Running) -> None:
    await report(running, "publish-failed", FAILED | {"log": npm_logs.rejected("@acme/ui", "2.3.1")})
    await report(running, "publish-succeeded", OUT | {"package": "@acme/other"})
    assert not shown(running)[0].startswith("Resolved")


async def test_a_success_in_another_repository_ends_nothing(running: Running) -> None:
    await report(running, "publish-failed", FAILED | {"log": npm_logs.rejected("@acme/ui", "2.3.1")})
    await report(running, "publish-succeeded", OUT, repo="evil/repo")
    assert not shown(running)[0].startswith("Resolved")


async def test_of_another_registry_the_report_is_believed_and_says_so(running: Running) -> None:
    payload = {"registry": "pypi", "package": "acme-ui", "version": "2.3.1", "ci": "gitlab"}
    await report(running, "publish-failed", payload)
    assert await report(running, "publish-succeeded", payload | {"run_url": "https://gitlab.com/acme/ui/-/jobs/7"}) == (
        "resolved"
    )
    (card,) = shown(running)
    assert card.startswith("Resolved: It was published (run 7), as GitLab CI says; the registry was not asked.")


async def test_a_success_ends_a_failure_of_github_actions_for_the_same_package(running: Running) -> None:
    """Somebody published by hand from elsewhere."""
    running.outside.registry.publish("@acme/ui", "2.3.0")
    await running.deliver_run(npm_logs.rejected("@acme/ui", "2.3.1"), repo="acme/ui")
    await running.worked()
    running.outside.registry.publish("@acme/ui", "2.3.1")
    assert await report(running, "publish-succeeded", OUT) == "resolved"
    assert shown(running)[0].startswith("Resolved: @acme/ui 2.3.1 is on the registry.")


async def test_a_staged_version_waits_for_approval(running: Running) -> None:
    assert await report(running, "publish-succeeded", OUT | {"staged": True, "ci": "circleci"}) == "staged"
    (card,) = shown(running)
    assert "waits for approval" in card and "@acme/ui 2.3.1" in card and "CircleCI" in card


async def test_without_a_log_the_card_claims_no_more_than_it_knows(running: Running) -> None:
    assert (
        await report(running, "publish-failed", {key: FAILED[key] for key in ("package", "version", "ci")}) == "unknown"
    )
    (card,) = shown(running)
    assert "Jenkins says that publishing @acme/ui 2.3.1 failed, and its log does not say why" in card
    assert card_page.ROTATE not in card and "Open the run" not in card.replace("Open the run and look", "")


async def test_a_broken_build_elsewhere_is_no_more_our_business(running: Running) -> None:
    log = (LOGS / "build-failed" / "publish-prepublish-fails-npm.log").read_text()
    assert await report(running, "publish-failed", FAILED | {"log": log}) == "build-failed"
    assert shown(running) == []


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({}, "package is missing"),
        ({"package": "@acme/ui", "registry": "npmjs"}, "registry has to be one of"),
        ({"package": "a b"}, "package is not well formed"),
        ({"package": 7}, "package is not well formed"),
        ({"package": "@acme/ui", "version": "<!channel>"}, "version is not well formed"),
        ({"package": "@acme/ui", "run_url": "javascript:alert(1)"}, "run_url is not well formed"),
        ({"package": "npm_" + "a1" * 18}, "package is not well formed"),
        ({"package": "@acme/ui", "log": ["x"]}, "log has to be text"),
    ],
)
def test_a_payload_that_is_not_as_documented_is_told_by_field(payload: dict[str, Any], says: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(says)) as caught:
        read_report(payload, failed=True)
    assert "npm_" not in str(caught.value)


async def test_a_bad_payload_is_given_up_with_its_reason(running: Running) -> None:
    assert await report(running, "publish-failed", {"log": 1}) == "payload"
    assert await report(running, "publish-succeeded", {"version": "1.0.0"}) == "payload"
    assert shown(running) == []


async def test_hostile_names_stay_text(running: Running) -> None:
    for place, text in enumerate(SNIPPETS[:12]):
        payload = FAILED | {"ci": text, "run_url": f"https://ci.example/{place}"}
        payload["log"] = f"{text}\n" + npm_logs.rejected("@acme/ui", f"2.{place}.1") + text
        await report(running, "publish-failed", payload)
    for card in shown(running):
        assert "<!channel>" not in card and "<https://evil" not in card


def test_a_log_is_read_from_its_end_and_credentials_never_arrive() -> None:
    long = read_report(FAILED | {"log": "x" * 200_000 + "end"}, failed=True)
    assert len(long.log) == LARGEST_LOG and long.log.endswith("end")


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("https://jenkins.acme.example/job/release/512/", 512),
        ("https://jenkins.acme.example/job/release/512/console", 512),
        ("https://gitlab.com/acme/ui/-/jobs/778899", 778899),
        ("https://app.circleci.com/pipelines/github/acme/ui/12/workflows/6f1c/jobs/77", 77),
        ("https://dev.azure.com/acme/ui/_build/results?buildId=9041&view=results", 9041),
        ("https://ci.acme.example/", None),
        (None, None),
    ],
)
def test_a_build_is_called_by_its_number(url: str | None, number: int | None) -> None:
    assert run_number(url) == number


# --- probes ----------------------------------------------------------------------------------------------------------


def checked(running: Running, *, ok: bool, status: str, days: float = 0) -> dict[str, Any]:
    at = running.hands.now() - timedelta(days=days)
    return {"token": "npm-acme-ci", "ok": ok, "status": status, "checked_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}


async def test_a_probe_that_npm_refuses_is_a_card_before_any_release_fails(running: Running) -> None:
    stored(running)
    assert await report(running, "token-checked", checked(running, ok=False, status="E401")) == "probe-refused"
    (card,) = shown(running)
    assert card.startswith("npm refuses npm-acme-ci in acme/ui: its next release will fail.")
    assert card_page.ROTATE in card and f"<@{MARA.id}>" in card and card_page.RERUN not in card
    await report(running, "token-checked", checked(running, ok=False, status="E401"))
    assert len(shown(running)) == 1
    assert await report(running, "token-checked", checked(running, ok=True, status="alive")) == "probe-alive"
    assert shown(running)[0].startswith("Resolved: The probe in acme/ui says that npm-acme-ci is alive there.")


@pytest.mark.parametrize(
    ("status", "days", "repo", "reason"),
    [
        ("failed", 0, "acme/ui", "probe-unsure"),
        ("E503", 0, "acme/ui", "probe-unsure"),
        ("E401", 3, "acme/ui", "probe-stale"),
        ("E401", 0, "evil/repo", "token-unknown"),
    ],
)
async def test_what_a_probe_does_not_know_is_silence(
    running: Running, status: str, days: float, repo: str, reason: str
) -> None:
    stored(running)
    assert await report(running, "token-checked", checked(running, ok=False, status=status, days=days), repo) == reason
    assert shown(running) == []


async def test_an_end_may_be_told_by_registry_and_name(running: Running) -> None:
    stored(running)
    payload = {"registry": "pypi", "name": "npm-acme-ci", "expires_at": "2027-01-01T00:00:00Z", "seen_by": "vault"}
    assert await report(running, "token-expiring", payload) == "token-unknown"
    assert await report(running, "token-expiring", payload | {"registry": "npm"}) == "token-expiring"
    token = running.db.read_now(tokens.get, "npm-acme-ci")
    assert token is not None and token.expires_at is not None and token.expires_at.year == 2027


# --- the recipes -----------------------------------------------------------------------------------------------------


async def run_script(outside: Outside, folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    given = {
        "PATH": os.environ["PATH"],
        "GITHUB_API_URL": outside.github_api_url,
        "TOKENWATCH_GITHUB_TOKEN": outside.github.api.token or "",
    }
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), *arguments, cwd=folder, env=given | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


with_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


@with_node
async def test_the_script_reports_a_failure_without_any_credential(running: Running, tmp_path: Path) -> None:
    running.outside.github.api.permissions["contents"] = "write"
    stored(running)
    (tmp_path / "package.json").write_text('{"name": "@acme/ui", "version": "2.3.1"}')
    secrets = ["npm_" + "b2" * 18, "plain-value-of-a-secret", "hunter2hunter2"]
    log = f"//registry.npmjs.com/:_authToken={secrets[2]}\n{secrets[0]} {secrets[1]} é\n" * 900
    (tmp_path / "publish.log").write_text(log + npm_logs.rejected("@acme/ui", "2.3.1"))
    arguments = (
        "failed",
        "--ci",
        "gitlab",
        "--repo",
        "acme/ui",
        "--url",
        "https://gitlab.com/acme/ui/-/jobs/7",
        "--log",
    )
    code, said = await run_script(running.outside, tmp_path, *arguments, "publish.log", NPM_TOKEN=secrets[1])
    assert (code, said) == (0, "")
    await running.worked(1)
    (card,) = shown(running)
    assert "GitLab CI" in card and "npm-acme-ci" in card and "run 7" in card.lower()
    (body,) = [json.dumps(one.detail()["request"]["payload"]) for one in running.outside.github.deliveries.sent]
    assert 40_000 < len(body) < 80_000 and not any(secret in body for secret in secrets)


@with_node
async def test_the_script_reports_a_success(running: Running, tmp_path: Path) -> None:
    running.outside.github.api.permissions["contents"] = "write"
    (tmp_path / "package.json").write_text('{"name": "@acme/ui", "version": "2.3.1"}')
    code, said = await run_script(running.outside, tmp_path, "succeeded", "--repo", "acme/ui", "--staged")
    assert (code, said) == (0, "")
    await running.worked(1)
    assert running.db.read_now(deliveries.latest)[0].reason == "staged"


@with_node
@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("failed", "--repo", "acme/ui"), {"TOKENWATCH_GITHUB_TOKEN": ""}, "TOKENWATCH_GITHUB_TOKEN is not set"),
        (("failed", "--repo", "acme/ui"), {"TOKENWATCH_GITHUB_TOKEN": "wrong"}, "GitHub answered 401"),
        (("succeeded",), {}, "--repo has to be OWNER/NAME"),
        (("failed", "--repo", "acme/ui", "--log", "gone.log"), {}, "gone.log is not there, so the publish never began"),
        ((), {}, "say failed or succeeded first"),
        (("failed", "--repo", "acme/ui"), {"GITHUB_API_URL": "http://127.0.0.1:59998"}, "ECONNREFUSED"),
    ],
)
async def test_the_script_never_fails_the_build(
    running: Running, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    code, said = await run_script(running.outside, tmp_path, *arguments, **environment)
    assert code == 0 and says in said and said.count("\n") == 1


def recipes() -> dict[str, str]:
    """heading -> the code below it."""
    text = (DOCS / "other-ci.md").read_text()
    return dict(re.findall(r"^## ([^\n]+)\n+```(?:\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def test_every_recipe_is_well_formed_and_calls_the_script_as_it_is() -> None:
    found = recipes()
    assert set(found) == {"Jenkins", "GitLab CI", "CircleCI", "Azure DevOps"}
    for name, code in found.items():
        if name != "Jenkins":
            assert YAML(typ="safe").load(code)
        assert "set -o pipefail" in code and "tee publish.log" in code
        calls = re.findall(r"tokenwatch-report\.mjs (failed|succeeded) ([^'\n]*)", code)
        assert [what for what, _ in calls] in (["failed", "succeeded"], ["succeeded", "failed"])
        for what, rest in calls:
            assert "--repo acme/ui" in rest and "--url " in rest and ("--log publish.log" in rest) == (what == "failed")
            ci = re.search(r"--ci (\w+)", rest)
            assert ci and read_report(FAILED | {"ci": ci[1]}, failed=True).ci == name


def test_the_events_are_documented_as_they_are_read() -> None:
    text = (DOCS / "other-ci.md").read_text()
    for kind in ("publish-failed", "publish-succeeded", "token-expiring", "token-checked"):
        assert f"| `{kind}` |" in text
