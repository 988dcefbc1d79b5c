"""What people do outside Slack during a rotation, to be let happen from the sandbox page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from bot.app import Bot
from bot.demo.samples import RELEASE, UI, job
from bot.demo.sandbox import Playable
from bot.demo.scenario import Stage
from bot.rotation import steps
from bot.token_import import bring_in, read
from storage import rotations, tokens
from storage.database import Connection
from storage.tokens import Token

Json = dict[str, Any]


def rotation_playables(stage: Stage, bot: Bot) -> list[Playable]:
    """Beside the scenario's own steps, of which one writes the right secret."""

    def playable(ident: str, title: str, see: str, happens: Callable[[Stage, Bot], Awaitable[None]]) -> Playable:
        async def happen() -> None:
            await happens(stage, bot)

        return Playable(ident, title, see, happen)

    return [
        playable(
            "wrong-level",
            "In a rotation: the organisation's secret is written",
            "acme/ui reads the repository's secret. Press Look now: no step is ticked, and the message says why.",
            _write_organization_secret,
        ),
        playable(
            "release",
            "In a rotation: a release goes out",
            "The version on the registry is the proof. Only now does the old token's end come near.",
            _release,
        ),
        playable(
            "revoked",
            "In a rotation: the old token is revoked and npm's list imported",
            "The list no longer has it. That is seen, not said, and closes the rotation.",
            _revoke_and_import,
        ),
    ]


async def _write_organization_secret(stage: Stage, bot: Bot) -> None:
    stage.outside.github.add_secret("NPM_TOKEN", org="acme", updated_at=stage.now())


async def _release(stage: Stage, bot: Bot) -> None:
    version = stage.next_version("@acme/ui")
    stage.outside.registry.publish("@acme/ui", version, by="token", at=stage.now())
    published = job("publish", "ui-published", stage.now(), conclusion="success", ui_version=version)
    run = stage.outside.github.add_run(
        UI,
        workflow=RELEASE,
        conclusion="success",
        number=stage.number(),
        title=f"chore: release @acme/ui {version}",
        jobs=[published],
    )
    await stage.outside.github.send_run(run)


async def _revoke_and_import(stage: Stage, bot: Bot) -> None:
    """Two lists: one from before, so that the bot knows what belongs to the account, and one without the old tokens."""
    for gone in (False, True):
        listed = await bot.deps.db.read(_npm_list, gone)
        if listed:
            await bot.deps.db.write(bring_in, read(json.dumps(listed)), who="demo", now=bot.deps.now())


def _npm_list(connection: Connection, gone: bool) -> list[Json]:
    """`npm token list --json` as it would be; `gone`: without the tokens whose rotation is proven."""
    proven = {
        rotation.token_id
        for rotation in rotations.open_rotations(connection)
        if steps.reached(rotation) in ("overlap", "revoked")
    }
    ours = [token for token in tokens.of_kind(connection, "npm", "granular") if token.revoked_at is None]
    return [_entry(token) for token in ours if not (gone and token.id in proven)]


def _entry(token: Token) -> Json:
    digest = hashlib.sha256(token.name.encode()).hexdigest()
    entry: Json = {
        "key": "***",
        "id": token.registry_id or digest[:6],
        "name": token.name,
        "token": token.hint or f"npm_{digest[:4]}...{digest[4:8]}",
        "revoked": None,
        "readonly": token.permission == "read-only",
        "bypass_2fa": bool(token.bypass_2fa),
        "created": f"{token.created_at:%Y-%m-%dT%H:%M:%S.000Z}" if token.created_at else None,
        "expiry": f"{token.expires_at:%Y-%m-%dT%H:%M:%S.000Z}" if token.expires_at else None,
    }
    if token.last_used_at is not None:
        entry["accessed"] = f"{token.last_used_at:%Y-%m-%dT%H:%M:%S.000Z}"
    return entry
