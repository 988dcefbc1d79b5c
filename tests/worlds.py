"""A failed run in a world of its own, explained as `/tokens why` does: its verdict, and its card as people read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.demo.github import job_from_log
from bot.demo.terminal import blocks_text
from bot.evidence import Evidence
from bot.incidents import Facts
from bot.messages.card import run_card
from bot.triage import as_incident, diagnose_run, explain
from bot.verdict import Verdict
from storage import tokens
from storage.tokens import Token, Use
from tests import npm_logs
from tests.running import Running
from tests.situations import PACKAGE, RELEASE, WITH_TOKEN


def ago(days: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days, minutes=5)


def token(name: str, made: float | None, ends: float | None, *uses: Use, **more: Any) -> Token:
    """`made`, `ends`: days from now, negative = past."""

    def at(ahead: float | None) -> datetime | None:
        return None if ahead is None else ago(-ahead)

    given: dict[str, Any] = {"permission": "read-write", "packages": (PACKAGE,), "bypass_2fa": True} | more
    return Token(name=name, created_at=at(made), expires_at=at(ends), used_by=uses, **given)


def trusted(*uses: Use, **more: Any) -> Token:
    return token("trust-ui", None, None, *uses, kind="trusted-publisher", bypass_2fa=None, **more)


def use(secret: str | None = "NPM_TOKEN", level: str = "repository", *, repo: str = "acme/ui", **more: Any) -> Use:
    return Use(repo, more.pop("workflow", RELEASE), secret, level, **more)


def by_trust(**more: Any) -> Use:
    return use(None, "elsewhere", workflow="release.yml", **more)


def changesets(*packages: tuple[str, str, bool]) -> str:
    """A log of `changeset publish`: (package, version, went out)."""
    lines = [f'🦋  info Publishing "{name}" at "{version}"' for name, version, _ in packages]
    for name, version, out in packages:
        if not out:
            escaped = name.replace("/", "%2f")
            lines += [
                f"🦋  error an error occurred while publishing {name}: E404 Not Found - PUT"
                f" https://registry.npmjs.com/{escaped} - Not found",
                f"🦋  error  The requested resource '{name}@{version}' could not be found or you do not have permission"
                " to access it.",
            ]
    lines += ["🦋  success packages published successfully:"] if any(out for *_, out in packages) else []
    lines += [f"🦋  {name}@{version}" for name, version, out in packages if out]
    lines += ["🦋  error packages failed to publish:"]
    lines += [f"🦋  {name}@{version}" for name, version, out in packages if not out]
    return npm_logs.stamped(
        "##[group]Run npx changeset publish", "npx changeset publish", "env:", "  NPM_TOKEN: ***", "##[endgroup]",
        *lines, npm_logs.EXIT,
    )  # fmt: skip


@dataclass(frozen=True)
class Explained:
    verdict: Verdict
    evidence: Evidence
    card: str

    @property
    def first_step(self) -> str:
        return self.verdict.advice[0]


async def explained(
    running: Running,
    log: str,
    *,
    workflow: str | None = WITH_TOKEN,
    files: Iterable[tuple[str, str, str]] = (),
    secrets: Iterable[tuple[str, str, float]] = (("NPM_TOKEN", "repository", 29),),
    released: Iterable[tuple[str, str, str, float]] = ((PACKAGE, "2.3.0", "token", 40),),
    known: Iterable[Token] = (),
    job: str = "release",
    **run: Any,
) -> Explained:
    """`files`: (repository, path, text); `secrets`: (name, level or environment, days since it was written);
    `released`: (package, version, by whom, days ago); the rest is the run's."""
    github = running.outside.github
    if workflow is not None:
        github.add_file("acme/ui", RELEASE, workflow)
    for repo, path, text in files:
        github.add_file(repo, path, text)
    for name, level, days in secrets:
        where: dict[str, Any] = {"org": "acme"} if level.endswith("organization") else {"repo": "acme/ui"}
        if level.startswith("dependabot"):
            where["dependabot"] = True
        elif level not in ("organization", "repository"):
            where["environment"] = level
        github.add_secret(name, updated_at=ago(days), **where)
    for name, version, by, days in released:
        running.outside.registry.publish(name, version, by, at=ago(days))
    for one in known:
        running.db.write_now(tokens.add, one, datetime.now(UTC))
    run.setdefault("completed_at", datetime.now(UTC).replace(microsecond=0))
    labels, job_started_at = run.pop("labels", ("ubuntu-latest",)), run.pop("job_started_at", None)
    failed = job_from_log(job, log, labels=labels)
    jobs = run.pop("jobs", None) or [replace(failed, started_at=job_started_at) if job_started_at else failed]
    made = github.add_run(jobs=jobs, **run)
    deps = running.bot.deps
    found = await deps.github.run(made.repo, made.id)
    failure = await diagnose_run(found, deps)
    assert failure is not None
    evidence, verdict = await explain(found, failure, deps)
    incident = as_incident(found, failure, evidence, verdict, deps)
    of_card = verdict.match.best.token if verdict.match.best and incident.token_id else None
    card = run_card(incident, Facts.from_json(incident.facts), of_card, deps.now(), notes=())
    blocks = [block if isinstance(block, dict) else block.to_dict() for block in card.blocks]
    shown = blocks_text(blocks, running.outside.slack.workspace)
    return Explained(verdict, evidence, shown)
