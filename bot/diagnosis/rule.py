"""What a failure rule is: data, no code. The vocabulary of causes stands here too. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Causes that ask a person to look at a credential or a trust configuration.
AUTH_CAUSES = frozenset(
    {
        "token-rejected",
        "token-missing",
        "no-access",
        "insufficient-scope",
        "two-factor-required",
        "otp-required",
        "tokens-disallowed",
        "bypass-restricted",
        "stage-required",
        "direct-publish-denied",
        "oidc-permission-missing",
        "oidc-publisher-mismatch",
        "oidc-cli-too-old",
        "oidc-runner-unsupported",
        "oidc-failed",
        "ip-not-allowed",
        "payment-required",
        "github-auth",
        "install-auth",
    }
)
OTHER_CAUSES = frozenset(
    {
        "provenance-rejected",
        "version-exists",
        "already-staged",
        "name-rejected",
        "bad-package",
        "build-failed",
        "rate-limited",
        "registry-outage",
        "network-error",
        "not-a-publish",
        "staged",
        "published",
        "unknown",
    }
)
CAUSES = AUTH_CAUSES | OTHER_CAUSES

# Where in a job a line was printed, by the command that runs. "build" covers tests and linters: what they print about
# registries is test output, never a diagnosis. "text" covers commands and actions that only show or handle what was
# written elsewhere: files, commit messages, issues, logs of other runs.
Setting = Literal["publish", "install", "build", "text", "other"]
QUIET: frozenset[Setting] = frozenset({"build", "text"})  # what these print about registries decides nothing


@dataclass(frozen=True, slots=True)
class Clue:
    """A line that decides nothing alone but changes what another line means; rules name it in `requires`/`excludes`."""

    name: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """Another cause that the same text can have, how likely it is beside the first, and what would confirm it."""

    cause: str
    confidence: float
    would_confirm: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One way a publish fails. Rules are tried in order, most specific first.

    `patterns`: RE2, matched anywhere in one clean line; one is enough. A group named `package` or `code` is used.
    `settings`: the kinds of steps in which the line counts.
    `requires`: clues that must stand in the same step, all of them; `excludes`: none of them.
    `registry`: None when the rule belongs to no registry; the engine then goes by the URL in the log.
    """

    name: str
    cause: str
    sentence: str
    patterns: tuple[str, ...]
    fix: tuple[str, ...]
    confidence: float = 0.95
    settings: frozenset[Setting] = frozenset({"publish", "other"})
    requires: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()
    maybe: tuple[Maybe, ...] = ()
    docs: str | None = None
    registry: str | None = None
    # An echo follows the real error ("exit code 1", "command failed"): it counts only when nothing else does.
    echo: bool = False
    # Counts only when no other rule found a reason.
    last_resort: bool = False
    # What failed was fetching something; nothing was written.
    reads: bool = False


def anywhere(*settings: Setting) -> frozenset[Setting]:
    """The settings of a rule, for reading: `settings=anywhere("install")`."""
    return frozenset(settings)
