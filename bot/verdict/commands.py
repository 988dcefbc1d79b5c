"""Commands to paste, made for this very package, repository and secret. Pure.

A name goes into a command only when it is what it claims to be: what came out of a log must not run in a shell. Flags:
`npm token create`, `npm trust`, `npm access` of npm 11.15 and newer, `gh secret`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

from bot.evidence import SecretAge
from storage.tokens import Token

DAYS = 90  # npm: the longest a token that may write lives; left out it is 7
STAGE_ONLY = "read-write-stage-only"
LONGEST_GRANTS = 140  # characters: a command with more names than that is for the rotation, not for a card
_PACKAGE = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]{0,99}/)?[a-zA-Z0-9~-][a-zA-Z0-9._~-]{0,99}")
_REPO = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")
_FILE = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}\.ya?ml", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_][\w.-]{0,59}", re.ASCII)
_VERSION = re.compile(r"\d[0-9A-Za-z.+-]{0,60}")


def package_word(name: str | None) -> str:
    """The package, or the word that stands for it in npm's own help."""
    return name if name and _PACKAGE.fullmatch(name) else "PACKAGE"


def create_token(token: Token | None, packages: Sequence[str], now: datetime, *, reads: bool = False) -> str:
    """`npm token create` for what replaces `token`, or for a new one that may publish the packages (`reads`: only
    install them). Never with a bypass of two-factor: a second person has to agree to that, which a rotation asks for.
    """
    name = f"{token.name}-{now:%Y-%m-%d}" if token and _PLAIN.fullmatch(token.name) else "NAME"
    words = ["npm", "token", "create", "--name", name, "--expires", str(DAYS)]
    granted = [*(token.packages if token else ()), *packages]
    scopes = list(token.scopes) if token else []
    covered = {scope.lstrip("@").removesuffix("/*").lower() for scope in scopes}
    granted = [
        package for package in dict.fromkeys(granted) if package.partition("/")[0].lstrip("@").lower() not in covered
    ]
    fit = len(" ".join((*granted, *scopes))) <= LONGEST_GRANTS and all(_PACKAGE.fullmatch(name) for name in granted)
    if "*" in granted:
        words.append("--packages-all")
    elif fit and (granted or scopes) and all(_PLAIN.fullmatch(scope.lstrip("@")) for scope in scopes):
        words += [word for package in granted for word in ("--packages", package)]
        words += [word for scope in scopes for word in ("--scopes", scope)]
    else:
        words += ["--packages", "PACKAGE"]
    permission = STAGE_ONLY if token and token.permission == STAGE_ONLY else "read-write"
    words += ["--packages-and-scopes-permission", "read-only" if reads else permission]
    return shlex.join(words)


def store_secret(name: str, repo: str, level: str, environment: str | None = None) -> str:
    """`gh secret set`, which asks for the value and shows it nowhere."""
    return f"gh secret set {_secret_words(name, repo, level, environment)}"


def delete_secret(secret: SecretAge, repo: str) -> str:
    return f"gh secret delete {_secret_words(secret.name, repo, secret.level, secret.environment)}"


def trust(package: str | None, repo: str, workflow: str, environment: str | None = None) -> str:
    """`npm trust github` for this repository and workflow file."""
    file = PurePosixPath(workflow).name
    words = ["npm", "trust", "github", package_word(package)]
    words += ["--repo", repo if _REPO.fullmatch(repo) else "OWNER/REPO"]
    words += ["--file", file if _FILE.fullmatch(file) else "WORKFLOW.yml"]
    if environment and _PLAIN.fullmatch(environment):
        words += ["--env", environment]
    return shlex.join([*words, "--allow-publish"])


def first_publish(*, public: bool) -> str:
    """A package of a private repository must not become public because somebody pasted a command."""
    return "npm publish --access public" if public else "npm publish"


def stage(package: str | None) -> str:
    return f"npm stage list {package_word(package)}"


def collaborators(package: str | None) -> str:
    return f"npm access list collaborators {package_word(package)}"


def allow_automation(package: str | None) -> str:
    """Back to: two-factor authentication, or a token that bypasses it."""
    return f"npm access set mfa=automation {package_word(package)}"


def view(package: str | None, version: str | None) -> str:
    known = f"@{version}" if version and _VERSION.fullmatch(version) else ""
    return f"npm view {package_word(package)}{known}"


def filled(steps: Sequence[str], package: str | None, repo: str, workflow: str) -> tuple[str, ...]:
    """Advice that was written for any package, with this one's names in it."""
    file = PurePosixPath(workflow).name
    known = {
        "PACKAGE": package_word(package),
        "OWNER/REPO": repo if _REPO.fullmatch(repo) else "OWNER/REPO",
        "WORKFLOW.yml": file if _FILE.fullmatch(file) else "WORKFLOW.yml",
    }
    return tuple(
        re.sub(r"\b(?:PACKAGE|OWNER/REPO|WORKFLOW\.yml)(?![\w/])", lambda match: known[match[0]], step)
        for step in steps
    )


def _secret_words(name: str, repo: str, level: str, environment: str | None) -> str:
    words = [name if _PLAIN.fullmatch(name) else "NAME"]
    repo = repo if _REPO.fullmatch(repo) or level.endswith("organization") else "OWNER/REPO"
    if level.endswith("organization"):
        owner = repo.partition("/")[0]
        words += ["--org", owner if _PLAIN.fullmatch(owner) else "OWNER"]
    else:
        words += ["--repo", repo]
    if level == "environment" and environment:
        words += ["--env", environment if _PLAIN.fullmatch(environment) else "ENVIRONMENT"]
    if level.startswith("dependabot"):
        words += ["--app", "dependabot"]
    return shlex.join(words)
