"""The picture in the README shows the card as it is today."""

from __future__ import annotations

from bot.demo.run import furnished
from tests.picture import PICTURE, first_card, said_by, words


async def test_the_picture_says_what_the_card_says() -> None:
    said = said_by(PICTURE.read_bytes())
    async with furnished(0) as (_, stage):
        assert said == words(await first_card(stage)), "the card has changed: make picture"
