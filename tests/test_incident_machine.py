"""No order of events posts a card twice, closes one too early, or forgets a release that still fails.

The real database and the real decisions; GitHub and the registry are what this test says they are.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import itertools
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot import awaiting, incident_changes, incident_failures, nudges, outages, settling
from bot.deps import Deps
from bot.errors import TellUser
from bot.evidence import Published
from bot.github.run import Run
from bot.incident_failures import FailedRun
from bot.incident_people import IncidentPeople
from bot.incidents import Facts, is_outage
from bot.settings import Settings
from storage import audit, awaited, incidents, outbox, tokens
from storage.awaited import Awaited, Failed
from storage.database import Connection, Database
from storage.incidents import Incident, NewIncident
from storage.tokens import Token

REPOS = ("acme/a", "acme/b", "other/c")
WORKFLOW = ".github/workflows/release.yml"
PEOPLE = ("U0ANN", "U0BEN")
KINDS = {
    # verdict, cause, fingerprint, token, sure
    "dead": ("token-expired", "no-access", "npm|token:1", 1, True),
    "refused": ("no-access", "no-access", None, 1, False),  # only a guess that it is the same token
    "unknown": ("unknown", "unknown", None, None, False),
    "dead-too": ("token-revoked", "token-rejected", "npm|token:2", 2, True),
    "own": ("oidc-publisher-mismatch", "oidc-publisher-mismatch", None, None, True),
    "outage": ("registry-outage", "registry-outage", "npm|outage", None, False),
}


@functools.cache
def _database() -> Database:
    """One for all examples: making the schema takes longer than a whole life."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    database = Database.open(f"sqlite:///{Path(folder.name) / 'life.db'}")
    atexit.register(database.close)
    for known in (
        Token(name="org", owner="U0OWNER", backup_owner="U0BACKUP"),
        Token(name="other", owner="U0OTHER", backup_owner="U0BACKUP"),
    ):
        database.write_now(tokens.add, known, datetime(2026, 11, 1, tzinfo=UTC))
    return database


def _empty_database() -> Database:
    def emptied(connection: Connection) -> None:
        for table in ("incidents", "occurrences", "awaited", "messages", "runs", "audit", "due_jobs"):
            connection.execute(f"DELETE FROM {table}")

    _database().write_now(emptied)
    return _database()


@dataclass
class Release:
    """What this test knows of a repository's release."""

    failing: bool = False
    number: int = 0
    last: tuple[int, int, str] | None = None  # run, attempt, kind

    @property
    def version(self) -> str:
        return f"1.{self.number}.0"


class IncidentLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.db = _empty_database()
        self.at = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
        self.releases = {repo: Release() for repo in REPOS}
        self.registry: dict[str, set[str]] = {repo: {"0.9.0"} for repo in REPOS}
        self.runs = itertools.count(100)
        given = Settings(_env_file=None, alert_channel="C1")
        nothing = cast(Any, None)
        self.deps = Deps(given, self.db, nothing, nothing, None, nothing, lambda: self.at, lambda: None)

    # --- what happens ------------------------------------------------------------------------------------------------

    def fail_run(self, repo: str, kind: str, run_id: int, attempt: int) -> None:
        verdict, cause, shared, token_id, sure = KINDS[kind]
        release = self.releases[repo]
        run = Run(repo, run_id, attempt, WORKFLOW, conclusion="failure", number=run_id, completed_at=self.at)
        facts = Facts(sentence=f"It failed: {verdict}", repo=repo, run_id=run_id)
        new = NewIncident(
            fingerprint=shared or f"npm|{repo}|{WORKFLOW}",
            registry="npm",
            cause=cause,
            verdict=verdict,
            token_id=token_id,
            repo=repo,
            workflow=WORKFLOW,
            package=f"@{repo}",
            version=release.version,
            channel="C1",
            facts=facts.to_json(),
        )
        failure = FailedRun(run, new, facts, [Failed(f"@{repo}", release.version, "failed")], sure)
        self.db.write_now(incident_failures.failed, failure, self.at)

    @rule(repo=st.sampled_from(REPOS), kind=st.sampled_from(sorted(KINDS)), again=st.booleans())
    def a_release_fails(self, repo: str, kind: str, again: bool) -> None:
        release = self.releases[repo]
        if not release.failing:
            release.number += 1
        run_id, attempt = next(self.runs), 1
        if again and release.failing and release.last is not None:
            run_id, attempt = release.last[0], release.last[1] + 1
        release.failing, release.last = True, (run_id, attempt, kind)
        self.fail_run(repo, kind, run_id, attempt)

    @rule(repo=st.sampled_from(REPOS))
    def the_same_notice_comes_once_more(self, repo: str) -> None:
        last = self.releases[repo].last
        if last is not None:
            before = self.cards()
            self.fail_run(repo, last[2], last[0], last[1])
            assert self.cards() == before, "a duplicate posted a card"

    @rule(repo=st.sampled_from(REPOS))
    def the_version_appears(self, repo: str) -> None:
        release = self.releases[repo]
        if release.failing:
            self.registry[repo].add(release.version)
            release.failing = False
            self.look()

    @rule(repo=st.sampled_from(REPOS), readable=st.booleans())
    def a_green_run_publishes_nothing(self, repo: str, readable: bool) -> None:
        self.green(repo, readable=readable)

    @rule(repo=st.sampled_from(REPOS))
    def the_registry_is_looked_at(self, repo: str) -> None:
        self.look()

    @rule(hours=st.sampled_from([0.1, 1, 5, 23, 30]))
    def time_goes_by(self, hours: float) -> None:
        quiet = self.quiet()
        self.at += timedelta(hours=hours)
        self.db.write_now(nudges.due, self.deps.settings, self.at)
        asyncio.run(IncidentPeople(self.deps).watch())
        still = self.quiet()
        assert {ident: still[ident] for ident in quiet} == quiet, "what another incident explains spoke"
        for incident in self.open():
            if is_outage(incident):
                self.db.write_now(outages.over, incident.id, self.at)

    @precondition(lambda self: self.open())
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), what=st.sampled_from(["claim", "snooze", "wake", "resolve"]))
    def somebody_acts(self, data: st.DataObject, who: str, what: str) -> None:
        incident = data.draw(st.sampled_from(self.open()))
        if what == "resolve":
            for item in self.db.read_now(awaited.open_of, incident.id):
                self.releases[item.repo].failing = False  # this person says so
                self.forget_elsewhere(item.repo, incident.id)
        self.act(incident, who, what)

    @precondition(lambda self: self.open())
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), to=st.sampled_from(PEOPLE))
    def somebody_hands_one_over(self, data: st.DataObject, who: str, to: str) -> None:
        incident = data.draw(st.sampled_from(self.open()))
        with contextlib.suppress(TellUser):
            asyncio.run(incident_changes.hand_over(self.deps, incident.id, who, to, "yours"))

    @rule()
    def slack_takes_what_waits(self) -> None:
        self.db.write_now(_taken)

    @rule(data=st.data(), who=st.sampled_from(PEOPLE))
    def somebody_opens_one_again(self, data: st.DataObject, who: str) -> None:
        over = [i for i in self.db.read_now(incidents.latest) if i.state == "resolved" and i.resolved_by in PEOPLE]
        if over:
            self.act(data.draw(st.sampled_from(over)), who, "reopen")

    # --- the hands ---------------------------------------------------------------------------------------------------

    def act(self, incident: Incident, who: str, what: str) -> None:
        async def acted() -> None:
            if what == "snooze":
                await incident_changes.snooze(self.deps, incident.id, who, self.at + timedelta(hours=4), "later")
            elif what == "resolve":
                await incident_changes.resolve(self.deps, incident.id, who, "settled")
            else:
                await getattr(incident_changes, what)(self.deps, incident.id, who)

        with contextlib.suppress(TellUser):  # not in this state
            asyncio.run(acted())

    def forget_elsewhere(self, repo: str, ident: int) -> None:
        """Another incident may wait for the same release (an outage beside it): then it is still known."""
        for other in self.open():
            if other.id != ident and any(item.repo == repo for item in self.db.read_now(awaited.open_of, other.id)):
                self.releases[repo].failing = True

    def published(self, repo: str) -> Published:
        return Published(f"@{repo}", True, frozenset(self.registry[repo]))

    def quiet(self) -> dict[int, int]:
        """What was said so far under incidents that others explain."""
        return {
            one.id: len(self.db.read_now(_replies, one.card_key)) for one in self.open() if one.muted_by is not None
        }

    def look(self) -> None:
        readings = {f"@{repo}": self.published(repo) for repo in REPOS}
        for incident in self.open():
            self.db.write_now(settling.looked, incident.id, readings, self.at)

    def green(self, repo: str, *, readable: bool) -> None:
        run = Run(repo, next(self.runs), 1, WORKFLOW, conclusion="success", completed_at=self.at)
        for incident in self.db.read_now(incidents.open_of_workflow, repo, WORKFLOW):
            found = [
                (item, self.after_green(incident, item, run, readable))
                for item in self.db.read_now(awaited.open_of, incident.id)
                if item.repo == repo
            ]
            self.db.write_now(settling.green, incident.id, found, self.at)

    def after_green(self, incident: Incident, item: Awaited, run: Run, readable: bool) -> awaiting.AfterGreen:
        seen = self.published(item.repo) if readable else None
        return awaiting.after_green(incident, item, run, same_run=False, log=None, published=seen)

    def open(self) -> list[Incident]:
        return self.db.read_now(incidents.unresolved)

    def cards(self) -> set[str]:
        return set(self.db.read_now(_posts))

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def a_release_has_one_card_that_speaks(self) -> None:
        for repo in REPOS:
            speaking = [
                incident
                for incident in self.open()
                if not is_outage(incident)
                and any(item.repo == repo for item in self.db.read_now(awaited.open_of, incident.id))
            ]
            assert len(speaking) <= 1, f"{repo} is awaited by {len(speaking)}"

    @invariant()
    def nothing_that_still_fails_is_forgotten(self) -> None:
        cards = self.cards()
        for repo, release in self.releases.items():
            if not release.failing:
                continue
            waiting = [
                incident
                for incident in self.open()
                if any(item.repo == repo for item in self.db.read_now(awaited.open_of, incident.id))
            ]
            assert waiting, f"{repo} still fails and nothing waits for it"
            for incident in waiting:
                if incident.card_key in cards:
                    continue
                assert incident.muted_by is not None, f"incident {incident.id} has no card and nothing explains it"
                parent = self.db.read_now(incidents.get, incident.muted_by)
                assert parent is not None and parent.state != "resolved" and parent.over_at is None
                assert parent.card_key in cards

    @invariant()
    def nothing_is_closed_too_early(self) -> None:
        for incident in self.db.read_now(incidents.latest, limit=1000):
            if incident.state != "resolved" or incident.resolved_by != "bot":
                continue
            for item in self.db.read_now(awaited.of, incident.id):
                assert item.settled, f"incident {incident.id} is closed and {item.name} is still awaited"
                if item.state == "live":
                    assert item.version in self.registry[item.repo]

    @invariant()
    def everybody_is_called_once_and_by_no_edit(self) -> None:
        for incident in self.db.read_now(incidents.latest, limit=1000):
            post = self.db.read_now(_post, incident.card_key)
            replies = self.db.read_now(_replies, incident.card_key)
            for user in ("U0OWNER", "U0OTHER", "U0BACKUP"):
                also = sum(f"<@{user}>" in text for text in replies if text.startswith("Also for"))
                assert also + (f"<@{user}>" in post) <= 1, f"{user} was called twice"
                asked = sum(f"<@{user}>" in text for text in replies if not text.startswith("Also for"))
                again = sum(text.startswith(("Open again", "Reopened", "Nobody is on it")) for text in replies)
                assert asked <= 1 + again, f"{user} was asked again and again"
            if post and incident.state == "open" and incident.muted_by is None and incident.token_id is not None:
                token = self.db.read_now(tokens.by_id, incident.token_id)
                assert token is not None and token.owner is not None
                assert self.db.read_now(outbox.mentioned, incident.card_key, token.owner), (
                    f"the card names {token.owner}, who never heard of it"
                )

    @invariant()
    def the_history_tells_each_state_and_who_made_it(self) -> None:
        for incident in self.db.read_now(incidents.latest, limit=1000):
            state, holder = "", None
            for entry in reversed(self.db.read_now(audit.of_subject, f"incident:{incident.id}", limit=1000)):
                match entry.action:
                    case "incident.open":
                        state = "open"
                    case "incident.claim":
                        state, holder = "claimed", entry.who
                    case "incident.hand-over":
                        state, holder = "claimed", entry.details.split()[1].rstrip(":")
                    case "incident.give-back":
                        state, holder = "open", None
                    case "incident.snooze":
                        state = "snoozed"
                    case "incident.wake" | "incident.reopen":
                        state = "claimed" if holder else "open"
                    case "incident.resolve":
                        state = "resolved"
            assert (incident.state, incident.claimed_by) == (state, holder), f"incident {incident.id}"


def _post(connection: Connection, key: str) -> str:
    return str(connection.value("SELECT blocks FROM messages WHERE key = :key AND kind = 'post'", {"key": key}) or "")


def _taken(connection: Connection) -> None:
    connection.execute(
        "UPDATE messages SET state = 'sent', ts = '1795512600.' || seq, sent_at = made_at WHERE ts IS NULL"
    )


def _posts(connection: Connection) -> list[str]:
    return [row["key"] for row in connection.all("SELECT key FROM messages WHERE kind = 'post'")]


def _replies(connection: Connection, about: str) -> list[str]:
    rows = connection.all("SELECT text FROM messages WHERE kind = 'reply' AND about = :about", {"about": about})
    return [row["text"] for row in rows]


# Without shrinking: that takes minutes, and a life is short enough to be read as it was found.
IncidentLife.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
test_no_order_of_events = IncidentLife.TestCase
