"""The living card of one incident: the fact, what to do, whose token it is, then the evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.diagnosis.diagnosis import PackageOutcome
from bot.incidents import WITHOUT_A_RUN, Facts
from bot.messages import awaited_list, token_facts
from bot.messages import text as t
from bot.messages.around import Around
from bot.messages.message import Button, Message, Part, buttons, context, message, preformatted, section
from bot.messages.words import (
    BLAMELESS,
    BLAMELESS_ELSE,
    TOKEN_AT_FAULT,
    cause_words,
    workflow_words,
)
from storage.incidents import Incident, NewIncident
from storage.tokens import Token

_Failure = Incident | NewIncident
ALONE = Around()

# The value of each button is the incident's id.
CLAIM = "incident.claim"
SNOOZE = "incident.snooze"
RESOLVE = "incident.resolve"
WAKE = "incident.wake"  # ends a snooze early
REOPEN = "incident.reopen"
HAND_OVER = "incident.hand_over"
RERUN = "incident.rerun"
ROTATE = "token.rotate"

MOST_STEPS = 4
MOST_OBSTACLES = 3
MOST_REASONS = 4
MOST_LOG_LINES = 3
MOST_ALTERNATIVES = 3
MOST_OTHER_JOBS = 5
MOST_MISSING = 400  # characters: why a source could not be read stands at the end
MOST_NAMES = {"failed": 12, "unclear": 6, "staged": 6, "skipped": 3, "live": 6, "published": 6, "green": 3}
_OUTCOME_WORDS = {
    "failed": "Not published",
    "unclear": "Unclear",
    "staged": "Staged, waiting for approval",
    "skipped": "Skipped",
    "live": "On the registry",
    "published": "Published",
    "green": "The workflow succeeded",
}
# Ranks: what is given up first when a card is too long.
_EVIDENCE, _TOKEN, _PACKAGES, _ALSO, _REASONS, _MISSING = 1, 1, 2, 3, 4, 5


def incident_card(
    incident: Incident, facts: Facts, token: Token | None, now: datetime, around: Around = ALONE
) -> Message:
    """The card in its present state. Posting it mentions the token's owner once; edits notify nobody."""
    about_token = token if facts.auth else None
    is_over = incident.state == "resolved"
    # What is on record of each package tells more than what the last log said of it.
    shown = replace(facts, packages=()) if around.items else facts
    lists = [*awaited_list.packages_table(around.items), *awaited_list.where(around.items)]
    last = "Last: " if awaited_list.is_shared(around.items) else ""
    parts = [
        section(*_headline(incident, facts, now), last + _where(incident, facts)),
        context(_state(incident), _unseen(facts), *awaited_list.since_then(incident, around)),
        # Once it is over, the evidence is one click away in the run.
        *(
            [*_outcome(incident, shown, about_token, now), *lists]
            if is_over
            else explanation(incident, shown, about_token, now, lists)
        ),
        *awaited_list.relatives(incident, facts, around),
        context(
            _history(incident, facts, awaited_list.counted(around.items)),
            _links(facts, incident.cause in WITHOUT_A_RUN),
        ),
        _seen_late(facts),
        None if is_over else context(*_notes(facts), rank=_MISSING),
        _buttons(incident, facts, about_token, around),
    ]
    return message(_fallback(incident, facts, now), parts)


def run_card(failure: NewIncident, facts: Facts, token: Token | None, now: datetime, notes: tuple[str, ...]) -> Message:
    """The card that a failed run would have, for one person: nothing to press, `notes` (safe text) at its end."""
    parts = [
        section(f"*{t.sentence(facts.sentence)}*", _where(failure, facts)),
        *explanation(failure, facts, token if facts.auth else None, now),
        context(*notes, _links(facts)),
        context(*_notes(facts), rank=_MISSING),
    ]
    return message(_fallback(failure, facts, now), parts)


def explanation(
    about: _Failure, facts: Facts, token: Token | None, now: datetime, lists: Sequence[Part | None] = ()
) -> list[Part | None]:
    """What to do, whose token it is, what else was published or failed (`lists`), and how it is known."""
    return [
        *_steps(facts),
        *_then(facts),
        *_outcome(about, facts, token, now),
        *lists,
        *_other_jobs(facts),
        *_evidence(facts),
        *_also(facts),
        *_reasons(facts),
    ]


