"""The sandbox page: a chat in the browser onto the stand-in Slack, live, on loopback only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.demo.serving import Handler
from bot.demo.slack import BOT_USER, Message, Slack, View
from bot.demo.slack.interactions import block_id_of
from bot.demo.slack.rules import elements_of
from bot.demo.slack.slack import SLACKBOT, Answer
from bot.demo.times import Times
from bot.diagnosis.engine import diagnose

Json = dict[str, Any]
FILES = Path(__file__).with_name("page")
KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Nothing from anywhere else: no font, no image, no script, no request.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"
)
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
BEAT_S = 15.0
LARGEST_LOG = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Playable:
    """Something a person at the page can let happen: `see` says what to look for."""

    id: str
    title: str
    see: str
    play: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A completion of the slash command."""

    name: str
    takes: str
    does: str


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`kind` "global" or "message"."""

    callback_id: str
    name: str
    kind: str


class Sandbox:
    """`app` serves the page; `playables`, `verbs` and `shortcuts` are what it offers besides the chat."""

    def __init__(self, slack: Slack) -> None:
        self.playables: list[Playable] = []
        self.verbs: Sequence[Verb] = ()
        self.shortcuts: Sequence[Shortcut] = ()
        self.times = Times()
        self.travelled: Callable[[], Awaitable[None]] | None = None
        self.command = "/tokens"
        self._slack = slack
        self._streams: set[asyncio.Queue[tuple[str, Any]]] = set()
        self._playing: set[str] = set()
        slack.workspace.listeners.append(self._changed)
        self.app = web.Application(middlewares=[_guarded], client_max_size=LARGEST_LOG)
        self.app.router.add_get("/", self._file)
        self.app.router.add_get(r"/{name:[a-z_]+\.(?:css|js|svg)}", self._file)
        self.app.router.add_get("/api/state", self._state)
        self.app.router.add_get("/api/pictures/{id}", self._picture)
        self.app.router.add_get("/api/events", self._events)
        for name, does in (
            ("say", self._say),
            ("click", self._click),
            ("submit", self._submit),
            ("close", self._close),
            ("home", self._home),
            ("shortcut", self._shortcut),
            ("suggest", self._suggest),
            ("play", self._play),
            ("travel", self._travel),
            ("diagnose", self._diagnose),
        ):
            self.app.router.add_post(f"/api/{name}", does)

    # --- the page and what it shows ----------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = FILES / request.match_info.get("name", "index.html")
        if not await asyncio.to_thread(path.is_file):
            raise web.HTTPNotFound
        text = await asyncio.to_thread(path.read_text, "utf-8")
        return web.Response(text=text, content_type=KINDS[path.suffix])

    async def _picture(self, request: web.Request) -> web.Response:
        upload = self._slack.workspace.uploads.get(request.match_info["id"])
        if upload is None or upload.body is None or upload.mimetype != "image/png":
            raise web.HTTPNotFound
        return web.Response(body=upload.body, content_type=upload.mimetype)

    async def _state(self, request: web.Request) -> web.Response:
        """Everything one person may see."""
        user, space = self._user(request.query.get("user", "")), self._slack.workspace
        channels = [
            {
                "id": channel.id,
                "name": channel.name,
                "topic": channel.topic,
                "dm": channel.dm_with is not None,
                "bot": BOT_USER in channel.members,
            }
            for channel in space.channels.values()
            if user in channel.members
        ]
        return web.json_response(
            {
                "me": user,
                "people": [asdict(person) for person in space.people.values()],
                "channels": channels,
                "dm": space.dm(user).id,
                "messages": [self._shown(m) for m in space.messages if not m.deleted and self._may_see(m, user)],
                "views": [view.shown() for view in self._slack.views(user)],
                "home": home.shown() if (home := self._slack.home(user)) else None,
                "playables": [{"id": one.id, "title": one.title, "see": one.see} for one in self.playables],
                "command": self.command,
                "verbs": [asdict(verb) for verb in self.verbs],
                "shortcuts": [asdict(shortcut) for shortcut in self.shortcuts],
                "time": self._time(),
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Changes as server-sent events, only what this person may see."""
        user = self._user(request.query.get("user", ""))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await answer.prepare(request)
        changes: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._streams.add(changes)
        try:
            await answer.write(b"event: hello\ndata: {}\n\n")
            while True:
                try:
                    kind, thing = await asyncio.wait_for(changes.get(), BEAT_S)
                except TimeoutError:
                    await answer.write(b": still here\n\n")
                    continue
                data = self._event_for(user, kind, thing)
                if data is not None:
                    await answer.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        except ConnectionResetError:
            return answer
        finally:
            self._streams.discard(changes)

    def _changed(self, kind: str, thing: Any) -> None:
        for stream in self._streams:
            stream.put_nowait((kind, thing))

    def _event_for(self, user: str, kind: str, thing: Any) -> Json | None:
        if isinstance(thing, Message) and self._may_see(thing, user):
            return self._shown(thing)
        if isinstance(thing, View) and thing.user == user:
            return {**thing.shown(), "closed": thing.closed}
        return thing if kind in ("playing", "time") else None

    def _may_see(self, message: Message, user: str) -> bool:
        if message.ephemeral_to is not None:
            return message.ephemeral_to == user
        return user in self._slack.workspace.channels[message.channel].members

    def _shown(self, message: Message) -> Json:
        return {
            "channel": message.channel,
            "ts": message.ts,
            "user": message.user,
            "by_bot": message.by_bot,
            "by_slack": message.user == SLACKBOT,
            "text": message.text,
            "blocks": message.blocks,
            "thread_ts": message.thread_ts,
            "ephemeral": message.ephemeral_to is not None,
            "edited": message.edited_ts is not None,
            "deleted": message.deleted,
            "files": message.files,
        }

    # --- what a person does ------------------------------------------------------------------------------------------

    async def _say(self, request: web.Request) -> web.Response:
        """A message, or a slash command when it begins with one."""
        given = await request.json()
        user, channel, text = self._user(given["user"]), str(given["channel"]), str(given["text"]).strip()
        if not text:
            raise web.HTTPBadRequest(text="nothing to say")
        name, _, rest = text.partition(" ")
        if name == self.command:
            answer = await self._slack.command(name, rest.strip(), user=user, channel=channel, wait_s=0)
            return _answered(answer)
        if name.startswith("/"):
            return web.json_response({"error": f"{name} is not a command here; try {self.command}"})
        self._slack.say(text, user=user, channel=channel, thread_ts=given.get("thread_ts"))
        return web.json_response({})

    async def _click(self, request: web.Request) -> web.Response:
        given = await request.json()
        user = self._user(given["user"])
        on = self._view(given["view"]) if given.get("view") else self._message(given["channel"], given["ts"])
        answer = await self._slack.click(
            on,
            str(given["action"]),
            user,
            value=given.get("value"),
            block_id=given.get("block"),
            state=given.get("state"),
            wait_s=0,
        )
        return _answered(answer)

    async def _submit(self, request: web.Request) -> web.Response:
        given = await request.json()
        view = self._view(given["view"])
        known = {element.get("action_id") for block in view.blocks for element in elements_of(block)}
        known |= {block_id_of(block, place) for place, block in enumerate(view.blocks)}
        values = {name: value for name, value in given["values"].items() if name in known}
        done = await self._slack.submit(view, values, self._user(given["user"]))
        return web.json_response({"errors": dict(done.errors), "error": done.error, "action": done.action})

    async def _close(self, request: web.Request) -> web.Response:
        given = await request.json()
        await self._slack.close(self._view(given["view"]), all_of_them=bool(given.get("all")))
        return web.json_response({})

    async def _home(self, request: web.Request) -> web.Response:
        given = await request.json()
        sent = await self._slack.open_home(self._user(given["user"]))
        return web.json_response({} if sent.ok else {"error": "The app did not answer."})

    async def _shortcut(self, request: web.Request) -> web.Response:
        given = await request.json()
        user = self._user(given["user"])
        if given.get("ts"):
            message = self._message(given["channel"], given["ts"])
            return _answered(await self._slack.message_action(str(given["callback"]), message, user, wait_s=0))
        return _answered(await self._slack.shortcut(str(given["callback"]), user, wait_s=0))

    async def _suggest(self, request: web.Request) -> web.Response:
        given = await request.json()
        options = await self._slack.suggest(self._view(given["view"]), str(given["action"]), str(given["typed"]))
        return web.json_response({"options": options})

    async def _play(self, request: web.Request) -> web.Response:
        """Lets something happen; a second press while it happens is refused."""
        wanted = (await request.json())["id"]
        playable = next((one for one in self.playables if one.id == wanted), None)
        if playable is None:
            raise web.HTTPNotFound
        if playable.id in self._playing:
            return web.json_response({"error": "It is already under way."})
        self._playing.add(playable.id)
        self._changed("playing", {"id": playable.id, "on": True})
        try:
            await playable.play()
        finally:
            self._playing.discard(playable.id)
            self._changed("playing", {"id": playable.id, "on": False})
        return web.json_response({})

    # --- time, and a log of one's own --------------------------------------------------------------------------------

    def _time(self) -> Json:
        """`ahead_ms`: of the browser's own clock."""
        places = [] if self.travelled is None else self.times.destinations()
        return {
            "now": self.times.now().isoformat(timespec="seconds"),
            "ahead_ms": int(self.times.ahead.total_seconds() * 1000),
            "destinations": [{"id": place.id, "title": place.title} for place in places],
        }

    async def _travel(self, request: web.Request) -> web.Response:
        wanted = (await request.json())["to"]
        place = next((one for one in self.times.destinations() if one.id == wanted), None)
        if place is None or self.travelled is None:
            raise web.HTTPNotFound
        self.times.travel(place.at)
        self._changed("time", self._time())
        await self.travelled()
        return web.json_response({})

    async def _diagnose(self, request: web.Request) -> web.Response:
        """What the bot would find in a log; nothing of it is kept."""
        log = str((await request.json())["log"]).encode("utf-8", "replace")
        found = await asyncio.to_thread(diagnose, [log], self.times.now())
        return web.json_response({"sentence": found.sentence, **found.to_json()})

    # --- who and what ------------------------------------------------------------------------------------------------

    def _user(self, user: str) -> str:
        if user not in self._slack.workspace.people:
            raise web.HTTPBadRequest(text="no such person")
        return user

    def _view(self, view_id: str) -> View:
        view = self._slack.workspace.views.get(view_id)
        if view is None:
            raise web.HTTPNotFound
        return view

    def _message(self, channel: str, ts: str) -> Message:
        message = self._slack.workspace.find(channel, ts)
        if message is None:
            raise web.HTTPNotFound
        return message


def _answered(answer: Answer) -> web.Response:
    return web.json_response({"error": answer.error} if answer.error else {})


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only this machine's own browser, and only this page in it, may act."""
    if request.host.rsplit(":", 1)[0] not in LOOPBACK:
        raise web.HTTPForbidden(text="loopback only")
    if request.method == "POST" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        answer = await handler(request)
    except (KeyError, LookupError, json.JSONDecodeError) as wrong:
        raise web.HTTPBadRequest(text=f"not understood: {wrong}") from wrong
    if not answer.prepared:
        answer.headers.update(
            {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        )
    return answer
