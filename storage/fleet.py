"""The inventory of an organisation: what in which repository publishes, with which secrets. No secret has a value here.

A scan goes in rounds. A round lists the repositories page by page, then reads those that changed, one transaction each,
so that it can be stopped anywhere and goes on where it was. Names of repositories and owners are kept in lower case as
keys and as written beside.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.database import Connection, Row, from_ms, moment, to_ms


@dataclass(frozen=True, slots=True)
class FleetRound:
    """How far the scan of an owner is. `next_page`: of the list of repositories, None once it was listed to its end;
    `lacking`: what could not be read, one sentence a line; `requests`, of which `unchanged` cost nothing."""

    name: str
    number: int
    begun_at: datetime
    next_page: int | None
    finished_at: datetime | None
    requests: int = 0
    unchanged: int = 0
    lacking: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class FleetRepository:
    """`branch`: the default one; `read_pushed_at`: the push whose files were read; `reader`: by which version of ours;
    `trouble`: why it could not be read, empty when it was."""

    name: str
    branch: str = "main"
    private: bool = False
    archived: bool = False
    pushed_at: datetime | None = None
    read_pushed_at: datetime | None = None
    reader: int = 0
    publishes: bool = False
    read_at: datetime | None = None
    trouble: str = ""

    @property
    def repo(self) -> str:
        return self.name.lower()

    @property
    def owner(self) -> str:
        return self.repo.partition("/")[0]


@dataclass(frozen=True, slots=True)
class FleetFile:
    """A file that was looked at, or the directory `.github`. `sha`: git's id of its content; `calls`: a workflow that
    uses reusable ones, whose text matters too; `unreadable`: why it could not be read."""

    path: str
    sha: str
    calls: bool = False
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class FleetJob:
    """A job that publishes, with the fields of `bot.registries.npm.workflow.PublishingJob`.

    `configuration`: names of repository variables (not secrets) that carry a credential to its publishing steps;
    `writes_npmrc`: a script of it writes the line that tells npm which credential to use; `installs`: names of the
    secrets that its steps read which install dependencies; `steps`: which of its steps read a secret of `secrets`, as
    `NPM_TOKEN: Publish`.
    """

    repo: str
    path: str
    job: str
    registry: str
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    environment: str | None = None
    environment_computed: bool = False
    id_token: bool | None = None
    runners: tuple[str, ...] = ()
    registry_url: str | None = None
    tools: tuple[str, ...] = ()
    called: str | None = None
    stages: bool = False
    publishes: bool = True
    node: str | None = None
    npm: str | None = None
    triggers: tuple[str, ...] = ()
    writes_npmrc: bool = False
    installs: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def self_hosted(self) -> bool:
        return any(label.lower() == "self-hosted" for label in self.runners)

    def steps_reading(self, secret: str) -> tuple[str, ...]:
        """What the steps are called that read it."""
        found = (line.partition(": ") for line in self.steps)
        return tuple(step for name, _, step in found if name.upper() == secret.upper())


@dataclass(frozen=True, slots=True)
class FleetSecret:
    """Facts of a stored secret. `level`: organization, repository, environment or dependabot; `repo` is empty for the
    organisation's own list, and names the repository that sees it where that list could not be read; `visibility`: of
    an organisation's: all, private or selected."""

    owner: str
    name: str
    level: str
    updated_at: datetime
    repo: str = ""
    environment: str = ""
    visibility: str = ""


