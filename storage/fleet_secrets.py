"""Facts of stored secrets, lists as a whole, and the ETags with which GitHub's lists were read."""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection, to_ms
from storage.fleet import FleetSecret


def keep_secrets(
    connection: Connection, owner: str, repo: str, level: str, environment: str, found: Iterable[FleetSecret]
) -> None:
    """One list of secrets, in place of what was there of it."""
    where = {"owner": owner.lower(), "repo": repo.lower(), "level": level, "environment": environment}
    connection.execute(
        "DELETE FROM fleet_secrets WHERE owner = :owner AND repo = :repo AND level = :level"
        " AND environment = :environment",
        where,
    )
    connection.execute_many(
        """
        INSERT INTO fleet_secrets (owner, repo, level, environment, name, updated_at, visibility)
        VALUES (:owner, :repo, :level, :environment, :name, :updated_at, :visibility) ON CONFLICT DO NOTHING
        """,
        [
            where | {"name": one.name, "updated_at": to_ms(one.updated_at), "visibility": one.visibility}
            for one in found
        ],
    )


def keep_selected(connection: Connection, owner: str, name: str, repos: Iterable[str]) -> None:
    """The repositories that an organisation's secret is shown to."""
    where = {"owner": owner.lower(), "name": name}
    connection.execute("DELETE FROM fleet_secret_repositories WHERE owner = :owner AND name = :name", where)
    connection.execute_many(
        "INSERT INTO fleet_secret_repositories (owner, name, repo) VALUES (:owner, :name, :repo)"
        " ON CONFLICT DO NOTHING",
        [where | {"repo": repo.lower()} for repo in repos],
    )


def selected_names(connection: Connection, owner: str) -> list[str]:
    """The organisation's secrets that only some repositories may read."""
    rows = connection.all(
        "SELECT name FROM fleet_secrets WHERE owner = :owner AND repo = '' AND visibility = 'selected' ORDER BY name",
        {"owner": owner.lower()},
    )
    return [row["name"] for row in rows]


def etag(connection: Connection, path: str) -> str | None:
    found = connection.value("SELECT etag FROM fleet_etags WHERE path = :path", {"path": path})
    return None if found is None else str(found)


def keep_etag(connection: Connection, path: str, owner: str, etag: str | None, repo: str = "") -> None:
    """In the transaction of what was read with it, so that nothing is taken for known that was not stored."""
    if etag is None:
        connection.execute("DELETE FROM fleet_etags WHERE path = :path", {"path": path})
        return
    connection.execute(
        "INSERT INTO fleet_etags (path, owner, repo, etag) VALUES (:path, :owner, :repo, :etag)"
        " ON CONFLICT (path) DO UPDATE SET etag = excluded.etag",
        {"path": path, "owner": owner.lower(), "repo": repo.lower(), "etag": etag},
    )
