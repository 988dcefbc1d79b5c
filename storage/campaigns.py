"""Campaigns: many tokens to be rotated, one rotation each, begun in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.database import Connection, Row, from_ms, moment, to_ms
from storage.rotations import Path
from storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Member:
    """One token of a campaign. `why`: for a skipped one; `path`: where it differs from the campaign's."""

    position: int
    token_id: int | None
    token_name: str
    state: Literal["waiting", "started", "skipped"] = "waiting"
    why: str = ""
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """`what`: what its tokens have in common, as a sentence part; `next_batch_at`: when more of them may begin;
    `bypass`: where the old token bypasses two-factor the new one may too, if its second person approves."""

    id: int
    title: str
    what: str
    path: Path
    channel: str
    started_by: str
    started_at: datetime
    next_batch_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    bypass: bool = False

    @property
    def card_key(self) -> str:
        return f"campaign:{self.id}"


def add(
    connection: Connection,
    *,
    title: str,
    what: str,
    path: Path,
    bypass: bool,
    channel: str,
    who: str,
    tokens: Sequence[Token],
    now: datetime,
    paths: Mapping[int, Path] | None = None,
) -> Campaign:
    """`paths`: of single tokens, by id, where they differ from the campaign's."""
    own = paths or {}
    row = connection.one(
        """
        INSERT INTO campaigns (title, what, path, bypass, channel, started_by, started_at, next_batch_at)
        VALUES (:title, :what, :path, :bypass, :channel, :who, :now, 0) RETURNING *
        """,
        {
            "title": title,
            "what": what,
            "path": path,
            "bypass": int(bypass),
            "channel": channel,
            "who": who,
            "now": to_ms(now),
        },
    )
    assert row is not None
    connection.execute_many(
        "INSERT INTO campaign_tokens (campaign_id, position, token_id, token_name, state, path)"
        " VALUES (:id, :position, :token_id, :name, 'waiting', :path)",
        (
            {
                "id": row["id"],
                "position": position,
                "token_id": token.id,
                "name": token.name,
                "path": own.get(token.id or 0),
            }
            for position, token in enumerate(tokens)
        ),
    )
    return _campaign(row)


def get(connection: Connection, ident: int) -> Campaign | None:
    row = connection.one("SELECT * FROM campaigns WHERE id = :id", {"id": ident})
    return _campaign(row) if row else None


def open_campaigns(connection: Connection) -> list[Campaign]:
    return [_campaign(row) for row in connection.all("SELECT * FROM campaigns WHERE ended_at IS NULL ORDER BY id")]


def members(connection: Connection, ident: int) -> list[Member]:
    rows = connection.all("SELECT * FROM campaign_tokens WHERE campaign_id = :id ORDER BY position", {"id": ident})
    return [
        Member(row["position"], row["token_id"], row["token_name"], row["state"], row["why"], row["path"])
        for row in rows
    ]


def waiting_tokens(connection: Connection) -> set[int]:
    """Ids of the tokens that some open campaign has not come to yet."""
    rows = connection.all(
        "SELECT t.token_id FROM campaign_tokens t JOIN campaigns c ON c.id = t.campaign_id"
        " WHERE c.ended_at IS NULL AND t.state = 'waiting' AND t.token_id IS NOT NULL"
    )
    return {row["token_id"] for row in rows}


def settle(connection: Connection, ident: int, position: int, state: str, why: str = "") -> None:
    connection.execute(
        "UPDATE campaign_tokens SET state = :state, why = :why WHERE campaign_id = :id AND position = :position",
        {"state": state, "why": why, "id": ident, "position": position},
    )


def next_batch(connection: Connection, ident: int, at: datetime) -> None:
    connection.execute("UPDATE campaigns SET next_batch_at = :at WHERE id = :id", {"at": to_ms(at), "id": ident})


def end(connection: Connection, ident: int, by: str, now: datetime) -> None:
    connection.execute(
        "UPDATE campaigns SET ended_at = :now, ended_by = :by WHERE id = :id AND ended_at IS NULL",
        {"now": to_ms(now), "by": by, "id": ident},
    )


def _campaign(row: Row) -> Campaign:
    return Campaign(
        id=row["id"],
        title=row["title"],
        what=row["what"],
        path=row["path"],
        channel=row["channel"] or "",
        started_by=row["started_by"],
        started_at=moment(row["started_at"]),
        next_batch_at=moment(row["next_batch_at"]),
        ended_at=from_ms(row["ended_at"]),
        ended_by=row["ended_by"],
        bypass=bool(row["bypass"]),
    )
