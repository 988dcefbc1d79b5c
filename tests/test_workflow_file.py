"""Workflow files -> what they say about publishing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.registries.npm import workflow_yaml
from bot.registries.npm.workflow import (
    PublishingJob,
    Unreadable,
    Workflow,
    WorkflowAddress,
    WorkflowFacts,
    called_address,
    parse_workflow,
    read_workflow,
)


def facts(text: str, job: str | None = None, called: dict[str, str] | None = None) -> WorkflowFacts:
    inner = {uses: parse_workflow(other.encode()) for uses, other in (called or {}).items()}
    return read_workflow(parse_workflow(text.encode()), inner, job)


def only(text: str, job: str | None = None, called: dict[str, str] | None = None) -> PublishingJob:
    (found,) = facts(text, job, called).jobs
    return found


def job_with(steps: str, job: str = "", top: str = "") -> str:
    """A workflow with one job; `steps`, `job` and `top` are indented as they stand in it."""
    return f"on: push\n{top}\njobs:\n  release:\n    runs-on: ubuntu-latest\n{job}\n    steps:\n{steps}\n"


TOKEN_ENV = """
      - uses: actions/setup-node@v4
        with: {node-version: 20, registry-url: "https://registry.npmjs.com"}
      - run: npm ci
      - run: npm publish --provenance
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""


def test_the_usual_publish_step() -> None:
    job = only(job_with(TOKEN_ENV, "    environment: npm\n    permissions: {contents: read, id-token: write}"))
    assert job == PublishingJob(
        name="release",
        secrets=("NPM_TOKEN",),
        token_variables=("NODE_AUTH_TOKEN",),
        id_token=True,
        id_token_from="job",
        environment="npm",
        runners=("ubuntu-latest",),
        registry_url="https://registry.npmjs.com",
        node="20",
        provenance=True,
        tools=("npm",),
        install_secrets=(),
    )


