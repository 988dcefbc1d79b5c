"""The stand-in for Slack: it signs as Slack signs and refuses what Slack refuses, which the other tests rely on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.models import blocks as models
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.outside import Outside
from bot.demo.serving import Serving
from bot.demo.slack import GENERAL, GUEST, JONAS, MARA, OPS, RELEASES
from bot.demo.slack.rules import check_message_blocks

SIGNING = "signing-secret"


class Listener:
    """A bot that writes down what reaches it and answers what it was told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: dict[str, Any] | str = ""
        self.status = 200
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self.serving = Serving(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, dict(request.headers), await request.read()))
        if isinstance(self.answer, dict):
            return web.json_response(self.answer, status=self.status)
        return web.Response(text=self.answer, status=self.status)

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(parse_qs(self.got[-1][2].decode())["payload"][0])
        return payload


@pytest_asyncio.fixture
async def world() -> AsyncIterator[Outside]:
    async with Outside.start() as started:
        yield started


@pytest_asyncio.fixture
async def listener(world: Outside) -> AsyncIterator[Listener]:
    made = Listener()
    async with made.serving as serving:
        world.bot_at(serving.url, signing_secret=SIGNING)
        yield made


@pytest.fixture
def web_api(world: Outside) -> AsyncWebClient:
    # Beyond what the bot's own manifest asks for.
    world.slack.server.scopes |= {"files:write", "im:write", "users:read.email"}
    return AsyncWebClient(token=world.slack.bot_token, base_url=world.slack_api_url, retry_handlers=[])


