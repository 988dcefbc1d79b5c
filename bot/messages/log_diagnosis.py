"""The answer to "Diagnose this log": cause, deciding lines, what to do; to one person."""

from __future__ import annotations

from bot.diagnosis.diagnosis import Diagnosis
from bot.messages import text as t
from bot.messages.message import Message, Part, context, message, preformatted, section
from bot.messages.words import cause_words, registry_words

MOST_STEPS = 4
MOST_LINES = 3
MOST_ALTERNATIVES = 3
_ALSO, _LINES = 2, 1


def log_diagnosis(found: Diagnosis) -> Message:
    """What one log says. Nothing but the log was looked at, and the answer says so."""
    said = t.sentence(found.sentence)
    steps = [t.prose(step, 400) for step in found.fix[:MOST_STEPS]]
    parts: list[Part | None] = [
        section(f"*{said}*", _about(found)),
        section("*What to do*", *(t.numbered(steps) if len(steps) > 1 else steps)) if steps else None,
        *_lines(found),
        *_also(found),
        _leaked(found),
        context(
            f"Read from {t.count(found.lines, 'line')} alone: no workflow file, registry or token was looked at."
            " For a run on GitHub `/tokens why RUN-URL` looks at all of them.",
            t.link(found.docs, "Read more") if found.docs and t.is_url(found.docs) else "",
        ),
    ]
    first = f" What to do first: {t.sentence(found.fix[0].replace('`', ''))}" if found.fix else ""
    return message(f"{said}{first}", parts)


def no_log() -> Message:
    said = "There is no text in this message that could be a log."
    hint = "Use it on a message that holds the output of a failed publish, as text, as a snippet or as a text file."
    return message(f"{said} {hint}", [section(f"*{said}*", hint)])


def _about(found: Diagnosis) -> str:
    """`@acme/ui` 2.3.1 to npm, by npm 11.6.2, E404"""
    what = ""
    if found.package:
        version = f" {t.mrkdwn(found.version, 80)}" if found.version else ""
        what = f"{t.code(found.package)}{version}"
    where = f"to {t.mrkdwn(registry_words(found.registry), 60)}" if found.registry else ""
    tool = found.client or found.tool
    by = f"by {t.mrkdwn(tool, 80)}" if tool else ""
    return ", ".join(filter(None, (" ".join(filter(None, (what, where))), by, t.mrkdwn(found.code or "", 40))))


def _lines(found: Diagnosis) -> list[Part | None]:
    lines = found.evidence[:MOST_LINES]
    if not lines:
        return []
    numbers = t.listed([f"{line.line:,}" for line in lines])
    label = f"From the log, {'line' if len(lines) == 1 else 'lines'} {numbers}:"
    return [context(label, rank=_LINES), preformatted((line.text for line in lines), rank=_LINES)]


def _also(found: Diagnosis) -> list[Part | None]:
    lines = [
        f"{t.prose(cause_words(other.cause), 200).removesuffix('.')}."
        + (f" What would confirm it: {t.prose(other.would_confirm, 250)}" if other.would_confirm else "")
        for other in found.also
        if other.cause != "published"
    ][:MOST_ALTERNATIVES]
    return [section("*It could also be that*", *t.bullets(lines), rank=_ALSO)] if lines else []


def _leaked(found: Diagnosis) -> Part | None:
    if not found.secrets_masked:
        return None
    number = t.count(found.secrets_masked, "credential")
    return section(
        f"*This message shows {number} to everybody who can read it.* Revoke what is still alive, then delete the"
        " message. Here it is masked."
    )
