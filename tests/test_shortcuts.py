"""The app's shortcuts over HTTP: a log is diagnosed wherever it was pasted, masked, for one person alone."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot import slack_files
from bot.demo.outside import Outside
from bot.demo.slack.workspace import GENERAL, GUEST, MARA, Message
from bot.manifests import slack_manifest
from bot.messages.shortcuts import ADD_TOKEN, DIAGNOSE_LOG, SHORTCUTS
from bot.slack_log_text import pasted, undressed
from handlers.slack import SHORTCUTS as ANSWERED
from tests import npm_logs
from tests.running import Running, running_bot, settings_for

LOG = npm_logs.rejected()
SECRET = "npm_" + "a1B2" * 9


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_bot(outside, settings_for(outside, tmp_path)) as made:
        yield made


async def answer_to(running: Running, message: Message, user: Any = MARA) -> str:
    asking = running.outside.slack.message_action(DIAGNOSE_LOG, message, user)
    reply = await running.answered(asking, user.id, message.channel)
    return reply.text + str(reply.blocks)


def escaped(text: str) -> str:
    """As Slack stores what a person typed."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("https://registry.npmjs.com/", "<https://registry.npmjs.com/>")


async def test_a_pasted_log_is_diagnosed_for_the_one_who_asked(running: Running) -> None:
    excerpt = "\n".join(line for line in LOG.splitlines() if "npm " in line)
    message = running.outside.slack.say(f"it broke again:\n```{escaped(excerpt)}```")
    said = await answer_to(running, message)
    assert "refused the token" in said or "token" in said
    assert "E401" in said and "What to do" in said and "From the log, line" in said
    assert "Read from" in said


@pytest.mark.parametrize("how", [{"mode": "snippet"}, {}, {"packed": True}], ids=["snippet", "file", "gzip"])
async def test_a_shared_file_is_read(running: Running, how: dict[str, Any]) -> None:
    body = LOG.encode()
    if how.pop("packed", False):
        message = running.outside.slack.share("job.log.gz", gzip.compress(body), mimetype="application/gzip")
    else:
        message = running.outside.slack.share("job.log", body, **how)
    said = await answer_to(running, message)
    assert "E401" in said and "@acme/ui" in said


async def test_where_the_bot_is_not_a_member_it_answers_too(running: Running) -> None:
    message = running.outside.slack.say(f"```{LOG}```", channel=GENERAL)
    assert "E401" in await answer_to(running, message)


async def test_no_credential_of_the_message_comes_back(running: Running) -> None:
    message = running.outside.slack.say(f"```{LOG}\nnpm error using {SECRET}\n//registry/:_authToken={SECRET}```")
    said = await answer_to(running, message)
    assert SECRET not in said
    assert "This message shows" in said and "Revoke what is still alive" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "There is no text in this message that could be a log"), ("lunch?", "Read from")],
)
async def test_what_is_no_log_is_said_to_be_none(running: Running, text: str, says: str) -> None:
    message = running.outside.slack.say(text or " ")
    said = await answer_to(running, message)
    assert says in said


async def test_a_picture_is_no_log(running: Running) -> None:
    message = running.outside.slack.share("cat.png", b"\x89PNG", mimetype="image/png", mode="hosted")
    assert "no text in this message" in await answer_to(running, message)


async def test_a_file_the_bot_may_not_read_says_what_to_do(running: Running) -> None:
    message = running.outside.slack.share("job.log", LOG.encode(), readable=False)
    said = await answer_to(running, message)
    assert "may not read this file" in said and "files:read" in said


@pytest.mark.parametrize(
    "url", ["https://evil.example/files/job.log", "http://files.slack.com/x", "https://slack.com.evil.example/x",
            "https://user@files.slack.com/x", "file:///etc/passwd", ""]
)  # fmt: skip
async def test_the_token_goes_to_nobody_but_slack(running: Running, url: str) -> None:
    message = running.outside.slack.share("job.log", LOG.encode())
    message.files[0] |= {"url_private": url, "url_private_download": url}
    assert "does not lie on Slack" in await answer_to(running, message)


async def test_a_broken_archive_a_bomb_and_a_lost_connection_are_told(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack = running.outside.slack
    broken = slack.share("a.gz", b"\x1f\x8bnothing", mimetype="application/gzip")
    assert "no readable gzip" in await answer_to(running, broken)
    monkeypatch.setattr(slack_files, "MOST_BYTES", 1_000_000)
    bomb = slack.share("b.gz", gzip.compress(b"\n" * 5_000_000), mimetype="application/gzip")
    assert "larger than" in await answer_to(running, bomb)
    slack.fail("files", drop=True, times=None)
    assert "did not hand out the file" in await answer_to(running, slack.share("job.log", LOG.encode()))


async def test_guests_are_refused(running: Running) -> None:
    message = running.outside.slack.say(f"```{LOG}```")
    assert "Guests can look" in await answer_to(running, message, GUEST)


async def test_the_global_shortcut_opens_the_form(running: Running) -> None:
    answer = await running.outside.slack.shortcut(ADD_TOKEN, MARA)
    assert answer.view is not None and answer.view.body["callback_id"] == "token.form"
    refused = await running.outside.slack.shortcut(ADD_TOKEN, GUEST)
    assert refused.view is not None and "Guests can look" in str(refused.view.blocks)


def test_the_manifest_has_each_shortcut_within_slacks_limits() -> None:
    made = slack_manifest("https://bot.example.com", socket_mode=False)["features"]["shortcuts"]
    assert {one["callback_id"] for one in made} == set(ANSWERED) == {one.callback_id for one in SHORTCUTS}
    for one in made:
        assert one["type"] in ("message", "global")
        assert len(one["name"]) <= 24 and len(one["description"]) <= 150


def test_what_was_pasted_comes_back_as_it_was() -> None:
    dressed = (
        "```npm error &lt;b&gt; &amp;amp; <https://registry.npmjs.com/@acme%2fui> <mailto:a@b.example|a@b.example>```"
    )
    assert undressed(dressed) == "npm error <b> &amp; https://registry.npmjs.com/@acme%2fui a@b.example"
    assert undressed("<http://acme.example|acme.example> <#C1|general> <@U1>") == "acme.example general @U1"
    quoted = {"text": "see", "attachments": [{"text": "npm error code E404"}, {"fallback": "x"}, "odd"]}
    assert pasted(quoted) == "see\nnpm error code E404\nx"
