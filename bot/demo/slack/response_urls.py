"""What a response_url does: five uses in thirty minutes, answers for one person or all, or a new original."""

from __future__ import annotations

import time

from bot.demo.slack.args import Args
from bot.demo.slack.chat import content
from bot.demo.slack.refused import Refused
from bot.demo.slack.workspace import (
    BOT_USER,
    RESPONSE_URL_LIVES_S,
    RESPONSE_URL_USES,
    Message,
    ResponseUrl,
    Workspace,
)


def respond(workspace: Workspace, key: str, args: Args) -> None:
    url = workspace.response_urls.get(key)
    if url is None:
        raise Refused("invalid_url")
    if time.monotonic() - url.made_at_s > RESPONSE_URL_LIVES_S:
        raise Refused("expired_url")
    if url.uses >= RESPONSE_URL_USES:
        raise Refused("used_url")
    if args.flag("delete_original"):
        url.uses += 1
        if url.original is not None:
            workspace.delete(url.original)
        return
    text, blocks, attachments = content(args)
    url.uses += 1
    if args.flag("replace_original") and url.original is not None and not url.original.deleted:
        workspace.edit(url.original, text, blocks, attachments)
        _answered(workspace, url, url.original)
        return
    ephemeral = args.text("response_type") != "in_channel"
    message = Message(
        url.channel, workspace.next_ts(), BOT_USER, text, blocks, attachments, None, args.text("thread_ts") or None,
        ephemeral_to=url.user if ephemeral else None,
    )  # fmt: skip
    workspace.post(message)
    # A command's later `replace_original` means the answer it gave before.
    url.original = url.original or message
    _answered(workspace, url, message)


def _answered(workspace: Workspace, url: ResponseUrl, message: Message) -> None:
    if message not in url.replies:
        url.replies.append(message)
    workspace.tell("answer", url)
