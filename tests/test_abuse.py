"""What strangers may send without harm: nothing is stored, nothing is given away, and GitHub still gets through."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import math
import resource
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import app
from bot.demo.github import events
from bot.demo.outside import Outside
from bot.demo.slack.sending import sign as sign_for_slack
from bot.github import webhook
from bot.logs import set_up_logging
from handlers import bodies
from storage import deliveries
from tests import npm_logs
from tests.crashing import Child
from tests.running import KEPT, SIGNING_SECRET, WEBHOOK_SECRET, Running, running_bot, settings_for

MIB = 1024 * 1024
SLACK_FORM = "application/x-www-form-urlencoded"


def count(running: Running) -> int:
    return int(running.db.read_now(lambda c: c.value(KEPT)))


async def drip(pieces: int, piece: bytes, every_s: float) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield piece
        await asyncio.sleep(every_s)


async def unsigned(running: Running, body: Any, path: str = "/github/webhooks") -> int:
    """Status, or 0 when the connection was ended."""
    try:
        async with aiohttp.ClientSession() as session, session.post(running.bot.url + path, data=body) as reply:
            return reply.status
    except aiohttp.ClientError:
        return 0


async def test_large_bodies_of_strangers_fill_neither_the_memory_nor_the_way_in(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_AT_ONCE", 8 * MIB)  # a real bound, smaller
    large = [asyncio.create_task(unsigned(running, drip(24, b" " * MIB, 0.05))) for _ in range(6)]
    await asyncio.sleep(0.6)
    assert (await running.outside.github.send("ping", events.ping())).status == 202
    answered = await asyncio.gather(*large)
    assert set(answered) <= {0, 401, 503} and {0, 503} & set(answered)
    # And afterwards there is room again.
    assert (await running.outside.github.send("ping", events.ping() | {"x": "a" * 2 * MIB})).status == 202
    await running.worked(2)
    assert count(running) == 2


def from_another_address() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(local_addr=("127.0.0.2", 0), limit=0)


async def test_one_address_cannot_take_all_the_room_for_large_bodies(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_AT_ONCE", 8 * MIB)
    monkeypatch.setattr(bodies, "MOST_OF_ONE", 4 * MIB)
    async with aiohttp.ClientSession(connector=from_another_address()) as stranger:

        async def fill() -> int:
            try:
                to = f"{running.bot.url}/github/webhooks"
                async with stranger.post(to, data=drip(40, b" " * (MIB // 4), 0.05)) as reply:
                    return reply.status
            except aiohttp.ClientError:
                return 0

        filling = [asyncio.create_task(fill()) for _ in range(12)]
        await asyncio.sleep(0.5)
        sent = await running.outside.github.send("ping", events.ping() | {"x": "a" * 3 * MIB})
        assert sent.status == 202
        assert {0, 503} & set(await asyncio.gather(*filling))
    await running.worked(1)


async def test_one_address_has_only_so_many_bodies_under_way(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "UNDER_WAY_AT_ONCE", 20)
    begun: list[asyncio.StreamWriter] = []
    answers: list[bytes] = []
    for _ in range(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.bot.port, local_addr=("127.0.0.2", 0))
        writer.write(b"POST /github/webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
        begun.append(writer)
        if len(begun) > 20:
            answers.append((await asyncio.wait_for(reader.read(200), 10))[:12])
    assert answers == [b"HTTP/1.1 503"] * 10
    # Another address is not concerned, and neither is a whole body from this one.
    assert (await running.outside.github.send("ping", events.ping())).status == 202
    async with (
        aiohttp.ClientSession(connector=from_another_address()) as session,
        session.post(f"{running.bot.url}/github/webhooks", data=b"{}") as reply,
    ):
        assert reply.status == 401
    for writer in begun:
        writer.close()


@pytest.mark.parametrize("path", ["/github/webhooks", "/slack/events"])
async def test_a_slow_sender_is_cut_and_holds_up_nobody(
    running: Running, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.3)
    slow = [asyncio.create_task(unsigned(running, drip(100, b" ", 0.1), path)) for _ in range(50)]
    await asyncio.sleep(0.1)
    assert (await running.outside.github.send("ping", events.ping())).status == 202
    assert set(await asyncio.gather(*slow)) <= {0, 408}


async def test_a_connection_that_says_nothing_or_half_a_header_is_closed(
    outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "IDLE_WITHIN_S", 0.5)
    async with running_bot(outside, settings_for(outside, tmp_path)) as running:
        for beginning in (b"", b"POST /github/webhooks HTTP/1.1\r\nHost: x\r\nX-A: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.bot.port)
            writer.write(beginning)
            await asyncio.wait_for(reader.read(), 10)  # ends when the bot closes
            writer.close()


@pytest.mark.timeout(180)
async def test_thousands_of_open_connections_do_not_keep_github_or_slack_out(
    outside: Outside, tmp_path: Path, unused_tcp_port: int
) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(100, min(10_000, soft - 1_000))
    configured = settings_for(outside, tmp_path).model_dump(exclude_unset=True)
    child = Child(configured, unused_tcp_port, tmp_path / "log")
    open_: list[asyncio.StreamWriter] = []
    async with aiohttp.ClientSession() as session:
        await child.start(session)
        outside.bot_at(child.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        try:
            while len(open_) < wanted:
                batch = [asyncio.open_connection("127.0.0.1", unused_tcp_port) for _ in range(min(100, wanted))]
                open_ += [writer for _, writer in await asyncio.gather(*batch)]
            sent = [await outside.github.send("ping", events.ping()) for _ in range(20)]
            assert [delivery.status for delivery in sent] == [202] * 20
            answer = await outside.slack.command("/tokens", "help")
            assert answer.status == 200 and answer.replies
        finally:
            for writer in open_:
                writer.close()
            await child.kill()
    assert "Traceback" not in child.log()


@pytest.mark.parametrize(
    "headers",
    [
        [(f"X-{number}", "a") for number in range(5_000)],
        [("X-Long", "a" * 1_000_000)],
        [("X-" + "n" * 100_000, "a")],
        [("X-GitHub-Event", "ping"), ("X-GitHub-Event", "push")],
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "-1")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
    ],
    ids=["many", "long value", "long name", "twice", "two lengths", "negative length", "smuggling"],
)
async def test_floods_and_tricks_of_headers_are_refused(
    running: Running, headers: list[tuple[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("info", "json")
    reader, writer = await asyncio.open_connection("127.0.0.1", running.bot.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    writer.write(f"POST /github/webhooks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\nhello".encode())
    said = b""
    with contextlib.suppress(ConnectionError):
        said = await asyncio.wait_for(reader.read(200), 15)
    assert said[:12] in (b"", b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 401")
    writer.close()
    assert "Traceback" not in capfd.readouterr().err
    assert count(running) == 0
    assert (await running.outside.github.send("ping", events.ping())).status == 202


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" * 200_000,
        b'{"repository": {"full_name": ' + b'"' + b"a" * 3 * MIB + b'"}}',
        b'{"a": ' + b"9" * 500_000 + b"}",
        b'{"a": NaN}',
        b"{" + b",".join(b'"k%d": 1' % n for n in range(200_000)) + b"}",
    ],
    ids=["deep", "deep list", "long name", "huge number", "not a number", "many keys"],
)
async def test_signed_json_of_any_shape_is_stored_or_refused_and_the_bot_goes_on(running: Running, body: bytes) -> None:
    headers = {
        "Content-Type": "application/json", "X-GitHub-Event": "ping", "X-GitHub-Delivery": "g-1",
        "X-Hub-Signature-256": webhook.sign(WEBHOOK_SECRET.encode(), body),
    }  # fmt: skip
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/github/webhooks", data=body, headers=headers) as reply,
    ):
        assert reply.status in (202, 400)
    assert (await running.outside.github.send("ping", events.ping())).status == 202
    await running.worked(1)


async def test_no_answer_tells_whether_a_delivery_repository_or_token_is_known(running: Running) -> None:
    known = await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    said = set()
    for guid, repo in ((known.guid, "acme/ui"), ("never-seen", "nobody/nothing")):
        body = json.dumps({"repository": {"full_name": repo}}).encode()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "workflow_run", "X-GitHub-Delivery": guid}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{running.bot.url}/github/webhooks", data=body, headers=headers) as reply,
        ):
            text = (await reply.text()).replace(guid, "GUID")
            said.add((reply.status, text, tuple(sorted(set(reply.headers) - {"Date"}))))
    assert len(said) == 1
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/healthz", "/readyz", "/metrics", "/nothing"):
            async with session.get(running.bot.url + path) as reply:
                text = await reply.text()
                assert "acme/ui" not in text and known.guid not in text and WEBHOOK_SECRET not in text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/github/webhooks", "/slack/events"])
async def test_other_methods_are_405(running: Running, method: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.request(method, running.bot.url + path) as reply:
        assert reply.status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/../metrics", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/github%2fwebhooks",
        "/github/webhooks\\..", "/static/..%5c..%5cbot", "/.env", "/%00", "/" + "a" * 7_000, "/data/tokenwatch.db",
    ],
)  # fmt: skip
async def test_tricks_with_the_path_lead_nowhere(running: Running, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.bot.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert said[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.1 405")
    assert b"root:" not in said and b"SQLite" not in said


# --- Slack -----------------------------------------------------------------------------------------------------------


def slack_headers(body: bytes, at: float | None = None, **more: str) -> dict[str, str]:
    stamp = str(int(at if at is not None else time.time()))
    return {
        "Content-Type": SLACK_FORM,
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign_for_slack(SIGNING_SECRET, stamp, body),
    } | {name.replace("_", "-"): value for name, value in more.items()}


async def to_slack(running: Running, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/slack/events", data=body, headers=headers) as reply,
    ):
        return reply.status


COMMAND = b"command=%2Ftokens&text=help&user_id=U07MARA0001&channel_id=C07RELEASE1&trigger_id=1.2&team_id=T1"


@pytest.mark.parametrize("seconds", [-100_000, -301, 301, 100_000])
async def test_a_slack_request_older_or_newer_than_five_minutes_is_401(running: Running, seconds: int) -> None:
    # Slack's stamp is in whole seconds: away from now, so that neither rounding nor a slow machine makes it 300.
    whole = math.ceil(time.time()) if seconds > 0 else math.floor(time.time())
    for _ in range(20):
        asked = time.monotonic()
        status = await to_slack(running, COMMAND, slack_headers(COMMAND, whole + seconds))
        if time.monotonic() - asked < 0.9 or seconds < 0:
            break
        whole = math.ceil(time.time())
    assert status == 401


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("no signature", {"X_Slack_Signature": ""}),
        ("another signature", {"X_Slack_Signature": "v0=" + "0" * 64}),
        ("another time", {"X_Slack_Request_Timestamp": "1"}),
        ("no time", {"X_Slack_Request_Timestamp": ""}),
        ("a time that is none", {"X_Slack_Request_Timestamp": "١٢٣"}),
        ("a huge time", {"X_Slack_Request_Timestamp": "9" * 400}),
    ],
)
async def test_a_slack_request_that_is_not_signed_is_401(running: Running, why: str, changes: dict[str, str]) -> None:
    assert await to_slack(running, COMMAND, slack_headers(COMMAND, **changes)) == 401, why


async def test_slack_bodies_have_a_limit_and_are_not_decompressed(running: Running) -> None:
    assert await unsigned(running, b"a" * 4 * MIB, "/slack/events") in (0, 413)
    assert await unsigned(running, drip(5, b"a" * MIB, 0.0), "/slack/events") in (0, 413)
    packed = gzip.compress(COMMAND)
    assert await to_slack(running, packed, slack_headers(COMMAND, Content_Encoding="gzip")) == 401
    assert (await running.outside.slack.command("/tokens", "help")).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"payload=[1]", b"payload={", b"{" * 100_000, b"\xff\xfe", b"a"])
async def test_a_signed_slack_request_that_makes_no_sense_is_no_500(running: Running, body: bytes) -> None:
    assert await to_slack(running, body, slack_headers(body)) in (400, 401, 404)


# --- anything at all --------------------------------------------------------------------------------------------------

HEADER_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
TYPES = st.sampled_from(["application/json", SLACK_FORM, "text/plain", "application/json; charset=utf-16", "", "a/b/c"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["action", "workflow_run", "repository", "organization", "installation", "payload", "type",
                          "command", "user", "view", "actions", "event", "challenge", "team_id"])  # fmt: skip
OBJECTS = st.dictionaries(FIELDS, JSON_VALUES, max_size=6).map(lambda value: json.dumps(value).encode())
BODIES = st.binary(max_size=400) | OBJECTS | OBJECTS.map(lambda body: b"payload=" + body)


def ask(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, body=body, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


async def test_whatever_is_posted_as_a_webhook_gets_one_of_the_promised_answers(running: Running) -> None:
    @FUZZ
    @given(BODIES, TYPES, HEADER_VALUES, st.sampled_from(["ping", "workflow_run", "push", "", "é"]), st.booleans())
    def fuzz(body: bytes, content_type: str, guid: str, event: str, signed: bool) -> None:
        headers = {
            "Content-Type": content_type, "X-GitHub-Delivery": guid, "X-GitHub-Event": event,
            "X-Hub-Signature-256": webhook.sign(WEBHOOK_SECRET.encode() if signed else b"other", body),
        }  # fmt: skip
        status, _ = ask(running.bot.port, "/github/webhooks", body, headers)
        assert status in ((200, 202, 400, 401, 413, 415) if signed else (400, 401))

    await asyncio.to_thread(fuzz)
    assert (await running.outside.github.send("ping", events.ping())).status == 202
    await running.worked(1)
    assert running.db.read_now(deliveries.dead) == 0


async def test_whatever_is_posted_as_slack_gets_an_answer_without_a_500(running: Running) -> None:
    @FUZZ
    @given(BODIES, TYPES, st.booleans())
    def fuzz(body: bytes, content_type: str, signed: bool) -> None:
        headers = slack_headers(body) | {"Content-Type": content_type}
        if not signed:
            headers["X-Slack-Signature"] = "v0=" + "0" * 64
        status, _ = ask(running.bot.port, "/slack/events", body, headers)
        assert status < 500 and (signed or status == 401)

    await asyncio.to_thread(fuzz)
    body = b'{"type": "x", "user": false}'
    status, _ = await asyncio.to_thread(ask, running.bot.port, "/slack/events", body, slack_headers(body))
    assert status == 400
    assert (await running.outside.slack.command("/tokens", "help")).status == 200


# --- what GitHub's answers lead to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    ["http://elsewhere.example.com/log", "ftp://elsewhere.example.com/log", "//elsewhere.example.com/log", "/log",
     "https://user:word@elsewhere.example.com/log", "file:///etc/passwd", "http://169.254.169.254/latest", ""],
)  # fmt: skip
async def test_a_log_is_not_fetched_from_a_place_that_is_not_https(running: Running, location: str) -> None:
    running.outside.github.fail("/logs", status=302, headers={"Location": location}, times=None)
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    (card,) = running.cards()
    assert "could not be read" in card.text


async def test_the_host_of_the_log_gets_no_credential(running: Running) -> None:
    seen: list[Any] = []

    async def blob(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        log = npm_logs.rejected().encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(log) + log)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(blob, "127.0.0.1", 0)
    address: Callable[[], Any] = server.sockets[0].getsockname
    running.outside.github.fail("/logs", status=302, headers={"Location": f"http://127.0.0.1:{address()[1]}/log"})
    await running.deliver_run(npm_logs.rejected())
    await running.worked(1)
    server.close()
    assert len(running.cards()) == 1
    (request,) = seen
    assert b"authorization" not in request.lower() and b"cookie" not in request.lower()
    assert (running.outside.github.api.token or "").encode() not in request
