"""From what was read to one verdict: which failure came first, what explains it, what else failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from bot.diagnosis.commands import only_logs_in, only_pushes_git, program_of, puts_elsewhere, reads_repository
from bot.diagnosis.deciding import findings_of
from bot.diagnosis.diagnosis import Alternative, Diagnosis, Outcome, PackageOutcome, Phase
from bot.diagnosis.excerpts import Excerpts
from bot.diagnosis.naming import code_of, registry_of
from bot.diagnosis.other_services import is_service
from bot.diagnosis.packages import plain_name
from bot.diagnosis.reading import Finding, Hit, Reading
from bot.diagnosis.rule import AUTH_CAUSES

__all__ = ["Hit", "Reading", "judge"]

# Failures that explain nothing about the others: a re-run after a partial success meets them.
_HARMLESS = frozenset({"version-exists", "already-staged"})
# In these months npm sent the notice of a dead token with every 404 (npm/cli#8816).
_NOTICE_WITH_ANY_404 = (date(2025, 12, 9), date(2026, 3, 9))
# Tools that release many packages of one repository: the one whose script ran them is none of these.
_OF_MANY = frozenset({"changesets", "lerna", "nx", "rush", "lage", "beachball", "auto", "turborepo"})
_SENTENCES = {
    "published": "The publish succeeded.",
    "staged": "The version is staged and waits for a person's approval; it is not on the registry yet.",
    "not-a-publish": "The job did not try to publish.",
    "unknown": "The log does not say why it failed.",
}
_FIXES = {
    "staged": ("A maintainer approves it with 2FA: `npm stage list PACKAGE`, then `npm stage approve ID`.",),
    "validated": ("Publish the validated deployment in the Central Portal: https://central.sonatype.com/publishing.",),
    "unknown": ("Re-run the publish step with `npm_config_loglevel: verbose`, and read the last lines of its log.",),
}


@dataclass(slots=True)
class _Verdict:
    """The parts of a Diagnosis while they are put together."""

    cause: str
    outcome: Outcome
    phase: Phase
    sentence: str
    confidence: float
    findings: list[Finding] = field(default_factory=list)
    stacked: list[Finding] = field(default_factory=list)  # the first line of each other failure
    also: list[Alternative] = field(default_factory=list)
    fix: tuple[str, ...] = ()
    docs: str | None = None


def judge(reading: Reading) -> Diagnosis:
    """The one entry."""
    excerpts = Excerpts(reading)
    findings = findings_of(reading)
    real = _without_checks_afterwards(reading, [f for f in findings if not f.rule.echo])
    echoes = [f for f in findings if f.rule.echo]
    published = [p for p in reading.packages.outcomes if p.outcome in ("published", "staged")]
    if real and _only_to_pull(reading, real):
        verdict = _login_to_pull_failed(real)
    elif real:
        verdict = _failed(reading, real)
    elif echoes and _only_afterwards(reading, echoes):
        verdict = _went_out_before(reading, published)
    elif echoes:
        verdict = _build_failed(reading, echoes)
    elif published or reading.succeeded:
        verdict = _succeeded(reading, published)
    else:
        verdict = _nothing_found(reading)
    if verdict.outcome == "failed" and published and real:
        names = ", ".join(p.package for p in published[:3])
        verdict.also.insert(0, Alternative("published", 0.9, f"published in the same run: {names}"))
    return _compose(reading, verdict, excerpts)


def _without_checks_afterwards(reading: Reading, real: list[Finding]) -> list[Finding]:
    """Nothing where all that failed is an install of what had just been published: it takes a while to be found."""
    last = max(reading.success_lines, default=0)
    after = last and all(f.rule.cause == "not-a-publish" and f.hit.line.number > last for f in real)
    return [] if after else real


def _only_afterwards(reading: Reading, echoes: list[Finding]) -> bool:
    """Whether all that failed is in steps after the one in which the last thing was published."""
    last = max(reading.success_lines, default=0)
    published_in = max((i for i, step in enumerate(reading.steps.all) if step.line <= last), default=0)
    everything = all(p.outcome in ("published", "staged") for p in reading.packages.outcomes)
    steps = [reading.steps.all[f.hit.step] for f in echoes]
    others = all(f.hit.step > published_in and f.hit.setting != "publish" for f in echoes)
    return bool(last) and everything and others and not any(step.setting == "publish" for step in steps)


def _went_out_before(reading: Reading, published: list[PackageOutcome]) -> _Verdict:
    verdict = _succeeded(reading, published)
    verdict.sentence = f"{verdict.sentence} A step after it failed."
    verdict.confidence = 0.8
    verdict.also = [Alternative("not-a-publish", 0.3, "it is about what failed afterwards"), *verdict.also]
    return verdict


def _failed(reading: Reading, findings: list[Finding]) -> _Verdict:
    groups = _by_package(findings)
    chosen = next((g for g in groups if _best(g).rule.cause not in _HARMLESS), groups[0])
    best = _best(chosen)
    same = [f for f in chosen if f.rule.cause == best.rule.cause]
    also = [Alternative(m.cause, m.confidence, m.would_confirm) for m in best.rule.maybe]
    stacked = _stacked(best, findings)
    also = stacked + [a for a in also if a.cause not in {s.cause for s in stacked}]
    also.sort(key=lambda other: -other.confidence)
    return _Verdict(
        cause=best.rule.cause,
        outcome="failed",
        phase=_phase(reading, best),
        sentence=best.rule.sentence,
        confidence=_confidence(reading, best),
        findings=[best, *(f for f in same if f is not best)],
        stacked=_firsts(best, findings),
        also=also,
        fix=best.rule.fix,
        docs=best.rule.docs,
    )


def _only_to_pull(reading: Reading, findings: list[Finding]) -> bool:
    """Whether all that failed is the log-in of a job that fetches images and pushes none."""
    return reading.steps.logs_in_to_pull and all(
        f.registry == "docker" and only_logs_in(reading.steps.all[f.hit.step].command) for f in findings
    )


def _login_to_pull_failed(findings: list[Finding]) -> _Verdict:
    """A credential that was refused wants a look all the same; one that is missing is usual for forks."""
    best = findings[0]
    missing = best.rule.cause == "token-missing"
    if best.rule.cause not in AUTH_CAUSES:
        cause, sentence = best.rule.cause, best.rule.sentence
    elif missing:
        cause, sentence = "not-a-publish", "The job has no credential to fetch images with; it does not publish."
    else:
        cause, sentence = "install-auth", "The log-in with which this job fetches images was refused; it pushes none."
    maybe = Alternative(best.rule.cause, 0.3, "a later step of this job pushes the image")
    return _Verdict(cause, "failed", "install", sentence, 0.7, findings, also=[maybe], fix=best.rule.fix)


def _best(group: Sequence[Finding]) -> Finding:
    """The most specific rule; of its lines the first that names a verb or an address, else the first."""
    order = min(f.order for f in group)
    lines = [f for f in group if f.order == order]
    return next((f for f in lines if "://" in f.hit.line.text), lines[0])


def _by_package(findings: list[Finding]) -> list[list[Finding]]:
    """Findings of one package of one step belong together; those that name none belong to their neighbour."""
    groups: dict[tuple[int, str | None], list[Finding]] = {}
    last: dict[int, str | None] = {}
    for finding in findings:
        step, package = finding.hit.step, finding.hit.named.package
        if package is not None and finding.registry == "pypi":
            package = plain_name(package)
        if package is None:
            package = last.get(step)
        elif (step, None) in groups:  # the lines before the first name were about it
            groups.setdefault((step, package), []).extend(groups.pop((step, None)))
        last[step] = package
        groups.setdefault((step, package), []).append(finding)
    return list(groups.values())


def _stacked(best: Finding, findings: list[Finding]) -> list[Alternative]:
    """Other failures of the run, and the plain reading of the line that a clue explained better."""
    seen = {best.rule.cause}
    stacked = []
    for finding in findings:
        for rule in (finding.rule, *((finding.plain,) if finding is best and finding.plain else ())):
            if rule.cause not in seen:
                seen.add(rule.cause)
                confidence = 0.7 if rule is finding.rule else 0.5
                stacked.append(Alternative(rule.cause, confidence, f"line {finding.hit.line.number} of the log"))
    return stacked


def _confidence(reading: Reading, best: Finding) -> float:
    first, last = _NOTICE_WITH_ANY_404
    if "expired-notice" in best.rule.requires and reading.at and first <= reading.at < last:
        return best.confidence - 0.15
    return best.confidence


def _firsts(best: Finding, findings: list[Finding]) -> list[Finding]:
    firsts = {f.rule.cause: f for f in reversed(findings) if f.rule.cause != best.rule.cause}
    return sorted(firsts.values(), key=lambda f: f.hit.line.number)[:2]


def _phase(reading: Reading, best: Finding) -> Phase:
    if best.hit.setting == "install" or best.rule.cause == "install-auth" or best.rule.reads:
        return "install"
    step = reading.steps.all[best.hit.step]
    if step.administration or reads_repository(step.command):
        return "other"
    if step.setting == "publish" or best.hit.setting == "publish" or reading.publishing:
        return "publish"
    if best.rule.cause in ("github-auth", "oidc-cli-too-old", "version-exists") or "pushing-job" in best.rule.requires:
        return "publish"
    wrote = any(hit.step == best.hit.step and hit.shows_write for hit in reading.hits)
    return "publish" if wrote else "other"


def _build_failed(reading: Reading, echoes: list[Finding]) -> _Verdict:
    first = echoes[0]
    step = reading.steps.all[first.hit.step]
    publishing = (
        step.setting == "publish"
        or reading.publishing
        or first.hit.setting == "publish"
        or reading.steps.publishing_job
    )
    if step.setting == "install" or first.hit.setting == "install" or puts_elsewhere(step.command):
        publishing = False
    elif reading.is_pnpm_script_alone:
        publishing = True  # the piece of a log that somebody cut out to ask about
    cause = "build-failed" if publishing else "not-a-publish"
    other = "not-a-publish" if publishing else "build-failed"
    return _Verdict(
        cause=cause,
        outcome="failed",
        phase="publish" if publishing else "install" if step.setting == "install" else "other",
        sentence=first.rule.sentence
        if publishing
        else "A build, test or lint step failed; the job did not try to publish.",
        confidence=0.85 if step.setting == "publish" else 0.7,
        findings=echoes,
        also=[_may_be(other, 0.3)],
        fix=first.rule.fix if publishing else first.rule.fix[:1],
    )


def _succeeded(reading: Reading, published: list[PackageOutcome]) -> _Verdict:
    staged = reading.awaits_approval or any(p.outcome == "staged" for p in reading.packages.outcomes)
    if reading.dry_run:
        return _Verdict("not-a-publish", "succeeded", "other", "A dry run succeeded; nothing was published.", 0.85)
    if staged:
        fix = _FIXES["validated" if reading.awaits_approval else "staged"]
        return _Verdict("staged", "staged", "publish", _SENTENCES["staged"], 0.95, fix=fix)
    also = []
    seen = set()
    for finding in reading.overcome:
        if finding.rule.cause not in seen and not finding.rule.echo:
            seen.add(finding.rule.cause)
            also.append(
                Alternative(finding.rule.cause, 0.6, f"line {finding.hit.line.number}: an earlier try of this run")
            )
    return _Verdict("published", "succeeded", "publish", _SENTENCES["published"], 0.95, also=also[:3])


def _nothing_found(reading: Reading) -> _Verdict:
    failed = reading.failed_step
    ships = failed is not None and reading.ships(failed)
    tried = ships or (reading.publishing and (failed is None or failed.setting in ("publish", "other")))
    before_publish = failed is not None and failed.setting == "build" and reading.steps.publishing_job
    if failed is not None and failed.setting != "publish" and not (ships or reading.publish_tried or before_publish):
        phase: Phase = "install" if failed.setting == "install" else "other"
        sentence = "A step failed that does not publish."
        return _Verdict("not-a-publish", "failed", phase, sentence, 0.6, also=[_may_be("unknown", 0.3)])
    if failed is not None and is_service(failed.ran) and not reading.voices.get(reading.steps.all.index(failed)):
        sentence = "What failed deploys, reports or tells something; nothing was on its way to a registry."
        return _Verdict("not-a-publish", "failed", "other", sentence, 0.6, also=[_may_be("unknown", 0.3)])
    if failed is not None and only_pushes_git(failed.command) and not reading.voices:
        sentence = "A push to a repository or a call of its forge failed; nothing was on its way to a registry."
        return _Verdict("not-a-publish", "failed", "other", sentence, 0.6, also=[_may_be("unknown", 0.3)])
    if failed is not None and failed.setting in ("install", "build"):
        phase = "install" if failed.setting == "install" else "other"
        cause, phase = ("build-failed", "publish") if before_publish else ("not-a-publish", phase)
        return _Verdict(
            cause, "failed", phase, "A step before the publish failed.", 0.6, also=[_may_be("unknown", 0.3)]
        )
    ends_elsewhere = puts_elsewhere(reading.steps.current.command) and reading.has_errors
    if (reading.steps.job_failed or ends_elsewhere) and failed is None and not reading.publishing:
        sentence = "The job failed and does not publish."
        return _Verdict("not-a-publish", "failed", "other", sentence, 0.6, also=[_may_be("unknown", 0.3)])
    quiet = failed is None and not reading.steps.job_failed and reading.recognised
    quiet = quiet and (reading.nothing_to_publish_last or not reading.has_errors)
    if quiet and reading.announced and not reading.dry_run:
        silent = Alternative("unknown", 0.2, "the version is not on the registry: the client says nothing at its end")
        return _Verdict("published", "succeeded", "publish", _SENTENCES["published"], 0.75, also=[silent])
    # A piece without a step in sight, with words of a refusal that could not be placed: less is sure.
    piece = len(reading.steps.all) == 1 and any(
        reading.book.rules[index][1].cause in AUTH_CAUSES and hit.setting == "other"
        for hit in reading.hits
        for index in hit.rules
    )
    if quiet and (reading.nothing_to_publish or reading.dry_run or not reading.publishing):
        sentence = _SENTENCES["not-a-publish"]
        skipped = [p for p in reading.packages.outcomes if p.outcome == "skipped"]
        met: Phase = "publish" if len(skipped) == 1 and reading.publishing else "other"
        return _Verdict(
            "not-a-publish",
            "succeeded",
            met,
            sentence,
            0.5 if piece else 0.75,
            also=[_may_be("unknown", 0.4 if piece else 0.2)],
        )
    return _Verdict(
        "unknown",
        "unclear",
        "publish" if tried else "other",
        _SENTENCES["unknown"],
        0.5,
        fix=_FIXES["unknown"],
        also=[] if tried else [_may_be("not-a-publish", 0.4)],
    )


def _may_be(cause: str, confidence: float) -> Alternative:
    if cause == "not-a-publish":
        return Alternative(cause, confidence, "the job is not meant to publish")
    return Alternative(cause, confidence, "the job is meant to publish")


def _compose(reading: Reading, verdict: _Verdict, excerpts: Excerpts) -> Diagnosis:
    failed = verdict.outcome == "failed" and bool(verdict.findings)
    first: Any = verdict.findings[0] if failed else None
    package, version = _package_of(reading, verdict, first)
    if failed and first.rule.cause != "not-a-publish" and verdict.phase != "install":
        for finding in verdict.findings:
            name = finding.hit.named.package
            if name and reading.packages.outcome_of(name) != "published" and finding.hit.setting != "install":
                reading.packages.record(name, finding.hit.named.version, "failed")
    evidence = excerpts.evidence(verdict.cause, verdict.findings, first, verdict.stacked)
    quiet = verdict.cause == "not-a-publish" and verdict.phase != "publish"
    return Diagnosis(
        cause=verdict.cause,
        auth=verdict.cause in AUTH_CAUSES,
        outcome=verdict.outcome,
        phase=verdict.phase,
        sentence=verdict.sentence,
        registry=None if quiet else registry_of(reading, first),
        tool=_tool_of(reading, verdict, first),
        client=reading.tools.client(),
        package=package,
        version=version,
        code=code_of(reading, verdict.findings) if failed else None,
        packages=reading.packages.outcomes if not reading.dry_run else (),
        confidence=verdict.confidence,
        evidence=evidence,
        also=tuple(a for a in verdict.also if a.cause != verdict.cause)[:4],
        fix=verdict.fix,
        docs=verdict.docs,
        secrets_masked=excerpts.masked,
        lines=reading.lines,
    )


def _tool_of(reading: Reading, verdict: _Verdict, first: Any) -> str | None:
    """Who published; where nobody did, the program that failed."""
    unpublished = ("not-a-publish", "build-failed", *(() if reading.tools.tool else ("install-auth",)))
    if verdict.cause not in unpublished or verdict.outcome != "failed":
        return reading.tools.tool
    step = reading.steps.all[first.hit.step] if first is not None else reading.failed_step
    if step is None or step.setting == "publish" or not step.command:
        return reading.tools.tool
    return program_of(step.ran) or program_of(step.command) or reading.tools.tool


def _package_of(reading: Reading, verdict: _Verdict, first: Any) -> tuple[str | None, str | None]:
    if verdict.outcome in ("succeeded", "staged"):
        outcomes = [p for p in reading.packages.outcomes if p.outcome in ("published", "staged")]
        if len(outcomes) == 1:
            return outcomes[0].package, outcomes[0].version
        skipped = [p for p in reading.packages.outcomes if p.outcome == "skipped"]
        if not outcomes and len(skipped) == 1:
            return skipped[0].package, skipped[0].version
        if not outcomes and verdict.cause in ("published", "staged"):
            named = reading.packages.current
            return named.package, named.version
        return None, None
    if verdict.cause == "github-auth":
        done = [p for p in reading.packages.outcomes if p.outcome in ("published", "staged")]
        return (done[0].package, done[0].version) if len(done) == 1 else (None, None)
    if first is not None and verdict.cause != "not-a-publish" and verdict.phase != "install":
        names = [f.hit.named for f in verdict.findings if f.hit.step == first.hit.step and f.hit.named.package]
        if names:
            package = reading.packages.spelled(str(names[0].package), names)
            versions = [n.version for n in names if n.package in (package, names[0].package) and n.version]
            return package, versions[0] if versions else reading.packages.announced_version(str(package))
        others = {f.hit.named.package: f.hit.named for f in verdict.stacked if f.hit.named.package}
        if len(others) == 1:  # a log-in was refused, and then the publish of the one package
            package, only = next(iter(others.items()))
            return package, only.version or reading.packages.announced_version(str(package))
        if first.registry not in (None, "npm", "github-packages") and (sole := reading.packages.sole)[0]:
            return sole
        failed = [p for p in reading.packages.outcomes if p.outcome == "failed"]
        if verdict.phase == "publish" and len(failed) == 1:
            return failed[0].package, failed[0].version
        if verdict.phase == "publish" and reading.tools.tool not in _OF_MANY and reading.packages.root[0]:
            return reading.packages.root
        return None, first.hit.named.version
    if verdict.cause == "unknown" and reading.publishing:
        return reading.packages.current.package, reading.packages.current.version
    return None, None
