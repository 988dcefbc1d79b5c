"""The HTTP side of the stand-in Slack: /api/<method>, response URLs, file uploads and the Socket Mode endpoint."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.demo.serving import MAX_BODY, Fault, Faults, drop
from bot.demo.slack.args import Args, Json
from bot.demo.slack.methods import METHODS, SCOPES
from bot.demo.slack.refused import Refused
from bot.demo.slack.response_urls import respond
from bot.demo.slack.socket_mode import SocketMode
from bot.demo.slack.workspace import TEAM_ID, Workspace

BOT_TOKEN = "xoxb-sandbox"  # noqa: S105 - opens nothing but this stand-in
APP_TOKEN = "xapp-sandbox"  # noqa: S105 - opens nothing but this stand-in


NO_FAULT = Fault(re.compile(""))


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call. `error` is Slack's code, "ok", or the HTTP status of a fault. `at_s` is monotonic."""

    method: str
    args: Json
    at_s: float
    status: int
    error: str
    answer: Json


class Server:
    def __init__(self, workspace: Workspace) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self.scopes = set(SCOPES)
        self.bot_token = BOT_TOKEN
        self.app_token = APP_TOKEN
        self.team_id = TEAM_ID
        self.socket_mode = SocketMode()
        self._workspace = workspace
        self.app = web.Application(client_max_size=MAX_BODY)
        self.app.router.add_route("*", "/api/{method}", self.api)
        self.app.router.add_post("/response/{key}", self._response_url)
        self.app.router.add_post("/upload/{id}", self._upload)
        self.app.router.add_get("/files/{id}/{name:.+}", self._file)
        self.app.router.add_get("/link", self.socket_mode.accept)
        self.app.on_shutdown.append(self._shut)

    async def _shut(self, app: web.Application) -> None:
        await self.socket_mode.close()

    async def api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        given, at_s = await _given(request), time.monotonic()
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        token = bearer or str(given.pop("token", "") or "")
        given.pop("token", None)
        fault = self.faults.take(method) or NO_FAULT
        loses_answer = fault.drop or fault.status is not None
        if not fault.after_accepting:
            await asyncio.sleep(fault.delay_s)
        carried_out = fault.after_accepting or not loses_answer
        answer = self._called(method, given, token) if carried_out else {"ok": False, "error": "never carried out"}
        if fault.after_accepting:
            await asyncio.sleep(fault.delay_s)
        if not loses_answer:
            error = "ok" if answer.get("ok") else str(answer.get("error"))
            self.calls.append(Call(method, given, at_s, 200, error, answer))
            text = json.dumps(answer).replace(TEAM_ID, self.team_id)
            return web.json_response(text=text, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))})
        self.calls.append(Call(method, given, at_s, fault.status or 0, _fault_name(fault), answer))
        return drop(request) if fault.drop else _faulted(fault)

    def _called(self, name: str, given: Json, token: str) -> Json:
        if name == "apps.connections.open":
            return self._open_connection(token)
        method = METHODS.get(name)
        if method is None:
            return {"ok": False, "error": "unknown_method", "req_method": name}
        if not token:
            return {"ok": False, "error": "not_authed"}
        if token != self.bot_token:
            return {"ok": False, "error": "invalid_auth"}
        if method.scope is not None and method.scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            return {"ok": False, "error": "missing_scope", "needed": method.scope, "provided": provided}
        try:
            return {"ok": True, **method.run(self._workspace, Args(given))}
        except Refused as refused:
            return _no(refused)

    def _open_connection(self, token: str) -> Json:
        if token != self.app_token:
            return {"ok": False, "error": "not_allowed_token_type" if token == self.bot_token else "invalid_auth"}
        ticket = self.socket_mode.new_ticket()
        return {"ok": True, "url": f"{self._workspace.url.replace('http', 'ws', 1)}/link?ticket={ticket}"}

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("response_url") or NO_FAULT
        await asyncio.sleep(fault.delay_s)
        if fault.drop:
            return drop(request)
        if fault.status is not None:
            return _faulted(fault)
        given, at_s = await _given(request), time.monotonic()
        try:
            respond(self._workspace, request.match_info["key"], Args(given))
        except Refused as refused:
            self.calls.append(Call("response_url", given, at_s, 404, refused.error, _no(refused)))
            return web.json_response(_no(refused), status=404 if refused.error.endswith("_url") else 400)
        self.calls.append(Call("response_url", given, at_s, 200, "ok", {"ok": True}))
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        upload = self._workspace.uploads.get(request.match_info["id"])
        if upload is None:
            return web.Response(status=404, text="file not found")
        upload.body = await request.read()
        return web.Response(text=f"OK - {len(upload.body)}")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """A shared file, for those who may read it; Slack sends all others to its sign-in page."""
        upload = self._workspace.uploads.get(request.match_info["id"])
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        fault = self.faults.take("files")
        if fault is not None:
            return drop(request) if fault.drop else _faulted(fault)
        if upload is None or bearer != self.bot_token or "files:read" not in self.scopes or not upload.readable:
            return web.Response(status=302, headers={"Location": "https://acme.slack.com/?redir=files"})
        return web.Response(body=upload.body or b"", content_type=upload.mimetype)


def _no(refused: Refused) -> Json:
    answer: Json = {"ok": False, "error": refused.error, **refused.extra}
    if refused.messages:
        answer |= {"errors": refused.messages, "response_metadata": {"messages": refused.messages}}
    return answer


def _faulted(fault: Fault) -> web.Response:
    return web.Response(
        status=fault.status or 500, text=fault.body or "", headers=fault.headers, content_type="application/json"
    )


def _fault_name(fault: Fault) -> str:
    """Slack's error code where the fault has one, "dropped", or the HTTP status."""
    if fault.drop:
        return "dropped"
    return str(json.loads(fault.body)["error"]) if fault.body else str(fault.status)


async def _given(request: web.Request) -> Json:
    """Arguments from query, form or JSON; what is not an object of arguments counts as none."""
    given: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body: Any = json.loads(await request.read() or b"{}")
        except ValueError:
            body = {}
        given |= body if isinstance(body, dict) else {}
    elif request.can_read_body:
        given |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return given
