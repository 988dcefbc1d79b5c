"""One webhook request -> a verified Delivery, or a Refused with the status to answer. No I/O.

The signature is checked on the raw bytes before anything is parsed; an unset secret refuses everything. Header names
and body shapes: GitHub docs, "Validating webhook deliveries".
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

import msgspec

from bot.credentials import ANY_SHAPE_IN_BYTES, kind_of, mask_shapes
from storage.arrivals import Arrival

BODY_LIMIT = 25 * 1024 * 1024  # GitHub does not send bigger ones
SEARCHED_TOGETHER = 64 * 1024  # bytes: larger bodies are not copied for it
GUID = re.compile(r"[A-Za-z0-9-]{1,64}")
EVENT = re.compile(r"[a-z_]{1,64}")


class Refused(Exception):
    """A request that is not stored. `status`: HTTP status; `reason`: a kebab-case word, safe to answer with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as GitHub sent it. `repository`: owner/name, the organisation's login, or empty; `body`: JSON bytes;
    `tries`: how often it has been worked on, this time included; `late`: it was lost on its way and fetched."""

    guid: str
    event: str
    action: str | None
    repository: str
    payload: Mapping[str, Any]
    body: bytes
    tries: int = 1
    late: bool = False

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.guid, self.event, self.action, self.repository, self.body)


class _Repository(msgspec.Struct):
    full_name: str | None = None


class _Organization(msgspec.Struct):
    login: str | None = None


class _Envelope(msgspec.Struct):
    """What is read of a payload before it is stored; the rest is only seen to be JSON."""

    action: str | None = None
    repository: _Repository | None = None
    organization: _Organization | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def read(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> Arrival:
    """Verify and read as far as storing needs. Raises Refused: 401 signature, 415 content type, 400 headers or JSON.

    The body may still hold what looks like a credential: `cleaned` goes over many at once.
    """
    check_signature(headers.get("X-Hub-Signature-256"), body, secrets)
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type == "application/x-www-form-urlencoded":
        body = _form_payload(body)
    elif content_type != "application/json":
        raise Refused(415, "content-type")
    guid = headers.get("X-GitHub-Delivery", "")
    event = headers.get("X-GitHub-Event", "")
    if not GUID.fullmatch(guid) or not EVENT.fullmatch(event):
        raise Refused(400, "headers")
    return _addressed(guid, event, body)


def _addressed(guid: str, event: str, body: bytes) -> Arrival:
    """What `parse` says, in an eighth of its time; all that is not plain is left to it."""
    try:
        if not body.isascii():
            body.decode()  # texts that are skipped are not looked at that closely
        envelope = _ENVELOPE.decode(body)
    except (ValueError, RecursionError):
        return parse(guid, event, body).arrival
    name = envelope.repository.full_name if envelope.repository else None
    if name is None:
        name = (envelope.organization and envelope.organization.login) or ""
    return Arrival(guid, event, envelope.action and envelope.action[:100], name[:200], body)


def cleaned(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """The same ones without what looks like a credential. Nearly always one search tells that there is none."""
    if not _suspicious(arrivals):
        return list(arrivals)
    return [_cleaned(arrival) if _suspicious([arrival]) else arrival for arrival in arrivals]


def _suspicious(arrivals: Sequence[Arrival]) -> bool:
    # What was read out of the body may be spelt otherwise there.
    names = [f"{arrival.action}\n{arrival.repository}".encode() for arrival in arrivals]
    small = [arrival.body for arrival in arrivals if len(arrival.body) <= SEARCHED_TOGETHER]
    large = [arrival.body for arrival in arrivals if len(arrival.body) > SEARCHED_TOGETHER]
    return any(ANY_SHAPE_IN_BYTES.search(text) for text in (b"\n".join(names + small), *large))


def _cleaned(arrival: Arrival) -> Arrival:
    try:
        return parse(arrival.guid, arrival.event, arrival.body).arrival
    except Refused:  # JSON to one reader and not to the other: kept for a person to look at
        return replace(arrival, body=mask_shapes(arrival.body.decode("utf-8", "replace")).encode())


def check_signature(signature: str | None, body: bytes, secrets: Sequence[bytes]) -> None:
    """Raises Refused(401) unless one of the secrets made this `sha256=` signature. sha1 alone never counts."""
    given = (signature or "").encode("utf-8", "replace")
    good = False
    for secret in secrets:
        wanted = b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()
        # No early exit: the time must not tell which secret matched.
        good |= hmac.compare_digest(given, wanted)
    if not good:
        raise Refused(401, "signature")


def sign(secret: bytes, body: bytes) -> str:
    """The `X-Hub-Signature-256` GitHub would send."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def parse(guid: str, event: str, body: bytes, tries: int = 1, *, late: bool = False) -> Delivery:
    """The delivery behind JSON bytes that are trusted already. Raises Refused(400)."""
    try:
        payload = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "json") from None
    if not isinstance(payload, dict):
        raise Refused(400, "json")
    if kind_of(body.decode("utf-8", "replace")):
        # Somebody named a branch after their token: it must not be stored, so the payload is kept without it.
        payload = _without_credentials(payload)
        body = json.dumps(payload).encode()
    action = payload.get("action")
    return Delivery(
        guid=guid,
        event=event,
        action=mask_shapes(action)[:100] if isinstance(action, str) else None,
        repository=_repository(payload),
        payload=payload,
        body=body,
        tries=tries,
        late=late,
    )


def _without_credentials(value: Any) -> Any:
    if isinstance(value, str):
        return mask_shapes(value)
    if isinstance(value, list):
        return [_without_credentials(item) for item in value]
    if isinstance(value, dict):
        return {mask_shapes(key): _without_credentials(item) for key, item in value.items()}
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _form_payload(body: bytes) -> bytes:
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)
    except ValueError:
        raise Refused(400, "form") from None
    if len(fields.get("payload", ())) != 1:
        raise Refused(400, "form")
    return fields["payload"][0].encode("utf-8", "surrogatepass")


def _repository(payload: Mapping[str, Any]) -> str:
    for owner, name in (("repository", "full_name"), ("organization", "login")):
        value = payload.get(owner)
        if isinstance(value, dict) and isinstance(value.get(name), str):
            return mask_shapes(value[name])[:200]
    return ""
