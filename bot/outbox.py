"""Sends and edits Slack messages; the only place that talks to `chat.*`.

Slack has no idempotency key. A post whose answer was lost (time-out, 5xx, dead process) is `unknown`: before it is sent
again its key is looked for in the channel's history, where it stands in the message's metadata. slack-sdk's own retries
are off for that reason. Posts to a channel keep about one a second; edits of a message coalesce.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.messages.message import Message
from bot.messages.slack_trouble import DELETED, OTHER_APP, began, cannot_edit, noted, over
from bot.messages.text import is_user
from bot.metrics import METRICS
from bot.refusals import EDITS, TROUBLES, WORKSPACE, place_of, wait_of
from storage import outbox, slack_troubles
from storage.database import Connection, Database, StorageError
from storage.outbox import Kind, Outgoing
from storage.slack_troubles import OpenTrouble

log = structlog.get_logger("outbox")

METADATA_EVENT = "tokenwatch_message"
LEASE = timedelta(seconds=25)  # longer than a call may take
CALL_TIMEOUT_S = 15
LOOK_AFTER_S = 3.0  # a post that timed out may still be on its way into the history
POSTS_PER_S = 1.0  # Slack: about one message a second and channel, short bursts tolerated
BURST = 4.0
EDITS_APART = timedelta(seconds=3)  # chat.update allows 50 a minute over the whole workspace
HOPELESS_AFTER = 40  # tries that count
WORTH_SENDING = timedelta(days=3)  # an outage of Slack, or a weekend with a revoked token, must not end it sooner
LONGEST_WAIT_S = 3600.0
LONGEST_NAP_S = 5.0  # another process on the same database may have queued something

# Nobody knows whether Slack took the message after these (docs: fatal_error "may have succeeded").
AMBIGUOUS = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
BAD_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
HOPELESS = frozenset({"no_text", "metadata_too_large", "invalid_arguments"})
GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
NOT_OURS = frozenset({"cant_update_message"})

Outcome = Literal["sent", "later", "dead"]


class Outbox:
    """Run it as one task: `await outbox.run()`; cancel it to stop."""

    def __init__(
        self,
        db: Database,
        slack: AsyncWebClient | None,
        *,
        now: Callable[[], datetime],
        fallbacks: Sequence[str] = (),
    ) -> None:
        """`fallbacks`: channels for what Slack takes nowhere else, and for words to the operators; best first."""
        self._db = db
        self._fallbacks = tuple(dict.fromkeys(fallbacks))
        self._slack = slack
        self._now = now
        self._owner = uuid.uuid4().hex
        self._wake = asyncio.Event()
        self._conversations: dict[str, str] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._held_until: dict[tuple[str, str], float] = {}
        self._allowance: dict[str, tuple[float, float]] = {}

    def wake(self) -> None:
        """Something new is queued."""
        self._wake.set()

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                nap_s = await self._look_around()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(nap_s):
                        await self._wake.wait()
        finally:
            senders = list(self._busy.values())
            for task in senders:
                task.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            # A call that was cut may have been taken: it is looked for before it is sent again.
            with contextlib.suppress(StorageError):
                await self._db.write(outbox.hand_back, owner=self._owner, now=self._now())

    async def _look_around(self) -> float:
        """Start a sender for each channel that has something due; returns how long to nap."""
        if self._slack is None:
            return LONGEST_NAP_S
        now = self._now()
        try:
            await self._db.write(outbox.recover, now)
            channels = await self._db.read(outbox.channels_ready, now)
            due = await self._db.read(outbox.next_due)
        except StorageError as error:
            log.error("outbox cannot read", error=str(error))
            return LONGEST_NAP_S
        for channel in channels:
            if channel not in self._busy:
                task = asyncio.create_task(self._serve(channel), name=f"outbox {channel}")
                self._busy[channel] = task
                task.add_done_callback(functools.partial(self._served, channel))
        if due is None:
            return LONGEST_NAP_S
        return min(max((due - now).total_seconds(), 1.0 if channels else 0.05), LONGEST_NAP_S)

    def _served(self, channel: str, _: asyncio.Task[None]) -> None:
        self._busy.pop(channel, None)
        self._wake.set()  # something may have been queued between its last look and its end

    async def _serve(self, channel: str) -> None:
        """Send what this channel has, oldest first, as fast as Slack allows."""
        loop = asyncio.get_running_loop()
        while True:
            kinds, wait_s = self._open_kinds(channel, loop.time())
            if not kinds:
                await asyncio.sleep(wait_s)
                continue
            claimed = await self._db.write(
                outbox.claim, channel=channel, kinds=kinds, owner=self._owner, now=self._now(), lease=LEASE
            )
            if claimed is None:
                if len(kinds) == 3:
                    return
                await asyncio.sleep(min(wait_s, 1.0))
                continue
            message, unsure = claimed
            if message.kind != "edit":
                self._spend(channel, loop.time())
            came_of = {"delivery": message.delivery} if message.delivery else {}
            with structlog.contextvars.bound_contextvars(**came_of):
                await self._deliver(message, unsure)

    async def _deliver(self, message: Outgoing, unsure: bool) -> None:
        assert self._slack is not None
        method = "chat.update" if message.kind == "edit" else "chat.postMessage"
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                to = await self._conversation(message.channel)
                ts = await self._find(message, to) if unsure and message.kind != "edit" else None
                if ts is None:
                    ts = await self._send(message, to)
                else:
                    log.info("found in history", key=message.key)
        except SlackApiError as error:
            await self._refused(message, method, error)
            return
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # ValueError: a body that is not JSON, from a proxy or a broken load balancer.
            METRICS.slack_calls.labels(method, "unknown").inc()
            await self._unknown(message, type(error).__name__)
            return
        METRICS.slack_calls.labels(method, "ok").inc()
        await self._write(lambda c: self._sent(c, message, ts))
        log.info("sent", key=message.key, kind=message.kind)

    async def _conversation(self, channel: str) -> str:
        """The channel itself, or the direct conversation with a person: histories and edits know only that."""
        assert self._slack is not None
        if not is_user(channel):
            return channel
        if channel not in self._conversations:
            reply = await self._slack.conversations_open(users=[channel])
            self._conversations[channel] = str((reply.get("channel") or {})["id"])
        return self._conversations[channel]

    async def _send(self, message: Outgoing, to: str) -> str:
        assert self._slack is not None
        text, blocks = message.text, json.loads(message.blocks)
        if message.kind != "reply":
            text, blocks = noted(text, message.blocks, meant_for=message.meant_for, anew=message.anew)
        arguments: dict[str, Any] = {"channel": to, "text": text}
        if blocks:
            arguments["blocks"] = blocks
        if message.kind == "edit":
            reply = await self._slack.chat_update(ts=message.parent_ts or "", **arguments)
            return str(reply["ts"])
        if message.kind == "reply":
            arguments["thread_ts"] = message.parent_ts
            if message.broadcast:
                arguments["reply_broadcast"] = True
        reply = await self._slack.chat_postMessage(
            **arguments,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": METADATA_EVENT, "event_payload": {"id": message.key}},
        )
        return str(reply["ts"])

    async def _find(self, message: Outgoing, to: str) -> str | None:
        """The ts of a message that Slack took although its answer was lost, else None."""
        assert self._slack is not None
        oldest = f"{(message.made_at - timedelta(minutes=5)).timestamp():.6f}"
        cursor = ""
        while True:
            if message.kind == "reply":
                reply = await self._slack.conversations_replies(
                    channel=to,
                    ts=message.parent_ts or "",
                    oldest=oldest,
                    limit=200,
                    include_all_metadata=True,
                    cursor=cursor,
                )
            else:
                reply = await self._slack.conversations_history(
                    channel=to, oldest=oldest, limit=200, include_all_metadata=True, cursor=cursor
                )
            for found in reply.get("messages") or ():
                metadata = found.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("id") == message.key:
                    return str(found["ts"])
            cursor = (reply.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None

    async def _refused(self, message: Outgoing, method: str, error: SlackApiError) -> None:
        response: Any = error.response
        status = int(getattr(response, "status_code", 0) or 0)
        data = response.data if isinstance(getattr(response, "data", None), dict) else {}
        code = str(data.get("error") or f"http-{status}")
        METRICS.slack_calls.labels(method, code).inc()
        now = self._now()
        if status == 429 or code == "ratelimited":
            wait_s = _retry_after_s(response)
            self._hold(message.channel, method, wait_s)
            await self._later(message, "ratelimited", wait_s, counts=False)
        elif status >= 500 or code in AMBIGUOUS:
            await self._unknown(message, code)
        elif code in BAD_BLOCKS and json.loads(message.blocks):
            details = (data.get("response_metadata") or {}).get("messages")
            log.error("blocks refused", key=message.key, error=code, details=details)
            await self._write(lambda c: outbox.simplify(c, message, reason=code, now=now))
        elif message.kind != "post" and code in GONE | NOT_OURS:
            log.warning("the message it is about is gone, posting anew", key=message.key, error=code)
            why = OTHER_APP if code in NOT_OURS else DELETED
            await self._write(lambda c: outbox.post_anew(c, message, why=why, now=now))
        elif code in TROUBLES:
            await self._write(lambda c: self._in_trouble(c, message, code))
        elif code in HOPELESS or self._hopeless(message):
            log.error("message given up", key=message.key, error=code)
            await self._write(lambda c: outbox.give_up(c, message, reason=code))
        else:
            log.warning("message refused, trying again later", key=message.key, error=code)
            await self._later(message, code, min(15.0 * 2 ** min(message.tries, 8), LONGEST_WAIT_S))

    def _in_trouble(self, connection: Connection, message: Outgoing, code: str) -> None:
        """A person has to mend it. The operators hear of it once; the message goes elsewhere, or waits."""
        now, trouble = self._now(), TROUBLES[code]
        place = place_of(trouble, message.channel)
        age_s = int((now - message.shown_since).total_seconds()) if message.shown_since else 0
        known, is_new = slack_troubles.begin(connection, place, code, now, age_s=age_s)
        log.log(40 if is_new else 30, "Slack takes no messages", place=place, error=code, key=message.key)
        elsewhere = self._elsewhere(connection, message.channel) if trouble.scope == "channel" else None
        if trouble.scope == "edits":
            outbox.give_up(connection, message, reason=code)
            self._say(connection, message.about or "", f"{message.about}:frozen", cannot_edit(), message.channel)
        elif elsewhere and message.kind != "edit" and message.state != "unknown":
            outbox.move(connection, message, to=elsewhere, reason=code, now=now)
        else:
            # What may have been taken must not be said again elsewhere; an edit tells nothing new by itself.
            due = now + wait_of(now - known.since)
            state = "unknown" if message.state == "unknown" else "new"
            outbox.later(connection, message, state=state, due_at=due, reason=code, counts=False)
            if elsewhere is None:
                outbox.wait_together(connection, message.channel, reason=code, due_at=due)
        told = self._elsewhere(connection, message.channel if trouble.scope == "channel" else "")
        if is_new and told and trouble.scope != "workspace":
            key = f"trouble:{place}:{known.since.timestamp():.3f}"
            self._say(connection, None, key, began(place, code, elsewhere), told)

    def _sent(self, connection: Connection, message: Outgoing, ts: str) -> None:
        now = self._now()
        outbox.sent(connection, message, ts=ts, now=now, apart=EDITS_APART)
        for place in (message.channel, WORKSPACE, *([EDITS] if message.kind == "edit" else [])):
            known = slack_troubles.get(connection, place)
            # Messages younger than the one that was refused could be edited all along.
            if known and (place != EDITS or (message.shown_since or now) <= now - timedelta(seconds=known.age_s)):
                self._mended(connection, known, now)

    def _mended(self, connection: Connection, known: OpenTrouble, now: datetime) -> None:
        place = known.place
        slack_troubles.end(connection, place)
        waited = 0
        if place != EDITS:
            waited = outbox.hurry(connection, channel=None if place == WORKSPACE else place, now=now)
            outbox.move_back(connection, place, now=now)
        told = self._elsewhere(connection, "")
        if told:
            key = f"trouble-over:{place}:{known.since.timestamp():.3f}"
            self._say(connection, None, key, over(place, known.code, known.since, waited), told)
        log.info("Slack takes messages again", place=place)

    def _elsewhere(self, connection: Connection, channel: str) -> str | None:
        """The best fallback that is not this channel and in no trouble itself."""
        return next(
            (to for to in self._fallbacks if to != channel and slack_troubles.get(connection, to) is None), None
        )

    def _say(self, connection: Connection, about: str | None, key: str, said: Message, channel: str) -> None:
        outbox.put(
            connection,
            key=key,
            kind="reply" if about else "post",
            about=about,
            channel=channel,
            text=said.text,
            blocks=json.dumps(list(said.blocks)),
            now=self._now(),
        )

    async def _unknown(self, message: Outgoing, why: str) -> None:
        log.warning("unknown whether sent", key=message.key, why=why)
        wait_s = LOOK_AFTER_S * min(2 ** (message.tries - 1), 64) * (1 + random.random() / 4)  # noqa: S311 - spread
        if self._hopeless(message):
            await self._write(lambda c: outbox.give_up(c, message, reason=why))
            return
        due = self._now() + timedelta(seconds=wait_s)
        await self._write(lambda c: outbox.later(c, message, state="unknown", due_at=due, reason=why))

    def _hopeless(self, message: Outgoing) -> bool:
        return message.tries >= HOPELESS_AFTER and self._now() - message.made_at >= WORTH_SENDING

    async def _later(self, message: Outgoing, reason: str, wait_s: float, counts: bool = True) -> None:
        due = self._now() + timedelta(seconds=wait_s)
        # What was unknown before stays so: being refused now says nothing of the first time.
        state = "unknown" if message.state == "unknown" else "new"
        await self._write(lambda c: outbox.later(c, message, state=state, due_at=due, reason=reason, counts=counts))

    async def _write(self, work: Callable[[Connection], None]) -> None:
        try:
            # Shielded: Slack's answer is known and must be recorded even while the bot stops.
            await asyncio.shield(self._db.write(work))
        except StorageError as error:
            log.error("could not record what Slack answered", error=str(error))
        self._wake.set()

    def _open_kinds(self, channel: str, at: float) -> tuple[tuple[Kind, ...], float]:
        """Which kinds may be sent to this channel now, and how long until more may."""
        post_wait = max(self._held(channel, "chat.postMessage", at), self._pace(channel, at))
        edit_wait = self._held(channel, "chat.update", at)
        kinds: tuple[Kind, ...] = ()
        if post_wait <= 0:
            kinds += ("post", "reply")
        if edit_wait <= 0:
            kinds += ("edit",)
        return kinds, max(post_wait, edit_wait, 0.0)

    def _held(self, channel: str, method: str, at: float) -> float:
        return self._held_until.get((channel, method), 0.0) - at

    def _hold(self, channel: str, method: str, wait_s: float) -> None:
        self._held_until[channel, method] = asyncio.get_running_loop().time() + wait_s

    def _pace(self, channel: str, at: float) -> float:
        allowance, since = self._allowance.get(channel, (BURST, at))
        allowance = min(BURST, allowance + (at - since) * POSTS_PER_S)
        return 0.0 if allowance >= 1 else (1 - allowance) / POSTS_PER_S

    def _spend(self, channel: str, at: float) -> None:
        allowance, since = self._allowance.get(channel, (BURST, at))
        self._allowance[channel] = (min(BURST, allowance + (at - since) * POSTS_PER_S) - 1, at)


def _retry_after_s(response: Any) -> float:
    headers = getattr(response, "headers", None) or {}
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    value = value[0] if isinstance(value, list) else value
    try:
        return max(1.0, float(value))
    except ValueError:
        return 30.0