def section(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(action_id: str = "press", **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": "Press"}, **more}


def modal(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    title = {"type": "plain_text", "text": "A form"}
    return {"type": "modal", "title": title, "submit": title, "blocks": list(blocks) or [section()], **more}


def name_input(block_id: str = "name", **more: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "typed", **more}
    return {"type": "input", "block_id": block_id, "label": {"type": "plain_text", "text": "Name"}, "element": element}


async def refusal(call: Any) -> tuple[str, list[str]]:
    with pytest.raises(SlackApiError) as caught:
        await call
    data = caught.value.response.data
    return data["error"], data.get("response_metadata", {}).get("messages", [])


# --- messages --------------------------------------------------------------------------------------------------------


async def test_a_message_is_posted_edited_threaded_and_found(world: Outside, web_api: AsyncWebClient) -> None:
    metadata = {"event_type": "tokenwatch_card", "event_payload": {"id": "1"}}
    posted = await web_api.chat_postMessage(channel=RELEASES, text="one", blocks=[section()], metadata=metadata)
    await web_api.chat_postMessage(channel=RELEASES, text="reply", thread_ts=posted["ts"])
    await web_api.chat_update(channel=RELEASES, ts=posted["ts"], text="two")
    (message,) = world.slack.messages(RELEASES)
    assert (message.text, message.blocks, message.edits[0].text) == ("two", [], "one")
    assert [reply.text for reply in world.slack.messages(RELEASES, thread=posted["ts"])] == ["reply"]
    plain = await web_api.conversations_history(channel=RELEASES)
    assert "metadata" not in plain["messages"][0]
    full = await web_api.conversations_history(channel=RELEASES, include_all_metadata=True)
    assert full["messages"][0]["metadata"] == metadata
    assert len(full["messages"]) == 1
    thread = await web_api.conversations_replies(channel=RELEASES, ts=posted["ts"])
    assert [one["text"] for one in thread["messages"]] == ["two", "reply"]
    assert [call.method for call in world.slack.calls()][:2] == ["chat.postMessage", "chat.postMessage"]


async def test_history_goes_back_in_pages(world: Outside, web_api: AsyncWebClient) -> None:
    for number in range(5):
        await web_api.chat_postMessage(channel=RELEASES, text=str(number))
    first = await web_api.conversations_history(channel=RELEASES, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await web_api.conversations_history(channel=RELEASES, limit=2, cursor=cursor)
    assert [one["text"] for one in [*first["messages"], *second["messages"]]] == ["4", "3", "2", "1"]
    oldest = first["messages"][1]["ts"]
    newer = await web_api.conversations_history(channel=RELEASES, oldest=oldest)
    assert [one["text"] for one in newer["messages"]] == ["4"]


async def test_channels_it_may_not_use_are_refused(world: Outside, web_api: AsyncWebClient) -> None:
    post, edit = web_api.chat_postMessage, web_api.chat_update
    assert (await refusal(post(channel="C0NOWHERE", text="x")))[0] == "channel_not_found"
    assert (await refusal(post(channel=GENERAL, text="x")))[0] == "not_in_channel"
    assert (await refusal(web_api.conversations_history(channel=GENERAL)))[0] == "not_in_channel"
    world.slack.workspace.channels[OPS].archived = True
    assert (await refusal(post(channel=OPS, text="x")))[0] == "is_archived"
    assert (await refusal(web_api.api_call("chat.postMessage", json={"channel": RELEASES})))[0] == "no_text"
    assert (await refusal(post(channel=RELEASES, text="x", thread_ts="1.2")))[0] == "thread_not_found"
    assert (await refusal(edit(channel=RELEASES, ts="1.2", text="x")))[0] == "message_not_found"
    mine = world.slack.say("hello")
    assert (await refusal(edit(channel=RELEASES, ts=mine.ts, text="x")))[0] == "cant_update_message"
    world.slack.workspace.channels[RELEASES].members.discard(GUEST.id)
    whisper = web_api.chat_postEphemeral(channel=RELEASES, user=GUEST.id, text="x")
    assert (await refusal(whisper))[0] == "user_not_in_channel"


async def test_a_dead_token_a_missing_scope_and_an_unknown_method_are_refused(
    world: Outside, web_api: AsyncWebClient
) -> None:
    stranger = AsyncWebClient(token="xoxb-other", base_url=world.slack_api_url)
    assert (await refusal(stranger.auth_test()))[0] == "invalid_auth"
    world.slack.server.scopes.discard("chat:write")
    with pytest.raises(SlackApiError) as caught:
        await web_api.chat_postMessage(channel=RELEASES, text="x")
    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "chat:write")
    assert (await refusal(web_api.api_call("chat.shout")))[0] == "unknown_method"
    answer = await web_api.auth_test()
    assert "chat:write" not in answer.headers["X-OAuth-Scopes"].split(",")
    assert answer["bot_id"]


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def rich(*leaves: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(leaves)}]}


MRKDWN = {"type": "mrkdwn", "text": "x"}
SIX = [{"text": plain("x"), "value": str(number)} for number in range(6)]
REFUSED: list[tuple[str, list[dict[str, Any]], str]] = [
    ("51 blocks", [{"type": "divider"}] * 51, "no more than 50 items"),
    ("a long section", [section("x" * 3001)], "must be less than 3001 characters"),
    ("an empty section text", [section("")], "must be more than 0 characters"),
    ("a section of nothing", [{"type": "section"}], "missing required field"),
    ("11 fields", [{"type": "section", "fields": [MRKDWN] * 11}], "no more than 10 items"),
    ("a long field", [{"type": "section", "fields": [plain("x" * 2001)]}], "less than 2001"),
    ("a long header", [{"type": "header", "text": plain("x" * 151)}], "less than 151"),
    ("a mrkdwn header", [{"type": "header", "text": MRKDWN}], "unsupported type: mrkdwn"),
    ("11 context elements", [{"type": "context", "elements": [MRKDWN] * 11}], "no more than 10"),
    ("an empty context", [{"type": "context", "elements": []}], "no fewer than 1"),
    ("an unknown block", [{"type": "hologram"}], "unsupported type: hologram"),
    ("a block without type", [{"text": "x"}], "missing required field: type"),
    ("a made-up field", [section(colour="red")], "invalid additional property: colour"),
    ("the same action id twice", [{"type": "actions", "elements": [button(), button()]}], "already exists"),
    ("the same block id twice", [section(block_id="a"), section(block_id="a")], "already exists"),
    ("26 buttons", [{"type": "actions", "elements": [button(f"b{n}") for n in range(26)]}], "no more than 25"),
    ("a long button", [section(accessory=button(text=plain("x" * 76)))], "less than 76"),
    ("a long button value", [section(accessory=button(value="x" * 2001))], "less than 2001"),
    ("a purple button", [section(accessory=button(style="purple"))], "primary, danger"),
    ("a button to nowhere", [section(accessory=button(url="javascript:alert(1)"))], "invalid url"),
    ("an image without alt text", [{"type": "image", "image_url": "https://a.example/x.png"}], "missing required"),
    ("a text input in a section", [section(accessory={"type": "plain_text_input"})], "unsupported type"),
    ("a select without options", [section(accessory={"type": "static_select"})], "missing required"),
    ("six overflow options", [section(accessory={"type": "overflow", "options": SIX})], "no more than 5"),
    ("an empty rich text leaf", [rich({"type": "text", "text": ""})], "more than 0 characters"),
    ("a wide table", [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}], "no more than 20"),
]


