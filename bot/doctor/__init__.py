"""Finds what is wrong with a set-up and says how to mend it: one finding a line. `/readyz` asks the same questions."""

from __future__ import annotations

from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import system_now
from bot.doctor.finding import Finding
from bot.doctor.github import github_findings
from bot.doctor.machine import clock_findings, database_findings
from bot.doctor.secrets import settings_findings
from bot.doctor.slack import slack_findings
from bot.doctor.workspaces import workspaces_findings
from bot.errors import TokenwatchError
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.registries.npm.packument import NpmRegistry
from bot.registries.npm.stage_list import StageList
from bot.settings import Settings


async def examine(settings: Settings, now: datetime | None = None) -> list[Finding]:
    """Every check, in the order in which a person would mend things."""
    at = now or system_now()
    found = list(settings_findings(settings))
    found += [finding async for finding in database_findings(settings, at)]
    async with aiohttp.ClientSession() as session:
        if settings.several:
            found += [finding async for finding in workspaces_findings(settings, session, at)]
        elif settings.slack_bot_token is not None:
            client = AsyncWebClient(
                token=settings.slack_bot_token.get_secret_value(),
                base_url=settings.slack_api_url,
                session=session,
                retry_handlers=[],
            )
            found += [finding async for finding in slack_findings(settings, client)]
        github = GitHub(session, settings.github_api_url, Auth(settings), lambda: at)
        found += [finding async for finding in github_findings(settings, github)]
        found.append(await _registry(settings, session))
        if settings.npm_read_token is not None:
            found.append(await _stage_list(StageList(session, settings.npm_registry_url, settings.npm_read_token)))
        found += [finding async for finding in clock_findings(settings, session, at)]
    return found


async def _registry(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    try:
        await NpmRegistry(session, settings.npm_registry_url).ping()
    except TokenwatchError as error:
        mend = "Cards will lack what the registry knows until it is reachable."
        return Finding("registry", "warning", error.message, mend)
    return Finding("registry", "ok", f"{settings.npm_registry_url} answers")


async def _stage_list(stages: StageList) -> Finding:
    try:
        seen = len(await stages.listed())
    except TokenwatchError as error:
        mend = "Put a read-only token of a maintainer into NPM_READ_TOKEN, or take the setting away."
        return Finding("stage list", "warning", error.message, mend)
    return Finding("stage list", "ok", f"npm's list of staged versions can be read ({seen} on it)")
