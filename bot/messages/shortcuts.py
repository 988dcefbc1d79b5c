"""The app's shortcuts, as its manifest and Slack's menus name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DIAGNOSE_LOG = "log.diagnose"
ADD_TOKEN = "token.add_shortcut"  # noqa: S105 - an id, not a secret


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`kind`: message (in the menu of a message) or global (in the search bar and beside the composer)."""

    callback_id: str
    name: str
    kind: Literal["message", "global"]
    description: str


SHORTCUTS = (
    Shortcut(DIAGNOSE_LOG, "Diagnose this log", "message", "Says why the publish in this log failed"),
    Shortcut(ADD_TOKEN, "Add a token", "global", "Notes the facts of a token; never the token itself"),
)
