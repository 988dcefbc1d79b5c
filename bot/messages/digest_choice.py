"""How a person hears of tokens that end, and how to change it."""

from __future__ import annotations

from datetime import datetime

from bot.messages import text as t
from bot.messages.message import Message, context, message, section

DIRECT, CHANNEL = "direct", "channel"
# What people type for each.
WORDS = {"direct": DIRECT, "dm": DIRECT, "me": DIRECT, "on": DIRECT, "channel": CHANNEL, "off": CHANNEL}


def digest_choice(
    by: str, channel: str | None, following: datetime | None, *, is_new: bool, team_digests: bool = False
) -> Message:
    """`following`: when the next digest is due; None when no channel is set, and then there is none at all."""
    if channel is None or following is None:
        said = "There is no digest yet: whoever runs the bot has to set DIGEST_CHANNEL or ALERT_CHANNEL."
        return message(said, [section(said)])
    where = t.channel(channel)
    now = " from now on" if is_new else ""
    if by == DIRECT:
        said = f"You hear of your tokens by direct message{now}, and are not mentioned in {where}."
        switch = f"To be told in {where} again: `/tokens digest channel`"
    else:
        teams = " or of your team" if team_digests else ""
        said = f"You are mentioned in the digest in {where}{teams}{now} when a token of yours ends soon."
        switch = "To hear of yours alone, by direct message: `/tokens digest direct`"
    when = f"The next one is due {t.date(following)}, if there is anything to say."
    return message(f"{said} {when}", [section(said, when), context(switch)])
