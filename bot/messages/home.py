"""The App Home: what waits for the person looking, the tokens they chose to see, and what is open for all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from slack_sdk.models.views import View

from bot.messages import text as t
from bot.messages.incident_line import Glance, incident_line
from bot.messages.message import Button, Choice, Part, buttons, context, divider, fitted, header, section, sections
from bot.messages.modal import MOST_VIEW_BLOCKS, MOST_VIEW_TEXT
from bot.messages.token_lists import token_line
from bot.messages.words import registry_words
from storage.tokens import Token

ADD = "token.add"  # opens the form of a new token
ROTATE = "rotation.choose"  # opens the form that asks which token
SHOW = "home.show"
REGISTRY = "home.registry"
PREVIOUS = "home.previous"
NEXT = "home.next"
DIGEST = "home.digest"  # value: how to hear of tokens from now on
MOST_LINES = 10
MOST_REGISTRIES = 20
MOST_REGISTRY_NAME = 100
ANY = "any"

Show = Literal["mine", "all", "ending", "ownerless"]
_SHOWS: dict[Show, str] = {
    "mine": "My tokens",
    "all": "All tokens",
    "ending": "Ending within 30 days",
    "ownerless": "Without an owner",
}


@dataclass(frozen=True, slots=True)
class HomeFilter:
    """Which tokens a Home lists; it travels in the view. `page` counts from 1."""

    show: Show = "mine"
    registry: str | None = None
    page: int = 1

    def to_json(self) -> str:
        registry = self.registry if len(self.registry or "") <= MOST_REGISTRY_NAME else None
        return json.dumps({"show": self.show, "registry": registry, "page": self.page})

    @classmethod
    def from_json(cls, text: str) -> HomeFilter:
        """As `to_json` wrote it; the first page of one's own for anything else."""
        try:
            read = json.loads(text)
            show, registry, page = read["show"], read["registry"], read["page"]
        except (ValueError, TypeError, KeyError):
            return cls()
        named = registry is None or (isinstance(registry, str) and 0 < len(registry) <= MOST_REGISTRY_NAME)
        is_ours = show in get_args(Show) and named and type(page) is int and 0 < page < 10**6
        return cls(show, registry, page) if is_ours else cls()


