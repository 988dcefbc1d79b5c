"""Forms about a rotation: how to begin one, the facts of the new token, ticking by hand, handing over, stopping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.messages import text as t
from bot.messages import token_facts
from bot.messages.message import Part, context, section, sections
from bot.messages.modal import (
    MOST_OPTIONS,
    Values,
    closing_form,
    date_input,
    modal,
    put,
    select,
    text_input,
    user_select,
)
from bot.messages.words import use_words
from bot.policy import stops_publishing_at
from bot.rotation import steps
from bot.token_fields import read_fields
from storage.rotations import Path, Rotation
from storage.tokens import Token

# private_metadata: the id of the token
START_FORM = "rotation.start_form"
CHOOSE_FORM = "rotation.choose_form"
# private_metadata: the id of the rotation
MADE_FORM = "rotation.made_form"
HAND_OVER_FORM = "rotation.hand_over_form"
STOP_FORM = "rotation.stop_form"

TOKEN, PATH, LIFETIME, NEW_NAME, OWNER, SECOND = "token", "path", "lifetime", "new_name", "owner", "second"
BYPASS, BYPASS_REASON, OVERLAP, PACKAGES = "bypass", "bypass_reason", "overlap", "packages"
HINT, EXPIRES, REASON, TO, HOW = "hint", "expires", "reason", "to", "how"

LIFETIMES = (7, 30, 60, 90)
OVERLAPS = (0, 1, 3, 7)
MOST_USES = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person chose in the form that starts a rotation."""

    path: Path
    owner: str
    second: str | None
    new_name: str | None
    lifetime_days: int
    bypass: bool
    bypass_reason: str
    overlap: timedelta
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the form begins with. `ready`: a line for each thing that speaks for or against trusted publishing."""

    path: Path
    owner: str
    second: str | None
    new_name: str
    packages: tuple[str, ...]
    ready: tuple[str, ...] = ()
    why: str = ""


def start_form(token: Token, proposal: Proposal, now: datetime) -> dict[str, Any]:
    """Shows what will be touched and asks what only people know. Nothing begins before it is sent."""
    publishes = may_publish(token)
    parts: list[Part | None] = [
        section(f"*{t.code(token.name)} {token_facts.ending(token, now)}*", proposal.why),
        *_touched(token),
        select(PATH, "How", path_options(token), initial=proposal.path),
        *_ready(proposal),
        text_input(
            NEW_NAME,
            "Name of the new token",
            initial=proposal.new_name,
            hint="Trusted publishing needs none." if publishes and token.registry == "npm" else None,
            most=100,
            optional=True,
        ),
        select(LIFETIME, "It lives", [(str(days), f"{days} days") for days in LIFETIMES], initial="90")
        if token.registry == "npm"
        else None,
        user_select(OWNER, "Who makes it", initial=proposal.owner, hint="Needs the second factor of the account."),
        user_select(
            SECOND, "Second person", initial=proposal.second, hint="Is asked to approve a bypass, and can take over."
        ),
        text_input(
            PACKAGES,
            "Packages that will prove it",
            initial=" ".join(proposal.packages)[:2900],
            hint="A new version of one of them on the registry is the proof. Separated by blanks.",
            optional=True,
        )
        if publishes
        else None,
        select(
            BYPASS,
            "May the new token bypass two-factor?",
            [
                ("no", "No: npm asks a person, or it only stages"),
                ("yes", "Yes, so that CI can publish with it; a second person approves"),
            ],
            # Whoever replaces a token that does has to say so again: nobody inherits it unasked.
            initial=None if token.bypass_2fa else "no",
            hint="Only for a token that publishes." + (" The old one does." if token.bypass_2fa else ""),
            optional=True,
        )
        if publishes and token.registry == "npm"
        else None,
        text_input(BYPASS_REASON, "Why it may bypass two-factor", initial=token.bypass_reason, optional=True, most=300)
        if publishes and token.registry == "npm"
        else None,
        select(OVERLAP, "Keep the old one after the proof for", _overlap_options(), initial="1"),
    ]
    return modal("Rotate a token", parts, callback_id=START_FORM, submit="Start", private_metadata=str(token.id))


def _ready(proposal: Proposal) -> list[Part]:
    if not proposal.ready:
        return []
    return sections(["*For trusted publishing*", *t.bullets(t.prose(line, 300) for line in proposal.ready)], rank=1)


def _touched(token: Token) -> list[Part]:
    """Every use that will change, before anybody presses anything."""
    lines = t.bullets(t.mrkdwn(use_words(use), 160) for use in token.used_by[:MOST_USES])
    if len(token.used_by) > MOST_USES:
        lines.append(f"And {len(token.used_by) - MOST_USES} more")
    if not lines:
        return sections(["No place is on record that uses it. Add them first with `/tokens edit`, or go on by word."])
    return sections(["*This will be touched*", *lines, f"It {token_facts.rights(token)}."], rank=1)


def path_options(token: Token) -> list[tuple[str, str]]:
    """The better way first. What cannot be is not offered."""
    if token.registry != "npm" or not may_publish(token):
        return [("token", "A new token with the same rights")]
    direct = "A new token that publishes"
    stop = stops_publishing_at(Token(name="", permission="read-write", bypass_2fa=True, kind=token.kind))
    if stop is not None and stop.rule is not None:
        direct += f" (with bypass only until {stop.at:%B %Y})"
    return [
        ("trusted-publishing", "Trusted publishing: no token at all"),
        ("stage-token", "A token that stages; a person approves each version"),
        ("token", direct),
    ]


def may_publish(token: Token) -> bool:
    return token.permission in (None, "read-write", "read-write-stage-only")


def read_start_form(values: Values, token: Token) -> tuple[Wanted, dict[str, str]]:
    """The choices, and what is wrong with them by block."""
    errors: dict[str, str] = {}
    owner = put(values, OWNER) or ""
    second = put(values, SECOND)
    chosen = put(values, BYPASS)
    reason = put(values, BYPASS_REASON) or ""
    path = _offered(put(values, PATH), token)
    bypass = chosen == "yes" and path == "token"  # to stage needs none (npm docs)
    if not owner:
        errors[OWNER] = "Somebody has to make it."
    if path == "token" and token.bypass_2fa and chosen is None:
        errors[BYPASS] = "Choose: the old one does, and without it CI cannot publish."
    if bypass:
        if not reason:
            errors[BYPASS_REASON] = "Say why, for those who look at it later."
        if second is None or second == owner:
            errors[SECOND] = "A bypass of two-factor is approved by a second person."
    wanted = Wanted(
        path=path,
        owner=owner,
        second=None if second == owner else second,
        new_name=put(values, NEW_NAME),
        lifetime_days=_number(put(values, LIFETIME), LIFETIMES, 90),
        bypass=bypass,
        bypass_reason=reason if bypass else "",
        overlap=timedelta(days=_number(put(values, OVERLAP), OVERLAPS, 1)),
        packages=tuple(dict.fromkeys((put(values, PACKAGES) or "").replace(",", " ").split())),
    )
    if path != "trusted-publishing" and not wanted.new_name:
        errors[NEW_NAME] = "The new token needs a name."
    return wanted, _refused(wanted) | errors


def _offered(chosen: str | None, token: Token) -> Path:
    """The chosen path; the last one that was offered, which is always a token, for what was not."""
    offered: dict[str, Path] = {"trusted-publishing": "trusted-publishing", "stage-token": "stage-token"}
    names = [path for path, _ in path_options(token)]
    return offered.get(chosen or "", "token") if chosen in names else "token"


def _refused(wanted: Wanted) -> dict[str, str]:
    """What these fields could not hold in a token's record either; first of all anything like a credential."""
    record = {"bypass_reason": wanted.bypass_reason or None, "packages": list(wanted.packages)}
    if wanted.new_name:
        record["name"] = wanted.new_name
    blocks = {"name": NEW_NAME, "packages": PACKAGES, "bypass_reason": BYPASS_REASON}
    errors: dict[str, str] = {}
    for problem in read_fields(record)[1]:
        errors[blocks[problem.field.partition("[")[0]]] = t.plain(f"It {problem.message}", 300)
    return errors


