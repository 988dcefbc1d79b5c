"""What proves a step of a rotation: a rotation and what was seen outside, in; the rotation as far as that carries, out.

Pure. Each kind of proof says less than people think, so each says what it proves (`PROVES`):

- mint     npm's imported list has the new token
- store    GitHub's `updated_at` moved after the start, at the level that the job really reads: a new value, maybe wrong
- prove    a version on the registry, published after the switch in the expected way: the only proof that it works
- revoke   the old token is gone from npm's imported list
- retire   the secret is no longer there
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.evidence import Published, Release, SecretAge
from bot.github.run import Run
from bot.registries.npm.workflow import WorkflowFacts
from bot.rotation import steps
from bot.rotation.began import Began, began, of_runs
from bot.rotation.publishers import is_known, may_publish_for, trusted, workflows_for
from bot.rotation.steps import LAG, Illegal
from storage.rotations import Done, Kind, Rotation, Step
from storage.runs import RunRecord
from storage.tokens import Token

PROVES: dict[Kind, str] = {
    "mint": "Seen in an imported `npm token list`. Until then it is somebody's word.",
    "store": "GitHub shows when a secret was last written, never its value: this proves a new value, not a right one.",
    "prove": "Only a version that was published after the switch proves that publishing works.",
    "overlap": "Both live on for a while, so that a place that was forgotten shows itself before it breaks.",
    "revoke": "Seen when the old token is missing from an imported `npm token list`.",
    "retire": "Seen when GitHub no longer has the secret.",
}
PROVES_TRUST: dict[Kind, str] = {
    "mint": "Seen in an imported `npm trust list`. Until then it is somebody's word.",
    "store": "Seen in the workflow file of the default branch: it may ask for an identity. npm can still refuse it.",
    "prove": "The registry shows which versions came from a trusted publisher; each package needs one.",
}
# A person's word that the old token is revoked stands if no list contradicts it within this.
WORD_STANDS_AFTER = timedelta(days=1)
# The clock of whoever made the token may be off, and npm's list knows days better than seconds.
MADE_BEFORE = timedelta(hours=1)
A_RUN = timedelta(hours=6)  # the longest that a job of a hosted runner takes


@dataclass(frozen=True, slots=True)
class UseSeen:
    """What GitHub shows of one use.

    `secrets`: ages of the secret the use names, at each level that has one, the level that the job really reads first;
    `others`: secrets of other names in the same repository; `workflow`: the file on the default branch; `blind`: a
    sentence about what could not be read; `levels_read`: whether all levels were, so that absence means something;
    `renamed`: the present name of a repository that the use names by a former one.
    """

    secrets: tuple[SecretAge, ...] = ()
    others: tuple[SecretAge, ...] = ()
    workflow: WorkflowFacts | None = None
    blind: str | None = None
    levels_read: bool = False
    renamed: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything seen at one look.

    `uses`: by the step's subject; `published`: by package; `old`: the record of the old token; `old_absent_at`: when an
    imported list of its account no longer had it; `new`: the record of the new token; `publishers`: records of trusted
    publishers; `runs`: of the workflows at hand, so that it shows when one began (`runs_unread`: not all could be
    asked for now; `runs_complete`: no other workflow has the token); `old_used_by`: the run that was under way when the
    old token was last used; `blind`: sentences.
    """

    at: datetime
    uses: Mapping[str, UseSeen] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)
    old: Token | None = None
    old_absent_at: datetime | None = None
    new: Token | None = None
    publishers: tuple[Token, ...] = ()
    released: tuple[RunRecord, ...] = ()
    runs: tuple[Run, ...] = ()
    runs_unread: bool = False
    runs_complete: bool = False
    old_used_by: str | None = None
    blind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advance:
    """`rotation` after the look; `settled`: the steps that it ticked, in order."""

    rotation: Rotation
    settled: tuple[Step, ...] = ()


def advance(rotation: Rotation, seen: Seen) -> Advance:
    """Tick every step that what was seen proves, in order: one proof may open the way for the next."""
    before = rotation
    if rotation.end is not None:
        return Advance(rotation)
    rotation = _minted(rotation, seen)
    for step in steps.steps_of(rotation, "store"):
        rotation = _stored(rotation, step, seen)
    for step in steps.steps_of(rotation, "prove"):
        rotation = _proven(rotation, step, seen)
    if steps.reached(rotation) == "proven":
        rotation = steps.begin_overlap(rotation, seen.at)
    if seen.old is not None and seen.old.last_used_at is not None:
        rotation = steps.old_used(rotation, seen.old.last_used_at)
    rotation = _revoked(rotation, seen)
    for step in steps.steps_of(rotation, "retire"):
        rotation = _retired(rotation, step, seen)
    if steps.may_close(rotation) and _word_stands(rotation, seen.at):
        rotation = steps.close(rotation, seen.at)
    return Advance(rotation, steps.newly_done(before, rotation))


