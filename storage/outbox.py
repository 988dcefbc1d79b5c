"""Slack messages to send or edit, written in the transaction of what they tell of, sent afterwards.

kind: post (a message of its own), reply (in the thread of `about`), edit (of the message `about`). `key` names the
message for ever and travels in its metadata, so that a post whose answer was lost can be found again.
States: new -> sending -> sent | unknown (accepted or not? look before sending again) | dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from storage.database import Connection, Row, from_ms, moment, to_ms

Kind = Literal["post", "reply", "edit"]

CLOCK_WAS_AHEAD = timedelta(days=1)  # more than anything waits
# Word for word the condition of the index `messages_unsent`: without it the engine reads the whole table.
UNSENT = "state IN ('new', 'sending', 'unknown')"
READY = f"""
    m.{UNSENT} AND m.state <> 'sending' AND m.due_at <= :now
    AND (m.kind = 'post' OR EXISTS (SELECT 1 FROM messages p WHERE p.key = m.about AND p.ts IS NOT NULL))
    AND NOT EXISTS (SELECT 1 FROM messages b WHERE b.about = m.about AND b.kind = 'reply' AND m.kind = 'reply'
        AND b.seq < m.seq AND b.state IN ('new', 'sending', 'unknown'))
"""  # noqa: S608 - the constant above


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One row. `blocks`: JSON text; `parent_ts`: ts of the message that a reply or edit belongs to.

    `meant_for`: the channel of the message (or of the one it is about) when Slack takes none there; `anew`: why it
    stands for an earlier one; `shown_since`: when the message that an edit is about was posted; `delivery`: GUID of the
    delivery it came of, if it did.
    """

    seq: int
    key: str
    kind: Kind
    channel: str
    about: str | None
    text: str
    blocks: str
    state: str
    due_at: datetime
    tries: int
    version: int
    ts: str | None
    parent_ts: str | None
    reason: str | None
    made_at: datetime
    sent_at: datetime | None
    meant_for: str | None = None
    anew: str | None = None
    shown_since: datetime | None = None
    delivery: str | None = None
    broadcast: bool = False


def put(
    connection: Connection,
    *,
    key: str,
    kind: Kind,
    channel: str,
    text: str,
    blocks: str,
    now: datetime,
    about: str | None = None,
    broadcast: bool = False,
) -> bool:
    """Queue a message once: a second one with the same key changes nothing and returns False.

    What belongs to another message goes where that one is. `broadcast`: a reply that the channel sees too.
    """
    return bool(
        connection.execute(
            """
            INSERT INTO messages (key, kind, channel, about, text, blocks, state, due_at, made_at, delivery, broadcast)
            VALUES (:key, :kind, COALESCE((SELECT p.channel FROM messages p WHERE p.key = :about), :channel), :about,
                :text, :blocks, 'new', :now, :now, :delivery, :broadcast)
            ON CONFLICT (key) DO NOTHING
            """,
            {
                "key": key,
                "kind": kind,
                "channel": channel,
                "about": about,
                "text": text,
                "blocks": blocks,
                "now": to_ms(now),
                "delivery": connection.delivery,
                "broadcast": int(broadcast),
            },
        )
    )


def exists(connection: Connection, key: str) -> bool:
    """Whether a message of this name was ever queued."""
    return bool(connection.value("SELECT 1 FROM messages WHERE key = :key", {"key": key}))


def mentioned(connection: Connection, key: str, user: str) -> bool:
    """Whether the message of this name, or a reply to it, mentions the user (Slack user id). Edits notify nobody and do
    not count."""
    return bool(
        connection.value(
            "SELECT 1 FROM messages WHERE (key = :key OR (about = :key AND kind = 'reply')) AND blocks LIKE :mention"
            " LIMIT 1",
            {"key": key, "mention": f"%<@{user}>%"},
        )
    )


def put_edit(connection: Connection, *, about: str, text: str, blocks: str, now: datetime, apart: timedelta) -> None:
    """Queue the newest look of a message. Edits coalesce: one row a message, sent at most once in `apart`."""
    posted = connection.one("SELECT channel, ts FROM messages WHERE key = :about", {"about": about})
    if posted is None:
        return
    if posted["ts"] is None and _still_new(connection, about, text, blocks):
        return
    connection.execute(
        """
        INSERT INTO messages (key, kind, channel, about, text, blocks, state, due_at, made_at, delivery)
        VALUES (:key, 'edit', :channel, :about, :text, :blocks, 'new', :now, :now, :delivery)
        ON CONFLICT (key) DO UPDATE SET text = excluded.text, blocks = excluded.blocks, version = messages.version + 1,
            channel = excluded.channel, tries = 0, made_at = excluded.made_at, delivery = excluded.delivery,
            state = CASE WHEN messages.state = 'sending' THEN 'sending' ELSE 'new' END,
            due_at = CASE WHEN messages.state IN ('new', 'sending', 'unknown') THEN messages.due_at
                ELSE MAX(:now, COALESCE(messages.sent_at, 0) + :apart) END
        """,
        {
            "key": f"edit:{about}",
            "channel": posted["channel"],
            "about": about,
            "text": text,
            "blocks": blocks,
            "now": to_ms(now),
            "apart": int(apart.total_seconds() * 1000),
            "delivery": connection.delivery,
        },
    )


