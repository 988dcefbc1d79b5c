"""What the logs in `tests/logs/<cause>/` say, and what is true of any bytes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.credentials import mask
from bot.diagnosis import runner_rules
from bot.diagnosis.commands import program_of
from bot.diagnosis.diagnosis import Diagnosis
from bot.diagnosis.engine import LogReader, diagnose
from bot.diagnosis.rule import AUTH_CAUSES, CAUSES
from bot.diagnosis.rulebook import rule_book
from bot.registries import REGISTRIES
from tests.rule_examples import examples

LOGS = Path(__file__).parent / "logs"


def expectations() -> list[Any]:
    """One case a log: its cause is the folder it lies in, the rest stands in the folder's `expected.jsonl`."""
    cases = []
    for file in sorted(LOGS.glob("*/expected.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            wanted = json.loads(line)
            cases.append(pytest.param(file.parent / wanted["log"], wanted, id=f"{file.parent.name}/{wanted['log']}"))
    return cases


def read_all(data: bytes) -> Diagnosis:
    """The diagnosis with every line read, not only those that an anchor word hits."""
    reader = LogReader()
    reader._lines._anchors = lambda: None
    reader.feed(data)
    return reader.finish()


@pytest.mark.parametrize(("log", "wanted"), expectations())
def test_a_log_gives_the_cause_of_its_folder(log: Path, wanted: dict[str, Any]) -> None:
    said = diagnose(log.read_bytes())
    assert said.cause == log.parent.name
    told = [key for key in ("version", "tool") if key in wanted]
    facts = {key: getattr(said, key) for key in ("registry", "package", "code", "outcome", "phase", *told)}
    assert facts == {key: wanted[key] for key in facts}
    shown = "\n".join(line.text for line in said.evidence)
    assert all(text in shown for text in wanted["evidence"])


@pytest.mark.parametrize(("log", "wanted"), expectations())
def test_anchor_words_miss_no_line_that_decides(log: Path, wanted: dict[str, Any]) -> None:
    """A rule whose line no anchor word hits would never be tried on a real log."""
    data = log.read_bytes()
    assert read_all(data).cause == diagnose(data).cause


@pytest.mark.parametrize(("log", "wanted"), expectations())
def test_evidence_stands_where_it_is_said_to_stand(log: Path, wanted: dict[str, Any]) -> None:
    data = log.read_bytes()
    said = diagnose(data)
    raw = data.decode("utf-8", "replace").split("\n")
    assert said.lines == data.count(b"\n") + (not data.endswith(b"\n"))
    for line in said.evidence:
        first_word = next((w for w in line.text.split() if w.isascii() and w.isalnum() and len(w) > 3), "")
        assert first_word in raw[line.line - 1]


def test_every_log_has_an_expectation_and_every_expectation_a_log() -> None:
    expected = {case.values[0] for case in expectations()}
    assert expected == set(LOGS.glob("*/*.log"))


def test_every_cause_has_a_log() -> None:
    assert {folder.name for folder in LOGS.iterdir()} == CAUSES


def test_auth_follows_from_the_cause() -> None:
    for case in expectations():
        said = diagnose(case.values[0].read_bytes())
        assert said.auth == (said.cause in AUTH_CAUSES)
        assert 0 <= said.confidence <= 1
        assert all(0 <= other.confidence <= 1 and other.cause in CAUSES for other in said.also)
        assert said.cause not in {other.cause for other in said.also}


# --- rules are data -----------------------------------------------------------------------------------------------


def test_rules_name_known_causes_and_say_what_to_do() -> None:
    names = set()
    for _, rule in rule_book().rules:
        assert rule.cause in CAUSES, rule.name
        assert rule.name not in names, f"{rule.name} is there twice"
        names.add(rule.name)
        assert rule.sentence.endswith(".") and rule.fix, rule.name
        assert all(other.cause in CAUSES for other in rule.maybe), rule.name


def test_rules_require_only_clues_that_exist() -> None:
    clues = {clue.name for registry in REGISTRIES.values() for clue in registry.CLUES}
    clues |= {clue.name for clue in runner_rules.CLUES}
    told_by_the_step = {
        "token-set",
        "token-empty",
        "token-placeholder",
        "token-absent",
        "npm-can-oidc",
        "npm-too-old-for-oidc",
        "step-published",
        "cloud-login",
        "pushing-job",
        "sends-package",
    }
    for _, rule in rule_book().rules:
        assert rule.requires | rule.excludes <= clues | told_by_the_step, rule.name


def test_advice_never_loses_a_token_nor_leaves_out_its_end() -> None:
    """`npm token create --json` prints no value, and without `--expires` a token lives 7 days."""
    for _, rule in rule_book().rules:
        for step in rule.fix:
            if "npm token create" in step:
                assert "--expires" in step and "--json" not in step, rule.name
            assert mask(step)[1] == 0, rule.name


def test_every_pattern_is_read_by_re2() -> None:
    """RE2 has no backtracking: no line, however hostile, costs more than its length."""
    for _, rule in rule_book().rules:
        for pattern in rule.patterns:
            re2.compile(pattern)


def test_every_line_that_a_rule_knows_is_looked_at() -> None:
    """Only lines that an anchor word hits are read: each rule's own words must hold one, in each setting it names."""
    book = rule_book()
    for _, rule in book.rules:
        kinds = [book.anchors, *([book.build_anchors] if "build" in rule.settings else [])]
        for pattern, anchors in itertools.product(rule.patterns, kinds):
            for line in examples(pattern):
                # A last resort is only taken for lines that begin as errors do.
                read = f"Error: {line}" if rule.last_resort else line
                for before in ("", STAMP, "[10:11:12] : [Step 1/1] ", "\x1b[31m"):
                    assert anchors.search(f"{before}{read}".encode()), f"{rule.name}: no anchor word in {line!r}"


# --- structure ----------------------------------------------------------------------------------------------------

STAMP = "2026-11-22T10:11:12.1234567Z "


def job(*steps: str) -> bytes:
    """A GitHub job log of steps; each is the command, then what it printed."""
    lines = []
    for step in steps:
        command, _, output = step.partition("\n")
        lines += [
            f"##[group]Run {command}",
            command,
            "shell: /usr/bin/bash -e {0}",
            "##[endgroup]",
            *output.split("\n"),
        ]
    return "".join(f"{STAMP}{line}\n" for line in lines).encode()


E404 = (
    "npm notice Publishing to https://registry.npmjs.com/ with tag latest and public access\n"
    "npm error code E404\n"
    "npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fui - Not found\n"
    "npm error 404  '@acme/ui@1.2.3' is not in this registry.\n"
)
FORBIDDEN = "403 Forbidden - PUT https://registry.npmjs.com/@acme%2fui"
FAILED = "##[error]Process completed with exit code 1."


def test_a_dead_token_says_so_when_the_notice_comes_with_a_failed_put() -> None:
    notice = "npm notice Access token expired or revoked. Please try logging in again.\n"
    said = diagnose(job(f"npm publish\n{notice}{E404}{FAILED}"))
    assert (said.cause, said.package, said.version) == ("token-rejected", "@acme/ui", "1.2.3")


def test_the_notice_on_an_install_proves_nothing() -> None:
    notice = "npm notice Access token expired or revoked. Please try logging in again.\n"
    said = diagnose(
        job(f"npm ci\n{notice}added 12 packages in 3s", f"npm run lint\n✖ 1 problem (1 error, 0 warnings)\n{FAILED}")
    )
    assert not said.auth


def test_a_404_alone_stays_ambiguous_and_ranks_the_possible_causes() -> None:
    said = diagnose(job(f"npm publish\n{E404}{FAILED}"))
    assert said.cause == "no-access"
    assert "token-rejected" in {other.cause for other in said.also}
    assert all(other.would_confirm for other in said.also)


def test_registry_errors_that_tests_print_are_no_alarm() -> None:
    said = diagnose(
        job(f"npm test\nnpm error code E401\n{E404} FAIL test/a.test.ts > x\n 1 failed | 3 passed\n{FAILED}")
    )
    assert not said.auth
    assert said.cause in ("not-a-publish", "build-failed")


def test_a_publish_that_a_later_try_made_good_is_published() -> None:
    outage = "npm error code E503\nnpm error 503 Service Unavailable - PUT https://registry.npmjs.com/ui\n"
    said = diagnose(job(f"for i in 1 2; do npm publish; done\n{outage}+ ui@1.0.0"))
    assert (said.cause, said.outcome, said.package) == ("published", "succeeded", "ui")
    assert "registry-outage" in {other.cause for other in said.also}


def test_a_failing_push_after_a_good_publish_is_not_the_registry() -> None:
    refused = "remote: Permission to acme/ui.git denied to github-actions[bot].\n"
    said = diagnose(job("npm publish\n+ ui@1.0.0", f"git push --follow-tags\n{refused}{FAILED}"))
    assert (said.cause, said.registry) == ("github-auth", "other")
    assert "published" in {other.cause for other in said.also}


def test_a_staged_version_is_not_published() -> None:
    said = diagnose(job("npm stage publish\n+ ui@1.0.0 (staged with id 5e95c728-6b06-4316-a01e-b93a1a2e9442)"))
    assert (said.cause, said.outcome) == ("staged", "staged")


def test_stacked_failures_come_in_the_order_of_their_mending() -> None:
    first = f"npm publish\nnpm notice Access token expired or revoked. Please try logging in again.\n{E404}{FAILED}"
    forbidden = f"npm error 403 {FORBIDDEN} - Two-factor authentication is required to publish packages."
    said = diagnose(job(first, f"npm publish\nnpm error code E403\n{forbidden}\n{FAILED}"))
    assert said.cause == "token-rejected"
    assert said.also[0].cause == "two-factor-required"


def test_each_package_of_a_monorepo_has_its_own_outcome() -> None:
    said = diagnose(job(f"npm publish --workspaces\n+ @acme/core@1.2.3\nnpm notice 📦  @acme/ui@1.2.3\n{E404}{FAILED}"))
    assert {p.package: p.outcome for p in said.packages} == {"@acme/core": "published", "@acme/ui": "failed"}
    assert said.package == "@acme/ui"


def test_the_tail_that_npm_prints_for_every_403_proves_nothing() -> None:
    over = f"npm error 403 {FORBIDDEN} - You cannot publish over the previously published versions: 1.0.0.\n"
    tail = (
        "npm error 403 In most cases, you or one of your dependencies are requesting a package version that is "
        "forbidden by your security policy, or on a server you do not have access to.\n"
    )
    said = diagnose(job(f"npm publish\nnpm error code E403\n{over}{tail}{FAILED}"))
    assert (said.cause, said.auth) == ("version-exists", False)


def test_a_silent_failure_is_unknown_and_shows_the_last_errors() -> None:
    said = diagnose(job(f"npm publish\nsomething odd\n{FAILED}"))
    assert (said.cause, said.outcome) == ("unknown", "unclear")
    assert "exit code 1" in said.evidence[-1].text


@pytest.mark.parametrize("empty", [b"", b"\n", b"\xef\xbb\xbf", b"\x00\x01\x02\xff\xfe"])
def test_nothing_is_unknown(empty: bytes) -> None:
    assert diagnose(empty).cause == "unknown"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("npx commitlint --from a --to b", "commitlint"),
        ("python -m pytest -q", "pytest"),
        ("node --test", "node-test"),
        ("node scripts/release.mjs", None),
        ("npx --yes markdownlint-cli2 '**/*.md'", "markdownlint"),
        ("rsync -az dist/ deploy@web1:/srv", "rsync"),
        ("codecov/codecov-action@v5", "codecov"),
        ("docker/login-action@v3", "docker"),
        ("actions/checkout@v5", "git"),
        ("""node -e "console.error('x'); process.exit(2)\"""", None),
    ],
)
def test_a_failing_step_is_named_by_its_program(command: str, program: str | None) -> None:
    assert program_of(command) == program


