"""The stand-in's side of "Registering a GitHub App from a manifest": the form, the way back with a code, the exchange.

The real page asks "Create GitHub App for you?" in between; here the person always says yes.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.demo.github import payloads
from bot.demo.github.answers import refuse
from bot.demo.github.payloads import Json

KEYS = {
    "name", "url", "hook_attributes", "redirect_url", "callback_urls", "setup_url", "setup_on_update", "description",
    "public", "default_events", "default_permissions", "request_oauth_on_install",
}  # fmt: skip
NAME_LIMIT = 34
# What GitHub lets an App without these permissions not subscribe to.
NEEDED = {
    "workflow_run": "actions",
    "workflow_job": "actions",
    "repository_dispatch": "contents",
    "push": "contents",
    "release": "contents",
    "registry_package": "packages",
    "repository": "metadata",
    "secret_scanning_alert": "secret_scanning_alerts",
    "personal_access_token_request": "organization_personal_access_token_requests",
    "meta": "",
}
ALWAYS_SENT = {"installation", "installation_repositories", "ping", "github_app_authorization"}


@dataclass(frozen=True, slots=True)
class Made:
    shown: Json
    public_key: str
    permissions: dict[str, str]
    events: tuple[str, ...]


class Registering:
    """`registered`: the manifests that were taken, in order."""

    def __init__(self) -> None:
        self.registered: list[Json] = []
        self._codes: dict[str, tuple[Json, str]] = {}

    async def new(self, request: web.Request) -> web.Response:
        form = await request.post()
        manifest = json.loads(str(form.get("manifest", "{}")))
        if wrong := wrongs(manifest):
            return web.json_response({"errors": wrong}, status=422)
        owner = request.match_info.get("org", "mara-k")
        code = secrets.token_hex(20)
        self._codes[code] = (manifest, owner)
        self.registered.append(manifest)
        query = urlencode({"code": code, "state": request.query.get("state", "")})
        return web.Response(status=302, headers={"Location": f"{manifest['redirect_url']}?{query}"})

    def convert(self, code: str) -> Made:
        """Once for each code."""
        if code not in self._codes:
            raise refuse(404, "Not Found", {})
        manifest, owner = self._codes.pop(code)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        permissions, events = manifest.get("default_permissions", {}), manifest.get("default_events", [])
        slug = str(manifest["name"]).lower().replace(" ", "-")
        shown = {
            "id": payloads.APP_ID,
            "slug": slug,
            "node_id": "A_kwDOAcme",
            "name": manifest["name"],
            "owner": payloads.user(owner, "Organization"),
            "html_url": f"https://github.com/apps/{slug}",
            "permissions": permissions,
            "events": events,
            "client_id": "Iv23liTokenwatchDemo",
            "client_secret": secrets.token_hex(20),
            "webhook_secret": secrets.token_hex(20),
            "pem": pem.decode(),
        }
        return Made(shown, public.decode(), dict(permissions), tuple(events))


def wrongs(manifest: Any) -> list[str]:
    """What GitHub would complain about, by its documentation."""
    if not isinstance(manifest, dict):
        return ["manifest is not an object"]
    said = [f"unknown key {name}" for name in manifest if name not in KEYS]
    said += [f"{name} is missing" for name in ("name", "url", "redirect_url") if not manifest.get(name)]
    if len(str(manifest.get("name", ""))) > NAME_LIMIT:
        said.append("name is too long")
    hook = urlsplit(str((manifest.get("hook_attributes") or {}).get("url", "")))
    if not hook.hostname or hook.hostname in ("localhost", "127.0.0.1"):
        said.append("hook url cannot be reached over the public Internet")
    granted = manifest.get("default_permissions") or {}
    said += [f"permission {name}: {level}" for name, level in granted.items() if level not in ("read", "write")]
    for event in manifest.get("default_events") or []:
        if event in ALWAYS_SENT:
            said.append(f"event {event} is sent always and cannot be asked for")
        elif event not in NEEDED:
            said.append(f"event {event} is not known")
        elif NEEDED[event] and NEEDED[event] not in granted:
            said.append(f"event {event} needs {NEEDED[event]}")
    return said
