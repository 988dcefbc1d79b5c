"""Slack SDK's stores for installing in several workspaces, on our own database: bot tokens under seal, states once.

Only bots are kept: the app asks for no user scopes. An installation for a whole Enterprise organisation has no
workspace to keep apart, and is refused before it comes here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bot.sealing import NotOurs, Seal
from storage import installations
from storage.database import Database
from storage.installations import Installed

STATE_LIVES = timedelta(minutes=10)


class SlackInstallations(AsyncInstallationStore):
    """Methods and arguments as slack_sdk names them; `enterprise_id` is not looked at, team ids are unique."""

    def __init__(self, db: Database, seal: Seal) -> None:
        self._db = db
        self._seal = seal

    async def async_save(self, installation: Installation) -> None:
        assert installation.team_id and installation.bot_token, "checked by whoever installs"
        await self._db.write(
            installations.save,
            Installed(
                team=installation.team_id,
                name=installation.team_name or installation.team_id,
                app_id=installation.app_id or "",
                bot_id=installation.bot_id or "",
                bot_user=installation.bot_user_id or "",
                scopes=",".join(installation.bot_scopes or ()),
                sealed_token=self._seal.close(installation.bot_token),
                installed_by=installation.user_id,
                installed_at=datetime.fromtimestamp(installation.installed_at, UTC),
            ),
        )

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None = None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """Raises NotOurs when the token was sealed with another client secret."""
        if not team_id or is_enterprise_install:
            return None
        found = await self._db.read(installations.find, team_id)
        if found is None or (user_id is not None and user_id != found.installed_by):
            return None
        return opened(found, self._seal)

    async def async_find_bot(
        self, *, enterprise_id: str | None = None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        found = await self.async_find_installation(team_id=team_id, is_enterprise_install=is_enterprise_install)
        return found.to_bot() if found else None

    async def async_delete_installation(
        self, *, enterprise_id: str | None = None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """Of one person: only the bot is kept, which stays when somebody's own authorization goes."""
        if team_id and user_id is None:
            await self._db.write(installations.remove, team_id)

    async def async_delete_bot(self, *, enterprise_id: str | None = None, team_id: str | None) -> None:
        await self.async_delete_installation(team_id=team_id)

    async def delete_if_older(self, team: str, than: datetime) -> bool:
        """For word that Slack sent some time ago: who installed again since then stays."""
        return await self._db.write(installations.remove, team, before=than)

    async def everything(self) -> list[Installed]:
        return await self._db.read(installations.everything)


def opened(one: Installed, seal: Seal) -> Installation:
    """With its bot token. Raises NotOurs."""
    return Installation(
        app_id=one.app_id,
        team_id=one.team,
        team_name=one.name,
        bot_token=seal.open(one.sealed_token),
        bot_id=one.bot_id,
        bot_user_id=one.bot_user,
        bot_scopes=one.scopes,
        user_id=one.installed_by,
        installed_at=one.installed_at.timestamp(),
    )


class OAuthStates(AsyncOAuthStateStore):
    """Each is good once, for ten minutes, in any process on this database."""

    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self._db = db
        self._now = now

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        state, now = secrets.token_urlsafe(32), self._now()
        await self._db.write(installations.issue_state, state, now=now, ends_at=now + STATE_LIVES)
        return state

    async def async_consume(self, state: str) -> bool:
        return await self._db.write(installations.consume_state, state, self._now())


__all__ = ["NotOurs", "OAuthStates", "SlackInstallations", "opened"]
