"""A registry that runs on this machine: packuments as npm serves them, and versions published meanwhile."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from bot.demo.serving import MAX_BODY, Asked, Fault, Faults, faulty

Json = dict[str, Any]
ABBREVIATED = "application/vnd.npm.install-v1+json"


@dataclass(frozen=True, slots=True)
class Version:
    """`by`: "oidc" (a trusted publisher), "token", or anything else as the publisher's user name."""

    number: str
    at: datetime
    by: str
    tag: str | None


@dataclass(slots=True)
class Package:
    """`padding`: bytes of readme, to make a packument huge."""

    name: str
    repository: str | None = None
    versions: dict[str, Version] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    padding: int = 0


class Registry:
    """`packages` is what exists, `requests` what was asked, `tokens` maps a bearer to the user it belongs to."""

    def __init__(self) -> None:
        self.packages: dict[str, Package] = {}
        self.requests: list[Asked] = []
        self.tokens: dict[str, str] = {}
        self.staged: list[Json] = []  # as npm's stage list shows them; `stage` adds one
        self._faults = Faults()
        self.app = web.Application(middlewares=[faulty(self._faults, self.requests)], client_max_size=MAX_BODY)
        self.app.router.add_get("/-/ping", self._ping)
        self.app.router.add_get("/-/whoami", self._whoami)
        self.app.router.add_get("/-/stage", self._stage_list)
        self.app.router.add_get("/{name:.+}", self._packument)

    def package(self, name: str, *, repository: str | None = None, padding: int = 0) -> Package:
        """The package, made when it is new. `repository`: `acme/ui`."""
        held = self.packages.setdefault(name, Package(name))
        held.repository = repository or held.repository
        held.padding = padding or held.padding
        return held

    def publish(
        self, name: str, version: str, by: str = "token", *, tag: str | None = "latest", at: datetime | None = None
    ) -> Version:
        held = self.package(name)
        made = held.versions[version] = Version(version, at or datetime.now(UTC), by, tag)
        if tag is not None:
            held.tags[tag] = version
        return made

    def stage(self, name: str, version: str, *, at: datetime | None = None, actor: str = "GitHub Actions") -> str:
        """A version that waits for approval; returns its id."""
        ident = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}@{version}"))
        self.staged.append(
            {
                "id": ident,
                "packageName": name,
                "version": version,
                "tag": "latest",
                "createdAt": _iso(at or datetime.now(UTC)),
                "actor": actor,
                "actorType": "trusted automation",
                "access": "public",
                "shasum": "0" * 40,
            }
        )
        return ident

    def unstage(self, ident: str) -> None:
        self.staged = [item for item in self.staged if item["id"] != ident]

    def fail(
        self,
        path_regex: str = ".",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        times: int | None = 1,
        delay_s: float = 0.0,
        drop: bool = False,
    ) -> Fault:
        return self._faults.add(Fault(re.compile(path_regex), status, headers or {}, body, times, delay_s, False, drop))

    def recover(self) -> None:
        self._faults.clear()

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _whoami(self, request: web.Request) -> web.Response:
        user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return web.json_response({"error": "Unauthorized"}, status=401, headers={"www-authenticate": "Bearer"})
        return web.json_response({"username": user})

    async def _stage_list(self, request: web.Request) -> web.Response:
        if self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer ")) is None:
            return web.json_response({"error": "Unauthorized"}, status=401, headers={"www-authenticate": "Bearer"})
        page, size = int(request.query.get("page", "1")), min(100, int(request.query.get("perPage", "10")))
        items = self.staged[(page - 1) * size : page * size]
        return web.json_response({"items": items, "page": page, "perPage": size, "total": len(self.staged)})

    async def _packument(self, request: web.Request) -> web.Response:
        # `@acme%2fui` and `@acme/ui` are the same package; a third part names one version.
        parts = unquote(request.match_info["name"]).split("/")
        name = "/".join(parts[:2]) if parts[0].startswith("@") else parts[0]
        version = "/".join(parts[2:] if parts[0].startswith("@") else parts[1:])
        held = self.packages.get(name)
        if held is None or not held.versions:
            return web.json_response({"error": "Not found"}, status=404)
        if version:
            number = held.tags.get(version, version)
            if number not in held.versions:
                return web.json_response(f"version not found: {version}", status=404)
            return web.json_response(_manifest(held, held.versions[number]))
        short = ABBREVIATED in request.headers.get("Accept", "")
        text = json.dumps(_short(held) if short else _full(held))
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "public, max-age=300", "Vary": "accept-encoding, accept"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        kind = ABBREVIATED if short else "application/json"
        return web.Response(text=text, content_type=kind, headers=headers)


def _npm_user(version: Version) -> Json:
    if version.by == "oidc":
        return {
            "name": "GitHub Actions",
            "email": "npm-oidc-no-reply@github.com",
            "trustedPublisher": {"id": "github", "oidcConfigId": "oidc:5f0f4c1e-2f6c-4a7e-9d3c-1f2b8f4f7a10"},
        }
    name = "acme-ci" if version.by == "token" else version.by
    return {"name": name, "email": f"{name}@acme.example"}


def _repository(package: Package) -> Json | None:
    if package.repository is None:
        return None
    return {"type": "git", "url": f"git+https://github.com/{package.repository}.git"}


def _manifest(package: Package, version: Version) -> Json:
    file = package.name.rpartition("/")[2]
    digest = hashlib.sha1(f"{package.name}@{version.number}".encode(), usedforsecurity=False).hexdigest()
    body: Json = {
        "name": package.name,
        "version": version.number,
        "main": "dist/index.js",
        "dist": {
            "shasum": digest,
            "integrity": "sha512-" + digest * 2,
            "tarball": f"https://registry.npmjs.com/{package.name}/-/{file}-{version.number}.tgz",
            "fileCount": 14,
            "unpackedSize": 48_211,
        },
        "_id": f"{package.name}@{version.number}",
        "_nodeVersion": "24.11.1",
        "_npmVersion": "11.6.2",
        "_npmUser": _npm_user(version),
        "maintainers": [{"name": "mara-k", "email": "mara@acme.example"}],
    }
    if (repository := _repository(package)) is not None:
        body["repository"] = repository
    return body


def _full(package: Package) -> Json:
    times = {number: _iso(version.at) for number, version in package.versions.items()}
    ordered = sorted(version.at for version in package.versions.values())
    return {
        "_id": package.name,
        "name": package.name,
        "dist-tags": package.tags,
        "versions": {number: _manifest(package, version) for number, version in package.versions.items()},
        "time": {"created": _iso(ordered[0]), "modified": _iso(ordered[-1]), **times},
        "maintainers": [{"name": "mara-k", "email": "mara@acme.example"}],
        "repository": _repository(package),
        "license": "MIT",
        "readme": "x" * package.padding,
    }


def _short(package: Package) -> Json:
    kept = ("name", "version", "dist")
    versions = {
        number: {name: value for name, value in _manifest(package, version).items() if name in kept}
        for number, version in package.versions.items()
    }
    modified = _iso(max(version.at for version in package.versions.values()))
    return {"name": package.name, "dist-tags": package.tags, "versions": versions, "modified": modified}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
