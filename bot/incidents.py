"""Same incident? Post, edit or stay quiet? Decided here with a named reason. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bot.diagnosis.diagnosis import Alternative, Diagnosis, EvidenceLine, PackageOutcome
from bot.github.run import Run
from bot.verdict import Verdict
from bot.verdict.verdict import EVERYWHERE
from storage.incidents import Incident
from storage.runs import RunRecord

# A failure of these is nobody's alert: the release was not tried, or it worked.
# Causes of incidents that no failed run began.
WITHOUT_A_RUN = frozenset({"forecast", "release-missing", "leak"})
QUIET_CAUSES = frozenset({"build-failed", "not-a-publish", "published"})


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
    )


class Action(Enum):
    POST = "post"
    EDIT = "edit"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: kebab-case, kept with the delivery; `thread`: whether the edit also says a line in the thread."""

    action: Action
    reason: str
    thread: bool = False


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
    return any(word in name for word in ("publish", "release", "deploy", "npm"))


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
    """What makes two failures the same: one token at fault or the registry itself, wherever it failed, else one cause
    in one workflow."""
    registry = diagnosis.registry or "npm"
    if verdict.code in EVERYWHERE:
        return f"{registry}|{verdict.code}"
    if verdict.token is not None and verdict.token.id is not None:
        return f"{registry}|{verdict.code}|token:{verdict.token.id}"
    return f"{registry}|{verdict.code}|{run.repo}|{run.workflow}".lower()


def decide(open_incident: Incident | None, known_occurrence: bool, later: RunRecord | None) -> Decision:
    """Should we speak? `known_occurrence`: this attempt is in the incident already; `later`: a later attempt of the
    same run that was heard of first."""
    if later is not None and later.conclusion == "success":
        return Decision(Action.QUIET, "later-attempt-succeeded")
    if open_incident is None:
        return Decision(Action.POST, "first-failure")
    if known_occurrence:
        return Decision(Action.EDIT, "same-attempt-again")
    if open_incident.state == "snoozed":
        return Decision(Action.EDIT, "failed-again-while-snoozed")
    return Decision(Action.EDIT, "failed-again", thread=True)
