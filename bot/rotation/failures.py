"""A failed publish in a workflow whose token is being rotated: what it means for the rotation. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.matching import same_workflow
from bot.rotation import steps
from bot.rotation.steps import Illegal
from storage.rotations import Rotation, Step

EVENT = "event:"  # keys of notes that hold until something moves again

_REFUSED = frozenset({"token-rejected", "no-access", "token-missing", "install-auth"})
_AGAIN = "Make another with the command of step 1, and revoke this one."
# What the registry says of a new token that lacks something the old one had.
_LACKS = {
    "two-factor-required": f"The new token does not bypass two-factor. {_AGAIN}",
    "otp-required": f"The new token does not bypass two-factor, so npm asked for a one-time password. {_AGAIN}",
    "insufficient-scope": f"The new token may not publish this package. {_AGAIN}",
    "stage-required": f"The new token may only stage a version. {_AGAIN}",
    "ip-not-allowed": f"The runner's address is not on the new token's allow-list. {_AGAIN}",
}
_SAID = {
    "tokens-disallowed": "The package forbids tokens, so no new token will help. Cancel this rotation and move to "
    "trusted publishing.",
    "bypass-restricted": "Tokens that bypass two-factor may no longer do this, whichever token it is.",
    "payment-required": "The registry asks for a plan or for public access; no token changes that.",
}
_STAGE = "The token may only stage: let the workflow run `npm stage publish`, and approve the version as a person."
_TRUST = {
    "oidc-permission-missing": "The workflow still lacks `id-token: write`.",
    "oidc-publisher-mismatch": "npm knows no trusted publisher like this one: repository, file name and environment "
    "must be the same, letter by letter. Set the publisher up again.",
    "direct-publish-denied": "The trusted publisher may only stage. Set it up again with `--allow-publish`.",
    "oidc-cli-too-old": "The npm of the workflow is too old for trusted publishing: it takes 11.5.1 or newer.",
    "oidc-runner-unsupported": "This runner cannot use trusted publishing: it takes one that GitHub hosts.",
    "oidc-failed": "npm did not take the identity. Run it again with `npm_config_loglevel: verbose` to see why.",
    "provenance-rejected": "`repository.url` in package.json does not name the repository that publishes.",
}


# What else is known can explain the same words of the registry differently.
_BETTER_KNOWN = {
    "publisher-mismatch": "oidc-publisher-mismatch",
    "publisher-missing": "oidc-publisher-mismatch",
    "trust-refused": "oidc-publisher-mismatch",
    "new-name": "new-name",
    "version-exists": "exists",
}


def cause_of(cause: str, verdict: str) -> str:
    """The cause that counts here: the log's, unless the verdict found another one behind the same words."""
    return _BETTER_KNOWN.get(verdict, cause)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`text`: what to do about it; `kind`: `wrong` asks for action; `rotation`: with the steps that it refutes open."""

    kind: Literal["wrong", "fact"]
    text: str
    rotation: Rotation


def meaning(
    rotation: Rotation,
    *,
    repo: str,
    workflow: str,
    cause: str,
    package: str | None,
    failed_at: datetime,
    now: datetime,
    began_at: datetime | None = None,
) -> Meaning | None:
    """What a failure says about an open rotation; None when it says nothing. `failed_at`: when the run ended;
    `began_at`: when GitHub handed its secrets out, if that is known."""
    use = _use_of(rotation, repo, workflow)
    trust = rotation.path == "trusted-publishing"
    known = cause in _TRUST if trust else cause in _REFUSED or cause in _LACKS
    if not known and cause not in _SAID and not (trust and cause in _REFUSED):
        return None
    where = f"The publish in {repo} failed"
    if cause in _SAID:
        return Meaning("wrong", f"{where}. {_SAID[cause]}", rotation)
    if use is None or use.done is None or use.done.at >= failed_at:
        text = f"{where} again, before the new way was in place there. Finish the step, then re-run the failed jobs."
        return Meaning("fact", text, rotation)
    if not trust and began_at is not None and began_at < use.done.at.replace(microsecond=0):
        text = (
            f"{where}, in a run that had begun before the new value was there: it says nothing. Re-run the failed jobs."
        )
        return Meaning("fact", text, rotation)
    if trust:
        return _trust(rotation, use, cause, package, where, now)
    if cause == "stage-required" and rotation.path == "stage-token":
        return Meaning("wrong", f"{where}. {_STAGE}", rotation)
    if cause in _LACKS:
        return Meaning("wrong", f"{where}. {_LACKS[cause]}", _back(rotation, "mint", "", now))
    may = f"may not publish `{package}`" if package else "may not publish the package"
    text = (
        f"{where}: npm refused what the secret holds now. Perhaps the old value was stored again, the new one was cut "
        f"short, or the new token {may}. Store it once more."
    )
    return Meaning("wrong", text, _back(rotation, "store", use.subject, now))


def _trust(rotation: Rotation, use: Step, cause: str, package: str | None, where: str, now: datetime) -> Meaning:
    if cause in _REFUSED:
        text = f"{where}: npm took neither the identity nor a token. Look at the trusted publisher of the package."
        return Meaning("wrong", text, rotation)
    said = f"{where}. {_TRUST[cause]}"
    if cause == "oidc-permission-missing":
        return Meaning("wrong", said, _back(rotation, "store", use.subject, now))
    if cause in ("oidc-publisher-mismatch", "direct-publish-denied") and package:
        return Meaning("wrong", said, _back(rotation, "mint", package, now))
    return Meaning("wrong", said, rotation)


def _use_of(rotation: Rotation, repo: str, workflow: str) -> Step | None:
    """The use of this very workflow, else one of this repository or its organisation."""
    owner = repo.partition("/")[0].lower()
    reached = [
        step
        for step in steps.steps_of(rotation, "store")
        if step.use is not None and step.use.repo.lower() in (repo.lower(), owner, f"{owner}/*")
    ]
    for step in reached:
        if step.use is not None and step.use.workflow and same_workflow(step.use.workflow, workflow):
            return step
    return reached[0] if reached else None


def _back(rotation: Rotation, kind: Literal["mint", "store"], subject: str, now: datetime) -> Rotation:
    try:
        return steps.take_back(rotation, kind, subject, now)
    except Illegal:
        return rotation
