"""files.*: the two-step upload that replaced files.upload."""

from __future__ import annotations

import mimetypes
import secrets

from bot.demo.slack.args import Args, Json
from bot.demo.slack.chat import channel_for
from bot.demo.slack.refused import Refused
from bot.demo.slack.workspace import BOT_USER, Message, Upload, Workspace


def get_upload_url(workspace: Workspace, args: Args) -> Json:
    name, length = args.need("filename"), args.number("length", 0)
    if length <= 0:
        raise Refused("invalid_arguments", ["[ERROR] must be more than 0: length"])
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    upload = Upload(
        f"F{secrets.token_hex(5).upper()}", name, length, alt_text=args.text("alt_txt") or "", mimetype=kind
    )
    workspace.uploads[upload.id] = upload
    return {"upload_url": f"{workspace.url}/upload/{upload.id}", "file_id": upload.id}


def complete_upload(workspace: Workspace, args: Args) -> Json:
    done: list[Json] = []
    for given in args.listed("files"):
        upload = workspace.uploads.get(str(given.get("id")))
        if upload is None or upload.body is None:
            raise Refused("file_not_found")
        if len(upload.body) != upload.length:
            raise Refused("file_upload_size_restricted")
        upload.title = str(given.get("title") or upload.name)
        done.append(upload.shown(workspace.url))
    if not done:
        raise Refused("invalid_arguments", ["[ERROR] missing required field: files"])
    if channel_id := args.text("channel_id"):
        channel = channel_for(workspace, channel_id, posting=True)
        text = args.text("initial_comment") or ""
        thread_ts = args.text("thread_ts")
        workspace.post(
            Message(channel.id, workspace.next_ts(), BOT_USER, text, thread_ts=thread_ts or None, files=done)
        )
    return {"files": done}
