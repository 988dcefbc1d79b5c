"""Each field of a metadata record: what it may hold, and a sentence that names the field when it holds anything else.

Sentences never quote what was typed: a token pasted into the wrong place would be stored in logs and terminals. Pure.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.credentials import kind_of
from storage.tokens import Use

T = TypeVar("T")

REGISTRIES = ("npm", "github-packages", "pypi", "crates", "rubygems", "nuget", "docker", "maven", "github", "other")
KINDS = (
    "granular",
    "session",
    "classic",
    "automation",
    "trusted-publisher",
    "pat",
    "api-token",
    "deploy-token",
    "app",
    "other",
)
PERMISSIONS = ("read-only", "read-write", "read-write-stage-only", "no-access")
LEVELS = ("organization", "repository", "environment", "elsewhere")

MOST_NAME = 100
MOST_TEXT = 2000
MOST_ENTRIES = 1000

_NAME = re.compile(r"[A-Za-z0-9@_][A-Za-z0-9@._/+\-]*")
_NPM_PACKAGE = re.compile(r"(@[A-Za-z0-9~_\-][A-Za-z0-9~._\-]*/)?(\*|[A-Za-z0-9~_\-][A-Za-z0-9~._\-]*\*?)")
_NPM_SCOPE = re.compile(r"@[A-Za-z0-9~_\-][A-Za-z0-9~._\-]*")
_WORD = re.compile(r"[^\s,;\"'\x00-\x1f\x7f]{1,214}")
_ORG = re.compile(r"[A-Za-z0-9~_\-][A-Za-z0-9~._\-]*")
# First 8 and last 4 characters, as npm's list shows a token; other registries show fewer or no last ones.
_HINT = re.compile(r"([!-~]{1,8}?)(?:\.\.\.|…)([A-Za-z0-9_\-]{0,4})")
_MEMBER = re.compile(r"[UW][A-Z0-9]{2,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?")
_REPO = re.compile(r"[A-Za-z0-9_.\-]{1,100}(/(\*|[A-Za-z0-9_.\-]{1,100}))*")
_SECRET = re.compile(r"[A-Za-z0-9_.\-/]{1,200}")
_REGISTRY_ID = re.compile(r"[A-Za-z0-9\-]{1,36}")
_ACCOUNT = re.compile(r"[A-Za-z0-9~._\-]{1,214}")
_TELLABLE = re.compile(r"[A-Za-z_][A-Za-z_ \-]{0,29}")


@dataclass(frozen=True, slots=True)
class Problem:
    """`where`: "line 3" or "record 2, line 14" or empty; `field`: a path such as `used_by[0].repo`, or empty."""

    where: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.field, self.message) if part)


class _Wrong(ValueError):
    """What is wrong with one field. `found`: each place inside it ("[0].repo", or empty) with its sentence."""

    def __init__(self, message: str, inside: str = "") -> None:
        super().__init__(message)
        self.found = [(inside, message)]

    @classmethod
    def together(cls, wrongs: Sequence[_Wrong]) -> _Wrong:
        joined = cls(str(wrongs[0]))
        joined.found = [found for wrong in wrongs for found in wrong.found]
        return joined

    def within(self, inside: str) -> _Wrong:
        self.found = [(inside + deeper, message) for deeper, message in self.found]
        return self


def read_fields(raw: Mapping[str, object], where: str = "") -> tuple[dict[str, Any], list[Problem]]:
    """The fields of a record in the types of `Token`, and every problem. Fields with a problem are left out."""
    problems = credential_problems(raw, where)
    refused = {problem.field.partition("[")[0].partition(".")[0] for problem in problems}
    registry = raw.get("registry", "npm")
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key in refused:
            continue
        reader = _READERS.get(key)
        if reader is None:
            if _kind(key) is None:
                problems.append(Problem(where, _tellable(key), _unknown_field(key)))
            continue
        try:
            values[key] = reader(value, registry if isinstance(registry, str) else "other")
        except _Wrong as wrong:
            problems += [Problem(where, key + inside, message) for inside, message in wrong.found]
    return values, problems


def credential_problems(raw: Mapping[str, object], where: str = "") -> list[Problem]:
    """Every field that holds something shaped like a credential, however deep."""
    strings = list(_strings(raw))
    # One look at everything first: records are many and credentials rare.
    if _kind("\n".join(text for _, text in strings)) is None:
        return []
    kinds = ((path, _kind(text)) for path, text in strings)
    return [
        Problem(
            where, path, f"looks like a credential ({kind}) and was not read: revoke it, a value never belongs here"
        )
        for path, kind in kinds
        if kind is not None
    ]


def _unknown_field(name: str) -> str:
    near = difflib.get_close_matches(name.strip().lower(), list(_READERS), 1)
    return "is not a field" + (f": did you mean {near[0]}?" if near else f"; fields are {', '.join(_READERS)}")


def iso(when: datetime | None) -> str | None:
    """`2026-12-01T00:00:00Z`. Seconds are enough for every registry, and survive every way through the store."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(value: object) -> datetime:
    """An ISO time with its zone; a day alone is its first moment in UTC. Raises ValueError with a sentence.

    A time of day without zone is refused: it would be hours off for most of the people who type one.
    """
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _Wrong("must be a time such as 2026-12-01T09:00:00Z, or a day such as 2026-12-01")
    if len(match[0]) > len("2026-12-01") and match["zone"] is None:
        raise _Wrong("needs its time zone: add Z for UTC, or an offset such as +02:00")
    try:
        when = datetime.fromisoformat(match[0])
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong("is no such day or time") from None
    if not 2000 <= when.year <= 2200:
        raise _Wrong("must lie between the years 2000 and 2200")
    return when.replace(microsecond=0)


