"""The demo's company: its tokens, repositories, workflows, secrets, packages and logs, dated relative to the start."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.demo.github.world import Job, job_from_log, restamped
from bot.demo.outside import Outside

SAMPLE = Path(__file__).with_name("sample")
_DAYS = re.compile(r"([+-]\d+)d")

UI, API, CHARTS, WEB = "acme/ui", "acme/api", "acme/charts", "acme/web"
RELEASE = ".github/workflows/release.yml"
# The trusted publisher on npm still names `publish.yml`: the rename is what breaks it.
API_RELEASE = ".github/workflows/release-api.yml"
CI = ".github/workflows/ci.yml"

_UI_WORKFLOW = """\
name: Release
on:
  push:
    branches: [main]
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v5
        with:
          node-version: 24
          registry-url: https://registry.npmjs.com
      - run: npm ci
      - run: npm run test
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
_API_WORKFLOW = """\
name: Release API
on:
  release:
    types: [published]
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      id-token: write
    steps:
      - uses: actions/checkout@v6
      - uses: actions/setup-node@v5
        with:
          node-version: 24
          registry-url: https://registry.npmjs.com
      - run: npm ci
      - run: npm run test
      - run: npm publish --access public --loglevel verbose
"""
_CHARTS_WORKFLOW = """\
name: Release charts
on:
  push:
    branches: [main]
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions:
      contents: write
      pull-requests: write
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v6
        with:
          node-version: 20
          registry-url: https://registry.npmjs.com
      - run: npm ci
      - uses: changesets/action@v1
        with:
          publish: npm run release
        env:
          NPM_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
_WEB_WORKFLOW = """\
name: CI
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: npm ci
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_READ_TOKEN }}
      - run: npm run build
      - run: npm test
"""


def tokens_json(now: datetime) -> str:
    """The sample tokens as `tokens import` takes them, `"-2d"` and the like turned into times."""

    def dated(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: dated(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [dated(inner) for inner in value]
        if isinstance(value, str) and (match := _DAYS.fullmatch(value)):
            return (now + timedelta(days=int(match[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value

    return json.dumps(dated(json.loads((SAMPLE / "tokens.json").read_text("utf-8"))), indent=2)


def job(name: str, log: str, ended_at: datetime, *, conclusion: str = "failure", **words: str) -> Job:
    """A job with a sample log that ended at `ended_at`; `words` replaces texts in it, such as a version."""
    text = (SAMPLE / "logs" / f"{log}.log").read_text("utf-8")
    for old, new in words.items():
        text = text.replace(OLD_WORDS[old], new)
    return job_from_log(name, restamped(text, ended_at), conclusion=conclusion)


# What `words` may replace in the sample logs.
OLD_WORDS = {"ui_version": "2.4.0", "api_version": "1.20.0", "charts_version": "3.2.0"}


def furnish(outside: Outside, now: datetime) -> None:
    """Puts the company's repositories, secrets and packages where the bot will look for them."""
    github, registry = outside.github, outside.registry
    for repo, path, text in (
        (UI, RELEASE, _UI_WORKFLOW),
        (API, API_RELEASE, _API_WORKFLOW),
        (CHARTS, RELEASE, _CHARTS_WORKFLOW),
        (WEB, CI, _WEB_WORKFLOW),
    ):
        github.add_file(repo, path, text)
    github.add_secret("NPM_TOKEN", repo=UI, updated_at=now - timedelta(days=92))
    github.add_secret("NPM_TOKEN", repo=CHARTS, updated_at=now - timedelta(days=64))
    github.add_secret("NPM_READ_TOKEN", org="acme", updated_at=now - timedelta(days=24))
    for name, repo, version, by, days in (
        ("@acme/ui", UI, "2.2.0", "token", 60),
        ("@acme/ui", UI, "2.3.0", "token", 9),
        ("@acme/api", API, "1.18.0", "oidc", 80),
        ("@acme/api", API, "1.19.2", "oidc", 21),
        ("@acme/charts-core", CHARTS, "3.1.0", "token", 6),
        ("@acme/charts-svg", CHARTS, "3.1.0", "token", 6),
    ):
        registry.package(name, repository=repo)
        registry.publish(name, version, by=by, at=now - timedelta(days=days))
