"""Which version of which package a release's tag announces. Pure.

Conventions: `v1.2.3` and `1.2.3` (one package), `@acme/ui@1.2.3` and `ui@1.2.3` (changesets, lerna), `ui-v1.2.3`
(release-please). Versions are those of semver.org, as npm takes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TAG = re.compile(
    r"(?P<name>@?[A-Za-z0-9~._/\-]{1,200}?)??(?:^|[@/_]|-(?=v))?v?"
    r"(?P<version>\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.\-]{1,60})?)(?:\+[0-9A-Za-z.\-]{1,60})?"
)


def announced(tag: str, packages: Sequence[str]) -> tuple[str, str] | None:
    """(package, version); None when the tag holds no version, or which package it is about cannot be told.

    `packages`: those that the repository is known to publish.
    """
    found = _TAG.fullmatch(tag.strip()[:300])
    if found is None:
        return None
    name, version = (found["name"] or "").strip("/"), found["version"]
    if name in ("", "v", "release", "rel", "releases"):
        return (packages[0], version) if len(packages) == 1 else None
    if name in packages or (name.startswith("@") and "/" in name):
        return name, version
    short = [package for package in packages if package.rpartition("/")[2] == name]
    return (short[0], version) if len(short) == 1 else None
