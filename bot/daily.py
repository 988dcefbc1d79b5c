"""The daily digest: looked up, put into words, queued; for the channel and for those who take it alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot import announce
from bot.daily_news import News, in_repositories, news, of_person, without
from bot.deps import Deps
from bot.messages.digest import digest_message, shown, unheard
from bot.messages.message import Message
from bot.policy import loses_publishing
from bot.reminders import Digest, Entry, Rung, digest, is_news, with_tokens
from bot.reminders import of_person as tokens_of_person
from storage import audit, awaited, due_jobs, incidents, outbox, people, reminders, token_search, tokens
from storage.audit import Entry as Change
from storage.awaited import Awaited
from storage.database import Connection
from storage.incidents import Incident
from storage.tokens import Token

log = structlog.get_logger("daily")

HORIZON_SLACK = timedelta(days=3)  # the ladder counts local days, the query moments
LONGEST_PAST = timedelta(days=7)  # what changed before that is no news
MOST_INCIDENTS = 500
MOST_STAGED = 100
ChannelFor = Callable[[Iterable[str]], str | None]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a digest is made of, as the database has it."""

    ending: list[Token]
    stopping: list[Token]
    said: Collection[Rung]
    directly: frozenset[str]
    changes: list[Change]
    open: list[Incident]
    open_total: int
    staged: list[Awaited]
    shared: Mapping[int, int]
    repos: Mapping[int, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Letter:
    """One digest: where it goes, and what counts as said once Slack took it."""

    to: str
    digest: Digest
    news: News | None
    personal: bool = False


async def say(deps: Deps, due: str, now: datetime) -> None:
    """Queue the digest of one day. `due`: its local date, as claimed by the clock."""
    settings = deps.settings
    channel = settings.operators_channel or ""
    horizon = now + timedelta(days=max(settings.reminder_days)) + HORIZON_SLACK
    looked = await deps.db.read(_look, now, horizon, with_repos=bool(settings.digest_routes))
    today = date.fromisoformat(due)
    letters = await asyncio.to_thread(
        _letters,
        looked,
        channel,
        now=now,
        zone=settings.zone,
        ladder=settings.reminder_days,
        following=settings.calendar.after(today),
        channel_for=settings.digest_channel_for if settings.digest_routes else None,
    )
    named = {entry.token.id for letter in letters for entry in shown(letter.digest) if entry.token.id is not None}
    full = await deps.db.read(tokens.by_ids, named) if named else []
    letters = [replace(letter, digest=with_tokens(letter.digest, full)) for letter in letters]
    written = await asyncio.to_thread(_written, letters)

    def write(connection: Connection) -> None:
        for letter, message in written:
            key = f"digest:{due}:{letter.to}:0"
            outbox.put(
                connection,
                key=key,
                kind="post",
                channel=letter.to,
                text=message.text,
                blocks=announce.blocks_json(message),
                now=now,
            )
            reminders.say(connection, _heard(letter), key)
        due_jobs.finish(connection, name="digest", due=due, now=now)

    await deps.db.write(write)
    log.info("digest", due=due, letters=len(letters), tokens=len(letters[0].digest.entries) if letters else 0)
    deps.queued()


def _look(connection: Connection, now: datetime, horizon: datetime, *, with_repos: bool) -> _Looked:
    """`with_repos`: also where the tokens are used, which decides their channel."""
    last = due_jobs.last_done_at(connection, "digest")
    return _Looked(
        ending=tokens.ends_before(connection, horizon),
        stopping=tokens.bypassing(connection),
        repos=token_search.repositories_of_ending(connection, horizon) if with_repos else {},
        said=reminders.said(connection),
        directly=people.told_directly(connection),
        changes=audit.since(connection, max(last, now - LONGEST_PAST)) if last else [],
        open=incidents.oldest_open(connection, limit=MOST_INCIDENTS),
        open_total=incidents.count_open(connection),
        staged=awaited.staged(connection, limit=MOST_STAGED),
        shared=awaited.repositories(connection),
    )


def _letters(
    looked: _Looked,
    channel: str,
    *,
    now: datetime,
    zone: ZoneInfo,
    ladder: tuple[int, ...],
    following: date,
    channel_for: ChannelFor | None = None,
) -> list[_Letter]:
    """The channel's digest first, then those of other channels, then one for each person who takes theirs alone.

    `channel_for`: where the digest tells of some repositories; None: all of it goes to `channel`.
    """
    stops = {token.id: stop.at for token in looked.stopping if token.id and (stop := loses_publishing(token))}
    everybody = {token.id: token for token in (*looked.stopping, *looked.ending)}
    found = digest(everybody.values(), looked.said, now, zone, ladder, stops, following=following)
    told = news(looked.changes, looked.open, looked.open_total, now, looked.staged, looked.shared)
    whole = replace(found or Digest(now.astimezone(zone).date(), ()), directly=looked.directly)
    letters = [
        letter
        for letter in _by_channel(whole, told, channel, looked.repos, channel_for)
        if is_news(letter.digest) or (letter.news is not None and letter.news.worth_telling)
    ]
    for user in sorted(looked.directly):
        if found and (mine := tokens_of_person(found, user)):
            letters.append(_Letter(user, mine, of_person(told, user), personal=True))
    return letters


def _by_channel(
    whole: Digest,
    told: News,
    channel: str,
    repos: Mapping[int, Collection[str]],
    channel_for: ChannelFor | None,
) -> list[_Letter]:
    """A token, an incident or a staged version is told of in one channel."""
    if channel_for is None:
        return [_Letter(channel, whole, told)]

    def place(entry: Entry) -> str:
        return channel_for(repos.get(entry.token.id or 0, ())) or channel

    where = [place(entry) for entry in whole.entries]
    of_repos = {channel_for((repo,)) for repo in (*(i.repo for i in told.open), *(s.repo for s in told.staged))}
    others = sorted({*where, *filter(None, of_repos)} - {channel})

    def part(to: str) -> Digest:
        return replace(whole, entries=tuple(entry for entry, at in zip(whole.entries, where, strict=True) if at == to))

    def is_told_in(to: str) -> Callable[[str], bool]:
        return lambda repo: channel_for((repo,)) == to

    letters = [_Letter(to, part(to), in_repositories(told, is_told_in(to))) for to in others]
    rest = without(told, [letter.news for letter in letters if letter.news is not None])
    return [_Letter(channel, part(channel), rest), *letters]


def _written(letters: list[_Letter]) -> list[tuple[_Letter, Message]]:
    return [
        (letter, message)
        for letter in letters
        for message in digest_message(letter.digest, letter.news, personal=letter.personal)
    ]


def _heard(letter: _Letter) -> list[Rung]:
    """The rungs that people hear of in this letter; those it has no room for come tomorrow."""
    missed = unheard(letter.digest)
    whose = {entry.token.id: entry.token.owner for entry in letter.digest.new} if missed else {}
    return [rung for rung in letter.digest.rungs_said if whose.get(rung[0]) not in missed]
