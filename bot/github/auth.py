"""How we prove who we are to GitHub: a token, or an App's JWT exchanged for installation tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from gidgethub.apps import get_jwt

from bot.errors import GiveUp
from bot.github.run import moment_of
from bot.settings import Settings

REFRESH_BEFORE = timedelta(minutes=10)  # installation tokens live an hour
Exchange = Callable[[int, str], Awaitable[dict[str, object]]]
FindInstallation = Callable[[str, str], Awaitable[int]]


class Auth:
    """Gives the token for a repository's requests. Without credentials it raises GiveUp."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.github_token.get_secret_value() if settings.github_token else None
        self._app_id = settings.github_app_id
        self._key = _key_text(settings)
        self._installations: dict[str, int] = {}
        self._tokens: dict[int, tuple[str, datetime]] = {}

    @property
    def configured(self) -> bool:
        return self._token is not None or self.is_app

    @property
    def is_app(self) -> bool:
        return self._token is None and self._app_id is not None and self._key is not None

    def app_jwt(self) -> str:
        """The App's own credential, good for some minutes. Raises GiveUp when the key is no key."""
        if self._app_id is None or self._key is None:
            raise GiveUp("github-not-configured", "GitHub credentials are not set")
        try:
            return get_jwt(app_id=self._app_id, private_key=self._key)
        except (ValueError, jwt.PyJWTError) as error:
            raise GiveUp("github-key", "GITHUB_PRIVATE_KEY is not a private key in PEM format") from error

    async def token(
        self, repo: str, installation_id: int | None, now: datetime, exchange: Exchange, find: FindInstallation
    ) -> str:
        """The bearer token for requests about `repo`; `exchange` and `find` ask GitHub for it when needed."""
        if self._token is not None:
            return self._token
        app_jwt = self.app_jwt()
        if installation_id is None:
            installation_id = self._installations.get(repo)
        if installation_id is None:
            installation_id = await find(repo, app_jwt)
        self._installations[repo] = installation_id
        cached = self._tokens.get(installation_id)
        if cached is None or cached[1] - REFRESH_BEFORE <= now:
            reply = await exchange(installation_id, app_jwt)
            ends = moment_of(reply.get("expires_at")) or now.astimezone(UTC) + timedelta(hours=1)
            cached = (str(reply["token"]), ends)
            self._tokens[installation_id] = cached
        return cached[0]

    def remember(self, repo: str, installation_id: int) -> None:
        """By which installation to ask about a repository or owner, known without asking."""
        self._installations[repo] = installation_id

    def forget(self, repo: str) -> None:
        """GitHub refused the token: get a fresh one next time."""
        installation_id = self._installations.pop(repo, None)
        if installation_id is not None:
            self._tokens.pop(installation_id, None)


def _key_text(settings: Settings) -> str | None:
    if settings.github_private_key is None:
        return None
    value = settings.github_private_key.get_secret_value()
    if "-----BEGIN" in value:
        return value.replace("\\n", "\n")
    try:
        return Path(value).read_text()
    except OSError:
        return value
