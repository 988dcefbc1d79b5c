"""`release`: a version was announced on GitHub; it should come to the registry."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet.releases import Release, released
from bot.github.run import moment_of
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def published(delivery: Delivery, deps: Deps) -> Worked:
    data = delivery.payload.get("release")
    release = data if isinstance(data, dict) else {}
    tag, url = release.get("tag_name"), release.get("html_url")
    if "/" not in delivery.repository or not isinstance(tag, str) or not tag:
        raise GiveUp("payload", "the payload names no tag or no repository")
    if release.get("draft"):
        return Worked("draft")
    at = moment_of(release.get("published_at")) or deps.now()
    return await released(
        Release(delivery.repository, tag[:300], url if isinstance(url, str) else "", min(at, deps.now())), deps
    )