def effective(seen: UseSeen) -> SecretAge | None:
    """The secret that the job really reads."""
    return seen.secrets[0] if seen.secrets else None


def written_since(age: SecretAge, since: datetime) -> bool:
    """GitHub tells whole seconds."""
    return age.updated_at >= since.replace(microsecond=0)


def asks_for_identity(facts: WorkflowFacts | None) -> bool:
    return facts is not None and bool(facts.jobs) and facts.id_token is True


# --- step by step ----------------------------------------------------------------------------------------------------


def _minted(rotation: Rotation, seen: Seen) -> Rotation:
    if rotation.path == "trusted-publishing":
        for step in steps.steps_of(rotation, "mint"):
            file = step.subject and _trusted_files(rotation, step.subject, seen)
            if file:
                rotation = _ticked(rotation, step, seen.at, f"npm's trust list names {file}.", seen.at)
        return rotation
    new = seen.new
    if new is None or new.listed_at is None or new.revoked_at is not None:
        return rotation
    if new.created_at is not None and new.created_at < rotation.started_at - MADE_BEFORE:
        return rotation
    (step,) = steps.steps_of(rotation, "mint")
    if new.id != rotation.new_token_id:
        rotation = replace(rotation, new_token_id=new.id)
    return _ticked(rotation, step, new.created_at or seen.at, f"npm's list has `{new.name}`.", seen.at)


def _trusted_files(rotation: Rotation, package: str, seen: Seen) -> str | None:
    """The workflows of ours that npm trusts with the package, once it trusts all that are known to publish it."""
    ours = workflows_for(rotation, package)
    able = [publisher for publisher in seen.publishers if may_publish_for(seen.old, publisher)]
    found = [use for use in ours if trusted(package, use, able)]
    if not found or (len(found) < len(ours) and is_known(rotation, package)):
        return None
    return ", ".join(f"`{(use.workflow or '').rpartition('/')[2]}` of {use.repo}" for use in found[:3])


def _stored(rotation: Rotation, step: Step, seen: Seen) -> Rotation:
    found = seen.uses.get(step.subject)
    if found is None or step.use is None:
        return rotation
    if rotation.path == "trusted-publishing":
        if asks_for_identity(found.workflow):
            file = (step.use.workflow or "the workflow").rpartition("/")[2]
            return _ticked(rotation, step, seen.at, f"`{file}` has `id-token: write`.", seen.at)
        return rotation
    read = effective(found)
    if read is None or not written_since(read, step.since):
        return _lost(rotation, step, found, seen.at)
    again = " again" if step.done is not None and step.done.proof == "seen" else ""
    return _ticked(rotation, step, read.updated_at, f"{place_words(read)} was written{again}.", seen.at)


def _lost(rotation: Rotation, step: Step, found: UseSeen, now: datetime) -> Rotation:
    """What was seen written is no longer what the job reads: it was deleted, or a nearer level has an older one."""
    was_seen = step.done is not None and step.done.proof == "seen"
    told = found.levels_read and (found.workflow is not None or not (step.use and step.use.workflow))
    if not was_seen or not told or steps.reached(rotation) == "revoked":
        return rotation
    return steps.take_back(rotation, "store", step.subject, now)


def _proven(rotation: Rotation, step: Step, seen: Seen) -> Rotation:
    switch = steps.switched_at(rotation)
    if switch is None:
        return rotation
    if step.done is not None and step.done.proof == "seen" and never_used(rotation, seen.new, step.done.at):
        return steps.take_back(rotation, "prove", step.subject, seen.at)
    after = max(switch, step.since)
    published = seen.published.get(step.subject)
    if published is None or not published.exists:
        return _proven_by_log(rotation, step, after, seen)
    trust = rotation.path == "trusted-publishing"
    for release in published.releases:
        at = release.published_at
        if at is None or at <= after or release.by != ("oidc" if trust else "token"):
            continue
        what = f"`{published.name}` {release.version} is on the registry, published "
        if trust:
            return _ticked(rotation, step, at, f"{what}by its trusted publisher.", seen.at)
        begun = release_began(rotation, seen, published.name, release)
        if may_prove(begun, seen):
            return _ticked(rotation, step, at, f"{what}with a token{_begun_words(begun, at - switch)}", seen.at)
    return rotation


def release_began(rotation: Rotation, seen: Seen, package: str, release: Release) -> Began:
    """When the run that published it began."""
    if release.published_at is None:
        return Began()
    complete = seen.runs_complete and rotation.path == "token"  # a person approves what was staged, at any time
    return began(rotation, seen.runs, seen.released, package, release.version, release.published_at, complete=complete)


