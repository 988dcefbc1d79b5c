"""The form behind `/tokens add` and `/tokens edit`: its questions, and what a person answered as a metadata record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.messages import text as t
from bot.messages.message import Part, section
from bot.messages.modal import (
    Values,
    checkbox,
    date_input,
    fits_input,
    modal,
    put,
    select,
    text_input,
    user_select,
)
from bot.messages.words import KIND_WORDS, PERMISSION_WORDS, REGISTRY_WORDS
from storage.tokens import Token, Use

FORM = "token.form"  # private_metadata: the id of the token being edited, or empty
REMOVE_FORM = "token.remove_form"  # private_metadata: the id of the token

# Block ids, one a question.
NAME = "name"
REGISTRY = "registry"
KIND = "kind"
PERMISSION = "permission"
GRANTS = "grants"
USES = "uses"
HINT = "hint"
CREATED = "created"
EXPIRES = "expires"
OWNER = "owner"
BACKUP = "backup"
BYPASS = "bypass"
REASON = "reason"
NOTE = "note"

# Field of the metadata record -> block beside which its problem is shown.
BLOCK_OF = {
    "name": NAME,
    "registry": REGISTRY,
    "kind": KIND,
    "permission": PERMISSION,
    "packages": GRANTS,
    "scopes": GRANTS,
    "orgs": GRANTS,
    "used_by": USES,
    "hint": HINT,
    "created_at": CREATED,
    "expires_at": EXPIRES,
    "owner": OWNER,
    "backup_owner": BACKUP,
    "bypass_2fa": BYPASS,
    "bypass_reason": REASON,
    "note": NOTE,
}
_OTHER = ("other", "another registry")
_TOO_MANY = "are too many for this form. They stay as they are; change them with `python -m bot tokens import`."


def token_form(token: Token | None = None, *, opened_by: str | None = None) -> dict[str, Any]:
    """Empty for a new token, whose owner is at first whoever opened it; filled for an edit, or with what is known of a
    token that has no record yet (no id)."""
    filled = token or Token(name="", owner=opened_by)
    edits = token is not None and token.id is not None
    parts: list[Part | None] = [
        section(
            "*Never paste a token here.*",
            "Tokenwatch keeps facts about it, never the token itself. What looks like one is refused.",
        ),
        text_input(NAME, "Name", initial=filled.name, placeholder="npm-acme-ci", most=100, hint="What people type."),
        select(REGISTRY, "Registry", _options(REGISTRY_WORDS, filled.registry), initial=filled.registry),
        select(KIND, "Kind", _options(KIND_WORDS, filled.kind), initial=filled.kind),
        select(
            PERMISSION,
            "What it may do",
            _options(PERMISSION_WORDS, filled.permission),
            initial=filled.permission,
            optional=True,
        ),
        *_grants(filled),
        *_uses(filled),
        date_input(
            EXPIRES,
            "Ends on",
            initial=_day(filled.expires_at) if not filled.expires_computed else None,
            hint="As the registry shows it. Left empty, it is computed from the kind and the day below.",
        ),
        date_input(CREATED, "Created on", initial=_day(filled.created_at)),
        user_select(OWNER, "Owner", initial=filled.owner, hint="Is told before it ends and when it fails."),
        user_select(
            BACKUP, "Backup owner", initial=filled.backup_owner, hint="Who can replace it when the owner is away."
        ),
        checkbox(BYPASS, "Two-factor", "It bypasses two-factor authentication", checked=bool(filled.bypass_2fa)),
        text_input(REASON, "Why it bypasses two-factor", initial=filled.bypass_reason, optional=True, most=300),
        text_input(
            HINT,
            "Looks like",
            initial=filled.hint,
            placeholder="npm_aBcD...7890",
            hint="First 8 and last 4 characters, as npm shows it.",
            optional=True,
            most=100,
        ),
        text_input(NOTE, "Note", initial=filled.note, optional=True, multiline=True)
        if fits_input(filled.note)
        else None,
    ]
    return modal(
        "Edit a token" if edits else "Add a token",
        parts,
        callback_id=FORM,
        submit="Save",
        private_metadata="" if token is None or token.id is None else str(token.id),
    )


def remove_form(token: Token) -> dict[str, Any]:
    """Asks before a token's facts are forgotten."""
    used = t.count(len(token.used_by), "place uses", "places use")
    return modal(
        "Remove a token",
        [
            section(
                f"*Forget {t.code(token.name)}?*",
                "Its facts go, its audit rows stay. The token itself keeps working: revoke it at the registry.",
                f"On record, {used} it." if token.used_by else "",
            )
        ],
        callback_id=REMOVE_FORM,
        submit="Forget it",
        private_metadata=str(token.id),
    )


