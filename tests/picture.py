"""The picture of a card in the README: `make picture` takes it anew from the sandbox.

A PNG may carry texts (PNG specification, chunk `tEXt`). Inside are the first words of the card and its buttons, so that
a test sees when the card has changed.
"""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from bot.demo.outside import Outside
from bot.demo.run import furnished
from bot.demo.scenario import SCENARIO, Stage, play
from bot.demo.slack.workspace import Message
from tests.test_sandbox_page import CHROMIUM, FLAGS

PICTURE = Path(__file__).parent.parent / "docs" / "card.png"
WIDTH, HEIGHT = 628, 1600
NAME = b"Words\0"


def words(card: Message) -> str:
    """What the card says first, and its buttons: neither goes with the day, as the advice between them does."""
    first = str(card.text).partition(". ")[0]
    buttons = [one["text"]["text"] for block in card.blocks for one in block.get("elements", ()) if _is_button(one)]
    return "\n".join((re.sub(r"\d+", "#", first), *buttons)).encode("ascii", "replace").decode()


def _is_button(element: Any) -> bool:
    return isinstance(element, dict) and element.get("type") == "button"


async def first_card(stage: Stage) -> Message:
    return (await play(stage, SCENARIO[0])).cards[0]


def said_by(picture: bytes) -> str | None:
    """The words inside a PNG, None when it has none."""
    place = 8
    while place < len(picture):
        (length,) = struct.unpack(">I", picture[place : place + 4])
        kind, body = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        if kind == b"tEXt" and body.startswith(NAME):
            return body.removeprefix(NAME).decode("ascii")
        place += length + 12
    return None


def _with_words(picture: bytes, said: str) -> bytes:
    body = b"tEXt" + NAME + said.encode("ascii")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = picture.rindex(struct.pack(">I", 0) + b"IEND")
    return picture[:end] + chunk + picture[end:]


async def _shot(outside: Outside) -> bytes:
    async with async_playwright() as playing:
        browser = await playing.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        await page.goto(outside.page_url)
        card = page.locator("article", has_text="@acme/ui").first
        await card.wait_for()
        picture = await card.screenshot()
        await browser.close()
    return picture


async def take() -> None:
    async with furnished(0) as (outside, stage):
        card = await first_card(stage)
        PICTURE.write_bytes(_with_words(await _shot(outside), words(card)))


if __name__ == "__main__":
    asyncio.run(take())
