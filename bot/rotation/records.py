"""What a rotation does to the token records: the new one is added and linked, uses move over, the old one retires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot import token_changes
from bot.rotation import commands, steps
from bot.rotation.amending import places_changed
from storage import tokens
from storage.database import Connection
from storage.rotations import Rotation
from storage.tokens import Token, Use

BOT = "bot"


def add_new(
    connection: Connection, rotation: Rotation, record: Mapping[str, Any], *, who: str, now: datetime
) -> Rotation:
    """The record of the new token from what a person typed (`name`, `hint`, `expires_at`), linked as replacement.

    A record of this name that npm's list brought meanwhile is taken as it is, with what was typed. Raises
    MetadataProblems when a field is wrong or the name is the old token's.
    """
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    known = _linked(connection, rotation, str(record.get("name") or ""))
    if known is not None:
        typed = {field: value for field, value in record.items() if value}
        saved = token_changes.save(connection, typed, known, who=who, now=now)
        return replace(rotation, new_token_id=saved.id, new_name=saved.name)
    made: dict[str, Any] = {
        "registry": rotation.registry,
        "kind": old.kind if old else "granular",
        "permission": commands.permission(old, rotation) if old else None,
        "packages": list(old.packages) if old else [],
        "scopes": list(old.scopes) if old else [],
        "orgs": list(old.orgs) if old else [],
        "cidr": list(old.cidr) if old else [],
        "bypass_2fa": rotation.bypass and rotation.bypass_approved is not None,
        "bypass_reason": _bypass_reason(rotation),
        "owner": rotation.owner,
        "backup_owner": rotation.second,
        "account": old.account if old else None,
        "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "note": f"Replaces {rotation.token_name}",
    }
    saved = token_changes.save(connection, made | dict(record), None, who=who, now=now)
    return replace(rotation, new_token_id=saved.id, new_name=saved.name)


def link_new(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """A record that npm's list brought gets what only we know: whose it is and what for."""
    new = tokens.by_id(connection, rotation.new_token_id) if rotation.new_token_id is not None else None
    if new is None:
        return
    known = replace(
        new,
        owner=new.owner or rotation.owner,
        backup_owner=new.backup_owner or rotation.second,
        bypass_reason=new.bypass_reason or (_bypass_reason(rotation) if new.bypass_2fa else None),
        note=new.note or f"Replaces {rotation.token_name}",
    )
    token_changes.keep(connection, known, new, who=BOT, now=now)


def ensure_new(connection: Connection, rotation: Rotation, *, who: str, now: datetime) -> Rotation:
    """Somebody ticked `mint` by hand: the record is made from what the command said, its end marked as computed."""
    if rotation.path == "trusted-publishing" or rotation.new_token_id is not None or not rotation.new_name:
        return rotation
    rotation = add_new(connection, rotation, {"name": rotation.new_name}, who=who, now=now)
    new = tokens.by_id(connection, rotation.new_token_id or 0)
    if new is not None and rotation.registry == "npm":
        guessed = replace(new, expires_at=now + timedelta(days=rotation.lifetime_days), expires_computed=True)
        token_changes.keep(connection, guessed, new, who=who, now=now)
    return rotation


def move_uses(connection: Connection, before: Rotation, after: Rotation, now: datetime) -> None:
    """A use whose secret holds the new token is the new token's; one that turned out not to goes back."""
    moved, back = _stored(after) - _stored(before), _stored(before) - _stored(after)
    # A new token that turned out to be wrong is no longer linked, and gives back what it had.
    holder = after.new_token_id if after.new_token_id is not None else before.new_token_id
    new = tokens.by_id(connection, holder) if holder is not None else None
    old = tokens.by_id(connection, after.token_id) if after.token_id is not None else None
    if new is None or not (moved or back):
        return
    kept = tuple(use for use in new.used_by if steps.subject_of(use) not in back)
    added = tuple(use for use in _uses(after) if steps.subject_of(use) in moved and use not in kept)
    token_changes.keep(connection, replace(new, used_by=(*kept, *added)), new, who=BOT, now=now)
    if old is None:
        return
    left = tuple(use for use in old.used_by if steps.subject_of(use) not in moved)
    returned = tuple(use for use in _uses(after) if steps.subject_of(use) in back and use not in left)
    token_changes.keep(connection, replace(old, used_by=(*left, *returned)), old, who=BOT, now=now)