def read_form(values: Values, before: Token | None = None) -> dict[str, Any]:
    """The answers as a metadata record, with the keys of the questions that were asked.

    `before`: the token being edited. A day that was not changed keeps its time of day, so that no reminder is
    said again; what did not fit into the form is not in the record and stays as it was.
    """
    record: dict[str, Any] = {
        "name": put(values, NAME) or "",
        "registry": put(values, REGISTRY),
        "kind": put(values, KIND),
        "permission": put(values, PERMISSION),
        "expires_at": _moment(put(values, EXPIRES), before.expires_at if before else None),
        "created_at": _moment(put(values, CREATED), before.created_at if before else None),
        "owner": put(values, OWNER),
        "backup_owner": put(values, BACKUP),
        "bypass_2fa": _bypass(put(values, BYPASS), before),
    }
    if GRANTS in values:
        record.update(_read_grants(put(values, GRANTS) or ""))
    if USES in values:
        record["used_by"] = [read_use(line) for line in (put(values, USES) or "").splitlines() if line.strip()]
    for block, field in ((REASON, "bypass_reason"), (HINT, "hint"), (NOTE, "note")):
        if block in values:
            record[field] = put(values, block) or ("" if field == "note" else None)
    return record


def errors_beside(problems: Mapping[str, str]) -> dict[str, str]:
    """Problems by field (`expires_at`, `used_by[0].repo`) as Slack wants them: by block; strangers go to the name."""
    errors: dict[str, str] = {}
    for field, problem in problems.items():
        block = BLOCK_OF.get(field.partition("[")[0].partition(".")[0], NAME)
        said = t.plain(problem, 300)
        errors[block] = f"{t.sentence_end(errors[block])} {said}" if block in errors else said
    return {block: t.cut(said, 1000) for block, said in errors.items()}


def read_use(line: str) -> dict[str, Any]:
    """`acme/ui:release.yml:NPM_TOKEN:repository` or the same with blanks; level and environment may be left out."""
    by_colon = ":" in line
    parts = [part.strip() for part in (line.split(":") if by_colon else line.replace(",", " ").split())]
    repo, workflow, secret, level, environment = [*parts, "", "", "", ""][:5]
    return {
        "repo": repo,
        "workflow": workflow or None,
        "secret": secret or None,
        "level": level or "repository",
        "environment": environment or None,
    }


def write_use(use: Use) -> str:
    parts = [use.repo, use.workflow or "", use.secret or "", use.level, use.environment or ""]
    return ":".join(parts).rstrip(":")


def _grants(token: Token) -> list[Part | None]:
    names = "\n".join([*token.packages, *token.scopes])
    if not fits_input(names):
        many = t.count(len(token.packages) + len(token.scopes), "package")
        return [section(f"{many} {_TOO_MANY}")]
    return [
        text_input(
            GRANTS,
            "Packages and scopes it may publish",
            initial=names,
            placeholder="@acme/ui @acme",
            hint="Separated by blanks or lines. @acme alone is the whole scope.",
            optional=True,
            multiline=True,
        )
    ]


def _uses(token: Token) -> list[Part | None]:
    lines = "\n".join(write_use(use) for use in token.used_by)
    if not fits_input(lines):
        many = t.count(len(token.used_by), "use")
        return [section(f"{many} {_TOO_MANY}")]
    return [
        text_input(
            USES,
            "Used by",
            initial=lines,
            placeholder="acme/ui:release.yml:NPM_TOKEN:repository",
            hint="One place a line, as repository:workflow:secret:level, like the example. "
            "The level is organization, repository, environment or elsewhere. This is how a failed publish finds it.",
            optional=True,
            multiline=True,
        )
    ]


def _bypass(answer: str | None, before: Token | None) -> bool | None:
    """An unticked box says no, unless nobody knew before: then it is still not known."""
    if answer == "yes":
        return True
    return None if before is not None and before.bypass_2fa is None else False


def _options(words: Mapping[str, str], present: str | None) -> list[tuple[str, str]]:
    """All known words, and the present one even if it is not among them."""
    options = list(words.items())
    if words is REGISTRY_WORDS:
        options.append(_OTHER)
    if present and present not in dict(options):
        options.append((present, present))
    return options


def _read_grants(text: str) -> dict[str, list[str]]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    return {
        "packages": [name for name in names if not _is_scope(name)],
        "scopes": [name for name in names if _is_scope(name)],
    }


def _is_scope(name: str) -> bool:
    return name.startswith("@") and "/" not in name


def _day(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%d") if moment else None


def _moment(day: str | None, before: datetime | None) -> str | None:
    if day is None:
        return None
    return before.astimezone(UTC).isoformat() if before is not None and _day(before) == day else day
