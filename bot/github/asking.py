"""One call to GitHub: as whom, within which limits, and what its refusals mean in our own errors.

gidgethub does the REST protocol; time-outs, rate limits and what is spared of them are ours. GitHub REST docs, API
version below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import gidgethub
import gidgethub.aiohttp

from bot.errors import GiveUp, TryAgain
from bot.github.auth import Auth

API_VERSION = "2022-11-28"
TIMEOUT_S = 15
SECONDARY_LIMIT_WAIT_S = 60  # GitHub docs: without Retry-After wait at least a minute


_LIMIT_HEADERS = ("limit", "remaining", "reset")
SPARED = 0.1  # of an hour's rate limit: kept for what cannot wait


class _Api(gidgethub.aiohttp.GitHubAPI):
    """gidgethub with the API version sent and the headers of the last reply kept for error texts."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        super().__init__(session, "tokenwatch", base_url=base_url)
        self.reply: Mapping[str, str] = {}

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, reply, content = await super()._request(
            method, url, {**headers, "x-github-api-version": API_VERSION}, body
        )
        self.reply = reply
        return status, reply, content


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: JSON, None when `unchanged` since the ETag that was asked with; `headers`: lower-case names."""

    body: Any
    headers: Mapping[str, str]
    unchanged: bool = False


class Asking:
    """Every call raises TryAgain when it may work later and GiveUp when it will not.

    `owners`: in lower case, whom calls may be about; None: anybody. One App serves several workspaces, and none of them
    may read through it what belongs to another.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        auth: Auth,
        now: Callable[[], datetime],
        owners: frozenset[str] | None = None,
    ) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._auth = auth
        self._now = now
        self._owners = owners
        self.may_not_rerun: set[str] = set()  # owners whose installation lacks the permission, or who refused
        self.token_ends_at: datetime | None = None  # of a personal token, as GitHub says it with its answers
        self._quota: dict[str, tuple[float, datetime]] = {}  # owner -> what is left of the limit (0..1), until when

    @property
    def configured(self) -> bool:
        return self._auth.configured

    @property
    def is_app(self) -> bool:
        return self._auth.is_app

    @property
    def is_limited(self) -> bool:
        """Whether it is one of several workspaces that asks."""
        return self._owners is not None

    def is_ours(self, repo: str) -> bool:
        """`repo`: owner/name, or the owner's login. Whether calls may be about it."""
        return self._owners is None or owner_of(repo) in self._owners

    def app_jwt(self) -> str:
        """For calls as the App itself. Raises GiveUp when the key is no key."""
        return self._auth.app_jwt()

    def installed_at(self, owner: str, installation_id: int) -> None:
        """Calls about this owner go by that installation."""
        self._auth.remember(owner, installation_id)

    async def _token(self, repo: str, installation_id: int | None) -> str:
        if not self.is_ours(repo):
            raise GiveUp("github-not-ours", "this repository belongs to none of the GitHub owners of this workspace")

        async def exchange(installation: int, app_jwt: str) -> dict[str, object]:
            reply = await self._exchange(installation, app_jwt)
            granted = reply.get("permissions")
            if isinstance(granted, dict) and granted.get("actions") != "write":
                self.may_not_rerun.add(owner_of(repo))
            else:
                self.may_not_rerun.discard(owner_of(repo))
            return reply

        return await self._auth.token(repo, installation_id, self._now(), exchange, self._find_installation)

    async def _exchange(self, installation_id: int, app_jwt: str) -> dict[str, object]:
        return await self.call("POST", f"/app/installations/{installation_id}/access_tokens", jwt=app_jwt)

    async def _find_installation(self, repo: str, app_jwt: str) -> int:
        """`repo`: owner/name, or an organisation's login."""
        scope = "repos" if "/" in repo else "orgs"
        reply = await self.call("GET", f"/{scope}/{repo}/installation", jwt=app_jwt)
        if not isinstance(found := reply.get("id"), int):
            raise GiveUp("github-malformed", "GitHub's answer is not an installation")
        return found

    async def call(
        self,
        method: str,
        path: str,
        *,
        repo: str = "",
        installation_id: int | None = None,
        jwt: str | None = None,
    ) -> dict[str, Any]:
        answer = await self.ask(method, path, repo=repo, installation_id=installation_id, jwt=jwt)
        return answer.body if isinstance(answer.body, dict) else {}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        repo: str = "",
        installation_id: int | None = None,
        jwt: str | None = None,
        etag: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One call about `repo` (or an organisation's login), or as the App itself with its `jwt`."""
        api = _Api(self._session, self._api_url)
        url = self._api_url + path  # whole, because an Enterprise Server has a path in its base
        token = jwt or await self._token(repo, installation_id)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if method == "POST":
                    reply = await api.post(url, data=dict(data or {}), jwt=token)
                else:
                    reply = await api.getitem(url, jwt=token, extra_headers={"If-None-Match": etag} if etag else None)
        except (gidgethub.GitHubException, aiohttp.ClientError, TimeoutError, ValueError) as error:
            if etag and isinstance(error, gidgethub.HTTPException) and error.status_code == 304:
                return Answer(None, api.reply, unchanged=True)
            if isinstance(error, gidgethub.HTTPException) and error.status_code == 401 and jwt is None:
                self._auth.forget(repo)
            raise self._translated(error, api.reply, path) from error
        if jwt is None and (ends := _token_end(api.reply.get("github-authentication-token-expiration", ""))):
            self.token_ends_at = ends
        return Answer(reply, api.reply)

    async def ask_sparingly(
        self, method: str, path: str, *, repo: str = "", jwt: str | None = None, etag: str | None = None
    ) -> Answer:
        """`ask` for what can wait: raises TryAgain while little is left of the owner's rate limit."""
        owner = repo.partition("/")[0].lower()
        left, until = self._quota.get(owner, (1.0, self._now()))
        if left < SPARED and until > self._now():
            wait_s = (until - self._now()).total_seconds()
            raise TryAgain("github-rate-spared", "the rest of GitHub's rate limit is kept for failures", after_s=wait_s)
        answer = await self.ask(method, path, repo=repo, jwt=jwt, etag=etag)
        limit, remaining, reset = (answer.headers.get(f"x-ratelimit-{name}", "") for name in _LIMIT_HEADERS)
        if limit.isdecimal() and int(limit) and remaining.isdecimal() and reset.isdecimal():
            self._quota[owner] = (int(remaining) / int(limit), datetime.fromtimestamp(int(reset), UTC))
        return answer

    def _translated(self, error: Exception, reply: Mapping[str, str], path: str) -> TryAgain | GiveUp:
        endpoint = path.partition("?")[0]
        if not isinstance(error, gidgethub.HTTPException):
            return TryAgain("github-unreachable", f"GitHub did not answer {endpoint}: {type(error).__name__}")
        status = int(error.status_code)
        if status in (403, 429):
            wait = rate_limit_wait_s(status, reply, str(error), self._now())
            if wait is not None:
                return TryAgain("github-rate-limited", "GitHub asks us to wait", after_s=wait)
            needs = reply.get("x-accepted-github-permissions", "")
            where = f", needs {_permissions(needs)}" if needs else f" for {endpoint}"
            return GiveUp("github-forbidden", f"GitHub: {status}{where}")
        if status == 401:
            return TryAgain("github-unauthorized", "GitHub refuses our credential", after_s=60)
        if status in (404, 410):
            return GiveUp("github-not-found", f"GitHub: {status} for {endpoint}")
        if status >= 500:
            return TryAgain("github-broken", f"GitHub: {status} for {endpoint}")
        return GiveUp("github-refused", f"GitHub: {status} for {endpoint}")


def owner_of(repo: str) -> str:
    return repo.partition("/")[0].lower()


def _permissions(header: str) -> str:
    """`secrets=read; organization_secrets=read` in words; the alternatives stand between semicolons."""
    return header.replace(",", " and ").replace(";", " or").replace("=", ": ")[:200]


def _token_end(header: str) -> datetime | None:
    """`2026-12-01 19:07:53 UTC`, or with an offset such as `+0200`; None for anything else."""
    try:
        return datetime.strptime(header.strip().replace(" UTC", " +0000"), "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def rate_limit_wait_s(status: int, reply: Mapping[str, str], message: str, now: datetime) -> float | None:
    """Seconds to wait if this is a rate limit (403 is one only when it says so), else None."""
    retry_after = reply.get("retry-after", "")
    if retry_after.isdecimal():
        return float(retry_after)
    if reply.get("x-ratelimit-remaining") == "0" and reply.get("x-ratelimit-reset", "").isdecimal():
        return max(1.0, int(reply["x-ratelimit-reset"]) - now.timestamp())
    if status == 429 or "rate limit" in message.lower():
        return float(SECONDARY_LIMIT_WAIT_S)
    return None