@pytest.mark.parametrize(("blocks", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_blocks_slack_refuses_are_refused(
    web_api: AsyncWebClient, blocks: list[dict[str, Any]], said: str
) -> None:
    error, messages = await refusal(web_api.chat_postMessage(channel=RELEASES, text="x", blocks=blocks))
    assert error == "invalid_blocks"
    assert said in " ".join(messages)
    assert "json-pointer:/blocks" in messages[0]


async def test_all_text_together_has_a_limit_of_its_own(web_api: AsyncWebClient) -> None:
    fits = [section("x" * 2640) for _ in range(5)]
    await web_api.chat_postMessage(channel=RELEASES, text="x", blocks=fits)
    error, _ = await refusal(web_api.chat_postMessage(channel=RELEASES, text="x", blocks=[*fits, section("y")]))
    assert error == "msg_blocks_too_long"


def test_everything_slack_sdk_can_build_is_accepted() -> None:
    """The stand-in is not stricter than Slack: what the SDK's models write passes."""
    parts = models.RichTextElementParts
    option = models.Option(text="One", value="1", description="first")
    two = models.Option(text="Two", value="2")
    confirm = models.ConfirmObject(title="Sure?", text="Really", confirm="Yes", deny="No")
    menu = models.OverflowMenuElement(action_id="o", options=[option, two], confirm=confirm)
    picture = models.ImageElement(image_url="https://a.example/x.png", alt_text="x")
    pressed = models.ButtonElement(text="Go", action_id="go", value="1", style="primary", confirm=confirm)
    select = models.StaticSelectElement(placeholder="pick", action_id="s", options=[option], initial_option=option)
    user = models.UserSelectElement(placeholder="who", action_id="u", initial_user="U1")
    date = models.DatePickerElement(action_id="d", placeholder="when", initial_date="2026-12-01")
    words = models.PlainTextInputElement(action_id="n", multiline=True, max_length=100, placeholder="name")
    boxes = models.CheckboxesElement(action_id="c", options=[option], initial_options=[option])
    radios = models.RadioButtonsElement(action_id="r", options=[option])
    bold = parts.Text(text="t", style=parts.TextStyle(bold=True))
    line = models.RichTextSectionElement(elements=[bold, parts.Link(url="https://a.example", text="l")])
    blocks = [
        models.HeaderBlock(text="Header"),
        models.DividerBlock(),
        models.SectionBlock(text="text", fields=["a", "b"], accessory=menu),
        models.ContextBlock(elements=[models.MarkdownTextObject(text="*c*"), picture]),
        models.ActionsBlock(elements=[pressed, models.LinkButtonElement(text="Docs", url="https://a.example")]),
        models.ActionsBlock(elements=[select, user, date]),
        models.InputBlock(label="Name", element=words, hint="a hint", optional=True),
        models.InputBlock(label="Boxes", element=boxes),
        models.InputBlock(label="Radio", element=radios),
        models.MarkdownBlock(text="**m**"),
        models.RichTextBlock(elements=[line, models.RichTextListElement(style="bullet", elements=[line])]),
        models.RichTextBlock(elements=[models.RichTextPreformattedElement(elements=[parts.Text(text="p")], border=0)]),
        models.RichTextBlock(elements=[models.RichTextQuoteElement(elements=[parts.Text(text="q")])]),
        models.ImageBlock(image_url="https://a.example/x.png", alt_text="x", title="t"),
        models.TableBlock(rows=[[{"type": "raw_text", "text": "a"}]]),
    ]
    check_message_blocks([block.to_dict() for block in blocks])


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"event_type": "x"}, "invalid_metadata_format"),
        ({"event_type": "x", "event_payload": {"a": {"b": {"c": 1}}}}, "invalid_metadata_schema"),
        ({"event_type": "x", "event_payload": {"a": "y" * 9000}}, "metadata_too_large"),
    ],
)
async def test_metadata_must_be_flat_and_small(web_api: AsyncWebClient, metadata: dict[str, Any], error: str) -> None:
    assert (await refusal(web_api.chat_postMessage(channel=RELEASES, text="x", metadata=metadata)))[0] == error


