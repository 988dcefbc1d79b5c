"""Short answers to the person who asked, seen by nobody else."""

from __future__ import annotations

from bot.messages import text as t
from bot.messages.message import Message, context, message, section

NOT_INSTALLED = (
    "Tokenwatch is not installed in this workspace, or its operator has not let it in. Ask whoever runs the bot."
)


def told(sentence: str) -> Message:
    """One sentence for a person who asked for something that cannot be done."""
    said = t.prose(sentence, 1000)
    return message(said, [section(said)])


def sorry(error_id: str) -> Message:
    """Something of ours broke. The id finds it in the bot's log."""
    said = "That did not work, and it was not your doing."
    number = t.code(error_id, 60)
    hint = f"Please try again. If it stays, give {number} to whoever runs the bot: it finds what happened in the log."
    return message(f"{said} {hint}", [section(said, hint)])


def still_looking(what: str) -> Message:
    """`what`: as it was asked for. Sent when the answer takes longer than people wait for a sign of life."""
    said = f"Still looking at {t.mrkdwn(what, 200)}. The answer appears here."
    return message(said, [section(said)])


def only_owners(name: str, owners: tuple[str, ...], admins_too: bool = True) -> Message:
    """Refused: somebody else's token. `owners`: Slack user ids, who can be asked."""
    who = t.listed([t.mention(owner) for owner in owners if owner])
    said = f"Only the owners of {t.code(name, 80)}{' and admins' if admins_too else ''} may change it."
    hint = f"Ask {who}." if who else "It has no owner yet: ask an admin."
    return message(f"{said} {hint}", [section(said, hint)])


def only_admins() -> Message:
    return told("Only admins of Tokenwatch may do this.")


def members_only() -> Message:
    return told("Guests can look but not change anything. Ask a member of this workspace.")


_REVOKE = {
    "npm token": "on npmjs.com under Access Tokens, or with `npm token revoke` and its id.",
    "GitHub token": "on github.com under Settings, Developer settings.",
    "Slack token": "in the app's settings at api.slack.com.",
    "PyPI token": "on PyPI under Account settings, API tokens.",
}


def looks_like_a_token(kind: str) -> Message:
    """Something pasted was a credential. It is neither kept nor repeated. `kind`: as `credentials.kind_of` says it."""
    revoke = _REVOKE.get(kind, "on the page where it was made.")
    said = f"That looks like a credential ({t.mrkdwn(kind, 40)}). It was not kept."
    hint = f"Whoever can read what you typed can use it, so revoke it now: {t.prose(revoke, 300)}"
    return message(f"{said} {hint}", [section(f"*{said}*", hint), context("Tokenwatch never needs the token itself.")])


def credential_in_form(kind: str) -> str:
    """The same beside a field of a form, as plain text."""
    return t.plain(f"That looks like a credential ({kind}). It was not kept; revoke it now.", 300)


def gone(what: str) -> Message:
    """A button on something that has changed since: `this incident`, `this token`."""
    return told(f"There is no {what} any more; what you see is out of date.")