@dataclass(frozen=True, slots=True)
class Exposed:
    """A credential that stands in a file, by its kind and place alone: `npm token` in line 12."""

    repo: str
    path: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What reading one repository's files found. `files`: all there are, read now or before; `jobs`, `exposed`,
    `mentions` (path, name of a secret; `*`: all it may see): of those `read` now, by path; `packages`: names in
    package.json, None when that was not read again."""

    files: tuple[FleetFile, ...] = ()
    read: tuple[str, ...] = ()
    jobs: tuple[FleetJob, ...] = ()
    exposed: tuple[Exposed, ...] = ()
    mentions: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class FleetRecords:
    """Everything that is on record, for `bot.fleet.inventory`."""

    rounds: tuple[FleetRound, ...] = ()
    repositories: tuple[FleetRepository, ...] = ()
    jobs: tuple[FleetJob, ...] = ()
    secrets: tuple[FleetSecret, ...] = ()
    selected: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)  # (owner, name) -> repositories
    exposed: tuple[Exposed, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # repository in lower case -> packages
    mentions: Mapping[str, frozenset[str]] = field(default_factory=dict)  # repository in lower case -> secrets named


def add_repository(connection: Connection, one: FleetRepository) -> None:
    """Note a repository that was asked for by itself, in the round of its owner if there is one."""
    number = connection.value("SELECT round FROM fleet_owners WHERE owner = :owner", {"owner": one.owner}) or 0
    connection.execute(
        """
        INSERT INTO fleet_repositories (repo, owner, name, branch, private, archived, pushed_at, listed_round)
        VALUES (:repo, :owner, :name, :branch, :private, :archived, :pushed_at, :round)
        ON CONFLICT (repo) DO UPDATE SET name = excluded.name, branch = excluded.branch, private = excluded.private,
            archived = excluded.archived, pushed_at = excluded.pushed_at
        """,
        repository_columns(one) | {"round": int(number)},
    )


def repository(connection: Connection, name: str) -> FleetRepository | None:
    row = connection.one("SELECT * FROM fleet_repositories WHERE repo = :repo", {"repo": name.lower()})
    return repository_of(row) if row else None


def forget(connection: Connection, name: str) -> None:
    """It has another name now, or is gone."""
    connection.execute("DELETE FROM fleet_repositories WHERE repo = :repo", {"repo": name.lower()})


def files_of(connection: Connection, name: str) -> list[FleetFile]:
    rows = connection.all("SELECT * FROM fleet_files WHERE repo = :repo ORDER BY path", {"repo": name.lower()})
    return [FleetFile(row["path"], row["sha"], bool(row["calls"]), row["unreadable"]) for row in rows]


def keep(connection: Connection, one: FleetRepository, found: Findings, *, reader: int, now: datetime) -> bool:
    """Store what reading a repository's files found, in place of what was there; returns whether it publishes."""
    key = {"repo": one.repo}
    gone = {row["path"] for row in connection.all("SELECT path FROM fleet_files WHERE repo = :repo", key)}
    gone -= {file.path for file in found.files}
    for table in ("fleet_jobs", "fleet_exposed", "fleet_mentions", "fleet_files"):
        connection.execute_many(
            f"DELETE FROM {table} WHERE repo = :repo AND path = :path",  # noqa: S608 - constants
            [key | {"path": path} for path in (*gone, *found.read)],
        )
    connection.execute_many(
        """
        INSERT INTO fleet_files (repo, path, sha, calls, unreadable)
        VALUES (:repo, :path, :sha, :calls, :unreadable)
        ON CONFLICT (repo, path) DO UPDATE SET sha = excluded.sha, calls = excluded.calls,
            unreadable = excluded.unreadable
        """,
        [key | dataclasses.asdict(file) | {"calls": int(file.calls)} for file in found.files],
    )
    connection.execute_many(
        "INSERT INTO fleet_jobs (repo, path, position, registry, facts)"
        " VALUES (:repo, :path, :position, :registry, :facts)",
        [
            key | {"path": job.path, "position": position, "registry": job.registry, "facts": _facts(job)}
            for position, job in enumerate(found.jobs)
        ],
    )
    connection.execute_many(
        "INSERT INTO fleet_exposed (repo, path, line, what) VALUES (:repo, :path, :line, :what)"
        " ON CONFLICT (repo, path, line) DO NOTHING",
        [key | {"path": place.path, "line": place.line, "what": place.what} for place in found.exposed],
    )
    connection.execute_many(
        "INSERT INTO fleet_mentions (repo, path, name) VALUES (:repo, :path, :name) ON CONFLICT DO NOTHING",
        [key | {"path": path, "name": name} for path, name in found.mentions],
    )
    if found.packages is not None:
        connection.execute("DELETE FROM fleet_packages WHERE repo = :repo", key)
        connection.execute_many(
            "INSERT INTO fleet_packages (repo, package) VALUES (:repo, :package) ON CONFLICT DO NOTHING",
            [key | {"package": package} for package in found.packages],
        )
    publishes = bool(connection.value("SELECT 1 FROM fleet_jobs WHERE repo = :repo LIMIT 1", key))
    connection.execute(
        """
        UPDATE fleet_repositories SET read_pushed_at = :pushed_at, reader = :reader, publishes = :publishes,
            read_at = :now, trouble = '' WHERE repo = :repo
        """,
        key | {"pushed_at": to_ms(one.pushed_at), "reader": reader, "publishes": int(publishes), "now": to_ms(now)},
    )
    return publishes


def jobs_of(connection: Connection, name: str) -> list[FleetJob]:
    rows = connection.all(
        "SELECT path, registry, facts FROM fleet_jobs WHERE repo = :repo ORDER BY path, position",
        {"repo": name.lower()},
    )
    return [_job(row, name) for row in rows]


def packages_of(connection: Connection, name: str) -> list[str]:
    rows = connection.all(
        "SELECT package FROM fleet_packages WHERE repo = :repo ORDER BY package", {"repo": name.lower()}
    )
    return [row["package"] for row in rows]


def repository_of_package(connection: Connection, package: str) -> str | None:
    """The one scanned repository whose package.json has this name, as it is written; None for none or several."""
    rows = connection.all(
        "SELECT r.name FROM fleet_packages p JOIN fleet_repositories r ON r.repo = p.repo WHERE p.package = :package"
        " LIMIT 2",
        {"package": package},
    )
    return str(rows[0]["name"]) if len(rows) == 1 else None


