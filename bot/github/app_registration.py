"""Makes the GitHub App from our manifest: out to GitHub with a form, back with a code, then the code for credentials.

GitHub docs, "Registering a GitHub App from a manifest": the code is good for an hour and for one exchange. Nobody is
signed in here, so whoever begins must know the key that the bot printed when it started.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import structlog

from bot.errors import TellUser, TryAgain
from bot.github.app import AppCredentials, Outward, Registered, Wish, is_reachable, web_url_of
from bot.github.app_file import save
from bot.manifests import github_manifest

log = structlog.get_logger("setup")

WITHIN_S = 15
GOOD_FOR = timedelta(hours=1)  # as long as GitHub's code
MOST_UNDER_WAY = 20  # tabs of one person; older ones are forgotten
ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")


class AppRegistration:
    """One for each start of a bot without GitHub credentials; `key` opens it, and nothing does once `finished`.

    `public`: other organisations may install the App too.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        file: Path,
        now: Callable[[], datetime],
        *,
        public: bool = False,
    ) -> None:
        self.key = secrets.token_urlsafe(24)
        self.finished = False
        self.web_url = web_url_of(api_url)
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._file = file
        self._now = now
        self._public = public
        self._under_way: dict[str, tuple[Wish, datetime]] = {}
        self._exchanging = asyncio.Lock()

    def opens(self, key: str) -> bool:
        return not self.finished and hmac.compare_digest(key.encode("utf-8", "replace"), self.key.encode())

    def begin(self, wish: Wish, here: str) -> Outward:
        """`here`: the address under which the person's browser sees the bot. Raises TellUser for a wrong wish."""
        if wish.organization and not ORGANIZATION.fullmatch(wish.organization):
            raise TellUser("This is no name of a GitHub organisation: it is the part after github.com/ in its address.")
        if wish.address and not is_reachable(wish.address):
            raise TellUser("GitHub needs an https:// address with a public host name, such as https://bot.example.com.")
        state = secrets.token_urlsafe(24)
        while len(self._under_way) >= MOST_UNDER_WAY:
            del self._under_way[next(iter(self._under_way))]
        self._under_way[state] = (wish, self._now())
        of = f"/organizations/{quote(wish.organization)}" if wish.organization else ""
        manifest = github_manifest(
            wish.address or None,
            may_rerun=wish.may_rerun,
            owner=wish.organization,
            back_to=f"{here.rstrip('/')}/setup/github",
            public=self._public,
        )
        return Outward(f"{self.web_url}{of}/settings/apps/new?state={state}", json.dumps(manifest))

    async def finish(self, code: str, state: str) -> Registered:
        """Exchange GitHub's code for the App's credentials and keep them in the file, unless they were to be shown.

        Raises TellUser for a code or state that is wrong, old or used, and TryAgain while GitHub does not answer: the
        same code may then be tried again.
        """
        async with self._exchanging:
            wish, since = self._under_way.get(state, (None, None))
            if self.finished or wish is None or since is None or self._now() - since > GOOD_FOR:
                raise TellUser("This way back from GitHub was used before, or is older than an hour. Begin again.")
            if not CODE.fullmatch(code):
                raise TellUser("GitHub sent no code along. Begin again.")
            made = await self._exchanged(code)
            self.finished = True
            self._under_way.clear()
        kept = not wish.show and await asyncio.to_thread(self._keep, made)
        return Registered(made, kept, wanted=kept or wish.show)

    def _keep(self, made: AppCredentials) -> bool:
        try:
            save(self._file, made)
        except OSError as error:
            # The App is there and its key is handed out once: the page must show it now.
            log.warning("the App's credentials cannot be kept", file=str(self._file), error=type(error).__name__)
            return False
        return True

    async def _exchanged(self, code: str) -> AppCredentials:
        url = f"{self._api_url}/app-manifests/{code}/conversions"
        headers = {"accept": "application/vnd.github+json", "user-agent": "tokenwatch"}
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        try:
            async with self._session.post(url, headers=headers, timeout=timeout, allow_redirects=False) as reply:
                if reply.status in (404, 422):
                    raise TellUser("GitHub does not know this code: it was used before, or is older than an hour.")
                if reply.status != 201:
                    raise TryAgain("github-unavailable", f"GitHub answered {reply.status}")
                body = await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TryAgain("github-unreachable", f"GitHub does not answer: {type(error).__name__}") from error
        body = body if isinstance(body, dict) else {}
        made = AppCredentials(
            *(str(body.get(name) or "") for name in ("id", "pem", "webhook_secret", "html_url")),
        )
        if not all((made.app_id, made.private_key, made.webhook_secret)):
            raise TryAgain("github-malformed", "GitHub's answer holds no credentials")
        return made