SECRETS = [
    ("env of the workflow", job_with("      - run: npm publish", top="env: {NPM_TOKEN: '${{ secrets.A }}'}"), ("A",)),
    ("env of the job", job_with("      - run: npm publish", "    env: {NODE_AUTH_TOKEN: '${{secrets.A}}'}"), ("A",)),
    (
        "the step's env replaces the job's",
        job_with(
            "      - run: npm publish\n        env: {NPM_TOKEN: '${{ secrets.B }}'}",
            "    env: {NPM_TOKEN: '${{ secrets.A }}'}",
        ),
        ("B",),
    ),
    (
        "an empty variable of the step takes the job's token away",
        job_with(
            "      - run: npm publish\n        env: {NODE_AUTH_TOKEN: ''}",
            "    env: {NODE_AUTH_TOKEN: '${{ secrets.A }}'}",
        ),
        (),
    ),
    (
        "what setup-node reads comes before what it does not",
        job_with(
            "      - uses: actions/setup-node@v4\n        with: {registry-url: 'https://registry.npmjs.com'}\n"
            "      - run: npm publish\n        env: {NPM_TOKEN: '${{ secrets.B }}'}",
            "    env: {NODE_AUTH_TOKEN: '${{ secrets.A }}'}",
        ),
        ("A", "B"),
    ),
    (
        "an input of a publish action",
        job_with("      - uses: JS-DevTools/npm-publish@v3\n        with: {token: '${{ secrets.A }}'}"),
        ("A",),
    ),
    (
        "a secret by index",
        job_with("      - run: npm publish\n        env: {NODE_AUTH_TOKEN: \"${{ secrets['A'] }}\"}"),
        ("A",),
    ),
    (
        "one of two secrets",
        job_with("      - run: npm publish\n        env: {NPM_TOKEN: '${{ secrets.A || secrets.B }}'}"),
        ("A", "B"),
    ),
    (
        "through another variable",
        job_with(
            "      - run: npm publish\n        env: {NODE_AUTH_TOKEN: '${{ env.ANY }}'}",
            top="env: {ANY: '${{ secrets.A }}'}",
        ),
        ("A",),
    ),
    (
        "written into .npmrc",
        job_with(
            '      - run: echo "//registry.npmjs.com/:_authToken=${{ secrets.A }}" > .npmrc\n      - run: npm publish'
        ),
        ("A",),
    ),
    (
        "written into .npmrc through a variable of that step",
        job_with(
            '      - run: echo "//registry.npmjs.com/:_authToken=$WHAT" >> ~/.npmrc\n'
            "        env: {WHAT: '${{ secrets.A }}'}\n"
            "      - run: npm publish"
        ),
        ("A",),
    ),
    (
        "named in .npmrc and set by the publishing step",
        job_with(
            "      - run: |\n          cat << EOF > .npmrc\n          //registry.npmjs.com/:_authToken=\\${PUBLISHER}\n"
            "          EOF\n"
            "      - run: npm publish\n        env: {PUBLISHER: '${{ secrets.A }}'}"
        ),
        ("A",),
    ),
    (
        "npm config set",
        job_with(
            "      - run: npm config set //registry.npmjs.com/:_authToken=${{ secrets.A }}\n      - run: npm publish"
        ),
        ("A",),
    ),
    (
        "npm set, quoted, on two lines",
        job_with(
            "      - run: |\n          npm set '//registry.npmjs.com/:_authToken' \\\n            \"$T\"\n"
            "          npm publish\n        env: {T: '${{ secrets.A }}'}"
        ),
        ("A",),
    ),
    (
        "yarn config set",
        job_with("      - run: yarn config set npmAuthToken ${{ secrets.A }} && yarn npm publish"),
        ("A",),
    ),
    (
        "another registry's token comes last",
        job_with(
            '      - run: echo "//npm.pkg.github.com/:_authToken=${{ secrets.PKG }}" >> .npmrc\n'
            "      - run: npm publish\n        env: {NPM_TOKEN: '${{ secrets.A }}'}"
        ),
        ("A", "PKG"),
    ),
    (
        "left to later steps in GITHUB_ENV",
        job_with(
            '      - run: echo "NODE_AUTH_TOKEN=${{ secrets.A }}" >> $GITHUB_ENV\n      - run: npm publish',
        ),
        ("A",),
    ),
    (
        "before the command",
        job_with("      - run: NPM_TOKEN=${{ secrets.A }} npx semantic-release"),
        ("A",),
    ),
    (
        "the workflow's own token is no secret of the repository",
        job_with("      - run: npm publish\n        env: {NODE_AUTH_TOKEN: '${{ secrets.GITHUB_TOKEN }}'}"),
        (),
    ),
    (
        "secrets for something else",
        job_with(
            "      - run: npx changeset publish\n        env:\n          NPM_TOKEN: ${{ secrets.A }}\n"
            "          SLACK_WEBHOOK: ${{ secrets.SLACK }}\n          GITHUB_TOKEN: ${{ secrets.GH_PAT }}\n"
            "          SENTRY_AUTH_TOKEN: ${{ secrets.SENTRY }}"
        ),
        ("A",),
    ),
    (
        "a token by an odd name, when nothing else can be one",
        job_with("      - run: npm publish\n        env: {REGISTRY_PASS_TOKEN: '${{ secrets.ODD }}'}"),
        ("ODD",),
    ),
    (
        "no odd name where the job needs no token",
        job_with(
            "      - run: npm publish\n        env: {TOKEN: '${{ secrets.ODD }}'}", "    permissions: {id-token: write}"
        ),
        (),
    ),
    (
        "a composite action of the repository",
        job_with("      - uses: ./.github/actions/publish\n        with: {npm-token: '${{ secrets.A }}'}"),
        ("A",),
    ),
]


@pytest.mark.parametrize(("text", "secrets"), [case[1:] for case in SECRETS], ids=[case[0] for case in SECRETS])
def test_which_secrets_feed_the_publishing_step(text: str, secrets: tuple[str, ...]) -> None:
    assert only(text).secrets == secrets


