"""What people do in a rotation, over the stand-ins' real HTTP: start, make, store, publish, import, look."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from bot.demo.slack.workspace import JONAS, MARA, RELEASES, Message
from bot.messages import rotation_card
from bot.rotation import run
from bot.token_import import bring_in, read
from storage import outbox, rotations, tokens
from storage.rotations import Rotation
from storage.tokens import Token, Use
from tests.running import Running

RELEASE = ".github/workflows/release.yml"
WORKFLOW = """\
name: Release
on: [push]
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: actions/setup-node@v5
        with:
          node-version: 22
      - run: npm publish
        env:
          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}
"""
UI = Use("acme/ui", RELEASE, "NPM_TOKEN", "repository")


def furnish(running: Running, *, workflow: str = WORKFLOW, **more: Any) -> Token:
    """The token `npm-acme-ci`, used in acme/ui by a workflow that reads a repository secret 90 days old."""
    now = running.hands.now()
    given: dict[str, Any] = {
        "name": "npm-acme-ci",
        "permission": "read-write",
        "packages": ("@acme/ui",),
        "bypass_2fa": True,
        "bypass_reason": "CI",
        "created_at": now - timedelta(days=80),
        "expires_at": now + timedelta(days=10),
        "owner": MARA.id,
        "backup_owner": JONAS.id,
        "used_by": (UI,),
        "hint": "npm_aBcD...7890",
    }
    token = running.db.write_now(tokens.add, Token(**(given | more)), now)
    for use in token.used_by:
        if "/" in use.repo and use.workflow:
            running.outside.github.add_file(use.repo, use.workflow, workflow)
    running.outside.github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=now - timedelta(days=90))
    for package in token.packages:
        running.outside.registry.publish(package, "1.0.0", at=now - timedelta(days=30))
    return token


async def open_form(running: Running, name: str = "npm-acme-ci", user: Any = MARA) -> Any:
    """The form that starts a rotation, once it is filled."""
    answer = await running.outside.slack.command(text=f"rotate {name}", user=user)
    assert answer.view is not None, answer.text
    view = answer.view
    await running.outside.slack.until(lambda: view.body.get("callback_id") == "rotation.start_form", what="the form")
    return view


async def start(running: Running, name: str = "npm-acme-ci", user: Any = MARA, **choices: Any) -> Rotation:
    """Started through the form; the path is a new token unless chosen otherwise."""
    view = await open_form(running, name, user)
    submitted = await running.outside.slack.submit(view, {"path": "token", "bypass": "no"} | choices, user)
    assert submitted.errors == {}, submitted.errors
    await running.worked()
    return rotation(running)


def rotation(running: Running) -> Rotation:
    """The newest."""
    return running.db.read_now(rotations.latest, limit=1)[0]


def card(running: Running) -> Message:
    """Its living message."""
    posted = running.db.read_now(outbox.get, rotation(running).card_key)
    assert posted is not None
    return next(message for message in running.cards() if message.ts == posted.ts)


def shown(message: Message) -> str:
    return message.text + json.dumps(message.blocks, ensure_ascii=False)


async def look(running: Running) -> Rotation:
    """What the clock does with every rotation that is due."""
    await run.look(running.bot.deps, rotation(running).id)
    await running.worked()
    return rotation(running)


async def press(running: Running, action: str, values: dict[str, Any] | None = None, user: Any = MARA) -> Any:
    """A button of the living message and, with `values`, the form behind it."""
    answer = await running.outside.slack.click(card(running), action, user)
    if values is None:
        await running.worked()
        return answer
    assert answer.view is not None, answer.text
    submitted = await running.outside.slack.submit(answer.view, values, user)
    await running.worked()
    return submitted


async def made(running: Running, **values: Any) -> Rotation:
    submitted = await press(running, rotation_card.MADE, values)
    assert submitted.errors == {} and submitted.error is None, submitted
    return rotation(running)


def stored(running: Running, at: datetime | None = None, **where: Any) -> None:
    """Somebody wrote the secret."""
    place = where or {"repo": "acme/ui"}
    name = place.pop("name", "NPM_TOKEN")
    running.outside.github.add_secret(name, updated_at=at or running.hands.now(), **place)


def published(running: Running, version: str = "1.1.0", package: str = "@acme/ui", by: str = "token") -> None:
    running.outside.registry.publish(package, version, by, at=running.hands.now() + timedelta(seconds=2))


def listed(running: Running, *entries: dict[str, Any]) -> None:
    """`npm token list --json` of the account, imported now."""
    text = json.dumps(list(entries))
    running.db.write_now(bring_in, read(text), who="cli:mara", now=running.hands.now())


def entry(name: str, token: str, running: Running, **more: Any) -> dict[str, Any]:
    now = running.hands.now()
    return {
        "key": "***",
        "id": "ab12cd",
        "name": name,
        "token": token,
        "created": f"{now:%Y-%m-%dT%H:%M:%S.000Z}",
        "expiry": f"{now + timedelta(days=90):%Y-%m-%dT%H:%M:%S.000Z}",
        "accessed": None,
        "revoked": None,
        "readonly": False,
        "bypass_2fa": True,
        "permissions": [{"name": "@acme/ui", "action": "write"}],
        "scopes": [{"type": "package", "name": "@acme/ui"}],
    } | more


def thread(running: Running) -> list[str]:
    return [message.text for message in running.outside.slack.messages(RELEASES, thread=card(running).ts)]
