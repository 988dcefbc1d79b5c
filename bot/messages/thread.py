"""Short lines in the thread under an incident's card: what changed, for those who follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.incidents import Facts
from bot.messages import text as t
from bot.messages.message import Message, message, section
from bot.messages.words import workflow_words
from storage.awaited import Awaited
from storage.incidents import Incident
from storage.staged_versions import StagedVersion
from storage.tokens import Token

MOST_NAMES = 5


def failed_again(incident: Incident, facts: Facts, *, elsewhere: bool = False) -> Message:
    """Names nobody: the card already told the owner. `elsewhere`: in another repository than the last time."""
    run = f"run {facts.run_number}" if facts.run_number else "the run"
    attempt = f", attempt {facts.attempt}" if facts.attempt > 1 else ""
    where = f"{f'{t.code(incident.repo)} ' if elsewhere else ''}{t.link(facts.run_url, run)}{attempt}"
    return _line(f"Failed again: {where}. That makes {t.count(incident.occurrences, 'time')}.")


def people(token: Token | None, actor: str | None) -> dict[str, str]:
    """Who can do something about it, the first one first: Slack user id -> as what, as safe text.

    `token`: the one that is at fault; `actor`: who started the run.
    """
    found: dict[str, str] = {}
    if token is not None and token.owner:
        found[token.owner] = f"the owner of {t.code(token.name)}"
    if token is not None and token.backup_owner:
        found.setdefault(token.backup_owner, f"the backup owner of {t.code(token.name)}")
    if actor:
        found.setdefault(actor, "who started the run")
    return {user: role for user, role in found.items() if t.is_user(user)}


def also_for(people: Mapping[str, str]) -> Message:
    """Mentions those who were not mentioned yet; see `people`."""
    return _line(f"Also for {t.listed([f'{t.mention(user)} ({role})' for user, role in people.items()])}.")


def another_cause(incident: Incident, facts: Facts, before: str) -> Message:
    """Says what changed: the card now tells of another cause."""
    run = t.link(facts.run_url, f"run {facts.run_number}" if facts.run_number else "the run")
    return _line(
        f"Failed again in {run}, for another reason: {t.sentence(facts.sentence, 300)} Before, it was: "
        f"{t.sentence(before, 300)}"
    )


def card_is_elsewhere(incident: Incident, facts: Facts, repo: str, workflow: str) -> Message:
    """For the channel of a repository that joins an incident whose card stands in another channel."""
    where = f"{t.code(repo)} {t.mrkdwn(workflow_words(workflow), 80)}"
    card = f" Its card is in {t.channel(incident.channel)}." if incident.channel else ""
    return _line(f"{t.sentence(facts.sentence, 300)} It stopped {where} too.{card}")


def no_longer_explained(over: Incident) -> Message:
    """What was thought to explain it is over, and it is not."""
    said = t.sentence(Facts.from_json(over.facts).sentence, 200)
    return _line(f"This is still open, though what seemed to explain it is over: {said}")


def outage_over(incident: Incident, waiting: Sequence[Awaited]) -> Message:
    places = list(dict.fromkeys(item.repo for item in waiting))
    names = t.listed([t.code(repo) for repo in places[:MOST_NAMES]], MOST_NAMES, len(places))
    again = f" To be run again: {names}." if names else ""
    return _line(f"It looks over: nothing failed of it since {t.date(incident.last_seen_at)}.{again}")


def claimed(incident: Incident) -> Message:
    return _line(f"{t.mention(incident.claimed_by)} is on it.")


def claim_stale(incident: Incident, now: datetime, given_back_in: timedelta) -> Message:
    """A nudge to whoever claimed it and may have been called away."""
    since = f"{t.relative(incident.claimed_at, now)}" if incident.claimed_at else "a while ago"
    return _line(
        f"{t.mention(incident.claimed_by)}, you took this {since} and it is still open. "
        f"Are you still on it? Say so on the card, or hand it over; else it is given back in {t.span(given_back_in)}."
    )


def still_on_it(incident: Incident) -> Message:
    return _line(f"{t.mention(incident.claimed_by)} is still on it.")


def given_back(before: Incident) -> Message:
    """`before`: as it was claimed."""
    return _line(f"Nobody is on it: {t.mention(before.claimed_by)} did not say that they still are. Who can take it?")


def handed_over(incident: Incident, by: str, note: str) -> Message:
    """Tells the person who has it now."""
    why = f": {t.sentence(note, 300)}" if note else "."
    return _line(f"{t.mention(incident.claimed_by)}, {t.mention(by)} handed this over to you{why}")


def escalated(incident: Incident, token: Token | None, now: datetime) -> Message:
    """Still open after the time an operator allows: now the backup owner hears of it."""
    since = t.relative(incident.opened_at, now)
    if token is not None and token.backup_owner:
        whom = f"{t.mention(token.backup_owner)}, you are the backup owner of {t.code(token.name)}: can you help?"
    elif token is not None and token.owner:
        whom = f"{t.mention(token.owner)}, {t.code(token.name)} is yours and has no backup owner: can you have a look?"
    else:
        whom = "Who can have a look? Claim it on the card."
    return _line(f"Still open: this started {since}. {whom}")


def snoozed(incident: Incident) -> Message:
    until = f" until {t.date(incident.snoozed_until)}" if incident.snoozed_until else ""
    why = f": {t.sentence(incident.snooze_reason, 300)}" if incident.snooze_reason else "."
    return _line(f"Snoozed{until} by {t.mention(incident.snoozed_by)}{why}")


def snooze_over(before: Incident) -> Message:
    """Its end has come: for whoever looks after it, else whoever put it off. `before`: as it was snoozed."""
    whom = before.claimed_by or before.snoozed_by
    return _line(f"{t.mention(whom)}, the snooze is over and this is still open." if whom else "The snooze is over.")


def woken(by: str) -> Message:
    return _line(f"{t.mention(by)} ended the snooze.")


def resolved(incident: Incident) -> Message:
    """`Resolved: the re-run published it.` `resolution` says how, `resolved_by` who, if it was a person."""
    how = t.sentence(incident.resolution or "closed", 300)
    by = f" By {t.mention(incident.resolved_by)}." if t.is_user(incident.resolved_by) else ""
    return _line(f"Resolved: {how}{by}")


def goes_on_elsewhere(merged: Incident) -> Message:
    """It ended because another one goes on with it: whoever looked after it would not hear of that one."""
    said = f"Resolved: {t.sentence(merged.resolution or 'it goes on elsewhere', 300)}"
    who = merged.claimed_by
    return _line(f"{said} {t.mention(who)}, you were on this one: can you take that one too?" if who else said)


def reopened(incident: Incident, by: str | None = None) -> Message:
    """`by`: the person who opened it again, or None when it failed again by itself."""
    said = f"Reopened by {t.mention(by)}." if by else "Open again: it failed once more."
    who = incident.claimed_by
    return _line(f"{said} {t.mention(who)}, it is with you again." if who and who != by else said)


def staged(items: Sequence[Awaited]) -> Message:
    """A version is staged: not out, but in somebody's hands."""
    return _line(f"{_names(items)} {_are(items)} staged and not out yet. {how_to_approve(items)}")