async def test_form_encoded_calls_work_too(world: Outside) -> None:
    fields = {"token": world.slack.bot_token, "channel": RELEASES, "text": "x", "blocks": json.dumps([section()])}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{world.slack_api_url}chat.postMessage", data=fields) as answer:
            assert (await answer.json())["ok"]
        fields["blocks"] = "[not json"
        async with session.post(f"{world.slack_api_url}chat.postMessage", data=fields) as answer:
            assert (await answer.json())["error"] == "invalid_blocks_format"


async def test_faults_can_lose_the_answer_after_the_message_was_accepted(
    world: Outside, web_api: AsyncWebClient
) -> None:
    world.slack.fail("chat.postMessage", after_accepting=True)
    with pytest.raises(SlackApiError) as caught:
        await web_api.chat_postMessage(channel=RELEASES, text="once")
    assert caught.value.response.status_code == 500
    assert [message.text for message in world.slack.messages(RELEASES)] == ["once"]
    world.slack.fail("chat.postMessage", after_accepting=True, drop=True)
    with pytest.raises(aiohttp.ClientError):
        await web_api.chat_postMessage(channel=RELEASES, text="twice")
    assert [message.text for message in world.slack.messages(RELEASES)] == ["once", "twice"]
    world.slack.fail("chat.postMessage", retry_after=3)
    with pytest.raises(SlackApiError) as caught:
        await web_api.chat_postMessage(channel=RELEASES, text="thrice")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "3")
    assert len(world.slack.messages(RELEASES)) == 2


async def test_people_can_be_looked_up(world: Outside, web_api: AsyncWebClient) -> None:
    assert (await web_api.users_info(user=GUEST.id))["user"]["is_restricted"] is True
    assert (await web_api.users_lookupByEmail(email=MARA.email))["user"]["id"] == MARA.id
    assert (await refusal(web_api.users_lookupByEmail(email="no@body.example")))[0] == "users_not_found"
    assert MARA.id in (await web_api.usergroups_users_list(usergroup="S07RELENG01"))["users"]
    dm = (await web_api.conversations_open(users=[JONAS.id]))["channel"]["id"]
    posted = await web_api.chat_postMessage(channel=JONAS.id, text="hi")
    assert posted["channel"] == dm
    names = {one["name"] for one in (await web_api.conversations_list())["channels"]}
    assert names == {"releases", "tokenwatch-ops", "general"}


async def test_files_go_up_in_two_steps(world: Outside, web_api: AsyncWebClient) -> None:
    await web_api.files_upload_v2(channel=RELEASES, content="log", filename="job.log", initial_comment="the log")
    (message,) = world.slack.messages(RELEASES)
    assert (message.text, message.files[0]["name"], message.files[0]["size"]) == ("the log", "job.log", 3)


# --- what people do --------------------------------------------------------------------------------------------------


async def test_a_command_is_signed_and_its_answers_are_gathered(world: Outside, listener: Listener) -> None:
    listener.answer = {"text": "Two tokens.", "blocks": [section("Two tokens.")]}
    answer = await world.slack.command("/tokens", "status", user=MARA, channel=RELEASES)
    _, headers, body = listener.got[0]
    verifier = SignatureVerifier(SIGNING)
    assert verifier.is_valid(body, headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"])
    assert (answer.status, answer.text, answer.replies[0].ephemeral_to) == (200, "Two tokens.", MARA.id)
    assert world.slack.messages(RELEASES) == []
    assert len(world.slack.messages(RELEASES, ephemeral=True)) == 1


async def test_a_response_url_works_five_times(world: Outside, listener: Listener) -> None:
    await world.slack.command("/tokens", "list", wait_s=0)
    url = parse_qs(listener.got[0][2].decode())["response_url"][0]
    statuses = []
    async with aiohttp.ClientSession() as session:
        for _ in range(6):
            async with session.post(url, json={"text": "more"}) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 200, 200, 200, 200, 404]


