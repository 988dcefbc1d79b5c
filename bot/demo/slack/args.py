"""The arguments of one Web API call, whichever way they came: JSON, form or query, lists also as JSON texts."""

from __future__ import annotations

import json
from typing import Any

from bot.demo.slack.refused import Refused

Json = dict[str, Any]


class Args:
    def __init__(self, given: Json) -> None:
        self.given = given

    def text(self, name: str) -> str | None:
        value = self.given.get(name)
        return None if value is None else str(value)

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        value = self.text(name)
        if not value:
            raise Refused(error, [f"[ERROR] missing required field: {name}"])
        return value

    def flag(self, name: str) -> bool:
        return str(self.given.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        value = self.given.get(name)
        try:
            return default if value in (None, "") else int(str(value))
        except ValueError as wrong:
            raise Refused("invalid_arguments", [f"[ERROR] must be an integer: {name}"]) from wrong

    def listed(self, name: str) -> list[Any]:
        value = self.given.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value) if value.startswith("[") else [part.strip() for part in value.split(",")]
            except ValueError as wrong:
                raise Refused("invalid_arguments", [f"[ERROR] not JSON: {name}"]) from wrong
        return value if isinstance(value, list) else []