COMMANDS = [
    ("npm publish", "npm"),
    ("cd dist && npm publish --access public || true", "npm"),
    ("if ! npm publish; then exit 1; fi", "npm"),
    ("for d in packages/*; do (cd $d && npm publish); done", "npm"),
    ("NPM_CONFIG_PROVENANCE=true npm --workspace @acme/ui publish", "npm"),
    ("npx -y npm@11 publish", "npm"),
    ("pnpm publish -r --no-git-checks", "pnpm"),
    ("pnpm -r publish", "pnpm"),
    ("pnpm --filter '@acme/*' exec npm publish --provenance", "npm"),
    ("pnpm changeset publish", "changesets"),
    ("pnpm exec changeset publish", "changesets"),
    ("npx @changesets/cli@2 publish", "changesets"),
    ("yarn publish --new-version 1.0.0", "yarn1"),
    ("yarn npm publish --access public", "yarn-berry"),
    ("yarn workspaces foreach -A --no-private npm publish", "yarn-berry"),
    ("bun publish", "bun"),
    ("bunx npm publish", "npm"),
    ("npx lerna publish from-package --yes", "lerna"),
    ("yarn lerna publish", "lerna"),
    ("npx semantic-release@24", "semantic-release"),
    ("npx -p semantic-release -p @semantic-release/git semantic-release", "semantic-release"),
    ("npx nx release publish", "nx"),
    ("pnpm nx release -y", "nx"),
    ("npx release-it --ci", "release-it"),
    ("npx np patch --no-tests", "np"),
    ("node common/scripts/install-run-rush.js publish --publish", "rush"),
    ("rush publish -a -p", "rush"),
    ("npm \\\n  publish \\\n  --tag next", "npm"),
    ("corepack pnpm publish", "pnpm"),
]


@pytest.mark.parametrize(("script", "tool"), COMMANDS)
def test_commands_that_publish(script: str, tool: str) -> None:
    lines = "\n".join(f"          {line}" for line in script.splitlines())
    other = "  test:\n    steps:\n      - run: npm test\n        env: {NPM_TOKEN: x}\n"
    job = only(job_with(f"      - run: |\n{lines}") + other)
    assert (job.name, job.tools, job.publishes, job.stages) == ("release", (tool,), True, False)


@pytest.mark.parametrize(
    "script",
    [
        "npm ci",
        "npm publish --dry-run",
        "npm run build",
        "npm run release:notes",
        "# npm publish",
        "echo npm publish",
        "cargo publish",
        "gh release create v1",
        "npx nx release version",
        "npx changeset version",
        "npx lerna version",
        "npx pkg-pr-new publish ./packages/*",
        "vsce publish",
        "docker push acme/ui",
        "npm view @acme/ui publishConfig",
        "git tag release && git push",
    ],
)
def test_commands_that_publish_nothing(script: str) -> None:
    workflow = job_with(f"      - run: '{script}'").replace("release:", "build:")
    assert facts(workflow).jobs == ()


@pytest.mark.parametrize(
    ("step", "tools"),
    [
        ("uses: changesets/action@v1\n        with: {publish: pnpm release}", ("pnpm", "changesets")),
        ("uses: cycjimmy/semantic-release-action@v4", ("semantic-release",)),
        ("uses: nick-fields/retry@v3\n        with: {command: npm publish}", ("npm",)),
        ("run: npm run release", ("npm",)),
        ("run: yarn ci:publish", ("yarn1",)),
        ("run: ./scripts/publish.sh", ()),
        ("run: node scripts/release.mjs", ()),
        ("run: make publish", ()),
    ],
)
def test_actions_and_scripts_that_publish(step: str, tools: tuple[str, ...]) -> None:
    job = only(job_with(f"      - {step}"))
    assert set(job.tools) == set(tools)


def test_changesets_without_a_publish_command_only_opens_a_pull_request() -> None:
    workflow = job_with("      - uses: changesets/action@v1").replace("release:", "versions:")
    assert facts(workflow).jobs == ()


def test_staging_is_told_from_publishing() -> None:
    job = only(job_with("      - run: npm stage publish --tag next"))
    assert (job.stages, job.publishes) == (True, False)
    both = only(job_with("      - run: npm stage publish || npm publish"))
    assert (both.stages, both.publishes) == (True, True)


def test_a_job_that_only_holds_a_registry_token_counts_when_no_job_publishes_in_so_many_words() -> None:
    text = """
jobs:
  test: {steps: [{run: npm test}]}
  ship: {steps: [{run: ./ci, env: {NPM_TOKEN: "${{ secrets.A }}"}}]}
"""
    assert [job.name for job in facts(text).jobs] == ["ship"]


