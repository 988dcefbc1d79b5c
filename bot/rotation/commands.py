"""The exact commands of a rotation, ready to be pasted into a shell, and the settings pages that do the same. Pure.

Every command is one line of quoted words and never holds a value: `gh secret set` reads it from the terminal. What
cannot be written so that it survives being shown and copied is None; then the page is the way. Flags: npm 11.15 and
newer (`npm token`, `npm trust`, `npm stage`), gh 2.x.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from bot.probe_workflow import PROBE_FILE
from bot.rotation.steps import place_of
from storage.rotations import Rotation
from storage.tokens import Token, Use

LONGEST = 3000  # characters; a command cut short must not be pasted
MOST_PACKAGES = 50  # of one npm token, packages and scopes together (npm docs)
GITHUB = "https://github.com"
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what GitHub takes as a name
_REPO = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\-]*/[A-Za-z0-9_.\-]+")
_OWNER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\-]*")
_MENTION = re.compile(r"<[!@#]")
# Where a person makes a token of a registry that has no command for it, and takes the old one away.
PAGES = {
    "npm": "https://docs.npmjs.com/creating-and-viewing-access-tokens",
    "github-packages": f"{GITHUB}/settings/tokens",
    "pypi": "https://packaging.python.org/en/latest/specifications/pypirc/",
    "crates": "https://crates.io/settings/tokens",
    "rubygems": "https://rubygems.org/profile/api_keys",
    "nuget": "https://www.nuget.org/account/apikeys",
    "docker": "https://docs.docker.com/security/access-tokens/",
    "maven": "https://central.sonatype.com/usertoken",
}
LIST = "npm token list"
ID = "ID_FROM_THE_LIST"


def create(token: Token, rotation: Rotation) -> str | None:
    """`npm token create ...` with everything spelt out; never `--json`, which masks the value that is shown once.

    Left out, `--expires` means seven days. `--bypass-2fa` only when a person chose it and a second one approved.
    """
    if token.registry != "npm" or not rotation.new_name:
        return None
    if len(token.packages) + len(token.scopes) > MOST_PACKAGES:
        return None
    words = ["npm", "token", "create", f"--name={rotation.new_name}", f"--expires={rotation.lifetime_days}"]
    if "*" in token.packages:
        words.append("--packages-all")
    words += [f"--packages={package}" for package in token.packages if package != "*"]
    words += [f"--scopes={scope}" for scope in token.scopes]
    words.append(f"--packages-and-scopes-permission={permission(token, rotation)}")
    words += [f"--orgs={org}" for org in token.orgs]
    if token.orgs:
        words.append("--orgs-permission=read-only")  # npm: an organisation's permission gives no right to publish
    words += [f"--cidr={block}" for block in token.cidr]
    if rotation.bypass and rotation.bypass_approved is not None:
        words.append("--bypass-2fa")
    return _line(words)


def permission(token: Token, rotation: Rotation) -> str:
    """What the new token may do: the same as the old one, unless the path changes it."""
    if rotation.path == "stage-token":
        return "read-write-stage-only"
    return token.permission if token.permission in ("read-only", "read-write", "no-access") else "read-write"


def store(use: Use) -> str | None:
    """`gh secret set NAME ...`: asks for the value on the terminal and shows it nowhere."""
    where = _where(use)
    return _line(["gh", "secret", "set", use.secret or "", *where]) if where else None


def stores(uses: Iterable[Use]) -> list[str]:
    """One command for each secret: uses of one organisation secret share it."""
    return _commands({place_of(use): store(use) for use in uses}.values())


def delete(use: Use) -> str | None:
    where = _where(use)
    return _line(["gh", "secret", "delete", use.secret or "", *where]) if where else None


def visibility(use: Use) -> str | None:
    """Shows who may read an organisation secret. `gh secret set --org` resets that to private repositories."""
    if use.level != "organization" or not _where(use):
        return None
    path = f"orgs/{_organization(use)}/actions/secrets/{use.secret}"
    return _line(["gh", "api", path, "--jq", ".visibility"])


def trust(package: str, use: Use, *, stage_only: bool = False) -> str | None:
    """`npm trust github ...`: lets this workflow publish the package without a token."""
    if not use.workflow or not _REPO.fullmatch(use.repo) or use.repo.endswith("*"):
        return None
    file = use.workflow.rpartition("/")[2]
    if not file.endswith((".yml", ".yaml")):
        return None
    words = ["npm", "trust", "github", package, f"--file={file}", f"--repo={use.repo}"]
    if use.environment:
        words.append(f"--env={use.environment}")
    words.append("--allow-stage-publish" if stage_only else "--allow-publish")
    return _line(words)


def trust_list(packages: Sequence[str]) -> str | None:
    """Tells us what npm has on record: its output names no package, so we do."""
    if len(packages) == 1:
        asked, told = _line(["npm", "trust", "list", packages[0], "--json"]), _line(["--package", packages[0]])
        return f"{asked} | python -m bot tokens import - {told}" if asked and told else None
    names = _line(packages)
    each = 'do echo "$p"; npm trust list "$p" --json; done'
    return f"for p in {names}; {each} | python -m bot tokens import -" if names else None


def revoke(token: Token | None) -> list[str]:
    """`npm token revoke ID`; the list first, because nobody knows ids by heart."""
    ident = token.registry_id if token is not None and token.registry_id else ID
    line = _line(["npm", "token", "revoke", ident])
    return [LIST, *([line] if line else [])]


def import_list(account: str | None = None) -> str:
    """Tells us what npm's own list has now. It holds names and dates, no values."""
    told = f" --account {shlex.quote(account)}" if account else ""
    return f"npm token list --json | python -m bot tokens import -{told}"


