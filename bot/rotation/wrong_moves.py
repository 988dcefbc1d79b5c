"""What went wrong on the way, as far as what was seen tells: each with what to do about it. Pure.

Nothing here ticks a step or takes one back; it explains why a step that somebody thinks done is still open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from bot.evidence import Published, SecretAge
from bot.matching import covers
from bot.rotation import steps
from bot.rotation.failures import EVENT
from bot.rotation.proofs import (
    Seen,
    UseSeen,
    asks_for_identity,
    effective,
    level_words,
    never_used,
    place_words,
    release_began,
    written_since,
)
from bot.rotation.publishers import is_known, trusted, workflows_for
from bot.rotation.readiness import lines, readiness
from bot.rotation.steps import place_of
from storage.rotations import Note, Rotation, Step
from storage.tokens import Token

LOOK = "look:"  # keys of notes that each look finds anew or settles
_TOKEN_WORDS = ("NPM", "TOKEN", "AUTH", "PUBLISH", "REGISTRY")
_A_DAY_SHORT = timedelta(days=2)


def wrong_moves(rotation: Rotation, seen: Seen) -> tuple[Note, ...]:
    """Everything that holds now. `rotation`: after the look, so that what it ticked is no longer complained about."""
    if rotation.end is not None:
        return ()
    return tuple(
        Note(f"{LOOK}{key}", kind, text, seen.at)
        for key, kind, text in (
            *_about_trust(rotation, seen),
            *_about_new(rotation, seen),
            *_about_uses(rotation, seen),
            *_about_releases(rotation, seen),
            *_about_old(rotation, seen),
            *_blind(seen),
        )
    )


def taken_back(before: Rotation, after: Rotation, seen: Seen) -> Note | None:
    """What one look took back, since what is stored now is not what was proven, or not what the job reads."""
    was = {step.subject: step for step in steps.steps_of(before, "store") if step.done}
    moved = [
        (step, was[step.subject])
        for step in steps.steps_of(after, "store")
        if step.subject in was and step.done != was[step.subject].done
    ]
    lost = next((step for step, _ in moved if step.done is None), None)
    unproven = steps.settled(before, "prove") and not steps.settled(after, "prove")
    if lost is not None and lost.use is not None:
        text = (
            f"What was written for {_file(lost)} in {lost.use.repo} is no longer what it reads: the secret was "
            "deleted, or a nearer level has an older one. Store the new token there again."
        )
    elif moved and unproven and (done := moved[0][0].done) is not None and (use := moved[0][0].use) is not None:
        where = use.repo.partition("/")[0] if use.level == "organization" else use.repo
        text = (
            f"`{use.secret}` of {where} was written again on {done.at:%Y-%m-%d at %H:%M} UTC, after the release "
            "that had proven the new way: that says nothing of what is stored now. Publish once more, to prove it. If "
            "something writes the same value again and again, go on under *Tick by hand*."
        )
    else:
        return None
    return Note(f"{EVENT}back:{seen.at.timestamp()}", "wrong", text, seen.at)


_Said = Iterator[tuple[str, Literal["wrong", "fact", "ready"], str]]  # key, kind, sentence


def _about_trust(rotation: Rotation, seen: Seen) -> _Said:
    """What trusted publishing still needs, until it has shown itself; and what was set up for some workflows only."""
    if rotation.path != "trusted-publishing" or steps.settled(rotation, "prove"):
        return
    for step in steps.steps_of(rotation, "mint"):
        ours = workflows_for(rotation, step.subject)
        lacking = [use for use in ours if not trusted(step.subject, use, seen.publishers)]
        if step.done is None and is_known(rotation, step.subject) and 0 < len(lacking) < len(ours):
            files = _listed(f"{(use.workflow or '').rpartition('/')[2]} of {use.repo}" for use in lacking)
            yield f"untrusted:{step.subject}", "wrong", f"npm does not trust {files} with `{step.subject}` yet."
    places = steps.steps_of(rotation, "store")
    uses = {step.use: found.workflow for step in places if step.use and (found := seen.uses.get(step.subject))}
    token = replace(
        seen.old or Token(name=rotation.token_name), used_by=tuple(step.use for step in places if step.use is not None)
    )
    checks = readiness(token, rotation.packages, uses, seen.published, seen.publishers)
    for place, line in enumerate(lines(checks)):
        yield f"ready:{place}:{line}"[:200], "ready", line


def _about_new(rotation: Rotation, seen: Seen) -> _Said:
    """The new token as its record or npm's list shows it: does it have what the old one had?"""
    new, old = seen.new, seen.old
    if new is None or rotation.path == "trusted-publishing" or not steps.find(rotation, "mint").done:
        return
    again = "Say under *Tick by hand* that the new token is not done after all, make another, and revoke this one."
    if rotation.bypass and new.bypass_2fa is False:
        yield "new-bypass", "wrong", f"`{new.name}` does not bypass two-factor, so CI cannot publish with it. {again}"
    if rotation.path == "stage-token" and new.permission == "read-write":
        yield "new-not-stage", "wrong", f"`{new.name}` may publish directly, not only stage. {again}"
    if rotation.path == "token" and new.permission == "read-write-stage-only":
        yield "new-stage", "wrong", f"`{new.name}` may only stage a version, not publish it. {again}"
    if old is not None and old.permission == "read-write" and new.permission == "read-only":
        yield "new-read-only", "wrong", f"`{new.name}` may only read. {again}"
    lacking = [name for name in rotation.packages if "*" not in name and covers(new, name) is False]
    if lacking:
        yield "new-scope", "wrong", f"`{new.name}` may not publish {_listed(lacking)}. {again}"
    wanted = timedelta(days=rotation.lifetime_days)
    if new.created_at and new.expires_at and not new.expires_computed:
        life = new.expires_at - new.created_at
        if life < wanted - _A_DAY_SHORT:
            yield (
                "new-short",
                "fact",
                f"`{new.name}` lives {_days(life)} instead of {rotation.lifetime_days}. "
                "Without `--expires` npm gives seven; you will be reminded before it ends.",
            )