PERMISSIONS = [
    ("", "", None, None),
    ("permissions: {}", "", False, "workflow"),
    ("permissions: read-all", "", False, "workflow"),
    ("permissions: write-all", "", True, "workflow"),
    ("permissions: {id-token: write}", "", True, "workflow"),
    ("permissions: {id-token: write}", "    permissions: {contents: read}", False, "job"),
    ("permissions: {id-token: write}", "    permissions: {}", False, "job"),
    ("permissions: {contents: read}", "    permissions: {id-token: write}", True, "job"),
    ("", "    permissions: write-all", True, "job"),
    ("", "    permissions: {id-token: read}", False, "job"),
    ("permissions:", "", None, None),
    ("permissions: [id-token]", "", None, None),
]


@pytest.mark.parametrize(("top", "job", "allowed", "said_by"), PERMISSIONS)
def test_a_jobs_permissions_replace_the_workflows_wholly(
    top: str, job: str, allowed: bool | None, said_by: str | None
) -> None:
    found = only(job_with("      - run: npm publish", job, top))
    assert (found.id_token, found.id_token_from) == (allowed, said_by)


FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    ("environment as mapping", job_with(TOKEN_ENV, "    environment: {name: npm, url: x}"), {"environment": "npm"}),
    (
        "environment as expression",
        job_with(TOKEN_ENV, "    environment: ${{ inputs.stage }}"),
        {"environment": None},
    ),
    (
        "runner list",
        job_with(TOKEN_ENV).replace("ubuntu-latest", "[self-hosted, linux]"),
        {"runners": ("self-hosted", "linux")},
    ),
    (
        "runner from the matrix",
        job_with(TOKEN_ENV, "    strategy: {matrix: {os: [ubuntu-latest, self-hosted]}}").replace(
            "runs-on: ubuntu-latest", "runs-on: ${{ matrix.os }}"
        ),
        {"runners": ("ubuntu-latest", "self-hosted")},
    ),
    (
        "runner from rows of the matrix",
        job_with(
            TOKEN_ENV, "    strategy: {matrix: {include: [{on: {host: macos-15}}, {on: {host: windows-2025}}]}}"
        ).replace("runs-on: ubuntu-latest", "runs-on: ${{ matrix.on.host }}"),
        {"runners": ("macos-15", "windows-2025")},
    ),
    (
        "runner group with labels",
        job_with(TOKEN_ENV).replace("runs-on: ubuntu-latest", "runs-on: {group: big, labels: [self-hosted, x64]}"),
        {"runners": ("self-hosted", "x64")},
    ),
    (
        "runner computed",
        job_with(TOKEN_ENV).replace("runs-on: ubuntu-latest", "runs-on: ${{ fromJSON(vars.RUNNER) }}"),
        {"runners": ()},
    ),
    (
        "runner of a computed matrix",
        job_with(TOKEN_ENV, "    strategy: {matrix: '${{ fromJSON(needs.x.outputs.m) }}'}").replace(
            "runs-on: ubuntu-latest", "runs-on: ${{ matrix.os || 'ubuntu-latest' }}"
        ),
        {"runners": ()},
    ),
    (
        "runner with a default",
        job_with(TOKEN_ENV, "    strategy: {matrix: {a: [1]}}").replace(
            "runs-on: ubuntu-latest", "runs-on: \"${{ matrix.os || 'ubuntu-24.04' }}\""
        ),
        {"runners": ("ubuntu-24.04",)},
    ),
    (
        "node from the environment",
        job_with(TOKEN_ENV.replace("node-version: 20", "node-version: '${{ env.NODE }}'"), top="env: {NODE: 18.20}"),
        {"node": "18.20"},
    ),
    (
        "node from a file",
        job_with(TOKEN_ENV.replace("node-version: 20", "node-version-file: .nvmrc")),
        {"node": None},
    ),
    (
        "node of a matrix with one value",
        job_with(
            TOKEN_ENV.replace("node-version: 20", "node-version: '${{ matrix.node }}'"),
            "    strategy: {matrix: {node: [22]}}",
        ),
        {"node": "22"},
    ),
    (
        "node of a matrix with several",
        job_with(
            TOKEN_ENV.replace("node-version: 20", "node-version: '${{ matrix.node }}'"),
            "    strategy: {matrix: {node: [20, 22]}}",
        ),
        {"node": None},
    ),
    ("npm installed", job_with("      - run: npm i -g npm@11.5.1\n" + TOKEN_ENV), {"npm": "11.5.1"}),
    ("npm installed without a version", job_with("      - run: sudo npm install --global npm\n" + TOKEN_ENV),
     {"npm": "latest"}),
    ("npm for one call", job_with("      - run: npx --yes npm@^11.10 publish"), {"npm": "^11.10"}),
    ("npm by corepack", job_with("      - run: corepack use npm@11.6.2\n" + TOKEN_ENV), {"npm": "11.6.2"}),
    ("npm by volta", job_with("      - run: volta install npm@11\n" + TOKEN_ENV), {"npm": "11"}),
    (
        "npm of a variable",
        job_with("      - run: npm install -g npm@${{ env.NPM_VERSION }}\n" + TOKEN_ENV, top="env: {NPM_VERSION: 11}"),
        {"npm": "11"},
    ),
    ("npm of the shell", job_with('      - run: npm i -g "npm@$V"\n' + TOKEN_ENV, "    env: {V: 11}"), {"npm": "11"}),
    ("npm installed after the publish", job_with(TOKEN_ENV + "\n      - run: npm i -g npm@11"), {"npm": None}),
    ("npm in the project only", job_with("      - run: npm i npm@11\n" + TOKEN_ENV), {"npm": None}),
    (
        "provenance by variable",
        job_with("      - run: npm publish", "    env: {NPM_CONFIG_PROVENANCE: true}"),
        {"provenance": True},
    ),
    ("no provenance", job_with("      - run: npm publish --provenance=false"), {"provenance": False}),
    ("the run goes on", job_with("      - run: npm publish\n        continue-on-error: true"), {"continues": True}),
    ("the run goes on after the job", job_with("      - run: npm publish", "    continue-on-error: true"),
     {"continues": True}),
    ("registry of the command", job_with("      - run: npm publish --registry https://npm.acme.example"),
     {"registry_url": "https://npm.acme.example"}),
    (
        "token beside trusted publishing",
        job_with(TOKEN_ENV, "    permissions: {id-token: write}"),
        {"id_token": True, "token_variables": ("NODE_AUTH_TOKEN",), "secrets": ("NPM_TOKEN",)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS])