async def test_a_command_nobody_answers_fails_in_front_of_the_person(world: Outside, listener: Listener) -> None:
    listener.status = 500
    answer = await world.slack.command("/tokens", "status")
    assert answer.error == "dispatch_failed"
    assert "dispatch_failed" in world.slack.messages(RELEASES, ephemeral=True)[0].text


async def test_a_trigger_opens_one_form_within_three_seconds(
    world: Outside, listener: Listener, web_api: AsyncWebClient
) -> None:
    await world.slack.command("/tokens", "add", wait_s=0)
    trigger = parse_qs(listener.got[0][2].decode())["trigger_id"][0]
    await web_api.views_open(trigger_id=trigger, view=modal(name_input()))
    assert (await refusal(web_api.views_open(trigger_id=trigger, view=modal())))[0] == "exchanged_trigger_id"
    late = world.slack.workspace.new_trigger(MARA.id)
    late.made_at_s -= 3.1
    assert (await refusal(web_api.views_open(trigger_id=late.id, view=modal())))[0] == "expired_trigger_id"


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (modal(title=plain("x" * 25)), "less than 25"),
        (modal(private_metadata="x" * 3001), "less than 3001"),
        (modal(callback_id="x" * 256), "less than 256"),
        (modal(*[{"type": "divider"}] * 101), "no more than 100"),
        (modal({"type": "table", "rows": []}), "unsupported type: table"),
        ({**modal(name_input()), "submit": None}, "missing required field: submit"),
        ({**modal(), "type": "window"}, "must be one of: modal"),
    ],
)
async def test_forms_slack_refuses_are_refused(
    world: Outside, web_api: AsyncWebClient, view: dict[str, Any], said: str
) -> None:
    trigger = world.slack.workspace.new_trigger(MARA.id)
    error, messages = await refusal(web_api.views_open(trigger_id=trigger.id, view=view))
    assert error == "invalid_arguments"
    assert said in " ".join(messages)


async def test_a_form_is_submitted_corrected_and_closed(
    world: Outside, listener: Listener, web_api: AsyncWebClient
) -> None:
    trigger = world.slack.workspace.new_trigger(MARA.id)
    await web_api.views_open(trigger_id=trigger.id, view=modal(name_input(), callback_id="add"))
    (view,) = world.slack.views(MARA)
    empty = await world.slack.submit(view, {})
    assert (empty.errors, empty.sent) == ({"name": "Please complete this required field."}, None)
    listener.answer = {"response_action": "errors", "errors": {"name": "Taken."}}
    wrong = await world.slack.submit(view, {"typed": "npm"})
    assert (wrong.errors, wrong.view) == ({"name": "Taken."}, view)
    held = listener.payload()["view"]["state"]["values"]["name"]["typed"]
    assert held == {"type": "plain_text_input", "value": "npm"}
    listener.answer = {"response_action": "update", "view": modal(section("Sure?"))}
    changed = await world.slack.submit(view, {"typed": "npm"})
    assert changed.view is view
    assert changed.view.blocks == [section("Sure?")]
    listener.answer = ""
    done = await world.slack.submit(view, {})
    assert (done.view, world.slack.views(MARA)) == (None, [])


