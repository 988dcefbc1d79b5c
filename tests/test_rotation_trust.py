"""Moving to trusted publishing: readiness, the workflow diff, proof package by package, and no token at the end."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from bot.evidence import Published, Release
from bot.messages import rotation_card
from bot.registries.npm.packument import github_repository
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
    for words in ("could not be read", "has no workflow file on record", "first version", "no single package"):
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
    assert "still reads `NPM_TOKEN`" in shown(card(running)) and rotation_card.STOP not in shown(card(running))
    answer = await running.outside.slack.click(card(running), rotation_card.COMMANDS)
    await running.outside.slack.until(lambda: answer.replies, what="the commands")
    said = json.dumps(answer.replies[0].blocks)
    assert "-          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}" in said
    assert "undo the change of the workflow" in said and "store the old value" not in said
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


@pytest.mark.parametrize(
    ("repository", "verdict", "words"),
    [
        ("acme/ui", "ok", "names acme/ui in"),
        ("Acme/UI", "unknown", "letter by letter"),
        ("acme/old-ui", "change", "names acme/old-ui in `repository.url`, and has to name acme/ui"),
        ("", "change", "names no repository of GitHub"),
        (None, "unknown", "could not be read"),
    ],
)
def test_the_repository_of_the_package_has_to_be_the_one_that_publishes(
    repository: str | None, verdict: str, words: str
) -> None:
    token = Token(name="x", packages=("@acme/ui",), used_by=(UI,))
    there = {"@acme/ui": Published("@acme/ui", True, newest=Release("1.0.0", repository=repository))}
    checks = readiness(token, ("@acme/ui",), {UI: facts(TRUSTED)}, there)  # type: ignore[dict-item]
    (check,) = [check for check in checks if check.about == "`@acme/ui`"]
    assert check.verdict == verdict and words in check.sentence


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("acme/ui", "acme/ui"),
        ("github:acme/ui", "acme/ui"),
        ({"type": "git", "url": "git+https://github.com/acme/ui.git"}, "acme/ui"),
        ({"url": "git+ssh://git@github.com/acme/ui.git"}, "acme/ui"),
        ({"url": "git@github.com:acme/ui.git"}, "acme/ui"),
        ({"url": "git://github.com/acme/ui.js.git#main"}, "acme/ui.js"),
        ({"url": "https://github.com/acme/ui/tree/main/packages/x"}, "acme/ui"),
        ({"url": "https://gitlab.com/acme/ui"}, ""),
        ({"url": "https://github.com.evil.example/acme/ui"}, ""),
        ({"url": 7}, ""),
        (["acme/ui"], ""),
        (None, ""),
        ("gist:11081aaa281", ""),
        ("a" * 600, ""),
    ],
)
def test_a_repository_is_read_in_every_form_that_npm_takes(written: object, named: str) -> None:
    assert github_repository(written) == named


async def test_the_message_says_how_ready_each_package_and_workflow_is(running: Running) -> None:
    furnish(running, packages=("@acme/ui", "@acme/icons"))
    running.outside.registry.package("@acme/ui", repository="acme/ui")
    running.outside.registry.package("@acme/icons", repository="acme/old")
    await start(running, path="trusted-publishing")
    await look(running)
    said = shown(card(running))
    for words in (
        "For trusted publishing",
        "To change: `@acme/icons` names acme/old in `repository.url`, and has to name acme/ui.",
        "To change: `release.yml` of acme/ui lacks `id-token: write`; runs an npm older than 11.5.1.",
        "Ready: ",
    ):
        assert words in said, words
    running.outside.github.add_file("acme/ui", rotating.RELEASE, TRUSTED)
    await look(running)
    assert "lacks `id-token: write`" not in shown(card(running))


async def test_each_package_is_trusted_with_the_workflows_of_its_own_repository(running: Running) -> None:
    api = Use("acme/api", rotating.RELEASE, "NPM_TOKEN")
    canary = Use("acme/ui", ".github/workflows/canary.yml", "NPM_TOKEN")
    furnish(running, packages=("@acme/ui", "@acme/api", "@acme/lost"), used_by=(UI, canary, api))
    running.outside.registry.package("@acme/ui", repository="acme/ui")
    running.outside.registry.package("@acme/api", repository="acme/api")
    await start(running, path="trusted-publishing")
    await look(running)
    said = shown(card(running))
    for package, file, repo, there in (
        ("@acme/ui", "release.yml", "acme/ui", True),
        ("@acme/ui", "canary.yml", "acme/ui", True),
        ("@acme/ui", "release.yml", "acme/api", False),
        ("@acme/api", "release.yml", "acme/api", True),
        ("@acme/api", "canary.yml", "acme/ui", False),
        ("@acme/lost", "release.yml", "acme/api", True),
        ("@acme/lost", "canary.yml", "acme/ui", True),
    ):
        line = f"npm trust github {package} --file={file} --repo={repo} --allow-publish"
        assert (line in said) == there, line
    assert "Which workflow publishes `@acme/lost` is not known" in said
    now = running.hands.now()

    def trust(name: str, *places: Use) -> None:
        record = Token(name=name, kind="trusted-publisher", packages=("@acme/ui",), used_by=places)
        running.db.write_now(tokens.add, record, now)

    trust("trust-release", Use("acme/ui", "release.yml", None, "elsewhere"))
    await look(running)
    assert steps.find(rotation(running), "mint", "@acme/ui").done is None
    assert "npm does not trust `canary.yml of acme/ui` with `@acme/ui` yet." in shown(card(running))
    trust("trust-canary", Use("acme/ui", "canary.yml", None, "elsewhere"))
    await look(running)
    done = steps.find(rotation(running), "mint", "@acme/ui").done
    assert done is not None and done.proof == "seen"


async def test_a_publisher_that_may_only_stage_is_told(running: Running) -> None:
    furnish(running)
    record = Token(
        name="trust", kind="trusted-publisher", permission="read-write-stage-only", packages=("@acme/ui",),
        used_by=(Use("acme/ui", "release.yml", None, "elsewhere"),),
    )  # fmt: skip
    running.db.write_now(tokens.add, record, running.hands.now())
    await start(running, path="trusted-publishing")
    await look(running)
    assert steps.reached(rotation(running)) == "planned"
    assert "may only stage (set it up again with `--allow-publish`)" in shown(card(running))


async def test_a_word_for_one_package_does_not_prove_the_others(running: Running) -> None:
    furnish(running, packages=("@acme/ui", "@acme/icons"), workflow=TRUSTED)
    await start(running, path="trusted-publishing")
    await press(running, rotation_card.TICK, {"step": "all:mint", "reason": "set up on npm"})
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    place = next(
        n for n, step in enumerate(rotation(running).steps) if (step.kind, step.subject) == ("prove", "@acme/ui")
    )
    await press(running, rotation_card.TICK, {"step": f"without:{place}", "reason": "it is private"})
    assert steps.reached(rotation(running)) == "stored"
    await press(running, rotation_card.TICK, {"step": "all:prove", "reason": "no release before March"})
    assert steps.reached(rotation(running)) == "overlap"
    assert "Not yet published since: `@acme/ui` and `@acme/icons`" in shown(card(running))


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