def test_what_is_read_of_a_job(text: str, expected: dict[str, Any]) -> None:
    job = only(text)
    assert {name: getattr(job, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("on", "triggers"),
    [
        ("push", ("push",)),
        ("[push, workflow_dispatch]", ("push", "workflow_dispatch")),
        ("{release: {types: [published]}, push: }", ("release", "push")),
        ("", ()),
        ("{[a]: b, 1: 2}", ("1",)),
    ],
)
def test_triggers(on: str, triggers: tuple[str, ...]) -> None:
    assert facts(f"on: {on}\njobs: {{a: {{}}}}").triggers == triggers


TWO = """
on: push
jobs:
  npm:
    name: Publish to npm
    strategy: {matrix: {node: [18, 22], os: [ubuntu-latest, macos-15]}}
    runs-on: ${{ matrix.os }}
    steps:
      - uses: actions/setup-node@v4
        with: {node-version: "${{ matrix.node }}"}
      - run: npm publish
        env: {NODE_AUTH_TOKEN: "${{ secrets.A }}"}
  gpr:
    name: Publish ${{ matrix.package }} elsewhere
    steps:
      - run: npm publish
        env: {NODE_AUTH_TOKEN: "${{ secrets.B }}"}
  test:
    steps: [{run: npm test}]
"""


@pytest.mark.parametrize(
    ("job", "names"),
    [
        (None, ["npm", "gpr"]),
        ("Publish to npm", ["npm"]),
        ("Publish to npm (22, macos-15)", ["npm"]),
        ("Publish @acme/ui elsewhere", ["gpr"]),
        ("test", ["test"]),
        ("no such job", ["npm", "gpr"]),
    ],
)
def test_only_the_job_that_failed_is_told_of(job: str | None, names: list[str]) -> None:
    assert [found.name for found in facts(TWO, job).jobs] == names


def test_the_matrix_values_in_the_name_of_the_job_count() -> None:
    job = only(TWO, "Publish to npm (22, macos-15)")
    assert (job.node, job.runners) == ("22", ("macos-15",))


CALLER = """
on: push
permissions: {contents: read, id-token: write}
jobs:
  release:
    uses: ./.github/workflows/publish.yml
    with: {environment: npm, npm-version: 11}
    secrets: PLACE
"""
CALLED = """
on:
  workflow_call:
    inputs:
      environment: {type: string}
      npm-version: {type: string, default: latest}
      runner: {type: string, default: ubuntu-24.04}
jobs:
  npm:
    runs-on: ${{ inputs.runner }}
    steps:
      - run: npm install -g npm@${{ inputs.npm-version }}
      - run: npm publish
        env: {NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}"}
"""
USES = "./.github/workflows/publish.yml"


@pytest.mark.parametrize(
    ("handed", "secrets", "not_passed"),
    [
        ("inherit", ("NPM_TOKEN",), ()),
        ("{npm_token: '${{ secrets.ORG_TOKEN }}'}", ("ORG_TOKEN",), ()),
        ("{other: '${{ secrets.ORG_TOKEN }}'}", (), ("NPM_TOKEN",)),
    ],
)
def test_secrets_of_a_reusable_workflow_are_those_of_its_caller(
    handed: str, secrets: tuple[str, ...], not_passed: tuple[str, ...]
) -> None:
    job = only(CALLER.replace("PLACE", handed), called={USES: CALLED})
    assert (job.secrets, job.secrets_not_passed) == (secrets, not_passed)
    assert (job.name, job.called, job.token_variables) == ("release / npm", USES, ("NODE_AUTH_TOKEN",))


def test_a_caller_that_hands_over_no_secrets_leaves_them_empty() -> None:
    job = only(CALLER.replace("    secrets: PLACE\n", ""), called={USES: CALLED})
    assert (job.secrets, job.secrets_not_passed) == ((), ("NPM_TOKEN",))


def test_an_environment_of_the_called_job_has_its_own_secret() -> None:
    inner = CALLED.replace("    runs-on:", "    environment: ${{ inputs.environment }}\n    runs-on:")
    job = only(CALLER.replace("PLACE", "{NPM_TOKEN: '${{ secrets.ORG_TOKEN }}'}"), called={USES: inner})
    assert (job.environment, job.secrets, job.secrets_not_passed) == ("npm", ("NPM_TOKEN", "ORG_TOKEN"), ())


def test_inputs_reach_the_called_workflow() -> None:
    job = only(CALLER.replace("PLACE", "inherit"), called={USES: CALLED})
    assert (job.npm, job.runners) == ("11", ("ubuntu-24.04",))


@pytest.mark.parametrize(
    ("outer", "inner", "allowed"),
    [
        ("{id-token: write}", "", True),
        ("{id-token: write}", "permissions: {contents: read}", False),
        ("{id-token: write}", "permissions: {id-token: write}", True),
        ("{contents: read}", "permissions: {id-token: write}", False),
        ("{contents: read}", "", False),
        ("", "permissions: {id-token: write}", None),
        ("", "permissions: {contents: read}", False),
    ],
)
def test_a_called_job_may_do_no_more_than_its_caller(outer: str, inner: str, allowed: bool | None) -> None:
    caller = CALLER.replace("PLACE", "inherit").replace("permissions: {contents: read, id-token: write}", "")
    caller = caller.replace("    uses:", f"    permissions: {outer}\n    uses:")
    assert only(caller, called={USES: f"{inner}\n{CALLED}"}).id_token is allowed


def test_the_failing_job_is_found_in_the_called_workflow() -> None:
    inner = CALLED + "  docs:\n    steps: [{run: npm publish}]\n"
    caller = CALLER.replace("PLACE", "inherit") + "  other:\n    steps: [{run: npm publish}]\n"
    assert [job.name for job in facts(caller, called={USES: inner}).jobs] == [
        "release / npm",
        "release / docs",
        "other",
    ]
    assert [job.name for job in facts(caller, "release / docs", {USES: inner}).jobs] == ["release / docs"]
    assert parse_workflow(caller.encode()).calls("other") == ()
    assert parse_workflow(caller.encode()).calls("release / npm") == (USES,)


def test_a_called_workflow_that_could_not_be_read_leaves_the_rest() -> None:
    caller = CALLER.replace("PLACE", "inherit") + "  other:\n    steps: [{run: npm publish}]\n"
    assert [job.name for job in facts(caller).jobs] == ["other"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"jobs: [", "not valid YAML (line 1)"),
        (b"a: b\n  c: d", "not valid YAML"),
        (b"", "not a workflow"),
        (b"- a\n- b", "not a workflow"),
        (b"on: push", "no jobs"),
        (b"jobs: []", "no jobs"),
        (b"jobs: {a: 1}", "no jobs"),
        ("jobs: {}".encode("utf-16"), "UTF-8"),
        (b"x: " + b"y" * workflow_yaml.LARGEST, "larger than"),
        (b"[" * 30_000, "nested too deeply"),
        (b"a: &a [*a]", "nested too deeply"),
        (b"---\na: 1\n---\nb: 2", "not valid YAML"),
        (
            b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 30)),
            "anchors",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_a_few_words(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says.replace("(", r"\(").replace(")", r"\)")):
        parse_workflow(data)