def read_hint(value: str) -> str | None:
    """`npm_aBcD...7890` with three dots, or None when it is not how a registry shows a token."""
    match = _HINT.fullmatch(value.strip())
    return f"{match[1]}...{match[2]}" if match else None


def is_name(value: str) -> bool:
    return len(value) <= MOST_NAME and _NAME.fullmatch(value) is not None


def _kind(text: str) -> str | None:
    # Lone surrogates are valid JSON, but no search engine takes them.
    return kind_of(text.encode("utf-8", "replace").decode())


def _strings(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield (f"{path}.{_tellable(key)}" if path else _tellable(key)), str(key)
            yield from _strings(inner, f"{path}.{_tellable(key)}" if path else _tellable(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _strings(inner, f"{path}[{place}]")


def _tellable(key: str) -> str:
    """A field name fit to be printed: words yes, anything that might be a value in the wrong place no."""
    return key if _TELLABLE.fullmatch(key) or key in _READERS else "(unnamed field)"


def _text(value: object, most: int = MOST_TEXT, lines: bool = False) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Wrong("must be text")
    text = value.replace("\r\n", "\n").strip()
    if len(text) > most:
        raise _Wrong(f"is longer than {most} characters")
    # Control characters move the cursor of terminals; lone surrogates are valid JSON that no database takes.
    if any((ord(letter) < 32 and not (lines and letter in "\n\t")) or ord(letter) == 127 for letter in text):
        raise _Wrong("holds control characters")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Wrong("is not valid Unicode")
    return text or None


def _name(value: object, _: str) -> str:
    text = _text(value)
    if text is None:
        raise _Wrong("is missing")
    if not is_name(text):
        raise _Wrong(f"must be 1 to {MOST_NAME} letters, digits and . _ - @ / + without blanks")
    return text


def _one_of(words: tuple[str, ...]) -> Callable[[object, str], str | None]:
    def read(value: object, _: str) -> str | None:
        text = _text(value)
        if text is None or text in words:
            return text
        near = difflib.get_close_matches(text.lower().replace("_", "-"), words, 1)
        raise _Wrong(f"must be one of {', '.join(words)}" + (f"; did you mean {near[0]}?" if near else ""))

    return read


def _or_default(reader: Callable[[object, str], str | None], default: str) -> Callable[[object, str], str]:
    return lambda value, registry: reader(value, registry) or default


def _list_of(entry: Callable[[str, str], str]) -> Callable[[object, str], tuple[str, ...]]:
    def read(value: object, registry: str) -> tuple[str, ...]:
        def read_one(one: object) -> str:
            text = _text(one)
            if text is None:
                raise _Wrong("is empty")
            return entry(text, registry)

        return _entries(value, read_one)

    return read


def _entries(value: object, read_one: Callable[[object], T]) -> tuple[T, ...]:
    """Each entry once, in order. Raises _Wrong with every entry that is not right."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise _Wrong("must be a list")
    if len(value) > MOST_ENTRIES:
        raise _Wrong(f"has more than {MOST_ENTRIES} entries")
    found: dict[T, None] = {}
    wrongs: list[_Wrong] = []
    for place, one in enumerate(value):
        try:
            found[read_one(one)] = None
        except _Wrong as wrong:
            wrongs.append(wrong.within(f"[{place}]"))
    if wrongs:
        raise _Wrong.together(wrongs)
    return tuple(found)


def _package(text: str, registry: str) -> str:
    npm = registry in ("npm", "github-packages")
    if len(text) > 214 or not (_NPM_PACKAGE if npm else _WORD).fullmatch(text):
        raise _Wrong("must be a package name such as @acme/ui" if npm else "must be a package name without blanks")
    return text


def _scope(text: str, registry: str) -> str:
    scope = text.removesuffix("/*")
    if registry in ("npm", "github-packages") and not _NPM_SCOPE.fullmatch(scope):
        raise _Wrong("must be a scope such as @acme")
    if not _WORD.fullmatch(scope):
        raise _Wrong("must be a scope without blanks")
    return scope


def _org(text: str, _: str) -> str:
    if not _ORG.fullmatch(text):
        raise _Wrong("must be the name of an organisation")
    return text


def _cidr(text: str, _: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise _Wrong("must be an IPv4 range such as 203.0.113.0/24") from None


def _flag(value: object, _: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _Wrong("must be true or false")


def _time(value: object, _: str) -> datetime | None:
    return None if value is None or value == "" else read_time(value)


def _member(value: object, _: str) -> str | None:
    text = _text(value)
    if text is not None and not _MEMBER.fullmatch(text):
        raise _Wrong("must be a Slack member ID such as U012AB3CD (in the person's profile: Copy member ID)")
    return text


def _hint(value: object, _: str) -> str | None:
    text = _text(value)
    if text is None:
        return None
    hint = read_hint(text)
    if hint is None:
        raise _Wrong("must be the first 8 and last 4 characters, such as npm_aBcD...7890")
    return hint


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[object, str], str | None]:
    def read(value: object, _: str) -> str | None:
        text = _text(value)
        if text is not None and not pattern.fullmatch(text):
            raise _Wrong(message)
        return text

    return read


def _use(raw: object, registry: str) -> Use:
    if not isinstance(raw, Mapping):
        raise _Wrong("must be an object with repo, workflow, secret, level and environment")
    read: dict[str, Any] = {}
    wrongs: list[_Wrong] = []
    for key, value in raw.items():
        if key not in _USE_READERS:
            wrongs.append(_Wrong(f"is not a field; fields are {', '.join(_USE_READERS)}", f".{_tellable(key)}"))
            continue
        try:
            read[key] = _USE_READERS[key](value, registry)
        except _Wrong as wrong:
            wrongs.append(wrong.within(f".{key}"))
    if raw.get("repo") in (None, ""):
        wrongs.append(_Wrong("is missing", ".repo"))
    if read.get("level") == "environment" and not raw.get("environment"):
        wrongs.append(_Wrong("is needed when the level is environment", ".environment"))
    if read.get("repo") and "/" not in read["repo"] and read.get("level") in ("repository", "environment"):
        wrongs.append(_Wrong("must be a repository such as acme/ui", ".repo"))
    if wrongs:
        raise _Wrong.together(wrongs)
    return Use(**read)


_Reader = Callable[[object, str], Any]
_USE_READERS: dict[str, _Reader] = {
    "repo": _matching(_REPO, "must be a repository such as acme/ui, or acme/* for all of an organisation"),
    "workflow": lambda value, _: _text(value, 300),
    "secret": _matching(_SECRET, "must be the name of a secret such as NPM_TOKEN"),
    "level": _or_default(_one_of(LEVELS), "repository"),
    "environment": lambda value, _: _text(value, 255),  # GitHub's limit
}
_READERS: dict[str, _Reader] = {
    "name": _name,
    "registry": _or_default(_one_of(REGISTRIES), "npm"),
    "kind": _or_default(_one_of(KINDS), "granular"),
    "permission": _one_of(PERMISSIONS),
    "packages": _list_of(_package),
    "scopes": _list_of(_scope),
    "orgs": _list_of(_org),
    "cidr": _list_of(_cidr),
    "bypass_2fa": _flag,
    "bypass_reason": lambda value, _: _text(value, 500),
    "hint": _hint,
    "created_at": _time,
    "expires_at": _time,
    "last_used_at": _time,
    "revoked_at": _time,
    "owner": _member,
    "backup_owner": _member,
    "note": lambda value, _: _text(value, lines=True) or "",
    "used_by": lambda value, registry: _entries(value, lambda one: _use(one, registry)),
    "expires_computed": lambda value, _: bool(_flag(value, "")),
    "account": _matching(_ACCOUNT, "must be the name of a registry account"),
    "registry_id": _matching(_REGISTRY_ID, "must be the beginning of the registry's id of the token"),
    "listed_at": _time,
}
FIELDS = tuple(_READERS)


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of the names that a person may have meant, best first."""
    by_lower = {known.lower(): known for known in names}
    return [by_lower[near] for near in difflib.get_close_matches(name.lower(), list(by_lower), 3, 0.5)]