def choose_form(tokens: Sequence[Token], now: datetime) -> dict[str, Any]:
    """Which token, for the button on the Home."""
    if not tokens:
        return closing_form("Rotate a token", "No token is on record that could be rotated")
    options = [(str(token.id), f"{token.name}, {_ends(token)}") for token in tokens[:MOST_OPTIONS]]
    return modal(
        "Rotate a token",
        [select(TOKEN, "Which one", options), context("Others: `/tokens rotate NAME`")],
        callback_id=CHOOSE_FORM,
        submit="Next",
    )


def read_choose_form(values: Values) -> int:
    return _id(put(values, TOKEN))


def made_form(rotation: Rotation, now: datetime) -> dict[str, Any]:
    """The facts of the new token, as far as a person knows them. Never the value."""
    ends = (now + timedelta(days=rotation.lifetime_days)).strftime("%Y-%m-%d")
    return modal(
        "The new token",
        [
            section("*Never paste the token here.* Tokenwatch keeps facts about it."),
            text_input(NEW_NAME, "Name", initial=rotation.new_name, most=100),
            date_input(EXPIRES, "Ends on", initial=ends, hint="As npm shows it."),
            text_input(
                HINT,
                "Looks like",
                placeholder="npm_aBcD...7890",
                hint="First 8 and last 4 characters, as npm shows it.",
                optional=True,
                most=100,
            ),
            context("Or import npm's list, then nothing has to be typed: `npm token list --json`"),
        ],
        callback_id=MADE_FORM,
        submit="I made it",
        private_metadata=str(rotation.id),
    )


