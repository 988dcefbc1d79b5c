"""What Slack refuses in rich text. Pure."""

from __future__ import annotations

from typing import Any

from bot.demo.slack.elements import Problems

_LEAVES = {
    "broadcast": {"range"},
    "channel": {"channel_id"},
    "color": {"value"},
    "date": {"timestamp", "format"},
    "emoji": {"name"},
    "link": {"url"},
    "team": {"team_id"},
    "text": {"text"},
    "user": {"user_id"},
    "usergroup": {"usergroup_id"},
}
_ALSO = {"type", "style", "text", "unsafe", "url", "fallback", "unicode", "skin_tone"}


def check_rich_text(block: dict[str, Any], problems: Problems, at: str) -> None:
    for place, element in enumerate(problems.items(block.get("elements"), f"{at}/elements", most=1000)):
        here = f"{at}/elements/{place}"
        kind = element.get("type") if isinstance(element, dict) else None
        if kind == "rich_text_list":
            if element.get("style") not in ("bullet", "ordered"):
                problems.say("must be one of: bullet, ordered", f"{here}/style")
            problems.only(element, {"type", "style", "elements", "indent", "offset", "border"}, here)
            for item, section in enumerate(problems.items(element.get("elements"), f"{here}/elements", most=1000)):
                _check_leaves(section, problems, f"{here}/elements/{item}")
        elif kind in ("rich_text_section", "rich_text_preformatted", "rich_text_quote"):
            problems.only(element, {"type", "elements", "border", "language"}, here)
            _check_leaves(element, problems, here)
        else:
            problems.say(f"unsupported type: {kind}", f"{here}/type")


def _check_leaves(section: Any, problems: Problems, at: str) -> None:
    if not isinstance(section, dict):
        problems.say("must be an object", at)
        return
    for place, leaf in enumerate(problems.items(section.get("elements"), f"{at}/elements", most=10_000, least=0)):
        here = f"{at}/elements/{place}"
        kind = leaf.get("type") if isinstance(leaf, dict) else None
        if kind not in _LEAVES:
            problems.say(f"unsupported type: {kind}", f"{here}/type")
            continue
        problems.only(leaf, _LEAVES[kind] | _ALSO, here)
        for name in _LEAVES[kind]:
            if leaf.get(name) in (None, ""):
                # An empty text leaf is refused too; people meet it with empty log lines.
                problems.say(
                    f"missing required field: {name}" if name not in leaf else "must be more than 0 characters", here
                )
