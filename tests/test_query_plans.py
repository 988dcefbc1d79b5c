"""What runs all the time is answered by an index: a year of stored rows must not make it slower."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage import (
    awaited_releases,
    calendar_keys,
    deliveries,
    fleet,
    fleet_rounds,
    fleet_secrets,
    outbox,
    runs,
)
from storage.database import Connection, Database, Row
from storage.fleet import FleetRound
from storage.outbox import Outgoing

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LEASE = timedelta(minutes=1)


class Explaining(Connection):
    """Runs statements and keeps those that read a whole table."""

    def __init__(self, inner: Connection) -> None:
        super().__init__(inner._raw)
        self.whole_tables: list[str] = []

    def execute(self, sql: str, params: Mapping[str, object] | None = None) -> int:
        self._explain(sql, params)
        return super().execute(sql, params)

    def all(self, sql: str, params: Mapping[str, object] | None = None) -> list[Row]:
        self._explain(sql, params)
        return super().all(sql, params)

    def _explain(self, sql: str, params: Mapping[str, object] | None) -> None:
        tables = {row["name"] for row in super().all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for row in super().all(f"EXPLAIN QUERY PLAN {sql}", params):
            # What a limited part of a statement gave is looked through as well, but is no table.
            aliases = {"d", "m", "w"}
            words = row["detail"].split()
            if words[0] == "SCAN" and words[1] in tables | aliases and "INDEX" not in row["detail"]:
                self.whole_tables.append(f"{row['detail']}: {sql}")


def message(connection: Connection) -> Outgoing:
    outbox.put(connection, key="digest", kind="post", channel="C1", text="text", blocks="[]", now=NOW)
    found = outbox.get(connection, "digest")
    assert found is not None
    return found


ROUND = FleetRound("acme", 1, NOW, None, None)
QUERIES: dict[str, Callable[[Connection], Any]] = {
    "how far a scan is": lambda c: fleet_rounds.begin(c, "acme", NOW),
    "repositories that a scan has yet to look at": lambda c: fleet_rounds.due(c, ROUND, 100),
    "what a scan need not look at": lambda c: fleet_rounds.settle_unchanged(c, ROUND, 1),
    "how many of them": lambda c: fleet_rounds.count_done(c, ROUND),
    "the files of a repository": lambda c: fleet.files_of(c, "acme/ui"),
    "the jobs of a repository": lambda c: fleet.jobs_of(c, "acme/ui"),
    "an ETag": lambda c: fleet_secrets.etag(c, "/orgs/acme/actions/secrets"),
    "releases that are waited for": lambda c: awaited_releases.claim(c, NOW, again_at=NOW, limit=20),
    "whose calendar it is": lambda c: calendar_keys.find(c, "key"),
    "claim a delivery": lambda c: deliveries.claim(c, owner="me", now=NOW, lease=LEASE),
    "when the next delivery is due": deliveries.next_due,
    "unfinished deliveries": deliveries.unfinished,
    "dead deliveries": deliveries.dead,
    "why the last delivery died": lambda c: deliveries.last_reason(c, "dead"),
    "why deliveries wait": lambda c: deliveries.last_reason(c, "waiting"),
    "messages that were given up": outbox.dead,
    "why the last message was given up": outbox.last_death,
    "which deliveries are not stored": lambda c: deliveries.not_stored(c, ["a", "b"]),
    "which runs were heard of": lambda c: runs.known(c, "acme/ui", [(1, 1)]),
    "when a repository was first heard of": lambda c: runs.first_seen(c, "acme/ui"),
    "the last good runs": lambda c: runs.went_well(c, "acme/ui", "release.yml", NOW),
    "failures elsewhere": lambda c: runs.failed_around(c, "npm", NOW, LEASE, but="acme/ui"),
    "hand back deliveries": lambda c: deliveries.hand_back(c, owner="me", now=NOW),
    "channels with something to send": lambda c: outbox.channels_ready(c, NOW),
    "claim a message": lambda c: outbox.claim(
        c, channel="C1", kinds=("post", "reply", "edit"), owner="me", now=NOW, lease=LEASE
    ),
    "messages whose sender died": lambda c: outbox.recover(c, NOW),
    "hand back messages": lambda c: outbox.hand_back(c, owner="me", now=NOW),
    "a message was sent": lambda c: outbox.sent(c, message(c), ts="1.0", now=NOW),
    "when the next message is due": outbox.next_due,
    "unsent messages": outbox.unsent,
}


@pytest.mark.parametrize("what", QUERIES)
def test_no_table_is_read_as_a_whole(db: Database, what: str) -> None:
    def look(connection: Connection) -> list[str]:
        explaining = Explaining(connection)
        QUERIES[what](explaining)
        return explaining.whole_tables

    assert db.write_now(look) == []
