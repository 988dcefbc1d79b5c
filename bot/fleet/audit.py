"""What a person should look at, in everything that is on record: tokens, secrets, workflow files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from bot.fleet.audit_rules import LEVELS, RULES, AuditRule, Level
from bot.fleet.dependence import troubles
from bot.fleet.inventory import Inventory, place_of
from bot.fleet.suggestions import suggestions
from bot.matching import same_workflow
from bot.policy import MAY_PUBLISH, ends_at, is_endless, lives, loses_publishing
from bot.registries.npm.workflow import PublishingJob
from bot.rotation.readiness import needs_newer_npm
from bot.token_audit import audit as audit_records
from storage.fleet import FleetJob
from storage.rotations import Rotation
from storage.tokens import Token, Use

UNUSED = timedelta(days=60)
OLD = timedelta(days=365)
CLOCKS_APART = timedelta(minutes=5)
_READS = re.compile(r"READ|INSTALL|PULL|RO$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is. `line` counts from 1; None for the whole file."""

    repo: str
    path: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`about`: a token's name, a secret or a repository; `sentence`: plain text; `token`: its name if it is one."""

    code: str
    about: str
    sentence: str
    token: str | None = None
    place: Place | None = None

    @property
    def rule(self) -> AuditRule:
        return RULES[self.code]


def audit(inventory: Inventory, tokens: Iterable[Token], rotations: Iterable[Rotation], now: datetime) -> list[Finding]:
    """The worst first. `tokens`: all; `rotations`: ended ones too, as far as they are kept."""
    every = list(tokens)
    live = [token for token in every if token.revoked_at is None]
    found = [
        Finding(one.rule, one.token, one.sentence, one.token) for one in audit_records(live, now) if one.rule in RULES
    ]
    found += _of_tokens(live, now)
    found += _used_after_replacement(every, rotations)
    found += _of_secrets(inventory, now)
    found += _of_jobs(inventory)
    found += _publishers(inventory)
    found += _of_the_map(inventory)
    order = {level: place for place, level in enumerate(LEVELS)}
    return sorted(found, key=lambda one: (order[one.rule.level], one.code, one.about, one.sentence))


def at_least(found: Iterable[Finding], level: Level) -> list[Finding]:
    """Those that are as bad as this, or worse."""
    kept = LEVELS[: LEVELS.index(level) + 1]
    return [one for one in found if one.rule.level in kept]


def sarif(found: Iterable[Finding], version: str) -> dict[str, Any]:
    """SARIF 2.1.0 (OASIS), as code-scanning tools of CI systems read it. A token has no file: its place is its name."""
    results = list(found)
    rules = [RULES[code] for code in dict.fromkeys(one.code for one in results)]
    driver = {
        "name": "Tokenwatch",
        "version": version,
        "rules": [
            {
                "id": rule.code,
                "shortDescription": {"text": rule.title},
                "help": {"text": rule.advice.replace("`", "")},
                "defaultConfiguration": {"level": rule.level},
            }
            for rule in rules
        ],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one) for one in results]}],
    }


def _result(one: Finding) -> dict[str, Any]:
    where = one.place.path if one.place else f"tokens/{one.about}"
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(where)}}
    if one.place is not None and one.place.line:
        physical["region"] = {"startLine": one.place.line}
    logical = {"fullyQualifiedName": one.place.repo if one.place else one.about}
    return {
        "ruleId": one.code,
        "level": one.rule.level,
        "message": {"text": f"{one.sentence} {one.rule.advice.replace('`', '')}"},
        "locations": [{"physicalLocation": physical, "logicalLocations": [logical]}],
        "partialFingerprints": {"tokenwatch/v1": f"{one.code}:{one.about}:{one.place.path if one.place else ''}"},
    }


# --- tokens ----------------------------------------------------------------------------------------------------------


