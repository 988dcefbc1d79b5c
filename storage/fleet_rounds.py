"""How far the scan of each owner is: a round lists the repositories page by page, then looks at each.

It can be stopped anywhere. Whoever comes next goes on with the round that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.database import Connection, to_ms
from storage.fleet import FleetRepository, FleetRound, repository_columns, repository_of, round_of


def begin(connection: Connection, name: str, now: datetime) -> FleetRound:
    """The round of this owner that is open; a new one when the last is finished."""
    known = of_owner(connection, name)
    if known is not None and known.finished_at is None:
        return known
    connection.execute(
        """
        INSERT INTO fleet_owners (owner, name, round, begun_at, next_page) VALUES (:owner, :name, 1, :now, 1)
        ON CONFLICT (owner) DO UPDATE SET name = excluded.name, round = fleet_owners.round + 1,
            begun_at = excluded.begun_at, next_page = 1, finished_at = NULL, requests = 0, unchanged = 0, lacking = ''
        """,
        {"owner": name.lower(), "name": name, "now": to_ms(now)},
    )
    begun = of_owner(connection, name)
    assert begun is not None
    return begun


def of_owner(connection: Connection, name: str) -> FleetRound | None:
    row = connection.one("SELECT * FROM fleet_owners WHERE owner = :owner", {"owner": name.lower()})
    return round_of(row) if row else None


def owners(connection: Connection) -> list[FleetRound]:
    """Every owner that a scan was begun for."""
    return [round_of(row) for row in connection.all("SELECT * FROM fleet_owners ORDER BY owner")]


def listed(
    connection: Connection, round_: FleetRound, page: int, found: Sequence[FleetRepository], *, last: bool
) -> None:
    """Note a page of the list of repositories; `last`: there are no more."""
    connection.execute_many(
        """
        INSERT INTO fleet_repositories (repo, owner, name, branch, private, archived, pushed_at, page, listed_round)
        VALUES (:repo, :owner, :name, :branch, :private, :archived, :pushed_at, :page, :round)
        ON CONFLICT (repo) DO UPDATE SET name = excluded.name, branch = excluded.branch, private = excluded.private,
            archived = excluded.archived, pushed_at = excluded.pushed_at, page = excluded.page,
            listed_round = excluded.listed_round
        """,
        [repository_columns(one) | {"page": page, "round": round_.number} for one in found],
    )
    turn_page(connection, round_, page, last=last)


def listed_again(connection: Connection, round_: FleetRound, page: int) -> int:
    """The page is as it was in the last round; returns how many repositories are on it."""
    return connection.execute(
        "UPDATE fleet_repositories SET listed_round = :round WHERE owner = :owner AND page = :page",
        {"round": round_.number, "owner": round_.owner, "page": page},
    )


def settle_unchanged(connection: Connection, round_: FleetRound, reader: int) -> int:
    """Finish for this round whatever needs no look: archived, or not pushed to since it was read and nothing of it
    publishes. Returns how many."""
    connection.execute(
        """
        UPDATE fleet_repositories SET publishes = 0, done_round = :round
        WHERE owner = :owner AND archived = 1 AND done_round < :round
        """,
        {"owner": round_.owner, "round": round_.number},
    )
    return connection.execute(
        """
        UPDATE fleet_repositories SET done_round = :round
        WHERE owner = :owner AND done_round < :round AND reader = :reader AND publishes = 0 AND trouble = ''
            AND (pushed_at = read_pushed_at OR (pushed_at IS NULL AND read_pushed_at IS NULL))
        """,
        {"owner": round_.owner, "round": round_.number, "reader": reader},
    )


def due(connection: Connection, round_: FleetRound, limit: int) -> list[FleetRepository]:
    """Repositories that this round has not looked at yet."""
    rows = connection.all(
        """
        SELECT * FROM fleet_repositories WHERE owner = :owner AND done_round < :round AND listed_round = :round
        ORDER BY repo LIMIT :limit
        """,
        {"owner": round_.owner, "round": round_.number, "limit": limit},
    )
    return [repository_of(row) for row in rows]


def count_done(connection: Connection, round_: FleetRound) -> tuple[int, int]:
    """(looked at, all) of this round."""
    row = connection.one(
        """
        SELECT COUNT(*) AS everything, COALESCE(SUM(done_round >= :round), 0) AS done FROM fleet_repositories
        WHERE owner = :owner AND listed_round = :round
        """,
        {"owner": round_.owner, "round": round_.number},
    )
    assert row is not None
    return int(row["done"]), int(row["everything"])


def count_of_owner(connection: Connection, owner: str) -> int:
    """How many repositories of an owner are on record, archived ones too."""
    found = connection.value("SELECT COUNT(*) FROM fleet_repositories WHERE owner = :owner", {"owner": owner.lower()})
    return int(found or 0)


def count_requests(connection: Connection, owner: str, requests: int, unchanged: int) -> None:
    connection.execute(
        "UPDATE fleet_owners SET requests = requests + :requests, unchanged = unchanged + :unchanged"
        " WHERE owner = :owner",
        {"owner": owner.lower(), "requests": requests, "unchanged": unchanged},
    )


def lacks(connection: Connection, owner: str, sentence: str) -> None:
    """Something could not be read for the whole owner: said with the scan's result, once."""
    known = of_owner(connection, owner)
    if known is not None and sentence not in known.lacking:
        connection.execute(
            "UPDATE fleet_owners SET lacking = :lacking WHERE owner = :owner",
            {"owner": owner.lower(), "lacking": "\n".join((*known.lacking, sentence))},
        )


def finish(connection: Connection, round_: FleetRound, now: datetime) -> None:
    """The round is over: what it did not list is gone, renamed, or out of reach."""
    connection.execute(
        "DELETE FROM fleet_repositories WHERE owner = :owner AND listed_round < :round",
        {"owner": round_.owner, "round": round_.number},
    )
    for table in ("fleet_secrets", "fleet_etags"):
        connection.execute(
            f"""
            DELETE FROM {table} WHERE owner = :owner AND repo <> ''
                AND repo NOT IN (SELECT repo FROM fleet_repositories WHERE owner = :owner AND publishes = 1)
            """,  # noqa: S608 - constants
            {"owner": round_.owner},
        )
    connection.execute(
        "UPDATE fleet_owners SET finished_at = :now WHERE owner = :owner", {"owner": round_.owner, "now": to_ms(now)}
    )


def forget_owner(connection: Connection, owner: str) -> None:
    """Nothing of it can be read any more."""
    for table in ("fleet_repositories", "fleet_secrets", "fleet_secret_repositories", "fleet_etags", "fleet_owners"):
        connection.execute(f"DELETE FROM {table} WHERE owner = :owner", {"owner": owner.lower()})  # noqa: S608 - constants


def turn_page(connection: Connection, round_: FleetRound, page: int, *, last: bool) -> None:
    connection.execute(
        "UPDATE fleet_owners SET next_page = :next WHERE owner = :owner",
        {"owner": round_.owner, "next": None if last else page + 1},
    )
