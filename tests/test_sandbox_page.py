"""The sandbox page in a real browser: what a person at it can see and do, also with the keyboard alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, Route, async_playwright, expect
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.outside import Outside
from bot.demo.sandbox import Playable, Shortcut, Verb
from bot.demo.serving import Serving
from bot.demo.slack import JONAS, MARA, OPS, RELEASES
from tests import npm_logs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
# Without these a headless Chromium looks up its maker's hosts by itself.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
VERBS = (
    Verb("status", "", "what needs attention"),
    Verb("show", "NAME", "one token"),
    Verb("add", "", "a token's facts, in a form"),
)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def option(text: str, value: str) -> dict[str, Any]:
    return {"text": plain(text), "value": value}


def button(action_id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain(text), "value": "1", **more}


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def field(block_id: str, label: str, element: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element, **more}


CONFIRM = {
    "title": plain("Resolve?"),
    "text": plain("Nobody will be told."),
    "confirm": plain("Yes"),
    "deny": plain("No"),
}
CARD = [
    section("*The token `npm-acme-ci` expired 2 days ago.*\n<@U07MARA0001> can renew it."),
    {"type": "rich_text", "elements": [
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "npm error code E404 <b>"}]},
        {"type": "rich_text_list", "style": "bullet", "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "renew it"}]}]},
    ]},
    {"type": "table", "rows": [[{"type": "raw_text", "text": "Package"}], [{"type": "raw_text", "text": "@acme/ui"}]]},
    {"type": "actions", "elements": [
        button("claim", "Claim", style="primary"),
        button("resolve", "Resolve", style="danger", confirm=CONFIRM),
        {"type": "overflow", "action_id": "more", "options": [option("Show", "show"), option("Audit", "audit")]},
    ]},
]  # fmt: skip
KINDS = [option("Granular", "gat"), option("Other", "o")]
USES = [option("acme/ui", "ui"), option("acme/api", "api")]
RIGHTS = [option("Read", "ro"), option("Write", "rw")]
BYPASS = [option("Bypass", "b")]
FORM = {
    "type": "modal",
    "callback_id": "add",
    "title": plain("Add a token"),
    "submit": plain("Add"),
    "blocks": [
        field("name", "Name", {"type": "plain_text_input", "action_id": "name"}),
        field("kind", "Kind", {"type": "static_select", "action_id": "kind", "options": KINDS}),
        field("uses", "Used by", {"type": "multi_static_select", "action_id": "uses", "options": USES}, optional=True),
        field("owner", "Owner", {"type": "users_select", "action_id": "owner", "initial_user": MARA.id}),
        field("ends", "Ends", {"type": "datepicker", "action_id": "ends"}, optional=True),
        field("flags", "Flags", {"type": "checkboxes", "action_id": "flags", "options": BYPASS}, optional=True),
        field("rights", "Rights", {"type": "radio_buttons", "action_id": "rights", "options": RIGHTS}),
    ],
}


class ScriptedBot:
    """Answers as a bot would; `heard` is every interaction that reached it."""

    def __init__(self, outside: Outside) -> None:
        self.heard: list[dict[str, Any]] = []
        self.api = AsyncWebClient(token=outside.slack.bot_token, base_url=outside.slack_api_url)
        app = web.Application()
        app.router.add_post("/slack/events", self._take)
        self.serving = Serving(app)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.content_type == "application/json":
            return await self._event(json.loads(body)["event"])
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if "payload" in fields:
            return await self._interaction(json.loads(fields["payload"]))
        if fields.get("text") == "add":
            await self.api.views_open(trigger_id=fields["trigger_id"], view=FORM)
            return web.Response()
        return web.json_response({"text": f"You asked for {fields.get('text', 'nothing')} :white_check_mark:"})

    async def _event(self, event: dict[str, Any]) -> web.Response:
        if event["type"] == "app_home_opened":
            home = {"type": "home", "blocks": [section("*My tokens*"), section("One ends soon.")]}
            await self.api.views_publish(user_id=event["user"], view=home)
        return web.Response()

    async def _interaction(self, payload: dict[str, Any]) -> web.Response:
        self.heard.append(payload)
        if payload["type"] == "block_actions":
            action, who = payload["actions"][0]["action_id"], payload["user"]["id"]
            done = [section(f"*{action} by <@{who}>*"), *payload["message"]["blocks"][1:]]
            container = payload["container"]
            await self.api.chat_update(
                channel=container["channel_id"], ts=container["message_ts"], text=f"{action} done", blocks=done
            )
        elif payload["type"] == "view_submission":
            values = payload["view"]["state"]["values"]
            if values["name"]["name"]["value"] == "taken":
                return web.json_response({"response_action": "errors", "errors": {"name": "There is one already."}})
            await self.api.chat_postMessage(channel=RELEASES, text=f"Added {values['name']['name']['value']}")
        elif payload["type"] == "shortcut":
            await self.api.views_open(trigger_id=payload["trigger_id"], view=FORM)
        return web.Response()


@pytest_asyncio.fixture
async def world() -> AsyncIterator[Outside]:
    async with Outside.start() as started:
        yield started


@pytest_asyncio.fixture
async def scripted(world: Outside) -> AsyncIterator[ScriptedBot]:
    made = ScriptedBot(world)

    async def happens() -> None:
        await made.api.chat_postMessage(channel=RELEASES, text="It happened again")

    async with made.serving as serving:
        world.bot_at(serving.url, signing_secret="s")
        world.sandbox.playables = [Playable("again", "It happens again", "A message", happens)]
        world.sandbox.verbs = VERBS
        world.sandbox.shortcuts = (Shortcut("add", "Add a token", "global"),)
        await made.api.chat_postMessage(channel=RELEASES, text="The token expired.", blocks=CARD)
        yield made


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture
async def page(world: Outside, scripted: ScriptedBot, browser: Browser) -> AsyncIterator[Page]:
    """The open page; at the end nothing was complained about and nothing beyond this machine was asked for."""
    opened = await browser.new_page()
    complaints: list[str] = []
    beyond: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))

    async def only_here(route: Route) -> None:
        if re.match(r"(http://127\.0\.0\.1:|data:)", route.request.url):
            await route.continue_()
        else:
            beyond.append(route.request.url)
            await route.abort()

    await opened.route("**/*", only_here)
    await opened.goto(world.page_url)
    await expect(opened.get_by_role("status").filter(has_text="Live")).to_be_visible()
    yield opened
    assert complaints == []
    assert beyond == []


def card(page: Page) -> Any:
    return page.locator("article").first


async def test_the_page_shows_cards_as_slack_would(page: Page) -> None:
    await expect(card(page).locator("strong")).to_contain_text("npm-acme-ci")
    await expect(card(page).locator(".mention")).to_have_text("@Mara Kowalski")
    await expect(card(page).locator("pre")).to_have_text("npm error code E404 <b>")
    await expect(card(page).locator("li")).to_have_text("renew it")
    await expect(card(page).get_by_role("columnheader", name="Package")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("button")).to_have_text(
        ["# releases", "# tokenwatch-ops", "# general", "Home", "Messages"]
    )


async def test_a_slash_command_answers_only_to_the_one_who_asked(page: Page, world: Outside) -> None:
    box = page.get_by_role("combobox", name="Message or command")
    await box.fill("/tokens status")
    await box.press("Enter")
    answer = page.locator("article", has_text="You asked for status")
    await expect(answer).to_contain_text("Only visible to you")
    await expect(answer).to_contain_text("✅")
    await page.get_by_label("You are").select_option(label=JONAS.real_name)
    await expect(page.locator("#acting-title")).to_have_text(JONAS.title)
    await expect(page.locator("article")).to_have_count(1)


async def test_what_happens_shows_without_a_reload(page: Page, scripted: ScriptedBot) -> None:
    await page.get_by_role("button", name="It happens again").click()
    await expect(page.locator("article", has_text="It happened again")).to_be_visible()
    await scripted.api.chat_postMessage(channel=OPS, text="elsewhere")
    await expect(page.get_by_role("button", name="# tokenwatch-ops (new messages)")).to_be_visible()
    await page.get_by_role("button", name="# tokenwatch-ops").click()
    await expect(page.locator("article", has_text="elsewhere")).to_be_visible()


async def test_news_does_not_move_what_is_being_read(page: Page, scripted: ScriptedBot) -> None:
    for number in range(30):
        await scripted.api.chat_postMessage(channel=RELEASES, text=f"line {number}")
    await expect(page.locator("article", has_text="line 29")).to_be_in_viewport()
    log = page.get_by_role("log")
    await log.evaluate("log => { log.scrollTop = 0; }")
    await scripted.api.chat_postMessage(channel=RELEASES, text="the newest")
    await page.get_by_role("button", name="New below").click()
    await expect(page.locator("article", has_text="the newest")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="New below")).to_be_hidden()
    await log.evaluate("log => { log.scrollTop = 0; }")
    await page.get_by_role("combobox", name="Message or command").fill("/tokens status")
    await page.keyboard.press("Enter")
    await expect(page.locator("article", has_text="You asked for status")).to_be_in_viewport()


async def test_a_button_tells_the_bot_and_the_card_changes_in_place(page: Page, scripted: ScriptedBot) -> None:
    await card(page).get_by_role("button", name="Claim").click()
    await expect(card(page)).to_contain_text("claim by @Mara Kowalski")
    await expect(card(page)).to_contain_text("(edited)")
    await expect(card(page).get_by_role("button", name="Claim")).to_be_focused()
    assert scripted.heard[-1]["actions"][0]["value"] == "1"


async def test_a_dangerous_button_asks_first(page: Page, scripted: ScriptedBot) -> None:
    await card(page).get_by_role("button", name="Resolve").click()
    await page.get_by_role("dialog", name="Resolve?").get_by_role("button", name="No").click()
    assert scripted.heard == []
    await card(page).get_by_role("button", name="Resolve").click()
    await page.get_by_role("dialog", name="Resolve?").get_by_role("button", name="Yes").click()
    await expect(card(page)).to_contain_text("resolve by")


async def test_a_menu_opens_and_chooses_by_keyboard(page: Page, scripted: ScriptedBot) -> None:
    await card(page).get_by_role("button", name="More actions").press("Enter")
    await expect(page.get_by_role("menuitem", name="Show")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(card(page)).to_contain_text("more by")
    assert scripted.heard[-1]["actions"][0]["selected_option"]["value"] == "audit"


async def test_a_form_is_filled_corrected_and_sent(page: Page, scripted: ScriptedBot) -> None:
    await page.get_by_role("combobox", name="Message or command").fill("/tokens add")
    await page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Add a token")
    await form.get_by_role("button", name="Add").click()
    await expect(form.get_by_text("Please complete this required field.")).to_have_count(3)
    await expect(form.get_by_label("Name")).to_be_focused()
    await form.get_by_label("Name").fill("taken")
    await form.get_by_label("Kind").select_option("gat")
    await form.get_by_label("acme/api").check()
    await form.get_by_label("Ends").fill("2026-12-24")
    await form.get_by_label("Bypass").check()
    await form.get_by_label("Write").check()
    await form.get_by_role("button", name="Add").click()
    await expect(form.get_by_text("There is one already.")).to_be_visible()
    await expect(form.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    await form.get_by_label("Name").fill("npm-new")
    await form.get_by_role("button", name="Add").click()
    await expect(form).to_have_count(0)
    await expect(page.locator("article", has_text="Added npm-new")).to_be_visible()
    values = scripted.heard[-1]["view"]["state"]["values"]
    assert values["kind"]["kind"]["selected_option"]["value"] == "gat"
    assert [one["value"] for one in values["uses"]["uses"]["selected_options"]] == ["api"]
    assert values["owner"]["owner"]["selected_user"] == MARA.id
    assert values["ends"]["ends"]["selected_date"] == "2026-12-24"
    assert values["rights"]["rights"]["selected_option"]["value"] == "rw"


async def test_escape_closes_a_form_and_gives_the_focus_back(page: Page) -> None:
    opener = page.get_by_role("button", name="Add a token")
    await opener.press("Enter")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_the_keyboard_alone_completes_and_sends_a_command(page: Page) -> None:
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the message box")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.get_by_role("combobox", name="Message or command").focus()
    hints = page.get_by_role("listbox", name="Commands").get_by_role("option")
    await page.keyboard.type("/t")
    await expect(hints).to_have_count(1)
    await page.keyboard.press("Tab")
    await expect(hints).to_have_count(3)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("combobox", name="Message or command")).to_have_value("/tokens show ")
    await page.keyboard.type("npm-acme-ci")
    await page.keyboard.press("Enter")
    await expect(page.locator("article", has_text="You asked for show npm-acme-ci")).to_be_visible()


async def test_time_goes_forward_and_the_days_of_messages_with_it(
    page: Page, world: Outside, scripted: ScriptedBot
) -> None:
    world.slack.workspace.time_ns = world.sandbox.times.time_ns

    async def come_to_pass() -> None:
        await scripted.api.chat_postMessage(channel=RELEASES, text="Good morning")

    world.sandbox.travelled = come_to_pass
    await page.reload()
    await expect(page.locator(".day")).to_have_text(["Today"])
    morning = page.get_by_role("region", name="Time here").get_by_role("button", name="09:00")
    await morning.press("Enter")
    await page.get_by_role("button", name="In a week").press("Enter")
    await expect(page.locator("article", has_text="Good morning")).to_have_count(2)
    await expect(page.locator(".day").last).to_have_text("Today")
    await expect(page.locator(".day").first).not_to_have_text("Today")
    await expect(page.get_by_role("button", name="In a week")).to_be_focused()
    assert world.sandbox.times.ahead.days >= 6
    posted = await page.request.post(f"{world.page_url}api/travel", data={"to": "yesterday"})
    assert posted.status == 404


async def test_a_pasted_log_is_diagnosed_and_its_text_stays_text(page: Page, scripted: ScriptedBot) -> None:
    opener = page.get_by_role("button", name="Paste a log")
    await opener.press("Enter")
    form = page.get_by_role("dialog", name="Paste a log")
    await expect(form.get_by_label("Log of a job")).to_be_focused()
    await form.get_by_role("button", name="Diagnose").click()
    await expect(form.get_by_label("Log of a job")).to_be_focused()
    log = npm_logs.rejected("@acme/ui") + "\nnpm error <img src=x onerror=alert(1)> _authToken=" + "npm_" + "q" * 36
    await form.get_by_label("Log of a job").fill(log)
    await form.get_by_role("button", name="Diagnose").click()
    found = form.get_by_role("region", name="Diagnosis")
    await expect(found).to_contain_text("token-rejected")
    await expect(found.get_by_role("listitem").first).to_be_visible()
    await expect(found).to_contain_text("1 credentials in the log were masked")
    await expect(found).not_to_contain_text("q" * 36)
    await expect(found.locator("img, script")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    await expect(opener).to_be_focused()
    assert scripted.heard == []


async def test_the_home_tab_is_drawn_by_the_bot(page: Page) -> None:
    await page.get_by_role("button", name="Home").click()
    await expect(page.locator("#home")).to_contain_text("One ends soon.")


async def test_threads_open_and_close(page: Page, scripted: ScriptedBot, world: Outside) -> None:
    (message,) = world.slack.messages(RELEASES)
    await scripted.api.chat_postMessage(channel=RELEASES, text="failed again", thread_ts=message.ts)
    toggle = card(page).get_by_role("button", name="1 reply")
    await toggle.click()
    await expect(card(page).locator("article")).to_contain_text("failed again")
    await card(page).get_by_role("button", name="1 reply").click()
    await expect(card(page).locator("article")).to_have_count(0)


async def test_hostile_text_stays_text(page: Page, scripted: ScriptedBot) -> None:
    text = (
        "<img src=x onerror=alert(1)> <javascript:alert(1)|click> &lt;script&gt;alert(1)&lt;/script&gt; *b*<!channel>"
    )
    await scripted.api.chat_postMessage(channel=RELEASES, text=text)
    shown = page.locator("article").last
    await expect(shown).to_contain_text("<script>alert(1)</script>")
    await expect(shown.locator("img:not(.avatar), script, a")).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (900, "light"), (400, "dark")])
async def test_no_screen_needs_sideways_scrolling(
    world: Outside, scripted: ScriptedBot, browser: Browser, width: int, scheme: Any
) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await page.goto(world.page_url)
    await expect(page.locator("article")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("document.querySelector('#log').scrollWidth <= innerWidth")


async def test_other_hosts_and_other_pages_are_refused(world: Outside, page: Page) -> None:
    answer = await page.request.get(world.page_url, headers={"Host": "evil.example"})
    assert answer.status == 403
    posted = await page.request.post(f"{world.page_url}api/play", form={"id": "again"})
    assert posted.status == 415
