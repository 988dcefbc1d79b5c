"""What is known about each token: its record, what it may publish, where it is used. The value has no column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from storage.database import Connection, Row, from_ms, to_ms

AT_ONCE = 500  # ids per statement: engines bound the number of parameters
_FEW = 20  # so many tokens of a registry are all worth a look when nothing narrows them down


@dataclass(frozen=True, slots=True)
class Use:
    """One place that reads the token. `level`: organization, repository, environment or elsewhere."""

    repo: str
    workflow: str | None = None
    secret: str | None = None
    level: str = "repository"
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """Metadata of one token or trusted publisher. Times are aware UTC datetimes; `owner` is a Slack user id.

    `account`: the registry account it belongs to. `registry_id`: the beginning of the registry's own id of it (what
    `npm token revoke` takes). `listed_at`: when the registry's own token list last had it.
    """

    name: str
    registry: str = "npm"
    kind: str = "granular"
    permission: str | None = None
    packages: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()
    cidr: tuple[str, ...] = ()
    bypass_2fa: bool | None = None
    bypass_reason: str | None = None
    hint: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    expires_computed: bool = False
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    owner: str | None = None
    backup_owner: str | None = None
    note: str = ""
    used_by: tuple[Use, ...] = ()
    account: str | None = None
    registry_id: str | None = None
    listed_at: datetime | None = None
    id: int | None = None


def add(connection: Connection, token: Token, now: datetime) -> Token:
    """Store a new token. Raises Conflict when the name is taken."""
    row = connection.one(
        """
        INSERT INTO tokens (name, registry, kind, permission, cidr, bypass_2fa, bypass_reason, hint, registry_id,
            account, created_at, expires_at, expires_computed, last_used_at, revoked_at, listed_at, owner,
            backup_owner, note, search, added_at, updated_at)
        VALUES (:name, :registry, :kind, :permission, :cidr, :bypass_2fa, :bypass_reason, :hint, :registry_id,
            :account, :created_at, :expires_at, :expires_computed, :last_used_at, :revoked_at, :listed_at, :owner,
            :backup_owner, :note, :search, :now, :now)
        RETURNING id
        """,
        {**_columns(token), "now": to_ms(now)},
    )
    assert row is not None
    stored = replace(token, id=row["id"])
    _add_parts(connection, stored)
    return stored


def change(connection: Connection, token: Token, now: datetime) -> Token:
    """Make the stored token with this `id` equal to `token`, its name too. Raises Conflict when the name is taken.

    Raises LookupError when it is gone, so that an edit of a token somebody removed meanwhile is not lost in silence.
    """
    changed = connection.execute(
        """
        UPDATE tokens SET name = :name, registry = :registry, kind = :kind, permission = :permission, cidr = :cidr,
            bypass_2fa = :bypass_2fa, bypass_reason = :bypass_reason, hint = :hint, registry_id = :registry_id,
            account = :account, created_at = :created_at, expires_at = :expires_at,
            expires_computed = :expires_computed, last_used_at = :last_used_at, revoked_at = :revoked_at,
            listed_at = :listed_at, owner = :owner, backup_owner = :backup_owner, note = :note,
            search = :search, updated_at = :now
        WHERE id = :id
        """,
        {**_columns(token), "id": token.id, "now": to_ms(now)},
    )
    if not changed:
        raise LookupError(f"token {token.name} is gone")
    connection.execute("DELETE FROM token_grants WHERE token_id = :id", {"id": token.id})
    connection.execute("DELETE FROM token_uses WHERE token_id = :id", {"id": token.id})
    _add_parts(connection, token)
    return token


def remove(connection: Connection, ident: int) -> bool:
    """Forget a token, its grants and uses. Incidents and audit rows about it stay."""
    return connection.execute("DELETE FROM tokens WHERE id = :id", {"id": ident}) > 0


def listed(connection: Connection, idents: Iterable[int], now: datetime) -> None:
    """Note that the registry's own list had these tokens just now."""
    connection.execute_many(
        "UPDATE tokens SET listed_at = :now WHERE id = :id", ({"id": ident, "now": to_ms(now)} for ident in idents)
    )


