"""`/tokens list [filter]`: the command and its paging buttons."""

from __future__ import annotations

from datetime import datetime

from bot.deps import Deps
from bot.messages.token_lists import PAGE_SIZE, Page, list_message, read_page_value
from handlers.slack.requests import Click, Command, Reply
from storage import token_search
from storage.database import Connection
from storage.token_search import TokenFilter

MOST_WORDS = 8


async def list_tokens(command: Command, deps: Deps) -> Reply:
    return await _page(command.argument, 1, deps)


async def turn_page(click: Click, deps: Deps) -> Reply:
    wanted, number = read_page_value(click.value)
    return await _page(wanted, number, deps, replace=True)


async def _page(wanted: str, number: int, deps: Deps, replace: bool = False) -> Reply:
    now = deps.now()
    page = await deps.db.read(find_page, wanted, number, now)
    return Reply(list_message(page, now), replace)


def find_page(connection: Connection, wanted: str, number: int, now: datetime) -> Page:
    """The tokens that each word of the filter has to do with."""
    words = TokenFilter(words=tuple(wanted.split()[:MOST_WORDS]))
    total = token_search.count(connection, words, now=now)
    last = max(1, -(-total // PAGE_SIZE))
    number = min(number, last)
    found = token_search.search(connection, words, now=now, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE)
    return Page(tokens=tuple(found), number=number, total=total, filter=wanted)