def channels_ready(connection: Connection, now: datetime) -> list[str]:
    """Channels that have something to send now."""
    rows = connection.all(
        f"SELECT DISTINCT m.channel FROM messages m WHERE {READY}",  # noqa: S608 - the constant above
        {"now": to_ms(now)},
    )
    return [row["channel"] for row in rows]


def claim(
    connection: Connection,
    *,
    channel: str,
    kinds: tuple[Kind, ...],
    owner: str,
    now: datetime,
    lease: timedelta,
) -> tuple[Outgoing, bool] | None:
    """Take the oldest message of a channel that may be sent now, and whether it was `unknown` (look before sending)."""
    parameters: dict[str, object] = {"channel": channel, "now": to_ms(now)}
    parameters |= {f"kind{index}": kind for index, kind in enumerate(kinds)}
    places = ", ".join(f":kind{index}" for index in range(len(kinds)))
    row = connection.one(
        f"SELECT m.* FROM messages m WHERE m.channel = :channel AND m.kind IN ({places}) AND {READY}"  # noqa: S608
        " ORDER BY m.seq LIMIT 1",
        parameters,
    )
    if row is None:
        return None
    connection.execute(
        "UPDATE messages SET state = 'sending', tries = tries + 1, lease_owner = :owner, lease_until = :until"
        " WHERE seq = :seq",
        {"owner": owner, "until": to_ms(now + lease), "seq": row["seq"]},
    )
    return _outgoing({**row, "tries": row["tries"] + 1}, _card(connection, row)), row["state"] == "unknown"


def sent(connection: Connection, message: Outgoing, *, ts: str, now: datetime, apart: timedelta = timedelta(0)) -> None:
    """Slack has it. An edit that was overtaken by a newer look while it was on its way is due again after `apart`."""
    connection.execute(
        """
        UPDATE messages SET ts = :ts, sent_at = :now, reason = NULL, lease_owner = NULL, lease_until = NULL,
            state = CASE WHEN version = :version THEN 'sent' ELSE 'new' END,
            due_at = CASE WHEN version = :version THEN due_at ELSE :again_at END
        WHERE seq = :seq
        """,
        {
            "ts": ts,
            "now": to_ms(now),
            "again_at": to_ms(now + apart),
            "version": message.version,
            "seq": message.seq,
        },
    )
    connection.execute(
        "UPDATE reminders SET said_at = :now WHERE message_key = :key AND said_at IS NULL",
        {"now": to_ms(now), "key": message.key},
    )


def later(
    connection: Connection, message: Outgoing, *, state: str, due_at: datetime, reason: str, counts: bool = True
) -> None:
    """Not now: `new` when Slack surely did not take it, `unknown` when it may have. `counts`: the try counts."""
    connection.execute(
        "UPDATE messages SET state = :state, due_at = :due, reason = :reason, lease_owner = NULL, lease_until = NULL,"
        " tries = tries - :back WHERE seq = :seq",
        {
            "state": state,
            "due": to_ms(due_at),
            "reason": reason,
            "back": 0 if counts else 1,
            "seq": message.seq,
        },
    )


def give_up(connection: Connection, message: Outgoing, *, reason: str) -> None:
    connection.execute(
        "UPDATE messages SET state = 'dead', reason = :reason, lease_owner = NULL, lease_until = NULL WHERE seq = :seq",
        {"reason": reason, "seq": message.seq},
    )


def simplify(connection: Connection, message: Outgoing, *, reason: str, now: datetime) -> None:
    """Slack refused the blocks: say the sentence alone rather than nothing."""
    connection.execute(
        "UPDATE messages SET state = 'new', blocks = '[]', due_at = :now, reason = :reason WHERE seq = :seq",
        {"now": to_ms(now), "reason": reason, "seq": message.seq},
    )


def post_anew(connection: Connection, message: Outgoing, *, why: str, now: datetime) -> None:
    """The message that this edit or reply is about is gone: its newest look becomes a post again, then the reply."""
    _later_in(connection, message, message.channel, why, now)
    _again(connection, message.about or message.key, gone_ts=message.parent_ts, why=why, now=now)