def done(connection: Connection, one: FleetRepository, round_: FleetRound) -> None:
    connection.execute(
        "UPDATE fleet_repositories SET done_round = :round WHERE repo = :repo",
        {"repo": one.repo, "round": round_.number},
    )


def failed(connection: Connection, one: FleetRepository, why: str) -> None:
    """It cannot be read now; what was known of it stays."""
    connection.execute(
        "UPDATE fleet_repositories SET trouble = :why WHERE repo = :repo", {"repo": one.repo, "why": why[:300]}
    )


def records(connection: Connection) -> FleetRecords:
    """All that bears on publishing: repositories that publish or expose something, their jobs, every secret."""
    repositories = connection.all(
        """
        SELECT * FROM fleet_repositories WHERE archived = 0 AND (publishes = 1
            OR repo IN (SELECT repo FROM fleet_exposed)) ORDER BY repo
        """
    )
    named = {row["repo"]: row["name"] for row in repositories}
    jobs = connection.all("SELECT repo, path, registry, facts FROM fleet_jobs ORDER BY repo, path, position")
    secrets = connection.all("SELECT * FROM fleet_secrets ORDER BY owner, repo, level, environment, name")
    selected: dict[tuple[str, str], set[str]] = {}
    for row in connection.all("SELECT owner, name, repo FROM fleet_secret_repositories"):
        selected.setdefault((row["owner"], row["name"]), set()).add(row["repo"])
    packages: dict[str, tuple[str, ...]] = {}
    for row in connection.all("SELECT repo, package FROM fleet_packages ORDER BY repo, package"):
        packages[row["repo"]] = (*packages.get(row["repo"], ()), row["package"])
    mentions: dict[str, set[str]] = {}
    for row in connection.all("SELECT repo, name FROM fleet_mentions"):
        mentions.setdefault(row["repo"], set()).add(row["name"])
    exposed = connection.all("SELECT repo, path, line, what FROM fleet_exposed ORDER BY repo, path, line")
    return FleetRecords(
        rounds=tuple(round_of(row) for row in connection.all("SELECT * FROM fleet_owners ORDER BY owner")),
        repositories=tuple(repository_of(row) for row in repositories),
        jobs=tuple(_job(row, named[row["repo"]]) for row in jobs if row["repo"] in named),
        secrets=tuple(_secret(row) for row in secrets),
        selected={key: frozenset(repos) for key, repos in selected.items()},
        exposed=tuple(
            Exposed(named[row["repo"]], row["path"], row["line"], row["what"])
            for row in exposed
            if row["repo"] in named
        ),
        packages=packages,
        mentions={repo: frozenset(names) for repo, names in mentions.items()},
    )


def say_once(connection: Connection, subject: str, now: datetime) -> bool:
    """True the first time that this is about to be said."""
    return bool(
        connection.execute(
            "INSERT INTO fleet_said (subject, at) VALUES (:subject, :now) ON CONFLICT (subject) DO NOTHING",
            {"subject": subject, "now": to_ms(now)},
        )
    )


def repository_columns(one: FleetRepository) -> dict[str, object]:
    return {
        "repo": one.repo,
        "owner": one.owner,
        "name": one.name,
        "branch": one.branch,
        "private": int(one.private),
        "archived": int(one.archived),
        "pushed_at": to_ms(one.pushed_at),
    }


def _facts(job: FleetJob) -> str:
    facts = dataclasses.asdict(job)
    return json.dumps({name: value for name, value in facts.items() if name not in ("repo", "path", "registry")})


def _job(row: Row, name: str) -> FleetJob:
    known = {one.name for one in dataclasses.fields(FleetJob)}
    facts: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in json.loads(row["facts"]).items()
        if key in known
    }
    return FleetJob(repo=name, path=row["path"], registry=row["registry"], **facts)


def repository_of(row: Row) -> FleetRepository:
    return FleetRepository(
        name=row["name"],
        branch=row["branch"],
        private=bool(row["private"]),
        archived=bool(row["archived"]),
        pushed_at=from_ms(row["pushed_at"]),
        read_pushed_at=from_ms(row["read_pushed_at"]),
        reader=row["reader"],
        publishes=bool(row["publishes"]),
        read_at=from_ms(row["read_at"]),
        trouble=row["trouble"],
    )


def _secret(row: Row) -> FleetSecret:
    return FleetSecret(
        owner=row["owner"],
        name=row["name"],
        level=row["level"],
        updated_at=moment(row["updated_at"]),
        repo=row["repo"],
        environment=row["environment"],
        visibility=row["visibility"],
    )


def round_of(row: Row) -> FleetRound:
    return FleetRound(
        name=row["name"],
        number=row["round"],
        begun_at=moment(row["begun_at"]),
        next_page=row["next_page"],
        finished_at=from_ms(row["finished_at"]),
        requests=row["requests"],
        unchanged=row["unchanged"],
        lacking=tuple(line for line in row["lacking"].split("\n") if line),
    )
