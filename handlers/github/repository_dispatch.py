"""`repository_dispatch`: what a repository reports of its token, and what another CI system reports of a publish."""

from __future__ import annotations

from typing import Any

from bot import other_ci
from bot.ci_reports import Report, Unreadable, read_report
from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet import probe_reports
from bot.github.webhook import Delivery
from bot.inbox import Worked
from bot.rotation.probed import checked, expiring
from bot.rotation.probes import read_checked, read_expiring


async def publish_failed(delivery: Delivery, deps: Deps) -> Worked:
    report, installation = _report(delivery, failed=True)
    return await other_ci.failed(report, delivery.repository, delivery.guid, installation, deps)


async def publish_succeeded(delivery: Delivery, deps: Deps) -> Worked:
    report, installation = _report(delivery, failed=False)
    return await other_ci.succeeded(report, delivery.repository, delivery.guid, installation, deps)


async def token_checked(delivery: Delivery, deps: Deps) -> Worked:
    found = read_checked(_payload(delivery))
    if found is None:
        raise GiveUp("payload", "token-checked needs token, ok, status and checked_at")
    worked = await checked(found, delivery.repository, delivery.guid, deps)
    if worked.reason != "no-rotation":
        return worked
    return await probe_reports.checked(found, delivery.repository, deps)


async def token_expiring(delivery: Delivery, deps: Deps) -> Worked:
    found = read_expiring(_payload(delivery))
    if found is None:
        raise GiveUp("payload", "token-expiring needs token (or registry and name) and expires_at")
    return await expiring(found, delivery.repository, deps)


def _report(delivery: Delivery, *, failed: bool) -> tuple[Report, int | None]:
    if "/" not in delivery.repository:
        raise GiveUp("payload", "the payload names no repository")
    try:
        report = read_report(_payload(delivery), failed=failed)
    except Unreadable as error:
        raise GiveUp("payload", f"{delivery.action}: {error}") from error
    installation = delivery.payload.get("installation")
    number = installation.get("id") if isinstance(installation, dict) else None
    return report, number if isinstance(number, int) else None


def _payload(delivery: Delivery) -> dict[str, Any]:
    payload = delivery.payload.get("client_payload")
    return payload if isinstance(payload, dict) else {}