def with_places(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
    """With the places that the records name now: one that was forgotten may have been added, another corrected."""
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    if old is None:
        return rotation
    new = tokens.by_id(connection, rotation.new_token_id) if rotation.new_token_id is not None else None
    return places_changed(rotation, (*old.used_by, *(new.used_by if new else ())), now)


def retire_old(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """The old token is gone: its record says so from now on, and reminds of nothing."""
    done = steps.find(rotation, "revoke").done
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    if done is None or old is None or old.revoked_at is not None:
        return
    if old.expires_at is not None and not old.expires_computed and old.expires_at <= done.at:
        return  # it ended by itself
    token_changes.keep(connection, replace(old, revoked_at=done.at), old, who=done.who, now=now)


def bring_back_old(connection: Connection, rotation: Rotation, now: datetime) -> None:
    """Somebody's word that it was revoked did not hold."""
    old = tokens.by_id(connection, rotation.token_id) if rotation.token_id is not None else None
    if old is not None and old.revoked_at is not None:
        token_changes.keep(connection, replace(old, revoked_at=None), old, who=BOT, now=now)


def add_publisher(connection: Connection, rotation: Rotation, package: str, now: datetime) -> None:
    """A package that a trusted publisher is proven for has a record of it, made here if no list brought one."""
    known = tokens.of_kind(connection, rotation.registry, "trusted-publisher")
    if any(package in token.packages and token.revoked_at is None for token in known):
        return
    workflows = [use for use in _uses(rotation) if use.workflow]
    trusted = {
        (use.repo.lower(), use.workflow): Use(use.repo, use.workflow, None, "elsewhere", use.environment)
        for use in workflows
    }
    publisher = Token(
        name=_free_name(connection, package),
        registry=rotation.registry,
        kind="trusted-publisher",
        permission="read-write",
        packages=(package,),
        owner=rotation.owner,
        backup_owner=rotation.second,
        note=f"Replaces {rotation.token_name}",
        used_by=tuple(trusted.values()) if len(trusted) == 1 else (),
    )
    token_changes.keep(connection, publisher, None, who=BOT, now=now)


def _free_name(connection: Connection, package: str) -> str:
    base = package.lstrip("@").replace("/", "-") + "-publisher"
    taken = {name.lower() for name in tokens.names(connection)}
    name, number = base[:90], 1
    while name.lower() in taken:
        number += 1
        name = f"{base[:90]}-{number}"
    return name


def _linked(connection: Connection, rotation: Rotation, name: str) -> Token | None:
    if rotation.new_token_id is not None:
        return tokens.by_id(connection, rotation.new_token_id)
    named = tokens.named(connection, [name]).get(name)
    recent = named is not None and named.listed_at is not None and named.listed_at >= rotation.started_at
    return named if named is not None and recent and named.id != rotation.token_id else None


def _bypass_reason(rotation: Rotation) -> str | None:
    if not rotation.bypass or rotation.bypass_approved is None:
        return None
    return f"{rotation.bypass_reason} (approved by {rotation.bypass_approved.by})"


def _stored(rotation: Rotation) -> set[str]:
    """Subjects of the uses that hold the new token now."""
    rolled_back = rotation.end is not None and rotation.end.state == "rolled-back"
    if rotation.path == "trusted-publishing" or rolled_back:
        return set()
    return {step.subject for step in steps.steps_of(rotation, "store") if step.done}


def _uses(rotation: Rotation) -> list[Use]:
    return [step.use for step in steps.steps_of(rotation, "store") if step.use is not None]