@dataclass(frozen=True, slots=True)
class Shelf:
    """The first few of something, and how many there are."""

    tokens: tuple[Token, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class RotationLine:
    """A rotation under way: the token's name, the step that is next as a sentence, and whose turn it is."""

    token: str
    next_step: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """What one person's Home holds. `shelf`: what the filter finds; `urgent`: their own tokens that are over or end
    within a week; `registries`: name and number of tokens; `heard`: whether GitHub ever sent anything."""

    user: str
    chosen: HomeFilter = field(default_factory=HomeFilter)
    shelf: Shelf = field(default_factory=Shelf)
    urgent: Shelf = field(default_factory=Shelf)
    known: int = 0
    registries: Sequence[tuple[str, int]] = ()
    incidents: Sequence[Glance] = ()
    open_incidents: int = 0
    mine: Sequence[Glance] = ()
    rotations: Sequence[RotationLine] = ()
    digest_by: str = "channel"
    digest_channel: str | None = None
    team_digests: bool = False
    alert_channel: str | None = None
    heard: bool = True


def home_view(home: Home, now: datetime) -> dict[str, Any]:
    parts: list[Part | None] = [
        header("Waiting for you"),
        *_waiting(home, now),
        divider(),
        header(_SHOWS[home.chosen.show]),
        _filters(home) if home.known else None,
        *_shelf(home, now),
        buttons(Button("Add a token", ADD), Button("Rotate a token", ROTATE) if home.known else None),
        divider(),
        header("Open incidents"),
        *_incidents(home, now),
        divider(),
        header("Rotations under way"),
        *_rotations(home),
        divider(),
        *_digest(home),
        context(f"As of {t.date(now)}. `/tokens help` lists what you can type. Never paste a token anywhere."),
    ]
    kept = fitted(parts, MOST_VIEW_BLOCKS, MOST_VIEW_TEXT)
    metadata = home.chosen.to_json()
    view: dict[str, Any] = View(type="home", private_metadata=metadata, blocks=[part.block for part in kept]).to_dict()
    return view


def _waiting(home: Home, now: datetime) -> list[Part | None]:
    """One's own tokens that end, incidents one took or whose token is one's own, rotations at one's own turn."""
    lines = [token_line(token, now) for token in home.urgent.tokens[:MOST_LINES]]
    if home.urgent.total > MOST_LINES:
        lines.append(f"And {home.urgent.total - MOST_LINES:,} more tokens of yours")
    lines += [incident_line(glance, now) for glance in home.mine[:MOST_LINES]]
    lines += [_rotation(line, named=False) for line in home.rotations if line.owner == home.user][:MOST_LINES]
    if lines:
        return [*sections(t.bullets(lines), rank=1)]
    return [section("Nothing. Tokens of yours that end within a week, failures that you took on, and rotations at your"
                    " turn appear here.")]  # fmt: skip


def _filters(home: Home) -> Part | None:
    registries = [(ANY, "All registries")]
    registries += [(name, f"{registry_words(name)} ({number:,})") for name, number in home.registries[:MOST_REGISTRIES]]
    return buttons(
        Choice("Which tokens", SHOW, tuple(_SHOWS.items()), home.chosen.show),
        Choice("Registry", REGISTRY, tuple(registries), home.chosen.registry or ANY) if len(registries) > 2 else None,
    )


def _shelf(home: Home, now: datetime) -> list[Part | None]:
    chosen, total = home.chosen, home.shelf.total
    if not total:
        return _teaching(home)
    pages = -(-total // MOST_LINES)
    lines = t.bullets(token_line(token, now) for token in home.shelf.tokens[:MOST_LINES])
    where = f"{t.count(total, 'token')}, page {min(chosen.page, pages):,} of {pages:,}" if pages > 1 else ""
    return [
        *sections(lines, rank=1),
        context(where),
        buttons(
            Button("Previous", PREVIOUS) if chosen.page > 1 else None,
            Button("Next", NEXT) if chosen.page < pages else None,
        ),
    ]


def _teaching(home: Home) -> list[Part | None]:
    """What to do when there is nothing to list."""
    if not home.known:
        return [
            section(
                "*No token is known yet.* To be warned before one ends, and told whose it was when a publish fails:",
                *t.numbered(
                    (
                        "*Add a token* below asks for its facts: name, dates, owner. Never for the token itself.",
                        "Or all at once, on the machine of the bot:"
                        " `npm token list --json | python -m bot tokens import -`",
                        "Say where each is used with `/tokens edit NAME`: so a failed publish finds its token.",
                    )
                ),
            )
        ]
    where = f" at {t.mrkdwn(registry_words(home.chosen.registry), 60)}" if home.chosen.registry else ""
    said = {
        "mine": f"None{where} is yours. You own what you add, and what others name you for with `/tokens edit NAME`.",
        "ending": f"Nothing{where} ends within 30 days.",
        "ownerless": f"Every token{where} has an owner, so somebody hears of its end.",
        "all": f"There is no token{where}.",
    }
    return [section(said[home.chosen.show])]


def _incidents(home: Home, now: datetime) -> list[Part | None]:
    if not home.incidents:
        where = f" in {t.channel(home.alert_channel)}" if home.alert_channel else ""
        if home.heard:
            return [section(f"Nothing is broken. When a publish fails, its card appears{where}.")]
        return [
            section(
                "GitHub has not sent anything yet, so no failure can be seen. `python -m bot check` on the machine of"
                " the bot says what is missing."
            )
        ]
    lines = [incident_line(glance, now) for glance in home.incidents[:MOST_LINES]]
    if home.open_incidents > MOST_LINES:
        lines.append(f"And {home.open_incidents - MOST_LINES:,} more: `/tokens incidents`")
    return [*sections(t.bullets(lines), rank=1)]


def _rotations(home: Home) -> list[Part | None]:
    if not home.rotations:
        return [section("None. `/tokens rotate NAME` replaces a token, or does without one, step by step.")]
    return [*sections(t.bullets(_rotation(line) for line in home.rotations[:MOST_LINES]), rank=1)]


def _rotation(line: RotationLine, *, named: bool = True) -> str:
    whose = f" {t.mention(line.owner)}" if line.owner and named else ""
    return f"Rotation of {t.code(line.token, 80)}, {t.prose(line.next_step, 200)}{whose}"


def _digest(home: Home) -> list[Part | None]:
    if home.digest_channel is None:
        return []
    where = t.channel(home.digest_channel)
    if home.digest_by == "direct":
        button = Button("Tell me in the channel again", DIGEST, "channel")
        return [section("You hear of your tokens by direct message each morning that has news.", button=button)]
    button = Button("Tell me by direct message", DIGEST, "direct")
    where = "the digest of your team or in " + where if home.team_digests else where
    return [section(f"You are mentioned in {where} when a token of yours ends soon.", button=button)]