def stage_listed(one: StagedVersion, maintainers: Sequence[str]) -> Message:
    """npm's own list has it: its id, who staged it, and who may approve."""
    name = t.code(f"{one.package} {one.version}")
    by = f" by {t.mrkdwn(one.actor, 80)}" if one.actor else ""
    who = t.listed([t.code(account, 60) for account in maintainers[:5]], 5, len(maintainers)).replace(" and ", " or ")
    may = f"Its maintainers on npm may approve it with 2FA: {who}" if maintainers else "A maintainer approves with 2FA"
    look, approve = t.code(f"npm stage view {one.stage_id}"), t.code(f"npm stage approve {one.stage_id}")
    return _line(f"{name} was staged{by} {t.date(one.staged_at)}. {may}. {look} shows it, {approve} approves it.")


def still_staged(incident: Incident, items: Sequence[Awaited], now: datetime) -> Message:
    """A reminder; it goes to whoever claimed the incident."""
    whom = f"{t.mention(incident.claimed_by)}, " if incident.claimed_by else ""
    since = min(item.since for item in items)
    said = f"{_names(items)} {_are(items)} still waiting for approval, staged {t.relative(since, now)}."
    return _line(f"{whom}{said} {how_to_approve(items)}")


def how_to_approve(items: Sequence[Awaited]) -> str:
    name = next((item.package for item in items if item.package), "PACKAGE")
    return f"A maintainer approves with 2FA: {t.code(f'npm stage list {name}')}, then {t.code('npm stage approve ID')}."


def _names(items: Sequence[Awaited]) -> str:
    return t.listed([t.code(item.name) for item in items[:MOST_NAMES]], MOST_NAMES, len(items))


def _are(items: Sequence[Awaited]) -> str:
    return "is" if len(items) == 1 else "are"


def rerun_started(
    incident: Incident, by: str, facts: Facts, started: int = 1, left: int = 0, refused: str | None = None
) -> Message:
    """`left`: runs that were not started again; `refused`: why one of them was not."""
    run = t.link(facts.run_url, f"run {facts.run_number}" if facts.run_number else "the run")
    what = f"of {run}" if started == 1 else f"of {started} runs"
    closes = "The card closes when the version is live." if started == 1 else "The card closes when all are live."
    rest = f" {t.count(left, 'run')} could not be started: {t.sentence(refused, 300)}" if left and refused else ""
    more = f" {t.count(left, 'run is', 'runs are')} left: press again." if left and not refused else ""
    return _line(f"{t.mention(by)} started the failed jobs {what} again. {closes}{rest}{more}")


def _line(said: str) -> Message:
    return message(said, [section(said)])
