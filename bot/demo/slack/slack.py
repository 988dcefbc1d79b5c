"""The stand-in Slack as tests, the scenario and the sandbox page use it: do what people do, see what the bot did."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.demo.serving import Fault, Serving
from bot.demo.slack import interactions
from bot.demo.slack.args import Args, Json
from bot.demo.slack.refused import Refused
from bot.demo.slack.response_urls import respond
from bot.demo.slack.rules import check_view
from bot.demo.slack.sending import Sending, Sent
from bot.demo.slack.server import BOT_TOKEN, Call, Server
from bot.demo.slack.views import push_on, replace
from bot.demo.slack.workspace import (
    JONAS,
    MARA,
    RELEASES,
    TEAM_ID,
    Channel,
    Message,
    Person,
    ResponseUrl,
    Trigger,
    Upload,
    View,
    Workspace,
)

T = TypeVar("T")
SLACKBOT = "USLACKBOT"
TROUBLE = "We had some trouble connecting. Try again?"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command or a click. `error` is what Slack tells the person when the bot did not answer well."""

    sent: Sent
    replies: tuple[Message, ...] = ()
    views: tuple[View, ...] = ()
    error: str | None = None

    @property
    def status(self) -> int:
        return self.sent.status

    @property
    def view(self) -> View | None:
        return self.views[-1] if self.views else None

    @property
    def text(self) -> str:
        """The last reply's fallback text, empty when there is none."""
        return self.replies[-1].text if self.replies else ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came of a form. `errors` {block_id: sentence} keep it open; `view` is what is open now, None = closed."""

    sent: Sent | None
    errors: Mapping[str, str] = field(default_factory=dict)
    view: View | None = None
    action: str | None = None
    error: str | None = None


class Slack:
    """One workspace. `team_id`, `bot_token`: other ones than usual, where there are several (`oauth.AppOfSeveral`)."""

    def __init__(self, team_id: str = TEAM_ID, bot_token: str = BOT_TOKEN) -> None:
        self.workspace = Workspace()
        self._server = Server(self.workspace)
        self.sending = Sending(self._server.socket_mode)
        self._server.team_id = self.sending.team_id = team_id
        self._server.bot_token = bot_token
        self.app = self._server.app

    def listens_at(self, serving: Serving) -> None:
        self.workspace.url = serving.url

    def bot_at(self, url: str, signing_secret: str) -> None:
        """Where the bot takes commands, interactivity and events (`.../slack/events`)."""
        self.sending.url, self.sending.signing_secret = url, signing_secret

    @property
    def server(self) -> Server:
        """The API side, with its knobs: `bot_token`, `app_token`, `scopes`, `socket_mode`."""
        return self._server

    @property
    def bot_token(self) -> str:
        return self._server.bot_token

    @property
    def app_token(self) -> str:
        return self._server.app_token

    # --- what the bot did --------------------------------------------------------------------------------------------

    def calls(self, method: str | None = None) -> list[Call]:
        """Web API calls in order; `response_url` counts as a method."""
        return [call for call in self._server.calls if method in (None, call.method)]

    def messages(self, channel: str = RELEASES, *, thread: str | None = None, ephemeral: bool = False) -> list[Message]:
        """As they stand now, oldest first: top-level ones, or the replies of a thread."""
        found = self.workspace.in_channel(channel, ephemeral=ephemeral)
        return [message for message in found if message.thread_ts == thread]

    def views(self, user: str | Person) -> list[View]:
        """The modals a person has open, bottom first."""
        return [
            view
            for view in self.workspace.views.values()
            if view.user == _id(user) and view.kind == "modal" and not view.closed
        ]

    def home(self, user: str | Person) -> View | None:
        return self.workspace.homes.get(_id(user))

    async def until(self, true: Callable[[], T], *, timeout_s: float = 30.0, what: str = "it") -> T:
        """Waits for `true()` to be truthy and returns its value."""
        ends = time.monotonic() + timeout_s
        while not (value := true()):
            if time.monotonic() > ends:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}; calls: {self._last_calls()}")
            await asyncio.sleep(0.01)
        return value

    async def settle(self, *, quiet_s: float = 0.5, timeout_s: float = 30.0) -> None:
        """Waits until the bot has called nothing for a while."""
        ends = time.monotonic() + timeout_s
        seen, since = len(self._server.calls), time.monotonic()
        while time.monotonic() < ends and time.monotonic() - since < quiet_s:
            await asyncio.sleep(0.02)
            if len(self._server.calls) != seen:
                seen, since = len(self._server.calls), time.monotonic()

    def _last_calls(self) -> list[str]:
        return [f"{call.method}={call.error}" for call in self._server.calls[-8:]]

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def fail(
        self,
        method: str,
        *,
        status: int | None = None,
        error: str | None = None,
        retry_after: int | None = None,
        times: int | None = 1,
        after_accepting: bool = False,
        drop: bool = False,
        delay_s: float = 0.0,
    ) -> Fault:
        """The next `times` calls of a method (`response_url` too) go wrong; None = all until `recover()`.

        `error`: HTTP 200 with that code. `retry_after`: 429. `after_accepting`: carried out, then the answer is lost
        (500 unless `status` or `drop` says otherwise). `delay_s` alone: only slow.
        """
        headers: dict[str, str] = {}
        body = None
        if retry_after is not None:
            status, headers, error = status or 429, {"Retry-After": str(retry_after)}, error or "ratelimited"
        if error is not None:
            status, body = status or 200, json.dumps({"ok": False, "error": error})
        if after_accepting and status is None and not drop:
            status = 500
        pattern = re.compile(f"^{re.escape(method)}$" if method != "*" else ".")
        return self._server.faults.add(Fault(pattern, status, headers, body, times, delay_s, after_accepting, drop))

    def recover(self) -> None:
        self._server.faults.clear()

    # --- what people do ----------------------------------------------------------------------------------------------

    async def command(
        self,
        name: str = "/tokens",
        text: str = "",
        *,
        user: str | Person = MARA,
        channel: str | Channel = RELEASES,
        wait_s: float = 3.0,
        replies: int = 1,
    ) -> Answer:
        """A slash command; returns when `replies` answers or a form have come, or after `wait_s`."""
        person, place = self._person(user), self._channel(channel)
        trigger = self.workspace.new_trigger(person.id)
        url = self.workspace.new_response_url(person.id, place.id)
        link = f"{self.workspace.url}/response/{url.key}"
        sent = await self.sending.form(
            "slash_commands", interactions.command(name, text, person, place, link, trigger.id)
        )
        error = self._immediate(sent, url, place, person, name)
        return await self._gathered(sent, url, trigger, error, wait_s, replies)

    async def click(
        self,
        on: Message | View,
        action_id: str,
        user: str | Person = MARA,
        *,
        value: Any = None,
        block_id: str | None = None,
        wait_s: float = 1.0,
        state: Mapping[str, Any] | None = None,
    ) -> Answer:
        """A button pressed or an option chosen (`value` = the option's value) on a message, a modal or the Home tab.

        Returns when something came of it that Slack can see (an answer, a form, an edit of the message), or after
        `wait_s`. `state`: what was typed into the other fields, by action id.
        """
        person = self._person(user)
        block, element = interactions.find_element(on.blocks, action_id, block_id)
        payload = interactions.base("block_actions", person)
        payload["actions"] = [interactions.action(block, element, value)]
        if isinstance(on, View):
            on.values = interactions.filled(on, state or {})
            if element["type"] != "button" and element["type"] != "overflow":
                held = {"type": element["type"], **interactions.chosen(element, value)}
                on.values.setdefault(block["block_id"], {})[action_id] = held
            trigger = self.workspace.new_trigger(person.id, on.id)
            url = self.workspace.new_response_url(person.id, RELEASES)
            payload |= interactions.on_view(on)
        else:
            trigger = self.workspace.new_trigger(person.id)
            url = self.workspace.new_response_url(person.id, on.channel, on)
            payload |= interactions.on_message(on, self._channel(on.channel))
            payload["response_url"] = f"{self.workspace.url}/response/{url.key}"
        payload["trigger_id"] = trigger.id
        before = _version(on)
        sent = await self.sending.interaction(payload)
        error = None if sent.ok else TROUBLE
        return await self._gathered(sent, url, trigger, error, wait_s, 1, lambda: _version(on) != before)

    async def submit(
        self, view: View, values: Mapping[str, Any] | None = None, user: str | Person | None = None
    ) -> Submitted:
        """A form sent. `values` by action id or block id: texts, option values, lists of them, ISO dates, user ids."""
        if view.closed:
            raise LookupError(f"the form {view.title!r} is closed")
        person = self._person(user or view.user)
        view.values = interactions.filled(view, values or {})
        if wrong := interactions.missing_fields(view, view.values):
            return Submitted(None, wrong, view)
        payload = interactions.base("view_submission", person)
        trigger = self.workspace.new_trigger(person.id, view.id)
        payload |= {"trigger_id": trigger.id, "view": view.shown(), "response_urls": []}
        sent = await self.sending.interaction(payload)
        if not sent.ok:
            return Submitted(sent, {}, view, error=TROUBLE)
        try:
            return self._submitted(sent, view)
        except Refused as refused:
            return Submitted(sent, {}, view, error=f"{TROUBLE} ({refused.error}: {refused.messages})")

    def _submitted(self, sent: Sent, view: View) -> Submitted:
        said = sent.json()
        action = said.get("response_action")
        if action == "errors":
            known = {interactions.block_id_of(b, at) for at, b in enumerate(view.blocks) if b.get("type") == "input"}
            errors = {str(block): str(text) for block, text in (said.get("errors") or {}).items()}
            if not errors or not set(errors) <= known:
                return Submitted(sent, {}, view, action, f"{TROUBLE} (errors for unknown blocks: {sorted(errors)})")
            self.workspace.tell("view", view)
            return Submitted(sent, errors, view, action)
        if action == "update":
            replace(self.workspace, view, check_view(said.get("view"), kinds={"modal"}))
            return Submitted(sent, {}, view, action)
        if action == "push":
            return Submitted(
                sent, {}, push_on(self.workspace, view, check_view(said.get("view"), kinds={"modal"})), action
            )
        if action == "clear":
            for open_view in self.workspace.stack(view.root_id):
                self.workspace.close(open_view)
            return Submitted(sent, {}, None, action)
        self.workspace.close(view)
        stack = self.workspace.stack(view.root_id)
        return Submitted(sent, {}, stack[-1] if stack else None, action)

    async def close(self, view: View, *, all_of_them: bool = False) -> Sent | None:
        """The form dismissed; the bot hears of it only when the view asked for that."""
        closing = self.workspace.stack(view.root_id) if all_of_them else [view]
        for one in closing:
            self.workspace.close(one)
        if not view.body.get("notify_on_close"):
            return None
        payload = interactions.base("view_closed", self._person(view.user))
        return await self.sending.interaction(payload | {"view": view.shown(), "is_cleared": all_of_them})

    async def shortcut(self, callback_id: str, user: str | Person = MARA, *, wait_s: float = 2.0) -> Answer:
        """A global shortcut."""
        person = self._person(user)
        trigger = self.workspace.new_trigger(person.id)
        payload = interactions.base("shortcut", person) | {"callback_id": callback_id, "trigger_id": trigger.id}
        sent = await self.sending.interaction(payload)
        url = self.workspace.new_response_url(person.id, RELEASES)
        return await self._gathered(sent, url, trigger, None if sent.ok else TROUBLE, wait_s, 1)

    async def message_action(
        self, callback_id: str, message: Message, user: str | Person = MARA, *, wait_s: float = 3.0
    ) -> Answer:
        """A message shortcut ("Diagnose this log")."""
        person, channel = self._person(user), self._channel(message.channel)
        trigger = self.workspace.new_trigger(person.id)
        url = self.workspace.new_response_url(person.id, channel.id)
        payload = interactions.base("message_action", person) | interactions.on_message(message, channel)
        payload |= {
            "callback_id": callback_id,
            "trigger_id": trigger.id,
            "message_ts": message.ts,
            "response_url": f"{self.workspace.url}/response/{url.key}",
        }
        for name in ("container", "state"):
            payload.pop(name)
        sent = await self.sending.interaction(payload)
        return await self._gathered(sent, url, trigger, None if sent.ok else TROUBLE, wait_s, 1)

    async def suggest(self, view: View, action_id: str, typed: str) -> list[Json]:
        """The options an external select offers for what was typed."""
        block, _ = interactions.find_element(view.blocks, action_id)
        payload = interactions.base("block_suggestion", self._person(view.user)) | interactions.on_view(view)
        payload |= {"action_id": action_id, "block_id": block["block_id"], "value": typed}
        said = (await self.sending.interaction(payload)).json()
        options: list[Json] = said.get("options") or []
        return options

    async def event(
        self, name: str, *, retry_num: int = 0, retry_reason: str = "", event_id: str | None = None, **fields: Any
    ) -> Sent:
        body = interactions.event(name, fields)
        if event_id is not None:
            body["event_id"] = event_id
        return await self.sending.event(body, retry_num=retry_num, retry_reason=retry_reason)

    async def open_home(self, user: str | Person = MARA) -> Sent:
        """A person looks at the bot's Home tab."""
        person, home = self._person(user), self.home(user)
        channel = self.workspace.dm(person.id).id
        # Slack leaves `view` out until the bot has published one; null stands for that here.
        view = home.shown() if home is not None else None
        return await self.event("app_home_opened", user=person.id, channel=channel, tab="home", view=view)

    def say(self, text: str, *, user: str | Person = JONAS, channel: str | Channel = RELEASES, **more: Any) -> Message:
        """A person's own message; nothing is sent to the bot."""
        place = self._channel(channel)
        return self.workspace.post(Message(place.id, self.workspace.next_ts(), self._person(user).id, text, **more))

    def share(
        self,
        name: str,
        body: bytes,
        *,
        user: str | Person = JONAS,
        channel: str | Channel = RELEASES,
        text: str = "",
        **how: Any,
    ) -> Message:
        """A person's message with a file; `how`: fields of the Upload."""
        upload = Upload(f"F{secrets.token_hex(5).upper()}", name, len(body), body, **how)
        self.workspace.uploads[upload.id] = upload
        return self.say(text, user=user, channel=channel, files=[upload.shown(self.workspace.url)])

    # --- inside ------------------------------------------------------------------------------------------------------

    def _immediate(self, sent: Sent, url: ResponseUrl, channel: Channel, person: Person, name: str) -> str | None:
        """The body of the answer to a command counts as its first reply."""
        error = None
        if not sent.ok:
            error = "operation_timeout" if sent.body == "operation_timeout" else "dispatch_failed"
        elif sent.body.strip():
            given = sent.json() or {"text": sent.body}
            try:
                respond(self.workspace, url.key, Args(given))
                url.uses -= 1
            except Refused as refused:
                error = f"invalid_command_response ({refused.error})"
        if error is not None:
            text = f'{name} failed with the error "{error}"'
            self.workspace.post(Message(channel.id, self.workspace.next_ts(), SLACKBOT, text, ephemeral_to=person.id))
        return error

    async def _gathered(
        self,
        sent: Sent,
        url: ResponseUrl,
        trigger: Trigger,
        error: str | None,
        wait_s: float,
        replies: int,
        changed: Callable[[], bool] = lambda: False,
    ) -> Answer:
        def opened() -> tuple[View, ...]:
            return tuple(view for view in self.workspace.views.values() if view.trigger == trigger.id)

        ends = time.monotonic() + wait_s
        while error is None and time.monotonic() < ends:
            if len(url.replies) >= replies or opened() or changed():
                break
            await asyncio.sleep(0.01)
        return Answer(sent, tuple(url.replies), opened(), error)

    def _person(self, user: str | Person) -> Person:
        return self.workspace.people[_id(user)]

    def _channel(self, channel: str | Channel) -> Channel:
        return self.workspace.channels[channel.id if isinstance(channel, Channel) else channel]


def _id(user: str | Person) -> str:
    return user.id if isinstance(user, Person) else user


def _version(on: Message | View) -> object:
    return on.hash if isinstance(on, View) else (len(on.edits), on.deleted)
