"""The GitHub App while it is being made: what a person chose, what goes to GitHub and what comes back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """`private_key`: PEM; `page`: where the App is seen on GitHub."""

    app_id: str
    private_key: str
    webhook_secret: str
    page: str

    def __repr__(self) -> str:
        return f"AppCredentials(app_id={self.app_id!r})"  # the rest must not reach a log


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person chose. `organization`: "" is their own account; `address`: "" is none that GitHub can reach."""

    organization: str
    address: str
    may_rerun: bool
    show: bool


@dataclass(frozen=True, slots=True)
class Outward:
    """The form for GitHub: where it is posted, and its one field, `manifest`."""

    action: str
    manifest: str


@dataclass(frozen=True, slots=True)
class Registered:
    """`kept`: in the file beside the database; else they must be shown now, for GitHub hands them out once.

    `wanted`: whether it is as the person chose.
    """

    made: AppCredentials
    kept: bool
    wanted: bool


def web_url_of(api_url: str) -> str:
    """Where people see the GitHub behind this API: `https://api.github.com` and `https://HOST/api/v3` (Enterprise)."""
    parts = urlsplit(api_url.rstrip("/"))
    host = parts.netloc.removeprefix("api.")
    return f"{parts.scheme}://{host}{parts.path.removesuffix('/api/v3')}"


def is_reachable(address: str) -> bool:
    """Whether GitHub takes it for a webhook: https, a public host name."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme == "https" and "." in host and "@" not in parts.netloc and not host.endswith((".local", "."))