def _of_tokens(live: Iterable[Token], now: datetime) -> Iterator[Finding]:
    for token in live:
        may_write = token.permission is None or token.permission in MAY_PUBLISH
        if "*" in token.packages and may_write:
            yield Finding("all-packages", token.name, "It may publish every package of its account.", token.name)
        stop = loses_publishing(token)
        if stop is not None and stop.rule is not None:
            yield Finding("stops-publishing", token.name, stop.rule.says, token.name)
        if is_endless(token) and token.created_at is not None and now - token.created_at >= OLD:
            years = (now - token.created_at).days / 365
            sentence = (
                f"It was made on {token.created_at:%Y-%m-%d}, {years:.1f} years ago; no end is on record, and its"
                " registry sets none."
            )
            yield Finding("endless-and-old", token.name, sentence, token.name)
        if token.kind == "trusted-publisher" or ((end := ends_at(token)) is not None and end <= now):
            continue
        if token.last_used_at is not None and now - token.last_used_at >= UNUSED:
            days = (now - token.last_used_at).days
            yield Finding("unused-60-days", token.name, f"It was last used {days} days ago.", token.name)
        elif token.last_used_at is None and _never_used(token, now):
            yield Finding("unused-60-days", token.name, "The registry's list knows of no use of it.", token.name)


def _never_used(token: Token, now: datetime) -> bool:
    """Only the registry's own list says so; a record that people typed says nothing of uses."""
    return token.listed_at is not None and token.created_at is not None and now - token.created_at >= UNUSED


def _used_after_replacement(every: Iterable[Token], rotations: Iterable[Rotation]) -> Iterator[Finding]:
    replaced: dict[int, datetime] = {}
    for rotation in rotations:
        if rotation.token_id is None or (rotation.end is not None and rotation.end.state != "closed"):
            continue
        proven = [step.done.at for step in rotation.steps if step.kind == "prove" and step.done is not None]
        if proven and len(proven) == sum(step.kind == "prove" for step in rotation.steps):
            replaced[rotation.token_id] = max(replaced.get(rotation.token_id, proven[0]), *proven)
    for token in every:
        since = replaced.get(token.id or 0)
        if since is not None and token.last_used_at is not None and token.last_used_at > since + CLOCKS_APART:
            sentence = f"It was replaced on {since:%Y-%m-%d} and used on {token.last_used_at:%Y-%m-%d} all the same."
            yield Finding("used-after-replacement", token.name, sentence, token.name)


# --- secrets ---------------------------------------------------------------------------------------------------------


def _of_secrets(inventory: Inventory, now: datetime) -> Iterator[Finding]:
    publishing = {reading.place for reading in inventory.readings}
    for token in inventory.tokens.values():
        places = [place for use in token.used_by if (place := place_of(use)) is not None]
        for place in dict.fromkeys(places):
            written = inventory.secrets.get(place)
            sole = inventory.tokens_of.get(place) == (token.name,)
            if written and token.created_at and sole and written + CLOCKS_APART < token.created_at:
                sentence = (
                    f"{place.words} was last written on {written:%Y-%m-%d}, before {token.name} was made"
                    f" on {token.created_at:%Y-%m-%d}: it holds another one."
                )
                yield Finding("secret-older-than-token", token.name, sentence, token.name)
        known = [place for place in places if place in inventory.secrets]
        writes = token.permission in MAY_PUBLISH
        if writes and known and not publishing & set(places) and set(known) <= inventory.mentioned:
            names = " and ".join(dict.fromkeys(place.words for place in known[:3]))
            sentence = f"No publishing job reads {names}, yet the token in it may write."
            yield Finding("read-token-may-write", token.name, sentence, token.name)
        elif writes and any(_READS.search(place.name) for place in places) and not publishing & set(places):
            sentence = "By the name of its secret it is for reading, yet it may write."
            yield Finding("read-token-may-write", token.name, sentence, token.name)
    yield from _past_cap(inventory, now)


def _past_cap(inventory: Inventory, now: datetime) -> Iterator[Finding]:
    longest = max(lives("npm", "granular"), default=None)
    said = set()
    for reading in inventory.readings:
        if longest is None or reading.updated_at is None or reading.job.registry != "npm" or not reading.first:
            continue
        publishers = inventory.publishers_of.get((reading.job.repo.lower(), reading.job.path, reading.job.job))
        if now - reading.updated_at > longest and reading.place not in said and not publishers:
            said.add(reading.place)
            days = (now - reading.updated_at).days
            sentence = (
                f"{reading.place.words} was last written {days} days ago, and npm tokens that may publish live"
                f" {longest.days} days at most."
            )
            yield Finding("secret-past-cap", reading.place.name, sentence, place=_file(reading.job))


