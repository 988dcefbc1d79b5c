"""Where Slack takes no messages at the moment, and since when: remembered so that people are told once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection, Row, moment, to_ms


@dataclass(frozen=True, slots=True)
class OpenTrouble:
    """`place`: a channel id, `workspace` or `edits` (bot.refusals). `age_s`: of the message whose edit was refused."""

    place: str
    code: str
    since: datetime
    age_s: int


def begin(connection: Connection, place: str, code: str, now: datetime, *, age_s: int = 0) -> tuple[OpenTrouble, bool]:
    """The trouble of a place, and whether it is a new one."""
    new = connection.execute(
        "INSERT INTO slack_troubles (place, code, since, age_s) VALUES (:place, :code, :now, :age_s)"
        " ON CONFLICT (place) DO NOTHING",
        {"place": place, "code": code, "now": to_ms(now), "age_s": age_s},
    )
    found = get(connection, place)
    assert found is not None
    return found, bool(new)


def end(connection: Connection, place: str) -> OpenTrouble | None:
    """It works again. None when there was no trouble."""
    found = get(connection, place)
    connection.execute("DELETE FROM slack_troubles WHERE place = :place", {"place": place})
    return found


def get(connection: Connection, place: str) -> OpenTrouble | None:
    row = connection.one("SELECT * FROM slack_troubles WHERE place = :place", {"place": place})
    return _trouble(row) if row else None


def everything(connection: Connection) -> list[OpenTrouble]:
    """Oldest first."""
    return [_trouble(row) for row in connection.all("SELECT * FROM slack_troubles ORDER BY since, place")]


def _trouble(row: Row) -> OpenTrouble:
    return OpenTrouble(row["place"], row["code"], moment(row["since"]), row["age_s"])