def test_a_guard_names_the_missing_secret_and_a_linter_that_names_it_does_not() -> None:
    said = diagnose(job(f"./scripts/publish.sh\nError: NPM_TOKEN is not set\n{FAILED}"))
    assert said.cause == "token-missing"
    linted = diagnose(job(f'actionlint\na.yml:4:1: property "NPM_TOKEN" is not defined in object type\n{FAILED}'))
    assert not linted.auth


def test_ssh_refused_by_a_server_is_no_matter_of_github() -> None:
    refused = "Permission denied (publickey)."
    assert not diagnose(job(f"rsync -a dist/ deploy@web1:/srv\ndeploy@web1: {refused}\n{FAILED}")).auth
    git = f"{refused}\nfatal: Could not read from remote repository."
    assert diagnose(job(f"git push origin HEAD\n{git}\n{FAILED}")).cause == "github-auth"


# --- any bytes ----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b"npm error code E401\n",
        b"npm error 404 Not Found - PUT https://registry.npmjs.com/x - Not found\r\n",
        b"##[group]Run npm publish\n",
        b"##[endgroup]\n",
        b"##[error]Process completed with exit code 1.\n",
        b"+ x@1.0.0\n",
        b"\x1b[31m",
        b"\r",
        b"\x00",
        b"\xff\xfe",
        b"  \xc3\x97 status (401)\n",
        "🦋  error an error occurred while publishing x: E404 Not Found\n".encode(),
        b"yarn publish v1.22.22\n$ tsc\n",
        b"ERROR    HTTPError: 403 Forbidden\n         Invalid\n",
        b"\n",
    ]
)
ANY_LOG = st.lists(st.one_of(st.binary(max_size=60), PIECES), max_size=40).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(ANY_LOG)
def test_any_bytes_give_a_diagnosis(data: bytes) -> None:
    said = diagnose(data)
    assert said.cause in CAUSES
    assert json.loads(json.dumps(said.to_json()))["lines"] == data.count(b"\n") + (
        not data.endswith(b"\n") and data != b""
    )


