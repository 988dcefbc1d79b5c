"""A Slack that runs on this machine and refuses what Slack refuses."""

from bot.demo.slack.slack import Slack
from bot.demo.slack.workspace import (
    BOT_USER,
    GENERAL,
    GUEST,
    JONAS,
    MARA,
    OPS,
    RELEASES,
    Channel,
    Message,
    Person,
    View,
)

__all__ = [
    "BOT_USER",
    "GENERAL",
    "GUEST",
    "JONAS",
    "MARA",
    "OPS",
    "RELEASES",
    "Channel",
    "Message",
    "Person",
    "Slack",
    "View",
]
