"""What stops when, looked up and drawn: for `/tokens deadlines`, and once a week under the digest."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from bot.deadlines import AHEAD, Deadlines, deadlines
from bot.deps import Deps
from bot.fleet.ways_out import WayOut, path_of, ways_of_records
from bot.messages.deadlines import alt_text, named
from bot.timeline import picture
from bot.uploads import share_picture
from storage import fleet, outbox, package_looks, tokens
from storage.database import Connection
from storage.fleet import FleetRecords
from storage.package_looks import PackageLook
from storage.rotations import Path
from storage.tokens import Token

log = structlog.get_logger("outlook")

TITLE = "The next 90 days"
MOST_STOPPED = 2000  # tokens whose ways out are looked up


async def look_ahead(deps: Deps, now: datetime) -> Deadlines:
    """From outlines of all tokens, with the full records of those that a message names."""
    outlines = await deps.db.read(_outlines, now)
    found = await asyncio.to_thread(deadlines, outlines, now)
    shown = {token.id for token in named(found) if token.id is not None}
    stopped = {token.id for date in found.dates for token in date.stops[:MOST_STOPPED] if token.id is not None}
    wanted = shown | stopped
    full = {token.id: token for token in (await deps.db.read(tokens.by_ids, wanted) if wanted else [])}
    found = found.with_tokens(full)
    return found.with_ways(await ways(deps, found)) if stopped else found


async def ways(deps: Deps, found: Deadlines) -> dict[str, tuple[WayOut, ...]]:
    """The way out for each package of the tokens that a dated rule stops, by token."""
    stopped = {token.name: token for date in found.dates for token in date.stops[:MOST_STOPPED]}
    records, looks, publishers = await deps.db.read(_looked)
    return await asyncio.to_thread(ways_of_records, records, looks, publishers, list(stopped.values()))


def paths(found: Deadlines, rule_id: str) -> dict[int, Path]:
    """How each token that the rule stops is best replaced, by its id."""
    date = next((date for date in found.dates if date.rule.id == rule_id), None)
    if date is None:
        return {}
    by_name: dict[str, list[WayOut]] = {}
    for way in date.ways:
        by_name.setdefault(way.token, []).append(way)
    return {token.id: path_of(by_name[token.name]) for token in date.stops if token.id and token.name in by_name}


def _looked(connection: Connection) -> tuple[FleetRecords, dict[str, PackageLook], list[Token]]:
    return (
        fleet.records(connection),
        package_looks.everything(connection),
        tokens.of_kind(connection, "npm", "trusted-publisher"),
    )


async def share(deps: Deps, found: Deadlines, channel: str, *, thread_ts: str | None = None) -> str:
    """The picture, in a conversation or a thread of it; see `share_picture` for what comes back."""
    if deps.slack is None:
        return "refused"
    png = await asyncio.to_thread(picture, found, deps.settings.zone)
    return await share_picture(
        deps.slack,
        png,
        filename=f"next-90-days-{found.now:%Y-%m-%d}.png",
        title=TITLE,
        alt_text=alt_text(found),
        channel=channel,
        thread_ts=thread_ts,
    )


async def under_digest(deps: Deps, due: str, now: datetime) -> bool:
    """Under the digest of the day `due`. True when it is done, or can never be: not to be tried again this week."""
    digest = await deps.db.read(outbox.get, digest_key(deps, due))
    if digest is None or digest.ts is None:
        return False
    outcome = await share(deps, await look_ahead(deps, now), digest.channel, thread_ts=digest.ts)
    log.info("picture", due=due, outcome=outcome)
    return outcome != "later"  # what may have arrived is not sent twice


def digest_key(deps: Deps, due: str) -> str:
    return f"digest:{due}:{deps.settings.operators_channel}:0"


def _outlines(connection: Connection, now: datetime) -> list[Token]:
    both = (*tokens.bypassing(connection), *tokens.ends_before(connection, now + AHEAD))
    return list({token.id: token for token in reversed(both)}.values())
