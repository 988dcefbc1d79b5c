"""Who may change things: token owners for their own, SLACK_ADMINS for all, guests nothing."""

from __future__ import annotations

import time

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import TellUser
from bot.settings import Settings
from storage.tokens import Token

log = structlog.get_logger("permissions")

REMEMBER_S = 300.0
GUESTS_LOOK = "Guests can look but not change anything. Ask a full member of this workspace."
NOT_YOURS = "Only its owner, its backup owner or an admin may change this token."


class Permissions:
    """Asks Slack who is a guest and who is in an admin group, and remembers the answers for some minutes."""

    def __init__(self, slack: AsyncWebClient | None, settings: Settings) -> None:
        self._slack = slack
        self._admins = settings.slack_admins
        self._guests: dict[str, tuple[float, bool]] = {}
        self._groups: dict[str, tuple[float, frozenset[str]]] = {}

    async def must_be_member(self, user: str) -> None:
        """Raises TellUser for guests, and for everybody while Slack cannot tell."""
        if await self.is_guest(user):
            raise TellUser(GUESTS_LOOK, reason="guest")

    async def must_change(self, user: str, token: Token | None = None) -> None:
        """Raises TellUser unless this person may change the token (or, without one, add any)."""
        await self.must_be_member(user)
        if not await self.may_change(user, token):
            raise TellUser(NOT_YOURS if token else "Only an admin may do this.", reason="not-allowed")

    async def may_change(self, user: str, token: Token | None = None) -> bool:
        if token is not None and user in (token.owner, token.backup_owner):
            return True
        return await self._is_admin(user)

    async def _is_admin(self, user: str) -> bool:
        if not self._admins:
            return not await self.is_guest(user)
        if user in self._admins:
            return True
        groups = [entry for entry in self._admins if entry.startswith("S")]
        return any([user in await self._members(group) for group in groups])

    async def is_guest(self, user: str) -> bool:
        """Guests, bots that were removed, and everybody while Slack cannot tell."""
        at = time.monotonic()
        known = self._guests.get(user)
        if known and at - known[0] < REMEMBER_S:
            return known[1]
        if self._slack is None:
            return True
        try:
            reply = await self._slack.users_info(user=user)
        except (SlackApiError, OSError, TimeoutError, ValueError) as error:
            log.warning("cannot tell whether somebody is a guest", error=type(error).__name__)
            return known[1] if known else True
        person = reply.get("user") or {}
        flags = ("is_restricted", "is_ultra_restricted", "is_stranger", "deleted")
        guest = any(bool(person.get(flag)) for flag in flags)
        self._guests[user] = (at, guest)
        return guest

    async def _members(self, group: str) -> frozenset[str]:
        at = time.monotonic()
        known = self._groups.get(group)
        if known and at - known[0] < REMEMBER_S:
            return known[1]
        if self._slack is None:
            return frozenset()
        try:
            reply = await self._slack.usergroups_users_list(usergroup=group)
        except (SlackApiError, OSError, TimeoutError, ValueError) as error:
            log.warning("cannot read an admin group", group=group, error=type(error).__name__)
            return known[1] if known else frozenset()
        members = frozenset(str(member) for member in reply.get("users") or ())
        self._groups[group] = (at, members)
        return members
