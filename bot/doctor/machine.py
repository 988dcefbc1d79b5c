"""The machine the bot is on: its database, the disk below it, other bots on it, its clock."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from bot.doctor.disks import disk_finding
from bot.doctor.finding import Finding
from bot.github.app_file import beside, seen_by_others
from bot.presence import ALIVE_WITHIN, identity_of
from bot.refusals import TROUBLES
from bot.settings import Settings
from storage import presence, slack_troubles
from storage.database import Database, StorageError, path_of
from storage.presence import Process, Requests

WITHIN_S = 10
CLOCK_OFF = timedelta(seconds=120)  # Slack refuses requests that differ by five minutes, GitHub Apps sooner
LOW_DISK = 200 * 1024 * 1024


async def database_findings(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    path = path_of(settings.database_url).absolute()
    try:
        db = await asyncio.to_thread(Database.open, settings.database_url)
    except StorageError as error:
        mend = "Give DATABASE_URL a place on a local disk the bot may write to."
        yield Finding("database", "wrong", str(error), mend)
        return
    try:
        processes = await db.read(presence.processes, since=now - ALIVE_WITHIN)
        requests = await db.read(presence.requests)
        troubles = await db.read(slack_troubles.everything)
    finally:
        await asyncio.to_thread(db.close)
    for trouble in troubles:
        known = TROUBLES.get(trouble.code)
        said = f"messages to {trouble.place} are refused since {trouble.since:%Y-%m-%d %H:%M} UTC ({trouble.code})"
        yield Finding("slack", "wrong", said, known.mend if known else "")
    free = await asyncio.to_thread(_free_bytes, str(path.parent))
    if free < LOW_DISK:
        yield Finding("database", "warning", f"only {free // 2**20} MiB are free on its disk", "Make room.")
    else:
        yield Finding("database", "ok", f"{path} can be written, in WAL mode")
    if (disk := await asyncio.to_thread(disk_of, path)) is not None:
        yield disk
    for file in (Path(".env"), beside(path)):
        if await asyncio.to_thread(seen_by_others, file):
            said = f"{file} holds secrets and can be read by other accounts of this machine"
            yield Finding("secrets", "warning", said, f"chmod 600 {file}")
    for finding in (*bots_findings(settings, processes), *requests_findings(settings, requests)):
        yield finding


def bots_findings(settings: Settings, processes: tuple[Process, ...]) -> list[Finding]:
    """Several processes of one bot share the work; several bots on one database take each other's."""
    mine = identity_of(settings)
    strangers = [process for process in processes if process.serves != mine]
    hosts = sorted({process.host for process in processes})
    if strangers:
        other = strangers[0]
        said = f"another bot works on this database: {other.host}, process {other.pid}, with other settings"
        mend = "Restart the bot if its settings were changed since; else give each bot a DATABASE_URL of its own."
        return [Finding("database", "wrong", said, mend)]
    if len(hosts) > 1:
        said = f"{len(hosts)} machines work on this database: {', '.join(hosts)}"
        return [Finding("database", "wrong", said, "One file is one machine: stop all but one.")]
    return []


def requests_findings(settings: Settings, requests: tuple[Requests, ...]) -> list[Finding]:
    """Requests whose signature was wrong since the last that was right."""
    found = []
    for one in requests:
        if one.refused_at is None or (one.accepted_at is not None and one.accepted_at >= one.refused_at):
            continue
        secret, source = {
            "slack": ("SLACK_SIGNING_SECRET", "Slack"),
            "github": ("GITHUB_WEBHOOK_SECRET", "GitHub"),
        }.get(one.source, ("", ""))
        if not secret or (one.source == "slack" and settings.socket_mode):
            continue
        what = "request that claims" if one.refused == 1 else "requests that claim"
        said = f"{one.refused} {what} to be from {source} had a wrong signature, the last at "
        said += f"{one.refused_at:%Y-%m-%d %H:%M} UTC"
        # Anybody can send such a request; but where none was ever right, ours is the likelier mistake.
        mend = f"Compare {secret} with what {source} shows, and the machine's clock."
        if one.accepted_at is None:
            found.append(Finding(one.source, "wrong", f"{said}, and none was ever right", mend))
        else:
            found.append(Finding(one.source, "warning", said, mend))
    return found


async def clock_findings(settings: Settings, session: aiohttp.ClientSession, now: datetime) -> AsyncIterator[Finding]:
    yield Finding("time zone", "ok", f"digest at {settings.reminder_time:%H:%M} {settings.timezone}")
    try:
        async with session.head(settings.slack_api_url, timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as reply:
            theirs = parsedate_to_datetime(reply.headers["Date"]).astimezone(UTC)
    except (aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError):
        return
    off = abs(now - theirs)
    if off > CLOCK_OFF:
        said = f"this machine's clock is off by {off.total_seconds():.0f} seconds"
        yield Finding("clock", "wrong", said, "Turn on NTP.")
    else:
        yield Finding("clock", "ok", "this machine's clock agrees with Slack's")


def disk_of(path: Path) -> Finding | None:
    """What is wrong with the kind of disk the database is on, as far as this machine tells."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace")
    except OSError:
        mounts = ""
    return disk_finding(str(path.absolute().resolve()), mounts, os.environ)


def _free_bytes(directory: str) -> int:
    return shutil.disk_usage(directory).free
