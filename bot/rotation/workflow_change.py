"""What has to change in a workflow file so that it publishes without a token, as a unified diff to apply by hand. Pure.

The text is edited line by line and nothing else of it moves. What comes out is read again: a diff that would not do
what it promises is not shown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bot.registries.npm.workflow import PublishingJob, Unreadable, WorkflowFacts, parse_workflow, read_workflow
from bot.rotation.readiness import FIRST_NODE_WITH_IT, needs_newer_npm
from storage.tokens import Use

# Tools that push tags or open pull requests need to write; named as in a diagnosis.
_WRITERS = frozenset({"changesets", "semantic-release", "release-it", "lerna", "np", "nx"})
# npm tries the identity before the token; some versions of these take the token first.
_TOKEN_FIRST = frozenset({"pnpm", "yarn", "bun"})
_NODE = re.compile(r"^(\s*node-version:\s*[\"']?)(\d+)[\w.]*([\"']?\s*(?:#.*)?)$")


def workflow_change(text: str, use: Use, *, without_secret: bool = False) -> str | None:
    """The diff for the jobs that publish, or None when nothing has to change or it cannot be written safely.

    `without_secret`: also take out where the secret is passed, once the new way is proven.
    """
    facts = _facts(text)
    if facts is None or not facts.jobs:
        return None
    lines = text.splitlines()
    for job in facts.jobs:
        if job.called is None:
            changed = _changed(lines, job, use, without_secret=without_secret)
            if changed is None:
                return None
            lines = changed
    after = "\n".join(lines) + "\n"
    if lines == text.splitlines() or not _does(after, use, without_secret=without_secret):
        return None
    path = use.workflow or "workflow"
    diff = difflib.unified_diff(text.splitlines(), lines, f"a/{path}", f"b/{path}", lineterm="", n=2)
    return "\n".join(diff)


def _facts(text: str) -> WorkflowFacts | None:
    try:
        return read_workflow(parse_workflow(text.encode()), {})
    except Unreadable:
        return None


def _does(text: str, use: Use, *, without_secret: bool) -> bool:
    facts = _facts(text)
    if facts is None:
        return False
    ours = [job for job in facts.jobs if job.called is None]
    asks = all(job.id_token for job in ours)
    return asks and not (without_secret and use.secret and any(use.secret in job.secrets for job in ours))


def _changed(lines: list[str], job: PublishingJob, use: Use, *, without_secret: bool) -> list[str] | None:
    """Each edit reads the positions anew, because the one before may have moved them."""
    if job.id_token is not True:
        permitted = _permit(lines, job)
        if permitted is None:
            return None
        lines = permitted
    if needs_newer_npm(job) and job.npm is None:
        lines = _newer_node(lines, job)
    if use.secret and (without_secret or set(job.tools) & _TOKEN_FIRST):
        lines = _without(lines, use.secret)
    return lines


def _permit(lines: list[str], job: PublishingJob) -> list[str] | None:
    """`id-token: write` where the job's permissions are written, or a new block of permissions for it."""
    document = _positions(lines)
    entry = document["jobs"][job.name] if document is not None and job.name in document["jobs"] else None
    if document is None or entry is None:
        return None
    for owner in (entry, document):
        if "permissions" not in owner:
            continue
        permissions = owner["permissions"]
        if not isinstance(permissions, Mapping) or not permissions or permissions.fa.flow_style():  # type: ignore[attr-defined]
            return None
        if "id-token" in permissions:
            at = permissions.lc.key("id-token")[0]  # type: ignore[attr-defined]
            return [*lines[:at], re.sub(r":\s*\S+", ": write", lines[at], count=1), *lines[at + 1 :]]
        first = next(iter(permissions))
        at, indent = permissions.lc.key(first)  # type: ignore[attr-defined]
        return [*lines[:at], f"{' ' * indent}id-token: write", *lines[at:]]
    at, indent = document["jobs"].lc.key(job.name)
    inner = " " * (entry.lc.key(next(iter(entry)))[1])
    step = " " * max(2, len(inner) - indent)
    contents = "write" if set(job.tools) & _WRITERS else "read"
    block = [f"{inner}permissions:", f"{inner}{step}contents: {contents}", f"{inner}{step}id-token: write"]
    return [*lines[: at + 1], *block, *lines[at + 1 :]]


def _newer_node(lines: list[str], job: PublishingJob) -> list[str]:
    """The first Node that brings an npm which can do it, where a plain number is written in this job."""
    document = _positions(lines)
    if document is None or job.name not in document["jobs"]:
        return lines
    begins = document["jobs"].lc.key(job.name)[0]
    following = [document["jobs"].lc.key(name)[0] for name in document["jobs"]]
    ends = min((at for at in following if at > begins), default=len(lines))
    changed = list(lines)
    for at in range(begins, ends):
        if (match := _NODE.match(lines[at])) and int(match[2]) < FIRST_NODE_WITH_IT:
            changed[at] = f"{match[1]}{FIRST_NODE_WITH_IT}{match[3]}"
    return changed


def _without(lines: list[str], secret: str) -> list[str]:
    """Without the variables that hold nothing but the secret, and without an `env` that is empty then."""
    only = re.compile(
        rf"^\s*[A-Za-z_][A-Za-z0-9_]*:\s*[\"']?\$\{{\{{\s*secrets\.{re.escape(secret)}\s*\}}\}}[\"']?\s*$"
    )
    kept = [line for line in lines if not only.match(line)]
    result: list[str] = []
    for at, line in enumerate(kept):
        if line.strip() == "env:" and line not in result[-1:] and _is_empty(kept, at):
            continue
        result.append(line)
    return result


def _is_empty(lines: list[str], at: int) -> bool:
    """Whether nothing is indented below this line any more."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    below = next((line for line in lines[at + 1 :] if line.strip() and not line.lstrip().startswith("#")), "")
    return len(below) - len(below.lstrip()) <= indent


def _positions(lines: list[str]) -> Any:
    """The document with the line and column of each key. Only texts that were read safely before come here."""
    try:
        document = YAML(typ="rt").load("\n".join(lines))
    except (YAMLError, ValueError, RecursionError):
        return None
    return document if isinstance(document, Mapping) and isinstance(document.get("jobs"), Mapping) else None