def _about_uses(rotation: Rotation, seen: Seen) -> _Said:
    open_stores = [step for step in steps.steps_of(rotation, "store") if step.done is None]
    told: set[tuple[str, str, str]] = set()
    for step in open_stores:
        found = seen.uses.get(step.subject)
        if found is None or step.use is None:
            continue
        if rotation.path != "trusted-publishing":
            if place_of(step.use) in told:
                continue  # one secret, read by several workflows
            told.add(place_of(step.use))
        if rotation.path == "trusted-publishing":
            yield from _about_workflow(step, found)
        else:
            yield from _about_secret(rotation, step, found)
    if rotation.path == "trusted-publishing" and steps.reached(rotation) in ("overlap", "revoked"):
        gone = {place_of(step.use) for step in steps.steps_of(rotation, "retire") if step.use is not None and step.done}
        for step in steps.steps_of(rotation, "store"):
            if step.use is not None and place_of(step.use) not in gone:
                yield from _still_reads(step, seen.uses.get(step.subject))


def _still_reads(step: Step, found: UseSeen | None) -> _Said:
    use = step.use
    if found is None or found.workflow is None or use is None or use.secret not in found.workflow.secrets:
        return
    sentence = f"{_file(step)} in {use.repo} still reads `{use.secret}`. Take it out before the secret goes."
    yield f"still-reads:{step.subject}", "fact", sentence


