"""Puts a picture into a Slack conversation: ask for an address, send the bytes there, then say where it belongs.

`files.upload` is retired; `files.getUploadURLExternal` takes the description for screen readers.
"""

from __future__ import annotations

import asyncio

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_files import is_slack

log = structlog.get_logger("uploads")

WITHIN_S = 20.0
# It will not work later either: a permission is missing, or the conversation is closed to the bot.
FOR_GOOD = frozenset({"missing_scope", "not_allowed_token_type", "is_archived", "not_in_channel", "channel_not_found"})


async def share_picture(
    slack: AsyncWebClient,
    png: bytes,
    *,
    filename: str,
    title: str,
    alt_text: str,
    channel: str,
    thread_ts: str | None = None,
) -> str:
    """`shared`; `refused` for good; `later` when it surely was not shared and may be next time; or `unknown`."""
    shared = False
    try:
        async with asyncio.timeout(WITHIN_S):
            place = await slack.files_getUploadURLExternal(filename=filename, length=len(png), alt_txt=alt_text)
            url = str(place.get("upload_url"))
            if not is_slack(url, slack.base_url):
                return "refused"
            assert slack.session is not None
            async with slack.session.post(url, data=png, allow_redirects=False) as reply:
                if reply.status != 200:
                    return "later"
            shared = True
            await slack.files_completeUploadExternal(
                files=[{"id": str(place.get("file_id")), "title": title}], channel_id=channel, thread_ts=thread_ts
            )
    except SlackApiError as error:
        code = str(error.response.get("error"))
        log.warning("a picture was not shared", error=code)
        return "refused" if code in FOR_GOOD else "later"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        log.warning("a picture may not have been shared", error=type(error).__name__)
        return "unknown" if shared else "later"
    return "shared"