def get(connection: Connection, name: str) -> Token | None:
    """The token of this name; without an exact one, the only one that differs in case alone."""
    rows = connection.all("SELECT * FROM tokens WHERE lower(name) = :name", {"name": name.lower()})
    exact = [row for row in rows if row["name"] == name] or rows
    return load(connection, exact)[0] if len(exact) == 1 else None


def by_id(connection: Connection, ident: int) -> Token | None:
    rows = connection.all("SELECT * FROM tokens WHERE id = :id", {"id": ident})
    return load(connection, rows)[0] if rows else None


def by_ids(connection: Connection, idents: Iterable[int]) -> list[Token]:
    """Those that exist, in the given order."""
    wanted = list(dict.fromkeys(idents))
    rows = {row["id"]: row for row in _where_in(connection, "SELECT * FROM tokens WHERE id IN", wanted)}
    return load(connection, [rows[ident] for ident in wanted if ident in rows])


def named(connection: Connection, names: Iterable[str]) -> dict[str, Token]:
    """Name -> token, for those of the names that exist. Case matters."""
    rows = _where_in(connection, "SELECT * FROM tokens WHERE name IN", list(dict.fromkeys(names)))
    return {token.name: token for token in load(connection, rows)}


def names(connection: Connection) -> list[str]:
    """Every name, to suggest the nearest ones."""
    return [row["name"] for row in connection.all("SELECT name FROM tokens ORDER BY name")]


def repositories(connection: Connection) -> list[str]:
    """Every repository that some token is used in, as it was typed."""
    return [row["repo"] for row in connection.all("SELECT DISTINCT repo FROM token_uses ORDER BY repo")]


def all_tokens(connection: Connection) -> list[Token]:
    """Every token in order of name."""
    return load(connection, connection.all("SELECT * FROM tokens ORDER BY name"))


def of_kind(connection: Connection, registry: str, kind: str) -> list[Token]:
    """Every token of one kind of one registry, revoked ones too: what that registry's own list is compared with."""
    rows = connection.all(
        "SELECT * FROM tokens WHERE registry = :registry AND kind = :kind ORDER BY id",
        {"registry": registry, "kind": kind},
    )
    return load(connection, rows)


def absent_since(connection: Connection, token: Token) -> datetime | None:
    """When the list of its account first lacked a revoked token that it had before; None if nobody knows.

    Other tokens of the account were listed then or later, so the list was looked at: no person's word.
    """
    if token.revoked_at is None or token.listed_at is None:
        return None
    seen = connection.value(
        """
        SELECT 1 FROM tokens WHERE registry = :registry AND id <> :id AND listed_at >= :revoked_at
            AND (account = :account OR (account IS NULL AND :account IS NULL)) LIMIT 1
        """,
        {
            "registry": token.registry,
            "id": token.id,
            "revoked_at": to_ms(token.revoked_at),
            "account": token.account,
        },
    )
    return token.revoked_at if seen else None


def ending_before(connection: Connection, before: datetime, *, limit: int | None = None) -> list[Token]:
    """Tokens not revoked whose end is before that moment or already past, the earliest end first."""
    rows = connection.all(
        """
        SELECT * FROM tokens WHERE revoked_at IS NULL AND expires_at < :before
        ORDER BY expires_at, name LIMIT :limit
        """,
        {"before": to_ms(before), "limit": 2**62 if limit is None else limit},
    )
    return load(connection, rows)


_OUTLINE = (
    "id, name, kind, created_at, expires_at, expires_computed, owner, backup_owner, registry, permission, bypass_2fa"
)


def ends_before(connection: Connection, before: datetime) -> list[Token]:
    """The tokens of `ending_before` in any order, each with its name, life, rights and owners alone.

    With `before` = now + the longest rung, it is what the daily digest looks at: most of it is only counted, and to
    read the rest of some ten thousand tokens takes seconds.
    """
    rows = connection.all(
        f"SELECT {_OUTLINE} FROM tokens WHERE revoked_at IS NULL AND expires_at < :before",  # noqa: S608 - constant
        {"before": to_ms(before)},
    )
    return [_outline(row) for row in rows]


def bypassing(connection: Connection) -> list[Token]:
    """Tokens that get round 2FA and are not revoked, each with what dated rules ask of it and its owners alone."""
    rows = connection.all(
        f"SELECT {_OUTLINE} FROM tokens WHERE bypass_2fa = 1 AND revoked_at IS NULL"  # noqa: S608 - constant
    )
    return [_outline(row) for row in rows]


