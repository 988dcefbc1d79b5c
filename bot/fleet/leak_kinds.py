"""Which registry a leaked secret opens, by GitHub's name of its kind, and how to revoke it there. Pure.

Kinds: GitHub docs, "Supported secret scanning patterns". A kind that is not here is nobody's publishing credential.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeakKind:
    """`name`: for people; `revoke`: the first step, one sentence in which `backticks` mark what to copy."""

    registry: str
    name: str
    revoke: str


_NPM = "Revoke it now: `npm token list`, then `npm token revoke ID`, or on npmjs.com under Access Tokens."
_KINDS: dict[str, LeakKind] = {
    "npm_access_token": LeakKind("npm", "npm token", _NPM),
    "pypi_api_token": LeakKind("pypi", "PyPI token", "Revoke it now on PyPI under Account settings, API tokens."),
    "rubygems_api_key": LeakKind("rubygems", "RubyGems key", "Delete it now on rubygems.org under Settings, API keys."),
    "crates_io_api_token": LeakKind("crates", "crates.io token", "Revoke it now on crates.io under Account settings."),
    "cratesio_api_token": LeakKind("crates", "crates.io token", "Revoke it now on crates.io under Account settings."),
    "nuget_api_key": LeakKind("nuget", "NuGet key", "Delete it now on nuget.org under API Keys."),
    "docker_personal_access_token": LeakKind(
        "docker", "Docker Hub token", "Deactivate it now on hub.docker.com under Personal access tokens."
    ),
    "docker_organization_access_token": LeakKind(
        "docker", "Docker Hub token", "Deactivate it now on hub.docker.com under the organisation's access tokens."
    ),
    "github_personal_access_token": LeakKind(
        "github", "GitHub token", "Delete it now on GitHub under Developer settings, Personal access tokens."
    ),
    "github_fine_grained_personal_access_token": LeakKind(
        "github", "GitHub token", "Delete it now on GitHub under Developer settings, Fine-grained tokens."
    ),
}


def leak_kind(secret_type: str) -> LeakKind | None:
    """The kind behind `secret_type`, also of forms that GitHub may add, such as `npm_access_token_v2`."""
    known = _KINDS.get(secret_type)
    if known is not None:
        return known
    return next((kind for name, kind in _KINDS.items() if secret_type.startswith(name)), None)
