"""Which workspaces installed the Slack app, and the ways to install it that are under way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, moment, to_ms

MOST_UNDER_WAY = 1_000  # anybody may begin one; the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Installed:
    """`team`: id of the workspace; `sealed_token`: its bot token, which only the app's client secret opens;
    `scopes`: those that were granted, separated by commas; `installed_by`: Slack member."""

    team: str
    name: str
    app_id: str
    bot_id: str
    bot_user: str
    scopes: str
    sealed_token: str
    installed_by: str
    installed_at: datetime


def save(connection: Connection, one: Installed) -> None:
    """A workspace that installs again replaces what it had."""
    connection.execute(
        """
        INSERT INTO installations
            (team, name, app_id, bot_id, bot_user, scopes, sealed_token, installed_by, installed_at)
        VALUES (:team, :name, :app_id, :bot_id, :bot_user, :scopes, :sealed_token, :installed_by, :installed_at)
        ON CONFLICT (team) DO UPDATE SET name = excluded.name, app_id = excluded.app_id, bot_id = excluded.bot_id,
            bot_user = excluded.bot_user, scopes = excluded.scopes, sealed_token = excluded.sealed_token,
            installed_by = excluded.installed_by, installed_at = excluded.installed_at
        """,
        {
            "team": one.team,
            "name": one.name,
            "app_id": one.app_id,
            "bot_id": one.bot_id,
            "bot_user": one.bot_user,
            "scopes": one.scopes,
            "sealed_token": one.sealed_token,
            "installed_by": one.installed_by,
            "installed_at": to_ms(one.installed_at),
        },
    )


def find(connection: Connection, team: str) -> Installed | None:
    row = connection.one("SELECT * FROM installations WHERE team = :team", {"team": team})
    return _installed(row) if row else None


def everything(connection: Connection) -> list[Installed]:
    return [_installed(row) for row in connection.all("SELECT * FROM installations ORDER BY installed_at, team")]


def remove(connection: Connection, team: str, *, before: datetime | None = None) -> bool:
    """Forget a workspace and its token; `before`: unless it installed again since then. False: nothing was there."""
    return bool(
        connection.execute(
            "DELETE FROM installations WHERE team = :team AND (:before IS NULL OR installed_at < :before)",
            {"team": team, "before": to_ms(before)},
        )
    )


def issue_state(connection: Connection, state: str, *, now: datetime, ends_at: datetime) -> None:
    """Begin a way to install. `state`: random and secret; only its digest is kept."""
    connection.execute("DELETE FROM oauth_states WHERE ends_at <= :now", {"now": to_ms(now)})
    connection.execute(
        """
        DELETE FROM oauth_states WHERE digest IN (
            SELECT digest FROM oauth_states ORDER BY ends_at DESC LIMIT -1 OFFSET :most
        )
        """,
        {"most": MOST_UNDER_WAY - 1},
    )
    connection.execute(
        "INSERT INTO oauth_states (digest, ends_at) VALUES (:digest, :ends_at)",
        {"digest": _digest(state), "ends_at": to_ms(ends_at)},
    )


def consume_state(connection: Connection, state: str, now: datetime) -> bool:
    """Once for each state, and not after its end."""
    gone = connection.execute(
        "DELETE FROM oauth_states WHERE digest = :digest AND ends_at > :now",
        {"digest": _digest(state), "now": to_ms(now)},
    )
    return bool(gone)


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()


def _installed(row: Row) -> Installed:
    return Installed(
        team=row["team"],
        name=row["name"],
        app_id=row["app_id"],
        bot_id=row["bot_id"],
        bot_user=row["bot_user"],
        scopes=row["scopes"],
        sealed_token=row["sealed_token"],
        installed_by=row["installed_by"],
        installed_at=moment(row["installed_at"]),
    )
