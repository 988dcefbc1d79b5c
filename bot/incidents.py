"""Same incident? Post, edit, open again or stay quiet? Decided here with a named reason. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from bot.diagnosis.diagnosis import Alternative, Diagnosis, EvidenceLine, PackageOutcome
from bot.github.run import Job, Run
from bot.verdict import Verdict
from bot.verdict.verdict import DEAD_TOKEN, EVERYWHERE
from storage.incidents import Incident
from storage.runs import RunRecord
from storage.tokens import Token

# Causes of incidents that no failed run began.
WITHOUT_A_RUN = frozenset({"forecast", "release-missing", "leak", "probe"})
# A failure of these is nobody's alert: the release was not tried, or it worked.
QUIET_CAUSES = frozenset({"build-failed", "not-a-publish", "published"})
# The registry itself, whoever asks it.
OUTAGES = EVERYWHERE | {"registry-outage"}
# Verdicts that lie in the token and not in what was done with it: the next repository that uses it fails alike.
ALIKE_EVERYWHERE = DEAD_TOKEN | {
    "token-read-only",
    "token-stage-only",
    "token-needs-bypass",
    "token-not-granted",
    "policy-date-passed",
}
BACK_WITHIN = timedelta(days=1)
_PUBLISHING = ("publish", "release", "deploy")


@dataclass(frozen=True, slots=True)
class Facts:
    """What an incident's card shows besides the incident's own columns. All text is plain and comes from outside."""

    sentence: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    evidence: tuple[EvidenceLine, ...] = ()
    also: tuple[Alternative, ...] = ()
    packages: tuple[PackageOutcome, ...] = ()
    code: str | None = None
    auth: bool = True
    workflow_name: str | None = None
    run_url: str | None = None
    run_number: int | None = None
    attempt: int = 1
    branch: str | None = None
    actor: str | None = None
    token_reasons: tuple[str, ...] = ()
    token_guess: bool = False
    token_ties: tuple[str, ...] = ()  # all that fit alike, when several do
    missing: tuple[str, ...] = ()
    docs: str | None = None
    can_rerun: bool = False
    seen_late: bool = False
    failed_at: int | None = None  # seconds since the epoch
    repo: str | None = None
    run_id: int | None = None
    other_jobs: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    unseen: bool = False  # the run was green all the same
    before: tuple[str, ...] = ()  # what the card said before a later failure showed another cause

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """The facts as `to_json` wrote them; fields that a later version added take their defaults."""
        data = json.loads(text)
        known = {field.name for field in dataclasses.fields(cls)}
        made: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in known
        }
        made["evidence"] = tuple(EvidenceLine(**item) for item in data.get("evidence", ()))
        made["also"] = tuple(Alternative(**item) for item in data.get("also", ()))
        made["packages"] = tuple(PackageOutcome(**item) for item in data.get("packages", ()))
        return cls(**made)


def facts_of(
    run: Run,
    diagnosis: Diagnosis,
    verdict: Verdict,
    missing: tuple[str, ...],
    *,
    can_rerun: bool,
    other_jobs: tuple[str, ...] = (),
    unseen: bool = False,
) -> Facts:
    best = verdict.match.best
    return Facts(
        sentence=verdict.sentence,
        reasons=verdict.reasons,
        advice=verdict.advice,
        evidence=diagnosis.evidence,
        also=verdict.also,
        then=verdict.then,
        packages=diagnosis.packages,
        code=diagnosis.code,
        auth=diagnosis.auth and verdict.blames_credential,
        workflow_name=run.workflow_name,
        run_url=run.url,
        run_number=run.number,
        attempt=run.attempt,
        branch=run.branch,
        actor=run.actor,
        token_reasons=best.reasons if best else (),
        token_guess=verdict.match.guess,
        token_ties=tuple(candidate.token.name for candidate in (best, *verdict.match.ties) if candidate)
        if verdict.match.ties
        else (),
        missing=missing,
        docs=verdict.docs or diagnosis.docs,
        can_rerun=can_rerun,
        seen_late=run.seen_late,
        failed_at=int(run.completed_at.timestamp()) if run.completed_at else None,
        repo=run.repo,
        run_id=run.run_id,
        other_jobs=other_jobs,
        unseen=unseen,
    )


class Action(Enum):
    POST = "post"
    EDIT = "edit"
    REOPEN = "reopen"  # the failure is back within a day
    ADOPT = "adopt"  # the same release fails for another reason now: the card goes on
    QUIET = "quiet"


class Leaving(Enum):
    """What becomes of another incident that waited for this workflow."""

    MERGE = "merge"  # it waited for nothing else: it goes on in the one that is told now
    MOVE = "move"  # it goes on for the others


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record about a failure. `same`: the open incident with its fingerprint; `others`: open ones that wait
    for this workflow too, and whether for nothing else; `ended`: the last one with its fingerprint that is over;
    `attempt`: the one in which exactly this attempt failed already; `later`: a later attempt of the same run that was
    heard of first; `published`: a later run of the workflow published the package."""

    same: Incident | None = None
    others: tuple[tuple[Incident, bool], ...] = ()
    ended: Incident | None = None
    attempt: Incident | None = None
    later: RunRecord | None = None
    published: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: kebab-case, kept with the delivery; `incident`: the one that is edited, opened again or adopted, or
    the one before a new card; `leaving`: what becomes of others that waited for the workflow."""

    action: Action
    reason: str
    incident: Incident | None = None
    leaving: tuple[tuple[Incident, Leaving], ...] = ()


def with_packages_of(diagnosis: Diagnosis, others: Sequence[Diagnosis]) -> Diagnosis:
    """The diagnosis with what became of the packages of other jobs of the same run."""
    outcomes = {outcome.package: outcome for outcome in diagnosis.packages}
    for other in (diagnosis, *others) if any(other.package for other in others) else ():
        for outcome in other.packages:
            outcomes.setdefault(outcome.package, outcome)
        if other.package:
            outcomes.setdefault(other.package, PackageOutcome(other.package, other.version, "failed"))
    return dataclasses.replace(diagnosis, packages=tuple(outcomes.values()))


def looks_like_a_release(run: Run) -> bool:
    """By its name alone, for when nothing else could be read: does this workflow publish?"""
    name = f"{run.workflow} {run.workflow_name or ''}".lower()
    return any(word in name for word in (*_PUBLISHING, "npm"))


def failed_unseen(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Jobs of a green run in which publishing failed all the same: the job or the step goes on when it fails."""
    return tuple(job for job in jobs if job.failed or any(step.failed and _publishes(step.name) for step in job.steps))