async def test_views_update_push_and_publish_with_hashes(world: Outside, web_api: AsyncWebClient) -> None:
    trigger = world.slack.workspace.new_trigger(MARA.id)
    first = (await web_api.views_open(trigger_id=trigger.id, view=modal()))["view"]
    updated = (await web_api.views_update(view_id=first["id"], hash=first["hash"], view=modal(section("new"))))["view"]
    stale = web_api.views_update(view_id=first["id"], hash=first["hash"], view=modal())
    assert (await refusal(stale))[0] == "hash_conflict"
    for depth in (2, 3):
        inner = world.slack.workspace.new_trigger(MARA.id, updated["id"])
        await web_api.views_push(trigger_id=inner.id, view=modal(section(str(depth))))
    inner = world.slack.workspace.new_trigger(MARA.id, updated["id"])
    assert (await refusal(web_api.views_push(trigger_id=inner.id, view=modal())))[0] == "push_limit_reached"
    await web_api.views_publish(user_id=MARA.id, view={"type": "home", "blocks": [section("home")]})
    home = world.slack.home(MARA)
    assert home is not None
    assert home.blocks == [section("home")]
    assert (await refusal(web_api.views_update(view_id="V0", view=modal())))[0] == "not_found"


async def test_a_click_carries_message_container_and_state(
    world: Outside, listener: Listener, web_api: AsyncWebClient
) -> None:
    blocks = [section(block_id="top", accessory=button("claim", value="7"))]
    await web_api.chat_postMessage(channel=RELEASES, text="card", blocks=blocks)
    (card,) = world.slack.messages(RELEASES)
    await world.slack.click(card, "claim", JONAS, wait_s=0)
    payload = listener.payload()
    assert (payload["type"], payload["user"]["id"]) == ("block_actions", JONAS.id)
    assert payload["container"]["message_ts"] == card.ts
    assert payload["message"]["blocks"] == blocks
    assert (payload["actions"][0]["value"], payload["actions"][0]["block_id"]) == ("7", "top")
    assert payload["response_url"].startswith(world.slack.workspace.url)
    with pytest.raises(LookupError, match="claim"):
        await world.slack.click(card, "resolve", JONAS)


async def test_events_carry_retry_headers(world: Outside, listener: Listener) -> None:
    await world.slack.open_home(MARA)
    await world.slack.event("app_mention", retry_num=1, retry_reason="http_timeout", text="hi", channel=RELEASES)
    first, second = json.loads(listener.got[0][2]), json.loads(listener.got[1][2])
    assert (first["event"]["type"], first["event"]["tab"], second["event"]["text"]) == ("app_home_opened", "home", "hi")
    assert listener.got[1][1]["X-Slack-Retry-Num"] == "1"


async def test_socket_mode_carries_the_same_things(world: Outside) -> None:
    app_api = AsyncWebClient(base_url=world.slack_api_url)
    opened = await app_api.apps_connections_open(app_token=world.slack.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        asked = asyncio.create_task(world.slack.command("/tokens", "status"))
        envelope = await socket.receive_json()
        assert (envelope["type"], envelope["payload"]["text"]) == ("slash_commands", "status")
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "All well."}})
        assert (await asked).text == "All well."
        refreshed = asyncio.create_task(world.slack.server.socket_mode.refresh())
        assert (await socket.receive_json())["type"] == "disconnect"
        await socket.receive()
        await refreshed
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(opened["url"])


async def test_a_real_socket_mode_client_is_served_and_comes_again_when_asked(world: Outside) -> None:
    app = AsyncApp(client=AsyncWebClient(token=world.slack.bot_token, base_url=world.slack_api_url))

    @app.command("/tokens")
    async def tokens(ack: AsyncAck, command: dict[str, Any]) -> None:
        await ack(f"You asked for {command['text']}")

    handler = AsyncSocketModeHandler(app, world.slack.app_token)
    socket_mode = world.slack.server.socket_mode
    world.slack.sending.answer_within_s = 20.0  # what it answers is asked here, not how fast
    await handler.connect_async()
    try:
        await world.slack.until(lambda: socket_mode.connected, what="a connection")
        assert (await world.slack.command("/tokens", "status")).text == "You asked for status"
        first, session = socket_mode.connections[0], handler.client.current_session
        await socket_mode.refresh()
        # The client answers by the session that it knows: it knows the new one a moment after it is there.
        await world.slack.until(
            lambda: (
                socket_mode.connected
                and socket_mode.connections[0] is not first
                and handler.client.current_session is not session
            ),
            what="another connection",
        )
        assert (await world.slack.command("/tokens", "list")).text == "You asked for list"
    finally:
        await handler.close_async()