def _outcome(about: _Failure, facts: Facts, token: Token | None, now: datetime) -> list[Part | None]:
    return [*_token(about, facts, token, now), *_packages(facts.packages)]


def blames_token(incident: Incident, facts: Facts, token: Token | None) -> bool:
    """Whether rotating this very token is the way out, known well enough to offer it with one click."""
    return (
        token is not None
        and facts.auth
        and not facts.token_guess
        and token.kind != token_facts.TRUSTED
        and incident.verdict in TOKEN_AT_FAULT
    )


def release_name(incident: _Failure, facts: Facts) -> str:
    """`@acme/ui 2.3.1`, `12 packages` or `A release`: plain text from outside, not yet safe."""
    if len(facts.packages) > 1:
        return f"{len(facts.packages)} packages"
    if incident.package:
        return f"{incident.package} {incident.version}" if incident.version else incident.package
    return "A release"


def _fallback(incident: _Failure, facts: Facts, now: datetime) -> str:
    said_since = now - incident.last_seen_at if isinstance(incident, Incident) else timedelta()
    verdict = t.sentence(t.aged(facts.sentence, said_since))
    what = release_name(incident, facts)
    said_already = bool(incident.package and incident.package in facts.sentence) or incident.cause in WITHOUT_A_RUN
    named = "" if said_already else f"{what}, "
    where = t.sentence(f"{named}{incident.repo}, {workflow_words(incident.workflow)}")
    if isinstance(incident, Incident) and _is_over(incident):
        return f"Resolved: {t.sentence(incident.resolution or 'closed', 300)} It was: {verdict} {where}"
    first = f" What to do first: {t.sentence(facts.advice[0].replace('`', ''))}" if facts.advice else ""
    return f"{verdict} {where}{first}"


def _headline(incident: Incident, facts: Facts, now: datetime) -> list[str]:
    verdict = t.sentence(t.aged(facts.sentence, now - incident.last_seen_at))
    if incident.state != "resolved":
        return [f"*{verdict}*"]
    how = t.sentence(incident.resolution or "closed", 300)
    by = f" By {t.mention(incident.resolved_by)}." if t.is_user(incident.resolved_by) else ""
    when = f" {t.date(incident.resolved_at)}." if incident.resolved_at else ""
    return [f"*Resolved: {how}*{by}{when}", f"It was: {verdict}"]


def _state(incident: Incident) -> str:
    if incident.state == "snoozed":
        until = f" until {t.date(incident.snoozed_until)}" if incident.snoozed_until else ""
        why = f": {t.sentence(incident.snooze_reason, 300)}" if incident.snooze_reason else "."
        kept = incident.claimed_by if incident.claimed_by != incident.snoozed_by else None
        whose = f" {t.mention(kept)} is on it afterwards." if kept else ""
        return f"Snoozed{until} by {t.mention(incident.snoozed_by)}{why}{whose}"
    if incident.state == "claimed":
        since = f" since {t.age(incident.claimed_at)}" if incident.claimed_at else ""
        asked = f" Asked {t.date(incident.nudged_at)} whether that still holds." if incident.nudged_at else ""
        return f"{t.mention(incident.claimed_by)} is on it{since}.{asked}"
    if incident.state == "open" and incident.escalated_at is not None:
        return f"Nobody is on it: escalated {t.date(incident.escalated_at)}."
    return ""


def _unseen(facts: Facts) -> str:
    return "The run itself is green: the step or the job goes on when it fails." if facts.unseen else ""


def _where(incident: _Failure, facts: Facts) -> str:
    """`@acme/ui` 2.3.1 from `acme/ui`, Release (release.yml), run 12 (attempt 2) on `main`, started by ann."""
    what = ""
    if len(facts.packages) < 2 and incident.package:
        what = t.code(incident.package) + (f" {t.mrkdwn(incident.version, 80)}" if incident.version else "") + " from "
    workflow = t.mrkdwn(workflow_words(incident.workflow), 120)
    if facts.workflow_name and facts.workflow_name != incident.workflow:
        workflow = f"{t.mrkdwn(facts.workflow_name, 120)} ({workflow})"
    run = f", run {facts.run_number}" if facts.run_number else ""
    attempt = f" (attempt {facts.attempt})" if facts.attempt > 1 else ""
    branch = f" on {t.code(facts.branch, 100)}" if facts.branch else ""
    actor = f", started by {t.mrkdwn(facts.actor, 80)}" if facts.actor else ""
    return f"{what}{t.code(incident.repo)}, {workflow}{run}{attempt}{branch}{actor}"


