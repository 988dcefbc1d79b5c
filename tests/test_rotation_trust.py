"""Moving to trusted publishing: readiness, the workflow diff, proof package by package, and no token at the end."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from bot.evidence import Published, Release
from bot.messages import rotation_card
from bot.registries.npm.workflow import parse_workflow, read_workflow
from bot.rotation import steps
from bot.rotation.readiness import is_ready, readiness
from bot.rotation.workflow_change import workflow_change
from storage import tokens
from storage.tokens import Token, Use
from tests import rotating
from tests.rotating import UI, WORKFLOW, card, furnish, look, press, published, rotation, shown, start
from tests.running import Running

TRUSTED = WORKFLOW.replace("contents: read", "contents: read\n      id-token: write").replace("22", "24")
NO_PERMISSIONS = WORKFLOW.replace("    permissions:\n      contents: read\n", "")
ABOVE = "permissions:\n  contents: read\n" + NO_PERMISSIONS.replace("name: Release\n", "")
UNIT_TESTS = WORKFLOW[: WORKFLOW.index("      - run: npm publish")] + "      - run: npm test\n"
REFUSED = WORKFLOW.replace("contents: read", "contents: read\n      id-token: none")


def facts(text: str) -> object:
    return read_workflow(parse_workflow(text.encode()), {})


@pytest.mark.parametrize("text", [WORKFLOW, NO_PERMISSIONS, ABOVE, REFUSED])
@pytest.mark.parametrize("without_secret", [False, True])
def test_the_diff_applies_and_does_what_it_promises(tmp_path: Path, text: str, without_secret: bool) -> None:
    """`patch` itself applies it; the file then asks for an identity, and everything else is untouched."""
    diff = workflow_change(text, UI, without_secret=without_secret)
    assert diff is not None
    file = tmp_path / UI.workflow  # type: ignore[operator]
    file.parent.mkdir(parents=True)
    file.write_text(text)
    done = subprocess.run(
        ["patch", "-p1"], input=diff + "\n", cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    read = read_workflow(parse_workflow(file.read_bytes()), {})
    assert read.id_token is True
    assert ("NPM_TOKEN" in read.secrets) != without_secret
    assert [job.node for job in read.jobs] == ["24"]
    removed = [line for line in text.splitlines() if line not in file.read_text().splitlines()]
    assert all("node-version" in line or "NPM_TOKEN" in line or "env:" in line or "none" in line for line in removed)


def test_a_file_that_is_ready_or_cannot_be_changed_safely_has_no_diff() -> None:
    assert workflow_change(TRUSTED, UI) is None
    assert (
        workflow_change(WORKFLOW.replace("permissions:\n      contents: read", "permissions: {contents: read}"), UI)
        is None
    )
    for text in ("", "jobs: [", "name: x\njobs: {}", "\0", "jobs:\n  a:\n    steps: 7\n"):
        assert workflow_change(text, UI) is None


def test_tools_that_prefer_the_token_lose_it_at_once() -> None:
    diff = workflow_change(WORKFLOW.replace("npm publish", "pnpm publish"), UI)
    assert diff is not None and "-          NODE_AUTH_TOKEN" in diff
    assert "-          NODE_AUTH_TOKEN" not in str(workflow_change(WORKFLOW, UI))


@pytest.mark.parametrize(
    ("text", "ready", "words"),
    [
        (WORKFLOW, True, "lacks `id-token: write`"),
        (TRUSTED, True, "has `id-token: write`"),
        (WORKFLOW.replace("ubuntu-latest", "self-hosted"), False, "self-hosted runner"),
        (UNIT_TESTS, False, "no job that publishes"),
    ],
)
def test_readiness_names_what_stands_in_the_way(text: str, ready: bool, words: str) -> None:
    token = Token(name="x", packages=("@acme/ui",), used_by=(UI,))
    there = {"@acme/ui": Published("@acme/ui", True, newest=Release("1.0.0"))}
    checks = readiness(token, ("@acme/ui",), {UI: facts(text)}, there)  # type: ignore[dict-item]
    assert is_ready(checks) == ready
    assert any(words in check.sentence for check in checks)


def test_what_could_not_be_read_is_not_called_ready() -> None:
    token = Token(name="x", packages=("@acme/ui", "acme-*"), used_by=(UI, Use("acme/x")))
    checks = readiness(token, token.packages, {}, {"@acme/ui": Published("@acme/ui", False)})
    assert not is_ready(checks)
    said = " ".join(check.sentence for check in checks)
    for words in ("could not be read", "No workflow file is on record", "first version", "no single package"):
        assert words in said, words


async def test_the_way_to_no_token_at_all(running: Running) -> None:
    token = furnish(running, packages=("@acme/ui", "@acme/icons"))
    await start(running, path="trusted-publishing")
    said = shown(card(running))
    assert "npm trust github @acme/ui --file=release.yml --repo=acme/ui --allow-publish" in said
    assert "npm trust github @acme/icons" in said
    answer = await running.outside.slack.click(card(running), rotation_card.COMMANDS)
    assert "+      id-token: write" in json.dumps(answer.replies[0].blocks)

    for _ in range(2):
        await press(running, rotation_card.TICK, {"reason": "set up on npm"})
    assert steps.reached(rotation(running)) == "minted"
    await look(running)
    assert steps.reached(rotation(running)) == "minted", "the workflow has not changed"
    running.outside.github.add_file("acme/ui", rotating.RELEASE, TRUSTED)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"

    published(running, "1.1.0", by="token")
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "was published with a token after the switch" in shown(card(running))
    published(running, "1.2.0", by="oidc")
    running.outside.registry.publish("@acme/ui", "1.2.0", "oidc", at=running.hands.now() + timedelta(seconds=9))
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "@acme/icons has shown nothing yet"
    published(running, "2.0.0", "@acme/icons", "oidc")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "still reads `NPM_TOKEN`" in shown(card(running))

    running.hands.ahead += timedelta(hours=25)
    await look(running)
    await press(running, rotation_card.TICK, {"reason": "revoked"})
    assert "gh secret delete NPM_TOKEN --repo acme/ui" in shown(card(running))
    await look(running)
    assert rotation(running).end is None
    running.outside.github.world.secrets["repos/acme/ui"].pop("NPM_TOKEN")
    running.hands.ahead += timedelta(hours=25)
    await look(running)
    assert steps.state(rotation(running)) == "closed"
    assert "without a token now" in card(running).text
    publishers = [t for t in running.db.read_now(tokens.all_tokens) if t.kind == "trusted-publisher"]
    assert sorted(package for t in publishers for package in t.packages) == ["@acme/icons", "@acme/ui"]
    gone = running.db.read_now(tokens.by_id, token.id)
    assert gone is not None and gone.revoked_at is not None


async def test_npms_trust_list_proves_that_the_publisher_is_set_up(running: Running) -> None:
    furnish(running)
    await start(running, path="trusted-publishing")
    now = running.hands.now()
    trust = Token(
        name="trust-ui", kind="trusted-publisher", packages=("@acme/ui",),
        used_by=(Use("acme/ui", "release.yml", None, "elsewhere"),),
    )  # fmt: skip
    running.db.write_now(tokens.add, trust, now)
    await look(running)
    done = steps.find(rotation(running), "mint", "@acme/ui").done
    assert done is not None and done.proof == "seen" and "release.yml" in done.what


async def test_half_a_change_of_the_workflow_is_told(running: Running) -> None:
    furnish(running)
    two = TRUSTED + TRUSTED[TRUSTED.index("  publish:") :].replace("  publish:", "  nightly:").replace(
        "      id-token: write\n", ""
    )
    await start(running, path="trusted-publishing")
    await press(running, rotation_card.TICK, {"reason": "set up"})
    running.outside.github.add_file("acme/ui", rotating.RELEASE, two)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "the job `nightly` still lacks `id-token: write`" in shown(card(running))
