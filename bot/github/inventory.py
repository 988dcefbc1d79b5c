"""The calls that a scan of the fleet makes: lists of repositories, files, secrets. Each asks with the ETag it has.

All of them wait for their turn (`ask_sparingly`) and go by the owner's installation, so that a thousand repositories
need one token. Endpoints: GitHub REST docs, "Repositories", "Contents", "Actions secrets", "Dependabot secrets".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from bot.errors import GiveUp
from bot.github.asking import Answer
from bot.github.client import GitHub
from bot.github.run import moment_of
from storage.fleet import FleetRepository, FleetSecret

PER_PAGE = 100
MOST_PAGES = 10
MOST_SELECTED_PAGES = 100  # repositories that one secret is shown to
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """`found` None: unchanged since the ETag that was asked with."""

    found: T | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file or directory. `sha`: git's id of its content."""

    path: str
    sha: str
    directory: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody the App is installed at. `name`: login."""

    name: str
    installation_id: int


class InventoryCalls:
    """Raises TryAgain and GiveUp as all of `GitHub` does. `requests` and `unchanged` count what was asked."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self.requests = 0
        self.unchanged = 0
        self._by_user: set[str] = set()

    async def accounts(self) -> list[Account]:
        """Where the App is installed and we may ask; suspended ones cannot be read."""
        found: list[Account] = []
        for page in range(1, MOST_PAGES + 1):
            answer = await self._github.ask_sparingly(
                "GET", f"/app/installations?per_page={PER_PAGE}&page={page}", jwt=self._github.app_jwt()
            )
            listed = [one for one in answer.body or () if isinstance(one, dict)]
            for one in listed:
                login, number = _mapping(one.get("account")).get("login"), one.get("id")
                if isinstance(login, str) and isinstance(number, int) and not one.get("suspended_at"):
                    if not self._github.is_ours(login):
                        continue
                    self._github.installed_at(login, number)
                    found.append(Account(login, number))
            if len(listed) < PER_PAGE:
                break
        return found

    async def repositories(self, owner: str, page: int, etag: str | None) -> Read[tuple[FleetRepository, ...]]:
        """One page of 100 of what the credential sees of an owner: of the installation as an App, else of the
        organisation or person."""
        query = f"?per_page={PER_PAGE}&page={page}"
        if self._github.is_app:
            answer = await self._ask(owner, f"/installation/repositories{query}", etag)
            listed = _mapping(answer.body).get("repositories")
        else:
            answer = await self._of_owner(owner, query, etag)
            listed = answer.body
        if answer.unchanged:
            return Read(None, etag)
        if not isinstance(listed, list):
            raise GiveUp("github-malformed", "GitHub's answer is not a list of repositories")
        found = [one for data in listed if isinstance(data, dict) and (one := repository_of(data))]
        return Read(tuple(found), answer.headers.get("etag"))

    async def repository(self, name: str) -> FleetRepository:
        answer = await self._ask(name.partition("/")[0], f"/repos/{name}")
        found = repository_of(_mapping(answer.body))
        if found is None:
            raise GiveUp("github-malformed", "GitHub's answer is not a repository")
        return found

    async def directory(self, one: FleetRepository, path: str = "") -> tuple[FileEntry, ...]:
        """What lies in a directory on the default branch; nothing where there is none, or no commit yet."""
        target = f"/repos/{one.name}/contents/{quote(path)}?ref={quote(one.branch, safe='')}"
        try:
            answer = await self._ask(one.owner, target)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return ()
            raise
        listed = answer.body if isinstance(answer.body, list) else []
        return tuple(
            FileEntry(name, str(data.get("sha") or ""), data.get("type") == "dir")
            for data in listed
            if isinstance(data, dict) and isinstance(name := data.get("path"), str)
        )

    async def file(self, owner: str, repo: str, path: str, ref: str | None) -> bytes | None:
        """A file of at most 1 MB; None when it is not there. `owner`: by whose installation to ask."""
        target = f"/repos/{repo}/contents/{quote(path)}" + (f"?ref={quote(ref, safe='')}" if ref else "")
        try:
            answer = await self._ask(owner, target)
        except GiveUp as gone:
            if gone.reason == "github-not-found":
                return None
            raise
        body = _mapping(answer.body)
        content = body.get("content")
        if body.get("encoding") != "base64" or not isinstance(content, str):
            return None
        try:
            return base64.b64decode(content)
        except ValueError:
            raise GiveUp("file-malformed", "GitHub's answer is not the file") from None

    async def secrets(self, path: str, like: FleetSecret, etag: str | None) -> Read[tuple[FleetSecret, ...]]:
        """A list of secrets at an API path; each made after `like`. Only a list of one page has an ETag."""
        found: list[FleetSecret] = []
        first: str | None = None
        for page in range(1, MOST_PAGES + 1):
            known = etag if page == 1 else None
            answer = await self._ask(like.owner, f"{path}?per_page={PER_PAGE}&page={page}", known)
            if answer.unchanged:
                return Read(None, etag)
            listed = _mapping(answer.body).get("secrets")
            if not isinstance(listed, list):
                raise GiveUp("github-malformed", "GitHub's answer is not a list of secrets")
            first = answer.headers.get("etag") if page == 1 else None
            found += [made for data in listed if isinstance(data, dict) and (made := _secret_of(data, like))]
            if len(listed) < PER_PAGE:
                break
        return Read(tuple(found), first)

    async def selected(self, owner: str, name: str) -> tuple[str, ...]:
        """The repositories that may read an organisation's secret of visibility `selected`."""
        found: list[str] = []
        for page in range(1, MOST_SELECTED_PAGES + 1):
            path = f"/orgs/{owner}/actions/secrets/{quote(name)}/repositories?per_page={PER_PAGE}&page={page}"
            listed = _mapping((await self._ask(owner, path)).body).get("repositories")
            repositories = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
            found += [full for one in repositories if isinstance(full := one.get("full_name"), str)]
            if len(repositories) < PER_PAGE:
                break
        return tuple(found)

    async def _of_owner(self, owner: str, query: str, etag: str | None) -> Answer:
        if owner.lower() not in self._by_user:
            try:
                return await self._ask(owner, f"/orgs/{owner}/repos{query}&type=all&sort=full_name", etag)
            except GiveUp as error:
                if error.reason != "github-not-found":
                    raise
                self._by_user.add(owner.lower())
        return await self._ask(owner, f"/users/{owner}/repos{query}&type=all&sort=full_name", etag)

    async def _ask(self, owner: str, path: str, etag: str | None = None) -> Answer:
        self.requests += 1
        # By the owner, not the repository: one installation and one credential for all of them.
        answer = await self._github.ask_sparingly("GET", path, repo=owner, etag=etag)
        self.unchanged += answer.unchanged
        return answer


def repository_of(data: Mapping[str, Any]) -> FleetRepository | None:
    """What GitHub's `repository` object says; None when it names none."""
    name = data.get("full_name")
    if not isinstance(name, str) or "/" not in name:
        return None
    branch = data.get("default_branch")
    return FleetRepository(
        name=name,
        branch=branch if isinstance(branch, str) and branch else "main",
        private=data.get("private") is True,
        archived=data.get("archived") is True or data.get("disabled") is True,
        pushed_at=moment_of(data.get("pushed_at")),
    )


def _secret_of(data: Mapping[str, Any], like: FleetSecret) -> FleetSecret | None:
    name, updated_at = data.get("name"), moment_of(data.get("updated_at"))
    if not isinstance(name, str) or updated_at is None:
        return None
    return FleetSecret(
        owner=like.owner.lower(),
        name=name,
        level=like.level,
        updated_at=updated_at,
        repo=like.repo.lower(),
        environment=like.environment,
        visibility=str(data.get("visibility") or ""),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
