"""Who can do something about a new incident, besides those whom its card mentions: said once, in its thread.

The backup owner of the token, and whoever started the run. A GitHub account is found in Slack by its address, where
GitHub shows one and the app may ask; answers are remembered, "nobody" for a shorter time, and addresses are not kept.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot import announce
from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from bot.github.accounts import BOT_LOGIN, addresses
from bot.incidents import Facts, answers_for
from storage import accounts, due_jobs, incidents, tokens
from storage.database import Connection
from storage.incidents import Incident

log = structlog.get_logger("incident people")

JOB = "people of an incident"
NEW = timedelta(hours=1)  # later it is no news to them
AT_ONCE = 5  # a tick; Slack allows fifty look-ups a minute
LEASE = timedelta(minutes=2)
FOUND_FOR, NOBODY_FOR = timedelta(days=30), timedelta(days=1)
WITHOUT_SCOPE_FOR = timedelta(hours=1)


class IncidentPeople:
    """Remembers until when Slack is not to be asked: it said that it is too much, or not allowed."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._owner = uuid.uuid4().hex
        self._ask_after: datetime | None = None

    async def watch(self) -> None:
        """Look at incidents that are new and of which nobody was told beyond the card."""
        now = self._deps.now()
        for incident in await self._deps.db.read(incidents.opened_since, now - NEW, job=JOB, limit=AT_ONCE):
            due = f"incident:{incident.id}"
            mine = await self._deps.db.write(due_jobs.claim, name=JOB, due=due, owner=self._owner, now=now, lease=LEASE)
            if mine:
                await self._tell(incident, due, now)

    async def _tell(self, incident: Incident, due: str, now: datetime) -> None:
        try:
            actor = await self._actor(incident, now)
        except TryAgain as error:
            log.info("later", incident=incident.id, reason=error.reason)
            return  # the claim runs out by itself
        except GiveUp as error:
            log.info("the one who started the run is not known", incident=incident.id, reason=error.reason)
            actor = None

        def write(connection: Connection) -> None:
            current = incidents.get(connection, incident.id)
            token = tokens.by_id(connection, current.token_id) if current and current.token_id is not None else None
            if current is not None and current.muted_by is not None:
                return  # it is quiet: they hear of it when it speaks
            if current is not None and current.state == "open":
                blamed = answers_for(token, Facts.from_json(current.facts))
                announce.call(connection, current, blamed, actor, key="people", now=now)
            due_jobs.finish(connection, name=JOB, due=due, now=now)

        await self._deps.db.write(write)
        self._deps.queued()

    async def _actor(self, incident: Incident, now: datetime) -> str | None:
        """The Slack user who started the run; None when that cannot be known. Raises TryAgain or GiveUp."""
        facts = Facts.from_json(incident.facts)
        login, repo, run_id = facts.actor, facts.repo, facts.run_id
        if not login or not repo or not run_id or BOT_LOGIN.fullmatch(login) or self._deps.slack is None:
            return None
        known = await self._deps.db.read(accounts.get, login)
        if known is not None and now - known.looked_at < (FOUND_FOR if known.slack_user else NOBODY_FOR):
            return known.slack_user
        if not self._deps.github.configured or (self._ask_after is not None and now < self._ask_after):
            return None
        run = await self._deps.github.run(repo, run_id)
        user = None
        for address in await addresses(self._deps.github, repo, login, run.sha):
            user = user or await self._slack_user(address, now)
        if self._ask_after is None or now >= self._ask_after:
            await self._deps.db.write(accounts.keep, login, user, now)
        return user

    async def _slack_user(self, address: str, now: datetime) -> str | None:
        assert self._deps.slack is not None
        try:
            reply: Any = await self._deps.slack.users_lookupByEmail(email=address)
        except SlackApiError as error:
            code = str(error.response.get("error"))
            if error.response.status_code == 429 or code == "ratelimited":
                wait = _seconds(error.response.headers.get("Retry-After"))
                self._ask_after = now + timedelta(seconds=wait)
                raise TryAgain("slack-rate-limited", "Slack asks to slow down") from error
            if code == "missing_scope":
                self._ask_after = now + WITHOUT_SCOPE_FOR
            elif code != "users_not_found":
                log.warning("Slack did not say who that is", error=code)
            return None
        except (OSError, TimeoutError, ValueError) as error:
            raise TryAgain("slack-unreachable", type(error).__name__) from error
        person = reply.get("user") or {}
        is_nobody = person.get("deleted") or person.get("is_bot") or not person.get("id")
        return None if is_nobody else str(person["id"])


def _seconds(header: object) -> float:
    try:
        return max(1.0, float(str(header)))
    except ValueError:
        return 60.0