def test_anchors_are_read_and_bytes_that_are_no_text_replaced() -> None:
    text = b"""
# \xff
jobs:
  a: &job
    steps:
      - &publish {run: npm publish, env: {NPM_TOKEN: "${{ secrets.A }}"}}
  b: *job
"""
    found = read_workflow(parse_workflow(text), {})
    assert [(job.name, job.secrets) for job in found.jobs] == [("a", ("A",)), ("b", ("A",))]


KEYS = [
    *["run", "uses", "env", "with", "steps", "name", "on", "jobs", "permissions", "id-token", "environment", "runs-on"],
    *["strategy", "matrix", "include", "os", "secrets", "inputs", "workflow_call", "default", "NPM_TOKEN", "token"],
    *["labels", "group", "continue-on-error", "publish"],
]
ODD = st.recursive(
    st.sampled_from(
        ["npm publish", "${{ secrets.A }}", "${{ matrix.os }}", "${{", "", "write", "inherit", "true", USES]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "run",
                    "uses",
                    "env",
                    "with",
                    "steps",
                    "name",
                    "on",
                    "jobs",
                    "permissions",
                    "id-token",
                    "environment",
                    "runs-on",
                    "strategy",
                    "matrix",
                    "include",
                    "os",
                    "secrets",
                    "inputs",
                    "workflow_call",
                    "default",
                    "NPM_TOKEN",
                    "token",
                    "labels",
                    "group",
                    "continue-on-error",
                    "publish",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def as_yaml(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f'"{key}": {as_yaml(value)}' for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(as_yaml, tree)) + "]"
    return f'"{tree}"' if tree else ""


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["release", "npm"]), ODD, min_size=1), ODD, ODD, st.sampled_from([None, "npm"]))
def test_wrong_types_anywhere_are_read_as_nothing(jobs: Any, on: Any, permissions: Any, job: str | None) -> None:
    text = f"on: {as_yaml(on)}\npermissions: {as_yaml(permissions)}\njobs: {as_yaml(jobs)}\n"
    try:
        workflow = parse_workflow(text.encode())
    except Unreadable:
        return
    found = read_workflow(workflow, {USES: workflow}, job)
    assert isinstance(found.secrets, tuple)
    workflow.calls(job)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text("[]{}&*a:-?!|>#'\"\n ,%@`$", max_size=60).map(str.encode))
