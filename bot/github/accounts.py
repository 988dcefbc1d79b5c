"""Under which addresses a person on GitHub is known publicly: their profile's, and the one they commit with.

GET /users/{login}; GET /repos/{owner}/{repo}/commits/{sha}. Whose a commit is, GitHub says in `author.login`; the
address in the commit itself could be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bot.errors import GiveUp
from bot.github.client import GitHub

_ADDRESS = re.compile(r"[^\s@<>\"'\\,;]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
_NOBODY = re.compile(r".*noreply.*|.*@(?:localhost|example)\..*", re.IGNORECASE)
BOT_LOGIN = re.compile(r".*\[bot\]|github-actions", re.IGNORECASE)


async def addresses(github: GitHub, repo: str, login: str, sha: str | None) -> tuple[str, ...]:
    """At most two, the profile's first; to be asked about and then forgotten. Raises TryAgain or GiveUp."""
    found = [_address(await _read(github, f"/users/{quote(login, safe='')}", repo))]
    if sha:
        commit = await _read(github, f"/repos/{repo}/commits/{quote(sha, safe='')}", repo)
        if _login(commit.get("author")) == login.lower():
            author = (commit.get("commit") or {}).get("author")
            found.append(_address(author if isinstance(author, dict) else {}))
    return tuple(dict.fromkeys(filter(None, found)))


async def _read(github: GitHub, path: str, repo: str) -> Mapping[str, Any]:
    try:
        answer = await github.ask_sparingly("GET", path, repo=repo)
    except GiveUp as gone:
        if gone.reason == "github-not-found":
            return {}
        raise
    return answer.body if isinstance(answer.body, dict) else {}


def _address(person: Mapping[str, Any]) -> str:
    email = person.get("email")
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email) or _NOBODY.fullmatch(email):
        return ""
    return email.lower()


def _login(person: object) -> str:
    return str(person.get("login") or "").lower() if isinstance(person, dict) else ""