# --- workflow files --------------------------------------------------------------------------------------------------


def _of_jobs(inventory: Inventory) -> Iterator[Finding]:
    for exposed in inventory.exposed:
        sentence = f"A credential ({exposed.what}) stands in {exposed.path} of {exposed.repo}, line {exposed.line}."
        yield Finding("hard-coded", exposed.repo, sentence, place=Place(exposed.repo, exposed.path, exposed.line))
    for job in inventory.jobs:
        where = f"Job {job.job} in {job.path.rpartition('/')[2]} of {job.repo}"
        for name in job.configuration:
            sentence = f"{where} takes its token from the variable {name}, which is no secret."
            yield Finding("variable-instead-of-secret", job.repo, sentence, place=_file(job))
        publishers = inventory.publishers_of.get((job.repo.lower(), job.path, job.job))
        if job.registry != "npm" or not job.id_token:
            continue
        relies = bool(publishers) or not job.secrets
        if job.self_hosted and relies:
            sentence = f"{where} asks for an identity on a self-hosted runner."
            yield Finding("oidc-self-hosted", job.repo, sentence, place=_file(job))
        if relies and needs_newer_npm(PublishingJob(job.job, node=job.node, npm=job.npm)):
            sentence = f"{where} runs an npm that knows nothing of trusted publishing."
            yield Finding("oidc-old-npm", job.repo, sentence, place=_file(job))
        if publishers and job.secrets:
            sentence = f"{where} reads {job.secrets[0]} although {publishers[0]} lets it publish without."
            yield Finding("token-beside-oidc", job.repo, sentence, place=_file(job))


def _publishers(inventory: Inventory) -> Iterator[Finding]:
    """Trusted publishers of repositories that were read, for which no job fits."""
    matched = {name for names in inventory.publishers_of.values() for name in names}
    by_repo: dict[str, list[FleetJob]] = {}
    for job in inventory.jobs:
        by_repo.setdefault(job.repo.lower(), []).append(job)
    for token in inventory.tokens.values():
        if token.kind != "trusted-publisher" or token.registry != "npm" or token.name in matched:
            continue
        for use in token.used_by:
            jobs = by_repo.get(use.repo.lower())
            if jobs:
                sentence = _why(token.name, use, jobs)
                yield Finding("publisher-mismatch", token.name, sentence, token.name)


def _why(name: str, use: Use, jobs: list[FleetJob]) -> str:
    repo, workflow, environment = use.repo, use.workflow, use.environment
    of_file = [job for job in jobs if not workflow or same_workflow(workflow, job.path)]
    if not of_file:
        return f"{name} trusts {workflow} of {repo}, and no file of that name publishes there."
    if environment and all(job.environment != environment for job in of_file):
        has = of_file[0].environment
        return f"{name} trusts environment {environment}, and the job runs in {has or 'none'}."
    return f"{name} trusts {workflow or repo}, and its job lacks id-token: write."


def _of_the_map(inventory: Inventory) -> Iterator[Finding]:
    for trouble in troubles(inventory):
        token = trouble.about if trouble.about in inventory.tokens else None
        yield Finding(trouble.code, trouble.about, trouble.sentence, token)
    for one in suggestions(inventory):
        yield Finding("no-record", one.place.name, one.sentence)


def _file(job: FleetJob) -> Place:
    return Place(job.repo, job.path)


def by_code(found: Iterable[Finding]) -> Mapping[str, list[Finding]]:
    """Findings of each rule, the worst rule first."""
    grouped: dict[str, list[Finding]] = {}
    for one in found:
        grouped.setdefault(one.code, []).append(one)
    return grouped


__all__ = ["Finding", "Place", "at_least", "audit", "by_code", "sarif"]