def move(connection: Connection, message: Outgoing, *, to: str, reason: str, now: datetime) -> None:
    """Slack takes no messages in this channel: a post goes to another one, a reply together with its card."""
    card = message.about or message.key
    connection.execute(
        f"UPDATE messages SET channel = :to WHERE (key = :card OR about = :card) AND {UNSENT}",  # noqa: S608 - constant
        {"to": to, "card": card},
    )
    connection.execute(
        "UPDATE messages SET meant_for = COALESCE(meant_for, :was), channel = :to WHERE key = :card",
        {"was": message.channel, "to": to, "card": card},
    )
    _later_in(connection, message, to, reason, now)
    if message.about is not None:
        _again(connection, card, gone_ts=message.parent_ts, why=None, now=now)


def move_back(connection: Connection, channel: str, *, now: datetime) -> None:
    """Slack takes messages there again: what was meant for it and waits elsewhere goes home."""
    connection.execute(
        "UPDATE messages SET channel = :channel, meant_for = NULL, due_at = :now"  # noqa: S608 - constant
        f" WHERE {UNSENT} AND state = 'new' AND kind = 'post' AND ts IS NULL AND meant_for = :channel",
        {"channel": channel, "now": to_ms(now)},
    )
    connection.execute(
        "UPDATE messages SET channel = :channel, due_at = :now"  # noqa: S608 - constant
        f" WHERE {UNSENT} AND state = 'new' AND kind = 'reply'"
        " AND EXISTS (SELECT 1 FROM messages p WHERE p.key = messages.about AND p.channel = :channel)",
        {"channel": channel, "now": to_ms(now)},
    )


def wait_together(connection: Connection, channel: str, *, reason: str, due_at: datetime) -> None:
    """One message tries for all of its channel; the others wait as long."""
    connection.execute(
        f"UPDATE messages SET due_at = :due, reason = :reason WHERE {UNSENT} AND state <> 'sending'"  # noqa: S608
        " AND channel = :channel AND due_at < :due",
        {"channel": channel, "reason": reason, "due": to_ms(due_at)},
    )


def hurry(connection: Connection, *, channel: str | None, now: datetime) -> int:
    """Whatever waits (None: in any channel) is due now; returns how many messages waited."""
    return connection.execute(
        f"UPDATE messages SET due_at = :now WHERE {UNSENT} AND state <> 'sending'"  # noqa: S608 - constant
        " AND due_at > :now AND reason IS NOT NULL AND (:channel IS NULL OR channel = :channel)",
        {"channel": channel, "now": to_ms(now)},
    )


def hand_back(connection: Connection, *, owner: str, now: datetime) -> int:
    """A process that stops lets go of what it was sending; whether Slack took it has to be looked up."""
    return connection.execute(
        "UPDATE messages SET state = 'unknown', due_at = :now, lease_owner = NULL, lease_until = NULL"  # noqa: S608
        f" WHERE {UNSENT} AND state = 'sending' AND lease_owner = :owner",
        {"owner": owner, "now": to_ms(now)},
    )


def recover(connection: Connection, now: datetime) -> int:
    """Rows whose sender died, of which nobody knows whether Slack took them; and those that a clock which was far ahead
    made, which would wait until its days come."""
    connection.execute(
        "UPDATE messages SET due_at = :now, made_at = :now, lease_until = MIN(lease_until, :now)"  # noqa: S608
        f" WHERE {UNSENT} AND due_at > :ahead AND made_at > :ahead",
        {"now": to_ms(now), "ahead": to_ms(now + CLOCK_WAS_AHEAD)},
    )
    return connection.execute(
        "UPDATE messages SET state = 'unknown', lease_owner = NULL"  # noqa: S608 - the constant above
        f" WHERE {UNSENT} AND state = 'sending' AND lease_until < :now",
        {"now": to_ms(now)},
    )


def get(connection: Connection, key: str) -> Outgoing | None:
    row = connection.one("SELECT * FROM messages WHERE key = :key", {"key": key})
    if row is None:
        return None
    return _outgoing(row, _card(connection, row))


