"""What is answered to a webhook request: the promised status for each kind, and nothing stored that was refused."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.github import webhook
from bot.github.webhook import Refused
from storage import deliveries
from tests.running import KEPT, WEBHOOK_SECRET, Running

BODY = json.dumps({"zen": "Keep it logically awesome.", "hook_id": 7, "repository": {"full_name": "acme/ui"}}).encode()
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def headers(body: bytes = BODY, secret: str = WEBHOOK_SECRET, **changes: str | None) -> dict[str, str]:
    given: dict[str, str | None] = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": GUID,
        "X-Hub-Signature-256": webhook.sign(secret.encode(), body),
    }
    given |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value is not None}


async def post(running: Running, body: bytes, sent: dict[str, str]) -> tuple[int, dict[str, Any], Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/github/webhooks", data=body, headers=sent) as reply,
    ):
        return reply.status, json.loads(await reply.text()), reply.headers


def stored(running: Running) -> int:
    return int(running.db.read_now(lambda c: c.value(KEPT)))


async def test_a_new_delivery_is_stored_and_answered_202(running: Running) -> None:
    status, body, _ = await post(running, BODY, headers())
    assert (status, body) == (202, {"delivery": GUID, "status": "stored"})
    assert stored(running) == 1


async def test_a_delivery_that_was_worked_is_answered_200_the_second_time(running: Running) -> None:
    await post(running, BODY, headers())
    await running.worked(1)
    status, body, _ = await post(running, BODY, headers())
    assert (status, body["status"]) == (200, "done")
    assert stored(running) == 1


async def test_a_dead_delivery_comes_to_life_when_github_redelivers_it(running: Running) -> None:
    await post(running, BODY, headers())
    await running.worked(1)
    running.db.write_now(lambda c: c.execute("UPDATE deliveries SET state = 'dead'"))
    status, body, _ = await post(running, BODY, headers())
    assert (status, body["status"]) == (202, "stored")


async def test_any_of_the_secrets_signs_while_one_is_being_rotated(running: Running) -> None:
    object.__setattr__(running.settings, "github_webhook_secret", SecretStr("old-one, new-one"))
    for secret in ("old-one", "new-one"):
        status, _, _ = await post(running, BODY, headers(secret=secret))
        assert status in (200, 202)
    assert (await post(running, BODY, headers(secret="another")))[0] == 401


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("no signature", {"X_Hub_Signature_256": None}),
        ("empty", {"X_Hub_Signature_256": ""}),
        ("wrong secret", {"X_Hub_Signature_256": webhook.sign(b"other", BODY)}),
        ("cut short", {"X_Hub_Signature_256": webhook.sign(WEBHOOK_SECRET.encode(), BODY)[:-1]}),
        ("without prefix", {"X_Hub_Signature_256": webhook.sign(WEBHOOK_SECRET.encode(), BODY)[7:]}),
        ("not hex", {"X_Hub_Signature_256": "sha256=zz"}),
        (
            "sha1 alone",
            {
                "X_Hub_Signature_256": None,
                "X_Hub_Signature": "sha1=" + hmac.new(WEBHOOK_SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
            },
        ),
        ("sha1 under the new name", {"X_Hub_Signature_256": "sha1=" + "0" * 40}),
    ],
)
async def test_a_missing_or_wrong_signature_is_401_and_nothing_is_stored(
    running: Running, why: str, changes: dict[str, str | None]
) -> None:
    status, _, _ = await post(running, BODY, headers(**changes))
    assert status == 401, why
    assert stored(running) == 0


@pytest.mark.parametrize(
    ("why", "body", "changes", "status"),
    [
        ("no event", BODY, {"X_GitHub_Event": None}, 400),
        ("no delivery id", BODY, {"X_GitHub_Delivery": None}, 400),
        ("a delivery id that is none", BODY, {"X_GitHub_Delivery": "../../etc/passwd"}, 400),
        ("cut JSON", BODY[:-1], {}, 400),
        ("a JSON array", b"[]", {}, 400),
        ("not UTF-8", b'{"a": "\xff"}', {}, 400),
        ("JSON too deep", b'{"a":' * 100_000, {}, 400),
        ("empty", b"", {}, 400),
        ("text", BODY, {"Content_Type": "text/plain"}, 415),
        ("no content type", BODY, {"Content_Type": "application/octet-stream"}, 415),
        ("compressed", gzip.compress(BODY), {"Content_Encoding": "gzip"}, 415),
        ("a form without payload", b"a=b", {"Content_Type": "application/x-www-form-urlencoded"}, 400),
    ],
)
async def test_a_signed_but_malformed_request_is_refused_by_its_kind(
    running: Running, why: str, body: bytes, changes: dict[str, str | None], status: int
) -> None:
    assert (await post(running, body, headers(body, **changes)))[0] == status, why
    assert stored(running) == 0


async def test_a_form_delivery_is_as_good_as_json(running: Running) -> None:
    body = b"payload=" + quote(BODY.decode()).encode()
    sent = headers(body, Content_Type="application/x-www-form-urlencoded")
    assert (await post(running, body, sent))[0] == 202


async def test_the_largest_body_github_sends_is_taken_and_one_byte_more_is_413(running: Running) -> None:
    filler = b'{"repository": {"full_name": "acme/ui"}, "x": "'
    body = filler + b"a" * (webhook.BODY_LIMIT - len(filler) - 2) + b'"}'
    assert len(body) == webhook.BODY_LIMIT
    assert (await post(running, body, headers(body)))[0] == 202
    assert (await post(running, body + b" ", headers(body + b" ")))[0] == 413


async def test_a_body_that_grows_beyond_the_limit_is_refused_while_reading(running: Running) -> None:
    async def endless() -> Any:
        for _ in range(30):
            yield b" " * 1024 * 1024

    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.bot.url}/github/webhooks", data=endless(), headers=headers()) as reply,
    ):
        assert reply.status == 413


async def test_when_nothing_can_be_stored_github_is_told_to_come_again(running: Running) -> None:
    running.db.write_now(lambda c: c.execute("ALTER TABLE arrivals RENAME TO elsewhere"))
    try:
        status, body, answered = await post(running, BODY, headers())
    finally:
        running.db.write_now(lambda c: c.execute("ALTER TABLE elsewhere RENAME TO arrivals"))
    assert (status, body["status"]) == (503, "cannot store")
    assert int(answered["Retry-After"]) > 0


async def test_without_a_secret_every_delivery_is_refused(running: Running) -> None:
    object.__setattr__(running.settings, "github_webhook_secret", None)
    assert (await post(running, BODY, headers()))[0] == 401
    assert (await post(running, BODY, headers(secret="")))[0] == 401


async def test_events_nobody_works_are_stored_and_ignored(running: Running) -> None:
    assert (await post(running, BODY, headers(X_GitHub_Event="star")))[0] == 202
    await running.worked(1)
    row = running.db.read_now(lambda c: c.one("SELECT state, reason FROM deliveries"))
    assert row == {"state": "done", "reason": "ignored"}


@pytest.mark.parametrize("path", ["/github/webhooks/", "/github/webhooks/..%2f", "//github/webhooks", "/github"])
async def test_other_paths_are_404(running: Running, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(running.bot.url + path, data=BODY) as reply:
        assert reply.status == 404


async def test_garbage_on_the_wire_does_not_stop_the_bot(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.bot.port)
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    assert b"400" in await asyncio.wait_for(reader.read(1024), 10)
    writer.close()
    assert (await post(running, BODY, headers()))[0] == 202


@given(st.binary(max_size=300), st.text(max_size=100))
def test_no_signature_but_the_right_one_is_accepted(body: bytes, signature: str) -> None:
    if signature != webhook.sign(b"secret", body):
        with pytest.raises(Refused) as refused:
            webhook.check_signature(signature, body, [b"secret"])
        assert refused.value.status == 401
    webhook.check_signature(webhook.sign(b"secret", body), body, [b"first", b"secret"])


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_body_is_parsed_or_refused(body: bytes) -> None:
    try:
        delivery = webhook.parse(GUID, "workflow_run", body)
    except Refused as refused:
        assert refused.status == 400
    else:
        assert isinstance(delivery.payload, dict)


PAYLOADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "action": PAYLOADS,
        "repository": st.fixed_dictionaries({}, optional={"full_name": PAYLOADS}) | PAYLOADS,
        "organization": st.fixed_dictionaries({}, optional={"login": PAYLOADS}) | PAYLOADS,
        "x": PAYLOADS,
    },
)


@given(NAMED | PAYLOADS, st.booleans(), st.integers(0, 400))
def test_what_is_read_before_storing_is_what_the_whole_payload_says(payload: Any, plain: bool, cut: int) -> None:
    text = json.dumps(payload, ensure_ascii=plain)
    body = text[: len(text) - cut if cut < 40 else len(text)].encode("utf-8", "surrogatepass")
    sent = headers(body)
    try:
        wanted: Any = webhook.parse(GUID, "ping", body).arrival
    except Refused as refused:
        wanted = refused.reason
    try:
        read: Any = webhook.read(sent, body, [WEBHOOK_SECRET.encode()])
    except Refused as refused:
        read = refused.reason
    assert read == wanted


TOKEN = "npm_" + "A1b2" * 9


@pytest.mark.parametrize(
    ("why", "payload"),
    [
        ("a branch", {"ref": f"refs/heads/{TOKEN}", "repository": {"full_name": "acme/ui"}}),
        ("an action", {"action": TOKEN}),
        ("a repository", {"repository": {"full_name": f"acme/{TOKEN}"}}),
        ("a name", {TOKEN: 1}),
    ],
)
@pytest.mark.parametrize("spelt", ["plainly", "escaped"])
async def test_what_looks_like_a_credential_is_not_stored(
    running: Running, why: str, payload: dict[str, Any], spelt: str
) -> None:
    body = json.dumps(payload).encode()
    if spelt == "escaped":
        body = body.replace(b"npm_", b"npm\\u005f")
    others = [json.dumps({"x": number, "repository": {"full_name": "acme/ui"}}).encode() for number in range(4)]
    answers = await asyncio.gather(
        post(running, body, headers(body)),
        *(post(running, other, headers(other, X_GitHub_Delivery=f"other-{n}")) for n, other in enumerate(others)),
    )
    assert {status for status, _, _ in answers} == {202}
    await running.worked(5)
    kept = running.db.read_now(deliveries.latest)
    assert len(kept) == 5
    for one in kept:
        assert TOKEN not in f"{one.action} {one.repository} {one.body.decode()}", why
        if one.guid != GUID:
            assert json.loads(one.body)["repository"] == {"full_name": "acme/ui"}
