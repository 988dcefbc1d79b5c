"""What Slack refuses in text objects and interactive elements. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SELECTS = {
    f"{many}{of}_select"
    for many in ("", "multi_")
    for of in ("static", "external", "users", "conversations", "channels")
}
_PICKERS = {"datepicker", "timepicker", "checkboxes", "radio_buttons"}
IN_SECTION = _SELECTS | _PICKERS | {"button", "image", "overflow", "workflow_button"}
IN_ACTIONS = _SELECTS | _PICKERS | {"button", "overflow", "datetimepicker", "rich_text_input", "workflow_button"}
IN_INPUT = _SELECTS | _PICKERS | {
    "datetimepicker", "email_text_input", "file_input", "number_input", "plain_text_input", "rich_text_input",
    "url_text_input",
}  # fmt: skip
IN_CONTEXT = {"image"}

_ANY = {"type", "action_id"}
_ASKS = {"confirm"}
_FOCUS = {"focus_on_load"}
_HOLDS = {"placeholder"}
_FIELDS: Mapping[str, set[str]] = {
    "button": {"text", "url", "value", "style", "accessibility_label", "agent_prompt"} | _ASKS,
    "overflow": {"options"} | _ASKS,
    "datepicker": {"initial_date"} | _ASKS | _FOCUS | _HOLDS,
    "timepicker": {"initial_time", "timezone"} | _ASKS | _FOCUS | _HOLDS,
    "datetimepicker": {"initial_date_time"} | _ASKS | _FOCUS,
    "checkboxes": {"options", "initial_options"} | _ASKS | _FOCUS,
    "radio_buttons": {"options", "initial_option"} | _ASKS | _FOCUS,
    "plain_text_input": {"initial_value", "multiline", "min_length", "max_length", "dispatch_action_config"}
    | _FOCUS
    | _HOLDS,
    "email_text_input": {"initial_value", "dispatch_action_config"} | _FOCUS | _HOLDS,
    "url_text_input": {"initial_value", "dispatch_action_config"} | _FOCUS | _HOLDS,
    "number_input": {"is_decimal_allowed", "initial_value", "min_value", "max_value", "dispatch_action_config"}
    | _FOCUS
    | _HOLDS,
    "static_select": {"options", "option_groups", "initial_option"} | _ASKS | _FOCUS | _HOLDS,
    "multi_static_select": {"options", "option_groups", "initial_options", "max_selected_items"}
    | _ASKS
    | _FOCUS
    | _HOLDS,
    "users_select": {"initial_user"} | _ASKS | _FOCUS | _HOLDS,
    "multi_users_select": {"initial_users", "max_selected_items"} | _ASKS | _FOCUS | _HOLDS,
    "image": {"image_url", "alt_text", "slack_file", "title", "block_id"},
}
_MOST_OPTIONS = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}


class Problems:
    """What was found wrong, said as Slack says it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, what: str, at: str) -> None:
        self.said.append(f"[ERROR] {what} [json-pointer:{at}]")

    def only(self, thing: Mapping[str, Any], known: set[str], at: str) -> None:
        for name in thing:
            if name not in known:
                self.say(f"invalid additional property: {name}", at)

    def items(self, things: Any, at: str, *, most: int, least: int = 1) -> list[Any]:
        if not isinstance(things, list):
            self.say("must be an array" if things is not None else "missing required field", at)
            return []
        if len(things) > most:
            self.say(f"no more than {most} items allowed", at)
        if len(things) < least:
            self.say(f"no fewer than {least} items allowed", at)
        return things

    def plain(self, text: Any, at: str, *, most: int | None, required: bool = False) -> None:
        if text is None:
            if required:
                self.say("missing required field", at)
            return
        if not isinstance(text, str):
            self.say("must be a string", at)
            return
        if required and not text:
            self.say("must be more than 0 characters", at)
        if most is not None and len(text) > most:
            self.say(f"must be less than {most + 1} characters", at)

    def text(self, thing: Any, at: str, *, most: int, kinds: set[str] | None = None) -> None:
        """A text object: `plain_text` or `mrkdwn`, never empty."""
        allowed = kinds or {"plain_text", "mrkdwn"}
        if not isinstance(thing, dict):
            self.say("missing required field" if thing is None else "must be an object", at)
            return
        kind = thing.get("type")
        if kind not in allowed:
            self.say(f"unsupported type: {kind}", f"{at}/type")
        self.only(thing, {"type", "text"} | ({"emoji"} if kind == "plain_text" else {"verbatim"}), at)
        self.plain(thing.get("text"), f"{at}/text", most=most, required=True)


