"""Everything an explanation may look at, and the questions that several of them ask. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.diagnosis.diagnosis import Diagnosis
from bot.evidence import Evidence, GoodRun, Release, SecretAge
from bot.matching import Candidate, Match, PublishAttempt
from bot.registries.npm.workflow import PublishingJob
from bot.verdict.phrases import ago, day, named, place
from storage.tokens import Token, Use

TRUSTED = "trusted-publisher"
OIDC = frozenset(
    {
        "oidc-permission-missing",
        "oidc-publisher-mismatch",
        "oidc-cli-too-old",
        "oidc-runner-unsupported",
        "oidc-failed",
        "direct-publish-denied",
    }
)
_UNREPLACED = re.compile(r"Failed to replace env in config: \$\{([A-Za-z_][A-Za-z0-9_]{0,60})\}")
_NPM_VERSION = re.compile(r"\bnpm[ /@v]*(\d{1,4})\.(\d{1,4})\.(\d{1,5})")
_LEVEL_ORDER = {"environment": 0, "repository": 1, "dependabot": 1, "organization": 2, "dependabot-organization": 2}
# Tools that publish many packages in one go with one credential; two `npm publish` may mean two registries.
_ALL_AT_ONCE = frozenset({"changesets", "lerna", "nx", "rush", "beachball", "auto", "semantic-release"})


@dataclass(frozen=True, slots=True)
class Case:
    diagnosis: Diagnosis
    evidence: Evidence
    attempt: PublishAttempt
    match: Match
    now: datetime

    # --- what failed ------------------------------------------------------------------------------------------------

    @property
    def at(self) -> datetime:
        """When it failed, which may be long ago: what ended since is not why."""
        failed = self.attempt.failed_at
        return min(failed, self.now) if failed else self.now

    @property
    def npm(self) -> bool:
        return (self.diagnosis.registry or "npm") == "npm"

    @property
    def package(self) -> str | None:
        return next(iter(self.evidence.packages), None) or self.diagnosis.package

    @property
    def package_name(self) -> str:
        """For sentences."""
        return named(self.package) if self.package else "the package"

    @property
    def client(self) -> tuple[int, int, int] | None:
        """The version of npm that published, as the log names it."""
        found = _NPM_VERSION.search(self.diagnosis.client or "")
        return (int(found[1]), int(found[2]), int(found[3])) if found else None

    # --- the workflow -----------------------------------------------------------------------------------------------

    @property
    def job(self) -> PublishingJob | None:
        """The publishing job; None when the workflow file could not be read or shows none."""
        jobs = self.evidence.workflow.jobs if self.evidence.workflow else ()
        return jobs[0] if jobs else None

    @property
    def tokenless(self) -> bool:
        """Whether the workflow file shows that no registry token reaches the publishing step."""
        return self.job is not None and not self.job.secrets and not self.job.token_variables

    # --- tokens and secrets -----------------------------------------------------------------------------------------

    @property
    def token(self) -> Token | None:
        """The stored token that was used, maybe a guess; None when several are as likely."""
        best = self.match.best
        return best.token if best and not self.match.ties and best.token.kind != TRUSTED else None

    @property
    def certain_token(self) -> Token | None:
        return None if self.match.guess else self.token

    @property
    def secret(self) -> SecretAge | None:
        """The secret that the job reads."""
        return self.evidence.secret

    @property
    def hidden_secrets(self) -> tuple[SecretAge, ...]:
        """Secrets of the same name that the job does not read because a nearer level has one."""
        read = self.secret
        if read is None:
            return ()
        nearness = _LEVEL_ORDER.get(read.level, 0)
        return tuple(
            other
            for other in self.evidence.secrets[1:]
            if other.name.upper() == read.name.upper() and _LEVEL_ORDER.get(other.level, 0) > nearness
        )

    @property
    def good_with_secret(self) -> GoodRun | None:
        """The last run that published, but for those that did so by OIDC, for all that is known, and used no secret."""
        by_trust = (self.newest is not None and self.newest.by == "oidc") or (
            bool(self.publishers) and (self.job is None or bool(self.job.id_token))
        )
        for good in (self.evidence.last_good, self.evidence.last_with_token):
            if good is not None and good.published and (good.by == "token" or (good.by is None and not by_trust)):
                return good
        return None

    @property
    def worked_since_written(self) -> timedelta | None:
        """How old the secret was when a version last went out with what it holds now; None when it never did, or
        nobody knows."""
        good, secret = self.good_with_secret, self.secret
        if good is None or secret is None or good.completed_at < secret.updated_at:
            return None
        return good.completed_at - secret.updated_at

    @property
    def sibling(self) -> tuple[str, Literal["oidc", "token"] | None] | None:
        """Another package that went out in this run by way of the same credential, and how, where that is known."""
        if self.diagnosis.phase != "publish":
            return None
        listed = {other.name: other for other in self.evidence.others if other.exists}
        for package in self.diagnosis.packages:
            if package.outcome != "published" or package.package in self.evidence.packages:
                continue
            seen = listed.get(package.package)
            there = seen is not None and package.version in seen.versions
            if there or self.diagnosis.tool in _ALL_AT_ONCE:
                newest = seen.newest if seen else None
                return package.package, newest.by if newest and newest.version == package.version else None
        return None

    @property
    def token_lives(self) -> str | None:
        """A package that the same run published with the token that was refused: it was alive, whatever is on
        record."""
        sibling = self.sibling
        if sibling is None or sibling[1] == "oidc" or self.tokenless:
            return None
        maybe_trust = sibling[1] is None and self.job is not None and bool(self.job.id_token)
        return None if maybe_trust else sibling[0]

    @property
    def secret_fact(self) -> str:
        """`NPM_TOKEN (acme/ui) was last written on 2026-08-24, 93 days ago`; empty without a secret."""
        secret = self.secret
        if secret is None:
            return ""
        where = place(self.attempt.repo, secret.level, secret.environment)
        when = ago(secret.updated_at, self.now)
        return f"{named(secret.name)} ({where}) was last written on {day(secret.updated_at)}, {when}"

    @property
    def private(self) -> bool:
        """Whether a name that the public registry does not show may be that of a private package."""
        good, repository = self.evidence.last_good, self.evidence.repository
        known = good is not None and good.published and good.package is not None and good.package == self.package
        return known or (repository is not None and repository.private is True)

    @property
    def known_ones_failed_too(self) -> bool:
        """Whether packages that exist were refused alike: then it is not the name."""
        failed = set(self.evidence.packages)
        return any(other.exists and other.name in failed for other in self.evidence.others)

    @property
    def npmrc_variable(self) -> str | None:
        """The environment variable that `.npmrc` reads and that is not set, as npm says."""
        found = (_UNREPLACED.search(line.text) for line in self.diagnosis.evidence)
        return next((match[1] for match in found if match), None)

    # --- trust ------------------------------------------------------------------------------------------------------

    @property
    def publishers(self) -> tuple[tuple[Token, Use], ...]:
        """Trusted publishers on record for the packages that failed."""
        packages = {package.lower() for package in self.evidence.packages}
        return tuple(
            (token, use)
            for token in self.evidence.tokens
            if token.kind == TRUSTED
            and token.registry == (self.diagnosis.registry or "npm")
            and not token.revoked_at
            and packages & {package.lower() for package in token.packages}
            for use in token.used_by
        )

    @property
    def newest(self) -> Release | None:
        return self.evidence.published.newest if self.evidence.published else None

    @property
    def trust_known(self) -> bool:
        """Whether anything shows that the package has a trusted publisher: our records, or its last release."""
        return bool(self.publishers) or (self.newest is not None and self.newest.by == "oidc")

    @property
    def trust_meant(self) -> bool:
        """Whether this run was to publish by OIDC: the log says so, or no token is there to do it with."""
        if self.diagnosis.cause in OIDC:
            return True
        if not self.npm or self.diagnosis.phase != "publish" or not self.tokenless:
            return False
        return self.trust_known or bool(self.job and self.job.id_token)

    @property
    def trust_match(self) -> Match:
        """The matched trusted publisher; nothing when the match is a token, which has no part in it."""
        best = self.match.best
        return self.match if best and best.token.kind == TRUSTED and not self.match.guess else Match()

    def with_publisher(self, token: Token) -> Match:
        return Match(Candidate(token, 0, (f"{named(token.name)} is its trusted publisher on record",)))
