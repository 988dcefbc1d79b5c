"""The buttons of a rotation's living message, and the forms behind them."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages import rotation_form as form
from bot.messages import rotation_tick
from bot.messages.rotation_commands import rotation_commands
from bot.messages.rotation_thread import looked, probe_started
from bot.rotation import by_hand, probing, run
from bot.rotation.preparing import workflow_changes
from bot.token_metadata import MetadataProblems
from handlers.slack.opening import open_view
from handlers.slack.requests import Click, FormReply, Reply, Submission, number_of
from storage import rotations, tokens
from storage.rotations import Rotation


async def look(click: Click, deps: Deps) -> Reply | None:
    """Anybody may have the bot look; what it sees does not depend on who asked."""
    await deps.permissions.must_be_member(click.user)
    before = await _rotation(click.value, deps)
    if before.end is not None:
        raise TellUser("This rotation has ended.")
    after = await run.look(deps, before.id)
    return Reply(looked(before, after, await deps.db.read(rotations.notes, after.id), deps.now()))


async def probe(click: Click, deps: Deps) -> Reply:
    rotation = await _changeable(click.user, click.value, deps)
    probed, what = await probing.start_probes(deps, rotation.id, click.user)
    return Reply(probe_started(probed, what.started, what.missing, what.refused, what.failed))


async def show_commands(click: Click, deps: Deps) -> Reply:
    await deps.permissions.must_be_member(click.user)
    rotation = await _rotation(click.value, deps)
    old = await deps.db.read(tokens.by_id, rotation.token_id) if rotation.token_id is not None else None
    return Reply(rotation_commands(rotation, old, await workflow_changes(rotation, deps)))


async def ask_made(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await open_view(deps, click.trigger_id, form.made_form(rotation, deps.now()))


async def made(submission: Submission, deps: Deps) -> FormReply:
    rotation = await _changeable(submission.user, submission.metadata, deps)
    try:
        await by_hand.made(deps, rotation.id, submission.user, form.read_made_form(submission.values))
    except MetadataProblems as problems:
        return FormReply(errors=form.made_errors(problems.by_field()))
    return FormReply()


async def ask_tick(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await open_view(deps, click.trigger_id, rotation_tick.tick_form(rotation, deps.now()))


async def ticked(submission: Submission, deps: Deps) -> FormReply:
    rotation = await _changeable(submission.user, submission.metadata, deps)
    said, who = rotation_tick.read_tick_form(submission.values), submission.user
    without = said.how == "without"
    if said.how == "go-on":
        await by_hand.go_on(deps, rotation.id, who, said.reason)
    elif said.how == "back":
        await by_hand.take_back(deps, rotation.id, who, said.place, said.reason)
    elif said.kind is not None:
        await by_hand.tick_all(deps, rotation.id, who, said.kind, said.reason, override=without)
    else:
        await by_hand.tick(deps, rotation.id, who, said.place, said.reason, override=without)
    return FormReply()


async def approve_bypass(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await by_hand.approve_bypass(deps, rotation.id, click.user)


async def refuse_bypass(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await by_hand.refuse_bypass(deps, rotation.id, click.user)


async def ask_hand_over(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await open_view(deps, click.trigger_id, form.hand_over_form(rotation))


async def handed_over(submission: Submission, deps: Deps) -> FormReply:
    rotation = await _changeable(submission.user, submission.metadata, deps)
    to = form.read_hand_over_form(submission.values)
    if not to or await deps.permissions.is_guest(to):
        return FormReply(errors={form.TO: "It can be handed only to a full member of this workspace."})
    await by_hand.hand_over(deps, rotation.id, submission.user, to)
    return FormReply()


async def ask_stop(click: Click, deps: Deps) -> None:
    rotation = await _changeable(click.user, click.value, deps)
    await open_view(deps, click.trigger_id, form.stop_form(rotation))


async def stopped(submission: Submission, deps: Deps) -> FormReply:
    rotation = await _changeable(submission.user, submission.metadata, deps)
    how, reason = form.read_stop_form(submission.values)
    await by_hand.stop(deps, rotation.id, submission.user, reason, roll_back=how == "roll-back")
    return FormReply()


async def _rotation(ident: str, deps: Deps) -> Rotation:
    rotation = await deps.db.read(rotations.get, number_of(ident))
    if rotation is None:
        raise TellUser("This rotation is no longer kept.")
    return rotation


async def _changeable(user: str, ident: str, deps: Deps) -> Rotation:
    """Its two people, the owners of the token, and admins. Raises TellUser for others, and when it has ended."""
    rotation = await _rotation(ident, deps)
    await deps.permissions.must_be_member(user)
    if rotation.end is not None:
        raise TellUser("This rotation has ended.")
    if user not in (rotation.owner, rotation.second):
        old = await deps.db.read(tokens.by_id, rotation.token_id) if rotation.token_id is not None else None
        await deps.permissions.must_change(user, old)
    return rotation
