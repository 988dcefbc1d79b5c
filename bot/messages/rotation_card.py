"""The living message of one rotation: what to do now, what went wrong, the checklist with its proofs, the commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.messages import rotation_words as words
from bot.messages import text as t
from bot.messages.message import Button, Message, Part, buttons, context, exact, message, section, sections
from bot.messages.words import use_words
from bot.rotation import commands, publishers, steps
from bot.rotation.proofs import PROVES, PROVES_TRUST
from storage.rotations import Kind, Note, Rotation, Step
from storage.tokens import Token

# The value of each button is the rotation's id.
APPROVE = "rotation.approve"
REFUSE = "rotation.refuse"
MADE = "rotation.made"
LOOK = "rotation.look"
TICK = "rotation.tick"
COMMANDS = "rotation.commands"
PROBE = "rotation.probe"
HAND_OVER = "rotation.hand_over"
STOP = "rotation.stop"

MOST_LINES = 12  # of one part of the checklist
MOST_NOTES = 6
MOST_SETTLED = 3  # lines of a part that is through
_DONE, _NOW, _LATER = "✓", "▸", "○"
_INDENT = "\u2003\u2003"  # em spaces: plain blanks at the beginning of a line are not shown everywhere
# Ranks: what is given up first when a message is too long.
_CHECKLIST, _COMMANDS, _FACTS, _PROOF = 1, 2, 3, 4


def rotation_card(rotation: Rotation, notes: Sequence[Note], old: Token | None, now: datetime) -> Message:
    """The message in its present state. Posting it mentions the people once; edits notify nobody.

    It says moments, never "2 days ago": it is edited when something happens and not when time passes.
    """
    headline = _headline(rotation, now)
    ended = rotation.end is not None
    parts: list[Part | None] = [
        section(f"*{headline}*", *_whose_turn(rotation)),
        *([] if ended else _notes(notes, "wrong", "*Look at this*", rank=0)),
        *_checklist(rotation),
        *([] if ended else _notes(notes, "ready", "*For trusted publishing*", rank=_FACTS)),
        *([] if ended else _what_to_do(rotation, old, now)),
        *_after_the_end(rotation, old),
        *([] if ended else _notes(notes, "fact", "", rank=_FACTS)),
        context(*_about(rotation, old), rank=_FACTS),
        None if ended else _buttons(rotation, now),
    ]
    return message(headline.replace("*", ""), parts)


def _headline(rotation: Rotation, now: datetime) -> str:
    name = t.code(rotation.token_name)
    if rotation.end is not None:
        return _ended(rotation, name)
    done, total = words.progress(rotation)
    step = f"step {min(done + 1, total)} of {total}"
    if rotation.stuck is not None:
        return f"The rotation of {name} is stuck at {step}: {words.next_step(rotation, now)}."
    return f"Rotating {name}, {step}: {words.next_step(rotation, now)}."


def _ended(rotation: Rotation, name: str) -> str:
    assert rotation.end is not None
    if rotation.end.state == "closed":
        if rotation.path == "trusted-publishing":
            return f"{name} is gone: its packages are published without a token now."
        return f"{name} was replaced by {t.code(rotation.new_name or 'a new token')} and is gone."
    how = "was cancelled" if rotation.end.state == "cancelled" else "was rolled back"
    by = f" by {t.mention(rotation.end.by)}" if t.is_user(rotation.end.by) else ""
    why = f": {t.sentence(rotation.end.why, 300)}" if rotation.end.why else "."
    return f"The rotation of {name} {how}{by}{why}"


def _whose_turn(rotation: Rotation) -> list[str]:
    if rotation.end is not None:
        return []
    waits_for = steps.whose_turn(rotation)
    other = rotation.second if waits_for == rotation.owner else rotation.owner
    then = "makes the token then" if waits_for != rotation.owner else "can take over"
    second = f" {t.mention(other)} {then}." if other else " Nobody else is named."
    deadlines = [step.deadline for step in steps.current(rotation) if step.deadline]
    until = f" until {t.date(min(deadlines))}" if deadlines else ""
    return [f"It is {t.mention(waits_for)}'s turn{until}.{second}"]


def _notes(notes: Sequence[Note], kind: str, heading: str, rank: int) -> list[Part]:
    found = [note for note in notes if note.kind == kind]
    if kind == "ready":
        found.sort(key=lambda note: note.key)  # in the order in which they were thought, worst first
    said = [t.prose(note.text, 500) for note in found]
    if not said:
        return []
    most = MOST_NOTES if kind != "ready" else MOST_LINES
    more = [f"And {len(said) - most} more."] if len(said) > most else []
    lines = [*t.bullets(said[:most]), *more]
    return sections([heading, *lines] if heading else lines, rank=rank)


# --- the checklist ---------------------------------------------------------------------------------------------------


def _checklist(rotation: Rotation) -> list[Part]:
    waiting = steps.current(rotation)
    lines: list[str] = []
    for number, kind in enumerate(words.parts(rotation), 1):
        lines += _part_lines(rotation, kind, number, is_now=bool(waiting) and waiting[0].kind == kind)
    return sections(lines, rank=_CHECKLIST)


def _part_lines(rotation: Rotation, kind: Kind, number: int, *, is_now: bool) -> list[str]:
    group = steps.steps_of(rotation, kind)
    done = [step for step in group if step.done]
    settled = steps.settled(rotation, kind)
    mark = _DONE if settled else _NOW if is_now and rotation.end is None else _LATER
    named = words.title(rotation, kind)
    title = f"*{named}*" if is_now and rotation.end is None else named
    if len(group) == 1 and not words.label(group[0]):
        proof = f", {_proof(group[0])}" if group[0].done and kind != "overlap" else ""
        return [f"{mark}  {number}. {title}{proof}{_overlap(rotation) if kind == 'overlap' else ''}"]
    counted = f"  ({len(done)} of {len(group)})" if done and len(done) < len(group) else ""
    listed = list(group)
    if settled and not is_now and len(group) > MOST_SETTLED:
        # What was seen needs no line any more; whose word it rests on does.
        listed = [step for step in done if step.done and step.done.proof == "said"]
        counted = f": {len(done) - len(listed)} seen" + (f", {len(listed)} said" if listed else "")
    shown = _shown(listed) if done or is_now else []
    inner = [f"{_INDENT}{_DONE if step.done else _LATER}  {_inner(step)}" for step in shown]
    if shown and len(listed) > len(shown):
        more = sum(1 for step in listed if step.done) - sum(1 for step in shown if step.done)
        inner.append(f"{_INDENT}And {len(listed) - len(shown)} more, {more} done")
    return [f"{mark}  {number}. {title}{counted}", *inner]


def _shown(group: Sequence[Step]) -> list[Step]:
    """The open ones first when there are too many: they are what is left to do."""
    if len(group) <= MOST_LINES:
        return list(group)
    return sorted(group, key=lambda step: step.done is not None)[:MOST_LINES]


def _inner(step: Step) -> str:
    proof = f", {_proof(step)}" if step.done else ""
    return f"{t.mrkdwn(words.label(step), 160)}{proof}"


def _proof(step: Step) -> str:
    """`seen: ... , <date>` or `said by <person>, <date>: ...`, never mixed up."""
    done = step.done
    assert done is not None
    if done.proof == "seen":
        return f"seen {t.date(done.at)}" + (f": {t.prose(done.what, 200)}" if done.what else "")
    why = f": {t.sentence(done.what, 200)}" if done.what else ""
    how = "said without the proof, by" if done.override else "said by"
    return f"{how} {t.mention(done.who)} {t.date(done.at)}{why}"


def _overlap(rotation: Rotation) -> str:
    ends = steps.overlap_ends(rotation)
    return f", until {t.date(ends)}" if ends else ""


# --- what to do ------------------------------------------------------------------------------------------------------


def _what_to_do(rotation: Rotation, old: Token | None, now: datetime) -> list[Part | None]:
    waiting = steps.current(rotation)
    if not waiting:
        return [
            section("Nothing contradicts it. It closes by itself within a day, or at once when a list confirms it:"),
            exact([commands.import_list(old.account if old else None)], rank=_COMMANDS),
        ]
    kind = waiting[0].kind
    proves = PROVES_TRUST if rotation.path == "trusted-publishing" else PROVES
    said = context(proves.get(kind, PROVES[kind]), rank=_PROOF)
    if kind == "revoke" and steps.why_not_revoke(rotation, now) is not None:
        ends = steps.overlap_ends(rotation)
        until = f" until {t.date(ends)}" if ends else " for now"
        left = _unproven(rotation)
        return [section(f"Leave the old token alone{until}.{left}"), context(PROVES["overlap"], rank=_PROOF)]
    return [*commands_of(rotation, kind, waiting, old), said]


def commands_of(rotation: Rotation, kind: Kind, waiting: Sequence[Step], old: Token | None) -> list[Part | None]:
    """How one part is done: the words, the commands to paste, the page that does the same."""
    if kind == "mint" and rotation.path == "trusted-publishing":
        return _trust(rotation, waiting, old)
    if kind == "mint":
        return _make(rotation, old)
    if kind == "store":
        return _change_workflows(waiting) if rotation.path == "trusted-publishing" else _store(waiting)
    if kind == "prove":
        return _publish(rotation)
    if kind == "revoke":
        return _revoke(rotation, old)
    return _delete(waiting)


def _make(rotation: Rotation, old: Token | None) -> list[Part | None]:
    if steps.needs_approval(rotation):
        why = t.sentence(rotation.bypass_reason, 300)
        return [
            section(
                f"{t.mention(rotation.started_by)} wants the new token to bypass two-factor: {why}",
                "Whoever gets hold of such a token can publish with it alone. The command comes with the approval.",
            )
        ]
    line = commands.create(old, rotation) if old is not None else None
    page = t.link(commands.token_page(rotation.registry), "the registry's page")
    bypass = ""
    if rotation.bypass_approved is not None:
        why = t.sentence(rotation.bypass_reason, 300)
        bypass = f"It bypasses two-factor, approved by {t.mention(rotation.bypass_approved.by)}: {why}"
    if line is None:
        return [section(f"Make it on {page} with the same rights as the old one.", bypass)]
    return [
        section("Run this where you are logged in to npm. The value is shown once: keep that terminal.", bypass),
        exact([line], rank=_COMMANDS),
        context(f"Or on {page}. Then press *I made it*, and never paste the value here.", rank=_PROOF),
    ]


def _store(waiting: Sequence[Step]) -> list[Part | None]:
    uses = [step.use for step in waiting if step.use is not None]
    lines = commands.stores(uses)
    by_hand = [use for use in uses if commands.store(use) is None]
    pages = dict.fromkeys(
        t.link(page, page.removeprefix(commands.GITHUB + "/")) for page in map(commands.secret_page, uses) if page
    )
    organization = next((use for use in uses if commands.visibility(use)), None)
    return [
        section("Store it. Each command asks for the value and shows it nowhere.") if lines else None,
        exact(lines, rank=_COMMANDS),
        section(
            "`gh` resets who may read an organisation secret to private repositories. See who may now, and add "
            "`--visibility all`, or `--repos` with their names:",
            rank=_COMMANDS,
        )
        if organization
        else None,
        exact([commands.visibility(organization) or ""], rank=_COMMANDS) if organization else None,
        section("By hand: " + t.listed([t.mrkdwn(use_words(use), 120) for use in by_hand[:5]], 5, len(by_hand)))
        if by_hand
        else None,
        context("Pages: " + t.listed(list(pages), 5), rank=_PROOF) if pages else None,
    ]


def _trust(rotation: Rotation, waiting: Sequence[Step], old: Token | None) -> list[Part | None]:
    stage_only = old is not None and old.permission == "read-write-stage-only"
    names = [step.subject for step in waiting[:MOST_LINES]]
    lines = [
        line
        for name in names
        for use in publishers.workflows_for(rotation, name)
        if (line := commands.trust(name, use, stage_only=stage_only))
    ]
    told = [line for line in (commands.trust_list(names),) if line]
    guessed = [name for name in names if not publishers.is_known(rotation, name)]
    several = ""
    if guessed:
        which = t.listed([t.code(name, 80) for name in guessed], 3)
        several = f" Which workflow publishes {which} is not known: leave out those that do not."
    return [
        section(f"Run these where you are logged in to npm (11.15 or newer).{several}"),
        exact(lines, rank=_COMMANDS)
        or section("Add a trusted publisher on the settings page of each package on npm.", rank=_COMMANDS),
        context(f"And {len(waiting) - MOST_LINES} more packages, shown as these are done.", rank=_COMMANDS)
        if len(waiting) > MOST_LINES
        else None,
        context("Then let the bot see it:", rank=_PROOF) if told else None,
        exact(told, rank=_PROOF),
    ]


def _change_workflows(waiting: Sequence[Step]) -> list[Part | None]:
    pages = [
        t.link(page, f"{step.use.repo}, {(step.use.workflow or '').rpartition('/')[2]}")
        for step in waiting[:5]
        if step.use and (page := commands.workflow_page(step.use))
    ]
    return [
        section(
            "Give the publishing job `permissions: id-token: write` (and `contents: read`), npm 11.5.1 or newer, and "
            "a GitHub-hosted runner. *Commands* shows the change for each file.",
        ),
        section("Edit " + t.listed(pages, 5, len(waiting)), rank=_COMMANDS) if pages else None,
    ]


def _publish(rotation: Rotation) -> list[Part | None]:
    left = steps.unproven(rotation)
    coded = [t.code(name, 80) for name in left[:5]]
    if rotation.path == "trusted-publishing":
        names = t.listed(coded, 5, len(left))
    else:
        names = " or ".join([*coded, *(["another package of it"] if len(left) > len(coded) else [])])
    what = f"Publish a version of {names}" if names else "Publish a version"
    return [
        section(
            f"{what}: re-run a failed release, or release something. A pre-release counts too, for example with "
            "`--tag canary`."
        )
    ]


def _revoke(rotation: Rotation, old: Token | None) -> list[Part | None]:
    hint = f" It looks like {t.code(old.hint, 40)}." if old is not None and old.hint else ""
    if rotation.registry != "npm":
        page = t.link(commands.token_page(rotation.registry), "the registry's page")
        return [section(f"Revoke the old token on {page}.{hint}{_unproven(rotation)}")]
    return [
        section(f"Revoke the old token, {t.code(rotation.token_name)}.{hint}{_unproven(rotation)}"),
        exact(commands.revoke(old), rank=_COMMANDS),
        context("Then let the bot see that it is gone (npm may take an hour to show it):", rank=_PROOF),
        exact([commands.import_list(old.account if old else None)], rank=_PROOF),
    ]


def _delete(waiting: Sequence[Step]) -> list[Part | None]:
    uses = [step.use for step in waiting if step.use is not None]
    lines = [line for use in uses if (line := commands.delete(use))]
    first = "Where a workflow still reads one, take that out first: *Commands* shows the change for each file."
    return [section("Take the secrets away that no workflow reads any more.", first), exact(lines, rank=_COMMANDS)]


def _unproven(rotation: Rotation) -> str:
    left = steps.unproven(rotation)
    if not left:
        return ""
    names = t.listed([t.code(name, 80) for name in left[:5]], 5, len(left))
    return f" Not yet published since: {names}."


def _after_the_end(rotation: Rotation, old: Token | None) -> list[Part | None]:
    if rotation.end is None or rotation.end.state == "closed":
        return []
    made = any(step.done for step in steps.steps_of(rotation, "mint"))
    if not made:
        return []
    if rotation.path == "trusted-publishing":
        return [section("Workflows and secrets stay as they are now. Undo by hand what should not stay.")]
    stored = [step for step in steps.steps_of(rotation, "store") if step.done]
    name, old_name = t.code(rotation.new_name or ""), t.code(rotation.token_name)
    if stored and rotation.end.state == "cancelled":
        places = t.count(len(stored), "place")
        said = (
            f"Both tokens live. {name} is in {places} and is used from there; {old_name} is not revoked. Rotate "
            f"{old_name} again to finish it."
        )
        return [section(said)]
    where = f" {t.count(len(stored), 'place')} may hold it: store the old value there again first." if stored else ""
    return [
        section(f"The new token, {name}, still lives.{where} Then revoke it:"),
        exact(commands.revoke(None), rank=_COMMANDS),
    ]


def _about(rotation: Rotation, old: Token | None) -> list[str]:
    ends = ""
    if rotation.old_ends_at is not None and rotation.end is None:
        ends = f", old one ends {t.date(rotation.old_ends_at)}"
    return [
        f"Rotation {rotation.id}: {words.PATH_WORDS[rotation.path]}{ends}. Started by {t.mention(rotation.started_by)} "
        f"{t.date(rotation.started_at)}. The history is in the thread."
    ]


def _buttons(rotation: Rotation, now: datetime) -> Part | None:
    value = str(rotation.id)
    waiting = steps.current(rotation)
    kind = waiting[0].kind if waiting else None
    approves = steps.needs_approval(rotation)
    makes = kind == "mint" and rotation.path != "trusted-publishing" and not approves
    looks = kind in ("store", "prove")
    revokes = kind == "revoke" and steps.why_not_revoke(rotation, now) is None
    return buttons(
        Button("Approve the bypass", APPROVE, value, style="primary") if approves else None,
        Button("Make it without", REFUSE, value) if approves else None,
        Button("I made it", MADE, value, style="primary") if makes else None,
        Button("Look now", LOOK, value, style="primary" if looks else None),
        Button("Tick by hand", TICK, value, style="primary" if revokes else None),
        Button("Run the probe", PROBE, value) if kind == "prove" and rotation.path != "trusted-publishing" else None,
        Button("Commands", COMMANDS, value),
        Button("Hand over", HAND_OVER, value),
        Button("Cancel or roll back", STOP, value) if steps.reached(rotation) != "revoked" else None,
    )
