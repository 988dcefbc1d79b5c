"""The parent message of a campaign: how far all of its rotations are, in one place and edited in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.messages import rotation_words as words
from bot.messages import text as t
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections
from bot.messages.modal import Values, checkbox, modal, put, select, text_input, user_select
from storage.campaigns import Campaign, Member
from storage.rotations import Path, Rotation

FORM = "campaign.form"
STOP = "campaign.stop"  # value: the campaign's id
CHOICE, PERSON, SCOPE, PATH, BYPASS = "choice", "person", "scope", "path", "bypass"
OF_PERSON, OF_SCOPE, OF_POLICY = "person", "scope", "policy"
MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """`which`: `person`, `scope` or `policy`; `about`: whom or what; `bypass`: for tokens whose old one has it."""

    which: str
    about: str
    path: Path
    bypass: bool = False


def campaign_card(
    campaign: Campaign, members: Sequence[Member], rotations: Mapping[int, Rotation], now: datetime
) -> Message:
    """`rotations`: by the old token's place in the campaign, for those that have begun."""
    done = sum(1 for r in rotations.values() if r.end is not None and r.end.state == "closed")
    settled = sum(1 for r in rotations.values() if r.end is not None) + sum(m.state == "skipped" for m in members)
    name = t.mrkdwn(campaign.title, 120)
    if campaign.ended_at is not None:
        headline = f"{name}: ended, {done} of {len(members)} done."
    else:
        waiting = sum(member.state == "waiting" for member in members)
        more = f" {waiting} more begin as these are done." if waiting else ""
        under_way = sum(1 for rotation in rotations.values() if rotation.end is None)
        headline = f"{name}: {done} of {len(members)} done, {under_way} under way.{more}"
    lines = [_line(member, rotations.get(member.position), now) for member in _ordered(members, rotations)]
    shown = lines[:MOST_LINES] + ([f"And {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else [])
    return message(
        headline,
        [
            section(f"*{headline}*"),
            *sections(t.bullets(shown), rank=1),
            context(
                f"Started by {t.mention(campaign.started_by)} {t.date(campaign.started_at)}. "
                f"{settled} of {len(members)} are settled. Each has its own message in the channel of its repository.",
                rank=2,
            ),
            buttons(
                Button("Begin no more", STOP, str(campaign.id), confirm="What is under way goes on. Begin no more?")
            )
            if campaign.ended_at is None
            else None,
        ],
    )


def _ordered(members: Sequence[Member], rotations: Mapping[int, Rotation]) -> list[Member]:
    """What is stuck or under way first, then what waits, then what is settled."""

    def rank(member: Member) -> int:
        rotation = rotations.get(member.position)
        if rotation is not None and rotation.end is None:
            return 0 if rotation.stuck is not None else 1
        return 2 if member.state == "waiting" else 3

    return sorted(members, key=rank)


def _line(member: Member, rotation: Rotation | None, now: datetime) -> str:
    name = t.code(member.token_name, 80)
    if rotation is None:
        return (
            f"{name}: {'waits for its turn' if member.state == 'waiting' else t.sentence(member.why or 'skipped', 200)}"
        )
    if rotation.end is not None:
        return f"{name}: {words.STATE_WORDS[rotation.end.state]}"
    stuck = "stuck, " if rotation.stuck is not None else ""
    return f"{name}: {stuck}{words.next_step(rotation, now)} ({t.mention(rotation.owner)})"


def campaign_nudge(stuck: Mapping[str, Sequence[Rotation]], now: datetime) -> Message:
    """One reminder for everybody whose rotations of this campaign are stuck, instead of one for each rotation."""
    lines = []
    for person, theirs in list(stuck.items())[:MOST_LINES]:
        names = t.listed([t.code(rotation.token_name, 80) for rotation in theirs[:5]], 5, len(theirs))
        are = "is" if len(theirs) == 1 else "are"
        them = "it" if len(theirs) == 1 else "them"
        lines.append(f"{t.mention(person)}: {names} {are} stuck. Can you go on, or hand {them} over?")
    return message(" ".join(lines), sections(lines))


def stops_in(at: datetime) -> str:
    return f"Everything that stops in {at:%B %Y}"


def campaign_ended(campaign: Campaign, members: Sequence[Member], rotations: Mapping[int, Rotation]) -> Message:
    counted = Counter(r.end.state for r in rotations.values() if r.end is not None)
    said = ", ".join(f"{number} {words.STATE_WORDS[state]}" for state, number in counted.items()) or "none begun"
    return message(f"The campaign is over: {said}.", [section(f"The campaign is over: {said}.")])


def campaign_form(policies: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`policies`: (id, sentence) of dated rules that take something away."""
    choices = [(OF_PERSON, "All tokens of a person"), (OF_SCOPE, "All tokens of a scope")]
    choices += [(f"{OF_POLICY}:{ident}", sentence) for ident, sentence in policies]
    parts: list[Part | None] = [
        section("*Many tokens, one rotation each*", "They begin in batches, so that nobody is flooded."),
        select(CHOICE, "Which tokens", choices, initial=choices[-1][0]),
        user_select(PERSON, "The person", hint="For all tokens of a person."),
        text_input(SCOPE, "The scope", placeholder="@acme", optional=True, most=100, hint="For all tokens of a scope."),
        select(
            PATH, "How", [(path, words.PATH_WORDS[path]) for path in words.PATH_WORDS], initial="trusted-publishing"
        ),
        checkbox(
            BYPASS,
            "Two-factor",
            "New tokens may bypass it where the old one does",
            hint="For new tokens that publish. The second person of each is asked to approve it.",
        ),
    ]
    return modal("Rotate many", parts, callback_id=FORM, submit="Start")


def read_campaign_form(values: Values) -> tuple[Choice, dict[str, str]]:
    """The choice, and what is wrong with it by block."""
    choice = put(values, CHOICE) or ""
    path: Path = next((path for path in words.PATH_WORDS if path == put(values, PATH)), "token")
    bypass = put(values, BYPASS) == "yes"
    if choice == OF_PERSON:
        person = put(values, PERSON) or ""
        return Choice(OF_PERSON, person, path, bypass), {} if person else {PERSON: "Say whose tokens."}
    if choice == OF_SCOPE:
        scope = (put(values, SCOPE) or "").strip()
        good = scope.startswith("@") and "/" not in scope and " " not in scope
        return Choice(OF_SCOPE, scope, path, bypass), {} if good else {SCOPE: "A scope looks like @acme."}
    return Choice(OF_POLICY, choice.partition(":")[2], path, bypass), {}


def campaign_started(campaign: Campaign, many: int) -> Message:
    said = f"{t.mrkdwn(campaign.title, 120)} has started with {t.count(many, 'token')}."
    return message(said, [section(f"*{said}*", "Its message shows how far all of them are.")])