def test_any_bytes_are_a_workflow_or_unreadable(data: bytes) -> None:
    try:
        read_workflow(parse_workflow(data), {})
    except Unreadable as error:
        assert str(error).startswith("it ")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=60))
def test_any_script_and_any_value_are_read(script: str, value: str) -> None:
    tree: Any = {"jobs": {"release": {"steps": [{"run": script, "env": {"NPM_TOKEN": value}}, {"run": "npm publish"}]}}}
    (job,) = read_workflow(Workflow(tree), {}).jobs
    assert job.name == "release"


@pytest.mark.parametrize(
    ("uses", "address"),
    [
        ("./.github/workflows/publish.yml", WorkflowAddress(".github/workflows/publish.yml")),
        (
            "acme/ci/.github/workflows/npm.yaml@v1.2",
            WorkflowAddress(".github/workflows/npm.yaml", "acme/ci", "v1.2"),
        ),
        (
            "acme/ci/.github/workflows/npm.yml@refs/heads/main",
            WorkflowAddress(".github/workflows/npm.yml", "acme/ci", "refs/heads/main"),
        ),
        ("./.github/workflows/../../secret.yml", None),
        ("acme/ci/.github/workflows/npm.yml", None),
        (
            "acme/.github/.github/workflows/npm.yml@main",
            WorkflowAddress(".github/workflows/npm.yml", "acme/.github", "main"),
        ),
        ("acme/../.github/workflows/npm.yml@main", None),
        ("../x/.github/workflows/npm.yml@main", None),
        ("docker://alpine", None),
        ("${{ inputs.workflow }}", None),
    ],
)
def test_where_a_called_workflow_stands(uses: str, address: WorkflowAddress | None) -> None:
    assert called_address(uses) == address


