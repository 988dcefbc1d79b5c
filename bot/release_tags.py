"""Which git tags were made for versions that are not out: release tools take a tag for a release that is done. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from storage.awaited import Awaited

MOST_NAMES = 24  # looked up for one incident


def tag_names(awaited: Awaited) -> tuple[str, ...]:
    """How release tools name the tag of one package's version: changesets and lerna, release-please, one tag for the
    whole repository."""
    if awaited.package is None or awaited.version is None:
        return ()
    bare = awaited.package.rpartition("/")[2]
    version = awaited.version
    names = (
        f"{awaited.package}@{version}",
        f"v{version}",
        f"{bare}-v{version}",
        f"{bare}@{version}",
        version,
    )
    return tuple(dict.fromkeys(names))


def to_look_up(items: Sequence[Awaited]) -> tuple[tuple[str, str], ...]:
    """(repository, tag) of what is not out, the likeliest name of each first, no more than may be asked for."""
    waiting = [item for item in items if not item.settled and item.tag is None]
    by_rank = zip(*(_padded(item) for item in waiting), strict=True) if waiting else ()
    names = [pair for rank in by_rank for pair in rank if pair is not None]
    return tuple(dict.fromkeys(names))[:MOST_NAMES]


def _padded(item: Awaited) -> list[tuple[str, str] | None]:
    names: list[tuple[str, str] | None] = [(item.repo, name) for name in tag_names(item)]
    return names + [None] * (5 - len(names))
