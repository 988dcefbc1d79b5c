"""The workspace of the stand-in Slack: people, channels, messages, views, and who listens to changes. No HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
TEAM_ID = "T07ACME0001"
TEAM_DOMAIN = "acme"
APP_ID = "A07TOKENW01"
BOT_ID = "B07TOKENW01"
BOT_USER = "U07TOKENW01"
# Slack: one use, three seconds; a response_url five uses in thirty minutes.
TRIGGER_LIVES_S = 3.0
RESPONSE_URL_LIVES_S = 30 * 60.0
RESPONSE_URL_USES = 5


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    real_name: str
    title: str = ""
    email: str = ""
    tz: str = "Europe/Berlin"
    tz_offset: int = 3600
    guest: bool = False
    admin: bool = False
    bot: bool = False
    deleted: bool = False


# The people of the demo. Sample tokens name Mara as their owner.
MARA = Person("U07MARA0001", "mara", "Mara Kowalski", "Maintainer, token owner", "mara@acme.example", admin=True)
JONAS = Person("U07JONAS001", "jonas", "Jonas Richter", "Release engineer", "jonas@acme.example")
GUEST = Person("U07GUEST001", "guest", "Gale Guest", "Contractor", "gale@other.example", guest=True)
BOT = Person(BOT_USER, "tokenwatch", "Tokenwatch", "", "", "Etc/UTC", 0, bot=True)


@dataclass(slots=True)
class Channel:
    id: str
    name: str
    members: set[str]
    private: bool = False
    archived: bool = False
    dm_with: str | None = None
    topic: str = ""


RELEASES = "C07RELEASE1"
OPS = "C07TWOPS001"
GENERAL = "C07GENERAL1"


@dataclass(frozen=True, slots=True)
class Edit:
    """What a message was before it was edited. `at_s` on the monotonic clock."""

    text: str
    blocks: list[Json]
    at_s: float


@dataclass(slots=True)
class Message:
    """`ephemeral_to`: only that person sees it, and it has no place in the channel's history."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    ephemeral_to: str | None = None
    edits: list[Edit] = field(default_factory=list)
    edited_ts: str | None = None
    deleted: bool = False
    files: list[Json] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)

    @property
    def by_bot(self) -> bool:
        return self.user == BOT_USER


@dataclass(slots=True)
class View:
    """A modal (or a Home tab, `kind` home) as one person has it. `hash` changes with every update."""

    id: str
    user: str
    kind: str
    body: Json
    hash: str
    root_id: str
    previous_id: str | None = None
    trigger: str = ""
    closed: bool = False
    values: dict[str, dict[str, Json]] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Json]:
        blocks: list[Json] = self.body.get("blocks") or []
        return blocks

    @property
    def title(self) -> str:
        return str((self.body.get("title") or {}).get("text", ""))

    def shown(self) -> Json:
        """The view as Slack returns it and puts it into payloads."""
        body = self.body
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "type": self.kind,
            "blocks": self.blocks,
            "private_metadata": body.get("private_metadata", ""),
            "callback_id": body.get("callback_id", ""),
            "state": {"values": self.values},
            "hash": self.hash,
            "title": body.get("title") or {"type": "plain_text", "text": "View Title", "emoji": True},
            "clear_on_close": bool(body.get("clear_on_close", False)),
            "notify_on_close": bool(body.get("notify_on_close", False)),
            "close": body.get("close"),
            "submit": body.get("submit"),
            "previous_view_id": self.previous_id,
            "root_view_id": self.root_id,
            "app_id": APP_ID,
            "external_id": body.get("external_id", ""),
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
        }