def _outline(row: Row) -> Token:
    return Token(
        name=row["name"],
        registry=row["registry"],
        kind=row["kind"],
        permission=row["permission"],
        bypass_2fa=None if row["bypass_2fa"] is None else bool(row["bypass_2fa"]),
        created_at=from_ms(row["created_at"]),
        expires_at=from_ms(row["expires_at"]),
        expires_computed=bool(row["expires_computed"]),
        owner=row["owner"],
        backup_owner=row["backup_owner"],
        id=row["id"],
    )


def candidates(
    connection: Connection, repo: str, registry: str, packages: Sequence[str] = (), *, limit: int = 200
) -> list[Token]:
    """Tokens of the registry that may have been used in the repository or may publish one of the packages.

    Those used in the repository come first, then those of its whole organisation, then the rest, live before revoked.
    A registry with few tokens yields all of them: with nothing else to go by, the only one is worth a guess.
    """
    repo = repo.lower()
    owner = repo.partition("/")[0]
    uses = connection.all(
        """
        SELECT token_id, lower(repo) <> :repo AS wide FROM token_uses
        WHERE lower(repo) IN (:repo, :owner, :everywhere)
        UNION
        SELECT token_id, 1 FROM token_uses
        WHERE level = 'organization' AND lower(repo) > :inside AND lower(repo) < :beyond
        """,
        {
            "repo": repo,
            "owner": owner,
            "everywhere": f"{owner}/*",
            "inside": f"{owner}/",
            "beyond": f"{owner}0",  # "0" is the character after "/": a range, which an index answers, and LIKE is not
        },
    )
    grants = _where_in(
        connection,
        "SELECT token_id FROM token_grants WHERE kind <> 'org' AND lower(name) IN",
        list(_grant_names(packages)),
    )
    few = connection.all(
        "SELECT id FROM tokens WHERE registry = :registry LIMIT :limit", {"registry": registry, "limit": _FEW + 1}
    )
    distance = {row["id"]: 3 for row in few} if len(few) <= _FEW else {}
    distance |= {row["token_id"]: 2 for row in grants}
    distance |= {row["token_id"]: 1 for row in uses if row["wide"]}
    distance |= {row["token_id"]: 0 for row in uses if not row["wide"]}
    rows = _where_in(
        connection,
        "SELECT id, registry, revoked_at FROM tokens WHERE id IN",
        list(distance),
    )
    near = sorted(
        (distance[row["id"]], row["revoked_at"] is not None, -row["id"]) for row in rows if row["registry"] == registry
    )
    return by_ids(connection, [-newest_first for _, _, newest_first in near[:limit]])


def stage_only(connection: Connection, repo: str, workflow: str) -> bool:
    """Whether a token or trusted publisher of this workflow may only stage versions."""
    rows = connection.all(
        "SELECT u.workflow FROM token_uses u JOIN tokens t ON t.id = u.token_id WHERE lower(u.repo) = :repo"
        " AND t.permission = 'read-write-stage-only' AND t.revoked_at IS NULL",
        {"repo": repo.lower()},
    )
    file = workflow.rpartition("/")[2]
    return any(row["workflow"] is None or row["workflow"].rpartition("/")[2] == file for row in rows)


def load(connection: Connection, rows: Sequence[Row]) -> list[Token]:
    """Rows of `tokens` as records, in the same order; grants and uses come in two more statements per 500 rows."""
    idents = [row["id"] for row in rows]
    grants: dict[int, dict[str, list[str]]] = {}
    for row in _where_in(
        connection,
        "SELECT token_id, kind, name FROM token_grants WHERE token_id IN",
        idents,
        "ORDER BY token_id, position",
    ):
        grants.setdefault(row["token_id"], {}).setdefault(row["kind"], []).append(row["name"])
    uses: dict[int, list[Use]] = {}
    for row in _where_in(
        connection,
        "SELECT token_id, repo, workflow, secret, level, environment FROM token_uses WHERE token_id IN",
        idents,
        "ORDER BY token_id, position",
    ):
        use = Use(row["repo"], row["workflow"], row["secret"], row["level"], row["environment"])
        uses.setdefault(row["token_id"], []).append(use)
    return [_token(row, grants.get(row["id"], {}), uses.get(row["id"], [])) for row in rows]


