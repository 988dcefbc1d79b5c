"""Each queued message appears in Slack exactly once, whatever Slack answers and whenever the process dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot import outbox as sender
from bot.demo.outside import Outside
from bot.demo.slack.workspace import OPS, RELEASES, Message
from storage import outbox
from storage.database import Database

BLOCKS = json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}])


def now() -> datetime:
    return datetime.now(UTC)


class Sending:
    """A database with an outbox that runs against the stand-in Slack."""

    def __init__(self, db: Database, outside: Outside, box: sender.Outbox) -> None:
        self.db, self.outside, self.box = db, outside, box

    def put(self, key: str, text: str = "hello", *, channel: str = RELEASES, about: str | None = None) -> None:
        kind: Any = "reply" if about else "post"
        self.db.write_now(
            outbox.put, key=key, kind=kind, channel=channel, about=about, text=text, blocks=BLOCKS, now=now()
        )
        self.box.wake()

    def edit(self, about: str, text: str) -> None:
        self.db.write_now(
            outbox.put_edit, about=about, text=text, blocks=BLOCKS, now=now(), apart=timedelta(milliseconds=300)
        )
        self.box.wake()

    def state(self, key: str) -> str:
        row = self.db.read_now(outbox.get, key)
        return row.state if row else "none"

    async def until(self, key: str, state: str = "sent", timeout_s: float = 15.0) -> None:
        await self.outside.slack.until(lambda: self.state(key) == state, timeout_s=timeout_s, what=f"{key} {state}")

    def shown(self, channel: str = RELEASES, thread: str | None = None) -> list[Message]:
        return [message for message in self.outside.slack.messages(channel, thread=thread) if message.by_bot]


@contextlib.asynccontextmanager
async def outbox_running(db: Database, outside: Outside, *fallbacks: str) -> AsyncIterator[Sending]:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(
            token=outside.slack.bot_token, base_url=outside.slack_api_url, session=session, retry_handlers=[]
        )
        box = sender.Outbox(db, client, now=now, fallbacks=fallbacks)
        task = asyncio.create_task(box.run())
        try:
            yield Sending(db, outside, box)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture
async def sending(db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sending]:
    monkeypatch.setattr(sender, "LOOK_AFTER_S", 0.1)  # real waits, shorter
    async with outbox_running(db, outside) as made:
        yield made


async def test_a_message_is_posted_once_with_its_key_in_the_metadata(sending: Sending) -> None:
    sending.put("incident:1")
    sending.put("incident:1", "a second one of the same key")
    await sending.until("incident:1")
    (call,) = sending.outside.slack.calls("chat.postMessage")
    assert [message.text for message in sending.shown()] == ["hello"]
    assert "incident:1" in json.dumps(call.args)


@pytest.mark.parametrize(
    "fault",
    [
        {"after_accepting": True},
        {"after_accepting": True, "drop": True},
        {"after_accepting": True, "status": 503},
        {"status": 500},
        {"drop": True},
        {"error": "fatal_error"},
        {"error": "internal_error", "after_accepting": True},
    ],
    ids=str,
)
async def test_a_post_whose_answer_was_lost_is_visible_exactly_once(sending: Sending, fault: dict[str, Any]) -> None:
    sending.outside.slack.fail("chat.postMessage", **fault)
    sending.put("incident:1")
    await sending.until("incident:1")
    assert len(sending.shown()) == 1


async def test_a_lost_answer_in_a_thread_is_visible_exactly_once(sending: Sending) -> None:
    sending.put("incident:1")
    await sending.until("incident:1")
    sending.outside.slack.fail("chat.postMessage", after_accepting=True, drop=True)
    sending.put("incident:1:a", "failed again", about="incident:1")
    await sending.until("incident:1:a")
    (card,) = sending.shown()
    assert [message.text for message in sending.shown(thread=card.ts)] == ["failed again"]


async def test_a_post_that_takes_longer_than_we_wait_is_visible_exactly_once(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CALL_TIMEOUT_S", 0.3)
    sending.outside.slack.fail("chat.postMessage", delay_s=0.6, after_accepting=True)
    sending.put("incident:1")
    await sending.until("incident:1")
    assert len(sending.shown()) == 1


async def test_a_rate_limited_channel_waits_and_the_others_go_on(sending: Sending) -> None:
    sending.outside.slack.fail("chat.postMessage", retry_after=2)
    sending.put("first", channel=RELEASES)
    await sending.outside.slack.until(lambda: sending.outside.slack.calls("chat.postMessage"))
    sending.put("second", channel=OPS)
    await sending.until("second", timeout_s=1.5)
    assert sending.state("first") == "new"
    await sending.until("first")
    assert len(sending.shown(RELEASES)) == len(sending.shown(OPS)) == 1


async def test_edits_that_are_rate_limited_hold_up_no_posts_and_the_other_way_round(sending: Sending) -> None:
    slack = sending.outside.slack
    sending.put("incident:1")
    await sending.until("incident:1")
    slack.fail("chat.update", retry_after=3)
    sending.edit("incident:1", "newer")
    await slack.until(lambda: slack.calls("chat.update"), what="the refusal")
    sending.put("incident:2", "another")
    await sending.until("incident:2", timeout_s=2.0)
    assert sending.state("edit:incident:1") == "new"
    await sending.until("edit:incident:1")
    slack.fail("chat.postMessage", retry_after=3)
    posts = len(slack.calls("chat.postMessage"))
    sending.put("incident:3", "a third")
    await slack.until(lambda: len(slack.calls("chat.postMessage")) > posts, what="the refusal")
    sending.edit("incident:2", "another, newer")
    await sending.until("edit:incident:2", timeout_s=2.0)
    assert sending.state("incident:3") == "new"
    await sending.until("incident:3")


async def test_an_outage_of_slack_for_hours_ends_no_message(sending: Sending) -> None:
    sending.outside.slack.fail("chat.postMessage", status=500)
    sending.db.write_now(
        outbox.put, key="incident:1", kind="post", channel=RELEASES, text="x", blocks=BLOCKS, now=now()
    )
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET tries = 39"))
    sending.box.wake()
    await sending.outside.slack.until(lambda: sending.state("incident:1") == "unknown", what="the outage")
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 1"))
    sending.box.wake()
    await sending.until("incident:1")
    assert len(sending.shown()) == 1


async def test_what_slack_refuses_for_days_is_given_up(sending: Sending) -> None:
    sending.outside.slack.fail("chat.postMessage", error="a_code_nobody_knows", times=None)
    old = now() - sender.WORTH_SENDING
    sending.db.write_now(outbox.put, key="a", kind="post", channel=RELEASES, text="x", blocks=BLOCKS, now=old)
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET tries = 39"))
    sending.box.wake()
    await sending.until("a", "dead")


async def test_replies_come_after_their_card_and_in_order(sending: Sending) -> None:
    sending.outside.slack.fail("chat.postMessage", status=500)
    sending.put("incident:1")
    for number in range(3):
        sending.put(f"incident:1:{number}", f"line {number}", about="incident:1")
    await sending.until("incident:1:2", timeout_s=20)
    (card,) = sending.shown()
    assert [message.text for message in sending.shown(thread=card.ts)] == ["line 0", "line 1", "line 2"]


async def test_edits_coalesce_and_the_last_look_stays(sending: Sending) -> None:
    sending.put("incident:1")
    await sending.until("incident:1")
    began = now()
    for number in range(50):
        sending.edit("incident:1", f"look {number}")
        await asyncio.sleep(0.01)
    await sending.until("edit:incident:1")
    (card,) = sending.shown()
    assert card.text == "look 49"
    # One in 0.3 s (see `edit`), however long a busy machine took for all of this.
    assert len(sending.outside.slack.calls("chat.update")) <= (now() - began) / timedelta(seconds=0.3) + 2


async def test_an_edit_overtaken_on_its_way_is_sent_again(sending: Sending) -> None:
    sending.put("incident:1")
    await sending.until("incident:1")
    sending.outside.slack.fail("chat.update", delay_s=0.3)
    sending.edit("incident:1", "older")
    await sending.until("edit:incident:1", "sending")
    sending.edit("incident:1", "newest")
    await sending.outside.slack.until(lambda: sending.shown()[0].text == "newest", what="the newest look")


async def test_an_edit_of_a_card_that_was_not_sent_yet_changes_what_is_sent(db: Database, outside: Outside) -> None:
    db.write_now(outbox.put, key="incident:1", kind="post", channel=RELEASES, text="old", blocks=BLOCKS, now=now())
    db.write_now(outbox.put_edit, about="incident:1", text="new", blocks=BLOCKS, now=now(), apart=timedelta(seconds=1))
    async with outbox_running(db, outside) as sending:
        await sending.until("incident:1")
        await outside.slack.settle()
        assert [message.text for message in sending.shown()] == ["new"]
        assert outside.slack.calls("chat.update") == []


async def test_a_deleted_card_is_posted_anew_with_its_newest_look(sending: Sending) -> None:
    sending.put("incident:1")
    await sending.until("incident:1")
    sending.outside.slack.workspace.delete(sending.shown()[0])
    sending.edit("incident:1", "still broken")
    await sending.outside.slack.until(lambda: len(sending.shown()) == 1, what="a new post")
    (card,) = sending.shown()
    assert card.text == "still broken The earlier message about this was deleted. This one goes on in its place."
    assert "was deleted" in str(card.blocks[0]) and "hello" in str(card.blocks[1])


async def test_when_slack_refuses_the_blocks_the_sentence_is_said_alone(sending: Sending) -> None:
    sending.db.write_now(
        outbox.put, key="a", kind="post", channel=RELEASES, text="the fact", blocks='[{"type": "nonsense"}]', now=now()
    )
    sending.box.wake()
    await sending.until("a")
    assert [message.text for message in sending.shown()] == ["the fact"]


async def test_what_a_person_can_mend_waits_for_it(sending: Sending) -> None:
    sending.outside.slack.fail("chat.postMessage", error="not_in_channel", times=1)
    sending.put("incident:1")

    def refused() -> bool:
        row = sending.db.read_now(outbox.get, "incident:1")
        return row is not None and row.state == "new" and row.reason == "not_in_channel" and row.due_at > now()

    await sending.outside.slack.until(refused, what="the refusal to be recorded")
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 0"))
    sending.box.wake()
    await sending.until("incident:1")


async def test_a_sender_that_died_leaves_no_double(db: Database, outside: Outside) -> None:
    """Killed after Slack took the post and before it was recorded: the next process finds it in the history."""
    async with outbox_running(db, outside) as sending:
        sending.put("incident:1")
        await sending.until("incident:1")
    db.write_now(lambda c: c.execute("UPDATE messages SET state = 'sending', ts = NULL, lease_until = 1"))
    async with outbox_running(db, outside) as sending:
        await sending.until("incident:1")
        assert len(sending.shown()) == 1


async def test_a_sender_that_died_before_slack_had_it_leaves_no_gap(db: Database, outside: Outside) -> None:
    db.write_now(outbox.put, key="incident:1", kind="post", channel=RELEASES, text="x", blocks=BLOCKS, now=now())
    db.write_now(lambda c: c.execute("UPDATE messages SET state = 'sending', tries = 1, lease_until = 1"))
    async with outbox_running(db, outside) as sending:
        await sending.until("incident:1")
        assert len(sending.shown()) == 1


async def test_a_burst_to_one_channel_is_sent_at_the_pace_slack_allows(sending: Sending) -> None:
    started = asyncio.get_running_loop().time()
    for number in range(6):
        sending.put(f"m{number}")
    await sending.until("m5", timeout_s=20)
    assert asyncio.get_running_loop().time() - started > 1.5  # four at once, then one a second
    assert [message.text for message in sending.shown()] == ["hello"] * 6


async def test_stopping_in_the_middle_of_a_call_neither_loses_nor_doubles(db: Database, outside: Outside) -> None:
    outside.slack.fail("chat.postMessage", delay_s=0.5, after_accepting=True)
    async with outbox_running(db, outside) as sending:
        sending.put("incident:1")
        await sending.until("incident:1", "sending")
    assert sending.state("incident:1") == "unknown"
    await asyncio.sleep(0.7)
    async with outbox_running(db, outside) as sending:
        await sending.until("incident:1")
        assert len(sending.shown()) == 1
