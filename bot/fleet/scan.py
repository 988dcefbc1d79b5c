"""THE STORY OF A SCAN: list the repositories, read what was pushed to, look at the secrets of what publishes.

Each repository is one transaction, so that a scan may be killed anywhere: the next one goes on with the round that is
open. What has not changed costs no request: a repository that was not pushed to is not asked for, and of one that was
only the files whose content is new are fetched. Lists of secrets are asked for with their ETag, since a secret that is
written again moves nothing else.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import structlog

from bot.credentials import kind_of
from bot.errors import GiveUp, TryAgain
from bot.fleet.reading import READER, Unreadable, exposed_in, jobs_of, mentions_in, package_of, read_file
from bot.github.client import GitHub
from bot.github.inventory import PER_PAGE, FileEntry, InventoryCalls
from bot.registries.npm.workflow import Workflow, called_address
from storage import fleet, fleet_rounds, fleet_secrets
from storage.database import Connection, Database
from storage.fleet import Exposed, Findings, FleetFile, FleetJob, FleetRepository, FleetRound, FleetSecret

log = structlog.get_logger("fleet")

WAITS_S = (1.0, 5.0, 20.0)  # between tries of one call
LONGEST_WAIT_S = 120.0  # that GitHub may ask for before the scan is put off instead
AT_ONCE = 100  # repositories taken from the database at once
MOST_FILES = 60  # workflow files of one repository
MOST_TEXTS = 500  # files kept in memory: organisations copy their workflows
LARGEST_TEXT = 64 * 1024
WORKFLOWS = ".github/workflows"
_OF_REPOSITORIES, _OF_ENVIRONMENTS, _SEEN = (
    "secrets of repositories",
    "secrets of environments",
    "what repositories see",
)
_READ_BY_WORKFLOWS = {_OF_REPOSITORIES, _OF_ENVIRONMENTS, _SEEN}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `known` repositories; while they are still being listed `listing` is True and `known` grows."""

    owner: str
    done: int
    known: int
    listing: bool = False


