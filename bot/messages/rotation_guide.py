"""How to replace a token by hand: the commands to paste, ready for this very token. Nothing here starts anything."""

from __future__ import annotations

import shlex
from datetime import datetime

from bot.messages import text as t
from bot.messages import token_facts
from bot.messages.message import Message, Part, context, message, preformatted, section
from storage.tokens import Token, Use

DAYS = 90  # npm: the longest a token that may publish can live; left out it is 7
MOST_PLACES = 20
MOST_COMMAND = 2500  # characters; a command cut short must not be pasted


def rotation_guide(token: Token, now: datetime) -> Message:
    """The three steps in the order that never leaves a release without a token: make, store, revoke."""
    said = f"How to replace {t.code(token.name)}, which {token_facts.ending(token, now)}."
    secrets = [use for use in token.used_by if use.secret]
    parts: list[Part | None] = [
        section(f"*{said}*", "npm asks for a second factor, so a person has to do it. Run these in your own terminal."),
        section("1. Make the new one. Its value is shown once: keep it in the terminal."),
        preformatted([_create(token, now)], most=MOST_COMMAND)
        if token.registry == "npm"
        else section("Make it on the registry's own page."),
        section("2. Store it where the old one is. Each command asks for the value and shows it nowhere."),
        preformatted((_store(use) for use in secrets[:MOST_PLACES]), most=MOST_COMMAND)
        if secrets
        else section("No secret is recorded for it. Record where it is used with `/tokens edit`."),
        section("3. Publish once, or re-run the failed jobs. Only when that worked, revoke the old one."),
        preformatted(["npm token list", "npm token revoke <id of the old one>"]) if token.registry == "npm" else None,
        section(f"4. Record the new dates: {t.code(f'/tokens edit {token.name}')}"),
        context("Better for good: trusted publishing needs no token, and from January 2027 npm expects it."),
    ]
    return message(f"{said} Make a new one, store it in its secrets, publish, then revoke the old one.", parts)


def _create(token: Token, now: datetime) -> str:
    words = ["npm", "token", "create", f"--name={token.name}-{now:%Y-%m-%d}", f"--expires={DAYS}"]
    words += [f"--packages={package}" for package in token.packages]
    words += [f"--scopes={scope}" for scope in token.scopes]
    words.append(f"--packages-and-scopes-permission={token.permission or 'read-write'}")
    words += [f"--cidr={block}" for block in token.cidr]
    if token.bypass_2fa:
        words.append("--bypass-2fa")
    return shlex.join(words)


def _store(use: Use) -> str:
    words = ["gh", "secret", "set", use.secret or ""]
    if use.level == "organization":
        words += ["--org", use.repo.partition("/")[0]]
    else:
        words += ["--repo", use.repo]
    if use.environment:
        words += ["--env", use.environment]
    return shlex.join(words)
