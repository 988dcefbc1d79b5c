"""`registry_package`: a version came to GitHub Packages."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.fleet import installations
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def published(delivery: Delivery, deps: Deps) -> Worked:
    data = _mapping(delivery.payload.get("registry_package"))
    name, namespace = data.get("name"), data.get("namespace")
    version = _mapping(data.get("package_version")).get("version")
    if str(data.get("package_type")).lower() != "npm" or not isinstance(name, str) or not isinstance(version, str):
        return Worked("not-a-package-of-ours")
    full = name if name.startswith("@") else f"@{namespace}/{name}".lower()
    return await installations.package_out(delivery.repository, full[:214], version[:100], deps)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
