"""Modal and Home views, and the inputs forms are made of, within Slack's limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import (
    CheckboxesElement,
    DatePickerElement,
    InputBlock,
    InputInteractiveElement,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    StaticSelectElement,
    UserSelectElement,
)
from slack_sdk.models.views import View

from bot.messages import text as t
from bot.messages.message import Message, Part, fitted, section

MOST_VIEW_BLOCKS = 100
MOST_VIEW_TEXT = 40_000  # characters; a view may have 250 kB of JSON, of which text is the smaller part
MOST_TITLE = 24
MOST_METADATA = 3000
MOST_INPUT = 3000  # characters a person may type; Slack allows no more
MOST_OPTIONS = 100
MOST_OPTION_TEXT = 75
MOST_OPTION_VALUE = 150
MOST_PLACEHOLDER = 150
MOST_HINT = 500
VALUE = "value"  # the action id of every input; its block id is the field's name

Values = Mapping[str, Mapping[str, Mapping[str, Any]]]  # view["state"]["values"]: block id -> action id -> what was put


def modal(
    title: str,
    parts: Iterable[Part | None],
    *,
    callback_id: str,
    submit: str | None = None,
    private_metadata: str = "",
) -> dict[str, Any]:
    """`title` at most 24 characters; `private_metadata` comes back with the form, at most 3000."""
    kept = fitted(parts, MOST_VIEW_BLOCKS, MOST_VIEW_TEXT)
    view: dict[str, Any] = View(
        type="modal",
        callback_id=callback_id,
        title=_plain(title, MOST_TITLE),
        submit=_plain(submit, MOST_TITLE) if submit else None,
        close=_plain("Cancel" if submit else "Close", MOST_TITLE),
        private_metadata=private_metadata[:MOST_METADATA],
        blocks=[part.block for part in kept],
    ).to_dict()
    return view


def loading_form(title: str = "Tokens") -> dict[str, Any]:
    """Opened at once, because Slack takes back the right to open a form after three seconds; filled later."""
    return modal(title, [section("Looking it up…")], callback_id="loading")


def closing_form(title: str, said: str) -> dict[str, Any]:
    """Instead of a form, when there is nothing to fill in. `said`: any text."""
    return modal(title, [section(t.sentence(said, 1000) or "Nothing to do.")], callback_id="closing")


def closing_view(title: str, said: Message) -> dict[str, Any]:
    """How a form ended, in its place: a message without inputs."""
    return modal(title, [Part(block) for block in said.blocks], callback_id="closing")


def text_input(
    field: str,
    label: str,
    *,
    initial: str | None = None,
    placeholder: str | None = None,
    hint: str | None = None,
    optional: bool = False,
    multiline: bool = False,
    most: int = MOST_INPUT,
) -> Part:
    """`most`: characters that may be typed, or as many as are stored already. See `fits_input`."""
    initial = t.cut(t.clean(initial or ""), MOST_INPUT)
    element = PlainTextInputElement(
        action_id=VALUE,
        initial_value=initial or None,
        placeholder=_plain(placeholder, MOST_PLACEHOLDER) if placeholder else None,
        multiline=multiline,
        max_length=max(most, t.length(initial)),
    )
    return _input(field, label, element, hint, optional)


def fits_input(text: str) -> bool:
    """Whether a stored text can be edited in a form without losing its end."""
    return t.length(text) <= MOST_INPUT


def select(
    field: str,
    label: str,
    options: Sequence[tuple[str, str]],
    *,
    initial: str | None = None,
    hint: str | None = None,
    optional: bool = False,
) -> Part:
    """`options`: (value, text), at least one. An `initial` that is no option is left out, Slack would refuse it."""
    shown = [_option(value, text) for value, text in options if value and t.comes_back(value, MOST_OPTION_VALUE)][
        :MOST_OPTIONS
    ]
    chosen = next((option for option in shown if option.value == initial), None)
    element = StaticSelectElement(action_id=VALUE, options=shown, initial_option=chosen)
    return _input(field, label, element, hint, optional)


def user_select(
    field: str, label: str, *, initial: str | None = None, hint: str | None = None, optional: bool = True
) -> Part:
    element = UserSelectElement(action_id=VALUE, initial_user=initial if t.is_user(initial) else None)
    return _input(field, label, element, hint, optional)


def date_input(field: str, label: str, *, initial: str | None = None, hint: str | None = None) -> Part:
    """`initial`: `YYYY-MM-DD`."""
    return _input(field, label, DatePickerElement(action_id=VALUE, initial_date=initial), hint, optional=True)


def checkbox(field: str, label: str, text: str, *, checked: bool = False, hint: str | None = None) -> Part:
    option = _option("yes", text)
    element = CheckboxesElement(action_id=VALUE, options=[option], initial_options=[option] if checked else None)
    return _input(field, label, element, hint, optional=True)


def put(values: Values, field: str) -> str | None:
    """What a person put into a field, None when it was left empty or is not in the form; a checkbox says `yes`."""
    state = values.get(field, {}).get(VALUE, {})
    if chosen := state.get("selected_option"):
        return str(chosen["value"])
    if "selected_options" in state:
        return "yes" if state["selected_options"] else None
    for key in ("value", "selected_user", "selected_date"):
        if state.get(key):
            return str(state[key]).strip() or None
    return None


def typed(values: Values) -> dict[str, str]:
    """What was typed as text, by block."""
    texts = {block: state.get(VALUE, {}).get("value") for block, state in values.items() if isinstance(state, Mapping)}
    return {block: text for block, text in texts.items() if isinstance(text, str)}


def _input(field: str, label: str, element: InputInteractiveElement, hint: str | None, optional: bool) -> Part:
    block = InputBlock(
        block_id=field,
        label=_plain(label, MOST_HINT),
        element=element,
        hint=_plain(hint, MOST_HINT) if hint else None,
        optional=optional,
    )
    return Part(block.to_dict())


def _option(value: str, text: str) -> Option:
    return Option(value=value, text=_plain(text, MOST_OPTION_TEXT))


def _plain(text: str, most: int) -> PlainTextObject:
    return PlainTextObject(text=t.plain(text, most) or "–", emoji=False)