def _steps(facts: Facts) -> list[Part | None]:
    steps = [t.prose(step, 400) for step in facts.advice[:MOST_STEPS]]
    lines = t.numbered(steps) if len(steps) > 1 else steps
    return [section("*What to do*", *lines)] if lines else []


def _then(facts: Facts) -> list[Part | None]:
    """What would stop the publish next, so that it is mended in one go and not in three releases."""
    lines = [t.sentence(obstacle, 320) for obstacle in facts.then[:MOST_OBSTACLES]]
    return [section("*What would stop it next*", *t.bullets(lines), rank=_ALSO)] if lines else []


def _token(incident: _Failure, facts: Facts, token: Token | None, now: datetime) -> list[Part | None]:
    if not facts.auth:
        is_said = "not at fault" in facts.sentence
        return [] if is_said else [context(BLAMELESS.get(incident.verdict, BLAMELESS_ELSE))]
    if token is None and facts.token_ties:
        names = t.listed([t.code(name) for name in facts.token_ties[:5]], 5, len(facts.token_ties))
        return [section(f"*Token*  One of {names}: on record they fit this workflow alike.", rank=_TOKEN)]
    if token is None:
        if incident.verdict not in TOKEN_AT_FAULT or _is_over(incident):
            return []
        return [
            section(
                "*Token*  None of the known tokens fits this workflow. Add it with `/tokens add`, "
                "and the next card can say whose it is and when it ends.",
                rank=_TOKEN,
            )
        ]
    if token.kind == token_facts.TRUSTED:
        lines = [f"*Trusted publisher*  {t.code(token.name)}  ·  {_owner(token)}"]
    else:
        facts_line = (token_facts.ending(token, now), token_facts.kind(token), _owner(token))
        lines = ["  ·  ".join((f"*Token*  {t.code(token.name)}", *facts_line))]
    why = "; ".join(t.mrkdwn(reason, 200) for reason in facts.token_reasons[:4])
    if facts.token_guess:
        lines.append("Only a guess: nothing on record ties it to this workflow." + (f" For it: {why}." if why else ""))
        if incident.verdict in TOKEN_AT_FAULT:
            lines.append(f"If it is the one: {t.code('/tokens rotate ' + token.name)}")
    elif why:
        lines.append(f"How it was matched: {why}.")
    return [section(*lines, rank=_TOKEN)]


def _is_over(incident: _Failure) -> bool:
    return isinstance(incident, Incident) and incident.state == "resolved"


def _owner(token: Token) -> str:
    return f"owner {token_facts.owner(token)}" if token.owner else "no owner on record"


def _packages(packages: tuple[PackageOutcome, ...]) -> list[Part | None]:
    """One line an outcome, the failed ones first; a hundred packages stay five lines."""
    if len(packages) < 2:
        return []
    by_outcome: dict[str, list[str]] = defaultdict(list)
    for package in packages:
        outcome = package.outcome if package.outcome in _OUTCOME_WORDS else "unclear"
        version = f" {t.mrkdwn(package.version, 40)}" if package.version else ""
        by_outcome[outcome].append(t.code(package.package) + version)
    lines = []
    for outcome, words in _OUTCOME_WORDS.items():
        if names := by_outcome.get(outcome):
            lines.append(f"{words} ({len(names)}): {t.listed(names, MOST_NAMES[outcome])}")
    done, total = sum(len(by_outcome[outcome]) for outcome in ("live", "published", "green")), len(packages)
    title = f"*{done} of {total} packages were published*" if done else f"*None of {total} packages was published*"
    if by_outcome["staged"] and not done:
        title = f"*{len(by_outcome['staged'])} of {total} packages are staged*"
    return [section(title, *t.bullets(lines), rank=_PACKAGES)]


def _evidence(facts: Facts) -> list[Part | None]:
    lines = facts.evidence[:MOST_LOG_LINES]
    if not lines:
        return []
    label = (
        f"From the log, line {lines[0].line:,}:"
        if len(lines) == 1
        else "From the log, lines " + t.listed([f"{line.line:,}" for line in lines]) + ":"
    )
    return [context(label, rank=_EVIDENCE), preformatted((line.text for line in lines), rank=_EVIDENCE)]


