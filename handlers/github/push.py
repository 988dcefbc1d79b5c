"""`push`: publish workflows that change on the default branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.deps import Deps
from bot.fleet.foretelling import Push, pushed
from bot.github.webhook import Delivery
from bot.inbox import Worked

MOST_PATHS = 3000


async def to_branch(delivery: Delivery, deps: Deps) -> Worked:
    payload = delivery.payload
    repository = payload.get("repository")
    branch = repository.get("default_branch") if isinstance(repository, dict) else None
    before, after = payload.get("before"), payload.get("after")
    if not delivery.repository or not isinstance(branch, str) or payload.get("ref") != f"refs/heads/{branch}":
        return Worked("not-the-default-branch")
    if payload.get("deleted") or payload.get("created") or not isinstance(before, str) or not isinstance(after, str):
        return Worked("no-earlier-state")
    if not deps.github.configured:
        return Worked("github-not-configured")
    compare = payload.get("compare")
    paths = tuple(path for _, path in zip(range(MOST_PATHS), _paths(payload), strict=False))
    return await pushed(
        Push(delivery.repository, before, after, paths, compare if isinstance(compare, str) else None), deps
    )


def _paths(payload: Mapping[str, Any]) -> Iterator[str]:
    commits = payload.get("commits")
    for commit in commits if isinstance(commits, list) else []:
        for kind in ("added", "removed", "modified"):
            listed = commit.get(kind) if isinstance(commit, dict) else None
            yield from (path for path in (listed if isinstance(listed, list) else []) if isinstance(path, str))
