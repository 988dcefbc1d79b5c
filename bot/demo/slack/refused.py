"""The one way Slack's Web API says no."""

from __future__ import annotations


class Refused(Exception):
    """`error` is Slack's code; `messages` become `response_metadata.messages`; `extra` joins the answer."""

    def __init__(self, error: str, messages: list[str] | None = None, **extra: str) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages or []
        self.extra = extra