def _also(facts: Facts) -> list[Part | None]:
    lines = []
    for other in facts.also[:MOST_ALTERNATIVES]:
        confirm = f" What would confirm it: {t.prose(other.would_confirm, 250)}" if other.would_confirm else ""
        lines.append(f"{t.prose(cause_words(other.cause), 200).removesuffix('.')}.{confirm}")
    return [section("*It could also be that*", *t.bullets(lines), rank=_ALSO)] if lines else []


def _other_jobs(facts: Facts) -> list[Part | None]:
    lines = [t.sentence(job, 300) for job in facts.other_jobs]
    if not lines:
        return []
    more = [f"And {len(lines) - MOST_OTHER_JOBS} more."] if len(lines) > MOST_OTHER_JOBS else []
    return [section("*Other jobs of this run failed too*", *t.bullets(lines[:MOST_OTHER_JOBS]), *more, rank=_ALSO)]


def _reasons(facts: Facts) -> list[Part | None]:
    reasons = [t.prose(reason, 250).removesuffix(".") for reason in facts.reasons[:MOST_REASONS]]
    return [context(f"How we know: {'; '.join(filter(None, reasons))}.", rank=_REASONS)] if any(reasons) else []


def _history(incident: Incident, facts: Facts, where: str = "") -> str:
    if incident.cause in WITHOUT_A_RUN:
        return f"Seen {t.date(incident.opened_at)}"
    verb = "Failed" if incident.verdict != "staged" else "Staged"
    if incident.occurrences < 2:
        return f"{verb} once, {t.age((facts.seen_late and _failed_at(facts)) or incident.opened_at)}"
    return (
        f"{verb} {incident.occurrences:,} times{where} since {t.date(incident.opened_at)}, "
        f"last {t.age(incident.last_seen_at)}"
    )


def _seen_late(facts: Facts) -> Part | None:
    if not facts.seen_late:
        return None
    failed = _failed_at(facts)
    when = f"it failed {t.date(failed)}, but " if failed else ""
    return context(f"Seen late: {when}GitHub's notice of it was lost and only found afterwards.")


def _failed_at(facts: Facts) -> datetime | None:
    return datetime.fromtimestamp(facts.failed_at, UTC) if facts.failed_at else None


def _links(facts: Facts, without_run: bool = False) -> str:
    links = []
    if facts.run_url and t.is_url(facts.run_url):
        links.append(t.link(facts.run_url, "Look at it" if without_run else "Open the run"))
    if facts.docs and t.is_url(facts.docs):
        links.append(t.link(facts.docs, "Read more"))
    return "  ·  ".join(links)


def _notes(facts: Facts) -> list[str]:
    notes = []
    if facts.missing:
        missing = "; ".join(t.mrkdwn(source, MOST_MISSING).rstrip(".") for source in facts.missing[:6])
        notes.append(f"Missing evidence: {missing}.")
    return notes


def _runs(incident: Incident, around: Around) -> str:
    runs = {(item.repo, item.run_id) for item in around.items if not item.settled}
    return f"{len(runs)} runs" if len(runs) > 1 else incident.repo


def _buttons(incident: Incident, facts: Facts, token: Token | None, around: Around) -> Part | None:
    value = str(incident.id)
    if incident.state == "resolved":
        # What the registry proved is not a matter of opinion; what a person closed may be opened again.
        by_hand = t.is_user(incident.resolved_by)
        return buttons(Button("Reopen", REOPEN, value)) if by_hand else None
    rotates = blames_token(incident, facts, token)
    claimed = incident.state == "claimed"
    return buttons(
        Button(("I am on it" if incident.nudged_at else "Take over") if claimed else "Claim", CLAIM, value),
        Button("Hand over", HAND_OVER, value) if claimed else None,
        Button("End snooze", WAKE, value) if incident.state == "snoozed" else Button("Snooze", SNOOZE, value),
        Button("Start rotation", ROTATE, value, style="primary") if rotates else None,
        Button(
            "Re-run failed jobs",
            RERUN,
            value,
            confirm=f"Run the failed jobs of {_runs(incident, around)} again? What is published stays published.",
        )
        if facts.can_rerun and incident.verdict != "staged"
        else None,
        Button("Resolve", RESOLVE, value),
    )
