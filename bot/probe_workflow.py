"""The small scheduled GitHub workflow that asks npm who a token is, where its secret lives, and reports. Pure text.

The token's value never leaves the runner: what is reported is whether npm answered, by `repository_dispatch`.
"""

from __future__ import annotations

import json
import re

from storage.tokens import Token, Use

PROBE_FILE = "tokenwatch-probe.yml"
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # the only names GitHub's expressions can hold
_REPO = re.compile(r"[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.*\-]+)?")


def probed_use(token: Token, repo: str | None = None) -> Use | None:
    """Where the probe would run: the first place on GitHub whose secret holds the token."""
    for use in token.used_by:
        on_github = (
            use.level != "elsewhere" and use.secret and _SECRET.fullmatch(use.secret) and _REPO.fullmatch(use.repo)
        )
        if on_github and (repo is None or use.repo.lower() == repo.lower()):
            return use
    return None


def probe_workflow(token: Token, use: Use) -> str:
    """The workflow file as YAML. Only checked names stand bare; everything else is quoted and free of expressions.

    `npm whoami` proves that the token lives, not that it may publish.
    """
    environment = f"    environment: {_quoted(use.environment)}\n" if use.environment else ""
    minute = sum(token.name.encode()) % 60  # spread: GitHub delays what everybody schedules for the full hour
    return _TEMPLATE.format(
        where=f"a repository of {use.repo.partition('/')[0]}"
        if use.repo.endswith("*") or "/" not in use.repo
        else use.repo,
        title=_quoted(f"Tokenwatch probe: {token.name}"),
        minute=minute,
        environment=environment,
        secret=use.secret,
        token=_quoted(token.name),
    )


def _quoted(text: str) -> str:
    """JSON strings are YAML strings. GitHub reads expressions inside quotes too, so none may begin."""
    return json.dumps(text.replace("${{", "$ {{"))


_TEMPLATE = """\
# Save as .github/workflows/tokenwatch-probe.yml in {where}.
# Asks npm once a day whether the token still lives, and tells Tokenwatch. Its value never leaves the runner.
name: {title}
on:
  schedule:
    - cron: "{minute} 6 * * *"
  workflow_dispatch:
permissions:
  contents: write # what repository_dispatch needs
jobs:
  probe:
    runs-on: ubuntu-latest
    timeout-minutes: 5
{environment}    steps:
      - name: Ask npm who the token is
        id: ask
        env:
          NODE_AUTH_TOKEN: ${{{{ secrets.{secret} }}}}
          NPM_CONFIG_USERCONFIG: ${{{{ runner.temp }}}}/probe.npmrc
        run: |
          echo '//registry.npmjs.com/:_authToken=${{NODE_AUTH_TOKEN}}' > "$NPM_CONFIG_USERCONFIG"
          ok=false
          if [ -z "$NODE_AUTH_TOKEN" ]; then
            status=secret-empty
          elif npm whoami --registry=https://registry.npmjs.com/ > /dev/null 2> "$RUNNER_TEMP/probe.err"; then
            ok=true status=alive
          else
            status=$(sed -nE 's/^npm (ERR!|error) code ([A-Z0-9_]+)$/\\2/p' "$RUNNER_TEMP/probe.err" | head -n 1)
          fi
          echo "ok=$ok" >> "$GITHUB_OUTPUT"
          echo "status=${{status:-failed}}" >> "$GITHUB_OUTPUT"
      - name: Tell Tokenwatch
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          TOKEN_NAME: {token}
          OK: ${{{{ steps.ask.outputs.ok }}}}
          STATUS: ${{{{ steps.ask.outputs.status }}}}
        run: |
          jq -n --arg token "$TOKEN_NAME" --argjson ok "$OK" --arg status "$STATUS" \\
            '{{event_type: "token-checked", client_payload: {{$token, $ok, $status, checked_at: (now | todate)}}}}' |
            gh api "repos/$GITHUB_REPOSITORY/dispatches" --input -
"""