def forget_before(connection: Connection, before: datetime, *, most: int) -> int:
    """Drop what was said before the retention, at most so many: of incidents that are gone, digests, words to
    operators. Cards that may still be edited stay."""
    return connection.execute(
        """
        DELETE FROM messages WHERE seq IN (
            SELECT m.seq FROM messages m WHERE m.state IN ('sent', 'dead') AND m.made_at < :before AND (
                COALESCE(m.about, m.key) LIKE 'digest:%' OR COALESCE(m.about, m.key) LIKE 'dead:%'
                OR COALESCE(m.about, m.key) LIKE 'trouble%'
                OR COALESCE(m.about, m.key) LIKE 'operators:%' OR (
                    COALESCE(m.about, m.key) LIKE 'incident:%' AND NOT EXISTS (
                        SELECT 1 FROM incidents i
                        WHERE i.id = CAST(SUBSTR(COALESCE(m.about, m.key), LENGTH('incident:') + 1) AS INTEGER)
                    )
                )
            ) ORDER BY m.seq LIMIT :most
        )
        """,
        {"before": to_ms(before), "most": most},
    )


def next_due(connection: Connection) -> datetime | None:
    """When something unsent is due or a sender's lease ends."""
    at = connection.value(
        f"SELECT MIN(CASE state WHEN 'sending' THEN lease_until ELSE due_at END) FROM messages WHERE {UNSENT}"  # noqa: S608
    )
    return from_ms(at)


def unsent(connection: Connection) -> tuple[int, datetime | None]:
    """How many messages wait, and since when the oldest."""
    row = connection.one(
        f"SELECT COUNT(*) AS n, MIN(made_at) AS oldest FROM messages WHERE {UNSENT}"  # noqa: S608 - constant
    )
    return (row["n"], from_ms(row["oldest"])) if row else (0, None)


def dead(connection: Connection) -> int:
    """How many messages were given up; edits do not count, what they changed was said."""
    return int(connection.value("SELECT COUNT(*) FROM messages WHERE state = 'dead' AND kind <> 'edit'"))


def last_death(connection: Connection) -> str | None:
    """Why the last of them was."""
    reason: str | None = connection.value(
        "SELECT reason FROM messages WHERE state = 'dead' AND kind <> 'edit' ORDER BY seq DESC LIMIT 1"
    )
    return reason


def _still_new(connection: Connection, key: str, text: str, blocks: str) -> bool:
    """A post that nobody has tried to send yet simply takes the newer look."""
    return bool(
        connection.execute(
            "UPDATE messages SET text = :text, blocks = :blocks WHERE key = :key AND state = 'new' AND tries = 0",
            {"text": text, "blocks": blocks, "key": key},
        )
    )


def _again(connection: Connection, card: str, *, gone_ts: str | None, why: str | None, now: datetime) -> None:
    """Post a message a second time, with its newest look, unless that happened already."""
    is_posted_again = connection.execute(
        """
        UPDATE messages SET state = 'new', ts = NULL, due_at = :now, made_at = :now, tries = 0,
            anew = COALESCE(:why, anew),
            text = COALESCE((SELECT e.text FROM messages e WHERE e.key = :edit), text),
            blocks = COALESCE((SELECT e.blocks FROM messages e WHERE e.key = :edit), blocks)
        WHERE key = :card AND ts = :gone_ts
        """,
        {"now": to_ms(now), "why": why, "edit": f"edit:{card}", "card": card, "gone_ts": gone_ts},
    )
    if is_posted_again:
        connection.execute("DELETE FROM messages WHERE key = :edit", {"edit": f"edit:{card}"})


def _later_in(connection: Connection, message: Outgoing, channel: str, reason: str, now: datetime) -> None:
    connection.execute(
        "UPDATE messages SET state = 'new', channel = :channel, due_at = :now, reason = :reason, tries = 0,"
        " lease_owner = NULL, lease_until = NULL WHERE seq = :seq",
        {"channel": channel, "now": to_ms(now), "reason": reason, "seq": message.seq},
    )


def _card(connection: Connection, row: Row) -> Row:
    """The message that a row belongs to: itself for a post."""
    if row["about"] is None:
        return {**row, "ts": None}
    return connection.one(
        "SELECT ts, meant_for, anew, sent_at FROM messages WHERE key = :key", {"key": row["about"]}
    ) or {"ts": None, "meant_for": None, "anew": None, "sent_at": None}


def _outgoing(row: Row, card: Row) -> Outgoing:
    return Outgoing(
        seq=row["seq"],
        key=row["key"],
        kind=row["kind"],
        channel=row["channel"],
        about=row["about"],
        text=row["text"],
        blocks=row["blocks"],
        state=row["state"],
        due_at=moment(row["due_at"]),
        tries=row["tries"],
        version=row["version"],
        ts=row["ts"],
        parent_ts=card["ts"],
        reason=row["reason"],
        made_at=moment(row["made_at"]),
        sent_at=from_ms(row["sent_at"]),
        meant_for=card["meant_for"],
        anew=card["anew"],
        shown_since=from_ms(card["sent_at"]),
        delivery=row["delivery"],
        broadcast=bool(row["broadcast"]),
    )
