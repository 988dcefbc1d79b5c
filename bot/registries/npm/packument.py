"""Reads packages from the public npm registry, never with a credential.

A version in the packument is the only real proof that a publish worked, and the account that published it tells how.
Packuments of old packages reach tens of megabytes: they are read as a stream, and what was read is kept with its ETag.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.errors import GiveUp, TryAgain
from bot.evidence import Published, Release
from bot.github.run import moment_of
from bot.registries.npm.packument_stream import Malformed, PackumentReader, Summary

TIMEOUT_S = 8
WHOLE_S = 4.5  # for a whole packument; one that takes longer is read in its short form
SHORT_S = 2.0
MANIFEST_S = 1.5
LARGEST = 64 * 1024 * 1024
LARGEST_MANIFEST = 1024 * 1024
CHUNK = 256 * 1024
REMEMBERED = 200  # packages
EARLIER = 20  # versions before the newest that are kept
WHOLE = "application/json"
# The short form has no `time` and no `_npmUser`, but is a tenth of the size and lists every version.
SHORT = "application/vnd.npm.install-v1+json"
# What npm writes as the publisher when a trusted publisher did it.
OIDC_EMAIL = "npm-oidc-no-reply@github.com"
_GITHUB = re.compile(
    r"(?:(?:git\+)?(?:https?|ssh|git)://(?:[^@/\s]+@)?(?:www\.)?github\.com[/:]|git@github\.com:|github:)?"
    r"([A-Za-z0-9][A-Za-z0-9\-]*/[\w.\-]+?)(?:\.git)?(?:[/#].*)?"
)
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+\-]{0,255}")


class NpmRegistry:
    """Raises TryAgain when the registry does not answer well, GiveUp for a name it will never know."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._remembered: OrderedDict[str, tuple[str, Published]] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], Release] = OrderedDict()  # a version never changes

    async def published(self, name: str) -> Published:
        """A package as anybody can see it: its versions, and when and how the newest one came.

        Without the newest one when the packument is too large or too slow to be read whole.
        """
        if not name or len(name) > 214 or name != name.strip():
            raise GiveUp("package-name", "not a package name")
        try:
            return await self._read(name, WHOLE, WHOLE_S)
        except TryAgain as error:
            if error.reason not in ("registry-slow", "packument-too-large"):
                raise
            return await self._read(name, SHORT, SHORT_S)

    async def _read(self, name: str, form: str, within_s: float) -> Published:
        known = self._remembered.get(name)
        headers = {"accept": form} | ({"if-none-match": known[0]} if known and form == WHOLE else {})
        try:
            async with (
                asyncio.timeout(within_s),
                self._session.get(self._address(name), headers=headers) as reply,
            ):
                if reply.status == 304 and known is not None:
                    self._remembered.move_to_end(name)
                    return known[1]
                if reply.status == 404:
                    return Published(name=name, exists=False)
                _raise_for(reply, name)
                summary = await _summary(reply, name)
                etag = reply.headers.get("etag")
        except TimeoutError as error:
            raise TryAgain("registry-slow", "the registry did not answer in time") from error
        except aiohttp.ClientError as error:
            raise TryAgain("registry-unreachable", f"the registry did not answer: {type(error).__name__}") from error
        releases = _releases(summary)
        published = Published(
            name=name,
            exists=True,
            versions=summary.versions,
            latest=summary.tags.get("latest"),
            newest=await self.told(name, releases[0]) if releases else None,
            earlier=releases[1:],
        )
        # One that does not say who published it is asked again next time.
        if etag and form == WHOLE and published.newest is not None and published.newest.by is not None:
            self._remembered[name] = (etag, published)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return published

    async def told(self, name: str, release: Release) -> Release:
        """The release with who published it and how; as it is when its manifest cannot be read."""
        known = self._told.get((name, release.version))
        if known is not None and known.published_at == release.published_at:
            return known
        try:
            async with (
                asyncio.timeout(MANIFEST_S),
                self._session.get(f"{self._address(name)}/{quote(release.version, safe='')}") as reply,
            ):
                _raise_for(reply, name)
                body = await reply.content.read(LARGEST_MANIFEST)
                while len(body) < LARGEST_MANIFEST and (more := await reply.content.read(CHUNK)):
                    body += more
        except (aiohttp.ClientError, TimeoutError, TryAgain):
            return release  # the version and its time are worth having by themselves
        told = _told_by(release, body)
        if told.by is not None:
            self._told[name, release.version] = told
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        return told

    def _address(self, name: str) -> str:
        return f"{self._url}/{quote(name, safe='@')}"

    async def ping(self) -> None:
        """Is the registry there at all?"""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(f"{self._url}/-/ping", timeout=timeout) as reply:
                if reply.status >= 500:
                    raise TryAgain("registry-refused", f"the registry answered {reply.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain("registry-unreachable", f"the registry did not answer: {type(error).__name__}") from error


def _releases(summary: Summary) -> tuple[Release, ...]:
    """The versions that were published last, whatever their numbers; only what is still there counts."""
    dated = [
        (at, version)
        for version, text in summary.times.items()
        if version in summary.versions and _VERSION.fullmatch(version) and (at := moment_of(text))
    ]
    return tuple(Release(version, at) for at, version in sorted(dated, reverse=True)[: EARLIER + 1])


async def _summary(reply: aiohttp.ClientResponse, name: str) -> Summary:
    reader = PackumentReader()
    size = 0
    try:
        async for piece in reply.content.iter_chunked(CHUNK):
            size += len(piece)
            if size > LARGEST:
                raise TryAgain("packument-too-large", f"the registry's record of {name} is too large to read")
            # Megabytes of text would hold up the event loop.
            await asyncio.to_thread(reader.feed, piece)
        return reader.finish()
    except Malformed as error:
        raise TryAgain("registry-malformed", f"the registry's record of {name} makes no sense: {error}") from None


def _raise_for(reply: aiohttp.ClientResponse, name: str) -> None:
    if reply.status == 429:
        wait = reply.headers.get("retry-after", "")
        after_s = float(wait) if wait.isdecimal() else None
        raise TryAgain("registry-rate-limited", "the registry asks us to wait", after_s=after_s)
    if reply.status != 200:
        raise TryAgain("registry-refused", f"the registry answered {reply.status} for {name}")


def _told_by(release: Release, body: bytes) -> Release:
    """The release with its publisher, as the manifest of the version names it."""
    try:
        manifest: Any = json.loads(body)
    except (ValueError, RecursionError):
        return release
    if not isinstance(manifest, dict):
        return release
    release = replace(
        release,
        repository=github_repository(manifest.get("repository")),
        maintainers=_names(manifest.get("maintainers")),
    )
    user = manifest.get("_npmUser")
    if not isinstance(user, dict) or not isinstance(user.get("name"), str):
        return release
    trusted = isinstance(user.get("trustedPublisher"), dict) or user.get("email") == OIDC_EMAIL
    return replace(release, by="oidc" if trusted else "token", publisher=user["name"][:214])


def _names(written: object) -> tuple[str, ...]:
    people = written if isinstance(written, list) else []
    names = (person.get("name") for person in people[:20] if isinstance(person, dict))
    return tuple(name for name in names if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._\-]{1,100}", name))


def github_repository(written: object) -> str:
    """`owner/name` of package.json's `repository`, in any form npm takes; empty when it is none on GitHub."""
    url = written.get("url") if isinstance(written, dict) else written
    match = _GITHUB.fullmatch(url.strip()) if isinstance(url, str) and len(url) < 500 else None
    return match[1] if match else ""
