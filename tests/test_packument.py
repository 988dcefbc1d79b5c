"""What the registry says of a package: read as a stream, bounded, kept by its ETag, never with a credential."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.demo.outside import Outside
from bot.demo.serving import Serving
from bot.errors import GiveUp, TryAgain
from bot.evidence import Published, Release
from bot.registries.npm import packument
from bot.registries.npm.packument import NpmRegistry
from bot.registries.npm.packument_stream import Malformed, PackumentReader, Summary

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest_asyncio.fixture
async def npm(outside: Outside) -> AsyncIterator[NpmRegistry]:
    async with aiohttp.ClientSession() as session:
        yield NpmRegistry(session, outside.registry_url)


async def test_versions_the_latest_tag_and_how_the_newest_came(outside: Outside, npm: NpmRegistry) -> None:
    outside.registry.publish("@acme/ui", "2.3.0", at=NOW - timedelta(days=9))
    outside.registry.publish("@acme/ui", "2.4.0", by="oidc", at=NOW)
    outside.registry.publish("@acme/ui", "1.9.9", by="mara-k", tag=None, at=NOW + timedelta(hours=1))
    assert await npm.published("@acme/ui") == Published(
        name="@acme/ui",
        exists=True,
        versions=frozenset({"2.3.0", "2.4.0", "1.9.9"}),
        latest="2.4.0",
        newest=Release("1.9.9", NOW + timedelta(hours=1), "token", "mara-k", repository=""),
        earlier=(Release("2.4.0", NOW), Release("2.3.0", NOW - timedelta(days=9))),
    )
    told = await npm.told("@acme/ui", Release("2.4.0", NOW))
    assert (told.by, told.publisher) == ("oidc", "GitHub Actions")


@pytest.mark.parametrize(("by", "how", "who"), [("oidc", "oidc", "GitHub Actions"), ("token", "token", "acme-ci")])
async def test_a_trusted_publisher_is_told_from_a_token(
    outside: Outside, npm: NpmRegistry, by: str, how: str, who: str
) -> None:
    outside.registry.publish("kit", "1.0.0", by=by, at=NOW)
    assert (await npm.published("kit")).newest == Release("1.0.0", NOW, how, who, repository="")  # type: ignore[arg-type]


async def test_a_name_nobody_published(npm: NpmRegistry) -> None:
    assert await npm.published("@acme/nothing") == Published(name="@acme/nothing", exists=False)


@pytest.mark.parametrize("name", ["", " kit", "k" * 300])
async def test_what_is_no_name_is_not_asked_for(outside: Outside, npm: NpmRegistry, name: str) -> None:
    with pytest.raises(GiveUp):
        await npm.published(name)
    assert outside.registry.requests == []


async def test_what_did_not_change_is_not_sent_again(outside: Outside, npm: NpmRegistry) -> None:
    outside.registry.publish("kit", "1.0.0", at=NOW)
    first = await npm.published("kit")
    assert await npm.published("kit") == first
    assert [asked.status for asked in outside.registry.requests] == [200, 200, 304]
    outside.registry.publish("kit", "1.0.1", at=NOW + timedelta(hours=1))
    assert "1.0.1" in (await npm.published("kit")).versions


async def test_no_request_carries_a_credential(outside: Outside, npm: NpmRegistry) -> None:
    outside.registry.publish("kit", "1.0.0")
    await npm.published("kit")
    assert outside.registry.requests
    for asked in outside.registry.requests:
        assert not {"authorization", "cookie", "npm-otp"} & {name.lower() for name in asked.headers}


async def test_fifty_megabytes_are_read_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packument, "WHOLE_S", 60.0)  # this is about memory, which tracing makes slow
    manifest = {"description": 'x "quoted" \\ {[' * 10, "dependencies": {f"d{n}": "^1.0.0" for n in range(150)}}
    manifest_text = json.dumps(manifest).encode()
    numbers = [f"1.0.{n}".encode() for n in range(15_000)]
    sent = 0

    def parts() -> Iterator[bytes]:
        yield b'{"versions": {'
        for number in numbers:
            yield b'"%s": %s,' % (number, manifest_text)
        yield b'"2.0.0": {}}, "readme": "'
        for _ in range(100):
            yield b"r" * 100_000
        yield b'", "time": {'
        for number in numbers:
            yield b'"%s": "2026-01-01T00:00:00.000Z",' % number
        yield b'"2.0.0": "2026-11-20T12:00:00.000Z"}}'

    async def whole(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        for part in parts():
            sent += len(part)
            await answer.write(part)
        return answer

    app = web.Application()
    app.router.add_get("/old", whole)
    async with Serving(app) as registry, aiohttp.ClientSession() as session:
        tracemalloc.start()
        try:
            found = await NpmRegistry(session, registry.url).published("old")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sent > 50_000_000
    assert (len(found.versions), found.newest) == (15_001, Release("2.0.0", NOW))
    assert peak < 12_000_000


async def test_a_registry_too_slow_for_the_whole_packument_gives_its_short_form(
    outside: Outside, npm: NpmRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packument, "WHOLE_S", 0.2)
    outside.registry.publish("kit", "1.0.0")
    outside.registry.fail("GET /kit$", delay_s=1.0)
    found = await npm.published("kit")
    assert (found.versions, found.latest, found.newest) == (frozenset({"1.0.0"}), "1.0.0", None)
    asked = [asked for asked in outside.registry.requests if packument.SHORT in asked.headers.values()]
    assert [request.status for request in asked] == [200]


async def test_a_packument_that_is_too_large_gives_its_short_form(
    outside: Outside, npm: NpmRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packument, "LARGEST", 100_000)
    outside.registry.package("kit", padding=200_000)
    outside.registry.publish("kit", "1.0.0")
    assert (await npm.published("kit")).versions == frozenset({"1.0.0"})


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"status": 200, "body": "<html>"}])
async def test_a_version_whose_manifest_cannot_be_read_keeps_its_time(
    outside: Outside, npm: NpmRegistry, fault: dict[str, Any]
) -> None:
    outside.registry.publish("kit", "1.0.0", at=NOW)
    outside.registry.fail("GET /kit/1.0.0", times=None, **fault)
    assert (await npm.published("kit")).newest == Release("1.0.0", NOW)
    outside.registry.recover()
    assert (await npm.published("kit")).newest == Release("1.0.0", NOW, "token", "acme-ci", repository=""), (
        "it is asked again"
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500}, "registry-refused"),
        ({"status": 403}, "registry-refused"),
        ({"status": 429, "headers": {"retry-after": "30"}}, "registry-rate-limited"),
        ({"drop": True}, "registry-unreachable"),
        ({"status": 200, "body": "<html>busy</html>"}, "registry-malformed"),
        ({"status": 200, "body": '{"versions": {"1.0.0": {'}, "registry-malformed"),
        ({"status": 200, "body": "[]"}, "registry-malformed"),
        ({"status": 200, "body": ""}, "registry-malformed"),
    ],
)
async def test_a_registry_that_answers_badly(
    outside: Outside, npm: NpmRegistry, fault: dict[str, Any], reason: str
) -> None:
    outside.registry.publish("kit", "1.0.0")
    outside.registry.fail("GET /kit$", times=None, **fault)
    with pytest.raises(TryAgain) as said:
        await npm.published("kit")
    assert said.value.reason == reason
    assert said.value.after_s == (30.0 if reason == "registry-rate-limited" else None)


@pytest.mark.parametrize(
    "body",
    [
        {"versions": [], "time": {}, "dist-tags": []},
        {"versions": "x", "time": {"1.0.0": 5}, "dist-tags": {"latest": 1}},
        {"versions": {"1.0.0": None}, "time": {"1.0.0": "yesterday"}, "dist-tags": None},
        {"versions": {"../../x": {}}, "time": {"../../x": "2026-11-20T12:00:00Z"}},
        {},
    ],
)
async def test_parts_of_other_types_are_left_out(outside: Outside, npm: NpmRegistry, body: Any) -> None:
    outside.registry.fail("GET /kit$", status=200, body=json.dumps(body))
    found = await npm.published("kit")
    assert (found.exists, found.newest) == (True, None)
    assert found.latest is None


async def test_a_version_that_was_unpublished_is_not_the_newest(outside: Outside, npm: NpmRegistry) -> None:
    outside.registry.publish("kit", "1.0.0", at=NOW)
    body = {
        "versions": {"1.0.0": {}},
        "time": {"1.0.0": "2026-11-20T12:00:00Z", "1.0.1": "2026-11-21T12:00:00Z", "modified": "2026-11-22T00:00:00Z"},
    }
    outside.registry.fail("GET /kit$", status=200, body=json.dumps(body))
    assert (await npm.published("kit")).newest == Release("1.0.0", NOW, "token", "acme-ci", repository="")


def read(data: bytes, sizes: list[int]) -> Summary:
    reader = PackumentReader()
    at = 0
    while at < len(data):
        for size in sizes:
            reader.feed(data[at : at + size])
            at += size
    return reader.finish()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
PACKUMENTS = st.dictionaries(
    st.sampled_from(["versions", "time", "dist-tags", "readme", "x"]) | st.text(max_size=5),
    JSON | st.dictionaries(st.text(max_size=6), JSON | st.text(), max_size=4),
    max_size=6,
)


@settings(max_examples=400, deadline=None)
@given(PACKUMENTS, st.lists(st.integers(1, 30), min_size=1, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_the_stream_says_what_the_whole_says(body: Any, sizes: list[int], indent: int | None, ascii_only: bool) -> None:
    def texts(value: Any) -> dict[str, str]:
        return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}

    versions = body.get("versions")
    expected = Summary(
        frozenset(versions) if isinstance(versions, dict) else frozenset(),
        texts(body.get("dist-tags")),
        texts(body.get("time")),
    )
    data = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode()
    assert read(data, sizes) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.text('{}[]":,\\ax1 ', max_size=60).map(str.encode), st.integers(1, 9))
def test_any_bytes_are_read_or_malformed(data: bytes, size: int) -> None:
    try:
        read(data, [size])
    except Malformed:
        return
    assert data.strip().startswith(b"{")


def test_a_name_without_an_end_is_not_collected() -> None:
    reader = PackumentReader()
    reader.feed(b'{"versions": {"')
    with pytest.raises(Malformed):
        for _ in range(10):
            reader.feed(b"x" * 5_000)


async def test_several_packages_at_once_do_not_mix(outside: Outside, npm: NpmRegistry) -> None:
    for number in range(6):
        outside.registry.publish(f"kit-{number}", f"1.0.{number}", at=NOW)
    found = await asyncio.gather(*(npm.published(f"kit-{number}") for number in range(6)))
    assert [set(published.versions) for published in found] == [{f"1.0.{number}"} for number in range(6)]
