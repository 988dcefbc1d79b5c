"""What Slack's refusals mean for a message: who can mend it, and what to say to the operators. Pure.

Codes: Slack's reference of chat.postMessage and chat.update.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Scope = Literal["channel", "workspace", "edits"]

WORKSPACE = "workspace"  # the place of a trouble that stops every message
EDITS = "edits"  # the place of a trouble that stops only edits
SHORTEST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)  # what a person mended is noticed within this


@dataclass(frozen=True, slots=True)
class Trouble:
    """`says` continues a sentence about the place; `mend`: what a person does about it."""

    scope: Scope
    says: str
    mend: str


_INVITE = "Type `/invite @Tokenwatch` there."
_OTHER = (
    "or name another channel in ALERT_CHANNEL, DIGEST_CHANNEL, CHANNEL_ROUTES or DIGEST_ROUTES and restart the bot."
)
_POSTING = f"Let apps post there (channel settings, Posting permissions), {_OTHER}"
_REINSTALL = "Install the app again, set SLACK_BOT_TOKEN to its new token and restart the bot."
_AT_SLACK = "Ask an admin of the Slack workspace to let the app in again."

_ARCHIVED = Trouble("channel", "the channel is archived", f"Unarchive it and invite the bot, {_OTHER}")
_RESTRICTED = Trouble("channel", "the bot may not post there", _POSTING)
_REVOKED = Trouble("workspace", "the bot's token was revoked", _REINSTALL)
_NO_DM = Trouble("channel", "direct messages of the app are turned off", "Turn on the Messages tab of the app's Home.")
_GONE = Trouble("channel", "that account is not active", "Name another owner for the tokens of that person.")

TROUBLES: dict[str, Trouble] = {
    "is_archived": _ARCHIVED,
    "channel_not_found": Trouble(
        "channel", "the channel does not exist, or is private and the bot is not in it", f"Invite the bot, {_OTHER}"
    ),
    "not_in_channel": Trouble("channel", "the bot is not in the channel", _INVITE),
    "restricted_action": _RESTRICTED,
    "restricted_action_read_only_channel": _RESTRICTED,
    "restricted_action_thread_only_channel": _RESTRICTED,
    "restricted_action_non_threadable_channel": _RESTRICTED,
    "restricted_action_thread_locked": _RESTRICTED,
    "channel_is_limited_access": _RESTRICTED,
    "missing_scope": Trouble(
        "channel", "the app lacks a permission", "Run `python -m bot check`: it names the scope to add."
    ),
    "messages_tab_disabled": _NO_DM,
    "cannot_dm_bot": _GONE,
    "user_not_found": _GONE,
    "user_disabled": _GONE,
    "token_revoked": _REVOKED,
    "token_expired": _REVOKED,
    "invalid_auth": Trouble("workspace", "Slack does not know the bot's token", _REINSTALL),
    "not_authed": Trouble("workspace", "Slack does not know the bot's token", _REINSTALL),
    "account_inactive": Trouble("workspace", "the bot's account was deactivated or the app removed", _REINSTALL),
    "access_denied": Trouble("workspace", "the workspace does not let the app in", _AT_SLACK),
    "ekm_access_denied": Trouble("workspace", "the workspace does not let the app in", _AT_SLACK),
    "team_access_not_granted": Trouble("workspace", "the workspace does not let the app in", _AT_SLACK),
    "org_login_required": Trouble("workspace", "the workspace is being moved by Slack", "Wait for Slack to finish."),
    "edit_window_closed": Trouble(
        "edits",
        "the workspace lets nobody edit older messages",
        "Allow editing at any time in the workspace's settings (Message editing and deletion).",
    ),
}


def place_of(trouble: Trouble, channel: str) -> str:
    """What is in trouble: a channel, all messages, or all edits."""
    return {"workspace": WORKSPACE, "edits": EDITS}.get(trouble.scope, channel)


def wait_of(lasted: timedelta) -> timedelta:
    """How long until the next try, after a trouble has lasted so long."""
    return min(max(lasted / 4, SHORTEST_WAIT), LONGEST_WAIT)