def _about_secret(rotation: Rotation, step: Step, found: UseSeen) -> _Said:
    """Why a use that somebody may think done is open: another level, another name, or too early."""
    use = step.use
    assert use is not None
    read = effective(found)
    where = f"{_file(step)} in {use.repo}"
    if read is not None and written_since(read, step.since):
        if not steps.find(rotation, "mint").done:
            yield (
                f"too-early:{step.subject}",
                "fact",
                f"{place_words(read)} of {use.repo} was written already. It counts once the new token is made.",
            )
        return
    levels = {other.use.level for other in steps.steps_of(rotation, "store") if other.use is not None}
    shadowed = next(
        (age for age in found.secrets[1:] if age.level not in levels - {use.level} and written_since(age, step.since)),
        None,
    )
    if read is not None and shadowed is not None:
        yield (
            f"shadowed:{step.subject}",
            "wrong",
            f"{place_words(shadowed)} was written, but {where} reads the {level_words(read.level)} secret of "
            f"the same name, last written {read.updated_at:%Y-%m-%d}. Store it there too, or delete that one.",
        )
        return
    names = found.workflow.secrets if found.workflow else ()
    named = {name.upper() for name in names}
    other = _other_name(found, step.since)
    if other is not None and other.name.upper() in named and use.secret and use.secret.upper() not in named:
        yield (
            f"renamed:{step.subject}",
            "wrong",
            f"{where} reads `{other.name}`, which was written, and not `{use.secret}` as the record says. Correct "
            "where the token is used with `/tokens edit`, then it counts.",
        )
        return
    if other is not None:
        yield (
            f"other-name:{step.subject}",
            "wrong",
            f"{place_words(other)} of {use.repo} was written, but {where} reads `{use.secret}`. "
            "Store the new token there, or change what the workflow reads.",
        )
    elif read is None and found.levels_read:
        yield (
            f"no-secret:{step.subject}",
            "wrong",
            f"{use.repo} has no secret `{use.secret}` at any level. Store it, or correct the record of where the token "
            "is used.",
        )
    elif read is not None and rotation.started_at - _A_DAY_SHORT < read.updated_at < step.since == rotation.started_at:
        yield (
            f"before:{step.subject}",
            "fact",
            f"{place_words(read)} of {use.repo} was last written on {read.updated_at:%Y-%m-%d at %H:%M} UTC, before "
            "this rotation began. If that was the new token already, say so under *Tick by hand*.",
        )
    if names and use.secret and use.secret.upper() not in named:
        yield (
            f"not-read:{step.subject}",
            "fact",
            f"{where} does not read `{use.secret}` when it publishes, but {_listed(names)}.",
        )


def _other_name(found: UseSeen, since: datetime) -> SecretAge | None:
    """A secret that looks like a registry token and was written meanwhile, under a name that nothing asked for."""
    for age in found.others:
        if written_since(age, since) and any(word in age.name.upper() for word in _TOKEN_WORDS):
            return age
    return None


def _about_workflow(step: Step, found: UseSeen) -> _Said:
    facts = found.workflow
    assert step.use is not None
    if found.renamed is not None:
        yield (
            f"moved:{step.subject}",
            "wrong",
            f"{step.use.repo} is {found.renamed} now, and npm takes no identity of a former name. Correct where the "
            "token is used with `/tokens edit`; the commands follow.",
        )
    if facts is None or asks_for_identity(facts):
        return
    if not facts.jobs:
        yield f"no-publish:{step.subject}", "fact", f"{_file(step)} in {step.use.repo} has no job that publishes."
        return
    lacking = [job.name for job in facts.jobs if job.id_token is not True]
    if facts.id_token is False and any(job.id_token for job in facts.jobs):
        yield (
            f"half-changed:{step.subject}",
            "wrong",
            f"In {_file(step)} of {step.use.repo} the job {_listed(lacking)} still lacks `id-token: write`.",
        )


