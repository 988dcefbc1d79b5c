"""GitHub tokens that end: fine-grained ones of an organisation's members, and the bot's own. Kept as token records.

So they are listed, shown and reminded of like every other token. GitHub shows their names and dates, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.credentials import kind_of
from bot.deps import Deps
from bot.errors import GiveUp
from bot.github.inventory import MOST_PAGES, PER_PAGE
from bot.github.run import moment_of
from bot.inbox import Worked
from bot.token_changes import keep
from storage import accounts, tokens
from storage.database import Connection
from storage.tokens import Token

OWN = "tokenwatch-github-token"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._]+")


def read_token(data: Mapping[str, Any], organisation: str) -> Token | None:
    """The record behind GitHub's `personal_access_token_request` or an entry of the organisation's list; None when it
    names nobody."""
    owner = data.get("owner")
    login, name = (owner.get("login") if isinstance(owner, dict) else None), data.get("token_name")
    if not isinstance(login, str) or not isinstance(name, str) or kind_of(f"{login} {name}"):
        return None
    made = _NOT_IN_A_NAME.sub("-", f"{login}-{name}").strip("-.")
    return Token(
        name=f"github-pat-{made}"[:100],
        registry="github",
        kind="pat",
        created_at=moment_of(data.get("access_granted_at") or data.get("created_at")),
        expires_at=moment_of(data.get("token_expires_at")),
        last_used_at=moment_of(data.get("token_last_used_at")),
        account=login if re.fullmatch(r"[A-Za-z0-9\-]{1,100}", login) else None,
        note=f"Fine-grained token of {login[:100]} {_listed_in(organisation)}",
    )


async def requested(data: Mapping[str, Any], organisation: str, action: str, deps: Deps) -> Worked:
    """Somebody asked for, got, was refused or took back access to the organisation with a fine-grained token."""
    made = read_token(data, organisation)
    if made is None:
        raise GiveUp("payload", "the payload names no token or nobody it belongs to")
    over = action in ("denied", "cancelled")

    def apply(connection: Connection) -> None:
        now = deps.now()
        known = tokens.get(connection, made.name)
        if over:
            if known is not None and known.revoked_at is None:
                keep(connection, replace(known, revoked_at=now), known, who="bot", now=now)
            return
        _note(connection, made, now)

    return Worked(f"token-{action}", made.name, apply)


async def look(organisation: str, deps: Deps) -> int:
    """Bring the records of an organisation's fine-grained tokens up to date; only an App may see them. Returns how many
    there are. One that is no longer listed lost its access. Raises TryAgain and GiveUp."""
    found: list[Token] = []
    for page in range(1, MOST_PAGES + 1):
        path = f"/orgs/{organisation}/personal-access-tokens?per_page={PER_PAGE}&page={page}"
        answer = await deps.github.ask_sparingly("GET", path, repo=organisation)
        listed = answer.body if isinstance(answer.body, list) else []
        found += [made for one in listed if isinstance(one, dict) and (made := read_token(one, organisation))]
        if len(listed) < PER_PAGE:
            break

    def write(connection: Connection) -> None:
        now = deps.now()
        for made in found:
            _note(connection, made, now)
        names = {made.name for made in found}
        for known in tokens.of_kind(connection, "github", "pat"):
            listed = known.note.endswith(_listed_in(organisation)) and known.revoked_at is None
            if listed and known.name not in names:
                keep(connection, replace(known, revoked_at=now), known, who="bot", now=now)

    await deps.db.write(write)
    return len(found)


def _listed_in(organisation: str) -> str:
    return f"in {organisation[:100]}, as GitHub lists it."


async def note_own(deps: Deps) -> None:
    """The end of the bot's own token, as GitHub says it with every answer, so that somebody is reminded of it too."""
    ends_at = deps.github.token_ends_at
    if ends_at is None:
        return
    made = Token(
        name=OWN,
        registry="github",
        kind="pat",
        expires_at=ends_at,
        note="GITHUB_TOKEN of this bot. Without it no log is read: put a new one into its settings in time.",
    )
    await deps.db.write(_note, made, deps.now())


def _note(connection: Connection, made: Token, now: datetime) -> None:
    """Dates come from GitHub; owner, backup and note are people's and stay."""
    known = tokens.get(connection, made.name)
    if known is None:
        # Whose token it is GitHub says; who that is in Slack is known of people whose runs failed.
        person = accounts.get(connection, made.account) if made.account else None
        keep(connection, replace(made, owner=person.slack_user if person else None), None, who="bot", now=now)
        return
    changed = replace(
        known,
        expires_at=made.expires_at,
        expires_computed=False,
        last_used_at=made.last_used_at or known.last_used_at,
        revoked_at=None,
    )
    if changed != known:
        keep(connection, changed, known, who="bot", now=now)