def _token(row: Row, grants: dict[str, list[str]], uses: list[Use]) -> Token:
    return Token(
        name=row["name"],
        registry=row["registry"],
        kind=row["kind"],
        permission=row["permission"],
        packages=tuple(grants.get("package", ())),
        scopes=tuple(grants.get("scope", ())),
        orgs=tuple(grants.get("org", ())),
        cidr=tuple(json.loads(row["cidr"])),
        bypass_2fa=None if row["bypass_2fa"] is None else bool(row["bypass_2fa"]),
        bypass_reason=row["bypass_reason"],
        hint=row["hint"],
        created_at=from_ms(row["created_at"]),
        expires_at=from_ms(row["expires_at"]),
        expires_computed=bool(row["expires_computed"]),
        last_used_at=from_ms(row["last_used_at"]),
        revoked_at=from_ms(row["revoked_at"]),
        owner=row["owner"],
        backup_owner=row["backup_owner"],
        note=row["note"],
        used_by=tuple(uses),
        account=row["account"],
        registry_id=row["registry_id"],
        listed_at=from_ms(row["listed_at"]),
        id=row["id"],
    )


def _columns(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "registry": token.registry,
        "kind": token.kind,
        "permission": token.permission,
        "cidr": json.dumps(token.cidr),
        "bypass_2fa": None if token.bypass_2fa is None else int(token.bypass_2fa),
        "bypass_reason": token.bypass_reason,
        "hint": token.hint,
        "registry_id": token.registry_id,
        "account": token.account,
        "created_at": to_ms(token.created_at),
        "expires_at": to_ms(token.expires_at),
        "expires_computed": int(token.expires_computed),
        "last_used_at": to_ms(token.last_used_at),
        "revoked_at": to_ms(token.revoked_at),
        "listed_at": to_ms(token.listed_at),
        "owner": token.owner,
        "backup_owner": token.backup_owner,
        "note": token.note,
        "search": _searched(token),
    }


def _searched(token: Token) -> str:
    """All that a search looks at, in one column: looking into grants and uses as well takes ten times as long."""
    uses = (f"{use.repo}\n{use.secret or ''}" for use in token.used_by)
    return "\n".join((token.name, *token.packages, *token.scopes, *token.orgs, *uses, token.note)).lower()


def _add_parts(connection: Connection, token: Token) -> None:
    grants = (("package", token.packages), ("scope", token.scopes), ("org", token.orgs))
    connection.execute_many(
        "INSERT INTO token_grants (token_id, kind, name, position) VALUES (:id, :kind, :name, :position)",
        [
            {"id": token.id, "kind": kind, "name": name, "position": position}
            for kind, granted in grants
            for position, name in enumerate(dict.fromkeys(granted))
        ],
    )
    connection.execute_many(
        "INSERT INTO token_uses (token_id, position, repo, workflow, secret, level, environment)"
        " VALUES (:id, :position, :repo, :workflow, :secret, :level, :environment)",
        [
            {
                "id": token.id,
                "position": position,
                "repo": use.repo,
                "workflow": use.workflow,
                "secret": use.secret,
                "level": use.level,
                "environment": use.environment,
            }
            for position, use in enumerate(token.used_by)
        ],
    )


def _grant_names(packages: Sequence[str]) -> Iterator[str]:
    """The grants that could cover these packages: the names, their scopes, `*`, and patterns such as `acme-*`."""
    if packages:
        yield "*"
    for package in dict.fromkeys(package.lower() for package in packages):
        yield package
        for at, letter in enumerate(package):
            if letter in "/-_.:":
                yield package[: at + 1] + "*"
            if letter == "/":
                yield package[:at]


def _where_in(
    connection: Connection,
    select: str,
    values: Sequence[object],
    rest: str = "",
) -> list[Row]:
    """`select` must end in IN; runs once per 500 values. Statements are constants, values are parameters."""
    rows: list[Row] = []
    for start in range(0, len(values), AT_ONCE):
        some = {f"v{place}": value for place, value in enumerate(values[start : start + AT_ONCE])}
        places = ", ".join(f":{place}" for place in some)
        rows += connection.all(f"{select} ({places}) {rest}", some)
    return rows