def probe(use: Use) -> str | None:
    """Runs the probe workflow once, where somebody has put it (`tokens show NAME --probe` prints it)."""
    if not _REPO.fullmatch(use.repo) or use.repo.endswith("*"):
        return None
    return _line(["gh", "workflow", "run", PROBE_FILE, "--repo", use.repo])


STAGE = ("npm stage publish", "npm stage list", "npm stage approve ID_FROM_THE_LIST")


def secret_page(use: Use) -> str | None:
    """The settings page on which this secret can be written by hand."""
    if use.level == "elsewhere":
        return None
    if use.level == "organization":
        owner = _organization(use)
        return f"{GITHUB}/organizations/{owner}/settings/secrets/actions" if _OWNER.fullmatch(owner) else None
    if not _REPO.fullmatch(use.repo):
        return None
    page = "environments" if use.level == "environment" else "secrets/actions"
    return f"{GITHUB}/{quote(use.repo)}/settings/{page}"


def workflow_page(use: Use) -> str | None:
    """Where the workflow file can be edited."""
    if not use.workflow or not _REPO.fullmatch(use.repo) or use.repo.endswith("*"):
        return None
    path = use.workflow if "/" in use.workflow else f".github/workflows/{use.workflow}"
    return f"{GITHUB}/{quote(use.repo)}/edit/HEAD/{quote(path)}"


def token_page(registry: str) -> str | None:
    return PAGES.get(registry)


def _where(use: Use) -> list[str]:
    """The flags that name the place of a secret; empty when no command can."""
    if use.level == "elsewhere" or not use.secret or not _SECRET.fullmatch(use.secret):
        return []
    if use.level == "organization":
        owner = _organization(use)
        return ["--org", owner] if _OWNER.fullmatch(owner) else []
    if not _REPO.fullmatch(use.repo) or use.repo.endswith("*"):
        return []
    if use.level != "environment":
        return ["--repo", use.repo]
    return ["--repo", use.repo, f"--env={use.environment}"] if use.environment else []


def _organization(use: Use) -> str:
    return use.repo.partition("/")[0]


def _line(words: Sequence[str]) -> str | None:
    """The words quoted for a POSIX shell. None for what a chat would change on the way to the clipboard."""
    line = shlex.join(words)
    # isprintable: no line breaks, no invisible characters, no blanks but the plain one.
    if len(line) > LONGEST or not line.isprintable() or _MENTION.search(line):
        return None
    return line


def _commands(lines: Iterable[str | None]) -> list[str]:
    return [line for line in lines if line]