@dataclass(slots=True)
class Trigger:
    id: str
    user: str
    made_at_s: float
    view_id: str | None = None
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    key: str
    user: str
    channel: str
    made_at_s: float
    uses: int = 0
    original: Message | None = None
    replies: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Upload:
    """A file on its way: bytes arrive at the upload URL, then it is completed."""

    id: str
    name: str
    length: int
    body: bytes | None = None
    title: str = ""
    alt_text: str = ""
    mimetype: str = "text/plain"
    mode: str = "hosted"
    readable: bool = True

    def shown(self, url: str) -> Json:
        """The file as it stands in a message. `url`: of the workspace."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.name.rpartition(".")[2] if "." in self.name else "text",
            "mode": self.mode,
            "size": len(self.body or b""),
            "alt_txt": self.alt_text,
            "url_private": f"{url}/files/{self.id}/{self.name}",
            "url_private_download": f"{url}/files/{self.id}/download/{self.name}",
        }


Listener = Callable[[str, Any], None]


class Workspace:
    """Everything the stand-in Slack knows. `listeners` are told (kind, thing) on each change."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {person.id: person for person in (MARA, JONAS, GUEST, BOT)}
        everyone = {MARA.id, JONAS.id, GUEST.id, BOT_USER}
        self.channels: dict[str, Channel] = {
            RELEASES: Channel(RELEASES, "releases", set(everyone), topic="What went out, and what did not"),
            OPS: Channel(OPS, "tokenwatch-ops", everyone - {GUEST.id}, topic="For the people who run the bot"),
            GENERAL: Channel(GENERAL, "general", everyone - {BOT_USER}, topic="Nobody invited the bot here"),
        }
        self.usergroups: dict[str, set[str]] = {"S07RELENG01": {MARA.id, JONAS.id}}
        self.messages: list[Message] = []
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.trigger_lives_s = TRIGGER_LIVES_S
        self.uploads: dict[str, Upload] = {}
        self.listeners: list[Listener] = []
        self.url = ""
        self.time_ns = time.time_ns  # the sandbox travels in time
        self._by_ts: dict[tuple[str, str], Message] = {}
        self._last_ts = 0

    def tell(self, kind: str, thing: Any) -> None:
        for listener in list(self.listeners):
            listener(kind, thing)

    def next_ts(self) -> str:
        """Microseconds, strictly rising, as Slack's message ids are."""
        self._last_ts = max(self._last_ts + 1, self.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # --- channels ----------------------------------------------------------------------------------------------------

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        return channel

    def add_person(self, person: Person, *channels: str) -> Person:
        self.people[person.id] = person
        for channel in channels:
            self.channels[channel].members.add(person.id)
        return person

    def dm(self, user: str) -> Channel:
        """The direct conversation of the bot with a person, opened when first needed."""
        for channel in self.channels.values():
            if channel.dm_with == user:
                return channel
        return self.add_channel(Channel("D" + user[1:], user, {user, BOT_USER}, private=True, dm_with=user))

    # --- messages ----------------------------------------------------------------------------------------------------

    def post(self, message: Message) -> Message:
        self.messages.append(message)
        self._by_ts[message.channel, message.ts] = message
        parent = self.find(message.channel, message.thread_ts) if message.thread_ts else None
        if parent is not None and parent is not message and message.ephemeral_to is None:
            parent.replies.append(message)
        self.tell("message", message)
        return message

    def edit(self, message: Message, text: str, blocks: list[Json], attachments: list[Json]) -> None:
        message.edits.append(Edit(message.text, message.blocks, time.monotonic()))
        message.text, message.blocks, message.attachments = text, blocks, attachments
        message.edited_ts = self.next_ts()
        self.tell("message", message)

    def delete(self, message: Message) -> None:
        message.deleted = True
        parent = self.find(message.channel, message.thread_ts) if message.thread_ts else None
        if parent is not None and message in parent.replies:
            parent.replies.remove(message)
        self.tell("message", message)

    def find(self, channel: str, ts: str | None) -> Message | None:
        message = self._by_ts.get((channel, ts or ""))
        return message if message is not None and not message.deleted else None

    def in_channel(self, channel: str, *, ephemeral: bool = False) -> list[Message]:
        """Oldest first; messages only one person sees are left out unless asked for."""
        return [
            message
            for message in self.messages
            if message.channel == channel and not message.deleted and (ephemeral or message.ephemeral_to is None)
        ]

    # --- triggers, answers, views ------------------------------------------------------------------------------------

    def new_trigger(self, user: str, view_id: str | None = None) -> Trigger:
        trigger = Trigger(f"{secrets.randbelow(10**12)}.{secrets.token_hex(8)}", user, time.monotonic(), view_id)
        self.triggers[trigger.id] = trigger
        return trigger

    def new_response_url(self, user: str, channel: str, original: Message | None = None) -> ResponseUrl:
        made = ResponseUrl(secrets.token_urlsafe(18), user, channel, time.monotonic(), original=original)
        self.response_urls[made.key] = made
        return made

    def new_view(self, user: str, kind: str, body: Json, *, trigger: str = "", below: View | None = None) -> View:
        view_id = f"V{secrets.token_hex(5).upper()}"
        root = below.root_id if below is not None else view_id
        view = View(view_id, user, kind, body, self.new_hash(), root, below.id if below else None, trigger)
        self.views[view.id] = view
        self.tell("view", view)
        return view

    def new_hash(self) -> str:
        return f"{time.time():.0f}.{secrets.token_hex(4)}"

    def stack(self, root_id: str) -> list[View]:
        """The open views of one modal, bottom first."""
        return [view for view in self.views.values() if view.root_id == root_id and not view.closed]

    def close(self, view: View) -> None:
        view.closed = True
        self.tell("view", view)
