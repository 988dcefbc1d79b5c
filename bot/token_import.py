"""Importing tokens: what kind of file is it, what would change, and making it so in one transaction.

`read` and `plan` are pure; `bring_in` works on an open transaction. Three kinds of file are told apart by what they
hold: our own records (JSON or CSV), npm's token list and npm's trust list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.registries.npm.tokens import Listed, is_token_list, read_token_list, same_token, updated
from bot.registries.npm.trust_list import by_package, is_trust_list, read_trust_list
from bot.token_changes import differences, keep
from bot.token_fields import Problem
from bot.token_metadata import MetadataProblems, Record, json_values, parse_csv, parse_json
from storage import rotations, tokens
from storage.database import Connection
from storage.tokens import Token

_LISTED_KINDS = ("granular", "classic", "automation")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a file holds: `records` (ours), or `listed` (npm's token list, `is_list`), or `publishers` (its trust list).

    `account`: whose list it is; tokens of other accounts are not expected in it. `silent`: packages for which npm
    printed nothing: it has no publisher of theirs, or refused to say.
    """

    records: tuple[Record, ...] = ()
    listed: tuple[Listed, ...] = ()
    publishers: tuple[Token, ...] = ()
    is_list: bool = False
    account: str | None = None
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A stored token before and after. `fields`: (field, old, new) as text."""

    before: Token
    after: Token
    fields: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does. `revoked`: tokens that are gone from npm's list; `silent`: see Incoming."""

    added: tuple[Token, ...] = ()
    changed: tuple[Change, ...] = ()
    revoked: tuple[Change, ...] = ()
    unchanged: tuple[Token, ...] = ()
    silent: tuple[str, ...] = ()


def read(text: str, *, account: str | None = None, package: str | None = None) -> Incoming:
    """What a file holds, whichever of the formats it has. Raises MetadataProblems."""
    parts = by_package(text)
    if parts:
        return _trust_of_many(parts)
    if package and not text.strip("\ufeff \t\r\n"):
        said = f"npm printed nothing for {package}: it has no trusted publisher, or npm refused to say"
        raise MetadataProblems([Problem("", "", said)])
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return Incoming(records=parse_csv(text))
    found = [(f"record {number}, line {line}", value) for number, line, value in json_values(text)]
    values = [value for _, value in found]
    if len(values) == 1 and _is_error(values[0]):
        raise MetadataProblems([Problem("", "", _AN_ERROR)])
    if is_trust_list(values):
        return Incoming(publishers=read_trust_list(found, package=package))
    if is_token_list(values):
        return Incoming(listed=read_token_list(found, account=account), is_list=True, account=account)
    return Incoming(records=parse_json(text))


_AN_ERROR = "is an error message of npm, not a list: run the command again"