class Scan:
    """One scan of one owner or repository. Raises TryAgain when GitHub asks for more patience than a scan has: all that
    was read is kept. `said` hears of progress; `alive` is awaited now and then by whoever holds a lease."""

    def __init__(
        self,
        github: GitHub,
        db: Database,
        *,
        now: Callable[[], datetime],
        said: Callable[[Progress], None] | None = None,
        alive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._calls = InventoryCalls(github)
        self._db = db
        self._now = now
        self._said = said or (lambda progress: None)
        self._alive = alive
        self._counted = (0, 0)
        self._refused: set[str] = set()
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._called: dict[str, Workflow | None] = {}
        self._whole_lists: set[str] = set()  # owners whose own list of secrets was read

    @property
    def unseen_secrets(self) -> bool:
        """Whether some list that workflows read from was refused to us, so that a secret may be there all the same."""
        return bool(self._refused & _READ_BY_WORKFLOWS)

    async def owner(self, name: str) -> FleetRound:
        """A whole round, or the rest of the one that was begun."""
        round_ = await self._db.write(fleet_rounds.begin, name, self._now())
        log.info("scan", owner=name, round=round_.number, from_page=round_.next_page)
        await self._list(round_)
        await self._organisation_secrets(round_.name)
        await self._db.write(fleet_rounds.settle_unchanged, round_, READER)
        done, known = await self._db.read(fleet_rounds.count_done, round_)
        while batch := await self._db.read(fleet_rounds.due, round_, AT_ONCE):
            for one in batch:
                self._said(Progress(name, done, known))
                await self._look_at(one, round_)
                done += 1
        self._said(Progress(name, done, known))
        await self._write(round_.name, lambda c: fleet_rounds.finish(c, round_, self._now()))
        finished = await self._db.read(fleet_rounds.of_owner, name)
        assert finished is not None
        log.info("scanned", owner=name, repositories=known, requests=finished.requests, unchanged=finished.unchanged)
        return finished

    async def repository(self, name: str) -> FleetRepository:
        """One repository, now. Raises GiveUp when it is not there for us."""
        one = await self._patiently(partial(self._calls.repository, name))
        await self._db.write(fleet.add_repository, one)
        known = await self._db.read(fleet.repository, one.name) or one
        await self._organisation_secrets(one.name.partition("/")[0])
        await self._look_at(known, None)
        read = await self._db.read(fleet.repository, one.name)
        assert read is not None
        if read.trouble:
            raise GiveUp("fleet-unread", read.trouble)
        return read

    # --- which repositories there are --------------------------------------------------------------------------------

    async def _list(self, round_: FleetRound) -> None:
        page = round_.next_page
        known = 0
        while page is not None:
            key = f"repositories {round_.owner} {page}"
            etag = await self._db.read(fleet_secrets.etag, key)
            found = await self._patiently(partial(self._calls.repositories, round_.name, page, etag))
            last = await self._write(
                round_.name, partial(_keep_page, round_=round_, page=page, key=key, found=found.found, etag=found.etag)
            )
            done, known = await self._db.read(fleet_rounds.count_done, round_)
            self._said(Progress(round_.name, done, known, listing=True))
            page = None if last else page + 1

    # --- one repository ----------------------------------------------------------------------------------------------

    async def _look_at(self, one: FleetRepository, round_: FleetRound | None) -> None:
        """Read what is new of it and note it, whatever comes of it."""
        owner = one.name.partition("/")[0]
        try:
            found = None
            if one.pushed_at != one.read_pushed_at or one.reader != READER or one.read_at is None:
                found = await self._read(one)
            jobs = await self._db.read(_jobs_after, one.name, found)
            lists = await self._secrets_of(one, jobs) if jobs else ()
        except GiveUp as error:
            log.info("repository cannot be read", repo=one.name, reason=error.reason)
            why = error.message

            def note(connection: Connection) -> None:
                fleet.failed(connection, one, why)
                if round_ is not None:
                    fleet.done(connection, one, round_)

            await self._write(owner, note)
            return

        def keep(connection: Connection) -> None:
            if found is not None:
                fleet.keep(connection, one, found, reader=READER, now=self._now())
            for work in lists:
                work(connection)
            if round_ is not None:
                fleet.done(connection, one, round_)

        await self._write(owner, keep)

    async def _read(self, one: FleetRepository) -> Findings:
        known = {file.path: file for file in await self._db.read(fleet.files_of, one.name)}
        if one.reader != READER:
            known = {}
        root = {entry.path: entry for entry in await self._patiently(partial(self._calls.directory, one))}
        files: list[FleetFile] = []
        read: dict[str, bytes] = {}
        github = root.get(".github")
        if github is not None and github.directory:
            old = known.get(".github")
            if old is not None and old.sha == github.sha:
                files += [file for path, file in known.items() if path.startswith(".github")]
            else:
                files.append(FleetFile(".github", github.sha))
                listed = await self._patiently(partial(self._calls.directory, one, WORKFLOWS))
                workflows = [entry for entry in listed if _is_workflow(entry)][:MOST_FILES]
                for entry in workflows:
                    before = known.get(entry.path)
                    if before is not None and before.sha == entry.sha and not before.calls:
                        files.append(before)
                    elif (content := await self._text(one, entry)) is not None:
                        read[entry.path] = content
                        files.append(FleetFile(entry.path, entry.sha))
        packages: tuple[str, ...] | None = ()
        for name in (".npmrc", "package.json"):
            if (there := root.get(name)) is None or there.directory:
                continue
            if (before := known.get(name)) is not None and before.sha == there.sha:
                files.append(before)
                packages = None if name == "package.json" else packages
            elif (content := await self._text(one, there)) is not None:
                files.append(FleetFile(name, there.sha))
                if name == ".npmrc":
                    read[name] = content
                else:
                    packages = tuple(filter(None, (package_of(content),)))
        return await self._understood(one, files, read, packages)

    async def _understood(
        self,
        one: FleetRepository,
        files: Sequence[FleetFile],
        read: Mapping[str, bytes],
        packages: tuple[str, ...] | None,
    ) -> Findings:
        parsed: dict[str, Workflow] = {}
        kept = {file.path: file for file in files}
        for path, content in read.items():
            if path == ".npmrc":
                continue
            try:
                parsed[path] = await asyncio.to_thread(read_file, content)
            except Unreadable as error:
                kept[path] = FleetFile(path, kept[path].sha, unreadable=str(error))
        jobs: list[FleetJob] = []
        exposed: list[Exposed] = []
        for path, workflow in parsed.items():
            called = {uses: found for uses in workflow.calls() if (found := await self._called_by(one, uses, parsed))}
            if workflow.calls():
                kept[path] = FleetFile(path, kept[path].sha, calls=True)
            jobs += await asyncio.to_thread(jobs_of, one.name, path, workflow, called)
        mentions: list[tuple[str, str]] = []
        for path, content in read.items():
            exposed += await asyncio.to_thread(exposed_in, one.name, path, content)
            mentions += [(path, name) for name in mentions_in(content)]
        return Findings(tuple(kept.values()), tuple(read), tuple(jobs), tuple(exposed), tuple(mentions), packages)

    async def _called_by(self, one: FleetRepository, uses: str, here: Mapping[str, Workflow]) -> Workflow | None:
        address = called_address(uses)
        if address is None:
            return None
        if address.repo is None and address.path in here:
            return here[address.path]
        repo, ref = address.repo or one.name, address.ref or one.branch
        key = f"{repo}/{address.path}@{ref}".lower()
        if key not in self._called or address.repo is None:
            owner = one.name.partition("/")[0]
            try:
                content = await self._patiently(partial(self._calls.file, owner, repo, address.path, ref))
                self._called[key] = await asyncio.to_thread(read_file, content) if content else None
            except (Unreadable, GiveUp):
                self._called[key] = None
        return self._called[key]

    async def _text(self, one: FleetRepository, entry: FileEntry) -> bytes | None:
        """The content of a file. The same content in another repository is not fetched again."""
        if entry.sha and entry.sha in self._texts:
            self._texts.move_to_end(entry.sha)
            return self._texts[entry.sha]
        owner = one.name.partition("/")[0]
        content = await self._patiently(partial(self._calls.file, owner, one.name, entry.path, one.branch))
        if content is not None and entry.sha and len(content) <= LARGEST_TEXT:
            self._texts[entry.sha] = content
            if len(self._texts) > MOST_TEXTS:
                self._texts.popitem(last=False)
        return content

    # --- secrets -----------------------------------------------------------------------------------------------------

    async def _organisation_secrets(self, owner: str) -> None:
        """The organisation's own list, with who may read each; without the right to it each repository is asked."""
        like = FleetSecret(owner.lower(), "", "organization", self._now())
        works = await self._list_of(f"/orgs/{owner}/actions/secrets", like, "secrets of the organisation")
        if works is None:
            return
        self._whole_lists.add(owner.lower())
        for work in works:
            await self._write(owner, work)
        for name in await self._db.read(fleet_secrets.selected_names, owner):
            repos = await self._patiently(partial(self._calls.selected, owner, name))
            await self._write(owner, partial(fleet_secrets.keep_selected, owner=owner, name=name, repos=repos))

    async def _secrets_of(
        self, one: FleetRepository, jobs: Sequence[FleetJob]
    ) -> Sequence[Callable[[Connection], None]]:
        if not any(job.secrets for job in jobs):
            return ()
        base = f"/repos/{one.name}"
        works: list[Callable[[Connection], None]] = []
        like = FleetSecret(one.owner, "", "repository", self._now(), one.repo)
        works += await self._list_of(f"{base}/actions/secrets", like, _OF_REPOSITORIES) or ()
        dependabot = FleetSecret(one.owner, "", "dependabot", self._now(), one.repo)
        works += await self._list_of(f"{base}/dependabot/secrets", dependabot, "Dependabot's secrets") or ()
        for name in dict.fromkeys(job.environment for job in jobs if job.environment):
            within = FleetSecret(one.owner, "", "environment", self._now(), one.repo, name)
            path = f"{base}/environments/{quote(name, safe='')}/secrets"
            works += await self._list_of(path, within, _OF_ENVIRONMENTS) or ()
        if one.owner not in self._whole_lists:
            seen = FleetSecret(one.owner, "", "organization", self._now(), one.repo)
            works += await self._list_of(f"{base}/actions/organization-secrets", seen, _SEEN) or ()
        return works

    async def _list_of(self, path: str, like: FleetSecret, what: str) -> list[Callable[[Connection], None]] | None:
        """How to store one list of secrets: nothing to do when it is unchanged, None when we may not see it."""
        if what in self._refused:
            return None
        etag = await self._db.read(fleet_secrets.etag, path)
        try:
            found = await self._patiently(partial(self._calls.secrets, path, like, etag))
        except GiveUp as error:
            if error.reason == "github-not-found":
                # No such environment, or a person's account instead of an organisation.
                if like.level != "environment":
                    return None
                return [partial(_keep_secrets, path=path, like=like, found=(), etag=None)]
            if error.reason != "github-forbidden":
                raise
            self._refused.add(what)
            await self._db.write(fleet_rounds.lacks, like.owner, f"The {what} cannot be read ({error.message}).")
            return None
        if found.found is None:
            return []
        return [partial(_keep_secrets, path=path, like=like, found=found.found, etag=found.etag)]

    # --- all of it ---------------------------------------------------------------------------------------------------

    async def _write(self, owner: str, work: Callable[[Connection], T]) -> T:
        """In one transaction with the count of requests that led to it."""
        requests, unchanged = self._calls.requests, self._calls.unchanged
        new = (requests - self._counted[0], unchanged - self._counted[1])
        self._counted = (requests, unchanged)

        def counted(connection: Connection) -> T:
            fleet_rounds.count_requests(connection, owner, *new)
            return work(connection)

        return await self._db.write(counted)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        for wait_s in WAITS_S:
            if self._alive is not None:
                await self._alive()
            try:
                return await call()
            except TryAgain as error:
                asked_s = error.after_s or 0.0
                if asked_s > LONGEST_WAIT_S or error.reason in ("github-unauthorized", "github-rate-spared"):
                    raise
                await asyncio.sleep(max(asked_s, wait_s * (1 + random.random() / 2)))  # noqa: S311 - spread
        return await call()


def _is_workflow(entry: FileEntry) -> bool:
    return entry.path.endswith((".yml", ".yaml")) and not entry.directory and kind_of(entry.path) is None


def _keep_page(
    connection: Connection,
    round_: FleetRound,
    page: int,
    key: str,
    found: Sequence[FleetRepository] | None,
    etag: str | None,
) -> bool:
    """Store a page of the list; returns whether it was the last."""
    if found is None:
        last = fleet_rounds.listed_again(connection, round_, page) < PER_PAGE
        fleet_rounds.turn_page(connection, round_, page, last=last)
        return last
    last = len(found) < PER_PAGE
    fleet_rounds.listed(connection, round_, page, found, last=last)
    fleet_secrets.keep_etag(connection, key, round_.owner, etag)
    return last


def _keep_secrets(
    connection: Connection, path: str, like: FleetSecret, found: Sequence[FleetSecret], etag: str | None
) -> None:
    fleet_secrets.keep_secrets(connection, like.owner, like.repo, like.level, like.environment, found)
    fleet_secrets.keep_etag(connection, path, like.owner, etag, like.repo)


def _jobs_after(connection: Connection, name: str, found: Findings | None) -> list[FleetJob]:
    """The jobs that publish once `found` is stored."""
    known = fleet.jobs_of(connection, name)
    if found is None:
        return known
    there = {file.path for file in found.files} - set(found.read)
    return [*(job for job in known if job.path in there), *found.jobs]
