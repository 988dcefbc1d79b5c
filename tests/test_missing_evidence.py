"""The card of a failure names each source that could not be read, why, and the permission that is needed."""

from __future__ import annotations

from typing import Any

import pytest

from bot import gathering
from tests import npm_logs
from tests.running import Running
from tests.situations import PACKAGE
from tests.worlds import ago, explained

CALLS = """
on: push
jobs:
  publish:
    environment: npm
    steps:
      - run: npm publish
        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" }
  announce:
    uses: ./.github/workflows/announce.yml
"""
# What is said -> (what is asked, the permission that GitHub names).
SOURCES = {
    "the workflow file": (r"GET /repos/acme/ui/contents/.github/workflows/release.yml", "contents"),
    "the reusable workflow ./.github/workflows/announce.yml": (r"GET /repos/acme/ui/contents/.*announce", "contents"),
    "when the secrets of the repository were last written": (r"GET /repos/acme/ui/actions/secrets", "secrets"),
    "when the secrets of the organisation were last written": (r"/actions/organization-secrets", "secrets"),
    "when the secrets of environment npm were last written": (r"/environments/npm/secrets", "environments"),
    "the repository": (r"GET /repos/acme/ui$", "metadata"),
    "the last good run": (r"GET /repos/acme/ui/actions/workflows/", "actions"),
    "@acme/ui on the registry": (r"GET /@acme(/|%2F)ui", None),
}
STATES: dict[str, tuple[dict[str, Any], str]] = {
    "forbidden": ({"status": 403}, "403, needs {permission}: read"),
    "slow": ({"delay_s": 6.0}, "no answer within"),
    "limited": ({"status": 429, "headers": {"retry-after": "60"}}, "asks us to wait"),
    "broken": ({"status": 502}, "502"),
    "wrong": ({"status": 200, "body": "[]"}, ""),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("source", SOURCES)
async def test_the_card_says_what_could_not_be_read_and_why(
    running: Running, monkeypatch: pytest.MonkeyPatch, source: str, state: str
) -> None:
    if state == "slow":
        monkeypatch.setattr(gathering, "BUDGET_S", 2.5)
    github, registry = running.outside.github, running.outside.registry
    path, permission = SOURCES[source]
    fault, why = STATES[state]
    if permission and state == "forbidden":
        fault = {**fault, "headers": {"X-Accepted-GitHub-Permissions": f"{permission}=read"}}
    (github if permission else registry).fail(path, times=None, **fault)
    github.add_file("acme/ui", ".github/workflows/announce.yml", "on: workflow_call\njobs: {a: {steps: [{run: ls}]}}")
    github.add_run(number=50, conclusion="success", completed_at=ago(3))
    if not permission and state == "forbidden":
        why = "403 for @acme/ui"
    said = await explained(
        running, npm_logs.not_found(), workflow=CALLS, job="publish" if "reusable" not in source else "no such job",
        secrets=(("NPM_TOKEN", "npm", 3), ("NPM_TOKEN", "repository", 3), ("NPM_TOKEN", "organization", 3)),
    )  # fmt: skip
    (missing,) = [line for line in said.card.splitlines() if line.startswith("Missing evidence: ")]
    assert missing.startswith(f"Missing evidence: could not read {source}: ")
    assert why.format(permission=permission) in missing
    assert missing.count("could not read") == 1


async def test_what_could_not_be_read_is_not_what_is_claimed(running: Running) -> None:
    """Without the secrets nothing is said of their age, and without the registry nothing of the name."""
    running.outside.github.fail("/secrets", status=403, times=None)
    running.outside.registry.fail(".", status=503, times=None)
    said = await explained(running, npm_logs.not_found(), secrets=(("NPM_TOKEN", "repository", 120),), released=())
    assert said.verdict.code == "no-access"
    assert said.verdict.reasons == ()
    assert "Check when the secret was last written" in said.first_step
    assert PACKAGE in said.card
