"""Which workflows publish which package, and which of them npm trusts with it, as far as anybody told us. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.matching import same_workflow
from bot.rotation import steps
from storage.rotations import Rotation
from storage.tokens import Token, Use


def workflows(rotation: Rotation) -> tuple[Use, ...]:
    """The workflow files that use the old token, each once."""
    uses = [step.use for step in steps.steps_of(rotation, "store") if step.use is not None and step.use.workflow]
    return tuple({(use.repo.lower(), use.workflow): use for use in uses}.values())


def workflows_for(rotation: Rotation, package: str) -> tuple[Use, ...]:
    """Those in the repository that the package names as its own; all of them where that does not tell."""
    every = workflows(rotation)
    home = rotation.repositories.get(package, "").lower()
    return tuple(use for use in every if use.repo.lower() == home) or every


def is_known(rotation: Rotation, package: str) -> bool:
    """Whether it is known that these workflows publish the package, and not only one of them."""
    every, home = workflows(rotation), rotation.repositories.get(package, "").lower()
    return len(every) == 1 or any(use.repo.lower() == home for use in every)


def trusted(package: str, use: Use, publishers: Iterable[Token]) -> Token | None:
    """The record of a trusted publisher that is this workflow."""
    for publisher in publishers:
        if package not in publisher.packages or publisher.revoked_at is not None:
            continue
        if any(_same_place(place, use) for place in publisher.used_by):
            return publisher
    return None


def may_publish_for(old: Token | None, publisher: Token) -> bool:
    """Whether it may do what the old token did: one that may only stage replaces no token that published directly."""
    stages = "read-write-stage-only"
    return publisher.permission != stages or (old is not None and old.permission == stages)


def _same_place(trusted_: Use, use: Use) -> bool:
    files = trusted_.workflow is not None and use.workflow is not None
    same = files and same_workflow(trusted_.workflow or "", use.workflow or "")
    return same and trusted_.repo.lower() == use.repo.lower()
