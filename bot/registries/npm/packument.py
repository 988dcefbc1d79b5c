"""Reads packages from the public npm registry, never with a credential.

A version in the packument is the only real proof that a publish worked. Replies are read as a stream up to a limit,
because packuments of old packages reach tens of megabytes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.errors import GiveUp, TryAgain
from bot.evidence import Published, Release
from bot.github.run import moment_of

TIMEOUT_S = 8
LARGEST = 64 * 1024 * 1024
# The short form is a tenth of the size, but does not tell when and how a version came.
WHOLE = "application/json"
OIDC_EMAIL = "npm-oidc-no-reply@github.com"


class NpmRegistry:
    """Raises TryAgain when the registry does not answer well, GiveUp for a name it will never know."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def published(self, name: str) -> Published:
        """Versions of a package as anybody can see them."""
        if not name or len(name) > 214 or name != name.strip():
            raise GiveUp("package-name", "not a package name")
        url = f"{self._url}/{quote(name, safe='@')}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(url, headers={"accept": WHOLE}, timeout=timeout) as reply:
                if reply.status == 404:
                    return Published(name=name, exists=False)
                if reply.status != 200:
                    raise TryAgain("registry-refused", f"the registry answered {reply.status} for {name}")
                body = bytearray()
                async for chunk in reply.content.iter_any():
                    body += chunk
                    if len(body) > LARGEST:
                        raise GiveUp("packument-too-large", f"the registry's record of {name} is too large to read")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain("registry-unreachable", f"the registry did not answer: {type(error).__name__}") from error
        # Parsing megabytes of JSON would hold up the event loop.
        return await asyncio.to_thread(_published, name, bytes(body))

    async def ping(self) -> None:
        """Is the registry there at all?"""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(f"{self._url}/-/ping", timeout=timeout) as reply:
                if reply.status >= 500:
                    raise TryAgain("registry-refused", f"the registry answered {reply.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain("registry-unreachable", f"the registry did not answer: {type(error).__name__}") from error


def _published(name: str, body: bytes) -> Published:
    try:
        packument: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise TryAgain("registry-malformed", f"the registry's record of {name} is not JSON") from None
    if not isinstance(packument, dict):
        raise TryAgain("registry-malformed", f"the registry's record of {name} is not an object")
    versions = packument.get("versions")
    tags = packument.get("dist-tags")
    latest = tags.get("latest") if isinstance(tags, dict) else None
    return Published(
        name=name,
        exists=True,
        versions=frozenset(versions) if isinstance(versions, dict) else frozenset(),
        latest=latest if isinstance(latest, str) else None,
        newest=_newest(packument),
    )


def _newest(packument: dict[str, Any]) -> Release | None:
    """The version that was published last. `_npmUser` names a trusted publisher where one published it."""
    versions, times = packument.get("versions"), packument.get("time")
    if not isinstance(versions, dict) or not isinstance(times, dict):
        return None
    dated = [(at, number) for number, at in times.items() if number in versions and isinstance(at, str)]
    if not dated:
        return None
    at, number = max(dated)
    manifest = versions[number]
    user = manifest.get("_npmUser") if isinstance(manifest, dict) else None
    if not isinstance(user, dict):
        return Release(number, moment_of(at))
    trusted = "trustedPublisher" in user or user.get("email") == OIDC_EMAIL
    name = user.get("name")
    return Release(number, moment_of(at), "oidc" if trusted else "token", name if isinstance(name, str) else None)
