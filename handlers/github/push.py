"""`push`: publish workflows that change on the default branch, and tags that announce a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from bot.deps import Deps
from bot.fleet.foretelling import Push, is_workflow, pushed
from bot.fleet.releases import Release, tagged
from bot.github.webhook import Delivery
from bot.inbox import Worked

TAGS = "refs/tags/"


async def to_branch(delivery: Delivery, deps: Deps) -> Worked:
    payload = delivery.payload
    repository = payload.get("repository")
    branch = repository.get("default_branch") if isinstance(repository, dict) else None
    before, after, ref = payload.get("before"), payload.get("after"), payload.get("ref")
    if isinstance(ref, str) and ref.startswith(TAGS) and payload.get("created") and deps.github.configured:
        tag = ref.removeprefix(TAGS)[:300]
        url = f"https://github.com/{delivery.repository}/tree/{quote(tag)}"
        return await tagged(Release(delivery.repository, tag, url, deps.now()), deps)
    if not delivery.repository or not isinstance(branch, str) or ref != f"refs/heads/{branch}":
        return Worked("not-the-default-branch")
    if payload.get("deleted") or payload.get("created") or not isinstance(before, str) or not isinstance(after, str):
        return Worked("no-earlier-state")
    if not deps.github.configured:
        return Worked("github-not-configured")
    compare = payload.get("compare")
    # A forced push may take commits away, whose files nobody lists.
    touched = payload.get("forced") is True or any(is_workflow(path) for path in _paths(payload))
    return await pushed(
        Push(delivery.repository, before, after, touched, compare if isinstance(compare, str) else None), deps
    )


def _paths(payload: Mapping[str, Any]) -> Iterator[str]:
    commits = payload.get("commits")
    for commit in commits if isinstance(commits, list) else []:
        for kind in ("added", "removed", "modified"):
            listed = commit.get(kind) if isinstance(commit, dict) else None
            yield from (path for path in (listed if isinstance(listed, list) else []) if isinstance(path, str))
