"""THE STORY: run -> log -> diagnosis -> evidence -> verdict -> incident -> card.

`triage` is called for each completed workflow run. What it decides is returned as a `Worked`, whose `apply` writes the
incident, the occurrence and the Slack message in the transaction that finishes the delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from bot import awaiting, green_runs, incident_failures, settling
from bot.ci_reports import fitting
from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis, PackageOutcome
from bot.diagnosis.engine import LogReader
from bot.errors import GiveUp, TryAgain
from bot.evidence import Evidence, SecretAge, secrets_read
from bot.gathering import gather
from bot.github.run import Job, Run
from bot.inbox import Worked
from bot.incident_failures import FailedRun
from bot.incidents import (
    Action,
    Facts,
    facts_of,
    failed_unseen,
    fingerprint,
    looks_like_a_release,
    may_have_staged,
    unread,
    with_packages_of,
    worth_a_card,
)
from bot.matching import PublishAttempt, match
from bot.metrics import METRICS
from bot.rotation import run as rotation
from bot.rotation.failures import cause_of
from bot.verdict import Verdict, judge
from storage import rotations, runs
from storage.database import Connection
from storage.incidents import NewIncident
from storage.runs import RunRecord

log = structlog.get_logger("triage")

LOG_TRIES = 4  # job logs may 404 for some seconds after `completed`; with the inbox's growth this waits half a minute
NO_CHANNEL_S = 1800.0  # an operator sets it and restarts, which tries at once; after a day of tries it can be replayed
MOST_LOGS = 20  # of one run: a matrix that fails everywhere fails for one reason


async def triage(run: Run, deps: Deps, tries: int = 1) -> Worked:
    """Find out what became of a completed run and what to say. `tries`: how often this delivery was tried."""
    if run.succeeded:
        return await _green(run, deps, tries)
    if not run.failed:
        return Worked("not-a-failure", run.conclusion, lambda c: runs.keep(c, as_record(run, "quiet", deps.now())))
    failure = await diagnose_run(run, deps, tries)
    diagnosis = failure.diagnosis if failure else None
    if failure is None or diagnosis is None or not worth_a_card(diagnosis):
        cause = diagnosis.cause if diagnosis else None
        return Worked(
            cause or "no-failed-job", None, lambda c: runs.keep(c, as_record(run, "quiet", deps.now(), diagnosis))
        )
    return await tell(run, failure, deps)


async def tell(run: Run, failure: Failure, deps: Deps) -> Worked:
    """Gather what is known of a failure, judge it, and say so."""
    diagnosis = failure.diagnosis
    if deps.settings.channel_for(run.repo) is None:
        raise TryAgain(
            "no-channel", "ALERT_CHANNEL is not set: there is nowhere to post the card", after_s=NO_CHANNEL_S
        )
    evidence, verdict = await explain(run, failure, deps)
    log.info("verdict", repo=run.repo, run=run.run_id, attempt=run.attempt, cause=diagnosis.cause, verdict=verdict.code)
    return Worked(verdict.code, verdict.sentence, lambda c: record_failure(c, run, failure, evidence, verdict, deps))


@dataclass(frozen=True, slots=True)
class Failure:
    """What the failed jobs of an attempt say: the most telling one, and a sentence for each other that matters.

    `job`: the one whose log the diagnosis is of; `alone`: the diagnosis without the packages of other jobs, which may
    publish them with tokens of their own; `unseen`: the run was green all the same.
    """

    diagnosis: Diagnosis
    other_jobs: tuple[str, ...] = ()
    job: Job | None = None
    alone: Diagnosis | None = None
    unseen: bool = False


async def diagnose_run(run: Run, deps: Deps, tries: int = LOG_TRIES) -> Failure | None:
    """Read the logs of the failed jobs of an attempt; None when no job failed.

    Raises TryAgain while GitHub does not hand out what is needed; in the end it goes on with what there is.
    """
    try:
        failed = [job for job in await deps.github.jobs(run) if job.failed]
    except GiveUp as error:
        # Also what GitHub answers when our access to the repository was taken away.
        if tries < LOG_TRIES:
            raise TryAgain(error.reason, error.message) from error
        return Failure(unread(run, error.message))
    return await _diagnose_jobs(run, failed, deps, tries)


async def _diagnose_jobs(run: Run, failed: Sequence[Job], deps: Deps, tries: int) -> Failure | None:
    said = [(job, await _diagnose_job(run, job, deps, tries)) for job in failed[:MOST_LOGS]]
    if not said:
        return None
    job, telling = max(said, key=lambda pair: _telling(pair[1]))
    others = [(job, diagnosis) for job, diagnosis in said if diagnosis is not telling and worth_a_card(diagnosis)]
    return Failure(
        with_packages_of(telling, [diagnosis for _, diagnosis in others]),
        tuple(f"{other.name}: {_about(diagnosis)}{diagnosis.sentence}" for other, diagnosis in others),
        job,
        telling,
    )


async def explain(run: Run, failure: Failure, deps: Deps) -> tuple[Evidence, Verdict]:
    """Join the log with everything else that is known."""
    diagnosis = failure.alone or failure.diagnosis
    evidence = await gather(run, diagnosis, deps, failure.job)
    attempt = attempt_of(run, failure, evidence)
    return evidence, judge(diagnosis, evidence, attempt, match(attempt, evidence.tokens), deps.now())


def attempt_of(run: Run, failure: Failure, evidence: Evidence) -> PublishAttempt:
    """Who tried to publish what, from where: of the job that failed, and of the file's first publishing job when it is
    not known which one that was."""
    job = evidence.workflow.jobs[0] if evidence.workflow and evidence.workflow.jobs else None
    labels = failure.job.labels if failure.job else ()
    return PublishAttempt(
        repo=run.repo,
        workflow=run.workflow,
        registry=failure.diagnosis.registry or "npm",
        packages=evidence.packages,
        secrets=secrets_read(failure.diagnosis, evidence.workflow),
        environment=job.environment if job else None,
        called_workflow=job.called if job else None,
        event=run.event,
        actor=run.actor,
        from_fork=run.from_fork,
        branch=run.branch,
        runners=labels or (job.runners if job else ()),
        secret=evidence.secret,
        started_at=_handed_out(run, failure.job, evidence.secret),
        failed_at=run.completed_at,
    )


def _handed_out(run: Run, job: Job | None, secret: SecretAge | None) -> datetime | None:
    """When GitHub read the secret for this attempt (GitHub docs, secrets in Actions); None when that is not known."""
    if secret is None or secret.level != "environment":
        return run.started_at
    begun = job.started_at if job is not None else None
    return max(begun, run.started_at) if begun and run.started_at else begun


def as_incident(run: Run, failure: Failure, evidence: Evidence, verdict: Verdict, deps: Deps) -> NewIncident:
    """The failure as the incident that it is or would begin."""
    diagnosis = failure.diagnosis
    token = verdict.match.best.token if verdict.match.best and not verdict.match.ties else None
    return NewIncident(
        fingerprint=fingerprint(run, diagnosis, verdict),
        registry=diagnosis.registry,
        cause=diagnosis.cause,
        verdict=verdict.code,
        token_id=token.id if token else None,
        repo=run.repo,
        workflow=run.workflow,
        package=diagnosis.package or next(iter(evidence.packages), None),
        version=diagnosis.version,
        channel=deps.settings.channel_for(run.repo),
        facts=_facts_of(run, failure, evidence, verdict, deps).to_json(),
    )


def record_failure(
    connection: Connection, run: Run, failure: Failure, evidence: Evidence, verdict: Verdict, deps: Deps
) -> None:
    """Write the run, the incident, and what is said of them."""
    now = deps.now()
    diagnosis = failure.diagnosis
    facts = _facts_of(run, failure, evidence, verdict, deps)
    new = as_incident(run, failure, evidence, verdict, deps)
    runs.keep(connection, replace(as_record(run, "failed", now, diagnosis), token_id=new.token_id))
    failed = FailedRun(run, new, facts, awaiting.waits_for(diagnosis), sure=verdict.sure)
    decision = incident_failures.failed(connection, failed, now)
    if decision.action is Action.QUIET:
        return
    rotation.failed(
        connection,
        repo=run.repo,
        workflow=run.workflow,
        run_url=run.url,
        run_key=f"{run.repo}:{run.run_id}:{run.attempt}",
        registry=diagnosis.registry or "npm",
        cause=cause_of(diagnosis.cause, verdict.code),
        package=new.package,
        failed_at=run.completed_at or now,
        now=now,
        began_at=_handed_out(run, failure.job, evidence.secret),
    )


def _facts_of(run: Run, failure: Failure, evidence: Evidence, verdict: Verdict, deps: Deps) -> Facts:
    facts = facts_of(
        run,
        failure.diagnosis,
        verdict,
        evidence.missing,
        can_rerun=run.on_github and deps.github.may_rerun(run.repo),
        other_jobs=failure.other_jobs,
        unseen=failure.unseen,
    )
    if run.on_github:
        return facts
    return replace(facts, advice=fitting(facts.advice, run, failure.diagnosis.package), run_id=None)


async def _green(run: Run, deps: Deps, tries: int) -> Worked:
    """A green run is read only when something waits for its workflow, when it may have staged a version, or when
    publishing failed in it unseen."""
    waiting = await deps.db.read(green_runs.waiting_for, run)
    rotating = await deps.db.read(rotations.open_in_workflow, run.repo, run.workflow)
    stages = await deps.db.read(green_runs.may_stage, run)
    concerned = bool(waiting or rotating or stages)
    jobs = await green_runs.jobs(run, deps) if concerned or looks_like_a_release(run) else ()
    unseen = await _failed_unseen(run, jobs, deps, tries)
    if unseen is not None:
        return await tell(run, unseen, deps)
    if not concerned and not may_have_staged(jobs):
        record = as_record(run, "green", deps.now())
        return Worked("green", None, lambda c: runs.keep(c, record))
    said = await diagnosis_of_green(run, deps, jobs)
    staged = said is not None and said.outcome == "staged"
    found = await green_runs.read(run, said, waiting, deps)
    outcome = said.cause if said is not None and said.cause in ("published", "staged") else "green"
    record = as_record(run, outcome, deps.now(), said)

    def apply(connection: Connection) -> None:
        runs.keep(connection, record)
        rotation.succeeded(connection, run.repo, run.workflow, deps.now())
        for incident_id, afterwards in found.items():
            settling.green(connection, incident_id, afterwards, deps.now())

    afterwards = [after for pairs in found.values() for _, after in pairs]
    taken = any(after.state == "staged" for after in afterwards)
    if said is not None and staged and not taken and deps.settings.channel_for(run.repo) is not None:
        failure = Failure(said)
        evidence, verdict = await explain(run, failure, deps)

        def apply_staged(connection: Connection) -> None:
            apply(connection)
            record_failure(connection, run, failure, evidence, verdict, deps)
            runs.keep(connection, record)

        return Worked("staged", None, apply_staged)
    settled = any(after.settled for after in afterwards)
    return Worked("resolved" if settled else "green-not-the-fix", None, apply)


async def _failed_unseen(run: Run, jobs: Sequence[Job], deps: Deps, tries: int) -> Failure | None:
    """A publish that failed in a green run, because the step or the job goes on when it does."""
    suspects = failed_unseen(jobs)
    failure = await _diagnose_jobs(run, suspects, deps, tries) if suspects else None
    if failure is None or not failure.diagnosis.confidence or not worth_a_card(failure.diagnosis):
        return None
    tried = failure.diagnosis.outcome == "failed" and failure.diagnosis.phase == "publish"
    return replace(failure, unseen=True) if tried else None


async def _read_log(run: Run, job: Job, deps: Deps) -> Diagnosis:
    reader = LogReader()
    async with deps.github.job_log(run, job) as chunks:
        async for chunk in chunks:
            # A megabyte of patterns would hold up every Slack acknowledgement.
            await asyncio.to_thread(reader.feed, chunk)
    return await asyncio.to_thread(reader.finish)


async def _diagnose_job(run: Run, job: Job, deps: Deps, tries: int) -> Diagnosis:
    try:
        diagnosis = await _read_log(run, job, deps)
    except TryAgain as error:
        if error.reason != "log-not-there" or tries < LOG_TRIES:
            raise
        log.warning("no log after several tries", job=job.job_id)
        return unread(run, error.message)
    except GiveUp as error:
        log.warning("log cannot be read", job=job.job_id, reason=error.reason)
        return unread(run, error.message)
    METRICS.diagnoses.labels(diagnosis.cause).inc()
    METRICS.secrets_masked.inc(diagnosis.secrets_masked)
    return diagnosis


async def diagnosis_of_green(run: Run, deps: Deps, jobs: Sequence[Job] = ()) -> Diagnosis | None:
    """What the jobs of a green run say; the one that published if any did. None when no log can be read. `jobs`: if
    they were asked for already."""
    try:
        good = [job for job in jobs or await deps.github.jobs(run) if job.conclusion == "success"]
        said = [await _read_log(run, job, deps) for job in good[:MOST_LOGS]]
    except (GiveUp, TryAgain) as error:
        log.info("green run could not be read", reason=error.reason)
        return None
    best = max(said, key=lambda d: d.outcome in ("succeeded", "staged") and d.phase == "publish", default=None)
    if best is None or best.outcome not in ("succeeded", "staged"):
        return best
    # A job for each package: what all of them published counts.
    out = {p.package: p for d in said if d.outcome in ("succeeded", "staged") for p in _outcomes_of(d)}
    return replace(best, packages=tuple(out.values())) if len(out) > 1 else best


def _outcomes_of(green: Diagnosis) -> Sequence[PackageOutcome]:
    if green.cause not in ("published", "staged"):
        return ()
    alone = PackageOutcome(green.package, green.version, green.cause) if green.package else None
    return green.packages or ((alone,) if alone else ())


def _about(diagnosis: Diagnosis) -> str:
    return " ".join(filter(None, (diagnosis.package, diagnosis.version))) + ": " if diagnosis.package else ""


def _telling(diagnosis: Diagnosis) -> tuple[bool, bool, bool, float]:
    return (
        worth_a_card(diagnosis),
        diagnosis.cause != "unknown",
        diagnosis.auth,
        diagnosis.confidence,
    )


def as_record(run: Run, outcome: str, now: datetime, diagnosis: Diagnosis | None = None) -> RunRecord:
    return RunRecord(
        repo=run.repo,
        run_id=run.run_id,
        attempt=run.attempt,
        workflow=run.workflow,
        conclusion=run.conclusion,
        outcome=outcome,
        cause=diagnosis.cause if diagnosis else None,
        package=diagnosis.package if diagnosis else None,
        version=diagnosis.version if diagnosis else None,
        completed_at=run.completed_at,
        seen_at=now,
        registry=diagnosis.registry if diagnosis else None,
    )
