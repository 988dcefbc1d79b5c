"""The payloads Slack sends when a person does something, in their full shapes. Pure but for fresh ids and times."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from bot.demo.slack.args import Json
from bot.demo.slack.chat import shown
from bot.demo.slack.rules import elements_of
from bot.demo.slack.workspace import APP_ID, BOT_USER, TEAM_DOMAIN, TEAM_ID, Channel, Message, Person, View

# Long dead, still sent; Slack tells apps to ignore it and to check the signature.
LEGACY_TOKEN = "legacy-verification-token"  # noqa: S105
TEXT_INPUTS = {"plain_text_input", "email_text_input", "url_text_input", "number_input"}
# How a chosen value is named in `actions` and in `state.values`, and where the element holds what it starts with.
_PLAIN_VALUES: Mapping[str, tuple[str, str]] = {
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}
_ONE_OPTION = {"static_select", "external_select", "radio_buttons", "overflow"}
_MANY_OPTIONS = {"multi_static_select", "multi_external_select", "checkboxes"}


def base(kind: str, person: Person) -> Json:
    return {
        "type": kind,
        "token": LEGACY_TOKEN,
        "action_ts": f"{time.time():.6f}",
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM_ID},
        "api_app_id": APP_ID,
        "is_enterprise_install": False,
        "enterprise": None,
    }


def command(
    name: str, text: str, person: Person, channel: Channel, response_url: str, trigger_id: str
) -> dict[str, str]:
    return {
        "token": LEGACY_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.dm_with else channel.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def on_message(message: Message, channel: Channel) -> Json:
    return {
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.ephemeral_to is not None,
            **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
        },
        "channel": {"id": channel.id, "name": "directmessage" if channel.dm_with else channel.name},
        "message": shown(message, metadata=True),
        "state": {"values": starting_values(message.blocks)},
    }


def on_view(view: View) -> Json:
    return {"container": {"type": "view", "view_id": view.id}, "view": view.shown()}


def find_element(blocks: list[Json], action_id: str, block_id: str | None = None) -> tuple[Json, Json]:
    """(block, element) of an action id; `LookupError` names what there is."""
    seen: list[str] = []
    for place, block in enumerate(blocks):
        for element in elements_of(block):
            seen.append(str(element.get("action_id")))
            if element.get("action_id") == action_id and block_id in (None, block_id_of(block, place)):
                return {**block, "block_id": block_id_of(block, place)}, element
    raise LookupError(f"no element with action_id {action_id!r}; there are {seen}")


def block_id_of(block: Json, place: int) -> str:
    """Slack makes up the ids an app leaves out."""
    return str(block.get("block_id") or f"auto{place}")


def action(block: Json, element: Json, value: Any = None) -> Json:
    """One entry of `actions`: the element as pressed, with what was chosen."""
    kind = element["type"]
    body: Json = {
        "type": kind,
        "action_id": element.get("action_id", f"auto-{secrets.token_hex(3)}"),
        "block_id": block["block_id"],
        "action_ts": f"{time.time():.6f}",
    }
    if kind == "button":
        body["text"] = element["text"]
        body |= {name: element[name] for name in ("value", "style", "url") if name in element}
        return body
    if element.get("placeholder"):
        body["placeholder"] = element["placeholder"]
    return body | chosen(element, value)


def chosen(element: Json, value: Any) -> Json:
    """What a person chose, as `actions` and `state.values` hold it. `value`: a text, an option's value, a list."""
    kind = element["type"]
    if kind in TEXT_INPUTS:
        return {"value": str(value) if value not in (None, "") else None}
    if kind in _ONE_OPTION:
        return {"selected_option": _option(element, value) if value not in (None, "") else None}
    if kind in _MANY_OPTIONS:
        return {"selected_options": [_option(element, one) for one in value or ()]}
    if kind in _PLAIN_VALUES:
        name, _ = _PLAIN_VALUES[kind]
        return {name: list(value or ()) if kind.startswith("multi_") else value or None}
    return {"value": value}


def _option(element: Json, value: Any) -> Json:
    groups = [group.get("options") or [] for group in element.get("option_groups") or ()]
    options = [*(element.get("options") or ()), *(option for group in groups for option in group)]
    for option in options:
        if option.get("value") == value:
            return dict(option)
    if element["type"].endswith("external_select"):
        return {"text": {"type": "plain_text", "text": str(value)}, "value": str(value)}
    raise LookupError(f"no option {value!r}; there are {[option.get('value') for option in options]}")


def starting_values(blocks: list[Json]) -> dict[str, dict[str, Json]]:
    """`state.values` before anybody touched anything: every stateful element with what it starts with."""
    values: dict[str, dict[str, Json]] = {}
    for place, block in enumerate(blocks):
        for element in elements_of(block):
            kind = str(element.get("type"))
            if kind in ("button", "image", "overflow", "workflow_button") or "action_id" not in element:
                continue
            held = {"type": kind, **chosen(element, _start(element))}
            values.setdefault(block_id_of(block, place), {})[element["action_id"]] = held
    return values


def _start(element: Json) -> Any:
    kind = element["type"]
    if kind in TEXT_INPUTS:
        return element.get("initial_value")
    if kind in _ONE_OPTION:
        return (element.get("initial_option") or {}).get("value")
    if kind in _MANY_OPTIONS:
        return [option.get("value") for option in element.get("initial_options") or ()]
    if kind in _PLAIN_VALUES:
        return element.get(_PLAIN_VALUES[kind][1])
    return None


def filled(view: View, given: Mapping[str, Any]) -> dict[str, dict[str, Json]]:
    """`state.values` of a view with a person's entries, given by action id or block id."""
    values = {block_id: dict(held) for block_id, held in starting_values(view.blocks).items()}
    for block_id, held in view.values.items():
        values.setdefault(block_id, {}).update(held)
    left = dict(given)
    for place, block in enumerate(view.blocks):
        block_id = block_id_of(block, place)
        for element in elements_of(block):
            action_id = element.get("action_id")
            for name in (action_id, block_id):
                if action_id and name in left:
                    entry = {"type": element["type"], **chosen(element, left.pop(name))}
                    values.setdefault(block_id, {})[action_id] = entry
    if left:
        raise LookupError(f"the form has no {sorted(left)}; it has {sorted(values)}")
    return values


def missing_fields(view: View, values: Mapping[str, Mapping[str, Json]]) -> dict[str, str]:
    """What Slack's own client refuses before it asks the app: {block_id: sentence}."""
    wrong: dict[str, str] = {}
    for place, block in enumerate(view.blocks):
        if block.get("type") != "input":
            continue
        block_id, element = block_id_of(block, place), block["element"]
        entry = values.get(block_id, {}).get(element.get("action_id", ""), {})
        held = next((value for name, value in entry.items() if name != "type"), None)
        if not held:
            if not block.get("optional"):
                wrong[block_id] = "Please complete this required field."
        elif element["type"] in TEXT_INPUTS:
            least, most = element.get("min_length", 0), element.get("max_length", 3000)
            if not least <= len(str(held)) <= most:
                wrong[block_id] = f"Please enter between {least} and {most} characters."
    return wrong


def event(name: str, fields: Mapping[str, Any]) -> Json:
    """An Events API callback around an event."""
    return {
        "token": LEGACY_TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event": {"type": name, "event_ts": f"{time.time():.6f}", **fields},
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
    }