# --- secrets of installing steps, by index, and of workflows nobody could read ----------------------------------------


def test_the_step_that_installs_may_read_another_secret() -> None:
    text = """
on: push
jobs:
  release:
    steps:
      - run: %s
        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_READ }}" }
      - run: npm publish
        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" }
"""
    for command in ("npm ci", "npm install", "pnpm -r install --frozen-lockfile", "yarn", "yarn --immutable", "bun i"):
        facts = read_workflow(parse_workflow((text % command).encode()), {})
        assert (facts.secrets[0], facts.install_secrets) == ("NPM_TOKEN", ("NPM_READ",)), command
    for command in ("npm run install-hooks", "yarn build", "npm pack", "echo npm ci is next"):
        facts = read_workflow(parse_workflow((text % command).encode()), {})
        assert facts.jobs[0].install_secrets is None, command
        assert facts.install_secrets == facts.secrets


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("secrets[matrix.secret]", ("UI_TOKEN",)),
        ("secrets[ matrix.secret ]", ("UI_TOKEN",)),
        ("secrets[format('NPM_{0}', matrix.pkg)]", ("NPM_UI",)),
        ("secrets[env.WHICH]", ("OF_ENV",)),
        ("secrets['FIXED']", ("FIXED",)),
        ("secrets[steps.x.outputs.y]", ()),
        ("secrets[format('{0}_{1}', matrix.pkg, matrix.secret)]", ()),
    ],
)
def test_a_secret_named_by_an_index(index: str, expected: tuple[str, ...]) -> None:
    text = """
on: push
env: { WHICH: OF_ENV }
jobs:
  publish:
    strategy: { matrix: { include: [{pkg: UI, secret: UI_TOKEN}, {pkg: API, secret: API_TOKEN}] } }
    steps:
      - run: npm publish
        env: { NODE_AUTH_TOKEN: "${{ %s }}" }
"""
    facts = read_workflow(parse_workflow((text % index).encode()), {}, "publish (UI, UI_TOKEN)")
    assert facts.secrets == expected


@pytest.mark.parametrize(
    ("handed", "expected"),
    [
        ("{ token: '${{ secrets.ORG_NPM }}', slack: '${{ secrets.SLACK_TOKEN }}' }", ("ORG_NPM",)),
        ("{ npm-token: '${{ secrets.PUBLISHING }}' }", ("PUBLISHING",)),
        ("{ token: '${{ secrets.GH_TOKEN }}' }", ()),
        ("inherit", ()),
    ],
)
def test_what_is_handed_to_a_workflow_that_cannot_be_read(handed: str, expected: tuple[str, ...]) -> None:
    text = f"""
on: push
permissions: {{ contents: read }}
jobs:
  test: {{ steps: [{{run: npm test}}] }}
  release:
    uses: acme/ci/.github/workflows/npm.yml@main
    secrets: {handed}
"""
    workflow = parse_workflow(text.encode())
    facts = read_workflow(workflow, {}, "release / npm")
    assert facts.secrets == expected
    assert all(job.called and job.id_token is False for job in facts.jobs)
    assert read_workflow(workflow, {}).jobs == (), "without the failing job's name it may be any other"