def check_element(element: Any, problems: Problems, at: str, allowed: set[str]) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in allowed:
        problems.say(f"unsupported type: {kind}", f"{at}/type")
        return
    if (known := _FIELDS.get(kind)) is not None:
        problems.only(element, known | _ANY, at)
    problems.plain(element.get("action_id"), f"{at}/action_id", most=255)
    if element.get("placeholder") is not None:
        problems.text(element["placeholder"], f"{at}/placeholder", most=150, kinds={"plain_text"})
    if element.get("confirm") is not None:
        _check_confirm(element["confirm"], problems, f"{at}/confirm")
    if kind == "button":
        _check_button(element, problems, at)
    elif kind == "image":
        problems.plain(element.get("alt_text"), f"{at}/alt_text", most=2000, required=True)
        if element.get("slack_file") is None:
            problems.plain(element.get("image_url"), f"{at}/image_url", most=3000, required=True)
    elif kind == "plain_text_input":
        most = element.get("max_length", 3000)
        if not isinstance(most, int) or not 1 <= most <= 3000:
            problems.say("must be between 1 and 3000", f"{at}/max_length")
        problems.plain(element.get("initial_value"), f"{at}/initial_value", most=3000)
    elif kind == "number_input" and not isinstance(element.get("is_decimal_allowed"), bool):
        problems.say("missing required field: is_decimal_allowed", at)
    if "options" in element or "option_groups" in element or kind in _MOST_OPTIONS or "static_select" in kind:
        _check_options(kind, element, problems, at)


def _check_button(element: Mapping[str, Any], problems: Problems, at: str) -> None:
    problems.text(element.get("text"), f"{at}/text", most=75, kinds={"plain_text"})
    problems.plain(element.get("value"), f"{at}/value", most=2000)
    problems.plain(element.get("url"), f"{at}/url", most=3000)
    if element.get("url") and not str(element["url"]).startswith(("https://", "http://", "slack://", "mailto:")):
        problems.say("invalid url", f"{at}/url")
    if element.get("style") not in (None, "primary", "danger"):
        problems.say("must be one of: primary, danger", f"{at}/style")


def _check_confirm(confirm: Any, problems: Problems, at: str) -> None:
    if not isinstance(confirm, dict):
        problems.say("must be an object", at)
        return
    problems.text(confirm.get("title"), f"{at}/title", most=100, kinds={"plain_text"})
    problems.text(confirm.get("text"), f"{at}/text", most=300)
    problems.text(confirm.get("confirm"), f"{at}/confirm", most=30, kinds={"plain_text"})
    problems.text(confirm.get("deny"), f"{at}/deny", most=30, kinds={"plain_text"})


def _check_options(kind: str, element: Mapping[str, Any], problems: Problems, at: str) -> None:
    options: list[Any] = []
    if element.get("option_groups") is not None:
        for place, group in enumerate(problems.items(element["option_groups"], f"{at}/option_groups", most=100)):
            here = f"{at}/option_groups/{place}"
            problems.text(group.get("label"), f"{here}/label", most=75, kinds={"plain_text"})
            options += problems.items(group.get("options"), f"{here}/options", most=100)
    else:
        options = problems.items(element.get("options"), f"{at}/options", most=_MOST_OPTIONS.get(kind, 100))
    for place, option in enumerate(options):
        here = f"{at}/options/{place}"
        if not isinstance(option, dict):
            problems.say("must be an object", here)
            continue
        problems.only(option, {"text", "value", "description", "url"}, here)
        rich = kind in ("checkboxes", "radio_buttons")
        problems.text(option.get("text"), f"{here}/text", most=75, kinds=None if rich else {"plain_text"})
        problems.plain(option.get("value"), f"{here}/value", most=150, required=True)
        if option.get("description") is not None:
            problems.text(option["description"], f"{here}/description", most=75, kinds=None if rich else {"plain_text"})
    values = [option.get("value") for option in options if isinstance(option, dict)]
    if len(set(values)) != len(values):
        problems.say("duplicate option values", f"{at}/options")
    chosen = [element["initial_option"]] if element.get("initial_option") else element.get("initial_options") or []
    for option in chosen:
        if option not in options:
            problems.say("must match exactly one of the options", f"{at}/initial_option")
