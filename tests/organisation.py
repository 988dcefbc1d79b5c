"""An organisation made up by rule, put into the stand-in GitHub, with the truth of what in it reads what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.demo.outside import Outside

OWNER = "acme"
WRITTEN = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
PUSHED = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
RELEASE = ".github/workflows/release.yml"
CI = ".github/workflows/ci.yml"

TEST_ONLY = """\
name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: npm ci && npm test
"""
BY_TOKEN = """\
name: Release
on:
  push:
    tags: ["v*"]
jobs:
  publish:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v5
        with: {node-version: 24, registry-url: "https://registry.npmjs.com"}
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
BY_TRUST = """\
name: Release
on: {push: {tags: ["v*"]}}
permissions: {id-token: write, contents: read}
jobs:
  publish:
    runs-on: ubuntu-latest
    environment: npm
    steps:
      - uses: actions/setup-node@v5
        with: {node-version: 24, registry-url: "https://registry.npmjs.com"}
      - run: npm publish
"""
IN_ENVIRONMENT = BY_TOKEN.replace("    steps:", "    environment: production\n    steps:", 1)
TO_PYPI = """\
name: Release
on: [release]
jobs:
  upload:
    runs-on: [self-hosted, linux]
    steps:
      - run: python -m build
      - uses: pypa/gh-action-pypi-publish@release/v1
        with: {password: "${{ secrets.PYPI_TOKEN }}"}
"""


@dataclass
class Truth:
    """`readers`: (secret, level) -> repositories whose publishing job reads it there; `trusted`: by OIDC alone."""

    readers: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)
    exposed: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    publishing: set[str] = field(default_factory=set)

    def reads(self, repo: str, secret: str, level: str) -> None:
        self.readers.setdefault((secret, level), set()).add(repo)
        self.publishing.add(repo)


def populate(outside: Outside, count: int, owner: str = OWNER) -> Truth:
    """`count` repositories: a fifth archived, and of the rest one in ten publishes with the organisation's token, and
    one in fifty each with its own token, an environment's, by trust, to PyPI, or with a token written into `.npmrc`."""
    truth, github = Truth(), outside.github
    github.add_secret("NPM_TOKEN", org=owner, updated_at=WRITTEN)
    for number in range(count):
        repo = f"{owner}/repo-{number:04d}"
        archived = number % 5 == 4
        github.host(repo, archived=archived, private=number % 3 == 0, pushed_at=PUSHED - timedelta(minutes=number))
        if number % 7 == 6:
            continue  # nothing in it at all
        github.add_file(repo, "README.md", f"# {number}\n")
        github.add_file(repo, CI, TEST_ONLY)
        kind = number % 50
        if archived:
            truth.archived.add(repo)
            github.add_file(repo, RELEASE, BY_TOKEN)
            continue
        if kind % 10 == 0:
            _publishes(outside, repo, number, BY_TOKEN)
            truth.reads(repo, "NPM_TOKEN", "organization")
        elif kind == 1:
            _publishes(outside, repo, number, BY_TOKEN)
            github.add_secret("NPM_TOKEN", repo=repo, updated_at=WRITTEN)
            truth.reads(repo, "NPM_TOKEN", "repository")
        elif kind == 2:
            _publishes(outside, repo, number, IN_ENVIRONMENT)
            github.add_secret("NPM_TOKEN", repo=repo, environment="production", updated_at=WRITTEN)
            truth.reads(repo, "NPM_TOKEN", "environment")
        elif kind == 3:
            _publishes(outside, repo, number, BY_TRUST)
            truth.trusted.add(repo)
            truth.publishing.add(repo)
        elif kind == 5:
            github.add_file(repo, RELEASE, TO_PYPI)
            github.add_secret("PYPI_TOKEN", repo=repo, updated_at=WRITTEN)
            truth.reads(repo, "PYPI_TOKEN", "repository")
        elif kind == 7:
            value = "npm_" + f"{number:036d}"
            github.add_file(
                repo, ".npmrc", f"registry=https://registry.npmjs.com/\n//registry.npmjs.com/:_authToken={value}\n"
            )
            truth.exposed.add(repo)
    return truth


def _publishes(outside: Outside, repo: str, number: int, workflow: str) -> None:
    outside.github.add_file(repo, RELEASE, workflow)
    outside.github.add_file(repo, "package.json", f'{{"name": "@acme/repo-{number:04d}", "version": "1.0.0"}}')
