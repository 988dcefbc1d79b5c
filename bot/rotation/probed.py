"""Keeps what a repository reported of its token: beside the rotation it belongs to, or in the token's record."""

from __future__ import annotations

from bot import token_changes
from bot.deps import Deps
from bot.inbox import Worked
from bot.messages import rotation_thread as thread
from bot.rotation import steps, telling
from bot.rotation.failures import EVENT
from bot.rotation.probes import Checked, Expiring, probe_words, uses_it
from bot.token_fields import iso
from storage import rotations, tokens
from storage.database import Connection
from storage.rotations import Note, Rotation


async def checked(found: Checked, repo: str, key: str, deps: Deps) -> Worked:
    """A probe reported. It ticks nothing: that a token lives is not that it may publish."""
    open_ = await deps.db.read(rotations.open_in_workflow, repo)
    about = [rotation for rotation in open_ if found.token in (rotation.token_name, rotation.new_name)]
    if not about:
        return Worked("no-rotation", "no open rotation of a token that this repository uses")
    now = deps.now()

    def apply(connection: Connection) -> None:
        for rotation in about:
            current = rotations.get(connection, rotation.id)
            if current is None or current.end is not None or not _after_the_switch(current, repo, found):
                continue
            note = Note(f"{EVENT}probe:{key}", "fact" if found.ok else "wrong", probe_words(found, repo), now)
            if rotations.note(connection, current.id, note):
                telling.say(connection, current, thread.noted([note]), key=note.key, now=now)
                telling.edit_card(connection, current, now)

    return Worked("token-checked", None, apply)


def _after_the_switch(rotation: Rotation, repo: str, found: Checked) -> bool:
    """Before the new value is stored there, the probe speaks of the old token."""
    stored = [
        step.done.at
        for step in steps.steps_of(rotation, "store")
        if step.use is not None and step.done is not None and step.use.repo.lower() == repo.lower()
    ]
    return bool(stored) and found.at >= max(stored).replace(microsecond=0)


async def expiring(found: Expiring, repo: str, deps: Deps) -> Worked:
    """Somebody saw when a token ends: its record says so from now on."""
    token = await deps.db.read(tokens.get, found.token)
    if token is None or not uses_it(token, repo) or found.registry not in (None, token.registry):
        return Worked("token-unknown", "no token of this name is used in this repository")
    now = deps.now()
    who = f"github:{repo}" + (f" ({found.seen_by})" if found.seen_by else "")

    def apply(connection: Connection) -> None:
        fresh = tokens.by_id(connection, token.id or 0)
        if fresh is not None:
            token_changes.save(connection, {"expires_at": iso(found.expires_at)}, fresh, who=who, now=now)

    return Worked("token-expiring", None, apply)