def may_have_staged(jobs: Sequence[Job]) -> bool:
    """By the names of the steps alone."""
    return any("stage" in step.name.lower() and _publishes(step.name) for job in jobs for step in job.steps)


def _publishes(step: str) -> bool:
    return any(word in step.lower() for word in _PUBLISHING)


def unread(run: Run, why: str) -> Diagnosis:
    """What is known of a failed job whose log could not be read: worth a card only when the workflow publishes."""
    return Diagnosis(
        cause="unknown",
        auth=False,
        outcome="failed",
        phase="publish" if looks_like_a_release(run) else "other",
        sentence=f"The run failed, and why could not be read: {why}.",
        confidence=0.0,
        fix=("Open the run and look at its last lines.", "Let the bot read it: run `python -m bot check`."),
    )


def worth_a_card(diagnosis: Diagnosis) -> bool:
    """A failed publish, or a credential that failed anywhere. A red test or a flaky install is not our business."""
    if diagnosis.cause in QUIET_CAUSES:
        return False
    return diagnosis.auth or diagnosis.phase == "publish" or diagnosis.outcome == "staged"


def fingerprint(run: Run, diagnosis: Diagnosis, verdict: Verdict) -> str:
    """What makes two failures the same: the registry in trouble, one token at fault or one secret of the organisation,
    wherever it failed, else one workflow, whatever stops it."""
    registry = diagnosis.registry or "npm"
    if verdict.code in OUTAGES:
        return f"{registry}|outage"
    best = verdict.match.best
    known = best is not None and not verdict.match.guess and not verdict.match.ties
    if best is not None and known and best.token.id is not None and verdict.code in ALIKE_EVERYWHERE:
        return f"{registry}|token:{best.token.id}"
    if verdict.shared is not None:
        return f"{registry}|{verdict.shared}"
    return f"{registry}|{run.repo}|{run.workflow}".lower()


def answers_for(token: Token | None, facts: Facts) -> Token | None:
    """The token whose people may be called: a credential is at fault, and it is known which one."""
    return token if facts.auth and not facts.token_guess else None


def is_outage(incident: Incident) -> bool:
    return incident.verdict in OUTAGES


def decide(known: Known, code: str, now: datetime) -> Decision:
    """Should we speak, and on which card? `code`: the verdict's."""
    if known.later is not None and known.later.conclusion == "success":
        return Decision(Action.QUIET, "later-attempt-succeeded")
    if known.attempt is not None:
        if known.attempt.state == "resolved":
            return Decision(Action.QUIET, "same-attempt-and-over")
        return Decision(Action.EDIT, "same-attempt-again", known.attempt)
    if known.published:
        return Decision(Action.QUIET, "a-later-run-published")
    leaving = _leaving(known, code)
    if known.same is not None:
        reason = "failed-again-while-snoozed" if known.same.state == "snoozed" else "failed-again"
        return Decision(Action.EDIT, reason, known.same, leaving)
    goes_on = next((incident for incident, how in leaving if how is Leaving.MERGE), None)
    if goes_on is not None:
        others = tuple((incident, how) for incident, how in leaving if incident is not goes_on)
        return Decision(Action.ADOPT, "fails-for-another-reason", goes_on, others)
    ended = known.ended
    if ended is not None and ended.resolved_at is not None and now - ended.resolved_at < BACK_WITHIN:
        return Decision(Action.REOPEN, "back-within-a-day", ended, leaving)
    return Decision(Action.POST, "first-failure" if ended is None else "back-after-a-day", ended, leaving)


def _leaving(known: Known, code: str) -> tuple[tuple[Incident, Leaving], ...]:
    """An outage passes: it takes nothing from what was wrong before. What fails for a reason of its own leaves it."""
    return tuple(
        (incident, Leaving.MERGE if alone and not is_outage(incident) else Leaving.MOVE)
        for incident, alone in known.others
        if is_outage(incident) or code not in OUTAGES
    )


def what_changed(before: Incident, verdict: str, sentence: str) -> str | None:
    """The sentence that the card said until now, when a later failure shows another cause."""
    said = Facts.from_json(before.facts).sentence
    if before.verdict == verdict or said == sentence or {before.verdict, verdict} <= OUTAGES:
        return None
    return said
