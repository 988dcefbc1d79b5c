"""Looks now and then at what the npm registry shows of our packages, a few at a time, so that deadlines can say of
each whether trusted publishing is ready for it. Public data, asked for without any credential."""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.deps import Deps
from bot.errors import GiveUp, TryAgain
from storage import package_looks
from storage.package_looks import PackageLook

log = structlog.get_logger("registry looks")

AT_ONCE = 20  # in a minute
AGAIN = timedelta(days=1)


async def look(deps: Deps, limit: int = AT_ONCE) -> int:
    """Look at those that nobody looked at for a day; returns how many. Stops when the registry asks for patience."""
    now = deps.now()
    looked: list[PackageLook] = []
    for package in await deps.db.read(package_looks.due, now - AGAIN, limit=limit):
        try:
            found = await deps.npm.published(package)
        except GiveUp:
            looked.append(PackageLook(package, exists=False, looked_at=now))  # a name that npm will never know
            continue
        except TryAgain as error:
            log.info("registry not read", package=package, reason=error.reason)
            break
        newest = found.newest
        looked.append(
            PackageLook(
                package,
                found.exists,
                now,
                newest.version if newest else None,
                newest.by if newest else None,
                newest.repository if newest else None,
            )
        )
    if looked:
        await deps.db.write(package_looks.keep, looked)
    return len(looked)
