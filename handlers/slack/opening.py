"""Opens forms; the trigger that a person's click or command carries is good for three seconds.

What comes before a form (may this person? what does the record say?) is mostly quick, and then the form or the refusal
is the first thing seen. When it is not, `opens_form` opens an empty one in time, which is filled afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from slack_sdk.errors import SlackApiError

from bot.deps import Deps
from bot.errors import TellUser, TokenwatchError
from bot.messages.modal import closing_form, closing_view, loading_form
from handlers.slack.requests import Reply

PATIENCE_S = 1.0  # of the three seconds; opening itself takes some of the rest


class Triggered(Protocol):
    @property
    def trigger_id(self) -> str: ...


R = TypeVar("R", bound=Triggered)
Handler = Callable[[R, Deps], Coroutine[Any, Any, Reply | None]]


@dataclass(slots=True)
class _Opening:
    """One trigger. `view_id`: of the empty form that took it; `spent`: the real form was opened in time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    view_id: str = ""
    spent: bool = False


_CURRENT: ContextVar[_Opening | None] = ContextVar("opening", default=None)


def opens_form(handler: Handler[R]) -> Handler[R]:
    """For a handler that ends in `open_view`: the person sees a form within three seconds, however long it takes."""

    async def patient(request: R, deps: Deps) -> Reply | None:
        opening = _Opening()
        _CURRENT.set(opening)
        work = asyncio.ensure_future(handler(request, deps))
        done, _ = await asyncio.wait({work}, timeout=PATIENCE_S)
        if not done:
            async with opening.lock:
                if not opening.spent:
                    opening.view_id = await _open(deps, request.trigger_id, loading_form("Tokenwatch"))
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()  # of a request that is given up; one that has ended is not touched
        error = work.exception()
        if error is None:
            reply = work.result()
        elif opening.view_id and isinstance(error, TokenwatchError):
            await fill_view(deps, opening.view_id, closing_form("Tokenwatch", error.message))
            return None
        else:
            # The person is told with a number, by whoever catches it; the empty form must not promise more.
            if opening.view_id:
                said = "That did not work. Please try again."
                await fill_view(deps, opening.view_id, closing_form("Tokenwatch", said))
            raise error
        if reply is not None and opening.view_id:
            await fill_view(deps, opening.view_id, closing_view("Tokenwatch", reply.message))
            return None
        return reply

    return patient


async def open_view(deps: Deps, trigger_id: str, view: Mapping[str, Any]) -> str:
    """The id of the opened view. Raises TellUser when Slack will not show it."""
    opening = _CURRENT.get()
    if opening is None:
        return await _open(deps, trigger_id, view)
    async with opening.lock:
        if opening.view_id:
            await fill_view(deps, opening.view_id, view)
            return opening.view_id
        opening.spent = True
        return await _open(deps, trigger_id, view)


async def _open(deps: Deps, trigger_id: str, view: Mapping[str, Any]) -> str:
    if deps.slack is None:
        raise TellUser("The bot has no Slack token, so it cannot open a form.")
    try:
        opened = await deps.slack.views_open(trigger_id=trigger_id, view=dict(view))
    except SlackApiError as error:
        if error.response.get("error") in ("expired_trigger_id", "exchanged_trigger_id", "trigger_expired"):
            raise TellUser("That took too long and Slack no longer lets a form open. Please try again.") from error
        raise
    return str((opened.get("view") or {}).get("id") or "")


async def fill_view(deps: Deps, view_id: str, view: Mapping[str, Any]) -> None:
    """Put the form in the place of the one that said it was being looked up; nothing when that was closed meanwhile."""
    if deps.slack is None or not view_id:
        return
    try:
        await deps.slack.views_update(view_id=view_id, view=dict(view))
    except SlackApiError as error:
        if error.response.get("error") not in ("not_found", "view_not_found"):
            raise
