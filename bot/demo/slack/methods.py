"""Which Web API methods the stand-in answers, and the scope each one needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.demo.slack import chat, files, lookups, views
from bot.demo.slack.args import Args, Json
from bot.demo.slack.workspace import Workspace
from bot.manifests import SLACK_SCOPES


@dataclass(frozen=True, slots=True)
class Method:
    """`scope` None: any bot token will do."""

    run: Callable[[Workspace, Args], Json]
    scope: str | None = None


# The app is installed from its manifest: a call the manifest forgot is refused here as Slack would refuse it.
SCOPES = tuple(SLACK_SCOPES)

METHODS: Mapping[str, Method] = {
    "auth.test": Method(lookups.auth_test),
    "chat.delete": Method(chat.delete, "chat:write"),
    "chat.getPermalink": Method(chat.get_permalink),
    "chat.postEphemeral": Method(chat.post_ephemeral, "chat:write"),
    "chat.postMessage": Method(chat.post_message, "chat:write"),
    "chat.update": Method(chat.update, "chat:write"),
    "conversations.history": Method(lookups.history, "channels:history"),
    "conversations.info": Method(lookups.info, "channels:read"),
    "conversations.join": Method(lookups.join, "channels:join"),
    "conversations.list": Method(lookups.list_channels, "channels:read"),
    "conversations.members": Method(lookups.members, "channels:read"),
    "conversations.open": Method(lookups.open_conversation, "im:write"),
    "conversations.replies": Method(lookups.replies, "channels:history"),
    "files.completeUploadExternal": Method(files.complete_upload, "files:write"),
    "files.getUploadURLExternal": Method(files.get_upload_url, "files:write"),
    "usergroups.list": Method(lookups.usergroups, "usergroups:read"),
    "usergroups.users.list": Method(lookups.usergroup_users, "usergroups:read"),
    "users.info": Method(lookups.user_info, "users:read"),
    "users.list": Method(lookups.list_users, "users:read"),
    "users.lookupByEmail": Method(lookups.user_by_email, "users:read.email"),
    "views.open": Method(views.open_view),
    "views.publish": Method(views.publish),
    "views.push": Method(views.push),
    "views.update": Method(views.update),
}
