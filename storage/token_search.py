"""Finding and counting tokens in SQL, so that 100,000 of them cost a list or a status line milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from storage.database import Connection, from_ms, to_ms
from storage.tokens import Token, load

State = Literal["live", "ended", "revoked", "endless"]

SOON = timedelta(days=7)
LATER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """Which tokens: all conditions hold at once. `words`: each occurs in a name, package, repository, secret or note.

    `state`: live (neither past its end nor revoked), ended (past its end, not revoked), revoked, endless (no known
    end, not revoked). `owner` matches backup owners too; an empty string means nobody owns it.
    """

    words: tuple[str, ...] = ()
    registry: str | None = None
    kind: str | None = None
    permission: str | None = None
    owner: str | None = None
    bypass_2fa: bool | None = None
    state: State | None = None
    ends_before: datetime | None = None


EVERY = TokenFilter()


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts for a status line. All but `total` and `revoked` leave revoked tokens out.

    `soon` and `later`: not past yet, ending within SOON and LATER; `later` includes `soon`.
    """

    total: int
    revoked: int
    ended: int
    soon: int
    later: int
    endless: int
    ownerless: int
    bypass: int
    by_registry: tuple[tuple[str, int], ...]
    next_end: datetime | None

    @property
    def live(self) -> int:
        return self.total - self.revoked - self.ended


def search(
    connection: Connection, wanted: TokenFilter, *, now: datetime, limit: int | None = 20, offset: int = 0
) -> list[Token]:
    """The soonest end first, then those without end, revoked ones last."""
    where, params = _where(wanted, now)
    rows = connection.all(
        f"""
        SELECT * FROM tokens t {where}
        ORDER BY (t.revoked_at IS NOT NULL), (t.expires_at IS NULL), t.expires_at, t.name
        LIMIT :limit OFFSET :offset
        """,  # noqa: S608 - conditions are constants of this file, values are parameters
        {**params, "limit": 2**62 if limit is None else limit, "offset": offset},
    )
    return load(connection, rows)


def count(connection: Connection, wanted: TokenFilter, *, now: datetime) -> int:
    where, params = _where(wanted, now)
    return int(connection.value(f"SELECT COUNT(*) FROM tokens t {where}", params))  # noqa: S608 - as in search


def summary(connection: Connection, now: datetime) -> Summary:
    """Each count is answered by an index alone."""
    at = {"now": to_ms(now), "soon": to_ms(now + SOON), "later": to_ms(now + LATER)}
    ends = connection.one(
        """
        SELECT
            (SELECT COUNT(*) FROM tokens) AS total,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NOT NULL) AS revoked,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND expires_at <= :now) AS ended,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND expires_at > :now AND expires_at <= :soon)
                AS soon,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND expires_at > :now AND expires_at <= :later)
                AS later,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND expires_at IS NULL) AS endless,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND owner IS NULL) AS ownerless,
            (SELECT COUNT(*) FROM tokens WHERE revoked_at IS NULL AND bypass_2fa = 1) AS bypass,
            (SELECT MIN(expires_at) FROM tokens WHERE revoked_at IS NULL AND expires_at > :now) AS next_end
        """,
        at,
    )
    assert ends is not None
    registries = connection.all(
        "SELECT registry, COUNT(*) AS n FROM tokens GROUP BY registry ORDER BY n DESC, registry"
    )
    next_end = ends.pop("next_end")
    return Summary(
        **ends,
        by_registry=tuple((row["registry"], row["n"]) for row in registries),
        next_end=from_ms(next_end),
    )


def _where(wanted: TokenFilter, now: datetime) -> tuple[str, dict[str, object]]:
    conditions: list[str] = []
    params: dict[str, object] = {}
    for column in ("registry", "kind", "permission"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"t.{column} = :{column}")
            params[column] = value
    if wanted.owner == "":
        conditions.append("t.owner IS NULL")
    elif wanted.owner is not None:
        conditions.append("(t.owner = :owner OR t.backup_owner = :owner)")
        params["owner"] = wanted.owner
    if wanted.bypass_2fa is not None:
        conditions.append("t.bypass_2fa = :bypass" if wanted.bypass_2fa else "COALESCE(t.bypass_2fa, 0) = 0")
        params["bypass"] = 1
    if wanted.state is not None:
        conditions.append(_STATES[wanted.state])
        params["now"] = to_ms(now)
    if wanted.ends_before is not None:
        conditions.append("t.revoked_at IS NULL AND t.expires_at < :before")
        params["before"] = to_ms(wanted.ends_before)
    for place, word in enumerate(wanted.words):
        conditions.append(rf"t.search LIKE :word{place} ESCAPE '\'")
        params[f"word{place}"] = f"%{_literal(word.lower())}%"
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), params


_STATES: dict[State, str] = {
    "live": "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now)",
    "ended": "t.revoked_at IS NULL AND t.expires_at <= :now",
    "revoked": "t.revoked_at IS NOT NULL",
    "endless": "t.revoked_at IS NULL AND t.expires_at IS NULL",
}


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def repositories_of_ending(connection: Connection, before: datetime) -> dict[int, set[str]]:
    """Token id -> the repositories it is used in, of those that a digest may name: that end before then, or get round
    2FA."""
    rows = connection.all(
        """
        SELECT u.token_id, u.repo FROM token_uses u JOIN tokens t ON t.id = u.token_id
        WHERE t.revoked_at IS NULL AND (t.expires_at < :before OR t.bypass_2fa = 1)
        """,
        {"before": to_ms(before)},
    )
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row["token_id"], set()).add(row["repo"])
    return found
