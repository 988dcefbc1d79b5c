"""Who a GitHub account is in Slack, as Slack said it; the address that joined the two is not kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, moment, to_ms


@dataclass(frozen=True, slots=True)
class Account:
    """`slack_user` None: nobody was found when it was looked up."""

    login: str
    slack_user: str | None
    looked_at: datetime


def keep(connection: Connection, login: str, slack_user: str | None, now: datetime) -> None:
    connection.execute(
        "INSERT INTO github_accounts (login, slack_user, looked_at) VALUES (:login, :user, :now)"
        " ON CONFLICT (login) DO UPDATE SET slack_user = excluded.slack_user, looked_at = excluded.looked_at",
        {"login": login.lower(), "user": slack_user, "now": to_ms(now)},
    )


def get(connection: Connection, login: str) -> Account | None:
    row = connection.one("SELECT * FROM github_accounts WHERE login = :login", {"login": login.lower()})
    return Account(row["login"], row["slack_user"], moment(row["looked_at"])) if row else None
