"""Token metadata as people import, export and read it: JSON and CSV records to `Token` and back. Pure.

A record that exists already is changed by the fields a file mentions and keeps the rest. Everything wrong with a file
is said at once, by line and field, and no message quotes a value (see token_fields).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from bot.errors import TokenwatchError
from bot.policy import MAY_PUBLISH, computed_end, latest_end, rules_for, with_end
from bot.token_fields import FIELDS, Problem, credential_problems, iso, read_fields
from storage.tokens import Token, Use

MOST_CHARACTERS = 64 * 1024 * 1024
MOST_PROBLEMS = 100  # beyond these a file is not mistyped but another kind of file
_LISTS = ("packages", "scopes", "orgs", "cidr")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Spreadsheets run cells that begin like this as formulas. `@` is left out: names and scopes begin with it.
_FORMULA = ("=", "+", "-", "\t")


class MetadataProblems(TokenwatchError):
    """Records that cannot be read; `problems` has all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("bad-metadata", "\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    def by_field(self) -> dict[str, str]:
        """Field -> everything wrong with it, to be shown beside the question of a form."""
        said: dict[str, str] = {}
        for problem in self.problems:
            said[problem.field] = " ".join(filter(None, (said.get(problem.field), problem.message)))
        return said


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: the fields it mentions, checked. `where`: "line 3" or "record 2, line 14"."""

    where: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.values["name"])

    def token(self, before: Token | None = None) -> Token:
        """The stored token with what the record says; without one, a new token with defaults for the rest."""
        return _applied(self.values, before)


def read_record(raw: Mapping[str, object], before: Token | None = None) -> Token:
    """A record from a form or an option list; fields it does not mention stay as in `before`.

    Raises MetadataProblems.
    """
    values, problems = read_fields(raw)
    if not problems and before is None and "name" not in values:
        problems.append(Problem("", "name", "is missing"))
    if problems:
        raise MetadataProblems(problems)
    return _applied(values, before)


def parse_json(text: str) -> tuple[Record, ...]:
    """Records from a JSON array, a single object, or objects one after the other. Raises MetadataProblems."""
    rows = [(f"record {place}, line {line}", value) for place, line, value in json_values(text)]
    return _records(rows)


def parse_csv(text: str) -> tuple[Record, ...]:
    """Records from CSV with a header line; an empty cell means null. Raises MetadataProblems.

    Comma, semicolon and tab are understood, because spreadsheets save what their country prefers.
    """
    _refuse_size(text)
    return _records(list(_csv_rows(text.removeprefix("\ufeff"))))


def to_json(token: Token) -> dict[str, Any]:
    """The record of a token, ready for `json.dumps`: the documented keys first, then additions."""
    return {
        "name": token.name,
        "registry": token.registry,
        "kind": token.kind,
        "permission": token.permission,
        "packages": list(token.packages),
        "scopes": list(token.scopes),
        "orgs": list(token.orgs),
        "cidr": list(token.cidr),
        "bypass_2fa": token.bypass_2fa,
        "bypass_reason": token.bypass_reason,
        "hint": token.hint,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "last_used_at": iso(token.last_used_at),
        "revoked_at": iso(token.revoked_at),
        "owner": token.owner,
        "backup_owner": token.backup_owner,
        "note": token.note,
        "used_by": [
            {
                "repo": use.repo,
                "workflow": use.workflow,
                "secret": use.secret,
                "level": use.level,
                "environment": use.environment,
            }
            for use in token.used_by
        ],
        "expires_computed": token.expires_computed,
        "account": token.account,
        "registry_id": token.registry_id,
        "listed_at": iso(token.listed_at),
    }


def to_csv(tokens: Iterable[Token]) -> str:
    """All tokens as CSV with the same columns; lists joined by blanks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for token in tokens:
        record = to_json(token)
        cells = {field: "" if value is None else value for field, value in record.items()}
        for field in _LISTS:
            cells[field] = " ".join(record[field])
        for field in ("bypass_2fa", "expires_computed"):
            cells[field] = "" if record[field] is None else str(record[field]).lower()
        cells["used_by"] = " ".join(write_use(use) for use in token.used_by)
        for field in ("note", "bypass_reason"):
            cells[field] = _as_text(cells[field])
        writer.writerow([cells[field] for field in FIELDS])
    return out.getvalue()


def write_use(use: Use) -> str:
    """`repo:workflow:secret:level[:environment]`; blanks, colons and % inside a part are percent-encoded."""
    parts = [use.repo, use.workflow or "", use.secret or "", use.level, *([use.environment] if use.environment else [])]
    return ":".join(quote(part, safe="/*@!$&'()+,;=~") for part in parts)


def read_use(text: str) -> dict[str, str | None]:
    """The record of a use written by `write_use`; parts at the end may be left out."""
    parts = [unquote(part) for part in text.split(":", 4)]
    repo, workflow, secret, level, environment = [*parts, "", "", "", ""][:5]
    return {
        "repo": repo,
        "workflow": workflow or None,
        "secret": secret or None,
        "level": level or None,
        "environment": environment or None,
    }


def json_values(text: str) -> Iterator[tuple[int, int, object]]:
    """(number, line, value) of each element of an array, or of each of several values one after the other.

    `npm trust list --json` prints objects one after the other. Raises MetadataProblems for what is no JSON.
    """
    _refuse_size(text)
    text = text.removeprefix("\ufeff")
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    position, line, number = _past_blanks(text, 0), 1, 0
    counted = 0
    inside = text[position : position + 1] == "["
    position = _past_blanks(text, position + 1) if inside else position
    while position < len(text):
        if inside and text[position] == "]":
            if text[position + 1 :].strip():
                raise MetadataProblems([Problem("", "", "is not valid JSON: there is more after the closing bracket")])
            return
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise MetadataProblems([Problem(where, "", f"is not valid JSON: {error.msg}")]) from None
        except RecursionError:
            raise MetadataProblems([Problem(f"line {line}", "", "is nested too deeply")]) from None
        except ValueError as error:
            raise MetadataProblems([Problem(f"line {line}", "", f"is not valid JSON: {error}")]) from None
        number += 1
        yield number, line, value
        position = _past_blanks(text, position)
        if inside and text[position : position + 1] == ",":
            position = _past_blanks(text, position + 1)
        elif inside and text[position : position + 1] not in ("]", ""):
            line += text.count("\n", counted, position)
            raise MetadataProblems([Problem(f"line {line}", "", "is not valid JSON: a comma or ] should follow")])
    if inside:
        raise MetadataProblems([Problem("", "", "is not valid JSON: the closing ] is missing")])


def contradictions(token: Token, now: datetime) -> tuple[str, ...]:
    """What cannot be true about this record, one plain sentence each. It is kept all the same: people decide."""
    return tuple(sentence for _, sentence in named_contradictions(token, now))


def named_contradictions(token: Token, now: datetime) -> Iterator[tuple[str, str]]:
    """Each with a stable word: `classic`, `beyond-cap`, or `contradiction`."""
    end, latest = token.expires_at, latest_end(token)
    deaths = [rule for rule in rules_for(token) if rule.effect == "dies"]
    for rule in deaths:
        if token.revoked_at is None and (end is None or end > rule.at):
            says = f"has it end on {end:%Y-%m-%d}." if end else "says nothing of that."
            yield "classic", f"{rule.says} This record {says}"
    if end and latest and end > latest and not deaths:
        by = f"by {token.registry}'s rules {latest:%Y-%m-%d} is the latest"
        yield "beyond-cap", f"It cannot end on {end:%Y-%m-%d}: {by}."
    for sentence in _contradictions(token, now):
        yield "contradiction", sentence


def _contradictions(token: Token, now: datetime) -> Iterator[str]:
    created, end, used, revoked = token.created_at, token.expires_at, token.last_used_at, token.revoked_at
    for rule in rules_for(token):
        if rule.effect == "no-creation" and created and created >= rule.at:
            yield f"{rule.says} This one is said to be of {created:%Y-%m-%d}."
    if created and created > now:
        yield f"It is said to be created on {created:%Y-%m-%d}, which is yet to come."
    for name, later in (("ends", end), ("was last used", used), ("was revoked", revoked)):
        if created and later and later < created:
            yield f"It {name} on {later:%Y-%m-%d}, before it was created on {created:%Y-%m-%d}."
    if used and end and used > end and not token.expires_computed:
        yield f"It was last used on {used:%Y-%m-%d}, after its end on {end:%Y-%m-%d}."
    elif used and end and used > end:
        yield f"It was last used on {used:%Y-%m-%d}, after the computed end on {end:%Y-%m-%d}: record the real one."
    if used and revoked and used > revoked:
        yield f"It was last used on {used:%Y-%m-%d}, after it was revoked on {revoked:%Y-%m-%d}."
    if token.bypass_reason and token.bypass_2fa is False:
        yield "It has a reason to bypass 2FA but does not bypass it."
    if token.kind == "trusted-publisher":
        if end:
            yield "A trusted publisher has no end."
        if token.hint:
            yield "A trusted publisher has no token to hint at."
    elif token.orgs and not token.packages and not token.scopes and token.permission in MAY_PUBLISH:
        yield "It names organisations only, which gives no right to publish."


def _applied(values: Mapping[str, Any], before: Token | None) -> Token:
    """Times: a recorded end is kept; without one it is computed, unless the record says there is none."""
    token = replace(before or Token(name=""), **values)
    if values.get("expires_at") is not None:
        was_computed = bool(values.get("expires_computed")) and computed_end(token) is not None
        return with_end(replace(token, expires_computed=was_computed))
    if "expires_at" not in values:
        # Known to be endless before, and nothing was said about it now.
        knows_none = before is not None and before.expires_at is None and not before.expires_computed
        return with_end(token, none_is_known=knows_none and _same_age(before, token))
    stated_none = values.get("expires_computed") is False
    knows_none = before is not None and before.expires_at is None and _same_age(before, token)
    return with_end(replace(token, expires_computed=False), none_is_known=stated_none or knows_none)


def _same_age(before: Token | None, after: Token) -> bool:
    if before is None:
        return False
    return (before.created_at, before.kind, before.registry) == (after.created_at, after.kind, after.registry)


def _records(rows: Iterable[tuple[str, object]]) -> tuple[Record, ...]:
    records: list[Record] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for where, raw in rows:
        if isinstance(raw, Problem):
            problems.append(raw)
            continue
        if not isinstance(raw, Mapping):
            problems.append(Problem(where, "", "must be an object with the fields of a token"))
            continue
        values, wrong = read_fields(raw, where)
        if "name" not in raw:
            wrong.append(Problem(where, "name", "is missing"))
        name = values.get("name")
        if name in seen:
            wrong.append(Problem(where, "name", f"is the same as in {seen[name]}"))
        elif name is not None:
            seen[name] = where
        problems += wrong
        records.append(Record(where, values))
        if len(problems) >= MOST_PROBLEMS:
            problems = [*problems[:MOST_PROBLEMS], Problem("", "", "and there is more wrong after that")]
            break
    if problems:
        raise MetadataProblems(problems)
    return tuple(records)


def _csv_rows(text: str) -> Iterator[tuple[str, object]]:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    end = 0
    try:
        for cells in reader:
            where, end = f"line {end + 1}", reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                yield from _header_problems(header, where)
            elif len(cells) > len(header):
                yield where, Problem(where, "", f"has {len(cells)} cells, the header has {len(header)}")
            elif refused := credential_problems(dict(zip(header, cells, strict=False)), where):
                # Before cells are split: a value may look harmless in pieces.
                yield from ((where, problem) for problem in refused)
            else:
                yield where, {name: _cell(name, cell) for name, cell in zip(header, cells, strict=False)}
    except csv.Error as error:
        yield "", Problem(f"line {reader.line_num}", "", f"is not valid CSV: {error}")
    if not header:
        yield "", Problem("", "", "is empty")


def _header_problems(header: Sequence[str], where: str) -> Iterator[tuple[str, Problem]]:
    if refused := credential_problems(dict.fromkeys(header), where):
        raise MetadataProblems(refused)
    if len(set(header)) != len(header):
        yield where, Problem(where, "", "names a column twice")
    if not set(header) & set(FIELDS):
        # One sentence, instead of every line being wrong for the same reason.
        raise MetadataProblems([Problem(where, "", f"must name the columns, some of {', '.join(FIELDS)}")])
    if "name" not in header:
        raise MetadataProblems([Problem(where, "name", "is not among the columns")])
    unknown = read_fields({field: None for field in header if field not in FIELDS}, where)[1]
    if unknown:
        raise MetadataProblems(unknown)


def _cell(field: str, cell: str) -> object:
    text = cell.strip()
    if field in _LISTS:
        return text.split()
    if field == "used_by":
        return [read_use(part) for part in text.split()]
    if field in ("bypass_2fa", "expires_computed"):
        return _FLAGS.get(text.lower(), text) if text else None
    if field in ("note", "bypass_reason"):
        return _from_text(text) or None
    return text or None


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _from_text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def _refuse_size(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise MetadataProblems([Problem("", "", f"is larger than {MOST_CHARACTERS // 2**20} MiB")])
    if not text.strip("\ufeff \t\r\n"):
        raise MetadataProblems([Problem("", "", "is empty")])


def _past_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a field twice")
    return found


def _no_constant(_: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")
