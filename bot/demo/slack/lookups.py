"""auth.test, conversations.*, users.*, usergroups.*: what the bot may ask about the workspace."""

from __future__ import annotations

from bot.demo.slack.args import Args, Json
from bot.demo.slack.chat import channel_for, shown
from bot.demo.slack.refused import Refused
from bot.demo.slack.workspace import BOT_ID, BOT_USER, TEAM_DOMAIN, TEAM_ID, Channel, Message, Person, Workspace


def auth_test(workspace: Workspace, args: Args) -> Json:
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "team": "Acme",
        "user": workspace.people[BOT_USER].name,
        "team_id": TEAM_ID,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def history(workspace: Workspace, args: Args) -> Json:
    """Newest first; replies are in their threads unless broadcast; metadata only when asked for."""
    channel = _readable(workspace, args)
    found = [
        message
        for message in workspace.in_channel(channel.id)
        if message.thread_ts is None or message.broadcast or message.thread_ts == message.ts
    ]
    oldest, latest, both = args.text("oldest") or "0", args.text("latest") or "9999999999", args.flag("inclusive")
    found = [m for m in found if _between(m.ts, oldest, latest, both)]
    found.sort(key=lambda message: _number(message.ts), reverse=True)
    return _page(found, args)


def replies(workspace: Workspace, args: Args) -> Json:
    channel = _readable(workspace, args)
    parent = workspace.find(channel.id, args.need("ts", "thread_not_found"))
    if parent is None:
        raise Refused("thread_not_found")
    oldest, latest, both = args.text("oldest") or "0", args.text("latest") or "9999999999", args.flag("inclusive")
    inside = [reply for reply in parent.replies if _between(reply.ts, oldest, latest, both)]
    return _page([parent, *inside], args)


def _page(found: list[Message], args: Args) -> Json:
    limit = max(1, min(999, args.number("limit", 100)))
    after = int((args.text("cursor") or "at:0").removeprefix("at:"))
    part = found[after : after + limit]
    more = after + limit < len(found)
    metadata = args.flag("include_all_metadata")
    return {
        "messages": [shown(message, metadata=metadata) for message in part],
        "has_more": more,
        "response_metadata": {"next_cursor": f"at:{after + limit}" if more else ""},
    }


def _readable(workspace: Workspace, args: Args) -> Channel:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    if BOT_USER not in channel.members:
        raise Refused("not_in_channel")
    return channel


def _number(ts: str) -> float:
    try:
        return float(ts)
    except ValueError as wrong:
        raise Refused("invalid_ts_latest") from wrong


def _between(ts: str, oldest: str, latest: str, both: bool) -> bool:
    at, low, high = _number(ts), _number(oldest), _number(latest)
    return low < at < high or (both and at in (low, high))


def channel_object(channel: Channel) -> Json:
    if channel.dm_with:
        return {"id": channel.id, "is_im": True, "is_channel": False, "user": channel.dm_with, "is_archived": False}
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.private,
        "is_group": channel.private,
        "is_im": False,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_member": BOT_USER in channel.members,
        "is_ext_shared": False,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def info(workspace: Workspace, args: Args) -> Json:
    return {"channel": channel_object(channel_for(workspace, args.need("channel", "channel_not_found")))}


def members(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    return {"members": sorted(channel.members), "response_metadata": {"next_cursor": ""}}


def list_channels(workspace: Workspace, args: Args) -> Json:
    kinds = set((args.text("types") or "public_channel").split(","))
    found = []
    for channel in workspace.channels.values():
        kind = "im" if channel.dm_with else "private_channel" if channel.private else "public_channel"
        visible = kind == "public_channel" or BOT_USER in channel.members
        if kind in kinds and visible and not (channel.archived and args.flag("exclude_archived")):
            found.append(channel_object(channel))
    return {"channels": found, "response_metadata": {"next_cursor": ""}}


def open_conversation(workspace: Workspace, args: Args) -> Json:
    users = args.listed("users")
    if len(users) != 1:
        raise Refused("users_list_not_supplied" if not users else "method_not_supported_for_channel_type")
    person = workspace.people.get(str(users[0]))
    if person is None:
        raise Refused("user_not_found")
    if person.bot:
        raise Refused("cannot_dm_bot")
    return {"channel": {"id": workspace.dm(person.id).id}}


def join(workspace: Workspace, args: Args) -> Json:
    channel = channel_for(workspace, args.need("channel", "channel_not_found"))
    if channel.archived:
        raise Refused("is_archived")
    channel.members.add(BOT_USER)
    return {"channel": channel_object(channel)}


def person_object(person: Person) -> Json:
    return {
        "id": person.id,
        "team_id": TEAM_ID,
        "name": person.name,
        "deleted": person.deleted,
        "real_name": person.real_name,
        "tz": person.tz,
        "tz_label": person.tz,
        "tz_offset": person.tz_offset,
        "profile": {
            "real_name": person.real_name,
            "display_name": person.name,
            "title": person.title,
            "email": person.email,
            "team": TEAM_ID,
        },
        "is_admin": person.admin,
        "is_owner": False,
        "is_restricted": person.guest,
        "is_ultra_restricted": False,
        "is_bot": person.bot,
        "is_app_user": False,
        "is_email_confirmed": not person.bot,
        "updated": 1_764_000_000,
    }


def user_info(workspace: Workspace, args: Args) -> Json:
    person = workspace.people.get(args.need("user", "user_not_found"))
    if person is None:
        raise Refused("user_not_found")
    return {"user": person_object(person)}


def list_users(workspace: Workspace, args: Args) -> Json:
    found = [person_object(person) for person in workspace.people.values()]
    return {"members": found, "response_metadata": {"next_cursor": ""}}


def user_by_email(workspace: Workspace, args: Args) -> Json:
    email = args.need("email", "users_not_found").lower()
    for person in workspace.people.values():
        if person.email == email and not person.deleted:
            return {"user": person_object(person)}
    raise Refused("users_not_found")


def usergroup_users(workspace: Workspace, args: Args) -> Json:
    found = workspace.usergroups.get(args.need("usergroup", "no_such_subteam"))
    if found is None:
        raise Refused("no_such_subteam")
    return {"users": sorted(found)}


def usergroups(workspace: Workspace, args: Args) -> Json:
    return {
        "usergroups": [
            {
                "id": group,
                "team_id": TEAM_ID,
                "handle": "release-eng",
                "name": "Release engineers",
                "user_count": len(users),
            }
            for group, users in workspace.usergroups.items()
        ]
    }