def may_prove(begun: Began, seen: Seen) -> bool:
    """A run that began before the switch proves nothing, nor does a version that no run published; while it could not
    be asked, nothing yet."""
    return begun.when == "after" or (begun.when == "unknown" and not seen.runs_unread)


def _begun_words(begun: Began, since_switch: timedelta) -> str:
    if begun.when == "after":
        return ", in a run that began after the switch."
    return ". When its run began is not known." if since_switch < A_RUN else "."


def never_used(rotation: Rotation, new: Token | None, published_at: datetime) -> bool:
    """A list from well after a release shows no use of the new token: something else published it."""
    if rotation.path == "trusted-publishing" or new is None or steps.reached(rotation) == "revoked":
        return False
    if new.listed_at is None or new.listed_at <= published_at + LAG:
        return False
    return new.last_used_at is None or new.last_used_at < published_at - LAG


def _proven_by_log(rotation: Rotation, step: Step, after: datetime, seen: Seen) -> Rotation:
    """Private packages and other registries show us nothing; there the log of a run is the best there is.

    A log does not tell which way npm let it in, so it proves no trusted publisher.
    """
    if rotation.path == "trusted-publishing":
        return rotation
    for run in seen.released:
        about = not step.subject or run.package == step.subject
        if not about or run.completed_at is None or run.completed_at <= after:
            continue
        if may_prove(run_began(rotation, seen, run), seen):
            named = f"`{run.package}` {run.version or ''}".strip() if run.package else "a version"
            what = f"The log of a run of {run.repo} says that {named} was published."
            return _ticked(rotation, step, run.completed_at, what, seen.at)
    return rotation


def run_began(rotation: Rotation, seen: Seen, record: RunRecord) -> Began:
    """When this very attempt began."""
    same = (record.repo.lower(), record.run_id, record.attempt)
    return of_runs(rotation, [run for run in seen.runs if (run.repo.lower(), run.run_id, run.attempt) == same])


def _revoked(rotation: Rotation, seen: Seen) -> Rotation:
    (step,) = steps.steps_of(rotation, "revoke")
    old = seen.old
    if old is None:
        return rotation
    if seen.old_absent_at is not None:
        return _ticked(rotation, step, seen.old_absent_at, "npm's list no longer has it.", seen.at)
    if step.done is not None and step.done.proof == "said" and contradicted(rotation, seen):
        return steps.take_back(rotation, "revoke", "", seen.at)
    ended = old.expires_at is not None and not old.expires_computed and old.expires_at <= seen.at
    if ended and old.expires_at is not None and steps.reached(rotation) == "overlap":
        # Before the proof it says nothing: the record may be wrong, and nobody was going to revoke it yet.
        return _ticked(rotation, step, old.expires_at, "Its recorded end has passed.", seen.at)
    return rotation


def contradicted(rotation: Rotation, seen: Seen) -> bool:
    """The old token is said to be revoked, and a list from well after that still has it (npm may be an hour late)."""
    done = steps.find(rotation, "revoke").done
    old = seen.old
    if done is None or done.proof != "said" or old is None or old.revoked_at is not None:
        return False
    return (old.listed_at is not None and old.listed_at > done.at + LAG) or (
        old.last_used_at is not None and old.last_used_at > done.at + LAG
    )


def _word_stands(rotation: Rotation, now: datetime) -> bool:
    """What the bot saw closes it at once; a person's word first waits whether a list contradicts it."""
    done = steps.find(rotation, "revoke").done
    return done is not None and (done.proof == "seen" or now >= done.at + WORD_STANDS_AFTER)


def _retired(rotation: Rotation, step: Step, seen: Seen) -> Rotation:
    found = seen.uses.get(step.subject)
    if found is None or step.use is None or not found.levels_read:
        return rotation
    if any(age.level == step.use.level for age in found.secrets):
        return rotation
    return _ticked(rotation, step, seen.at, f"{step.use.secret} is gone.", seen.at)


def _ticked(rotation: Rotation, step: Step, at: datetime, what: str, now: datetime) -> Rotation:
    """The step seen done, unless it is not its turn or was seen before."""
    try:
        return steps.tick(rotation, step.kind, step.subject, Done(at, "seen", "bot", what), now)
    except Illegal:
        return rotation


def place_words(age: SecretAge) -> str:
    """`The repository secret NPM_TOKEN`, as the beginning of a sentence."""
    where = f" of the environment `{age.environment}`" if age.environment else ""
    return f"The {level_words(age.level)} secret `{age.name}`{where}"


def level_words(level: str) -> str:
    return "organisation" if level == "organization" else level
