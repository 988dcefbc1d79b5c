"""Looks up what a person should see before a rotation begins: how ready the token is for a better way."""

from __future__ import annotations

import asyncio
from functools import partial

from bot.deps import Deps
from bot.messages.rotation_form import Proposal, may_publish
from bot.rotation import steps
from bot.rotation.observing import Asking, workflow_facts, workflow_text
from bot.rotation.proposing import propose
from bot.rotation.readiness import Check, readiness
from bot.rotation.workflow_change import workflow_change
from storage import runs, tokens
from storage.database import Connection
from storage.rotations import Rotation
from storage.tokens import Token, Use

PATIENCE_S = 6.0  # the form is open already and says that it is looking
AT_ONCE_S = 1.5  # inside a form that was sent, Slack waits three seconds for the answer
MOST_USES = 10
MOST_PACKAGES = 10
MOST_CHANGES = 3


async def prepare(token: Token, user: str, deps: Deps, *, patient: bool = True) -> Proposal:
    """The proposal for the form. What could not be looked up in time is said there as not known."""
    packages = tuple(name for name in token.packages if "*" not in name) or await deps.db.read(_published_by, token)
    checks: tuple[Check, ...] = ()
    if token.registry == "npm" and may_publish(token):
        asking = Asking(PATIENCE_S if patient else AT_ONCE_S)
        uses = token.used_by[:MOST_USES]
        names = packages[:MOST_PACKAGES]
        facts, published = await asyncio.gather(
            asyncio.gather(*(workflow_facts(use, deps, asking) for use in uses if deps.github.configured)),
            asyncio.gather(*(asking(name, partial(deps.npm.published, name)) for name in names)),
        )
        checks = readiness(
            token,
            names,
            dict(zip(uses, facts, strict=False)),
            {name: found for name, found in zip(names, published, strict=True) if found is not None},
            await deps.db.read(tokens.of_kind, "npm", "trusted-publisher"),
        )
    taken = frozenset(await deps.db.read(tokens.names))
    return propose(token, deps.now(), opened_by=user, packages=packages, taken=taken, checks=checks)


async def workflow_changes(rotation: Rotation, deps: Deps) -> list[tuple[str, str]]:
    """(workflow, unified diff) for the files that still have to change on the way to trusted publishing: to ask for an
    identity, and once that is proven, to read the secret no more."""
    if rotation.path != "trusted-publishing" or not deps.github.configured:
        return []
    proven = steps.settled(rotation, "prove")
    places = steps.steps_of(rotation, "store")
    waiting = [step.use for step in places if step.use is not None and (proven or step.done is None)]
    asking = Asking(PATIENCE_S)
    uses: list[Use] = list({(use.repo, use.workflow): use for use in waiting}.values())[:MOST_CHANGES]
    texts = await asyncio.gather(*(workflow_text(use, deps, asking) for use in uses))
    changes = []
    for use, text in zip(uses, texts, strict=True):
        diff = await asyncio.to_thread(workflow_change, text, use, without_secret=proven) if text else None
        if diff:
            changes.append((f"{use.repo} {use.workflow}", diff))
    return changes


def _published_by(connection: Connection, token: Token) -> tuple[str, ...]:
    """Packages that runs of the token's repositories are known to have published or tried to."""
    repos = [use.repo for use in token.used_by]
    return tuple(runs.packages_of(connection, repos))
