"""Reads logs that people share in Slack, as a stream and with a limit.

A file is fetched from Slack's own hosts alone (or from where the Web API is, in tests), with the bot's token, and no
redirect is followed: Slack sends whoever may not read a file to its sign-in page.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.diagnosis.diagnosis import Diagnosis
from bot.diagnosis.engine import LogReader
from bot.errors import TellUser

MOST_BYTES = 100 * 1024 * 1024  # unpacked
WITHIN_S = 60.0
CHUNK = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"


async def diagnosed(slack: AsyncWebClient, files: list[Mapping[str, Any]], text: str) -> Diagnosis:
    """One diagnosis of the pasted text followed by the files. Raises TellUser when a file cannot be read."""
    reader = LogReader()
    await asyncio.to_thread(reader.feed, text.encode("utf-8", "replace") + b"\n")
    taken = 0
    try:
        async with asyncio.timeout(WITHIN_S):
            for file in files:
                async for chunk in _content(slack, file):
                    taken += len(chunk)
                    if taken > MOST_BYTES:
                        raise TellUser("The log is larger than 100 MB. Share the part in which the publish failed.")
                    await asyncio.to_thread(reader.feed, chunk)
    except TimeoutError:
        raise TellUser("Slack took more than a minute to hand out the file. Please try again.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise TellUser("Slack did not hand out the file. Please try again.", reason="slack-file") from error
    return await asyncio.to_thread(reader.finish)


async def _content(slack: AsyncWebClient, file: Mapping[str, Any]) -> AsyncIterator[bytes]:
    url = str(file.get("url_private_download") or file.get("url_private") or "")
    if not is_slack(url, slack.base_url):
        raise TellUser("This file does not lie on Slack. Paste its text, or share it as a file.", reason="foreign-file")
    session = slack.session
    assert session is not None
    headers = {"Authorization": f"Bearer {slack.token}"}
    async with session.get(url, headers=headers, allow_redirects=False) as reply:
        is_page = reply.content_type == "text/html" and file.get("mimetype") != "text/html"
        if reply.status != 200 or is_page:
            raise TellUser(
                "The bot may not read this file: it needs the scope `files:read`, and to be in the channel if that is"
                " private. Paste the text instead, or read the log with `python -m bot diagnose FILE`.",
                reason="slack-file",
            )
        chunks = reply.content.iter_chunked(CHUNK)
        start = await anext(chunks, b"")
        unpack = zlib.decompressobj(wbits=31) if start.startswith(_GZIP_MAGIC) else None
        async for chunk in _with_start(start, chunks):
            if unpack is None:
                yield chunk
                continue
            pending = chunk
            while pending:
                try:
                    yield await asyncio.to_thread(unpack.decompress, pending, CHUNK)
                except zlib.error:
                    raise TellUser("The file is no readable gzip archive.", reason="slack-file") from None
                pending = unpack.unconsumed_tail


async def _with_start(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


def is_slack(url: str, api: str) -> bool:
    """Whether an address is Slack's own. `api`: where the Web API is."""
    parts, ours = urlsplit(url), urlsplit(api)
    host = parts.hostname or ""
    if parts.scheme == "https" and (host == "slack.com" or host.endswith((".slack.com", ".slack-edge.com"))):
        return parts.username is None
    return (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
