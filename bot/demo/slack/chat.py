"""chat.*: the messages the bot posts, edits and deletes."""

from __future__ import annotations

import json
from typing import Any

from bot.demo.slack.args import Args, Json
from bot.demo.slack.refused import Refused
from bot.demo.slack.rules import check_message_blocks, check_metadata, check_text
from bot.demo.slack.workspace import APP_ID, BOT_ID, BOT_USER, TEAM_ID, Channel, Message, Workspace


def shown(message: Message, *, metadata: bool = False) -> Json:
    """A message as Slack's API returns it."""
    body: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text, "team": TEAM_ID}
    if message.by_bot:
        body |= {"bot_id": BOT_ID, "app_id": APP_ID}
    if message.blocks:
        body["blocks"] = message.blocks
    if message.attachments:
        body["attachments"] = message.attachments
    if message.files:
        body["files"] = message.files
    if message.thread_ts:
        body["thread_ts"] = message.thread_ts
    if message.edited_ts:
        body["edited"] = {"user": message.user, "ts": message.edited_ts}
    if message.replies:
        latest = message.replies[-1].ts
        body |= {"thread_ts": message.ts, "reply_count": len(message.replies), "latest_reply": latest}
    if metadata and message.metadata:
        body["metadata"] = message.metadata
    return body


def channel_for(workspace: Workspace, name: str, *, posting: bool = False) -> Channel:
    """The channel the bot may use; a person's id means the direct conversation, as chat.postMessage takes it."""
    if name in workspace.people and posting:
        return workspace.dm(name)
    channel = workspace.channels.get(name)
    if channel is None and name.startswith("#"):
        channel = next((of for of in workspace.channels.values() if of.name == name[1:]), None)
    if channel is None or (channel.private and BOT_USER not in channel.members):
        raise Refused("channel_not_found")
    if posting and channel.archived:
        raise Refused("is_archived")
    if posting and BOT_USER not in channel.members:
        raise Refused("not_in_channel")
    return channel


def content(args: Args) -> tuple[str, list[Json], list[Json]]:
    """Text, blocks and attachments, refused as Slack refuses them."""
    text = check_text(args.given.get("text"))
    blocks = check_message_blocks(args.given.get("blocks"))
    attachments = _attachments(args.given.get("attachments"))
    if not text and not blocks and not attachments:
        raise Refused("no_text")
    return text, blocks, attachments


def _attachments(given: Any) -> list[Json]:
    if isinstance(given, str) and given:
        try:
            given = json.loads(given)
        except ValueError as wrong:
            raise Refused("invalid_attachments") from wrong
    found = given if isinstance(given, list) else []
    if len(found) > 100:
        raise Refused("too_many_attachments")
    for attachment in found:
        check_message_blocks(attachment.get("blocks"))
    return found


def post_message(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"), posting=True)
    text, blocks, attachments = content(args)
    metadata = check_metadata(args.given.get("metadata"))
    thread_ts = _thread(workspace, channel.id, args)
    message = workspace.post(
        Message(
            channel.id, workspace.next_ts(), BOT_USER, text, blocks, attachments, metadata, thread_ts,
            args.flag("reply_broadcast"),
        )
    )  # fmt: skip
    return {"channel": channel.id, "ts": message.ts, "message": shown(message, metadata=True)}


def _thread(workspace: Workspace, channel: str, args: Args) -> str | None:
    thread_ts = args.text("thread_ts")
    if not thread_ts:
        return None
    parent = workspace.find(channel, thread_ts)
    if parent is None:
        raise Refused("thread_not_found")
    # A reply given as the thread means its parent's thread.
    return parent.thread_ts or parent.ts


def post_ephemeral(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"), posting=True)
    user = args.need("user", "user_not_found")
    if user not in channel.members:
        raise Refused("user_not_in_channel")
    text, blocks, attachments = content(args)
    message = Message(
        channel.id, workspace.next_ts(), BOT_USER, text, blocks, attachments, None, args.text("thread_ts"),
        ephemeral_to=user,
    )  # fmt: skip
    workspace.post(message)
    return {"message_ts": message.ts}


def update(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    message = workspace.find(channel.id, args.need("ts", "message_not_found"))
    if message is None or message.ephemeral_to is not None:
        raise Refused("message_not_found")
    if not message.by_bot:
        raise Refused("cant_update_message")
    if channel.archived:
        raise Refused("is_archived")
    text, blocks, attachments = content(args)
    metadata = check_metadata(args.given.get("metadata"))
    # Text without blocks takes the blocks away; metadata left out stays.
    message.metadata = metadata if metadata is not None else message.metadata
    workspace.edit(message, text, blocks, attachments)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": shown(message, metadata=True)}


def delete(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    message = workspace.find(channel.id, args.need("ts", "message_not_found"))
    if message is None:
        raise Refused("message_not_found")
    if not message.by_bot:
        raise Refused("cant_delete_message")
    workspace.delete(message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    message = workspace.find(channel.id, args.need("message_ts", "message_not_found"))
    if message is None:
        raise Refused("message_not_found")
    link = f"https://acme.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": link}
