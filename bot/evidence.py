"""What is known about a failure besides its log, as frozen values. Pure; `gathering` fetches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.diagnosis.diagnosis import Diagnosis
from bot.registries.npm.workflow import WorkflowFacts
from storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Release:
    """One version on the registry. `by`: how it was published, where the packument tells; `publisher`: account name.

    `repository`: `owner/name` on GitHub that its `repository.url` names, as written there; empty for none of GitHub's;
    None where the manifest could not be read. `maintainers`: accounts that may publish and approve.
    """

    version: str
    published_at: datetime | None = None
    by: Literal["oidc", "token"] | None = None
    publisher: str | None = None
    repository: str | None = None
    maintainers: tuple[str, ...] = field(default=(), compare=False)  # they change, the release does not


@dataclass(frozen=True, slots=True)
class Published:
    """What the registry shows of a name. `exists` is False for a name nobody has published (or a private one).

    `newest`: the version that was published last, whatever its number; `earlier`: those before it, the latest first, a
    few of them, of which only the moment is known until somebody asks.
    """

    name: str
    exists: bool
    versions: frozenset[str] = frozenset()
    latest: str | None = None
    newest: Release | None = None
    earlier: tuple[Release, ...] = ()

    @property
    def releases(self) -> tuple[Release, ...]:
        """What is known of its latest versions, the newest first."""
        return (*([self.newest] if self.newest else ()), *self.earlier)


@dataclass(frozen=True, slots=True)
class SecretAge:
    """When a secret of this name was last written. `level`: organization, repository, environment; dependabot and
    dependabot-organization for those that runs of Dependabot see."""

    name: str
    level: str
    updated_at: datetime
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class GoodRun:
    """The last run of this workflow that went well. `published`: a version went out while it ran, `package` and `by`
    where that is known of it."""

    completed_at: datetime
    url: str | None = None
    published: bool = False
    version: str | None = None
    package: str | None = None
    by: Literal["oidc", "token"] | None = None


@dataclass(frozen=True, slots=True)
class Repository:
    """What GitHub says of the repository itself. Ids are those in an immutable OIDC subject (`repo:acme@1/ui@2`)."""

    full_name: str
    repo_id: int | None = None
    owner_id: int | None = None
    created_at: datetime | None = None
    private: bool | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A failure of the same registry within the last minutes, in another repository."""

    repo: str
    cause: str
    token_id: int | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known besides the log; each part may be missing.

    `packages`: names the failure is about; `secrets`: ages of the secrets that the publishing job names, the one it
    really reads first (environment before repository before organisation), levels that are overshadowed after it;
    `absent_secrets`: names that no level which could be read has; `unshared_secrets`: those of them that the
    organisation has for other repositories; `held_by`: environments of the repository that have the first of them,
    while the job names none; `published`: the first of the packages, `others`: further ones of the run,
    the ones that went out included; `former_name`: of the repository, when the newest version was published; `tokens`:
    stored ones that could have been used; `last_with_token`: the last good run whose version came with a token, looked
    for where the newest one did not; `missing`: sentences about what could not be read.
    """

    packages: tuple[str, ...] = ()
    workflow: WorkflowFacts | None = None
    secrets: tuple[SecretAge, ...] = ()
    absent_secrets: tuple[str, ...] = ()
    unshared_secrets: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    published: Published | None = None
    others: tuple[Published, ...] = ()
    tokens: tuple[Token, ...] = ()
    last_good: GoodRun | None = None
    last_with_token: GoodRun | None = None
    repository: Repository | None = None
    former_name: str | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def secret(self) -> SecretAge | None:
        """The secret that the job really reads."""
        return self.secrets[0] if self.secrets else None


def looked_up(diagnosis: Diagnosis, most: int) -> tuple[str, ...]:
    """The packages that are worth a look at the registry: those that failed, and one that went out in the same run,
    which shows whether the credential lives."""
    failed = packages_of(diagnosis)
    out = [p.package for p in diagnosis.packages if p.outcome == "published" and p.package not in failed]
    return (*failed[:most], *(out[:1] if failed else ()))


def secrets_read(diagnosis: Diagnosis, workflow: WorkflowFacts | None) -> tuple[str, ...]:
    """Names of the secrets that the steps which failed read, best first."""
    if workflow is None:
        return ()
    return workflow.install_secrets if diagnosis.phase == "install" else workflow.secrets


def packages_of(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The packages that failed, the log's main one first."""
    failed = [p.package for p in diagnosis.packages if p.outcome not in ("published", "skipped")]
    return tuple(dict.fromkeys(([diagnosis.package] if diagnosis.package else []) + failed))