def _is_error(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and set(value) <= {"error", "code", "message"}


def _trust_of_many(parts: Sequence[tuple[str, int, str]]) -> Incoming:
    publishers: list[Token] = []
    problems: list[Problem] = []
    silent: list[str] = []
    for package, begins, text in parts:
        about = f"package {package}"
        if not text.strip():
            silent.append(package)
            continue
        try:
            # Empty lines above, so that every problem names the line of the file.
            found = [(f"{about}, line {line}", value) for _, line, value in json_values("\n" * (begins - 1) + text)]
            values = [value for _, value in found]
            if any(map(_is_error, values)):
                problems.append(Problem(about, "", _AN_ERROR))
            elif not is_trust_list(values):
                problems.append(Problem(about, "", "is not what npm trust list --json prints"))
            else:
                publishers += read_trust_list(found, package=package)
        except MetadataProblems as wrong:
            for problem in wrong.problems:
                known = problem.where.startswith(about)
                problems.append(problem if known else replace(problem, where=f"{about}, {problem.where}".rstrip(", ")))
    if problems:
        raise MetadataProblems(problems)
    return Incoming(publishers=tuple(publishers), silent=tuple(silent))


def bring_in(
    connection: Connection,
    incoming: Incoming,
    *,
    who: str,
    now: datetime,
    owner: str | None = None,
    dry_run: bool = False,
    said: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Work out what the import changes and, unless it is a dry run, store it with its audit rows.

    `owner`: who owns tokens that nobody owns yet; `said` is told how many of how many are stored. Raises
    MetadataProblems; the caller's transaction then ends without a trace.
    """
    planned = plan(_stored(connection, incoming), incoming, now=now, owner=owner, taken=tokens.names(connection))
    if dry_run:
        return planned
    changes = (*planned.changed, *planned.revoked)
    total = len(planned.added) + len(changes)
    for done, token in enumerate(planned.added, 1):
        keep(connection, token, None, who=who, now=now)
        said(done, total)
    for done, change in enumerate(changes, len(planned.added) + 1):
        keep(connection, change.after, change.before, who=who, now=now)
        said(done, total)
    if incoming.is_list:
        seen = (*(change.after for change in planned.changed), *planned.unchanged)
        tokens.listed(connection, [token.id for token in seen if token.id is not None], now)
    rotations.look_at_all(connection, now)  # what was imported may be what one of them waits for
    return planned


def plan(
    stored: Sequence[Token], incoming: Incoming, *, now: datetime, owner: str | None = None, taken: Iterable[str] = ()
) -> Plan:
    """What would change. `stored`: the tokens it could be about; `taken`: every name in use."""
    names = _Names(taken)
    if incoming.is_list:
        pairs, gone = _of_list(stored, incoming, names, now)
    elif incoming.publishers:
        pairs, gone = _of_trust(stored, incoming.publishers, names)
    else:
        known = {token.name: token for token in stored}
        pairs = [(known.get(record.name), record.token(known.get(record.name))) for record in incoming.records]
        gone = []
    owned = [(before, after if after.owner or not owner else replace(after, owner=owner)) for before, after in pairs]
    changes = [_change(before, after) for before, after in owned if before is not None]
    return Plan(
        added=tuple(after for before, after in owned if before is None),
        changed=tuple(change for change in changes if change.fields),
        revoked=tuple(_change(token, replace(token, revoked_at=now)) for token in gone),
        unchanged=tuple(change.before for change in changes if not change.fields),
        silent=incoming.silent,
    )


_Pairs = list[tuple[Token | None, Token]]


def _of_list(stored: Sequence[Token], incoming: Incoming, names: _Names, now: datetime) -> tuple[_Pairs, list[Token]]:
    """Pairs of before and after, and the tokens that are gone from the list.

    Gone are only tokens that this account's list had before: a record that people typed in, or one of another
    account, was never in it. One past its end has simply expired.
    """
    # An account's list may be the first to say whose token it is, but never takes one from another account.
    ours = [token for token in stored if incoming.account is None or token.account in (None, incoming.account)]
    index = _Index(ours)
    pairs: _Pairs = []
    matched: set[int | None] = set()
    for listed in incoming.listed:
        before = next((token for token in index.likely(listed) if token.id not in matched), None)
        if before is None:
            token = replace(listed.token, name=names.free(listed.token.name), listed_at=now)
            pairs.append((None, token))
            continue
        matched.add(before.id)
        pairs.append((before, updated(before, listed)))
    expected = [token for token in ours if token.listed_at is not None and token.account == incoming.account]
    gone = [
        token
        for token in expected
        if token.id not in matched and token.revoked_at is None and not (token.expires_at and token.expires_at <= now)
    ]
    if gone and incoming.account is None and not any(token.id in matched for token in expected):
        sentence = (
            f"has none of the {len(gone)} tokens that an earlier list had, so it seems to be another account's: "
            "say whose it is with --account NAME"
        )
        raise MetadataProblems([Problem("", "", sentence)])
    return pairs, gone


def _of_trust(stored: Sequence[Token], publishers: Iterable[Token], names: _Names) -> tuple[_Pairs, list[Token]]:
    """Pairs of before and after, and the records of these packages that npm's list bears out no longer.

    A record keeps its permission, so that direct publishers are not mixed up with those that may only stage; where
    nothing else is left of a package, it takes on the other one.
    """
    incoming = list(publishers)
    known: dict[tuple[str, ...], list[Token]] = {}
    for token in sorted(stored, key=lambda token: token.revoked_at is not None):
        known.setdefault(token.packages, []).append(token)
    found: dict[int, Token] = {}
    for same in (True, False):
        for place, publisher in enumerate(incoming):
            left = known.get(publisher.packages, [])
            fitting = [token for token in left if not same or token.permission == publisher.permission]
            if place not in found and fitting:
                found[place] = fitting[0]
                left.remove(fitting[0])
    pairs: _Pairs = []
    for place, publisher in enumerate(incoming):
        before = found.get(place)
        if before is None:
            pairs.append((None, replace(publisher, name=names.free(publisher.name))))
        else:
            after = replace(before, permission=publisher.permission, used_by=publisher.used_by, revoked_at=None)
            pairs.append((before, after))
    told = {publisher.packages for publisher in incoming}
    return pairs, [token for packages in told for token in known.get(packages, []) if token.revoked_at is None]


class _Index:
    """Finds stored tokens by what identifies them in npm's list; an account may have a thousand."""

    def __init__(self, stored: Iterable[Token]) -> None:
        self._by: dict[tuple[str, str], list[Token]] = {}
        for token in stored:
            for key in self._keys(token, token.name):
                self._by.setdefault(key, []).append(token)

    def likely(self, listed: Listed) -> list[Token]:
        """Those that are the listed token, live ones first."""
        found = {
            token.id: token
            for key in self._keys(listed.token, listed.label)
            for token in self._by.get(key, ())
            if same_token(token, listed)
        }
        return sorted(found.values(), key=lambda token: token.revoked_at is not None)

    @staticmethod
    def _keys(token: Token, label: str) -> list[tuple[str, str]]:
        keys = [("name", token.name), ("name", label)]
        if token.hint:
            keys.append(("hint", token.hint))
        if token.registry_id:
            keys.append(("id", token.registry_id[:6]))  # the shortest id npm shows
        return keys


class _Names:
    """Hands out names that nobody has: `npm-ci`, then `npm-ci-2`."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.lower() for name in taken}

    def free(self, name: str) -> str:
        candidate, number = name, 1
        while candidate.lower() in self._taken:
            number += 1
            candidate = f"{name}-{number}"
        self._taken.add(candidate.lower())
        return candidate


def _change(before: Token, after: Token) -> Change:
    return Change(before, after, tuple(differences(before, after)))


def _stored(connection: Connection, incoming: Incoming) -> list[Token]:
    if incoming.is_list:
        return [token for kind in _LISTED_KINDS for token in tokens.of_kind(connection, "npm", kind)]
    if incoming.publishers:
        return tokens.of_kind(connection, "npm", "trusted-publisher")
    return list(tokens.named(connection, (record.name for record in incoming.records)).values())