def read_made_form(values: Values) -> dict[str, str | None]:
    """As fields of a metadata record."""
    return {
        "name": put(values, NEW_NAME) or "",
        "hint": put(values, HINT),
        "expires_at": put(values, EXPIRES),
    }


def made_errors(problems: Mapping[str, str]) -> dict[str, str]:
    """Problems of a metadata record by field, beside the question they belong to."""
    blocks = {"hint": HINT, "expires_at": EXPIRES}
    return {blocks.get(field, NEW_NAME): t.cut(t.plain(problem, 300), 1000) for field, problem in problems.items()}


def hand_over_form(rotation: Rotation) -> dict[str, Any]:
    return modal(
        "Hand over",
        [
            section(f"*{t.code(rotation.token_name)}* is {t.mention(rotation.owner)}'s."),
            user_select(TO, "To whom", initial=rotation.second, hint="They are told, and every open step is theirs."),
        ],
        callback_id=HAND_OVER_FORM,
        submit="Hand over",
        private_metadata=str(rotation.id),
    )


def read_hand_over_form(values: Values) -> str:
    return put(values, TO) or ""


def stop_form(rotation: Rotation) -> dict[str, Any]:
    """Cancel or roll back, with what each means at this point."""
    options = [("cancel", "Cancel: leave everything as it is now")]
    if any(step.done for step in steps.steps_of(rotation, "mint")):
        options.append(("roll-back", "Roll back: the old one stays, what is new goes"))
    stored = sum(1 for step in steps.steps_of(rotation, "store") if step.done)
    mind = (
        f"{t.count(stored, 'place')} may hold the new value already. The old one can be stored again only by somebody "
        "who still has it."
        if stored
        else "Nothing was stored yet."
    )
    return modal(
        "Cancel or roll back",
        [
            section(f"*The rotation of {t.code(rotation.token_name)} ends here.*", mind),
            select(HOW, "How", options, initial=options[-1][0]),
            text_input(REASON, "Why", placeholder="the new token cannot publish @acme/ui", most=300),
        ],
        callback_id=STOP_FORM,
        submit="End it",
        private_metadata=str(rotation.id),
    )


def read_stop_form(values: Values) -> tuple[str, str]:
    return put(values, HOW) or "cancel", put(values, REASON) or ""


def _ends(token: Token) -> str:
    return f"ends {token.expires_at:%Y-%m-%d}" if token.expires_at else "no known end"


def _overlap_options() -> list[tuple[str, str]]:
    return [(str(days), "a day" if days == 1 else f"{days} days" if days else "no time") for days in OVERLAPS]


def _number(value: str | None, allowed: Sequence[int], default: int) -> int:
    return int(value) if value and value.isascii() and value.isdecimal() and int(value) in allowed else default


def _id(value: str | None) -> int:
    """0, which never exists as an id, for what is not ours."""
    return int(value) if value and value.isascii() and value.isdecimal() and len(value) < 18 else 0