def _about_releases(rotation: Rotation, seen: Seen) -> _Said:
    """Versions after the switch that came the other way, or with a token that is not the new one."""
    switch = steps.switched_at(rotation)
    if switch is None:
        return
    for step in steps.steps_of(rotation, "prove"):
        published = seen.published.get(step.subject)
        newest = published.newest if published else None
        if published is not None and step.done is None:
            yield from _begun_early(rotation, published, max(switch, step.since), seen)
        if newest is None or newest.published_at is None or newest.published_at <= max(switch, step.since):
            continue
        named = f"{step.subject} {newest.version}"
        if rotation.path == "trusted-publishing" and newest.by == "token":
            yield (
                f"by-token:{named}",
                "wrong",
                f"{named} was published with a token after the switch, not by the trusted publisher. Look at its "
                "workflow, and run it with `npm_config_loglevel: verbose` to see why npm did not take the identity.",
            )
        elif rotation.path != "trusted-publishing" and newest.by == "oidc":
            yield (
                f"by-oidc:{named}",
                "fact",
                f"{named} was published by a trusted publisher, so it says nothing about the new token. "
                "Perhaps no token is needed any more.",
            )
    refuted = next((s for s in steps.steps_of(rotation, "prove") if s.done is None and s.since > switch), None)
    if refuted is not None and never_used(rotation, seen.new, switch):
        yield (
            "never-used",
            "wrong",
            f"{f'`{refuted.subject}`' if refuted.subject else 'A version'} was published after the switch, yet npm's "
            "list says that the new token was never used. Perhaps the old value was stored again: store the new one "
            "once more, and publish again.",
        )


def _begun_early(rotation: Rotation, published: Published, after: datetime, seen: Seen) -> _Said:
    """A version after the switch that would prove it, had its run not begun before."""
    for release in published.releases:
        if release.by != "token" or release.published_at is None or release.published_at <= after:
            continue
        begun = release_began(rotation, seen, published.name, release)
        named = f"{published.name} {release.version}"
        if begun.when == "nobody":
            yield (
                f"by-hand:{named}",
                "wrong",
                f"{named} was published with a token while no run of the workflows was under way: perhaps by hand, "
                "which says nothing of the secret. Publish from the workflow.",
            )
            return
        if begun.when == "early" and begun.at is not None:
            yield (
                f"early:{named}",
                "wrong",
                f"{named} was published after the switch, but maybe by a run that had begun before it, on "
                f"{begun.at:%Y-%m-%d at %H:%M} UTC: GitHub hands out a secret as it is when a run begins, so this "
                "proves nothing. Publish once more.",
            )
            return


def _about_old(rotation: Rotation, seen: Seen) -> _Said:
    old = seen.old
    if old is None:
        if rotation.token_id is None:
            yield (
                "removed",
                "fact",
                f"The record of `{rotation.token_name}` was removed meanwhile. What happens to it can no longer be "
                "seen, only said.",
            )
        return
    revoke = steps.find(rotation, "revoke")
    if revoke.done is None and revoke.since > rotation.started_at:  # somebody's word, taken back
        yield (
            "not-revoked",
            "wrong",
            f"`{rotation.token_name}` is said to be revoked, but npm's list still has it. Revoke it again.",
        )
    if rotation.old_used_at is not None and steps.reached(rotation) in ("stored", "proven", "overlap"):
        by = f", {seen.old_used_by}" if seen.old_used_by else ""
        yield (
            f"old-used:{rotation.old_used_at:%Y%m%d%H%M}",
            "wrong",
            f"The old token was still used after the switch, on {rotation.old_used_at:%Y-%m-%d at %H:%M} UTC{by}. "
            "Some place still has it, or its value was stored again.",
        )


def _blind(seen: Seen) -> _Said:
    """Nothing is concluded from what could not be looked at; that is said, so that nobody waits for a tick in vain."""
    told = dict.fromkeys([*(found.blind for found in seen.uses.values() if found.blind), *seen.blind])
    for sentence in list(told)[:5]:
        yield f"blind:{sentence}"[:200], "fact", sentence


def _file(step: Step) -> str:
    return f"`{step.use.workflow.rpartition('/')[2]}`" if step.use and step.use.workflow else "The workflow"


def _listed(names: Iterable[str]) -> str:
    found = [f"`{name}`" for name in names]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def _days(span: timedelta) -> str:
    return f"{max(1, round(span / timedelta(days=1)))} days"
