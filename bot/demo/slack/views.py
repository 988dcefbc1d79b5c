"""views.*: modals and App Home."""

from __future__ import annotations

import time

from bot.demo.slack.args import Args, Json
from bot.demo.slack.refused import Refused
from bot.demo.slack.rules import check_view
from bot.demo.slack.workspace import Trigger, View, Workspace

VIEWS_IN_STACK = 3


def take_trigger(workspace: Workspace, args: Args) -> Trigger:
    """One use, three seconds."""
    trigger = workspace.triggers.get(args.need("trigger_id"))
    if trigger is None:
        raise Refused("invalid_trigger_id")
    if trigger.used:
        raise Refused("exchanged_trigger_id")
    if time.monotonic() - trigger.made_at_s > workspace.trigger_lives_s:
        raise Refused("expired_trigger_id")
    trigger.used = True
    return trigger


def open_view(workspace: Workspace, args: Args) -> Json:
    body = check_view(args.given.get("view"), kinds={"modal"})
    trigger = take_trigger(workspace, args)
    _check_external_id(workspace, body)
    below = workspace.views.get(trigger.view_id or "")
    if below is not None and below.kind == "modal" and not below.closed:
        # Opening from inside a modal starts a new one over it; Slack shows the newest.
        for view in workspace.stack(below.root_id):
            workspace.close(view)
    return {"view": workspace.new_view(trigger.user, "modal", body, trigger=trigger.id).shown()}


def push(workspace: Workspace, args: Args) -> Json:
    body = check_view(args.given.get("view"), kinds={"modal"})
    trigger = take_trigger(workspace, args)
    below = workspace.views.get(trigger.view_id or "")
    if below is None or below.closed:
        raise Refused("not_found")
    return {"view": push_on(workspace, below, body, trigger.id).shown()}


def push_on(workspace: Workspace, below: View, body: Json, trigger: str = "") -> View:
    if len(workspace.stack(below.root_id)) >= VIEWS_IN_STACK:
        raise Refused("push_limit_reached")
    _check_external_id(workspace, body)
    return workspace.new_view(below.user, "modal", body, trigger=trigger, below=below)


def update(workspace: Workspace, args: Args) -> Json:
    body = check_view(args.given.get("view"), kinds={"modal", "home"})
    view_id, external_id = args.text("view_id"), args.text("external_id")
    if not view_id and not external_id:
        raise Refused("invalid_arguments", ["[ERROR] missing required field: view_id or external_id"])
    found = [
        view
        for view in workspace.views.values()
        if (view.id == view_id or (external_id and view.body.get("external_id") == external_id)) and not view.closed
    ]
    if not found:
        raise Refused("not_found")
    view = found[-1]
    if (given := args.text("hash")) and given != view.hash:
        raise Refused("hash_conflict")
    replace(workspace, view, body)
    return {"view": view.shown()}


def replace(workspace: Workspace, view: View, body: Json) -> None:
    view.body = body
    view.hash = workspace.new_hash()
    view.values = {}
    workspace.tell("view", view)


def publish(workspace: Workspace, args: Args) -> Json:
    user = args.need("user_id")
    if user not in workspace.people:
        raise Refused("user_not_found")
    body = check_view(args.given.get("view"), kinds={"home"})
    home = workspace.homes.get(user)
    if home is None:
        home = workspace.homes[user] = workspace.new_view(user, "home", body)
        return {"view": home.shown()}
    if (given := args.text("hash")) and given != home.hash:
        raise Refused("hash_conflict")
    replace(workspace, home, body)
    return {"view": home.shown()}


def _check_external_id(workspace: Workspace, body: Json) -> None:
    external_id = body.get("external_id")
    if external_id and any(
        view.body.get("external_id") == external_id and not view.closed for view in workspace.views.values()
    ):
        raise Refused("duplicate_external_id")
