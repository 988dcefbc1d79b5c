"""What npm says about trusted publishers: `npm trust list PACKAGE --json`, of one package or of many. Pure.

npm prints one object for each configuration, one after the other, and names no package (npm's lib/commands/trust/,
read at 12.2). So whoever imports does: for the whole file, or with the name on a line of its own above each package's
output, as `for p in A B; do echo "$p"; npm trust list "$p" --json; done` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.registries.npm.tokens import first_of
from bot.token_fields import Problem, credential_problems, read_fields
from bot.token_metadata import MetadataProblems
from storage.tokens import Token

TRUST_KEYS = frozenset({"file", "repository", "project_path", "claims", "permissions", "environment"})
TRUST_TYPES = ("github", "gitlab", "circleci")
MOST_OF_ONE = 10  # publishers that npm lets a package have (since 2026-09-03)
_NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*")
DIRECT, STAGE_ONLY = "read-write", "read-write-stage-only"


def is_trust_list(values: Sequence[object]) -> bool:
    """Whether these look like the objects of `npm trust list --json`."""
    return bool(values) and all(
        isinstance(value, Mapping) and value.get("type") in TRUST_TYPES and TRUST_KEYS & set(value) for value in values
    )


def by_package(text: str) -> list[tuple[str, int, str]]:
    """(package, line, text) for each part of a file that begins with the name of a package on a line of its own; none
    for any other file."""
    lines = text.removeprefix("\ufeff").splitlines()
    headed = [(number, line.strip()) for number, line in enumerate(lines) if _NAME.fullmatch(line.strip())]
    begins = next((number for number, line in enumerate(lines) if line.strip()), None)
    if not headed or headed[0][0] != begins:
        return []
    names_only = headed[0][1].startswith("@") and len(headed) == sum(1 for line in lines if line.strip())
    if not names_only and not any(line.startswith("{") for line in lines):
        return []
    ends = [number for number, _ in headed[1:]] + [len(lines)]
    return [
        (name, number + 2, "\n".join(lines[number + 1 : end])) for (number, name), end in zip(headed, ends, strict=True)
    ]


def read_trust_list(values: Iterable[tuple[str, object]], *, package: str | None = None) -> tuple[Token, ...]:
    """(where, object) pairs of npm's trust list as trusted-publisher tokens: one a package, or two where some of its
    publishers may publish directly and others only stage. `package`: of those that do not name theirs.

    Raises MetadataProblems.
    """
    configs: dict[str, list[Mapping[str, Any]]] = {}
    problems: list[Problem] = []
    for where, raw in values:
        if not isinstance(raw, Mapping):
            problems.append(Problem(where, "", "must be an object of npm's trust list"))
            continue
        refused = credential_problems(raw, where)
        named = raw.get("package") if isinstance(raw.get("package"), str) else package
        if refused:
            problems += refused
        elif not named:
            problems.append(
                Problem(
                    where,
                    "package",
                    "npm's trust list does not name the package: say --package NAME, or put the name on a line of its "
                    "own above what npm printed for it",
                )
            )
        else:
            configs.setdefault(str(named), []).append(raw)
    tokens: list[Token] = []
    for name, raws in configs.items():
        if len(raws) > MOST_OF_ONE:
            said = f"has {len(raws)} publishers, and npm allows {MOST_OF_ONE}: are these of several packages?"
            problems.append(Problem(f"package {name}", "", said))
            continue
        for record in _records(name, raws):
            read, wrong = read_fields(record, f"package {name}")
            problems += wrong
            if not wrong:
                tokens.append(Token(**read))
    if problems:
        raise MetadataProblems(problems)
    return tuple(tokens)


def _records(name: str, raws: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups = {
        DIRECT: [_publisher(raw) for raw in raws if _publishes(raw)],
        STAGE_ONLY: [_publisher(raw) for raw in raws if not _publishes(raw)],
    }
    return [
        {
            "name": f"trust-{name}" + ("-stage" if permission == STAGE_ONLY and groups[DIRECT] else ""),
            "kind": "trusted-publisher",
            "permission": permission,
            "packages": [name],
            "used_by": used_by,
        }
        for permission, used_by in groups.items()
        if used_by
    ]


def _publisher(raw: Mapping[str, Any]) -> dict[str, Any]:
    claims = raw.get("claims") if isinstance(raw.get("claims"), Mapping) else {}
    assert isinstance(claims, Mapping)
    reference = claims.get("workflow_ref") or claims.get("ci_config_ref_uri")
    file = raw.get("file") or (reference.get("file") if isinstance(reference, Mapping) else None)
    repo = first_of(raw, "repository", "project_path", "project", "vcs_origin", "vcs-origin") or first_of(
        claims, "repository", "project_path", "oidc.circleci.com/vcs-origin"
    )
    return {
        "repo": repo.removeprefix("https://").removeprefix("github.com/") if isinstance(repo, str) else repo,
        "workflow": file,
        "secret": None,
        "level": "elsewhere",
        "environment": raw.get("environment") or claims.get("environment"),
    }


def _publishes(raw: Mapping[str, Any]) -> bool:
    """Configurations made before May 2026 name no permission: they may publish."""
    permissions = raw.get("permissions")
    return (
        not isinstance(permissions, list)
        or not permissions
        or bool({"createPackage", "publish"} & set(map(str, permissions)))
    )
