"""Short lines in the thread under a rotation's message: its history, and the words that call for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.messages import rotation_words as words
from bot.messages import text as t
from bot.messages.message import Message, message, section
from bot.probe_workflow import PROBE_FILE
from bot.rotation import steps
from storage.rotations import Note, Rotation, Step

MOST_PLACES = 5


def started(rotation: Rotation) -> Message:
    """To whoever sent the form."""
    where = f" in <#{rotation.channel}>" if rotation.channel and rotation.channel.isalnum() else ""
    said = f"The rotation of {t.code(rotation.token_name)} has started."
    return _lines([f"*{said}*", f"Its message{where} says what is next, and is kept up to date."])


def looked(before: Rotation, after: Rotation, notes: Sequence[Note], now: datetime) -> Message:
    """To whoever pressed "Look now": what came of it, in one sentence."""
    done = steps.newly_done(before, after)
    if done:
        then = f"It is {words.next_step(after, now)}." if after.end else f"Next: {words.next_step(after, now)}."
        return _lines([f"Looked: {t.count(len(done), 'step')} ticked. {then}"])
    wrong = [note for note in notes if note.kind == "wrong"] or [
        note for note in notes if note.key.startswith("look:blind")
    ]
    why = f" {t.prose(wrong[0].text, 400)}" if wrong else ""
    return _lines([f"Looked: nothing new. It still waits for this: {words.next_step(after, now)}.{why}"])


def settled(rotation: Rotation, done: Sequence[Step]) -> Message:
    """What one look of the bot, or one person, ticked."""
    lines = [_settled_line(rotation, step) for step in done]
    return _lines(lines if len(lines) == 1 else t.bullets(lines))


def _settled_line(rotation: Rotation, step: Step) -> str:
    assert step.done is not None
    if step.kind == "overlap":
        ends = steps.overlap_ends(rotation)
        return f"Both are kept alive{f' until {t.date(ends)}' if ends else ''}."
    what = t.mrkdwn(words.label(step), 160)
    title = words.title(rotation, step.kind) + (f", {what}" if what else "")
    if step.done.proof == "seen":
        fact = f": {t.prose(step.done.what, 300)}" if step.done.what else "."
        return f"Seen {t.date(step.done.at)}. {title}{fact}"
    why = f": {t.sentence(step.done.what, 300)}" if step.done.what else "."
    without = " (without waiting for the proof)" if step.done.override else ""
    return f"{t.mention(step.done.who)} says it is done{without}. {title}{why}"


def taken_back(rotation: Rotation, step: Step, by: str, why: str) -> Message:
    what = t.mrkdwn(words.label(step), 160)
    title = words.title(rotation, step.kind) + (f", {what}" if what else "")
    reason = t.sentence(why, 300)
    who = f"{t.mention(by)} says that it is not done" if t.is_user(by) else "It turned out not to be done"
    return _lines([f"{who}. {title}: {reason}"])


def noted(notes: Sequence[Note]) -> Message:
    """What was seen to be wrong, or is worth knowing."""
    lines = [t.prose(note.text, 500) for note in notes]
    return _lines(lines if len(lines) == 1 else t.bullets(lines))


def failed(note: Note, run_url: str | None) -> Message:
    """A publish that failed meanwhile, with what it says about the rotation."""
    run = f" {t.link(run_url, 'Open the run')}" if run_url and t.is_url(run_url) else ""
    return _lines([f"{t.prose(note.text, 500)}{run}"])


def may_revoke(rotation: Rotation) -> Message:
    """The prompt to revoke: only ever said once the new way is proven and both were kept alive for a while."""
    left = steps.unproven(rotation)
    names = t.listed([t.code(name, 80) for name in left[:5]], 5, len(left))
    mind = f" Not yet published since the switch: {names}." if left else ""
    return _lines(
        [f"{t.mention(rotation.owner)}, {t.code(rotation.token_name)} can go now: revoke it as the message says.{mind}"]
    )


def stuck(rotation: Rotation, now: datetime) -> Message:
    """A reminder of a step that is overdue; after the first, the second person hears of it too."""
    assert rotation.stuck is not None
    again = rotation.stuck.told > 0
    waits_for = steps.whose_turn(rotation)
    other = rotation.second if waits_for == rotation.owner else rotation.owner
    others = f" and {t.mention(other)}" if again and other else ""
    still = "still " if again else ""
    offer = " Can you take over?" if others else " Can you go on, or hand it over?"
    return _lines(
        [
            f"{t.mention(waits_for)}{others}: the rotation of {t.code(rotation.token_name)} is {still}stuck: "
            f"{words.next_step(rotation, now)}.{offer}"
        ]
    )


def approved(rotation: Rotation) -> Message:
    """A second person agreed to the bypass; who makes the token hears of it."""
    assert rotation.bypass_approved is not None
    by = t.mention(rotation.bypass_approved.by)
    return _lines([f"{by} approved the bypass of two-factor. {t.mention(rotation.owner)}, the command is there now."])


def refused(rotation: Rotation, by: str) -> Message:
    return _lines(
        [
            f"{t.mention(by)} decided: the new token does not bypass two-factor. {t.mention(rotation.owner)}, the "
            "command is there now."
        ]
    )


def goes_on(rotation: Rotation, by: str, why: str) -> Message:
    """A stuck rotation got its time anew."""
    return _lines([f"{t.mention(by)} says that it goes on: {t.sentence(why, 300)}"])


def places(added: Sequence[Step], dropped: Sequence[Step]) -> Message:
    """The records say otherwise where the token is used."""
    lines = [f"Forgotten until now: {t.mrkdwn(words.label(step), 160)}." for step in added[:MOST_PLACES]]
    lines += [f"No place of it any more: {t.mrkdwn(words.label(step), 160)}." for step in dropped[:MOST_PLACES]]
    more = len(added) + len(dropped) - len(lines)
    lines += [f"And {more} more"] if more else []
    return _lines(lines if len(lines) == 1 else t.bullets(lines))


def probing(repos: Sequence[str], by: str) -> Message:
    """A probe was started; what it finds is told when it reports."""
    return _lines([f"{t.mention(by)} had the probe started in {_repos(repos)}. What it finds is said here."])


def probe_started(
    rotation: Rotation,
    started: Sequence[str],
    missing: Sequence[str],
    refused: Sequence[str],
    failed: Sequence[tuple[str, str]],
) -> Message:
    """To whoever had the probe started."""
    name = rotation.token_name
    lines = []
    if started:
        lines.append(
            f"*The probe runs in {_repos(started)}.* What it finds is said in the thread, usually in a minute."
        )
    if missing:
        lines.append(
            f"{_repos(missing)} has no probe workflow that can be started by hand. "
            f"{t.code(f'python -m bot tokens show {name} --probe')} prints it."
        )
    if refused:
        run = f"gh workflow run {PROBE_FILE} --repo {refused[0]}"
        lines.append(
            f"GitHub did not let the bot start it in {_repos(refused)}: that takes the permission `actions: write`. "
            f"Start it yourself: {t.code(run, 300)}"
        )
    lines += [f"It did not start in {t.code(repo, 120)}: {t.sentence(why, 200)}" for repo, why in failed[:3]]
    return message(" ".join(lines), [section(*lines)])


def _repos(repos: Sequence[str]) -> str:
    return t.listed([t.code(repo, 120) for repo in repos], 5)


def handed_over(rotation: Rotation, by: str) -> Message:
    to = t.mention(rotation.owner)
    if by == rotation.owner:
        return _lines([f"{to} took it over."])
    return _lines([f"{t.mention(by)} handed it to {to}."])


def ended(rotation: Rotation) -> Message:
    assert rotation.end is not None
    why = f": {t.sentence(rotation.end.why, 300)}" if rotation.end.why else "."
    by = f" by {t.mention(rotation.end.by)}" if t.is_user(rotation.end.by) else ""
    return _lines([f"{words.STATE_WORDS[rotation.end.state].capitalize()}{by}{why}"])


def _lines(lines: Sequence[str]) -> Message:
    return message(" ".join(lines), [section(*lines)])