@settings(max_examples=100, deadline=None)
@given(ANY_LOG, st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_the_size_of_the_pieces_changes_nothing(data: bytes, sizes: list[int]) -> None:
    pieces, position, turn = [], 0, 0
    while position < len(data):
        pieces.append(data[position : position + sizes[turn % len(sizes)]])
        position += len(pieces[-1])
        turn += 1
    assert diagnose(iter(pieces)) == diagnose(data)


def test_the_size_of_the_pieces_changes_nothing_across_blocks() -> None:
    noise = b"building some module of some size, ok\n" * 60_000
    data = noise + job(f"npm publish\n{E404}{FAILED}") + noise
    whole = diagnose(data)
    assert whole.cause == "no-access"
    assert whole.evidence[0].line == 60_000 + 7
    assert diagnose(data[i : i + 77_777] for i in range(0, len(data), 77_777)) == whole


@pytest.mark.parametrize("filling", [b"x", b"\x1b[31m", b"npm error ", b"(((((", b"a@", b"\r", b": ", b"\xe2\x94\x82 "])
def test_a_line_of_megabytes_is_read_in_bounded_pieces(filling: bytes) -> None:
    long = filling * (3_000_000 // len(filling))
    said = diagnose(long + b"\n" + job(f"npm publish\n{E404}{FAILED}"))
    assert said.cause == "no-access"
    assert all(len(line.text) <= 600 for line in said.evidence)


def test_a_log_of_nothing_but_errors_is_bounded() -> None:
    reader = LogReader()
    for _ in range(40):
        reader.feed(b"npm error 404 Not Found - PUT https://registry.npmjs.com/x - Not found\n" * 1000)
    assert len(reader._hits) < 100
    assert reader.finish().cause == "no-access"


SECRETS = st.from_regex(r"npm_[A-Za-z0-9]{36}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    SECRETS, st.sampled_from(["npm error {} E401", "npm error code E401 {}", "//r/:_authToken={}", "##[error]{}", "{}"])
)
def test_no_credential_leaves(secret: str, line: str) -> None:
    text = (
        line.format(secret)
        + "\nnpm error Unable to authenticate, your authentication token seems to be invalid. "
        + secret
        + "\n"
    )
    printed = json.dumps(diagnose(text.encode()).to_json())
    assert secret not in printed
