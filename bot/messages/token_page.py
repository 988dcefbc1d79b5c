"""Everything known about one token: the answer to `/tokens show NAME`, and what is said when it changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.messages import text as t
from bot.messages import token_facts
from bot.messages.card import ROTATE
from bot.messages.message import Button, Message, Part, buttons, context, message, section, sections
from bot.messages.words import use_words
from bot.policy import loses_publishing
from storage.tokens import Token

EDIT = "token.edit"  # value: the token's name
ROTATE_BY_NAME = ROTATE + ".name"  # value: the token's name; a card's button carries an incident's id
MOST_USES = 20


def token_page(
    token: Token,
    now: datetime,
    *,
    problems: Sequence[str] = (),
    may_change: bool = True,
) -> Message:
    """`problems`: sentences about what does not fit together, such as an end date that contradicts npm's rules."""
    name = t.code(token.name)
    trusted = token.kind == token_facts.TRUSTED
    headline = f"{name} {token_facts.ending(token, now)}"
    parts: list[Part | None] = [
        section(f"*{headline}*", _computed(token)),
        *sections(t.bullets(t.sentence(problem, 300) for problem in problems[:5]), rank=1),
        context(_policy(token)),
        section(*_facts(token, now), rank=1),
        *_uses(token, trusted),
        section(f"Note: {t.mrkdwn(token.note, 1000)}", rank=4) if t.one_line(token.note) else None,
        buttons(
            Button("Edit", EDIT, token.name),
            Button("Start rotation", ROTATE_BY_NAME, token.name) if not trusted and not token.revoked_at else None,
        )
        if may_change
        else context("Only its owners and admins may change it."),
    ]
    return message(f"{t.mrkdwn(token.name)} {token_facts.ending(token, now)}.", parts)


def _policy(token: Token) -> str:
    """What a dated rule will do, or did, to its right to publish."""
    stop = loses_publishing(token) if token.revoked_at is None else None
    return f"{t.prose(stop.rule.says)} {t.link(stop.rule.link, 'Read more')}" if stop and stop.rule else ""


def _computed(token: Token) -> str:
    if not token.expires_computed or token.revoked_at or not token.expires_at:
        return ""
    return f"Nobody recorded the end; it was computed from the kind and {_created(token)}."


def _created(token: Token) -> str:
    return f"the day it was created, {t.day(token.created_at)}" if token.created_at else "the usual lifetime"


def _facts(token: Token, now: datetime) -> list[str]:
    rows = [
        ("Owner", token_facts.owner(token)),
        (
            "Backup owner",
            t.mention(token.backup_owner) if token.backup_owner else "none: only one person can replace it",
        ),
        ("Kind", token_facts.kind(token)),
        ("Rights", token_facts.rights(token)),
        ("Two-factor", _two_factor(token)),
        ("Only from", t.listed([t.code(block, 60) for block in token.cidr[:5]], 5, len(token.cidr))),
        ("Looks like", t.code(token.hint, 60) if token.hint else ""),
        ("Created", f"{t.day(token.created_at)} ({t.relative(token.created_at, now)})" if token.created_at else ""),
        (
            "Last used",
            f"{t.day(token.last_used_at)} ({t.relative(token.last_used_at, now)})" if token.last_used_at else "",
        ),
    ]
    return [f"{label}: {value}" for label, value in rows if value]


def _two_factor(token: Token) -> str:
    if token.bypass_2fa is None:
        return ""
    if not token.bypass_2fa:
        return "not bypassed, so it cannot publish without a person"
    reason = f": {t.mrkdwn(token.bypass_reason, 300)}" if token.bypass_reason else ""
    return f"bypassed{reason}"


def _uses(token: Token, trusted: bool) -> list[Part]:
    if not token.used_by:
        if trusted:
            return []
        lines = ["*Used by*  nothing on record, so a failed publish cannot be matched with it. Edit it to add a use."]
        return sections(lines, rank=2)
    lines = ["*Publishes from*" if trusted else "*Used by*"]
    lines += t.bullets(t.mrkdwn(use_words(use), 200) for use in token.used_by[:MOST_USES])
    if len(token.used_by) > MOST_USES:
        lines.append(f"And {len(token.used_by) - MOST_USES:,} more")
    return sections(lines, rank=3)


def token_saved(token: Token, now: datetime, *, is_new: bool, problems: Sequence[str] = ()) -> Message:
    """After add or edit, with what to mind."""
    done = "Added" if is_new else "Saved"
    said = f"{done}: {t.code(token.name)} {token_facts.ending(token, now)}."
    minds = t.bullets(t.sentence(problem, 300) for problem in problems[:5])
    return message(said, [section(f"*{said}*"), *sections(minds, rank=1)])


def token_removed(name: str) -> Message:
    said = f"Removed {t.code(name)} from what is known."
    warning = "The token itself lives on until it is revoked on the registry: `npm token revoke ID`"
    return message(f"{said} {warning}", [section(f"*{said}*", warning)])
