"""What Slack refuses and a person has to mend: said to the operators once, and nothing is lost meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot import doctor
from bot.demo.outside import Outside
from bot.demo.slack.workspace import BOT_USER, OPS, RELEASES, Channel, Message
from bot.messages.slack_trouble import began, over
from bot.refusals import TROUBLES, wait_of
from storage import slack_troubles
from storage.database import Database
from tests import npm_logs
from tests.running import running_bot, settings_for
from tests.slack_limits import mrkdwn_texts, problems, unsafe
from tests.test_outbox import Sending, now, outbox_running

OTHER = "C07OTHER001"


@pytest_asyncio.fixture
async def sending(db: Database, outside: Outside) -> AsyncIterator[Sending]:
    outside.slack.workspace.add_channel(Channel(OTHER, "other", {BOT_USER}))
    async with outbox_running(db, outside, OPS, RELEASES) as made:
        yield made


def archived(sending: Sending, yes: bool = True, channel: str = OTHER) -> None:
    sending.outside.slack.workspace.channels[channel].archived = yes


async def shown(sending: Sending, channel: str, count: int, thread: str | None = None) -> list[Message]:
    await sending.outside.slack.until(
        lambda: len(sending.shown(channel, thread)) >= count, what=f"{count} messages in {channel}"
    )
    await sending.outside.slack.settle(quiet_s=0.3)
    found = sending.shown(channel, thread)
    assert len(found) == count, [message.text for message in found]
    return found


def hasten(sending: Sending) -> None:
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 0 WHERE state = 'new'"))
    sending.box.wake()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("archived", "the channel is archived"),
        ("gone", "does not exist, or is private"),
        ("not invited", "the bot is not in the channel"),
    ],
)
async def test_a_post_goes_to_the_fallback_channel_and_the_operators_hear_of_it_once(
    sending: Sending, how: str, words: str
) -> None:
    channel = sending.outside.slack.workspace.channels[OTHER]
    if how == "archived":
        channel.archived = True
    elif how == "gone":
        del sending.outside.slack.workspace.channels[OTHER]
    else:
        channel.members.discard(BOT_USER)
    sending.put("incident:1", "the first", channel=OTHER)
    sending.put("incident:1:a", "a line", channel=OTHER, about="incident:1")
    sending.put("incident:2", "the second", channel=OTHER)

    await shown(sending, OPS, 3)
    everything = [message.text for message in sending.shown(OPS)]
    assert sum(words in text for text in everything) == 1
    assert sum(text.startswith("the ") and f"This was meant for <#{OTHER}>" in text for text in everything) == 2
    card = next(message for message in sending.shown(OPS) if message.text.startswith("the first"))
    assert [line.text for line in sending.shown(OPS, card.ts)] == ["a line"]


async def test_told_again_only_after_it_was_mended(sending: Sending) -> None:
    archived(sending)
    sending.put("a", "one", channel=OTHER)
    await shown(sending, OPS, 2)
    archived(sending, False)
    sending.put("b", "two", channel=OTHER)
    await shown(sending, OTHER, 1)
    await shown(sending, OPS, 3)
    assert "arrive again" in sending.shown(OPS)[2].text
    archived(sending)
    sending.put("c", "three", channel=OTHER)
    await shown(sending, OPS, 5)
    assert sum("Nothing can be posted" in message.text for message in sending.shown(OPS)) == 2


async def test_news_of_a_card_in_an_archived_channel_brings_the_card_along(sending: Sending) -> None:
    sending.put("incident:1", "the card", channel=OTHER)
    await sending.until("incident:1")
    archived(sending)
    sending.edit("incident:1", "the card, claimed")
    await sending.outside.slack.until(lambda: sending.outside.slack.calls("chat.update"), what="the refused edit")
    await sending.outside.slack.settle(quiet_s=0.3)
    assert not [message for message in sending.shown(OPS) if "the card" in message.text], "an edit notifies nobody"
    sending.put("incident:1:a", "Escalated.", channel=OTHER, about="incident:1")
    await sending.until("incident:1:a")
    card = next(message for message in sending.shown(OPS) if message.text.startswith("the card, claimed"))
    assert [line.text for line in sending.shown(OPS, card.ts)] == ["Escalated."]
    sending.edit("incident:1", "the card, resolved")
    await sending.outside.slack.until(
        lambda: any(m.text.startswith("the card, resolved") for m in sending.shown(OPS)), what="the newest look"
    )
    assert len(sending.shown(OTHER)) == 1


async def test_without_another_channel_messages_wait_and_go_out_in_order(db: Database, outside: Outside) -> None:
    async with outbox_running(db, outside, RELEASES) as sending:
        archived(sending, channel=RELEASES)
        for number in range(3):
            sending.put(f"m{number}", f"message {number}")
        await outside.slack.until(lambda: outside.slack.calls("chat.postMessage"), what="the refusal")
        await outside.slack.settle(quiet_s=0.3)
        assert len(outside.slack.calls("chat.postMessage")) <= 3, "one message tries for all of them"
        archived(sending, False, channel=RELEASES)
        hasten(sending)
        found = await shown(sending, RELEASES, 4)
        assert [message.text for message in found[:3]] == ["message 0", "message 1", "message 2"]
        assert "arrive again" in found[3].text


async def test_while_the_token_is_revoked_everything_waits_and_the_operators_hear_of_it_afterwards(
    sending: Sending,
) -> None:
    sending.outside.slack.fail("*", error="token_revoked", times=None)
    sending.put("incident:1", "one")
    sending.put("digest:1", "two", channel=OPS)
    await sending.outside.slack.until(lambda: len(sending.outside.slack.calls()) >= 2, what="refusals")
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET tries = 60, made_at = 1"))  # for weeks
    sending.outside.slack.recover()
    hasten(sending)
    await shown(sending, RELEASES, 1)
    two, told = sorted(await shown(sending, OPS, 2), key=lambda message: message.text, reverse=True)
    assert two.text == "two"
    assert "Slack takes messages again" in told.text and "the bot's token was revoked" in told.text
    assert sending.db.read_now(slack_troubles.everything) == []


@pytest.mark.parametrize("code", sorted(code for code, trouble in TROUBLES.items() if trouble.scope == "channel"))
async def test_each_refusal_of_a_channel_by_name(sending: Sending, code: str) -> None:
    sending.outside.slack.fail("chat.postMessage", error=code)
    sending.put("a", "the message", channel=OTHER)
    found = await shown(sending, OPS, 2)
    assert sum("the message" in message.text for message in found) == 1
    assert sum(TROUBLES[code].says in message.text for message in found) == 1


async def test_a_card_that_nobody_may_edit_any_more_says_so_once_in_its_thread(sending: Sending) -> None:
    sending.put("incident:1", "the card")
    await sending.until("incident:1")
    (card,) = sending.shown()
    sending.outside.slack.fail("chat.update", error="edit_window_closed", times=2)
    for look in ("claimed", "snoozed"):
        sending.edit("incident:1", look)
        await sending.until("edit:incident:1", "dead")
    (line,) = await shown(sending, RELEASES, 1, card.ts)
    assert "can no longer be brought up to date" in line.text
    (told,) = await shown(sending, OPS, 1)
    assert told.text.startswith("Older cards can no longer be brought up to date")
    sending.edit("incident:1", "resolved")
    await sending.until("edit:incident:1", "sent")
    assert sending.shown()[0].text == "resolved"
    await shown(sending, OPS, 2)


async def test_a_card_of_another_app_is_posted_anew(sending: Sending) -> None:
    sending.put("incident:1", "the card")
    await sending.until("incident:1")
    sending.outside.slack.fail("chat.update", error="cant_update_message")
    sending.edit("incident:1", "the card, claimed")
    old, new = await shown(sending, RELEASES, 2)
    assert old.text == "the card"
    assert new.text.startswith("the card, claimed") and "belongs to another app" in new.text
    sending.edit("incident:1", "the card, resolved")
    await sending.outside.slack.until(lambda: "resolved" in new.text, what="an edit of the new card")


async def test_a_line_for_a_deleted_card_brings_the_card_back(sending: Sending) -> None:
    sending.put("incident:1", "the card")
    await sending.until("incident:1")
    sending.outside.slack.workspace.delete(sending.shown()[0])
    sending.put("incident:1:a", "Failed again.", about="incident:1")
    await sending.until("incident:1:a")
    (card,) = sending.shown()
    assert card.text.startswith("the card") and "was deleted" in card.text
    assert [line.text for line in sending.shown(thread=card.ts)] == ["Failed again."]


async def test_what_may_have_been_taken_is_not_said_again_elsewhere(sending: Sending) -> None:
    """The answer was lost, then the channel was archived: only its history could tell."""
    sending.outside.slack.fail("chat.postMessage", after_accepting=True, drop=True)
    sending.put("a", "the message", channel=OTHER)
    await sending.until("a", "unknown")
    sending.outside.slack.fail("conversations.history", error="is_archived", times=1)
    hasten(sending)
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 0"))
    sending.box.wake()
    (told,) = await shown(sending, OPS, 1)
    assert "the channel is archived" in told.text
    sending.db.write_now(lambda c: c.execute("UPDATE messages SET due_at = 0 WHERE state = 'unknown'"))
    sending.box.wake()
    await sending.until("a")
    assert [message.text for message in sending.shown(OTHER)] == ["the message"]


async def test_a_card_of_a_failed_publish_reaches_people_though_its_channel_is_archived(
    outside: Outside, tmp_path: Path
) -> None:
    outside.slack.workspace.channels[RELEASES].archived = True
    settings = settings_for(outside, tmp_path)
    async with running_bot(outside, settings) as running:
        await running.deliver_run(npm_logs.not_found())
        await running.worked(1)
        texts = [message.text for message in running.cards(OPS)]
        assert sum("This was meant for" in text for text in texts) == 1
        card = next(message for message in running.cards(OPS) if "This was meant for" in message.text)
        await outside.slack.click(card, "incident.claim")
        await running.worked()
        assert any("is on it" in line for line in running.thread(card))
        found = await doctor.examine(settings)
    assert any("is_archived" in finding.said and finding.mend for finding in found)


@pytest.mark.parametrize("code", sorted(TROUBLES))
@pytest.mark.parametrize("place", [OTHER, "U07MARA0001", "workspace", "edits", "<!channel>"])
def test_what_the_operators_read_is_short_and_safe(code: str, place: str) -> None:
    said: list[Any] = [
        began(place, code, OPS),
        began(place, code, None),
        over(place, code, now() - timedelta(days=1), 3),
        over(place, "a_code_of_later", now(), 0),
    ]
    for message in said:
        assert problems(message.blocks) == []
        assert message.text[0].isupper() and message.text.endswith(".") and len(message.text) < 500
        for text in mrkdwn_texts(message.blocks):
            assert unsafe(text.replace(f"<#{OTHER}>", "").replace(f"<#{OPS}>", "")) == []


def test_the_wait_grows_with_the_trouble_and_stays_short_enough_to_notice_its_end() -> None:
    waits = [wait_of(timedelta(minutes=minutes)) for minutes in (0, 10, 60, 10_000)]
    assert waits == [timedelta(seconds=15), timedelta(minutes=2.5), timedelta(minutes=15), timedelta(minutes=15)]
